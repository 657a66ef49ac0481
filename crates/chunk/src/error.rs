//! Why bytes are not a chunk, or text not a key.

use crate::encoding::Encoding;

/// What went wrong, and where. `at` counts bytes from the start of the memchunk (the chunk without its envelope)
/// unless the variant says otherwise, so a hexdump can start there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes stop before the thing does.
    #[error("chunk ends inside {what} at byte {at}: the object may be truncated")]
    Truncated {
        /// The part being read.
        what: &'static str,
        /// Where it starts.
        at: u64,
    },
    /// The first four bytes are not a chunk's.
    #[error("invalid magic number {found:x}")]
    Magic {
        /// The four bytes, big-endian.
        found: u32,
    },
    /// A chunk format this reader does not know.
    #[error("invalid version {found}")]
    Version {
        /// The format byte.
        found: u8,
    },
    /// A codec id this reader does not know.
    #[error("unknown encoding: id {id}")]
    EncodingId {
        /// The codec byte.
        id: u8,
    },
    /// Text that names no codec.
    #[error("invalid encoding: {name}, supported: {}", Encoding::SUPPORTED)]
    EncodingName {
        /// The text.
        name: String,
    },
    /// A checksum does not fit its bytes.
    #[error("{what} at byte {at} has checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// The part that is checked.
        what: &'static str,
        /// Where it starts.
        at: u64,
        /// Computed from the bytes.
        found: u32,
        /// Stored beside the bytes, or wanted by the reference.
        expected: u32,
    },
    /// Bytes that contradict the format.
    #[error("{what} at byte {at}: {why}")]
    Malformed {
        /// The part being read.
        what: &'static str,
        /// Where; inside a block, bytes from the start of its decompressed form.
        at: u64,
        /// What does not hold.
        why: &'static str,
    },
    /// A compressed part does not decompress.
    #[error("{what} at byte {at} is not valid {encoding}: {why}")]
    Decompress {
        /// The part.
        what: &'static str,
        /// Where its compressed bytes start.
        at: u64,
        /// Its codec.
        encoding: Encoding,
        /// The codec's reason.
        why: String,
    },
    /// A part decompresses to more than the limit.
    #[error("{what} at byte {at} decompresses to more than {limit} bytes")]
    TooLarge {
        /// The part.
        what: &'static str,
        /// Where its compressed bytes start.
        at: u64,
        /// Largest allowed size.
        limit: usize,
    },
    /// A block number past the last.
    #[error("no block {index}: the chunk has {blocks}")]
    NoBlock {
        /// The number asked for, from 0.
        index: usize,
        /// How many there are.
        blocks: usize,
    },
    /// The codec refused to compress.
    #[error("cannot compress with {encoding}: {why}")]
    Compress {
        /// The codec.
        encoding: Encoding,
        /// Its reason.
        why: String,
    },
    /// A line no reader would take.
    #[error("line too long {len}, maximum {limit}")]
    LineTooLong {
        /// Bytes of the line.
        len: usize,
        /// Largest allowed size.
        limit: usize,
    },
    /// More distinct names and values of structured metadata than a chunk can number.
    #[error("symbols too large, maximum {limit} bytes")]
    SymbolsFull {
        /// Largest sum of their lengths.
        limit: usize,
    },
    /// Formats 1 and 2 are read, never written.
    #[error("chunk format {0} is read only")]
    ReadOnlyFormat(u8),
    /// An object is not the one its reference names.
    #[error("wrong chunk metadata: {member} is {found}, expected {expected}")]
    WrongMetadata {
        /// Which member of the metadata.
        member: &'static str,
        /// In the object.
        found: String,
        /// In the reference.
        expected: String,
    },
    /// The envelope's metadata is not the JSON it should be.
    #[error("chunk metadata is not valid: {0}")]
    Metadata(String),
    /// The envelope's lengths do not add up.
    #[error("chunk metadata wrong length: metadata {metadata}, object {object} bytes")]
    WrongLength {
        /// The metadata length the object states.
        metadata: u64,
        /// Bytes of the whole object.
        object: u64,
    },
    /// Text that is not a chunk's external key.
    #[error("invalid chunk ID \"{key}\"")]
    Key {
        /// The text.
        key: String,
    },
    /// Text that names no schema.
    #[error("invalid schema version \"{name}\": supported are v9 to v13")]
    Schema {
        /// The text.
        name: String,
    },
}

/// What a caller can do about a [`ChunkError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes, text or settings are wrong and stay so.
    Invalid,
    /// A limit was met.
    Limited,
}

impl ChunkError {
    /// Which class of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            ChunkError::TooLarge { .. } | ChunkError::LineTooLong { .. } | ChunkError::SymbolsFull { .. } => {
                ErrorKind::Limited
            }
            _ => ErrorKind::Invalid,
        }
    }
}
