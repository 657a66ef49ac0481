//! `schema_config`: which index and chunk format holds from which day on.
//!
//! ```text
//! from 2020-10-24  tsdb v13  |------ period 0 ------|
//! from 2024-04-01  tsdb v13                         |------ period 1, active while its from is the last <= now ...
//! ```

use std::borrow::Cow;

use crate::notice::Notice;
use crate::scalar::duration::format_go;
use crate::table::table;
use crate::value::{Object, Source, Value};

const DAY_NANOS: i64 = 86_400_000_000_000;
const DAY_SECS: i64 = 86_400;

/// Object stores a period may name, as upstream lists them in its error text.
const OBJECT_STORES: [&str; 10] =
    ["filesystem", "aws", "alibabacloud", "azure", "bos", "cos", "gcs", "s3", "swift", "noop"];
const OLD_OBJECT_STORES: [&str; 7] =
    ["aws-dynamo", "bigtable", "bigtable-hashed", "cassandra", "gcp", "gcp-columnkey", "grpc-store"];
/// Object stores with `storage_config.use_thanos_objstore`.
const BUCKET_STORES: [&str; 7] = ["s3", "gcs", "azure", "swift", "filesystem", "alibabacloud", "bos"];
const INDEX_KINDS: [&str; 2] = ["boltdb-shipper", "tsdb"];
const OLD_INDEX_KINDS: [&str; 9] =
    ["aws", "aws-dynamo", "bigtable", "bigtable-hashed", "boltdb", "cassandra", "gcp", "gcp-columnkey", "grpc-store"];
const TEST_STORES: [&str; 1] = ["inmemory"];

/// How the index of a period is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexKind {
    /// `tsdb`.
    Tsdb,
    /// `boltdb-shipper`.
    BoltdbShipper,
    /// One of upstream's deprecated or testing kinds, by name.
    Other(String),
}

/// One period of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// First day, counted from 1970-01-01.
    pub from_day: i64,
    /// Kind of index (`store`).
    pub index: IndexKind,
    /// Where chunks and index lie: a type or the name of a named store.
    pub object_store: String,
    /// Schema version, 9 to 13.
    pub schema: u8,
    /// Prefix of index table names.
    pub index_prefix: String,
    /// Seconds one index table covers.
    pub index_period_secs: i64,
    /// Folder of the index in the object store, with a slash at its end.
    pub index_path_prefix: String,
    /// Prefix of chunk table names, for stores that have them.
    pub chunk_prefix: String,
    /// Shards of the index.
    pub row_shards: u32,
    /// Line of the period in the file, if it came from there.
    pub line: Option<u32>,
}

impl Period {
    /// Number of the index table that holds a time: seconds divided by the period.
    pub fn table_number(&self, unix_secs: i64) -> i64 {
        unix_secs.div_euclid(self.index_period_secs.max(1))
    }

    /// Name of the index table that holds a time: prefix and number.
    pub fn table_name(&self, unix_secs: i64) -> String {
        format!("{}{}", self.index_prefix, self.table_number(unix_secs))
    }

    /// First second of the period.
    pub fn from_secs(&self) -> i64 {
        self.from_day.saturating_mul(DAY_SECS)
    }
}

/// All periods, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// The periods; a validated schema has at least one.
    pub periods: Vec<Period>,
}

impl Schema {
    /// The period that holds a time: the last that began by then, or the first.
    pub fn at(&self, unix_secs: i64) -> Option<&Period> {
        let begun = self.periods.iter().take_while(|period| period.from_secs() <= unix_secs).count();
        self.periods.get(begun.saturating_sub(1))
    }

    /// The first second after `period`, if another follows.
    pub fn end_secs(&self, period: &Period) -> Option<i64> {
        self.periods.iter().map(Period::from_secs).find(|from| *from > period.from_secs())
    }
}

/// Index kinds of the periods, as written.
pub(crate) fn period_kinds(values: &Object) -> Vec<String> {
    values.objects("schema_config.configs").iter().map(|period| period.str("store").to_owned()).collect()
}

/// Place of the period that is active now, if there is any.
pub(crate) fn active_period(values: &Object, now_secs: i64) -> Option<usize> {
    let periods = values.objects("schema_config.configs");
    let begun = periods.iter().take_while(|period| from_day(period).saturating_mul(DAY_SECS) <= now_secs).count();
    (!periods.is_empty()).then(|| begun.saturating_sub(1))
}

fn from_day(period: &Object) -> i64 {
    match period.value("from") {
        Value::Date(day) => day.unwrap_or(0),
        _ => 0,
    }
}

/// The number of a schema version: `v13` or `13`.
pub(crate) fn version(period: &Object) -> Result<i64, String> {
    let text = period.str("schema");
    let digits = text.trim_matches('v');
    let number = crate::scalar::number::parse_int(digits)
        .ok()
        .filter(|_| digits.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| {
        format!("invalid schema version: strconv.Atoi: parsing {}: invalid syntax", loptr_model::go_quote(digits))
    })
}

/// Checks and reads the periods. Every error that upstream would show together comes back together.
pub(crate) fn read(values: &Object, now_secs: i64) -> (Schema, Vec<String>) {
    let mut errors = Vec::new();
    let periods = values.objects("schema_config.configs");
    if let Err(error) = check_periods(values, periods, now_secs) {
        errors.push(format!("CONFIG ERROR: invalid schema config: {error}"));
    }
    let schema = Schema { periods: periods.iter().map(period).collect() };
    (schema, errors)
}

fn period(period: &Object) -> Period {
    let version = version(period).unwrap_or(0);
    let row_shards = match period.uint("row_shards") {
        0 if version == 9 => 0,
        0 => 16,
        shards => u32::try_from(shards).unwrap_or(u32::MAX),
    };
    let path_prefix = match period.str("index.path_prefix") {
        "" => "index/",
        prefix => prefix,
    };
    Period {
        from_day: from_day(period),
        index: match period.str("store") {
            "tsdb" => IndexKind::Tsdb,
            "boltdb-shipper" => IndexKind::BoltdbShipper,
            other => IndexKind::Other(other.to_owned()),
        },
        object_store: period.str("object_store").to_owned(),
        schema: u8::try_from(version).unwrap_or(0),
        index_prefix: period.str("index.prefix").to_owned(),
        index_period_secs: period.nanos("index.period") / 1_000_000_000,
        index_path_prefix: path_prefix.to_owned(),
        chunk_prefix: period.str("chunks.prefix").to_owned(),
        row_shards,
        line: match period.source("") {
            crate::value::Source::File { line, .. } => Some(line),
            _ => None,
        },
    }
}

fn check_periods(values: &Object, periods: &[Object], now_secs: i64) -> Result<(), String> {
    let Some(active) = active_period(values, now_secs) else {
        return Err("must specify at least one schema configuration".to_owned());
    };
    let odd_boltdb =
        |period: &Object| period.str("store") == "boltdb-shipper" && period.nanos("index.period") != DAY_NANOS;
    if active + 1 == periods.len() && odd_boltdb(&periods[active]) {
        return Err("boltdb-shipper works best with 24h periodic index config. Either add a new config with future date set to 24h \
                    to retain the existing index or change the existing config to use 24h period"
            .to_owned());
    }
    if periods.get(active + 1).is_some_and(odd_boltdb) {
        return Err("boltdb-shipper with future date must always have periodic config for index set to 24h".to_owned());
    }
    for (at, period) in periods.iter().enumerate() {
        check_period(period).map_err(|error| format!("validating period_config: {error}"))?;
        if periods.get(at + 1).is_some_and(|next| from_day(period) >= from_day(next)) {
            return Err("from time in schemas must be distinct and in increasing order".to_owned());
        }
    }
    Ok(())
}

fn check_period(period: &Object) -> Result<(), String> {
    let store = match period.str("object_store") {
        "" => period.str("store"),
        store => store,
    };
    if OLD_OBJECT_STORES.contains(&store) && period.str("chunks.prefix").is_empty() {
        return Err("schema config for chunks is missing the 'prefix' setting".to_owned());
    }
    if period.str("store") == "tsdb" && period.nanos("index.period") != DAY_NANOS {
        return Err("tsdb must always have periodic config for index set to 24h".to_owned());
    }
    let uneven = |path: &str| period.nanos(path) % DAY_NANOS != 0;
    let odd_period = "the table period must be a multiple of 24h (1h for schema v1)";
    let index_fault =
        if uneven("index.period") { Some(odd_period) } else { path_prefix_fault(period.str("index.path_prefix")) };
    if let Some(fault) = index_fault {
        return Err(format!("validating index tables: {fault}"));
    }
    if uneven("chunks.period") {
        return Err(format!("validating chunk tables: {odd_period}"));
    }
    match version(period)? {
        9..=13 => Ok(()),
        _ => Err("invalid schema version".to_owned()),
    }
}

/// What is wrong with a folder inside an object store; empty means its default.
pub(crate) fn path_prefix_fault(prefix: &str) -> Option<&'static str> {
    if prefix.starts_with('/') {
        Some("prefix should never start with a path separator i.e '/'")
    } else if !prefix.is_empty() && !prefix.ends_with('/') {
        Some("prefix should end with a path separator i.e '/'")
    } else {
        None
    }
}

/// Store names no one knows: upstream checks them apart from the rest of the schema.
pub(crate) fn check_store_names(values: &Object, errors: &mut Vec<String>) {
    let buckets = values.bool("storage_config.use_thanos_objstore");
    for period in values.objects("schema_config.configs") {
        let (kind, store) = (period.str("store"), period.str("object_store"));
        if !INDEX_KINDS.contains(&kind) && !OLD_INDEX_KINDS.contains(&kind) && !TEST_STORES.contains(&kind) {
            errors
                .push(format!("unrecognized `store` (index) type `{kind}`, choose one of: {}", INDEX_KINDS.join(", ")));
        }
        let known = if buckets {
            BUCKET_STORES.contains(&store)
        } else {
            OBJECT_STORES.contains(&store) || OLD_OBJECT_STORES.contains(&store) || TEST_STORES.contains(&store)
        };
        if !known && named_stores_key(values, buckets, store).is_none() {
            let choices = if buckets { BUCKET_STORES.join(", ") } else { OBJECT_STORES.join(", ") };
            errors.push(format!(
                "unrecognized `object_store` type `{store}`, which also does not match any named_stores. Choose one of: {choices}. Or choose a named_store"
            ));
        }
    }
}

/// The key of `storage_config` whose entry of that name is a store. Upstream never finds the `cos` ones.
fn named_stores_key(values: &Object, buckets: bool, name: &str) -> Option<String> {
    let (block, types): (&str, &[&str]) = if buckets {
        ("storage_config.object_store.named_stores", &["azure", "filesystem", "gcs", "s3", "swift"])
    } else {
        ("storage_config.named_stores", &["aws", "azure", "bos", "filesystem", "gcs", "alibabacloud", "swift"])
    };
    let keys = types.iter().map(|kind| format!("{block}.{kind}"));
    keys.into_iter().find(|key| values.map(key).iter().any(|(known, _)| known == name))
}

/// The type of the store that periods call `name`: `s3`, not `aws`.
pub(crate) fn store_type<'a>(values: &Object, name: &'a str) -> Cow<'a, str> {
    let buckets = values.bool("storage_config.use_thanos_objstore");
    let kind = match named_stores_key(values, buckets, name) {
        Some(key) => Cow::Owned(key.rsplit('.').next().unwrap_or_default().to_owned()),
        None => Cow::Borrowed(name),
    };
    if kind == "aws" { Cow::Borrowed("s3") } else { kind }
}

/// The values of the store that periods call `name`, if it has a block of its own.
pub(crate) fn store_values(values: &Object, name: &str) -> Option<Object> {
    let buckets = values.bool("storage_config.use_thanos_objstore");
    if let Some(key) = named_stores_key(values, buckets, name) {
        return values.map(&key).iter().find(|(known, _)| known == name).and_then(|(_, value)| match value {
            Value::Object(object) => Some((**object).clone()),
            _ => None,
        });
    }
    let key = match (buckets, name) {
        (true, name) => format!("storage_config.object_store.{name}"),
        (false, "s3") => "storage_config.aws".to_owned(),
        (false, name) => format!("storage_config.{name}"),
    };
    table().find(&key).map(|id| values.block(id))
}

/// What the active period and the other keys ask of each other.
pub(crate) fn check_requirements(values: &Object, now_secs: i64, errors: &mut Vec<String>) {
    let periods = values.objects("schema_config.configs");
    let Some(active) = active_period(values, now_secs).map(|at| &periods[at]) else { return };
    let kind = active.str("store");
    let cache = "storage_config.index_queries_cache_config";
    let cached = values.bool(&format!("{cache}.embedded_cache.enabled"))
        || ["memcached_client.host", "memcached_client.addresses", "redis.endpoint"]
            .iter()
            .any(|key| !values.str(&format!("{cache}.{key}")).is_empty());
    let (retain, validity) =
        (values.nanos("ingester.chunk_retain_period"), values.nanos("storage_config.index_cache_validity"));
    if kind != "tsdb" && cached && retain < validity {
        errors.push(format!(
            "CONFIG ERROR: the active index is {kind} which is configured to use an `index_cache_validity` (TTL) of {}, however the \
             chunk_retain_period is {} which is LESS than the `index_cache_validity`. This can lead to query gaps, please configure the \
             `chunk_retain_period` to be greater than the `index_cache_validity`",
            format_go(validity),
            format_go(retain)
        ));
    }
}

/// Periods that hold no structured metadata: it is off while they last. Upstream refuses to start when the active one
/// is such a period.
pub(crate) fn note_metadata(values: &Object, notices: &mut Vec<Notice>) {
    if !values.bool("limits_config.allow_structured_metadata") {
        return;
    }
    for (at, period) in values.objects("schema_config.configs").iter().enumerate() {
        let old = version(period).is_ok_and(|version| version < 13);
        let what = match period.str("store") {
            "tsdb" if !old => continue,
            "tsdb" => format!("schema v{}", period.str("schema").trim_matches('v')),
            kind => format!("a {kind} index"),
        };
        let line = match period.source("schema") {
            Source::File { line, .. } => format!(" (line {line})"),
            _ => String::new(),
        };
        let text = "limits_config.allow_structured_metadata is off for this period";
        notices.push(Notice::new(format!(
            "schema_config.configs[{at}]{line}: {what} holds no structured metadata: {text}"
        )));
    }
}

/// Folders the periods need.
pub(crate) fn check_folders(values: &Object, errors: &mut Vec<String>) {
    let kinds = period_kinds(values);
    for (kind, block) in [("tsdb", "tsdb_shipper"), ("boltdb-shipper", "boltdb_shipper")] {
        for _ in kinds.iter().filter(|known| *known == kind) {
            for key in ["active_index_directory", "cache_location"] {
                if values.str(&format!("storage_config.{block}.{key}")).is_empty() {
                    errors.push(format!(
                        "CONFIG ERROR: `{kind}` index type is configured in at least one schema period, however, `storage_config`, `{block}`, \
                         `{key}` is not set, please set this directly or set `path_prefix:` in the `common:` section"
                    ));
                }
            }
        }
    }
    let shipped = kinds.iter().filter(|kind| INDEX_KINDS.contains(&kind.as_str())).count();
    if values.str("compactor.working_directory").is_empty() {
        for _ in 0..shipped {
            errors.push(
                "CONFIG ERROR: `compactor:` `working_directory:` is empty, please set a valid directory or set `path_prefix:` in the \
                 `common:` section"
                    .to_owned(),
            );
        }
    }
}

/// Ingester shards must fit the index shards of every period.
pub(crate) fn check_shards(values: &Object, errors: &mut Vec<String>) {
    let shards = values.int("ingester.index_shards");
    for (at, period) in values.objects("schema_config.configs").iter().enumerate() {
        if period.str("store") == "tsdb" {
            // Upstream looks at the low 32 bits, and leaves 0 to the check of the ingester.
            let factor = shards as u32;
            if factor != 0 && !factor.is_power_of_two() {
                errors.push(format!(
                    "incompatible inverted index shard factor on ingester: It must be a power of two, got {factor}"
                ));
                return;
            }
            continue;
        }
        let row_shards = i64::from(self::period(period).row_shards);
        if row_shards > 0 && shards % row_shards > 0 {
            errors.push(format!(
                "incompatible ingester index shards ({shards}) and period config row shard factor ({row_shards}) for period config at index \
                 ({at}). The ingester factor must be evenly divisible by all period config factors"
            ));
            return;
        }
    }
}
