//! Tails: what a log query would find, told as it comes in.
//!
//! A tail first listens, then asks for what is there already, so that nothing falls between; what both name is told
//! once. Entries wait until their time (and the delay asked for) has passed, oldest first, then go into frames.
//!
//! ```text
//! push ─> Inbox (bytes) ─> pipeline on the CPU pool ─> waiting, by time (bytes) ─> frames (10) ─> the client
//!            └─ lost ──────────────────────────────────────┴─ lost ──> told with the next frame
//! ```
//!
//! Inbox, waiting entries and frames of a tail share one budget, and all tails another. What does not fit is lost, and
//! the client is told of each lost entry by time and labels. What is lost in the inbox has not been through the pipeline:
//! it may be more than the query wants, never less.

mod inbox;
mod run;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use loptr_eval::source::Direction;
use loptr_eval::{LogEntry, LogStream, Pipeline};
use loptr_logql::ast::LogExpr;
use loptr_model::{Labels, Nanos, StreamEntries, TenantId, TimeRange};
use loptr_ports::{Budget, Ports, ProcessBudget, Reservation, TaskHandle};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::{Answer, LogRequest, QueryEngine, compile};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::readers::Readers;
use inbox::Inbox;

/// Frames that wait for a client.
const FRAMES: usize = 10;
/// How far in the future entries may lie that are there already.
const AHEAD_NS: i64 = 3_600 * Nanos::PER_SEC;

/// Bounds of all tails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailSettings {
    /// Bytes one tail may buffer.
    pub tail_bytes: u64,
    /// Bytes all tails may buffer.
    pub process_bytes: u64,
    /// How long a tail may last.
    pub max_duration: Duration,
}

impl Default for TailSettings {
    fn default() -> Self {
        Self { tail_bytes: 4 << 20, process_bytes: 256 << 20, max_duration: Duration::from_secs(3600) }
    }
}

/// What is to be tailed.
#[derive(Clone, Debug)]
pub struct TailRequest {
    /// The query.
    pub query: LogExpr,
    /// From when on entries that are there already count.
    pub start: Nanos,
    /// How many of those at most, the newest.
    pub limit: usize,
    /// How long each entry is held back, for others of its time.
    pub delay: Duration,
    /// Whether labels are told by category.
    pub categorize: bool,
}

/// A piece of a tail.
#[derive(Debug)]
pub struct TailFrame {
    /// Entries, oldest first.
    pub entries: Vec<LogEntry>,
    /// Entries that were lost.
    pub dropped: Vec<(Nanos, Labels)>,
    /// Given back when the frame is gone.
    _held: Vec<Reservation>,
}

/// Why a tail ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TailEnd {
    /// It lasted as long as it may.
    MaxDuration,
    /// More entries were lost than can be told.
    TooSlow(u64),
    /// The process stops, or nobody listens any more.
    Stopped,
    /// A line could not be run through the query.
    Failed(String),
}

/// A running tail. Dropping its frames ends it.
pub struct Tail {
    /// What was found, in order.
    pub frames: mpsc::Receiver<TailFrame>,
    /// Why there is no more.
    pub end: oneshot::Receiver<TailEnd>,
    /// The task behind it, to be joined.
    pub task: TaskHandle,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}

/// All tails of the process.
pub struct Tails {
    ports: Ports,
    engine: Arc<QueryEngine>,
    settings: TailSettings,
    process: Arc<ProcessBudget>,
    inboxes: RwLock<HashMap<TenantId, Vec<Arc<Inbox>>>>,
    active: AtomicUsize,
    dropped: AtomicU64,
    sent_bytes: AtomicU64,
    stop: CancellationToken,
}

impl std::fmt::Debug for Tails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tails").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Figures for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailFigures {
    /// Running tails.
    pub active: usize,
    /// Bytes they buffer.
    pub buffered_bytes: u64,
    /// Entries lost since start.
    pub dropped: u64,
    /// Bytes of lines handed to clients since start.
    pub sent_bytes: u64,
}

/// Takes the inbox out of the list when the tail is gone.
struct Registered {
    tails: Arc<Tails>,
    inbox: Arc<Inbox>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut inboxes = self.tails.inboxes.write();
        if let Some(list) = inboxes.get_mut(&self.inbox.tenant) {
            list.retain(|inbox| !Arc::ptr_eq(inbox, &self.inbox));
            if list.is_empty() {
                inboxes.remove(&self.inbox.tenant);
            }
        }
        self.tails.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Tails {
    /// None yet. They end when `stop` is cancelled.
    pub fn new(ports: Ports, engine: Arc<QueryEngine>, settings: TailSettings, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            ports,
            engine,
            process: ProcessBudget::new(settings.process_bytes),
            settings,
            inboxes: RwLock::default(),
            active: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            stop,
        })
    }

    /// Figures for gauges.
    pub fn figures(&self) -> TailFigures {
        TailFigures {
            active: self.active.load(Ordering::Relaxed),
            buffered_bytes: self.process.used_bytes(),
            dropped: self.dropped.load(Ordering::Relaxed),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
        }
    }

    /// Whether any tail wants such a stream.
    pub fn wants(&self, tenant: &TenantId, labels: &Labels) -> bool {
        self.inboxes.read().get(tenant).is_some_and(|list| list.iter().any(|inbox| inbox.wants(labels)))
    }

    /// Hands accepted entries to the tails that want them. Does not wait.
    pub fn accepted(&self, entries: &Arc<StreamEntries>) {
        let inboxes = self.inboxes.read();
        for inbox in inboxes.get(&entries.tenant).into_iter().flatten() {
            if inbox.wants(&entries.labels) {
                let lost = inbox.offer(entries);
                self.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
    }

    /// Starts a tail.
    pub async fn open(
        self: &Arc<Self>,
        tenant: &TenantId,
        limits: &QueryLimits,
        request: TailRequest,
    ) -> Result<Tail, QueryError> {
        let pipeline = Pipeline::compile(&request.query, self.ports.clock.now())?;
        let registered = self.register(tenant, limits, &request)?;
        let now = self.ports.clock.now();
        let history = LogRequest {
            query: request.query,
            range: TimeRange::new(request.start, now.saturating_add(AHEAD_NS).max(request.start)),
            direction: Direction::Backward,
            limit: request.limit,
            interval_ns: 0,
            categorize: request.categorize,
        };
        let found = self.engine.logs(&Readers::one(tenant.clone()), limits, history).await?;
        let streams = match found.0 {
            Answer::Streams(streams) => streams,
            Answer::Value(_) => Vec::new(),
        };
        let (frames, receiver) = mpsc::channel(FRAMES);
        let (ended, end) = oneshot::channel();
        let running = run::Running::new(registered, pipeline, request.delay, oldest_first(streams));
        let task = async move {
            let why = running.run(frames).await;
            // Nobody may be there to hear it.
            let _ = ended.send(why);
        };
        let task = self.ports.spawner.spawn("tail", Box::pin(task));
        Ok(Tail { frames: receiver, end, task })
    }

    fn register(
        self: &Arc<Self>,
        tenant: &TenantId,
        limits: &QueryLimits,
        request: &TailRequest,
    ) -> Result<Registered, QueryError> {
        let matchers = compile(&request.query.matchers)?;
        let budget = Budget::new(self.settings.tail_bytes, None, self.process.clone());
        let inbox = Arc::new(Inbox::new(tenant.clone(), matchers, budget));
        let mut inboxes = self.inboxes.write();
        let running = inboxes.get(tenant).map_or(0, Vec::len);
        if running >= limits.max_tails {
            return Err(QueryError::Limit(format!(
                "max concurrent tail requests limit exceeded, count > limit ({} > {})",
                running + 1,
                limits.max_tails
            )));
        }
        inboxes.entry(tenant.clone()).or_default().push(inbox.clone());
        self.active.fetch_add(1, Ordering::Relaxed);
        Ok(Registered { tails: self.clone(), inbox })
    }
}

fn oldest_first(streams: Vec<LogStream>) -> Vec<LogEntry> {
    let mut entries: Vec<LogEntry> = streams.into_iter().flat_map(|stream| stream.entries.into_iter().rev()).collect();
    entries.sort_by_key(|entry| entry.ts);
    entries
}
