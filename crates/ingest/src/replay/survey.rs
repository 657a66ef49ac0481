//! The first pass: what lies in the bucket, which snapshots there are, and what comes out of order. Entries are stepped
//! over.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use loptr_chunk::MemChunk;
use loptr_model::{ChunkRef, Labels, Nanos, TenantId};
use loptr_wal::{Flushed, PushRecord, Record, SeqRanges, SnapshotRecord};

use super::files::OldSegment;
use super::pieces::{Piece, PieceEnd};

/// Numbers of a section that comes behind a section of the same stream with higher ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Late {
    pub(super) first: u64,
    pub(super) last: u64,
    /// How far the second pass has come in it: 0 before it.
    pub(super) seen_through: u64,
}

/// A snapshot and where it lies.
#[derive(Clone, Debug)]
pub(super) struct SnapshotPlace {
    pub(super) segment: usize,
    pub(super) at: u64,
    pub(super) bytes: u64,
    pub(super) covers: SeqRanges,
}

/// What the log says of one stream, entries apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    pub(super) in_bucket: SeqRanges,
    pub(super) snapshots: Vec<SnapshotPlace>,
}

/// What one pass over the log has shown.
#[derive(Debug)]
pub(super) struct Survey {
    segments: Arc<Vec<OldSegment>>,
    pub(super) streams: HashMap<(TenantId, Labels), Past>,
    /// By ordinal: each start logs the unshipped ones anew.
    flushed: BTreeMap<(u64, ChunkRef), Flushed>,
    pub(super) shipped_through: u64,
    pub(super) last_ordinal: u64,
    /// Highest number so far of a stream, by its hash.
    highest: HashMap<u64, u64>,
    pub(super) late: HashMap<u64, Vec<Late>>,
    pub(super) hasher: RandomState,
    /// Earliest and latest entry of a tenant; none if not all is known.
    pub(super) bounds: HashMap<TenantId, Option<(Nanos, Nanos)>>,
    pub(super) corruptions: u64,
}

/// What a stream is found by before it is known: streams that share it are only treated with more care than need be.
pub(super) fn stream_hash(hasher: &RandomState, tenant: &str, fingerprint: u64) -> u64 {
    hasher.hash_one(tenant) ^ fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Survey {
    pub(super) fn new(segments: &Arc<Vec<OldSegment>>) -> Self {
        Self {
            segments: segments.clone(),
            streams: HashMap::new(),
            flushed: BTreeMap::new(),
            shipped_through: 0,
            last_ordinal: 0,
            highest: HashMap::new(),
            late: HashMap::new(),
            hasher: RandomState::new(),
            bounds: HashMap::new(),
            corruptions: 0,
        }
    }

    /// Takes in a piece. CPU work.
    pub(super) fn take(&mut self, piece: &Piece) -> PieceEnd {
        let mut tenant: Option<(&str, Option<TenantId>)> = None;
        piece.records(|at, record| match record {
            Record::Push(push) => {
                if tenant.as_ref().is_none_or(|(name, _)| *name != push.tenant) {
                    tenant = Some((push.tenant, TenantId::parse(push.tenant).ok()));
                }
                match &tenant {
                    Some((_, Some(id))) => self.push(id, &push),
                    _ => self.damaged(piece, at, "its tenant is no tenant"),
                }
            }
            Record::Flushed(chunk) => {
                self.last_ordinal = self.last_ordinal.max(chunk.ordinal);
                let key = (chunk.tenant.clone(), chunk.labels.clone());
                self.streams.entry(key).or_default().in_bucket.merge(&chunk.covers);
                if chunk.ordinal > self.shipped_through {
                    self.flushed.insert((chunk.ordinal, chunk.chunk), chunk);
                }
            }
            Record::Shipped { ordinal_through } => {
                self.shipped_through = self.shipped_through.max(ordinal_through);
                self.last_ordinal = self.last_ordinal.max(ordinal_through);
                let unshipped = self.shipped_through;
                self.flushed.retain(|(ordinal, _), _| *ordinal > unshipped);
            }
            Record::Snapshot(snapshot) => self.snapshot(piece, at, &snapshot),
        })
    }

    fn push(&mut self, tenant: &TenantId, push: &PushRecord<'_>) {
        self.widen(tenant, push.bounds);
        let tenant_hash = stream_hash(&self.hasher, push.tenant, 0);
        for section in push.streams().filter(|section| !section.is_empty()) {
            let hash = tenant_hash ^ stream_hash_part(section.fingerprint.0);
            let highest = self.highest.entry(hash).or_default();
            if section.first_seq > *highest {
                *highest = section.last_seq();
            } else {
                let late = Late { first: section.first_seq, last: section.last_seq(), seen_through: 0 };
                self.late.entry(hash).or_default().push(late);
            }
        }
    }

    fn snapshot(&mut self, piece: &Piece, at: u64, snapshot: &SnapshotRecord<'_>) {
        let (Ok(tenant), Some(labels)) = (TenantId::parse(snapshot.tenant), snapshot.labels.decode()) else {
            return self.damaged(piece, at, "its stream is no stream");
        };
        if let Err(error) = MemChunk::check_image(snapshot.chunk) {
            return self.damaged(piece, at, &error.to_string());
        }
        self.widen(&tenant, Some(snapshot.bounds));
        let bytes = snapshot.len_bytes() as u64;
        let place = SnapshotPlace { segment: piece.segment, at, bytes, covers: snapshot.covers.clone() };
        self.streams.entry((tenant, labels)).or_default().snapshots.push(place);
    }

    fn widen(&mut self, tenant: &TenantId, more: Option<(Nanos, Nanos)>) {
        if !self.bounds.contains_key(tenant) {
            self.bounds.insert(tenant.clone(), Some((Nanos::MAX, Nanos::MIN)));
        }
        let Some(bounds) = self.bounds.get_mut(tenant) else { return };
        *bounds = match (*bounds, more) {
            (Some((min, max)), Some((a, b))) => Some((min.min(a), max.max(b))),
            _ => None,
        };
    }

    fn damaged(&mut self, piece: &Piece, at: u64, why: &str) {
        self.corruptions += 1;
        let path = self.segments[piece.segment].path.display();
        tracing::error!(%path, at, why, "a record of the log is damaged and left out");
    }

    /// Ends the pass: the chunks in the bucket that no uploaded index names.
    pub(super) fn finish(&mut self) -> Vec<Flushed> {
        self.highest = HashMap::new();
        for late in self.late.values_mut() {
            late.sort_unstable_by_key(|late| (late.first, late.last));
        }
        for past in self.streams.values_mut() {
            let bucket = &past.in_bucket;
            past.snapshots.retain(|snapshot| !bucket.covers(&snapshot.covers));
            // The newest first: what it holds need not be restored from an older one.
            past.snapshots
                .sort_by_key(|snapshot| std::cmp::Reverse((snapshot.covers.last(), snapshot.segment, snapshot.at)));
        }
        std::mem::take(&mut self.flushed).into_values().collect()
    }
}

fn stream_hash_part(fingerprint: u64) -> u64 {
    fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
