//! The recorded set: bodies to push, and requests with what upstream answered to them.
//!
//! `data/push/NN.json.zst` are JSON bodies for `/loki/api/v1/push`, pushed in this order to an empty server.
//! `data/cases.jsonl.zst` has one case a line:
//!
//! ```text
//! {"id", "method", "path", "params"?, "headers"?, "body"?,
//!  "expect": {"status", "content_type", "json" | "text" | "compare": "status"}}
//! ```
//!
//! A parameter's value is a string, or a list of strings for a repeated parameter.
//!
//! `data/tenants.jsonl.zst` is a set of its own, for a server with tenants that may be read together: first lines
//! `{"tenant", "push"}`, bodies to push as that tenant, then cases.
//!
//! `data/grafana.jsonl.zst`, made by `record/grafana.py`, has what Grafana's data source and Logs Drilldown ask about the
//! recorded set, with volumes, patterns and protobuf answers, for a server with pattern detection. There an expectation may
//! be `protobuf`, a message in base64.
//!
//! `data/defects.jsonl` has cases in the same form with one member more, `better`: the answer a server gives that
//! does not share a listed defect of upstream. Where the id is that of a recorded case, only `better` is taken.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

use crate::http::{self, Request};
use crate::proto;

static DEFECTS: &[u8] = include_bytes!("../data/defects.jsonl");
static GRAFANA: &[u8] = include_bytes!("../data/grafana.jsonl.zst");
static TENANTS: &[u8] = include_bytes!("../data/tenants.jsonl.zst");
static CASES: &[u8] = include_bytes!("../data/cases.jsonl.zst");
static PUSH: [&[u8]; 5] = [
    include_bytes!("../data/push/00.json.zst"),
    include_bytes!("../data/push/01.json.zst"),
    include_bytes!("../data/push/02.json.zst"),
    include_bytes!("../data/push/03.json.zst"),
    include_bytes!("../data/push/04.json.zst"),
];

/// Seconds since the epoch at which the recorded set starts: 2026-11-19T10:00:00Z.
pub const SET_START_SECS: i64 = 1_795_082_400;
/// Seconds since the epoch at which the recorded set ends: one hour later.
pub const SET_END_SECS: i64 = 1_795_086_000;

/// Why the packed set cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The packed bytes do not unpack.
    #[error("unpack {what}: {source}")]
    Unpack {
        /// Which part.
        what: &'static str,
        /// The codec's reason.
        source: std::io::Error,
    },
    /// A line is not a case.
    #[error("line {line} of the cases: {reason}")]
    Case {
        /// Line number from 1.
        line: usize,
        /// What is missing or wrong.
        reason: String,
    },
}

/// What a server must answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: ExpectedBody,
}

/// The part of an expectation that says how bodies are compared.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpectedBody {
    /// A JSON document, `data.stats` removed.
    Json(Value),
    /// Plain text.
    Text(String),
    /// A protobuf message, without its statistics.
    Protobuf(Value),
    /// Anything: upstream itself varied from run to run.
    Free,
}

/// One request with its expectation.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// `group-number`.
    pub id: String,
    /// What to send.
    pub request: Request,
    /// What upstream answered.
    pub expected: Expected,
    /// What is answered without a listed defect of upstream, where it has one here.
    pub better: Option<Expected>,
}

impl Case {
    /// The id without its number.
    pub fn group(&self) -> &str {
        self.id.rsplit_once('-').map_or(self.id.as_str(), |(group, _)| group)
    }

    /// The LogQL text of the request, from its parameters or its form body; empty when there is none.
    pub fn query(&self) -> String {
        query_of(&self.request)
    }
}

/// The LogQL text of a request, from its parameters or its form body; empty when there is none.
pub fn query_of(request: &Request) -> String {
    if let Some(query) = request.param("query") {
        return query.to_owned();
    }
    let form = String::from_utf8_lossy(&request.body);
    form.split('&').find_map(|pair| pair.strip_prefix("query=")).map(http::decode).unwrap_or_default()
}

/// The bodies to push, in order.
pub fn push_bodies() -> Result<Vec<Vec<u8>>, RecordedError> {
    PUSH.iter().map(|packed| unpack("a push body", packed)).collect()
}

/// Every recorded case, in file order.
pub fn cases() -> Result<Vec<Case>, RecordedError> {
    let mut cases = parse_cases(&unpack("the cases", CASES)?)?;
    for defect in parse_cases(DEFECTS)? {
        if let Some(case) = cases.iter_mut().find(|case| case.id == defect.id) {
            case.better = defect.better;
        }
    }
    Ok(cases)
}

/// Requests made to show the listed defects, beyond the recorded ones.
pub fn defect_cases() -> Result<Vec<Case>, RecordedError> {
    let recorded = cases()?;
    let mut defects = parse_cases(DEFECTS)?;
    defects.retain(|defect| recorded.iter().all(|case| case.id != defect.id));
    Ok(defects)
}

/// The requests of Grafana and Logs Drilldown about the recorded set, in file order.
pub fn grafana() -> Result<Vec<Case>, RecordedError> {
    parse_cases(&unpack("the requests of Grafana", GRAFANA)?)
}

/// A body and the tenant who pushes it.
pub type TenantBody = (String, Vec<u8>);

/// What to push as whom, in order, and the cases of several tenants.
pub fn tenants() -> Result<(Vec<TenantBody>, Vec<Case>), RecordedError> {
    let lines = unpack("the cases of several tenants", TENANTS)?;
    let (mut pushes, mut rest) = (Vec::new(), Vec::new());
    for line in lines.split(|&byte| byte == b'\n') {
        let value: Value = serde_json::from_slice(line).unwrap_or_default();
        match (value["tenant"].as_str(), value.get("push")) {
            (Some(tenant), Some(body)) => pushes.push((tenant.to_owned(), body.to_string().into_bytes())),
            _ => {
                rest.extend_from_slice(line);
                rest.push(b'\n');
            }
        }
    }
    Ok((pushes, parse_cases(&rest)?))
}

/// Reads cases from JSON lines; empty lines are skipped.
pub fn parse_cases(lines: &[u8]) -> Result<Vec<Case>, RecordedError> {
    let mut cases = Vec::new();
    for (at, line) in lines.split(|&byte| byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let bad = |reason: String| RecordedError::Case { line: at + 1, reason };
        let value: Value = serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
        cases.push(case(&value).ok_or_else(|| bad("no id, method, path or expectation".to_owned()))?);
    }
    Ok(cases)
}

fn unpack(what: &'static str, packed: &[u8]) -> Result<Vec<u8>, RecordedError> {
    zstd::decode_all(packed).map_err(|source| RecordedError::Unpack { what, source })
}

fn case(value: &Value) -> Option<Case> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    let request = Request {
        method: text("method")?,
        path: text("path")?,
        params: pairs(value.get("params"))?,
        headers: pairs(value.get("headers"))?,
        body: text("body").unwrap_or_default().into_bytes(),
    };
    let better = match value.get("better") {
        Some(better) => Some(expected(better)?),
        None => None,
    };
    Some(Case { id: text("id")?, request, expected: expected(value.get("expect")?)?, better })
}

fn expected(expect: &Value) -> Option<Expected> {
    let body = match (expect.get("compare"), expect.get("json"), expect.get("text")) {
        _ if expect.get("protobuf").is_some() => {
            let bytes = BASE64_STANDARD.decode(expect.get("protobuf")?.as_str()?).ok()?;
            ExpectedBody::Protobuf(proto::as_json(&bytes)?)
        }
        (None, Some(json), _) => ExpectedBody::Json(json.clone()),
        (None, None, Some(text)) => ExpectedBody::Text(text.as_str()?.to_owned()),
        _ => ExpectedBody::Free,
    };
    Some(Expected {
        status: u16::try_from(expect.get("status")?.as_u64()?).ok()?,
        content_type: expect.get("content_type")?.as_str()?.to_owned(),
        body,
    })
}

fn pairs(map: Option<&Value>) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let Some(map) = map else { return Some(pairs) };
    for (name, value) in map.as_object()? {
        match value {
            Value::Array(values) => {
                for value in values {
                    pairs.push((name.clone(), value.as_str()?.to_owned()));
                }
            }
            value => pairs.push((name.clone(), value.as_str()?.to_owned())),
        }
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_set_unpacks() {
        let cases = cases().unwrap();
        assert_eq!(cases.len(), 1301);
        assert_eq!(cases.iter().filter(|case| case.expected.body == ExpectedBody::Free).count(), 45);
        let bodies = push_bodies().unwrap();
        assert_eq!(bodies.iter().map(Vec::len).sum::<usize>(), 529_624);
        for body in bodies {
            let parsed: Value = serde_json::from_slice(&body).unwrap();
            assert!(parsed["streams"].as_array().is_some_and(|streams| !streams.is_empty()));
        }
    }

    #[test]
    fn grafana_has_its_own_set() {
        let cases = grafana().unwrap();
        let count = |group: &str| cases.iter().filter(|case| case.group() == group).count();
        let groups = ["grafana", "drilldown", "detected", "volume", "patterns", "formats"].map(count);
        assert_eq!(groups, [110, 25, 75, 126, 66, 44]);
        let messages = cases.iter().filter(|case| matches!(case.expected.body, ExpectedBody::Protobuf(_))).count();
        assert!(messages > 25, "{messages}");
    }

    #[test]
    fn tenants_have_their_own_set() {
        let (pushes, cases) = tenants().unwrap();
        let names: Vec<&str> = pushes.iter().map(|(tenant, _)| tenant.as_str()).collect();
        assert_eq!(names, ["ta", "tb", "tc"]);
        assert!(cases.len() > 100 && cases.iter().all(|case| case.group() == "tenants"));
    }

    #[test]
    fn defects_add_better_answers_and_cases_of_their_own() {
        let better = cases().unwrap().into_iter().filter(|case| case.better.is_some()).count();
        let own = defect_cases().unwrap();
        assert!(own.iter().all(|case| case.better.is_some()));
        assert_eq!((better, own.len()), (9, 28));
    }

    #[test]
    fn lists_become_repeated_parameters_and_forms_hold_queries() {
        let line = br#"{"id":"a-b-1","method":"POST","path":"/x","params":{"m":["1","2"]},"body":"a=b&query=%7Ba%7D","expect":{"status":200,"content_type":"t","text":"x"}}"#;
        let case = parse_cases(line).unwrap().remove(0);
        assert_eq!(case.group(), "a-b");
        assert_eq!(case.request.params, [("m".to_owned(), "1".to_owned()), ("m".to_owned(), "2".to_owned())]);
        assert_eq!(case.query(), "{a}");
    }

    #[test]
    fn a_bad_line_is_named() {
        let error = parse_cases(b"\n{}\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2 of the cases: no id, method, path or expectation");
    }
}
