//! What the takeover counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::TakenOver;

/// Gauges of the takeover at this start; all zero when upstream left nothing.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "each is named as its metric, whose help text says what it counts")]
pub struct TakeoverMetrics {
    pub bytes: Gauge<u64, AtomicU64>,
    pub read_bytes: Gauge<u64, AtomicU64>,
    pub entries: Gauge<u64, AtomicU64>,
    pub chunks: Gauge<u64, AtomicU64>,
    pub index_files: Gauge<u64, AtomicU64>,
    pub torn_records: Gauge<u64, AtomicU64>,
}

impl TakeoverMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge<u64, AtomicU64>| {
            registry.register(format!("loptr_takeover_{name}"), help, gauge.clone());
        };
        gauge("bytes", "Bytes of files of Loki found in the data folder at start", &self.bytes);
        gauge("read_bytes", "Bytes of them that were read", &self.read_bytes);
        gauge("entries", "Entries taken over", &self.entries);
        gauge("chunks", "Chunks written for them, and chunks that only an index head had named", &self.chunks);
        gauge("index_files", "Index files written for them", &self.index_files);
        gauge("torn_records", "Records that a kill had cut short, never acknowledged", &self.torn_records);
    }

    pub(super) fn tell(&self, taken: &TakenOver, read_bytes: u64) {
        self.bytes.set(taken.bytes);
        self.read_bytes.set(read_bytes);
        self.entries.set(taken.entries);
        self.chunks.set(taken.chunks + taken.indexed_chunks);
        self.index_files.set(taken.index_files);
        self.torn_records.set(taken.torn);
    }
}
