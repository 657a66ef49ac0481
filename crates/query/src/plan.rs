//! Which chunks a query reads, and in which pieces.
//!
//! A piece is one stream in one span of time: all sources of the stream that overlap the span, read by one task, so
//! that its merger sees every copy of an entry. Spans are cut where chunks begin; a chunk that crosses a cut is fetched
//! by both pieces, and each reads its own side.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_eval::source::{Deletion, Tombstones};
use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Fingerprint, Labels, Nanos, TimeRange};
use loptr_storage::{IndexedStream, merge_streams};

use crate::readers::Reader;
use crate::recent::RecentStream;
use crate::source::{ChunkSource, ScanCounters};

/// Uncompressed bytes a piece holds, about.
const PIECE_BYTES: u64 = 8 << 20;

/// What a chunk is taken to hold where the index does not say: uncompressed bytes of a middling one.
const UNKNOWN_BYTES: u64 = 2 << 20;
/// And bytes of a line in it.
const UNKNOWN_LINE_BYTES: u64 = 256;

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
    pub(crate) reader: Reader,
    pub(crate) labels: Labels,
    /// What of it was deleted.
    pub(crate) tombstones: Tombstones,
    pub(crate) heads: Vec<Arc<ChunkSource>>,
    /// By (from, through, checksum).
    pub(crate) chunks: Vec<Arc<LazyChunk>>,
}

/// One task's share.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) stream: Arc<PlannedStream>,
    pub(crate) range: TimeRange,
    /// Whether its blocks are read several times.
    pub(crate) read_again: bool,
}

/// Puts memory, pending chunks and index together, stream by stream.
pub(crate) fn plan(
    reader: &Reader,
    recent: Vec<RecentStream>,
    indexed: impl IntoIterator<Item = IndexedStream>,
    deletions: &[Deletion],
    counters: &Arc<ScanCounters>,
) -> Vec<Arc<PlannedStream>> {
    type Key = (Fingerprint, Labels);
    type Parts = (Vec<Arc<ChunkSource>>, Vec<Arc<LazyChunk>>);
    let mut streams: HashMap<Key, Parts> = HashMap::new();
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
                bytes: if meta.is_sized() { u64::from(meta.kb).max(1) * 1024 } else { UNKNOWN_BYTES },
                entries: if meta.is_sized() { u64::from(meta.entries) } else { UNKNOWN_BYTES / UNKNOWN_LINE_BYTES },
            })
        };
        streams.entry((fingerprint, labels)).or_default().1.extend(chunks.iter().map(lazy));
    }
    let mut planned: Vec<Arc<PlannedStream>> = streams
        .into_iter()
        .map(|((_, labels), (heads, chunks))| {
            let tombstones = Tombstones::of_stream(&labels, deletions);
            Arc::new(PlannedStream { reader: reader.clone(), labels, tombstones, heads, chunks })
        })
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
                pieces.push(Piece::new(self, TimeRange::new(start, from)));
                (start, bytes) = (from, 0);
            }
            bytes += chunk.bytes;
        }
        if bytes > 0 || self.heads_in(TimeRange::new(start, range.end)).next().is_some() {
            pieces.push(Piece::new(self, TimeRange::new(start, range.end)));
        }
        pieces
    }

    /// The whole of `range` as one piece; `None` if nothing lies there.
    pub(crate) fn piece(self: &Arc<Self>, range: TimeRange) -> Option<Piece> {
        Some(Piece::new(self, range)).filter(Piece::holds_any)
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

impl Piece {
    fn new(stream: &Arc<PlannedStream>, range: TimeRange) -> Self {
        Self { stream: stream.clone(), range, read_again: false }
    }

    /// Whether anything lies in it.
    pub(crate) fn holds_any(&self) -> bool {
        self.stream.chunks_in(self.range).next().is_some() || self.stream.heads_in(self.range).next().is_some()
    }

    /// How far its entries lie from the end that is read first, about: less is nearer.
    pub(crate) fn first_in(&self, backward: bool) -> i64 {
        let chunks = self.stream.chunks_in(self.range).map(|chunk| chunk.span());
        let heads = self.stream.heads_in(self.range).filter_map(|head| head.span());
        let spans = chunks.chain(heads);
        if backward {
            !spans.map(|(_, last)| last.min(self.range.end)).max().unwrap_or(Nanos::MIN).0
        } else {
            spans.map(|(first, _)| first.max(self.range.start)).min().unwrap_or(Nanos::MAX).0
        }
    }
}

/// Below this a log query reads its range in one go.
const ONE_WINDOW_BYTES: u64 = 32 << 20;
/// Uncompressed bytes of the first window, about.
const FIRST_WINDOW_BYTES: f64 = (8 << 20) as f64;
/// Resolution of the estimate where data lies.
const BINS: usize = 256;

/// Cuts a log query's range into windows from the end it starts at, so that a limit is met early. A block that crosses
/// a cut is decoded on both sides, so there are few: a small one, then as much as the hits so far say is needed, and all
/// the rest when there was none.
#[derive(Debug)]
pub(crate) struct Windows {
    /// Where the whole range starts: bins are counted from here.
    start: Nanos,
    rest: TimeRange,
    backward: bool,
    limit: usize,
    /// Uncompressed bytes of the first window, at least.
    first_bytes: f64,
    /// Estimated bytes and entries by time, in reading order; none when the range is read in one go.
    bins: Vec<(f64, f64)>,
    width: i64,
    next_bin: usize,
    read_bytes: f64,
}

impl Windows {
    /// With `keeps_all` each entry read is a hit: then the first window need not hold more than the limit.
    pub(crate) fn new(
        streams: &[Arc<PlannedStream>],
        range: TimeRange,
        backward: bool,
        limit: usize,
        keeps_all: bool,
    ) -> Self {
        let span = range.end.0.saturating_sub(range.start.0);
        let width = span / BINS as i64 + 1;
        let chunks = || streams.iter().flat_map(|stream| stream.chunks_in(range));
        let total: u64 = chunks().map(|chunk| chunk.bytes).sum();
        let mut bins = Vec::new();
        if total > ONE_WINDOW_BYTES && span >= BINS as i64 {
            bins = vec![(0.0, 0.0); BINS];
            let bin_of = |ts: Nanos| (ts.0.saturating_sub(range.start.0) / width).clamp(0, BINS as i64 - 1) as usize;
            for chunk in chunks() {
                let (from, through) = chunk.span();
                let (first, last) = (bin_of(from), bin_of(through));
                let share = 1.0 / (last - first + 1) as f64;
                for (bytes, entries) in &mut bins[first..=last] {
                    *bytes += chunk.bytes as f64 * share;
                    *entries += chunk.entries as f64 * share;
                }
            }
            if backward {
                bins.reverse();
            }
        }
        let first_bytes = if keeps_all { 0.0 } else { FIRST_WINDOW_BYTES };
        Self {
            start: range.start,
            rest: range,
            backward,
            limit,
            first_bytes,
            bins,
            width,
            next_bin: 0,
            read_bytes: 0.0,
        }
    }

    /// The next window, after `hits` entries were found in those before; `None` when all was read.
    pub(crate) fn next(&mut self, hits: usize) -> Option<TimeRange> {
        if self.rest.is_empty() {
            return None;
        }
        let first = self.read_bytes == 0.0;
        let wanted_bytes = match hits {
            _ if first => self.first_bytes,
            0 => f64::INFINITY,
            hits => self.read_bytes / hits as f64 * self.limit.saturating_sub(hits) as f64 * 1.5,
        };
        let wanted_entries = if first { self.limit as f64 * 2.0 } else { 0.0 };
        let (mut bytes, mut entries) = (0.0, 0.0);
        while self.next_bin < self.bins.len() && (bytes < wanted_bytes || entries < wanted_entries) {
            bytes += self.bins[self.next_bin].0;
            entries += self.bins[self.next_bin].1;
            self.next_bin += 1;
        }
        self.read_bytes += bytes.max(1.0);
        let cut_at = self.width.saturating_mul(self.next_bin as i64);
        let window = if self.next_bin >= self.bins.len() {
            self.rest
        } else if self.backward {
            let edge = self.width.saturating_mul((self.bins.len() - self.next_bin) as i64);
            TimeRange { start: self.start.saturating_add(edge).clamp(self.rest.start, self.rest.end), ..self.rest }
        } else {
            TimeRange { end: self.start.saturating_add(cut_at).clamp(self.rest.start, self.rest.end), ..self.rest }
        };
        if self.backward {
            self.rest.end = window.start;
        } else {
            self.rest.start = window.end;
        }
        if window.is_empty() { self.next(hits) } else { Some(window) }
    }
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
        let reader = Reader { tenant: loptr_model::TenantId::single(), mark: None };
        plan(&reader, Vec::new(), [indexed], &[], &Arc::default()).remove(0)
    }

    fn millis(range: TimeRange) -> (i64, i64) {
        (range.start.0 / 1_000_000, range.end.0 / 1_000_000)
    }

    #[test]
    fn windows_tile_the_range_from_the_end_asked_for() {
        let chunks: Vec<(i64, i64, u32)> = (0..100).map(|at| (at * 1000, at * 1000 + 999, 4096)).collect();
        let streams = [stream(&chunks)];
        let range = TimeRange::new(Nanos(0), Millis(100_000).to_nanos());
        for (backward, hits) in [(true, 0), (false, 0), (true, 40), (false, 40)] {
            let mut windows = Windows::new(&streams, range, backward, 100, false);
            let mut tiles: Vec<TimeRange> = std::iter::from_fn(|| windows.next(hits)).collect();
            assert!(tiles.len() >= 2 && (hits > 0 || tiles.len() == 2), "{tiles:?}");
            assert!(tiles[0].end.0 - tiles[0].start.0 < tiles[1].end.0 - tiles[1].start.0);
            if backward {
                tiles.reverse();
            }
            assert_eq!((tiles[0].start, tiles[tiles.len() - 1].end), (range.start, range.end));
            assert!(tiles.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
        let first = |keeps_all| Windows::new(&streams, range, true, 100, keeps_all).next(0).expect("a window");
        assert!(first(true).start > first(false).start && first(true).end == range.end);
        let small = [stream(&[(0, 99_999, 1024)])];
        let mut windows = Windows::new(&small, range, true, 100, false);
        assert_eq!((windows.next(0), windows.next(0)), (Some(range), None));
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
