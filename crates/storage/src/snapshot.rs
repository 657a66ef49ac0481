//! The index files a query reads, answered as one: series merged by stream, chunks named once.
//!
//! Everything here is CPU work over bytes in memory: run it on the pool.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use loptr_index::{ChunkMeta, IndexError, IndexView, Predicate, Series};
use loptr_model::{Fingerprint, Labels, Millis, TenantId};
use loptr_regex::LabelMatcher;

use crate::error::StorageError;
use crate::index_store::TableFile;
use crate::matching::with_predicates;

/// A stream and its chunks in a time range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedStream {
    /// Labels.
    pub labels: Labels,
    /// Fingerprint, as the chunks' keys have it.
    pub fingerprint: Fingerprint,
    /// Chunks, by (from, through, checksum), each once.
    pub chunks: Vec<ChunkMeta>,
}

/// The index of one tenant over some days.
#[derive(Clone, Debug)]
pub struct IndexSnapshot {
    tenant: TenantId,
    files: Vec<TableFile>,
}

impl IndexSnapshot {
    pub(crate) fn new(tenant: TenantId, files: Vec<TableFile>) -> Self {
        Self { tenant, files }
    }

    fn each(&self, mut ask: impl FnMut(IndexView<'_>) -> Result<(), IndexError>) -> Result<(), StorageError> {
        for TableFile { file, key, common } in &self.files {
            let view = if *common { file.tenant_view(&self.tenant) } else { file.view() };
            ask(view).map_err(|source| StorageError::Index { key: key.clone(), source })?;
        }
        Ok(())
    }

    /// Streams that `matchers` accept, with their chunks in `[from, through)`; streams without one are left out.
    pub fn streams(
        &self,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Result<Vec<IndexedStream>, StorageError> {
        let mut found: HashMap<(Fingerprint, Labels), BTreeMap<ChunkKey, ChunkMeta>> = HashMap::new();
        self.select(matchers, from, through, |series| {
            let mut chunks = series.chunks(from, through)?.peekable();
            if chunks.peek().is_none() {
                return Ok(());
            }
            let fingerprint = series.fingerprint();
            let named = found.entry((fingerprint, labels_of(series))).or_default();
            for chunk in chunks {
                let chunk = chunk?;
                named.insert(key_of(&chunk), chunk);
            }
            Ok(())
        })?;
        let mut streams: Vec<IndexedStream> = found
            .into_iter()
            .map(|((fingerprint, labels), named)| IndexedStream {
                labels,
                fingerprint,
                chunks: named.into_values().collect(),
            })
            .collect();
        streams.sort_by(|a, b| (a.fingerprint, &a.labels).cmp(&(b.fingerprint, &b.labels)));
        Ok(streams)
    }

    fn select(
        &self,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
        mut visit: impl FnMut(&Series<'_>) -> Result<(), IndexError>,
    ) -> Result<(), StorageError> {
        with_predicates(matchers, |predicates: &[Predicate<'_>]| {
            self.each(|view| {
                if !view.file().overlaps(from, through) {
                    return Ok(());
                }
                view.select(predicates, None, |series| {
                    visit(&series)?;
                    Ok(ControlFlow::Continue(()))
                })
            })
        })
    }

    /// Bytes of lines in `[from, through)`, rounded up to whole chunks.
    pub fn bytes(&self, from: Millis, through: Millis) -> Result<u64, StorageError> {
        let mut sum = 0u64;
        self.each(|view| {
            if view.file().overlaps(from, through) {
                sum = sum.saturating_add(view.stats(&[], None, from, through)?.sums.bytes());
            }
            Ok(())
        })?;
        Ok(sum)
    }

    /// Names of labels of the streams that `matchers` accept and that have a chunk in `[from, through)`.
    pub fn label_names(
        &self,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Result<BTreeSet<String>, StorageError> {
        let mut names = BTreeSet::new();
        self.select(matchers, from, through, |series| {
            if series.chunks(from, through)?.next().transpose()?.is_some() {
                for (name, _) in series.labels() {
                    if !names.contains(name) {
                        names.insert(name.to_owned());
                    }
                }
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// Values of label `name` in the streams that `matchers` accept and that have a chunk in `[from, through)`.
    pub fn label_values(
        &self,
        name: &str,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Result<BTreeSet<String>, StorageError> {
        let mut values = BTreeSet::new();
        self.select(matchers, from, through, |series| {
            let value = series.labels().find(|(found, _)| *found == name).map(|(_, value)| value);
            if let Some(value) = value
                && !values.contains(value)
                && series.chunks(from, through)?.next().transpose()?.is_some()
            {
                values.insert(value.to_owned());
            }
            Ok(())
        })?;
        Ok(values)
    }
}

/// What names a chunk of a stream.
type ChunkKey = (Millis, Millis, u32);

fn key_of(chunk: &ChunkMeta) -> ChunkKey {
    (chunk.min, chunk.max, chunk.checksum)
}

fn labels_of(series: &Series<'_>) -> Labels {
    Labels::from_pairs(series.labels())
}

/// Merges streams of several answers: one entry per (fingerprint, labels), each chunk once.
pub fn merge_streams(all: impl IntoIterator<Item = IndexedStream>) -> Vec<IndexedStream> {
    let mut merged: BTreeMap<(Fingerprint, Labels), Vec<ChunkMeta>> = BTreeMap::new();
    for stream in all {
        merged.entry((stream.fingerprint, stream.labels)).or_default().extend(stream.chunks);
    }
    merged
        .into_iter()
        .map(|((fingerprint, labels), mut chunks)| {
            chunks.sort_by_key(key_of);
            chunks.dedup_by_key(|chunk| key_of(chunk));
            IndexedStream { labels, fingerprint, chunks }
        })
        .collect()
}
