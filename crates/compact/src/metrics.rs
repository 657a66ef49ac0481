//! What the compactor does, counted under upstream's names (which say "boltdb shipper" for every kind of index).

use std::collections::BTreeMap;
use std::sync::Arc;

use loptr_model::{Nanos, TenantId};
use loptr_storage::TableId;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StatusLabel {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkippedLabel {
    table_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UserLabel {
    user: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JudgedLabel {
    action: &'static str,
    table: String,
    user_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableStatusLabel {
    status: &'static str,
    table: String,
}

/// Marks by where they lie: upstream says which period, here it is the number of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FromLabel {
    from: String,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Rounds of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds {
    total: Family<StatusLabel, Counter>,
    took: Seconds,
    last: Seconds,
}

impl Rounds {
    pub(crate) fn ended(&self, good: bool, took: Nanos, now: Nanos) {
        let status = if good { "success" } else { "failure" };
        self.total.get_or_create(&StatusLabel { status }).inc();
        if good {
            self.took.set(took.0.max(0) as f64 / 1e9);
            self.last.set(now.0.div_euclid(Nanos::PER_SEC) as f64);
        }
    }
}

/// Counters and gauges of the compactor. Clones share them.
#[derive(Clone, Debug)]
pub struct CompactMetrics {
    pub(crate) compaction: Rounds,
    pub(crate) retention: Rounds,
    marked: Family<TableLabel, Counter>,
    judged: Family<JudgedLabel, Counter>,
    judging: Histograms<TableStatusLabel>,
    removals: Histograms<StatusLabel>,
    marks_due: Family<FromLabel, Gauge>,
    sweeping: Family<FromLabel, Gauge>,
    marks_done: Family<FromLabel, Counter>,
    pub(crate) running: Gauge,
    requests_received: Family<UserLabel, Counter>,
    requests_done: Family<UserLabel, Counter>,
    /// By tenant. Written by `server`: the name ends otherwise than a counter's here must.
    lines_deleted: Arc<Mutex<BTreeMap<String, u64>>>,
    loads: Family<StatusLabel, Counter>,
    requests_waiting: Gauge,
    oldest_request: Gauge,
    skipped: Family<SkippedLabel, Gauge>,
    pub(crate) files_merged: Counter,
    pub(crate) files_written: Counter,
}

impl Default for CompactMetrics {
    fn default() -> Self {
        let metrics = Self {
            compaction: Rounds::default(),
            retention: Rounds::default(),
            marked: Family::default(),
            judged: Family::default(),
            judging: Family::new_with_constructor(|| {
                Histogram::new([1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 90.0, 360.0, 600.0, 1800.0])
            }),
            removals: Family::new_with_constructor(|| Histogram::new((0..8).map(|step| 0.1 * f64::from(1 << step)))),
            marks_due: Family::default(),
            sweeping: Family::default(),
            marks_done: Family::default(),
            running: Gauge::default(),
            requests_received: Family::default(),
            requests_done: Family::default(),
            lines_deleted: Arc::default(),
            loads: Family::default(),
            requests_waiting: Gauge::default(),
            oldest_request: Gauge::default(),
            skipped: Family::default(),
            files_merged: Counter::default(),
            files_written: Counter::default(),
        };
        for rounds in [&metrics.compaction, &metrics.retention] {
            for status in ["success", "failure"] {
                drop(rounds.total.get_or_create(&StatusLabel { status }));
            }
        }
        metrics
    }
}

impl CompactMetrics {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        let shipper = "loki_boltdb_shipper";
        let retention = format!("{shipper}_retention");
        registry.register(
            "loki_compactor_apply_retention_operation",
            "Total number of attempts done to apply retention with status",
            self.retention.total.clone(),
        );
        registry.register(
            "loki_compactor_apply_retention_operation_duration_seconds",
            "Time (in seconds) spent in applying retention",
            self.retention.took.clone(),
        );
        registry.register(
            "loki_compactor_apply_retention_last_successful_run_timestamp_seconds",
            "Unix timestamp of the last successful retention run",
            self.retention.last.clone(),
        );
        registry.register(
            "loki_compactor_delete_requests_received",
            "Number of delete requests received per user",
            self.requests_received.clone(),
        );
        registry.register(
            "loki_compactor_delete_requests_processed",
            "Number of delete requests processed per user",
            self.requests_done.clone(),
        );
        registry.register(
            "loki_compactor_load_pending_requests_attempts",
            "Number of attempts that were made to load pending requests with status",
            self.loads.clone(),
        );
        registry.register(
            "loki_compactor_pending_delete_requests_count",
            "Count of delete requests which are over their cancellation period and have not finished processing yet",
            self.requests_waiting.clone(),
        );
        registry.register(
            "loki_compactor_oldest_pending_delete_request_age_seconds",
            "Age of oldest pending delete request in seconds since they are over their cancellation period",
            self.oldest_request.clone(),
        );
        registry.register(
            format!("{retention}_marker_count"),
            "Total count of markers created per table.",
            self.marked.clone(),
        );
        registry.register(
            format!("{retention}_marker_table_processed"),
            "Total amount of table processed for each user per action.",
            self.judged.clone(),
        );
        registry.register(
            format!("{retention}_marker_table_processed_duration_seconds"),
            "Time (in seconds) spent in marking table for chunks to delete",
            self.judging.clone(),
        );
        registry.register(
            format!("{retention}_sweeper_chunk_deleted_duration_seconds"),
            "Time (in seconds) spent in deleting chunk",
            self.removals.clone(),
        );
        registry.register(
            format!("{retention}_sweeper_marker_files_current"),
            "The current total of marker files valid for deletion.",
            self.marks_due.clone(),
        );
        registry.register(
            format!("{retention}_sweeper_marker_file_processing_current_time"),
            "The current time of creation of the marker file being processed.",
            self.sweeping.clone(),
        );
        registry.register(
            format!("{retention}_sweeper_marker_files_deleted"),
            "The total of marker files deleted after being fully processed.",
            self.marks_done.clone(),
        );
        registry.register(
            format!("{shipper}_compact_tables_operation"),
            "Total number of tables compaction done by status",
            self.compaction.total.clone(),
        );
        registry.register(
            format!("{shipper}_compact_tables_operation_duration_seconds"),
            "Time (in seconds) spent in compacting all the tables",
            self.compaction.took.clone(),
        );
        registry.register(
            format!("{shipper}_compact_tables_operation_last_successful_run_timestamp_seconds"),
            "Unix timestamp of the last successful compaction run",
            self.compaction.last.clone(),
        );
        registry.register(
            format!("{shipper}_compactor_running"),
            "Value will be 1 if compactor is currently running on this instance",
            self.running.clone(),
        );
        registry.register(
            "loki_compactor_locked_table_successive_compaction_skips",
            "Number of times uncompacted tables were consecutively skipped due to them being leased to another process",
            self.skipped.clone(),
        );
        registry.register(
            "loptr_compactor_files_merged",
            "Index files that compaction took in and removed",
            self.files_merged.clone(),
        );
        registry.register(
            "loptr_compactor_files_written",
            "Index files that compaction wrote",
            self.files_written.clone(),
        );
    }

    /// A table was passed over because another process has it.
    pub(crate) fn table_skipped(&self, table: &TableId) {
        self.skipped.get_or_create(&SkippedLabel { table_name: table.name.clone() }).inc();
    }

    /// A table was compacted.
    pub(crate) fn table_done(&self, table: &TableId) {
        self.skipped.remove(&SkippedLabel { table_name: table.name.clone() });
    }

    /// A tenant's part of a table was looked through.
    pub(crate) fn judged(&self, table: &TableId, tenant: &TenantId, action: &'static str, marked: usize, took: Nanos) {
        let (name, user_id) = (table.name.clone(), tenant.to_string());
        self.judged.get_or_create(&JudgedLabel { action, table: name.clone(), user_id }).inc();
        self.marked.get_or_create(&TableLabel { table: name.clone() }).inc_by(marked as u64);
        let labels = TableStatusLabel { status: "success", table: name };
        self.judging.get_or_create(&labels).observe(took.0.max(0) as f64 / 1e9);
    }

    pub(crate) fn chunk_removed(&self, status: &'static str, took: Nanos) {
        self.removals.get_or_create(&StatusLabel { status }).observe(took.0.max(0) as f64 / 1e9);
    }

    pub(crate) fn marks_due(&self, store: usize, marks: usize) {
        self.marks_due
            .get_or_create(&FromLabel { from: store.to_string() })
            .set(i64::try_from(marks).unwrap_or(i64::MAX));
    }

    pub(crate) fn sweeping(&self, store: usize, mark: Nanos) {
        let from = FromLabel { from: store.to_string() };
        self.sweeping.get_or_create(&from).set(mark.0.div_euclid(Nanos::PER_SEC));
    }

    pub(crate) fn mark_done(&self, store: usize) {
        self.marks_done.get_or_create(&FromLabel { from: store.to_string() }).inc();
    }

    /// A tenant made a delete request.
    pub fn request_received(&self, tenant: &TenantId) {
        self.requests_received.get_or_create(&UserLabel { user: tenant.to_string() }).inc();
    }

    pub(crate) fn request_done(&self, tenant: &str) {
        self.requests_done.get_or_create(&UserLabel { user: tenant.to_owned() }).inc();
    }

    pub(crate) fn lines_deleted(&self, tenant: &TenantId, lines: u64) {
        *self.lines_deleted.lock().entry(tenant.to_string()).or_default() += lines;
    }

    /// Lines that delete requests took out of chunks, by tenant.
    pub fn deleted_lines(&self) -> Vec<(String, u64)> {
        self.lines_deleted.lock().iter().map(|(tenant, lines)| (tenant.clone(), *lines)).collect()
    }

    pub(crate) fn requests_loaded(&self, good: bool) {
        self.loads.get_or_create(&StatusLabel { status: if good { "success" } else { "failure" } }).inc();
    }

    pub(crate) fn requests_waiting(&self, ready: usize, oldest_secs: i64) {
        self.requests_waiting.set(i64::try_from(ready).unwrap_or(i64::MAX));
        self.oldest_request.set(oldest_secs);
    }
}
