//! Removes marked chunks, once they have waited long enough and no index names them.
//!
//! A marked chunk may be named all the same: a crash came between mark and index, another table still names it, or an
//! upstream compactor brought it back. It is left alone then; the next round of retention marks it anew. While the tables
//! that could name a chunk are looked at and until it is removed, this process holds their leases, so that no compactor of
//! ours can bring it back in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;

use futures::stream::{self, StreamExt};
use loptr_index::IndexFile;
use loptr_model::{ChunkRef, Nanos, TenantId};
use loptr_ports::Priority;
use loptr_storage::TableId;

use crate::compactor::Compactor;
use crate::error::CompactError;
use crate::judge::reference;
use crate::lease::Lease;
use crate::marks;
use crate::settings::RetentionSettings;
use crate::table::open::Stop;

type Marked = BTreeMap<TenantId, Vec<ChunkRef>>;

/// Chunks that readers of this process know beside the index, as those that were flushed just now.
pub trait Held: Send + Sync {
    /// Takes those out of `chunks`: they are not removed yet.
    fn leave_held(&self, tenant: &TenantId, chunks: &mut HashSet<ChunkRef>);
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Chunks removed.
    pub removed: usize,
    /// Marked chunks that an index names.
    pub named: usize,
    /// Times a mark waits: a table it needs is leased to another process, or a reader still knows a chunk of it.
    pub waiting: usize,
}

impl Compactor {
    /// Goes through the marks that are old enough.
    pub async fn sweep(&self) -> Result<Swept, CompactError> {
        let Some(retention) = &self.settings.retention else { return Ok(Swept::default()) };
        let mut swept = Swept::default();
        for store in 0..self.bucket.store_count() {
            let delay = i64::try_from(retention.delete_delay.as_nanos()).unwrap_or(i64::MAX);
            let until = self.ports.clock.now().saturating_sub(delay);
            let names = self.bucket.list_own(store, marks::DIR).await?;
            let due: Vec<&String> =
                names.iter().filter(|name| marks::time_of(name).is_some_and(|at| at <= until)).collect();
            self.metrics.marks_due(store, due.len());
            for name in due {
                self.metrics.sweeping(store, marks::time_of(name).unwrap_or_default());
                self.sweep_mark(store, name, retention, &mut swept).await?;
            }
            self.metrics.marks_due(store, 0);
        }
        Ok(swept)
    }

    async fn sweep_mark(
        &self,
        store: usize,
        name: &str,
        retention: &RetentionSettings,
        swept: &mut Swept,
    ) -> Result<(), CompactError> {
        let Some(body) = self.bucket.get_own(store, name).await? else { return Ok(()) };
        let chunks = match marks::decode(&body) {
            Ok(chunks) => chunks,
            Err(error) => {
                tracing::error!(mark = %name, %error, "mark cannot be read and is left where it is: its chunks stay");
                return Ok(());
            }
        };
        let mut tables = BTreeSet::new();
        let mut marked = Marked::new();
        for (tenant, chunk) in chunks {
            tables.extend(self.bucket.schema().tables_of(chunk.from, chunk.through));
            marked.entry(tenant).or_default().push(chunk);
        }
        let mut leases = Vec::new();
        let free = self.lease_all(&tables, &mut leases).await;
        let done = match free {
            Ok(true) => self.sweep_chunks(&tables, &mut leases, marked, retention, swept).await,
            Ok(false) => {
                swept.waiting += 1;
                Ok(false)
            }
            Err(error) => Err(error),
        };
        for (_, lease) in leases {
            lease.give_back(&self.bucket).await;
        }
        if done? {
            self.bucket.delete_own(store, name).await?;
            self.metrics.mark_done(store);
        }
        Ok(())
    }

    /// Leases the tables; `false` if another process has one.
    async fn lease_all(
        &self,
        tables: &BTreeSet<TableId>,
        leases: &mut Vec<(TableId, Lease)>,
    ) -> Result<bool, CompactError> {
        for table in tables {
            let (clock, holder) = (&*self.ports.clock, &self.settings.holder);
            match Lease::take(&self.bucket, clock, table, holder, self.settings.lease).await? {
                Some(lease) => leases.push((table.clone(), lease)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Removes what no index names; whether all of it is gone or named.
    async fn sweep_chunks(
        &self,
        tables: &BTreeSet<TableId>,
        leases: &mut [(TableId, Lease)],
        marked: Marked,
        retention: &RetentionSettings,
        swept: &mut Swept,
    ) -> Result<bool, CompactError> {
        let mut whole = true;
        for (tenant, chunks) in marked {
            let mut wanted: HashSet<ChunkRef> = chunks.into_iter().collect();
            let before = wanted.len();
            for table in tables {
                self.leave_named(table, &tenant, &mut wanted).await?;
            }
            swept.named += before - wanted.len();
            let unheld = wanted.len();
            if let Some(held) = &self.held {
                held.leave_held(&tenant, &mut wanted);
            }
            if wanted.len() < unheld {
                swept.waiting += 1;
                whole = false;
            }
            for (table, lease) in leases.iter_mut() {
                self.hold(table, lease).await?;
            }
            let removals = wanted.into_iter().map(|chunk| self.remove_chunk(&tenant, chunk));
            let removals: Vec<_> = removals.collect();
            let mut removals = stream::iter(removals).buffer_unordered(retention.delete_workers.max(1));
            while let Some(gone) = removals.next().await {
                whole &= gone;
                swept.removed += usize::from(gone);
            }
        }
        Ok(whole)
    }

    /// Whether the chunk is gone now.
    async fn remove_chunk(&self, tenant: &TenantId, chunk: ChunkRef) -> bool {
        let began = self.ports.clock.monotonic();
        let removed = self.bucket.delete_chunk(tenant, &chunk).await;
        let status = match &removed {
            Ok(true) => "success",
            Ok(false) => "notfound",
            Err(error) => {
                tracing::warn!(%error, %tenant, "marked chunk could not be removed, it is tried again");
                "failure"
            }
        };
        self.metrics.chunk_removed(status, Nanos(self.ports.clock.monotonic().0.saturating_sub(began.0)));
        removed.is_ok()
    }

    /// Takes out of `wanted` what an index of the table names.
    async fn leave_named(
        &self,
        table: &TableId,
        tenant: &TenantId,
        wanted: &mut HashSet<ChunkRef>,
    ) -> Result<(), CompactError> {
        const LISTINGS: usize = 4;
        let mut gone = String::new();
        'listing: for _ in 0..LISTINGS {
            let listing = self.bucket.list_table(table).await?.files;
            for (listed, is_common) in listing
                .common
                .iter()
                .map(|file| (file, true))
                .chain(listing.own(tenant).iter().map(|file| (file, false)))
            {
                match self.open(table, listed).await {
                    Ok(opened) => {
                        let (owner, mut left) = (tenant.clone(), std::mem::take(wanted));
                        let look = move || {
                            let done = leave_named(&opened.file, is_common.then_some(&owner), &mut left);
                            (left, done)
                        };
                        let (left, done) = self.ports.cpu.run(Priority::Query, look).await?;
                        *wanted = left;
                        let failed = |source| loptr_storage::StorageError::Index { key: listed.key.clone(), source };
                        done.map_err(failed)?;
                    }
                    Err(Stop::Gone(key)) => {
                        gone = key;
                        continue 'listing;
                    }
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            return Ok(());
        }
        Err(CompactError::Restless { table: table.name.clone(), key: gone })
    }
}

fn leave_named(
    file: &IndexFile,
    tenant: Option<&TenantId>,
    wanted: &mut HashSet<ChunkRef>,
) -> Result<(), loptr_index::IndexError> {
    let view = tenant.map_or_else(|| file.view(), |tenant| file.tenant_view(tenant));
    view.select(&[], None, |series| {
        for chunk in series.all_chunks()? {
            wanted.remove(&reference(series.fingerprint(), &chunk?));
        }
        Ok(if wanted.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}
