//! chunk
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
pub use error::ChunkError;
pub use key::{
    external_key, filesystem_name, parse_delimited_key, parse_external_key, parse_filesystem_name, with_delimiter,
};
pub use mem::{
    ChunkOptions, CompressedBlock, DEFAULT_BLOCK_BYTES, DEFAULT_TARGET_BYTES, MemChunk, PendingBlock, Sealed,
};
pub use reader::{BlockMeta, Chunk, DEFAULT_DECODE_LIMIT};
pub use schema::SchemaVersion;
pub use symbols::Symbols;
