//! Ten generated files of 5,000 lines, and under which patterns a server finds their lines.
//!
//! Each file becomes one stream of a tenant of its own, its lines a fifth of a second apart up to now. `data/patterns.jsonl`
//! has what upstream found, one file a line: `{"file", "patterns": [[pattern, level, lines], ...]}`, written by
//! `loptr-conformance patterns --record` against a server set up as `patterns.yaml` says. A line counts as the same if both
//! servers have it under the same pattern and level, or under none: of each pattern the smaller of both counts.

mod files;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub use files::{FILES, LINES, lines};

use crate::http::{Client, Request};

static RECORDED: &str = include_str!("../data/patterns.jsonl");

/// Percent of a file's lines that must be under the same pattern.
const LEAST_PERCENT: usize = 95;
/// How long the answer may keep changing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it must stay the same.
const SETTLED: Duration = Duration::from_secs(4);

/// Lines by pattern and level.
pub type Found = BTreeMap<(String, String), usize>;

/// Pushes every file to the server at `url`. Compares what is found with the recording, or prints it. False if a file has
/// too few lines in common.
pub fn run(url: &str, record: bool, out: &mut impl Write) -> Result<bool, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let tenant = |file: &str| format!("patterns-{file}-{}", now.as_secs());
    let client = |file: &str| Client::new(url, Some(&tenant(file))).map_err(|error| error.to_string());
    for file in FILES {
        push(&mut client(file)?, file, now)?;
    }
    let written = |error: std::io::Error| format!("write the report: {error}");
    let recorded = if record { BTreeMap::new() } else { recorded()? };
    let mut enough = true;
    for file in FILES {
        let found = settled(&mut client(file)?, now)?;
        if record {
            let patterns: Vec<Value> =
                found.iter().map(|((pattern, level), lines)| json!([pattern, level, lines])).collect();
            writeln!(out, "{}", json!({"file": file, "patterns": patterns})).map_err(written)?;
            continue;
        }
        let theirs = recorded.get(file).ok_or_else(|| format!("there is no recording of {file}"))?;
        let same = same(theirs, &found);
        let verdict = if same * 100 >= LINES * LEAST_PERCENT { "passed" } else { "FAILED" };
        enough &= verdict == "passed";
        writeln!(out, "{verdict}  {file}: {same} of {LINES} lines under the same pattern").map_err(written)?;
        if same < LINES {
            tell(theirs, &found, out).map_err(written)?;
        }
    }
    Ok(enough)
}

/// What upstream found, by file.
pub fn recorded() -> Result<BTreeMap<String, Found>, String> {
    let file = |line: &str| {
        let value: Value = serde_json::from_str(line).ok()?;
        let patterns = value["patterns"].as_array()?.iter();
        let pattern = |entry: &Value| {
            let key = (entry[0].as_str()?.to_owned(), entry[1].as_str()?.to_owned());
            Some((key, usize::try_from(entry[2].as_u64()?).ok()?))
        };
        Some((value["file"].as_str()?.to_owned(), patterns.map(pattern).collect::<Option<Found>>()?))
    };
    let lines = RECORDED.lines().map(|line| file(line).ok_or_else(|| format!("not a file's patterns: {line:.80}")));
    lines.collect()
}

/// Lines that both have under the same pattern, or under none.
pub fn same(a: &Found, b: &Found) -> usize {
    let none = |found: &Found| LINES.saturating_sub(found.values().sum());
    let shared = a.iter().map(|(key, lines)| (*lines).min(b.get(key).copied().unwrap_or(0)));
    shared.sum::<usize>() + none(a).min(none(b))
}

fn tell(theirs: &Found, ours: &Found, out: &mut impl Write) -> std::io::Result<()> {
    let all: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for key in all {
        let lines = |found: &Found| found.get(key).copied().unwrap_or(0);
        if lines(theirs) != lines(ours) {
            writeln!(out, "        {} recorded, {} here: {} {:?}", lines(theirs), lines(ours), key.1, key.0)?;
        }
    }
    Ok(())
}

fn push(client: &mut Client, file: &str, now: Duration) -> Result<(), String> {
    let start = now.as_nanos() - 200_000_000 * LINES as u128;
    let values = lines(file).into_iter().enumerate();
    let values: Vec<Value> =
        values.map(|(at, line)| json!([(start + 200_000_000 * at as u128).to_string(), line])).collect();
    let body = json!({"streams": [{"stream": {"service_name": file}, "values": values}]}).to_string();
    let request = Request::post("/loki/api/v1/push", "application/json", body.into_bytes());
    let answer = client.send(&request).map_err(|error| error.to_string())?;
    if answer.status != 204 {
        return Err(format!("push of {file} was answered {}: {}", answer.status, answer.text()));
    }
    Ok(())
}

/// What is found once it no longer changes.
fn settled(client: &mut Client, now: Duration) -> Result<Found, String> {
    let began = Instant::now();
    let (mut last, mut since) = (Found::new(), Instant::now());
    loop {
        let found = ask(client, now)?;
        if found != last {
            (last, since) = (found, Instant::now());
        } else if !last.is_empty() && since.elapsed() > SETTLED {
            return Ok(last);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("after {} s patterns are still {last:?}", PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn ask(client: &mut Client, now: Duration) -> Result<Found, String> {
    let (start, end) = ((now.as_secs() - 3600).to_string(), (now.as_secs() + 60).to_string());
    let params = [("query", "{service_name=~\".+\"}"), ("start", &start), ("end", &end), ("step", "10s")];
    let answer = client.send(&Request::get("/loki/api/v1/patterns", &params)).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_slice(&answer.body).map_err(|_| format!("no JSON: {}", answer.text()))?;
    let mut found = Found::new();
    for entry in value["data"].as_array().into_iter().flatten() {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let lines =
            entry["samples"].as_array().into_iter().flatten().filter_map(|sample| sample[1].as_u64()).sum::<u64>();
        *found.entry((text("pattern"), text("level"))).or_default() += usize::try_from(lines).unwrap_or(usize::MAX);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_recording_and_its_lines() {
        let recorded = recorded().unwrap();
        for file in FILES {
            assert_eq!(lines(file).len(), LINES);
            assert_eq!(lines(file), lines(file), "{file} is always the same");
            assert!(recorded[file].values().sum::<usize>() <= LINES);
        }
        assert_eq!(recorded.len(), FILES.len());
    }

    #[test]
    fn lines_under_none_on_both_count_too() {
        let found = |lines: &[(&str, usize)]| -> Found {
            lines.iter().map(|(pattern, lines)| (((*pattern).to_owned(), "info".to_owned()), *lines)).collect()
        };
        assert_eq!(same(&found(&[("a <_>", 3000), ("b", 100)]), &found(&[("a <_>", 2900), ("c", 200)])), 2900 + 1900);
        assert_eq!(same(&found(&[]), &found(&[("a", 5000)])), 0);
    }
}
