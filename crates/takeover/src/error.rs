//! Why bytes are not what upstream writes.

/// What is wrong, and where. `at` of the frames' faults counts bytes from the file's start, that of the records' faults
/// from the record's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// A fragment of the log's framing is damaged.
    #[error("byte {at}: {what}")]
    Frame {
        /// Byte of the file.
        at: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// A fragment's checksum does not fit.
    #[error("byte {at}: fragment has checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Byte of the file at which the fragment's header starts.
        at: u64,
        /// Computed from the bytes.
        found: u32,
        /// Stored beside them.
        expected: u32,
    },
    /// The log is compressed, which upstream never does.
    #[error("byte {at}: fragment is compressed with {codec}, which is not supported")]
    Compressed {
        /// Byte of the file.
        at: u64,
        /// The codec its bits name.
        codec: &'static str,
    },
    /// More bytes in one record than are read.
    #[error("byte {at}: record is longer than {limit} bytes")]
    TooLong {
        /// Byte of the file at which the record starts.
        at: u64,
        /// Largest length.
        limit: usize,
    },
    /// A record that contradicts its format.
    #[error("byte {at} of the record: {what}")]
    Record {
        /// Byte of the record.
        at: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// A record type, field or version that this build does not know.
    #[error("byte {at} of the record: {what} {found} is not known to this version")]
    Unknown {
        /// Byte of the record.
        at: u64,
        /// Of what.
        what: &'static str,
        /// Its number.
        found: u64,
    },
    /// A tenant that no request could have named.
    #[error("the record is of tenant {tenant:?}: {reason}")]
    Tenant {
        /// The text.
        tenant: String,
        /// Why it is none.
        reason: String,
    },
    /// The folder's files do not add up to a log.
    #[error("{0}")]
    Folder(String),
}

/// What a caller can do about an [`UpstreamError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The bytes are wrong and stay so.
    Invalid,
    /// A limit was met.
    Limited,
}

impl UpstreamError {
    /// Which class of error this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::Limited,
            _ => ErrorKind::Invalid,
        }
    }
}
