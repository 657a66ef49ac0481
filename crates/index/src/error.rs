//! Why bytes are not an index file, or an index file cannot be written.

/// Why an index could not be read or written. Positions count bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// Fewer bytes than a header and a table of contents.
    #[error("index file has {len} bytes, fewer than the {least} of its header and table of contents")]
    TooShort {
        /// Bytes there are.
        len: usize,
        /// Bytes needed.
        least: usize,
    },
    /// The first four bytes are others.
    #[error("invalid magic number {found:x}")]
    Magic {
        /// The first four bytes, big-endian.
        found: u32,
    },
    /// A version this reader does not know; 2 and 3 are known.
    #[error("unknown index file version {found}")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// A section's CRC-32C does not fit its bytes.
    #[error("{what} at byte {at} has checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Which part.
        what: &'static str,
        /// Where it starts.
        at: u64,
        /// Over the bytes there are.
        found: u32,
        /// As stored.
        expected: u32,
    },
    /// Something ends early or points outside.
    #[error("index ends inside {what} at byte {at}: the object may be truncated")]
    Truncated {
        /// Which part.
        what: &'static str,
        /// Where reading stopped.
        at: u64,
    },
    /// The bytes are whole but break a rule of the format.
    #[error("invalid {what} at byte {at}: {why}")]
    Invalid {
        /// Which part.
        what: &'static str,
        /// Where it starts.
        at: u64,
        /// Which rule.
        why: &'static str,
    },
    /// Content that the format has no room for, or that exceeds the limit a caller gave.
    #[error("{what} is too large: limit {limit}")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The most it may be, in its own unit (bytes, or 16-byte series references).
        limit: u64,
    },
    /// A shard that no fingerprint partition has.
    #[error("invalid shard {index} of {count}: the count must be a power of two and the index below it")]
    Shard {
        /// Which shard.
        index: u32,
        /// Of how many.
        count: u32,
    },
    /// Bytes that are not gzip.
    #[error("index object is not valid gzip: {why}")]
    Gzip {
        /// What the decoder says.
        why: String,
    },
}

/// What a caller can do about an [`IndexError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes or the request are wrong and stay so.
    Invalid,
    /// A limit was met.
    Limited,
}

impl IndexError {
    /// Which class of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            IndexError::TooLarge { .. } => ErrorKind::Limited,
            _ => ErrorKind::Invalid,
        }
    }
}
