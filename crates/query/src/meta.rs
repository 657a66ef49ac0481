//! Labels, series and statistics: the index and memory asked without reading a chunk.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use loptr_index::ChunkStats;
use loptr_model::{Fingerprint, Labels, Matcher, Millis, TenantId, TimeRange};
use loptr_ports::Priority;
use loptr_regex::LabelMatcher;
use loptr_storage::{IndexedStream, merge_streams};

use crate::engine::{QueryEngine, compile, millis};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::recent::RecentSizes;

/// Sums over the streams a selector names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexFigures {
    /// Streams with entries in the range.
    pub streams: u64,
    /// Their chunks.
    pub chunks: u64,
    /// Bytes in the range, about.
    pub bytes: u64,
    /// Entries in the range, about.
    pub entries: u64,
}

/// Memory's answer and the bucket's, not yet put together.
struct Found {
    recent: Vec<RecentSizes>,
    indexed: Vec<IndexedStream>,
}

impl QueryEngine {
    async fn find(
        &self,
        tenant: &TenantId,
        matchers: &Arc<[LabelMatcher]>,
        range: TimeRange,
    ) -> Result<Found, QueryError> {
        let (from, through) = millis(range);
        let (recent, id, asked) = (self.recent.clone(), tenant.clone(), matchers.clone());
        let in_memory = move || {
            let sizes = recent.sizes(&id, &asked, range);
            (sizes, recent.pending(&id, &asked, from, through))
        };
        let (recent, pending) = self.ports.cpu.run(Priority::Query, in_memory).await?;
        let indexed = self.indexed(tenant, matchers, from, through).await?;
        let merge = move || merge_streams(pending.into_iter().chain(indexed));
        Ok(Found { recent, indexed: self.ports.cpu.run(Priority::Query, merge).await? })
    }

    async fn label_sets(
        &self,
        tenant: &TenantId,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<Labels>, QueryError> {
        limits.check_length(range.start, range.end)?;
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else { return Ok(Vec::new()) };
        let found = self.find(tenant, &compile(matchers)?, range).await?;
        let recent = found.recent.into_iter().map(|stream| stream.labels);
        let all: BTreeSet<Labels> = recent.chain(found.indexed.into_iter().map(|stream| stream.labels)).collect();
        Ok(all.into_iter().collect())
    }

    /// Names of the labels of the streams that `matchers` accept and that have entries in `range`, ascending.
    pub async fn label_names(
        &self,
        tenant: &TenantId,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        let sets = self.label_sets(tenant, limits, matchers, range).await?;
        let names: BTreeSet<&str> = sets.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Values of label `name` in those streams, ascending.
    pub async fn label_values(
        &self,
        tenant: &TenantId,
        limits: &QueryLimits,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        let sets = self.label_sets(tenant, limits, matchers, range).await?;
        let values: BTreeSet<&str> = sets.iter().filter_map(|labels| labels.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    /// Label sets of the streams that any of `groups` accepts and that have entries in `range`. No group: all streams.
    pub async fn series(
        &self,
        tenant: &TenantId,
        limits: &QueryLimits,
        groups: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Vec<Labels>, QueryError> {
        let mut all = BTreeSet::new();
        let everything = [Vec::new()];
        for matchers in if groups.is_empty() { &everything[..] } else { groups } {
            all.extend(self.label_sets(tenant, limits, matchers, range).await?);
        }
        Ok(all.into_iter().collect())
    }

    /// Sums over the streams that `matchers` accept.
    pub async fn index_stats(
        &self,
        tenant: &TenantId,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<IndexFigures, QueryError> {
        limits.check_length(range.start, range.end)?;
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else {
            return Ok(IndexFigures::default());
        };
        let found = self.find(tenant, &compile(matchers)?, range).await?;
        let (from, through) = millis(range);
        let mut figures = IndexFigures::default();
        for stats in stats_by_stream(&found, from, through).values() {
            if stats.entries == 0 {
                continue;
            }
            figures.streams += 1;
            figures.chunks += stats.chunks;
            figures.bytes += stats.bytes();
            figures.entries += stats.entries;
        }
        Ok(figures)
    }
}

/// Chunks by stream, each scaled to the part of its time inside `[from, through)`.
fn stats_by_stream(found: &Found, from: Millis, through: Millis) -> HashMap<(Fingerprint, Labels), ChunkStats> {
    let mut all: HashMap<(Fingerprint, Labels), ChunkStats> = HashMap::new();
    for stream in &found.indexed {
        let stats = all.entry((stream.fingerprint, stream.labels.clone())).or_default();
        for chunk in &stream.chunks {
            stats.add_chunk(chunk, from, through);
        }
    }
    for stream in &found.recent {
        let stats = all.entry((stream.fingerprint, stream.labels.clone())).or_default();
        for chunk in &stream.chunks {
            let meta = loptr_index::ChunkMeta {
                min: chunk.min.floor_millis(),
                max: chunk.max.ceil_millis(),
                checksum: 0,
                kb: u32::try_from((chunk.bytes + 512) / 1024).unwrap_or(u32::MAX),
                entries: u32::try_from(chunk.entries).unwrap_or(u32::MAX),
            };
            stats.add_chunk(&meta, from, through);
        }
    }
    all
}
