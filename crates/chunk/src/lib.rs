//! chunk
mod block;
mod codec;
mod encoding;
mod error;
mod mem;
mod names;
mod reader;
mod search;
mod symbols;
mod varint;
pub use block::{Block, Entries, MAX_LINE_BYTES, Pairs, RawEntry, RawMetadata};
pub use codec::{DEFAULT_ZSTD_LEVEL, compress, decompress};
pub use encoding::{Encoding, Format};
pub use error::ChunkError;
pub use reader::{BlockMeta, Chunk, DEFAULT_DECODE_LIMIT};
pub use symbols::Symbols;
pub use mem::{
    ChunkOptions, CompressedBlock, DEFAULT_BLOCK_BYTES, DEFAULT_TARGET_BYTES, MemChunk, PendingBlock, Sealed,
};
