//! The chunk list at the end of a series: encoding, reading within a time range, statistics.
//!
//! ```text
//! version 2   count uv ‖ count × entry
//! version 3   count uv ‖ markersLen be32 ‖ pages uv ‖ pages × marker ‖ count × entry
//! entry       (min − previous max) sv ‖ (max − min) uv ‖ kb uv ‖ entries uv ‖ checksum be32
//! marker      chunks uv ‖ Σkb be32 ‖ Σentries be32 ‖ offset uv ‖ min sv ‖ (max − min) sv
//! ```
//!
//! Times are milliseconds. A page is 16 chunks; `offset` counts bytes from the first entry. The chain of deltas runs
//! through page borders, so who jumps to a page takes the page's min for its first chunk. Chunks are sorted by
//! (min, max, checksum), so nothing after the first chunk with `min >= through` is looked at.

use std::iter::FusedIterator;

use loptr_model::{ChunkRef, Millis};

use crate::cursor::{Cursor, Put};
use crate::error::IndexError;
use crate::toc::{Bounds, Version};

/// Chunks per page marker when writing.
const PAGE_CHUNKS: usize = 16;
/// From this many chunks on, page markers are consulted.
const MARKERS_FROM: u64 = 64;
/// The least bytes a chunk entry takes: four one-byte varints and the checksum.
const ENTRY_MIN_BYTES: u64 = 8;

/// What the index knows of one chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChunkMeta {
    /// Time of the first entry, rounded down.
    pub min: Millis,
    /// Time of the last entry, rounded up; included.
    pub max: Millis,
    /// CRC-32C over the chunk object.
    pub checksum: u32,
    /// Uncompressed size in KiB, rounded to the nearest (small chunks have 0).
    pub kb: u32,
    /// Log lines.
    pub entries: u32,
}

impl ChunkMeta {
    /// What chunks of a series are sorted and deduplicated by.
    pub(crate) fn key(&self) -> (Millis, Millis, u32) {
        (self.min, self.max, self.checksum)
    }

    /// A chunk of which only its name is known.
    pub fn unsized_of(chunk: &ChunkRef) -> Self {
        Self { min: chunk.from, max: chunk.through, checksum: chunk.checksum, kb: 0, entries: 0 }
    }

    /// Whether its size is known: no chunk is without a line, but a boltdb index does not say how many there are.
    pub fn is_sized(&self) -> bool {
        self.entries > 0 || self.kb > 0
    }

    /// [`ChunkMeta::kb`] of a chunk with this many uncompressed bytes: halves round up.
    pub fn kb_of(uncompressed_bytes: u64) -> u32 {
        u32::try_from(uncompressed_bytes.saturating_add(512) / 1024).unwrap_or(u32::MAX)
    }

    /// Whether `[min, max]` and `[from, through)` have an instant in common.
    pub fn overlaps(&self, from: Millis, through: Millis) -> bool {
        overlaps(self.min, self.max, from, through)
    }
}

fn overlaps(min: Millis, max: Millis, from: Millis, through: Millis) -> bool {
    from <= max && through > min
}

/// Sorts by (min, max, checksum) and keeps the first of equals.
pub(crate) fn sort_and_dedup(chunks: &mut Vec<ChunkMeta>) {
    if !chunks.is_sorted_by(|a, b| a.key() < b.key()) {
        chunks.sort_by_key(ChunkMeta::key);
        chunks.dedup_by_key(|chunk| chunk.key());
    }
}

/// Sums over the chunks of one or more series, scaled to a time range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkStats {
    /// Chunks that overlap the range.
    pub chunks: u64,
    /// Their KiB, each scaled by the part of its time inside the range.
    pub kb: u64,
    /// Their log lines, scaled likewise.
    pub entries: u64,
}

impl ChunkStats {
    /// Uncompressed bytes.
    pub fn bytes(&self) -> u64 {
        self.kb.saturating_mul(1024)
    }

    fn add(&mut self, chunks: u64, kb: u32, entries: u32) {
        self.chunks = self.chunks.saturating_add(chunks);
        self.kb = self.kb.saturating_add(u64::from(kb));
        self.entries = self.entries.saturating_add(u64::from(entries));
    }

    /// Counts `chunk`, its size and lines scaled linearly by the part of its span inside `from..through` and rounded
    /// down. A chunk of one instant counts fully.
    pub fn add_chunk(&mut self, chunk: &ChunkMeta, from: Millis, through: Millis) {
        let part = part_inside(chunk.min.0, chunk.max.0, from.0, through.0);
        self.add(1, (f64::from(chunk.kb) * part) as u32, (f64::from(chunk.entries) * part) as u32);
    }

    /// Adds the sums of `other`.
    pub fn merge(&mut self, other: &ChunkStats) {
        self.chunks = self.chunks.saturating_add(other.chunks);
        self.kb = self.kb.saturating_add(other.kb);
        self.entries = self.entries.saturating_add(other.entries);
    }
}

fn part_inside(min: i64, max: i64, from: i64, through: i64) -> f64 {
    if from > max || through < min {
        return 0.0;
    }
    if min == max {
        return 1.0;
    }
    let total = i128::from(max) - i128::from(min);
    let before = (i128::from(from) - i128::from(min)).max(0);
    let after = (i128::from(max) - i128::from(through)).max(0);
    (total - before - after) as f64 / total as f64
}

/// Chunks of one series, in file order; see [`Series::chunks`](crate::Series::chunks). After an error it ends.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    cursor: Cursor<'a>,
    left: u64,
    previous_max: i64,
    /// Takes the place of the next chunk's min: the first of a page that was jumped to.
    forced_min: Option<i64>,
    /// `None`: all chunks.
    range: Option<(Millis, Millis)>,
    /// Only one page is read, so what follows is no fault.
    is_page: bool,
}

#[derive(Clone, Copy, Debug)]
struct Marker {
    chunks: u64,
    kb: u32,
    entries: u32,
    offset: u64,
    min: i64,
    max: i64,
}

impl Marker {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, IndexError> {
        let (chunks, kb, entries, offset) = (cursor.uv()?, cursor.be32()?, cursor.be32()?, cursor.uv()?);
        let min = cursor.sv()?;
        Ok(Self { chunks, kb, entries, offset, min, max: min.wrapping_add(cursor.sv()?) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.put_uv(self.chunks);
        out.put_be32(self.kb);
        out.put_be32(self.entries);
        out.put_uv(self.offset);
        out.put_sv(self.min);
        out.put_sv(self.max.wrapping_sub(self.min));
    }

    fn overlaps(&self, from: Millis, through: Millis) -> bool {
        overlaps(Millis(self.min), Millis(self.max), from, through)
    }
}

/// The parts of a chunk list: page markers (version 3 only) and entries.
struct List<'a> {
    count: u64,
    markers: Option<(u64, Cursor<'a>)>,
    entries: Cursor<'a>,
}

impl<'a> List<'a> {
    fn split(version: Version, mut cursor: Cursor<'a>) -> Result<Self, IndexError> {
        let start = cursor;
        let count = cursor.uv()?;
        if count == 0 {
            // Version 3 still has a length (0) and a count of pages (0) here, which nobody needs.
            return Ok(Self { count, markers: None, entries: cursor });
        }
        let mut markers = None;
        if version == Version::V3 {
            let len = cursor.be32()? as usize;
            let at = cursor.at();
            let mut section = Cursor::new(cursor.take(len)?, at, "chunk page markers");
            if count >= MARKERS_FROM {
                markers = Some((section.uv()?, section));
            }
        }
        if count > cursor.len() as u64 / ENTRY_MIN_BYTES {
            return Err(start.invalid("more chunks than its bytes can hold"));
        }
        Ok(Self { count, markers, entries: cursor })
    }

    /// The entries from byte `offset` on, `left` at most.
    fn entries_from(
        &self,
        marker: &Marker,
        left: u64,
        range: Option<(Millis, Millis)>,
    ) -> Result<Chunks<'a>, IndexError> {
        let mut cursor = self.entries;
        cursor.take(usize::try_from(marker.offset).unwrap_or(usize::MAX))?;
        Ok(Chunks { cursor, left, previous_max: 0, forced_min: Some(marker.min), range, is_page: false })
    }
}

impl<'a> Chunks<'a> {
    /// From the chunk list at `cursor`; `range` is `from` in, `through` out.
    pub(crate) fn new(
        version: Version,
        cursor: Cursor<'a>,
        range: Option<(Millis, Millis)>,
    ) -> Result<Self, IndexError> {
        let list = List::split(version, cursor)?;
        let all =
            Chunks { cursor: list.entries, left: list.count, previous_max: 0, forced_min: None, range, is_page: false };
        let (Some((from, through)), Some((pages, mut markers))) = (range, list.markers) else { return Ok(all) };
        let mut left = list.count;
        for _ in 0..pages {
            let marker = Marker::read(&mut markers)?;
            if marker.overlaps(from, through) {
                return list.entries_from(&marker, left, range);
            }
            left = left.saturating_sub(marker.chunks);
        }
        Ok(Chunks { left: 0, ..all })
    }

    fn read(&mut self) -> Result<ChunkMeta, IndexError> {
        let delta = self.cursor.sv()?;
        let min = self.forced_min.take().unwrap_or_else(|| self.previous_max.wrapping_add(delta));
        let max = min.wrapping_add(self.cursor.uv()? as i64);
        self.previous_max = max;
        let (kb, entries, checksum) = (self.cursor.uv32()?, self.cursor.uv32()?, self.cursor.be32()?);
        Ok(ChunkMeta { min: Millis(min), max: Millis(max), checksum, kb, entries })
    }
}

impl Iterator for Chunks<'_> {
    type Item = Result<ChunkMeta, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            self.left -= 1;
            let chunk = match self.read() {
                Ok(chunk) => chunk,
                Err(error) => {
                    self.left = 0;
                    return Some(Err(error));
                }
            };
            if self.left == 0 && self.cursor.len() > 0 && !self.is_page {
                return Some(Err(self.cursor.invalid("bytes are left after the last chunk")));
            }
            match self.range {
                Some((_, through)) if chunk.min >= through => self.left = 0,
                Some((from, _)) if chunk.max < from => {}
                _ => return Some(Ok(chunk)),
            }
        }
        None
    }
}

impl FusedIterator for Chunks<'_> {}

/// Sums over the chunks that overlap `from..through`. Whole pages inside the range are taken from their markers.
pub(crate) fn stats(
    version: Version,
    cursor: Cursor<'_>,
    from: Millis,
    through: Millis,
) -> Result<ChunkStats, IndexError> {
    let list = List::split(version, cursor)?;
    let range = Some((from, through));
    let mut sums = ChunkStats::default();
    let Some((pages, mut markers)) = list.markers else {
        let chunks =
            Chunks { cursor: list.entries, left: list.count, previous_max: 0, forced_min: None, range, is_page: false };
        for chunk in chunks {
            sums.add_chunk(&chunk?, from, through);
        }
        return Ok(sums);
    };
    for _ in 0..pages {
        let marker = Marker::read(&mut markers)?;
        if marker.min >= through.0 {
            break;
        }
        if !marker.overlaps(from, through) {
            continue;
        }
        if from.0 <= marker.min && through.0 >= marker.max {
            sums.add(marker.chunks, marker.kb, marker.entries);
            continue;
        }
        let mut page = list.entries_from(&marker, marker.chunks, range)?;
        page.is_page = true;
        for chunk in page {
            sums.add_chunk(&chunk?, from, through);
        }
    }
    Ok(sums)
}

/// Appends the chunk list of one series and widens `bounds`. `scratch` is only there to be reused.
pub(crate) fn write(
    version: Version,
    chunks: &[ChunkMeta],
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    bounds: &mut Bounds,
) {
    out.put_uv(chunks.len() as u64);
    if version == Version::V2 {
        let mut previous_max = 0;
        for chunk in chunks {
            bounds.widen(chunk.min, chunk.max);
            write_entry(chunk, &mut previous_max, out);
        }
        return;
    }
    scratch.clear();
    let len_at = out.len();
    out.put_be32(0);
    out.put_uv(chunks.len().div_ceil(PAGE_CHUNKS) as u64);
    let mut previous_max = 0;
    for page in chunks.chunks(PAGE_CHUNKS) {
        // Upstream starts the page's max at 0, the min at nothing.
        let (mut kb, mut entries, mut min, mut max) = (0u32, 0u32, i64::MAX, 0);
        let offset = scratch.len() as u64;
        for chunk in page {
            bounds.widen(chunk.min, chunk.max);
            kb = kb.wrapping_add(chunk.kb);
            entries = entries.wrapping_add(chunk.entries);
            min = min.min(chunk.min.0);
            max = max.max(chunk.max.0);
            write_entry(chunk, &mut previous_max, scratch);
        }
        Marker { chunks: page.len() as u64, kb, entries, offset, min, max }.write(out);
    }
    if !chunks.is_empty() {
        let len = (out.len() - len_at - 4) as u32;
        out[len_at..len_at + 4].copy_from_slice(&len.to_be_bytes());
    }
    out.extend_from_slice(scratch);
}

fn write_entry(chunk: &ChunkMeta, previous_max: &mut i64, out: &mut Vec<u8>) {
    out.put_sv(chunk.min.0.wrapping_sub(*previous_max));
    out.put_uv(chunk.max.0.wrapping_sub(chunk.min.0) as u64);
    out.put_uv(u64::from(chunk.kb));
    out.put_uv(u64::from(chunk.entries));
    out.put_be32(chunk.checksum);
    *previous_max = chunk.max.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(min: i64, max: i64) -> ChunkMeta {
        ChunkMeta { min: Millis(min), max: Millis(max), checksum: 0, kb: 10, entries: 101 }
    }

    #[test]
    fn sizes_round_to_the_nearest_kib() {
        let kb = [0, 511, 512, 1535, 1536, u64::MAX].map(ChunkMeta::kb_of);
        assert_eq!(kb, [0, 0, 1, 1, 2, u32::MAX]);
    }

    #[test]
    fn a_chunk_ends_inside_and_a_query_before() {
        assert!(chunk(10, 20).overlaps(Millis(20), Millis(21)) && chunk(10, 20).overlaps(Millis(0), Millis(11)));
        assert!(!chunk(10, 20).overlaps(Millis(21), Millis(30)) && !chunk(10, 20).overlaps(Millis(0), Millis(10)));
    }

    #[test]
    fn statistics_are_scaled_by_time_and_rounded_down() {
        let sums = |chunk: ChunkMeta, from, through| {
            let mut sums = ChunkStats::default();
            sums.add_chunk(&chunk, Millis(from), Millis(through));
            (sums.chunks, sums.kb, sums.entries)
        };
        assert_eq!(sums(chunk(0, 100), 0, 100), (1, 10, 101));
        assert_eq!(sums(chunk(0, 100), 50, 1000), (1, 5, 50));
        assert_eq!(sums(chunk(0, 100), 25, 50), (1, 2, 25));
        assert_eq!(sums(chunk(7, 7), 0, 8), (1, 10, 101));
        assert_eq!(sums(chunk(i64::MIN, i64::MAX), 0, 1), (1, 0, 0));
    }

    #[test]
    fn chunks_are_sorted_and_the_first_of_equals_stays() {
        let mut chunks = vec![chunk(2, 3), ChunkMeta { kb: 1, ..chunk(1, 2) }, chunk(1, 2), chunk(1, 1)];
        sort_and_dedup(&mut chunks);
        assert_eq!(chunks, [chunk(1, 1), ChunkMeta { kb: 1, ..chunk(1, 2) }, chunk(2, 3)]);
    }

    #[test]
    fn a_short_list_has_the_layout_of_its_version() {
        let (mut scratch, mut bounds) = (Vec::new(), Bounds::default());
        let mut bytes = |version, chunks: &[ChunkMeta]| {
            let mut out = Vec::new();
            write(version, chunks, &mut out, &mut scratch, &mut bounds);
            out
        };
        let entry = [2, 1, 10, 101, 0, 0, 0, 0];
        let marker = [1, 0, 0, 0, 10, 0, 0, 0, 101, 0, 2, 2];
        assert_eq!(bytes(Version::V2, &[chunk(1, 2)]), [&[1][..], &entry].concat());
        assert_eq!(bytes(Version::V3, &[chunk(1, 2)]), [&[1, 0, 0, 0, 13, 1][..], &marker, &entry].concat());
        assert_eq!((bytes(Version::V2, &[]), bytes(Version::V3, &[])), (vec![0], vec![0, 0, 0, 0, 0, 0]));
    }
}
