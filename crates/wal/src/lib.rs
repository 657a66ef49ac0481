//! The write-ahead log's bytes: records ↔ segment bytes, and where replay stops. `loptr-ingest` owns the files.
//!
//! ```text
//! segment = header record*
//! header  = "LPTRWAL" version:u8 segment:u64 next_seq:u64 crc32c:u32      28 bytes, integers little-endian
//! record  = len:u32 crc32c:u32 kind:u8 payload[len]                        the checksum covers kind and payload
//! ```
//!
//! A [`Record::Push`] holds what was accepted, labels and level final. Each stream in it names the sequence number of
//! its first entry; numbers grow over the whole process and never repeat, so a [`Record::Flushed`] can say "entries of
//! this stream with these numbers lie in the bucket" and replay skips them. A [`Record::Snapshot`] holds a chunk that
//! does not lie there yet, so that the pushes it was made of can go. A [`Record::Shipped`] says which flushed chunks the
//! uploaded index already names. See `docs/formats/wal.md`.
//!
//! Reading stops at [`End`]: cleanly, at a torn tail (nothing whole comes after: cut it), or at a corrupt place with
//! whole records after it (never skipped in silence).
//!
//! ```
//! use loptr_model::{Entry, Labels, Nanos, TenantId};
//! use loptr_wal::{End, PushWriter, Record, SegmentReader, segment_header};
//! let labels = Labels::from_pairs([("app", "a")]);
//! let mut push = PushWriter::new(&TenantId::single());
//! push.stream(&labels, labels.fingerprint(), 1, &[Entry { ts: Nanos(5), line: b"hello", metadata: &[] }]);
//! let mut segment = segment_header(0, 1).to_vec();
//! push.finish(&mut segment);
//! let mut reader = SegmentReader::open(&segment).expect("a whole header");
//! let Some(Record::Push(record)) = reader.next() else { panic!("one push") };
//! assert_eq!(record.streams().count(), 1);
//! assert!(reader.next().is_none() && reader.end() == End::Clean);
//! ```
#![warn(missing_docs)]

mod record;
mod segment;
mod seqs;
mod varint;

pub use record::{
    BadEntries, Flushed, PushRecord, PushStream, PushWriter, RawLabels, Record, SectionPlace, Snapshot, SnapshotRecord,
    flushed_record, shipped_record, snapshot_record,
};
pub use segment::{
    End, FRAME_BYTES, Frame, Framed, HEADER_BYTES, Header, MAX_RECORD_BYTES, SegmentReader, VERSION, frame, next_whole,
    segment_header,
};
pub use seqs::SeqRanges;

/// Why bytes are not a log segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// Too short for a header, or not ours.
    #[error("not a log segment: {reason}")]
    Header {
        /// What is wrong.
        reason: &'static str,
    },
    /// Written by a version this one does not know.
    #[error("log segment has version {found}; this build reads versions 1 to {known}")]
    Version {
        /// Version in the file.
        found: u8,
        /// Newest version this build reads.
        known: u8,
    },
}
