//! The entries not yet cut into a block, kept as the bytes of the block they will become.
//!
//! While entries come in time order (they mostly do) nothing else is kept: a cut compresses these very bytes. Out of
//! order, a sort waits until somebody reads or cuts.
//!
//! An entry is a duplicate when the head holds one with the same time, line and metadata: since symbols are interned,
//! that is one with the same bytes. Only entries at the newest time can equal one that is not older, so those are
//! compared; an older entry, or many at one time, bring a hash set of entries into being until the next cut.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use loptr_model::Nanos;

use crate::block::{Block, write_entry};

use super::sort;

/// Entries at the newest time that are compared one by one.
const SHORT_RUN: u32 = 8;

#[derive(Clone, Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    has_metadata: bool,
    in_order: bool,
    entries: u64,
    /// Upstream's size counter: line bytes plus 8 for each metadata pair.
    counter: u64,
    min: Nanos,
    max: Nanos,
    /// Where the entries at `max` start, while in order.
    run_start: usize,
    run_entries: u32,
    seen: Option<Box<Seen>>,
}

/// (hash, start) of every entry of the head.
#[derive(Clone, Debug, Default)]
struct Seen {
    table: HashTable<(u32, u32)>,
    seed: RandomState,
}

/// A head turned into block bytes, in time order.
pub(super) struct RawBlock {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: u64,
    pub(super) counter: u64,
    pub(super) min: Nanos,
    pub(super) max: Nanos,
}

impl Head {
    pub(super) fn new(has_metadata: bool) -> Self {
        Self {
            bytes: Vec::new(),
            has_metadata,
            in_order: true,
            entries: 0,
            counter: 0,
            min: Nanos::MAX,
            max: Nanos::MIN,
            run_start: 0,
            run_entries: 0,
            seen: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn counter(&self) -> u64 {
        self.counter
    }

    /// The entries in order of arrival, as in a block.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn raw_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bounds(&self) -> Option<(Nanos, Nanos)> {
        (self.entries > 0).then_some((self.min, self.max))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let seen = self.seen.as_ref().map_or(0, |seen| seen.table.allocation_size() + size_of::<Seen>());
        self.bytes.capacity() + seen
    }

    fn block(&self) -> Block<'_> {
        Block::new(&self.bytes, self.has_metadata)
    }

    /// Adds an entry; gives whether it was a duplicate and left out. The caller keeps the head below 4 GiB.
    pub(super) fn append(&mut self, ts: Nanos, line: &[u8], pairs: &[(u32, u32)]) -> bool {
        let start = self.bytes.len();
        write_entry(&mut self.bytes, ts, line, self.has_metadata.then_some(pairs));
        self.keep(ts, start, (line.len() + 8 * pairs.len()) as u64)
    }

    /// As [`append`](Self::append), for an entry that was in a block already: its bytes and what it adds to the counter.
    pub(super) fn append_bytes(&mut self, ts: Nanos, entry: &[u8], counter: u64) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(entry);
        self.keep(ts, start, counter)
    }

    /// Takes in the entry whose bytes were put at `start`, or takes them out again if it is a duplicate.
    fn keep(&mut self, ts: Nanos, start: usize, counter: u64) -> bool {
        let newest = self.entries == 0 || ts > self.max;
        if !newest && self.is_duplicate(ts, start) {
            self.bytes.truncate(start);
            return true;
        }
        if newest {
            (self.run_start, self.run_entries) = (start, 0);
        }
        self.run_entries += u32::from(ts >= self.max || newest);
        if let Some(seen) = &mut self.seen {
            seen.insert(&self.bytes[start..], start);
        }
        self.in_order &= newest || ts == self.max;
        self.entries += 1;
        self.counter += counter;
        self.min = self.min.min(ts);
        self.max = self.max.max(ts);
        false
    }

    /// Whether an entry before `start` equals the one at `start`, which is not newer than all of them.
    fn is_duplicate(&mut self, ts: Nanos, start: usize) -> bool {
        if self.seen.is_none() && ts == self.max && self.run_entries <= SHORT_RUN {
            let (before, new) = self.bytes.split_at(start);
            let mut at = self.run_start;
            while at < before.len() {
                if before[at..].starts_with(new) {
                    return true;
                }
                at = Block::new(before, self.has_metadata).span(at).map_or(before.len(), |span| span.end);
            }
            return false;
        }
        let seen = self.seen.get_or_insert_with(|| {
            let mut seen = Box::<Seen>::default();
            let before = Block::new(&self.bytes[..start], self.has_metadata);
            let mut spans = before.entries();
            while let Some(Ok(span)) = spans.next_span() {
                seen.insert(&before.bytes()[span.start..span.end], span.start);
            }
            seen
        });
        seen.contains(&self.bytes, start)
    }

    /// The entries in time order, those at one time in order of arrival; the head stays.
    pub(super) fn to_raw(&self) -> RawBlock {
        let bytes = if self.in_order { self.bytes.clone() } else { sort::in_time_order(self.block()) };
        RawBlock { bytes, entries: self.entries, counter: self.counter, min: self.min, max: self.max }
    }

    /// As [`to_raw`](Self::to_raw), and the head is empty afterwards. Its memory goes with the block: a stream may
    /// fall idle now.
    pub(super) fn take_raw(&mut self) -> RawBlock {
        if !self.in_order {
            self.bytes = sort::in_time_order(self.block());
            self.in_order = true;
        }
        let head = std::mem::replace(self, Self::new(self.has_metadata));
        RawBlock { bytes: head.bytes, entries: head.entries, counter: head.counter, min: head.min, max: head.max }
    }
}

impl Seen {
    fn hash(&self, entry: &[u8]) -> u32 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(entry);
        let hash = hasher.finish();
        (hash ^ hash >> 32) as u32
    }

    fn insert(&mut self, entry: &[u8], start: usize) {
        let hash = self.hash(entry);
        self.table.insert_unique(spread(hash), (hash, start as u32), |&(hash, _)| spread(hash));
    }

    /// Whether an entry equal to the last one, at `start`, is in the set. Entries tell their own length, so equal
    /// first bytes are an equal entry.
    fn contains(&self, bytes: &[u8], start: usize) -> bool {
        let (before, new) = bytes.split_at(start);
        let hash = self.hash(new);
        let same = |&(other, at): &(u32, u32)| other == hash && before[at as usize..].starts_with(new);
        self.table.find(spread(hash), same).is_some()
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
