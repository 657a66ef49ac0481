//! Lines that were deleted and are still stored. `query` never depends on `compact`: the binary plugs this in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loptr_eval::source::Deletion;
use loptr_model::TenantId;

/// Deletions of a tenant, or why they are not known.
pub type Known = Result<Arc<[Deletion]>, String>;

/// Who knows what was deleted.
pub trait Deletes: Send + Sync {
    /// What queries of `tenant` leave out. While that cannot be told, they fail: an answer would show what nobody is to
    /// see any more.
    fn of<'a>(&'a self, tenant: &'a TenantId) -> Pin<Box<dyn Future<Output = Known> + Send + 'a>>;
}

/// Nothing is ever deleted.
#[derive(Debug)]
pub(crate) struct NoDeletes;

impl Deletes for NoDeletes {
    fn of<'a>(&'a self, _: &'a TenantId) -> Pin<Box<dyn Future<Output = Known> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(Arc::default())))
    }
}
