//! wire
#![warn(missing_docs)]

pub mod answer;
pub mod enrich;
pub mod go;
pub mod labels;
mod lenient;
pub mod params;
pub mod push;
