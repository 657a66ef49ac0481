//! Recorded tails: each case is a tenant of its own that pushes, opens a WebSocket, pushes on, and is told what a server
//! must tell.
//!
//! `data/tails.json` holds what upstream told, made by `loptr-conformance tails --record`; the cases themselves are
//! written here. Where upstream's answer is knowingly not followed (`docs/differences.md`) it stands there as `upstream`,
//! beside the `better` one and `why`. Of frames the first one's keys in order, and the entries of all in order: frames are cut by chance.
//! Times are held against those pushed.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::compare::{settled, short};
use crate::http::{Client, HttpError, Request};
use crate::replay::Counts;
use crate::ws::{Said, Socket, WsError};

static RECORDED: &str = include_str!("../data/tails.json");

/// After so long without a frame a tail is held to have told everything. Upstream holds an entry for up to a second
/// beyond `delay_for`.
const QUIET: Duration = Duration::from_secs(4);

/// One tail: what is pushed before and after it opens.
struct Case {
    id: &'static str,
    path: &'static str,
    params: &'static [(&'static str, &'static str)],
    headers: &'static [(&'static str, &'static str)],
    before: &'static [Line],
    after: &'static [Line],
    /// The same tail is opened so many times more first.
    others: usize,
}

/// A line of stream `app`.
struct Line {
    app: &'static str,
    text: &'static str,
    metadata: Option<(&'static str, &'static str)>,
}

const fn line(app: &'static str, text: &'static str) -> Line {
    Line { app, text, metadata: None }
}

const fn told(app: &'static str, text: &'static str) -> Line {
    Line { app, text, metadata: Some(("trace", "t1")) }
}

const V1: &str = "/loki/api/v1/tail";
const LEGACY: &str = "/api/prom/tail";
const FLAGS: &[(&str, &str)] = &[("X-Loki-Response-Encoding-Flags", "categorize-labels")];
const FOUR: &[Line] = &[line("a", "one n=1"), line("a", "two n=2"), line("b", "three n=3"), line("a", "four <n>=4")];
const MORE: &[Line] =
    &[line("a", "five n=5"), line("b", "six n=6"), line("a", "seven \"n\"=7"), line("a", "eight n=8")];
const RICH: &[Line] = &[told("a", "nine n=9"), told("a", "{\"level\":\"error\",\"n\":10}")];
const NONE: &[Line] = &[];

const fn case(
    id: &'static str,
    path: &'static str,
    params: &'static [(&'static str, &'static str)],
    before: &'static [Line],
    after: &'static [Line],
) -> Case {
    Case { id, path, params, headers: &[], before, after, others: 0 }
}

const fn flagged(
    id: &'static str,
    params: &'static [(&'static str, &'static str)],
    before: &'static [Line],
    after: &'static [Line],
) -> Case {
    Case { id, path: V1, params, headers: FLAGS, before, after, others: 0 }
}

const CASES: &[Case] = &[
    case("tail-001", V1, &[("query", "{app=\"a\"}")], FOUR, NONE),
    case("tail-002", V1, &[("query", "{app=\"a\"}"), ("limit", "2")], FOUR, NONE),
    flagged("tail-003", &[("query", "{app=\"a\"}")], FOUR, MORE),
    flagged("tail-004", &[("query", "{app=~\"a|b\"}")], FOUR, MORE),
    flagged("tail-005", &[("query", "{app=~\"a|b\"}"), ("limit", "1")], FOUR, RICH),
    case("tail-006", V1, &[("query", "{app=~\"a|b\"} |= \"n=\"")], FOUR, MORE),
    case("tail-007", V1, &[("query", "{app=~\"a|b\"} | logfmt | n > 4")], FOUR, MORE),
    flagged("tail-008", &[("query", "{app=\"a\"} | logfmt")], FOUR, MORE),
    flagged("tail-009", &[("query", "{app=\"a\"} | json")], RICH, RICH),
    case("tail-010", V1, &[("query", "{app=\"a\"} | line_format \"{{.app}}: {{__line__}}\"")], FOUR, MORE),
    case("tail-011", V1, &[("query", "{app=\"a\"} | label_format app=\"z\"")], FOUR, MORE),
    flagged("tail-012", &[("query", "{app=\"a\"}"), ("delay_for", "2")], FOUR, MORE),
    flagged("tail-013", &[("query", "{app=\"nosuch\"}")], FOUR, MORE),
    case("tail-014", LEGACY, &[("query", "{app=\"a\"} | logfmt")], FOUR, MORE),
    case("tail-015", LEGACY, &[("query", "{app=\"a\"}"), ("regexp", "f.*r")], FOUR, MORE),
    case("tail-016", V1, &[("query", "{app=\"a\"}"), ("start", "4000000000")], FOUR, NONE),
    // Refused, before the upgrade or after it.
    case("tail-101", V1, &[], NONE, NONE),
    case("tail-102", V1, &[("query", "{app=\"a\"")], NONE, NONE),
    case("tail-103", V1, &[("query", "{}")], NONE, NONE),
    case("tail-104", V1, &[("query", "rate({app=\"a\"}[1m])")], NONE, NONE),
    case("tail-105", V1, &[("query", "{app=\"a\"}"), ("delay_for", "6")], NONE, NONE),
    case("tail-106", V1, &[("query", "{app=\"a\"}"), ("delay_for", "x")], NONE, NONE),
    case("tail-107", V1, &[("query", "{app=\"a\"}"), ("limit", "0")], NONE, NONE),
    case("tail-108", V1, &[("query", "{app=\"a\"}"), ("limit", "x")], NONE, NONE),
    case("tail-109", V1, &[("query", "{app=\"a\"}"), ("start", "x")], NONE, NONE),
    case("tail-110", V1, &[("query", "{app=\"a\"} |~ \"(\"")], NONE, NONE),
    case("tail-111", LEGACY, &[("query", "{app=\"a\"}"), ("regexp", "(")], NONE, NONE),
    Case { others: 10, ..case("tail-112", V1, &[("query", "{app=\"a\"}")], NONE, NONE) },
];

fn body(lines: &[Line], times: &mut Vec<String>, base: i64) -> Vec<u8> {
    let mut streams = Vec::new();
    for line in lines {
        let time = (base + times.len() as i64 * 1_000_000).to_string();
        let value = match line.metadata {
            Some((name, text)) => json!([time, line.text, { name: text }]),
            None => json!([time, line.text]),
        };
        times.push(time);
        streams.push(json!({ "stream": { "app": line.app }, "values": [value] }));
    }
    json!({ "streams": streams }).to_string().into_bytes()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// What a server tells in one case.
fn listen(client: &mut Client, case: &Case, tenant: &str) -> Result<Value, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let params: Vec<_> = case.params.iter().map(pair).collect();
    let mut headers: Vec<_> = case.headers.iter().map(pair).collect();
    headers.push(("X-Scope-OrgID".to_owned(), tenant.to_owned()));
    let host = client.host().to_owned();
    let open = || Socket::open(&host, case.path, &params, &headers);
    // The last digit is never zero, which a text of a time would leave out.
    let base = (now() - 10_000_000_000) / 1000 * 1000 + 1;
    let mut times = Vec::new();
    let mut push = |lines: &[Line], times: &mut Vec<String>| -> Result<(), String> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut request = Request::post("/loki/api/v1/push", "application/json", body(lines, times, base));
        request.headers.push(("X-Scope-OrgID".to_owned(), tenant.to_owned()));
        let answer = client.send(&request).map_err(|error: HttpError| error.to_string())?;
        if answer.status == 204 { Ok(()) } else { Err(format!("push: {} {}", answer.status, answer.text())) }
    };
    push(case.before, &mut times)?;
    let mut others = Vec::new();
    for _ in 0..case.others {
        others.push(open().map_err(|error| error.to_string())?);
        // One after another, as their number is counted.
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut socket = match open() {
        Ok(socket) => socket,
        Err(WsError::Refused(status, text)) => return Ok(json!({ "status": status, "text": text })),
        Err(error) => return Err(error.to_string()),
    };
    let (mut keys, mut entries, mut end) = (Value::Null, Vec::new(), Value::Null);
    let mut pushed = case.after.is_empty();
    loop {
        match socket.next(QUIET) {
            Said::Text(text) => {
                let frame: Value = serde_json::from_str(&text).map_err(|error| format!("a frame {text}: {error}"))?;
                if keys.is_null() {
                    keys = keys_in_order(&text, &frame);
                }
                for stream in frame["streams"].as_array().into_iter().flatten() {
                    entries.push(entry(stream, &times)?);
                }
            }
            Said::Close(code, reason) => {
                end = json!({ "code": code, "reason": reason });
                break;
            }
            Said::Gone => {
                end = json!("gone");
                break;
            }
            Said::Nothing if pushed => break,
            Said::Nothing => {
                push(case.after, &mut times)?;
                pushed = true;
            }
        }
    }
    Ok(json!({ "keys": keys, "entries": entries, "end": end }))
}

/// The frame's keys as they stand in its text.
fn keys_in_order(text: &str, frame: &Value) -> Value {
    let mut keys: Vec<&String> = frame.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    keys.sort_by_key(|key| text.rfind(&format!("\"{key}\":")).unwrap_or(usize::MAX));
    keys.sort_by_key(|key| key.as_str() != "streams");
    json!(keys)
}

/// An element of `streams` with the time's number among those pushed for the time.
fn entry(stream: &Value, times: &[String]) -> Result<Value, String> {
    let mut stream = stream.clone();
    let time_of = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        times.iter().position(|time| *time == text || time.ends_with(&digits[digits.len().saturating_sub(9)..]))
    };
    let many = stream["values"].as_array().is_some_and(|all| all.len() != 1);
    if many {
        return Err(format!("an element of streams with several entries: {stream}"));
    }
    for place in ["/values/0/0", "/entries/0/ts"] {
        if let Some(time) = stream.pointer_mut(place) {
            *time = json!(time_of(time));
        }
    }
    Ok(stream)
}

/// What live entries are told with by us and not by upstream where the query has no stages: the level (see
/// `docs/differences.md`).
fn without_level(told: &Value) -> Value {
    let mut told = told.clone();
    for entry in told["entries"].as_array_mut().into_iter().flatten() {
        if let Some(labels) = entry.get_mut("stream").and_then(Value::as_object_mut) {
            labels.remove("detected_level");
        }
        if let Some(Value::String(labels)) = entry.get_mut("labels") {
            *labels = labels.replace("detected_level=\"unknown\", ", "");
        }
    }
    told
}

/// Whether a server told the same; of a syntax error what was expected instead is free.
fn alike(told: &Value, expected: &Value) -> bool {
    match (told["text"].as_str(), expected["text"].as_str()) {
        (Some(text), Some(wanted)) => told["status"] == expected["status"] && settled(text) == settled(wanted),
        _ => told == expected,
    }
}

/// Runs every case against `client`; with `record` prints what it tells instead of comparing.
pub fn run(client: &mut Client, record: bool, out: &mut impl Write) -> io::Result<Counts> {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap_or_default();
    let run = now() / 1_000_000 % 100_000_000;
    let (mut counts, mut all) = (Counts::default(), serde_json::Map::new());
    for case in CASES {
        let told =
            listen(client, case, &format!("{}-{run}", case.id)).unwrap_or_else(|error| json!({ "error": error }));
        if record {
            all.insert(case.id.to_owned(), told);
            continue;
        }
        let better = recorded[case.id].get("better");
        let expected = better.unwrap_or(&recorded[case.id]);
        let alike =
            alike(&told, expected) || case.headers.is_empty() && without_level(&told) == without_level(expected);
        if alike {
            *(if better.is_some() { &mut counts.listed } else { &mut counts.passed }) += 1;
            continue;
        }
        counts.failed += 1;
        writeln!(
            out,
            "FAILED  {}\n        {}\n        expected {}",
            case.id,
            short(&told.to_string()),
            short(&expected.to_string())
        )?;
    }
    if record {
        writeln!(out, "{}", serde_json::to_string_pretty(&all).unwrap_or_default())?;
        return Ok(counts);
    }
    crate::replay::table(&std::collections::BTreeMap::from([("tail", counts)]), "all recorded", false, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_recorded_once() {
        let recorded: Value = serde_json::from_str(RECORDED).unwrap();
        let mut ids: Vec<&str> = CASES.iter().map(|case| case.id).collect();
        ids.sort_unstable();
        let found: Vec<&String> = recorded.as_object().unwrap().keys().collect();
        assert_eq!(ids, found);
        assert!(recorded.as_object().unwrap().values().all(|told| told.get("error").is_none()));
    }

    #[test]
    fn keys_come_in_the_order_of_the_text() {
        let text = r#"{"streams":[{"stream":{"encodingFlags":"x"}}],"dropped_entries":[],"encodingFlags":[]}"#;
        let frame = serde_json::from_str(text).unwrap();
        assert_eq!(keys_in_order(text, &frame), json!(["streams", "dropped_entries", "encodingFlags"]));
    }
}
