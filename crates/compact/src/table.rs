//! One pass over a table: files of all tenants in batches, and each tenant's own, into one file per tenant; in a round of
//! retention without the chunks that go.

pub(crate) mod open;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use loptr_index::tables::{FileName, ListedFile};
use loptr_index::{IndexBuilder, IndexError, Version, merge};
use loptr_model::TenantId;
use loptr_ports::Priority;
use loptr_storage::{TableBuilder, TableId};

use self::open::{Opened, Stop};
use crate::compactor::Compactor;
use crate::error::CompactError;
use crate::expiry::Expiry;
use crate::lease::Lease;
use crate::plan;

/// Times a table is listed anew in one pass because a file vanished: an upstream compactor may be at work as well.
const LISTINGS: usize = 4;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Merged {
    pub(crate) files: usize,
    pub(crate) tenants: usize,
    pub(crate) marked: usize,
}

/// A tenant's part of a table, as it will be.
pub(crate) struct Part {
    pub(crate) index: IndexBuilder,
    /// Whether chunks left it.
    pub(crate) changed: bool,
    pub(crate) marked: usize,
}

impl Compactor {
    /// Merges batch after batch until none is left.
    pub(crate) async fn merge_table(
        &self,
        table: &TableId,
        lease: &mut Lease,
        expiry: Option<&Expiry>,
    ) -> Result<Merged, CompactError> {
        let (mut all, mut vanished) = (Merged::default(), 0);
        loop {
            match self.merge_batch(table, lease, expiry).await {
                Ok((merged, is_last)) => {
                    all.files += merged.files;
                    all.marked += merged.marked;
                    all.tenants = all.tenants.max(merged.tenants);
                    if is_last {
                        return Ok(all);
                    }
                }
                Err(Stop::Gone(key)) => {
                    vanished += 1;
                    if vanished == LISTINGS {
                        return Err(CompactError::Restless { table: table.name.clone(), key });
                    }
                }
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
    }

    /// One batch, and whether it was the last. Only the last is judged: what earlier ones leave behind is in it.
    async fn merge_batch(
        &self,
        table: &TableId,
        lease: &mut Lease,
        expiry: Option<&Expiry>,
    ) -> Result<(Merged, bool), Stop> {
        let listing = self.bucket.list_table(table).await?.files;
        for stray in &listing.strays {
            tracing::warn!(table = %table.name, key = %stray, "object in an index table is no index file, left alone");
        }
        let (common, is_last) = self.open_batch(table, &listing.common).await?;
        let expiry = expiry.filter(|_| is_last);
        let in_common = self.tenants_in(&common).await?;
        let wanted = |tenant: &TenantId, own: &[ListedFile]| {
            expiry.is_some_and(|expiry| expiry.judge(&self.bucket, table, tenant).may_judge(own))
        };
        let work = plan::tenants(&listing, in_common.iter().cloned(), wanted);
        let mut merged = Merged { files: common.len(), tenants: work.len(), marked: 0 };
        // One tenant after the other, for the bound of memory.
        for (tenant, own) in work {
            let index = self.merge_tenant(table, &tenant, common.clone(), own).await?;
            let part = match expiry {
                Some(expiry) => self.expire(table, &tenant, index, lease, expiry).await?,
                None => Part { index, changed: false, marked: 0 },
            };
            merged.marked += part.marked;
            if !part.changed && own.len() == 1 && !in_common.contains(&tenant) {
                continue;
            }
            let object = self.pack(table, &tenant, part.index).await?;
            self.hold(table, lease).await?;
            if let Some((name, object)) = object {
                self.upload(table, &tenant, name, object).await?;
                self.hold(table, lease).await?;
            }
            self.remove(table, own.iter().map(|file| file.key.clone())).await?;
            merged.files += own.len();
        }
        self.hold(table, lease).await?;
        self.remove(table, common.iter().map(|opened| opened.key.clone())).await?;
        self.metrics.files_merged.inc_by(merged.files as u64);
        Ok((merged, is_last))
    }

    pub(crate) async fn hold(&self, table: &TableId, lease: &mut Lease) -> Result<(), CompactError> {
        if lease.holds(&self.bucket, &*self.ports.clock).await? {
            return Ok(());
        }
        Err(CompactError::LeaseLost { table: table.name.clone() })
    }

    fn merge_failed(table: &TableId, tenant: &TenantId, source: IndexError) -> CompactError {
        CompactError::Merge { table: table.name.clone(), tenant: tenant.to_string(), source }
    }

    /// All that a tenant has in these files.
    pub(crate) async fn merge_tenant(
        &self,
        table: &TableId,
        tenant: &TenantId,
        common: Arc<[Opened]>,
        own: &[ListedFile],
    ) -> Result<IndexBuilder, Stop> {
        let mut files = Vec::with_capacity(own.len());
        for listed in own {
            files.push(self.open(table, listed).await?);
        }
        let period = self.bucket.schema().period_of_table(table);
        let version = period.map_or(Version::V3, |(period, _)| period.index_version());
        let owner = tenant.clone();
        let build = move || {
            let (common, own) = (common.iter().map(|one| &*one.file), files.iter().map(|one| &*one.file));
            let mut merged = merge(version, &owner, common, own)?;
            // A series without a chunk says nothing.
            merged.retain(|_, _, _| true);
            Ok(merged)
        };
        let merged = self.ports.cpu.run(Priority::Query, build).await?;
        Ok(merged.map_err(|source| Self::merge_failed(table, tenant, source))?)
    }

    /// The file of an index and its name; `None` if there is nothing in it.
    async fn pack(
        &self,
        table: &TableId,
        tenant: &TenantId,
        index: IndexBuilder,
    ) -> Result<Option<(FileName, Bytes)>, CompactError> {
        let (bucket, table, tenant) = (self.bucket.clone(), table.clone(), tenant.clone());
        let created = self.ports.clock.now();
        let pack = move || TableBuilder::compacted(bucket.schema(), &table, &tenant, index, created);
        Ok(self.ports.cpu.run(Priority::Query, pack).await??)
    }

    /// Uploads under a name never used before.
    async fn upload(
        &self,
        table: &TableId,
        tenant: &TenantId,
        name: FileName,
        object: Bytes,
    ) -> Result<(), CompactError> {
        let mut name = name;
        while self.bucket.put_tenant_index(table, tenant, &name, object.clone()).await?.is_none() {
            name = name.later();
        }
        self.metrics.files_written.inc();
        Ok(())
    }

    async fn remove(&self, table: &TableId, keys: impl Iterator<Item = String>) -> Result<(), CompactError> {
        let removals = keys.map(|key| async move { self.bucket.delete_index(table, &key).await.map(drop) });
        let removals: Vec<_> = removals.collect();
        stream::iter(removals).buffer_unordered(self.settings.parallel_uploads.max(1)).try_collect::<()>().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
