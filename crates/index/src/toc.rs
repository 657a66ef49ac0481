//! The fixed ends of an index file: magic and version first, table of contents last.
//!
//! ```text
//! header   be32 0xBAAAD700 ‖ u8 version
//! TOC      9 × be64 ‖ crc32c over those 72 bytes
//!          symbols, series, label indices, label index table, postings, postings table, fingerprint offsets,
//!          from, through
//! ```
//!
//! Offsets count bytes from the start of the file. `from` and `through` are milliseconds, both in.

use loptr_model::Millis;

use crate::cursor::{Cursor, Put, check};
use crate::error::IndexError;

/// First four bytes of every index file.
pub(crate) const MAGIC: u32 = 0xBAAA_D700;
/// Bytes of magic and version.
pub(crate) const HEADER_BYTES: usize = 5;
/// Bytes of the table of contents, checksum included.
pub(crate) const TOC_BYTES: usize = 76;

/// Layout of an index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Flat chunk lists; written for schemas up to v12.
    V2 = 2,
    /// Chunk lists with page markers; written for schema v13.
    V3 = 3,
}

impl Version {
    /// From the byte in the file.
    pub(crate) fn from_byte(byte: u8) -> Result<Self, IndexError> {
        match byte {
            2 => Ok(Version::V2),
            3 => Ok(Version::V3),
            found => Err(IndexError::Version { found }),
        }
    }
}

/// Time bounds as upstream accumulates them: 0 means "not set yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) from: Millis,
    pub(crate) through: Millis,
}

impl Bounds {
    pub(crate) fn widen(&mut self, min: Millis, max: Millis) {
        if self.from == Millis(0) || min < self.from {
            self.from = min;
        }
        if self.through == Millis(0) || max > self.through {
            self.through = max;
        }
    }
}

/// Where the sections start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toc {
    pub(crate) symbols: u64,
    pub(crate) series: u64,
    pub(crate) label_indices: u64,
    pub(crate) label_index_table: u64,
    pub(crate) postings: u64,
    pub(crate) postings_table: u64,
    pub(crate) fingerprint_offsets: u64,
    pub(crate) bounds: Bounds,
}

impl Toc {
    /// Reads the last 76 bytes: verifies their checksum and that the sections follow each other inside the file.
    pub(crate) fn read(file: &[u8]) -> Result<(Self, u32), IndexError> {
        let least = HEADER_BYTES + TOC_BYTES;
        if file.len() < least {
            return Err(IndexError::TooShort { len: file.len(), least });
        }
        let at = file.len() - TOC_BYTES;
        let (body, sum) = file[at..].split_at(TOC_BYTES - 4);
        let what = "table of contents";
        let checksum = Cursor::new(sum, file.len() as u64 - 4, what).be32()?;
        check(body, checksum, at as u64, what)?;
        let mut cursor = Cursor::new(body, at as u64, what);
        let toc = Self {
            symbols: cursor.be64()?,
            series: cursor.be64()?,
            label_indices: cursor.be64()?,
            label_index_table: cursor.be64()?,
            postings: cursor.be64()?,
            postings_table: cursor.be64()?,
            fingerprint_offsets: cursor.be64()?,
            bounds: Bounds { from: Millis(cursor.be64()? as i64), through: Millis(cursor.be64()? as i64) },
        };
        let in_file_order = [
            HEADER_BYTES as u64,
            toc.symbols,
            toc.series,
            toc.label_indices,
            toc.postings,
            toc.label_index_table,
            toc.postings_table,
            toc.fingerprint_offsets,
            at as u64,
        ];
        if !in_file_order.is_sorted() {
            return Err(IndexError::Invalid { what, at: at as u64, why: "sections out of order or outside the file" });
        }
        Ok((toc, checksum))
    }

    /// Appends the 76 bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for offset in [
            self.symbols,
            self.series,
            self.label_indices,
            self.label_index_table,
            self.postings,
            self.postings_table,
            self.fingerprint_offsets,
            self.bounds.from.0 as u64,
            self.bounds.through.0 as u64,
        ] {
            out.put_be64(offset);
        }
        let sum = crc32c::crc32c(&out[start..]);
        out.put_be32(sum);
    }
}
