//! Lays out the bytes of a finished memchunk.
//!
//! ```text
//! magic be32 ‖ format u8 ‖ codec u8
//! [format 4: symbols ‖ crc]  ( block ‖ crc )*  metas ‖ crc
//! format 3: metasOffset be64
//! format 4: symbolsLen be64 ‖ symbolsOffset be64 ‖ metasLen be64 ‖ metasOffset be64
//! ```

use crate::codec::compress;
use crate::error::ChunkError;
use crate::reader::MAGIC;
use crate::varint;

use super::intern::Interner;
use super::{ChunkOptions, CutBlock};

/// Bytes around blocks and symbols, generously.
const FRAMING_BYTES: usize = 128;
const META_BYTES: usize = 64;

pub(super) fn write(options: &ChunkOptions, blocks: &[CutBlock], symbols: &Interner) -> Result<Vec<u8>, ChunkError> {
    let bodies: usize = blocks.iter().map(|block| block.body.len() + META_BYTES).sum();
    let mut out = Vec::with_capacity(bodies + symbols.text_bytes() / 2 + FRAMING_BYTES);
    out.extend_from_slice(&MAGIC.to_be_bytes());
    out.extend_from_slice(&[options.format.byte(), options.encoding.id()]);

    let symbols_at = out.len();
    let mut symbols_len = 0;
    if options.format.has_metadata() {
        write_symbols(options, symbols, &mut out)?;
        symbols_len = end_section(&mut out, symbols_at);
    }

    let mut metas = Vec::new();
    varint::write(&mut metas, blocks.len() as u64);
    for block in blocks {
        varint::write(&mut metas, block.entries);
        varint::write_signed(&mut metas, block.min.0);
        varint::write_signed(&mut metas, block.max.0);
        varint::write(&mut metas, out.len() as u64);
        varint::write(&mut metas, block.counter);
        varint::write(&mut metas, block.body.len() as u64);
        out.extend_from_slice(&block.body);
        out.extend_from_slice(&block.crc.to_be_bytes());
    }

    let metas_at = out.len();
    out.extend_from_slice(&metas);
    let metas_len = end_section(&mut out, metas_at);
    let trailer = [symbols_len as u64, symbols_at as u64, metas_len as u64, metas_at as u64];
    let trailer = if options.format.has_metadata() { &trailer[..] } else { &trailer[3..] };
    trailer.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
    Ok(out)
}

/// Checksums what lies from `at` to the end; gives its length.
fn end_section(out: &mut Vec<u8>, at: usize) -> usize {
    let len = out.len() - at;
    let crc = crc32c::crc32c(&out[at..]);
    out.extend_from_slice(&crc.to_be_bytes());
    len
}

fn write_symbols(options: &ChunkOptions, symbols: &Interner, out: &mut Vec<u8>) -> Result<(), ChunkError> {
    varint::write(out, symbols.len() as u64);
    let mut raw = Vec::with_capacity(symbols.text_bytes() + 2 * symbols.len());
    for symbol in symbols.iter() {
        varint::write(&mut raw, symbol.len() as u64);
        raw.extend_from_slice(symbol.as_bytes());
    }
    compress(options.encoding, options.zstd_level, &raw, out)
}
