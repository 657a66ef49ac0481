//! Which keys have an effect. The rule: a key that decides where data goes, who may read it or how long it lives is
//! honoured, or start is refused; any other key without effect is named in a warning.

use crate::refusal::Refusal;
use crate::value::{Object, Source, Value};

/// What becomes of a key that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does what upstream's does.
    Honoured,
    /// Any value but the default stops the start, for this reason.
    RefusedUnlessDefault(&'static str),
    /// Accepted and named in a warning.
    NoEffectYet,
    /// Accepted and named in a warning with this reason: there is nothing here that it could change.
    NoEffect(&'static str),
}

/// What this crate itself sees to: each path with everything below it. The process adds its own in
/// [`Config::report`](crate::Config::report).
pub const HONOURED: &[&str] = &[
    "verifyconfig",
    "printconfig",
    "listtargets",
    "logconfig",
    "configfile",
    "configexpandenv",
    "schema_config",
    "tenant_limits_allow_publish",
    "common.instance_addr",
    "common.instance_interface_names",
    "common.ring",
    "limits_config.allow_deletes",
    crate::table::OWN,
];

const STORES: &str = "only the filesystem store is supported yet";
const CLUSTER: &str = "clusters are not supported yet: one process with target all and ring store inmemory";
const PLACE: &str = "this place for data is not used yet";
const LIFETIME: &str = "retention and deletion are not supported yet";
const ACCESS: &str = "this kind of access control is not supported yet";
const TLS: &str = "TLS is not supported yet";
const KAFKA: &str = "Kafka is not supported yet";

/// Paths, each with everything below it, that stop the start unless they are honoured. The longest match counts.
const REFUSED: &[(&str, &str)] = &[
    ("target", "only target all is supported yet"),
    ("auth_enabled", ACCESS),
    ("server.http_tls_config", TLS),
    ("server.grpc_tls_config", TLS),
    ("querier.multi_tenant_queries_enabled", ACCESS),
    ("common.path_prefix", PLACE),
    ("common.storage", STORES),
    ("common.replication_factor", CLUSTER),
    ("ingester.lifecycler.ring.replication_factor", CLUSTER),
    ("memberlist.join_members", CLUSTER),
    ("storage_config.alibabacloud", STORES),
    ("storage_config.aws", STORES),
    ("storage_config.azure", STORES),
    ("storage_config.bos", STORES),
    ("storage_config.bigtable", STORES),
    ("storage_config.gcs", STORES),
    ("storage_config.cassandra", STORES),
    ("storage_config.boltdb", STORES),
    ("storage_config.swift", STORES),
    ("storage_config.grpc_store", STORES),
    ("storage_config.cos", STORES),
    ("storage_config.named_stores", STORES),
    ("storage_config.object_store", STORES),
    ("storage_config.use_thanos_objstore", STORES),
    ("storage_config.object_prefix", PLACE),
    ("storage_config.filesystem", PLACE),
    ("storage_config.tsdb_shipper.active_index_directory", PLACE),
    ("storage_config.tsdb_shipper.cache_location", PLACE),
    ("ingester.wal.dir", PLACE),
    ("ingester.wal.enabled", PLACE),
    ("compactor.working_directory", PLACE),
    ("compactor.retention_enabled", LIFETIME),
    ("compactor.delete_request_store", LIFETIME),
    ("compactor.delete_request_store_key_prefix", LIFETIME),
    ("compactor.retention_delete_delay", LIFETIME),
    ("compactor.delete_request_cancel_period", LIFETIME),
    ("limits_config.retention_period", LIFETIME),
    ("limits_config.retention_stream", LIFETIME),
    ("limits_config.deletion_mode", LIFETIME),
    ("limits_config.s3_sse_type", STORES),
    ("limits_config.s3_sse_kms_key_id", STORES),
    ("limits_config.s3_sse_kms_encryption_context", STORES),
    ("limits_config.per_tenant_override_config", "limits of single tenants are not supported yet"),
    ("runtime_config.file", "limits of single tenants are not supported yet"),
    ("distributor.kafka_writes_enabled", KAFKA),
    ("distributor.ingester_writes_enabled", KAFKA),
    ("ingester.kafka_ingestion.enabled", KAFKA),
];

const WHOLE: &str = "queries are not cut into parts that are sent about: all cores of the process work on each";
const NO_CACHE: &str = "answers are not cached";
const BLOOMS: &str = "blooms only leave chunks out early: answers are the same without";
const OTHER_ENGINE: &str = "it belongs to an experimental engine that Loptr does not have";
const ONE_QUERIER: &str = "this process is all queriers there are";

/// Paths, each with everything below it, that nothing here could follow, and why. The longest match counts.
const EXPLAINED: &[(&str, &str)] = &[
    ("limits_config.cardinality_limit", "upstream reads it for older indexes only"),
    ("limits_config.max_chunks_per_query", "no part of upstream reads it any more"),
    ("limits_config.max_query_parallelism", "upstream reads it for older indexes only"),
    ("limits_config.tsdb_sharding_strategy", WHOLE),
    ("limits_config.tsdb_precompute_chunks", WHOLE),
    ("limits_config.min_sharding_lookback", WHOLE),
    ("limits_config.split_metadata_queries_by_interval", WHOLE),
    ("limits_config.split_recent_metadata_queries_by_interval", WHOLE),
    ("limits_config.recent_metadata_query_window", WHOLE),
    ("limits_config.split_ingester_queries_by_interval", WHOLE),
    ("limits_config.max_cache_freshness_per_query", NO_CACHE),
    ("limits_config.max_metadata_cache_freshness", NO_CACHE),
    ("limits_config.max_stats_cache_freshness", NO_CACHE),
    ("limits_config.engine_results_cache_time_bucket_interval", NO_CACHE),
    ("limits_config.max_queriers_per_tenant", ONE_QUERIER),
    ("limits_config.max_query_capacity", ONE_QUERIER),
    ("limits_config.query_ready_index_num_days", "the index is fetched when a query needs it"),
    ("limits_config.max_scan_task_parallelism", OTHER_ENGINE),
    ("limits_config.debug_engine_streams", OTHER_ENGINE),
    ("limits_config.debug_engine_tasks", OTHER_ENGINE),
    ("limits_config.bloom_gateway_enable_filtering", BLOOMS),
    ("limits_config.bloom_build_max_builders", BLOOMS),
    ("limits_config.bloom_build_task_max_retries", BLOOMS),
    ("limits_config.bloom_build_builder_response_timeout", BLOOMS),
    ("limits_config.bloom_creation_enabled", BLOOMS),
    ("limits_config.bloom_planning_strategy", BLOOMS),
    ("limits_config.bloom_task_target_series_chunk_size", BLOOMS),
    ("limits_config.bloom_split_series_keyspace_by", BLOOMS),
    ("limits_config.bloom_block_encoding", BLOOMS),
    ("limits_config.bloom_prefetch_blocks", BLOOMS),
    ("limits_config.bloom_max_block_size", BLOOMS),
    ("limits_config.bloom_max_bloom_size", BLOOMS),
    ("limits_config.ingestion_partitions_tenant_shard_size", KAFKA),
    ("query_engine", OTHER_ENGINE),
    ("dataobj", OTHER_ENGINE),
    ("query_range.cache_results", NO_CACHE),
    ("query_range.results_cache", NO_CACHE),
    ("query_range.cache_index_stats_results", NO_CACHE),
    ("query_range.index_stats_results_cache", NO_CACHE),
    ("query_range.cache_volume_results", NO_CACHE),
    ("query_range.volume_results_cache", NO_CACHE),
    ("query_range.cache_instant_metric_results", NO_CACHE),
    ("query_range.instant_metric_results_cache", NO_CACHE),
    ("query_range.cache_series_results", NO_CACHE),
    ("query_range.series_results_cache", NO_CACHE),
    ("query_range.cache_label_results", NO_CACHE),
    ("query_range.label_results_cache", NO_CACHE),
    ("query_range.parallelise_shardable_queries", WHOLE),
    ("table_manager", "it belongs to stores that upstream has dropped"),
    ("querier.query_ingesters_within", "what memory holds is asked by its own time"),
    ("querier.max_concurrent", WHOLE),
    ("server.http_server_write_timeout", "an answer under way is not cut: query_timeout and the client decide"),
];

/// The end of paths that name the store of a ring.
const RING_STORE: &str = ".kvstore.store";
/// Keys whose being without effect needs no word: what they turn off or tune is not there.
const QUIET: &[&str] = &[
    "analytics",
    "bloom_build",
    "bloom_gateway",
    "storage_config.bloom_shipper",
    "ballast_bytes",
    "http_prefix",
];

/// Whether `path` is `above` or lies below it.
fn covers(above: &str, path: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

fn honours(honoured: &[&str], path: &str) -> bool {
    HONOURED.iter().chain(honoured).any(|above| covers(above, path))
}

/// The status of a key.
pub fn of(path: &str, honoured: &[&str]) -> Status {
    if path.ends_with(RING_STORE) && !honoured.iter().any(|above| covers(above, path)) {
        return Status::RefusedUnlessDefault(CLUSTER);
    }
    if honours(honoured, path) {
        return Status::Honoured;
    }
    let refused = REFUSED.iter().filter(|(above, _)| covers(above, path)).max_by_key(|(above, _)| above.len());
    let explained = EXPLAINED.iter().filter(|(above, _)| covers(above, path)).max_by_key(|(above, _)| above.len());
    match (refused, explained) {
        (Some((_, reason)), _) => Status::RefusedUnlessDefault(reason),
        (None, Some((_, reason))) => Status::NoEffect(reason),
        (None, None) => Status::NoEffectYet,
    }
}

/// The entry of the list that refuses `path`: keys below it are refused together.
pub(crate) fn refused_by(path: &str) -> &'static str {
    let entries = REFUSED.iter().map(|(above, _)| *above).filter(|above| covers(above, path));
    entries.max_by_key(|above| above.len()).unwrap_or("")
}

/// Whether a key without effect needs no warning.
pub(crate) fn is_quiet(path: &str) -> bool {
    QUIET.iter().any(|above| covers(above, path))
}

/// Values of refused keys that ask for nothing that is missing.
pub(crate) fn harmless(path: &str, value: &Value, honoured: &[&str]) -> bool {
    let words: Vec<&str> = match value {
        Value::Text(text) => vec![text.as_str()],
        Value::Texts(texts) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let fine = |word: &&str| honoured.iter().any(|entry| entry.split_once('=') == Some((path, *word)));
    if !words.is_empty() && words.iter().all(fine) {
        return true;
    }
    match path {
        "target" => words == ["all"],
        "common.replication_factor" | "ingester.lifecycler.ring.replication_factor" => *value == Value::Int(1),
        "limits_config.deletion_mode" => words == ["disabled"],
        _ if path.ends_with(RING_STORE) => words == ["inmemory"],
        _ => false,
    }
}

/// Periods of the schema that name an index, a version or a store that is not there. A kind `k` is there when
/// `schema_config.configs[].store=k` is honoured, a version `v12` with `schema_config.configs[].schema=v12`, a store
/// with `schema_config.configs[].object_store=s3`; `tsdb`, `v13` and `filesystem` always are.
pub(crate) fn of_periods(periods: &[Object], values: &Object, honoured: &[&str]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for period in periods {
        let version = format!("v{}", period.str("schema").trim_matches('v'));
        for (key, word, known, what) in [
            ("store", period.str("store"), "tsdb", "this kind of index is not supported yet"),
            ("schema", version.as_str(), "v13", "this version of the schema is not supported yet"),
            ("object_store", period.str("object_store"), "filesystem", STORES),
        ] {
            let entry = format!("schema_config.configs[].{key}={word}");
            if word != known && !honoured.contains(&entry.as_str()) {
                let line = match period.source(key) {
                    Source::File { line, .. } => Some(line),
                    _ => None,
                };
                let path = format!("schema_config.configs[].{key}");
                refusals.push(Refusal { path, line, reason: format!("{word}: {what}") });
            }
        }
    }
    let thanos = values.bool("storage_config.use_thanos_objstore");
    refusals.retain(|refusal| {
        !(thanos && refusal.path.ends_with("object_store") && honours(honoured, "storage_config.object_store"))
    });
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_lists_is_a_key() {
        let refused = REFUSED.iter().map(|(path, _)| *path);
        let explained = EXPLAINED.iter().map(|(path, _)| *path);
        for path in HONOURED.iter().chain(QUIET).copied().chain(refused).chain(explained) {
            assert!(crate::known_path(path).is_some(), "{path}");
        }
    }

    #[test]
    fn honoured_paths_win_over_refusals() {
        assert_eq!(of("storage_config.aws.region", &[]), Status::RefusedUnlessDefault(STORES));
        assert_eq!(of("storage_config.aws.region", &["storage_config.aws"]), Status::Honoured);
        assert_eq!(of("storage_config.aws_other", &["storage_config.aws"]), Status::NoEffectYet);
        assert_eq!(of("ruler.ring.kvstore.store", &[]), Status::RefusedUnlessDefault(CLUSTER));
        assert_eq!(of("common.ring.kvstore.store", &[]), Status::RefusedUnlessDefault(CLUSTER));
        assert_eq!(of("server.log_level", &[]), Status::NoEffectYet);
        assert_eq!(of("schema_config.configs[].from", &[]), Status::Honoured);
        assert!(harmless("target", &Value::Texts(vec!["write".to_owned()]), &["target=write"]));
        assert!(!harmless("target", &Value::Texts(vec!["write".to_owned()]), &[]));
    }
}
