//! chunk
mod codec;
mod encoding;
mod error;
mod varint;
pub use codec::{DEFAULT_ZSTD_LEVEL, compress, decompress};
pub use encoding::{Encoding, Format};
pub use error::ChunkError;
