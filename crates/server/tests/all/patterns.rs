//! Patterns and counts that are stored: while they are forgotten, at a stop, and who sees them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Api, form};
use crate::support::now;
use crate::support::process::Home;

const SECOND: i64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);
const DRILLDOWN: (&str, &str) = ("X-Query-Tags", "Source=grafana-lokiexplore-app");

const ON: &str = "pattern_ingester: {enabled: true, retain_for: 2s, max_chunk_age: 2s, flush_check_period: 1s, pattern_sample_interval: 1s, metric_aggregation: {sample_period: 1s}}\n";
const STORED: &str =
    "limits_config: {pattern_persistence_enabled: true, metric_aggregation_enabled: true, pattern_rate_threshold: 0}\n";

/// Lines of a stream, oldest first, with their metadata.
fn lines(api: &Api, selector: &str, tags: &[(&str, &str)]) -> Vec<(String, Value)> {
    let start = (now() - 3600 * SECOND).to_string();
    let params = [("query", selector), ("start", &start), ("limit", "5000"), ("direction", "forward")];
    let target = format!("/loki/api/v1/query_range?{}", form(&params));
    let told = api.send("GET", &target, tags, b"").expect("it answers").expect(200).json();
    let streams = told["data"]["result"].as_array().expect("streams").clone();
    let each = streams.iter().flat_map(|stream| {
        let values = stream["values"].as_array().expect("values").clone();
        values.into_iter().map(|value| (value[1].as_str().expect("a line").to_owned(), stream["stream"].clone()))
    });
    each.collect()
}

fn push(api: &Api) {
    let line = |at: i64| json!([(now() - 5 * SECOND + at).to_string(), format!("user {at} logged in from <b>"), {"detected_level": "info"}]);
    let stream = (json!({"app": "shop", "pod": "p"}), (0..40).map(line).collect());
    api.push(&[stream]).expect("it answers").expect(204);
}

/// The sum of `count=` in lines.
fn counted(lines: &[(String, Value)]) -> u64 {
    let count = |line: &str| line.split_whitespace().find_map(|word| word.strip_prefix("count=")?.parse::<u64>().ok());
    lines.iter().map(|(line, _)| count(line).expect("a count")).sum()
}

#[test]
fn patterns_and_counts_are_stored_for_those_who_know_them() {
    let home = Home::new(&format!("{ON}{STORED}"));
    let loptr = home.start();
    push(loptr.api());
    let begun = Instant::now();
    let (patterns, counts) = loop {
        let patterns = lines(loptr.api(), "{__pattern__=\"shop\"}", &[DRILLDOWN]);
        let counts = lines(loptr.api(), "{__aggregated_metric__=\"shop\"}", &[DRILLDOWN]);
        if counted(&patterns) >= 40 && counted(&counts) >= 40 {
            break (patterns, counts);
        }
        assert!(begun.elapsed() < PATIENCE, "{patterns:?} {counts:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    let (line, labels) = &patterns[0];
    assert!(
        line.starts_with("ts=") && line.contains(" detected_pattern=\"user+%3C_%3E+logged+in+from+%3Cb%3E\" "),
        "{line}"
    );
    assert!(line.ends_with(" app=\"shop\" pod=\"p\" service_name=\"shop\""), "{line}");
    assert_eq!(labels, &json!({"__pattern__": "shop", "detected_level": "info"}));
    let (line, labels) = &counts[0];
    assert!(line.contains(" bytes=") && line.ends_with(" app=\"shop\" pod=\"p\" service_name=\"shop\""), "{line}");
    assert_eq!(labels, &json!({"__aggregated_metric__": "shop", "detected_level": "info"}));
    assert_eq!(loptr.api().metric("loptr_pattern_lost_lines"), 0.0);
    assert!(loptr.api().metric("loptr_pattern_stored_lines") >= 2.0);

    // To all others they are not there, unless they ask by name for what labels there are.
    assert_eq!(lines(loptr.api(), "{__pattern__=\"shop\"}", &[]), []);
    assert_eq!(
        loptr.api().get("/loki/api/v1/labels", &[]).expect(200).json()["data"],
        json!(["app", "pod", "service_name"])
    );
    let series = |groups: &[(&str, &str)]| {
        let told = loptr.api().get("/loki/api/v1/series", groups).expect(200).json();
        told["data"].as_array().expect("a list").len()
    };
    let by_name = ("match[]", "{__pattern__=~\".+\"}");
    assert_eq!((series(&[]), series(&[("match[]", "{app=~\".*\"}")]), series(&[by_name])), (1, 1, 1));
}

#[test]
fn what_is_known_at_a_stop_is_stored() {
    let home = Home::new(&format!("{}{STORED}", ON.replace("retain_for: 2s", "retain_for: 1h")));
    let mut loptr = home.start();
    push(loptr.api());
    let begun = Instant::now();
    while loptr.api().metric("loptr_pattern_patterns") < 1.0 {
        assert!(begun.elapsed() < PATIENCE, "no pattern");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(lines(loptr.api(), "{__pattern__=\"shop\"}", &[DRILLDOWN]), []);
    loptr.terminate();
    assert!(loptr.wait().0.success());
    let loptr = home.start();
    let begun = Instant::now();
    while counted(&lines(loptr.api(), "{__pattern__=\"shop\"}", &[DRILLDOWN])) < 40 {
        assert!(begun.elapsed() < PATIENCE, "nothing was stored");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn nothing_is_stored_unless_the_tenant_wants_it() {
    let home = Home::new(ON);
    let mut loptr = home.start();
    push(loptr.api());
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(loptr.api().metric("loptr_pattern_stored_lines"), 0.0);
    assert_eq!(lines(loptr.api(), "{__pattern__=~\".+\"}", &[DRILLDOWN]), []);
    loptr.terminate();
    assert!(loptr.wait().0.success());
}
