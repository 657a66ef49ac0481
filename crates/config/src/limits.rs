//! `limits_config`: what a tenant may do, as a plain struct, and the overrides of single tenants.
//!
//! Zero means "no limit" or "off" wherever upstream says so; durations are never negative here. The numbers come from
//! the table, so `Limits::default()` is upstream's default.
//!
//! ```
//! use loptr_config::Limits;
//! let limits = Limits::default();
//! assert_eq!((limits.max_line_size, limits.max_query_series), (256 << 10, 500));
//! assert_eq!(limits.max_query_length.as_secs(), 721 * 3600);
//! ```

mod check;
mod publish;
mod read;
mod runtime;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use check::{attribute_rules, check, clamp, encoding};
pub(crate) use runtime::read as read_runtime;
pub use runtime::{MultiKv, Runtime, RuntimeFile};

use read::FromValue;

use crate::table::{KeyId, table};
use crate::value::Object;

/// A list of streams with a priority: of several that match, the highest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriorityStream {
    /// Priority.
    pub priority: i64,
    /// Stream selector, not parsed here.
    pub selector: String,
}

/// Retention of some streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRetention {
    /// How long they are kept.
    pub period: Duration,
    /// Priority.
    pub priority: i64,
    /// Stream selector, not parsed here.
    pub selector: String,
}

/// A query that must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedQuery {
    /// The query, or a regular expression for it.
    pub pattern: String,
    /// Whether `pattern` is a regular expression.
    pub regex: bool,
    /// Hash of the query; 0 when none is given.
    pub hash: u64,
    /// Types of queries blocked: `metric`, `filter`, `limited`; empty means all.
    pub types: Vec<String>,
    /// Query tags that must be there, lower or upper case alike.
    pub query_tags: BTreeMap<String, String>,
}

/// What to do with an OTLP attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeAction {
    /// Make it a label.
    IndexLabel,
    /// Keep it as structured metadata.
    StructuredMetadata,
    /// Drop it.
    Drop,
}

/// A rule for OTLP attributes: the first that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeRule {
    /// What to do.
    pub action: AttributeAction,
    /// Names it holds for.
    pub attributes: Vec<String>,
    /// Anchored regular expression for names, when `attributes` is empty.
    pub regex: String,
}

/// How OTLP attributes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtlpConfig {
    /// Rules for resource attributes, the process-wide ones in front.
    pub resource_attributes: Vec<AttributeRule>,
    /// Rules for scope attributes.
    pub scope_attributes: Vec<AttributeRule>,
    /// Rules for log attributes.
    pub log_attributes: Vec<AttributeRule>,
    /// Makes the severity a label.
    pub severity_text_as_label: bool,
}

/// Stream limits of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Streams per ingester.
    pub max_streams_per_user: usize,
    /// Streams in the cluster.
    pub max_global_streams_per_user: usize,
}

/// Declares [`Limits`] and its reader from one list of fields and keys.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $path:literal,)*) => {
        /// Limits of a tenant.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Limits {
            $($(#[$doc])* pub $field: $type,)*
            /// How OTLP attributes are kept.
            pub otlp_config: OtlpConfig,
            /// Which streams belong to which policy.
            pub policy_stream_mapping: BTreeMap<String, Vec<PriorityStream>>,
        }

        impl Limits {
            /// Keys this struct takes, relative to `limits_config`.
            #[cfg(test)]
            pub(crate) const PATHS: &[&str] = &[$($path),*];

            /// Reads the keys below `limits_config`. `process` gives the process-wide parts.
            pub(crate) fn read(values: &Object, process: &ProcessLimits) -> Limits {
                Limits {
                    $($field: <$type>::from_value(values.value($path), $path),)*
                    otlp_config: read::otlp(values, &process.index_labels),
                    policy_stream_mapping: read::policies(values, &process.policies),
                }
            }
        }
    };
}

limits! {
    /// `global`: the rate is shared by all distributors; `local`: each has it.
    ingestion_rate_strategy: String = "ingestion_rate_strategy",
    /// Rate of lines and structured metadata, in MiB a second.
    ingestion_rate_mb: f64 = "ingestion_rate_mb",
    /// Largest burst above the rate, in MiB.
    ingestion_burst_size_mb: f64 = "ingestion_burst_size_mb",
    /// Longest label name, in bytes.
    max_label_name_length: usize = "max_label_name_length",
    /// Longest label value, in bytes.
    max_label_value_length: usize = "max_label_value_length",
    /// Most labels of a stream.
    max_label_names_per_series: usize = "max_label_names_per_series",
    /// Refuse lines older than `reject_old_samples_max_age`.
    reject_old_samples: bool = "reject_old_samples",
    /// Oldest line taken.
    reject_old_samples_max_age: Duration = "reject_old_samples_max_age",
    /// How far in the future a line may be.
    creation_grace_period: Duration = "creation_grace_period",
    /// Longest line in bytes; 0 for no limit.
    max_line_size: u64 = "max_line_size",
    /// Cut longer lines instead of refusing them.
    max_line_size_truncate: bool = "max_line_size_truncate",
    /// Text at the end of a line that was cut.
    max_line_size_truncate_identifier: String = "max_line_size_truncate_identifier",
    /// Add a nanosecond to equal times within a request.
    increment_duplicate_timestamp: bool = "increment_duplicate_timestamp",
    /// Delay of every push: a test aid.
    simulated_push_latency: Duration = "simulated_push_latency",
    /// Labels tried for `service_name`; empty turns it off.
    discover_service_name: Vec<String> = "discover_service_name",
    /// Fields looked for and the fields they may be taken from.
    discover_generic_fields: BTreeMap<String, Vec<String>> = "discover_generic_fields.fields",
    /// Find the level of a line and keep it as `detected_level`.
    discover_log_levels: bool = "discover_log_levels",
    /// Fields that may hold the level.
    log_level_fields: Vec<String> = "log_level_fields",
    /// Deepest nesting in which a JSON line's level is looked for.
    log_level_from_json_max_depth: usize = "log_level_from_json_max_depth",
    /// Count owned streams only.
    use_owned_stream_count: bool = "use_owned_stream_count",
    /// Most streams in an ingester; 0 for no limit.
    max_streams_per_user: usize = "max_streams_per_user",
    /// Most streams in the cluster; 0 for no limit.
    max_global_streams_per_user: usize = "max_global_streams_per_user",
    /// Take lines out of order.
    unordered_writes: bool = "unordered_writes",
    /// Rate of a stream, in bytes a second.
    per_stream_rate_limit: u64 = "per_stream_rate_limit",
    /// Largest burst of a stream, in bytes.
    per_stream_rate_limit_burst: u64 = "per_stream_rate_limit_burst",
    /// Split hot streams.
    shard_streams_enabled: bool = "shard_streams.enabled",
    /// Split streams by time too.
    shard_streams_time_sharding_enabled: bool = "shard_streams.time_sharding_enabled",
    /// Lines younger than this are not split by time.
    shard_streams_time_sharding_ignore_recent: Duration = "shard_streams.time_sharding_ignore_recent",
    /// Log splits.
    shard_streams_logging_enabled: bool = "shard_streams.logging_enabled",
    /// Rate from which a stream is split, in bytes a second.
    shard_streams_desired_rate: u64 = "shard_streams.desired_rate",
    /// Take structured metadata.
    allow_structured_metadata: bool = "allow_structured_metadata",
    /// Largest structured metadata of a line, in bytes.
    max_structured_metadata_size: u64 = "max_structured_metadata_size",
    /// Most entries of structured metadata of a line.
    max_structured_metadata_entries_count: usize = "max_structured_metadata_entries_count",
    /// Refuse pushes until then (Unix nanoseconds).
    block_ingestion_until: Option<i64> = "block_ingestion_until",
    /// The same for a policy; `*` for every policy without its own.
    block_ingestion_policy_until: BTreeMap<String, Option<i64>> = "block_ingestion_policy_until",
    /// Status of such refusals; 200 hides them.
    block_ingestion_status_code: i64 = "block_ingestion_status_code",
    /// Labels every stream must have.
    enforced_labels: Vec<String> = "enforced_labels",
    /// The same for a policy; `*` for all.
    policy_enforced_labels: BTreeMap<String, Vec<String>> = "policy_enforced_labels",
    /// Stream limits of a policy.
    policy_override_limits: BTreeMap<String, PolicyLimits> = "policy_override_limits",
    /// Partitions a tenant is spread over; 0 for all.
    ingestion_partitions_tenant_shard_size: usize = "ingestion_partitions_tenant_shard_size",
    /// Keep sums of what comes in.
    metric_aggregation_enabled: bool = "metric_aggregation_enabled",
    /// Keep patterns.
    pattern_persistence_enabled: bool = "pattern_persistence_enabled",
    /// Span of time that lines of a pattern are summed over when kept; zero for `pattern_ingester.max_chunk_age`.
    pattern_persistence_granularity: Duration = "pattern_persistence_granularity",
    /// Lines a second from which a pattern is kept; 0 for all.
    pattern_rate_threshold: f64 = "pattern_rate_threshold",

    /// Longest range of a query; zero for no limit.
    max_query_length: Duration = "max_query_length",
    /// How far back a query may look; longer ranges are cut. Zero for no limit.
    max_query_lookback: Duration = "max_query_lookback",
    /// Longest `[range]` of a metric query; zero for no limit.
    max_query_range: Duration = "max_query_range",
    /// Most series of a metric query.
    max_query_series: usize = "max_query_series",
    /// Most lines of a log query; 0 for no limit.
    max_entries_limit_per_query: usize = "max_entries_limit_per_query",
    /// Most chunks of a query.
    max_chunks_per_query: usize = "max_chunks_per_query",
    /// Most matchers of streams in a query.
    max_streams_matchers_per_query: usize = "max_streams_matchers_per_query",
    /// Most series of an index query.
    cardinality_limit: usize = "cardinality_limit",
    /// Longest time a query may take.
    query_timeout: Duration = "query_timeout",
    /// Most tails at once.
    max_concurrent_tail_requests: usize = "max_concurrent_tail_requests",
    /// Most parts of a query that run at once, for other indexes.
    max_query_parallelism: usize = "max_query_parallelism",
    /// Most parts of a query that run at once, for TSDB.
    tsdb_max_query_parallelism: usize = "tsdb_max_query_parallelism",
    /// Bytes a shard should read at most.
    tsdb_max_bytes_per_shard: u64 = "tsdb_max_bytes_per_shard",
    /// `power_of_two` or `bounded`.
    tsdb_sharding_strategy: String = "tsdb_sharding_strategy",
    /// Work out chunks together with shards.
    tsdb_precompute_chunks: bool = "tsdb_precompute_chunks",
    /// Queries younger than this are not sharded.
    min_sharding_lookback: Duration = "min_sharding_lookback",
    /// Aggregations that are sharded by approximation.
    shard_aggregations: Vec<String> = "shard_aggregations",
    /// Most bytes a query may read; 0 for no limit.
    max_query_bytes_read: u64 = "max_query_bytes_read",
    /// Most bytes a part of a query may read; 0 for no limit.
    max_querier_bytes_read: u64 = "max_querier_bytes_read",
    /// Split queries by this; zero for none.
    split_queries_by_interval: Duration = "split_queries_by_interval",
    /// The same for labels and series.
    split_metadata_queries_by_interval: Duration = "split_metadata_queries_by_interval",
    /// The same for recent labels and series.
    split_recent_metadata_queries_by_interval: Duration = "split_recent_metadata_queries_by_interval",
    /// What counts as recent; zero for nothing.
    recent_metadata_query_window: Duration = "recent_metadata_query_window",
    /// The same for ranges inside instant queries.
    split_instant_metric_queries_by_interval: Duration = "split_instant_metric_queries_by_interval",
    /// The same for what ingesters hold.
    split_ingester_queries_by_interval: Duration = "split_ingester_queries_by_interval",
    /// Results younger than this are not cached.
    max_cache_freshness_per_query: Duration = "max_cache_freshness_per_query",
    /// The same for labels and series.
    max_metadata_cache_freshness: Duration = "max_metadata_cache_freshness",
    /// The same for statistics.
    max_stats_cache_freshness: Duration = "max_stats_cache_freshness",
    /// Queriers a tenant may use; 0 for all.
    max_queriers_per_tenant: usize = "max_queriers_per_tenant",
    /// Part of the queriers a tenant may use, 0 to 1; 0 for all.
    max_query_capacity: f64 = "max_query_capacity",
    /// Days of index kept at hand.
    query_ready_index_num_days: usize = "query_ready_index_num_days",
    /// Serve volumes.
    volume_enabled: bool = "volume_enabled",
    /// Most series of a volume.
    volume_max_series: usize = "volume_max_series",
    /// Queries that must not run.
    blocked_queries: Vec<BlockedQuery> = "blocked_queries",
    /// Labels a selector must name.
    required_labels: Vec<String> = "required_labels",
    /// Fewest matchers of a selector.
    minimum_labels_number: usize = "minimum_labels_number",
    /// Take `variants` queries.
    enable_multi_variant_queries: bool = "enable_multi_variant_queries",

    /// How long lines are kept; zero for ever.
    retention_period: Duration = "retention_period",
    /// Retention of some streams.
    retention_stream: Vec<StreamRetention> = "retention_stream",
    /// `disabled`, `filter-only` or `filter-and-delete`.
    deletion_mode: String = "deletion_mode",
    /// Most rules of a group; 0 for no limit.
    ruler_max_rules_per_rule_group: usize = "ruler_max_rules_per_rule_group",
    /// Most groups; 0 for no limit.
    ruler_max_rule_groups_per_tenant: usize = "ruler_max_rule_groups_per_tenant",
    /// Longest evaluation of a rule elsewhere; zero for `query_timeout`.
    ruler_remote_evaluation_timeout: Duration = "ruler_remote_evaluation_timeout",
}

/// Parts of the limits that are set for the whole process.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessLimits {
    /// Resource attributes that become labels.
    pub(crate) index_labels: Vec<String>,
    /// Policies of every tenant.
    pub(crate) policies: BTreeMap<String, Vec<PriorityStream>>,
}

/// The key of the block.
pub(crate) fn limits_key() -> KeyId {
    table().find("limits_config").expect("the table has limits_config")
}

impl Default for Limits {
    fn default() -> Self {
        let values = Object::defaults(KeyId::ROOT);
        Limits::read(&Object::defaults(limits_key()), &ProcessLimits::of(&values))
    }
}

impl ProcessLimits {
    /// Reads them from the whole configuration.
    pub(crate) fn of(values: &Object) -> ProcessLimits {
        ProcessLimits {
            index_labels: values.strs("distributor.otlp_config.default_resource_attributes_as_index_labels").to_vec(),
            policies: read::policy_map(values.map("distributor.default_policy_stream_mappings")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_upstreams() {
        let limits = Limits::default();
        assert_eq!(limits.ingestion_rate_mb, 4.0);
        assert_eq!(limits.max_label_names_per_series, 15);
        assert_eq!(limits.reject_old_samples_max_age, Duration::from_secs(7 * 86_400));
        assert_eq!(limits.per_stream_rate_limit, 3 << 20);
        assert_eq!(limits.shard_streams_desired_rate, 1536 << 10);
        assert_eq!(limits.discover_service_name.len(), 13);
        assert_eq!(limits.max_querier_bytes_read, 150 << 30);
        assert_eq!(limits.split_queries_by_interval, Duration::from_secs(3600));
        assert_eq!(limits.block_ingestion_until, None);
        assert_eq!(limits.otlp_config.resource_attributes[0].attributes.len(), 18);
        assert_eq!(limits.otlp_config.resource_attributes[0].action, AttributeAction::IndexLabel);
    }

    #[test]
    fn every_path_is_a_key() {
        for path in Limits::PATHS {
            assert!(crate::known_path(&format!("limits_config.{path}")).is_some(), "{path}");
        }
    }
}
