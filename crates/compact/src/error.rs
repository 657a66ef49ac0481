//! Why a table could not be compacted.

use loptr_index::IndexError;
use loptr_ports::PoolError;
use loptr_storage::StorageError;

/// What went wrong. Nothing is lost by it: the next round begins anew.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CompactError {
    /// The bucket.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Files that cannot be merged.
    #[error("index table {table} of tenant {tenant} cannot be merged: {source}")]
    Merge {
        /// The table.
        table: String,
        /// Whose.
        tenant: String,
        /// What is wrong.
        source: IndexError,
    },
    /// Another process took the table over.
    #[error("lease of index table {table} was lost: it ran out or another process took it")]
    LeaseLost {
        /// The table.
        table: String,
    },
    /// A file vanished between listing and reading it, time and again.
    #[error("index table {table} changes faster than it can be read: {key} is gone")]
    Restless {
        /// The table.
        table: String,
        /// The file.
        key: String,
    },
    /// A merged index has no chunk: something is wrong with it, and nothing of it is removed.
    #[error("index table {table} of tenant {tenant} names no chunk: it is left as it is")]
    NoChunks {
        /// The table.
        table: String,
        /// Whose.
        tenant: String,
    },
    /// The working directory.
    #[error("working directory {path}: {reason}")]
    Disk {
        /// The folder.
        path: String,
        /// The disk's words.
        reason: String,
    },
    /// The list of delete requests could not be changed.
    #[error(transparent)]
    Requests(#[from] crate::requests::RequestError),
    /// The CPU pool gave no result.
    #[error("{0}")]
    Pool(#[from] PoolError),
}

/// What a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Try again later.
    Unavailable,
    /// The bytes are wrong and stay so.
    Internal,
}

impl CompactError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) if error.kind() == loptr_storage::ErrorKind::Internal => ErrorKind::Internal,
            Self::Storage(_)
            | Self::Disk { .. }
            | Self::Requests(_)
            | Self::LeaseLost { .. }
            | Self::Restless { .. } => ErrorKind::Unavailable,
            Self::Merge { .. } | Self::NoChunks { .. } | Self::Pool(_) => ErrorKind::Internal,
        }
    }
}
