//! A chunk being filled, as bytes from which it goes on being filled: what a log keeps of it.
//!
//! ```text
//! image   = format u8 ‖ codec u8 ‖ part(symbols) ‖ blocks uv ‖ block* ‖ part(head)
//! block   = codec u8 ‖ entries uv ‖ counter uv ‖ min sv ‖ max sv ‖ len uv ‖ crc be32 ‖ body
//! part    = codec u8 ‖ len uv ‖ crc be32 ‖ body
//! symbols = count uv ‖ ( len uv ‖ bytes )*          in order of their numbers
//! head    = entry*                                  as in a block, in order of arrival
//! ```
//!
//! Blocks lie as they were cut, never compressed anew. Symbols and head are snappy streams. Every body has its
//! checksum, CRC-32C; times are nanoseconds.

use bytes::Bytes;
use loptr_model::Nanos;

use crate::block::Block;
use crate::codec::{Sums, compress, decompress_raw};
use crate::encoding::{Encoding, Format};
use crate::error::ChunkError;
use crate::varint;

use super::head::Head;
use super::intern::{self, Interner};
use super::{ChunkOptions, CutBlock, DEFAULT_ZSTD_LEVEL, MemChunk};

impl MemChunk {
    /// Appends the chunk as bytes that [`restore`](Self::restore) takes. CPU work: symbols and head are compressed.
    pub fn write_image(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.options.format.byte(), self.options.encoding.id()]);
        let mut symbols = Vec::with_capacity(self.symbols.text_bytes() + 2 * self.symbols.len() + 4);
        varint::write(&mut symbols, self.symbols.len() as u64);
        for symbol in self.symbols.iter() {
            varint::write(&mut symbols, symbol.len() as u64);
            symbols.extend_from_slice(symbol.as_bytes());
        }
        write_part(&symbols, out);
        varint::write(out, self.blocks.len() as u64);
        for block in &self.blocks {
            out.push(block.encoding.id());
            varint::write(out, block.entries);
            varint::write(out, block.counter);
            varint::write_signed(out, block.min.0);
            varint::write_signed(out, block.max.0);
            write_body(&block.body, block.crc, out);
        }
        write_part(self.head.bytes(), out);
    }

    /// Checks everything but the blocks' contents and the head's entries: lengths and every checksum.
    pub fn check_image(image: &[u8]) -> Result<(), ChunkError> {
        Image::parse(image).map(|_| ())
    }

    /// The chunk that was written. `options` say how it goes on, but for format and codec, which are the image's.
    pub fn restore(image: &[u8], options: ChunkOptions) -> Result<Self, ChunkError> {
        let Image { format, encoding, symbols, blocks, head } = Image::parse(image)?;
        let options = ChunkOptions { format, encoding, ..options };
        let symbols = restore_symbols(&symbols)?;
        let head = restore_head(&head, format, symbols.len())?;
        let cut_bytes = blocks.iter().map(|block| block.body.len() as u64).sum();
        Ok(Self { options, blocks, cut_bytes, head, symbols, pairs: Vec::new() })
    }
}

fn write_part(raw: &[u8], out: &mut Vec<u8>) {
    let mut packed = Vec::new();
    let encoding = match compress(Encoding::Snappy, DEFAULT_ZSTD_LEVEL, raw, &mut packed) {
        Ok(()) if packed.len() < raw.len() => Encoding::Snappy,
        _ => Encoding::None,
    };
    let body = if encoding == Encoding::None { raw } else { &packed };
    out.push(encoding.id());
    write_body(body, crc32c::crc32c(body), out);
}

fn write_body(body: &[u8], crc: u32, out: &mut Vec<u8>) {
    varint::write(out, body.len() as u64);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(body);
}

/// An image taken apart.
struct Image<'a> {
    format: Format,
    encoding: Encoding,
    symbols: Part<'a>,
    blocks: Vec<CutBlock>,
    head: Part<'a>,
}

struct Part<'a> {
    encoding: Encoding,
    body: &'a [u8],
    at: u64,
}

impl Part<'_> {
    fn raw<'b>(&'b self, what: &'static str, buf: &'b mut Vec<u8>) -> Result<&'b [u8], ChunkError> {
        // Snappy's own length field is checked against its input, so the input bounds the output.
        let limit = intern::MAX_TEXT_BYTES;
        let raw =
            decompress_raw(self.encoding, self.body, buf, limit, self.body.len().saturating_mul(3), Sums::Checked);
        raw.map_err(|fault| fault.at(what, self.at, self.encoding, limit))
    }
}

/// Reads forward through an image.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn truncated(&self, what: &'static str) -> ChunkError {
        ChunkError::Truncated { what, at: self.at as u64 }
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, ChunkError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.truncated(what))?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self, what: &'static str) -> Result<u64, ChunkError> {
        let (value, next) = varint::read(self.bytes, self.at).ok_or_else(|| self.truncated(what))?;
        self.at = next;
        Ok(value)
    }

    fn time(&mut self, what: &'static str) -> Result<Nanos, ChunkError> {
        let (value, next) = varint::read_signed(self.bytes, self.at).ok_or_else(|| self.truncated(what))?;
        self.at = next;
        Ok(Nanos(value))
    }

    /// A body whose checksum holds, and the checksum.
    fn body(&mut self, what: &'static str) -> Result<(&'a [u8], u32), ChunkError> {
        let len = self.number(what)?;
        let rest = self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<4>);
        let (crc, rest) = rest.ok_or_else(|| self.truncated(what))?;
        let body = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or_else(|| self.truncated(what))?;
        let (found, expected) = (crc32c::crc32c(body), u32::from_be_bytes(*crc));
        if found != expected {
            return Err(ChunkError::Checksum { what, at: self.at as u64 + 4, found, expected });
        }
        self.at += 4 + body.len();
        Ok((body, expected))
    }

    fn part(&mut self, what: &'static str) -> Result<Part<'a>, ChunkError> {
        let at = self.at as u64;
        let encoding = Encoding::from_id(self.byte(what)?)?;
        if !matches!(encoding, Encoding::None | Encoding::Snappy) {
            return Err(ChunkError::Malformed { what, at, why: "a codec that is not used here" });
        }
        Ok(Part { encoding, body: self.body(what)?.0, at })
    }
}

impl<'a> Image<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ChunkError> {
        let mut from = Cursor { bytes, at: 0 };
        let format = Format::from_byte(from.byte("image header")?)?;
        if format < Format::V3 {
            return Err(ChunkError::ReadOnlyFormat(format.byte()));
        }
        let encoding = Encoding::from_id(from.byte("image header")?)?;
        let symbols = from.part("symbols")?;
        let count = from.number("block count")?;
        let mut blocks = Vec::new();
        for _ in 0..count {
            blocks.push(parse_block(&mut from, encoding)?);
        }
        let head = from.part("head")?;
        if from.at < bytes.len() {
            return Err(ChunkError::Malformed { what: "image", at: from.at as u64, why: "goes on behind its end" });
        }
        Ok(Self { format, encoding, symbols, blocks, head })
    }
}

fn parse_block(from: &mut Cursor<'_>, encoding: Encoding) -> Result<CutBlock, ChunkError> {
    let at = from.at as u64;
    let malformed = |why| Err(ChunkError::Malformed { what: "block", at, why });
    let codec = Encoding::from_id(from.byte("block")?)?;
    let (entries, counter) = (from.number("block")?, from.number("block")?);
    let (min, max) = (from.time("block")?, from.time("block")?);
    let (body, crc) = from.body("block")?;
    if codec != encoding && codec != Encoding::None {
        return malformed("a codec that is not the chunk's");
    }
    if entries == 0 || entries > u64::from(u32::MAX) || counter > 1 << 40 || min > max {
        return malformed("no entries, too many, or they end before they start");
    }
    // A copy of its own: the image, which may hold much else, need not stay.
    Ok(CutBlock { body: Bytes::copy_from_slice(body), encoding: codec, crc, entries, counter, min, max })
}

fn restore_symbols(part: &Part<'_>) -> Result<Interner, ChunkError> {
    let mut buf = Vec::new();
    let raw = part.raw("symbols", &mut buf)?;
    let mut from = Cursor { bytes: raw, at: 0 };
    let mut symbols = Interner::default();
    for number in 0..from.number("symbols")? {
        let at = from.at as u64;
        let malformed = |why| ChunkError::Malformed { what: "symbols", at, why };
        let len = from.number("symbols")?;
        let text = usize::try_from(len).ok().and_then(|len| raw[from.at..].get(..len));
        let text = text.ok_or_else(|| from.truncated("symbols"))?;
        from.at += text.len();
        let text = std::str::from_utf8(text).map_err(|_| malformed("not UTF-8"))?;
        if u64::from(symbols.intern(text, None)) != number {
            return Err(malformed("a symbol twice"));
        }
    }
    Ok(symbols)
}

fn restore_head(part: &Part<'_>, format: Format, symbols: usize) -> Result<Head, ChunkError> {
    let mut buf = Vec::new();
    let block = Block::new(part.raw("head", &mut buf)?, format.has_metadata());
    let mut head = Head::new(format.has_metadata());
    let mut at = 0;
    while at < block.bytes().len() {
        let span = block.span(at)?;
        let entry = block.entry(span)?;
        let mut pairs = 0;
        for pair in entry.metadata.pairs() {
            let (name, value) = pair?;
            if name.max(value) as usize >= symbols {
                let why = "a symbol number past the table";
                return Err(ChunkError::Malformed { what: "head", at: at as u64, why });
            }
            pairs += 1;
        }
        head.append_bytes(entry.ts, &block.bytes()[at..span.end], (entry.line.len() + 8 * pairs) as u64);
        at = span.end;
    }
    Ok(head)
}
