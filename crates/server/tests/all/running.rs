//! Running queries: listed, stopped, and ended when nobody waits for them any more.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Api, form, request_bytes};
use crate::support::now;
use crate::support::process::{Home, Loptr};

const SECOND: i64 = 1_000_000_000;
/// Longer than a query takes that is stopped, far shorter than one that is not.
const SOON: Duration = Duration::from_secs(15);

/// A process with enough lines to keep a query busy for minutes.
fn busy() -> (Home, Loptr) {
    let limits = "limits_config: {ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB}\nloptr: {admin_tenants: boss, wal: {reserve_bytes: 1MB}}\n";
    let home = Home::edited(
        limits,
        &[("auth_enabled: false", "auth_enabled: true"), ("loptr: {wal: {reserve_bytes: 1MB}}\n", "")],
    );
    let loptr = home.start();
    let api = loptr.api().of("alpha");
    for part in 0..10 {
        let line = |at: i64| {
            json!([
                (now() - 600 * SECOND + part * SECOND + at).to_string(),
                format!("line {at} {}", "secret ".repeat(20))
            ])
        };
        let values: Vec<Value> = (0..4000).map(line).collect();
        assert_eq!(
            api.push(&[(json!({"app": "x", "part": part.to_string()}), values)]).expect("it answers").status,
            204
        );
    }
    api.flush();
    (home, loptr)
}

/// Minutes of work: every line through forty templates.
fn endless() -> String {
    let stage = "| line_format `{{ regexReplaceAll \"(s)(e)(c)\" (__line__ | upper | lower) \"${1}${2}${3}\" }}` ";
    let stages = stage.repeat(40);
    let query = format!("sum(count_over_time({{app=\"x\"}} {stages} |= `needle` [1h]))");
    form(&[("query", &query)])
}

fn listed(api: &Api) -> Vec<Value> {
    let told = api.get("/loptr/queries", &[]).expect(200).json();
    told["queries"].as_array().expect("a list").clone()
}

fn wait_for(what: &str, found: impl Fn() -> bool) {
    let begun = Instant::now();
    while !found() {
        assert!(begun.elapsed() < SOON, "{what} within {SOON:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// No part of any query runs or waits.
fn idle(api: &Api) -> bool {
    api.metric("loptr_cpu_pool_running") == 0.0 && api.metric("loptr_cpu_pool_queued") == 0.0
}

#[test]
fn a_query_is_listed_stopped_and_told_so() {
    let (_home, loptr) = busy();
    let (alpha, boss, omega) = (loptr.api().of("alpha"), loptr.api().of("boss"), loptr.api().of("omega"));
    std::thread::scope(|scope| {
        let query = scope.spawn(|| alpha.send("GET", &format!("/loki/api/v1/query?{}", endless()), &[], b""));
        wait_for("the query is listed", || !listed(&boss).is_empty());
        let told = listed(&boss).remove(0);
        assert_eq!(told["tenants"], json!(["alpha"]));
        assert!(told["query"].as_str().expect("a text").contains("needle"), "{told}");
        wait_for("it reads", || listed(&boss).first().is_some_and(|query| query["read_bytes"].as_u64() > Some(0)));
        assert_eq!(listed(&alpha).len(), 1);
        assert_eq!(listed(&omega), Vec::<Value>::new(), "of others nothing");
        let page = |api: &Api| api.get("/loptr/", &[]).expect(200).text();
        assert!(page(&boss).contains("needle") && page(&alpha).contains("needle") && !page(&omega).contains("needle"));
        let cancel = format!("/loptr/queries/{}/cancel", told["id"]);
        for (api, method, status) in
            [(&alpha, "POST", 403), (&omega, "POST", 403), (&boss, "GET", 405), (&boss, "POST", 303)]
        {
            assert_eq!(api.send(method, &cancel, &[], b"").expect("it answers").status, status);
        }
        let begun = Instant::now();
        let reply = query.join().expect("it does not panic").expect("it answers");
        assert_eq!((reply.status, reply.text().as_str()), (499, "the request was cancelled by the client"));
        assert!(begun.elapsed() < SOON, "stopped after {:?}", begun.elapsed());
    });
    wait_for("nothing runs", || listed(&boss).is_empty() && idle(&boss));
}

#[test]
fn a_client_that_goes_away_stops_the_work_down_to_the_last_chunk() {
    let (_home, loptr) = busy();
    let boss = loptr.api().of("boss");
    let target = format!("/loki/api/v1/query?{}", endless());
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
        stream.write_all(&request_bytes("GET", &target, &[("x-scope-orgid", "alpha")], b"")).expect("it reads");
        clients.push(stream);
    }
    wait_for("three queries run", || listed(&boss).len() == 3 && !idle(&boss));
    drop(clients);
    wait_for("no query is listed", || listed(&boss).is_empty());
    wait_for("no chunk is read", || idle(&boss) && boss.metric("loptr_query_memory_bytes") == 0.0);
    // What is left answers at once.
    let begun = Instant::now();
    loptr.api().of("alpha").get("/loki/api/v1/query_range", &[("query", "{app=\"x\"}"), ("limit", "1")]).expect(200);
    assert!(begun.elapsed() < SOON);
}
