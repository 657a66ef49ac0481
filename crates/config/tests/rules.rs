//! Derived values, checks, old keys, reports, limits and overrides.

mod common;

use std::time::Duration;

use common::{fault, fine, load_text};
use loptr_config::{IndexKind, RuntimeFile};

/// Everything the rules change for a file with only a schema: upstream's list, plus the folders of its path prefix.
#[test]
fn minimal_configuration_derives_what_upstreams_does() {
    let config = fine("", &[]);
    let private = ["eth0", "en0", "lo"];
    for path in ["ui.ring", "query_scheduler.scheduler_ring", "index_gateway.ring", "compactor.compactor_ring"] {
        assert_eq!(config.duration(&format!("{path}.heartbeat_period")), Duration::from_secs(5), "{path}");
    }
    for path in [
        "distributor.ring",
        "query_engine",
        "query_scheduler.scheduler_ring",
        "frontend",
        "ruler.ring",
        "index_gateway.ring",
        "compactor.compactor_ring",
        "common.ring",
    ] {
        assert_eq!(config.strs(&format!("{path}.instance_interface_names")), private, "{path}");
    }
    for path in ["ingester", "pattern_ingester", "dataobj.consumer", "ingest_limits", "ingest_limits_frontend"] {
        assert_eq!(config.strs(&format!("{path}.lifecycler.interface_names")), private, "{path}");
    }
    for name in [
        "results",
        "index_stats_results",
        "volume_results",
        "instant_metric_results",
        "series_results",
        "label_results",
    ] {
        assert!(config.bool(&format!("query_range.{name}_cache.cache.embedded_cache.enabled")), "{name}");
    }
    assert_eq!(config.str("query_range.volume_results_cache.cache.prefix"), "frontend.volume-results-cache.");
    assert!(config.bool("chunk_store_config.chunk_cache_config.embedded_cache.enabled"));
    assert!(config.bool("query_scheduler.use_scheduler_ring"));
    assert_eq!(config.str("ruler.ring.kvstore.prefix"), "collectors/");
    assert_eq!(config.str("dataobj.consumer.partition_ring.kvstore.store"), "consul");
    assert_eq!(config.strs("ui.ring.instance_interface_names"), ["eth0", "en0"]);
    for (path, value) in [
        ("ruler.rule_path", "/data/rules-temp"),
        ("ingester.wal.dir", "/data/wal"),
        ("ingester.shutdown_marker_path", "/data"),
        ("compactor.working_directory", "/data/compactor"),
        ("storage_config.tsdb_shipper.active_index_directory", "/data/tsdb-shipper-active"),
        ("storage_config.tsdb_shipper.cache_location", "/data/tsdb-shipper-cache"),
        ("storage_config.boltdb_shipper.active_index_directory", ""),
        ("ingester.lifecycler.tokens_file_path", ""),
    ] {
        assert_eq!(config.str(path), value, "{path}");
    }
    assert_eq!(config.strs("storage_config.bloom_shipper.working_directory"), ["/data/blooms"]);
}

#[test]
fn common_ring_goes_to_all_rings_and_yields_to_their_own() {
    let config = fine(
        "common: {path_prefix: /data/, ring: {kvstore: {store: inmemory, prefix: p/}, instance_port: 7}}\ndistributor: {ring: {kvstore: {store: etcd}}}\n",
        &["-ruler.ring.store=memberlist"],
    );
    for ring in ["ingester.lifecycler.ring", "pattern_ingester.lifecycler.ring", "compactor.compactor_ring", "ui.ring"]
    {
        assert_eq!(config.str(&format!("{ring}.kvstore.store")), "inmemory", "{ring}");
        assert_eq!(config.str(&format!("{ring}.kvstore.prefix")), "p/", "{ring}");
    }
    assert_eq!(
        (config.str("distributor.ring.kvstore.store"), config.str("distributor.ring.kvstore.prefix")),
        ("etcd", "p/")
    );
    assert_eq!(config.str("ruler.ring.kvstore.store"), "memberlist");
    assert_eq!((config.int("ingester.lifecycler.port"), config.int("index_gateway.ring.instance_port")), (7, 7));
    assert_eq!(config.str("ingester.wal.dir"), "/data/wal");
}

#[test]
fn memberlist_goes_to_all_rings_unless_the_address_makes_a_common_ring() {
    let config = fine("memberlist: {join_members: [a]}\n", &[]);
    for ring in ["ingester.lifecycler.ring", "pattern_ingester.lifecycler.ring", "distributor.ring", "ui.ring"] {
        assert_eq!(config.str(&format!("{ring}.kvstore.store")), "memberlist", "{ring}");
    }
    let addressed = fine("common: {path_prefix: /x, instance_addr: 10.0.0.1}\nmemberlist: {join_members: [a]}\n", &[]);
    assert_eq!(addressed.str("ingester.lifecycler.ring.kvstore.store"), "consul");
    for path in [
        "frontend.address",
        "memberlist.advertise_addr",
        "ingester.lifecycler.address",
        "index_gateway.ring.instance_addr",
    ] {
        assert_eq!(addressed.str(path), "10.0.0.1", "{path}");
    }
}

#[test]
fn common_storage_replication_and_tokens() {
    let config = fine(
        "common: {path_prefix: /x, replication_factor: 2, persist_tokens: true, storage: {s3: {bucketnames: b, region: r}, hedging: {at: 1s}}}\n",
        &[],
    );
    assert_eq!((config.str("storage_config.aws.bucketnames"), config.str("ruler.storage.s3.region")), ("b", "r"));
    assert_eq!((config.str("ruler.storage.type"), config.nanos("storage_config.hedging.at")), ("s3", 1_000_000_000));
    assert_eq!(config.int("ingester.lifecycler.ring.replication_factor"), 2);
    assert_eq!(config.int("index_gateway.ring.replication_factor"), 2);
    assert_eq!(config.str("compactor.compactor_ring.tokens_file_path"), "/x/compactor.tokens");
    let files =
        fine("common: {path_prefix: /x, storage: {filesystem: {chunks_directory: /c, rules_directory: /r}}}\n", &[]);
    assert_eq!(
        (files.str("storage_config.filesystem.directory"), files.str("ruler.storage.local.directory")),
        ("/c", "/r")
    );
    assert_eq!(files.str("ruler.storage.type"), "local");
    for (text, wanted) in [
        (
            "common: {path_prefix: /x, storage: {s3: {region: a}, gcs: {bucket_name: b}}}\n",
            "too many storage configs provided in the common config, please only define one storage backend",
        ),
        ("common: {persist_tokens: true}\n", "if persist_tokens is true, path_prefix MUST be defined"),
        (
            "frontend_worker: {grpc_client_config: {max_recv_msg_size: 5}, query_scheduler_grpc_client: {max_recv_msg_size: 6}}\n",
            "both `grpc_client_config` and",
        ),
    ] {
        assert!(fault(text).contains(wanted), "{text}: {}", fault(text));
    }
    assert_eq!(
        fine("frontend_worker: {grpc_client_config: {max_recv_msg_size: 5}}\n", &[])
            .int("frontend_worker.query_scheduler_grpc_client.max_recv_msg_size"),
        5
    );
}

fn periods(list: &str) -> String {
    format!("common: {{path_prefix: /x}}\nschema_config:\n  configs:\n{list}")
}

fn period(from: &str, store: &str, schema: &str, index: &str) -> String {
    format!("  - {{from: {from}, store: {store}, object_store: filesystem, schema: {schema}, index: {index}}}\n")
}

#[test]
fn schema_periods() {
    let day = "{prefix: i_, period: 24h}";
    let list = period("2023-01-01", "boltdb-shipper", "v12", day)
        + &period("2024-01-01", "tsdb", "13", "{prefix: t_, period: 1d, path_prefix: a/b/}");
    let config = fine(&periods(&list), &[]);
    let schema = config.schema();
    let secs = |day: i64| day * 86_400;
    assert_eq!(schema.periods[0].index, IndexKind::BoltdbShipper);
    assert_eq!((schema.periods[0].schema, schema.periods[1].schema), (12, 13));
    assert_eq!(schema.periods[1].index_path_prefix, "a/b/");
    assert_eq!((schema.periods[0].row_shards, schema.periods[0].line), (16, Some(4)));
    assert_eq!(schema.at(secs(19_400)), Some(&schema.periods[0]));
    assert_eq!(schema.at(0), Some(&schema.periods[0]));
    assert_eq!(schema.at(secs(19_723)), Some(&schema.periods[1]));
    assert_eq!(schema.end_secs(&schema.periods[0]), Some(secs(19_723)));
    assert_eq!(schema.end_secs(&schema.periods[1]), None);
    assert_eq!(schema.periods[1].table_name(secs(19_723) + 5), "t_19723");
}

#[test]
fn schema_faults() {
    let day = "{prefix: i_, period: 24h}";
    let one = |store, schema, index| periods(&period("2024-01-01", store, schema, index));
    for (text, wanted) in [
        (one("foo", "v13", day), "unrecognized `store` (index) type `foo`, choose one of: boltdb-shipper, tsdb"),
        (
            one("tsdb", "v14", day),
            "CONFIG ERROR: invalid schema config: validating period_config: invalid schema version",
        ),
        (one("tsdb", "x", day), "t.yaml: invalid schema version: strconv.Atoi: parsing \"x\": invalid syntax"),
        (one("tsdb", "v13", "{period: 12h}"), "tsdb must always have periodic config for index set to 24h"),
        (
            one("tsdb", "v13", "{period: 24h, path_prefix: /a/}"),
            "validating index tables: prefix should never start with a path separator i.e '/'",
        ),
        (
            one("tsdb", "v13", "{period: 24h, path_prefix: a}"),
            "validating index tables: prefix should end with a path separator i.e '/'",
        ),
        (one("boltdb-shipper", "v13", "{period: 168h}"), "boltdb-shipper works best with 24h periodic index config."),
        (
            one("tsdb", "v13", "{period: 24h}, chunks: {period: 5h}"),
            "validating chunk tables: the table period must be a multiple of 24h (1h for schema v1)",
        ),
        (
            periods(&(period("2024-01-01", "tsdb", "v13", day) + &period("2024-01-01", "tsdb", "v13", day))),
            "from time in schemas must be distinct and in increasing order",
        ),
        (
            periods(
                &(period("2024-01-01", "tsdb", "v13", day)
                    + &period("2030-01-01", "boltdb-shipper", "v12", "{period: 168h}")),
            ),
            "boltdb-shipper with future date must always have periodic config for index set to 24h",
        ),
        (
            one("tsdb", "v13", day).replace("filesystem", "foo"),
            "unrecognized `object_store` type `foo`, which also does not match any named_stores.",
        ),
        (periods("").replace("configs:", "configs: []"), "must specify at least one schema configuration"),
        (
            one("tsdb", "v13", day).replace("2024-01-01", "2024-1-2"),
            "parsing time \"2024-1-2\" as \"2006-01-02\": cannot parse \"1-2\" as \"01\"",
        ),
    ] {
        let error = fault(&text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let named = "storage_config: {named_stores: {filesystem: {mine: {directory: /z}}}}\n".to_owned()
        + &one("tsdb", "v13", day).replace("filesystem", "mine");
    assert_eq!(
        fine(&named.replacen("named_stores: {mine", "named_stores: {filesystem", 1), &[]).schema().periods[0]
            .object_store,
        "mine"
    );
}

/// Upstream refuses an active period without structured metadata; here it is off for that period.
#[test]
fn a_period_without_structured_metadata_is_named() {
    let warnings = |text: &str| fine(text, &[]).report(&["common", "schema_config"]).warnings;
    let list = period("2020-01-01", "boltdb-shipper", "v11", "{period: 24h}")
        + &period("2022-01-01", "tsdb", "v12", "{period: 24h}")
        + &period("2024-01-01", "tsdb", "v13", "{period: 24h}");
    let off = "holds no structured metadata: limits_config.allow_structured_metadata is off for this period";
    assert_eq!(
        warnings(&periods(&list)),
        [
            format!("schema_config.configs[0] (line 4): a boltdb-shipper index {off}"),
            format!("schema_config.configs[1] (line 5): schema v12 {off}"),
        ]
    );
    let switched_off = format!("limits_config: {{allow_structured_metadata: false}}\n{}", periods(&list));
    assert!(!warnings(&switched_off).iter().any(|warning| warning.contains(off)));
}

#[test]
fn checks_use_upstreams_words() {
    for (text, wanted) in [
        (
            "querier: {query_store_only: true, query_ingester_only: true}\n",
            "validating config: CONFIG ERROR: invalid querier config: querier.query_store_only and querier.query_ingester_only cannot both be true",
        ),
        (
            "compactor: {retention_enabled: true}\n",
            "compactor.delete-request-store should be configured when retention is enabled",
        ),
        (
            "ingester: {chunk_encoding: x}\n",
            "invalid encoding: x, supported: none, gzip, lz4-64k, snappy, lz4-256k, lz4-1M, lz4, flate, zstd",
        ),
        (
            "ingester: {index_shards: 3}\n",
            "incompatible inverted index shard factor on ingester: It must be a power of two, got 3",
        ),
        ("ingester: {wal: {checkpoint_duration: 0s}}\n", "invalid checkpoint duration: 0s"),
        ("ingester: {wal: {disk_full_threshold: 1.5}}\n", "invalid disk full threshold: 1.5 (must be between 0 and 1)"),
        (
            "query_scheduler: {scheduler_ring: {num_tokens: 5}}\n",
            "Num tokens must not be changed as it will not take effect",
        ),
        (
            "limits_config: {deletion_mode: x}\n",
            "unknown deletion mode: must be one of disabled|filter-only|filter-and-delete",
        ),
        (
            "limits_config: {retention_stream: [{selector: '{a=\"b\"}', period: 23h}]}\n",
            "retention period must be >= 24h was 23h",
        ),
        ("limits_config: {tsdb_sharding_strategy: x}\n", "invalid tsdb sharding strategy: invalid shard version x"),
        (
            "legacy_read_target: true\ntarget: backend\n",
            "CONFIG ERROR: invalid target, cannot run backend target with legacy read mode",
        ),
        ("ruler: {remote_write: {enabled: true}}\n", "remote-write enabled but no clients URL are configured"),
        (
            "storage_config: {named_stores: {aws: {s3: {}}}}\n",
            "named store \"s3\" should not match with the name of a predefined storage type",
        ),
        (
            "limits_config: {deletion_mode: x}\ncompactor: {max_compaction_parallelism: 0}\n",
            "validating config: MULTIPLE CONFIG ERRORS FOUND, PLEASE READ CAREFULLY\nCONFIG ERROR: invalid limits_config",
        ),
    ] {
        let error = fault(text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
    let config = fine(
        "compactor: {retention_enabled: true, delete_request_store: filesystem}\nlimits_config: {max_query_capacity: 5}\n",
        &[],
    );
    assert_eq!(config.duration("compactor.apply_retention_interval"), Duration::from_secs(15 * 60));
    assert_eq!(config.limits().max_query_capacity, 1.0);
}

#[test]
fn old_keys_move_with_a_warning() {
    let config = fine(
        "chunk_store_config: {max_look_back_period: 48h, chunk_cache_config: {enable_fifocache: true, fifocache: {max_size_bytes: 500MB, ttl: 2h, purgeinterval: 1m}}}\n\
         querier: {query_timeout: 2m, engine: {timeout: 3m}}\n\
         query_range: {split_queries_by_day: true}\n\
         storage_config: {aws: {sse_encryption: true}, tsdb_shipper: {shared_store: filesystem, shared_store_key_prefix: old/}}\n\
         compactor: {shared_store: filesystem, retention_enabled: true, deletion_mode: whole-stream-deletion}\n\
         server: {http_tls_config: {min_version: TLS12, cipher_suites: [a, b]}}\n\
         limits_config: {enforce_metric_name: false}\nuse_sync_logger: true\n",
        &["-s3.backoff-retries=9"],
    );
    assert_eq!(config.limits().max_query_lookback, Duration::from_secs(48 * 3600));
    assert_eq!(config.limits().query_timeout, Duration::from_secs(180));
    assert_eq!(config.limits().split_queries_by_interval, Duration::from_secs(86_400));
    let cache = "chunk_store_config.chunk_cache_config.embedded_cache";
    assert!(config.bool(&format!("{cache}.enabled")));
    assert_eq!(
        (config.int(&format!("{cache}.max_size_mb")), config.duration(&format!("{cache}.ttl"))),
        (500, Duration::from_secs(7200))
    );
    assert_eq!(config.str("storage_config.aws.sse.type"), "SSE-S3");
    assert_eq!(config.schema().periods[0].index_path_prefix, "old/");
    assert_eq!(config.str("compactor.delete_request_store"), "filesystem");
    assert_eq!(config.limits().deletion_mode, "filter-and-delete");
    assert_eq!((config.str("server.tls_min_version"), config.str("server.tls_cipher_suites")), ("VersionTLS12", "a,b"));
    assert_eq!(config.int("storage_config.aws.backoff_config.max_retries"), 9);
    let warnings = config.report(&[]).warnings;
    for wanted in [
        "flag -s3.backoff-retries belongs to an older version; its value goes to -s3.max-retries",
        "line 8: key use_sync_logger belongs to an older version and is ignored (logger is always buffered)",
        "line 2: key querier.engine.timeout belongs to an older version; its value goes to limits_config.query_timeout",
        "line 1: key chunk_store_config.chunk_cache_config.fifocache.purgeinterval belongs to an older version and is ignored",
    ] {
        assert!(warnings.iter().any(|warning| warning.starts_with(wanted)), "{wanted}: {warnings:#?}");
    }
    let both = fine("querier: {query_timeout: 2m}\nlimits_config: {query_timeout: 4m}\n", &[]);
    assert_eq!(both.limits().query_timeout, Duration::from_secs(240));
    let elsewhere = fine("storage_config: {tsdb_shipper: {shared_store: s3}}\n", &[]);
    assert_eq!(elsewhere.report(&[]).refusals[0].path, "storage_config.tsdb_shipper.shared_store");
}

#[test]
fn report_sorts_settings() {
    let config = fine(
        "server: {http_listen_port: 80, log_level: info}\nstorage_config: {gcs: {bucket_name: b, service_account: hush}}\nruler: {storage: {s3: {secret_access_key: hush}}}\n\
         distributor: {ring: {kvstore: {store: consul}}}\nruler_storage: {backend: local}\n",
        &["-target=write", "-ruler.ring.store=etcd"],
    );
    let report = config.report(&["server.http_listen_port", "common.path_prefix"]);
    assert_eq!(
        report.refusals.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "target: only target all is supported yet",
            "ruler.ring.kvstore.store: clusters are not supported yet: one process with target all and ring store inmemory",
            "storage_config.gcs.bucket_name (line 2): this object store is not supported yet, only s3, azure, gcs and filesystem are",
        ]
    );
    assert_eq!(
        report.warnings,
        [
            "ruler.storage.s3.secret_access_key = *** (t.yaml:3:24): accepted, no effect: rules are not evaluated yet",
            "ruler_storage.backend = local (t.yaml:5:17): accepted, no effect: rules are not evaluated yet",
        ]
    );
    let honoured = ["server", "common.path_prefix", "storage_config.gcs", "target=write", "ruler", "ruler_storage"];
    assert_eq!(config.report(&honoured).warnings.len(), 0);
    assert!(config.report(&honoured).refusals.is_empty());
    let old = fine(
        "limits_config: {allow_structured_metadata: false}\ncommon: {path_prefix: /x}\nschema_config:\n  configs:\n  - {from: 2024-01-01, store: tsdb, object_store: s3, schema: v12, index: {period: 24h}}\n",
        &[],
    );
    let refusals = |honoured: &[&str]| {
        old.report(honoured).refusals.iter().map(|refusal| refusal.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(refusals(&["common"]), ["schema_config.configs[].schema", "schema_config.configs[].object_store"]);
    assert!(
        refusals(&["common", "schema_config.configs[].schema=v12", "schema_config.configs[].object_store=s3"])
            .is_empty()
    );
}

#[test]
fn tenants_have_their_own_limits() {
    let config = fine(
        "limits_config: {max_query_series: 7, required_labels: [a, b], policy_enforced_labels: {p: [x]}, otlp_config: {log_attributes: [{attributes: [a], action: drop}]}}\n\
         distributor: {default_policy_stream_mappings: {base: [{selector: '{a=\"b\"}', priority: 1}]}}\n",
        &[],
    );
    let one = RuntimeFile {
        name: "one",
        bytes: b"overrides:\n  t1:\n    max_query_length: 1h\n    required_labels: [c]\n    policy_enforced_labels: {q: [y]}\n  t2:\n  t3: {otlp_config: {severity_text_as_label: true}, policy_stream_mapping: {base: [{selector: '{c=\"d\"}', priority: 2}]}}\nconfigs:\n  t1: {log_push_request: true}\nmulti_kv_config: {primary: etcd, mirror_enabled: true}\n",
    };
    let two = RuntimeFile { name: "two", bytes: b"overrides: {t1: {max_query_length: 2h}}\n" };
    let runtime = config.runtime(&[one, two]).unwrap();
    let t1 = &runtime.overrides["t1"];
    assert_eq!((t1.max_query_length, t1.max_query_series), (Duration::from_secs(7200), 7));
    assert_eq!(t1.required_labels, ["c"]);
    assert_eq!(t1.policy_enforced_labels.len(), 2);
    assert_eq!(t1.otlp_config, config.limits().otlp_config);
    let t3 = &runtime.overrides["t3"];
    assert!(t3.otlp_config.severity_text_as_label && t3.otlp_config.log_attributes.is_empty());
    assert_eq!(t3.otlp_config.resource_attributes.len(), 1);
    assert_eq!(t3.policy_stream_mapping["base"].iter().map(|stream| stream.priority).collect::<Vec<_>>(), [2, 1]);
    assert!(!runtime.overrides.contains_key("t2"));
    assert!(runtime.operational["t1"].bool("log_push_request"));
    assert_eq!(runtime.multi_kv.as_ref().and_then(|kv| kv.primary.as_deref()), Some("etcd"));
    assert_eq!(
        runtime.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["skipping empty tenant limit definition of tenant t2"]
    );
    assert!(config.runtime(&[]).unwrap().overrides.is_empty());
    let old = b"default: {log_push_request: true}\noverrides: {t: {enforce_metric_name: true, max_query_series: 3}}\n";
    let old = config.runtime(&[RuntimeFile { name: "old", bytes: old }]).unwrap();
    assert_eq!(old.overrides["t"].max_query_series, 3);
    assert_eq!(
        old.notices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "line 1: key default belongs to an older version and is ignored: operational_config has taken its place",
            "line 2: key limits_config.enforce_metric_name belongs to an older version and is ignored",
        ]
    );
}

#[test]
fn runtime_faults() {
    let config = fine("", &[]);
    for (text, wanted) in [
        (
            "overrides: {t: {foo: 1}}\n",
            "r: yaml: unmarshal errors:\n  line 1: field foo not found in type validation.plain",
        ),
        (
            "overrides: {t: {deletion_mode: x}}\n",
            "invalid override for tenant t: unknown deletion mode: must be one of disabled|filter-only|filter-and-delete",
        ),
        (
            "overrides: {t: {max_line_size: x}}\n",
            "r: strconv.UnmarshalText: parsing \"X\": invalid syntax (line 1, limits_config.max_line_size)",
        ),
        ("foo: 1\n", "line 1: field foo not found in type loki.runtimeConfigValues"),
        ("overrides: {t: {}, t: {}}\n", "line 1: key \"t\" already set in map"),
        ("overrides: {t: [a]}\n", "line 1: cannot unmarshal !!seq into validation.plain"),
        ("- a\n", "cannot unmarshal"),
        ("overrides: {t: {a: *x}}\n", "unknown anchor 'x' referenced"),
        ("overrides: &o {t: *o}\n", "field t not found in type validation.plain"),
    ] {
        let error = config.runtime(&[RuntimeFile { name: "r", bytes: text.as_bytes() }]).unwrap_err();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn a_process_has_one_place_for_its_runtime_files() {
    assert_eq!(fine("", &[]).runtime_files(), (vec![], Duration::from_secs(10)));
    let new = fine("runtime_config: {file: 'a,b', period: 5s}\n", &[]);
    assert_eq!(new.runtime_files(), (vec!["a".to_owned(), "b".to_owned()], Duration::from_secs(5)));
    let old = fine("limits_config: {per_tenant_override_config: c, per_tenant_override_period: 1m}\n", &[]);
    assert_eq!(old.runtime_files(), (vec!["c".to_owned()], Duration::from_secs(60)));
    assert!(load_text("runtime_config: {file: [a]}\n", &[]).is_err());
}
