//! Why an object or an index could not be read or written.

use loptr_chunk::ChunkError;
use loptr_index::IndexError;
use loptr_ports::PoolError;

/// What went wrong with the bucket.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// An object the index names is not there.
    #[error("object {key} is missing from the store")]
    Missing {
        /// Its key.
        key: String,
    },
    /// The store failed.
    #[error("object store failed on {key}: {reason}")]
    Store {
        /// The object or prefix.
        key: String,
        /// The store's words.
        reason: String,
    },
    /// A chunk object's bytes are wrong.
    #[error("chunk object {key} is damaged: {source}")]
    Chunk {
        /// Its key.
        key: String,
        /// What is wrong, and where.
        source: ChunkError,
    },
    /// An index object's bytes are wrong.
    #[error("index object {key} is damaged: {source}")]
    Index {
        /// Its key.
        key: String,
        /// What is wrong, and where.
        source: IndexError,
    },
    /// An index file could not be built.
    #[error("index table {table} cannot be built: {source}")]
    Build {
        /// The table.
        table: String,
        /// Why.
        source: IndexError,
    },
    /// The CPU pool gave no result.
    #[error("{0}")]
    Pool(#[from] PoolError),
}

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object is gone.
    NotFound,
    /// Try again later.
    Unavailable,
    /// The bytes are wrong and stay so.
    Internal,
}

impl StorageError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::NotFound,
            Self::Store { .. } => ErrorKind::Unavailable,
            _ => ErrorKind::Internal,
        }
    }

    pub(crate) fn store(key: impl Into<String>, source: object_store::Error) -> Self {
        let key = key.into();
        match source {
            object_store::Error::NotFound { .. } => Self::Missing { key },
            source => Self::Store { key, reason: source.to_string() },
        }
    }
}
