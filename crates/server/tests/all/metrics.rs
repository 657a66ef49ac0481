//! `/metrics` beside the list of upstream's that dashboards, alerts and documentation use, and beside `docs/metrics.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::support::http::{Api, JSON, push_body};
use crate::support::now;
use crate::support::process::{Home, Loptr};

/// Name, type, labels, who uses it, class; tabs between.
const UPSTREAM: &str = include_str!("../../testdata/upstream-metrics.tsv");
const PAGE: &str = include_str!("../../../../docs/metrics.md");

/// Labels that are there only once something was counted under them upstream, too, or that upstream adds here and not
/// there.
const NO_SAMPLES: &[&str] = &["loki_discarded_bytes_total"];

/// One family of a scrape.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    samples: usize,
    sum: f64,
}

/// A classic text, by family.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').expect("a name and a type");
            name = family.to_owned();
            let before = all.insert(name.clone(), Family { kind: kind.to_owned(), ..Family::default() });
            assert!(before.is_none(), "{name} is there twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&name), "{line} follows {name}");
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let family = all.get_mut(&name).expect("its type came before");
            family.samples += 1;
            family.sum += value.parse::<f64>().unwrap_or_else(|error| panic!("{line}: {error}"));
            let labels = series.split_once('{').map_or("", |(_, labels)| labels);
            family.labels.extend(label_names(labels));
        }
    }
    all
}

/// `a="b",c="d"}` → `a`, `c`; but what the format itself adds.
fn label_names(labels: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = labels;
    while let Some((name, after)) = rest.split_once("=\"") {
        names.push(name.trim_start_matches(',').to_owned());
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &after[end.expect("a value ends") + 1..];
    }
    names.retain(|name| name != "le" && name != "quantile");
    names
}

fn ask(api: &Api, path: &str, params: &[(&str, &str)]) {
    api.get(path, params);
}

/// Pushes good and refused, queries good, bad and blocked, labels, volumes, a flush, a route that is not there.
fn traffic(loptr: &Loptr) {
    let (api, blocked) = (loptr.api().of("shop"), loptr.api().of("blocked"));
    let line = |at: i64, text: &str| json!([at.to_string(), text, {"trace": "1"}]);
    for number in 0..20 {
        let streams = [(json!({"app": "a", "pod": format!("p{number}")}), vec![line(now(), "level=info GET /")])];
        api.push(&streams).expect("it answers").expect(204);
    }
    blocked.push(&[(json!({"app": "a"}), vec![line(now(), "x")])]).expect("it answers").expect(204);
    api.push(&[(json!({"app": "a"}), vec![line(5, "too old")])]).expect("it answers").expect(400);
    api.send("POST", "/loki/api/v1/push", &[JSON], b"{").expect("it answers").expect(400);
    let large = push_body(&[(json!({"app": "a"}), vec![line(now(), &"x".repeat(70_000))])]);
    api.send("POST", "/loki/api/v1/push", &[JSON], &large).expect("it answers").expect(413);
    api.flush();
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..2 {
        ask(&api, "/loki/api/v1/query_range", &[("query", r#"{app="a"} |= "GET""#)]);
        ask(&api, "/loki/api/v1/query_range", &[("query", r#"{app="a"}"#)]);
        ask(&api, "/loki/api/v1/query_range", &[("query", r#"sum by (app) (rate({app="a"}[1m]))"#)]);
        ask(&api, "/loki/api/v1/query", &[("query", r#"count_over_time({app="a"}[5m])"#)]);
        ask(&api, "/loki/api/v1/query", &[("query", "count_over_time({")]);
        ask(&api, "/loki/api/v1/labels", &[]);
        ask(&api, "/loki/api/v1/label/app/values", &[]);
        ask(&api, "/loki/api/v1/series", &[("match[]", r#"{app="a"}"#)]);
        ask(&api, "/loki/api/v1/index/stats", &[("query", r#"{app="a"}"#)]);
        ask(&api, "/loki/api/v1/index/volume", &[("query", r#"{app="a"}"#)]);
        ask(&api, "/nowhere", &[]);
    }
    let refused = blocked.get("/loki/api/v1/query", &[("query", r#"count_over_time({app="a"}[5m])"#)]);
    assert_eq!(refused.status, 400, "{refused:?}");
}

fn home() -> Home {
    let home = Home::edited(
        "distributor: {max_recv_msg_size: 65536}\ningester: {flush_check_period: 200ms}\n",
        &[("auth_enabled: false", "auth_enabled: true")],
    );
    let text = std::fs::read_to_string(home.config()).expect("just written");
    let runtime = home.dir().join("runtime.yaml");
    std::fs::write(&runtime, "overrides: {blocked: {blocked_queries: [{pattern: '.*', regex: true}]}}\n")
        .expect("writable");
    home.configure(&format!("{text}runtime_config: {{file: {}}}\n", runtime.display()));
    home
}

/// The names in backticks under a heading of the page, as far as they are metrics.
fn told_under(heading: &str) -> BTreeSet<&'static str> {
    let (_, section) = PAGE.split_once(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let names = section.split('`').skip(1).step_by(2);
    names.filter(|name| name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).collect()
}

#[test]
fn every_metric_that_is_used_is_there_or_told_to_be_absent() {
    let home = home();
    let loptr = home.start();
    traffic(&loptr);
    // What was flushed has left memory: a stream that is there.
    let newest = [(json!({"app": "b"}), vec![json!([now().to_string(), "x"])])];
    loptr.api().of("shop").push(&newest).expect("it answers").expect(204);
    let reply = loptr.api().get("/metrics", &[]).expect(200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"));
    let found = families(&reply.text());
    let absent = told_under("Absent");
    let mut faults = Vec::new();
    let (mut present, mut listed) = (0, 0);
    for row in UPSTREAM.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = row.split('\t').collect();
        let [name, kind, labels, _, class] = fields[..] else { panic!("{row}") };
        let Some(family) = found.get(name) else {
            if absent.contains(name) || class == "experimental" {
                listed += 1;
            } else {
                faults.push(format!("{name} is missing and docs/metrics.md does not say why"));
            }
            continue;
        };
        present += 1;
        if absent.contains(name) {
            faults.push(format!("{name} is there, though docs/metrics.md says it is not"));
        }
        if family.kind != kind {
            faults.push(format!("{name} is a {}, upstream's a {kind}", family.kind));
        }
        let labels: BTreeSet<String> = labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
        if family.labels != labels && !NO_SAMPLES.contains(&name) {
            faults.push(format!("{name} has labels {:?}, upstream's {labels:?}", family.labels));
        }
        if family.samples == 0 {
            faults.push(format!("{name} has no sample after traffic"));
        }
    }
    eprintln!("upstream's metrics in use: {present} present, {listed} listed as absent, {} faults", faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Of 182, 50 belong to blooms and other experiments.
    assert!(present >= 43, "{present}");

    let own: BTreeSet<&str> = found.keys().map(String::as_str).filter(|name| name.starts_with("loptr_")).collect();
    let told = told_under("Ours");
    let untold: Vec<&&str> = own.difference(&told).collect();
    assert!(untold.is_empty(), "not in docs/metrics.md: {untold:?}");
    let unknown: Vec<&&str> = told.difference(&own).collect();
    assert!(unknown.is_empty(), "in docs/metrics.md only: {unknown:?}");
}

#[test]
fn values_are_what_was_done() {
    let home = home();
    let loptr = home.start();
    traffic(&loptr);
    let text = loptr.api().get("/metrics", &[]).expect(200).text();
    let value = |series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or_else(|| panic!("no {series} in\n{text}"), |value| value.parse::<f64>().expect("a number"))
    };
    let lines = r#"{tenant="shop",is_internal_stream="false",policy="",format="loki"}"#;
    assert_eq!(value(&format!("loki_distributor_lines_received_total{lines}")), 21.0);
    let push = r#"{method="POST",route="loki_api_v1_push",status_code="204",ws="false"}"#;
    assert_eq!(value(&format!("loki_request_duration_seconds_count{push}")), 21.0);
    assert_eq!(value(r#"loki_ingester_streams_created_total{tenant="shop"}"#), 20.0);
    assert_eq!(value(r#"loki_ingester_chunks_flushed_total{reason="forced"}"#), 21.0);
    assert_eq!(value(r#"loki_ingester_chunks_stored_total{tenant="shop"}"#), 20.0);
    assert_eq!(value("loki_ingester_chunk_entries_count"), 21.0);
    assert_eq!(value("loki_ingester_chunk_entries_sum"), 21.0);
    assert!(value("loki_ingester_chunk_age_seconds_sum") < 21.0 * 60.0);
    assert_eq!(value("loki_chunk_store_index_entries_per_chunk_count"), 21.0);
    assert_eq!(value(r#"loki_blocked_queries{user="blocked"}"#), 1.0);
    assert_eq!(value("loki_ingester_flush_queue_length"), 0.0);
    assert_eq!(value("loki_panic_total"), 0.0);
    let bad = r#"{method="GET",route="loki_api_v1_query",status_code="400",ws="false"}"#;
    assert_eq!(value(&format!("loki_request_duration_seconds_count{bad}")), 3.0);
    let metric = r#"{status_code="200",type="metric",range="range"}"#;
    assert_eq!(value(&format!("loki_logql_querystats_latency_seconds_count{metric}")), 2.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_start_time_seconds") * 1e9 <= now() as f64);

    // The log says the same of each query, as upstream does, and of labels and their like.
    for (kind, lines) in
        [("component=querier", 6), ("query_type=labels", 4), ("query_type=series", 2), ("query_type=volume", 2)]
    {
        let log = loptr.log_lines();
        let told = log.iter().filter(|line| line.contains("caller=metrics.go") && line.contains(kind));
        assert!(told.count() >= lines, "{kind} in {log:#?}");
    }
    let log = loptr.log_lines();
    let queries: Vec<&String> =
        log.iter().filter(|line| line.contains(" caller=metrics.go component=frontend ")).collect();
    let ranges = queries.iter().filter(|line| line.contains(" query_type=metric range_type=range "));
    assert_eq!(ranges.count(), 2, "{queries:#?}");
    for part in
        [" org_id=shop latency=fast query=\"{app=\\\"a\\\"} |= \\\"GET\\\"\" ", " status=200 ", " returned_lines=20 "]
    {
        assert!(queries.iter().any(|line| line.contains(part)), "{part} in {queries:#?}");
    }
}

#[test]
fn scrapers_get_the_format_they_ask_for() {
    let home = Home::new("");
    let loptr = home.start();
    let accept =
        [("accept", "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")];
    let reply = loptr.api().send("GET", "/metrics", &accept, &[]).expect("it answers").expect(200);
    let kind = reply.header("content-type").expect("a type").to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = reply.text();
    assert!(text.ends_with("\n# EOF\n") && text.contains("# TYPE loki_panic counter\nloki_panic_total 0\n"), "{text}");
}
