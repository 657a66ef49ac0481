//! Chunks that lie in the bucket while readers cannot know it yet: their index is not uploaded, or was so only just now.

use std::collections::{BTreeSet, HashMap, HashSet};

use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Fingerprint, Labels, Millis, Nanos, TenantId};
use loptr_regex::LabelMatcher;
use loptr_storage::IndexedStream;
use loptr_wal::Flushed;
use parking_lot::Mutex;

#[derive(Debug)]
struct PendingChunk {
    meta: ChunkMeta,
    ordinal: u64,
    /// Segment of the log in which its record lies, at the earliest.
    segment: u64,
    /// Its record, until its index is uploaded: it is written again when the segment it lies in is to go.
    record: Option<Box<Flushed>>,
    /// When its index was uploaded, monotonic.
    shipped_at: Option<Nanos>,
}

impl PendingChunk {
    fn reference(&self, fingerprint: Fingerprint) -> ChunkRef {
        ChunkRef { fingerprint, from: self.meta.min, through: self.meta.max, checksum: self.meta.checksum }
    }
}

type ByStream = HashMap<(Fingerprint, Labels), Vec<PendingChunk>>;

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    tenants: Mutex<HashMap<TenantId, ByStream>>,
    ordinals: Mutex<Ordinals>,
}

#[derive(Debug, Default)]
struct Ordinals {
    next: u64,
    /// Given out, not yet among the pending: nothing may be called shipped through them.
    in_flight: BTreeSet<u64>,
    /// Those of them whose record failed, by chunk: as many as chunks in memory at most.
    in_doubt: HashMap<(TenantId, ChunkRef), u64>,
}

/// What one upload has to name.
pub(crate) struct Unshipped {
    pub(crate) chunks: Vec<(TenantId, Labels, Fingerprint, ChunkMeta)>,
    /// Every chunk with an ordinal up to this one is named by this upload or an earlier one.
    pub(crate) ordinal_through: Option<u64>,
    ordinals: BTreeSet<u64>,
}

impl Pending {
    /// Ordinals given out from now on are higher than `last`.
    pub(crate) fn continue_after(&self, last: u64) {
        let mut ordinals = self.ordinals.lock();
        ordinals.next = ordinals.next.max(last);
    }

    /// The ordinal of a flushed chunk; hand it back with [`Pending::insert`] or [`Pending::give_up`].
    pub(crate) fn take_ordinal(&self, tenant: &TenantId, chunk: &ChunkRef) -> u64 {
        let mut ordinals = self.ordinals.lock();
        if let Some(ordinal) = ordinals.in_doubt.remove(&(tenant.clone(), *chunk)) {
            return ordinal;
        }
        ordinals.next += 1;
        let ordinal = ordinals.next;
        ordinals.in_flight.insert(ordinal);
        ordinal
    }

    /// The record could not be written, and yet replay may find it: until the chunk is flushed again, under the same
    /// ordinal, nothing may be called shipped through it.
    pub(crate) fn give_up(&self, ordinal: u64, tenant: &TenantId, chunk: &ChunkRef) {
        self.ordinals.lock().in_doubt.insert((tenant.clone(), *chunk), ordinal);
    }

    pub(crate) fn insert(&self, flushed: &Flushed, segment: u64) {
        let chunk = &flushed.chunk;
        let meta = ChunkMeta {
            min: chunk.from,
            max: chunk.through,
            checksum: chunk.checksum,
            kb: flushed.kb,
            entries: flushed.entries,
        };
        let record = Some(Box::new(flushed.clone()));
        let pending = PendingChunk { meta, ordinal: flushed.ordinal, segment, record, shipped_at: None };
        let key = (chunk.fingerprint, flushed.labels.clone());
        self.tenants.lock().entry(flushed.tenant.clone()).or_default().entry(key).or_default().push(pending);
        let mut ordinals = self.ordinals.lock();
        ordinals.next = ordinals.next.max(flushed.ordinal);
        ordinals.in_flight.remove(&flushed.ordinal);
    }

    /// Takes those of `chunks` out that are pending.
    pub(crate) fn leave_out(&self, tenant: &TenantId, chunks: &mut HashSet<ChunkRef>) {
        let tenants = self.tenants.lock();
        for ((fingerprint, _), pending) in tenants.get(tenant).into_iter().flatten() {
            for chunk in pending {
                chunks.remove(&chunk.reference(*fingerprint));
            }
        }
    }

    /// The streams that `matchers` accept with their pending chunks in `[from, through)`.
    pub(crate) fn streams(
        &self,
        tenant: &TenantId,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Vec<IndexedStream> {
        let tenants = self.tenants.lock();
        let Some(streams) = tenants.get(tenant) else { return Vec::new() };
        let accepted = |labels: &Labels| {
            matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
        };
        let mut found = Vec::new();
        for ((fingerprint, labels), chunks) in streams {
            let chunks: Vec<ChunkMeta> =
                chunks.iter().map(|chunk| chunk.meta).filter(|meta| meta.overlaps(from, through)).collect();
            if !chunks.is_empty() && accepted(labels) {
                found.push(IndexedStream { labels: labels.clone(), fingerprint: *fingerprint, chunks });
            }
        }
        found
    }

    /// Bytes of lines of the chunks in `[from, through)` that no upload names yet.
    pub(crate) fn unshipped_bytes(&self, tenant: &TenantId, from: Millis, through: Millis) -> u64 {
        let tenants = self.tenants.lock();
        let chunks = tenants.get(tenant).into_iter().flat_map(HashMap::values).flatten();
        let unshipped = chunks.filter(|chunk| chunk.shipped_at.is_none() && chunk.meta.overlaps(from, through));
        unshipped.map(|chunk| u64::from(chunk.meta.kb) << 10).sum()
    }

    /// Everything in the bucket that no upload names yet. What `waits` for the store is left out.
    pub(crate) fn unshipped(&self, waits: impl Fn(&TenantId, &ChunkRef) -> bool) -> Unshipped {
        // In this order: an ordinal leaves `in_flight` only after its chunk is among the pending.
        let (next, first_in_flight) = {
            let ordinals = self.ordinals.lock();
            (ordinals.next, ordinals.in_flight.first().copied())
        };
        let mut through = first_in_flight.map_or(next, |first| first - 1);
        let mut found = Unshipped { chunks: Vec::new(), ordinal_through: None, ordinals: BTreeSet::new() };
        for (tenant, streams) in &*self.tenants.lock() {
            for ((fingerprint, labels), chunks) in streams {
                for chunk in chunks.iter().filter(|chunk| chunk.shipped_at.is_none()) {
                    if waits(tenant, &chunk.reference(*fingerprint)) {
                        through = through.min(chunk.ordinal - 1);
                        continue;
                    }
                    found.chunks.push((tenant.clone(), labels.clone(), *fingerprint, chunk.meta));
                    found.ordinals.insert(chunk.ordinal);
                }
            }
        }
        found.ordinal_through = (!found.chunks.is_empty()).then_some(through);
        found
    }

    /// Notes that an upload names these.
    pub(crate) fn shipped(&self, upload: &Unshipped, now: Nanos) {
        self.each(|chunk| {
            if upload.ordinals.contains(&chunk.ordinal) {
                chunk.shipped_at = Some(now);
                chunk.record = None;
            }
            true
        });
    }

    /// Forgets what was shipped before `before` (monotonic).
    pub(crate) fn forget_shipped(&self, before: Nanos) {
        self.each(|chunk| chunk.shipped_at.is_none_or(|at| at >= before));
    }

    fn each(&self, mut keep: impl FnMut(&mut PendingChunk) -> bool) {
        let mut tenants = self.tenants.lock();
        for streams in tenants.values_mut() {
            streams.retain(|_, chunks| {
                chunks.retain_mut(&mut keep);
                !chunks.is_empty()
            });
        }
        tenants.retain(|_, streams| !streams.is_empty());
    }

    /// The oldest log segment that a record of an unshipped chunk may lie in.
    pub(crate) fn first_segment(&self) -> Option<u64> {
        let tenants = self.tenants.lock();
        let chunks = tenants.values().flat_map(|streams| streams.values()).flatten();
        chunks.filter(|chunk| chunk.shipped_at.is_none()).map(|chunk| chunk.segment).min()
    }

    /// The records of unshipped chunks that lie before segment `before`, at most `most`.
    pub(crate) fn records_before(&self, before: u64, most: usize) -> Vec<Flushed> {
        let tenants = self.tenants.lock();
        let chunks = tenants.values().flat_map(|streams| streams.values()).flatten();
        let held = chunks.filter(|chunk| chunk.shipped_at.is_none() && chunk.segment < before);
        held.filter_map(|chunk| chunk.record.as_deref().cloned()).take(most).collect()
    }

    /// Notes that these were logged again, in `segment` or later.
    pub(crate) fn logged_again(&self, records: &[Flushed], segment: u64) {
        let ordinals: BTreeSet<u64> = records.iter().map(|record| record.ordinal).collect();
        self.each(|chunk| {
            if ordinals.contains(&chunk.ordinal) {
                chunk.segment = segment;
            }
            true
        });
    }

    /// Whether a chunk is among them.
    pub(crate) fn names(&self, tenant: &TenantId, chunk: &ChunkRef) -> bool {
        let tenants = self.tenants.lock();
        let Some(streams) = tenants.get(tenant) else { return false };
        let of_stream = streams.iter().filter(|((fingerprint, _), _)| *fingerprint == chunk.fingerprint);
        of_stream.flat_map(|(_, chunks)| chunks).any(|held| held.reference(chunk.fingerprint) == *chunk)
    }

    /// Chunks held, shipped or not.
    pub(crate) fn len(&self) -> usize {
        self.tenants.lock().values().flat_map(|streams| streams.values()).map(Vec::len).sum()
    }
}
