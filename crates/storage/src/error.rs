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
    #[error("object store failed on {key}{}: {reason}", .fault.words())]
    Store {
        /// The object or prefix.
        key: String,
        /// What kind of failure it is.
        fault: StoreFault,
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

/// Kinds of failures of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// It is asked too often.
    Throttled,
    /// It does not let this process in.
    Denied,
    /// The object lies in an archive and must be restored first.
    Archived,
    /// Anything else.
    Other,
}

impl StoreFault {
    fn of(error: &object_store::Error) -> Self {
        use object_store::Error;
        let text = match error {
            Error::PermissionDenied { source, .. } | Error::Unauthenticated { source, .. } => {
                let archived = Self::of_text(&source.to_string()) == Self::Archived;
                return if archived { Self::Archived } else { Self::Denied };
            }
            other => other.to_string(),
        };
        Self::of_text(&text)
    }

    /// By the words of S3, Azure and Google, which the client passes on.
    fn of_text(text: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&["InvalidObjectState", "BlobArchived", "BlobBeingRehydrated"]) {
            Self::Archived
        } else if says(&["status code: 429", "SlowDown", "ServerBusy", "TooManyRequests", "rateLimitExceeded"]) {
            Self::Throttled
        } else if says(&["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed"]) {
            Self::Denied
        } else {
            Self::Other
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Throttled => " (throttled)",
            Self::Denied => " (access denied)",
            Self::Archived => " (the object is archived)",
            Self::Other => "",
        }
    }
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

    /// A failure that is no store's on the network.
    pub(crate) fn unusable(key: &str, source: impl std::fmt::Display) -> Self {
        Self::Store { key: key.to_owned(), fault: StoreFault::Other, reason: source.to_string() }
    }

    pub(crate) fn store(key: impl Into<String>, source: object_store::Error) -> Self {
        let key = key.into();
        match source {
            object_store::Error::NotFound { .. } => Self::Missing { key },
            source => Self::Store { key, fault: StoreFault::of(&source), reason: source.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        let generic = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
        let denied = |text: &str| object_store::Error::PermissionDenied { path: "k".into(), source: text.into() };
        let text = |error| StorageError::store("k", error).to_string();
        let throttled = text(generic("Server returned non-2xx status code: 503: <Code>SlowDown</Code>"));
        assert!(throttled.starts_with("object store failed on k (throttled): Generic S3 error"), "{throttled}");
        assert!(
            text(denied("status code: 403: <Code>InvalidObjectState</Code>")).contains("k (the object is archived)")
        );
        assert!(text(denied("status code: 403: <Code>AccessDenied</Code>")).contains("k (access denied)"));
        assert!(text(generic("connection refused")).starts_with("object store failed on k: Generic"));
    }
}
