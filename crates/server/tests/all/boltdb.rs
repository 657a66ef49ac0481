//! Periods with an index before TSDB: what upstream wrote answers whole, what is pushed is written and read in this form,
//! and a TSDB period may follow.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::buckets::{END, START, check, home, stored, without_metadata};
use crate::support::archive;
use crate::support::http::{Api, JSON};
use crate::support::lines::{Direction, LogQuery, ask};
use crate::support::process::Home;

const OLD_INDEX: (&str, &str) = ("store: tsdb", "store: boltdb-shipper");
const V11: (&str, &str) = ("schema: v13", "schema: v11");
const LIMITS: &str = "limits_config: {allow_structured_metadata: false, reject_old_samples: false}\n";

/// Names of the objects in the bucket's index, `index/` left out.
fn index_objects(home: &Home) -> BTreeSet<String> {
    let index = home.dir().join("chunks/index");
    let list = |dir: &Path| -> Vec<_> {
        fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("readable").path()).collect()
    };
    let tables = list(&index);
    let files = tables.iter().flat_map(|table| list(table));
    files.map(|path| path.strip_prefix(&index).expect("it lies there").display().to_string()).collect()
}

fn push(api: &Api, bodies: &[Value]) {
    for body in bodies {
        let reply = api.send("POST", "/loki/api/v1/push", &[JSON], body.to_string().as_bytes());
        reply.expect("it answers").expect(204);
    }
}

#[test]
fn a_bucket_of_upstreams_answers_whole() {
    let home = home("v11-boltdb", LIMITS, &[OLD_INDEX, V11]);
    let loptr = home.start();
    let stored = stored(&without_metadata(), false);
    check(loptr.api(), &stored);
    let range = [("start", START.to_string()), ("end", END.to_string())];
    let range = range.each_ref().map(|(name, value)| (*name, value.as_str()));
    let names = loptr.api().get("/loki/api/v1/labels", &range).expect(200).json();
    let names: BTreeSet<&str> = names["data"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(names, stored.keys().flat_map(|labels| labels.keys().map(String::as_str)).collect());
    let apps = loptr.api().get("/loki/api/v1/label/app/values", &range).expect(200).json();
    assert_eq!(apps["data"], json!(["big", "dup", "packed", "sm", "sparse"]));
    // Such an index says nothing of sizes, as upstream's says nothing.
    let query = [range[0], range[1], ("query", "{app=~\".+\"}")];
    let stats = loptr.api().get("/loki/api/v1/index/stats", &query).expect(200).json();
    assert_eq!(stats, json!({"streams": 0, "chunks": 0, "bytes": 0, "entries": 0}));
    let volume = loptr.api().get("/loki/api/v1/index/volume", &query).expect(200).json();
    assert_eq!(volume["data"]["result"], json!([]));
    assert!(loptr.stop().0.success());
}

#[test]
fn what_is_pushed_is_found_by_such_an_index() {
    for (schema, more) in [("v9", ""), ("v10", "\n      row_shards: 4"), ("v11", ""), ("v12", "")] {
        let version = format!("schema: {schema}{more}");
        let home = Home::edited(LIMITS, &[OLD_INDEX, ("schema: v13", &version)]);
        let stored = stored(&without_metadata(), false);
        let loptr = home.start();
        push(loptr.api(), &without_metadata());
        loptr.api().flush_all();
        assert!(loptr.stop().0.success());
        let objects = index_objects(&home);
        let is_database = |name: &String| name.starts_with("index_20776/") && !name.contains(".tsdb");
        assert!(!objects.is_empty() && objects.iter().all(is_database), "{objects:?}");
        let loptr = home.start();
        check(loptr.api(), &stored);
        assert!(loptr.stop().0.success());
    }
}

#[test]
fn a_tsdb_period_follows() {
    let next = "      index:
        prefix: index_
        period: 24h
    - from: 2026-11-20
      store: tsdb
      object_store: filesystem
      schema: v13
      index:
        prefix: index_
";
    let edits = [OLD_INDEX, V11, ("      index:\n        prefix: index_\n", next)];
    let home = Home::edited("limits_config: {reject_old_samples: false, creation_grace_period: 1000h}\n", &edits);
    let loptr = home.start();
    let midnight = START + 14 * 3_600_000_000_000;
    let lines = [(-2, "older"), (-1, "old"), (0, "new"), (1, "newer")];
    let values: Vec<Value> = lines
        .iter()
        .map(|(secs, line)| match json!([(midnight + secs * 1_000_000_000).to_string(), line]) {
            // Only the later period has a place for it.
            Value::Array(entry) if *secs >= 0 => entry.into_iter().chain([json!({"trace": "t"})]).collect(),
            entry => entry,
        })
        .collect();
    push(loptr.api(), &[json!({"streams": [{"stream": {"app": "a"}, "values": values}]})]);
    loptr.api().flush_all();
    assert!(loptr.stop().0.success());
    let objects = index_objects(&home);
    let is_tsdb = |table: &str| -> BTreeSet<bool> {
        objects.iter().filter(|name| name.starts_with(table)).map(|name| name.contains(".tsdb")).collect()
    };
    assert_eq!((is_tsdb("index_20776/"), is_tsdb("index_20777/")), ([false].into(), [true].into()), "{objects:?}");
    let loptr = home.start();
    let query = |from: i64, to: i64| LogQuery {
        query: "{app=\"a\"}",
        start: midnight + from * 1_000_000_000,
        end: midnight + to * 1_000_000_000,
        direction: Direction::Forward,
        limit: 100,
    };
    let texts = |from: i64, to: i64| -> Vec<String> {
        ask(loptr.api(), query(from, to)).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect()
    };
    assert_eq!(texts(-10, 10), ["older", "old", "new", "newer"]);
    assert_eq!(texts(-10, 0), ["older", "old"]);
    assert_eq!(texts(0, 10), ["new", "newer"]);
    assert!(loptr.stop().0.success());
}

#[test]
fn databases_that_were_not_uploaded_are_taken_over() {
    let home = home("v11-boltdb", LIMITS, &[OLD_INDEX, V11]);
    let table = home.dir().join("chunks/index/index_20776");
    let mut objects = fs::read_dir(&table).expect("it is there");
    let object = objects.next().expect("one").expect("readable").path();
    let database = unpack(&fs::read(&object).expect("readable"));
    fs::remove_file(&object).expect("it is ours");
    let active = home.dir().join("boltdb-shipper-active");
    fs::create_dir_all(active.join("index_20776")).expect("it is ours");
    fs::create_dir_all(active.join("uploader")).expect("it is ours");
    fs::write(active.join("uploader/name"), "vm-1795249651220913049").expect("it is ours");
    let left = active.join("index_20776/1795249651");
    fs::write(&left, database).expect("it is ours");
    fs::write(active.join("index_20776/1795249651.snapshot"), b"a copy").expect("it is ours");
    let loptr = home.start();
    check(loptr.api(), &stored(&without_metadata(), false));
    assert!(object.exists() && !left.exists(), "under the name that it would have had");
    assert!(loptr.stop().0.success());
    // What is no database stops the start.
    fs::write(&left, b"bolt").expect("it is ours");
    let refused = home.run(&[]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("boltdb-shipper-active/index_20776/1795249651: index ends inside"),
        "{}",
        refused.stderr
    );
    assert!(archive::pushed("all.json").len() == 1 && left.exists(), "nothing is removed");
}

fn unpack(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut bytes).expect("it is gzip");
    bytes
}
