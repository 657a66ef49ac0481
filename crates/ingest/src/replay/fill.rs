//! The second pass: entries into chunks. Streams are shared out among workers by hash; each worker alone replays its
//! streams, so that their entries stay in the log's order.
//!
//! Which numbers a chunk covers must be exact, for when it is flushed while the log still is being replayed, replay after
//! a crash goes by them. Pushes of one stream that went on at once may be logged in another order than they are numbered:
//! a section whose numbers are lower than those of one before it is **late**, and the first pass knows them all. A chunk
//! covers its numbers from the first to the last, less the late ones that come behind it, less those of snapshots.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_chunk::{Chunk, ChunkError, MemChunk};
use loptr_model::{Entry, Fingerprint, Nanos, TenantId};
use loptr_wal::{PushStream, RawLabels, Record, SectionPlace, SeqRanges};

use super::pieces::{Piece, PieceEnd};
use super::survey::{Late, Survey, stream_hash};
use crate::memory::Share;
use crate::stream::{CloseReason, FirstSegment, OpenChunk, Stream};
use crate::tenant::{NewStream, Tenant};
use crate::{IngestSettings, Ingester};

/// Tenants by the number they get at first sight.
#[derive(Debug, Default)]
pub(super) struct Router {
    numbers: HashMap<Box<str>, Option<u32>>,
    tenants: Vec<TenantId>,
}

/// The sections of a piece, by worker.
#[derive(Debug)]
pub(super) struct Routed {
    pub(super) piece: Arc<Piece>,
    pub(super) shares: Vec<Vec<Section>>,
    pub(super) end: PieceEnd,
}

#[derive(Debug)]
pub(super) struct Section {
    tenant: u32,
    place: SectionPlace,
}

impl Router {
    /// Shares the piece's sections out among `workers`. CPU work.
    pub(super) fn route(&mut self, piece: Piece, workers: usize) -> Routed {
        let mut shares: Vec<Vec<Section>> = (0..workers).map(|_| Vec::new()).collect();
        let end = piece.records(|_, record| {
            let Record::Push(push) = record else { return };
            let Some(tenant) = self.number(push.tenant) else { return };
            for section in push.streams().filter(|section| !section.is_empty()) {
                if let Some(place) = section.place_in(&piece.bytes) {
                    shares[worker_of(tenant, section.fingerprint, workers)].push(Section { tenant, place });
                }
            }
        });
        Routed { piece: Arc::new(piece), shares, end }
    }

    /// None: it is no tenant, which the first pass has told.
    pub(super) fn number(&mut self, tenant: &str) -> Option<u32> {
        if let Some(number) = self.numbers.get(tenant) {
            return *number;
        }
        let id = TenantId::parse(tenant).ok();
        let number = id.as_ref().and_then(|_| u32::try_from(self.tenants.len()).ok());
        self.tenants.extend(id);
        self.numbers.insert(tenant.into(), number);
        number
    }

    pub(super) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }
}

pub(super) fn worker_of(tenant: u32, fingerprint: Fingerprint, workers: usize) -> usize {
    let mixed = (fingerprint.0 ^ u64::from(tenant)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % workers.max(1)
}

/// One stream being replayed.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) tenant: Arc<Tenant>,
    pub(super) stream: Arc<Stream>,
    /// As they lie in the log.
    labels: Box<[u8]>,
    /// Numbers that are not wanted: in the bucket, or restored. Ascending.
    past: Vec<(u64, u64)>,
    /// Numbers that snapshots brought.
    restored: Vec<(u64, u64)>,
    late: Vec<Late>,
    /// Another stream with the same tenant and fingerprint.
    next: Option<u32>,
}

impl Filling {
    /// The stream was retired meanwhile, being empty (what was replayed of it is flushed): the tenant has another by now,
    /// or gets one. What is put into a retired stream is seen by nobody.
    fn find_again(&mut self) -> bool {
        let options = self.stream.options;
        let (labels, fingerprint) = (&self.stream.labels, self.stream.fingerprint);
        let found = self.tenant.stream(labels, Some(fingerprint), NewStream::unlimited(), || options);
        found.map(|(stream, _)| self.stream = stream).is_ok()
    }
}

/// Replays its share of the streams.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) fillings: Vec<Filling>,
    by_key: HashMap<(u32, u64), u32>,
    /// Bytes of memory it has filled since it was asked.
    pub(super) grown_bytes: i64,
    pub(super) entries: u64,
    pub(super) duplicates: u64,
    pub(super) bytes: u64,
    pub(super) chunks: u64,
    pub(super) failed: u64,
    pub(super) corruptions: u64,
}

/// What workers share.
pub(super) struct Shared {
    pub(super) ingester: Arc<Ingester>,
    pub(super) survey: Survey,
    pub(super) now: Nanos,
}

impl Worker {
    /// Replays its share of a piece. CPU work.
    pub(super) fn apply(&mut self, shared: &Shared, tenants: &[TenantId], piece: &Piece, share: &[Section]) {
        for section in share {
            let stream = section.place.find(&piece.bytes);
            let first_ts = || stream.first_ts().unwrap_or_default();
            let found = self.find(shared, tenants, section.tenant, stream.labels, stream.fingerprint, first_ts);
            let Some(at) = found else {
                self.failed += stream.len();
                continue;
            };
            self.fill(shared, at, &stream, piece);
        }
    }

    fn find(
        &mut self,
        shared: &Shared,
        tenants: &[TenantId],
        tenant: u32,
        labels: RawLabels<'_>,
        fingerprint: Fingerprint,
        first_ts: impl FnOnce() -> Nanos,
    ) -> Option<usize> {
        let key = (tenant, fingerprint.0);
        let first = self.by_key.get(&key).copied();
        let mut next = first;
        while let Some(at) = next {
            let filling = &self.fillings[at as usize];
            if *filling.labels == *labels.bytes() {
                return Some(at as usize);
            }
            next = filling.next;
        }
        let id = tenants.get(tenant as usize)?;
        let at = u32::try_from(self.fillings.len()).ok()?;
        let raw = labels;
        let labels = raw.decode()?;
        let tenant = shared.ingester.tenant(id);
        let options = || shared.ingester.chunk_options(first_ts());
        let (stream, _) = tenant.stream(&labels, Some(fingerprint), NewStream::unlimited(), options).ok()?;
        let past = shared.survey.streams.get(&(id.clone(), labels));
        let hash = stream_hash(&shared.survey.hasher, id.as_str(), fingerprint.0);
        self.fillings.push(Filling {
            tenant,
            stream,
            labels: raw.bytes().into(),
            past: past.map(|past| past.in_bucket.normalized()).unwrap_or_default(),
            restored: Vec::new(),
            late: shared.survey.late.get(&hash).cloned().unwrap_or_default(),
            next: first,
        });
        self.by_key.insert(key, at);
        Some(at as usize)
    }

    fn fill(&mut self, shared: &Shared, at: usize, section: &PushStream<'_>, piece: &Piece) {
        let filling = &mut self.fillings[at];
        let (first, last) = (section.first_seq, section.last_seq());
        let overlap = filling.past.partition_point(|&(_, end)| end < first);
        let known = filling.past[overlap..].iter().take_while(|&&(start, _)| start <= last);
        let known: Vec<(u64, u64)> = known.copied().collect();
        if let [(start, end)] = &known[..]
            && *start <= first
            && last <= *end
        {
            self.duplicates += section.len();
            return;
        }
        // Nearly always there is nothing to look for.
        let late = filling.late.binary_search_by_key(&(first, last), |late| (late.first, late.last)).ok();
        let mut late = late.map(|at| (at, std::mem::take(&mut filling.late)));
        let mut guard = loop {
            if let Some(guard) = Replaying::of(&filling.stream, &shared.ingester.settings, shared.now, piece.number) {
                break guard;
            }
            if !filling.find_again() {
                self.failed += section.len();
                return;
            }
        };
        let (mut entries, mut duplicates, mut failed, mut bytes) = (0, 0, 0, 0u64);
        let walked = section.entries(|seq, entry| {
            if !known.is_empty() && known.iter().any(|&(start, end)| (start..=end).contains(&seq)) {
                duplicates += 1;
                return;
            }
            if let Some((at, late)) = &mut late {
                late[*at].seen_through = seq.saturating_sub(1);
            }
            let lates = late.as_ref().map_or(&filling.late[..], |(_, late)| late);
            let holes = |range| holes(lates, &filling.restored, range);
            match guard.append(entry, seq, late.is_some(), holes) {
                Ok(()) => entries += 1,
                Err(_) => failed += 1,
            }
            bytes += entry.line.len() as u64;
        });
        let (grown_bytes, chunks) = guard.finish();
        if let Some((at, mut lates)) = late {
            lates[at].seen_through = last;
            filling.late = lates;
        }
        if let Err(error) = walked {
            self.corruptions += 1;
            tracing::error!(segment = piece.number, stream = %filling.stream.labels, %error, "a record of the log is damaged");
        }
        self.grown_bytes += grown_bytes;
        self.entries += entries;
        self.duplicates += duplicates;
        self.failed += failed;
        self.bytes += bytes;
        self.chunks += chunks;
    }

    /// Puts a chunk that a snapshot held into its stream; the newest of a stream comes first.
    pub(super) fn restore(
        &mut self,
        shared: &Shared,
        tenants: &[TenantId],
        tenant: u32,
        record: &Restored<'_>,
    ) -> Result<(), ChunkError> {
        let found = self.find(shared, tenants, tenant, record.labels, record.fingerprint, || record.earliest);
        let Some(at) = found else { return Ok(()) };
        let filling = &mut self.fillings[at];
        let mut known = SeqRanges::default();
        filling.past.iter().for_each(|&(first, last)| known.add(first, last));
        if known.covers(record.covers) {
            return Ok(());
        }
        let chunk = MemChunk::restore(record.image, filling.stream.options)?;
        self.grown_bytes += i64::try_from(chunk.memory_bytes()).unwrap_or(i64::MAX);
        self.chunks += 1;
        known.merge(record.covers);
        filling.past = known.normalized();
        filling.restored.extend(record.covers.iter());
        let bounds = chunk.bounds();
        let mut covers = SeqRanges::default();
        covers.merge(record.covers);
        let first_segment = FirstSegment::new(record.segment);
        let share = filling.stream.share();
        let mut restored = OpenChunk { chunk, first_segment, covers, appended_at: shared.now, share };
        restored.weigh();
        let newest = bounds.map(|(_, max)| max);
        loop {
            let stream = filling.stream.clone();
            let mut state = stream.state.lock();
            if !state.gone {
                state.newest = state.newest.max(newest);
                if record.is_closed || state.replayed.is_some() {
                    state.closed.insert(0, restored.closed(CloseReason::Full));
                } else {
                    state.replayed_newest = state.replayed_newest.max(newest);
                    state.replayed = Some(restored);
                }
                return Ok(());
            }
            drop(state);
            if !filling.find_again() {
                return Ok(());
            }
        }
    }

    /// Closes the chunks that were filled so far, the largest first, until `bytes` of memory may be flushed. CPU work.
    pub(super) fn close_largest(&mut self, bytes: usize) {
        let size = |filling: &Filling| {
            filling.stream.state.lock().replayed.as_ref().map_or(0, |open| open.chunk.memory_bytes())
        };
        let mut by_size: Vec<(usize, usize)> = self.fillings.iter().map(size).zip(0..).filter(|it| it.0 > 0).collect();
        by_size.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
        let mut freed = 0;
        for (size, at) in by_size {
            if freed >= bytes {
                return;
            }
            let filling = &self.fillings[at];
            let mut state = filling.stream.state.lock();
            if let Some(mut open) = state.replayed.take() {
                open.pierce(|range| holes(&filling.late, &filling.restored, range));
                state.closed.push(open.closed(CloseReason::Forced));
                freed += size;
            }
        }
    }

    /// The replayed chunks become the open ones. CPU work.
    pub(super) fn finish(&mut self, now: Nanos) {
        for filling in &self.fillings {
            let mut state = filling.stream.state.lock();
            let Some(mut replayed) = state.replayed.take() else { continue };
            replayed.pierce(|range| holes(&filling.late, &filling.restored, range));
            replayed.appended_at = now;
            if let Some(live) = state.open.take() {
                // What was pushed meanwhile is short, mostly: it goes on in the older chunk. Else that one ends here.
                match joined(&replayed, &live, filling.stream.share()) {
                    Some(joined) => state.open = Some(joined),
                    None => {
                        state.open = Some(live);
                        state.closed.push(replayed.closed(CloseReason::Full));
                    }
                }
            } else {
                state.open = Some(replayed);
            }
        }
    }
}

/// Both as one, if the newer is only a head and the older has room for it.
fn joined(older: &OpenChunk, newer: &OpenChunk, share: Share) -> Option<OpenChunk> {
    let target = older.chunk.options();
    if newer.chunk.blocks() > 0 || target.format() != newer.chunk.options().format() || older.chunk.utilization() > 0.9
    {
        return None;
    }
    let mut chunk = older.chunk.clone();
    append_all(&mut chunk, &newer.chunk.snapshot(loptr_model::TimeRange::ALL)).ok()?;
    let mut covers = older.covers.clone();
    covers.merge(&newer.covers);
    let first_segment = FirstSegment::new(older.first_segment.get().min(newer.first_segment.get()));
    let mut joined = OpenChunk { chunk, first_segment, covers, appended_at: newer.appended_at, share };
    joined.weigh();
    Some(joined)
}

fn append_all(chunk: &mut MemChunk, from: &Chunk) -> Result<(), ChunkError> {
    let symbols = from.symbols()?;
    let mut buf = Vec::new();
    for index in 0..from.blocks().len() {
        for entry in from.decode_block(index, &mut buf)?.entries() {
            let entry = entry?;
            let pairs = entry.metadata.pairs().map(|pair| pair.map(|(n, v)| (symbols.value(n), symbols.value(v))));
            let pairs: Vec<(&str, &str)> = pairs.collect::<Result<_, _>>()?;
            chunk.append(entry.ts, entry.line, &pairs)?;
        }
    }
    Ok(())
}

/// A snapshot's parts as the worker needs them.
pub(super) struct Restored<'a> {
    pub(super) labels: RawLabels<'a>,
    pub(super) fingerprint: Fingerprint,
    pub(super) earliest: Nanos,
    pub(super) covers: &'a SeqRanges,
    pub(super) is_closed: bool,
    pub(super) image: &'a [u8],
    pub(super) segment: u64,
}

/// Numbers within `range` that belong to other chunks: late ones that are still to come, and those of snapshots.
fn holes(late: &[Late], restored: &[(u64, u64)], range: (u64, u64)) -> Vec<(u64, u64)> {
    let (from, to) = range;
    let coming = late.iter().filter(|late| late.last >= from && late.first <= to);
    let coming = coming.map(|late| (late.first.max(late.seen_through.saturating_add(1)), late.last));
    coming.filter(|(first, last)| first <= last).chain(restored.iter().copied()).collect()
}

impl OpenChunk {
    /// Ends the range that grows, less what other chunks hold of it.
    fn pierce(&mut self, holes: impl FnOnce((u64, u64)) -> Vec<(u64, u64)>) {
        if let Some(range) = self.covers.growing() {
            self.covers.pierce(holes(range));
        }
    }
}

/// A stream's lock, held while a section is replayed.
struct Replaying<'a> {
    stream: &'a Stream,
    state: parking_lot::MutexGuard<'a, crate::stream::StreamState>,
    settings: &'a IngestSettings,
    now: Nanos,
    segment: u64,
    before: usize,
    closed_bytes: usize,
    chunks: u64,
}

impl<'a> Replaying<'a> {
    /// None: the stream is gone.
    fn of(stream: &'a Stream, settings: &'a IngestSettings, now: Nanos, segment: u64) -> Option<Self> {
        let state = stream.state.lock();
        if state.gone {
            return None;
        }
        let before = state.replayed.as_ref().map_or(0, |open| open.chunk.memory_bytes());
        Some(Self { stream, state, settings, now, segment, before, closed_bytes: 0, chunks: 0 })
    }

    /// Appends an entry. Limits do not apply: it was accepted.
    fn append(
        &mut self,
        entry: Entry<'_>,
        seq: u64,
        is_late: bool,
        holes: impl FnOnce((u64, u64)) -> Vec<(u64, u64)>,
    ) -> Result<(), ChunkError> {
        let state = &mut *self.state;
        if let Some(open) = &mut state.replayed
            && let Some(reason) = self.stream.closes_before(&open.chunk, &entry, state.replayed_newest, self.settings)
            && let Some(mut open) = state.replayed.take()
        {
            open.pierce(holes);
            self.closed_bytes += open.chunk.memory_bytes();
            state.closed.push(open.closed(reason));
        }
        let chunks = &mut self.chunks;
        let open = state.replayed.get_or_insert_with(|| {
            *chunks += 1;
            OpenChunk {
                chunk: MemChunk::new(self.stream.options),
                first_segment: FirstSegment::new(self.segment),
                covers: SeqRanges::default(),
                appended_at: self.now,
                share: self.stream.share(),
            }
        });
        open.chunk.append(entry.ts, entry.line, entry.metadata)?;
        match open.covers.growing() {
            // A late one within the range that grows is in it already.
            Some((first, last)) if is_late && first <= seq && seq <= last => {}
            _ if is_late => open.covers.add(seq, seq),
            Some(_) => open.covers.extend_to(seq),
            None => open.covers.begin(seq),
        }
        state.replayed_newest = Some(state.replayed_newest.map_or(entry.ts, |newest| newest.max(entry.ts)));
        state.newest = state.newest.max(state.replayed_newest);
        Ok(())
    }

    /// How much memory grew, and how many chunks were begun.
    fn finish(mut self) -> (i64, u64) {
        if let Some(open) = &mut self.state.replayed {
            open.weigh();
        }
        let after = self.state.replayed.as_ref().map_or(0, |open| open.chunk.memory_bytes()) + self.closed_bytes;
        (i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(self.before).unwrap_or(i64::MAX), self.chunks)
    }
}
