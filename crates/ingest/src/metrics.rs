//! What the write path counts, under upstream's names (registered by `server`, which knows the prefix).

mod family;
mod labels;

use loptr_model::{Nanos, TenantId};
use loptr_wire::push::PushStream;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::stream::CloseReason;

pub use family::{OfTenant, TenantFamily};
pub(crate) use labels::{DiscardLabels, MutatedLabels, ReasonLabel, ReceivedLabels, ReceivedLinesLabels, TenantLabel};

/// How long a tenant that holds no streams keeps its series after it was last counted.
const IDLE: i64 = 3600 * Nanos::PER_SEC;

/// What upstream names the address of an ingester: here it is this process.
const IN_PROCESS: &str = "in-process";

/// A chunk that was stored.
pub(crate) struct FlushedChunk {
    pub(crate) reason: CloseReason,
    /// Of its object.
    pub(crate) bytes: usize,
    pub(crate) entries: u32,
    pub(crate) utilization: f64,
    pub(crate) oldest: Nanos,
    pub(crate) newest: Nanos,
    /// Index tables that will name it.
    pub(crate) tables: usize,
    pub(crate) now: Nanos,
}

/// Counters and histograms of the write path.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is named as its metric, whose help text says what it counts")]
pub struct IngestMetrics {
    pub bytes_received: TenantFamily<ReceivedLabels>,
    pub lines_received: TenantFamily<ReceivedLinesLabels>,
    pub metadata_bytes_received: TenantFamily<ReceivedLabels>,
    pub discarded_samples: TenantFamily<DiscardLabels>,
    pub discarded_bytes: TenantFamily<DiscardLabels>,
    pub mutated_samples: TenantFamily<MutatedLabels>,
    pub mutated_bytes: TenantFamily<MutatedLabels>,
    pub stream_sharding: Counter,
    pub streams_created: TenantFamily<TenantLabel>,
    pub streams_removed: TenantFamily<TenantLabel>,
    pub chunks_flushed: Family<ReasonLabel, Counter>,
    pub closed_for_memory: Counter,
    pub chunk_stored_bytes: TenantFamily<TenantLabel>,
    pub chunks_stored: TenantFamily<TenantLabel>,
    pub chunk_age: Histogram,
    pub chunk_hours: Histogram,
    pub index_entries: Histogram,
    pub deduped_chunks: Counter,
    pub flush_queue: Gauge,
    pub appends: Counter,
    pub append_timeouts: Counter,
    pub chunk_size: Histogram,
    pub chunk_entries: Histogram,
    pub chunk_utilization: Histogram,
    pub flush_failures: Counter,
    pub index_uploads: Counter,
    pub wal_replayed_entries: Counter,
    pub wal_recovered_bytes: Counter,
    pub wal_recovered_chunks: Counter,
    pub wal_recovered_streams: Counter,
    pub wal_duplicate_entries: Counter,
    pub wal_corruptions: Counter,
    pub checkpoints: Counter,
    pub checkpoint_bytes: Counter,
    pub pushes_refused: Counter,
}

impl Default for IngestMetrics {
    fn default() -> Self {
        Self {
            bytes_received: TenantFamily::default(),
            lines_received: TenantFamily::default(),
            metadata_bytes_received: TenantFamily::default(),
            discarded_samples: TenantFamily::default(),
            discarded_bytes: TenantFamily::default(),
            mutated_samples: TenantFamily::default(),
            mutated_bytes: TenantFamily::default(),
            stream_sharding: Counter::default(),
            streams_created: TenantFamily::default(),
            streams_removed: TenantFamily::default(),
            chunks_flushed: Family::default(),
            closed_for_memory: Counter::default(),
            chunk_stored_bytes: TenantFamily::default(),
            chunks_stored: TenantFamily::default(),
            chunk_age: Histogram::new([60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 36000.0, 43200.0, 57600.0]),
            chunk_hours: Histogram::new((1..=8).map(f64::from)),
            index_entries: Histogram::new((0..5).map(|power| 2f64.powi(power))),
            deduped_chunks: Counter::default(),
            flush_queue: Gauge::default(),
            appends: Counter::default(),
            append_timeouts: Counter::default(),
            chunk_size: Histogram::new((0..10).map(|power| 20_000.0 * 2f64.powi(power))),
            chunk_entries: Histogram::new((0..9).map(|power| 200.0 * 2f64.powi(power))),
            chunk_utilization: Histogram::new((0..6).map(|fifth| f64::from(fifth) * 0.2)),
            flush_failures: Counter::default(),
            index_uploads: Counter::default(),
            wal_replayed_entries: Counter::default(),
            wal_recovered_bytes: Counter::default(),
            wal_recovered_chunks: Counter::default(),
            wal_recovered_streams: Counter::default(),
            wal_duplicate_entries: Counter::default(),
            wal_corruptions: Counter::default(),
            checkpoints: Counter::default(),
            checkpoint_bytes: Counter::default(),
            pushes_refused: Counter::default(),
        }
    }
}

impl IngestMetrics {
    /// Registers everything; names are upstream's, `loptr_` where upstream has none.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry;
        r.register(
            "loki_distributor_bytes_received",
            "The total number of uncompressed bytes received per tenant. Includes structured metadata bytes",
            self.bytes_received.clone(),
        );
        r.register(
            "loki_distributor_lines_received",
            "The total number of lines received per tenant",
            self.lines_received.clone(),
        );
        r.register(
            "loki_distributor_structured_metadata_bytes_received",
            "The total number of uncompressed bytes received per tenant for entries' structured metadata",
            self.metadata_bytes_received.clone(),
        );
        r.register(
            "loki_discarded_samples",
            "The total number of samples that were discarded",
            self.discarded_samples.clone(),
        );
        r.register(
            "loki_discarded_bytes",
            "The total number of bytes that were discarded",
            self.discarded_bytes.clone(),
        );
        r.register(
            "loki_mutated_samples",
            "The total number of samples that have been mutated",
            self.mutated_samples.clone(),
        );
        r.register(
            "loki_mutated_bytes",
            "The total number of bytes that have been mutated",
            self.mutated_bytes.clone(),
        );
        r.register(
            "loki_stream_sharding_count",
            "Total number of times the distributor has sharded streams",
            self.stream_sharding.clone(),
        );
        r.register(
            "loki_ingester_streams_created",
            "The total number of streams created per tenant",
            self.streams_created.clone(),
        );
        r.register(
            "loki_ingester_streams_removed",
            "The total number of streams removed",
            self.streams_removed.clone(),
        );
        r.register("loki_ingester_chunks_flushed", "Total flushed chunks per reason", self.chunks_flushed.clone());
        r.register(
            "loptr_ingester_chunks_closed_for_memory",
            "Chunks closed early since chunks in memory held more than their budget",
            self.closed_for_memory.clone(),
        );
        r.register(
            "loki_ingester_chunk_stored_bytes",
            "Total bytes stored in chunks per tenant",
            self.chunk_stored_bytes.clone(),
        );
        r.register("loki_ingester_chunks_stored", "Total stored chunks per tenant", self.chunks_stored.clone());
        r.register(
            "loki_ingester_chunk_age_seconds",
            "Distribution of chunk ages, when stored",
            self.chunk_age.clone(),
        );
        r.register(
            "loki_ingester_chunk_bounds_hours",
            "Distribution of chunk end-start durations, when stored",
            self.chunk_hours.clone(),
        );
        r.register(
            "loki_chunk_store_index_entries_per_chunk",
            "Number of entries written to the index per chunk",
            self.index_entries.clone(),
        );
        r.register(
            "loki_chunk_store_deduped_chunks",
            "Count of chunks which were not stored because another replica has stored them",
            self.deduped_chunks.clone(),
        );
        r.register(
            "loki_ingester_flush_queue_length",
            "The total number of streams waiting to be flushed",
            self.flush_queue.clone(),
        );
        let here = r.sub_registry_with_label(("ingester".into(), IN_PROCESS.into()));
        here.register(
            "loki_distributor_ingester_appends",
            "The total number of batch appends sent to ingesters",
            self.appends.clone(),
        );
        here.register(
            "loki_distributor_ingester_append_timeouts",
            "The total number of failed batch appends sent to ingesters due to timeouts",
            self.append_timeouts.clone(),
        );
        r.register(
            "loki_ingester_bytes_received",
            "Alias of loki_distributor_bytes_received_total for old dashboards",
            self.bytes_received.clone(),
        );
        r.register(
            "loptr_metrics_tenant_series_refused",
            "Counts of tenants beyond the series kept per metric, not shown",
            self.bytes_received.refused.clone(),
        );
        r.register(
            "loki_ingester_chunk_size_bytes",
            "Distribution of stored chunk sizes, when stored",
            self.chunk_size.clone(),
        );
        r.register(
            "loki_ingester_chunk_entries",
            "Distribution of stored lines per chunk, when stored",
            self.chunk_entries.clone(),
        );
        r.register(
            "loki_ingester_chunk_utilization",
            "Distribution of stored chunk utilization, when stored",
            self.chunk_utilization.clone(),
        );
        r.register(
            "loki_ingester_chunks_flush_failures",
            "Total number of flush failures",
            self.flush_failures.clone(),
        );
        r.register("loptr_ingester_index_uploads", "Index files uploaded", self.index_uploads.clone());
        r.register(
            "loki_ingester_wal_recovered_entries",
            "Total number of entries recovered from the WAL",
            self.wal_replayed_entries.clone(),
        );
        for (name, help, counter) in [
            (
                "loki_ingester_wal_recovered_bytes",
                "Total bytes of lines recovered from the WAL",
                &self.wal_recovered_bytes,
            ),
            (
                "loki_ingester_wal_recovered_chunks",
                "Total number of chunks recovered from the WAL",
                &self.wal_recovered_chunks,
            ),
            (
                "loki_ingester_wal_recovered_streams",
                "Total number of streams recovered from the WAL",
                &self.wal_recovered_streams,
            ),
            (
                "loki_ingester_wal_duplicate_entries",
                "Entries found in the WAL that lie in a flushed chunk or in a snapshot already",
                &self.wal_duplicate_entries,
            ),
            (
                "loki_ingester_checkpoint_creations",
                "Total number of checkpoints that logged anything",
                &self.checkpoints,
            ),
            (
                "loki_ingester_checkpoint_logged_bytes",
                "Total number of bytes written to the WAL for checkpointing",
                &self.checkpoint_bytes,
            ),
        ] {
            r.register(name, help, counter.clone());
        }
        r.sub_registry_with_label(("type".into(), "segment".into())).register(
            "loki_ingester_wal_corruptions",
            "Total number of WAL corruptions encountered",
            self.wal_corruptions.clone(),
        );
        r.register(
            "loptr_ingester_pushes_refused",
            "Pushes answered 503 before they touched memory, since the log, memory or the budget had no room",
            self.pushes_refused.clone(),
        );
    }

    pub(crate) fn chunk_flushed(&self, tenant: &TenantId, chunk: &FlushedChunk) {
        let label = TenantLabel { tenant: tenant.to_string() };
        self.chunks_flushed.get_or_create(&ReasonLabel { reason: chunk.reason.as_str() }).inc();
        self.chunk_stored_bytes.get_or_create(&label).inc_by(chunk.bytes as u64);
        self.chunks_stored.get_or_create(&label).inc();
        self.chunk_size.observe(chunk.bytes as f64);
        self.chunk_entries.observe(f64::from(chunk.entries));
        self.chunk_utilization.observe(chunk.utilization);
        self.chunk_age.observe((chunk.now.0.saturating_sub(chunk.oldest.0)) as f64 / 1e9);
        self.chunk_hours.observe((chunk.newest.0.saturating_sub(chunk.oldest.0)) as f64 / 3.6e12);
        self.index_entries.observe(chunk.tables as f64);
    }

    /// Drops the series of tenants that `lives` denies and that were not counted for an hour.
    pub(crate) fn retire(&self, now: Nanos, lives: impl Fn(&str) -> bool) {
        let before = Nanos(now.0.saturating_sub(IDLE));
        self.bytes_received.retire(now, before, &lives);
        self.lines_received.retire(now, before, &lives);
        self.metadata_bytes_received.retire(now, before, &lives);
        self.discarded_samples.retire(now, before, &lives);
        self.discarded_bytes.retire(now, before, &lives);
        self.mutated_samples.retire(now, before, &lives);
        self.mutated_bytes.retire(now, before, &lives);
        for family in [&self.streams_created, &self.streams_removed, &self.chunk_stored_bytes, &self.chunks_stored] {
            family.retire(now, before, &lives);
        }
    }

    pub(crate) fn discard(&self, labels: &DiscardLabels, samples: u64, bytes: u64) {
        self.discarded_samples.get_or_create(labels).inc_by(samples);
        self.discarded_bytes.get_or_create(labels).inc_by(bytes);
    }

    /// A whole stream was discarded.
    pub(crate) fn discard_stream(&self, labels: &DiscardLabels, stream: &PushStream<'_>) {
        let bytes: usize = stream.entries().map(|entry| entry.line.len() + entry.metadata.byte_len()).sum();
        self.discard(labels, stream.len() as u64, bytes as u64);
    }

    /// A line was cut by so many bytes.
    pub(crate) fn truncated(&self, tenant: &TenantId, bytes: u64) {
        // Upstream's label is called so, and holds the tenant.
        let labels = MutatedLabels { reason: "line_too_long", truncated: tenant.to_string() };
        self.mutated_samples.get_or_create(&labels).inc();
        self.mutated_bytes.get_or_create(&labels).inc_by(bytes);
    }
}
