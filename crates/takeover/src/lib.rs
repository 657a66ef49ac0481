//! What Loki 3.7.6 leaves in a data folder, read from bytes: the ingester's write-ahead log with its checkpoints, and
//! the logs of index heads. No I/O; `loptr-ingest` reads the files and takes over what they say.
//!
//! ```text
//! files' names -> LogFolder            which files, in which order
//! file's bytes -> Frames -> records    put together from fragments, checksums checked
//! record       -> log_record           streams and entries
//!              -> checkpoint_record    a stream with its chunks; HeadBlock: entries not yet cut
//!              -> index_record         chunks that no uploaded index names
//! ```
//!
//! Bytes are never trusted: whatever they hold, reading gives values or an [`UpstreamError`] that names the place, and
//! memory stays below what was fed plus [`MAX_RECORD_BYTES`]. What a newer upstream may add (types, fields, formats) is
//! refused by name rather than skipped. The bytes are described in `docs/formats/upstream-wal.md`.
//!
//! ```
//! use loptr_takeover::{End, Frames, LogRecord, log_record};
//! // One full fragment: a series record of tenant `t` with one stream {a="b"}.
//! let record = [&b"\x01\x01t\x01\0\0\0\0\0\0\0\x07\x01\x01a\x01b"[..]].concat();
//! let mut segment = vec![1, 0, record.len() as u8];
//! segment.extend(crc32c::crc32c(&record).to_be_bytes());
//! segment.extend(&record);
//! let mut frames = Frames::new();
//! frames.feed(&segment);
//! let frame = frames.next()?.expect("a whole record");
//! let LogRecord::Series { tenant, series } = log_record(frame.bytes)? else { panic!("series") };
//! assert_eq!((tenant.as_str(), series[0].0, series[0].1.get("a")), ("t", 7, Some("b")));
//! assert!(frames.next()?.is_none() && frames.end() == End::Clean);
//! # Ok::<(), loptr_takeover::UpstreamError>(())
//! ```
#![warn(missing_docs)]

mod checkpoint;
mod cursor;
#[cfg(any(test, feature = "encode"))]
pub mod encode;
mod error;
mod folder;
mod frames;
mod head_block;
mod index_head;
mod record;

pub use checkpoint::{CheckpointChunk, CheckpointStream, checkpoint_record};
pub use error::{ErrorKind, UpstreamError};
pub use folder::LogFolder;
pub use frames::{End, Frame, Frames, MAX_RECORD_BYTES, PAGE_BYTES, begins_whole};
pub use head_block::{HeadBlock, HeadEntry};
pub use index_head::{IndexRecord, IndexedChunk, index_record};
pub use record::{LogRecord, StreamEntries, log_record};

#[cfg(test)]
mod tests;
