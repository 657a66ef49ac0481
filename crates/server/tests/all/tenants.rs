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
const READS: [(&str, &str); 19] = [
    ("/loki/api/v1/query_range", "{app=\"x\"}"),
    ("/loki/api/v1/query_range", "sum by (secret) (count_over_time({app=\"x\"} | json [5m]))"),
    ("/loki/api/v1/query", "count_over_time({app=\"x\"} | json [1h])"),
    ("/loki/api/v1/label", ""),
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
    ("/api/prom/label", ""),
    ("/api/prom/label/owner/values", ""),
    ("/api/prom/series", ""),
];

/// Routes beside reads: what belongs to one tenant (delete requests: `compact.rs`), and what belongs to none.
const OTHERS: [&str; 34] = [
    "/api/prom/push",
    "/api/prom/tail",
    "/compactor/ring",
    "/config",
    "/config/tenant/v1/limits",
    "/debug/pprof/",
    "/debug/pprof/allocs",
    "/debug/pprof/heap",
    "/debug/pprof/profile",
    "/distributor/ring",
    "/flush",
    "/ingester/prepare_partition_downscale",
    "/ingester/prepare_shutdown",
    "/ingester/shutdown",
    "/log_level",
    "/loki/api/v1/drilldown-limits",
    "/loki/api/v1/format_query",
    "/loki/api/v1/push",
    "/loki/api/v1/status/buildinfo",
    "/loki/api/v1/tail",
    "/loptr/",
    "/loptr/queries",
    "/loptr/queries/{id}/cancel",
    "/memberlist",
    "/metrics",
    "/otlp/v1/logs",
    "/pattern/ring",
    "/ready",
    "/ring",
    "/runtime_config",
    "/scheduler/ring",
    "/services",
    "/loki/api/v1/cache/generation_numbers",
    "/loki/api/v1/delete",
];

/// No route can be added without a test that walks it.
#[test]
fn every_route_is_walked() {
    let mut walked: Vec<String> = OTHERS.iter().map(|path| (*path).to_owned()).collect();
    for (path, _) in READS {
        walked.push(path.replace("/owner/", "/{name}/").replace("/secret/", "/{name}/"));
    }
    walked.sort();
    walked.dedup();
    let mut all: Vec<&str> = loptr_server::route_list().map(|(path, _)| path).collect();
    all.sort_unstable();
    assert_eq!(walked, all);
}

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
    walk_others(api);
    for path in ["/loki/api/v1/tail", "/api/prom/tail"] {
        let mut tail = Socket::open(&api.of("alpha"), path, &[("query", "{app=\"x\"}")], &[]).expect("it opens");
        fill(api, "omega");
        fill(api, "alpha");
        let mut frames = 0;
        while let Said::Text(told) = tail.next(Duration::from_secs(2)) {
            assert!(!told.contains("omega"), "{path}: {told}");
            frames += 1;
        }
        assert!(frames > 0, "{path}");
    }
    // The last route of all: it ends what accepts pushes.
    let told = api.get("/ingester/shutdown", &[("terminate", "false"), ("flush", "false")]);
    assert_eq!((told.status, leaks(&told)), (204, None));
}

/// What only a tenant may see: bytes of labels, lines, metadata and queries, all made of its name and a sign.
fn leaks(reply: &Reply) -> Option<&'static str> {
    let told = everything(reply);
    ["alpha-", "omega-"].into_iter().find(|text| told.contains(text))
}

/// Routes that read no data: nothing of a tenant's, refused pushes and queries included.
fn walk_others(api: &Api) {
    let methods =
        |path: &str| loptr_server::route_list().find(|(known, _)| *known == path).expect("a route").1.split(' ');
    for tenant in ["alpha", "omega"] {
        // Refused, with texts of their own, so that there is something to leak.
        let query = format!("{{app=\"{tenant}-query\"");
        assert_eq!(api.of(tenant).get("/loki/api/v1/query_range", &[("query", &query)]).status, 400);
        for path in ["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"] {
            let body = format!(
                r#"{{"streams":[{{"stream":{{"bad name {tenant}-label":"x"}},"labels":"{tenant}-","values":1}}]}}"#
            );
            let reply = api.of(tenant).send("POST", path, &[("content-type", "application/json")], body.as_bytes());
            let reply = reply.expect("it answers");
            let other = if tenant == "alpha" { "omega" } else { "alpha" };
            assert!(reply.status >= 400 && !everything(&reply).contains(other), "{path}: {}", reply.text());
        }
    }
    let own = ["/loptr/", "/loptr/queries"];
    let walked = OTHERS.iter().filter(|path| !path.ends_with("/push") && !path.ends_with("/tail"));
    for path in walked.filter(|path| {
        !matches!(**path, "/otlp/v1/logs" | "/debug/pprof/profile" | "/ingester/shutdown" | "/loki/api/v1/format_query")
    }) {
        for method in methods(path) {
            for tenant in [None, Some("alpha"), Some("omega"), Some("alpha|omega")] {
                let api = Api { tenant: tenant.map(str::to_owned), ..api.clone() };
                let path = path.replace("{id}", "1");
                let reply = api.send(method, &path, &[], b"").expect("it answers");
                let told = everything(&reply);
                match tenant {
                    Some("alpha|omega") => {}
                    Some(tenant) if own.contains(&path.as_str()) => {
                        let other = if tenant == "alpha" { "omega-" } else { "alpha-" };
                        assert!(!told.contains(other), "{method} {path} as {tenant}: {told}");
                    }
                    _ => assert_eq!(leaks(&reply), None, "{method} {path} as {tenant:?}: {told}"),
                }
            }
        }
    }
    let formatted = api.get("/loki/api/v1/format_query", &[("query", "{app=\"x\"}")]);
    assert_eq!(leaks(&formatted), None);
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
        let header = |name: &str| read.header(&format!("x-loptr-read-{name}")).map(str::to_owned);
        assert_eq!((header("streams"), header("chunks")), (Some("1".to_owned()), Some("1".to_owned())));
        assert_eq!(header("requests").as_deref(), Some("0"));
        let bytes: f64 = header("bytes").and_then(|text| text.parse().ok()).expect("a number");
        assert!((bytes / told["bytes"].as_f64().expect("a number") - 1.0).abs() < 0.01, "{bytes} {told}");
        let pruned: f64 = header("pruned-share").and_then(|text| text.parse().ok()).expect("a number");
        assert!((pruned - 0.5).abs() < 0.01, "{pruned}");
    }
}
