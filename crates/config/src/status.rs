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
    "tracing.enabled",
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
    refused.map_or(Status::NoEffectYet, |(_, reason)| Status::RefusedUnlessDefault(reason))
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
        for path in HONOURED.iter().chain(QUIET).copied().chain(refused) {
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
