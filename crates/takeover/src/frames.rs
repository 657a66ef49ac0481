//! The framing of upstream's logs (Prometheus' `wlog`): pages of 32 KiB, records in fragments.
//!
//! ```text
//! segment  = page*                                          the last page may be short
//! page     = fragment* ‖ zeros                              no fragment crosses a page's end
//! fragment = type u8 ‖ length be16 ‖ crc32c be32 ‖ bytes    the checksum covers the bytes
//! type     = 1 full | 2 first | 3 middle | 4 last           bit 3: snappy, bit 4: zstd
//! ```
//!
//! No record crosses a segment's end. A process that is killed leaves a segment that ends anywhere; the next life begins
//! a new one. So bytes that merely stop are a torn record ([`End::Torn`]), whatever comes after in other segments, while
//! bytes that contradict the framing are a fault with their place.

use crate::UpstreamError;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 32 << 10;
/// Most bytes of one record: a checkpoint holds a stream with all its chunks in one.
pub const MAX_RECORD_BYTES: usize = 1 << 30;
const HEADER_BYTES: usize = 7;
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
const SNAPPY: u8 = 0x08;
const ZSTD: u8 = 0x10;

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After a whole record, or with nothing in it.
    Clean,
    /// Inside a record.
    Torn {
        /// Byte of the file at which that record starts.
        at: u64,
    },
}

/// One whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Byte of the file at which it starts.
    pub at: u64,
    /// Its bytes, put together.
    pub bytes: &'a [u8],
}

/// Puts the records of one segment together. Bytes are [fed](Frames::feed) in pieces of any size; memory is the longest
/// record and what was fed and not read.
#[derive(Debug, Default)]
pub struct Frames {
    fed: Vec<u8>,
    /// Bytes of `fed` that were read.
    read: usize,
    /// Byte of the file at `fed[read]`.
    at: u64,
    record: Vec<u8>,
    /// Where the record being put together starts.
    open: Option<u64>,
    /// Where a page of nothing but zeros was met: nothing may follow.
    hole: Option<u64>,
}

impl Frames {
    /// At a segment's start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.fed.drain(..self.read);
        self.read = 0;
        self.fed.extend_from_slice(bytes);
    }

    /// Byte of the file up to which fragments were read.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next record; `None` when more bytes are needed. After a fault the same fault comes again.
    #[allow(clippy::should_implement_trait, reason = "the record borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, UpstreamError> {
        loop {
            let fed = &self.fed[self.read..];
            let left = PAGE_BYTES - (self.at % PAGE_BYTES as u64) as usize;
            let Some(&kind) = fed.first() else { return Ok(None) };
            if kind == 0 || left < HEADER_BYTES {
                let Some(padding) = fed.get(..left) else { return Ok(None) };
                self.padding(left, padding.iter().position(|&byte| byte != 0))?;
                continue;
            }
            if let Some(at) = self.hole {
                return Err(UpstreamError::Frame { at, what: "page of zeros with more behind it" });
            }
            let fault = |what| UpstreamError::Frame { at: self.at, what };
            if kind & (SNAPPY | ZSTD) != 0 {
                let codec = if kind & SNAPPY != 0 { "snappy" } else { "zstd" };
                return Err(UpstreamError::Compressed { at: self.at, codec });
            }
            if kind > LAST {
                return Err(fault("fragment of unknown type"));
            }
            let Some(header) = fed.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
            let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
            let expected = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
            if HEADER_BYTES + len > left {
                return Err(fault("fragment is longer than its page"));
            }
            let Some(bytes) = fed[HEADER_BYTES..].get(..len) else { return Ok(None) };
            let found = crc32c::crc32c(bytes);
            if found != expected {
                return Err(UpstreamError::Checksum { at: self.at, found, expected });
            }
            match (kind, self.open) {
                (FULL | FIRST, Some(_)) => return Err(fault("record begins inside another")),
                (MIDDLE | LAST, None) => return Err(fault("record goes on that has not begun")),
                (FULL | FIRST, None) => self.record.clear(),
                _ => {}
            }
            let start = self.open.unwrap_or(self.at);
            if self.record.len() + len > MAX_RECORD_BYTES {
                return Err(UpstreamError::TooLong { at: start, limit: MAX_RECORD_BYTES });
            }
            self.record.extend_from_slice(bytes);
            self.skip(HEADER_BYTES + len);
            if matches!(kind, FULL | LAST) {
                self.open = None;
                return Ok(Some(Frame { at: start, bytes: &self.record }));
            }
            self.open = Some(start);
        }
    }

    /// The rest of a page, `left` bytes, of which one is no zero.
    fn padding(&mut self, left: usize, no_zero: Option<usize>) -> Result<(), UpstreamError> {
        if let Some(byte) = no_zero {
            let at = self.at + byte as u64;
            return Err(UpstreamError::Frame { at, what: "byte in a page's padding is not zero" });
        }
        if left >= HEADER_BYTES && self.open.is_some() {
            return Err(UpstreamError::Frame { at: self.at, what: "zeros inside a record" });
        }
        if left == PAGE_BYTES {
            self.hole = self.hole.or(Some(self.at));
        }
        self.skip(left);
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.read += bytes;
        self.at += bytes as u64;
    }

    /// What the file's end means, once [`Frames::next`] has asked for more.
    pub fn end(&self) -> End {
        let rest = &self.fed[self.read..];
        match self.open {
            Some(at) => End::Torn { at },
            None if rest.iter().all(|&byte| byte == 0) => End::Clean,
            None => End::Torn { at: self.at },
        }
    }
}

/// Whether a whole fragment lies at the start of `bytes`, which go to the end of their page at least: a fault with one
/// behind it is damage, not the end of a log.
pub fn begins_whole(bytes: &[u8]) -> bool {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
    let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
    let expected = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
    let body = bytes[HEADER_BYTES..].get(..len).filter(|body| !body.is_empty());
    (FULL..=LAST).contains(&header[0]) && body.is_some_and(|body| crc32c::crc32c(body) == expected)
}
