//! One round of retention: everybody's policies and the delete requests at one moment, and what the round finds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loptr_eval::source::Deletion;
use loptr_model::{Millis, TenantId};
use loptr_storage::{Bucket, TableId};

use crate::judge::Judge;
use crate::policy::Policies;

/// What all tables of a round share.
pub(crate) struct Expiry {
    pub(crate) now: Millis,
    pub(crate) policies: Arc<dyn Policies>,
    /// By tenant.
    pub(crate) deletions: HashMap<TenantId, Arc<[Deletion]>>,
    /// Whether some table was left before all of its chunks were judged: then no delete request is done.
    pub(crate) incomplete: AtomicBool,
    pub(crate) deleted_lines: HashMap<TenantId, AtomicU64>,
}

/// The last instant of a table's day.
pub(crate) fn end_of(bucket: &Bucket, table: &TableId) -> Millis {
    const DAY: i64 = 86_400_000;
    let day = bucket.schema().period_of_table(table).map_or(i64::MAX / DAY - 1, |(_, day)| day);
    Millis(day.saturating_add(1).saturating_mul(DAY).saturating_sub(1))
}

impl Expiry {
    pub(crate) fn new(now: Millis, policies: Arc<dyn Policies>, deletions: HashMap<TenantId, Arc<[Deletion]>>) -> Self {
        let deleted_lines = deletions.keys().map(|tenant| (tenant.clone(), AtomicU64::new(0))).collect();
        Self { now, policies, deletions, incomplete: AtomicBool::new(false), deleted_lines }
    }

    /// The judge of a tenant's part of `table`.
    pub(crate) fn judge(&self, bucket: &Bucket, table: &TableId, tenant: &TenantId) -> Judge {
        Judge {
            now: self.now,
            table_end: end_of(bucket, table),
            policy: self.policies.of(tenant),
            deletions: self.deletions.get(tenant).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn give_up(&self) {
        self.incomplete.store(true, Ordering::SeqCst);
    }

    pub(crate) fn count_lines(&self, tenant: &TenantId, lines: u64) {
        if let Some(count) = self.deleted_lines.get(tenant) {
            count.fetch_add(lines, Ordering::SeqCst);
        }
    }
}
