//! A chunk's bytes, checked and taken apart: formats 1 to 4, or a chunk still being filled.

use std::sync::OnceLock;

use bytes::Bytes;
use loptr_model::Nanos;

use crate::block::Block;
use crate::codec::{Sums, decompress_raw};
use crate::encoding::{Encoding, Format};
use crate::error::ChunkError;
use crate::symbols::Symbols;
use crate::varint;

/// First four bytes of every memchunk.
pub(crate) const MAGIC: u32 = 0x012e_e56a;
/// Largest decompressed block or symbols section unless [`Chunk::with_limit`] says otherwise: 256 MiB.
pub const DEFAULT_DECODE_LIMIT: usize = 256 << 20;

/// What a chunk's metas say about one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMeta {
    /// Entries in the block.
    pub entries: u64,
    /// Earliest entry. Blocks written by upstream may hold earlier empty lines.
    pub min_ts: Nanos,
    /// Latest entry; included.
    pub max_ts: Nanos,
    /// Where the compressed bytes start, counted from the memchunk's first byte.
    pub offset: u64,
    /// Compressed bytes, checksum not included.
    pub len: u64,
    /// Line bytes plus 8 for every metadata pair; 0 (unknown) in formats 1 and 2.
    pub uncompressed: u64,
}

/// A chunk ready to be read. Cheap to parse: blocks and symbols are decompressed when asked for.
#[derive(Debug)]
pub struct Chunk {
    format: Format,
    encoding: Encoding,
    blocks: Vec<BlockMeta>,
    bodies: Bodies,
    symbols: OnceLock<Symbols>,
    limit: usize,
    /// Whether someone has checked all bytes already.
    verified: bool,
}

/// Where the blocks' bytes are.
#[derive(Debug)]
enum Bodies {
    /// One object. Blocks start at `data`; the symbols section lies at `symbols`, if the format has one.
    Object { bytes: Bytes, data: u64, symbols: Option<(usize, usize)> },
    /// Blocks of a chunk being filled, each with its own codec, never out of this process: no checksum.
    Memory(Vec<(Bytes, Encoding)>),
}

impl Chunk {
    /// Checks header, trailer, metas and the place of every block. Block and symbol contents are checked when decoded.
    pub fn parse(bytes: Bytes) -> Result<Self, ChunkError> {
        let (format, encoding, header) = parse_header(&bytes)?;
        let Sections { metas, symbols } = Sections::find(&bytes, format, header)?;
        let data = symbols.map_or(header, |(at, len)| at + len + 4) as u64;
        let blocks = parse_metas(&bytes, metas, format, data)?;
        if let Some(section) = symbols {
            checked(&bytes, "symbols", section)?;
        }
        let bodies = Bodies::Object { bytes, data, symbols };
        Ok(Self {
            format,
            encoding,
            blocks,
            bodies,
            symbols: OnceLock::new(),
            limit: DEFAULT_DECODE_LIMIT,
            verified: false,
        })
    }

    /// A chunk being filled: block bodies each with its codec, and their metas.
    pub(crate) fn in_memory(
        format: Format,
        encoding: Encoding,
        blocks: Vec<BlockMeta>,
        bodies: Vec<(Bytes, Encoding)>,
        symbols: Symbols,
    ) -> Self {
        Self {
            format,
            encoding,
            blocks,
            bodies: Bodies::Memory(bodies),
            symbols: OnceLock::from(symbols),
            limit: usize::MAX,
            verified: true,
        }
    }

    /// Refuses blocks and symbols that decompress to more than `bytes`.
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Leaves out the blocks' own checksums, and those of their frames: the object's, which covers every byte, was found
    /// right.
    pub fn verified(mut self) -> Self {
        self.verified = true;
        self
    }

    /// The layout.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The codec.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The blocks in the order they lie. A chunk closed by us or upstream has them in time order, without overlap; a
    /// chunk being filled may not.
    pub fn blocks(&self) -> &[BlockMeta] {
        &self.blocks
    }

    /// Entries of all blocks.
    pub fn entries(&self) -> u64 {
        self.blocks.iter().fold(0, |sum, block| sum.saturating_add(block.entries))
    }

    /// Earliest and latest entry.
    pub fn bounds(&self) -> Option<(Nanos, Nanos)> {
        let min = self.blocks.iter().map(|block| block.min_ts).min()?;
        let max = self.blocks.iter().map(|block| block.max_ts).max()?;
        Some((min, max))
    }

    /// Names and values of structured metadata, decoded at the first call. Empty before format 4.
    pub fn symbols(&self) -> Result<&Symbols, ChunkError> {
        if let Some(symbols) = self.symbols.get() {
            return Ok(symbols);
        }
        let symbols = match &self.bodies {
            Bodies::Object { bytes, symbols: Some((at, len)), .. } => {
                Symbols::decode(&bytes[*at..*at + *len], *at as u64, self.encoding, self.limit, self.sums())?
            }
            _ => Symbols::default(),
        };
        Ok(self.symbols.get_or_init(|| symbols))
    }

    /// Checks block `index` against its checksum and decompresses it into `buf`, which is meant to be used again: its
    /// length only grows, and the block borrows a part of it (or of the chunk, when nothing was compressed).
    pub fn decode_block<'a>(&'a self, index: usize, buf: &'a mut Vec<u8>) -> Result<Block<'a>, ChunkError> {
        let blocks = self.blocks.len();
        let meta = self.blocks.get(index).ok_or(ChunkError::NoBlock { index, blocks })?;
        let (body, encoding) = match &self.bodies {
            Bodies::Object { bytes, data, .. } => (self.body(bytes, *data, index)?, self.encoding),
            Bodies::Memory(bodies) => (&bodies[index].0[..], bodies[index].1),
        };
        let bytes = if body.is_empty() {
            body
        } else {
            decompress_raw(encoding, body, buf, self.limit, decoded_bytes(meta), self.sums())
                .map_err(|fault| fault.at("block", meta.offset, encoding, self.limit))?
        };
        Ok(Block::new(bytes, self.format.has_metadata()))
    }

    fn sums(&self) -> Sums {
        if self.verified { Sums::PassedOver } else { Sums::Checked }
    }

    /// The compressed bytes of a block of an object. A block whose checksum is wrong is looked for where it should lie
    /// behind the blocks before it: upstream has written wrong offsets now and then.
    fn body<'a>(&self, bytes: &'a Bytes, data: u64, index: usize) -> Result<&'a [u8], ChunkError> {
        let meta = self.blocks[index];
        if self.verified {
            let start = meta.offset as usize;
            let body = bytes.get(start..start.saturating_add(meta.len as usize));
            return body.ok_or(ChunkError::Truncated { what: "block", at: meta.offset });
        }
        let stated = checked(bytes, "block", (meta.offset as usize, meta.len as usize));
        let Err(err) = stated else { return stated };
        let before = &self.blocks[..index];
        let after_last = before.last().map(|last| last.offset + last.len + 4);
        let after_all = before.iter().fold(data, |at, block| at.saturating_add(block.len + 4));
        for at in [after_last.unwrap_or(data), after_all] {
            if at != meta.offset
                && let Ok(body) = checked(bytes, "block", (at as usize, meta.len as usize))
            {
                return Ok(body);
            }
        }
        Err(err)
    }
}

/// Decompressed bytes to foresee for a block: its counter, and what surrounds each line.
pub(crate) fn decoded_bytes(meta: &BlockMeta) -> usize {
    let entries = usize::try_from(meta.entries).unwrap_or(usize::MAX);
    usize::try_from(meta.uncompressed).unwrap_or(usize::MAX).saturating_add(entries.saturating_mul(16))
}

pub(crate) fn parse_header(bytes: &[u8]) -> Result<(Format, Encoding, usize), ChunkError> {
    let truncated = ChunkError::Truncated { what: "header", at: 0 };
    let Some((&[m0, m1, m2, m3, version], rest)) = bytes.split_first_chunk::<5>() else { return Err(truncated) };
    let found = u32::from_be_bytes([m0, m1, m2, m3]);
    if found != MAGIC {
        return Err(ChunkError::Magic { found });
    }
    let format = Format::from_byte(version)?;
    if format == Format::V1 {
        return Ok((format, Encoding::Gzip, 5));
    }
    let &codec = rest.first().ok_or(truncated)?;
    Ok((format, Encoding::from_id(codec)?, 6))
}

/// Places of metas and symbols as (start, length), checksums not included.
#[allow(clippy::type_complexity, reason = "two places")]
pub(crate) fn sections(
    bytes: &[u8],
    format: Format,
    header: usize,
) -> Result<((usize, usize), Option<(usize, usize)>), ChunkError> {
    Sections::find(bytes, format, header).map(|found| (found.metas, found.symbols))
}

/// Places of the sections as (start, length), checksums not included. All lie inside the chunk, checksums too.
struct Sections {
    metas: (usize, usize),
    symbols: Option<(usize, usize)>,
}

impl Sections {
    fn find(bytes: &[u8], format: Format, header: usize) -> Result<Self, ChunkError> {
        let end = bytes.len();
        let trailer = if format.has_metadata() { 32 } else { 8 };
        let Some(body_end) = end.checked_sub(trailer).filter(|&body_end| body_end >= header) else {
            return Err(ChunkError::Truncated { what: "trailer", at: end as u64 });
        };
        let word = |from_end: usize| {
            let word = bytes[end - from_end..].first_chunk::<8>().expect("the trailer is there");
            u64::from_be_bytes(*word)
        };
        let section = |what, at: u64, len: u64| {
            let fits = at.checked_add(len).and_then(|sum| sum.checked_add(4)).is_some_and(|sum| sum <= body_end as u64);
            // Both fit usize: they are at most `body_end`.
            if fits { Ok((at as usize, len as usize)) } else { Err(ChunkError::Truncated { what, at }) }
        };
        if format.has_metadata() {
            let metas = section("metas", word(8), word(16))?;
            let symbols = section("symbols", word(24), word(32))?;
            return Ok(Self { metas, symbols: Some(symbols) });
        }
        let at = word(8);
        let len = (body_end as u64).checked_sub(4).and_then(|metas_end| metas_end.checked_sub(at));
        let metas = section("metas", at, len.ok_or(ChunkError::Truncated { what: "metas", at })?)?;
        Ok(Self { metas, symbols: None })
    }
}

/// The bytes of a section or block, once its checksum is right.
pub(crate) fn checked<'a>(
    bytes: &'a [u8],
    what: &'static str,
    (at, len): (usize, usize),
) -> Result<&'a [u8], ChunkError> {
    let truncated = ChunkError::Truncated { what, at: at as u64 };
    let parts = bytes.get(at..).and_then(|tail| tail.split_at_checked(len));
    let Some((body, Some(sum))) = parts.map(|(body, rest)| (body, rest.first_chunk::<4>())) else {
        return Err(truncated);
    };
    let (found, expected) = (crc32c::crc32c(body), u32::from_be_bytes(*sum));
    if found != expected {
        return Err(ChunkError::Checksum { what, at: at as u64, found, expected });
    }
    Ok(body)
}

/// Reads the metas. A block that would end past the chunk is put where it is to be expected, behind the one before.
pub(crate) fn parse_metas(
    bytes: &[u8],
    section: (usize, usize),
    format: Format,
    data: u64,
) -> Result<Vec<BlockMeta>, ChunkError> {
    let metas = checked(bytes, "metas", section)?;
    let fault = |next: usize| ChunkError::Truncated { what: "metas", at: (section.0 + next) as u64 };
    let (count, mut next) = varint::read(metas, 0).ok_or_else(|| fault(0))?;
    // A block's meta takes 5 bytes at least: a count that lies cannot reserve more than the metas could hold.
    let mut blocks = Vec::with_capacity(usize::try_from(count).unwrap_or(usize::MAX).min(metas.len() / 5));
    let mut expected = data;
    for _ in 0..count {
        let (mut meta, after) = parse_meta(metas, next, format).ok_or_else(|| fault(next))?;
        next = after;
        let fits = |at: u64| {
            let end = at.checked_add(meta.len).and_then(|end| end.checked_add(4));
            end.is_some_and(|end| end <= bytes.len() as u64)
        };
        if !fits(meta.offset) {
            if !fits(expected) {
                return Err(ChunkError::Truncated { what: "block", at: meta.offset });
            }
            meta.offset = expected;
        }
        expected = meta.offset + meta.len + 4;
        blocks.push(meta);
    }
    Ok(blocks)
}

fn parse_meta(metas: &[u8], at: usize, format: Format) -> Option<(BlockMeta, usize)> {
    let (entries, at) = varint::read(metas, at)?;
    let (min_ts, at) = varint::read_signed(metas, at)?;
    let (max_ts, at) = varint::read_signed(metas, at)?;
    let (offset, at) = varint::read(metas, at)?;
    let (uncompressed, at) = if format >= Format::V3 { varint::read(metas, at)? } else { (0, at) };
    let (len, at) = varint::read(metas, at)?;
    Some((BlockMeta { entries, min_ts: Nanos(min_ts), max_ts: Nanos(max_ts), offset, len, uncompressed }, at))
}
