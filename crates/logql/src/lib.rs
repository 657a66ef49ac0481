//! LogQL: text to tree and back.
#![warn(missing_docs)]

pub mod ast;
