//! Series, symbols and postings, and the bytes of the TSDB index files they live in.
//!
//! An index file says which streams a table (one UTC day) has, by which labels they are found, and which chunks each
//! has: time bounds, checksum, size and number of log lines. It never holds a log line.
//!
//! ```text
//! IndexBuilder ── build ──> bytes ── IndexFile::open ──> IndexFile ── view, tenant_view ──> IndexView
//!      ^                                                                 select, stats, label_names, label_values
//!      └───────────────────────── merge (compaction) ────────────────────────────┘
//! ```
//!
//! * [`IndexFile`] reads versions 2 and 3, [`IndexBuilder`] writes them byte for byte as upstream does
//!   (`docs/formats/index.md`). [`merge`](merge()) makes one file per tenant of many.
//! * [`IndexHead`] is the index of an ingester's live streams, in memory.
//! * [`bolt`] reads and writes the bbolt databases of boltdb-shipper, the index before TSDB.
//! * [`tables`] names tables and objects and sorts listings (`docs/formats/tables.md`); [`gzip`] packs files.
//!
//! Times are milliseconds ([`Millis`](loptr_model::Millis)). A chunk is `[min, max]`, a query `[from, through)`. Sizes
//! of chunks are KiB. Nothing here does I/O: bytes come in and go out. Bytes are not trusted: sections are checked
//! against their CRC-32C and every offset against the file's length, and [`IndexError`] says what is wrong and where;
//! there is nothing to do about it but to fetch the object again or to rebuild it.
//!
//! ```
//! use std::ops::ControlFlow;
//! use loptr_index::{ChunkMeta, IndexBuilder, IndexFile, Predicate, Test, Version};
//! use loptr_model::{Labels, Millis};
//!
//! let labels = Labels::from_pairs([("app", "api"), ("env", "prod")]);
//! let chunk = ChunkMeta { min: Millis(1_000), max: Millis(2_000), checksum: 0xf7f4_8b75, kb: 1, entries: 10 };
//! let mut builder = IndexBuilder::new(Version::V3);
//! builder.add_series(labels.iter(), labels.fingerprint(), [chunk]);
//!
//! let file = IndexFile::open(builder.build()?.into())?;
//! let not_staging = |env: &str| env != "staging";
//! let wanted = [
//!     Predicate { name: "app", test: Test::OneOf(&["api"]) },
//!     Predicate { name: "env", test: Test::Accepts(&not_staging) },
//! ];
//! file.view().select(&wanted, None, |series| {
//!     assert_eq!(series.fingerprint(), labels.fingerprint());
//!     for found in series.chunks(Millis(0), Millis(1_500))? {
//!         assert_eq!(found?, chunk);
//!     }
//!     Ok(ControlFlow::Continue(()))
//! })?;
//! assert_eq!(file.view().label_values("env", &[])?, ["prod"]);
//! assert_eq!(file.view().stats(&wanted, None, Millis(0), Millis(1_500))?.sums.entries, 5);
//! # Ok::<(), loptr_index::IndexError>(())
//! ```
#![warn(missing_docs)]

pub mod bolt;
mod build;
mod chunks;
mod cursor;
mod error;
mod file;
pub mod gzip;
mod head;
mod merge;
mod postings;
mod predicate;
mod select;
mod series;
mod symbols;
pub mod tables;
mod toc;
mod view;
mod write;

pub use build::{IndexBuilder, SeriesLabels};
pub use chunks::{ChunkMeta, ChunkStats, Chunks};
pub use error::{ErrorKind, IndexError};
pub use file::IndexFile;
pub use head::IndexHead;
pub use merge::{merge, tenants};
pub use predicate::{Predicate, Shard, Test};
pub use series::Series;
pub use toc::Version;
pub use view::{IndexStats, IndexView, TENANT_LABEL};

#[cfg(test)]
mod model_of_index;
#[cfg(test)]
mod tests;
