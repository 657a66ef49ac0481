//! Folders that earlier versions left: everything acknowledged is there, before and after it goes to the bucket.

use std::collections::BTreeSet;
use std::fs;

use crate::support::archive::unpacked;
use crate::support::http::Api;
use crate::support::lines::{CATEGORIZE, Direction, LogQuery, streams_of};
use crate::support::process::Home;

/// Left by SIGKILL with a log of version 1: 40 pushes to each of two tenants, the first half flushed and shipped.
const V1: &[u8] = include_bytes!("../../testdata/v1-folder.tar.zst");
const START: i64 = 1_795_200_000_000_000_000;

/// Every line a tenant has, each once.
fn lines(api: &Api, tenant: &str) -> BTreeSet<String> {
    let query = LogQuery {
        query: "{env=\"prod\"}",
        start: START - 1_000_000_000,
        end: START + 100_000_000_000,
        direction: Direction::Forward,
        limit: 5000,
    };
    let reply = api.send("GET", &query.target(), &[CATEGORIZE, ("X-Scope-OrgID", tenant)], &[]);
    let answer = reply.expect("an answer").expect(200).json();
    assert_eq!(answer["warnings"], serde_json::Value::Null, "so short a log is waited for");
    let lines: Vec<String> =
        streams_of(&answer).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect();
    let distinct: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(lines.len(), distinct.len(), "each line once");
    distinct
}

#[test]
fn a_folder_with_a_log_of_version_1() {
    let home = Home::edited("", &[("auth_enabled: false", "auth_enabled: true")]);
    for (path, bytes) in unpacked(V1) {
        let target = home.dir().join(path.strip_prefix("d/").expect("the folder is packed as d"));
        fs::create_dir_all(target.parent().expect("it lies in a folder")).expect("folders can be made");
        fs::write(target, bytes).expect("files can be written");
    }
    let loptr = home.start();
    let before = ["a", "b"].map(|tenant| lines(loptr.api(), tenant));
    for lines in &before {
        assert_eq!(lines.len(), 480);
        for (push, line, app) in [(0, 0, 0), (19, 3, 2), (20, 0, 1), (39, 3, 2)] {
            let start = format!("line {push}-{line} of app{app}");
            assert!(lines.iter().any(|line| line.starts_with(&start)), "{start}");
        }
    }
    loptr.api().flush_all();
    assert_eq!(["a", "b"].map(|tenant| lines(loptr.api(), tenant)), before);
    drop(loptr);
    // Killed, and started on a log of its own.
    let loptr = home.start();
    assert_eq!(["a", "b"].map(|tenant| lines(loptr.api(), tenant)), before);
}
