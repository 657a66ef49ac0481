//! The runtime configuration: read at start, where a fault ends the process, and again every period, where a fault is
//! logged and everything stays as it was.
//!
//! A round reads all files; when none has changed since the round that was taken over last, it is done. Files named
//! `*.gz` are unpacked.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use loptr_config::{Config, Runtime, RuntimeFile};
use loptr_ports::{Disk, Ports, TaskHandle};
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::limits::TenantLimits;

/// Bytes of a file once unpacked; YAML itself is bounded lower.
const UNPACKED_BYTES: u64 = 32 << 20;

/// Why the runtime configuration cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file cannot be read.
    #[error("failed to load runtime config: read file {}: {source}", loptr_model::go_quote(.path))]
    Read {
        /// The file.
        path: String,
        /// The disk's words.
        source: std::io::Error,
    },
    /// Its content is refused.
    #[error("failed to load runtime config: load file: {0}")]
    Load(String),
}

/// What was taken over last.
#[derive(Debug, Default)]
struct Taken {
    /// SHA-256 of the files, in hexadecimal digits; empty before the first.
    hash: String,
    runtime: Arc<Runtime>,
}

/// The runtime configuration in use.
#[derive(Debug)]
pub(crate) struct RuntimeConfig {
    files: Vec<PathBuf>,
    period: Duration,
    taken: RwLock<Taken>,
    succeeded: AtomicBool,
}

impl RuntimeConfig {
    /// What `config` names, nothing read yet.
    pub(crate) fn new(config: Option<&Config>) -> Self {
        let (files, period) = config.map(Config::runtime_files).unwrap_or_default();
        let files = files.iter().map(|file| PathBuf::from(file.trim())).collect();
        Self { files, period, taken: RwLock::default(), succeeded: AtomicBool::new(false) }
    }

    /// Whether any file is named.
    pub(crate) fn is_on(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether the last round succeeded.
    pub(crate) fn succeeded(&self) -> bool {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Hash of what is in use.
    pub(crate) fn hash(&self) -> String {
        self.taken.read().hash.clone()
    }

    /// What is in use.
    pub(crate) fn current(&self) -> Arc<Runtime> {
        self.taken.read().runtime.clone()
    }

    /// One round. On a fault nothing changes but [`RuntimeConfig::succeeded`].
    pub(crate) async fn load(&self, ports: &Ports, config: &Config, limits: &TenantLimits) -> Result<(), RuntimeError> {
        let loaded = self.try_load(ports, config, limits).await;
        self.succeeded.store(loaded.is_ok(), Ordering::Relaxed);
        loaded
    }

    async fn try_load(&self, ports: &Ports, config: &Config, limits: &TenantLimits) -> Result<(), RuntimeError> {
        let (disk, files) = (ports.disk.clone(), self.files.clone());
        let read = move || files.iter().map(|file| read(&*disk, file)).collect::<Result<Vec<_>, _>>();
        let failed = |error: loptr_ports::TaskError| RuntimeError::Load(error.to_string());
        let texts = ports.spawner.run_blocking("read runtime config", read).await.map_err(failed)??;
        let hash = hash(&texts);
        if hash == self.taken.read().hash {
            return Ok(());
        }
        let named: Vec<RuntimeFile<'_>> =
            texts.iter().map(|(name, bytes)| RuntimeFile { name, bytes: bytes.as_slice() }).collect();
        let runtime = config.runtime(&named).map_err(RuntimeError::Load)?;
        limits.replace(&runtime).map_err(|error| RuntimeError::Load(error.to_string()))?;
        for notice in &runtime.notices {
            tracing::warn!("{notice}");
        }
        tracing::info!(hash, tenants = runtime.overrides.len(), "runtime config loaded");
        *self.taken.write() = Taken { hash, runtime: Arc::new(runtime) };
        Ok(())
    }

    /// Loads again every period until `stop`.
    pub(crate) fn keep_loading(
        self: Arc<Self>,
        ports: &Ports,
        config: Config,
        limits: Arc<TenantLimits>,
        stop: CancellationToken,
    ) -> TaskHandle {
        let task_ports = ports.clone();
        let period = self.period.max(Duration::from_millis(100));
        let task = async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = task_ports.clock.sleep(period) => {}
                }
                if let Err(error) = self.load(&task_ports, &config, &limits).await {
                    tracing::error!(err = %error, "failed to load config: the last good runtime config stays in use");
                }
            }
        };
        ports.spawner.spawn("runtime config", Box::pin(task))
    }
}

fn read(disk: &dyn Disk, file: &Path) -> Result<(String, Vec<u8>), RuntimeError> {
    let path = file.display().to_string();
    let unpack = |bytes: Vec<u8>| {
        if file.extension().is_none_or(|extension| extension != "gz") {
            return Ok(bytes);
        }
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).take(UNPACKED_BYTES).read_to_end(&mut unpacked)?;
        Ok(unpacked)
    };
    match disk.read(file).and_then(unpack) {
        Ok(bytes) => Ok((path, bytes)),
        Err(source) => Err(RuntimeError::Read { path, source }),
    }
}

fn hash(texts: &[(String, Vec<u8>)]) -> String {
    let mut context = Context::new(&SHA256);
    for (_, bytes) in texts {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
