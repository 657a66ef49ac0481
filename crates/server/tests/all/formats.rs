//! Answers in other formats than JSON. What upstream answers in protobuf is compared by `loptr-conformance`; here that
//! each route has its formats and refuses the others, and that a reader finds the lines.

use serde_json::json;

use crate::support::http::{Api, Reply, form};
use crate::support::now;
use crate::support::process::Home;

const PROTOBUF: &str = "application/vnd.google.protobuf";
const PARQUET: &str = "application/vnd.apache.parquet";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const SECOND: i64 = 1_000_000_000;

/// Routes of lines and samples, with a query each; `/loki/api/v1` only where nothing else is said.
const TABLES: [(&str, &str); 6] = [
    ("/loki/api/v1/query_range", "{app=\"a\"}"),
    ("/loki/api/v1/query_range", "count_over_time({app=\"a\"}[1m])"),
    ("/loki/api/v1/query", "count_over_time({app=\"a\"}[1h])"),
    ("/loki/api/v1/index/volume", "{app=\"a\"}"),
    ("/loki/api/v1/index/volume_range", "{app=\"a\"}"),
    ("/api/prom/query", "{app=\"a\"}"),
];
const LISTS: [&str; 11] = [
    "/loki/api/v1/labels",
    "/loki/api/v1/label/app/values",
    "/loki/api/v1/series",
    "/loki/api/v1/index/stats",
    "/loki/api/v1/index/shards",
    "/loki/api/v1/patterns",
    "/loki/api/v1/detected_labels",
    "/loki/api/v1/detected_fields",
    "/loki/api/v1/detected_field/n/values",
    "/api/prom/label",
    "/api/prom/series",
];

fn start(more: &str) -> (Home, crate::support::process::Loptr) {
    let patterns = "pattern_ingester: {enabled: true, lifecycler: {ring: {kvstore: {store: inmemory}}}}\n";
    let home = Home::new(&format!("{patterns}{more}"));
    let loptr = home.start();
    let line =
        |at: i64| json!([(now() - at * SECOND).to_string(), format!("n={at} needle"), {"trace": at.to_string()}]);
    let pushed = loptr.api().push(&[(json!({"app": "a"}), (1..50).map(line).collect())]);
    assert_eq!(pushed.expect("it answers").status, 204);
    (home, loptr)
}

fn ask(api: &Api, path: &str, query: &str, accept: &str) -> Reply {
    let target = format!("{path}?{}", form(&[("query", query), ("targetBytesPerShard", "1KB"), ("step", "60")]));
    api.send("GET", &target, &[("accept", accept)], b"").expect("it answers")
}

#[test]
fn every_route_has_its_formats() {
    let (_home, loptr) = start("frontend: {support_parquet_encoding: true}\n");
    for (path, query) in TABLES {
        for (accept, begin) in [(PROTOBUF, &b"\x0a\x00"[..]), (PARQUET, &b"PAR1"[..]), (ARROW, &[0xff; 4][..])] {
            let reply = ask(loptr.api(), path, query, accept).expect(200);
            assert_eq!(reply.header("content-type"), Some(accept), "{path}");
            assert!(reply.body.starts_with(begin), "{path} {accept}: {:?}", &reply.body[..reply.body.len().min(20)]);
            assert!(reply.body.len() > 100, "{path} {accept}");
        }
    }
    for path in LISTS {
        let reply = ask(loptr.api(), path, "{app=\"a\"}", PROTOBUF).expect(200);
        assert_eq!((reply.header("content-type"), &reply.body[..2]), (Some(PROTOBUF), &b"\x0a\x00"[..]), "{path}");
        for (accept, name) in [(PARQUET, "Parquet"), (ARROW, "Arrow")] {
            let reply = ask(loptr.api(), path, "{app=\"a\"}", accept);
            assert_eq!(
                (reply.status, reply.text()),
                (400, format!("request does not support {name} responses")),
                "{path}"
            );
        }
    }
    // Errors are text in every format.
    for accept in [PROTOBUF, PARQUET, ARROW] {
        let reply = ask(loptr.api(), "/loki/api/v1/query_range", "{", accept);
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("text/plain; charset=utf-8")));
    }
}

#[test]
fn lines_are_found_in_every_format() {
    let (_home, loptr) = start("frontend: {support_parquet_encoding: true}\n");
    let has = |reply: &Reply, text: &str| reply.body.windows(text.len()).any(|part| part == text.as_bytes());
    for accept in [PROTOBUF, ARROW] {
        let target = format!("/loki/api/v1/query_range?{}", form(&[("query", "{app=\"a\"}")]));
        let flags = [("accept", accept), ("x-loki-response-encoding-flags", "categorize-labels")];
        let apart = loptr.api().send("GET", &target, &flags, b"").expect("it answers").expect(200);
        for at in 1..50 {
            assert!(has(&apart, &format!("n={at} needle")), "{accept} {at}");
        }
        assert!(has(&apart, "trace"), "{accept}");
        assert_eq!(apart.header("x-loptr-read-streams"), Some("1"));
        assert_eq!(has(&apart, "structured_metadata"), accept == ARROW);
    }
}

#[test]
fn parquet_is_given_where_it_is_switched_on() {
    let (_home, loptr) = start("");
    let reply = ask(loptr.api(), "/loki/api/v1/query_range", "{app=\"a\"}", PARQUET);
    let told = "support for Parquet encoded responses is disabled. Enable with -frontend.support-parquet-encoding=true";
    assert_eq!((reply.status, reply.text().as_str()), (400, told));
    // Routes that upstream's frontend does not encode take no notice.
    for path in ["/loki/api/v1/format_query", "/ready"] {
        ask(loptr.api(), path, "{app=\"a\"}", PARQUET).expect(200);
    }
}
