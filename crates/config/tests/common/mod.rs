//! What the tests share: loading from text instead of files.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io;
use std::path::Path;

use loptr_config::{Command, Config, Host, Invocation, LoadError, Outside, load, parse_args};

/// 2026-01-01.
pub(crate) const NOW_SECS: i64 = 1_767_225_600;

/// A schema that passes all checks, to put below a test's own keys.
pub(crate) const SCHEMA: &str = "\
schema_config:
  configs:
  - {from: 2024-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: i_, period: 24h}}
";

pub(crate) fn invocation(args: &[&str]) -> Invocation {
    match parse_args(args) {
        Ok(Command::Run(invocation)) => invocation,
        other => panic!("{args:?}: {other:?}"),
    }
}

pub(crate) fn load_bytes(bytes: &[u8], args: &[&str]) -> Result<Config, LoadError> {
    let read = |path: &Path| {
        if path == Path::new("t.yaml") { Ok(bytes.to_vec()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    let outside = Outside {
        read: &read,
        env: &|name| (name == "SET").then(|| "value".to_owned()),
        host: Host::default(),
        now_secs: NOW_SECS,
    };
    let mut all = vec!["-config.file=t.yaml"];
    all.extend(args);
    load(&invocation(&all), &outside)
}

/// Loads `text` followed by a path prefix and a schema, unless it has its own.
pub(crate) fn load_text(text: &str, args: &[&str]) -> Result<Config, LoadError> {
    let mut whole = text.to_owned();
    if !text.contains("common:") {
        whole.push_str("common: {path_prefix: /data}\n");
    }
    if !text.contains("schema_config:") {
        whole.push_str(SCHEMA);
    }
    load_bytes(whole.as_bytes(), args)
}

pub(crate) fn fine(text: &str, args: &[&str]) -> Config {
    load_text(text, args).unwrap_or_else(|error| panic!("{text}{args:?}: {error}"))
}

/// The error of a file that must not load.
pub(crate) fn fault(text: &str) -> String {
    match load_text(text, &["-config.expand-env"]) {
        Ok(_) => panic!("loads: {text}"),
        Err(error) => error.to_string(),
    }
}
