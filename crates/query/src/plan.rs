//! Which chunks a query reads, and in which pieces.
//!
//! A piece is one stream in one span of time: all sources of the stream that overlap the span, read by one task, so
//! that its merger sees every copy of an entry. Spans are cut where chunks begin; a chunk that crosses a cut is fetched
//! once and read by both pieces, each its own side.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Fingerprint, Labels, Nanos, TimeRange};
use loptr_storage::{IndexedStream, merge_streams};
use tokio::sync::Mutex;

use crate::recent::RecentStream;
use crate::source::{ChunkSource, ScanCounters};

/// Uncompressed bytes a piece holds, about.
const PIECE_BYTES: u64 = 8 << 20;

/// A chunk in the bucket, fetched when first needed.
#[derive(Debug)]
pub(crate) struct LazyChunk {
    pub(crate) reference: ChunkRef,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
    /// Alive while a piece reads it; the lock keeps two pieces from fetching it twice.
    pub(crate) source: Mutex<Weak<ChunkSource>>,
}

impl std::fmt::Debug for ChunkSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChunkSource")
    }
}

impl LazyChunk {
    fn span(&self) -> (Nanos, Nanos) {
        (self.reference.from.to_nanos(), self.reference.through.to_nanos())
    }
}

/// A stream with everything that may hold its entries.
#[derive(Debug)]
pub(crate) struct PlannedStream {
    pub(crate) labels: Labels,
    pub(crate) heads: Vec<Arc<ChunkSource>>,
    /// By (from, through, checksum).
    pub(crate) chunks: Vec<Arc<LazyChunk>>,
}

/// One task's share.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) stream: Arc<PlannedStream>,
    pub(crate) range: TimeRange,
    pub(crate) bytes: u64,
}

/// Puts memory, pending chunks and index together, stream by stream.
pub(crate) fn plan(
    recent: Vec<RecentStream>,
    indexed: impl IntoIterator<Item = IndexedStream>,
    counters: &Arc<ScanCounters>,
) -> Vec<Arc<PlannedStream>> {
    type Key = (Fingerprint, Labels);
    let mut streams: HashMap<Key, (Vec<Arc<ChunkSource>>, Vec<Arc<LazyChunk>>)> = HashMap::new();
    for RecentStream { labels, fingerprint, chunks } in recent {
        let heads = chunks.into_iter().map(|chunk| {
            let name = format!("chunk in memory of stream {labels}");
            Arc::new(ChunkSource::new(chunk, name, labels.clone(), true, counters.clone()))
        });
        let heads: Vec<_> = heads.collect();
        streams.entry((fingerprint, labels)).or_default().0.extend(heads);
    }
    for IndexedStream { labels, fingerprint, chunks } in merge_streams(indexed) {
        let lazy = |meta: &ChunkMeta| {
            Arc::new(LazyChunk {
                reference: ChunkRef { fingerprint, from: meta.min, through: meta.max, checksum: meta.checksum },
                bytes: u64::from(meta.kb).max(1) * 1024,
                entries: u64::from(meta.entries),
                source: Mutex::new(Weak::new()),
            })
        };
        streams.entry((fingerprint, labels)).or_default().1.extend(chunks.iter().map(lazy));
    }
    let mut planned: Vec<Arc<PlannedStream>> = streams
        .into_iter()
        .map(|((_, labels), (heads, chunks))| Arc::new(PlannedStream { labels, heads, chunks }))
        .collect();
    planned.sort_by(|a, b| a.labels.cmp(&b.labels));
    planned
}

impl PlannedStream {
    /// Cuts `range` into pieces of about [`PIECE_BYTES`].
    pub(crate) fn pieces(self: &Arc<Self>, range: TimeRange) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut bytes = 0;
        let mut start = range.start;
        for chunk in self.chunks_in(range) {
            let (from, _) = chunk.span();
            if bytes + chunk.bytes > PIECE_BYTES && from > start && from < range.end {
                pieces.push(Piece { stream: self.clone(), range: TimeRange::new(start, from), bytes });
                (start, bytes) = (from, 0);
            }
            bytes += chunk.bytes;
        }
        if bytes > 0 || self.heads_in(TimeRange::new(start, range.end)).next().is_some() {
            pieces.push(Piece { stream: self.clone(), range: TimeRange::new(start, range.end), bytes });
        }
        pieces
    }

    /// The whole of `range` as one piece; `None` if nothing lies there.
    pub(crate) fn piece(self: &Arc<Self>, range: TimeRange) -> Option<Piece> {
        let bytes: u64 = self.chunks_in(range).map(|chunk| chunk.bytes).sum();
        let any = bytes > 0 || self.heads_in(range).next().is_some();
        any.then(|| Piece { stream: self.clone(), range, bytes })
    }

    pub(crate) fn chunks_in(&self, range: TimeRange) -> impl Iterator<Item = &Arc<LazyChunk>> {
        self.chunks.iter().filter(move |chunk| {
            let (from, through) = chunk.span();
            range.overlaps_closed(from, through)
        })
    }

    pub(crate) fn heads_in(&self, range: TimeRange) -> impl Iterator<Item = &Arc<ChunkSource>> {
        use loptr_eval::source::Source;
        self.heads
            .iter()
            .filter(move |head| head.blocks().iter().any(|block| range.overlaps_closed(block.min, block.max)))
    }
}

/// Cuts `range` into windows from the end a log query starts at: the first small, each next four times as large, so
/// that a limit is met early and a fruitless search still takes few rounds.
pub(crate) fn windows(
    streams: &[Arc<PlannedStream>],
    range: TimeRange,
    backward: bool,
    limit: usize,
) -> Vec<TimeRange> {
    let mut chunks: Vec<&Arc<LazyChunk>> = streams.iter().flat_map(|stream| stream.chunks_in(range)).collect();
    if backward {
        chunks.sort_by_key(|chunk| std::cmp::Reverse(chunk.reference.through));
    } else {
        chunks.sort_by_key(|chunk| chunk.reference.from);
    }
    let mut windows = Vec::new();
    let mut rest = range;
    let (mut bytes, mut entries, mut target) = (0u64, 0u64, 4u64 << 20);
    for chunk in chunks {
        bytes += chunk.bytes;
        entries += chunk.entries;
        if bytes < target && entries < (limit as u64).saturating_mul(4) || bytes < 256 << 10 {
            continue;
        }
        let (from, through) = chunk.span();
        // Half of the chunk's span: a long chunk is not read whole for its newest lines.
        let cut = if windows.is_empty() {
            Nanos(from.0.midpoint(through.0))
        } else if backward {
            from
        } else {
            through
        };
        if cut <= rest.start || cut >= rest.end {
            continue;
        }
        if backward {
            windows.push(TimeRange::new(cut, rest.end));
            rest.end = cut;
        } else {
            windows.push(TimeRange::new(rest.start, cut));
            rest.start = cut;
        }
        (bytes, entries) = (0, 0);
        target = target.saturating_mul(4);
    }
    if !rest.is_empty() {
        windows.push(rest);
    }
    windows
}
