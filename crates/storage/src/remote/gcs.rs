//! Google Cloud Storage.

use std::sync::Arc;

use loptr_ports::Disk;
use object_store::ObjectStore;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::{HttpSettings, Retries, StoreError};

/// Where the bucket is.
#[derive(Clone, PartialEq, Eq)]
pub struct GcsSettings {
    /// Its name.
    pub bucket: String,
    /// A service account's key, JSON; none: that of the environment or the instance.
    pub service_account: Option<String>,
    /// Instead of Google's own.
    pub endpoint: Option<String>,
    /// Requests.
    pub http: HttpSettings,
    /// Tries.
    pub retries: Retries,
}

/// Without the secrets.
impl std::fmt::Debug for GcsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GcsSettings")
            .field("bucket", &self.bucket)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl GcsSettings {
    pub(super) fn open(&self, disk: &dyn Disk) -> Result<Arc<dyn ObjectStore>, StoreError> {
        if self.bucket.is_empty() {
            return Err(StoreError::Invalid("no bucket_name".to_owned()));
        }
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(&self.bucket)
            .with_retry(self.retries.config())
            .with_client_options(self.http.options(disk)?);
        if let Some(key) = &self.service_account {
            builder = builder.with_service_account_key(key);
        }
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_base_url(endpoint);
        }
        Ok(Arc::new(builder.build()?))
    }
}
