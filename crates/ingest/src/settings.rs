//! The knobs of the write path, with upstream's defaults. `server` fills them from the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use loptr_chunk::Encoding;
use loptr_wire::push::otlp::OtlpRules;

use crate::log::LogSettings;
use crate::rules::IngestRules;
use crate::shard::ShardStreams;

/// Settings of the process.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// Codec of new chunks.
    pub encoding: Encoding,
    /// Counter at which a block is cut, bytes.
    pub block_bytes: usize,
    /// Size at which a chunk is closed, bytes.
    pub target_bytes: usize,
    /// A chunk without an append for this long is closed.
    pub idle: Duration,
    /// A chunk that spans more log time than this is closed.
    pub max_age: Duration,
    /// Chunks of all replicas are cut where log time crosses multiples of this; zero turns it off.
    pub sync_period: Duration,
    /// Least fill of a chunk that is cut so.
    pub sync_min_utilization: f64,
    /// How often streams are looked over for chunks to close and flush.
    pub flush_check: Duration,
    /// Chunks flushed at once.
    pub concurrent_flushes: usize,
    /// Time allowed for one flush.
    pub flush_timeout: Duration,
    /// Pause after a failed flush, at first; it doubles up to `flush_backoff_max`.
    pub flush_backoff: Duration,
    /// Longest pause after a failed flush.
    pub flush_backoff_max: Duration,
    /// Refused entries named in an error, at most.
    pub max_returned_errors: usize,
    /// How often the index of flushed chunks is shipped.
    pub ship_every: Duration,
    /// How long chunks are named from memory after their index was shipped: readers elsewhere look for new files this
    /// seldom.
    pub keep_shipped: Duration,
    /// How often chunks whose entries lie in old log segments are looked over, to log them anew in one piece.
    pub checkpoint_every: Duration,
    /// Memory that chunks may hold; above it the heaviest are flushed. 0: no limit.
    pub chunk_memory_bytes: u64,
    /// Memory that chunks may hold while the log is replayed; more makes replay flush. 0: no limit.
    pub replay_memory_bytes: u64,
    /// Bytes of the log replayed at a time.
    pub replay_piece_bytes: u64,
    /// Queries wait for the end of replay when no more bytes than this are left.
    pub replay_soon_bytes: u64,
    /// The log; none means acknowledged data can be lost.
    pub log: Option<LogSettings>,
    /// Whether everything in memory goes to the bucket on shutdown.
    pub flush_on_shutdown: bool,
    /// Names this process in index file names.
    pub uploader: String,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            // Upstream's default is gzip; snappy costs a fraction of its CPU and every reader knows it.
            encoding: Encoding::Snappy,
            block_bytes: 262_144,
            target_bytes: 1_572_864,
            idle: Duration::from_secs(30 * 60),
            max_age: Duration::from_secs(2 * 3600),
            sync_period: Duration::from_secs(3600),
            sync_min_utilization: 0.1,
            flush_check: Duration::from_secs(30),
            concurrent_flushes: 32,
            flush_timeout: Duration::from_secs(600),
            flush_backoff: Duration::from_secs(10),
            flush_backoff_max: Duration::from_secs(60),
            max_returned_errors: 10,
            ship_every: Duration::from_secs(15 * 60),
            keep_shipped: Duration::from_secs(20 * 60),
            checkpoint_every: Duration::from_secs(5 * 60),
            chunk_memory_bytes: 0,
            replay_memory_bytes: 3 << 30,
            replay_piece_bytes: 2 << 20,
            replay_soon_bytes: 64 << 20,
            log: None,
            flush_on_shutdown: false,
            uploader: "loptr-0".to_owned(),
        }
    }
}

/// Limits of one tenant. Zero means none where upstream says so.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of lines and metadata accepted per second.
    pub ingestion_rate_bytes: f64,
    /// Bytes accepted at once.
    pub ingestion_burst_bytes: f64,
    /// Label names per stream, `service_name` not counted.
    pub max_label_names: usize,
    /// Bytes of a label name.
    pub max_label_name_bytes: usize,
    /// Bytes of a label value.
    pub max_label_value_bytes: usize,
    /// Whether entries older than `max_sample_age` are refused.
    pub reject_old_samples: bool,
    /// See `reject_old_samples`.
    pub max_sample_age: Duration,
    /// How far ahead of the clock an entry may be.
    pub creation_grace: Duration,
    /// Bytes of a line; 0: no limit.
    pub max_line_bytes: usize,
    /// Whether longer lines are cut rather than refused.
    pub truncate_lines: bool,
    /// Text at the end of a cut line.
    pub truncate_identifier: String,
    /// Add a nanosecond to an entry whose time equals its predecessor's in the request and whose line differs.
    pub increment_duplicate_timestamps: bool,
    /// Whether structured metadata is accepted.
    pub allow_metadata: bool,
    /// Bytes of structured metadata per entry; 0: no limit.
    pub max_metadata_bytes: usize,
    /// Pairs of structured metadata per entry; 0: no limit.
    pub max_metadata_pairs: usize,
    /// Labels that `service_name` is taken from, in order; empty: it is not added.
    pub discover_service_name: Vec<String>,
    /// What becomes of OTLP attributes.
    pub otlp: OtlpRules,
    /// Whether `detected_level` is added.
    pub discover_levels: bool,
    /// Names under which a level is looked for.
    pub level_fields: Vec<String>,
    /// How deep JSON is searched for a level.
    pub level_json_depth: usize,
    /// Streams in memory; 0: no limit.
    pub max_streams: usize,
    /// Bytes per second of one stream.
    pub stream_rate_bytes: f64,
    /// Bytes of one stream accepted at once.
    pub stream_burst_bytes: f64,
    /// Whether entries may be older than the stream's newest, by half a chunk's age.
    pub unordered_writes: bool,
    /// Policies, labels that must be there, blocks.
    pub rules: IngestRules,
    /// Fields kept as metadata, and the names under which they are looked for.
    pub generic_fields: BTreeMap<String, Vec<String>>,
    /// How streams are split.
    pub shard_streams: ShardStreams,
    /// Time every push takes at least: a test aid.
    pub simulated_latency: Duration,
}

impl Limits {
    /// Whether lines are cut: not when the text at their end leaves no room.
    pub(crate) fn can_truncate(&self) -> bool {
        self.truncate_lines && self.truncate_identifier.len() < self.max_line_bytes
    }
}

impl Default for Limits {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Self {
            ingestion_rate_bytes: 4.0 * 1_048_576.0,
            ingestion_burst_bytes: 6.0 * 1_048_576.0,
            max_label_names: 15,
            max_label_name_bytes: 1024,
            max_label_value_bytes: 2048,
            reject_old_samples: true,
            max_sample_age: Duration::from_secs(7 * 86_400),
            creation_grace: Duration::from_secs(600),
            max_line_bytes: 256 << 10,
            truncate_lines: false,
            truncate_identifier: String::new(),
            increment_duplicate_timestamps: false,
            allow_metadata: true,
            max_metadata_bytes: 64 << 10,
            max_metadata_pairs: 128,
            discover_service_name: names(&[
                "service",
                "app",
                "application",
                "app_name",
                "name",
                "app_kubernetes_io_name",
                "container",
                "container_name",
                "k8s_container_name",
                "component",
                "workload",
                "job",
                "k8s_job_name",
            ]),
            otlp: OtlpRules::default(),
            discover_levels: true,
            level_fields: names(&[
                "level",
                "LEVEL",
                "Level",
                "log.level",
                "severity",
                "SEVERITY",
                "Severity",
                "SeverityText",
                "lvl",
                "LVL",
                "Lvl",
                "severity_text",
                "Severity_Text",
                "SEVERITY_TEXT",
            ]),
            level_json_depth: 2,
            max_streams: 5000,
            stream_rate_bytes: 3.0 * 1_048_576.0,
            stream_burst_bytes: 15.0 * 1_048_576.0,
            unordered_writes: true,
            rules: IngestRules { block_status: 260, ..IngestRules::default() },
            generic_fields: BTreeMap::new(),
            shard_streams: ShardStreams::default(),
            simulated_latency: Duration::ZERO,
        }
    }
}
