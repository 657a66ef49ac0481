//! All sources of a stream as one: each distinct entry once, in time order.
//!
//! Replicas, chunks flushed twice and heads beside chunks hold the same entries again, so blocks overlap. Blocks whose
//! span meets no other's are read straight through. Blocks that overlap form a cluster: they are dealt into as few runs
//! as possible (a run's blocks follow each other), one block per run is held in memory, and the runs are merged by time.
//! What is held is what the visitor made of an entry, not the entry: filters and parsers run before the merge, once per
//! copy, and a sample is a few words.
//!
//! Two entries are the same if time, line and metadata are (compared by a 64-bit hash, as upstream compares samples).

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::ops::ControlFlow;

use foldhash::quality::FixedState;
use loptr_model::{Entry, Nanos, TimeRange};
use loptr_ports::{Budget, Reservation};

use super::{BlockSpan, Scratch, Source, SourceError, Tombstones};
use crate::pipeline::Finder;

/// In which order entries are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first, equal times in order of arrival.
    Forward,
    /// Newest first, equal times latest arrival first.
    Backward,
}

/// What a merge feeds. An entry is first made into something to keep, later that is handed back in order.
pub trait Visitor {
    /// What is kept of an entry; its size counts while blocks overlap.
    type Kept;

    /// Runs the entry through the filters. A pure function of the entry: copies of it must fare alike.
    fn take(&mut self, entry: Entry<'_>) -> Option<Self::Kept>;

    /// Receives what was kept, in order, once per distinct entry.
    fn emit(&mut self, ts: Nanos, kept: Self::Kept) -> ControlFlow<()>;

    /// Whether nothing in `min..=max` matters any more: a block that is not needed is not read.
    fn skips(&self, min: Nanos, max: Nanos) -> bool {
        let _ = (min, max);
        false
    }

    /// Whether the order of entries matters. If not, blocks alone in their time are handed over as read.
    fn wants_order(&self) -> bool {
        true
    }

    /// Bytes held of all that was taken so far, such as label sets. They are charged between blocks, until the end of the merge.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Heap bytes that `kept` holds beside its own size.
    fn heap_bytes(kept: &Self::Kept) -> usize {
        let _ = kept;
        0
    }
}

/// Merges the sources of one stream.
pub struct Merger<'a> {
    sources: &'a [&'a dyn Source],
    range: TimeRange,
    direction: Direction,
    tombstones: &'a Tombstones,
    budget: &'a Budget,
}

/// One block of one source.
#[derive(Clone, Copy, Debug)]
struct Place {
    source: usize,
    block: usize,
    min: Nanos,
    max: Nanos,
    repeats: bool,
}

/// What a merge is charged for.
struct Held<'h> {
    /// Blocks that overlap.
    heads: Reservation,
    /// What the visitor holds.
    visitor: &'h mut Reservation,
}

struct Item<K> {
    ts: Nanos,
    digest: u64,
    kept: K,
}

impl<'a> Merger<'a> {
    /// Entries of `sources` inside `range`. Earlier sources count as earlier arrived.
    pub fn new(
        sources: &'a [&'a dyn Source],
        range: TimeRange,
        direction: Direction,
        tombstones: &'a Tombstones,
        budget: &'a Budget,
    ) -> Self {
        Self { sources, range, direction, tombstones, budget }
    }

    /// Feeds `visitor` until the end or `Break`.
    pub fn run<V: Visitor>(
        &self,
        mut finder: Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visitor: &mut V,
    ) -> Result<(), SourceError> {
        let mut clusters = clusters(self.places());
        if self.direction == Direction::Backward {
            clusters.reverse();
        }
        // Entries at the time where neighbouring clusters touch, already handed over.
        let mut border = Border::default();
        let mut held = self.budget.reserve(0)?;
        for cluster in clusters {
            self.budget.check()?;
            let flow = match cluster.as_slice() {
                [one] if !one.repeats => self.read_through(*one, &mut finder, scratch, visitor, &mut border)?,
                _ => self.merge(&cluster, &mut finder, scratch, visitor, &mut border, &mut held)?,
            };
            held.grow_to(visitor.held_bytes() as u64)?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// As [`Merger::run`], handing over owned copies of entries that `keep` accepts.
    pub fn each(
        &self,
        finder: Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        keep: impl FnMut(&Entry<'_>) -> bool,
        visit: impl FnMut(loptr_model::OwnedEntry) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        self.run(finder, scratch, &mut Owned { keep, visit })
    }

    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (source, blocks) in self.sources.iter().enumerate() {
            for (block, &BlockSpan { min, max, .. }) in blocks.blocks().iter().enumerate() {
                if self.range.overlaps_closed(min, max) {
                    // Only the part inside the range can overlap anything.
                    let (min, max) = (min.max(self.range.start), max.min(Nanos(self.range.end.0.saturating_sub(1))));
                    places.push(Place { source, block, min, max, repeats: blocks.may_repeat() });
                }
            }
        }
        places
    }

    fn scan(
        &self,
        place: Place,
        finder: &mut Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let finder = finder.as_mut().map(|finder| &mut **finder as &mut dyn Finder);
        let source = self.sources[place.source];
        source.scan(place.block, self.range, self.direction, finder, self.tombstones, scratch, self.budget, visit)
    }

    /// A block alone in its time: entries go on as they are read.
    fn read_through<V: Visitor>(
        &self,
        place: Place,
        finder: &mut Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visitor: &mut V,
        border: &mut Border,
    ) -> Result<ControlFlow<()>, SourceError> {
        let mut flow = ControlFlow::Continue(());
        if visitor.skips(place.min, place.max) {
            return Ok(flow);
        }
        let (mut kept, mut repeated) = (0, 0);
        self.scan(place, finder, scratch, &mut |entry| {
            let Some(taken) = visitor.take(entry) else { return self.rest_of(place, entry.ts, visitor) };
            kept += 1;
            let touches = entry.ts == place.min || entry.ts == place.max;
            if touches && !border.is_new(entry.ts, digest(&entry)) {
                repeated += 1;
                return ControlFlow::Continue(());
            }
            flow = visitor.emit(entry.ts, taken);
            flow
        })?;
        self.sources[place.source].note(kept, repeated);
        Ok(flow)
    }

    fn merge<V: Visitor>(
        &self,
        cluster: &[Place],
        finder: &mut Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visitor: &mut V,
        border: &mut Border,
        held: &mut Reservation,
    ) -> Result<ControlFlow<()>, SourceError> {
        let mut runs = runs(cluster, self.direction);
        let mut held = Held { heads: self.budget.reserve(0)?, visitor: held };
        // Heads are told apart by the order of arrival of their block.
        let mut heads: Vec<Run<V::Kept>> = runs
            .drain(..)
            .map(|places| Run { places, items: VecDeque::new(), at: Place::nowhere(), bytes: 0 })
            .collect();
        for at in 0..heads.len() {
            self.refill(&mut heads, at, finder, scratch, visitor, &mut held)?;
        }
        while let Some(next) = self.next(&heads) {
            let Some(item) = heads[next].items.pop_front() else { break };
            if !border.is_new(item.ts, item.digest) {
                self.sources[heads[next].at.source].note(0, 1);
            } else if visitor.emit(item.ts, item.kept).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if heads[next].items.is_empty() {
                self.refill(&mut heads, next, finder, scratch, visitor, &mut held)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reads blocks of a run until it has something to give or has ended.
    fn refill<V: Visitor>(
        &self,
        heads: &mut [Run<V::Kept>],
        at: usize,
        finder: &mut Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visitor: &mut V,
        held: &mut Held<'_>,
    ) -> Result<(), SourceError> {
        while heads[at].items.is_empty() && !heads[at].places.is_empty() {
            self.fill(&mut heads[at], finder, scratch, visitor)?;
            grow(&mut held.heads, heads)?;
            held.visitor.grow_to(visitor.held_bytes() as u64)?;
        }
        Ok(())
    }

    /// The run whose head comes next.
    #[inline]
    fn next<K>(&self, heads: &[Run<K>]) -> Option<usize> {
        let mut best: Option<(usize, Nanos)> = None;
        for (at, run) in heads.iter().enumerate() {
            let Some(item) = run.items.front() else { continue };
            let better = best.is_none_or(|(best, ts)| {
                // Equal times go by arrival.
                let order = item.ts.cmp(&ts).then_with(|| run.at.arrival().cmp(&heads[best].at.arrival()));
                order == if self.direction == Direction::Forward { Ordering::Less } else { Ordering::Greater }
            });
            if better {
                best = Some((at, item.ts));
            }
        }
        best.map(|(at, _)| at)
    }

    fn fill<V: Visitor>(
        &self,
        run: &mut Run<V::Kept>,
        finder: &mut Option<&mut dyn Finder>,
        scratch: &mut Scratch,
        visitor: &mut V,
    ) -> Result<(), SourceError> {
        let Some(place) = run.places.pop_front() else { return Ok(()) };
        run.at = place;
        if visitor.skips(place.min, place.max) {
            return Ok(());
        }
        self.budget.check()?;
        let (items, mut sorted, mut heap) = (&mut run.items, true, 0);
        let forward = self.direction == Direction::Forward;
        self.scan(place, finder, scratch, &mut |entry| {
            let Some(kept) = visitor.take(entry) else { return self.rest_of(place, entry.ts, visitor) };
            sorted &= items.back().is_none_or(|last| if forward { last.ts <= entry.ts } else { last.ts >= entry.ts });
            heap += V::heap_bytes(&kept);
            items.push_back(Item { ts: entry.ts, digest: digest(&entry), kept });
            ControlFlow::Continue(())
        })?;
        self.sources[place.source].note(run.items.len() as u64, 0);
        run.bytes = heap + run.items.len() * size_of::<Item<V::Kept>>();
        if !sorted && forward {
            run.items.make_contiguous().sort_by_key(|item| item.ts);
        } else if !sorted {
            run.items.make_contiguous().sort_by_key(|item| std::cmp::Reverse(item.ts));
        }
        Ok(())
    }

    /// Whether the rest of a block, from an entry at `ts` on that was not kept, is to be read. Forward it is: blocks of
    /// old writers need not be sorted as they lie.
    #[inline]
    fn rest_of<V: Visitor>(&self, place: Place, ts: Nanos, visitor: &V) -> ControlFlow<()> {
        let is_past = self.direction == Direction::Backward && visitor.skips(place.min, ts);
        if is_past { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Place {
    fn arrival(&self) -> (usize, usize) {
        (self.source, self.block)
    }

    fn nowhere() -> Self {
        Self { source: 0, block: 0, min: Nanos(0), max: Nanos(0), repeats: false }
    }
}

struct Run<K> {
    /// Blocks not read yet, in order.
    places: VecDeque<Place>,
    /// What is left of the block read last.
    items: VecDeque<Item<K>>,
    at: Place,
    bytes: usize,
}

fn grow<K>(held: &mut Reservation, runs: &[Run<K>]) -> Result<(), SourceError> {
    Ok(held.grow_to(runs.iter().map(|run| run.bytes as u64).sum())?)
}

/// Groups of blocks that overlap, in order of time. Blocks that only touch in one instant stay apart.
fn clusters(mut places: Vec<Place>) -> Vec<Vec<Place>> {
    places.sort_by_key(|place| (place.min, place.max, place.source, place.block));
    let mut clusters: Vec<Vec<Place>> = Vec::new();
    let mut end = Nanos::MIN;
    for place in places {
        // A block that begins where all before it end touches them, and so does one instant long block.
        match clusters.last_mut() {
            Some(cluster) if place.min < end => cluster.push(place),
            _ => clusters.push(vec![place]),
        }
        end = end.max(place.max);
    }
    clusters
}

/// Deals the blocks of a cluster into as few runs as possible, each in order.
fn runs(cluster: &[Place], direction: Direction) -> Vec<VecDeque<Place>> {
    let mut runs: Vec<VecDeque<Place>> = Vec::new();
    // Blocks come by `min`; a run takes one that begins after the run's last has ended.
    for &place in cluster {
        match runs.iter_mut().find(|run| run.back().is_some_and(|last: &Place| last.max < place.min)) {
            Some(run) => run.push_back(place),
            None => runs.push(VecDeque::from([place])),
        }
    }
    if direction == Direction::Backward {
        for run in &mut runs {
            run.make_contiguous().reverse();
        }
    }
    runs
}

/// Hashes of the entries handed over last, all of one time.
#[derive(Default)]
struct Border {
    ts: Option<Nanos>,
    few: Vec<u64>,
    many: HashSet<u64, FixedState>,
}

/// Entries of one time compared one by one before a table is worth it.
const FEW: usize = 16;

impl Border {
    fn is_new(&mut self, ts: Nanos, digest: u64) -> bool {
        if self.ts != Some(ts) {
            self.ts = Some(ts);
            self.few.clear();
            if !self.many.is_empty() {
                self.many.clear();
            }
        }
        if self.few.contains(&digest) {
            return false;
        }
        if self.few.len() < FEW {
            self.few.push(digest);
            return true;
        }
        self.many.insert(digest)
    }
}

/// Identity of an entry among those of its time: line and metadata.
fn digest(entry: &Entry<'_>) -> u64 {
    let mut hash = FixedState::default().build_hasher();
    hash.write(entry.line);
    // Lengths keep the parts apart.
    hash.write_usize(entry.line.len());
    for (name, value) in entry.metadata {
        hash.write(name.as_bytes());
        hash.write(value.as_bytes());
        hash.write_u64((name.len() as u64) << 32 | value.len() as u64);
    }
    hash.finish()
}

struct Owned<K, F> {
    keep: K,
    visit: F,
}

impl<K, F> Visitor for Owned<K, F>
where
    K: FnMut(&Entry<'_>) -> bool,
    F: FnMut(loptr_model::OwnedEntry) -> ControlFlow<()>,
{
    type Kept = loptr_model::OwnedEntry;

    fn take(&mut self, entry: Entry<'_>) -> Option<Self::Kept> {
        (self.keep)(&entry).then(|| entry.into())
    }

    fn emit(&mut self, _ts: Nanos, kept: Self::Kept) -> ControlFlow<()> {
        (self.visit)(kept)
    }

    fn heap_bytes(kept: &Self::Kept) -> usize {
        kept.line.len() + kept.metadata.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>()
    }
}
