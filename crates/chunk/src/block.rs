//! One decompressed block and the entries in it.
//!
//! ```text
//! entry    = timestamp sv (ns) ‖ lineLen uv ‖ line ‖ [format 4: metadata]
//! metadata = sectionLen uv ‖ pairs uv ‖ pairs × ( nameSymbol uv ‖ valueSymbol uv )
//! ```
//!
//! Entries lie back to back until the bytes end. Blocks written from upstream's old ordered heads, or by other hands,
//! need not be sorted, so nothing here assumes it. Nothing is copied.

use loptr_model::Nanos;

use crate::encoding::Format;
use crate::error::ChunkError;
use crate::symbols::Symbols;
use crate::varint;

/// Longest line a reader takes, in bytes: upstream's limit is 1 GiB, not included.
pub const MAX_LINE_BYTES: usize = (1 << 30) - 1;

/// One decompressed block, borrowed from the buffer it was decoded into.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    bytes: &'a [u8],
    has_metadata: bool,
}

/// One entry of a block.
#[derive(Clone, Copy, Debug)]
pub struct RawEntry<'a> {
    /// Time of the entry.
    pub ts: Nanos,
    /// The line, unchanged.
    pub line: &'a [u8],
    /// Structured metadata, not yet read.
    pub metadata: RawMetadata<'a>,
}

/// Where an entry's parts lie in its block.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) line: usize,
    pub(crate) line_end: usize,
    /// After `sectionLen`; equal to `end` in formats without metadata.
    pub(crate) metadata: usize,
    pub(crate) end: usize,
}

impl<'a> Block<'a> {
    pub(crate) fn new(bytes: &'a [u8], has_metadata: bool) -> Self {
        Self { bytes, has_metadata }
    }

    /// A block from bytes decompressed earlier (of a chunk of `format`), from a cache for instance.
    pub fn from_decompressed(bytes: &'a [u8], format: Format) -> Self {
        Self::new(bytes, format.has_metadata())
    }

    /// The decompressed bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The entries, in the order they lie. After an error nothing more comes.
    pub fn entries(&self) -> Entries<'a> {
        Entries { block: *self, at: 0 }
    }

    /// Measures the entry at `at` without reading its timestamp.
    #[inline(always)]
    pub(crate) fn span(&self, at: usize) -> Result<Span, ChunkError> {
        match self.try_span(at) {
            Some(span) => Ok(span),
            None => Err(self.fault(at)),
        }
    }

    #[inline(always)]
    fn try_span(&self, at: usize) -> Option<Span> {
        let len_at = varint::skip(self.bytes, at)?;
        let (len, line) = varint::read(self.bytes, len_at)?;
        let line_end = self.end_of(line, len)?;
        if len > MAX_LINE_BYTES as u64 {
            return None;
        }
        if !self.has_metadata {
            return Some(Span { start: at, line, line_end, metadata: line_end, end: line_end });
        }
        let (len, metadata) = varint::read(self.bytes, line_end)?;
        let end = self.end_of(metadata, len)?;
        Some(Span { start: at, line, line_end, metadata, end })
    }

    #[inline(always)]
    fn end_of(&self, start: usize, len: u64) -> Option<usize> {
        (len <= (self.bytes.len() - start) as u64).then(|| start + len as usize)
    }

    pub(crate) fn entry(&self, span: Span) -> Result<RawEntry<'a>, ChunkError> {
        let Some((ts, _)) = varint::read_signed(self.bytes, span.start) else { return Err(self.fault(span.start)) };
        Ok(RawEntry {
            ts: Nanos(ts),
            line: &self.bytes[span.line..span.line_end],
            metadata: RawMetadata { section: &self.bytes[span.metadata..span.end], at: span.metadata as u64 },
        })
    }

    /// What does not hold for the entry at `at`, and where.
    #[cold]
    fn fault(&self, at: usize) -> ChunkError {
        let malformed = |at: usize, why| ChunkError::Malformed { what: "block entry", at: at as u64, why };
        let Some((_, len_at)) = varint::read_signed(self.bytes, at) else {
            return malformed(at, "no complete timestamp");
        };
        let Some((len, line)) = varint::read(self.bytes, len_at) else {
            return malformed(len_at, "no complete line length");
        };
        if len > MAX_LINE_BYTES as u64 {
            return malformed(len_at, "line of 1 GiB or more");
        }
        let Some(line_end) = self.end_of(line, len) else { return malformed(line, "line ends after the block") };
        match varint::read(self.bytes, line_end) {
            None => malformed(line_end, "no complete metadata length"),
            Some((_, metadata)) => malformed(metadata, "metadata ends after the block"),
        }
    }
}

/// Iterator over a block's entries; see [`Block::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    block: Block<'a>,
    at: usize,
}

impl<'a> Entries<'a> {
    /// The next entry's timestamp, position and extent: what a sort needs.
    #[inline]
    pub(crate) fn next_span(&mut self) -> Option<Result<Span, ChunkError>> {
        if self.at >= self.block.bytes.len() {
            return None;
        }
        let span = self.block.span(self.at);
        self.at = span.as_ref().map_or(usize::MAX, |span| span.end);
        Some(span)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<RawEntry<'a>, ChunkError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.block.bytes.len() {
            return None;
        }
        let entry = self.block.span(self.at).and_then(|span| {
            self.at = span.end;
            self.block.entry(span)
        });
        if entry.is_err() {
            self.at = usize::MAX;
        }
        Some(entry)
    }
}

/// Structured metadata of one entry: symbol numbers, read when asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawMetadata<'a> {
    /// `pairs uv ‖ …`, or nothing in formats before 4.
    section: &'a [u8],
    /// Where the section starts in its block.
    at: u64,
}

impl<'a> RawMetadata<'a> {
    /// Whether there are no pairs.
    #[inline]
    pub fn is_empty(&self) -> bool {
        matches!(self.section, [] | [0])
    }

    /// The pairs as (name symbol, value symbol), in stored order: sorted by name.
    pub fn pairs(&self) -> Pairs<'a> {
        let mut pairs = Pairs { section: self.section, next: 0, left: 0, place: self.at, failed: false };
        if !self.section.is_empty() {
            match varint::read(self.section, 0) {
                Some((count, next)) => (pairs.left, pairs.next) = (count, next),
                None => pairs.failed = true,
            }
        }
        pairs
    }

    /// The pairs as texts: names normalised, see [`Symbols::name`].
    pub fn resolve<'s>(
        &self,
        symbols: &'s Symbols,
    ) -> impl Iterator<Item = Result<(&'s str, &'s str), ChunkError>> + use<'a, 's> {
        self.pairs().map(|pair| pair.map(|(name, value)| (symbols.name(name), symbols.value(value))))
    }
}

/// Iterator over an entry's metadata; see [`RawMetadata::pairs`]. After an error nothing more comes.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    section: &'a [u8],
    next: usize,
    left: u64,
    place: u64,
    failed: bool,
}

impl Pairs<'_> {
    #[inline]
    fn symbol(&mut self) -> Option<u32> {
        let (symbol, next) = varint::read(self.section, self.next)?;
        self.next = next;
        u32::try_from(symbol).ok()
    }

    #[cold]
    fn fail(&mut self, why: &'static str) -> Option<Result<(u32, u32), ChunkError>> {
        (self.left, self.failed, self.next) = (0, false, self.section.len());
        Some(Err(ChunkError::Malformed { what: "structured metadata", at: self.place, why }))
    }
}

impl Iterator for Pairs<'_> {
    type Item = Result<(u32, u32), ChunkError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.failed {
                return self.fail("no complete pair count");
            }
            if self.next < self.section.len() {
                return self.fail("section is longer than its pairs");
            }
            return None;
        }
        self.left -= 1;
        match (self.symbol(), self.symbol()) {
            (Some(name), Some(value)) => Some(Ok((name, value))),
            _ => self.fail("section ends inside a pair, or a symbol number does not fit 32 bits"),
        }
    }
}

/// Appends one entry as it lies in a block.
pub(crate) fn write_entry(out: &mut Vec<u8>, ts: Nanos, line: &[u8], metadata: Option<&[(u32, u32)]>) {
    varint::write_signed(out, ts.0);
    varint::write(out, line.len() as u64);
    out.extend_from_slice(line);
    if let Some(pairs) = metadata {
        let count = pairs.len() as u64;
        let symbols = pairs.iter().flat_map(|&(name, value)| [u64::from(name), u64::from(value)]);
        let section: usize = varint::len(count) + symbols.clone().map(varint::len).sum::<usize>();
        varint::write(out, section as u64);
        varint::write(out, count);
        symbols.for_each(|symbol| varint::write(out, symbol));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(bytes: &[u8], has_metadata: bool) -> (u64, &'static str) {
        match Block::new(bytes, has_metadata).entries().find_map(Result::err) {
            Some(ChunkError::Malformed { what: "block entry", at, why }) => (at, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_borrow_from_the_block() {
        // Appendix A.4 of the golden vectors: three entries at 9 ns.
        let bytes =
            b"\x12\x01\x78\x05\x02\x00\x01\x02\x03\x12\x01\x78\x03\x01\x00\x01\x12\x01\x79\x05\x02\x00\x01\x02\x03";
        let found: Vec<_> = Block::new(bytes, true)
            .entries()
            .map(|entry| {
                let entry = entry.expect("well formed");
                let pairs: Vec<_> = entry.metadata.pairs().map(|pair| pair.expect("well formed")).collect();
                (entry.ts.0, entry.line, pairs)
            })
            .collect();
        let two = vec![(0, 1), (2, 3)];
        assert_eq!(found, [(9, &b"x"[..], two.clone()), (9, b"x", vec![(0, 1)]), (9, b"y", two)]);
    }

    #[test]
    fn faults_name_their_place() {
        assert_eq!(place(b"\x80", false), (0, "no complete timestamp"));
        assert_eq!(place(b"\x12", false), (1, "no complete line length"));
        assert_eq!(place(b"\x12\x01x\x12\x05abc", false), (5, "line ends after the block"));
        assert_eq!(place(b"\x12\x80\x80\x80\x80\x04", false), (1, "line of 1 GiB or more"));
        assert_eq!(place(b"\x12\x01x", true), (3, "no complete metadata length"));
        assert_eq!(place(b"\x12\x01x\x02\x00", true), (4, "metadata ends after the block"));
        assert_eq!(place(b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", false), (1, "line of 1 GiB or more"));
    }

    #[test]
    fn bad_metadata_is_found_when_read() {
        for (section, why) in [
            (&b"\x12\x00\x01\x80"[..], "no complete pair count"),
            (b"\x12\x00\x02\x01\x00", "section ends inside a pair, or a symbol number does not fit 32 bits"),
            (b"\x12\x00\x02\x00\x00", "section is longer than its pairs"),
            (
                b"\x12\x00\x07\x01\x00\xff\xff\xff\xff\x10",
                "section ends inside a pair, or a symbol number does not fit 32 bits",
            ),
            (b"\x12\x00\x00", ""),
        ] {
            let entry = Block::new(section, true).entries().next().expect("one").expect("entry itself is whole");
            let found: Vec<_> = entry.metadata.pairs().collect();
            match why {
                "" => assert_eq!(found, []),
                why => {
                    let want = ChunkError::Malformed { what: "structured metadata", at: 3, why };
                    assert_eq!(found, [Err(want)]);
                }
            }
        }
    }
}
