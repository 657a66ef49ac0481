//! The read routes beside queries: volumes, shards, detected labels and fields, the old routes; what is refused, and in
//! which words.

use serde_json::{Value, json};

use crate::support::http::{Api, Reply, form};
use crate::support::now;
use crate::support::process::Home;

const SECOND: i64 = 1_000_000_000;

fn ns(secs_ago: i64) -> String {
    (now() - secs_ago * SECOND).to_string()
}

fn ask(api: &Api, path: &str, params: &[(&str, &str)]) -> Reply {
    let (start, end) = (ns(3600), ns(0));
    let mut all = vec![("start", start.as_str()), ("end", end.as_str())];
    all.extend(params);
    let got = api.get(path, &all);
    // A form says the same as a URL.
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let posted = api.send("POST", path, &headers, form(&all).as_bytes()).expect("it answers");
    assert_eq!((got.status, strip(&got)), (posted.status, strip(&posted)), "{path}");
    got
}

/// The body without figures that differ from run to run.
fn strip(reply: &Reply) -> String {
    let text = reply.text();
    text.split("\"stats\":{").next().unwrap_or_default().to_owned()
}

/// Two streams, one of documents and one of pairs.
fn fill(api: &Api) {
    let documents = (0..10).map(|at| json!([ns(100 - at), format!(r#"{{"user":{{"id":{at}}},"took":"{at}ms"}}"#)]));
    let pairs = (0..10).map(|at| json!([ns(100 - at), format!("size={at}kB ok=true"), {"trace": at.to_string()}]));
    let streams = [
        (json!({"app": "a", "pod": "7", "shard": "1"}), documents.collect()),
        (json!({"app": "b", "pod": "8", "shard": "2"}), pairs.collect()),
    ];
    assert_eq!(api.push(&streams).expect("it answers").status, 204);
}

#[test]
fn volumes_add_up() {
    let (home, many) = (Home::new(""), "{app=~\".+\"}");
    let loptr = home.start();
    fill(loptr.api());
    let volume = |path: &str, params: &[(&str, &str)]| ask(loptr.api(), path, params).expect(200).json();
    let whole = volume("/loki/api/v1/index/volume", &[("query", many)]);
    assert_eq!(whole["data"]["resultType"], "vector");
    let result = whole["data"]["result"].as_array().expect("a list").clone();
    assert_eq!((&result[0]["metric"], &result[1]["metric"]), (&json!({"app": "a"}), &json!({"app": "b"})));
    let sum = |result: &[Value]| -> u64 {
        result.iter().map(|series| series["value"][1].as_str().expect("text").parse::<u64>().expect("a number")).sum()
    };
    let names = volume("/loki/api/v1/index/volume", &[("query", many), ("aggregateBy", "labels"), ("limit", "1")]);
    let names = names["data"]["result"].as_array().expect("a list").clone();
    assert_eq!((names.len(), &names[0]["metric"], sum(&names)), (1, &json!({"app": ""}), sum(&result)));
    let ranged = [("query", many), ("step", "4s"), ("targetLabels", "pod")];
    let ranged = volume("/loki/api/v1/index/volume_range", &ranged);
    assert_eq!(ranged["data"]["resultType"], "matrix");
    assert_eq!(ranged["data"]["result"][0]["metric"], json!({"pod": "7"}));
    let shards = volume("/loki/api/v1/index/shards", &[("query", many), ("targetBytesPerShard", "1KB")]);
    assert_eq!(shards["shards"][0]["bounds"]["min"], 0);
    assert_eq!(shards["statistics"]["index"]["totalStreams"], 2);
}

#[test]
fn volumes_have_their_limits() {
    let home = Home::new("limits_config:\n  volume_max_series: 1\n");
    let loptr = home.start();
    fill(loptr.api());
    let reply = ask(loptr.api(), "/loki/api/v1/index/volume", &[("query", "{app=~\".+\"}")]);
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (500, "the query hit the max number of series limit (limit: 1 series)")
    );
    let reply = ask(loptr.api(), "/loki/api/v1/index/volume", &[("query", "{app=\"a\"}"), ("aggregateBy", "x")]);
    assert_eq!((reply.status, reply.text().as_str()), (400, "invalid aggregation option"));
    let home = Home::new("limits_config:\n  volume_enabled: false\n");
    let reply = ask(home.start().api(), "/loki/api/v1/index/volume", &[("query", "{app=\"a\"}")]);
    assert_eq!((reply.status, reply.text().as_str()), (404, "not found"));
}

#[test]
fn labels_and_fields_are_detected() {
    let home = Home::new("");
    let loptr = home.start();
    fill(loptr.api());
    let labels = ask(loptr.api(), "/loki/api/v1/detected_labels", &[]).expect(200).json();
    // `shard` holds numbers only; so does `pod`, but pods are always told.
    let told = json!({"detectedLabels": [
        {"label": "app", "cardinality": 2}, {"label": "pod", "cardinality": 2}, {"label": "service_name", "cardinality": 2},
    ]});
    assert_eq!(labels, told);
    let fields = |query: &str| ask(loptr.api(), "/loki/api/v1/detected_fields", &[("query", query)]).expect(200).json();
    let found = fields("{app=\"a\"}");
    assert_eq!(
        found["fields"][1],
        json!({"label": "took", "type": "duration", "cardinality": 10, "parsers": ["json"], "jsonPath": ["took"]})
    );
    assert_eq!(found["fields"][2]["jsonPath"], json!(["user", "id"]));
    let found = fields("{app=\"b\"}");
    assert_eq!(found["fields"][3], json!({"label": "trace", "type": "int", "cardinality": 10, "parsers": null}));
    assert_eq!(fields("{app=\"c\"}"), json!({}));
    let path = "/loki/api/v1/detected_field/size/values";
    let values = ask(loptr.api(), path, &[("query", "{app=\"b\"}"), ("limit", "2")]).expect(200).json();
    assert_eq!(values, json!({"limit": 2, "values": ["8.0kB", "9.0kB"]}));
    let reply = ask(loptr.api(), "/loki/api/v1/detected_fields", &[("query", "{app=\"a\"}"), ("line_limit", "5001")]);
    assert_eq!(reply.status, 400);
    assert_eq!(ask(loptr.api(), "/loki/api/v1/patterns", &[("query", "{app=\"a\"}")]).status, 404);
}

#[test]
fn long_answers_are_compressed_where_that_is_on() {
    let home = Home::new("frontend:\n  compress_responses: true\n");
    let loptr = home.start();
    fill(loptr.api());
    let target = |path: &str| format!("{path}?{}", form(&[("query", "{app=~\".+\"}")]));
    let headers = [("accept-encoding", "br, gzip")];
    let send = |path: &str| loptr.api().send("GET", &target(path), &headers, b"").expect("it answers").expect(200);
    let long = send("/loki/api/v1/query_range");
    assert_eq!((long.header("content-encoding"), long.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&long.body[..]), &mut text).expect("it is gzip");
    assert_eq!(text.matches("took").count(), 10);
    let short = send("/loki/api/v1/labels");
    assert_eq!((short.header("content-encoding"), short.json()["status"].as_str()), (None, Some("success")));
    let parquet = [("accept", "application/vnd.apache.parquet")];
    let reply = loptr.api().send("GET", &target("/loki/api/v1/query_range"), &parquet, b"").expect("it answers");
    assert!(reply.status == 400 && reply.text().starts_with("support for Parquet encoded responses is disabled"));
}

#[test]
fn old_routes_answer_in_their_shapes() {
    let home = Home::new("");
    let loptr = home.start();
    fill(loptr.api());
    let params = [("query", "{app=\"b\"}"), ("regexp", "size=[34]"), ("direction", "forward")];
    let found = ask(loptr.api(), "/api/prom/query", &params).expect(200).json();
    let lines: Vec<&str> = found["streams"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|stream| stream["entries"].as_array().expect("a list"))
        .filter_map(|entry| entry["line"].as_str())
        .collect();
    assert_eq!(lines, ["size=3kB ok=true", "size=4kB ok=true"]);
    let values = ask(loptr.api(), "/api/prom/label/app/values", &[]).expect(200).json();
    assert_eq!(values, json!({"values": ["a", "b"]}));
    assert_eq!(ask(loptr.api(), "/api/prom/label/x/values", &[]).expect(200).json(), json!({}));
    let reply = ask(loptr.api(), "/api/prom/query", &[("query", "rate({app=\"a\"}[1m])")]);
    assert_eq!((reply.status, reply.text().as_str()), (400, "legacy endpoints only support streams result type"));
    let reply = loptr.api().get("/loki/api/v1/drilldown-limits", &[]);
    assert_eq!((reply.status, reply.text().as_str()), (401, "no org id\n"));
    let limits = loptr.api().of("x").get("/loki/api/v1/drilldown-limits", &[]).expect(200).json();
    assert_eq!(
        (&limits["limits"]["query_timeout"], &limits["limits"]["volume_max_series"]),
        (&json!("1m"), &json!(1000))
    );
    assert_eq!(limits["pattern_ingester_enabled"], false);
}
