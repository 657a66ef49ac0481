//! YAML text into a tree that knows the line and column of every node.
//!
//! ```text
//! bytes --tree::parse--> Tree (arena of nodes, aliases as references) --scalar::resolve--> null, bool, number, text
//! ```
//!
//! The syntax is read by `saphyr-parser`'s event stream; types of plain words follow YAML 1.1 as Go's yaml.v2 has it.
//! Bounds: [`tree::MAX_BYTES`], [`tree::MAX_NODES`], [`tree::MAX_DEPTH`]; a cycle or an alias bomb is a matter of
//! whoever walks the tree, see [`crate::decode`].

pub(crate) mod scalar;
pub(crate) mod tree;
