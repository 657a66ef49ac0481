//! `/metrics`: what services count and hold, under upstream's names, as the classic text that every scraper reads.

mod durability;

use std::fmt::Write;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::http::App;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status_code: String,
    ws: &'static str,
}

type Histograms = Family<RequestLabels, Histogram, fn() -> Histogram>;

/// The registry and the server's own metrics.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Histograms,
    pub(crate) inflight: Gauge,
}

fn request_histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0])
}

impl Metrics {
    pub(crate) fn new(ingester: &loptr_ingest::Ingester, takeover: &loptr_ingest::TakeoverMetrics) -> Self {
        let mut registry = Registry::default();
        ingester.metrics.register(&mut registry);
        takeover.register(&mut registry);
        let requests = Histograms::new_with_constructor(request_histogram);
        registry.register(
            "loki_request_duration_seconds",
            "Time (in seconds) spent serving HTTP requests",
            requests.clone(),
        );
        let inflight = Gauge::default();
        registry.register("loki_inflight_requests", "Current number of inflight requests", inflight.clone());
        Self { registry, requests, inflight }
    }

    pub(crate) fn observe_request(&self, method: &str, route: &str, status: u16, secs: f64) {
        let labels = RequestLabels {
            method: method.to_owned(),
            route: route_label(route),
            status_code: status.to_string(),
            ws: "false",
        };
        self.requests.get_or_create(&labels).observe(secs);
    }

    /// Everything, as text.
    pub(crate) fn text(&self, app: &Arc<App>) -> String {
        let mut open_metrics = String::new();
        // Writing to a String cannot fail; what was written before an encoder's error is still true.
        if let Err(error) = encode(&mut open_metrics, &self.registry) {
            tracing::error!(%error, "metrics could not be encoded whole");
        }
        let mut text = classic(&open_metrics);
        gauges(&mut text, app);
        runtime_config(&mut text, app);
        tls(&mut text, app);
        label_caches(&mut text, app);
        text
    }
}

/// Upstream's two figures of the runtime configuration.
fn runtime_config(out: &mut String, app: &App) {
    if !app.runtime.is_on() {
        return;
    }
    let ok = u8::from(app.runtime.succeeded());
    let hash = app.runtime.hash();
    write!(
        out,
        "# HELP loki_runtime_config_hash Hash of the currently active runtime configuration, merged from all configured files.\n# TYPE loki_runtime_config_hash gauge\nloki_runtime_config_hash{{config=\"loki\",sha256=\"{hash}\"}} 1\n# HELP loki_runtime_config_last_reload_successful Whether the last runtime-config reload attempt was successful.\n# TYPE loki_runtime_config_last_reload_successful gauge\nloki_runtime_config_last_reload_successful{{config=\"loki\"}} {ok}\n",
    )
    .expect("writing to a String cannot fail");
}

/// What is remembered of label texts, over all tenants.
fn label_caches(out: &mut String, app: &App) {
    let figures = app.limits.label_caches();
    write!(
        out,
        "# HELP loptr_label_cache_texts Label texts remembered, over all tenants.\n# TYPE loptr_label_cache_texts gauge\nloptr_label_cache_texts {}\n# HELP loptr_label_cache_bytes Bytes they hold, about; bounded.\n# TYPE loptr_label_cache_bytes gauge\nloptr_label_cache_bytes {}\n# HELP loptr_label_cache_emptied_total Times a tenant's were forgotten for the bound.\n# TYPE loptr_label_cache_emptied_total counter\nloptr_label_cache_emptied_total {}\n",
        figures.texts, figures.bytes, figures.emptied,
    )
    .expect("writing to a String cannot fail");
}

/// Figures of TLS, where it is spoken.
fn tls(out: &mut String, app: &App) {
    let Some(tls) = &app.tls else { return };
    write!(
        out,
        "# HELP loptr_tls_last_reload_successful Whether the certificates could be used when they were read last.\n# TYPE loptr_tls_last_reload_successful gauge\nloptr_tls_last_reload_successful {}\n# HELP loptr_tls_failed_handshakes_total Connections that ended before they were secure.\n# TYPE loptr_tls_failed_handshakes_total counter\nloptr_tls_failed_handshakes_total {}\n",
        u8::from(tls.succeeded()),
        tls.failed_handshakes(),
    )
    .expect("writing to a String cannot fail");
}

/// Upstream's form of a route: `/loki/api/v1/push` → `loki_api_v1_push`.
fn route_label(route: &str) -> String {
    let label: String = route
        .trim_matches('/')
        .chars()
        .filter(|c| !matches!(c, '{' | '}'))
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if label.is_empty() { "root".to_owned() } else { label }
}

/// Counters whose upstream names do not end in `_total`.
const UNSUFFIXED: &[&str] = &["loki_stream_sharding_count"];

/// OpenMetrics text → the classic format: counters are named in full in their headers, help ends without a dot, no end
/// mark.
fn classic(open_metrics: &str) -> String {
    let mut counters = std::collections::HashSet::new();
    for line in open_metrics.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.strip_suffix(" counter")) {
            counters.insert(name);
        }
    }
    let mut out = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let unsuffixed =
            UNSUFFIXED.iter().find_map(|name| Some((name, line.strip_prefix(name)?.strip_prefix("_total")?)));
        if let Some((name, rest)) = unsuffixed {
            writeln!(out, "{name}{rest}").expect("writing to a String cannot fail");
            continue;
        }
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let header = line.strip_prefix("# HELP ").map(|rest| ("HELP", rest));
        let header = header.or_else(|| line.strip_prefix("# TYPE ").map(|rest| ("TYPE", rest)));
        match header.and_then(|(kind, rest)| Some((kind, rest.split_once(' ')?))) {
            Some((kind, (name, rest))) => {
                let suffix = if counters.contains(name) && !UNSUFFIXED.contains(&name) { "_total" } else { "" };
                let rest = if kind == "HELP" { rest.strip_suffix('.').unwrap_or(rest) } else { rest };
                out.push_str(&format!("# {kind} {name}{suffix} {rest}\n"));
            }
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn gauges(out: &mut String, app: &Arc<App>) {
    let ingest = app.ingester.figures();
    let cpu = app.ports.cpu.stats();
    let tails = app.tails.figures();
    let patterns = app.patterns.as_ref().map(|patterns| patterns.figures()).unwrap_or_default();
    let all: [(&str, &str, f64); 25] = [
        ("loki_ingester_memory_streams", "The total number of streams in memory", ingest.streams as f64),
        ("loki_ingester_streams", "Alias of loki_ingester_memory_streams for old dashboards", ingest.streams as f64),
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
        ("loki_querier_tail_active", "Number of active tailers", tails.active as f64),
        ("loptr_tail_buffered_bytes", "Bytes buffered for clients of tails", tails.buffered_bytes as f64),
        ("loptr_tail_dropped_entries", "Entries slow tails did not get since start", tails.dropped as f64),
        ("loptr_tail_sent_bytes", "Bytes of lines handed to clients of tails since start", tails.sent_bytes as f64),
        ("loptr_index_cache_bytes", "Bytes of index files kept open", app.index_bytes() as f64),
    ];
    for (name, help, value) in all {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
            .expect("writing to a String cannot fail");
    }
    durability::write(out, &ingest);
    writeln!(
        out,
        "# HELP loki_build_info A metric with a constant '1' value labeled by version\n# TYPE loki_build_info gauge\nloki_build_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    )
    .expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_classic_format() {
        let open = "# HELP a_b Things counted.\n# TYPE a_b counter\na_b_total{x=\"1\"} 2\n# HELP g Held.\n# TYPE g gauge\ng 1\n# EOF\n";
        let expected = "# HELP a_b_total Things counted\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 2\n# HELP g Held\n# TYPE g gauge\ng 1\n";
        assert_eq!(classic(open), expected);
        assert_eq!(route_label("/loki/api/v1/label/{name}/values"), "loki_api_v1_label_name_values");
    }
}
