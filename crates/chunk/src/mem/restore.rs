//! A chunk of upstream's checkpoint: cut blocks as they would be stored, symbols not compressed.
//!
//! Blocks are taken as bytes and go on being filled behind; they are taken apart only when the chunk cannot go on as it
//! is: formats 1 and 2 are not written, and a symbol table that names a text twice cannot be continued.

use bytes::Bytes;
use loptr_model::Nanos;

use crate::block::RawMetadata;
use crate::codec::Sums;
use crate::encoding::{Encoding, Format};
use crate::error::ChunkError;
use crate::reader::{BlockMeta, Chunk, checked, decoded_bytes, parse_header, parse_metas, sections};
use crate::symbols::Symbols;

use super::{ChunkOptions, CutBlock, MemChunk};

/// Largest block, decompressed: what its meta foresees is reserved when it has to be decoded.
const MAX_BLOCK_BYTES: usize = 1 << 30;

/// A checkpoint's chunk, every checksum found right.
#[derive(Debug)]
pub struct Checkpointed {
    format: Format,
    encoding: Encoding,
    blocks: Vec<(BlockMeta, Bytes)>,
    symbols: Symbols,
}

impl Checkpointed {
    /// Checks and takes apart. The blocks are copied out, so that `data` may go.
    pub fn parse(data: &[u8]) -> Result<Self, ChunkError> {
        let (format, encoding, header) = parse_header(data)?;
        let (metas, section) = sections(data, format, header)?;
        let symbols = match section {
            Some(place) => Symbols::decode(
                checked(data, "symbols", place)?,
                place.0 as u64,
                Encoding::None,
                usize::MAX,
                Sums::Checked,
            )?,
            None => Symbols::default(),
        };
        let start = section.map_or(header, |(at, len)| at + len + 4) as u64;
        let blocks = parse_metas(data, metas, format, start)?.into_iter().map(|meta| {
            let body = checked(data, "block", (meta.offset as usize, meta.len as usize))?;
            if decoded_bytes(&meta) > MAX_BLOCK_BYTES {
                return Err(ChunkError::TooLarge { what: "block", at: meta.offset, limit: MAX_BLOCK_BYTES });
            }
            Ok((meta, Bytes::copy_from_slice(body)))
        });
        Ok(Self { format, encoding, blocks: blocks.collect::<Result<_, ChunkError>>()?, symbols })
    }

    /// Its symbols: the head beside it names them by number.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Its layout.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Earliest and latest entry of its blocks.
    pub fn bounds(&self) -> Option<(Nanos, Nanos)> {
        let bounds = self.blocks.iter().map(|(meta, _)| (meta.min_ts, meta.max_ts));
        bounds.reduce(|(min, max), (a, b)| (min.min(a), max.max(b)))
    }

    /// The chunk, to be filled further. Format and codec stay what they are, sizes come from `options`; a chunk that
    /// cannot go on as it is becomes one of `options`.
    pub fn fill(&self, options: ChunkOptions) -> Result<MemChunk, ChunkError> {
        if self.format >= Format::V3 {
            let options = ChunkOptions { format: self.format, encoding: self.encoding, ..options };
            let mut chunk = MemChunk::new(options);
            let distinct = self.symbols.iter().all(|(number, text)| chunk.symbols.intern(text, None) == number);
            if distinct {
                chunk.blocks = self.blocks.iter().map(|(meta, body)| CutBlock::restored(meta, body, options)).collect();
                chunk.cut_bytes = self.blocks.iter().map(|(_, body)| body.len() as u64).sum();
                return Ok(chunk);
            }
        }
        self.refill(MemChunk::new(options))
    }

    /// Appends every entry to `chunk`.
    fn refill(&self, mut chunk: MemChunk) -> Result<MemChunk, ChunkError> {
        let metas = self.blocks.iter().map(|block| block.0).collect();
        let bodies = self.blocks.iter().map(|(_, body)| (body.clone(), self.encoding)).collect();
        let blocks = Chunk::in_memory(self.format, self.encoding, metas, bodies, Symbols::default());
        let blocks = blocks.with_limit(MAX_BLOCK_BYTES);
        let mut buf = Vec::new();
        for index in 0..self.blocks.len() {
            for entry in blocks.decode_block(index, &mut buf)?.entries() {
                let entry = entry?;
                chunk.append(entry.ts, entry.line, &self.resolve(entry.metadata)?)?;
            }
        }
        Ok(chunk)
    }

    fn resolve(&self, metadata: RawMetadata<'_>) -> Result<Vec<(&str, &str)>, ChunkError> {
        metadata
            .pairs()
            .map(|pair| pair.map(|(name, value)| (self.symbols.value(name), self.symbols.value(value))))
            .collect()
    }
}

impl CutBlock {
    fn restored(meta: &BlockMeta, body: &Bytes, options: ChunkOptions) -> Self {
        Self {
            body: body.clone(),
            encoding: options.encoding,
            crc: crc32c::crc32c(body),
            entries: meta.entries,
            counter: meta.uncompressed,
            min: meta.min_ts,
            max: meta.max_ts,
        }
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::{OwnedEntry, TimeRange};

    use super::*;
    use crate::varint;

    /// The memchunk's bytes with the symbols section uncompressed, as a checkpoint has it; `twice` repeats the first
    /// symbol at the end.
    fn checkpoint(chunk: &MemChunk, twice: bool) -> Vec<u8> {
        let closed = chunk.encode().expect("encodes").bytes;
        let parsed = Chunk::parse(closed.clone()).expect("parses");
        let symbols = parsed.symbols().expect("decodes");
        let mut out = closed[..6].to_vec();
        let mut section = Vec::new();
        varint::write(&mut section, (symbols.len() + usize::from(twice)) as u64);
        for (_, text) in symbols.iter().chain(symbols.iter().take(usize::from(twice))) {
            varint::write(&mut section, text.len() as u64);
            section.extend(text.as_bytes());
        }
        let end = |out: &mut Vec<u8>, part: &[u8]| {
            out.extend(part);
            out.extend(crc32c::crc32c(part).to_be_bytes());
        };
        end(&mut out, &section);
        let mut metas = Vec::new();
        varint::write(&mut metas, parsed.blocks().len() as u64);
        for meta in parsed.blocks() {
            varint::write(&mut metas, meta.entries);
            varint::write_signed(&mut metas, meta.min_ts.0);
            varint::write_signed(&mut metas, meta.max_ts.0);
            varint::write(&mut metas, out.len() as u64);
            varint::write(&mut metas, meta.uncompressed);
            varint::write(&mut metas, meta.len);
            end(&mut out, &closed[meta.offset as usize..(meta.offset + meta.len) as usize]);
        }
        let at = out.len();
        end(&mut out, &metas);
        for word in [section.len(), 6, metas.len(), at] {
            out.extend((word as u64).to_be_bytes());
        }
        out
    }

    fn filled(encoding: Encoding) -> MemChunk {
        let options = ChunkOptions::new(Format::V4, encoding).expect("writable").block_bytes(200);
        let mut chunk = MemChunk::new(options);
        for at in 0..60 {
            let level = ["info", "warn", "error"][at as usize % 3];
            chunk.append(Nanos(at), format!("line {at}").as_bytes(), &[("level", level)]).expect("appends");
        }
        chunk.cut();
        chunk
    }

    fn entries(chunk: &MemChunk) -> Vec<OwnedEntry> {
        let snapshot = chunk.snapshot(TimeRange::ALL);
        let mut buf = Vec::new();
        let mut found = Vec::new();
        for index in 0..snapshot.blocks().len() {
            for entry in snapshot.decode_block(index, &mut buf).expect("decodes").entries() {
                let entry = entry.expect("well formed");
                let pairs = entry.metadata.resolve(snapshot.symbols().expect("decodes"));
                let pairs = pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
                let metadata = pairs.collect::<Result<_, _>>().expect("well formed");
                found.push(OwnedEntry { ts: entry.ts, line: entry.line.to_vec(), metadata });
            }
        }
        found
    }

    #[test]
    fn blocks_stay_as_they_are_and_the_chunk_goes_on() {
        let other = ChunkOptions::new(Format::V4, Encoding::Gzip).expect("writable");
        for encoding in Encoding::ALL {
            let mut chunk = filled(encoding);
            let restored = Checkpointed::parse(&checkpoint(&chunk, false)).expect("parses");
            assert_eq!((restored.format(), restored.symbols().len()), (Format::V4, 4));
            let mut again = restored.fill(other).expect("fills");
            assert_eq!(entries(&again), entries(&chunk));
            assert_eq!((again.options().encoding(), again.blocks()), (encoding, chunk.blocks()));
            for chunk in [&mut chunk, &mut again] {
                chunk.append(Nanos(99), b"later", &[("level", "debug")]).expect("appends");
                chunk.cut();
            }
            assert_eq!(again.encode().expect("encodes"), chunk.encode().expect("encodes"));
        }
    }

    #[test]
    fn a_table_with_a_repeated_symbol_is_written_anew() {
        let chunk = filled(Encoding::Snappy);
        let restored = Checkpointed::parse(&checkpoint(&chunk, true)).expect("parses");
        let again = restored.fill(ChunkOptions::new(Format::V4, Encoding::Gzip).expect("writable")).expect("fills");
        assert_eq!((entries(&again), again.options().encoding()), (entries(&chunk), Encoding::Gzip));
    }

    #[test]
    fn damage_is_seen_wherever_it_is() {
        let whole = checkpoint(&filled(Encoding::Snappy), false);
        for cut in 0..whole.len() {
            assert!(Checkpointed::parse(&whole[..cut]).is_err(), "cut at {cut}");
        }
        // Magic, version and codec (6 bytes) and the trailer (32) have no checksum of their own here; the record has.
        for bit in 6 * 8..(whole.len() - 32) * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Checkpointed::parse(&flipped).is_err(), "bit {bit}");
        }
    }
}
