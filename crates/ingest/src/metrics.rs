//! What the write path counts, under upstream's names (registered by `server`, which knows the prefix).

use loptr_model::TenantId;
use loptr_wire::push::PushStream;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::stream::CloseReason;

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TenantLabel {
    /// Tenant id.
    pub tenant: String,
}

/// What was discarded and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DiscardLabels {
    /// Upstream's word.
    pub reason: String,
    /// Tenant id.
    pub tenant: String,
    /// Hours the line would have been kept; 0 without retention.
    pub retention_hours: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReceivedLabels {
    /// Tenant id.
    pub tenant: String,
    /// Hours the line will be kept; empty without retention.
    pub retention_hours: String,
    /// Whether the stream is one of the store's own.
    pub is_internal_stream: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

/// The same of lines, which upstream does not tell apart by retention.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReceivedLinesLabels {
    /// Tenant id.
    pub tenant: String,
    /// Whether the stream is one of the store's own.
    pub is_internal_stream: String,
    /// Ingestion policy; empty when there is none.
    pub policy: String,
    /// Push format.
    pub format: String,
}

impl ReceivedLabels {
    pub(crate) fn of_lines(&self) -> ReceivedLinesLabels {
        ReceivedLinesLabels {
            tenant: self.tenant.clone(),
            is_internal_stream: self.is_internal_stream.clone(),
            policy: self.policy.clone(),
            format: self.format.clone(),
        }
    }
}

/// What was changed on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MutatedLabels {
    /// Upstream's word.
    pub reason: &'static str,
    /// Tenant id.
    pub truncated: String,
}

/// Why a chunk was flushed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Upstream's word.
    pub reason: &'static str,
}

/// Counters and histograms of the write path.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is named as its metric, whose help text says what it counts")]
pub struct IngestMetrics {
    pub bytes_received: Family<ReceivedLabels, Counter>,
    pub lines_received: Family<ReceivedLinesLabels, Counter>,
    pub metadata_bytes_received: Family<ReceivedLabels, Counter>,
    pub discarded_samples: Family<DiscardLabels, Counter>,
    pub discarded_bytes: Family<DiscardLabels, Counter>,
    pub mutated_samples: Family<MutatedLabels, Counter>,
    pub mutated_bytes: Family<MutatedLabels, Counter>,
    pub stream_sharding: Counter,
    pub streams_created: Family<TenantLabel, Counter>,
    pub streams_removed: Counter,
    pub chunks_flushed: Family<ReasonLabel, Counter>,
    pub chunk_stored_bytes: Counter,
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
            bytes_received: Family::default(),
            lines_received: Family::default(),
            metadata_bytes_received: Family::default(),
            discarded_samples: Family::default(),
            discarded_bytes: Family::default(),
            mutated_samples: Family::default(),
            mutated_bytes: Family::default(),
            stream_sharding: Counter::default(),
            streams_created: Family::default(),
            streams_removed: Counter::default(),
            chunks_flushed: Family::default(),
            chunk_stored_bytes: Counter::default(),
            chunk_size: Histogram::new((0..10).map(|power| 10_000.0 * 2f64.powi(power))),
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
        r.register("loki_ingester_chunk_stored_bytes", "Total bytes stored in chunks", self.chunk_stored_bytes.clone());
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
        r.register(
            "loki_ingester_wal_corruptions",
            "Total number of WAL corruptions encountered",
            self.wal_corruptions.clone(),
        );
        r.register(
            "loptr_ingester_pushes_refused",
            "Pushes answered 503 before they touched memory, since the log or the budget had no room",
            self.pushes_refused.clone(),
        );
    }

    pub(crate) fn chunk_flushed(&self, reason: CloseReason, bytes: usize, entries: u32, utilization: f64) {
        self.chunks_flushed.get_or_create(&ReasonLabel { reason: reason.as_str() }).inc();
        self.chunk_stored_bytes.inc_by(bytes as u64);
        self.chunk_size.observe(bytes as f64);
        self.chunk_entries.observe(f64::from(entries));
        self.chunk_utilization.observe(utilization);
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
