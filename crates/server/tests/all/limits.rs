//! Limits of single tenants: read at start, read again while running, kept when the new ones are bad.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::Api;
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
