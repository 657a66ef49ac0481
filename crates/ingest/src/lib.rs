//! The write path: accept, limit, remember, flush.
//!
//! ```text
//! body -> decode -> validate -> stream heads + one log record -> sync -> answer
//!                                   |
//!                       chunks closed by size, idle, age, /flush
//!                                   v
//!                  object -> Flushed record -> pending index -> index file -> Shipped record -> log dropped
//! ```
//!
//! An entry is acknowledged when its record is synced. Memory, then [`Ingester::pending_streams`], then the bucket's
//! index, asked in this order, name every acknowledged entry at least once at any instant. `query` never writes;
//! `ingest` never reads the bucket.

mod checkpoint;
mod flush;
mod flush_out;
mod in_flight;
mod known;
mod label_cache;
mod log;
mod memory;
mod metrics;
mod pending;
mod push;
mod rate;
mod replay;
mod rules;
mod settings;
mod shard;
mod store_health;
mod stream;
mod takeover;
mod tenant;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use loptr_chunk::{ChunkError, ChunkOptions};
use loptr_model::{ChunkRef, Millis, Nanos, TenantId, TimeRange};
use loptr_ports::{PoolError, Ports, TaskError, TaskHandle};
use loptr_regex::LabelMatcher;
use loptr_storage::{Bucket, IndexStore, IndexedStream, StorageError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use flush_out::{LeftBehind, remove_log};
pub use known::PushLimits;
pub use label_cache::{LabelCacheFigures, LabelCaches};
pub use log::{Log, LogError, LogFigures, LogSettings, LogState, SyncPolicy, give_up_reserve};
pub use metrics::{IngestMetrics, OfTenant, TenantFamily};
pub use push::{LOKI, OTLP, PushFailure, PushFailureKind};
pub use replay::{ReplayError, ReplayFigures};
pub use rules::{IngestRules, StreamRule};
pub use settings::{IngestSettings, Limits};
pub use shard::ShardStreams;
pub use store_health::StoreFigures;
pub use stream::{CloseReason, Stream};
pub use takeover::{TakenOver, TakeoverError, TakeoverMetrics, TakeoverSettings, take_over};
pub use tenant::Tenant;
pub use watch::Watcher;

use in_flight::PushesInFlight;
use memory::ChunkMemory;
use pending::Pending;
use replay::{OldLog, Progress};
use store_health::StoreHealth;
use watch::Watchers;

/// What went wrong inside the write path.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The log refuses.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The bucket failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A chunk could not be encoded.
    #[error("chunk cannot be encoded: {0}")]
    Chunk(#[from] ChunkError),
    /// The CPU pool gave no result.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A flush took too long.
    #[error("flush took longer than {after:?}")]
    FlushTimeout {
        /// The limit.
        after: Duration,
    },
    /// The store failed and is not asked again yet.
    #[error("the object store is down: {error}")]
    StoreDown {
        /// Its words.
        error: Arc<str>,
    },
    /// The store takes no chunk, nor does the spool.
    #[error("chunk can be stored nowhere: the object store fails: {store}; the spool: {spool}")]
    Spool {
        /// The store's words.
        store: Arc<str>,
        /// Why it cannot wait.
        spool: String,
    },
    /// A chunk that waits for the store cannot be read or removed.
    #[error("chunks that wait for the object store in {dir}: {source}")]
    Waiting {
        /// The spool.
        dir: std::path::PathBuf,
        /// The disk's words.
        source: std::io::Error,
    },
    /// The log could not be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A task did not end well.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The disk failed at start.
    #[error("the write-ahead log cannot be begun: {0}")]
    Begin(std::io::Error),
    /// The disk failed at a look at the log.
    #[error("the write-ahead log's folder cannot be read: {0}")]
    LogFolder(std::io::Error),
}

/// Figures for gauges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngestFigures {
    /// Streams in memory.
    pub streams: usize,
    /// Chunks in memory.
    pub chunks: usize,
    /// Bytes they hold.
    pub chunk_bytes: usize,
    /// Chunks in the bucket that memory still names.
    pub pending_chunks: usize,
    /// The log's.
    pub log: LogFigures,
    /// The object store's and the spool's.
    pub store: StoreFigures,
    /// How far replay is.
    pub replay: ReplayFigures,
}

/// The write path of this process.
pub struct Ingester {
    ports: Ports,
    settings: IngestSettings,
    bucket: Arc<Bucket>,
    index: Arc<IndexStore>,
    log: Option<Log>,
    tenants: RwLock<BTreeMap<TenantId, Arc<Tenant>>>,
    memory: Arc<ChunkMemory>,
    pending: Pending,
    store: StoreHealth,
    /// Whether the budget on disk was used up when last looked at.
    over_budget: AtomicBool,
    is_stopping: AtomicBool,
    is_stopped: AtomicBool,
    pushes_in_flight: PushesInFlight,
    next_seq: Arc<AtomicU64>,
    last_upload_secs: AtomicI64,
    shipping: tokio::sync::Mutex<()>,
    flush_asked: Notify,
    /// Why the last thing that did not get into the bucket did not.
    last_failure: Mutex<Option<String>>,
    watchers: Watchers,
    /// What is counted.
    pub metrics: IngestMetrics,
    stop: CancellationToken,
    stop_log: CancellationToken,
    replay: Arc<Progress>,
    flush_task: Mutex<Option<TaskHandle>>,
    upload_task: Mutex<Option<TaskHandle>>,
    replay_task: Mutex<Option<TaskHandle>>,
    checkpoint_task: Mutex<Option<TaskHandle>>,
    log_task: Mutex<Option<TaskHandle>>,
}

impl std::fmt::Debug for Ingester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingester").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Ingester {
    /// Begins the log anew and starts the tasks. What the log has is replayed while pushes and queries are served
    /// already: see [`Ingester::partial`].
    pub async fn start(
        ports: Ports,
        settings: IngestSettings,
        bucket: Arc<Bucket>,
        index: Arc<IndexStore>,
    ) -> Result<Arc<Self>, IngestError> {
        let next_seq = Arc::new(AtomicU64::new(1));
        let mut ingester = Self {
            ports: ports.clone(),
            settings: settings.clone(),
            bucket,
            index,
            log: None,
            tenants: RwLock::default(),
            memory: ChunkMemory::new(settings.chunk_memory_bytes),
            pending: Pending::default(),
            store: StoreHealth::default(),
            over_budget: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            pushes_in_flight: PushesInFlight::default(),
            next_seq: next_seq.clone(),
            last_upload_secs: AtomicI64::new(0),
            shipping: tokio::sync::Mutex::new(()),
            flush_asked: Notify::new(),
            last_failure: Mutex::default(),
            watchers: Watchers::default(),
            metrics: IngestMetrics::default(),
            stop: CancellationToken::new(),
            stop_log: CancellationToken::new(),
            replay: Arc::default(),
            flush_task: Mutex::default(),
            upload_task: Mutex::default(),
            replay_task: Mutex::default(),
            checkpoint_task: Mutex::default(),
            log_task: Mutex::default(),
        };
        let mut old = None;
        if let Some(log) = settings.log {
            let opening = ports.clone();
            let open = move || {
                let old = OldLog::find(&*opening.disk, &log.dir)?;
                next_seq.store(old.next_seq, Ordering::SeqCst);
                ingester.pending.continue_after(old.last_ordinal);
                let stop = ingester.stop_log.clone();
                let opened = Log::open(log, &opening, old.next_segment, next_seq, stop);
                let (log, task) = opened.map_err(IngestError::Begin)?;
                ingester.log = Some(log);
                *ingester.log_task.lock() = Some(task);
                Ok::<_, IngestError>((ingester, old))
            };
            let found;
            (ingester, found) = ports.spawner.run_blocking("open the write-ahead log", open).await??;
            ingester.replay.begin(&found);
            old = Some(found);
        }
        let ingester = Arc::new(ingester);
        let flushing = flush::flush_loop(ingester.clone(), ingester.stop.clone());
        *ingester.flush_task.lock() = Some(ports.spawner.spawn("flush loop", Box::pin(flushing)));
        let uploading = store_health::upload_loop(ingester.clone(), ingester.stop.clone());
        *ingester.upload_task.lock() = Some(ports.spawner.spawn("upload loop", Box::pin(uploading)));
        if let Some(old) = old {
            let replaying = replay::replay(ingester.clone(), old);
            *ingester.replay_task.lock() = Some(ports.spawner.spawn("write-ahead log replay", Box::pin(replaying)));
            let checkpoints = checkpoint::checkpoint_loop(ingester.clone(), ingester.stop.clone());
            *ingester.checkpoint_task.lock() = Some(ports.spawner.spawn("checkpoints", Box::pin(checkpoints)));
        }
        Ok(ingester)
    }

    /// Options of a chunk whose first entry is at `ts`.
    fn chunk_options(&self, ts: Nanos) -> ChunkOptions {
        let format = self.bucket.schema().period_at(ts.floor_millis()).schema.chunk_format();
        ChunkOptions::new(format, self.settings.encoding)
            .expect("schemas name formats that are written")
            .block_bytes(self.settings.block_bytes)
            .target_bytes(self.settings.target_bytes)
    }

    fn tenant(&self, id: &TenantId) -> Arc<Tenant> {
        if let Some(tenant) = self.tenants.read().get(id) {
            return tenant.clone();
        }
        self.tenants
            .write()
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Tenant::new(id.clone(), self.memory.clone())))
            .clone()
    }

    fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.tenants.read().values().cloned().collect()
    }

    /// Why pushes are refused now, if they are: asked before one touches memory, and by `/ready`.
    pub fn refusal(&self) -> Option<String> {
        if self.is_stopping.load(Ordering::Relaxed) {
            // Upstream's words.
            return Some("Ingester is shutting down".to_owned());
        }
        if let Some(refusal) = self.log.as_ref()?.refusal() {
            return Some(refusal.to_string());
        }
        let refusal = self.budget_refusal();
        // One line per change.
        if self.over_budget.swap(refusal.is_some(), Ordering::Relaxed) != refusal.is_some() {
            match &refusal {
                Some(reason) => {
                    tracing::warn!(%reason, "budget on disk is used up, pushes are refused until it is not")
                }
                None => tracing::info!("budget on disk has room again, pushes are accepted"),
            }
        }
        refusal
    }

    fn segment(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::segment)
    }

    /// The streams of `tenant` in memory that `matchers` accept. Ask this before [`Ingester::pending_streams`].
    pub fn streams(&self, tenant: &TenantId, matchers: &[LabelMatcher]) -> Vec<Arc<Stream>> {
        let tenant = self.tenants.read().get(tenant).cloned();
        tenant.map_or_else(Vec::new, |tenant| tenant.select(matchers))
    }

    /// Bytes of lines in `range` that no index file in the bucket names; chunks count whole.
    pub fn unindexed_bytes(&self, tenant: &TenantId, range: TimeRange) -> u64 {
        let in_memory = self.streams(tenant, &[]);
        let in_memory = in_memory.iter().flat_map(|stream| stream.chunk_sizes(range)).map(|(_, _, bytes, _)| bytes);
        in_memory.sum::<u64>()
            + self.pending.unshipped_bytes(tenant, range.start.floor_millis(), range.end.ceil_millis())
    }

    /// Chunks in `[from, through)` that lie in the bucket and that its index may not name yet. Ask this before the
    /// index.
    pub fn pending_streams(
        &self,
        tenant: &TenantId,
        matchers: &[LabelMatcher],
        from: Millis,
        through: Millis,
    ) -> Vec<IndexedStream> {
        self.pending.streams(tenant, matchers, from, through)
    }

    /// Takes those of `chunks` out that queries may still be told of by [`Ingester::pending_streams`].
    pub fn leave_pending(&self, tenant: &TenantId, chunks: &mut HashSet<ChunkRef>) {
        self.pending.leave_out(tenant, chunks);
    }

    /// Those who are told of every entry accepted from now on. Set them once, at start.
    pub fn watch(&self, watchers: Vec<Arc<dyn Watcher>>) {
        self.watchers.set(watchers);
    }

    /// Asks for everything in memory to be flushed and its index shipped; returns at once.
    pub fn flush(&self) {
        self.flush_asked.notify_one();
    }

    /// Flushes everything in memory and ships its index; returns when that was tried.
    pub async fn flush_now(self: &Arc<Self>) {
        self.sweep(flush::Sweep::Everything, true).await;
    }

    /// What it does, in upstream's words for the states of services.
    pub fn state(&self) -> &'static str {
        match (self.is_stopping.load(Ordering::Relaxed), self.is_stopped.load(Ordering::Relaxed)) {
            (false, _) => "Running",
            (true, false) => "Stopping",
            (true, true) => "Terminated",
        }
    }

    /// Stops the tasks; a second call does nothing. Pushes are refused from now on. Everything goes to the bucket first
    /// if `flush`, or, where that is `None`, the settings say so; else the log keeps it.
    pub async fn stop(self: &Arc<Self>, flush: Option<bool>) {
        if self.is_stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        let flush = flush.unwrap_or(self.settings.flush_on_shutdown || self.log.is_none());
        if flush {
            // What stalls it is told at the end, by what is left.
            let _ = self.replayed().await;
        }
        self.stop.cancel();
        for task in [&self.flush_task, &self.upload_task, &self.replay_task, &self.checkpoint_task] {
            let task = task.lock().take();
            join(task).await;
        }
        if flush {
            self.flush_before_stop().await;
        } else if let Err(error) = self.ship_index().await {
            tracing::warn!(%error, "index was not shipped at shutdown; the log keeps what it would have named");
        }
        self.stop_log.cancel();
        let logging = self.log_task.lock().take();
        join(logging).await;
        self.is_stopped.store(true, Ordering::SeqCst);
    }

    /// Flushes everything and says now and then how far it is.
    async fn flush_before_stop(self: &Arc<Self>) {
        let mut flushing = std::pin::pin!(self.flush_now());
        loop {
            tokio::select! {
                () = &mut flushing => break,
                () = self.ports.clock.sleep(FLUSH_REPORT) => {
                    let left = self.figures();
                    tracing::info!(streams = left.streams, chunks = left.chunks, bytes = left.chunk_bytes, "flushing before the stop");
                }
            }
        }
        let left = self.figures();
        if left.chunks > 0 {
            tracing::warn!(chunks = left.chunks, "not everything could be flushed; the log keeps it");
        }
    }

    /// Tenants with streams in memory, and how many.
    pub fn streams_by_tenant(&self) -> Vec<(TenantId, usize)> {
        self.tenants().iter().map(|tenant| (tenant.id.clone(), tenant.len())).collect()
    }

    /// Figures for gauges.
    pub fn figures(&self) -> IngestFigures {
        let mut figures = IngestFigures {
            pending_chunks: self.pending.len(),
            replay: self.replay.figures(),
            ..IngestFigures::default()
        };
        for tenant in self.tenants() {
            for stream in tenant.all() {
                let (chunks, bytes) = stream.memory();
                figures.streams += 1;
                figures.chunks += chunks;
                figures.chunk_bytes += bytes;
            }
        }
        if let Some(log) = &self.log {
            figures.log = log.figures();
            figures.store = self.store_figures();
        }
        figures
    }
}

/// How often a flush before the stop says how far it is.
const FLUSH_REPORT: Duration = Duration::from_secs(10);

/// Waits for a task that was told to stop.
async fn join(task: Option<TaskHandle>) {
    if let Some(task) = task
        && let Err(error) = task.await
    {
        tracing::error!(%error, "a task of the write path failed");
    }
}
