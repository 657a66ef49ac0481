//! Labels, series and statistics: the index and memory asked without reading a chunk.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use loptr_eval::is_number;
use loptr_index::ChunkStats;
use loptr_model::{Fingerprint, Labels, Matcher, Millis, Nanos, TenantId, TimeRange};
use loptr_ports::Priority;
use loptr_regex::LabelMatcher;
use loptr_storage::{IndexOperation, IndexedStream, merge_streams};

use crate::engine::{QueryEngine, compile, millis};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::readers::{Readers, TENANT_LABEL};
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
pub(crate) struct Found {
    pub(crate) recent: Vec<RecentSizes>,
    pub(crate) indexed: Vec<IndexedStream>,
}

impl QueryEngine {
    /// Why what is told of streams in `range` may be short: for answers that have room for a warning. Asked before them.
    pub async fn partial(&self, readers: &Readers, range: TimeRange) -> Option<String> {
        for tenant in readers.ids() {
            if let Some(partial) = self.recent.partial(tenant, range).await {
                return Some(partial);
            }
        }
        None
    }

    pub(crate) async fn find(
        &self,
        operation: IndexOperation,
        tenant: &TenantId,
        matchers: &Arc<[LabelMatcher]>,
        range: TimeRange,
    ) -> Result<Found, QueryError> {
        if let Some(partial) = self.recent.partial(tenant, range).await {
            tracing::warn!(%tenant, partial, "an answer about streams may be partial");
        }
        let (from, through) = millis(range);
        let (recent, id, asked) = (self.recent.clone(), tenant.clone(), matchers.clone());
        let in_memory = move || {
            let sizes = recent.sizes(&id, &asked, range);
            (sizes, recent.pending(&id, &asked, from, through))
        };
        let (recent, pending) = self.ports.cpu.run(Priority::Query, in_memory).await?;
        let indexed = self.indexed(operation, tenant, matchers, from, through).await?;
        let merge = move || merge_streams(pending.into_iter().chain(indexed));
        Ok(Found { recent, indexed: self.ports.cpu.run(Priority::Query, merge).await? })
    }

    /// Label sets by reader, in order and each once; marked where `marked` and there are several readers.
    async fn label_sets(
        &self,
        operation: IndexOperation,
        readers: &Readers,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
        marked: bool,
    ) -> Result<Vec<Labels>, QueryError> {
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else { return Ok(Vec::new()) };
        // The end is in, so the range is an instant longer than what was asked for.
        limits.check_length(range.start, range.end.saturating_sub(1))?;
        let (readers, matchers) = readers.choose(matchers)?;
        let matchers = compile(&matchers)?;
        let mut all: BTreeSet<Labels> = BTreeSet::new();
        for reader in readers.each() {
            let found = self.find(operation, &reader.tenant, &matchers, range).await?;
            let recent = found.recent.into_iter().map(|stream| stream.labels);
            let sets = recent.chain(found.indexed.into_iter().map(|stream| stream.labels));
            all.extend(sets.map(|labels| if marked { reader.marked(labels) } else { labels }));
        }
        Ok(all.into_iter().collect())
    }

    /// Names of the labels of the streams that `matchers` accept and that have entries in `range`, ascending.
    pub async fn label_names(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        let sets = self.label_sets(IndexOperation::LabelNames, readers, limits, matchers, range, true).await?;
        let mut names: BTreeSet<&str> = sets.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        if readers.several() {
            names.insert(TENANT_LABEL);
        }
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    /// Values of label `name` in those streams, ascending.
    pub async fn label_values(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, QueryError> {
        if readers.several() && name == TENANT_LABEL {
            return Ok(readers.ids().iter().map(|id| id.as_str().to_owned()).collect());
        }
        let sets = self.label_sets(IndexOperation::LabelValues, readers, limits, matchers, range, true).await?;
        let values: BTreeSet<&str> = sets.iter().filter_map(|labels| labels.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }

    /// Label sets of the streams that any of `groups` accepts and that have entries in `range`. No group: all streams.
    pub async fn series(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        groups: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Result<Vec<Labels>, QueryError> {
        let mut all = BTreeSet::new();
        let everything = [Vec::new()];
        for matchers in if groups.is_empty() { &everything[..] } else { groups } {
            all.extend(self.label_sets(IndexOperation::Series, readers, limits, matchers, range, true).await?);
        }
        Ok(all.into_iter().collect())
    }

    /// Labels of those streams with their values, but for the ones whose values are all identifiers.
    pub async fn detected_labels(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, QueryError> {
        let sets = self.label_sets(IndexOperation::Series, readers, limits, matchers, range, false).await?;
        let collect = move || {
            let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (name, value) in sets.iter().flat_map(Labels::iter) {
                match labels.get_mut(name) {
                    Some(values) if values.contains(value) => {}
                    Some(values) => drop(values.insert(value.to_owned())),
                    None => drop(labels.insert(name.to_owned(), BTreeSet::from([value.to_owned()]))),
                }
            }
            labels.retain(|name, values| KEPT_LABELS.contains(&name.as_str()) || !only_identifiers(values));
            labels
        };
        Ok(self.ports.cpu.run(Priority::Query, collect).await?)
    }

    /// Sums over the streams that `matchers` accept.
    pub async fn index_stats(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<IndexFigures, QueryError> {
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else {
            return Ok(IndexFigures::default());
        };
        // Upstream's index counts in milliseconds and takes the last one in.
        limits.check_length(range.start, range.end.saturating_add(Nanos::PER_MILLI))?;
        self.figures_in(IndexOperation::Stats, readers, matchers, range).await
    }

    /// The same of any length.
    pub(crate) async fn figures_in(
        &self,
        operation: IndexOperation,
        readers: &Readers,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<IndexFigures, QueryError> {
        let mut figures = IndexFigures::default();
        let (readers, matchers) = readers.choose(matchers)?;
        let matchers = compile(&matchers)?;
        let (from, through) = millis(range);
        for tenant in readers.ids() {
            let found = self.find(operation, tenant, &matchers, range).await?;
            for stats in stats_by_stream(&found, from, through).values().filter(|stats| stats.entries > 0) {
                figures.streams += 1;
                figures.chunks += stats.chunks;
                figures.bytes += stats.bytes();
                figures.entries += stats.entries;
            }
        }
        Ok(figures)
    }
}

/// Labels that are detected whatever their values.
const KEPT_LABELS: [&str; 4] = ["cluster", "namespace", "instance", "pod"];

/// Whether all values are numbers or UUIDs. `0` and `1` alone are booleans.
fn only_identifiers(values: &BTreeSet<String>) -> bool {
    if values.len() <= 2 && values.iter().all(|value| value == "0" || value == "1") {
        return values.is_empty();
    }
    values.iter().all(|value| is_number(value) || is_uuid(value))
}

/// Whether `value` reads as a UUID in one of its forms: plain, in braces, as a URN, or without dashes.
fn is_uuid(value: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dashed = |text: &str| {
        let mut parts = text.split('-');
        [8, 4, 4, 4, 12].iter().all(|len| parts.next().is_some_and(|part| part.len() == *len && hex(part)))
            && parts.next().is_none()
    };
    match value.len() {
        32 => hex(value),
        36 => dashed(value),
        38 => value.get(1..37).is_some_and(dashed),
        45 => {
            value.get(..9).is_some_and(|urn| urn.eq_ignore_ascii_case("urn:uuid:"))
                && value.get(9..).is_some_and(dashed)
        }
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_identifiers_are_told_apart() {
        let only = |values: &[&str]| only_identifiers(&values.iter().map(|value| (*value).to_owned()).collect());
        assert!(only(&["1", "2", "3"]) && only(&["2"]) && only(&["1e5", "550e8400-e29b-41d4-a716-446655440000"]));
        assert!(only(&["{550e8400-e29b-41d4-a716-446655440000}", "urn:uuid:550e8400-e29b-41d4-a716-446655440000"]));
        assert!(!only(&["0", "1"]) && !only(&["1"]) && !only(&["1", "2", "a"]) && !only(&["2", "n2"]));
    }
}
