//! The process: services put together, started in order, stopped in the opposite one.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loptr_chunk::Chunk;
use loptr_compact::Compactor;
use loptr_compact::lease::Holder;
use loptr_compact::requests::{DeleteStore, RequestError};
use loptr_config::Config;
use loptr_ingest::{IngestError, Ingester, TakeoverError, TakeoverMetrics, Watcher, give_up_reserve, take_over};
use loptr_model::{Labels, Millis, Nanos, StreamEntries, TenantId, TimeRange};
use loptr_ports::{Clock, Disk, DiskLock, Ports, TaskError, TaskHandle};
use loptr_query::{QueryEngine, Recent, RecentChunk, RecentSizes, RecentStream, Tails};
use loptr_regex::LabelMatcher;
use loptr_storage::{
    Bucket, ChunkCache, DiskStore, IndexStore, IndexedStream, Spool, StorageMetrics, Store, StoreError,
};
use tokio_util::sync::CancellationToken;

use crate::deletes::{self, Deleting, PendingChunks, StoredDeletes};
use crate::http::ring::Instance;
use crate::http::{App, router};
use crate::limits::TenantLimits;
use crate::lost_tables::{LostTables, check_tables};
use crate::metrics::Metrics;
use crate::metrics::requests::{Inner, RequestMetrics};
use crate::patterns::Patterns;
use crate::runtime::{RuntimeConfig, RuntimeError};
use crate::serve::serve;
use crate::settings::{Settings, StoreSettings};
use crate::shutdown::Shutdown;
use crate::tls::{Tls, TlsError};
use crate::waiting;

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
    /// A store on the network cannot be used as it is described.
    #[error("object store: {0}")]
    Remote(#[from] StoreError),
    /// Another process works on the folder.
    #[error("folder {dir} cannot be used: {source}; two processes on one folder would destroy each other's data")]
    Locked {
        /// The folder.
        dir: String,
        /// Who holds it, or why it cannot be locked.
        source: std::io::Error,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The runtime configuration cannot be read.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Index tables that no period reaches.
    #[error(transparent)]
    LostTables(#[from] LostTables),
    /// Delete requests that cannot be read: what they delete would be shown.
    #[error(transparent)]
    Deletes(#[from] RequestError),
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
    learning: Option<TaskHandle>,
    compacting: Vec<TaskHandle>,
    reloading: Vec<TaskHandle>,
    address: SocketAddr,
    _lock: Box<dyn DiskLock>,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("address", &self.address).finish_non_exhaustive()
    }
}

/// The write path as the read path asks it.
struct RecentIngester {
    ingester: Arc<Ingester>,
    clock: Arc<dyn Clock>,
    requests: RequestMetrics,
}

impl RecentIngester {
    fn time<T>(&self, call: Inner, work: impl FnOnce() -> T) -> T {
        let began = self.clock.monotonic();
        let done = work();
        let secs = (self.clock.monotonic().0 - began.0) as f64 / 1e9;
        self.requests.observe_inner(call, true, secs);
        done
    }
}

impl Recent for RecentIngester {
    fn partial<'a>(
        &'a self,
        tenant: &'a TenantId,
        range: TimeRange,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(self.ingester.partial(tenant, range))
    }

    fn streams(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentStream> {
        self.time(Inner::Query, || {
            let streams = self.ingester.streams(tenant, matchers).into_iter();
            let streams = streams.map(|stream| RecentStream {
                labels: stream.labels.clone(),
                fingerprint: stream.fingerprint,
                chunks: stream.snapshot(range),
            });
            streams.filter(|stream: &RecentStream| !<Vec<Chunk>>::is_empty(&stream.chunks)).collect()
        })
    }

    fn sizes(&self, tenant: &TenantId, matchers: &[LabelMatcher], range: TimeRange) -> Vec<RecentSizes> {
        self.time(Inner::Series, || {
            let streams = self.ingester.streams(tenant, matchers).into_iter();
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
        })
    }

    fn pending(
        &self,
        tenant: &TenantId,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Vec<IndexedStream> {
        self.time(Inner::ChunkIds, || self.ingester.pending_streams(tenant, matchers, from, through))
    }

    fn bytes(&self, tenant: &TenantId, range: TimeRange) -> u64 {
        self.ingester.unindexed_bytes(tenant, range)
    }
}

/// Tails hear of accepted entries.
struct TailWatcher(Arc<Tails>);

impl Watcher for TailWatcher {
    fn wants(&self, tenant: &TenantId, labels: &Labels) -> bool {
        self.0.wants(tenant, labels)
    }

    fn accepted(&self, entries: &Arc<StreamEntries>) {
        self.0.accepted(entries);
    }
}

/// So does pattern detection.
struct PatternWatcher(Arc<Patterns>);

impl Watcher for PatternWatcher {
    fn wants(&self, _: &TenantId, labels: &Labels) -> bool {
        self.0.wants(labels)
    }

    fn accepted(&self, entries: &Arc<StreamEntries>) {
        self.0.accepted(entries);
    }
}

/// The name under which this process uploads index files: kept in the folder, made once. When it cannot be kept, this
/// life has a name of its own: what counts is that no two processes share one.
fn uploader_name(disk: &dyn Disk, dir: &Path, host: &str, now: Nanos) -> String {
    let folder = dir.join("uploader");
    let file = folder.join("name");
    if let Ok(bytes) = disk.read(&file)
        && let Ok(name) = String::from_utf8(bytes)
        && !name.trim().is_empty()
    {
        return name.trim().to_owned();
    }
    let name = format!("{host}-{}", now.0);
    let kept = disk.create_dir_all(&folder).and_then(|()| disk.write_atomic(&file, name.as_bytes()));
    if let Err(error) = kept {
        tracing::warn!(%error, file = %file.display(), "the name for index uploads could not be kept, this life uses one of its own");
    }
    name
}

/// What is opened before anything else.
pub(crate) struct Folders {
    pub(crate) lock: Box<dyn DiskLock>,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) index: Arc<IndexStore>,
    pub(crate) storage: StorageMetrics,
    /// Before stores on the network, if there is one.
    pub(crate) cache: Option<Arc<ChunkCache>>,
    pub(crate) shutdown: Shutdown,
    pub(crate) uploader: String,
}

/// Does `work`; if the disk is full, once more without the log's reserve.
fn with_reserve<T>(
    disk: &dyn Disk,
    log_dir: Option<&Path>,
    work: impl Fn() -> std::io::Result<T>,
) -> std::io::Result<T> {
    match work() {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            let gave_up = log_dir.is_some_and(|dir| give_up_reserve(disk, dir));
            if gave_up { work() } else { Err(error) }
        }
        done => done,
    }
}

fn open_store(
    ports: &Ports,
    store: &StoreSettings,
    log_dir: Option<&Path>,
    metrics: &StorageMetrics,
) -> Result<Store, StartError> {
    match store {
        StoreSettings::Filesystem(dir) => {
            let open = || DiskStore::open(ports.disk.clone(), ports.spawner.clone(), dir.clone());
            let failed = |source| StartError::Store { dir: dir.display().to_string(), source };
            with_reserve(&*ports.disk, log_dir, open).map(Store::on_disk).map_err(failed)
        }
        StoreSettings::Remote(remote) => Ok(Store::remote(remote, &*ports.disk, ports.clock.clone(), metrics)?),
    }
}

/// The cache of chunks, where a store is on the network.
fn chunk_cache(ports: &Ports, settings: &Settings, metrics: &StorageMetrics) -> Option<Arc<ChunkCache>> {
    let is_remote = |store: &StoreSettings| matches!(store, StoreSettings::Remote(_));
    if !settings.stores.iter().any(is_remote) {
        return None;
    }
    if let Some(unused) = &settings.chunk_cache_unused {
        tracing::warn!("{unused}");
    }
    let (clock, cpu, network) = (ports.clock.clone(), ports.cpu.clone(), ports.network.clone());
    Some(Arc::new(ChunkCache::new(&settings.chunk_cache, &metrics.caches, clock, cpu, network)))
}

/// Locks the folder and opens the others.
pub(crate) fn open_folders(ports: &Ports, settings: &Settings, host: &str) -> Result<Folders, StartError> {
    let disk = &ports.disk;
    let log_dir = settings.ingest.log.as_ref().map(|log| log.dir.as_path());
    let own_dir = log_dir.unwrap_or(&settings.active_index_dir);
    let lock = || {
        disk.create_dir_all(own_dir)?;
        disk.lock(&own_dir.join("lock"))
    };
    let lock = with_reserve(&**disk, log_dir, lock)
        .map_err(|source| StartError::Locked { dir: own_dir.display().to_string(), source })?;
    let storage = StorageMetrics::new(&settings.bucket_name());
    let stores = settings.stores.iter().map(|store| open_store(ports, store, log_dir, &storage));
    let stores = stores.collect::<Result<Vec<_>, _>>()?;
    let uploader = uploader_name(&**disk, &settings.active_index_dir, host, ports.clock.now());
    let spool = match log_dir {
        Some(log_dir) => {
            let dir = log_dir.join("spool");
            let open = || Spool::open(disk.clone(), ports.spawner.clone(), dir.clone());
            let spool = with_reserve(&**disk, Some(log_dir), open);
            Some(Arc::new(spool.map_err(|source| StartError::Store { dir: dir.display().to_string(), source })?))
        }
        None => None,
    };
    let schema = Arc::new(settings.schema.clone());
    let mut bucket = Bucket::new(stores, schema, spool).metered(ports.clock.clone(), storage.clone());
    let cache = chunk_cache(ports, settings, &storage);
    if let Some(cache) = &cache {
        bucket = bucket.cached(cache.clone());
    }
    let index = IndexStore::new(&bucket, ports.clock.clone(), ports.cpu.clone(), settings.index_cache);
    let (bucket, index) = (Arc::new(bucket), Arc::new(index.metered(storage.clone())));
    let shutdown = Shutdown::new(&**disk, settings.shutdown_marker_dir.as_deref());
    Ok(Folders { lock, bucket, index, storage, cache, shutdown, uploader })
}

impl Process {
    /// Starts everything; returns once it is ready. `config` is shown at `/config`.
    pub async fn start(
        ports: Ports,
        mut settings: Settings,
        config: Option<Config>,
        host: &str,
    ) -> Result<Self, StartError> {
        let limits = Arc::new(TenantLimits::new(&settings));
        let runtime = Arc::new(RuntimeConfig::new(config.as_ref()));
        if let (Some(config), true) = (&config, runtime.is_on()) {
            runtime.load(&ports, config, &limits).await?;
        }
        let tls = match settings.tls.take() {
            Some(settings) => Some(Arc::new(Tls::load(settings, &ports).await?)),
            None => None,
        };
        let (opening, name) = ((ports.clone(), settings.clone()), host.to_owned());
        let open = move || open_folders(&opening.0, &opening.1, &name);
        let Folders { lock, bucket, index, storage, cache, shutdown, uploader } =
            ports.spawner.run_blocking("open folders", open).await??;
        settings.compact.holder = Holder { name: uploader.clone(), life: ports.clock.now().0 };
        settings.ingest.uploader = uploader;
        check_tables(&index, settings.refuse_lost_tables).await?;
        let takeover = TakeoverMetrics::default();
        let listener = ports.network.listen(&settings.http_address).await;
        let listener =
            listener.map_err(|source| StartError::Listen { address: settings.http_address.clone(), source })?;
        tokio::select! {
            biased;
            taken = take_over(&ports, &settings.takeover, &settings.ingest, &bucket, &takeover) => drop(taken?),
            never = waiting::answer(&*listener, &takeover, tls.as_deref(), settings.serve.header_timeout, &*ports.clock) => match never {},
        }
        let ingester = Ingester::start(ports.clone(), settings.ingest.clone(), bucket.clone(), index.clone()).await?;
        let requests = RequestMetrics::new();
        let recent = Arc::new(RecentIngester {
            ingester: ingester.clone(),
            clock: ports.clock.clone(),
            requests: requests.clone(),
        });
        let mut compactor = Compactor::new(ports.clone(), bucket.clone(), index.clone(), settings.compact.clone());
        let mut engine = QueryEngine::new(ports.clone(), bucket.clone(), index.clone(), recent, settings.query.clone());
        let mut deleting = None;
        if let (Some(requests), Some(retention)) = (&settings.delete_requests, &settings.compact.retention) {
            let store = Arc::new(DeleteStore::new(ports.clone(), bucket, requests.clone()));
            deletes::load(&store).await?;
            engine = engine.without_deleted(Arc::new(StoredDeletes { store: store.clone(), limits: limits.clone() }));
            deleting = Some(Deleting {
                store: store.clone(),
                metrics: compactor.metrics().clone(),
                max_interval: settings.delete_max_interval,
                cancel_period: retention.cancel_period,
            });
            compactor = compactor.deleting(store).sparing(Arc::new(PendingChunks(ingester.clone())));
        }
        let engine = Arc::new(engine);
        let address = listener
            .local_addr()
            .map_err(|source| StartError::Listen { address: settings.http_address.clone(), source })?;
        let stop = CancellationToken::new();
        let tails = Tails::new(ports.clone(), engine.clone(), settings.tails.clone(), stop.clone());
        let patterns =
            settings.patterns.enabled.then(|| Patterns::new(ports.clone(), settings.patterns.clone(), limits.clone()));
        let mut watchers: Vec<Arc<dyn Watcher>> = vec![Arc::new(TailWatcher(tails.clone()))];
        let mut learning = None;
        if let Some(patterns) = &patterns {
            watchers.push(Arc::new(PatternWatcher(patterns.clone())));
            learning = Some(patterns.start(ingester.clone(), stop.clone()));
        }
        ingester.watch(watchers);
        let metrics = Metrics::new(&ingester, &takeover, &storage, compactor.metrics(), requests);
        let compacting = Arc::new(compactor).start(limits.clone(), stop.clone());
        let instance = Instance { name: host.to_owned(), address: address.to_string(), since: ports.clock.now() };
        let app = Arc::new(App {
            ports: ports.clone(),
            limits,
            runtime,
            settings,
            config,
            ingester,
            engine,
            index,
            metrics,
            tails,
            deleting,
            patterns,
            stop: stop.clone(),
            stopping: AtomicBool::new(false),
            tls,
            shutdown,
            refusals: Default::default(),
            instance,
        });
        let mut reloading = Vec::new();
        reloading.extend(cache.and_then(|cache| cache.start(&*ports.spawner, stop.clone())));
        if let (Some(config), true) = (&app.config, app.runtime.is_on()) {
            let (runtime, limits) = (app.runtime.clone(), app.limits.clone());
            reloading.push(runtime.keep_loading(&ports, config.clone(), limits, stop.clone()));
        }
        reloading.extend(app.tls.clone().map(|tls| tls.keep_loading(&ports, stop.clone())));
        let serving = serve(
            listener,
            router(app.clone()),
            app.settings.serve,
            app.tls.clone(),
            ports.clock.clone(),
            ports.spawner.clone(),
            stop.clone(),
        );
        let server = ports.spawner.spawn("http server", Box::pin(serving));
        tracing::info!(%address, "Loptr started");
        Ok(Self { app, stop, server, learning, compacting, reloading, address, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Completes when a request has asked for the process to end.
    pub async fn asked_to_end(&self) {
        self.app.shutdown.terminate.cancelled().await;
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
        let app = self.app.clone();
        tails_ended(&app).await;
        if let Some(learning) = self.learning
            && let Err(error) = learning.await
        {
            tracing::error!(%error, "pattern detection failed");
        }
        for compacting in self.compacting {
            if let Err(error) = compacting.await {
                tracing::error!(%error, "compaction failed");
            }
        }
        for reloading in self.reloading {
            if let Err(error) = reloading.await {
                tracing::error!(%error, "a task in the background failed");
            }
        }
        self.app.shutdown.is_stopping.store(true, Ordering::SeqCst);
        self.app.ingester.stop(self.app.shutdown.flush()).await;
        self.app.forget_marker().await;
        if self.app.settings.final_sleep > Duration::ZERO {
            self.app.ports.clock.sleep(self.app.settings.final_sleep).await;
        }
        tracing::info!("Loptr stopped");
    }
}

/// Waits until every client of a tail was told, at most for the grace period.
async fn tails_ended(app: &App) {
    let clock = &*app.ports.clock;
    let ended = async {
        while app.tails.figures().active > 0 {
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    if loptr_ports::timeout(clock, app.settings.serve.grace, ended).await.is_err() {
        tracing::warn!("tails still open at the end of the grace period were cut off");
    }
}
