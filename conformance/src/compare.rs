//! Does an answer say the same as the expected one?
//!
//! What is free, and nothing else:
//!
//! * the order of streams and series in a result, and of the arrays of the metadata endpoints. When the
//!   query sorts, the order of an instant vector counts, but for elements of equal value;
//! * the last digits of numbers in strings: they agree when they differ by at most [`TOLERANCE`] of the larger;
//! * what follows `, expecting ` in a syntax error, and whether it is there;
//! * which series a pipeline error names after `for series:`;
//! * the whole body, where upstream itself varied from run to run ([`ExpectedBody::Free`]);
//! * `data.stats`;
//! * how bytes that are not UTF-8 are spelt (a template may cut a character in two): they compare as U+FFFD;
//! * the order of entries of one time in one stream, only when asked ([`Rules::equal_times_free`]).

use std::fmt;

use serde_json::Value;

use crate::http::Answer;
use crate::proto;
use crate::recorded::{Expected, ExpectedBody};

/// How far two sample values may lie apart, as a part of the larger one.
pub const TOLERANCE: f64 = 1e-9;

/// What the request says about the order of its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// The query sorts: the order of an instant vector counts.
    pub sorted: bool,
    /// Entries of one time in one stream may come in any order, as they do from the head of a live server.
    pub equal_times_free: bool,
}

/// The first thing that differs, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference(pub String);

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Compared = Result<(), Difference>;

fn differ(reason: String) -> Compared {
    Err(Difference(reason))
}

/// Compares an answer with what was expected; the error names the first difference.
pub fn compare(expected: &Expected, got: &Answer, rules: Rules) -> Compared {
    if got.status != expected.status {
        let body = short(&got.text());
        return differ(format!("status {}, expected {}: {body}", got.status, expected.status));
    }
    if expected.body == ExpectedBody::Free {
        return Ok(());
    }
    if got.content_type != expected.content_type {
        return differ(format!("content type {:?}, expected {:?}", got.content_type, expected.content_type));
    }
    match &expected.body {
        ExpectedBody::Free => Ok(()),
        ExpectedBody::Text(text) => compare_text("body", text, &got.text()),
        ExpectedBody::Protobuf(message) => match proto::as_json(&got.body) {
            Some(found) => compare_exactly("message", message, &found),
            None => differ("the body is no protobuf message".to_owned()),
        },
        ExpectedBody::Json(json) => match serde_json::from_str(&got.text()) {
            Ok(value) => compare_json(json, &value, rules),
            Err(error) => differ(format!("the body is not JSON ({error}): {}", short(&got.text()))),
        },
    }
}

/// Makes an expectation of an answer, so that two servers can be held against each other.
pub fn expect_same_as(answer: &Answer) -> Expected {
    let json = serde_json::from_str(&answer.text()).ok();
    let body = match json {
        _ if answer.content_type == "application/vnd.google.protobuf" => {
            proto::as_json(&answer.body).map_or(ExpectedBody::Free, ExpectedBody::Protobuf)
        }
        Some(json) if answer.content_type.starts_with("application/json") => ExpectedBody::Json(json),
        _ => ExpectedBody::Text(answer.text()),
    };
    Expected { status: answer.status, content_type: answer.content_type.clone(), body }
}

/// Removes `data.stats`.
pub fn without_stats(json: &Value) -> Value {
    let mut json = json.clone();
    if let Some(data) = json.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("stats");
    }
    json
}

fn compare_text(place: &str, expected: &str, got: &str) -> Compared {
    let (left, right) = (settled(expected), settled(got));
    if left == right {
        return Ok(());
    }
    differ(format!("{place} {}, expected {}", short(got), short(expected)))
}

/// An error text without its free parts.
pub(crate) fn settled(text: &str) -> String {
    if text.contains("syntax error: ") {
        let end = text.find(", expecting ").unwrap_or(text.len());
        return text.get(..end).unwrap_or(text).to_owned();
    }
    if text.starts_with("pipeline error: ")
        && let Some((before, rest)) = text.split_once("for series: '")
        && let Some((_, after)) = rest.split_once("'.\nUse a label filter")
    {
        return format!("{before}for series: '…'.\nUse a label filter{after}");
    }
    text.to_owned()
}

fn compare_json(expected: &Value, got: &Value, rules: Rules) -> Compared {
    let (expected, got) = (without_stats(expected), without_stats(got));
    let (Some(left), Some(right)) = (expected.as_object(), got.as_object()) else {
        return compare_exactly("body", &expected, &got);
    };
    same_keys("body", left, right)?;
    for (key, value) in left {
        let other = right.get(key).unwrap_or(&Value::Null);
        match (key.as_str(), value.get("resultType").and_then(Value::as_str)) {
            ("data", Some(kind)) => compare_result(kind, value, other, rules)?,
            ("data", None) if value.is_object() => compare_fields(value, other)?,
            _ => compare_free_order(key, value, other)?,
        }
    }
    Ok(())
}

fn same_keys(place: &str, left: &serde_json::Map<String, Value>, right: &serde_json::Map<String, Value>) -> Compared {
    if let Some(key) = left.keys().find(|key| !right.contains_key(*key)) {
        return differ(format!("{place} lacks the member {key:?}"));
    }
    if let Some(key) = right.keys().find(|key| !left.contains_key(*key)) {
        return differ(format!("{place} has the member {key:?}, which was not expected"));
    }
    Ok(())
}

/// Members of `data` at metadata endpoints: arrays in any order.
fn compare_fields(expected: &Value, got: &Value) -> Compared {
    let (Some(left), Some(right)) = (expected.as_object(), got.as_object()) else {
        return compare_exactly("data", expected, got);
    };
    same_keys("data", left, right)?;
    left.iter().try_for_each(|(key, value)| compare_free_order(key, value, right.get(key).unwrap_or(&Value::Null)))
}

fn compare_exactly(place: &str, expected: &Value, got: &Value) -> Compared {
    match (expected, got) {
        (Value::String(expected), Value::String(got)) => compare_text(place, expected, got),
        _ if expected == got => Ok(()),
        _ => differ(format!("{place} {}, expected {}", short(&canonical(got)), short(&canonical(expected)))),
    }
}

fn compare_free_order(place: &str, expected: &Value, got: &Value) -> Compared {
    let (Value::Array(left), Value::Array(right)) = (expected, got) else {
        return compare_exactly(place, expected, got);
    };
    let sorted = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(canonical).collect();
        texts.sort_unstable();
        texts
    };
    same_members(place, "element", &sorted(left), &sorted(right))
}

/// Both slices sorted: names what one has more often than the other.
fn same_members(place: &str, what: &str, expected: &[String], got: &[String]) -> Compared {
    let lacks = |more: &[String], less: &[String]| {
        let mut rest = less.iter().peekable();
        more.iter()
            .find(|text| {
                while rest.next_if(|other| other < text).is_some() {}
                rest.next_if(|other| other == text).is_none()
            })
            .cloned()
    };
    let count = format!("({} where {} were expected)", got.len(), expected.len());
    if let Some(text) = lacks(expected, got) {
        return differ(format!("{place}: {what} {} missing {count}", short(&text)));
    }
    if let Some(text) = lacks(got, expected) {
        return differ(format!("{place}: {what} {} not expected {count}", short(&text)));
    }
    Ok(())
}

fn compare_result(kind: &str, expected: &Value, got: &Value, rules: Rules) -> Compared {
    let (Some(left), Some(right)) = (expected.as_object(), got.as_object()) else {
        return compare_exactly("data", expected, got);
    };
    same_keys("data", left, right)?;
    for (key, value) in left {
        let other = right.get(key).unwrap_or(&Value::Null);
        if key != "result" {
            compare_exactly(key, value, other)?;
        }
    }
    let (expected, got) = (&left["result"], &right["result"]);
    if kind == "scalar" {
        return compare_sample("scalar", expected, got);
    }
    let (Value::Array(expected), Value::Array(got)) = (expected, got) else {
        return compare_exactly("result", expected, got);
    };
    if kind == "vector" && rules.sorted { compare_sorted(expected, got) } else { compare_series(expected, got, rules) }
}

/// An instant vector in the order of its values; elements of equal value in any order.
fn compare_sorted(expected: &[Value], got: &[Value]) -> Compared {
    if expected.len() != got.len() {
        return compare_series(expected, got, Rules::default());
    }
    let value = |element: &Value| element["value"][1].as_str().unwrap_or_default().to_owned();
    let mut start = 0;
    for end in 1..=expected.len() {
        let (Some(first), next) = (expected.get(start), expected.get(end)) else { break };
        if next.is_some_and(|next| numbers_agree(&value(first), &value(next))) {
            continue;
        }
        let run = start..end;
        compare_series(
            expected.get(run.clone()).unwrap_or_default(),
            got.get(run).unwrap_or_default(),
            Rules::default(),
        )
        .map_err(|difference| {
            Difference(format!("order of the sorted result, places {start} to {end}: {difference}"))
        })?;
        start = end;
    }
    Ok(())
}

/// A result's elements with their labels as text, in the order of that text.
fn by_labels(elements: &[Value]) -> Vec<(String, &Value)> {
    let mut keyed: Vec<(String, &Value)> = elements
        .iter()
        .map(|element| {
            (canonical(element.get("metric").or_else(|| element.get("stream")).unwrap_or(&Value::Null)), element)
        })
        .collect();
    keyed.sort_by(|(left, a), (right, b)| left.cmp(right).then_with(|| canonical(a).cmp(&canonical(b))));
    keyed
}

fn compare_series(expected: &[Value], got: &[Value], rules: Rules) -> Compared {
    let (left, right) = (by_labels(expected), by_labels(got));
    let labels = |keyed: &[(String, &Value)]| keyed.iter().map(|(labels, _)| labels.clone()).collect::<Vec<_>>();
    same_members("result", "series", &labels(&left), &labels(&right))?;
    for ((labels, expected), (_, got)) in left.iter().zip(&right) {
        let place = format!("series {}", short(labels));
        if let (Some(left), Some(right)) = (expected.as_object(), got.as_object()) {
            same_keys(&place, left, right)?;
        }
        if let Some(sample) = expected.get("value") {
            compare_sample(&place, sample, &got["value"])?;
        }
        let (Some(expected_values), Some(got_values)) = (expected["values"].as_array(), got["values"].as_array())
        else {
            continue;
        };
        let is_stream = expected.get("stream").is_some();
        if is_stream {
            compare_entries(&place, expected_values, got_values, rules)?
        } else {
            compare_samples(&place, expected_values, got_values)?
        }
    }
    Ok(())
}

fn same_length(place: &str, what: &str, expected: usize, got: usize) -> Compared {
    if expected == got { Ok(()) } else { differ(format!("{place}: {got} {what}, expected {expected}")) }
}

/// Series that differ in labels upstream does not show are one series in its answer, with several samples at a time:
/// their order changes from one answer to the next.
fn compare_samples(place: &str, expected: &[Value], got: &[Value]) -> Compared {
    let arranged = |samples: &[Value]| {
        let mut samples: Vec<Value> = samples.to_vec();
        let number = |sample: &Value| sample[1].as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
        for run in samples.chunk_by_mut(|left, right| left[0] == right[0]) {
            run.sort_by(|left, right| number(left).total_cmp(&number(right)));
        }
        samples
    };
    arranged(expected).iter().zip(&arranged(got)).try_for_each(|(left, right)| compare_sample(place, left, right))?;
    same_length(place, "samples", expected.len(), got.len())
}

fn compare_entries(place: &str, expected: &[Value], got: &[Value], rules: Rules) -> Compared {
    let arranged = |entries: &[Value]| {
        let mut texts: Vec<(String, String)> =
            entries.iter().map(|entry| (canonical(&entry[0]), canonical(entry))).collect();
        if rules.equal_times_free {
            for run in texts.chunk_by_mut(|left, right| left.0 == right.0) {
                run.sort_unstable();
            }
        }
        texts
    };
    for (at, (expected, got)) in arranged(expected).iter().zip(&arranged(got)).enumerate() {
        if expected != got {
            return differ(format!("{place}: entry {at} is {}, expected {}", short(&got.1), short(&expected.1)));
        }
    }
    same_length(place, "entries", expected.len(), got.len())
}

/// One `[seconds, "value"]`.
fn compare_sample(place: &str, expected: &Value, got: &Value) -> Compared {
    let part = |sample: &Value| Some((sample.get(0)?.as_f64()?, sample.get(1)?.as_str()?.to_owned()));
    let (Some((time, value)), Some((other_time, other_value))) = (part(expected), part(got)) else {
        return compare_exactly(place, expected, got);
    };
    if time != other_time {
        return differ(format!("{place}: a sample at {other_time}, expected at {time}"));
    }
    if !numbers_agree(&value, &other_value) {
        return differ(format!("{place}: {other_value} at {time}, expected {value}"));
    }
    Ok(())
}

/// Two numbers written as upstream writes them: without exponent, `NaN`, `+Inf`, `-Inf`.
pub fn numbers_agree(expected: &str, got: &str) -> bool {
    if expected == got {
        return true;
    }
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte));
    let (true, true, Ok(left), Ok(right)) = (plain(expected), plain(got), expected.parse::<f64>(), got.parse::<f64>())
    else {
        return false;
    };
    (left - right).abs() <= TOLERANCE * left.abs().max(right.abs())
}

/// JSON text with members in the order of their names.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members: Vec<String> = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Value::Array(elements) => format!("[{}]", elements.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// JSON over several lines, statistics left out, a result's elements in the order of their labels.
pub fn pretty(json: &Value) -> String {
    let mut json = without_stats(json);
    if let Some(result) = json.pointer_mut("/data/result").and_then(Value::as_array_mut) {
        result.sort_by_key(|element| {
            canonical(element.get("metric").or_else(|| element.get("stream")).unwrap_or(&Value::Null))
        });
    }
    let mut lines = String::new();
    pretty_into(&mut lines, &json, 0);
    lines
}

/// Short values stay on one line, so that a sample is one.
fn pretty_into(out: &mut String, value: &Value, depth: usize) {
    let flat = canonical(value);
    if flat.len() <= 100 {
        out.push_str(&flat);
        return;
    }
    let pad = "  ".repeat(depth + 1);
    let close = "  ".repeat(depth);
    match value {
        Value::Object(members) => {
            out.push_str("{\n");
            for (name, member) in members {
                out.push_str(&format!("{pad}{}: ", Value::from(name.as_str())));
                pretty_into(out, member, depth + 1);
                out.push('\n');
            }
            out.push_str(&format!("{close}}}"));
        }
        Value::Array(elements) => {
            out.push_str("[\n");
            for element in elements {
                out.push_str(&pad);
                pretty_into(out, element, depth + 1);
                out.push('\n');
            }
            out.push_str(&format!("{close}]"));
        }
        _ => out.push_str(&flat),
    }
}

/// The first 200 characters, line ends made visible.
pub fn short(text: &str) -> String {
    let one_line = text.replace('\n', "⏎");
    let mut cut: String = one_line.chars().take(200).collect();
    if cut.len() < one_line.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests;
