//! Queries under way: listed, and stopped on demand.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loptr_index::ChunkMeta;
use loptr_model::{Matcher, Nanos, TenantId, TimeRange};
use loptr_ports::Budget;
use loptr_storage::IndexOperation;
use parking_lot::Mutex;

use crate::engine::{QueryEngine, Running, compile};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::readers::Readers;
use crate::source::ScanCounters;

/// A query under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningQuery {
    /// Its number in this process.
    pub id: u64,
    /// Whose data it reads.
    pub tenants: Vec<TenantId>,
    /// The query.
    pub text: String,
    /// Since when, wall clock.
    pub started: Nanos,
    /// Bytes it fetched from the bucket so far.
    pub fetched_bytes: u64,
    /// Bytes of blocks it has looked through so far, decompressed.
    pub read_bytes: u64,
    /// Bytes it holds.
    pub held_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    tenants: Vec<TenantId>,
    text: String,
    started: Nanos,
    budget: Budget,
    counters: Arc<ScanCounters>,
}

/// All of them. As many as requests are served at once.
#[derive(Debug, Default)]
pub(crate) struct RunningQueries {
    next: AtomicU64,
    all: Mutex<BTreeMap<u64, Entry>>,
}

/// Takes the query off the list.
pub(crate) struct Listed {
    queries: Arc<RunningQueries>,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.queries.all.lock().remove(&self.id);
    }
}

impl QueryEngine {
    pub(crate) fn list(&self, readers: &Readers, text: String, running: &Running) -> Listed {
        let id = self.running.next.fetch_add(1, Ordering::Relaxed) + 1;
        let entry = Entry {
            tenants: readers.ids().to_vec(),
            text,
            started: self.ports.clock.now(),
            budget: running.budget.clone(),
            counters: running.counters.clone(),
        };
        self.running.all.lock().insert(id, entry);
        Listed { queries: self.running.clone(), id }
    }

    /// The queries under way, oldest first.
    pub fn running(&self) -> Vec<RunningQuery> {
        let all = self.running.all.lock();
        let told = all.iter().map(|(id, entry)| RunningQuery {
            id: *id,
            tenants: entry.tenants.clone(),
            text: entry.text.clone(),
            started: entry.started,
            fetched_bytes: entry.counters.fetched_bytes.load(Ordering::Relaxed),
            read_bytes: entry.counters.read_bytes(),
            held_bytes: entry.budget.used_bytes(),
        });
        told.collect()
    }

    /// Stops a query: its jobs end at their next line. `false` if there is none of that number.
    pub fn cancel(&self, id: u64) -> bool {
        self.running.all.lock().get(&id).map(|entry| entry.budget.cancel()).is_some()
    }
}

/// What a query would read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Explained {
    /// Streams.
    pub streams: u64,
    /// Their chunks, in memory and in the bucket.
    pub chunks: u64,
    /// Bytes of lines in them, uncompressed.
    pub bytes: u64,
    /// Share of the tenants' bytes of that time that is not looked at, 0 to 1.
    pub pruned: f64,
    /// Requests to the object store.
    pub requests: u64,
}

impl QueryEngine {
    /// What a query with these selectors would read, each over its range. Reads the index only.
    pub async fn explain(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        selectors: &[(&[Matcher], TimeRange)],
    ) -> Result<Explained, QueryError> {
        let (mut told, mut all_bytes) = (Explained::default(), 0u64);
        for (matchers, range) in selectors {
            let Some(range) = limits.look_back(*range, self.ports.clock.now()) else { continue };
            let (chosen, matchers) = readers.choose(matchers)?;
            let (matchers, everything) = (compile(&matchers)?, compile(&[])?);
            for tenant in readers.ids() {
                if chosen.ids().contains(tenant) {
                    let found = self.find(IndexOperation::Stats, tenant, &matchers, range).await?;
                    let indexed = found.indexed.iter().map(|stream| &stream.labels);
                    let all: HashSet<_> = indexed.chain(found.recent.iter().map(|stream| &stream.labels)).collect();
                    told.streams += all.len() as u64;
                    told.requests += found.indexed.iter().map(|stream| stream.chunks.len() as u64).sum::<u64>();
                    told.chunks += found.recent.iter().map(|stream| stream.chunks.len() as u64).sum::<u64>();
                    told.bytes += bytes_of(&found);
                }
                all_bytes += bytes_of(&self.find(IndexOperation::Stats, tenant, &everything, range).await?);
            }
        }
        told.chunks += told.requests;
        if all_bytes > 0 {
            told.pruned = 1.0 - told.bytes.min(all_bytes) as f64 / all_bytes as f64;
        }
        Ok(told)
    }
}

fn bytes_of(found: &crate::meta::Found) -> u64 {
    let indexed =
        found.indexed.iter().flat_map(|stream| &stream.chunks).map(|chunk: &ChunkMeta| u64::from(chunk.kb) << 10);
    let recent = found.recent.iter().flat_map(|stream| &stream.chunks).map(|chunk| chunk.bytes);
    indexed.sum::<u64>() + recent.sum::<u64>()
}
