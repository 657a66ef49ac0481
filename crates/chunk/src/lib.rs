//! Chunks: entries of one stream ↔ the bytes Loki 3.7.6 writes and reads. No I/O, no clock, no threads.
//!
//! ```text
//! object    = metadata (JSON in snappy frames) ‖ memchunk             Object, encode_object
//! memchunk  = header ‖ symbols ‖ block* ‖ metas ‖ trailer             Chunk
//! block     = compress( entry* )                                      Block
//! entry     = time (ns) ‖ line ‖ structured metadata as symbols       RawEntry
//! ```
//!
//! - [`MemChunk`] takes entries and is read meanwhile through [`MemChunk::snapshot`]; [`MemChunk::close`] gives the
//!   memchunk, [`Sealed::to_object`] the object and the reference that names it.
//! - [`Object`] and [`Chunk`] take the bytes apart again: formats 1 to 4, every codec. Blocks and symbols are
//!   decompressed only when asked for, into a buffer that is used again; entries borrow from it.
//! - [`Block::search`] finds lines without walking all entries, [`Symbols`] tells whether a value occurs at all.
//! - [`Checkpointed`] is a chunk of upstream's checkpoints, whose blocks are taken on as bytes.
//! - [`external_key`] and its neighbours name objects.
//!
//! Entry times are nanoseconds, bounds in keys milliseconds, sizes bytes; bounds of blocks and chunks include both
//! ends. Blocks are not assumed to be sorted. The bytes are described in `docs/formats/chunk.md`.
//!
//! Bytes are never trusted: whatever they hold, reading gives entries or a [`ChunkError`] that names the place, and
//! memory stays below the input's own size plus the limit given to [`Chunk::with_limit`].
//!
//! ```
//! use loptr_chunk::{Chunk, ChunkOptions, Encoding, MemChunk, Object, SchemaVersion, external_key};
//! use loptr_model::{Labels, Nanos, TenantId};
//!
//! let options = ChunkOptions::new(SchemaVersion::V13.chunk_format(), Encoding::Snappy)?;
//! let mut filling = MemChunk::new(options);
//! filling.append(Nanos(2_000_000), b"GET /b", &[("level", "info")])?;
//! filling.append(Nanos(1_000_000), b"GET /a", &[("level", "warn")])?;
//!
//! let (tenant, labels) = (TenantId::single(), Labels::from_pairs([("app", "a")]));
//! let (chunk, object) = filling.close()?.to_object(&tenant, &labels, labels.fingerprint())?.expect("has entries");
//! assert!(external_key(SchemaVersion::V13, &tenant, &chunk).starts_with("fake/7cd28a6982c64327/1:2:"));
//!
//! let object = Object::decode_expected(object, &tenant, &chunk)?;
//! let chunk = Chunk::parse(object.memchunk)?;
//! let mut buf = Vec::new();
//! let mut lines = Vec::new();
//! for index in 0..chunk.blocks().len() {
//!     for entry in chunk.decode_block(index, &mut buf)?.entries() {
//!         let entry = entry?;
//!         for pair in entry.metadata.resolve(chunk.symbols()?) {
//!             lines.push((entry.line.to_vec(), pair?.1));
//!         }
//!     }
//! }
//! assert_eq!(lines, [(b"GET /a".to_vec(), "warn"), (b"GET /b".to_vec(), "info")]);
//! # Ok::<(), loptr_chunk::ChunkError>(())
//! ```
#![warn(missing_docs)]

mod block;
mod codec;
mod encoding;
mod envelope;
mod error;
mod key;
mod mem;
mod names;
mod reader;
mod schema;
mod search;
mod symbols;
mod varint;

pub use block::{Block, Entries, MAX_LINE_BYTES, Pairs, RawEntry, RawMetadata};
pub use codec::{DEFAULT_ZSTD_LEVEL, compress, decompress};
pub use encoding::{Encoding, Format};
pub use envelope::{Object, encode_object};
pub use error::{ChunkError, ErrorKind};
pub use key::{
    external_key, filesystem_name, parse_delimited_key, parse_external_key, parse_filesystem_name, with_delimiter,
};
pub use mem::{
    Checkpointed, ChunkOptions, CompressedBlock, DEFAULT_BLOCK_BYTES, DEFAULT_TARGET_BYTES, MemChunk, PendingBlock,
    Sealed,
};
pub use reader::{BlockMeta, Chunk, DEFAULT_DECODE_LIMIT};
pub use schema::SchemaVersion;
pub use symbols::Symbols;

/// Chunks are read by many threads at once, and filled by whichever holds the lock.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Chunk>();
    shared::<MemChunk>();
};
