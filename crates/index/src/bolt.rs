//! The index before TSDB: bbolt databases of boltdb-shipper, read and written.
//!
//! ```text
//! bytes ── BoltFile::open ──> BoltFile ── rows ──> Row (labels, chunks) ── to_index ──> IndexFile
//! BoltBuilder (rows of a day) ── build ──┐
//! merge(files) ──────────────────────────┴─> bytes
//! ```
//!
//! A file is read whole and becomes a TSDB index in memory, so that everything else knows one kind of index. What it
//! cannot say, how large a chunk is and how many lines it has, is zero there. Numbers are little-endian, pages are
//! counted from the start of the file. Bytes are not trusted: see [`BoltFile`]. Format: `docs/formats/boltdb.md`.
//!
//! ```
//! use loptr_index::bolt::{BoltBuilder, BoltFile, BoltRows, to_index};
//! use loptr_model::{Labels, Millis, TenantId};
//!
//! let (tenant, labels) = (TenantId::single(), Labels::from_pairs([("app", "a")]));
//! let mut builder = BoltBuilder::new(BoltRows { schema: 11, row_shards: 16 }, 19_675);
//! builder.add(&tenant, &labels, "fake/7cd28a6982c64327:18bcfe5687b:18bcfe5687c:f7f48b75", Millis(1_700_000_000_124));
//! let file = BoltFile::open(builder.build()?.into())?;
//! let (index, _) = to_index(&file, None)?;
//! assert_eq!(index.tenant_view(&tenant).label_values("app", &[])?, ["a"]);
//! # Ok::<(), loptr_index::IndexError>(())
//! ```

mod build;
mod read;
mod rows;
mod to_index;
mod write;

pub use build::{BoltBuilder, merge};
pub use read::{BoltFile, RawRow};
pub use rows::{BoltRows, Row};
pub use to_index::{LeftOut, to_index};
pub use write::{Pair, file as write_file};

/// Bytes before the content of a page.
const PAGE_HEADER_BYTES: usize = 16;
/// Bytes of an element, of a branch as of a leaf.
const ELEMENT_BYTES: usize = 16;
/// Bytes of a bucket's header: root and sequence.
const BUCKET_BYTES: usize = 16;
/// Bytes of a meta page that its checksum covers.
const META_SUMMED_BYTES: usize = 56;
const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const META: u16 = 4;
const FREE_LIST: u16 = 16;
/// Flag of a leaf's element: its value is a bucket.
const IS_BUCKET: u32 = 1;

/// The bucket of rows whose tenant is not the bucket's name.
const INDEX_BUCKET: &[u8] = b"index";

/// What a meta page's checksum is.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests;
