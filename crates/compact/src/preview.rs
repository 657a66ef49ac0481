//! What the index names, and what of it a round of retention would take out now: nothing is leased, written or removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use loptr_index::IndexBuilder;
use loptr_model::{Fingerprint, Millis, TenantId};
use loptr_ports::Priority;
use loptr_storage::TableId;

use crate::compactor::Compactor;
use crate::error::CompactError;
use crate::expiry::{Expiry, end_of};
use crate::judge::{Judge, Verdict};
use crate::plan;
use crate::policy::Policies;
use crate::table::open::{Opened, Stop};

/// Chunks of a tenant's part of a table. One of two days counts in the later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// The table.
    pub table: String,
    /// Whose.
    pub tenant: TenantId,
    /// Streams they belong to.
    pub streams: usize,
    /// Chunks.
    pub chunks: u64,
    /// KiB of their lines, as the index has it.
    pub kib: u64,
    /// Their lines.
    pub lines: u64,
    /// Of the first line.
    pub oldest: Millis,
    /// Of the last line.
    pub newest: Millis,
}

impl Compactor {
    /// Calls `visit` for each tenant and table that would lose chunks now, newest table first.
    pub async fn preview(&self, policies: Arc<dyn Policies>, visit: impl FnMut(Census)) -> Result<(), CompactError> {
        let expiry = Expiry::new(self.ports.clock.now().floor_millis(), policies, Default::default());
        self.each_part(Some(&expiry), visit).await
    }

    /// Calls `visit` for each tenant and table, newest table first.
    pub async fn census(&self, visit: impl FnMut(Census)) -> Result<(), CompactError> {
        self.each_part(None, visit).await
    }

    async fn each_part(&self, expiry: Option<&Expiry>, mut visit: impl FnMut(Census)) -> Result<(), CompactError> {
        let tables = self.bucket.list_tables().await?;
        let (skip, limit) = expiry.map_or((0, 0), |_| (self.settings.skip_latest, self.settings.tables));
        for table in plan::order(tables, self.bucket.schema(), skip, limit) {
            let found = match self.look_at(&table, expiry).await {
                // A compactor is at work on it.
                Err(Stop::Gone(_)) => self.look_at(&table, expiry).await,
                found => found,
            };
            let found = found.map_err(|stop| match stop {
                Stop::Gone(key) => CompactError::Restless { table: table.name.clone(), key },
                Stop::Failed(error) => error,
            })?;
            found.into_iter().for_each(&mut visit);
        }
        Ok(())
    }

    async fn look_at(&self, table: &TableId, expiry: Option<&Expiry>) -> Result<Vec<Census>, Stop> {
        let listing = self.bucket.list_table(table).await?.files;
        let mut common: Vec<Opened> = Vec::with_capacity(listing.common.len());
        for listed in &listing.common {
            common.push(self.open(table, listed).await?);
        }
        let common: Arc<[Opened]> = common.into();
        let in_common = self.tenants_in(&common).await?;
        let work = plan::tenants(&listing, in_common, |tenant, own| {
            expiry.is_none_or(|expiry| expiry.judge(&self.bucket, table, tenant).may_judge(own))
        });
        let mut found = Vec::new();
        for (tenant, own) in work {
            let index = self.merge_tenant(table, &tenant, common.clone(), own).await?;
            let judge = expiry.map(|expiry| expiry.judge(&self.bucket, table, &tenant));
            let (name, end, mut index) = (table.name.clone(), end_of(&self.bucket, table), index);
            let look = move || count(judge.as_ref(), end, &name, &tenant, &mut index);
            found.extend(self.ports.cpu.run(Priority::Query, look).await?);
        }
        Ok(found)
    }
}

fn count(
    judge: Option<&Judge>,
    table_end: Millis,
    table: &str,
    tenant: &TenantId,
    index: &mut IndexBuilder,
) -> Option<Census> {
    let mut streams: BTreeSet<Fingerprint> = BTreeSet::new();
    let mut found: Option<Census> = None;
    index.retain(|labels, fingerprint, chunk| {
        let counts = judge.is_none_or(|judge| judge.verdict(labels, chunk) == Verdict::Expired);
        if counts && chunk.max <= table_end {
            streams.insert(fingerprint);
            let sum = found.get_or_insert_with(|| Census {
                table: table.to_owned(),
                tenant: tenant.clone(),
                streams: 0,
                chunks: 0,
                kib: 0,
                lines: 0,
                oldest: chunk.min,
                newest: chunk.max,
            });
            sum.chunks += 1;
            sum.kib += u64::from(chunk.kb);
            sum.lines += u64::from(chunk.entries);
            (sum.oldest, sum.newest) = (sum.oldest.min(chunk.min), sum.newest.max(chunk.max));
        }
        true
    });
    found.map(|found| Census { streams: streams.len(), ..found })
}
