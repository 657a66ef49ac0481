//! Why upstream's files cannot be taken over. Nothing was removed.

use std::io;
use std::path::PathBuf;

use loptr_chunk::ChunkError;
use loptr_index::IndexError;
use loptr_ports::{PoolError, TaskError};
use loptr_storage::StorageError;
use loptr_takeover::UpstreamError;

/// What stopped it. Texts name the file: whoever reads them has to decide about it.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// The disk failed.
    #[error("{path}: {source}")]
    Disk {
        /// File or folder.
        path: PathBuf,
        /// The disk's words.
        source: io::Error,
    },
    /// A folder or a file's framing is not what upstream writes.
    #[error("files of Loki cannot be taken over: {path}: {source}")]
    File {
        /// File or folder.
        path: PathBuf,
        /// What is wrong, and where.
        source: UpstreamError,
    },
    /// A record is not what upstream writes.
    #[error("files of Loki cannot be taken over: {path}: record at byte {at}: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Byte at which the record starts.
        at: u64,
        /// What is wrong, and where.
        source: UpstreamError,
    },
    /// A checkpoint ends before its last record does.
    #[error("files of Loki cannot be taken over: {path}: byte {at}: a finished checkpoint ends inside this record")]
    Unfinished {
        /// The file.
        path: PathBuf,
        /// Byte at which the record starts.
        at: u64,
    },
    /// A chunk in a checkpoint is damaged.
    #[error("files of Loki cannot be taken over: {path}: record at byte {at}: chunk of stream {stream}: {source}")]
    Chunk {
        /// The file.
        path: PathBuf,
        /// Byte at which the record starts.
        at: u64,
        /// Its labels.
        stream: String,
        /// What is wrong.
        source: ChunkError,
    },
    /// A chunk could not be encoded.
    #[error("files of Loki cannot be taken over: chunk of stream {stream} of tenant {tenant}: {source}")]
    Seal {
        /// Whose.
        tenant: String,
        /// Its labels.
        stream: String,
        /// What is wrong.
        source: ChunkError,
    },
    /// Entries of a stream that no record named.
    #[error(
        "files of Loki cannot be taken over: {path}: record at byte {at}: {what} of stream {reference:x} of tenant \
         {tenant}, which no record before it names"
    )]
    UnknownStream {
        /// The file.
        path: PathBuf,
        /// Byte at which the record starts.
        at: u64,
        /// Entries or chunks.
        what: &'static str,
        /// Whose.
        tenant: String,
        /// What the log calls it.
        reference: u64,
    },
    /// An index file that upstream built is damaged.
    #[error("files of Loki cannot be taken over: index file {path}: {source}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: IndexError,
    },
    /// The index could not be built.
    #[error(transparent)]
    Build(#[from] StorageError),
    /// An index file or head that the schema has no place for, or that is of another kind.
    #[error("files of Loki cannot be taken over: {path}: {reason}")]
    NotOurs {
        /// File or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The files are being written.
    #[error("files of Loki cannot be taken over: {path} changed meanwhile: another process runs on this folder")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The CPU pool gave no result.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A task did not end well.
    #[error(transparent)]
    Task(#[from] TaskError),
}
