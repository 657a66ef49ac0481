//! Tails: every entry once and in order, also across a flush; limits and refusals; the end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Api;
use crate::support::now;
use crate::support::process::Home;
use crate::support::ws::{Said, Socket};

const PATIENCE: Duration = Duration::from_secs(20);
const PATH: &str = "/loki/api/v1/tail";

fn push(api: &Api, lines: std::ops::Range<usize>) {
    let base = now();
    let values = lines.map(|at| json!([(base + at as i64).to_string(), format!("{at} line"), {"id": at.to_string()}]));
    let reply = api.push(&[(json!({"app": "a"}), values.collect())]).expect("it answers");
    assert_eq!(reply.status, 204, "{}", reply.text());
}

fn frame(socket: &mut Socket) -> Value {
    match socket.next(PATIENCE) {
        Said::Text(text) => serde_json::from_str(&text).expect("frames are JSON"),
        other => panic!("{other:?} instead of a frame"),
    }
}

/// The numbers of lines until `count` came.
fn numbers(socket: &mut Socket, count: usize) -> Vec<usize> {
    let mut all = Vec::new();
    while all.len() < count {
        let frame = frame(socket);
        assert!(frame.get("dropped_entries").is_none(), "{frame}");
        for stream in frame["streams"].as_array().expect("a list") {
            let line = stream["values"][0][1].as_str().expect("a line");
            all.push(line.split(' ').next().and_then(|n| n.parse().ok()).expect("a number"));
        }
    }
    all
}

#[test]
fn every_line_comes_once_and_in_order_across_a_flush() {
    let home = Home::new("limits_config:\n  ingestion_rate_mb: 100\n  ingestion_burst_size_mb: 100\n");
    let loptr = home.start();
    push(loptr.api(), 0..50);
    let params = [("query", "{app=\"a\"}"), ("limit", "30")];
    let mut socket = Socket::open(loptr.api(), PATH, &params, &[]).expect("it opens");
    assert_eq!(numbers(&mut socket, 30), (20..50).collect::<Vec<_>>());
    for at in 0..20 {
        push(loptr.api(), 50 + at * 250..300 + at * 250);
        if at % 7 == 3 {
            loptr.api().flush();
        }
    }
    assert_eq!(numbers(&mut socket, 5000), (50..5050).collect::<Vec<_>>());
    assert_eq!(socket.next(Duration::from_millis(300)), Said::Nothing);
}

#[test]
fn frames_have_upstreams_shapes() {
    let home = Home::new("");
    let loptr = home.start();
    let flags = [("X-Loki-Response-Encoding-Flags", "categorize-labels")];
    let query = [("query", "{app=\"a\"} |= \"line\"")];
    let mut plain = Socket::open(loptr.api(), PATH, &query, &[]).expect("it opens");
    let mut categorized = Socket::open(loptr.api(), PATH, &query, &flags).expect("it opens");
    let mut legacy = Socket::open(loptr.api(), "/api/prom/tail", &query, &[]).expect("it opens");
    push(loptr.api(), 7..8);
    let told = frame(&mut plain);
    let labels = json!({"app": "a", "detected_level": "unknown", "id": "7", "service_name": "a"});
    assert_eq!((&told["streams"][0]["stream"], &told["streams"][0]["values"][0][1]), (&labels, &json!("7 line")));
    let told = frame(&mut categorized);
    assert_eq!(told["streams"][0]["stream"], json!({"app": "a", "service_name": "a"}));
    assert_eq!(told["streams"][0]["values"][0][2]["structuredMetadata"]["id"], "7");
    assert_eq!(told["encodingFlags"], json!(["categorize-labels"]));
    let told = frame(&mut legacy);
    assert_eq!(told["streams"][0]["entries"][0]["line"], "7 line");
    assert_eq!(told["streams"][0]["labels"], r#"{app="a", detected_level="unknown", id="7", service_name="a"}"#);
}

#[test]
fn what_cannot_be_tailed_is_refused_in_upstreams_words() {
    let home = Home::new("limits_config:\n  max_concurrent_tail_requests: 1\nquerier:\n  tail_max_duration: 2s\n");
    let loptr = home.start();
    let open = |params: &[(&str, &str)]| Socket::open(loptr.api(), PATH, params, &[]);
    let selector = ("query", "{app=\"a\"}");
    let refusal = |params: &[(&str, &str)]| open(params).err().expect("it is refused");
    assert_eq!(refusal(&[selector, ("delay_for", "6")]), (400, "delay_for can't be greater than 5".to_owned()));
    assert_eq!(refusal(&[selector, ("limit", "0")]), (400, "limit must be a positive value".to_owned()));
    assert_eq!(refusal(&[("query", "{")]).0, 400);
    assert_eq!(loptr.api().get(PATH, &[selector]).status, 400);
    let said = |mut socket: Socket| socket.next(PATIENCE);
    let closed = |reason: &str| Said::Close(1011, reason.to_owned());
    let metric = open(&[("query", "rate({app=\"a\"}[1m])")]).expect("it opens");
    assert_eq!(said(metric), closed("only log selector is supported"));
    let first = open(&[selector]).expect("it opens");
    let limit = "rpc error: code = Code(400) desc = max concurrent tail requests limit exceeded, count > limit (2 > 1)";
    // The first is counted once its query is under way.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(said(open(&[selector]).expect("it opens")), closed(limit));
    assert_eq!(said(first), closed("reached tail max duration limit"));
}

#[test]
fn a_client_that_says_goodbye_is_answered() {
    let home = Home::new("");
    let loptr = home.start();
    let mut socket = Socket::open(loptr.api(), PATH, &[("query", "{app=\"a\"}")], &[]).expect("it opens");
    push(loptr.api(), 0..1);
    assert_eq!(numbers(&mut socket, 1), [0]);
    socket.close(1000);
    assert_eq!(socket.next(PATIENCE), Said::Close(1000, String::new()));
    let until = std::time::Instant::now() + PATIENCE;
    while loptr.api().metric("loki_querier_tail_active") > 0.0 {
        assert!(std::time::Instant::now() < until, "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_stop_says_goodbye() {
    let home = Home::new("");
    let mut loptr = home.start();
    let mut socket = Socket::open(loptr.api(), PATH, &[("query", "{app=\"a\"}")], &[]).expect("it opens");
    push(loptr.api(), 0..1);
    assert_eq!(numbers(&mut socket, 1), [0]);
    loptr.terminate();
    assert_eq!(socket.next(PATIENCE), Said::Close(1001, "the server is shutting down".to_owned()));
    let (status, _) = loptr.wait();
    assert!(status.success());
}

#[test]
fn a_client_that_sleeps_is_told_each_line_it_lost() {
    let limits = "limits_config: {ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB}\n";
    let home = Home::new(limits);
    let loptr = home.start();
    let mut socket = Socket::open(loptr.api(), PATH, &[("query", "{app=\"a\"}")], &[]).expect("it opens");
    push(loptr.api(), 0..1);
    assert_eq!(numbers(&mut socket, 1), [0]);
    // More than the server and both sockets hold: 600 bytes each.
    let all = 40_000;
    let base = now();
    let filling = "x".repeat(600);
    for first in (0..all).step_by(1000) {
        let line = |at: usize| json!([(base + at as i64).to_string(), format!("{at} {filling}")]);
        let reply = loptr.api().push(&[(json!({"app": "a"}), (first..first + 1000).map(line).collect())]);
        reply.expect("it answers").expect(204);
    }
    std::thread::sleep(Duration::from_secs(3));
    let (mut told, mut lost) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    while told.len() + lost.len() < all {
        let frame = frame(&mut socket);
        for entry in frame["dropped_entries"].as_array().into_iter().flatten() {
            let ts: i64 = entry["timestamp"].as_str().and_then(|ts| ts.parse().ok()).expect("a time");
            assert!(lost.insert(ts - base), "{ts} is told twice");
        }
        for stream in frame["streams"].as_array().expect("a list") {
            for value in stream["values"].as_array().expect("values") {
                let ts: i64 = value[0].as_str().and_then(|ts| ts.parse().ok()).expect("a time");
                assert!(told.last().is_none_or(|last| *last < ts - base), "in order");
                told.insert(ts - base);
            }
        }
    }
    assert!(lost.len() > 1000 && told.is_disjoint(&lost), "{} lost", lost.len());
    assert_eq!(loptr.api().metric("loptr_tail_dropped_entries"), lost.len() as f64);
    eprintln!("{} lines told, {} named as lost, {all} pushed", told.len(), lost.len());
    assert_eq!(socket.next(Duration::from_millis(300)), Said::Nothing);
}
