//! Tenants apart and together: nothing answered to one shows a byte of another's; several are read at once where that is
//! allowed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::{Api, Reply, form};
use crate::support::now;
use crate::support::process::Home;
use crate::support::ws::{Said, Socket};

const SECOND: i64 = 1_000_000_000;

/// Read routes, and a query each takes.
const READS: [(&str, &str); 17] = [
    ("/loki/api/v1/query_range", "{app=\"x\"}"),
    ("/loki/api/v1/query_range", "sum by (secret) (count_over_time({app=\"x\"} | json [5m]))"),
    ("/loki/api/v1/query", "count_over_time({app=\"x\"} | json [1h])"),
    ("/loki/api/v1/labels", ""),
    ("/loki/api/v1/label/owner/values", ""),
    ("/loki/api/v1/series", ""),
    ("/loki/api/v1/index/stats", "{app=\"x\"}"),
    ("/loki/api/v1/index/shards", "{app=\"x\"}"),
    ("/loki/api/v1/index/volume", "{app=~\".+\"}"),
    ("/loki/api/v1/index/volume_range", "{}"),
    ("/loki/api/v1/patterns", "{app=\"x\"}"),
    ("/loki/api/v1/detected_labels", ""),
    ("/loki/api/v1/detected_fields", "{app=\"x\"}"),
    ("/loki/api/v1/detected_field/secret/values", "{app=\"x\"}"),
    ("/api/prom/query", "{app=\"x\"}"),
    ("/api/prom/label/owner/values", ""),
    ("/api/prom/series", ""),
];

fn both(tenants: &str) -> Home {
    Home::edited(tenants, &[("auth_enabled: false", "auth_enabled: true")])
}

/// The same labels for everybody but `owner`; lines and metadata say whose they are.
fn fill(api: &Api, tenant: &str) {
    let line = |at: i64| {
        let text = format!(r#"{{"secret":"{tenant}-{at}","n":{at}}}"#);
        json!([(now() - (100 - at) * SECOND).to_string(), text, {"trace": format!("{tenant}-{at}")}])
    };
    let owned = json!({"app": "x", "owner": format!("{tenant}-owner")});
    let streams = [(json!({"app": "x"}), (0..40).map(line).collect()), (owned, (0..40).map(line).collect())];
    assert_eq!(api.of(tenant).push(&streams).expect("it answers").status, 204);
}

fn ask(api: &Api, tenant: &str, path: &str, query: &str) -> Reply {
    let (start, end) = ((now() - 3600 * SECOND).to_string(), (now() + SECOND).to_string());
    let mut params =
        vec![("start", start.as_str()), ("end", end.as_str()), ("step", "60s"), ("targetBytesPerShard", "1KB")];
    if !query.is_empty() {
        params.push(("query", query));
    }
    api.of(tenant).get(path, &params)
}

fn everything(reply: &Reply) -> String {
    format!("{:?} {}", reply.headers, reply.text())
}

#[test]
fn no_route_shows_another_tenants_bytes() {
    let home =
        both("pattern_ingester:\n  enabled: true\n  lifecycler:\n    ring:\n      kvstore:\n        store: inmemory\n");
    let loptr = home.start();
    let api = loptr.api();
    for tenant in ["alpha", "omega"] {
        fill(api, tenant);
    }
    let walk = || {
        for (tenant, other) in [("alpha", "omega"), ("omega", "alpha")] {
            for (path, query) in READS {
                let reply = ask(api, tenant, path, query);
                assert!(reply.status == 200, "{path} {query}: {} {}", reply.status, reply.text());
                assert!(!everything(&reply).contains(other), "{tenant} at {path} {query}: {}", everything(&reply));
            }
            // What is refused says nothing of others either.
            for (path, _) in READS {
                let reply = ask(api, tenant, path, &format!("{{{tenant}"));
                assert!(!everything(&reply).contains(other), "{tenant} at {path}: {}", everything(&reply));
            }
        }
    };
    walk();
    api.of("alpha").flush();
    walk();
    for page in ["/metrics", "/config", "/services", "/ready"] {
        let told = everything(&api.get(page, &[]));
        let shown = ["alpha-", "omega-", "trace"].iter().find(|text| told.contains(**text));
        assert_eq!(shown.filter(|_| page != "/config"), None, "{page}");
        assert!(!told.contains("-owner"), "{page}");
    }
    let mut tail =
        Socket::open(&api.of("alpha"), "/loki/api/v1/tail", &[("query", "{app=\"x\"}")], &[]).expect("it opens");
    fill(api, "omega");
    fill(api, "alpha");
    while let Said::Text(told) = tail.next(Duration::from_secs(2)) {
        assert!(!told.contains("omega"), "{told}");
    }
}

#[test]
fn several_tenants_are_read_at_once_where_allowed() {
    let home = both("querier:\n  multi_tenant_queries_enabled: true\n");
    let loptr = home.start();
    let api = loptr.api();
    for tenant in ["a", "b", "c"] {
        fill(api, tenant);
    }
    let json_of = |path: &str, query: &str| ask(api, "b|a", path, query).expect(200).json();
    let found = json_of("/loki/api/v1/query", "sum by (__tenant_id__) (count_over_time({app=\"x\"}[1h]))");
    let by_tenant: Vec<(&Value, &Value)> = found["data"]["result"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|series| (&series["metric"]["__tenant_id__"], &series["value"][1]))
        .collect();
    assert_eq!(by_tenant, [(&json!("a"), &json!("80")), (&json!("b"), &json!("80"))]);
    let found = json_of("/loki/api/v1/query_range", "{app=\"x\", __tenant_id__=\"b\", owner=~\".+\"}");
    let streams = found["data"]["result"].as_array().expect("a list");
    assert!(!streams.is_empty() && streams.iter().all(|stream| stream["stream"]["__tenant_id__"] == "b"), "{found}");
    let labels = json_of("/loki/api/v1/labels", "");
    assert_eq!(labels["data"], json!(["__tenant_id__", "app", "owner", "service_name"]));
    assert_eq!(json_of("/loki/api/v1/label/__tenant_id__/values", "")["data"], json!(["a", "b"]));
    assert_eq!(json_of("/loki/api/v1/series", "")["data"].as_array().map(Vec::len), Some(4));
    let tail = Socket::open(&api.of("a|b"), "/loki/api/v1/tail", &[("query", "{app=\"x\"}")], &[]);
    assert_eq!(tail.err(), Some((400, "multiple org IDs present".to_owned())));
}

#[test]
fn several_tenants_are_refused_where_not_allowed() {
    let home = both("");
    let loptr = home.start();
    for (path, query) in READS {
        let reply = ask(loptr.api(), "a|b", path, query);
        assert_eq!((reply.status, reply.text().as_str()), (400, "multiple org IDs present"), "{path}");
        assert_eq!(loptr.api().get(path, &[("query", query)]).status, 401, "{path}");
    }
}

#[test]
fn the_operators_page_keeps_tenants_apart() {
    let home = both("loptr: {admin_tenants: boss, wal: {reserve_bytes: 1MB}}\n");
    let text = std::fs::read_to_string(home.config()).expect("just written");
    home.configure(&text.replace("loptr: {wal: {reserve_bytes: 1MB}}\n", ""));
    let loptr = home.start();
    let api = loptr.api();
    fill(api, "alpha");
    let refused = api.of("alpha").get("/loki/api/v1/query_range", &[("query", "{app=\"<b>mine\"")]);
    assert_eq!(refused.status, 400);
    let page = |tenant: &str| api.of(tenant).get("/loptr/", &[]).expect(200).text();
    assert!(page("alpha").contains("parse error") && page("boss").contains("parse error"));
    assert!(!page("omega").contains("parse error") && page("omega").contains("GET /loki/api/v1/query_range"));
    assert!(!api.get("/loptr/", &[]).expect(200).text().contains("parse error"));
    let cancel = |tenant: &str, method: &str| {
        api.of(tenant).send(method, "/loptr/queries/7/cancel", &[], b"").expect("it answers").status
    };
    assert_eq!((cancel("alpha", "POST"), cancel("boss", "POST"), cancel("boss", "GET")), (403, 404, 405));
    assert_eq!(api.of("boss").get("/loptr/queries", &[]).expect(200).json(), json!({"queries": []}));
}

#[test]
fn a_query_says_what_it_reads() {
    let home = Home::new("");
    let loptr = home.start();
    let line = |at: i64| json!([(now() - at * SECOND).to_string(), "x".repeat(1000)]);
    let stream = |app: &str| (json!({"app": app}), (1..40).map(line).collect::<Vec<Value>>());
    assert_eq!(loptr.api().push(&[stream("a"), stream("b")]).expect("it answers").status, 204);
    for query in ["{app=\"a\"}", "rate({app=\"a\"}[5m])"] {
        let target = format!("/loki/api/v1/query_range?{}", form(&[("query", query)]));
        let told = loptr.api().send("GET", &target, &[("X-Loptr-Explain", "true")], b"").expect("it answers");
        let told = told.expect(200).json();
        assert_eq!(
            (&told["streams"], &told["chunks"], &told["requests"]),
            (&json!(1), &json!(1), &json!(0)),
            "{query}"
        );
        assert!((told["prunedShare"].as_f64().expect("a number") - 0.5).abs() < 0.01, "{told}");
        let read = loptr.api().get("/loki/api/v1/query_range", &[("query", query)]).expect(200);
        assert_eq!((read.header("x-loptr-read-streams"), read.header("x-loptr-read-chunks")), (Some("1"), Some("1")));
    }
}

#[test]
fn malformed_requests_get_clear_errors_everywhere() {
    let home = Home::new("");
    let loptr = home.start();
    let paths = READS.iter().map(|(path, _)| *path).chain(["/loki/api/v1/tail", "/loki/api/v1/format_query"]);
    let deep = "(".repeat(5000);
    for path in paths {
        for (name, value) in [
            ("start", "yesterday"),
            ("end", "9".repeat(40).as_str()),
            ("query", "{app=\"\u{fffd}"),
            ("query", deep.as_str()),
            ("limit", "-1"),
            ("step", "1e400"),
            ("since", "1y1y"),
            ("line_limit", "x"),
        ] {
            let reply = loptr.api().get(path, &[(name, value), ("query", "{app=\"x\"}")]);
            assert!(reply.status < 500, "{path} {name}={value:.20}: {} {}", reply.status, reply.text());
        }
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        for body in [&b"query=%zz"[..], b"%", b"query=\xff\xfe", b"a=b;c=d", &[b'&'; 4096]] {
            let reply = loptr.api().send("POST", path, &headers, body).expect("it answers");
            assert!(reply.status < 500, "{path}: {} {}", reply.status, reply.text());
        }
        let large = form(&[("query", "x".repeat(11 << 20).as_str())]);
        if let Ok(reply) = loptr.api().send("POST", path, &headers, large.as_bytes()) {
            assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
        }
    }
    assert_eq!(loptr.api().get("/ready", &[]).status, 200);
}
