//! Upstream's configuration → the plain settings of each service. Every path read here is in [`HONOURED`], which decides
//! what is warned of and what stops the start.

mod caches;
mod otlp;
mod stores;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use loptr_chunk::{Encoding, SchemaVersion};
use loptr_compact::requests::DeleteStoreSettings;
use loptr_compact::{CompactSettings, Retention, RetentionSettings, StreamRetention, TenantPolicy};
use loptr_config::{Config, Limits};
use loptr_ingest::{IngestRules, IngestSettings, LogSettings, ShardStreams, StreamRule, SyncPolicy, TakeoverSettings};
use loptr_model::{Millis, Nanos};
use loptr_query::{BlockedQuery, FrontendEncoding, QueryLimits, QuerySettings, TailSettings};
use loptr_regex::LabelMatcher;
use loptr_storage::{CacheSettings, IndexCacheSettings, IndexKind, Period, Schema};
use loptr_wire::push::PushLimits as BodyLimits;

pub use self::stores::StoreSettings;
use self::stores::Stores;
use crate::patterns::{PatternLimits, PatternSettings};
use crate::serve::ServeSettings;
use crate::tls::{TlsError, TlsSettings};

/// Paths of the configuration that have their upstream effect.
pub const HONOURED: &[&str] = &[
    "target=all",
    "auth_enabled",
    "querier.multi_tenant_queries_enabled",
    "querier.tail_max_duration",
    "query_range.align_queries_with_step",
    "loptr.admin_tenants",
    "frontend.compress_responses",
    "frontend.support_parquet_encoding",
    "querier.per_request_limits_enabled",
    "chunk_store_config.chunk_cache_config.default_validity",
    "chunk_store_config.chunk_cache_config.background",
    "chunk_store_config.chunk_cache_config.embedded_cache",
    "chunk_store_config.chunk_cache_config.memcached",
    "chunk_store_config.chunk_cache_config.memcached_client.addresses",
    "chunk_store_config.chunk_cache_config.memcached_client.host",
    "chunk_store_config.chunk_cache_config.memcached_client.timeout",
    "chunk_store_config.chunk_cache_config.memcached_client.max_idle_conns",
    "chunk_store_config.chunk_cache_config.memcached_client.max_item_size",
    "chunk_store_config.chunk_cache_config.memcached_client.update_interval",
    "chunk_store_config.chunk_cache_config.memcached_client.consistent_hash",
    "chunk_store_config.chunk_cache_config.memcached_client.circuit_breaker_consecutive_failures",
    "chunk_store_config.chunk_cache_config.memcached_client.circuit_breaker_timeout",
    "chunk_store_config.chunk_cache_config.memcached_client.circuit_breaker_interval",
    "chunk_store_config.chunk_cache_config.memcached_client.tls_enabled",
    "chunk_store_config.chunk_cache_config.redis.endpoint",
    "chunk_store_config.chunk_cache_config.redis.master_name",
    "chunk_store_config.chunk_cache_config.redis.timeout",
    "chunk_store_config.chunk_cache_config.redis.expiration",
    "chunk_store_config.chunk_cache_config.redis.db",
    "chunk_store_config.chunk_cache_config.redis.pool_size",
    "chunk_store_config.chunk_cache_config.redis.username",
    "chunk_store_config.chunk_cache_config.redis.password",
    "chunk_store_config.chunk_cache_config.redis.tls_enabled",
    "schema_config.configs[].store=boltdb-shipper",
    "schema_config.configs[].schema=v9",
    "schema_config.configs[].schema=v10",
    "schema_config.configs[].schema=v11",
    "schema_config.configs[].schema=v12",
    "schema_config.configs[].object_store=s3",
    "schema_config.configs[].object_store=azure",
    "schema_config.configs[].object_store=gcs",
    "compactor.compaction_interval",
    "compactor.max_compaction_parallelism",
    "compactor.upload_parallelism",
    "compactor.tables_to_compact",
    "compactor.skip_latest_n_tables",
    "compactor.working_directory",
    "compactor.retention_enabled",
    "compactor.apply_retention_interval",
    "compactor.retention_delete_delay",
    "compactor.retention_delete_worker_count",
    "compactor.retention_table_timeout",
    "compactor.delete_request_store",
    "compactor.delete_request_store_key_prefix",
    "compactor.delete_request_store_db_type=boltdb",
    "compactor.delete_batch_size",
    "compactor.delete_request_cancel_period",
    "compactor.delete_max_interval",
    "limits_config.retention_period",
    "limits_config.retention_stream",
    "limits_config.deletion_mode",
    "server.http_listen_address",
    "server.http_listen_port",
    "server.http_listen_conn_limit",
    "server.http_server_read_header_timeout",
    "server.http_tls_config",
    "server.tls_cipher_suites",
    "server.tls_min_version",
    "server.http_server_read_timeout",
    "server.http_server_write_timeout",
    "server.http_server_idle_timeout",
    "server.graceful_shutdown_timeout",
    "server.http_path_prefix",
    "server.log_level",
    "server.log_format",
    "server.register_instrumentation",
    "metrics_namespace",
    "tracing.enabled",
    "shutdown_delay",
    "common.path_prefix",
    "common.replication_factor=1",
    "common.storage.filesystem",
    "common.storage.s3",
    "common.storage.azure",
    "common.storage.gcs",
    "common.storage.hedging",
    "common.storage.object_store.s3",
    "common.storage.object_store.azure",
    "common.storage.object_store.gcs",
    "common.storage.object_store.filesystem",
    "common.storage.object_store.storage_prefix",
    "ingester.lifecycler.ring.replication_factor=1",
    "distributor.max_recv_msg_size",
    "distributor.max_decompressed_size",
    "distributor.ingester_writes_enabled=true",
    "ingester.chunk_encoding",
    "ingester.chunk_block_size",
    "ingester.chunk_target_size",
    "ingester.chunk_idle_period",
    "ingester.max_chunk_age",
    "ingester.sync_period",
    "ingester.sync_min_utilization",
    "ingester.flush_check_period",
    "ingester.concurrent_flushes",
    "ingester.flush_op_timeout",
    "ingester.flush_op_backoff.min_period",
    "ingester.flush_op_backoff.max_period",
    "ingester.max_returned_stream_errors",
    "ingester.wal.enabled",
    "ingester.wal.dir",
    "ingester.wal.checkpoint_duration",
    "ingester.wal.flush_on_shutdown",
    "ingester.shutdown_marker_path",
    "ingester.lifecycler.final_sleep",
    "ingester.wal.disk_full_threshold",
    "ingester.wal.replay_memory_ceiling",
    "storage_config.filesystem.directory",
    "storage_config.aws",
    "storage_config.azure",
    "storage_config.gcs",
    "storage_config.hedging",
    "storage_config.object_prefix",
    "storage_config.named_stores.aws",
    "storage_config.named_stores.azure",
    "storage_config.named_stores.gcs",
    "storage_config.named_stores.filesystem",
    "storage_config.use_thanos_objstore",
    "storage_config.object_store.s3",
    "storage_config.object_store.azure",
    "storage_config.object_store.gcs",
    "storage_config.object_store.filesystem",
    "storage_config.object_store.storage_prefix",
    "storage_config.object_store.named_stores.s3",
    "storage_config.object_store.named_stores.azure",
    "storage_config.object_store.named_stores.gcs",
    "storage_config.object_store.named_stores.filesystem",
    "storage_config.tsdb_shipper.active_index_directory",
    "storage_config.tsdb_shipper.resync_interval",
    "storage_config.boltdb_shipper.active_index_directory",
    "storage_config.boltdb_shipper.resync_interval",
    "limits_config.ingestion_rate_mb",
    "limits_config.ingestion_burst_size_mb",
    "limits_config.max_label_name_length",
    "limits_config.max_label_value_length",
    "limits_config.max_label_names_per_series",
    "limits_config.reject_old_samples",
    "limits_config.reject_old_samples_max_age",
    "limits_config.creation_grace_period",
    "limits_config.max_line_size",
    "limits_config.max_line_size_truncate",
    "limits_config.max_line_size_truncate_identifier",
    "limits_config.increment_duplicate_timestamp",
    "limits_config.discover_service_name",
    "limits_config.discover_log_levels",
    "limits_config.log_level_fields",
    "limits_config.log_level_from_json_max_depth",
    "limits_config.max_streams_per_user",
    "limits_config.max_global_streams_per_user",
    "limits_config.unordered_writes",
    "limits_config.use_owned_stream_count",
    "limits_config.simulated_push_latency",
    "limits_config.discover_generic_fields",
    "limits_config.shard_streams",
    "limits_config.block_ingestion_until",
    "limits_config.block_ingestion_policy_until",
    "limits_config.block_ingestion_status_code",
    "limits_config.enforced_labels",
    "limits_config.policy_enforced_labels",
    "limits_config.policy_stream_mapping",
    "limits_config.policy_override_limits",
    "distributor.default_policy_stream_mappings",
    "limits_config.per_stream_rate_limit",
    "limits_config.per_stream_rate_limit_burst",
    "limits_config.otlp_config",
    "distributor.otlp_config.default_resource_attributes_as_index_labels",
    "limits_config.allow_structured_metadata",
    "limits_config.max_structured_metadata_size",
    "limits_config.max_structured_metadata_entries_count",
    "limits_config.max_query_length",
    "limits_config.max_query_lookback",
    "limits_config.max_query_range",
    "limits_config.max_query_series",
    "limits_config.max_entries_limit_per_query",
    "limits_config.max_streams_matchers_per_query",
    "limits_config.max_concurrent_tail_requests",
    "limits_config.pattern_ingester_tokenizable_json_fields_default",
    "limits_config.pattern_ingester_tokenizable_json_fields_append",
    "limits_config.pattern_ingester_tokenizable_json_fields_delete",
    "limits_config.metric_aggregation_enabled",
    "limits_config.pattern_persistence_enabled",
    "limits_config.pattern_persistence_granularity",
    "limits_config.pattern_rate_threshold",
    "pattern_ingester.metric_aggregation.sample_period",
    "pattern_ingester.volume_threshold",
    "pattern_ingester.enabled",
    "pattern_ingester.max_clusters",
    "pattern_ingester.max_eviction_ratio",
    "pattern_ingester.max_allowed_line_length",
    "pattern_ingester.max_chunk_age",
    "pattern_ingester.pattern_sample_interval",
    "pattern_ingester.retain_for",
    "pattern_ingester.flush_check_period",
    "limits_config.query_timeout",
    "limits_config.split_queries_by_interval",
    "limits_config.shard_aggregations",
    "frontend.encoding",
    "limits_config.per_tenant_override_config",
    "limits_config.per_tenant_override_period",
    "runtime_config",
    "limits_config.enable_multi_variant_queries",
    "limits_config.max_query_bytes_read",
    "limits_config.max_querier_bytes_read",
    "limits_config.tsdb_max_bytes_per_shard",
    "limits_config.tsdb_max_query_parallelism",
    "limits_config.split_instant_metric_queries_by_interval",
    "limits_config.blocked_queries",
    "limits_config.required_labels",
    "limits_config.minimum_labels_number",
    "limits_config.volume_enabled",
    "limits_config.volume_max_series",
];

/// Why a configuration that parses cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The schema is one this build does not serve.
    #[error("{path}{}: {reason}", .line.map(|line| format!(" (line {line})")).unwrap_or_default())]
    Schema {
        /// The key.
        path: String,
        /// Its line.
        line: Option<u32>,
        /// What is missing.
        reason: String,
    },
    /// An object store cannot be used as it is described.
    #[error("object store {name}: {reason}")]
    Store {
        /// What periods call it.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Limits of all tenants.
    #[error("CONFIG ERROR: invalid limits_config config: {0}")]
    Limits(#[from] LimitsError),
    /// TLS that cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A value has no meaning here.
    #[error("{path}: {reason}")]
    Value {
        /// The key.
        path: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// Limits that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// Of the process.
    #[error("{0}")]
    Selector(String),
    /// Of one tenant.
    #[error("invalid override for tenant {tenant}: {reason}")]
    Tenant {
        /// Whose.
        tenant: String,
        /// What is wrong.
        reason: String,
    },
}

impl LimitsError {
    /// The same, told of one tenant.
    pub(crate) fn of_tenant(self, tenant: &str) -> Self {
        Self::Tenant { tenant: tenant.to_owned(), reason: self.to_string() }
    }
}

/// Everything the process is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `host:port` of the HTTP server.
    pub http_address: String,
    /// Before every route; empty or beginning with `/`.
    pub path_prefix: String,
    /// Whether requests name their tenant.
    pub auth_enabled: bool,
    /// Whether long answers of the query path are compressed for clients that take gzip.
    pub compress_responses: bool,
    /// Whether a request may narrow the tenant's limits for itself.
    pub per_request_limits: bool,
    /// Whether answers in Parquet are given.
    pub parquet: bool,
    /// Tenants who see and stop everybody's queries.
    pub admin_tenants: Vec<String>,
    /// Whether a request may read several tenants' data.
    pub multi_tenant_queries: bool,
    /// Whether ranges of metric queries begin and end at multiples of their step.
    pub align_queries: bool,
    /// Bounds of push bodies.
    pub push: BodyLimits,
    /// The write path.
    pub ingest: IngestSettings,
    /// Where files of Loki may lie.
    pub takeover: TakeoverSettings,
    /// The read path.
    pub query: QuerySettings,
    /// Pattern detection.
    pub patterns: PatternSettings,
    /// Tails.
    pub tails: TailSettings,
    /// Index files in memory.
    pub index_cache: IndexCacheSettings,
    /// Chunks of stores on the network, kept near.
    pub chunk_cache: CacheSettings,
    /// Why a part of the chunk cache that was asked for is not used.
    pub chunk_cache_unused: Option<String>,
    /// Whether index tables that no period reaches stop the start.
    pub refuse_lost_tables: bool,
    /// Schema periods.
    pub schema: Schema,
    /// The stores that the schema's periods point to.
    pub stores: Vec<StoreSettings>,
    /// Folder in which this process keeps its uploader's name.
    pub active_index_dir: PathBuf,
    /// Write limits of tenants without overrides.
    pub limits: loptr_ingest::Limits,
    /// Bytes that remembered label texts may hold.
    pub label_cache_bytes: usize,
    /// Query limits of tenants without overrides.
    pub query_limits: QueryLimits,
    /// What is stored of patterns of tenants without overrides.
    pub pattern_limits: PatternLimits,
    /// How long lines of tenants without overrides live.
    pub lifetime: TenantPolicy,
    /// Compaction, and retention where it is on.
    pub compact: CompactSettings,
    /// Where delete requests lie, where they are taken.
    pub delete_requests: Option<DeleteStoreSettings>,
    /// Longest part of a delete request with a filter; zero: any.
    pub delete_max_interval: Duration,
    /// Folder of the shutdown marker, if there may be one.
    pub shutdown_marker_dir: Option<PathBuf>,
    /// Time between the end of the write path and that of the process.
    pub final_sleep: Duration,
    /// Time between not being ready and stopping.
    pub shutdown_delay: Duration,
    /// Connections and their timeouts.
    pub(crate) serve: ServeSettings,
    /// TLS; plain HTTP without.
    pub(crate) tls: Option<TlsSettings>,
    /// Whether `/metrics` is served.
    pub instrumentation: bool,
    /// What the names of a few metrics begin with.
    pub metrics_namespace: String,
}

impl Settings {
    /// What metrics call the store of the newest period.
    pub(crate) fn bucket_name(&self) -> String {
        let newest = self.schema.periods().last().and_then(|period| self.stores.get(period.store));
        newest.map(StoreSettings::bucket_name).unwrap_or_default()
    }

    /// Maps the configuration. `memory_bytes` is what the process may use, for the bounds that follow from it.
    pub fn from_config(config: &Config, memory_bytes: u64) -> Result<Self, SettingsError> {
        one_replica(config)?;
        let limits = config.limits();
        let encoding = config
            .str("ingester.chunk_encoding")
            .parse::<Encoding>()
            .map_err(|error| SettingsError::Value { path: "ingester.chunk_encoding", reason: error.to_string() })?;
        let log = config.bool("ingester.wal.enabled").then(|| LogSettings {
            sync: match config.str("loptr.wal.sync") {
                "interval" => SyncPolicy::Interval(config.duration("loptr.wal.sync_interval")),
                _ => SyncPolicy::Always,
            },
            max_bytes: config.bytes("loptr.wal.max_bytes"),
            reserve_bytes: config.bytes("loptr.wal.reserve_bytes"),
            disk_full_threshold: config.float("ingester.wal.disk_full_threshold"),
            ..LogSettings::new(PathBuf::from(config.str("ingester.wal.dir")).join("loptr"))
        });
        let (schema, stores, delete_requests) = schema(config)?;
        let (chunk_cache, chunk_cache_unused) = caches::chunk_cache(config);
        let conn_limit = config.count("server.http_listen_conn_limit");
        // Zero means no bound upstream. Here a connection that sends nothing never keeps its place for ever.
        let bound = |path| Some(config.duration(path)).filter(|time| !time.is_zero());
        let read_timeout = bound("server.http_server_read_timeout").unwrap_or(Duration::from_secs(30));
        let prefix = config.str("server.http_path_prefix").trim_end_matches('/');
        Ok(Self {
            http_address: format!(
                "{}:{}",
                config.str("server.http_listen_address"),
                config.int("server.http_listen_port")
            ),
            path_prefix: if prefix.is_empty() || prefix.starts_with('/') {
                prefix.to_owned()
            } else {
                format!("/{prefix}")
            },
            auth_enabled: config.bool("auth_enabled"),
            compress_responses: config.bool("frontend.compress_responses"),
            per_request_limits: config.bool("querier.per_request_limits_enabled"),
            parquet: config.bool("frontend.support_parquet_encoding"),
            admin_tenants: config.strs("loptr.admin_tenants").to_vec(),
            multi_tenant_queries: config.bool("querier.multi_tenant_queries_enabled"),
            align_queries: config.bool("query_range.align_queries_with_step"),
            push: BodyLimits {
                max_body_bytes: config.count("distributor.max_recv_msg_size"),
                max_decompressed_bytes: u64::try_from(config.int("distributor.max_decompressed_size")).unwrap_or(0),
            },
            ingest: IngestSettings {
                encoding,
                block_bytes: config.count("ingester.chunk_block_size"),
                target_bytes: config.count("ingester.chunk_target_size"),
                idle: config.duration("ingester.chunk_idle_period"),
                max_age: config.duration("ingester.max_chunk_age"),
                sync_period: config.duration("ingester.sync_period"),
                sync_min_utilization: config.float("ingester.sync_min_utilization"),
                flush_check: config.duration("ingester.flush_check_period"),
                concurrent_flushes: config.count("ingester.concurrent_flushes").max(1),
                flush_timeout: config.duration("ingester.flush_op_timeout"),
                flush_backoff: config.duration("ingester.flush_op_backoff.min_period"),
                flush_backoff_max: config.duration("ingester.flush_op_backoff.max_period"),
                max_returned_errors: config.count("ingester.max_returned_stream_errors"),
                log,
                checkpoint_every: config.duration("ingester.wal.checkpoint_duration"),
                // With what queries and caches may hold, this stays below the whole.
                chunk_memory_bytes: memory_bytes / 4,
                replay_memory_bytes: replay_memory(config.bytes("ingester.wal.replay_memory_ceiling"), memory_bytes)
                    .min(memory_bytes / 4),
                flush_on_shutdown: config.bool("ingester.wal.flush_on_shutdown"),
                keep_shipped: keep_shipped(resync(config)),
                ..IngestSettings::default()
            },
            takeover: takeover(config, memory_bytes),
            query: QuerySettings {
                query_bytes: memory_bytes / 4,
                process_bytes: memory_bytes / 2,
                align_to_step: !limits.split_queries_by_interval.is_zero(),
                frontend: match config.str("frontend.encoding") {
                    "protobuf" => FrontendEncoding::Protobuf,
                    _ => FrontendEncoding::Json,
                },
                ..QuerySettings::default()
            },
            patterns: patterns(config),
            tails: TailSettings {
                max_duration: config.duration("querier.tail_max_duration"),
                process_bytes: memory_bytes / 16,
                ..TailSettings::default()
            },
            index_cache: IndexCacheSettings {
                resync: resync(config),
                files_bytes: usize::try_from(memory_bytes / 8).unwrap_or(usize::MAX),
                ..IndexCacheSettings::default()
            },
            chunk_cache,
            chunk_cache_unused,
            refuse_lost_tables: config.str("loptr.lost_index_tables") != "warn",
            schema,
            stores,
            active_index_dir: own_index_dir(config),
            label_cache_bytes: usize::try_from(memory_bytes / 32).unwrap_or(usize::MAX).clamp(8 << 20, 256 << 20),
            query_limits: query_limits(&limits)?,
            pattern_limits: pattern_limits(&limits),
            lifetime: lifetime(&limits)?,
            compact: compact(config, memory_bytes),
            delete_requests,
            delete_max_interval: config.duration("compactor.delete_max_interval"),
            limits: write_limits(&limits)?,
            shutdown_marker_dir: Some(config.str("ingester.shutdown_marker_path"))
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from),
            final_sleep: config.duration("ingester.lifecycler.final_sleep"),
            shutdown_delay: config.duration("shutdown_delay"),
            serve: ServeSettings {
                connections: if conn_limit == 0 { 16_384 } else { conn_limit },
                header_timeout: bound("server.http_server_read_header_timeout").unwrap_or(read_timeout),
                read_timeout,
                write_timeout: bound("server.http_server_write_timeout"),
                idle_timeout: bound("server.http_server_idle_timeout").unwrap_or(read_timeout),
                grace: config.duration("server.graceful_shutdown_timeout"),
            },
            tls: TlsSettings::from_config(config)?,
            instrumentation: config.bool("server.register_instrumentation"),
            metrics_namespace: config.str("metrics_namespace").to_owned(),
        })
    }
}

/// Where upstream keeps an index of this kind that is not in the bucket yet. It fills the key in only where a period of
/// the schema has this kind.
fn index_dir(config: &Config, kind: &str) -> PathBuf {
    match config.str(&format!("storage_config.{kind}_shipper.active_index_directory")) {
        "" => PathBuf::from(config.str("common.path_prefix")).join(format!("{kind}-shipper-active")),
        dir => PathBuf::from(dir),
    }
}

/// Where the uploader's name lies: beside the TSDB index, as ever, but where no period has one.
fn own_index_dir(config: &Config) -> PathBuf {
    let mut kinds = config.schema().periods.iter().map(|period| &period.index);
    let only_boltdb = kinds.all(|kind| *kind == loptr_config::IndexKind::BoltdbShipper);
    index_dir(config, if only_boltdb { "boltdb" } else { "tsdb" })
}

/// Where upstream keeps what is not in the bucket.
fn takeover(config: &Config, memory_bytes: u64) -> TakeoverSettings {
    let ceiling = replay_memory(config.bytes("ingester.wal.replay_memory_ceiling"), memory_bytes);
    let periods = config.schema().periods.iter();
    let periods = periods.map(|period| TakeoverSettings::period_name(&period.object_store, period.from_day));
    TakeoverSettings {
        wal_dir: config.bool("ingester.wal.enabled").then(|| PathBuf::from(config.str("ingester.wal.dir"))),
        index_dir: index_dir(config, "tsdb"),
        boltdb_dir: index_dir(config, "boltdb"),
        periods: periods.collect(),
        ceiling_bytes: usize::try_from(ceiling).unwrap_or(usize::MAX),
    }
}

/// Refuses a replication factor that was asked for and cannot be had. Upstream's default of 3, not asked for, means the
/// one copy that one process can keep.
fn one_replica(config: &Config) -> Result<(), SettingsError> {
    for path in ["common.replication_factor", "ingester.lifecycler.ring.replication_factor"] {
        let asked = !matches!(config.provenance(path).as_str(), "default" | "derived");
        let wanted = config.int(path);
        if asked && wanted != 1 {
            let reason = format!("{wanted} copies cannot be kept by one process, and clusters are not supported yet");
            return Err(SettingsError::Value { path, reason });
        }
    }
    Ok(())
}

fn patterns(config: &Config) -> PatternSettings {
    let ms = |path: &str| i64::try_from(config.duration(path).as_millis()).unwrap_or(i64::MAX);
    let list = |part: &str| -> Vec<String> {
        config.strs(&format!("limits_config.pattern_ingester_tokenizable_json_fields_{part}")).to_vec()
    };
    let (deleted, mut fields) = (list("delete"), list("default"));
    fields.extend(list("append"));
    fields.retain(|field| !deleted.contains(field));
    PatternSettings {
        enabled: config.bool("pattern_ingester.enabled"),
        drain: loptr_pattern::Settings {
            max_clusters: config.count("pattern_ingester.max_clusters"),
            max_eviction_ratio: config.float("pattern_ingester.max_eviction_ratio"),
            max_line_bytes: config.count("pattern_ingester.max_allowed_line_length"),
            max_chunk_age_ms: ms("pattern_ingester.max_chunk_age"),
            sample_interval_ms: ms("pattern_ingester.pattern_sample_interval").max(1),
            json_fields: fields,
        },
        retain_for: config.duration("pattern_ingester.retain_for"),
        check_period: config.duration("pattern_ingester.flush_check_period").max(Duration::from_secs(1)),
        sample_period: config.duration("pattern_ingester.metric_aggregation.sample_period").max(Duration::from_secs(1)),
        volume_share: config.float("pattern_ingester.volume_threshold"),
        ..PatternSettings::default()
    }
}

/// How long memory goes on naming chunks whose index is uploaded: a listing made just before the upload is believed for
/// `resync`, here and by readers elsewhere.
fn keep_shipped(resync: Duration) -> Duration {
    IngestSettings::default().keep_shipped.max(resync.saturating_mul(2))
}

/// Bytes that chunks may hold while the log is replayed: of the ceiling, or of three quarters of the memory there is if
/// that is less, a quarter is left for what is not chunks.
fn replay_memory(ceiling: u64, memory_bytes: u64) -> u64 {
    let share = memory_bytes / 4 * 3;
    let ceiling = if ceiling == 0 { share } else { ceiling.min(share) };
    (ceiling / 4 * 3).max(1)
}

/// How long a listing of an index table is believed: the shorter time, where periods differ in kind.
fn resync(config: &Config) -> Duration {
    let shipper = |kind: &loptr_config::IndexKind| match kind {
        loptr_config::IndexKind::BoltdbShipper => "storage_config.boltdb_shipper.resync_interval",
        _ => "storage_config.tsdb_shipper.resync_interval",
    };
    let times = config.schema().periods.iter().map(|period| config.duration(shipper(&period.index)));
    times.min().unwrap_or_default()
}

/// Schema, stores, and where delete requests lie.
type Stored = (Schema, Vec<StoreSettings>, Option<DeleteStoreSettings>);

fn schema(config: &Config) -> Result<Stored, SettingsError> {
    let (mut periods, mut stores) = (Vec::new(), Stores::default());
    for (at, period) in config.schema().periods.iter().enumerate() {
        let refuse = |key: &str, reason: String| SettingsError::Schema {
            path: format!("schema_config.configs[{at}].{key}"),
            line: period.line,
            reason,
        };
        let index = match &period.index {
            loptr_config::IndexKind::Tsdb => IndexKind::Tsdb,
            loptr_config::IndexKind::BoltdbShipper if period.index_period_secs != 86_400 => {
                return Err(refuse("index.period", "only 24h is supported for a boltdb-shipper index".to_owned()));
            }
            loptr_config::IndexKind::BoltdbShipper => IndexKind::Boltdb { row_shards: period.row_shards },
            loptr_config::IndexKind::Other(kind) => {
                return Err(refuse("store", format!("{kind}: only tsdb and boltdb-shipper are supported")));
            }
        };
        let number = period.schema;
        let schema = SchemaVersion::ALL
            .into_iter()
            .find(|schema| schema.number() == number)
            .ok_or_else(|| refuse("schema", format!("schema v{number} is not known")))?;
        periods.push(Period {
            from: Millis(period.from_day.saturating_mul(86_400_000)),
            schema,
            index,
            index_prefix: period.index_prefix.clone(),
            path_prefix: period.index_path_prefix.clone(),
            store: stores.place(config, &period.object_store)?,
        });
    }
    let schema = Schema::new(periods).ok_or_else(|| SettingsError::Schema {
        path: "schema_config.configs".to_owned(),
        line: None,
        reason: "there must be at least one period, and `from` must rise".to_owned(),
    })?;
    let mut delete_requests = None;
    if config.bool("compactor.retention_enabled") {
        delete_requests = Some(DeleteStoreSettings {
            store: stores.place(config, config.str("compactor.delete_request_store"))?,
            prefix: config.str("compactor.delete_request_store_key_prefix").to_owned(),
            working_dir: Some(PathBuf::from(config.str("compactor.working_directory"))),
        });
    }
    Ok((schema, stores.settings, delete_requests))
}

pub(crate) fn write_limits(limits: &Limits) -> Result<loptr_ingest::Limits, LimitsError> {
    const MIB: f64 = 1_048_576.0;
    let streams = smaller_limit(limits.max_streams_per_user, limits.max_global_streams_per_user);
    Ok(loptr_ingest::Limits {
        ingestion_rate_bytes: limits.ingestion_rate_mb * MIB,
        ingestion_burst_bytes: limits.ingestion_burst_size_mb * MIB,
        max_label_names: limits.max_label_names_per_series,
        max_label_name_bytes: limits.max_label_name_length,
        max_label_value_bytes: limits.max_label_value_length,
        reject_old_samples: limits.reject_old_samples,
        max_sample_age: limits.reject_old_samples_max_age,
        creation_grace: limits.creation_grace_period,
        max_line_bytes: usize::try_from(limits.max_line_size).unwrap_or(usize::MAX),
        truncate_lines: limits.max_line_size_truncate,
        truncate_identifier: limits.max_line_size_truncate_identifier.clone(),
        increment_duplicate_timestamps: limits.increment_duplicate_timestamp,
        allow_metadata: limits.allow_structured_metadata,
        max_metadata_bytes: usize::try_from(limits.max_structured_metadata_size).unwrap_or(usize::MAX),
        max_metadata_pairs: limits.max_structured_metadata_entries_count,
        discover_service_name: limits.discover_service_name.clone(),
        otlp: otlp::otlp_rules(&limits.otlp_config)?,
        discover_levels: limits.discover_log_levels,
        level_fields: limits.log_level_fields.clone(),
        level_json_depth: limits.log_level_from_json_max_depth,
        max_streams: streams,
        stream_rate_bytes: limits.per_stream_rate_limit as f64,
        stream_burst_bytes: limits.per_stream_rate_limit_burst as f64,
        unordered_writes: limits.unordered_writes,
        rules: ingest_rules(limits)?,
        generic_fields: limits.discover_generic_fields.clone(),
        shard_streams: ShardStreams {
            enabled: limits.shard_streams_enabled,
            desired_rate_bytes: limits.shard_streams_desired_rate,
            by_time: limits.shard_streams_time_sharding_enabled,
            ignore_recent: limits.shard_streams_time_sharding_ignore_recent,
            log: limits.shard_streams_logging_enabled,
        },
        simulated_latency: limits.simulated_push_latency,
    })
}

/// Of two limits the smaller; 0 means none.
fn smaller_limit(one: usize, other: usize) -> usize {
    match (one, other) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

/// A stream selector of the limits, compiled.
fn selector(text: &str, what: &str) -> Result<Arc<[LabelMatcher]>, LimitsError> {
    let invalid = |error: String| LimitsError::Selector(format!("invalid labels matchers{what}: {error}"));
    let matchers = loptr_logql::parse_matchers(text).map_err(|error| invalid(error.to_string()))?;
    let compiled: Result<Vec<LabelMatcher>, _> = matchers.iter().map(LabelMatcher::compile).collect();
    compiled.map(Arc::from).map_err(|error| invalid(error.to_string()))
}

fn ingest_rules(limits: &Limits) -> Result<IngestRules, LimitsError> {
    let mut retention_hours = Vec::with_capacity(limits.retention_stream.len());
    for rule in &limits.retention_stream {
        let (priority, value) = (rule.priority, rule.period.as_secs() / 3600);
        retention_hours.push(StreamRule { priority, matchers: selector(&rule.selector, "")?, value });
    }
    let mut policies = Vec::new();
    for (policy, streams) in &limits.policy_stream_mapping {
        for stream in streams {
            let matchers = selector(&stream.selector, " for policy stream mapping")?;
            policies.push(StreamRule { priority: stream.priority, matchers, value: policy.clone() });
        }
    }
    // Of a policy 0 means that the tenant's own limit holds.
    let of_policy = |policy: &loptr_config::PolicyLimits| {
        let local = match policy.max_streams_per_user {
            0 => limits.max_streams_per_user,
            own => own,
        };
        let global = match policy.max_global_streams_per_user {
            0 => limits.max_global_streams_per_user,
            own => own,
        };
        smaller_limit(local, global)
    };
    let until = |until: &Option<i64>| until.map(Nanos);
    Ok(IngestRules {
        policies,
        retention_hours,
        default_retention_hours: limits.retention_period.as_secs() / 3600,
        enforced_labels: limits.enforced_labels.clone(),
        policy_enforced_labels: limits.policy_enforced_labels.clone(),
        block_until: until(&limits.block_ingestion_until),
        block_policy_until: limits
            .block_ingestion_policy_until
            .iter()
            .filter_map(|(policy, time)| Some((policy.clone(), until(time)?)))
            .collect(),
        block_status: u16::try_from(limits.block_ingestion_status_code).unwrap_or(260),
        policy_max_streams: limits
            .policy_override_limits
            .iter()
            .map(|(policy, limits)| (policy.clone(), of_policy(limits)))
            .collect(),
        count_by_policy: limits.use_owned_stream_count,
    })
}

fn blocked_queries(limits: &Limits) -> Vec<Arc<[BlockedQuery]>> {
    let rules = limits.blocked_queries.iter().map(|rule| {
        BlockedQuery::new(&rule.pattern, rule.regex, rule.hash)
            .of_types(rule.types.clone())
            .with_tags(rule.query_tags.clone())
    });
    let rules: Vec<BlockedQuery> = rules.collect();
    if rules.is_empty() { Vec::new() } else { vec![rules.into()] }
}

/// What is stored of a tenant's patterns.
pub(crate) fn pattern_limits(limits: &Limits) -> PatternLimits {
    PatternLimits {
        store_patterns: limits.pattern_persistence_enabled,
        store_counts: limits.metric_aggregation_enabled,
        granularity: limits.pattern_persistence_granularity,
        least_per_sec: limits.pattern_rate_threshold,
    }
}

/// How long lines live, and what delete requests do.
pub(crate) fn lifetime(limits: &Limits) -> Result<TenantPolicy, LimitsError> {
    let stream = |rule: &loptr_config::StreamRetention| {
        let bad = |error: &dyn std::fmt::Display| {
            LimitsError::Selector(format!("retention_stream selector {}: {error}", rule.selector))
        };
        let matchers = loptr_logql::parse_matchers(&rule.selector).map_err(|error| bad(&error))?;
        let matchers: Result<Vec<_>, _> = matchers.iter().map(LabelMatcher::compile).collect();
        let matchers = matchers.map_err(|error| bad(&error))?;
        Ok(StreamRetention { matchers, period: rule.period, priority: rule.priority })
    };
    let streams = limits.retention_stream.iter().map(stream).collect::<Result<_, _>>()?;
    let retention = Retention { period: limits.retention_period, streams };
    let deletion = limits.deletion_mode.parse().map_err(LimitsError::Selector)?;
    Ok(TenantPolicy { retention, deletion })
}

/// Files of all tenants are merged in batches of a sixteenth of what there is.
fn compact(config: &Config, memory_bytes: u64) -> CompactSettings {
    let retention = config.bool("compactor.retention_enabled").then(|| RetentionSettings {
        interval: config.duration("compactor.apply_retention_interval"),
        delete_delay: config.duration("compactor.retention_delete_delay"),
        delete_workers: config.count("compactor.retention_delete_worker_count"),
        table_timeout: config.duration("compactor.retention_table_timeout"),
        cancel_period: config.duration("compactor.delete_request_cancel_period"),
        batch: config.count("compactor.delete_batch_size"),
        working_dir: Some(PathBuf::from(config.str("compactor.working_directory"))),
    });
    CompactSettings {
        retention,
        interval: config.duration("compactor.compaction_interval"),
        parallel_tables: config.count("compactor.max_compaction_parallelism"),
        parallel_uploads: config.count("compactor.upload_parallelism"),
        tables: config.count("compactor.tables_to_compact"),
        skip_latest: config.count("compactor.skip_latest_n_tables"),
        batch_bytes: usize::try_from(memory_bytes / 16).unwrap_or(usize::MAX),
        ..CompactSettings::default()
    }
}

pub(crate) fn query_limits(limits: &Limits) -> Result<QueryLimits, LimitsError> {
    Ok(QueryLimits {
        max_length: limits.max_query_length,
        max_look_back: limits.max_query_lookback,
        max_range: limits.max_query_range,
        max_entries: limits.max_entries_limit_per_query,
        max_series: limits.max_query_series,
        max_matchers: limits.max_streams_matchers_per_query,
        timeout: limits.query_timeout,
        split: limits.split_queries_by_interval,
        split_instant: limits.split_instant_metric_queries_by_interval,
        required_labels: limits.required_labels.clone(),
        min_matchers: limits.minimum_labels_number,
        blocked: blocked_queries(limits),
        // All periods are tsdb's, which the other key does not speak of.
        is_disabled: limits.tsdb_max_query_parallelism == 0,
        max_query_bytes: limits.max_query_bytes_read,
        max_part_bytes: limits.max_querier_bytes_read,
        shard_bytes: limits.tsdb_max_bytes_per_shard,
        approx_topk: limits.shard_aggregations.iter().any(|name| name == "approx_topk"),
        variants: limits.enable_multi_variant_queries,
        volume_enabled: limits.volume_enabled,
        volume_max_series: limits.volume_max_series,
        max_tails: limits.max_concurrent_tail_requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> Result<Settings, String> {
        use loptr_config::{Command, Host, Outside, load, parse_args};
        let Ok(Command::Run(invocation)) = parse_args(["-config.file=a.yaml"]) else { panic!("a run") };
        let schema = "schema_config: {configs: [{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: i_, period: 24h}}]}";
        let file = format!(
            "{yaml}\n{schema}\ncommon: {{path_prefix: /d, storage: {{filesystem: {{chunks_directory: /d/c}}}}}}\n"
        );
        let read = |_: &std::path::Path| Ok(file.clone().into_bytes());
        let outside = Outside { read: &read, env: &|_| None, host: Host::default(), now_secs: 1_800_000_000 };
        let config = load(&invocation, &outside).map_err(|error| error.to_string())?;
        Settings::from_config(&config, 1 << 30).map_err(|error| error.to_string())
    }

    #[test]
    fn copies_that_cannot_be_kept_are_refused_when_asked_for() {
        assert!(settings("").is_ok(), "upstream's default is not a request");
        let asked = settings("ingester: {lifecycler: {ring: {replication_factor: 3}}}").expect_err("refused");
        assert!(asked.starts_with("ingester.lifecycler.ring.replication_factor: 3 copies"), "{asked}");
        assert!(settings("ingester: {lifecycler: {ring: {replication_factor: 1}}}").is_ok());
    }

    #[test]
    fn unset_chunk_encoding_means_snappy() {
        let encoding = |yaml| settings(yaml).expect("valid").ingest.encoding;
        assert_eq!(encoding(""), Encoding::Snappy);
        assert_eq!(encoding("ingester: {chunk_encoding: gzip}"), Encoding::Gzip);
    }

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

    #[test]
    fn the_configuration_page_is_in_step() {
        let page = crate::real::read(PAGE.as_ref()).expect("the page is in the repository");
        let wanted = loptr_config::reference_page(HONOURED);
        assert!(
            page == wanted.as_bytes(),
            "docs/configuration.md is out of step: run `cargo test -p loptr-server --lib -- --ignored configuration_page`"
        );
    }

    #[test]
    #[ignore = "writes docs/configuration.md"]
    #[allow(clippy::disallowed_methods, reason = "writes a page of the repository")]
    fn write_the_configuration_page() {
        std::fs::write(PAGE, loptr_config::reference_page(HONOURED)).expect("the repository can be written");
    }

    #[test]
    fn shipped_chunks_stay_named_while_an_old_listing_is_believed() {
        assert_eq!(keep_shipped(Duration::from_secs(300)), Duration::from_secs(20 * 60));
        assert_eq!(keep_shipped(Duration::from_secs(3600)), Duration::from_secs(7200));
    }

    #[test]
    fn replay_stays_below_its_ceiling_and_the_memory_there_is() {
        assert_eq!(replay_memory(4 << 30, 64 << 30), 3 << 30);
        assert_eq!(replay_memory(4 << 30, 1 << 30), (1 << 30) / 16 * 9);
        assert_eq!(replay_memory(0, 4 << 30), (4 << 30) / 16 * 9);
        let settings =
            settings("ingester: {wal: {replay_memory_ceiling: 64MB, checkpoint_duration: 7m}}").expect("valid");
        assert_eq!(settings.ingest.replay_memory_bytes, 48 << 20);
        assert_eq!(settings.ingest.checkpoint_every, Duration::from_secs(420));
    }

    /// No key is left without a word on what becomes of it.
    #[test]
    fn every_key_is_honoured_refused_or_explained() {
        use loptr_config::{Kind, Status, status_of, table};
        let mut counts = [0; 3];
        for (_, key) in table().keys().filter(|(_, key)| key.kind != Kind::Object) {
            let at = match status_of(key.path, HONOURED) {
                Status::Honoured => 0,
                Status::RefusedUnlessDefault(_) => 1,
                Status::NoEffect(reason) => {
                    assert_ne!(reason, loptr_config::UNEXPLAINED, "{}", key.path);
                    2
                }
            };
            counts[at] += 1;
        }
        println!("{} keys honoured, {} refused, {} without effect", counts[0], counts[1], counts[2]);
        assert!(counts[0] > 150, "{counts:?}");
    }

    #[test]
    fn every_honoured_path_is_a_key() {
        for path in HONOURED {
            let path = path.split('=').next().expect("split gives one part at least");
            assert!(loptr_config::known_path(path).is_some(), "{path}");
        }
    }
}
