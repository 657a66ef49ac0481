//! Requests: how long they took, how many are under way, how many panicked. Calls that a part of this process makes of
//! another in place of upstream's gRPC are timed under the name the call has there.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status_code: String,
    ws: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InflightLabels {
    method: String,
    route: String,
}

/// Times and counts of requests. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct RequestMetrics {
    times: Family<RequestLabels, Histogram, fn() -> Histogram>,
    inflight: Family<InflightLabels, Gauge>,
    pub(crate) panics: Counter,
}

fn request_histogram() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0])
}

/// A call within the process, by the name upstream's gRPC has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner {
    Push,
    Query,
    Series,
    ChunkIds,
}

impl Inner {
    fn route(self) -> &'static str {
        match self {
            Self::Push => "/logproto.Pusher/Push",
            Self::Query => "/logproto.Querier/Query",
            Self::Series => "/logproto.Querier/Series",
            Self::ChunkIds => "/logproto.Querier/GetChunkIDs",
        }
    }
}

/// A request under way.
pub(crate) struct Inflight(Gauge);

impl Drop for Inflight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl RequestMetrics {
    pub(crate) fn new() -> Self {
        Self {
            times: Family::new_with_constructor(request_histogram),
            inflight: Family::default(),
            panics: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "loki_request_duration_seconds",
            "Time (in seconds) spent serving HTTP requests",
            self.times.clone(),
        );
        registry.register("loki_inflight_requests", "Current number of inflight requests", self.inflight.clone());
        registry.register("loki_panic", "The total number of panic triggered", self.panics.clone());
    }

    /// A request begins; it is under way until the answer is dropped.
    pub(crate) fn begin(&self, method: &str, route: &str) -> Inflight {
        let labels = InflightLabels { method: method.to_owned(), route: route_label(route) };
        let gauge = self.inflight.get_or_create(&labels).clone();
        gauge.inc();
        Inflight(gauge)
    }

    pub(crate) fn observe(&self, method: &str, route: &str, status: u16, is_socket: bool, secs: f64) {
        let labels = RequestLabels {
            method: method.to_owned(),
            route: route_label(route),
            status_code: status.to_string(),
            ws: if is_socket { "true" } else { "false" },
        };
        self.times.get_or_create(&labels).observe(secs);
    }

    pub(crate) fn observe_inner(&self, call: Inner, succeeded: bool, secs: f64) {
        let labels = RequestLabels {
            method: "gRPC".to_owned(),
            route: call.route().to_owned(),
            status_code: if succeeded { "success" } else { "error" }.to_owned(),
            ws: "false",
        };
        self.times.get_or_create(&labels).observe(secs);
    }
}

/// Upstream's form of a route: `/loki/api/v1/push` → `loki_api_v1_push`.
fn route_label(route: &str) -> String {
    let label: String = route
        .trim_matches('/')
        .chars()
        .filter(|c| !matches!(c, '{' | '}'))
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
        .collect();
    if label.is_empty() { "root".to_owned() } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_named_as_upstream_names_them() {
        assert_eq!(route_label("/loki/api/v1/label/{name}/values"), "loki_api_v1_label_name_values");
        assert_eq!(route_label("other"), "other");
    }
}
