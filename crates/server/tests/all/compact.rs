//! Compaction, retention and delete requests of the real process, also killed again and again.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::buckets::{Streams, check, stored};
use crate::support::archive;
use crate::support::http::{Api, Reply, form};
use crate::support::lines::{Direction, LogQuery, ask};
use crate::support::process::Home;
use crate::support::random::Draws;
use crate::support::{env_or, now};

/// Files below `dir`, by their paths from there.
fn files(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.expect("it is listed").path();
            match path.is_dir() {
                true => walk(&path, top, found),
                false => found.push(path.strip_prefix(top).expect("below").display().to_string()),
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

/// Index files: of all tenants, and of single ones.
fn index_files(home: &Home) -> (usize, usize) {
    let index = files(&home.dir().join("chunks/index"));
    let own = index.iter().filter(|path| path.matches('/').count() == 2).count();
    (index.len() - own, own)
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !until() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn two_tenants(more: &str) -> Home {
    let home = Home::edited(more, &[("auth_enabled: false", "auth_enabled: true")]);
    archive::unpack("tenants-uncompacted", &home.dir().join("chunks"));
    home
}

#[test]
fn a_bucket_of_upstreams_is_compacted_while_it_is_read() {
    let stored = stored(&archive::pushed("all.json"), true);
    let home = two_tenants("compactor: {compaction_interval: 300ms}\n");
    assert_eq!(index_files(&home), (1, 0));
    let loptr = home.start();
    wait("it is compacted", || index_files(&home) == (0, 2));
    check(&loptr.api().of("tenant-a"), &stored);
    check(&loptr.api().of("tenant-b"), &stored);
    check(&loptr.api().of("tenant-c"), &Streams::new());
    let runs = r#"loki_boltdb_shipper_compact_tables_operation_total{status="success"}"#;
    assert!(loptr.api().metric(runs) >= 1.0);
    assert_eq!(loptr.api().metric("loki_boltdb_shipper_compactor_running"), 1.0);
    assert_eq!(loptr.api().metric("loptr_compactor_files_written_total"), 2.0);
    assert!(loptr.stop().0.success());
    let loptr = home.start();
    check(&loptr.api().of("tenant-a"), &stored);
    assert!(loptr.stop().0.success());
}

/// One tenant keeps everything, the other's time is over; the process is killed at any moment, again and again.
#[test]
fn kills_lose_nothing_that_is_kept() {
    let stored = stored(&archive::pushed("all.json"), true);
    let home = two_tenants(
        "compactor: {compaction_interval: 200ms, apply_retention_interval: 400ms, retention_enabled: true, retention_delete_delay: 1s, delete_request_store: filesystem}
limits_config: {retention_period: 24h, per_tenant_override_config: runtime.yaml}\n",
    );
    fs::write(home.dir().join("runtime.yaml"), "overrides: {tenant-b: {retention_period: 0s}}\n").expect("writable");
    let told = home.run_first("retention-preview", &[]);
    let row = |word: &str| told.stdout.lines().find(|line| line.contains(word)).map(str::to_owned).unwrap_or_default();
    assert!(told.code == Some(0) && row("tenant-a").ends_with(" 15293"), "{told:?}");
    assert!(row("would be removed").ends_with(" 15293") && row("tenant-b").is_empty(), "{told:?}");
    let held = home.run_first("bucket du", &[]);
    let sum = held.stdout.lines().last().unwrap_or_default();
    assert!(held.code == Some(0) && sum.starts_with("all ") && sum.ends_with(" 30586"), "{held:?}");
    assert_eq!(index_files(&home), (1, 0), "nothing was touched");
    let mut random = Draws::new(env_or("LOPTR_SEED", 7));
    for _ in 0..env_or("LOPTR_KILL_ROUNDS", 6) {
        let loptr = home.start();
        std::thread::sleep(Duration::from_millis(random.between(150, 900)));
        loptr.kill();
    }
    let loptr = home.start();
    wait("what is past its time is gone", || {
        !files(&home.dir().join("chunks")).iter().any(|path| path.starts_with("tenant-a/"))
    });
    check(&loptr.api().of("tenant-a"), &Streams::new());
    check(&loptr.api().of("tenant-b"), &stored);
    wait("nothing of ours is left", || {
        !files(&home.dir().join("chunks/loptr~/compact")).iter().any(|path| path.starts_with("marks"))
    });
    assert_eq!(index_files(&home), (0, 1));
    assert!(loptr.stop().0.success());
}

fn delete(api: &Api, method: &str, params: &[(&str, &str)]) -> Reply {
    api.send(method, &format!("/loki/api/v1/delete?{}", form(params)), &[], &[]).expect("it answers")
}

fn listed(api: &Api) -> Value {
    delete(api, "GET", &[]).expect(200).json()
}

const RETAIN: &str = "compactor: {retention_enabled: true, delete_request_store: filesystem}\n";

#[test]
fn deleted_lines_are_not_shown_from_the_first_moment() {
    let home = Home::edited(
        &format!("{RETAIN}limits_config: {{per_tenant_override_config: runtime.yaml}}\n"),
        &[("auth_enabled: false", "auth_enabled: true")],
    );
    fs::write(home.dir().join("runtime.yaml"), "overrides: {no: {deletion_mode: disabled}}\n").expect("writable");
    let loptr = home.start();
    let (api, other) = (loptr.api().of("t"), loptr.api().of("u"));
    let at = now() - 60_000_000_000;
    for api in [&api, &other] {
        let lines = (0..10).map(|line| {
            json!([(at + line).to_string(), format!("line {line} {}", if line < 3 { "secret" } else { "" })])
        });
        api.push(&[(json!({"app": "a"}), lines.collect())]).expect("it answers").expect(204);
        api.flush();
    }
    let seen = |api: &Api, query: &str| {
        let query = LogQuery { query, start: at - 1, end: at + 100, direction: Direction::Forward, limit: 100 };
        ask(api, query).iter().map(|(_, lines)| lines.len()).sum::<usize>()
    };
    let counted = |api: &Api| {
        let query = [("query", r#"sum(count_over_time({app="a"}[1h]))"#)];
        let answer = api.get("/loki/api/v1/query", &query).expect(200).json();
        answer["data"]["result"][0]["value"][1].as_str().expect("a number").to_owned()
    };
    assert_eq!((delete(&api, "GET", &[]).expect(200).text(), seen(&api, r#"{app="a"}"#)), ("[]\n".to_owned(), 10));
    let start = (at / 1_000_000_000 - 1).to_string();
    let reply = delete(&api, "POST", &[("query", r#"{app="a"} |= "secret""#), ("start", &start)]).expect(204);
    let id = reply.header("x-delete-request-id").expect("an id").to_owned();
    assert_eq!((seen(&api, r#"{app="a"}"#), counted(&api)), (7, "7".to_owned()));
    assert_eq!(seen(&api, r#"{app="a"} |= "secret""#), 0);
    assert_eq!((seen(&other, r#"{app="a"}"#), counted(&other)), (10, "10".to_owned()), "another tenant's stay");
    let requests = listed(&api);
    assert_eq!((requests[0]["request_id"].as_str(), requests[0]["status"].as_str()), (Some(&*id), Some("received")));
    assert_eq!(delete(&other, "DELETE", &[("request_id", &id)]).status, 404);
    let generation = |api: &Api| api.get("/loki/api/v1/cache/generation_numbers", &[]).expect(200).text();
    assert!(generation(&api).len() > 10 && generation(&other) == "\"\"\n");
    // They are kept over a crash.
    loptr.kill();
    let loptr = home.start();
    let api = loptr.api().of("t");
    assert_eq!((seen(&api, r#"{app="a"}"#), listed(&api)), (7, requests));
    delete(&api, "DELETE", &[("request_id", &id)]).expect(204);
    assert_eq!((seen(&api, r#"{app="a"}"#), listed(&api)), (10, json!([])));
    let none = delete(&loptr.api().of("no"), "GET", &[]);
    assert_eq!((none.status, none.text().as_str()), (403, "deletion is not available for this tenant\n"));
    assert!(loptr.stop().0.success());
}

#[test]
fn requests_are_refused_in_upstreams_words() {
    let home = Home::new(RETAIN);
    let loptr = home.start();
    let api = loptr.api();
    let refused = |params: &[(&str, &str)]| {
        let reply = delete(api, "PUT", params);
        assert_eq!(reply.status, 400, "{params:?}: {}", reply.text());
        reply.text()
    };
    let (query, start, far) = (("query", r#"{a="b"} |= "x""#), ("start", "1700000000"), ("end", "1700007200"));
    for (params, text) in [
        (&[start][..], "query not set"),
        (&[("query", "{a="), start], "invalid query expression"),
        (&[("query", "rate({a=\"b\"}[1m])"), start], "invalid query expression"),
        (&[query], "start time not set"),
        (&[query, ("start", "1")], "invalid start time: require unix seconds or RFC3339 format"),
        (&[query, start, ("end", "x")], "invalid end time: require unix seconds or RFC3339 format"),
        (&[query, start, ("end", "4700000000")], "deletes in the future are not allowed"),
        (&[query, start, ("end", "1600000000")], "start time can't be greater than or equal to end time"),
        (&[query, start, far, ("max_interval", "x")], "invalid max_interval: valid time units are 's', 'm', 'h'"),
        (&[query, start, far, ("max_interval", "25h")], "max_interval can't be greater than 24h0m0s"),
        (
            &[query, start, far, ("max_interval", "3h")],
            "max_interval can't be greater than the interval to be deleted (2h0m0s)",
        ),
    ] {
        assert_eq!(refused(params), format!("{text}\n"));
    }
    assert_eq!(delete(api, "DELETE", &[("request_id", "x")]).text(), "could not find delete request with given id\n");
    delete(api, "POST", &[query, start, far, ("max_interval", "30m")]).expect(204);
    assert_eq!(listed(api).as_array().map(Vec::len), Some(1), "its parts are one request");
    assert!(loptr.stop().0.success());
}

#[test]
fn requests_that_cannot_be_read_stop_the_start() {
    let home = Home::new(RETAIN);
    let dir = home.dir().join("chunks/index/delete_requests");
    fs::create_dir_all(&dir).expect("writable");
    fs::write(dir.join("delete_requests.gz"), "no gzip").expect("writable");
    let ended = home.run(&[]);
    let told = "object index/delete_requests/delete_requests.gz holds no delete requests that can be read";
    assert!(ended.code == Some(1) && ended.stderr.contains(told), "{}", ended.stderr);
    fs::rename(dir.join("delete_requests.gz"), dir.join("delete_requests.sqlite.gz")).expect("it is there");
    let ended = home.run(&[]);
    assert!(ended.code == Some(1) && ended.stderr.contains("holds delete requests in SQLite"), "{}", ended.stderr);
    let sqlite = Home::new("compactor: {retention_enabled: true, delete_request_store: filesystem, delete_request_store_db_type: sqlite}\n").run(&[]);
    assert!(sqlite.stderr.contains("compactor.delete_request_store_db_type"), "{}", sqlite.stderr);
    let without = Home::new("");
    let loptr = without.start();
    assert_eq!(delete(loptr.api(), "GET", &[]).status, 404, "the routes are there with retention alone");
    assert!(loptr.stop().0.success());
}
