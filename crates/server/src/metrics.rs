//! `/metrics`: what services count and hold, under upstream's names, in the text format a scraper
//! asks for. Which of upstream's are missing, and why, is told in `docs/metrics.md`.

mod durability;
mod process;
pub(crate) mod queries;
pub(crate) mod requests;
pub(crate) mod text;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loptr_ports::CpuStats;
use loptr_storage::StorageMetrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use self::queries::QueryMetrics;
use self::requests::RequestMetrics;
pub(crate) use self::text::Format;
use self::text::{Page, escaped};
use crate::http::App;
use crate::logfmt::{LEVELS, LOGGED};

/// The registry and the server's own metrics.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: RequestMetrics,
    pub(crate) queries: QueryMetrics,
    rates: RateHistograms,
}

/// How stream rates are distributed.
#[derive(Debug)]
struct RateHistograms {
    bytes: Histogram,
    shards: Histogram,
}

impl RateHistograms {
    fn register(registry: &mut Registry) -> Self {
        let bytes = Histogram::new(exponential_buckets(20_000.0, 2.0, 14));
        let shards = Histogram::new([0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0]);
        let help = "The distribution of stream rates at each scrape; sharded streams are combined";
        registry.register("loki_rate_store_stream_rate_bytes", help, bytes.clone());
        let help = "The distribution of the number of shards of a stream at each scrape";
        registry.register("loki_rate_store_stream_shards", help, shards.clone());
        Self { bytes, shards }
    }

    fn observe(&self, rates: &[(f64, usize)]) {
        for &(rate, shards) in rates {
            self.bytes.observe(rate);
            self.shards.observe(shards as f64);
        }
    }
}

/// What is at work when the page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    /// Tasks of the reactor.
    pub(crate) tasks: usize,
    /// Jobs of the CPU pool.
    pub(crate) cpu: CpuStats,
}

impl Metrics {
    pub(crate) fn new(
        ingester: &loptr_ingest::Ingester,
        takeover: &loptr_ingest::TakeoverMetrics,
        storage: &StorageMetrics,
        compactor: &loptr_compact::CompactMetrics,
        requests: RequestMetrics,
    ) -> Self {
        let mut registry = Registry::default();
        ingester.metrics.register(&mut registry);
        takeover.register(&mut registry);
        storage.register(&mut registry);
        compactor.register(&mut registry);
        requests.register(&mut registry);
        let queries = QueryMetrics::new();
        queries.register(&mut registry);
        let rates = RateHistograms::register(&mut registry);
        Self { registry, requests, queries, rates }
    }

    /// Everything, as text. CPU work.
    pub(crate) fn text(&self, app: &Arc<App>, format: Format, busy: Busy) -> String {
        let mut registry = String::new();
        // Writing to a String cannot fail; what was written before an encoder's error is still true.
        if let Err(error) = encode(&mut registry, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded whole");
        }
        let mut page = Page::default();
        gauges(&mut page, app, busy.cpu);
        by_tenant(&mut page, app);
        runtime_config(&mut page, app);
        tls(&mut page, app);
        label_caches(&mut page, app);
        deleted_lines(&mut page, app);
        logged(&mut page);
        process::write(&mut page, busy.tasks);
        rates(&mut page, app);
        text::in_namespace(text::whole(&registry, &page.0, format), &app.settings.metrics_namespace)
    }
}

/// How fast streams come, over all tenants: looked at where the page is asked for, as upstream's distributor asks its
/// ingesters every second.
fn rates(page: &mut Page, app: &App) {
    let rates = app.limits.stream_rates(app.ports.clock.monotonic());
    let (mut most, mut most_shards, mut most_of_shard) = (0.0f64, 0, 0.0f64);
    for &(rate, shards) in &rates {
        most = most.max(rate);
        most_shards = most_shards.max(shards);
        most_of_shard = most_of_shard.max(rate / shards as f64);
    }
    for (name, help, value) in [
        (
            "loki_rate_store_streams",
            "The number of unique streams whose rate is known; sharded streams are combined",
            rates.len() as f64,
        ),
        (
            "loki_rate_store_max_stream_rate_bytes",
            "The maximum stream rate for any stream; sharded streams are combined",
            most.trunc(),
        ),
        (
            "loki_rate_store_max_unique_stream_rate_bytes",
            "The maximum stream rate for any stream; sharded streams are considered separate",
            most_of_shard.trunc(),
        ),
        ("loki_rate_store_max_stream_shards", "The number of shards of the stream that has most", most_shards as f64),
    ] {
        page.gauge(name, help, value);
    }
    app.metrics.rates.observe(&rates);
    page.family(
        "loki_rate_store_refresh_failures_total",
        "counter",
        "The total number of failed attempts to refresh the view of stream rates; within a process there is none",
        &[("{source=\"ring\"}", 0.0)],
    );
}

/// Streams in memory.
fn by_tenant(page: &mut Page, app: &App) {
    let tenants = app.ingester.streams_by_tenant();
    let tenants: Vec<(String, f64)> = tenants
        .iter()
        .filter(|(_, streams)| *streams > 0)
        .map(|(tenant, streams)| (format!("{{tenant=\"{}\"}}", escaped(tenant.as_str())), *streams as f64))
        .collect();
    let tenants: Vec<(&str, f64)> = tenants.iter().map(|(labels, streams)| (labels.as_str(), *streams)).collect();
    page.family("loki_ingester_memory_streams", "gauge", "The total number of streams in memory per tenant", &tenants);
    page.family("loki_ingester_streams", "gauge", "Alias of loki_ingester_memory_streams for old dashboards", &tenants);
}

/// Own log lines by level, under the present and the old name.
fn logged(page: &mut Page) {
    let counts = LEVELS.iter().zip(&LOGGED);
    let counts: Vec<(String, f64)> =
        counts.map(|(level, count)| (format!("{{level=\"{level}\"}}"), count.load(Ordering::Relaxed) as f64)).collect();
    let counts: Vec<(&str, f64)> = counts.iter().map(|(labels, count)| (labels.as_str(), *count)).collect();
    page.family(
        "loki_internal_log_messages_total",
        "counter",
        "Total number of log messages created by Loki itself",
        &counts,
    );
    page.family("loki_log_messages_total", "counter", "Deprecated name of loki_internal_log_messages_total", &counts);
}

/// Upstream's two figures of the runtime configuration.
fn runtime_config(page: &mut Page, app: &App) {
    if !app.runtime.is_on() {
        return;
    }
    let hash = format!("{{config=\"loki\",sha256=\"{}\"}}", app.runtime.hash());
    page.family(
        "loki_runtime_config_hash",
        "gauge",
        "Hash of the currently active runtime configuration, merged from all configured files",
        &[(&hash, 1.0)],
    );
    page.family(
        "loki_runtime_config_last_reload_successful",
        "gauge",
        "Whether the last runtime-config reload attempt was successful",
        &[("{config=\"loki\"}", f64::from(u8::from(app.runtime.succeeded())))],
    );
}

/// Lines that delete requests took out, under upstream's name.
fn deleted_lines(page: &mut Page, app: &App) {
    let counts = app.deleting.as_ref().map(|deleting| deleting.metrics.deleted_lines()).unwrap_or_default();
    if counts.is_empty() {
        return;
    }
    let counts: Vec<(String, f64)> =
        counts.iter().map(|(user, lines)| (format!("{{user=\"{}\"}}", escaped(user)), *lines as f64)).collect();
    let counts: Vec<(&str, f64)> = counts.iter().map(|(labels, lines)| (labels.as_str(), *lines)).collect();
    page.family("loki_compactor_deleted_lines", "counter", "Number of deleted lines per user", &counts);
}

/// What is remembered of label texts, over all tenants.
fn label_caches(page: &mut Page, app: &App) {
    let figures = app.limits.label_caches();
    for (name, kind, help, value) in [
        ("loptr_label_cache_texts", "gauge", "Label texts remembered, over all tenants", figures.texts as f64),
        ("loptr_label_cache_bytes", "gauge", "Bytes they hold, about; bounded", figures.bytes as f64),
        (
            "loptr_label_cache_emptied_total",
            "counter",
            "Times a tenant's were forgotten for the bound",
            figures.emptied as f64,
        ),
    ] {
        page.family(name, kind, help, &[("", value)]);
    }
}

/// Figures of TLS, where it is spoken.
fn tls(page: &mut Page, app: &App) {
    let Some(tls) = &app.tls else { return };
    page.family(
        "loptr_tls_last_reload_successful",
        "gauge",
        "Whether the certificates could be used when they were read last",
        &[("", f64::from(u8::from(tls.succeeded())))],
    );
    page.family(
        "loptr_tls_failed_handshakes_total",
        "counter",
        "Connections that ended before they were secure",
        &[("", tls.failed_handshakes() as f64)],
    );
}

fn gauges(page: &mut Page, app: &Arc<App>, cpu: CpuStats) {
    let ingest = app.ingester.figures();
    let tails = app.tails.figures();
    let patterns = app.patterns.as_ref().map(|patterns| patterns.figures()).unwrap_or_default();
    let all: [(&str, &str, f64); 26] = [
        ("loki_distributor_replication_factor", "The configured replication factor", 1.0),
        ("loki_ingester_memory_chunks", "The total number of chunks in memory", ingest.chunks as f64),
        ("loptr_ingester_memory_chunk_bytes", "Bytes held by chunks in memory", ingest.chunk_bytes as f64),
        ("loptr_ingester_pending_chunks", "Flushed chunks that memory still names", ingest.pending_chunks as f64),
        (
            "loki_ingester_wal_replay_active",
            "Whether the WAL is being replayed; pushes and queries are served meanwhile",
            f64::from(u8::from(ingest.replay.is_active)),
        ),
        (
            "loki_ingester_wal_replay_duration_seconds",
            "Time taken to replay the WAL",
            ingest.replay.took_nanos as f64 / 1e9,
        ),
        (
            "loki_ingester_wal_replay_flushing",
            "Whether WAL replay waits for chunks to be flushed, for lack of memory",
            f64::from(u8::from(ingest.replay.is_flushing)),
        ),
        (
            "loki_ingester_wal_bytes_in_use",
            "Bytes in use by what WAL replay has brought back",
            ingest.replay.memory_bytes as f64,
        ),
        ("loptr_wal_replay_bytes", "Bytes of the WAL to be replayed at start", ingest.replay.total_bytes as f64),
        ("loptr_wal_replayed_bytes", "Bytes of them that have been replayed", ingest.replay.done_bytes as f64),
        ("loptr_cpu_pool_queued", "Jobs waiting for a CPU thread", cpu.queued as f64),
        ("loptr_cpu_pool_running", "Jobs running on CPU threads", cpu.running as f64),
        ("loptr_cpu_pool_threads", "CPU threads", cpu.threads as f64),
        ("loptr_query_memory_bytes", "Bytes held by running queries", app.engine.used_bytes() as f64),
        ("loptr_pattern_streams", "Streams whose patterns are known", patterns.streams as f64),
        ("loptr_pattern_patterns", "Patterns known", patterns.patterns as f64),
        ("loptr_pattern_samples", "Counts kept of them", patterns.samples as f64),
        ("loptr_pattern_queued_bytes", "Bytes of lines waiting for pattern detection", patterns.queued_bytes as f64),
        ("loptr_pattern_passed_over_lines", "Lines that found no room since start", patterns.passed_over as f64),
        ("loptr_pattern_stored_lines", "Lines of patterns and counts stored since start", patterns.stored as f64),
        ("loptr_pattern_lost_lines", "Those that could not be stored since start", patterns.lost as f64),
        ("loki_querier_tail_active", "Number of active tailers", tails.active as f64),
        ("loptr_tail_buffered_bytes", "Bytes buffered for clients of tails", tails.buffered_bytes as f64),
        ("loptr_tail_dropped_entries", "Entries slow tails did not get since start", tails.dropped as f64),
        ("loptr_tail_sent_bytes", "Bytes of lines handed to clients of tails since start", tails.sent_bytes as f64),
        ("loptr_index_cache_bytes", "Bytes of index files kept open", app.index_bytes() as f64),
    ];
    for (name, help, value) in all {
        page.gauge(name, help, value);
    }
    durability::write(page, &ingest);
    page.family(
        "loki_build_info",
        "gauge",
        "A metric with a constant '1' value labeled by version, revision, branch, goversion from which loki was built, and the goos and goarch for the build",
        &[(&crate::build::metric_labels(), 1.0)],
    );
}
