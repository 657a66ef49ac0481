//! Whoever wants to hear of entries as they come in: tails, pattern detection.

use std::sync::{Arc, OnceLock};

use loptr_model::{Entry, Fingerprint, Labels, OwnedEntry, StreamEntries, TenantId};

/// Is told of entries once they are visible, stream by stream, on the thread of the push: it must neither wait nor work
/// for long.
pub trait Watcher: Send + Sync {
    /// Whether entries of such a stream are wanted.
    fn wants(&self, tenant: &TenantId, labels: &Labels) -> bool;
    /// Some were accepted, in this order.
    fn accepted(&self, entries: &Arc<StreamEntries>);
}

/// The watchers of the write path; none until they are set.
#[derive(Default)]
pub(crate) struct Watchers(OnceLock<Vec<Arc<dyn Watcher>>>);

impl Watchers {
    pub(crate) fn set(&self, watchers: Vec<Arc<dyn Watcher>>) {
        // Set once, at start.
        let _ = self.0.set(watchers);
    }

    /// Tells those who want it. Entries are copied once, and only if anyone does.
    pub(crate) fn tell(
        &self,
        tenant: &TenantId,
        labels: &Labels,
        fingerprint: Fingerprint,
        entries: &[Entry<'_>],
        accepted: &[usize],
    ) {
        let Some(watchers) = self.0.get().filter(|_| !accepted.is_empty()) else { return };
        let mut told: Option<Arc<StreamEntries>> = None;
        for watcher in watchers.iter().filter(|watcher| watcher.wants(tenant, labels)) {
            let batch = told.get_or_insert_with(|| {
                let owned = accepted.iter().map(|&at| OwnedEntry::from(entries[at])).collect();
                Arc::new(StreamEntries { tenant: tenant.clone(), labels: labels.clone(), fingerprint, entries: owned })
            });
            watcher.accepted(batch);
        }
    }
}
