//! stub
mod scalar;
mod table;
mod value;
mod yaml;
