//! One stream in memory: the chunk being filled and those that wait to be flushed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loptr_chunk::{Chunk, ChunkError, ChunkOptions, MemChunk};
use loptr_model::{Entry, Fingerprint, Labels, Nanos, OwnedEntry, TimeRange};
use loptr_wal::SeqRanges;
use loptr_wire::enrich::DETECTED_LEVEL;
use parking_lot::Mutex;

use crate::memory::{ChunkMemory, Share};
use crate::rate::TokenBucket;
use crate::settings::IngestSettings;

/// Why a chunk was closed. The texts are the values of upstream's metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// No room for the next entry.
    Full,
    /// Cut where replicas cut, too.
    Synced,
    /// No append for long.
    Idle,
    /// Spans too much log time.
    MaxAge,
    /// Asked for.
    Forced,
}

impl CloseReason {
    /// Upstream's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Synced => "synced",
            Self::Idle => "idle",
            Self::MaxAge => "max_age",
            Self::Forced => "forced",
        }
    }
}

/// The log segment from which on a chunk's entries may lie; it moves up when the chunk is logged anew.
#[derive(Clone, Debug)]
pub(crate) struct FirstSegment(Arc<AtomicU64>);

impl FirstSegment {
    pub(crate) fn new(segment: u64) -> Self {
        Self(Arc::new(AtomicU64::new(segment)))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn move_up(&self, segment: u64) {
        self.0.fetch_max(segment, Ordering::SeqCst);
    }
}

/// A chunk being filled.
#[derive(Debug)]
pub(crate) struct OpenChunk {
    pub(crate) chunk: MemChunk,
    pub(crate) first_segment: FirstSegment,
    /// Numbers of its entries.
    pub(crate) covers: SeqRanges,
    /// Time of the last append, monotonic.
    pub(crate) appended_at: Nanos,
    /// Of the memory of all chunks.
    pub(crate) share: Share,
}

/// A chunk that waits to be flushed. Its contents stay as they are.
#[derive(Debug)]
pub(crate) struct ClosedChunk {
    pub(crate) chunk: MemChunk,
    pub(crate) first_segment: FirstSegment,
    /// Numbers of its entries: those of the stream among them lie in this chunk.
    pub(crate) covers: SeqRanges,
    pub(crate) reason: CloseReason,
    pub(crate) share: Share,
}

/// Why an entry was refused by its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooFarBehind { oldest: Nanos },
    OutOfOrder,
    RateLimited { entry_bytes: usize },
    Damaged(String),
}

/// A stream of one tenant.
#[derive(Debug)]
pub struct Stream {
    /// Labels.
    pub labels: Labels,
    /// Fingerprint, a collision already mapped.
    pub fingerprint: Fingerprint,
    pub(crate) options: ChunkOptions,
    memory: Arc<ChunkMemory>,
    pub(crate) state: Mutex<StreamState>,
}

#[derive(Debug, Default)]
pub(crate) struct StreamState {
    pub(crate) open: Option<OpenChunk>,
    pub(crate) closed: Vec<Arc<ClosedChunk>>,
    /// What replay fills, apart from `open`, so that the numbers of each are plain.
    pub(crate) replayed: Option<OpenChunk>,
    /// Newest entry replayed.
    pub(crate) replayed_newest: Option<Nanos>,
    /// Newest entry ever accepted.
    pub(crate) newest: Option<Nanos>,
    last: Option<OwnedEntry>,
    rate: Option<TokenBucket>,
    /// Set when the stream has left the tenant's index: it takes no more entries.
    pub(crate) gone: bool,
}

/// What the clock and the log say at a push.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Monotonic.
    pub(crate) now: Nanos,
    /// Segment being written.
    pub(crate) segment: u64,
}

/// What of a push has to be logged.
#[derive(Debug)]
pub(crate) struct Logged {
    /// Positions of its entries.
    pub(crate) positions: Vec<usize>,
    /// Number of the first of them.
    pub(crate) first_seq: u64,
    /// Whether the first of them was there before.
    pub(crate) repeated: bool,
}

impl Logged {
    /// Positions of the entries that are new.
    pub(crate) fn new_entries(&self) -> &[usize] {
        &self.positions[usize::from(self.repeated).min(self.positions.len())..]
    }
}

/// The part of the tenant's limits that a stream checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    pub(crate) unordered: bool,
    pub(crate) rate_bytes: f64,
    pub(crate) burst_bytes: f64,
}

impl Stream {
    pub(crate) fn new(
        labels: Labels,
        fingerprint: Fingerprint,
        options: ChunkOptions,
        memory: Arc<ChunkMemory>,
    ) -> Self {
        Self { labels, fingerprint, options, memory, state: Mutex::default() }
    }

    /// The share of a chunk that is begun.
    pub(crate) fn share(&self) -> Share {
        self.memory.share()
    }

    /// Appends what is acceptable of `entries`; tells `refused` of the rest by position. `number` hands out sequence
    /// numbers for so many entries and returns the first. Returns the positions of the entries to log and the first one's
    /// number, or `None` when the stream is gone and the caller has to look it up anew.
    ///
    /// An entry equal to the last one accepted is logged again though not appended: the record of the first may not be
    /// durable yet, or never become so, and whoever is answered relies on a record of his own.
    pub(crate) fn push(
        &self,
        entries: &[Entry<'_>],
        settings: &IngestSettings,
        limits: StreamLimits,
        moment: Moment,
        number: impl FnOnce(u64) -> u64,
        mut refused: impl FnMut(usize, Refusal),
    ) -> Option<Logged> {
        let mut state = self.state.lock();
        if state.gone {
            return None;
        }
        let Accepted { repeated, new } = state.validate(entries, settings, limits, moment.now, &mut refused);
        let first_seq = number(new.len() as u64 + u64::from(repeated.is_some()));
        let mut logged = Vec::with_capacity(new.len() + 1);
        if let Some(at) = repeated {
            logged.push(at);
            if let Some(open) = &mut state.open {
                open.took(first_seq);
            }
        }
        for at in new {
            // The log numbers its entries one by one.
            let seq = first_seq + logged.len() as u64;
            match self.append(&mut state, entries[at], seq, settings, moment) {
                Ok(()) => logged.push(at),
                Err(error) => refused(at, Refusal::Damaged(error.to_string())),
            }
        }
        if let Some(open) = &mut state.open {
            open.weigh();
        }
        Some(Logged { positions: logged, first_seq, repeated: repeated.is_some() })
    }

    fn append(
        &self,
        state: &mut StreamState,
        entry: Entry<'_>,
        seq: u64,
        settings: &IngestSettings,
        moment: Moment,
    ) -> Result<(), ChunkError> {
        if let Some(open) = &state.open
            && let Some(reason) = self.closes_before(&open.chunk, &entry, state.newest, settings)
        {
            state.close(reason);
        }
        let open = state.open.get_or_insert_with(|| OpenChunk {
            chunk: MemChunk::new(self.options),
            first_segment: FirstSegment::new(moment.segment),
            covers: SeqRanges::of(seq, seq),
            appended_at: moment.now,
            share: self.share(),
        });
        open.chunk.append(entry.ts, entry.line, entry.metadata)?;
        open.took(seq);
        open.appended_at = moment.now;
        state.newest = Some(state.newest.map_or(entry.ts, |newest| newest.max(entry.ts)));
        Ok(())
    }

    pub(crate) fn closes_before(
        &self,
        chunk: &MemChunk,
        entry: &Entry<'_>,
        newest: Option<Nanos>,
        settings: &IngestSettings,
    ) -> Option<CloseReason> {
        if chunk.is_empty() {
            return None;
        }
        if !chunk.space_for(entry.line, entry.metadata) {
            return Some(CloseReason::Full);
        }
        let period = u64::try_from(settings.sync_period.as_nanos()).unwrap_or(u64::MAX);
        let newest = newest.filter(|newest| period > 0 && entry.ts >= *newest)?;
        let phase = |ts: Nanos| (ts.0 as u64).wrapping_add(self.fingerprint.0) % period;
        let utilized = settings.sync_min_utilization <= 0.0 || chunk.utilization() > settings.sync_min_utilization;
        (phase(entry.ts) < phase(newest) && utilized).then_some(CloseReason::Synced)
    }

    /// Closes the open chunk if it is idle or old at `now` (monotonic), or whatever it is with `force`.
    pub(crate) fn close_due(&self, now: Nanos, settings: &IngestSettings, force: bool) {
        let mut state = self.state.lock();
        let Some(open) = &state.open else { return };
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        let span = open.chunk.bounds().map_or(0, |(min, max)| max.0.saturating_sub(min.0));
        let reason = if force {
            CloseReason::Forced
        } else if now.0 - open.appended_at.0 > nanos(settings.idle) {
            CloseReason::Idle
        } else if span > nanos(settings.max_age) {
            CloseReason::MaxAge
        } else {
            return;
        };
        state.close(reason);
    }

    /// Closes the open chunk, whatever it is.
    pub(crate) fn close_open(&self) {
        self.state.lock().close(CloseReason::Forced);
    }

    /// The oldest chunk that waits to be flushed.
    pub(crate) fn next_to_flush(&self) -> Option<Arc<ClosedChunk>> {
        self.state.lock().closed.first().cloned()
    }

    /// Forgets the chunk, which lies in the bucket now.
    pub(crate) fn flushed(&self, chunk: &Arc<ClosedChunk>) {
        self.state.lock().closed.retain(|closed| !Arc::ptr_eq(closed, chunk));
    }

    /// The oldest log segment that entries not yet in the bucket may lie in.
    pub(crate) fn first_segment(&self) -> Option<u64> {
        let state = self.state.lock();
        let closed = state.closed.iter().map(|chunk| chunk.first_segment.get());
        closed.chain(state.filling().map(|open| open.first_segment.get())).min()
    }

    /// Marks the stream gone if it holds nothing. It then takes no more entries.
    pub(crate) fn retire_if_empty(&self) -> bool {
        let mut state = self.state.lock();
        state.gone = state.filling().next().is_none() && state.closed.is_empty();
        state.gone
    }

    /// Chunks in memory and bytes they hold.
    pub fn memory(&self) -> (usize, usize) {
        let state = self.state.lock();
        let chunks = state.chunks();
        chunks.fold((0, 0), |(count, bytes), chunk| (count + 1, bytes + chunk.memory_bytes()))
    }

    /// What is in memory of `range`, to be read while the stream goes on being filled.
    pub fn snapshot(&self, range: TimeRange) -> Vec<Chunk> {
        let state = self.state.lock();
        let chunks = state.chunks();
        chunks.map(|chunk| chunk.snapshot(range)).filter(|chunk| !chunk.blocks().is_empty()).collect()
    }

    /// Bounds, uncompressed bytes and entries of the chunks in memory that overlap `range`.
    pub fn chunk_sizes(&self, range: TimeRange) -> Vec<(Nanos, Nanos, u64, u64)> {
        let state = self.state.lock();
        let chunks = state.chunks();
        let sized = chunks.filter_map(|chunk| {
            let (min, max) = chunk.bounds()?;
            range.overlaps_closed(min, max).then(|| (min, max, chunk.uncompressed_size(), chunk.entries()))
        });
        sized.collect()
    }
}

/// Positions of acceptable entries.
struct Accepted {
    /// One that equals the last entry accepted before.
    repeated: Option<usize>,
    /// The others.
    new: Vec<usize>,
}

impl OpenChunk {
    /// Notes an entry's number. The chunk gets all of the stream's numbers from the first on, in order.
    fn took(&mut self, seq: u64) {
        if self.covers.growing().is_some() { self.covers.extend_to(seq) } else { self.covers.begin(seq) }
    }

    /// Says how much memory the chunk holds now.
    pub(crate) fn weigh(&mut self) {
        self.share.set(self.chunk.memory_bytes());
    }

    pub(crate) fn closed(mut self, reason: CloseReason) -> Arc<ClosedChunk> {
        self.weigh();
        self.share.close();
        let Self { chunk, first_segment, covers, share, .. } = self;
        Arc::new(ClosedChunk { chunk, first_segment, covers, reason, share })
    }
}

impl StreamState {
    /// The chunks being filled, the older first.
    fn filling(&self) -> impl Iterator<Item = &OpenChunk> {
        self.replayed.iter().chain(&self.open)
    }

    fn chunks(&self) -> impl Iterator<Item = &MemChunk> {
        self.closed.iter().map(|closed| &closed.chunk).chain(self.filling().map(|open| &open.chunk))
    }

    fn close(&mut self, reason: CloseReason) {
        if let Some(open) = self.open.take()
            && !open.chunk.is_empty()
        {
            self.closed.push(open.closed(reason));
        }
    }

    /// Which entries to append. An entry equal to the one accepted before it is passed over in silence.
    fn validate(
        &mut self,
        entries: &[Entry<'_>],
        settings: &IngestSettings,
        limits: StreamLimits,
        now: Nanos,
        refused: &mut impl FnMut(usize, Refusal),
    ) -> Accepted {
        let window = i64::try_from(settings.max_age.as_nanos() / 2).unwrap_or(i64::MAX);
        let mut newest = self.newest;
        let mut repeated = None;
        let mut accepted = Vec::with_capacity(entries.len());
        let mut bytes = 0;
        for (at, entry) in entries.iter().enumerate() {
            match accepted.last().map(|&before: &usize| &entries[before]) {
                Some(before) if before == entry => continue,
                None if self.last.as_ref().is_some_and(|last| same(last, entry)) => {
                    repeated = Some(at);
                    continue;
                }
                _ => {}
            }
            if let Some(newest) = newest {
                let oldest = Nanos(newest.0.saturating_sub(window));
                if limits.unordered && entry.ts < oldest {
                    refused(at, Refusal::TooFarBehind { oldest });
                    continue;
                }
                if !limits.unordered && entry.ts < newest {
                    refused(at, Refusal::OutOfOrder);
                    continue;
                }
            }
            newest = Some(newest.map_or(entry.ts, |newest| newest.max(entry.ts)));
            bytes += entry_bytes(entry);
            accepted.push(at);
        }
        let rate = self.rate.get_or_insert_with(|| TokenBucket::full(limits.burst_bytes, now));
        if !accepted.is_empty() && !rate.take(bytes as f64, limits.rate_bytes, limits.burst_bytes, now) {
            for at in accepted.drain(..) {
                refused(at, Refusal::RateLimited { entry_bytes: entry_bytes(&entries[at]) });
            }
        }
        if let Some(&last) = accepted.last() {
            self.last = Some(OwnedEntry::from(entries[last]));
        }
        Accepted { repeated, new: accepted }
    }
}

fn same(last: &OwnedEntry, entry: &Entry<'_>) -> bool {
    last.ts == entry.ts
        && last.line == entry.line
        && last.metadata.len() == entry.metadata.len()
        && last.metadata.iter().zip(entry.metadata).all(|((name, value), pair)| name == pair.0 && value == pair.1)
}

/// What an entry counts in every limit: its line and its metadata, bytes. The level that was added is free, as upstream
/// has it.
pub(crate) fn entry_bytes(entry: &Entry<'_>) -> usize {
    let charged = entry.metadata.iter().filter(|(name, _)| *name != DETECTED_LEVEL);
    entry.line.len() + charged.map(|(name, value)| name.len() + value.len()).sum::<usize>()
}
