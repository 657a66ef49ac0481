//! Puts entries of raw block bytes in time order. Stable: entries at one time keep their order.

use crate::block::Block;
use crate::error::ChunkError;
use crate::varint;

/// Time and place of one entry.
pub(super) struct Placed {
    pub(super) ts: i64,
    pub(super) start: usize,
    pub(super) end: usize,
    /// Upstream's size counter for this entry: line bytes plus 8 for each metadata pair.
    pub(super) counter: u64,
}

/// The entries of `block`, sorted.
pub(super) fn sorted(block: Block<'_>) -> Result<Vec<Placed>, ChunkError> {
    let bytes = block.bytes();
    let mut found = Vec::new();
    let mut spans = block.entries();
    while let Some(span) = spans.next_span() {
        let span = span?;
        let pairs =
            if span.metadata < span.end { varint::read(bytes, span.metadata).map_or(0, |read| read.0) } else { 0 };
        let counter = (span.line_end - span.line) as u64 + 8 * pairs.min((span.end - span.metadata) as u64);
        found.push(Placed { ts: block.entry(span)?.ts.0, start: span.start, end: span.end, counter });
    }
    found.sort_by_key(|placed| placed.ts);
    Ok(found)
}

/// The same entries in time order. `block` is the head's own bytes, so they are well formed.
pub(super) fn in_time_order(block: Block<'_>) -> Vec<u8> {
    let bytes = block.bytes();
    let placed = sorted(block).expect("the head wrote these bytes itself");
    let mut out = Vec::with_capacity(bytes.len());
    placed.iter().for_each(|entry| out.extend_from_slice(&bytes[entry.start..entry.end]));
    out
}
