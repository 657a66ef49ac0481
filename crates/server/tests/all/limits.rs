//! Limits of single tenants: read at start, read again while running, kept when the new ones are bad.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{Api, JSON, form, push_body};
use crate::support::now;
use crate::support::process::{Home, Loptr};

/// A home whose tenants are told by `runtime.yaml`, which holds `overrides`.
fn home(limits: &str, overrides: &str) -> Home {
    let home = Home::edited("", &[("auth_enabled: false", "auth_enabled: true")]);
    let text = std::fs::read_to_string(home.config()).expect("just written");
    let runtime = home.dir().join("runtime.yaml");
    home.configure(&format!("{text}runtime_config: {{file: {}, period: 100ms}}\n{limits}", runtime.display()));
    std::fs::write(runtime, overrides).expect("the folder can be written");
    home
}

fn push(api: &Api, line: &str) -> (u16, String) {
    let values = vec![json!([now().to_string(), line])];
    let reply = api.push(&[(json!({"app": "a"}), values)]).expect("it answers");
    (reply.status, reply.text())
}

/// Asks until `wanted` holds.
#[track_caller]
fn wait(what: &str, mut wanted: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !wanted() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn reloaded_well(loptr: &Loptr) -> f64 {
    loptr.api().metric("loki_runtime_config_last_reload_successful{config=\"loki\"}")
}

#[test]
fn overrides_hold_for_their_tenant_and_change_while_running() {
    let home = home("limits_config: {max_line_size: 20}\n", "overrides: {small: {max_line_size: 5}}\n");
    let loptr = home.start();
    let (small, other) = (loptr.api().of("small"), loptr.api().of("other"));
    let refused = |limit: usize, length: usize| {
        format!(
            "max entry size '{limit}' bytes exceeded for stream '{{app=\"a\", service_name=\"a\"}}' while adding an entry with length '{length}' bytes\n"
        )
    };
    assert_eq!(push(&small, "123456"), (400, refused(5, 6)));
    assert_eq!(push(&other, "123456").0, 204);
    assert_eq!(push(&other, &"x".repeat(21)), (400, refused(20, 21)));
    assert_eq!(reloaded_well(&loptr), 1.0);
    assert_eq!(loptr.api().metric("loptr_label_cache_texts"), 2.0, "one of each tenant");
    assert!(loptr.api().metric("loptr_label_cache_bytes") > 100.0);

    // A bad file changes nothing and is told.
    let runtime = home.dir().join("runtime.yaml");
    std::fs::write(&runtime, "overrides: {small: {max_line_size: 7, max_lime_size: 1}}\n").expect("writable");
    wait("the bad file is noticed", || reloaded_well(&loptr) == 0.0);
    assert_eq!(push(&small, "123456").0, 400, "the last good limits stay");
    let told = |line: &String| line.contains("failed to load config") && line.contains("field max_lime_size not found");
    assert!(loptr.log_lines().iter().any(told), "{:?}", loptr.log_lines());

    std::fs::write(&runtime, "overrides: {small: {max_line_size: 7}}\n").expect("writable");
    wait("the good file is taken over", || push(&small, "123456").0 == 204);
    assert_eq!(push(&small, "12345678").0, 400);
    wait("a success is told", || reloaded_well(&loptr) == 1.0);
    let page = loptr.api().get("/runtime_config", &[]).expect(200).text();
    assert_eq!(page, "overrides:\n  small:\n    max_line_size: 7B\n");

    // A file that went away leaves the limits as they were.
    std::fs::remove_file(&runtime).expect("it is there");
    wait("the missing file is noticed", || reloaded_well(&loptr) == 0.0);
    assert_eq!(push(&small, "12345678").0, 400);
    assert!(loptr.stop().0.success());
}

#[test]
fn a_bad_or_missing_runtime_file_stops_the_start() {
    let bad = home("", "overrides: {t: {deletion_mode: x}}\n").run(&[]);
    assert_eq!(bad.code, Some(1), "{}", bad.stderr);
    assert!(
        bad.stderr
            .contains("failed to load runtime config: load file: invalid override for tenant t: unknown deletion mode"),
        "{}",
        bad.stderr
    );
    let missing = home("", "");
    std::fs::remove_file(missing.dir().join("runtime.yaml")).expect("it is there");
    let ended = missing.run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("failed to load runtime config: read file"), "{}", ended.stderr);
    assert!(!missing.dir().join("chunks").exists(), "nothing was written");
}

#[test]
fn a_tenant_sees_its_limits() {
    let home = home("", "overrides: {t: {max_query_length: 48h, retention_period: 0s}}\n");
    let loptr = home.start();
    let of = |tenant: &str| loptr.api().of(tenant).get("/config/tenant/v1/limits", &[]).expect(200).text();
    assert!(of("t").contains("\nmax_query_length: 2d\n"), "{}", of("t"));
    assert!(of("u").contains("\nmax_query_length: 30d1h\n"), "{}", of("u"));
    assert!(of("u").starts_with("discover_log_levels: true\n"), "{}", of("u"));
    assert!(!of("u").contains("max_label_names_per_series"), "only what may be published");
    let nobody = loptr.api().get("/config/tenant/v1/limits", &[]);
    assert_eq!((nobody.status, nobody.text().as_str()), (401, "no org id\n"));
}

/// A JSON push of one line, as `tenant`, with more headers.
fn push_of(loptr: &Loptr, tenant: &str, labels: serde_json::Value, headers: &[(&str, &str)]) -> (u16, String) {
    let body = push_body(&[(labels, vec![json!([now().to_string(), "x"])])]);
    let headers = [&[JSON], headers].concat();
    let reply = loptr.api().of(tenant).send("POST", "/loki/api/v1/push", &headers, &body).expect("it answers");
    (reply.status, reply.text())
}

#[test]
fn policies_blocks_and_enforced_labels() {
    let home = home(
        "",
        r#"overrides:
  enforced: {enforced_labels: [app, env]}
  blocked: {block_ingestion_until: 2200-01-01}
  hidden: {block_ingestion_until: 2200-01-01, block_ingestion_status_code: 200}
  policies:
    policy_stream_mapping:
      infra: [{selector: '{env="infra"}', priority: 5}]
      finance: [{selector: '{app="pay"}', priority: 10}]
    policy_enforced_labels: {finance: [cost], '*': [owner]}
    block_ingestion_policy_until: {infra: 2200-01-01}
  few:
    policy_stream_mapping: {p: [{selector: '{app="p"}', priority: 1}]}
    policy_override_limits: {p: {max_global_streams_per_user: 1}}
    max_global_streams_per_user: 2
"#,
    );
    let loptr = home.start();
    let push = |tenant: &str, labels| push_of(&loptr, tenant, labels, &[]);
    let text =
        "missing required labels 'env' for user 'enforced' for stream '{app=\"a\", service_name=\"a\"}' (policy: '')\n";
    assert_eq!(push("enforced", json!({"app": "a"})), (400, text.to_owned()));
    assert_eq!(push("enforced", json!({"app": "a", "env": "e"})).0, 204);
    let text = "ingestion blocked for user 'blocked' until '2200-01-01T00:00:00Z' with status code '260'\n";
    assert_eq!(push("blocked", json!({"app": "a"})), (260, text.to_owned()));
    assert_eq!(push("hidden", json!({"app": "a"})), (204, String::new()));
    assert_eq!(push("policies", json!({"app": "pay", "cost": "1"})).0, 400, "an owner is missing");
    assert_eq!(push("policies", json!({"app": "pay", "env": "infra", "owner": "o", "cost": "1"})).0, 204);
    let text =
        "ingestion blocked for user 'policies' (policy: 'infra') until '2200-01-01T00:00:00Z' with status code '260'\n";
    assert_eq!(push("policies", json!({"app": "n", "env": "infra", "owner": "o"})), (260, text.to_owned()));
    let infra = ("X-Loki-Ingestion-Policy", "infra");
    assert_eq!(push_of(&loptr, "policies", json!({"app": "n", "owner": "o"}), &[infra]).0, 260);
    assert_eq!(push("few", json!({"app": "p", "n": "1"})).0, 204);
    assert_eq!(push("few", json!({"app": "p", "n": "2"})).0, 429, "the policy may have one");
    assert_eq!(push("few", json!({"app": "q"})).0, 204);
    let discarded = |reason: &str, policy: &str| {
        let labels = format!(
            "{{reason=\"{reason}\",tenant=\"policies\",retention_hours=\"0\",policy=\"{policy}\",format=\"loki\"}}"
        );
        loptr.api().metric(&format!("loki_discarded_samples_total{labels}"))
    };
    assert_eq!(discarded("blocked_ingestion_policy", "infra"), 2.0);
    assert_eq!(discarded("missing_enforced_labels", "finance"), 1.0);
    assert!(!loptr.api().of("hidden").get("/loki/api/v1/labels", &[]).text().contains("app"), "nothing was stored");
}

#[test]
fn bad_selectors_of_limits_stop_the_start() {
    let ended = home("limits_config: {policy_stream_mapping: {p: [{selector: '{a=}'}]}}\n", "").run(&[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("invalid labels matchers for policy stream mapping: parse error"),
        "{}",
        ended.stderr
    );
}

#[test]
fn queries_that_may_not_be_asked() {
    let home = home(
        "",
        r#"overrides:
  required: {required_labels: [app, cluster]}
  two: {minimum_labels_number: 2}
  off: {tsdb_max_query_parallelism: 0}
  read: {max_query_bytes_read: 100B}
  part: {max_querier_bytes_read: 100B}
  blocked: {blocked_queries: [{pattern: 'rate.*', regex: true, types: metric}, {pattern: '{app="a"}', query_tags: {Source: me}}]}
  long: {max_query_length: 1h}
  back: {max_query_lookback: 1h}
"#,
    );
    let loptr = home.start();
    let ask = |tenant: &str, query: &str, hours: i64, headers: &[(&str, &str)]| {
        let hour = 3_600_000_000_000;
        let (start, end) = (now() - hours * hour, now() + 1_000_000_000);
        let params = form(&[("query", query), ("start", &start.to_string()), ("end", &end.to_string())]);
        let reply = loptr.api().of(tenant).send("GET", &format!("/loki/api/v1/query_range?{params}"), headers, b"");
        let reply = reply.expect("it answers");
        (reply.status, reply.text())
    };
    let refused = |tenant: &str, query: &str, text: &str| {
        let (status, told) = ask(tenant, query, 1, &[]);
        assert_eq!((status, told.as_str()), (400, text), "{tenant} {query}");
    };
    for tenant in ["read", "part"] {
        assert_eq!(push(&loptr.api().of(tenant), &"x".repeat(3000)).0, 204);
    }
    loptr.api().flush();
    // A flush goes on behind its answer, and limits of bytes are of what the bucket holds.
    wait("chunks leave memory", || loptr.api().metric("loki_ingester_memory_chunks") == 0.0);
    let text = "stream selector is missing required matchers [cluster], labels present in the query were [app]";
    refused("required", "{app=\"a\"}", text);
    refused("required", "sum(rate({app=\"a\"}[1m]))", text);
    assert_eq!(ask("required", "{app=\"a\", cluster=\"b\"}", 1, &[]).0, 200);
    let text = "stream selector has less label matchers than required: (present: [app], number_present: 1, required_number_label_matchers: 2)";
    refused("two", "{app=\"a\"}", text);
    let off = (429, "querying is disabled, please contact your Loki operator".to_owned());
    assert_eq!(ask("off", "{app=\"a\"}", 1, &[]), off);
    assert_eq!(ask("off", "vector(1)", 1, &[]), off);
    refused("blocked", "rate({app=\"a\"}[1m])", "query blocked by policy");
    assert_eq!(ask("blocked", "{app=\"a\"}", 1, &[]).0, 200);
    assert_eq!(ask("blocked", "{app=\"a\"}", 1, &[("x-query-tags", "source=ME")]).0, 400);
    let (status, told) = ask("long", "{app=\"a\"}", 2, &[]);
    assert_eq!(status, 400);
    assert!(told.starts_with("the query time range exceeds the limit (query length: 2h0m1"), "{told}");
    assert_eq!(ask("back", "{app=\"a\"}", 24, &[]).0, 200);
    wait("the flushed chunk is in the index", || ask("read", "{app=\"a\"} |= \"x\"", 1, &[]).0 == 400);
    let size = "(query: 3.0 KiB, limit: 100 B); consider adding more specific stream selectors or reduce the time range of the query";
    refused("read", "{app=\"a\"} |= \"x\"", &format!("the query would read too many bytes {size}"));
    assert_eq!(ask("read", "{app=\"a\"}", 1, &[]).0, 200, "lines as they come are not held against this limit");
    refused("part", "{app=\"a\"}", &format!("shard query is too large to execute on a single querier: {size}"));
    let text = format!("un-shardable query too large to execute on a single querier: {size}");
    refused("part", "stddev_over_time({app=\"a\"} | unwrap x [1h])", &text);
}
