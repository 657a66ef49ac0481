//! The process: services put together, started in order, stopped in the opposite one.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loptr_chunk::Chunk;
use loptr_config::Config;
use loptr_ingest::{IngestError, Ingester, TakeoverError, TakeoverMetrics, take_over};
use loptr_model::{Millis, Nanos, TenantId, TimeRange};
use loptr_ports::{Disk, Ports, TaskError, TaskHandle};
use loptr_query::{QueryEngine, Recent, RecentChunk, RecentSizes, RecentStream};
use loptr_regex::LabelMatcher;
use loptr_storage::{Bucket, DiskStore, IndexStore, IndexedStream};
use tokio_util::sync::CancellationToken;

use crate::http::{App, TenantLimits, router};
use crate::metrics::Metrics;
use crate::serve::serve;
use crate::settings::Settings;

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The object store's folder cannot be used.
    #[error("object store in {dir}: {source}")]
    Store {
        /// The folder.
        dir: String,
        /// The disk's words.
        source: std::io::Error,
    },
    /// A task did not end well.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// What upstream left cannot be taken over.
    #[error(transparent)]
    Takeover(#[from] TakeoverError),
    /// The write path did not start.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The network's words.
        source: std::io::Error,
    },
}

/// A running process.
pub struct Process {
    app: Arc<App>,
    stop: CancellationToken,
    server: TaskHandle,
    address: SocketAddr,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The write path as the read path asks it.
struct RecentIngester(Arc<Ingester>);

impl Recent for RecentIngester {
    fn streams(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentStream> {
        let streams = self.0.streams(tenant, matchers).into_iter();
        let streams = streams.map(|stream| RecentStream {
            labels: stream.labels.clone(),
            fingerprint: stream.fingerprint,
            chunks: stream.snapshot(range),
        });
        streams.filter(|stream: &RecentStream| !<Vec<Chunk>>::is_empty(&stream.chunks)).collect()
    }

    fn sizes(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentSizes> {
        let streams = self.0.streams(tenant, matchers).into_iter();
        let streams = streams.map(|stream| RecentSizes {
            labels: stream.labels.clone(),
            fingerprint: stream.fingerprint,
            chunks: stream
                .chunk_sizes(range)
                .into_iter()
                .map(|(min, max, bytes, entries)| RecentChunk { min, max, bytes, entries })
                .collect(),
        });
        streams.filter(|stream| !stream.chunks.is_empty()).collect()
    }

    fn pending(
        &self,
        tenant: &TenantId,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Vec<IndexedStream> {
        self.0.pending_streams(tenant, matchers, from, through)
    }
}

/// The name under which this process uploads index files: kept in the folder, made once.
fn uploader_name(disk: &dyn Disk, dir: &Path, host: &str, now: Nanos) -> std::io::Result<String> {
    let folder = dir.join("uploader");
    let file = folder.join("name");
    if let Ok(bytes) = disk.read(&file)
        && let Ok(name) = String::from_utf8(bytes)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let name = format!("{host}-{}", now.0);
    disk.create_dir_all(&folder)?;
    disk.write_atomic(&file, name.as_bytes())?;
    Ok(name)
}

/// What is opened before anything else.
pub(crate) struct Folders {
    pub(crate) store: DiskStore,
    pub(crate) uploader: String,
}

/// Opens the folders.
pub(crate) async fn open_folders(ports: &Ports, settings: &Settings, host: &str) -> Result<Folders, StartError> {
    let (disk, spawner) = (ports.disk.clone(), ports.spawner.clone());
    let (chunks_dir, index_dir) = (settings.chunks_dir.clone(), settings.active_index_dir.clone());
    let (host, now) = (host.to_owned(), ports.clock.now());
    let failed = |dir: &Path, source| StartError::Store { dir: dir.display().to_string(), source };
    let open = move || {
        let store = DiskStore::open(disk.clone(), spawner, chunks_dir.clone());
        let store = store.map_err(|source| failed(&chunks_dir, source))?;
        let uploader = uploader_name(&*disk, &index_dir, &host, now).map_err(|source| failed(&index_dir, source))?;
        Ok::<_, StartError>(Folders { store, uploader })
    };
    ports.spawner.run_blocking("open folders", open).await?
}

impl Process {
    /// Starts everything; returns once it is ready. `config` is shown at `/config`.
    pub async fn start(
        ports: Ports,
        mut settings: Settings,
        config: Option<Config>,
        host: &str,
    ) -> Result<Self, StartError> {
        let Folders { store, uploader } = open_folders(&ports, &settings, host).await?;
        settings.ingest.uploader = uploader;
        let schema = Arc::new(settings.schema.clone());
        let bucket = Arc::new(Bucket::on_disk(store.clone(), schema.clone()));
        let index = Arc::new(IndexStore::new(
            Arc::new(store),
            schema,
            ports.clock.clone(),
            ports.cpu.clone(),
            settings.index_cache,
        ));
        let takeover = TakeoverMetrics::default();
        take_over(&ports, &settings.takeover, &settings.ingest, &bucket, &takeover).await?;
        let ingester = Ingester::start(ports.clone(), settings.ingest.clone(), bucket.clone(), index.clone()).await?;
        let recent = Arc::new(RecentIngester(ingester.clone()));
        let engine = Arc::new(QueryEngine::new(ports.clone(), bucket, index.clone(), recent, settings.query.clone()));
        let listener = ports.network.listen(&settings.http_address).await;
        let listener =
            listener.map_err(|source| StartError::Listen { address: settings.http_address.clone(), source })?;
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: settings.http_address.clone(), source })?;
        let metrics = Metrics::new(&ingester, &takeover);
        let app = Arc::new(App {
            ports: ports.clone(),
            limits: TenantLimits::new(&settings),
            settings,
            config,
            ingester,
            engine,
            index,
            metrics,
            stopping: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        let serving = serve(
            listener,
            router(app.clone()),
            app.settings.serve,
            ports.clock.clone(),
            ports.spawner.clone(),
            stop.clone(),
        );
        let server = ports.spawner.spawn("http server", Box::pin(serving));
        tracing::info!(%address, "Loptr started");
        Ok(Self { app, stop, server, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: not ready, a delay if configured, no more requests, then the write path.
    pub async fn stop(self) {
        self.app.stopping.store(true, Ordering::Relaxed);
        if self.app.settings.shutdown_delay > Duration::ZERO {
            self.app.ports.clock.sleep(self.app.settings.shutdown_delay).await;
        }
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "server task failed");
        }
        self.app.ingester.stop().await;
        tracing::info!("Loptr stopped");
    }
}
