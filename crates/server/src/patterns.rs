//! Pattern detection: learns from what is accepted, answers `patterns`.
//!
//! ```text
//! push ─> queue (bytes) ─> one task ─> CPU pool, behind queries ─> streams by tenant ─> patterns
//! ```
//!
//! Pushes never wait for it: what does not fit into the queue is passed over and counted. Patterns live in memory
//! and are forgotten after `pattern_ingester.retain_for`. Where a tenant's limits say so, what is forgotten is stored as
//! lines of streams of its own (`kept`), and so are counts of lines and bytes.

mod kept;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loptr_ingest::Ingester;
use loptr_model::{Labels, Millis, Nanos, StreamEntries, TenantId};
use loptr_pattern::{Observed, PatternStream, Settings};
use loptr_ports::{Budget, Ports, Priority, ProcessBudget, Reservation, TaskHandle};
use loptr_regex::LabelMatcher;
use loptr_wire::enrich::{DETECTED_LEVEL, is_internal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::kept::Kept;
use crate::limits::TenantLimits;

/// Bounds of pattern detection.
#[derive(Clone, Debug, PartialEq)]
pub struct PatternSettings {
    /// Whether it runs.
    pub enabled: bool,
    /// How patterns are found.
    pub drain: Settings,
    /// How long patterns are kept.
    pub retain_for: Duration,
    /// How often old ones are looked for.
    pub check_period: Duration,
    /// Bytes of lines that may wait.
    pub queue_bytes: u64,
    /// How often counts of lines and bytes are stored.
    pub sample_period: Duration,
    /// Of a stream's patterns those are stored that make up this share of its bytes.
    pub volume_share: f64,
    /// Streams at most; lines of others are passed over.
    pub max_streams: usize,
}

/// What is stored of a tenant's patterns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PatternLimits {
    /// Patterns.
    pub store_patterns: bool,
    /// Counts of lines and bytes.
    pub store_counts: bool,
    /// Span over which lines of a pattern are summed; zero for that of a block of samples.
    pub granularity: Duration,
    /// Lines a second from which a pattern is stored.
    pub least_per_sec: f64,
}

impl Default for PatternSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            drain: Settings::default(),
            retain_for: Duration::from_secs(3 * 3600),
            check_period: Duration::from_secs(60),
            sample_period: Duration::from_secs(10),
            volume_share: 0.99,
            queue_bytes: 64 << 20,
            max_streams: 100_000,
        }
    }
}

/// Figures for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatternFigures {
    pub(crate) streams: usize,
    pub(crate) patterns: usize,
    pub(crate) samples: usize,
    pub(crate) queued_bytes: u64,
    pub(crate) passed_over: u64,
    pub(crate) stored: u64,
    pub(crate) lost: u64,
}

type Streams = HashMap<Labels, Arc<Mutex<PatternStream>>>;

/// Learns from accepted entries.
pub(crate) struct Patterns {
    ports: Ports,
    settings: PatternSettings,
    limits: Arc<TenantLimits>,
    kept: Kept,
    tenants: RwLock<HashMap<TenantId, Streams>>,
    queue: Mutex<VecDeque<(Arc<StreamEntries>, Reservation)>>,
    budget: Budget,
    filled: Notify,
    passed_over: AtomicU64,
}

impl Patterns {
    pub(crate) fn new(ports: Ports, settings: PatternSettings, limits: Arc<TenantLimits>) -> Arc<Self> {
        let budget = Budget::new(settings.queue_bytes, None, ProcessBudget::new(settings.queue_bytes));
        Arc::new(Self {
            ports,
            settings,
            limits,
            kept: Kept::default(),
            tenants: RwLock::default(),
            queue: Mutex::default(),
            budget,
            filled: Notify::new(),
            passed_over: AtomicU64::new(0),
        })
    }

    /// Learns until `stop`; what is kept goes to `ingester`.
    pub(crate) fn start(self: &Arc<Self>, ingester: Arc<Ingester>, stop: CancellationToken) -> TaskHandle {
        let patterns = self.clone();
        self.ports.spawner.spawn("patterns", Box::pin(async move { patterns.work(&ingester, stop).await }))
    }

    /// Streams of our own making would teach what is known.
    pub(crate) fn wants(&self, labels: &Labels) -> bool {
        !is_internal(labels)
    }

    /// Queues entries; passes them over when there is no room.
    pub(crate) fn accepted(&self, entries: &Arc<StreamEntries>) {
        let bytes: usize = entries.entries.iter().map(|entry| entry.line.len() + 64).sum();
        match self.budget.reserve(bytes as u64) {
            Ok(held) => self.queue.lock().push_back((entries.clone(), held)),
            Err(_) => drop(self.passed_over.fetch_add(entries.entries.len() as u64, Ordering::Relaxed)),
        }
        self.filled.notify_one();
    }

    async fn work(self: Arc<Self>, ingester: &Arc<Ingester>, stop: CancellationToken) {
        let mut check = self.ports.clock.sleep(self.settings.check_period);
        let mut sample = self.ports.clock.sleep(self.settings.sample_period);
        loop {
            self.learn_queued().await;
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.filled.notified() => {}
                () = &mut check => {
                    check = self.ports.clock.sleep(self.settings.check_period);
                    let patterns = self.clone();
                    self.on_cpu(move || patterns.prune(patterns.settings.retain_for)).await;
                    self.kept.store(&self.ports, &self.limits, ingester).await;
                }
                () = &mut sample => {
                    sample = self.ports.clock.sleep(self.settings.sample_period);
                    let patterns = self.clone();
                    self.on_cpu(move || patterns.kept.sample(patterns.ports.clock.now(), &patterns.limits)).await;
                    self.kept.store(&self.ports, &self.limits, ingester).await;
                }
            }
        }
        // What is known goes with the process, unless it is stored.
        self.learn_queued().await;
        let patterns = self.clone();
        let last = move || {
            patterns.kept.sample(patterns.ports.clock.now(), &patterns.limits);
            patterns.prune(Duration::ZERO);
        };
        self.on_cpu(last).await;
        self.kept.store(&self.ports, &self.limits, ingester).await;
    }

    async fn learn_queued(self: &Arc<Self>) {
        let batches = std::mem::take(&mut *self.queue.lock());
        if !batches.is_empty() {
            let patterns = self.clone();
            let learn = move || batches.into_iter().for_each(|(batch, _held)| patterns.learn(&batch));
            self.on_cpu(learn).await;
        }
    }

    async fn on_cpu(&self, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = self.ports.cpu.run(Priority::Query, work).await {
            tracing::error!(%error, "pattern detection failed");
        }
    }

    fn learn(&self, batch: &StreamEntries) {
        let Some(first) = batch.entries.first() else { return };
        if self.limits.patterns(&batch.tenant).store_counts {
            self.kept.count(batch, self.settings.max_streams);
        }
        let Some(stream) = self.stream(batch, &String::from_utf8_lossy(&first.line)) else {
            self.passed_over.fetch_add(batch.entries.len() as u64, Ordering::Relaxed);
            return;
        };
        let now = self.ports.clock.monotonic();
        let mut stream = stream.lock();
        for entry in &batch.entries {
            let level = entry.metadata.iter().find(|(name, _)| name == DETECTED_LEVEL);
            let level = level.map_or("unknown", |(_, value)| value.as_str());
            let line = String::from_utf8_lossy(&entry.line);
            // Lines that teach nothing are no fault.
            let _ = stream.observe(entry.ts, &line, level, now, &self.settings.drain);
        }
    }

    fn stream(&self, batch: &StreamEntries, first: &str) -> Option<Arc<Mutex<PatternStream>>> {
        let known = |tenants: &HashMap<TenantId, Streams>| tenants.get(&batch.tenant)?.get(&batch.labels).cloned();
        if let Some(stream) = known(&self.tenants.read()) {
            return Some(stream);
        }
        let mut tenants = self.tenants.write();
        if tenants.values().map(HashMap::len).sum::<usize>() >= self.settings.max_streams {
            return None;
        }
        let new = || Arc::new(Mutex::new(PatternStream::new(first, &self.settings.drain)));
        Some(tenants.entry(batch.tenant.clone()).or_default().entry(batch.labels.clone()).or_insert_with(new).clone())
    }

    /// Forgets what is older than `retain`, and keeps what is to be stored.
    fn prune(&self, retain: Duration) {
        let retain = i64::try_from(retain.as_nanos()).unwrap_or(i64::MAX);
        let before = match retain {
            // Lines may be of a time that is still to come.
            0 => Millis(i64::MAX),
            _ => self.ports.clock.now().saturating_sub(retain).floor_millis(),
        };
        let mut tenants = self.tenants.write();
        for (tenant, streams) in tenants.iter_mut() {
            let limits = self.limits.patterns(tenant);
            streams.retain(|labels, stream| {
                let mut gone = Vec::new();
                let is_empty = stream.lock().prune(before, |one| {
                    if limits.store_patterns {
                        gone.push(one);
                    }
                });
                if !gone.is_empty() {
                    self.kept.patterns(tenant, labels, &limits, &self.settings, gone);
                }
                !is_empty
            });
        }
        tenants.retain(|_, streams| !streams.is_empty());
    }

    /// Patterns of the streams that `matchers` accept, in `[start, end)`. CPU work.
    pub(crate) fn find(
        &self,
        tenants: &[TenantId],
        matchers: &[LabelMatcher],
        (start, end): (Nanos, Nanos),
        step_ns: i64,
    ) -> Vec<Observed> {
        let step_ms = (step_ns / Nanos::PER_MILLI).max(10_000);
        let (from, through): (Millis, Millis) = (start.floor_millis(), end.ceil_millis());
        let accepts = |labels: &Labels| {
            matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.matcher().name).unwrap_or_default()))
        };
        let all = self.tenants.read();
        let streams = tenants.iter().filter_map(|id| all.get(id)).flatten().filter(|(labels, _)| accepts(labels));
        let streams: Vec<_> = streams.map(|(_, stream)| stream.clone()).collect();
        drop(all);
        let mut found = Vec::new();
        for stream in streams {
            stream.lock().collect(from, through, step_ms, &self.settings.drain, |observed| found.push(observed));
        }
        loptr_pattern::merge(found)
    }

    pub(crate) fn figures(&self) -> PatternFigures {
        let mut figures = PatternFigures {
            queued_bytes: self.budget.used_bytes(),
            passed_over: self.passed_over.load(Ordering::Relaxed),
            stored: self.kept.stored.load(Ordering::Relaxed),
            lost: self.kept.lost.load(Ordering::Relaxed),
            ..PatternFigures::default()
        };
        for stream in self.tenants.read().values().flat_map(HashMap::values) {
            let (patterns, samples) = stream.lock().held();
            figures.streams += 1;
            figures.patterns += patterns;
            figures.samples += samples;
        }
        figures
    }
}
