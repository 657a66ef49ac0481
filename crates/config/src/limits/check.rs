//! Upstream's checks of limits. Stream selectors are checked where LogQL is known, not here.

use crate::notice::Notice;
use crate::scalar::duration::format_prom;
use crate::value::{Object, Source, Value};

const DAY_NANOS: i64 = 86_400_000_000_000;
const MINUTE_NANOS: i64 = 60_000_000_000;

/// Encodings of chunks and bloom blocks; case does not matter.
const ENCODINGS: [&str; 9] = ["none", "gzip", "lz4-64k", "snappy", "lz4-256k", "lz4-1M", "lz4", "flate", "zstd"];

/// Refuses an encoding upstream does not know.
pub(crate) fn encoding(name: &str) -> Result<(), String> {
    if ENCODINGS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(format!("invalid encoding: {name}, supported: {}", ENCODINGS.join(", ")))
}

/// Refuses OTLP rules that say too much or too little: upstream does so while it reads the file.
pub(crate) fn attribute_rules(values: &Object) -> Result<(), String> {
    for path in [
        "otlp_config.resource_attributes.attributes_config",
        "otlp_config.scope_attributes",
        "otlp_config.log_attributes",
    ] {
        for rule in values.objects(path) {
            match (rule.strs("attributes").is_empty(), rule.str("regex").is_empty()) {
                (true, true) => return Err("attributes or regex must be set".to_owned()),
                (false, false) => return Err("only one of attributes or regex must be set".to_owned()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Checks the values below `limits_config`.
pub(crate) fn check(values: &Object) -> Result<(), String> {
    for rule in values.objects("retention_stream") {
        let period = rule.nanos("period");
        if period < DAY_NANOS {
            return Err(format!("retention period must be >= 24h was {}", format_prom(period)));
        }
    }
    if !["disabled", "filter-only", "filter-and-delete"].contains(&values.str("deletion_mode")) {
        return Err("unknown deletion mode: must be one of disabled|filter-only|filter-and-delete".to_owned());
    }
    for rule in values.objects("otlp_config.scope_attributes") {
        if rule.str("action") == "index_label" {
            return Err("index_label action is only supported for resource_attributes".to_owned());
        }
    }
    let strategy = values.str("tsdb_sharding_strategy");
    if !["power_of_two", "bounded"].contains(&strategy) {
        return Err(format!("invalid tsdb sharding strategy: invalid shard version {strategy}"));
    }
    encoding(values.str("bloom_block_encoding"))?;
    if values.bytes("tsdb_max_bytes_per_shard") == 0 {
        return Err("querier.tsdb-max-bytes-per-shard must be greater than 0".to_owned());
    }
    let bucket = values.nanos("engine_results_cache_time_bucket_interval");
    if bucket < MINUTE_NANOS {
        return Err(format!("engine_results_cache_time_bucket_interval must be >= 1m, got {}", format_prom(bucket)));
    }
    Ok(())
}

/// Brings values into their range that upstream corrects with a warning.
pub(crate) fn clamp(values: &mut Object, notices: &mut Vec<Notice>) {
    if values.bool("allow_deletes") {
        let text = "limits_config.allow_deletes is ignored: deletion_mode decides";
        notices.push(Notice::new(text));
    }
    let capacity = values.float("max_query_capacity");
    let (bound, side) = if capacity < 0.0 {
        (0.0, "less than 0")
    } else if capacity > 1.0 {
        (1.0, "greater than 1")
    } else {
        return;
    };
    notices.push(Notice::new(format!(
        "setting frontend.max-query-capacity to {bound} as it is configured to a value {side}"
    )));
    let key = values.id("max_query_capacity");
    values.set(key, Value::Float(bound), Source::Derived);
}
