//! Delete requests, as routes and queries reach them; and what the sweep must spare.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use loptr_compact::requests::{DeleteStore, RequestError};
use loptr_compact::{CompactMetrics, DeletionMode, Held};
use loptr_ingest::Ingester;
use loptr_model::{ChunkRef, TenantId};
use loptr_query::{Deletes, Known};

use crate::limits::TenantLimits;

/// What routes need.
#[derive(Debug)]
pub(crate) struct Deleting {
    pub(crate) store: Arc<DeleteStore>,
    pub(crate) metrics: CompactMetrics,
    pub(crate) max_interval: Duration,
    pub(crate) cancel_period: Duration,
}

/// What queries leave out, by the tenant's own mode.
pub(crate) struct StoredDeletes {
    pub(crate) store: Arc<DeleteStore>,
    pub(crate) limits: Arc<TenantLimits>,
}

impl Deletes for StoredDeletes {
    fn of<'a>(&'a self, tenant: &'a TenantId) -> Pin<Box<dyn Future<Output = Known> + Send + 'a>> {
        if self.limits.lifetime(tenant).deletion == DeletionMode::Disabled {
            return Box::pin(std::future::ready(Ok(Arc::default())));
        }
        Box::pin(self.store.deletions(tenant))
    }
}

/// What memory still tells queries of.
pub(crate) struct PendingChunks(pub(crate) Arc<Ingester>);

impl Held for PendingChunks {
    fn leave_held(&self, tenant: &TenantId, chunks: &mut HashSet<ChunkRef>) {
        self.0.leave_pending(tenant, chunks);
    }
}

/// Reads the requests before anybody asks. What can never be read stops the start; a store that is down does not: queries
/// fail until it answers.
pub(crate) async fn load(store: &DeleteStore) -> Result<(), RequestError> {
    match store.load().await {
        Err(error @ RequestError::Storage(_)) => {
            tracing::error!(%error, "delete requests cannot be read yet, queries fail until they can");
            Ok(())
        }
        loaded => loaded,
    }
}
