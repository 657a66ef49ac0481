//! Which chunks a query reads, and in which pieces.
//!
//! A piece is one stream in one span of time: all sources of the stream that overlap the span, read by one task, so
//! that its merger sees every copy of an entry. Spans are cut where chunks begin; a chunk that crosses a cut is fetched
//! by both pieces, and each reads its own side.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Fingerprint, Labels, Nanos, TimeRange};
use loptr_storage::{IndexedStream, merge_streams};

use crate::recent::RecentStream;
use crate::source::{ChunkSource, ScanCounters};

/// Uncompressed bytes a piece holds, about.
const PIECE_BYTES: u64 = 8 << 20;

/// A chunk in the bucket.
#[derive(Debug)]
pub(crate) struct LazyChunk {
    pub(crate) reference: ChunkRef,
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
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

/// Below this a log query reads its range in one go.
const ONE_WINDOW_BYTES: u64 = 32 << 20;
/// Uncompressed bytes of the first window, about.
const FIRST_WINDOW_BYTES: u64 = 8 << 20;
/// How much larger the second window is; the third is the rest.
const WINDOW_GROWTH: u64 = 8;
/// Resolution of the estimate where data lies.
const BINS: usize = 256;

/// Cuts `range` into at most three windows from the end a log query starts at, so that a limit is met early. A block
/// that crosses a cut is decoded on both sides, which is why there are few.
pub(crate) fn windows(
    streams: &[Arc<PlannedStream>],
    range: TimeRange,
    backward: bool,
    limit: usize,
) -> Vec<TimeRange> {
    let span = range.end.0.saturating_sub(range.start.0);
    let total: u64 = streams.iter().flat_map(|stream| stream.chunks_in(range)).map(|chunk| chunk.bytes).sum();
    if total <= ONE_WINDOW_BYTES || span < BINS as i64 {
        return vec![range];
    }
    // Bytes and entries by time, each chunk's spread evenly over its span.
    let width = span / BINS as i64 + 1;
    let bin_of = |ts: Nanos| ((ts.0.saturating_sub(range.start.0)) / width).clamp(0, BINS as i64 - 1) as usize;
    let mut bins = [(0.0f64, 0.0f64); BINS];
    for chunk in streams.iter().flat_map(|stream| stream.chunks_in(range)) {
        let (from, through) = chunk.span();
        let (first, last) = (bin_of(from), bin_of(through));
        let share = 1.0 / (last - first + 1) as f64;
        for (bytes, entries) in &mut bins[first..=last] {
            *bytes += chunk.bytes as f64 * share;
            *entries += chunk.entries as f64 * share;
        }
    }
    let mut windows = Vec::new();
    let mut rest = range;
    let (mut bytes, mut entries) = (0.0, 0.0);
    let mut target = FIRST_WINDOW_BYTES as f64;
    let wanted = limit.saturating_mul(2) as f64;
    for step in 0..BINS - 1 {
        let bin = if backward { BINS - 1 - step } else { step };
        bytes += bins[bin].0;
        entries += bins[bin].1;
        if bytes < target || windows.is_empty() && entries < wanted {
            continue;
        }
        let edge = if backward { bin } else { bin + 1 };
        let cut = Nanos(range.start.0.saturating_add(width.saturating_mul(edge as i64)));
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
        if windows.len() == 2 {
            break;
        }
        bytes = 0.0;
        target *= WINDOW_GROWTH as f64;
    }
    windows.push(rest);
    windows
}

#[cfg(test)]
mod tests {
    use loptr_model::Millis;

    use super::*;

    fn stream(chunks: &[(i64, i64, u32)]) -> Arc<PlannedStream> {
        let chunks = chunks.iter().enumerate().map(|(at, &(min, max, kb))| ChunkMeta {
            min: Millis(min),
            max: Millis(max),
            checksum: at as u32,
            kb,
            entries: kb,
        });
        let labels = Labels::from_pairs([("a", "b")]);
        let indexed = IndexedStream { fingerprint: labels.fingerprint(), labels, chunks: chunks.collect() };
        plan(Vec::new(), [indexed], &Arc::default()).remove(0)
    }

    fn millis(range: TimeRange) -> (i64, i64) {
        (range.start.0 / 1_000_000, range.end.0 / 1_000_000)
    }

    #[test]
    fn windows_tile_the_range_from_the_end_asked_for() {
        let chunks: Vec<(i64, i64, u32)> = (0..100).map(|at| (at * 1000, at * 1000 + 999, 4096)).collect();
        let streams = [stream(&chunks)];
        let range = TimeRange::new(Nanos(0), Millis(100_000).to_nanos());
        for backward in [true, false] {
            let mut tiles = windows(&streams, range, backward, 100);
            assert_eq!(tiles.len(), 3);
            assert!(tiles[0].end.0 - tiles[0].start.0 < tiles[1].end.0 - tiles[1].start.0);
            if backward {
                tiles.reverse();
            }
            assert_eq!((tiles[0].start, tiles[2].end), (range.start, range.end));
            assert!(tiles.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        let small = [stream(&[(0, 99_999, 1024)])];
        assert_eq!(windows(&small, range, true, 100), [range]);
    }

    #[test]
    fn pieces_tile_the_range_and_begin_where_chunks_do() {
        let stream = stream(&[(0, 1000, 6000), (1000, 2000, 6000), (2000, 3000, 6000)]);
        let range = TimeRange::new(Nanos(0), Millis(5000).to_nanos());
        let pieces: Vec<(i64, i64)> = stream.pieces(range).iter().map(|piece| millis(piece.range)).collect();
        assert_eq!(pieces, [(0, 1000), (1000, 2000), (2000, 5000)]);
        assert_eq!(stream.pieces(range)[1].stream.chunks_in(stream.pieces(range)[1].range).count(), 2);
    }
}
