//! Recorded pushes: each goes to a tenant of its own, then what is stored for it and what was counted is asked for.
//!
//! `data/pushes.jsonl.zst` has one case a line, made by `record/record.py` from a server set up as `push.yaml` says:
//!
//! ```text
//! {"id", "note", "method", "path", "headers", "body" | "base64", "tenant"?,
//!  "free_order"?, "free_time"?, "far"?, "status_only"?,
//!  "expect": {"status", "content_type", "text", "stored"?, "counted"?}, "better"?}
//! ```
//!
//! `tenant` is the header's text where a case has one of its own, null for none. `free_order`: the messages of an error
//! come in any order. `free_time` and `far` cases are stored outside the window that is asked for; `far` ones are not
//! counted either. Times in texts are not compared, and the tenant's name stands for the recorded one.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::compare::{canonical, short};
use crate::differences::Differences;
use crate::http::{Answer, Client, HttpError, Request};
use crate::recorded::{RecordedError, SET_START_SECS};
use crate::replay::{Counts, Settings, table};

static PUSHES: &[u8] = include_bytes!("../data/pushes.jsonl.zst");

/// The end of the tenants' names in the recording.
const RECORDED: &str = "recorded";

/// One push with what was answered, stored and counted.
#[derive(Debug, Clone)]
pub struct PushCase {
    /// `group-number`.
    pub id: String,
    note: String,
    request: Request,
    /// None: one of its own. Some(None): no header.
    tenant: Option<Option<String>>,
    free_order: bool,
    free_time: bool,
    far: bool,
    status_only: bool,
    expect: Value,
    better: Option<Value>,
}

impl PushCase {
    /// Whether an answer without a listed defect of upstream is known.
    pub fn has_better(&self) -> bool {
        self.better.is_some()
    }
}

/// Every recorded push.
pub fn push_cases() -> Result<Vec<PushCase>, RecordedError> {
    let lines = zstd::decode_all(PUSHES).map_err(|source| RecordedError::Unpack { what: "the pushes", source })?;
    let lines = lines.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let read = |(at, line): (usize, &[u8])| {
        let bad = |reason: String| RecordedError::Case { line: at + 1, reason };
        let value: Value = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
        case(&value).ok_or_else(|| bad("not a push with its expectation".to_owned()))
    };
    lines.map(read).collect()
}

fn case(value: &Value) -> Option<PushCase> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    let is_set = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    let body = match text("base64") {
        Some(packed) => BASE64_STANDARD.decode(packed).ok()?,
        None => text("body")?.into_bytes(),
    };
    let headers = value.get("headers")?.as_object()?.iter();
    let headers = headers.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Some(PushCase {
        id: text("id")?,
        note: text("note")?,
        request: Request {
            method: text("method")?,
            path: text("path")?,
            params: Vec::new(),
            headers: headers.collect::<Option<_>>()?,
            body,
        },
        tenant: value.get("tenant").map(|tenant| tenant.as_str().map(str::to_owned)),
        free_order: is_set("free_order"),
        free_time: is_set("free_time"),
        far: is_set("far"),
        status_only: is_set("status_only"),
        expect: value.get("expect")?.clone(),
        better: value.get("better").cloned(),
    })
}

/// Sends `cases` to `client`, which names no tenant itself. Writes a line for each difference and a table by group.
pub fn run(
    client: &mut Client,
    cases: &[PushCase],
    differences: &Differences,
    settings: &Settings,
    out: &mut impl Write,
) -> io::Result<Counts> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // As long as in the recording: error texts are framed by their length.
    let run = format!("{:08}", now % 100_000_000);
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for case in cases {
        let group = case.id.rsplit_once('-').map_or(case.id.as_str(), |(group, _)| group);
        if !settings.groups.is_empty() && !settings.groups.iter().any(|wanted| wanted == group) {
            continue;
        }
        let counts = groups.entry(group).or_default();
        let found = match found(client, case, &run) {
            Ok(found) => found,
            Err(error) => {
                writeln!(out, "FAILED  {}  {}\n        {error}", case.id, case.note)?;
                counts.failed += 1;
                continue;
            }
        };
        let Err(difference) = same(case, &case.expect, &found) else {
            counts.passed += 1;
            continue;
        };
        let listed = differences.of_id(&case.id);
        let worse = case.better.as_ref().map_or(Err(difference.clone()), |better| same(case, better, &found));
        let (word, reason) = match (listed, worse) {
            (Some(defect), Ok(())) => {
                counts.listed += 1;
                ("listed", format!("{}: {difference}", defect.name))
            }
            (Some(_), Err(worse)) => {
                counts.failed += 1;
                ("FAILED", format!("neither upstream's answer nor the better one: {worse}"))
            }
            (None, _) => {
                counts.failed += 1;
                ("FAILED", difference)
            }
        };
        writeln!(out, "{word}  {}  {}\n        {reason}", case.id, case.note)?;
    }
    table(&groups, "all pushes", false, out)
}

/// What the server answers, stores and counts, under the recorded tenant's name.
fn found(client: &mut Client, case: &PushCase, run: &str) -> Result<Value, HttpError> {
    let own = format!("{}-{run}", case.id);
    let tenant = case.tenant.clone().unwrap_or_else(|| Some(own.clone()));
    let named = |mut request: Request| {
        if let Some(tenant) = &tenant {
            request.headers.push(("X-Scope-OrgID".to_owned(), tenant.clone()));
        }
        request
    };
    let answer = client.send(&named(case.request.clone()))?;
    let mut found = json!({"status": answer.status, "content_type": answer.content_type, "text": answer.text()});
    if case.expect.get("stored").is_some() {
        let (start, end) = ((SET_START_SECS - 1800).to_string(), (SET_START_SECS + 1800).to_string());
        let mut query = Request::get(
            "/loki/api/v1/query_range",
            &[
                ("query", r#"{service_name=~".+"}"#),
                ("start", &start),
                ("end", &end),
                ("limit", "1000"),
                ("direction", "forward"),
            ],
        );
        query.headers.push(("X-Loki-Response-Encoding-Flags".to_owned(), "categorize-labels".to_owned()));
        found["stored"] = stored(&client.send(&named(query))?);
    }
    if case.expect.get("counted").is_some() {
        let metrics = client.send(&Request::get("/metrics", &[]))?;
        found["counted"] = counted(&metrics.text(), tenant.as_deref().unwrap_or_default());
    }
    let text = found.to_string().replace(&own, &format!("{}-{RECORDED}", case.id));
    Ok(serde_json::from_str(&text).unwrap_or(found))
}

/// Streams with their entries, in the order of their labels.
fn stored(answer: &Answer) -> Value {
    let body: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    let Some(result) = body.pointer("/data/result").and_then(Value::as_array) else {
        return Value::String(format!("{} {}", answer.status, answer.text()));
    };
    let mut streams: Vec<Value> = result.iter().map(|stream| json!([stream["stream"], stream["values"]])).collect();
    streams.sort_by_key(|stream| canonical(&stream[0]));
    Value::Array(streams)
}

/// What the distributor received of a tenant and what was discarded, by reason and format; zeros left out.
fn counted(metrics: &str, tenant: &str) -> Value {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    let of_tenant = format!("tenant=\"{tenant}\"");
    for line in metrics.lines().filter(|line| line.contains(&of_tenant)) {
        let Some((name, rest)) = line.strip_prefix("loki_").and_then(|line| line.split_once("_total{")) else {
            continue;
        };
        let is_received = name.starts_with("distributor_") && name.ends_with("_received");
        if !is_received && !matches!(name, "discarded_samples" | "discarded_bytes") {
            continue;
        }
        let Some((labels, value)) = rest.rsplit_once("} ") else { continue };
        let value = value.parse::<f64>().unwrap_or(0.0) as u64;
        let label = |name: &str| {
            labels.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
        };
        let words =
            [Some(name), label("reason"), label("format")].into_iter().flatten().filter(|word| !word.is_empty());
        if value > 0 {
            *counted.entry(words.collect::<Vec<_>>().join(" ")).or_default() += value;
        }
    }
    json!(counted)
}

fn same(case: &PushCase, expected: &Value, found: &Value) -> Result<(), String> {
    let parts: &[&str] = if case.status_only { &["status"] } else { &["status", "content_type", "text"] };
    let mut parts = parts.to_vec();
    if !case.status_only && !case.far {
        parts.extend(["counted"]);
        parts.extend((!case.free_time).then_some("stored"));
    }
    for part in parts {
        let settled = |value: &Value| match value.get(part) {
            Some(Value::String(text)) if part == "text" => settled(text, case.free_order),
            Some(value) => canonical(value),
            None => String::new(),
        };
        let (expected, found) = (settled(expected), settled(found));
        if expected != found {
            return Err(format!("{part} {}, expected {}", short(&found), short(&expected)));
        }
    }
    Ok(())
}

/// A text without its times, its messages in the order of their letters where that is free.
fn settled(text: &str, free_order: bool) -> String {
    let text = without_times(text);
    if !free_order {
        return text;
    }
    // A message of OTLP is framed by its length.
    let start = text.find("errors like").and_then(|at| text[..at].rfind(|c: char| !c.is_ascii_digit() && c != ' '));
    let (frame, messages) = text.split_at(start.map_or(0, |at| text.ceil_char_boundary(at + 1)));
    let mut messages: Vec<&str> = messages.trim_end().split("; ").collect();
    messages.sort_unstable();
    format!("{frame}{}", messages.join("; "))
}

fn without_times(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let fits = |at: usize| {
        let part = text.as_bytes().get(at..at + SHAPE.len())?;
        let same = |(found, wanted): (&u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
        part.iter().zip(SHAPE).all(same).then_some(())
    };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if fits(at).is_some() {
            out.push_str("<time>");
            at += SHAPE.len();
            let fraction = text[at..].find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len() - at);
            at += fraction;
            continue;
        }
        out.push(c);
        at += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_pushes_unpack_and_say_what_is_expected() {
        let cases = push_cases().unwrap();
        let of = |group: &str| cases.iter().filter(|case| case.id.starts_with(group)).count();
        assert_eq!((of("push-"), of("otlp-"), cases.len()), (294, 304, 598));
        assert!(cases.iter().all(|case| case.expect.get("status").is_some()));
        let differences = Differences::parse(crate::differences::SHIPPED).unwrap();
        for case in cases {
            assert_eq!(case.has_better(), differences.of_id(&case.id).is_some(), "{}", case.id);
        }
    }

    #[test]
    fn times_and_free_orders_are_settled() {
        assert_eq!(without_times("at 2026-11-19T10:00:00.5Z, é"), "at <time>Z, é");
        assert_eq!(settled("x1 errors like: b; 1 errors like: a\n", true), "x1 errors like: a; 1 errors like: b");
    }

    #[test]
    fn counts_are_of_one_tenant() {
        let text = "loki_discarded_samples_total{reason=\"r\",tenant=\"a\",format=\"otlp\"} 2\n\
                    loki_discarded_samples_total{reason=\"r\",tenant=\"b\",format=\"otlp\"} 3\n\
                    loki_distributor_lines_received_total{tenant=\"a\",format=\"otlp\"} 0\n";
        assert_eq!(counted(text, "a"), json!({"discarded_samples r otlp": 2}));
    }
}
