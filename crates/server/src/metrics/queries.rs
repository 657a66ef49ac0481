//! Queries: how long they took and how fast they read, by kind.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LatencyLabels {
    status_code: String,
    r#type: &'static str,
    range: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpeedLabels {
    status_code: String,
    r#type: &'static str,
    range: &'static str,
    latency_type: &'static str,
    sharded: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FrontendLabels {
    method: &'static str,
    status_code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UserLabel {
    user: String,
}

/// A query that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) status: u16,
    /// Upstream's word for what was asked: metric, filter, limited, labels, series, stats, volume.
    pub(crate) kind: &'static str,
    /// range, instant, or nothing.
    pub(crate) range: &'static str,
    pub(crate) secs: f64,
}

impl Ended {
    /// Upstream's words; 10 seconds are slow.
    pub(crate) fn latency(&self) -> &'static str {
        if self.secs > 10.0 { "slow" } else { "fast" }
    }
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Times and speeds of queries.
#[derive(Clone, Debug)]
pub(crate) struct QueryMetrics {
    latency: Histograms<LatencyLabels>,
    speed: Histograms<SpeedLabels>,
    frontend: Histograms<FrontendLabels>,
    blocked: Family<UserLabel, Counter>,
}

fn latency_histogram() -> Histogram {
    Histogram::new((0..10).map(|power| 0.25 * 2f64.powi(power)))
}

fn speed_histogram() -> Histogram {
    let millions = [
        50.0, 100.0, 400.0, 600.0, 800.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 10e3, 15e3, 20e3, 30e3, 40e3,
        50e3, 60e3,
    ];
    Histogram::new(millions.map(|bytes| bytes * 1e6))
}

fn frontend_histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
}

impl QueryMetrics {
    pub(crate) fn new() -> Self {
        Self {
            latency: Histograms::new_with_constructor(latency_histogram),
            speed: Histograms::new_with_constructor(speed_histogram),
            frontend: Histograms::new_with_constructor(frontend_histogram),
            blocked: Family::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "loki_logql_querystats_latency_seconds",
            "Distribution of latency for LogQL queries",
            self.latency.clone(),
        );
        registry.register(
            "loki_logql_querystats_bytes_processed_per_seconds",
            "Distribution of bytes processed per second for LogQL queries",
            self.speed.clone(),
        );
        registry.register(
            "loki_frontend_query_range_duration_seconds",
            "Total time spent in seconds doing query range requests",
            self.frontend.clone(),
        );
        registry.register(
            "loki_blocked_queries",
            "Count of queries blocked by per-tenant policy",
            self.blocked.clone(),
        );
    }

    /// A query has ended that read so much, in so many jobs.
    pub(crate) fn ended(&self, query: &Ended, read: Option<(f64, bool)>) {
        let status_code = query.status.to_string();
        let labels = LatencyLabels { status_code: status_code.clone(), r#type: query.kind, range: query.range };
        self.latency.get_or_create(&labels).observe(query.secs);
        if let Some((bytes_per_sec, sharded)) = read {
            let labels = SpeedLabels {
                status_code: status_code.clone(),
                r#type: query.kind,
                range: query.range,
                latency_type: query.latency(),
                sharded: if sharded { "true" } else { "false" },
            };
            self.speed.get_or_create(&labels).observe(bytes_per_sec);
        }
        if query.range == "range" {
            // The step of upstream's frontend that spans the whole of a query.
            let labels = FrontendLabels { method: "split_by_interval", status_code };
            self.frontend.get_or_create(&labels).observe(query.secs);
        }
    }

    /// An operator's rule refused a tenant's query.
    pub(crate) fn blocked(&self, user: &str) {
        self.blocked.get_or_create(&UserLabel { user: user.to_owned() }).inc();
    }
}
