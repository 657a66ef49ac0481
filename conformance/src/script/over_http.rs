//! Runs a script against a server, Loptr or upstream.
//!
//! The server must know several tenants (`auth_enabled`), for each script loads its own; must neither add to what is
//! pushed (`discover_service_name: []`, `discover_log_levels: false`) nor move steps (`split_queries_by_interval: 0`),
//! and take old entries (`reject_old_samples: false`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Ask, Eval, Labels, Script, is_same, parse_labels, parse_text, parse_time, parse_values};
use crate::http::{Answer, Client, Request};
use crate::language;

/// When scripts begin: 2026-11-18T00:00:00Z, the start of an index day.
const BEGIN_NS: i64 = 1_794_960_000_000_000_000;

/// Pushes what the script loads.
pub fn load(client: &mut Client, script: &Script) -> Result<(), String> {
    let streams: Vec<Value> = script
        .streams
        .iter()
        .map(|(labels, entries)| {
            let values = entries.iter().map(|entry| {
                let ts = (BEGIN_NS + entry.ts_ns).to_string();
                json!([ts, entry.line, object(&entry.metadata)])
            });
            json!({"stream": object(labels), "values": values.collect::<Vec<_>>()})
        })
        .collect();
    let body = json!({ "streams": streams }).to_string().into_bytes();
    crate::replay::push(client, &[body])
}

fn object(labels: &Labels) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
}

/// Asks one question; the error says what differs.
pub fn ask(client: &mut Client, eval: &Eval) -> Result<(), String> {
    let answer = client.send(&request(eval)).map_err(|error| error.to_string())?;
    if eval.fails {
        let want = eval.expect.join("\n");
        let told = answer.status != 200 && answer.text().contains(&want);
        return if told {
            Ok(())
        } else {
            Err(format!("expected error: {want}\ngot {}: {}", answer.status, answer.text()))
        };
    }
    if answer.status != 200 {
        return Err(format!("status {}: {}", answer.status, answer.text()));
    }
    let (mut want, mut got) = match eval.ask {
        Ask::Logs { .. } => (expected_logs(eval)?, logs(&answer)?),
        _ => (expected_values(eval)?, values(eval, &answer)?),
    };
    if !language::sorts(&eval.query) {
        want.sort_by(|a, b| a.0.cmp(&b.0));
        got.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let same = want.len() == got.len()
        && want.iter().zip(&got).all(|(want, got)| {
            want.0 == got.0
                && want.1.len() == got.1.len()
                && want.1.iter().zip(&got.1).all(|(want, got)| match (want, got) {
                    (Cell::Number(want), Cell::Number(got)) => is_same(*want, *got),
                    (want, got) => want == got,
                })
        });
    if same { Ok(()) } else { Err(format!("expected {want:?}\ngot {got:?}")) }
}

fn request(eval: &Eval) -> Request {
    let time = |ns: i64| (BEGIN_NS + ns).to_string();
    let secs = |ns: i64| format!("{:.3}", ns as f64 / 1e9);
    let mut params = vec![("query", eval.query.clone())];
    let path = match eval.ask {
        Ask::Logs { start_ns, end_ns, forward, limit, interval_ns } => {
            params.push(("start", time(start_ns)));
            params.push(("end", time(end_ns)));
            params.push(("direction", if forward { "forward" } else { "backward" }.to_owned()));
            params.push(("limit", limit.to_string()));
            if interval_ns > 0 {
                params.push(("interval", secs(interval_ns)));
            }
            "query_range"
        }
        Ask::Instant { ts_ns } => {
            params.push(("time", time(ts_ns)));
            "query"
        }
        Ask::Range { start_ns, end_ns, step_ns } => {
            params.push(("start", time(start_ns)));
            params.push(("end", time(end_ns)));
            params.push(("step", secs(step_ns)));
            "query_range"
        }
    };
    let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Request::get(&format!("/loki/api/v1/{path}"), &params)
}

#[derive(Debug, PartialEq)]
enum Cell {
    Number(Option<f64>),
    Line(i64, String),
}

/// Labels (none for a scalar) and what belongs to them.
type Row = (Option<Labels>, Vec<Cell>);

fn expected_logs(eval: &Eval) -> Result<Vec<Row>, String> {
    let mut rows: Vec<Row> = Vec::new();
    for line in &eval.expect {
        if line.starts_with('{') {
            rows.push((Some(parse_labels(line)?.0), Vec::new()));
            continue;
        }
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        let (_, cells) = rows.last_mut().ok_or("a line without a stream")?;
        cells.push(Cell::Line(parse_time(time)?, parse_text(text)?.trim_end().to_owned()));
    }
    Ok(rows)
}

fn expected_values(eval: &Eval) -> Result<Vec<Row>, String> {
    let row = |line: &String| {
        let (labels, values) = parse_values(line)?;
        Ok((labels, values.into_iter().map(Cell::Number).collect()))
    };
    eval.expect.iter().map(row).collect()
}

fn result(answer: &Answer) -> Result<Value, String> {
    let mut body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    Ok(body.pointer_mut("/data").ok_or("an answer without data")?.take())
}

fn labels(value: &Value) -> Labels {
    let pairs = value.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pairs.map(|(name, value)| (name.clone(), text(value))).collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn logs(answer: &Answer) -> Result<Vec<Row>, String> {
    let data = result(answer)?;
    let line = |pair: &Value| {
        let text = |at: usize| pair.get(at).and_then(Value::as_str).unwrap_or_default();
        Cell::Line(text(0).parse::<i64>().unwrap_or_default() - BEGIN_NS, text(1).trim_end().to_owned())
    };
    let row = |stream: &Value| (Some(labels(&stream["stream"])), items(stream, "values").map(line).collect());
    Ok(items(&data, "result").map(row).collect())
}

fn values(eval: &Eval, answer: &Answer) -> Result<Vec<Row>, String> {
    let data = result(answer)?;
    let steps = eval.ask.steps_ns();
    let number = |point: &Value| point.get(1).and_then(Value::as_str).and_then(|text| text.parse::<f64>().ok());
    if data["resultType"] == "scalar" {
        return Ok(vec![(None, vec![Cell::Number(number(&data["result"]))])]);
    }
    let row = |series: &Value| {
        let mut cells: Vec<Option<f64>> = vec![None; steps.len()];
        let single = series.get("value").into_iter();
        for point in items(series, "values").chain(single) {
            let ms = (point.get(0).and_then(Value::as_f64).unwrap_or_default() * 1e3).round() as i64;
            let at = steps.iter().position(|step| (BEGIN_NS + step).div_euclid(1_000_000) == ms);
            *at.and_then(|at| cells.get_mut(at)).ok_or("a point between steps")? = number(point);
        }
        Ok((Some(labels(&series["metric"])), cells.into_iter().map(Cell::Number).collect()))
    };
    items(&data, "result").map(row).collect()
}
