//! Index
#![warn(missing_docs)]

mod build;
mod chunks;
mod cursor;
mod error;
mod file;
mod postings;
mod predicate;
mod select;
mod series;
mod symbols;
mod toc;
mod view;
mod write;

pub use build::{IndexBuilder, SeriesLabels};
pub use chunks::{ChunkMeta, ChunkStats, Chunks};
pub use error::{ErrorKind, IndexError};
pub use file::IndexFile;
pub use predicate::{Predicate, Shard, Test};
pub use series::Series;
pub use toc::Version;
pub use view::{IndexStats, IndexView, TENANT_LABEL};

#[cfg(test)]
mod tests;
