//! regex
#![warn(missing_docs)]
mod block;
mod engine;
mod error;
mod hir;
mod matcher;
mod needles;
mod probe;
mod regex;
mod replace;
pub mod syntax;
mod trim;
mod unicode;
mod utf8;
mod values;
pub use block::BlockScan;
pub use error::{ErrorCode, RegexError};
pub use matcher::LabelMatcher;
pub use needles::{Needles, fold_char};
pub use regex::{Captures, GoRegex, Matches};
