//! Every key of the table: accepted with its default, printed, and read back.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod common;

use std::fmt::Write;

use common::{NOW_SECS, load_bytes};
use loptr_config::{KeyId, Kind, Mode, Source, Value, format_text, table};

/// A value every check accepts, as YAML, for a key without children.
fn sample(kind: Kind, words: &str, text: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    match kind {
        Kind::Bool | Kind::Int | Kind::Uint | Kind::Float => text.to_owned(),
        Kind::Texts | Kind::Secrets => {
            format!("[{}]", text.split(',').filter(|word| !word.is_empty()).map(quoted).collect::<Vec<_>>().join(", "))
        }
        Kind::TextMap | Kind::AnyMap => "{k: v}".to_owned(),
        Kind::TimeMap => "{k: 2024-01-01}".to_owned(),
        Kind::Date => "2024-01-01".to_owned(),
        Kind::Word(_) if text.is_empty() => words.split(',').next().unwrap_or("").to_owned(),
        _ => quoted(text),
    }
}

/// Writes every key below `id` with its default, one element in each list and map.
fn write_all(id: KeyId, depth: usize, out: &mut String, count: &mut usize) {
    for child in table().children(id) {
        let key = table().key(child);
        let name = key.name().replace("<name>", "n");
        let pad = "  ".repeat(depth);
        let text = format_text(key.kind, &loptr_config::default_of(key.path).unwrap());
        *count += 1;
        match (key.path, name.as_str()) {
            // Checks across keys want other values than the defaults here.
            ("schema_config.configs[].store", _) => writeln!(out, "{pad}store: tsdb").unwrap(),
            ("schema_config.configs[].object_store", _) => writeln!(out, "{pad}object_store: filesystem").unwrap(),
            ("schema_config.configs[].schema", _) => writeln!(out, "{pad}schema: v13").unwrap(),
            ("schema_config.configs[].index.period", _) => writeln!(out, "{pad}period: 24h").unwrap(),
            ("limits_config.retention_stream[].period", _) => writeln!(out, "{pad}period: 24h").unwrap(),
            (path, "regex") if path.contains("otlp_config") => writeln!(out, "{pad}regex: x").unwrap(),
            (
                "storage_config.tsdb_shipper.active_index_directory" | "storage_config.tsdb_shipper.cache_location",
                _,
            ) => {
                writeln!(out, "{pad}{name}: /data").unwrap();
            }
            ("common.path_prefix", _) => writeln!(out, "{pad}path_prefix: /data").unwrap(),
            ("configfile", _) => writeln!(out, "{pad}configfile: t.yaml").unwrap(),
            (_, "[]") => {
                let from = out.len() + pad.len();
                write_all(child, depth + 1, out, count);
                out.replace_range(from..from + 2, "- ");
                *count -= 1; // a made-up key
            }
            _ if key.kind == Kind::Object || matches!(key.kind, Kind::Objects | Kind::Map) => {
                let from = out.len();
                writeln!(out, "{pad}{name}:").unwrap();
                let body = out.len();
                write_all(child, depth + 1, out, count);
                if out.len() == body {
                    out.truncate(from);
                }
                *count -= usize::from(key.path.ends_with(".<name>") && key.kind == Kind::Object);
            }
            _ => writeln!(out, "{pad}{name}: {}", sample(key.kind, key.words, &text)).unwrap(),
        }
    }
}

#[test]
fn every_key_takes_its_default() {
    let (mut text, mut count) = (String::new(), 0);
    write_all(table().find("").unwrap(), 0, &mut text, &mut count);
    let config = load_bytes(text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error}"));
    println!(
        "{count} keys accepted, {} lines, {} flags",
        text.lines().count(),
        table().keys().map(|(_, key)| key.flags().count()).sum::<usize>()
    );
    let own = table().keys().filter(|(_, key)| key.is_own()).count();
    assert_eq!(count - own, 4_513);
    let mut from_file = 0;
    for (id, key) in table().keys().filter(|(_, key)| !key.repeats() && key.kind != Kind::Object) {
        let slot = config.slot(id);
        // An empty text may be filled in by a rule; the file itself is named by a flag.
        assert!(
            matches!(slot.source, Source::File { .. } | Source::Derived | Source::Flag),
            "{}: {:?}",
            key.path,
            slot.source
        );
        from_file += 1;
    }
    assert!(from_file > 3_000, "{from_file}");
}

/// What is printed loads again, to the same values.
#[test]
fn printed_configuration_reads_back() {
    let text = "auth_enabled: false\ncommon: {path_prefix: /data, ring: {kvstore: {store: inmemory}}}\n\
        server: {http_path_prefix: '- odd: #text', log_source_ips_regex: '[a]', http_listen_address: '5', log_format: 'yes'}\n\
        ruler:\n  external_labels: {b: '1', a: 'x: y'}\n  alert_relabel_configs: [{source_labels: [a], regex: 'x.*', action: Drop}, {modulus: 3}]\n\
        \x20 remote_write: {clients: {one: {url: 'http://x', headers: {h: v}, oauth2: {client_id: c, claims: {deep: [1, {a: b}], t: 'x'}}}}}\n\
        limits_config:\n  policy_stream_mapping: {p: [{selector: '{a=\"b\"}', priority: 2}]}\n  policy_enforced_labels: {p: [a, b]}\n\
        \x20 blocked_queries: [{pattern: '.*', regex: true, types: 'filter,metric', query_tags: {a: b}}]\n\
        \x20 block_ingestion_policy_until: {p: 2024-01-01T10:00}\n  retention_stream: [{selector: '{a=\"b\"}', period: 48h}]\n";
    let text = format!("{text}{}", common::SCHEMA);
    let first = load_bytes(text.as_bytes(), &[]).unwrap();
    // Upstream prints an unset level too, though it would not read it.
    let printed = first.to_yaml(Mode::All).replace("  log_level: \"\"\n", "  log_level: info\n");
    let second = load_bytes(printed.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    let mut compared = 0;
    for (id, key) in table().keys().filter(|(_, key)| !key.repeats()) {
        let (a, b) = (&first.slot(id).value, &second.slot(id).value);
        let same = match (a, b) {
            // Their slots carry lines: their text is compared below.
            (Value::Objects(_) | Value::Map(_), _) => true,
            (a, b) => a == b || key.path == "internal_server.log_level" || key.kind == Kind::Secret,
        };
        assert!(same, "{}: {a:?} is {b:?}", key.path);
        compared += 1;
    }
    assert!(compared > 3_000);
    assert_eq!(second.to_yaml(Mode::All), printed);
    assert_eq!(second.limits(), first.limits());
    assert_eq!(NOW_SECS, 1_767_225_600);
}

#[test]
fn diff_and_defaults() {
    let text = format!(
        "common: {{path_prefix: /data}}\nserver: {{http_listen_port: 80}}\nstorage_config: {{aws: {{secret_access_key: hush, s3: 's3://key:hush@region/b'}}}}\n{}",
        common::SCHEMA
    );
    let config = load_bytes(text.as_bytes(), &[]).unwrap();
    let diff = config.to_yaml(Mode::Diff);
    assert!(diff.contains("server:\n  http_listen_port: 80\n"), "{diff}");
    assert!(diff.contains("secret_access_key: \"********\"\n") && !diff.contains("hush"), "{diff}");
    assert!(diff.contains("s3: s3://key:%2A%2A%2A%2A%2A%2A%2A%2A@region/b\n"), "{diff}");
    assert!(config.report(&["storage_config"]).warnings.iter().all(|warning| !warning.contains("hush")));
    assert!(!diff.contains("grpc_listen_port"));
    assert!(!config.to_yaml(Mode::All).contains("hush"));
    let defaults = config.to_yaml(Mode::of("defaults"));
    assert!(defaults.contains("\n  http_listen_port: 3100\n"));
    assert!(defaults.starts_with("target: all\nauth_enabled: true\n"));
}

/// A flag takes its own default and gives the value of the key.
#[test]
fn every_flag_takes_its_default() {
    let mut accepted = 0;
    let mut without_text = 0;
    for (_, key) in table().keys() {
        for flag in key.flags() {
            let default = loptr_config::default_of(key.path).unwrap();
            let text = format_text(key.kind, &default);
            // Kinds whose empty value has no text of its own.
            let unset = text.is_empty() && matches!(key.kind, Kind::Time | Kind::Date | Kind::Word(_) | Kind::Url);
            let dynamic = key.default.starts_with('<');
            let parsed = loptr_config::parse_args([format!("-{flag}={text}")]);
            assert!(parsed.is_ok() || unset || dynamic, "-{flag}={text}: {parsed:?}");
            accepted += usize::from(parsed.is_ok());
            without_text += usize::from(parsed.is_err());
        }
    }
    for flag in table().lone_flags() {
        let parsed = loptr_config::parse_args([format!("-{}={}", flag.flag, flag.default)]);
        assert!(parsed.is_ok(), "{}: {parsed:?}", flag.flag);
        accepted += 1;
    }
    println!("{accepted} flags accepted with their defaults, {without_text} have a default without text");
    assert!(accepted > 2_900 && without_text < 10, "{accepted} {without_text}");
}

/// Keys whose effective value without any setting is not the table's default, each with the reason.
const OTHER_DEFAULTS: &[(&str, &str)] =
    &[("schema_config", "the file's own"), ("common.path_prefix", "the file's own"), ("configfile", "the file's own")];

/// With a file of only a schema and a path, each value is upstream's default, or was derived by upstream's rules from
/// `common` and the like, or is a fact of the machine, or is listed with a reason.
#[test]
fn effective_defaults_are_upstreams() {
    let text = format!("common: {{path_prefix: /data}}\n{}", common::SCHEMA);
    let config = load_bytes(text.as_bytes(), &[]).unwrap();
    let (mut equal, mut derived, mut of_machine, mut listed) = (0, 0, 0, 0);
    for (id, key) in table().keys().filter(|(_, key)| !key.repeats() && key.kind != Kind::Object && !key.is_own()) {
        let slot = config.slot(id);
        let default = loptr_config::default_of(key.path).unwrap();
        if slot.value == default {
            equal += 1;
        } else if let Some((_, own, _)) = loptr_config::OWN_DEFAULTS.iter().find(|(path, ..)| *path == key.path) {
            assert_eq!(format_text(key.kind, &slot.value), *own);
            listed += 1;
        } else if matches!(slot.source, Source::Derived) {
            derived += 1;
        } else if key.default.starts_with('<') {
            of_machine += 1;
        } else {
            let reason = OTHER_DEFAULTS.iter().find(|(path, _)| key.path.starts_with(path));
            assert!(reason.is_some(), "{}: {:?} is not {default:?}, for no reason", key.path, slot);
            listed += 1;
        }
    }
    println!("{equal} equal, {derived} derived by rules, {of_machine} facts of the machine, {listed} listed");
    assert_eq!(equal + derived + of_machine + listed, 3_336);
}

/// Each key has a status, and one without effect has a reason.
#[test]
fn every_key_has_a_status() {
    let (mut honoured, mut refused, mut without_effect) = (0, 0, 0);
    for (_, key) in table().keys().filter(|(_, key)| key.kind != Kind::Object) {
        match loptr_config::status_of(key.path, &[]) {
            loptr_config::Status::Honoured => honoured += 1,
            loptr_config::Status::RefusedUnlessDefault(_) => refused += 1,
            loptr_config::Status::NoEffect(reason) => {
                without_effect += 1;
                // Keys the process honours have no reason of their own.
                assert!(!reason.is_empty(), "{}", key.path);
            }
        }
    }
    println!("{honoured} seen to by this crate, {refused} refused, {without_effect} left to the process");
}
