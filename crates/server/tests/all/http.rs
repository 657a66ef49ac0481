//! Pushes over HTTP: every status and text that clients match on, what is stored beside a refusal, every encoding of a
//! body; tenants apart; a full disk.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::{Value, json};

use crate::support::http::{Api, JSON, Reply, parse_reply, push_body, request_bytes};
use crate::support::lines::{Direction, Labels, Line, LogQuery, ask};
use crate::support::now;
use crate::support::process::{Home, Loptr};

const SECOND: i64 = 1_000_000_000;

/// `[ts, line]`, so many seconds ago.
fn line(secs_ago: i64, text: &str) -> Value {
    json!([(now() - secs_ago * SECOND).to_string(), text])
}

fn push(api: &Api, labels: Value, values: Vec<Value>) -> Reply {
    api.push(&[(labels, values)]).expect("it answers")
}

/// Everything stored, streams by labels.
fn stored(api: &Api, selector: &str) -> Vec<(Labels, Vec<Line>)> {
    let (start, end) = (now() - 40 * 86_400 * SECOND, now() + 86_400 * SECOND);
    let query = LogQuery {
        query: selector,
        start: start.max(end - 30 * 86_400 * SECOND),
        end,
        direction: Direction::Forward,
        limit: 5000,
    };
    ask(api, query)
}

fn texts(api: &Api, selector: &str) -> Vec<String> {
    stored(api, selector).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect()
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, text: &str) {
    assert_eq!((reply.status, reply.text()), (status, format!("{text}\n")));
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
}

/// As Go prints a time in these texts: whole seconds, UTC.
fn rfc3339(ns: i64) -> String {
    let mut text = String::new();
    loptr_wire::go::format_rfc3339_nanos(ns.div_euclid(SECOND) * SECOND, &mut text);
    text
}

fn start(more: &str) -> (Home, Loptr) {
    let home = Home::new(more);
    let loptr = home.start();
    (home, loptr)
}

#[test]
fn a_good_push_is_204_without_a_body() {
    let (_home, loptr) = start("");
    let reply = push(loptr.api(), json!({"app": "a"}), vec![line(1, "hello")]);
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    // Streams without entries are passed over, in company or alone.
    let reply = loptr.api().push(&[(json!({"app": "b"}), vec![]), (json!({"app": "c"}), vec![line(1, "c")])]);
    assert_eq!(reply.expect("it answers").status, 204);
    assert_eq!(push(loptr.api(), json!({"app": "d"}), vec![]).status, 204);
    assert_eq!(texts(loptr.api(), "{app=~\".+\"}"), ["hello", "c"]);
}

#[test]
fn no_streams_is_422() {
    let (_home, loptr) = start("");
    let text = "error at least one valid stream is required for ingestion";
    assert_refused(&loptr.api().push(&[]).expect("it answers"), 422, text);
    let empty =
        loptr.api().send("POST", "/loki/api/v1/push", &[("content-type", "application/x-protobuf")], &snappy(&[]));
    assert_refused(&empty.expect("it answers"), 422, text);
}

#[test]
fn bodies_that_cannot_be_read_are_400() {
    let (_home, loptr) = start("");
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        loptr.api().send("POST", "/loki/api/v1/push", headers, body).expect("it answers")
    };
    let body = push_body(&[(json!({"app": "a"}), vec![line(1, "x")])]);
    assert_refused(&send(&[], &body), 400, "mime: no media type");
    let br = [JSON, ("content-encoding", "br")];
    assert_refused(&send(&br, &body), 400, "Content-Encoding \"br\" not supported");
    let reply = send(&[JSON], b"{\"streams\": [");
    assert_eq!(reply.status, 400, "{}", reply.text());
    let reply = send(&[("content-type", "application/x-protobuf")], b"this is not snappy");
    assert_eq!(reply.status, 400, "{}", reply.text());
    let reply = send(&[JSON, ("content-encoding", "gzip")], &body);
    assert_eq!(reply.status, 400, "{}", reply.text());
    let labels = json!({"app": "a"});
    for (value, part) in [
        (json!([1, "x"]), "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol"),
        (json!([now().to_string(), 5]), "Value is string, but can't find closing '\"' symbol"),
        (json!(["yesterday", "x"]), "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol"),
        (json!([now().to_string(), "x", null]), "Value looks like object, but can't find closing '}' symbol"),
        (json!([now().to_string(), "x", {"a": 1}]), "Value is string, but can't find closing '\"' symbol"),
    ] {
        let reply = push(loptr.api(), labels.clone(), vec![value.clone()]);
        assert_eq!(reply.status, 400, "{value}: {}", reply.text());
        assert!(reply.text().contains(part) && reply.text().ends_with('\n'), "{value}: {}", reply.text());
    }
    assert_eq!(texts(loptr.api(), "{app=~\".+\"}"), [""; 0]);
}

#[test]
fn too_large_bodies_are_413_and_too_large_ones_once_unpacked_400() {
    let (_home, loptr) = start("distributor:\n  max_recv_msg_size: 4000\n  max_decompressed_size: 10000\n");
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        loptr.api().send("POST", "/loki/api/v1/push", headers, body).expect("it answers")
    };
    let proto = ("content-type", "application/x-protobuf");
    let long = [0u8; 5000];
    assert_refused(
        &send(&[proto], &long),
        413,
        "request body too large: message size too large than max (5000 vs 4000)",
    );
    // Nobody told its length beforehand.
    let chunked = [b"1388\r\n", &long[..], b"\r\n0\r\n\r\n"].concat();
    let reply = send(&[proto, ("transfer-encoding", "chunked")], &chunked);
    assert_eq!(reply.status, 413, "{}", reply.text());
    assert!(reply.text().starts_with("request body too large: message size too large than max ("), "{}", reply.text());
    let bomb = snappy(&vec![b'x'; 20_000]);
    assert!(bomb.len() < 4000);
    let reply = send(&[proto], &bomb);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("message size too large than max ("), "{}", reply.text());
    let bomb = gzip(&vec![b' '; 20_000]);
    let reply = send(&[JSON, ("content-encoding", "gzip")], &bomb);
    assert_eq!(reply.status, 400, "{}", reply.text());
}

#[test]
fn bad_labels_are_named_one_by_one_and_good_streams_stored() {
    let (_home, loptr) = start("limits_config:\n  max_label_name_length: 20\n  max_label_value_length: 20\n");
    let api = loptr.api();

    let many: serde_json::Map<String, Value> = (0..16).map(|n| (format!("l{n:02}"), json!("v"))).collect();
    let many_text: Vec<String> = many.keys().map(|name| format!("{name}=\"v\"")).collect();
    let many_text = format!("{{{}, service_name=\"unknown_service\"}}", many_text.join(", "));
    let reply = push(api, Value::from(many), vec![line(1, "x")]);
    assert_refused(&reply, 400, &format!("entry for stream '{many_text}' has 16 label names; limit 15"));

    let long_name = "n".repeat(21);
    let long_name_text =
        format!("stream '{{app=\"a\", {long_name}=\"v\", service_name=\"a\"}}' has label name too long: '{long_name}'");
    let reply = push(api, json!({"app": "a", &long_name: "v"}), vec![line(1, "x")]);
    assert_refused(&reply, 400, &long_name_text);

    let long_value = "v".repeat(21);
    let long_value_text = format!(
        "stream '{{app=\"a\", b=\"{long_value}\", service_name=\"a\"}}' has label value too long: '{long_value}'"
    );
    let reply = push(api, json!({"app": "a", "b": &long_value}), vec![line(1, "x")]);
    assert_refused(&reply, 400, &long_value_text);
    assert_eq!(texts(api, "{service_name=~\".+\"}"), [""; 0]);

    // Three bad ones, one of them twice, and a good one: each is told, the good one is there.
    let reply = api.push(&[
        (json!({"app": "a", &long_name: "v"}), vec![line(1, "x")]),
        (json!({"app": "good"}), vec![line(1, "stored")]),
        (json!({"app": "a", "b": &long_value}), vec![line(1, "x"), line(1, "y")]),
        (json!({"app": "a", &long_name: "v"}), vec![line(1, "x")]),
    ]);
    let expected = format!("2 errors like: {long_name_text}; 1 errors like: {long_value_text}");
    assert_refused(&reply.expect("it answers"), 400, &expected);
    assert_eq!(texts(api, "{app=~\".+\"}"), ["stored"]);
}

#[test]
fn a_stream_without_labels_has_a_service_name_at_least() {
    let (_home, loptr) = start("");
    push(loptr.api(), json!({}), vec![line(1, "x")]).expect(204);
    assert_eq!(texts(loptr.api(), "{service_name=\"unknown_service\"}"), ["x"]);
    let (_home, loptr) = start("limits_config:\n  discover_service_name: []\n");
    let reply = push(loptr.api(), json!({}), vec![line(1, "x")]);
    assert_refused(&reply, 400, "error at least one label pair is required per stream");
    push(loptr.api(), json!({"app": "a"}), vec![line(1, "x")]).expect(204);
    let found = stored(loptr.api(), "{app=\"a\"}");
    assert_eq!(found[0].0.keys().collect::<Vec<_>>(), ["app"]);
}

#[test]
fn label_texts_of_protobuf_and_legacy_bodies_are_parsed() {
    let (_home, loptr) = start("");
    let proto = |labels: &str, text: &str| {
        let body = snappy(&proto_push(&[(labels, vec![(now(), text, vec![])])]));
        let headers = [("content-type", "application/x-protobuf")];
        loptr.api().send("POST", "/loki/api/v1/push", &headers, &body).expect("it answers")
    };
    proto("{b=\"2\",a=\"1\", c=\"\"}", "sorted").expect(204);
    let found = stored(loptr.api(), "{a=\"1\"}");
    let labels: Vec<(&str, &str)> = found[0].0.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(labels, [("a", "1"), ("b", "2"), ("service_name", "unknown_service")]);
    for (labels, error) in [
        ("{a=\"1\"", "1:7: parse error: unexpected end of input inside braces"),
        ("{a=~\"1\"}", "1:3: parse error: unexpected <op:=~> in label set, expected \"=\""),
    ] {
        assert_refused(&proto(labels, "x"), 400, &format!("couldn't parse labels: {error}"));
    }
    // A metric's name, as Prometheus would read it.
    proto("plain", "named").expect(204);
    assert_eq!(texts(loptr.api(), "{__name__=\"plain\"}"), ["named"]);
    let reply = proto("{a=\"1\", a=\"2\"}", "x");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("has duplicate label name: 'a'"), "{}", reply.text());
    let legacy = json!({"streams": [{"labels": "{app=\"legacy\"}", "entries": [
        {"ts": rfc3339(now()), "line": "old", "structuredMetadata": {"k": "v"}}]}]});
    let reply = loptr.api().send("POST", "/api/prom/push", &[JSON], legacy.to_string().as_bytes());
    reply.expect("it answers").expect(204);
    let found = stored(loptr.api(), "{app=\"legacy\"}");
    assert_eq!((&*found[0].1[0].line, &*found[0].1[0].metadata["k"]), ("old", "v"));
}

#[test]
fn bad_entries_are_refused_one_by_one_and_good_ones_stored() {
    let limits = "limits_config:
  max_line_size: 100
  max_structured_metadata_size: 50
  max_structured_metadata_entries_count: 2
  reject_old_samples_max_age: 1h
";
    let (_home, loptr) = start(limits);
    let api = loptr.api();
    let labels = || json!({"app": "a"});
    let name = "{app=\"a\", service_name=\"a\"}";

    let old = now() - 7200 * SECOND;
    let before = now();
    let reply = push(api, labels(), vec![json!([old.to_string(), "old"]), line(1, "good 1")]);
    let after = now();
    let expected = |at: i64| {
        let (ts, limit) = (rfc3339(old), rfc3339(at - 3600 * SECOND));
        format!("entry for stream '{name}' has timestamp too old: {ts}, oldest acceptable timestamp is: {limit}\n")
    };
    assert_eq!(reply.status, 400);
    assert!([expected(before), expected(after)].contains(&reply.text()), "{}", reply.text());

    let new = now() + 900 * SECOND;
    let reply = push(api, labels(), vec![line(1, "good 2"), json!([new.to_string(), "new"])]);
    let expected = format!("entry for stream '{name}' has timestamp too new: {}", rfc3339(new));
    assert_refused(&reply, 400, &expected);

    let reply = push(api, labels(), vec![line(1, &"x".repeat(101)), line(1, "good 3")]);
    let expected = format!(
        "max entry size '100' bytes exceeded for stream '{name}' while adding an entry with length '101' bytes"
    );
    assert_refused(&reply, 400, &expected);

    let with = |metadata: Value| json!([now().to_string(), "x", metadata]);
    let reply = push(api, labels(), vec![with(json!({"k": "v".repeat(60)})), line(1, "good 4")]);
    let text = reply.text();
    let expected =
        format!("stream '{name}' has structured metadata too large: '61' bytes, limit: '50' bytes. Please see ");
    assert!(reply.status == 400 && text.starts_with(&expected), "{text}");

    let reply = push(api, labels(), vec![with(json!({"a": "1", "b": "2", "c": "3"})), line(1, "good 5")]);
    let text = reply.text();
    let expected = format!("stream '{name}' has too many structured metadata labels: '3', limit: '2'. Please see ");
    assert!(reply.status == 400 && text.starts_with(&expected), "{text}");

    // Several, in two streams: each distinct text is told with its count.
    let reply = api.push(&[
        (labels(), vec![line(1, &"y".repeat(101)), line(1, &"z".repeat(101)), line(1, "good 6")]),
        (json!({"app": "b"}), vec![line(1, "good 7"), line(1, &"y".repeat(102))]),
    ]);
    let one = |name: &str, len| {
        format!(
            "max entry size '100' bytes exceeded for stream '{name}' while adding an entry with length '{len}' bytes"
        )
    };
    let expected =
        format!("2 errors like: {}; 1 errors like: {}", one(name, 101), one("{app=\"b\", service_name=\"b\"}", 102));
    assert_refused(&reply.expect("it answers"), 400, &expected);

    let mut found = texts(api, "{app=~\".+\"}");
    found.sort();
    assert_eq!(found, ["good 1", "good 2", "good 3", "good 4", "good 5", "good 6", "good 7"]);
}

#[test]
fn long_lines_are_cut_where_that_is_asked_for() {
    let (_home, loptr) = start(
        "limits_config:\n  max_line_size: 10\n  max_line_size_truncate: true\n  max_line_size_truncate_identifier: '...'\n",
    );
    push(loptr.api(), json!({"app": "a"}), vec![line(2, "0123456789"), line(1, "0123456789a")]).expect(204);
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["0123456789", "0123456..."]);
}

#[test]
fn metadata_may_be_forbidden() {
    let (_home, loptr) = start("limits_config:\n  allow_structured_metadata: false\n");
    let reply = push(loptr.api(), json!({"app": "a"}), vec![json!([now().to_string(), "x", {"k": "v"}]), line(1, "y")]);
    let expected = "stream '{app=\"a\", service_name=\"a\"}' includes structured metadata, but this feature is disallowed. Please see ";
    assert!(reply.status == 400 && reply.text().starts_with(expected), "{}", reply.text());
    let found = stored(loptr.api(), "{app=\"a\"}");
    assert_eq!(found[0].1.len(), 1);
    assert!(found[0].1[0].metadata.is_empty(), "no level either: {found:?}");
}

#[test]
fn metadata_is_tidied_and_the_level_added() {
    let (_home, loptr) = start("");
    let metadata = json!({"k8s.pod-name": "p", "a__b": "1", "9lives": "cat", "empty": "", "__own__": "o"});
    push(loptr.api(), json!({"app": "a"}), vec![json!([now().to_string(), "level=WARN x", metadata])]).expect(204);
    let found = stored(loptr.api(), "{app=\"a\"}");
    let pairs: Vec<(&str, &str)> = found[0].1[0].metadata.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        pairs,
        [("__own__", "o"), ("a_b", "1"), ("detected_level", "warn"), ("k8s_pod_name", "p"), ("key_9lives", "cat")]
    );
    // Upstream answers 500 and its clients send it for ever.
    let reply = push(loptr.api(), json!({"app": "a"}), vec![json!([now().to_string(), "x", {"___": "1"}])]);
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(texts(loptr.api(), "{app=\"a\"}").len(), 1);
}

#[test]
fn equal_times_may_be_told_apart() {
    let (_home, loptr) = start("limits_config:\n  increment_duplicate_timestamp: true\n");
    let ts = now() / SECOND * SECOND;
    let values = ["a", "b", "b", "c", "d"].map(|text| json!([ts.to_string(), text])).to_vec();
    push(loptr.api(), json!({"app": "a"}), values).expect(204);
    let values = ["x", "y", "z"].map(|text| json!([(ts + 10).to_string(), text])).to_vec();
    push(loptr.api(), json!({"app": "a"}), values).expect(204);
    let found = stored(loptr.api(), "{app=\"a\"}");
    let mut found: Vec<(i64, &str)> = found[0].1.iter().map(|line| (line.ts - ts, &*line.line)).collect();
    found.sort();
    // As upstream does it: an equal line stays where it is, and what follows it is moved on from there.
    assert_eq!(found, [(0, "a"), (0, "b"), (1, "b"), (1, "c"), (2, "d"), (10, "x"), (11, "y"), (12, "z")]);
}

#[test]
fn the_tenants_rate_is_429_and_stores_nothing() {
    let (_home, loptr) = start("limits_config:\n  ingestion_rate_mb: 0.001\n  ingestion_burst_size_mb: 0.002\n");
    let api = loptr.api();
    push(api, json!({"app": "a"}), vec![line(2, "fits")]).expect(204);
    let reply = api.push(&[
        (json!({"app": "a"}), vec![line(1, &"x".repeat(1500))]),
        (json!({"app": "b"}), vec![line(1, &"y".repeat(1500))]),
    ]);
    let expected = "ingestion rate limit exceeded for user fake (limit: 1048 bytes/sec) while attempting to ingest '2' lines totaling '3000' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased";
    assert_refused(&reply.expect("it answers"), 429, expected);
    assert_eq!(texts(api, "{app=~\".+\"}"), ["fits"]);
}

#[test]
fn too_many_streams_are_429_and_the_others_stored() {
    let (_home, loptr) = start("limits_config:\n  max_global_streams_per_user: 2\n");
    let api = loptr.api();
    let streams = ["a", "b", "c", "d"].map(|app| (json!({"app": app}), vec![line(1, app)]));
    let reply = api.push(&streams).expect("it answers");
    let one = |app: &str| {
        format!(
            "maximum active stream limit exceeded when trying to create stream {{app=\"{app}\", service_name=\"{app}\"}}, reduce the number of active streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be increased, user: 'fake'"
        )
    };
    // Both are named; upstream names the last one only.
    assert_refused(&reply, 429, &format!("{}\n{}", one("c"), one("d")));
    assert_eq!(texts(api, "{app=~\".+\"}"), ["a", "b"]);
    push(api, json!({"app": "a"}), vec![line(0, "again")]).expect(204);
}

#[test]
fn a_streams_rate_is_429_and_other_streams_are_stored() {
    let (_home, loptr) = start("limits_config:\n  per_stream_rate_limit: 100B\n  per_stream_rate_limit_burst: 300B\n");
    let api = loptr.api();
    let ts = now() / SECOND * SECOND - SECOND;
    let reply = api.push(&[
        (json!({"app": "loud"}), vec![json!([ts.to_string(), "x".repeat(400)])]),
        (json!({"app": "calm"}), vec![line(1, "calm")]),
    ]);
    let reply = reply.expect("it answers");
    assert_eq!(reply.status, 429, "{}", reply.text());
    let stream = "{app=\"loud\", service_name=\"loud\"}";
    let expected = format!(
        "reason: 'Per stream rate limit exceeded (limit: 100B/sec) while attempting to ingest for stream '{stream}' totaling 400B, consider splitting a stream via additional labels or contact your Loki administrator to see if the limit can be increased',\nuser 'fake', total ignored: 1 out of 1 for stream: {stream}\n"
    );
    assert!(reply.text().starts_with("entry with timestamp ") && reply.text().ends_with(&expected), "{}", reply.text());
    assert_eq!(texts(api, "{app=~\".+\"}"), ["calm"]);
}

#[test]
fn entries_too_far_behind_are_refused_and_every_stream_is_named() {
    let (_home, loptr) = start("");
    let api = loptr.api();
    let base = now() / SECOND * SECOND;
    let at = |secs: i64, text: &str| json!([(base - secs * SECOND).to_string(), text]);
    let reply = api.push(&[
        (json!({"app": "a"}), vec![at(0, "new a"), at(3601, "old a"), at(3599, "in the window")]),
        (json!({"app": "b"}), vec![at(0, "new b"), at(7200, "old b")]),
        (json!({"app": "c"}), vec![at(0, "new c")]),
    ]);
    let time = |secs: i64| rfc3339(base - secs * SECOND);
    let go = |secs: i64| time(secs).replace('T', " ").replace('Z', " +0000 UTC");
    let one = |app: &str, secs: i64, of: usize| {
        format!(
            "entry with timestamp {} ignored, reason: 'entry too far behind, entry timestamp is: {}, oldest acceptable timestamp is: {}',\nuser 'fake', total ignored: 1 out of {of} for stream: {{app=\"{app}\", service_name=\"{app}\"}}",
            go(secs),
            time(secs),
            time(3600)
        )
    };
    assert_refused(&reply.expect("it answers"), 400, &format!("{}\n{}", one("a", 3601, 3), one("b", 7200, 2)));
    assert_eq!(texts(api, "{app=\"a\"}"), ["in the window", "new a"]);
    assert_eq!(texts(api, "{app=\"b\"}"), ["new b"]);
    assert_eq!(texts(api, "{app=\"c\"}"), ["new c"]);
    // An entry equal to the one before is passed over.
    push(api, json!({"app": "c"}), vec![at(0, "new c")]).expect(204);
    assert_eq!(texts(api, "{app=\"c\"}"), ["new c"]);
}

#[test]
fn out_of_order_entries_may_be_forbidden() {
    let (_home, loptr) = start("limits_config:\n  unordered_writes: false\n");
    let reply = push(loptr.api(), json!({"app": "a"}), vec![line(1, "new"), line(2, "old")]);
    assert_eq!(reply.status, 400);
    assert!(
        reply.text().contains("ignored, reason: 'entry out of order',\nuser 'fake', total ignored: 1 out of 2"),
        "{}",
        reply.text()
    );
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["new"]);
}

#[test]
fn every_encoding_of_a_body_is_read() {
    let (_home, loptr) = start("");
    let api = loptr.api();
    let body = |text: &str| push_body(&[(json!({"app": "a"}), vec![line(1, text)])]);
    let proto = |text: &str| proto_push(&[("{app=\"a\"}", vec![(now(), text, vec![("k", "v")])])]);
    let deflated = |bytes: &[u8]| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("a Vec takes everything");
        encoder.finish().expect("a Vec takes everything")
    };
    const PROTO: &str = "application/x-protobuf";
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("application/json", "", body("json")),
        ("application/json; charset=utf-8", "gzip", gzip(&body("json gzip"))),
        ("application/json", "deflate", deflated(&body("json deflate"))),
        ("application/json", "snappy", body("json called snappy")),
        (PROTO, "", snappy(&proto("proto"))),
        (PROTO, "snappy", snappy(&proto("proto called snappy"))),
        (PROTO, "gzip", gzip(&snappy(&proto("proto gzip")))),
        (PROTO, "deflate", deflated(&snappy(&proto("proto deflate")))),
        ("text/whatever", "", snappy(&proto("proto under any name"))),
    ];
    for (kind, encoding, body) in &cases {
        let mut headers = vec![("content-type", *kind)];
        if !encoding.is_empty() {
            headers.push(("content-encoding", *encoding));
        }
        let reply = api.send("POST", "/loki/api/v1/push", &headers, body).expect("it answers");
        assert_eq!(reply.status, 204, "{kind} {encoding}: {}", reply.text());
    }
    let found = stored(api, "{app=\"a\"}");
    let mut found: Vec<(&str, Option<&str>)> =
        found[0].1.iter().map(|line| (&*line.line, line.metadata.get("k").map(String::as_str))).collect();
    found.sort();
    let expected = [
        ("json", None),
        ("json called snappy", None),
        ("json deflate", None),
        ("json gzip", None),
        ("proto", Some("v")),
        ("proto called snappy", Some("v")),
        ("proto deflate", Some("v")),
        ("proto gzip", Some("v")),
        ("proto under any name", Some("v")),
    ];
    assert_eq!(found, expected);
}

#[test]
fn tenants_are_apart() {
    let home = Home::edited("", &[("auth_enabled: false", "auth_enabled: true")]);
    let loptr = home.start();
    let nobody = loptr.api();
    for reply in [
        push(nobody, json!({"app": "a"}), vec![line(1, "x")]),
        push(&nobody.of(""), json!({"app": "a"}), vec![line(1, "x")]),
        nobody.get("/loki/api/v1/labels", &[]),
        nobody.get("/loki/api/v1/query_range", &[("query", "{app=\"a\"}")]),
    ] {
        assert_eq!((reply.status, reply.text()), (401, "no org id\n".to_owned()));
    }
    let (one, two) = (nobody.of("one"), nobody.of("two"));
    push(&one, json!({"app": "a", "of": "one"}), vec![line(1, "of one")]).expect(204);
    push(&two, json!({"app": "a", "of": "two"}), vec![line(1, "of two")]).expect(204);
    push(&nobody.of("one|one"), json!({"app": "a", "of": "one"}), vec![line(0, "of one again")]).expect(204);
    let reply = push(&nobody.of("one|two"), json!({"app": "a"}), vec![line(1, "x")]);
    assert_eq!((reply.status, reply.text().trim_end()), (400, "multiple org IDs present"));
    let reply = push(&nobody.of("a/b"), json!({"app": "a"}), vec![line(1, "x")]);
    assert_eq!((reply.status, reply.text().trim_end()), (400, "tenant ID 'a/b' contains unsupported character '/'"));
    let check = |one: &Api, two: &Api| {
        assert_eq!(texts(one, "{app=\"a\"}"), ["of one", "of one again"]);
        assert_eq!(texts(two, "{app=\"a\"}"), ["of two"]);
        for (api, of) in [(one, "one"), (two, "two")] {
            let values = api.get("/loki/api/v1/label/of/values", &[]).expect(200).json();
            assert_eq!(values["data"], json!([of]));
            let series = api.get("/loki/api/v1/series", &[]).expect(200).json();
            assert_eq!(series["data"], json!([{"app": "a", "of": of, "service_name": "a"}]));
        }
        let other = one.of("three").get("/loki/api/v1/labels", &[]).expect(200).json();
        assert_eq!(other, json!({"status": "success"}));
    };
    check(&one, &two);
    // From the bucket, too.
    let until = Instant::now() + Duration::from_secs(20);
    while nobody.metric("loki_ingester_memory_chunks") > 0.0 && Instant::now() < until {
        nobody.flush();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(loptr.stop().0.success());
    let loptr = home.start();
    assert_eq!(loptr.api().metric("loki_ingester_memory_chunks"), 0.0);
    check(&loptr.api().of("one"), &loptr.api().of("two"));
}

#[test]
fn without_authentication_the_header_means_nothing() {
    let (_home, loptr) = start("");
    push(&loptr.api().of("somebody"), json!({"app": "a"}), vec![line(1, "x")]).expect(204);
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["x"]);
    assert_eq!(texts(&loptr.api().of("another"), "{app=\"a\"}"), ["x"]);
}

#[test]
fn unknown_paths_and_methods() {
    let (_home, loptr) = start("");
    let reply = loptr.api().get("/loki/api/v1/nothing", &[]);
    assert_eq!((reply.status, reply.text().trim_end()), (404, "404 page not found"));
    let reply = loptr.api().get("/loki/api/v1/push", &[]);
    assert_eq!((reply.status, reply.text()), (405, String::new()));
}

/// A limit on the size of files stands for a full disk: the log cannot be written any more.
#[test]
fn a_log_that_cannot_be_written_is_503_until_the_next_start() {
    let home = Home::new("");
    let mut limited = Command::new("sh");
    // Ignored, the signal becomes an error of the write.
    limited.arg("-c").arg("trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\"");
    limited.arg(home.command().get_program()).args(home.command().get_args()).current_dir(home.dir());
    let loptr = Loptr::start(limited);
    let mut acknowledged = Vec::new();
    let refused = loop {
        assert!(acknowledged.len() < 100, "the limit was not met");
        let text = format!("{} {}", acknowledged.len(), "x".repeat(20_000));
        let reply = push(loptr.api(), json!({"app": "a"}), vec![line(1, &text)]);
        if reply.status != 204 {
            break reply;
        }
        acknowledged.push(text);
    };
    assert!(!acknowledged.is_empty());
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().starts_with("the write-ahead log cannot be written: "), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("5"));
    push(loptr.api(), json!({"app": "a"}), vec![line(1, "small")]).expect(503);
    let found = texts(loptr.api(), "{app=\"a\"}");
    assert!(acknowledged.iter().all(|line| found.contains(line)), "reads go on");
    loptr.kill();
    let loptr = home.start();
    let found = texts(loptr.api(), "{app=\"a\"}");
    assert!(acknowledged.iter().all(|line| found.iter().filter(|found| *found == line).count() == 1));
    push(loptr.api(), json!({"app": "a"}), vec![line(0, "after")]).expect(204);
}

#[test]
fn a_stop_in_order_keeps_everything() {
    let home = Home::new("shutdown_delay: 2s\n");
    let mut loptr = home.start();
    eprintln!("ready after {:?}", loptr.started_in);
    assert_eq!(loptr.api().get("/ready", &[]).expect(200).text(), "ready\n");
    push(loptr.api(), json!({"app": "a"}), vec![line(1, "before the stop")]).expect(204);
    loptr.terminate();
    let until = Instant::now() + Duration::from_millis(1900);
    let not_ready = loop {
        let reply = loptr.api().get("/ready", &[]);
        if reply.status != 200 || Instant::now() > until {
            break reply;
        }
    };
    assert_eq!((not_ready.status, not_ready.text().trim_end()), (503, "Application is stopping"));
    // Others may not have seen that yet.
    push(loptr.api(), json!({"app": "a"}), vec![line(0, "while stopping")]).expect(204);
    let (status, log) = loptr.wait();
    assert!(status.success(), "{status}");
    assert!(log.last().is_some_and(|line| line.contains("Loptr stopped")), "{log:?}");
    let loptr = home.start();
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["before the stop", "while stopping"]);
}

#[test]
fn a_stop_can_leave_everything_in_the_bucket() {
    let home = Home::new("ingester:\n  wal:\n    flush_on_shutdown: true\n");
    let loptr = home.start();
    push(loptr.api(), json!({"app": "a"}), vec![line(1, "flushed")]).expect(204);
    assert!(loptr.stop().0.success());
    let loptr = home.start();
    assert_eq!(loptr.api().metric("loki_ingester_memory_chunks"), 0.0);
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["flushed"]);
}

#[test]
fn without_a_log_a_stop_keeps_everything_and_a_kill_what_was_flushed() {
    let home = Home::new("ingester:\n  wal:\n    enabled: false\n");
    let loptr = home.start();
    push(loptr.api(), json!({"app": "a"}), vec![line(2, "stopped")]).expect(204);
    assert!(loptr.stop().0.success());
    let loptr = home.start();
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["stopped"]);
    push(loptr.api(), json!({"app": "a"}), vec![line(1, "killed")]).expect(204);
    assert_eq!(texts(loptr.api(), "{app=\"a\"}"), ["stopped", "killed"]);
    loptr.kill();
    assert_eq!(texts(home.start().api(), "{app=\"a\"}"), ["stopped"]);
}

#[test]
fn a_push_under_way_is_finished_before_the_end() {
    let home = Home::new("");
    let mut loptr = home.start();
    let body = push_body(&[(json!({"app": "a"}), vec![line(1, "slow")])]);
    let request = request_bytes("POST", "/loki/api/v1/push", &[JSON], &body);
    let (first, second) = request.split_at(request.len() - 10);
    let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
    stream.write_all(first).expect("it reads");
    // The request is under way once its head was read.
    let until = Instant::now() + Duration::from_secs(5);
    while loptr.api().metric_sum("loki_inflight_requests") < 2.0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    loptr.terminate();
    while TcpStream::connect(loptr.api().address).is_ok() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(second).expect("it reads");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers");
    assert_eq!(parse_reply(&bytes).expect("a whole answer").status, 204);
    assert!(loptr.wait().0.success());
    assert_eq!(texts(home.start().api(), "{app=\"a\"}"), ["slow"]);
}

/// Clients keep their connections for the next request.
#[test]
fn idle_connections_do_not_delay_the_end() {
    let home = Home::new("");
    let loptr = home.start();
    let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
    for _ in 0..2 {
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: test\r\n\r\n").expect("it reads");
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"ready\n") {
            let mut part = [0; 1024];
            let len = stream.read(&mut part).expect("it answers");
            assert!(len > 0, "the connection stays open");
            bytes.extend_from_slice(&part[..len]);
        }
    }
    let begun = Instant::now();
    assert!(loptr.stop().0.success());
    // Far below the grace that requests under way have.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

pub(crate) fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).expect("a Vec takes everything")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

type ProtoEntry<'a> = (i64, &'a str, Vec<(&'a str, &'a str)>);

/// A `PushRequest`, written by hand so that it is not our own encoder that is read back.
fn proto_push(streams: &[(&str, Vec<ProtoEntry<'_>>)]) -> Vec<u8> {
    fn varint(out: &mut Vec<u8>, mut value: u64) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    fn bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
        varint(out, field << 3 | 2);
        varint(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
    let mut request = Vec::new();
    for (labels, entries) in streams {
        let mut stream = Vec::new();
        bytes(&mut stream, 1, labels.as_bytes());
        for (ts, line, metadata) in entries {
            let mut time = vec![1 << 3];
            varint(&mut time, ts.div_euclid(SECOND).unsigned_abs());
            time.push(2 << 3);
            varint(&mut time, ts.rem_euclid(SECOND).unsigned_abs());
            let mut entry = Vec::new();
            bytes(&mut entry, 1, &time);
            bytes(&mut entry, 2, line.as_bytes());
            for (name, value) in metadata {
                let mut pair = Vec::new();
                bytes(&mut pair, 1, name.as_bytes());
                bytes(&mut pair, 2, value.as_bytes());
                bytes(&mut entry, 3, &pair);
            }
            bytes(&mut stream, 2, &entry);
        }
        bytes(&mut request, 1, &stream);
    }
    request
}
