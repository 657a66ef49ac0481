//! Index
#![warn(missing_docs)]

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
