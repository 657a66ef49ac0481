//! What the write path knows that the bucket's index does not yet. `query` never depends on `ingest`: the binary plugs
//! this in.

use std::future::Future;
use std::pin::Pin;

use loptr_chunk::Chunk;
use loptr_model::{Fingerprint, Labels, Millis, Nanos, TenantId, TimeRange};
use loptr_regex::LabelMatcher;
use loptr_storage::IndexedStream;

/// A stream in memory.
#[derive(Debug)]
pub struct RecentStream {
    /// Labels.
    pub labels: Labels,
    /// Fingerprint.
    pub fingerprint: Fingerprint,
    /// Its chunks in memory that overlap the range asked for.
    pub chunks: Vec<Chunk>,
}

/// Size of a chunk in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentChunk {
    /// Earliest entry.
    pub min: Nanos,
    /// Latest entry; included.
    pub max: Nanos,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

/// A stream in memory, without its contents.
#[derive(Clone, Debug)]
pub struct RecentSizes {
    /// Labels.
    pub labels: Labels,
    /// Fingerprint.
    pub fingerprint: Fingerprint,
    /// Its chunks in memory that overlap the range asked for.
    pub chunks: Vec<RecentChunk>,
}

/// The write path, asked in this order: whether it knows all, contents, then pending, and only then the bucket's index.
pub trait Recent: Send + Sync {
    /// Why an answer about `range` may be partial, if it may be: the process has just started and does not know yet what
    /// it knew. Waits for that if it cannot take long.
    fn partial<'a>(
        &'a self,
        _tenant: &'a TenantId,
        _range: TimeRange,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(std::future::ready(None))
    }
    /// Streams in memory with their chunks. CPU work.
    fn streams(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentStream>;
    /// Streams in memory with the sizes of their chunks; streams without one in the range are left out. CPU work.
    fn sizes(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentSizes>;
    /// Chunks in the bucket that its index may not name yet. CPU work.
    fn pending(
        &self,
        tenant: &TenantId,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Vec<IndexedStream>;
    /// Bytes of lines in `range` that the bucket's index does not name yet; chunks count whole. CPU work.
    fn bytes(&self, tenant: &TenantId, range: TimeRange) -> u64 {
        let chunks = self.sizes(tenant, &[], range);
        chunks.iter().flat_map(|stream| &stream.chunks).map(|chunk| chunk.bytes).sum()
    }
}

/// A process that takes no pushes.
#[derive(Clone, Copy, Debug)]
pub struct NothingRecent;

impl Recent for NothingRecent {
    fn streams(&self, _: &TenantId, _: &[LabelMatcher], _: TimeRange) -> Vec<RecentStream> {
        Vec::new()
    }

    fn sizes(&self, _: &TenantId, _: &[LabelMatcher], _: TimeRange) -> Vec<RecentSizes> {
        Vec::new()
    }

    fn pending(&self, _: &TenantId, _: &[LabelMatcher], _: Millis, _: Millis) -> Vec<IndexedStream> {
        Vec::new()
    }
}
