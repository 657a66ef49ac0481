//! Where the entries of a stream lie, as seen by an evaluator: a head, a log, a chunk, a sidecar, a remote replica.
//!
//! The [`Merger`] reads all sources of one stream and hands over each distinct entry once, in time order.

mod memory;
mod merger;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use loptr_model::{Entry, Labels, Nanos, TimeRange};
use loptr_ports::{Budget, BudgetError};
use loptr_regex::LabelMatcher;

pub use memory::VecSource;
pub use merger::{Direction, Merger, Visitor};

use crate::pipeline::{Finder, Pipeline};

/// What a source says of one of its blocks before anything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSpan {
    /// Time of its first entry.
    pub min: Nanos,
    /// Time of its last entry; included.
    pub max: Nanos,
    /// Entries inside.
    pub entries: u32,
    /// Bytes of lines and metadata inside, roughly.
    pub bytes: u64,
}

/// Entries of one stream, in blocks.
///
/// Entries of a block are stored in order of time, entries of equal time in order of arrival, and no two of a block are
/// equal in time, line and metadata unless [`Source::may_repeat`] says so.
pub trait Source: Send + Sync {
    /// Changes whenever the content may have: caches and sidecars key on it.
    fn generation(&self) -> u64;

    /// The blocks, in order of arrival.
    fn blocks(&self) -> &[BlockSpan];

    /// Whether a block may hold an entry twice.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Calls `visit` with each entry of block `at` inside `range` that no tombstone covers and that passes `finder`
    /// (if any), in stored order or (backward) newest first, those of equal times in the reverse of stored order, until the end or `Break`. A finder only rules out:
    /// entries it does not point at may come too.
    #[allow(clippy::too_many_arguments, reason = "one call per block, and each argument has another owner")]
    fn scan(
        &self,
        at: usize,
        range: TimeRange,
        direction: Direction,
        finder: Option<&mut dyn Finder>,
        tombstones: &Tombstones,
        scratch: &mut Scratch,
        budget: &Budget,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError>;

    /// Told how many of the entries read were kept, and how many of those were met before. For statistics.
    fn note(&self, _kept: u64, _repeated: u64) {}
}

/// Why a block could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The query has to stop.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The bytes are not what they should be.
    #[error("{what}: {why}")]
    Corrupt {
        /// The source.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The source cannot be reached or has gone.
    #[error("{what} is unavailable: {why}")]
    Unavailable {
        /// The source.
        what: String,
        /// Why.
        why: String,
    },
}

/// Buffers a task reuses from block to block. Each kind of source keeps what it needs under its own type.
#[derive(Default)]
pub struct Scratch {
    slots: Vec<Box<dyn Any + Send>>,
}

impl Scratch {
    /// The buffers of type `T`, empty at first.
    pub fn slot<T: Default + Send + 'static>(&mut self) -> &mut T {
        let at = self.slots.iter().position(|slot| slot.is::<T>()).unwrap_or_else(|| {
            self.slots.push(Box::<T>::default());
            self.slots.len() - 1
        });
        self.slots[at].downcast_mut().expect("the position was found by this type")
    }
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} slots)", self.slots.len())
    }
}

/// Entries deleted but still stored.
#[derive(Clone, Debug, Default)]
pub struct Tombstones {
    /// Changes whenever the list does.
    pub generation: u64,
    /// The deletions that concern the stream at hand.
    pub list: Vec<Tombstone>,
}

/// One deletion: entries inside `range` that `predicate` keeps are gone.
#[derive(Clone, Debug)]
pub struct Tombstone {
    /// When.
    pub range: TimeRange,
    /// Which; without one, all.
    pub predicate: Option<Pipeline>,
}

/// A tenant's deletion: of which streams, and what of them.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// All must accept a stream's labels.
    pub matchers: Arc<[LabelMatcher]>,
    /// What is gone of those streams.
    pub tombstone: Tombstone,
}

impl Deletion {
    /// Whether it is about a stream whose label values `value` tells.
    pub fn concerns<'l>(&self, value: impl Fn(&str) -> &'l str) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(value(matcher.name())))
    }
}

impl Tombstones {
    /// Those of `deletions` that are about a stream.
    pub fn of_stream<'d>(stream: &Labels, deletions: impl IntoIterator<Item = &'d Deletion>) -> Self {
        let concerning =
            deletions.into_iter().filter(|deletion| deletion.concerns(|name| stream.get(name).unwrap_or_default()));
        Self { generation: 0, list: concerning.map(|deletion| deletion.tombstone.clone()).collect() }
    }

    /// Whether nothing inside `range` is deleted: then entries need no look.
    pub fn spares(&self, range: TimeRange) -> bool {
        self.list.iter().all(|tombstone| tombstone.range.intersect(&range).is_empty())
    }

    /// The deletions with their predicates bound to a stream, to test its entries.
    pub fn for_stream(&self, stream: &Labels) -> Deleted {
        let bind = |tombstone: &Tombstone| {
            (tombstone.range, tombstone.predicate.as_ref().map(|pipeline| pipeline.for_stream(stream)))
        };
        Deleted { list: self.list.iter().map(bind).collect() }
    }
}

/// Tombstones bound to one stream.
#[derive(Debug)]
pub struct Deleted {
    list: Vec<(TimeRange, Option<crate::pipeline::StreamPipeline>)>,
}

impl Deleted {
    /// Whether `entry` is deleted.
    pub fn covers(&mut self, entry: &Entry<'_>) -> bool {
        self.list.iter_mut().any(|(range, predicate)| {
            range.contains(entry.ts) && predicate.as_mut().is_none_or(|predicate| predicate.process(entry).is_some())
        })
    }
}
