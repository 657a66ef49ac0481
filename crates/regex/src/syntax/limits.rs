//! Go's limits on a pattern: 1000 nodes high, 3.3 million instructions, 33 million runes in classes.

use super::parser::Item;
use super::tree::{Kind, Regexp};
use crate::error::ErrorCode;

/// Nodes from the root to the deepest leaf.
const MAX_HEIGHT: u32 = 1000;

/// Instructions in a program, at 40 bytes each.
const MAX_SIZE: u64 = (128 << 20) / 40;

/// Rune slots of all classes seen. Go allows 32 Mi; ours is lower, for what is built from a class is larger here.
const MAX_RUNES: usize = 8 << 20;

/// The counters Go's parser keeps. Sizes are only looked at once nodes times counts could pass the limit, and that is
/// mirrored: a pattern may be larger than [`MAX_SIZE`] without being refused.
#[derive(Debug)]
pub(super) struct Limits {
    /// Nodes made and not given back; `free` of them wait for reuse.
    nodes: u64,
    free: u64,
    runes: usize,
    /// Product of all counts seen.
    repeats: u64,
    sizing: bool,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { nodes: 0, free: 0, runes: 0, repeats: 1, sizing: false }
    }

    /// A node is made.
    pub(super) fn take(&mut self) {
        if self.free > 0 { self.free -= 1 } else { self.nodes += 1 }
    }

    /// A node is given back.
    pub(super) fn give(&mut self) {
        self.free += 1;
    }

    /// A node with `runes` rune slots is pushed.
    pub(super) fn count_runes(&mut self, runes: usize) {
        self.runes = self.runes.saturating_add(runes);
    }

    /// Looks at `node`, about to lie on top of `stack`.
    pub(super) fn check(&mut self, node: &Regexp, stack: &[Item]) -> Result<(), ErrorCode> {
        if self.runes > MAX_RUNES {
            return Err(ErrorCode::Large);
        }
        self.check_size(node, stack)?;
        if node.height > MAX_HEIGHT { Err(ErrorCode::NestingDepth) } else { Ok(()) }
    }

    fn check_size(&mut self, node: &Regexp, stack: &[Item]) -> Result<(), ErrorCode> {
        if !self.sizing {
            if let Kind::Repeat { min, max, .. } = &node.kind {
                let count = u64::from(max.unwrap_or(*min).max(1));
                let full = count > MAX_SIZE / self.repeats;
                self.repeats = if full { MAX_SIZE } else { self.repeats * count };
            }
            if self.nodes < MAX_SIZE / self.repeats {
                return Ok(());
            }
            self.sizing = true;
            if stack.iter().any(|item| matches!(item, Item::Node(below) if below.size > MAX_SIZE)) {
                return Err(ErrorCode::Large);
            }
        }
        if node.size > MAX_SIZE { Err(ErrorCode::Large) } else { Ok(()) }
    }
}

/// Whether counted repetitions, multiplied along every path, stay within `limit` copies.
pub(super) fn repeats_fit(node: &Regexp, mut limit: u32) -> bool {
    if let Kind::Repeat { min, max, .. } = &node.kind {
        if *max == Some(0) {
            return true;
        }
        let count = max.unwrap_or(*min);
        if count > limit {
            return false;
        }
        limit = limit.checked_div(count).unwrap_or(limit);
    }
    node.subs().iter().all(|sub| repeats_fit(sub, limit))
}
