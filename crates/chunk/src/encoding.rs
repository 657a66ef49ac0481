//! Codec ids and names, and chunk formats.

use std::fmt;
use std::str::FromStr;

use crate::error::ChunkError;

/// How a chunk's blocks and symbols are compressed. The discriminant is the codec byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Encoding {
    /// Raw bytes.
    None = 0,
    /// RFC 1952.
    Gzip = 1,
    /// LZ4 frames of 64 KiB blocks.
    Lz4_64k = 3,
    /// Snappy's framing format.
    Snappy = 4,
    /// LZ4 frames of 256 KiB blocks.
    Lz4_256k = 5,
    /// LZ4 frames of 1 MiB blocks.
    Lz4_1M = 6,
    /// LZ4 frames of 4 MiB blocks; named `lz4`.
    Lz4_4M = 7,
    /// Raw DEFLATE, no zlib header.
    Flate = 8,
    /// Zstandard frames.
    Zstd = 9,
}

impl Encoding {
    /// Every codec, in upstream's order.
    pub const ALL: [Encoding; 9] = [
        Encoding::None,
        Encoding::Gzip,
        Encoding::Lz4_64k,
        Encoding::Snappy,
        Encoding::Lz4_256k,
        Encoding::Lz4_1M,
        Encoding::Lz4_4M,
        Encoding::Flate,
        Encoding::Zstd,
    ];

    /// Upstream's list of names, as its error texts print it.
    pub const SUPPORTED: &'static str = "none, gzip, lz4-64k, snappy, lz4-256k, lz4-1M, lz4, flate, zstd";

    /// The codec of a codec byte. Id 2 is reserved and unknown.
    pub fn from_id(id: u8) -> Result<Self, ChunkError> {
        Self::ALL.into_iter().find(|encoding| encoding.id() == id).ok_or(ChunkError::EncodingId { id })
    }

    /// The codec byte.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name in configuration (`chunk_encoding`).
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::None => "none",
            Encoding::Gzip => "gzip",
            Encoding::Lz4_64k => "lz4-64k",
            Encoding::Snappy => "snappy",
            Encoding::Lz4_256k => "lz4-256k",
            Encoding::Lz4_1M => "lz4-1M",
            Encoding::Lz4_4M => "lz4",
            Encoding::Flate => "flate",
            Encoding::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Encoding {
    type Err = ChunkError;

    /// Names compare without regard to case.
    fn from_str(name: &str) -> Result<Self, ChunkError> {
        Self::ALL
            .into_iter()
            .find(|encoding| encoding.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| ChunkError::EncodingName { name: name.to_owned() })
    }
}

/// Layout of a memchunk. The discriminant is the format byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Format {
    /// Always gzip; read only.
    V1 = 1,
    /// Adds the codec byte; read only.
    V2 = 2,
    /// Adds a block's uncompressed size.
    V3 = 3,
    /// Adds structured metadata and the symbols section.
    V4 = 4,
}

impl Format {
    /// The format of a format byte.
    pub fn from_byte(byte: u8) -> Result<Self, ChunkError> {
        match byte {
            1 => Ok(Format::V1),
            2 => Ok(Format::V2),
            3 => Ok(Format::V3),
            4 => Ok(Format::V4),
            found => Err(ChunkError::Version { found }),
        }
    }

    /// The format byte.
    pub fn byte(self) -> u8 {
        self as u8
    }

    /// Whether entries carry structured metadata.
    pub fn has_metadata(self) -> bool {
        self == Format::V4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_upstreams() {
        let ids: Vec<_> = Encoding::ALL.iter().map(|encoding| (encoding.id(), encoding.as_str())).collect();
        let want = [
            (0, "none"),
            (1, "gzip"),
            (3, "lz4-64k"),
            (4, "snappy"),
            (5, "lz4-256k"),
            (6, "lz4-1M"),
            (7, "lz4"),
            (8, "flate"),
            (9, "zstd"),
        ];
        assert_eq!(ids, want);
        let names: Vec<_> = Encoding::ALL.iter().map(|encoding| encoding.as_str()).collect();
        assert_eq!(names.join(", "), Encoding::SUPPORTED);
        for encoding in Encoding::ALL {
            assert_eq!(encoding.as_str().to_uppercase().parse(), Ok(encoding));
            assert_eq!(Encoding::from_id(encoding.id()), Ok(encoding));
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            "brotli".parse::<Encoding>().expect_err("no such codec").to_string(),
            "invalid encoding: brotli, supported: none, gzip, lz4-64k, snappy, lz4-256k, lz4-1M, lz4, flate, zstd"
        );
        assert_eq!(Encoding::from_id(2), Err(ChunkError::EncodingId { id: 2 }));
    }
}
