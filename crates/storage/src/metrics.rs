//! What the object store and the index are asked, counted and timed under upstream's names. Upstream counts object
//! store calls so where its Thanos client is on.

use std::fmt::Write;
use std::sync::Arc;

use loptr_model::{Millis, Nanos};
use loptr_ports::Clock;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::cache::CacheMetrics;
use crate::schema::Schema;

/// A call of the object store. Those that are never made count 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Attributes,
    Delete,
    Exists,
    Get,
    GetRange,
    Iter,
    Upload,
}

impl Operation {
    const ALL: [Self; 7] =
        [Self::Attributes, Self::Delete, Self::Exists, Self::Get, Self::GetRange, Self::Iter, Self::Upload];

    fn as_str(self) -> &'static str {
        match self {
            Self::Attributes => "attributes",
            Self::Delete => "delete",
            Self::Exists => "exists",
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::Iter => "iter",
            Self::Upload => "upload",
        }
    }
}

/// What the index is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are upstream's")]
pub enum IndexOperation {
    ChunkRefs,
    IndexChunk,
    LabelNames,
    LabelValues,
    Series,
    Shards,
    Stats,
    Volume,
}

impl IndexOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::ChunkRefs => "chunk_refs",
            Self::IndexChunk => "index_chunk",
            Self::LabelNames => "label_names",
            Self::LabelValues => "label_values",
            Self::Series => "series",
            Self::Shards => "shards",
            Self::Stats => "stats",
            Self::Volume => "volume",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    bucket: String,
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IndexLabels {
    component: String,
    operation: &'static str,
    status_code: &'static str,
}

/// A kind of store on the network, as upstream's metrics call its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remote {
    S3,
    Azure,
    Gcs,
}

/// A request of such a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Get,
    Put,
    List,
    Delete,
    Head,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status_code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabels {
    method: &'static str,
    status_code: &'static str,
}

impl Request {
    fn method(self) -> &'static str {
        match self {
            Self::Get | Self::List => "GET",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }

    /// Google's client counts methods, the others name the call.
    fn operation(self, of: Remote) -> &'static str {
        match (of, self) {
            (Remote::Gcs, _) => self.method(),
            (Remote::S3, Self::Get) => "S3.GetObject",
            (Remote::S3, Self::Put) => "S3.PutObject",
            (Remote::S3, Self::List) => "S3.List",
            (Remote::S3, Self::Delete) => "S3.DeleteObject",
            (Remote::S3, Self::Head) => "S3.GetAttributes",
            (Remote::Azure, Self::Get) => "azure.GetObject",
            (Remote::Azure, Self::Put) => "azure.PutObject",
            (Remote::Azure, Self::List) => "azure.List",
            (Remote::Azure, Self::Delete) => "azure.DeleteObject",
            (Remote::Azure, Self::Head) => "azure.GetAttributes",
        }
    }
}

/// Times the requests of one store on the network.
#[derive(Clone)]
pub(crate) struct RequestMeter {
    of: Remote,
    clock: Arc<dyn Clock>,
    durations: Histograms<RequestLabels>,
    transport: Family<TransportLabels, Counter>,
}

impl std::fmt::Debug for RequestMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestMeter").field("of", &self.of).finish_non_exhaustive()
    }
}

impl RequestMeter {
    pub(crate) fn now(&self) -> Nanos {
        self.clock.monotonic()
    }

    /// A request that began then has ended.
    pub(crate) fn ended(&self, request: Request, began: Nanos, failure: Option<&object_store::Error>) {
        use object_store::Error;
        let http = match failure {
            None => "200",
            Some(Error::NotFound { .. }) => "404",
            Some(Error::AlreadyExists { .. } | Error::Precondition { .. }) => "412",
            Some(Error::PermissionDenied { .. }) => "403",
            Some(Error::Unauthenticated { .. }) => "401",
            Some(_) => "500",
        };
        // What is not Google's has one word for all failures.
        let status_code = if self.of == Remote::Gcs || failure.is_none() { http } else { "500" };
        let secs = self.now().0.saturating_sub(began.0) as f64 / 1e9;
        let labels = RequestLabels { operation: request.operation(self.of), status_code };
        self.durations.get_or_create(&labels).observe(secs);
        self.transport.get_or_create(&TransportLabels { method: request.method(), status_code: http }).inc();
    }
}

fn s3_histogram() -> Histogram {
    Histogram::new([0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0])
}

/// From 5 ms to 20 s.
fn cloud_histogram() -> Histogram {
    Histogram::new((0..7).map(|step| 0.005 * 4f64.powi(step)))
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn store_histogram() -> Histogram {
    Histogram::new([0.001, 0.01, 0.1, 0.3, 0.6, 1.0, 3.0, 6.0, 9.0, 20.0, 30.0, 60.0, 90.0, 120.0])
}

/// Callers look for what may be gone and create what may be there.
fn is_failure(error: &object_store::Error) -> bool {
    !matches!(error, object_store::Error::NotFound { .. } | object_store::Error::AlreadyExists { .. })
}

/// A clock and where its times go.
#[derive(Clone)]
pub(crate) struct Meter {
    clock: Arc<dyn Clock>,
    metrics: StorageMetrics,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    pub(crate) fn new(clock: Arc<dyn Clock>, metrics: StorageMetrics) -> Self {
        Self { clock, metrics }
    }

    /// Times `call`, which is `calls` of the store.
    pub(crate) async fn time<T>(
        &self,
        operation: Operation,
        calls: usize,
        call: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, object_store::Error> {
        let began = self.clock.monotonic();
        let done = call.await;
        let took = Nanos(self.clock.monotonic().0.saturating_sub(began.0));
        self.metrics.called(operation, calls as u64, took, done.as_ref().err().is_some_and(is_failure));
        done
    }
}

/// From 5 ms to 100 s in 12 even steps of a logarithm.
fn index_histogram() -> Histogram {
    Histogram::new((0..12).map(|step| 0.005 * 20_000f64.powf(f64::from(step) / 11.0)))
}

/// Counters and times of calls. Clones share them.
#[derive(Clone, Debug)]
pub struct StorageMetrics {
    bucket: Arc<str>,
    operations: Family<StoreLabels, Counter>,
    failures: Family<StoreLabels, Counter>,
    durations: Histograms<StoreLabels>,
    index: Histograms<IndexLabels>,
    requests: [Histograms<RequestLabels>; 3],
    transport: Family<TransportLabels, Counter>,
    /// Which kinds of stores there are.
    remotes: Arc<Mutex<Vec<Remote>>>,
    /// Of the caches before the stores.
    pub caches: CacheMetrics,
}

impl Default for StorageMetrics {
    fn default() -> Self {
        Self::new("")
    }
}

impl StorageMetrics {
    /// For the bucket called so.
    pub fn new(bucket: &str) -> Self {
        let metrics = Self {
            bucket: bucket.into(),
            operations: Family::default(),
            failures: Family::default(),
            durations: Histograms::new_with_constructor(store_histogram),
            index: Histograms::new_with_constructor(index_histogram),
            requests: [s3_histogram, cloud_histogram, cloud_histogram].map(Histograms::new_with_constructor),
            transport: Family::default(),
            remotes: Arc::default(),
            caches: CacheMetrics::default(),
        };
        for operation in Operation::ALL {
            let labels = metrics.store_labels(operation);
            drop((metrics.operations.get_or_create(&labels), metrics.failures.get_or_create(&labels)));
            drop(metrics.durations.get_or_create(&labels));
        }
        metrics
    }

    /// For the requests of one more store on the network.
    pub(crate) fn requests_of(&self, of: Remote, clock: Arc<dyn Clock>) -> RequestMeter {
        self.remotes.lock().push(of);
        let durations = self.requests[of as usize].clone();
        RequestMeter { of, clock, durations, transport: self.transport.clone() }
    }

    /// Registers everything, as far as there are such stores.
    pub fn register(&self, registry: &mut Registry) {
        let remotes = self.remotes.lock().clone();
        for (of, name, help) in [
            (Remote::S3, "loki_s3_request_duration_seconds", "Time spent doing S3 requests"),
            (Remote::Azure, "loki_azure_blob_request_duration_seconds", "Time spent doing azure blob requests"),
            (Remote::Gcs, "loki_gcs_request_duration_seconds", "Time spent doing GCS requests"),
        ] {
            if remotes.contains(&of) {
                registry.register(name, help, self.requests[of as usize].clone());
            }
        }
        if !remotes.is_empty() {
            let help = "Total number of HTTP transport requests made to the bucket backend";
            registry.register("loki_objstore_bucket_transport_requests", help, self.transport.clone());
        }
        registry.register(
            "loki_objstore_bucket_operations",
            "Total number of all attempted operations against a bucket",
            self.operations.clone(),
        );
        registry.register(
            "loki_objstore_bucket_operation_failures",
            "Total number of operations against a bucket that failed, but were not expected to fail in certain way from caller perspective",
            self.failures.clone(),
        );
        registry.register(
            "loki_objstore_bucket_operation_duration_seconds",
            "Duration of successful operations against the bucket per operation",
            self.durations.clone(),
        );
        registry.register(
            "loki_index_request_duration_seconds",
            "Time (in seconds) spent in serving index query requests",
            self.index.clone(),
        );
        self.caches.register(registry);
    }

    fn store_labels(&self, operation: Operation) -> StoreLabels {
        StoreLabels { bucket: self.bucket.to_string(), operation: operation.as_str() }
    }

    /// `calls` of the object store ended that took so long together. What the caller expected to fail has not failed.
    pub(crate) fn called(&self, operation: Operation, calls: u64, took: Nanos, failed: bool) {
        let labels = self.store_labels(operation);
        self.operations.get_or_create(&labels).inc_by(calls);
        if failed {
            self.failures.get_or_create(&labels).inc();
            return;
        }
        let each = took.0.max(0) as f64 / 1e9 / calls.max(1) as f64;
        let durations = self.durations.get_or_create(&labels);
        (0..calls).for_each(|_| durations.observe(each));
    }

    /// The index was asked about a span that ends at `through`.
    pub fn indexed(&self, schema: &Schema, operation: IndexOperation, through: Millis, took: Nanos, failed: bool) {
        let labels = IndexLabels {
            component: component(schema, through),
            operation: operation.as_str(),
            status_code: if failed { "500" } else { "200" },
        };
        self.index.get_or_create(&labels).observe(took.0.max(0) as f64 / 1e9);
    }
}

/// Upstream's name of the period's index: `index-store-tsdb-2024-01-01`.
fn component(schema: &Schema, at: Millis) -> String {
    let period = schema.period_at(at);
    let mut name = format!("index-store-{}", period.index.as_str());
    if let Some(day) = chrono::DateTime::from_timestamp_millis(period.from.0) {
        write!(name, "-{}", day.date_naive()).expect("a String takes everything");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Period;

    #[test]
    fn operations_never_made_are_there_and_calls_are_counted() {
        let metrics = StorageMetrics::new("chunks");
        metrics.called(Operation::Get, 4, Nanos(2_000_000_000), false);
        metrics.called(Operation::Get, 1, Nanos(1), true);
        let period = Period {
            from: Millis(1_704_067_200_000),
            schema: loptr_chunk::SchemaVersion::V13,
            index: crate::schema::IndexKind::Tsdb,
            index_prefix: "index_".into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        let schema = Schema::new(vec![period]).expect("one period");
        metrics.indexed(&schema, IndexOperation::Stats, Millis(1_800_000_000_000), Nanos(20_000_000), false);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes everything");
        for line in [
            r#"loki_objstore_bucket_operations_total{bucket="chunks",operation="exists"} 0"#,
            r#"loki_objstore_bucket_operations_total{bucket="chunks",operation="get"} 5"#,
            r#"loki_objstore_bucket_operation_failures_total{bucket="chunks",operation="get"} 1"#,
            r#"loki_objstore_bucket_operation_duration_seconds_sum{bucket="chunks",operation="get"} 2.0"#,
            r#"loki_objstore_bucket_operation_duration_seconds_bucket{le="0.6",bucket="chunks",operation="get"} 4"#,
            r#"loki_index_request_duration_seconds_count{component="index-store-tsdb-2024-01-01",operation="stats",status_code="200"} 1"#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
