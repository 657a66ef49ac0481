//! Lines, metadata and labels with what upstream 3.7.6 made of them on the way in (`testdata/levels.jsonl`, one a
//! line): the level it detected, the names it stored, the service it found.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use loptr_model::Labels;
use loptr_wire::enrich::{self, Detected, LevelDetector};
use serde_json::{Value, json};

fn texts(value: &Value) -> BTreeMap<String, String> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}

fn line(case: &Value) -> Vec<u8> {
    match case["raw"].as_str() {
        Some(raw) => base64::engine::general_purpose::STANDARD.decode(raw).expect("base64"),
        None => case["line"].as_str().expect("a line").as_bytes().to_vec(),
    }
}

/// Stored metadata, or the text of a refusal.
fn enrich(case: &Value, labels: &Labels) -> Result<BTreeMap<String, String>, String> {
    let detector = LevelDetector::default();
    let sent = texts(&case["metadata"]);
    let sent = sent.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut metadata: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    enrich::normalize_metadata(sent, &mut metadata).map_err(|error| error.to_string())?;
    let mut stored: BTreeMap<String, String> =
        metadata.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    match detector.detect(detector.of_stream(labels), &metadata, &line(case)) {
        Detected::Add(level) | Detected::Normalize(level) => {
            stored.insert(enrich::DETECTED_LEVEL.to_owned(), level.to_owned());
        }
        Detected::Nothing => {}
    }
    Ok(stored)
}

#[test]
fn entries_gain_what_upstream_gives_them() {
    let mut differences = Vec::new();
    for case in include_str!("../testdata/levels.jsonl").lines() {
        let case: Value = serde_json::from_str(case).expect("a recorded case");
        let labels = Labels::from_pairs(texts(&case["labels"]));
        let found = enrich(&case, &labels);
        let expected = match case["text"].as_str() {
            Some(text) => Err(text.trim_end().to_owned()),
            // Metadata named as a stream label comes back under another name.
            None => Ok(texts(&case["stored"])
                .into_iter()
                .map(|(name, value)| (name.trim_end_matches("_extracted").to_owned(), value))
                .collect()),
        };
        if found != expected {
            differences
                .push(format!("{} {}\n  upstream {expected:?}\n  here     {found:?}", case["line"], case["raw"]));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn streams_gain_the_service_upstream_finds() {
    let mut seen = 0;
    for case in include_str!("../testdata/levels.jsonl").lines() {
        let case: Value = serde_json::from_str(case).expect("a recorded case");
        if case["stored_labels"] == json!(null) {
            continue;
        }
        seen += 1;
        let sent = texts(&case["labels"]).into_iter().filter(|(_, value)| !value.is_empty());
        let mut labels = Labels::from_pairs(sent);
        if let Some(service) = enrich::discover_service(&labels, &enrich::DEFAULT_SERVICE_LABELS) {
            labels = labels.with(enrich::SERVICE_NAME, service);
        }
        assert_eq!(labels, Labels::from_pairs(texts(&case["stored_labels"])), "{case}");
    }
    assert!(seen > 10, "only {seen} cases");
}
