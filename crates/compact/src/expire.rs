//! What goes out of a tenant's part of a table: judged, rewritten where single lines go, and marked for the sweep.

use std::collections::HashSet;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use loptr_index::{ChunkMeta, IndexBuilder};
use loptr_model::{ChunkRef, Labels, Nanos, TenantId};
use loptr_ports::Priority;
use loptr_storage::{StorageError, TableId};

use crate::compactor::Compactor;
use crate::error::CompactError;
use crate::expiry::Expiry;
use crate::judge::{Candidate, Judge, Verdicts, reference};
use crate::lease::Lease;
use crate::marks;
use crate::rewrite::{Survivors, rewrite};
use crate::table::Part;

/// Chunks fetched and rewritten at once.
const REWRITES: usize = 4;

/// A chunk that lost lines.
struct Rewritten {
    of: ChunkRef,
    labels: Labels,
    /// What this table names instead.
    by: Option<ChunkMeta>,
}

impl Compactor {
    /// Takes what goes out of `index`. When it returns, what replaces rewritten chunks is stored and all that left is
    /// marked; the index itself is not stored yet.
    pub(crate) async fn expire(
        &self,
        table: &TableId,
        tenant: &TenantId,
        index: IndexBuilder,
        lease: &mut Lease,
        expiry: &Expiry,
    ) -> Result<Part, CompactError> {
        if index.is_empty() {
            return Err(CompactError::NoChunks { table: table.name.clone(), tenant: tenant.to_string() });
        }
        let began = self.ports.clock.monotonic();
        let judge = std::sync::Arc::new(expiry.judge(&self.bucket, table, tenant));
        let (asked, mut index) = (judge.clone(), index);
        let judged = move || {
            let verdicts = asked.judge(&mut index);
            (index, verdicts)
        };
        let (index, verdicts) = self.ports.cpu.run(Priority::Query, judged).await?;
        let Verdicts { mut gone, elsewhere, filter } = verdicts;
        let rewritten = self.rewrite_all(table, tenant, &judge, filter, lease, expiry).await?;
        gone.extend(rewritten.iter().map(|chunk| chunk.of));
        let index = if rewritten.is_empty() {
            index
        } else {
            self.ports.cpu.run(Priority::Query, move || exchange(index, &rewritten)).await?
        };
        self.hold(table, lease).await?;
        self.mark(table, tenant, &gone).await?;
        let changed = !gone.is_empty() || elsewhere > 0;
        let action = match (index.is_empty(), changed) {
            (true, _) => "deleted",
            (_, true) => "modified",
            _ => "none",
        };
        let took = Nanos(self.ports.clock.monotonic().0.saturating_sub(began.0));
        self.metrics.judged(table, tenant, action, gone.len(), took);
        Ok(Part { index, changed, marked: gone.len() })
    }

    /// Rewrites the chunks that deletions touch. Past `retention.table_timeout` the others stay as they are, and no delete
    /// request of this round is done.
    async fn rewrite_all(
        &self,
        table: &TableId,
        tenant: &TenantId,
        judge: &std::sync::Arc<Judge>,
        candidates: Vec<Candidate>,
        lease: &mut Lease,
        expiry: &Expiry,
    ) -> Result<Vec<Rewritten>, CompactError> {
        let limit = self.settings.retention.as_ref().map(|retention| retention.table_timeout);
        let limit = limit.filter(|limit| !limit.is_zero()).and_then(|limit| i64::try_from(limit.as_nanos()).ok());
        let began = self.ports.clock.monotonic();
        let rewrites = candidates.into_iter().map(|candidate| self.rewritten(tenant, judge.clone(), candidate));
        let rewrites: Vec<_> = rewrites.collect();
        let mut done = Vec::new();
        let mut rewrites = stream::iter(rewrites).buffered(REWRITES);
        while let Some(rewritten) = rewrites.next().await {
            let Some((candidate, Survivors { deleted, object })) = rewritten? else { continue };
            self.hold(table, lease).await?;
            expiry.count_lines(tenant, deleted);
            let by = match object {
                Some((chunk, object)) => self.store_survivors(table, tenant, &candidate, chunk, object).await?,
                None => None,
            };
            done.push(Rewritten { of: candidate.chunk, labels: candidate.labels, by });
            let took = self.ports.clock.monotonic().0.saturating_sub(began.0);
            if limit.is_some_and(|limit| took > limit) {
                tracing::warn!(table = %table.name, %tenant, "deletes take longer than retention_table_timeout, the rest is left for the next round");
                expiry.give_up();
                break;
            }
        }
        Ok(done)
    }

    async fn rewritten(
        &self,
        tenant: &TenantId,
        judge: std::sync::Arc<Judge>,
        candidate: Candidate,
    ) -> Result<Option<(Candidate, Survivors)>, CompactError> {
        let object = match self.bucket.get_chunk(tenant, &candidate.chunk).await {
            Err(StorageError::Missing { key }) => {
                tracing::warn!(%key, %tenant, "chunk that a delete request may concern is missing, nothing of it can be deleted");
                return Ok(None);
            }
            object => object?,
        };
        let (bucket, owner) = (self.bucket.clone(), tenant.clone());
        let work = move || {
            let chunk = bucket.open_chunk(&owner, &candidate.chunk, object)?;
            let survivors = rewrite(&chunk, &owner, &candidate.labels, &candidate.chunk, &judge.tombstones(&candidate));
            let failed = |source| StorageError::Chunk { key: bucket.chunk_name(&owner, &candidate.chunk), source };
            let survivors = survivors.map_err(failed)?;
            Ok::<_, StorageError>(survivors.map(|survivors| (candidate, survivors)))
        };
        Ok(self.ports.cpu.run(Priority::Query, work).await??)
    }

    /// Stores the new chunk if this table is one that names it; another table's pass makes the same object.
    async fn store_survivors(
        &self,
        table: &TableId,
        tenant: &TenantId,
        candidate: &Candidate,
        chunk: ChunkMeta,
        object: Bytes,
    ) -> Result<Option<ChunkMeta>, CompactError> {
        if !self.bucket.schema().tables_of(chunk.min, chunk.max).contains(table) {
            return Ok(None);
        }
        self.bucket.put_chunk(tenant, &reference(candidate.chunk.fingerprint, &chunk), object).await?;
        Ok(Some(chunk))
    }

    async fn mark(&self, table: &TableId, tenant: &TenantId, gone: &[ChunkRef]) -> Result<(), CompactError> {
        for chunks in gone.chunks(marks::CHUNKS_MAX) {
            let body = Bytes::from(marks::encode(tenant, chunks));
            loop {
                let name = marks::name(self.ports.clock.now(), &table.name, self.ports.random.next_u64());
                if self.bucket.create_own(table.store, &name, body.clone()).await? {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Puts what replaces rewritten chunks into their places.
fn exchange(mut index: IndexBuilder, rewritten: &[Rewritten]) -> IndexBuilder {
    let gone: HashSet<ChunkRef> = rewritten.iter().map(|chunk| chunk.of).collect();
    // First what comes: a series that loses its only chunk stays where it is.
    for Rewritten { of, labels, by } in rewritten {
        index.add_series(labels.iter(), of.fingerprint, by.iter().copied());
    }
    index.retain(|_, fingerprint, chunk| !gone.contains(&reference(fingerprint, chunk)));
    index
}

#[cfg(test)]
mod tests;
