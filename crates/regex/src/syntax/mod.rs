//! Go's regular expression syntax: text to tree.
//!
//! The tree is the one Go's `regexp/syntax` builds, with its simplifications: neighbouring characters join into one
//! literal, alternatives share common prefixes (`foo|foobar` is `foo(?:|bar)`), alternatives of one character become a
//! class (`401|402` is `40[12]`). Those shapes are visible to users: the height and size limits are counted on them,
//! and upstream replaces some of them by plain text tests.
//!
//! ```
//! use loptr_regex::syntax::{parse, Dialect, Flags, Kind};
//! let tree = parse("401|402", Flags::PERL, Dialect::Go).unwrap();
//! let Kind::Concat(parts) = &tree.kind else { panic!() };
//! assert!(matches!(&parts[0].kind, Kind::Literal(runes) if runes == &[0x34, 0x30]));
//! assert!(matches!(&parts[1].kind, Kind::Class(set) if set.ranges() == [(0x31, 0x32)]));
//! ```

mod class;
mod escape;
mod factor;
mod limits;
mod parser;
mod perl;
mod set;
mod simplify;
mod tree;

pub use parser::parse;
pub(crate) use parser::parse_bytes;
pub use set::ClassSet;
pub use tree::{Dialect, Flags, Kind, Regexp};

#[cfg(test)]
mod tests;
