//! What the log and the disk below it are doing.

use loptr_ingest::{IngestFigures, LogState};

use super::text::Page;

/// Appends the figures.
pub(super) fn write(page: &mut Page, ingest: &IngestFigures) {
    let (log, store) = (&ingest.log, &ingest.store);
    let [writes, syncs, full] = log.failures;
    let (gauge, counter) = ("gauge", "counter");
    page.family(
        "loki_ingester_wal_disk_full_failures_total",
        counter,
        "Total number of times the disk of the WAL was full or fuller than its threshold",
        &[("", full as f64)],
    );
    page.family(
        "loki_ingester_wal_disk_usage_percent",
        gauge,
        "Current disk usage of the WAL's volume, 0 to 1",
        &[("", log.disk_used)],
    );
    page.family(
        "loki_ingester_wal_logged_bytes_total",
        counter,
        "Total number of WAL bytes written",
        &[("", log.written_bytes as f64)],
    );
    page.family(
        "loki_ingester_wal_records_logged_total",
        counter,
        "Total number of WAL records written",
        &[("", log.records as f64)],
    );
    let states = LogState::ALL.map(|state| (format!("{{state=\"{}\"}}", state.as_str()), state));
    let states: Vec<(&str, f64)> =
        states.iter().map(|(labels, state)| (labels.as_str(), f64::from(u8::from(*state == log.state)))).collect();
    page.family("loptr_wal_state", gauge, "1 for the state the write-ahead log is in, 0 for the others", &states);
    let failures =
        [("{kind=\"write\"}", writes as f64), ("{kind=\"sync\"}", syncs as f64), ("{kind=\"full\"}", full as f64)];
    page.family(
        "loptr_wal_failures_total",
        counter,
        "Failed writes, failed syncs, and times the disk was full",
        &failures,
    );
    for (name, kind, help, value) in [
        ("loptr_wal_syncs_total", counter, "Syncs of the write-ahead log", log.syncs as f64),
        ("loptr_wal_queued_bytes", gauge, "Bytes waiting for the write-ahead log", log.queued_bytes as f64),
        ("loptr_wal_disk_bytes", gauge, "Bytes of the log's segments on disk", log.disk_bytes as f64),
        ("loptr_wal_budget_bytes", gauge, "Budget on disk for log and spool, 0 for none", log.max_bytes as f64),
        ("loptr_wal_reserve_bytes", gauge, "Bytes reserved for a full disk", log.reserve_bytes as f64),
        ("loptr_object_store_up", gauge, "0 while puts of chunks fail, 1 else", f64::from(u8::from(!store.is_down))),
        ("loptr_object_store_failures_total", counter, "Puts of chunks that failed", store.failures as f64),
        (
            "loptr_object_store_calls",
            gauge,
            "Calls to the store that have not returned, at most 128",
            store.calls as f64,
        ),
        ("loptr_spool_chunks", gauge, "Chunks that wait on the local disk for the object store", store.waiting as f64),
        ("loptr_spool_bytes", gauge, "Their bytes", store.waiting_bytes as f64),
        ("loptr_spool_spooled_chunks_total", counter, "Chunks that had to wait since start", store.spooled as f64),
    ] {
        page.family(name, kind, help, &[("", value)]);
    }
}
