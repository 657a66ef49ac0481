//! The read path: split, fetch, scan in parallel, merge.
//!
//! [`QueryEngine`] answers for one process. It reads the bucket and asks the write path through [`Recent`]; it never
//! writes. Answers do not depend on how many workers there are or where the lines lie. A chunk that is missing or
//! damaged fails the query: no answer is silently short.

mod deletes;
mod engine;
mod error;
mod limits;
mod meta;
mod plan;
mod reach;
mod readers;
mod recent;
mod refuse;
mod running;
mod size;
mod source;
mod tail;
mod volume;

pub use deletes::{Deletes, Known};
pub use engine::{
    Answer, ChunkFigures, FrontendEncoding, LogRequest, QueryEngine, QueryFigures, QuerySettings, compile, range_steps,
};
pub use error::{ErrorKind, QueryError};
pub use limits::QueryLimits;
pub use meta::IndexFigures;
pub use readers::{INTERNAL, Readers, TENANT_LABEL};
pub use recent::{NothingRecent, Recent, RecentChunk, RecentSizes, RecentStream};
pub use refuse::{BlockedQuery, QueryKind};
pub use running::{Explained, RunningQuery};
pub use source::{ChunkCounters, ChunkSource, ScanCounters};
pub use tail::{Tail, TailEnd, TailFigures, TailFrame, TailRequest, TailSettings, Tails};
pub use volume::{ShardFigures, Volume, VolumeRequest};
