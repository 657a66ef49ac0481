//! stub
mod decode;
mod expand;
mod flags;
mod notice;
mod removed;
mod scalar;
mod table;
mod value;
mod yaml;
pub use expand::*;
pub use flags::*;
