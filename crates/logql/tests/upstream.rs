//! What Loki 3.7.6 answered, query by query. The words after `, expecting ` are ours.
//!
//! - `format_query.jsonl`: odd queries with the answer of the `format_query` endpoint.
//! - `stages.jsonl`: queries with the error of the range query endpoint, stages built.
//! - `cases.jsonl`: every query of the conformance suite.

use loptr_logql::ast::{Expr, StageKind};
use loptr_logql::{check_stages, parse, parse_matchers, pretty};
use serde_json::Value;

fn lines(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line"))
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What stands before the part of a syntax error that is free.
fn fixed(error: &str) -> &str {
    error.split_once(", expecting ").filter(|_| error.contains("syntax error")).map_or(error, |(fixed, _)| fixed)
}

fn answer(query: &str) -> Result<String, String> {
    parse(query).and_then(|query| pretty(&query)).map_err(|error| error.to_string())
}

fn same(ours: &Result<String, String>, record: &Value) -> bool {
    match ours {
        Ok(data) => record.get("data").and_then(Value::as_str) == Some(data),
        Err(error) => record.get("error").and_then(Value::as_str).map(fixed) == Some(fixed(error)),
    }
}

#[test]
fn format_query_answers_as_recorded() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for record in lines(include_str!("../testdata/format_query.jsonl")) {
        let ours = answer(text(&record, "query"));
        if !same(&ours, &record) {
            wrong.push(format!("{record}\n  ours: {ours:?}"));
        }
        count += 1;
    }
    assert!(count > 3000 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn stages_are_refused_as_recorded() {
    let mut wrong = Vec::new();
    for record in lines(include_str!("../testdata/stages.jsonl")) {
        let query = parse(text(&record, "query")).expect("only the stages are at fault");
        let ours = check_stages(&query, &|_| Ok(())).map_err(|error| error.to_string());
        let upstream = match text(&record, "error") {
            "" => Ok(()),
            error => Err(fixed(error).to_owned()),
        };
        if ours.as_ref().map_err(|error| fixed(error)) != upstream.as_ref().map_err(String::as_str) {
            wrong.push(format!("{record}\n  ours: {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The outcome of a query request, with template faults taken from the record: they are found elsewhere.
fn request(query: &str, recorded: &str) -> Result<Expr, String> {
    let template = |stage: &StageKind| match recorded.split_once(&format!("stage '{stage}' : invalid ")) {
        Some((_, message)) if message.contains("template") => Err(format!("invalid {message}")),
        _ => Ok(()),
    };
    let parsed = parse(query).map_err(|error| error.to_string())?;
    check_stages(&parsed, &template).map_err(|error| error.to_string())?;
    Ok(parsed)
}

#[test]
fn conformance_queries_are_taken_and_refused_as_recorded() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for record in lines(include_str!("../testdata/cases.jsonl")) {
        count += 1;
        let (query, error) = (text(&record, "query"), text(&record, "error"));
        let ours = match text(&record, "kind") {
            "format" => parse(query).map(|_| ()).map_err(|error| error.to_string()),
            "matchers" => parse_matchers(query).map(|_| ()).map_err(|error| error.to_string()),
            // An instant log query is refused as such before its stages are built.
            "instant" if error.is_empty() => parse(query).map(|_| ()).map_err(|error| error.to_string()),
            _ => request(query, error).map(|_| ()),
        };
        // `sum(1)` is a query; what refuses it is a later step that looks for selectors.
        let is_late = query == "sum(1)";
        let upstream = if error.is_empty() || is_late { Ok(()) } else { Err(fixed(error)) };
        if ours.as_ref().map(|_| ()).map_err(|error| fixed(error)) != upstream {
            wrong.push(format!("{record}\n  ours: {ours:?}"));
        }
    }
    assert!(count > 900 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
