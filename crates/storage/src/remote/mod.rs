//! Object stores on the network, opened from plain settings.
//!
//! ```text
//! S3 (one or several buckets) ─┐
//! Azure Blob Storage          ─┼─> Client (bound, storage class, hedged reads) ─> prefix ─> Store
//! Google Cloud Storage        ─┘
//! ```
//!
//! `object_store` signs, retries with jitter within [`Retries`] and keeps connections. Credentials are taken from the
//! settings or, where those name none, from where each cloud keeps them for a process (environment, web identity, instance
//! role). Nothing is asked of a store before it is used.

mod azure;
mod client;
mod gcs;
mod hedge;
mod s3;
mod spread;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use azure::{AzureCredentials, AzureSettings, Connection};
pub use gcs::GcsSettings;
pub use hedge::HedgeSettings;
use loptr_ports::{Clock, Disk};
use object_store::limit::LimitStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Attributes, BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
pub use s3::{Encryption, S3Settings};

use self::client::Client;
use self::hedge::Hedge;
use crate::metrics::{Remote, StorageMetrics};
use crate::store::{ChunkNames, Store};

/// Requests one store has under way, at most.
const REQUESTS: usize = 256;
/// No request is tried again this long after its first try.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a store's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A value is missing or wrong.
    #[error("{0}")]
    Invalid(String),
    /// A file it names cannot be read.
    #[error("{file}: {source}")]
    File {
        /// Its path.
        file: String,
        /// The disk's words.
        source: std::io::Error,
    },
    /// The client refused.
    #[error("{0}")]
    Client(#[from] object_store::Error),
}

/// Tries after the first one, and the time between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first.
    pub count: usize,
    /// Least pause.
    pub min: Duration,
    /// Longest pause.
    pub max: Duration,
}

impl Retries {
    fn config(self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig { init_backoff: self.min, max_backoff: self.max.max(self.min), base: 2.0 },
            max_retries: self.count,
            retry_timeout: RETRY_TIMEOUT,
        }
    }
}

/// How the store is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Bound of a whole request; zero: none but that of whoever asks.
    pub timeout: Duration,
    /// How long an idle connection is kept; zero: the client's default.
    pub idle: Duration,
    /// Whether any certificate is believed.
    pub any_certificate: bool,
    /// File of certificates to believe beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

impl HttpSettings {
    fn options(&self, disk: &dyn Disk) -> Result<ClientOptions, StoreError> {
        let mut options = ClientOptions::new().with_allow_http(true).with_connect_timeout(Duration::from_secs(10));
        options = match self.timeout.is_zero() {
            true => options.with_timeout_disabled().with_read_timeout(Duration::from_secs(60)),
            false => options.with_timeout(self.timeout),
        };
        if !self.idle.is_zero() {
            options = options.with_pool_idle_timeout(self.idle);
        }
        if self.any_certificate {
            options = options.with_allow_invalid_certificates(true);
        }
        if let Some(file) = &self.ca_file {
            let read = disk.read(file);
            let pem = read.map_err(|source| StoreError::File { file: file.display().to_string(), source })?;
            for certificate in Certificate::from_pem_bundle(&pem)? {
                options = options.with_root_certificate(certificate);
            }
        }
        Ok(options)
    }
}

/// Which kind of store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteKind {
    /// Amazon S3, or what speaks like it.
    S3(S3Settings),
    /// Azure Blob Storage.
    Azure(AzureSettings),
    /// Google Cloud Storage.
    Gcs(GcsSettings),
    /// Objects in this process' memory, for tests.
    Memory,
}

/// A store on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Where it is.
    pub kind: RemoteKind,
    /// Before every key; empty: nothing.
    pub prefix: String,
    /// Second requests for slow reads.
    pub hedge: Option<HedgeSettings>,
}

impl Store {
    /// Opens a store on the network, its requests counted in `metrics`. Sends nothing yet.
    pub fn remote(
        settings: &RemoteSettings,
        disk: &dyn Disk,
        clock: Arc<dyn Clock>,
        metrics: &StorageMetrics,
    ) -> Result<Self, StoreError> {
        let (objects, names) = match &settings.kind {
            RemoteKind::S3(s3) => (s3.open(disk)?, s3.chunk_names()),
            RemoteKind::Azure(azure) => (azure.open(disk)?, ChunkNames::Delimited(azure.chunk_delimiter)),
            RemoteKind::Gcs(gcs) => (gcs.open(disk)?, ChunkNames::Plain),
            RemoteKind::Memory => {
                (Arc::new(object_store::memory::InMemory::new()) as Arc<dyn ObjectStore>, ChunkNames::Plain)
            }
        };
        let attributes = match &settings.kind {
            RemoteKind::S3(s3) => s3.attributes(),
            _ => Attributes::new(),
        };
        let remote = match &settings.kind {
            RemoteKind::S3(_) => Some(Remote::S3),
            RemoteKind::Azure(_) => Some(Remote::Azure),
            RemoteKind::Gcs(_) => Some(Remote::Gcs),
            RemoteKind::Memory => None,
        };
        let meter = remote.map(|remote| metrics.requests_of(remote, clock.clone()));
        let hedge = settings.hedge.map(|hedge| Hedge::new(hedge, clock));
        let objects = Client { inner: LimitStore::new(objects, REQUESTS), attributes, hedge, meter };
        let prefix = settings.prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(Self::new(Arc::new(objects), names));
        }
        let prefix = Path::parse(prefix).map_err(|error| StoreError::Invalid(format!("object prefix: {error}")))?;
        Ok(Self::new(Arc::new(PrefixStore::new(objects, prefix)), names))
    }
}

#[cfg(test)]
mod tests;
