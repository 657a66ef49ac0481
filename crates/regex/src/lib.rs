//! regex
#![warn(missing_docs)]
mod engine;
mod error;
mod hir;
mod probe;
mod regex;
pub mod syntax;
mod trim;
mod unicode;
mod utf8;
pub use error::{ErrorCode, RegexError};
pub use regex::{Captures, GoRegex, Matches};
