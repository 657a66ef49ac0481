//! Buckets that upstream wrote: every entry that was pushed comes back, with what upstream added to it.

use std::collections::{BTreeMap, BTreeSet};

use loptr_ingest::Limits;
use loptr_wire::enrich::{self, Detected, LevelDetector};
use serde_json::Value;

use crate::support::archive;
use crate::support::http::Api;
use crate::support::lines::{Direction, Labels, Line, LogQuery, ask, ask_in_pages, ask_vector};
use crate::support::process::Home;

/// What was pushed lies here: 2026-11-19 from 10:00 to 11:00 UTC.
pub(crate) const START: i64 = 1_795_082_400_000_000_000;
pub(crate) const END: i64 = START + 3_600_000_000_000;

pub(crate) type Streams = BTreeMap<Labels, BTreeSet<Line>>;

fn text(value: &Value) -> String {
    value.as_str().expect("labels and lines are text").to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// What the bodies left behind: equal entries once, `service_name` in the labels and, with `levels`, the detected level
/// in the metadata.
pub(crate) fn stored(bodies: &[Value], levels: bool) -> Streams {
    let limits = Limits::default();
    let detector = LevelDetector::new(&limits.level_fields, limits.level_json_depth);
    let mut streams = Streams::new();
    for stream in bodies.iter().flat_map(|body| body["streams"].as_array().expect("a list")) {
        let sent = loptr_model::Labels::from_pairs(pairs(&stream["stream"]));
        let service = enrich::discover_service(&sent, &limits.discover_service_name).expect("none is so named yet");
        let labels = sent.with(enrich::SERVICE_NAME, service);
        let lines = stream["values"].as_array().expect("a list").iter().map(|value| {
            let mut metadata: BTreeMap<String, String> = pairs(&value[2]).into_iter().collect();
            let line = text(&value[1]);
            if levels {
                let known: Vec<(&String, &String)> = metadata.iter().collect();
                let level = match detector.detect(detector.of_stream(&labels), &known, line.as_bytes()) {
                    Detected::Add(level) | Detected::Normalize(level) => level.to_owned(),
                    Detected::Nothing => panic!("every entry has a level: {line}"),
                };
                metadata.insert(enrich::DETECTED_LEVEL.to_owned(), level);
            }
            // A label of the stream keeps its name.
            let shown = metadata.into_iter().map(|(name, value)| match labels.get(&name) {
                Some(_) => (format!("{name}_extracted"), value),
                None => (name, value),
            });
            Line { ts: text(&value[0]).parse().expect("nanoseconds"), line, metadata: shown.collect() }
        });
        let labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        streams.entry(labels).or_default().extend(lines);
    }
    streams
}

/// A selector of this stream and no other.
fn selector(labels: &Labels, names: &BTreeSet<&String>) -> String {
    let value = |name: &str| labels.get(name).map_or("", String::as_str);
    let matchers = names.iter().map(|name| format!("{name}={}", Value::from(value(name))));
    format!("{{{}}}", matchers.collect::<Vec<_>>().join(","))
}

fn check_order(lines: &[Line], direction: Direction) {
    let in_order = match direction {
        Direction::Forward => lines.is_sorted_by_key(|line| line.ts),
        Direction::Backward => lines.is_sorted_by_key(|line| -line.ts),
    };
    assert!(in_order, "{direction:?} entries are in order");
}

/// Every stream, forward and backward, page by page and whole; then the same by counting.
pub(crate) fn check(api: &Api, stored: &Streams) {
    let names: BTreeSet<&String> = stored.keys().flat_map(BTreeMap::keys).collect();
    for (labels, expected) in stored {
        let query = selector(labels, &names);
        let most_at_once = expected.iter().map(|line| expected.iter().filter(|other| other.ts == line.ts).count());
        let most_at_once = if expected.len() < 1000 { most_at_once.max().unwrap_or(1) } else { 1 };
        for (direction, limit) in [(Direction::Forward, 977), (Direction::Backward, 1013)] {
            let limit = if expected.len() < 1000 { most_at_once + expected.len() / 5 + 1 } else { limit };
            let query = LogQuery { query: &query, start: START, end: END, direction, limit };
            let found = ask_in_pages(api, query);
            check_order(&found, direction);
            let unique: BTreeSet<Line> = found.iter().cloned().collect();
            let missing: Vec<_> = expected.difference(&unique).take(3).collect();
            let unknown: Vec<_> = unique.difference(expected).take(3).collect();
            assert!(missing.is_empty() && unknown.is_empty(), "{query:?}: missing {missing:?}, unknown {unknown:?}");
            assert_eq!(found.len(), expected.len(), "{query:?}: each entry once");
            let first = ask(api, LogQuery { limit: 5000, ..query });
            assert_eq!(first.len(), 1, "{query:?}: one stream");
            assert_eq!(&first[0].0, labels, "{query:?}");
            assert_eq!(first[0].1.len(), expected.len().min(5000), "{query:?}");
            check_order(&first[0].1, direction);
        }
    }
    let all: usize = stored.values().map(BTreeSet::len).sum();
    let counted = ask_vector(api, "sum(count_over_time({service_name=~\".+\"}[61m]))", END);
    let expected = if all == 0 { Vec::new() } else { vec![(Labels::new(), all as f64)] };
    assert_eq!(counted, expected, "counted");
    let series = [("match[]", "{service_name=~\".+\"}"), ("start", &START.to_string()), ("end", &END.to_string())];
    let series = api.get("/loki/api/v1/series", &series).expect(200).json();
    let series = series["data"].as_array().expect("a list").iter();
    let series: BTreeSet<Labels> = series.map(|labels| pairs(labels).into_iter().collect()).collect();
    assert_eq!(series, stored.keys().cloned().collect(), "series");
}

pub(crate) fn home(bucket: &str, more: &str, edits: &[(&str, &str)]) -> Home {
    let home = Home::edited(more, edits);
    archive::unpack(bucket, &home.dir().join("chunks"));
    home
}

fn check_codec(codec: &str) {
    let stored = stored(&archive::pushed("all.json"), true);
    assert_eq!(stored.values().map(BTreeSet::len).sum::<usize>(), 15_293);
    let home = home(&format!("enc-{codec}"), "", &[]);
    let loptr = home.start();
    check(loptr.api(), &stored);
    assert!(loptr.stop().0.success());
}

#[test]
fn codec_snappy() {
    check_codec("snappy");
}

#[test]
fn codec_gzip() {
    check_codec("gzip");
}

#[test]
fn codec_none() {
    check_codec("none");
}

#[test]
fn codec_lz4_64k() {
    check_codec("lz4-64k");
}

#[test]
fn codec_lz4_256k() {
    check_codec("lz4-256k");
}

#[test]
fn codec_lz4_1m() {
    check_codec("lz4-1M");
}

#[test]
fn codec_lz4_4m() {
    check_codec("lz4");
}

#[test]
fn codec_flate() {
    check_codec("flate");
}

#[test]
fn codec_zstd() {
    check_codec("zstd");
}

#[test]
fn many_streams_of_every_kind() {
    let home = home("conformance", "", &[]);
    let loptr = home.start();
    check(loptr.api(), &stored(&archive::pushed("conformance/"), true));
    assert!(loptr.stop().0.success());
}

#[test]
fn schema_v12_has_no_metadata() {
    let limits = "limits_config:\n  allow_structured_metadata: false\n";
    let home = home("v12", limits, &[("schema: v13", "schema: v12")]);
    let loptr = home.start();
    check(loptr.api(), &stored(&without_metadata(), false));
    assert!(loptr.stop().0.success());
}

/// What was pushed, the structured metadata taken out.
pub(crate) fn without_metadata() -> Vec<Value> {
    let mut bodies = archive::pushed("all.json");
    for stream in bodies.iter_mut().flat_map(|body| body["streams"].as_array_mut().expect("a list")) {
        for value in stream["values"].as_array_mut().expect("a list") {
            value.as_array_mut().expect("a list").truncate(2);
        }
    }
    bodies
}

/// Both tenants have the same entries, so each is checked with the other's key objects taken away, too.
fn check_tenants(bucket: &str) {
    let stored = stored(&archive::pushed("all.json"), true);
    let home = home(bucket, "", &[("auth_enabled: false", "auth_enabled: true")]);
    let loptr = home.start();
    check(&loptr.api().of("tenant-a"), &stored);
    check(&loptr.api().of("tenant-b"), &stored);
    check(&loptr.api().of("tenant-c"), &Streams::new());
    assert!(loptr.stop().0.success());
    std::fs::remove_dir_all(home.dir().join("chunks/tenant-b")).expect("it is there");
    let loptr = home.start();
    check(&loptr.api().of("tenant-a"), &stored);
    let query = LogQuery { query: "{app=\"big\"}", start: START, end: END, direction: Direction::Forward, limit: 1 };
    let reply = loptr.api().of("tenant-b").send("GET", &query.target(), &[], &[]).expect("it answers");
    assert_eq!(reply.status, 500, "tenant-b's index names chunks of tenant-b only: {}", reply.text());
}

#[test]
fn two_tenants_in_one_index_file() {
    check_tenants("tenants-uncompacted");
}

#[test]
fn two_tenants_with_an_index_file_each() {
    check_tenants("tenants-compacted");
}
