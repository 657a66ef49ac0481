//! Request parameters with what upstream 3.7.6 answered to them (`testdata/params.jsonl`, one request a line: when it
//! was asked, and the text of a refusal).

use loptr_model::Nanos;
use loptr_wire::params::{
    DetectedFieldsParams, DetectedLabelsParams, InstantParams, LabelParams, ParamError, Params, RangeParams,
    SeriesParams, VolumeParams, VolumeSpan,
};
use serde_json::Value;

fn parse(path: &str, params: &Params, now: Nanos) -> Result<(), ParamError> {
    match path.rsplit('/').next() {
        Some("query_range" | "stats") => RangeParams::parse(params, now).map(drop),
        Some("query") => InstantParams::parse(params, now).map(drop),
        Some("labels") => LabelParams::parse(params, now).map(drop),
        Some("series") => SeriesParams::parse(params, now).map(drop),
        Some("volume") => VolumeParams::parse(params, VolumeSpan::Instant, now).map(drop),
        Some("volume_range") => VolumeParams::parse(params, VolumeSpan::Range, now).map(drop),
        Some("detected_fields") => DetectedFieldsParams::parse(params, now).map(drop),
        Some("detected_labels") => DetectedLabelsParams::parse(params, now).map(drop),
        other => panic!("no endpoint {other:?}"),
    }
}

/// Refusals that come after the parameters: limits of the tenant, ranges that lie too far back.
fn is_later(text: &str) -> bool {
    ["max entries limit per query exceeded", "this data is no longer available", "max_query_"]
        .iter()
        .any(|later| text.contains(later))
}

#[test]
fn parameters_are_refused_as_upstream_does() {
    let mut differences = Vec::new();
    let mut refused = 0;
    for case in include_str!("../testdata/params.jsonl").lines() {
        let case: Value = serde_json::from_str(case).expect("a recorded case");
        let params: Params = case["params"]
            .as_object()
            .expect("parameters")
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("a text")))
            .collect();
        let now = Nanos(case["now"].as_i64().expect("a time") * Nanos::PER_SEC);
        let found = parse(case["path"].as_str().expect("a path"), &params, now);
        let (status, text) = (case["status"].as_u64(), case["text"].as_str().expect("a text"));
        let same = match &found {
            Ok(()) => status == Some(200) || is_later(text),
            Err(error) => status == Some(400) && error.to_string() == text,
        };
        refused += usize::from(found.is_err());
        if !same {
            differences
                .push(format!("{} {}\n  upstream {status:?} {text}\n  here {found:?}", case["path"], case["params"]));
        }
    }
    assert!(refused > 300, "only {refused} refusals");
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
