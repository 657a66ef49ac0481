//! Loading as a whole: order of effect, sources, files, words of errors.

mod common;

use std::io;
use std::path::Path;
use std::time::Duration;

use common::{fault, fine, load_bytes, load_text};
use loptr_config::{Host, IndexKind, Mode, Outside, load};

#[test]
fn flags_win_over_the_file_over_derived_over_defaults() {
    let config = fine(
        "server: {http_listen_port: 1, grpc_listen_port: 2}\ningester: {wal: {dir: /wal}}\n",
        &["-server.grpc-listen-port=3", "-ruler.rule-path=/rules"],
    );
    assert_eq!(
        (config.int("server.http_listen_port"), config.provenance("server.http_listen_port")),
        (1, "t.yaml:1:10".to_owned())
    );
    assert_eq!(config.provenance("server.grpc_listen_port"), "-server.grpc-listen-port");
    assert_eq!(config.int("server.grpc_listen_port"), 3);
    assert_eq!(config.str("ingester.wal.dir"), "/wal");
    assert_eq!(config.str("ruler.rule_path"), "/rules");
    assert_eq!(
        (config.str("compactor.working_directory"), config.provenance("compactor.working_directory")),
        ("/data/compactor", "derived".to_owned())
    );
    assert_eq!(config.provenance("server.log_format"), "default");
    assert!(config.is_default("server.log_format") && !config.is_default("server.http_listen_port"));
}

#[test]
fn the_first_file_that_exists_is_read() {
    let read = |path: &Path| match path.to_str() {
        Some("b.yaml") => {
            Ok(format!("auth_enabled: false\ncommon: {{path_prefix: /b}}\n{}", common::SCHEMA).into_bytes())
        }
        Some("dir") => Err(io::Error::new(io::ErrorKind::IsADirectory, "is a directory")),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let outside = Outside { read: &read, env: &|_| None, host: Host::default(), now_secs: common::NOW_SECS };
    let run = |args: &[&str]| load(&common::invocation(args), &outside);
    let config = run(&["-config.file=a.yaml, b.yaml"]).unwrap();
    assert_eq!((config.file(), config.str("common.path_prefix")), (Some("b.yaml"), "/b"));
    assert_eq!(
        run(&["-config.file=x,y"]).unwrap_err().to_string(),
        "failed parsing config: x,y does not exist, set config.file for custom config path"
    );
    assert_eq!(run(&["-config.file=dir"]).unwrap_err().to_string(), "failed parsing config: read dir: is a directory");
    let no_file = run(&["-config.file="]).unwrap_err().to_string();
    assert!(no_file.contains("must specify at least one schema configuration"), "{no_file}");
}

#[test]
fn without_a_file_the_built_in_configuration_runs() {
    let outside = Outside {
        read: &|_| Err(io::ErrorKind::NotFound.into()),
        env: &|_| None,
        host: Host::default(),
        now_secs: common::NOW_SECS,
    };
    let config = load(&common::invocation(&[]), &outside).unwrap();
    assert!(config.is_built_in());
    assert!(!config.bool("auth_enabled"));
    assert_eq!(config.strs("target"), ["all"]);
    assert_eq!(config.str("storage_config.filesystem.directory"), "./loptr-data/chunks");
    assert_eq!(config.str("ingester.wal.dir"), "./loptr-data/wal");
    assert_eq!(config.int("ingester.lifecycler.ring.replication_factor"), 1);
    for ring in ["ingester.lifecycler.ring", "distributor.ring", "compactor.compactor_ring", "ruler.ring"] {
        assert_eq!(config.str(&format!("{ring}.kvstore.store")), "inmemory", "{ring}");
    }
    let period = &config.schema().periods[0];
    assert_eq!((period.from_day, period.schema, &period.index), (18_559, 13, &IndexKind::Tsdb));
    assert_eq!(
        (period.index_prefix.as_str(), period.index_period_secs, period.index_path_prefix.as_str()),
        ("index_", 86_400, "index/")
    );
    let honoured = ["auth_enabled", "common.path_prefix", "common.storage.filesystem", "storage_config.filesystem"];
    assert_eq!(config.report(&honoured), Default::default());
}

#[test]
fn environment_is_expanded_on_demand() {
    let text = "server: {log_format: '${SET}', http_path_prefix: '${UNSET:-/x}'}\n";
    let expanded = fine(text, &["-config.expand-env=true"]);
    assert_eq!((expanded.str("server.log_format"), expanded.str("server.http_path_prefix")), ("value", "/x"));
    assert_eq!(fine(text, &[]).str("server.log_format"), "${SET}");
    let hint = load_text("foo: 1\n", &[]).unwrap_err().to_string();
    assert!(
        hint.ends_with(
            ". Use `-config.expand-env=true` flag if you want to expand environment variables in your config file"
        ),
        "{hint}"
    );
    assert_eq!(fault("foo: ${X\n"), "failed parsing config: missing closing brace (line 1)");
}

#[test]
fn list_flags_append_and_are_applied_twice() {
    let config = fine(
        "",
        &["-validation.enforced-labels=a,b", "-validation.enforced-labels=c", "-memberlist.rejoin-seed-nodes=a,b"],
    );
    assert_eq!(config.strs("limits_config.enforced_labels"), ["a,b", "c", "a,b", "c"]);
    assert_eq!(config.strs("memberlist.rejoin_seed_nodes"), ["a", "b", "a", "b"]);
    let file = fine("limits_config: {discover_service_name: [x]}\n", &["-validation.discover-service-name=y"]);
    assert_eq!(file.strs("limits_config.discover_service_name"), ["x", "y"]);
}

#[test]
fn unknown_keys_are_named_together_in_order() {
    assert_eq!(
        fault("server: {http_listen_prot: 1}\nfoo: 1\nlimits_config:\n  max_query_serie: 1\n  max_query_series: x\n"),
        "failed parsing config: t.yaml: yaml: unmarshal errors:\n  \
         line 1: field http_listen_prot not found in type server.Config (server.http_listen_prot; did you mean http_listen_port?)\n  \
         line 2: field foo not found in type loki.ConfigWrapper (nearest known key: ui)\n  \
         line 4: field max_query_serie not found in type validation.plain (limits_config.max_query_serie; did you mean max_query_series?)\n  \
         line 5: cannot unmarshal !!str `x` into int"
    );
}

#[test]
fn errors_use_upstreams_words() {
    for (text, wanted) in [
        (
            "auth_enabled: true\nauth_enabled: false\n",
            "line 2: field auth_enabled already set in type loki.ConfigWrapper",
        ),
        ("ruler: {external_labels: {a: b, a: c}}\n", "line 1: key \"a\" already set in map"),
        ("server: x\n", "line 1: cannot unmarshal !!str `x` into server.Config"),
        ("server: [a]\n", "line 1: cannot unmarshal !!seq into server.Config"),
        ("target: [a]\n", "line 1: cannot unmarshal !!seq into string"),
        ("limits_config: {required_labels: a}\n", "line 1: cannot unmarshal !!str `a` into []string"),
        ("limits_config: {required_labels: [[a]]}\n", "line 1: cannot unmarshal !!seq into string"),
        ("auth_enabled: \"true\"\n", "line 1: cannot unmarshal !!str `true` into bool"),
        ("auth_enabled: 1\n", "line 1: cannot unmarshal !!int `1` into bool"),
        ("ingester: {chunk_idle_period: 1d}\n", "line 1: cannot unmarshal !!str `1d` into time.Duration"),
        (
            "server: {http_listen_port: 99999999999999999999}\n",
            "line 1: cannot unmarshal !!float `9999999...` into int",
        ),
        ("limits_config: {max_queriers_per_tenant: -1}\n", "line 1: cannot unmarshal !!int `-1` into uint"),
        ("schema_config: {configs: x}\n", "line 1: cannot unmarshal !!str `x` into []config.PeriodConfig"),
        ("auth_enabled: !!bool x\n", "yaml: cannot decode !!str `x` as a !!bool"),
        ("server: {<<: 5}\n", "yaml: map merge requires map or sequence of maps as the value"),
        ("server: {log_level: loud}\n", "t.yaml: unrecognized log level \"loud\" (line 1, server.log_level)"),
        (
            "limits_config: {max_line_size: 1.5MB}\n",
            "strconv.UnmarshalText: parsing \"1.5MB\": invalid syntax (line 1, limits_config.max_line_size)",
        ),
        ("limits_config: {query_timeout: 5}\n", "not a valid duration string: \"5\""),
        ("limits_config: {block_ingestion_until: x}\n", "failed to parse time: \"x\""),
        ("storage_config: {aws: {s3: '%zz'}}\n", "parse \"%zz\": invalid URL escape \"%zz\""),
        ("frontend: {grpc_client_config: {initial_stream_window_size: 1kb}}\n", "units: unknown unit kb in 1kb"),
        ("ruler: {alert_relabel_configs: [{action: x}]}\n", "unknown relabel action \"x\""),
        ("limits_config: {otlp_config: {log_attributes: [{action: drop}]}}\n", "attributes or regex must be set"),
        ("a: *nope\n", "unknown anchor 'nope' referenced"),
    ] {
        let error = fault(text);
        assert!(error.starts_with("failed parsing config: t.yaml: ") && error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn values_take_upstreams_forms() {
    let config = fine(
        "server: {http_listen_port: 0x10, http_listen_address: 1.50, http_server_read_timeout: 90000000000}\n\
         auth_enabled: Off\n\
         memberlist: {rejoin_seed_nodes: [a, 1]}\n\
         ingester: {chunk_idle_period: 1h30m, chunk_target_size: 1.9e6}\n\
         limits_config: {max_line_size: 256 kb, query_timeout: 1w2d, ingestion_rate_mb: 1_000.5, required_labels: null}\n",
        &[],
    );
    assert_eq!(config.int("server.http_listen_port"), 16);
    assert_eq!(config.str("server.http_listen_address"), "1.50");
    assert_eq!(config.duration("server.http_server_read_timeout"), Duration::from_secs(90));
    assert!(!config.bool("auth_enabled"));
    assert_eq!(config.strs("memberlist.rejoin_seed_nodes"), ["a", "1"]);
    assert_eq!(config.duration("ingester.chunk_idle_period"), Duration::from_secs(5400));
    assert_eq!(config.int("ingester.chunk_target_size"), 1_900_000);
    assert_eq!(config.bytes("limits_config.max_line_size"), 256 << 10);
    assert_eq!(config.float("limits_config.ingestion_rate_mb"), 1000.5);
    assert_eq!(config.limits().query_timeout, Duration::from_secs(9 * 86_400));
}

#[test]
fn anchors_and_merges_work_inside_known_keys() {
    let config = fine(
        "server: &s {http_listen_port: 1, grpc_listen_port: 2}\ninternal_server: {grpc_listen_port: 3, <<: *s, http_listen_port: 4}\n",
        &[],
    );
    assert_eq!(
        (config.int("internal_server.http_listen_port"), config.int("internal_server.grpc_listen_port")),
        (4, 2)
    );
}

#[test]
fn empty_blocks_change_nothing_but_are_named() {
    let config = fine("limits_config:\nserver: ~\ningester: {wal: }\n", &[]);
    assert_eq!(config.limits(), loptr_config::Limits::default());
    assert_eq!(config.str("server.log_level"), "info");
    let warnings = config.report(&["common"]).warnings;
    assert_eq!(
        warnings,
        [
            "line 1: limits_config is empty and changes nothing",
            "line 2: server is empty and changes nothing",
            "line 3: ingester.wal is empty and changes nothing"
        ]
    );
    assert_eq!(fine("server: {http_path_prefix: null, http_listen_port: }\n", &[]).int("server.http_listen_port"), 0);
}

#[test]
fn a_second_document_is_ignored() {
    let text = format!("auth_enabled: false\ncommon: {{path_prefix: /x}}\n{}---\nfoo: 1\n", common::SCHEMA);
    assert!(!load_bytes(text.as_bytes(), &[]).unwrap().bool("auth_enabled"));
}

#[test]
fn helm_files_load() {
    for (name, bytes) in [
        ("distributed", include_bytes!("../testdata/helm-distributed.yaml").as_slice()),
        ("simple-scalable", include_bytes!("../testdata/helm-simple-scalable.yaml")),
        ("single-binary", include_bytes!("../testdata/helm-single-binary.yaml")),
    ] {
        let config = load_bytes(bytes, &["-target=all"]).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.str("storage_config.aws.bucketnames"), "logs", "{name}");
        assert_eq!(config.str("storage_config.aws.endpoint"), "s3.example:9000");
        assert_eq!((config.str("ruler.storage.type"), config.str("ruler.storage.s3.bucketnames")), ("s3", "rules"));
        assert_eq!(config.str("storage_config.tsdb_shipper.active_index_directory"), "/var/loki/tsdb-shipper-active");
        assert_eq!(config.str("distributor.ring.kvstore.store"), "memberlist");
        assert_eq!(config.limits().retention_period, Duration::from_secs(720 * 3600));
        assert_eq!(config.runtime_files().0, ["/etc/loki/runtime-config/runtime-config.yaml"]);
        assert_eq!(config.schema().periods[0].table_name(1_767_225_600), "loki_index_20454");
        let refused: Vec<_> = config.report(&[]).refusals.iter().map(ToString::to_string).collect();
        assert!(
            refused.iter().any(|line| line.starts_with("common.storage.s3.s3forcepathstyle (line 35): ")),
            "{refused:#?}"
        );
        assert!(refused.iter().all(|line| !line.contains("secret")), "{refused:#?}");
    }
}

#[test]
fn options_come_from_flags() {
    let config = fine("", &["-verify-config", "-log-config-reverse-order", "-list-targets"]);
    let options = config.options();
    assert!(options.verify && options.log_reversed && options.list_targets && !options.print_to_stderr);
    let lone = fine("", &["-server.throughput.unit=lines"]);
    assert_eq!(lone.lone_flag("server.throughput.unit"), Some(&loptr_config::Value::Text("lines".to_owned())));
    assert!(config.to_yaml(Mode::Diff).contains("verifyconfig: true\n"));
}
