//! Rounds over all tables.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::stream::{self, StreamExt};
use loptr_model::Nanos;
use loptr_ports::Ports;
use loptr_storage::{Bucket, IndexStore, TableId};

use crate::error::CompactError;
use crate::expiry::Expiry;
use crate::lease::Lease;
use crate::metrics::CompactMetrics;
use crate::plan;
use crate::policy::Policies;
use crate::requests::{Batch, DeleteStore, PartKey, Waiting, batch};
use crate::settings::CompactSettings;
use crate::sweep::Held;
use crate::table::Merged;

/// Compacts the tables of a bucket.
pub struct Compactor {
    pub(crate) ports: Ports,
    pub(crate) bucket: Arc<Bucket>,
    /// Told of tables that changed, so that this process reads them anew at once.
    pub(crate) index: Arc<IndexStore>,
    pub(crate) settings: CompactSettings,
    pub(crate) metrics: CompactMetrics,
    deletes: Option<Arc<DeleteStore>>,
    pub(crate) held: Option<Arc<dyn Held>>,
}

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to do.
    Idle,
    /// It was changed.
    Done,
    /// Another process has it.
    Leased,
}

impl std::fmt::Debug for Compactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compactor").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Compactor {
    /// The compactor of `bucket`; `index` is the reader of the same process.
    pub fn new(ports: Ports, bucket: Arc<Bucket>, index: Arc<IndexStore>, settings: CompactSettings) -> Self {
        Self { ports, bucket, index, settings, metrics: CompactMetrics::default(), deletes: None, held: None }
    }

    /// Carries out the requests in `deletes`.
    pub fn deleting(self, deletes: Arc<DeleteStore>) -> Self {
        Self { deletes: Some(deletes), ..self }
    }

    /// Removes no chunk that `held` knows.
    pub fn sparing(self, held: Arc<dyn Held>) -> Self {
        Self { held: Some(held), ..self }
    }

    /// What it counts.
    pub fn metrics(&self) -> &CompactMetrics {
        &self.metrics
    }

    /// Compacts all tables that need it. A table that fails does not keep the others from it; the first error is told.
    pub async fn compact(&self) -> Result<(), CompactError> {
        let began = self.ports.clock.monotonic();
        let done = self.each_table(None).await.map(drop);
        let took = Nanos(self.ports.clock.monotonic().0.saturating_sub(began.0));
        self.metrics.compaction.ended(done.is_ok(), took, self.ports.clock.now());
        done
    }

    /// Compacts all tables, takes what is past its time out of them, and carries delete requests out.
    pub async fn retain(&self, policies: Arc<dyn Policies>) -> Result<(), CompactError> {
        let began = self.ports.clock.monotonic();
        let done = self.retain_now(policies).await;
        let took = Nanos(self.ports.clock.monotonic().0.saturating_sub(began.0));
        self.metrics.retention.ended(done.is_ok(), took, self.ports.clock.now());
        done
    }

    async fn retain_now(&self, policies: Arc<dyn Policies>) -> Result<(), CompactError> {
        let mut batch = self.load_batch(&*policies).await;
        let expiry = Expiry::new(self.ports.clock.now().floor_millis(), policies, batch.shared());
        let done = self.each_table(Some(&expiry)).await;
        for (tenant, lines) in &expiry.deleted_lines {
            self.metrics.lines_deleted(tenant, lines.load(Ordering::SeqCst));
        }
        let is_whole = done? && !expiry.incomplete.load(Ordering::SeqCst);
        let mut ended = batch.past;
        if is_whole {
            ended.extend(batch.parts);
        } else if !batch.parts.is_empty() {
            tracing::warn!("delete requests are not done: not every table could be gone through");
        }
        self.end_requests(ended).await
    }

    /// The delete requests to carry out now. When they cannot be read, retention goes on without.
    async fn load_batch(&self, policies: &dyn Policies) -> Batch {
        let (Some(deletes), Some(retention)) = (&self.deletes, &self.settings.retention) else {
            return Batch::default();
        };
        let now = self.ports.clock.now();
        let cancel = i64::try_from(retention.cancel_period.as_millis()).unwrap_or(i64::MAX);
        let loaded = match deletes.all().await {
            Ok(requests) => batch(&requests, policies, cancel, retention.batch, now),
            Err(error) => Err(error.to_string()),
        };
        self.metrics.requests_loaded(loaded.is_ok());
        let loaded = loaded.unwrap_or_else(|error| {
            tracing::error!(%error, "delete requests cannot be read, none is carried out");
            Batch::default()
        });
        let Waiting { ready, oldest } = loaded.waiting;
        let age =
            oldest.map_or(0, |oldest| now.floor_millis().0.saturating_sub(oldest.0).saturating_sub(cancel) / 1000);
        self.metrics.requests_waiting(ready, age);
        loaded
    }

    async fn end_requests(&self, ended: Vec<PartKey>) -> Result<(), CompactError> {
        let Some(deletes) = self.deletes.as_ref().filter(|_| !ended.is_empty()) else { return Ok(()) };
        for (tenant, id, part) in &ended {
            tracing::info!(%tenant, request = %id, part, "delete request done");
            self.metrics.request_done(tenant);
        }
        deletes.processed(ended).await?;
        Ok(())
    }

    /// Whether no table was passed over.
    pub(crate) async fn each_table(&self, expiry: Option<&Expiry>) -> Result<bool, CompactError> {
        let all = self.bucket.list_tables().await?;
        let count = all.len();
        let tables = plan::order(all, self.bucket.schema(), self.settings.skip_latest, self.settings.tables);
        let whole = tables.len() == count;
        let passes = stream::iter(tables).map(|table| async move {
            let done = self.pass(&table, expiry).await;
            if let Err(error) = &done {
                tracing::error!(table = %table.name, %error, "index table could not be compacted");
            }
            done
        });
        let outcomes: Vec<_> = passes.buffer_unordered(self.settings.parallel_tables.max(1)).collect().await;
        Lease::clear(&self.bucket, &*self.ports.clock, &self.settings.holder).await?;
        let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(whole && !outcomes.contains(&Outcome::Leased))
    }

    /// Compacts one table, if it needs it and nobody else is at it.
    pub async fn table(&self, table: &TableId) -> Result<Outcome, CompactError> {
        self.pass(table, None).await
    }

    async fn pass(&self, table: &TableId, expiry: Option<&Expiry>) -> Result<Outcome, CompactError> {
        let listing = self.bucket.list_table(table).await?.files;
        let expires = expiry.is_some_and(|expiry| {
            let judged = |(tenant, own): (&_, &Vec<_>)| expiry.judge(&self.bucket, table, tenant).may_judge(own);
            listing.tenants.iter().any(judged)
        });
        if !expires && !plan::needs_merge(&listing) {
            self.metrics.table_done(table);
            return Ok(Outcome::Idle);
        }
        let (clock, holder) = (&*self.ports.clock, &self.settings.holder);
        let lease = Lease::take(&self.bucket, clock, table, holder, self.settings.lease).await?;
        let Some(mut lease) = lease else {
            tracing::info!(table = %table.name, "index table is leased to another process, passed over");
            self.metrics.table_skipped(table);
            return Ok(Outcome::Leased);
        };
        let began = clock.monotonic();
        let done = self.merge_table(table, &mut lease, expiry).await;
        lease.give_back(&self.bucket).await;
        // Whatever was changed before a failure.
        self.index.forget(table);
        let merged = done?;
        self.metrics.table_done(table);
        if merged.files > 0 {
            let millis = clock.monotonic().0.saturating_sub(began.0) / Nanos::PER_MILLI;
            let Merged { files, tenants, marked } = merged;
            tracing::info!(table = %table.name, files, tenants, chunks_marked = marked, millis, "index table compacted");
        }
        Ok(Outcome::Done)
    }
}
