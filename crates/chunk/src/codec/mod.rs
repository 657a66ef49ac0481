//! Compress and decompress one stream: a block, or the symbols.
//!
//! [`compress`] appends to a buffer. [`decompress`] fills a caller's buffer that is meant to be used again and again:
//! its length only ever grows, what lies past the output is left over from earlier calls, and the output is the slice
//! returned. Nothing is allocated beyond the explicit limit, and growth follows the output really produced, so a
//! small input cannot ask for much.
//!
//! Contexts of the codecs that are dear to make (zstd, DEFLATE, hash tables) are kept per thread.

mod deflate;
mod lz4;
pub(crate) mod snappy;
mod zst;

use crate::encoding::Encoding;
use crate::error::ChunkError;

/// On log lines level 1 writes 1.6 times as fast as level 3, zstd's own default and upstream's, reads faster, and is no
/// larger.
pub const DEFAULT_ZSTD_LEVEL: i32 = 1;

/// Why a stream does not decompress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// More output than the limit.
    TooLarge,
    /// Bytes that are not such a stream.
    Invalid(String),
}

impl Fault {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Fault::Invalid(why.into())
    }

    /// Adds which part, where, and how it was compressed.
    pub(crate) fn at(self, what: &'static str, at: u64, encoding: Encoding, limit: usize) -> ChunkError {
        match self {
            Fault::TooLarge => ChunkError::TooLarge { what, at, limit },
            Fault::Invalid(why) => ChunkError::Decompress { what, at, encoding, why },
        }
    }
}

/// Appends `input` compressed with `encoding` to `out`, as one complete stream. `zstd_level` matters to zstd alone.
pub fn compress(encoding: Encoding, zstd_level: i32, input: &[u8], out: &mut Vec<u8>) -> Result<(), ChunkError> {
    let done = match encoding {
        Encoding::None => {
            out.extend_from_slice(input);
            Ok(())
        }
        Encoding::Gzip => deflate::gzip(input, out),
        Encoding::Flate => deflate::deflate(input, out),
        Encoding::Snappy => snappy::compress(input, out),
        Encoding::Lz4_64k => lz4::compress(lz4::BlockSize::K64, input, out),
        Encoding::Lz4_256k => lz4::compress(lz4::BlockSize::K256, input, out),
        Encoding::Lz4_1M => lz4::compress(lz4::BlockSize::M1, input, out),
        Encoding::Lz4_4M => lz4::compress(lz4::BlockSize::M4, input, out),
        Encoding::Zstd => zst::compress(zstd_level, input, out),
    };
    done.map_err(|why: String| ChunkError::Compress { encoding, why })
}

/// Decompresses the whole of `input`. The output is the slice returned: a part of `buf`, or `input` itself when
/// nothing was compressed. More than `limit` bytes of output is an error; `expect` (bytes of output foreseen) only
/// saves growing.
pub fn decompress<'a>(
    encoding: Encoding,
    input: &'a [u8],
    buf: &'a mut Vec<u8>,
    limit: usize,
    expect: usize,
) -> Result<&'a [u8], ChunkError> {
    decompress_raw(encoding, input, buf, limit, expect, Sums::Checked)
        .map_err(|fault| fault.at("stream", 0, encoding, limit))
}

/// What becomes of a codec's own checksums of snappy's and lz4's frames; zstd, gzip and DEFLATE always check theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    Checked,
    /// A checksum over all of the input was found right.
    PassedOver,
}

pub(crate) fn decompress_raw<'a>(
    encoding: Encoding,
    input: &'a [u8],
    buf: &'a mut Vec<u8>,
    limit: usize,
    expect: usize,
    sums: Sums,
) -> Result<&'a [u8], Fault> {
    let mut out = Output { buf, len: 0, limit };
    match encoding {
        Encoding::None if input.len() > limit => return Err(Fault::TooLarge),
        Encoding::None => return Ok(input),
        Encoding::Gzip => deflate::gunzip(input, &mut out, expect)?,
        Encoding::Flate => deflate::inflate(input, &mut out, expect).map(|_| ())?,
        Encoding::Snappy => snappy::decompress(input, &mut out, sums)?,
        Encoding::Lz4_64k | Encoding::Lz4_256k | Encoding::Lz4_1M | Encoding::Lz4_4M => {
            lz4::decompress(input, &mut out, expect, sums)?
        }
        Encoding::Zstd => zst::decompress(input, &mut out, expect)?,
    }
    let Output { buf, len, .. } = out;
    Ok(&buf[..len])
}

/// Output under construction: `buf[..len]` is written, `buf[len..]` is old bytes free to overwrite.
pub(crate) struct Output<'a> {
    buf: &'a mut Vec<u8>,
    len: usize,
    limit: usize,
}

impl Output<'_> {
    /// The next `len` bytes, to be written and then [`commit`](Self::commit)ted.
    fn space(&mut self, len: usize) -> Result<&mut [u8], Fault> {
        let end = self.len.checked_add(len).filter(|&end| end <= self.limit).ok_or(Fault::TooLarge)?;
        if self.buf.len() < end {
            self.buf.resize(end, 0);
        }
        Ok(&mut self.buf[self.len..end])
    }

    /// All the space there is already, at least `want` bytes or what the limit leaves.
    fn spare(&mut self, want: usize) -> &mut [u8] {
        let end = self.len.saturating_add(want).min(self.limit);
        if self.buf.len() < end {
            self.buf.resize(end, 0);
        }
        let end = self.buf.len().min(self.limit);
        &mut self.buf[self.len..end]
    }

    /// What is written, and the next `len` bytes.
    fn written_and_space(&mut self, len: usize) -> Result<(&[u8], &mut [u8]), Fault> {
        let written = self.len;
        self.space(len)?;
        let (before, after) = self.buf.split_at_mut(written);
        Ok((before, &mut after[..len]))
    }

    fn commit(&mut self, len: usize) {
        self.len += len;
    }

    fn full(&self) -> bool {
        self.len == self.limit
    }
}

#[cfg(test)]
mod tests;
