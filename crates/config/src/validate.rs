//! Upstream's checks after loading, in its order and words. All faults are shown together.

use crate::limits::{self, limits_key};
use crate::notice::Notice;
use crate::schema::{self, Schema};
use crate::table::KeyId;
use crate::value::{Object, Source, Value};

const MINUTE_NANOS: i64 = 60_000_000_000;

/// Upstream's text for one fault, or for several.
pub(crate) fn join(errors: &[String]) -> String {
    match errors {
        [one] => one.clone(),
        many => format!("MULTIPLE CONFIG ERRORS FOUND, PLEASE READ CAREFULLY\n{}", many.join("\n")),
    }
}

/// Checks everything, corrects what upstream corrects, and reads the schema.
pub(crate) fn all(values: &mut Object, now_secs: i64, notices: &mut Vec<Notice>) -> (Schema, Vec<String>) {
    let (schema, mut errors) = schema::read(values, now_secs);
    type Check = fn(&Object) -> Result<(), String>;
    let sections: [(&str, Check); 11] = [
        ("storage_config", storage),
        ("query_range", query_range),
        ("querier", querier),
        ("query_scheduler", query_scheduler),
        ("ruler", ruler),
        ("ingester", ingester),
        ("limits_config", limits_config),
        ("frontend_worker", worker),
        ("index_gateway", index_gateway),
        ("compactor", compactor),
        ("distributor", distributor),
    ];
    for (section, check) in sections {
        if let Err(error) = check(values) {
            errors.push(format!("CONFIG ERROR: invalid {section} config: {error}"));
        }
    }
    schema::check_store_names(values, &mut errors);
    schema::check_shards(values, &mut errors);
    if !values.strs("query_range.shard_aggregations").is_empty() && values.str("frontend.encoding") != "protobuf" {
        errors.push("shard_aggregation requires frontend.encoding=protobuf".to_owned());
    }
    if values.bool("legacy_read_target") && values.strs("target").iter().any(|target| target == "backend") {
        errors.push("CONFIG ERROR: invalid target, cannot run backend target with legacy read mode".to_owned());
    }
    schema::check_requirements(values, now_secs, &mut errors);
    schema::note_metadata(values, notices);
    schema::check_folders(values, &mut errors);
    correct(values, notices);
    (schema, errors)
}

/// Values upstream corrects or completes while it checks.
fn correct(values: &mut Object, notices: &mut Vec<Notice>) {
    let mut block = values.block(limits_key());
    limits::clamp(&mut block, notices);
    let (limit, id) = (block.value("max_query_capacity").clone(), block.id("max_query_capacity"));
    if values.slot(id).value != limit {
        values.set(id, limit, Source::Derived);
    }
    if values.bool("compactor.retention_enabled") {
        let round = values.nanos("compactor.compaction_interval");
        let own = values.nanos("compactor.apply_retention_interval");
        if own == 0 || own == round {
            let shifted = round.saturating_add((10 * MINUTE_NANOS).min(round / 2));
            let id: KeyId = values.id("compactor.apply_retention_interval");
            values.set(id, Value::Duration(shifted), Source::Derived);
        }
    }
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// A named store must not be called like a type.
fn storage(values: &Object) -> Result<(), String> {
    const TYPES: [&str; 18] = [
        "aws",
        "s3",
        "azure",
        "bos",
        "gcs",
        "alibabacloud",
        "swift",
        "cos",
        "filesystem",
        "inmemory",
        "noop",
        "aws-dynamo",
        "bigtable",
        "bigtable-hashed",
        "cassandra",
        "gcp",
        "gcp-columnkey",
        "grpc-store",
    ];
    for kind in ["aws", "azure", "bos", "filesystem", "gcs", "alibabacloud", "swift", "cos"] {
        for (name, _) in values.map(&format!("storage_config.named_stores.{kind}")) {
            if TYPES.contains(&name.as_str()) {
                return Err(format!(
                    "named store {} should not match with the name of a predefined storage type",
                    loptr_model::go_quote(name)
                ));
            }
        }
    }
    Ok(())
}

fn query_range(values: &Object) -> Result<(), String> {
    let sharded = values.bool("query_range.parallelise_shardable_queries");
    let plain = values.strs("query_range.shard_aggregations").is_empty();
    require(plain || sharded, "shard_aggregations requires parallelise_shardable_queries=true")
}

fn querier(values: &Object) -> Result<(), String> {
    let both = values.bool("querier.query_store_only") && values.bool("querier.query_ingester_only");
    require(!both, "querier.query_store_only and querier.query_ingester_only cannot both be true")
}

const TOKENS: &str = "Num tokens must not be changed as it will not take effect";
const REPLICATION: &str = "Replication factor must not be changed as it will not take effect";

fn query_scheduler(values: &Object) -> Result<(), String> {
    require(values.int("query_scheduler.scheduler_ring.num_tokens") == 1, TOKENS)?;
    require(values.int("query_scheduler.scheduler_ring.replication_factor") == 2, REPLICATION)
}

fn ruler(values: &Object) -> Result<(), String> {
    if !values.bool("ruler.remote_write.enabled") {
        return Ok(());
    }
    let clients = values.map("ruler.remote_write.clients");
    if values.str("ruler.remote_write.client.url").is_empty() && clients.is_empty() {
        return Err(
            "invalid ruler remote-write config: remote-write enabled but no clients URL are configured".to_owned()
        );
    }
    for (id, client) in clients {
        let Value::Object(client) = client else { continue };
        if client.str("url").is_empty() {
            let name = client.str("name");
            return Err(format!(
                "invalid ruler remote-write config: remote-write enabled but client '{name}' URL for tenant {id} is not configured"
            ));
        }
    }
    Ok(())
}

fn ingester(values: &Object) -> Result<(), String> {
    let go = crate::scalar::duration::format_go;
    limits::encoding(values.str("ingester.chunk_encoding"))?;
    let checkpoint = values.nanos("ingester.wal.checkpoint_duration");
    if values.bool("ingester.wal.enabled") && checkpoint < 1 {
        return Err(format!("invalid checkpoint duration: {}", go(checkpoint)));
    }
    let threshold = values.float("ingester.wal.disk_full_threshold");
    if !(0.0..=1.0).contains(&threshold) {
        return Err(format!("invalid disk full threshold: {threshold} (must be between 0 and 1)"));
    }
    let backoff = "ingester.flush_op_backoff";
    if values.nanos(&format!("{backoff}.min_period")) > values.nanos(&format!("{backoff}.max_period")) {
        return Err("invalid flush op min backoff: cannot be larger than max backoff".to_owned());
    }
    let retries = values.int(&format!("{backoff}.max_retries"));
    if retries <= 0 {
        return Err(format!("invalid flush op max retries: {retries}"));
    }
    let timeout = values.nanos("ingester.flush_op_timeout");
    if timeout <= 0 {
        return Err(format!("invalid flush op timeout: {}", go(timeout)));
    }
    let shards = values.int("ingester.index_shards");
    if shards <= 0 { Err(format!("invalid ingester index shard factor: {shards}")) } else { Ok(()) }
}

fn limits_config(values: &Object) -> Result<(), String> {
    limits::check(&values.block(limits_key()))
}

fn worker(values: &Object) -> Result<(), String> {
    let both = !values.str("frontend_worker.frontend_address").is_empty()
        && !values.str("frontend_worker.scheduler_address").is_empty();
    require(!both, "frontend address and scheduler address are mutually exclusive, please use only one")
}

fn index_gateway(values: &Object) -> Result<(), String> {
    require(values.int("index_gateway.ring.num_tokens") == 128, TOKENS)
}

fn compactor(values: &Object) -> Result<(), String> {
    require(values.int("compactor.max_compaction_parallelism") >= 1, "max compaction parallelism must be >= 1")?;
    require(values.int("compactor.compactor_ring.num_tokens") == 1, TOKENS)?;
    require(values.int("compactor.compactor_ring.replication_factor") == 1, REPLICATION)?;
    if !values.bool("compactor.retention_enabled") {
        return Ok(());
    }
    let store = values.str("compactor.delete_request_store");
    require(!store.is_empty(), "compactor.delete-request-store should be configured when retention is enabled")?;
    let prefix = values.str("compactor.delete_request_store_key_prefix");
    schema::path_prefix_fault(prefix).map_or(Ok(()), |fault| Err(format!("validate delete store path prefix: {fault}")))
}

fn distributor(values: &Object) -> Result<(), String> {
    let writes = values.bool("distributor.kafka_writes_enabled") || values.bool("distributor.ingester_writes_enabled");
    require(writes, "at least one of kafka and ingestor writes must be enabled")
}
