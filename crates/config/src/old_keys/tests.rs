//! Every key and flag of older versions, one by one: the file loads, the warning names it, the value is where it belongs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::How;
use crate::flags::{Command, parse_args};
use crate::load::{Outside, load};
use crate::removed::{self, Row};
use crate::table::{FlagTarget, KeyId, Kind, table};
use crate::value::{Object, Source, default_value, format_text};
use crate::{Config, Host};

/// A document to be written in flow style.
enum Node {
    Leaf(String),
    Map(BTreeMap<String, Node>),
}

impl Node {
    fn set(&mut self, path: &str, text: &str) {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let Node::Map(entries) = self else { panic!("{path} lies below a value") };
        match rest {
            None => {
                entries.insert(first.replace("<name>", "n"), Node::Leaf(text.to_owned()));
            }
            Some(rest) => {
                let below = entries.entry(first.replace("<name>", "n")).or_insert_with(|| Node::Map(BTreeMap::new()));
                below.set(rest, text);
            }
        }
    }

    fn text(&self) -> String {
        match self {
            Node::Leaf(text) => text.clone(),
            Node::Map(entries) => {
                let entries: Vec<String> =
                    entries.iter().map(|(name, value)| format!("{name}: {}", value.text())).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// A file that is fine, with a period of each kind that old keys speak of.
fn base() -> Node {
    let mut file = Node::Map(BTreeMap::new());
    file.set("common.path_prefix", "/data");
    let period = |from, store, schema| {
        format!(
            "{{from: {from}, store: {store}, object_store: filesystem, schema: {schema}, index: {{prefix: i_, period: 24h}}}}"
        )
    };
    let periods = [period("2020-01-01", "boltdb-shipper", "v12"), period("2024-01-01", "tsdb", "v13")];
    file.set("schema_config.configs", &format!("[{}]", periods.join(", ")));
    file
}

fn loaded(file: &Node, args: &[String]) -> Config {
    let text = file.text();
    let read = |path: &Path| match path.to_str() {
        Some("t.yaml") => Ok(text.clone().into_bytes()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let args = [&["-config.file=t.yaml".to_owned()], args].concat();
    let Ok(Command::Run(invocation)) = parse_args(&args) else { panic!("{args:?} is refused") };
    let outside = Outside { read: &read, env: &|_| None, host: Host::default(), now_secs: 1_767_225_600 };
    load(&invocation, &outside).unwrap_or_else(|error| panic!("{text} {args:?}: {error}"))
}

/// A value that is not the default of the key it goes to.
fn sample(row: &Row, target: Option<KeyId>) -> String {
    let text = match row.how {
        How::Sse | How::Gzip | How::Day => "true",
        How::Tls => "TLS12",
        How::Join if row.path.starts_with('-') => "a,b",
        How::Join => "[a, b]",
        How::Megabytes => "7MB",
        How::Deletion => "filter-only",
        How::Check | How::Retention if !row.path.contains("prefix") => "filesystem",
        How::Retention | How::Periods => "old/",
        _ => "",
    };
    if !text.is_empty() {
        return text.to_owned();
    }
    let Some(key) = target.map(|target| table().key(target)) else { return "1".to_owned() };
    let default = format_text(key.kind, &default_value(key));
    let choices: &[&str] = match key.kind {
        Kind::Bool => &["true", "false"],
        Kind::Int | Kind::Uint => &["7", "8"],
        Kind::Float => &["0.5", "0.25"],
        Kind::Duration => &["77s"],
        Kind::PromDuration => &["77d"],
        Kind::Bytes | Kind::Base2Bytes => &["77KB"],
        Kind::Texts | Kind::Secrets if !row.path.starts_with('-') => &["[x]"],
        Kind::Object => &["{}"],
        Kind::Time => &["2024-01-01"],
        _ => &["x"],
    };
    choices.iter().find(|choice| **choice != default).expect("one of two differs").to_string()
}

/// The path a warning names: of a block whose keys move, the key inside it; of a key in a dropped block, the block.
fn named(row: &Row) -> String {
    if row.how == How::Members {
        return format!("{}.max_size_items", row.path);
    }
    let above = row.path.match_indices('.').map(|(at, _)| &row.path[..at]);
    let dropped = |path: &&str| removed::all().any(|row| row.path == *path && row.how == How::Ignore);
    above.into_iter().find(dropped).unwrap_or(row.path).to_owned()
}

/// Whether the value of `target` came from an old key, as `source` says.
fn took(config: &Config, row: &Row, target: KeyId, source: impl Fn(&Source) -> bool) -> bool {
    if row.how == How::Periods {
        return config.schema().periods.iter().any(|period| period.index_path_prefix == "old/");
    }
    let slot = config.slot(target);
    let key = table().key(target);
    source(&slot.source) && (key.kind == Kind::Object || slot.value != default_value(key))
}

#[test]
fn every_old_key_is_taken_with_a_warning() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in removed::all().filter(|row| !row.path.starts_with('-')) {
        let target = Some(row.to).filter(|to| !to.is_empty()).and_then(|to| table().find(to));
        let mut file = base();
        if row.how == How::Retention {
            file.set("compactor.retention_enabled", "true");
            file.set("compactor.shared_store", "filesystem");
        }
        let text = if row.how == How::Members { "{max_size_items: 7}".to_owned() } else { sample(row, target) };
        file.set(row.path, &text);
        let config = loaded(&file, &[]);
        let warnings = config.report(&[]).warnings;
        let tells = |warning: &&String| warning.contains(&format!("{} belongs to an older version", named(row)));
        let warning = warnings.iter().find(tells).unwrap_or_else(|| panic!("{}: {warnings:#?}", row.path));
        match target {
            _ if row.path.contains("<name>") => {
                let printed = config.to_yaml(crate::Mode::Diff);
                assert!(printed.contains("SSE-S3"), "{}: {printed}", row.path);
            }
            Some(target) if !matches!(row.how, How::Check | How::Members) => {
                let took = took(&config, row, target, |source| matches!(source, Source::File { .. }));
                assert!(took, "{} = {text}: {:?} of {}", row.path, config.slot(target), row.to);
                let told = format!("its value goes to {}", row.to);
                assert!(warning.contains(&told), "the mapping is told: {warning}");
            }
            _ => {}
        }
        *counts.entry(format!("{:?}", row.how)).or_default() += 1;
    }
    println!("old keys: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 200);
}

#[test]
fn every_old_flag_is_taken_with_a_warning() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in removed::all() {
        let Some(name) = row.path.strip_prefix('-') else { continue };
        let target = match (row.how, table().flag(row.to)) {
            (How::Periods, _) => table().find(row.to),
            (_, Some(FlagTarget::Key(target))) => Some(target),
            _ => None,
        };
        let mut file = base();
        let mut args = Vec::new();
        if row.how == How::Retention {
            file.set("compactor.retention_enabled", "true");
            args.push("-compactor.shared-store=filesystem".to_owned());
        }
        if row.to == "compactor.retention-enabled" {
            file.set("compactor.delete_request_store", "filesystem");
        }
        let text = sample(row, target);
        args.push(format!("-{name}={text}"));
        let config = loaded(&file, &args);
        let warnings = config.report(&[]).warnings;
        let tells = |warning: &String| warning.starts_with(&format!("flag -{name} belongs to an older version"));
        assert!(warnings.iter().any(tells), "{}: {warnings:#?}", row.path);
        if let Some(target) = target.filter(|_| row.how != How::Check) {
            let took = took(&config, row, target, |source| matches!(source, Source::Flag));
            assert!(took, "{} = {text}: {:?} of {}", row.path, config.slot(target), row.to);
        }
        *counts.entry(format!("{:?}", row.how)).or_default() += 1;
    }
    println!("old flags: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 151);
}

/// A key set under its new name wins over the old one, whatever stands first.
#[test]
fn a_new_key_wins_over_the_old_one() {
    let moves = |row: &&Row| row.how == How::Same && !row.path.starts_with('-') && !row.path.contains("<name>");
    let mut compared = 0;
    for row in removed::all().filter(moves) {
        let target = table().find(row.to).expect("rows lead to keys");
        let key = table().key(target);
        if !matches!(key.kind, Kind::Int | Kind::Uint | Kind::Duration | Kind::Bool) {
            continue;
        }
        let mut file = base();
        let old = sample(row, Some(target));
        let new =
            if key.kind == Kind::Duration { "78s".to_owned() } else { format_text(key.kind, &default_value(key)) };
        file.set(row.path, &old);
        file.set(row.to, &new);
        let config = loaded(&file, &[]);
        let mut wanted = Object::defaults(KeyId::ROOT);
        let value = crate::value::parse_text(key.kind, key.go_type, &new).expect("a good value");
        wanted.set(target, value, Source::Default);
        assert_eq!(config.slot(target).value, wanted.slot(target).value, "{} beside {}", row.path, row.to);
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
