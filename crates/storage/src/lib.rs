//! Which object holds what, fetched and cached.
//!
//! ```text
//! Bucket      chunk objects and index files under upstream's names
//!    └─ Store    one object store and how it names chunks; a period points to the one it lies in
//! IndexStore  table listings and opened index files, cached within a bound
//!    └─ snapshot(tenant, from, through) ─> IndexSnapshot   series, labels: CPU work over bytes in memory
//! ChunkCache  chunk objects of stores on the network, kept in memory and in memcached or redis
//! Remote*     what is opened as one: S3, Azure Blob Storage, Google Cloud Storage
//! DiskStore   the filesystem object store, atomic and synced
//! ListedTable what compaction sees of a table: listed afresh
//! Spool       chunk objects that wait on the local disk for a store that is down
//! ```
//!
//! Tenants come as [`TenantId`](loptr_model::TenantId), never as text. A missing or damaged object is an error that
//! names it, never a shorter answer. Our own objects lie under [`OWN_PREFIX`], which is no legal tenant name.
#![warn(missing_docs)]

mod bucket;
mod cache;
mod disk_store;
mod error;
mod index_store;
mod matching;
mod metrics;
mod reach;
mod remote;
mod schema;
mod snapshot;
mod spool;
mod store;
mod table_builder;
mod upkeep;

pub use bucket::Bucket;
pub use cache::{
    CacheKey, CacheMetrics, CacheSettings, ChunkCache, MemcachedSettings, MemorySettings, RedisSettings,
    RemoteCacheSettings, WriteBackSettings,
};
pub use disk_store::{DiskStore, OWN_PREFIX};
pub use error::{ErrorKind, StorageError, StoreFault};
pub use index_store::{IndexCacheSettings, IndexStore, open_index};
pub use matching::with_predicates;
pub use metrics::{IndexOperation, StorageMetrics};
pub use reach::{LostReason, LostTable};
pub use remote::{
    AzureCredentials, AzureSettings, Connection, Encryption, GcsSettings, HedgeSettings, HttpSettings, RemoteKind,
    RemoteSettings, Retries, S3Settings, StoreError,
};
pub use schema::{IndexKind, Period, Schema, TableId};
pub use snapshot::{IndexSnapshot, IndexedStream, merge_streams};
pub use spool::Spool;
pub use store::{ChunkNames, Store};
pub use table_builder::TableBuilder;
pub use upkeep::ListedTable;
