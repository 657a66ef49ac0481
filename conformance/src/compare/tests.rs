use serde_json::json;

use super::*;
use crate::recorded;

fn answer(json: &Value) -> Answer {
    Answer { status: 200, content_type: "application/json".to_owned(), body: json.to_string().into_bytes() }
}

fn check(expected: &Value, got: &Value, rules: Rules) -> Compared {
    compare(&expect_same_as(&answer(expected)), &answer(got), rules)
}

#[track_caller]
fn same(expected: &Value, got: &Value) {
    assert_eq!(check(expected, got, Rules::default()), Ok(()));
}

#[track_caller]
fn differs(expected: &Value, got: &Value, part: &str) {
    let difference = check(expected, got, Rules::default()).unwrap_err();
    assert!(difference.0.contains(part), "{difference} lacks {part:?}");
}

fn vector(elements: &[(&str, &str)]) -> Value {
    let result: Vec<Value> =
        elements.iter().map(|(app, value)| json!({"metric": {"app": app}, "value": [5, value]})).collect();
    json!({"status": "success", "data": {"resultType": "vector", "result": result}})
}

fn stream(entries: &[(&str, &str)]) -> Value {
    let values: Vec<Value> = entries.iter().map(|(time, line)| json!([time, line])).collect();
    json!({"status": "success", "data": {"resultType": "streams", "result": [{"stream": {"a": "b"}, "values": values}]}})
}

fn text(status: u16, body: &str) -> Answer {
    Answer { status, content_type: "text/plain".to_owned(), body: body.as_bytes().to_vec() }
}

#[test]
fn order_of_series_is_free() {
    same(&vector(&[("x", "1"), ("y", "2")]), &vector(&[("y", "2"), ("x", "1")]));
    differs(&vector(&[("x", "1"), ("y", "2")]), &vector(&[("y", "1"), ("x", "2")]), "2 at 5, expected 1");
}

#[test]
fn missing_and_surplus_series_are_named() {
    differs(&vector(&[("x", "1"), ("y", "2")]), &vector(&[("x", "1")]), r#"series {"app":"y"} missing (1 where 2"#);
    differs(&vector(&[("x", "1")]), &vector(&[("x", "1"), ("z", "2")]), r#"series {"app":"z"} not expected"#);
    differs(&vector(&[("x", "1"), ("x", "1")]), &vector(&[("x", "1")]), "missing");
}

#[test]
fn sorted_vectors_keep_their_order_but_for_ties() {
    let rules = Rules { sorted: true, ..Rules::default() };
    let expected = vector(&[("x", "1"), ("y", "1"), ("z", "2"), ("w", "NaN")]);
    assert_eq!(check(&expected, &vector(&[("y", "1"), ("x", "1"), ("z", "2"), ("w", "NaN")]), rules), Ok(()));
    assert!(check(&expected, &vector(&[("z", "2"), ("y", "1"), ("x", "1"), ("w", "NaN")]), rules).is_err());
    assert!(check(&expected, &vector(&[("y", "1"), ("x", "1"), ("w", "NaN"), ("z", "2")]), rules).is_err());
    assert!(check(&expected, &vector(&[("x", "1"), ("y", "1"), ("z", "2")]), rules).is_err());
}

#[test]
fn sample_values_agree_to_a_billionth() {
    assert!(numbers_agree("0.1", "0.10000000000000002"));
    assert!(numbers_agree("1000000000", "1000000001"));
    assert!(!numbers_agree("1000000000", "1000000002"));
    assert!(numbers_agree("-2", "-2.0"));
    assert!(!numbers_agree("0", "0.0000000001"));
    assert!(numbers_agree("NaN", "NaN") && numbers_agree("+Inf", "+Inf"));
    assert!(!numbers_agree("+Inf", "-Inf") && !numbers_agree("NaN", "0"));
    assert!(!numbers_agree("1000000000000000000000", "1e+21"), "an exponent is another way of writing");
}

#[test]
fn numbers_in_lines_and_labels_are_text() {
    differs(&stream(&[("1", "v=0.1")]), &stream(&[("1", "v=0.10000000000000002")]), "entry 0");
    differs(&vector(&[("0.1", "1")]), &vector(&[("0.10", "1")]), "missing");
}

#[test]
fn sample_times_must_be_equal() {
    let at = |time: f64| json!({"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[time, "1"]]}]}});
    same(&at(5.0), &json!({"data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[5, "1"]]}]}}));
    differs(&at(5.0), &at(5.001), "a sample at 5.001, expected at 5");
}

#[test]
fn a_matrix_with_fewer_samples_differs() {
    let matrix =
        |values: Value| json!({"data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}});
    differs(&matrix(json!([[1, "1"], [2, "1"]])), &matrix(json!([[1, "1"]])), "1 samples, expected 2");
}

#[test]
fn samples_of_one_time_come_in_any_order() {
    let matrix = |values: Value| json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}});
    same(&matrix(json!([[1, "2"], [1, "10"], [2, "3"]])), &matrix(json!([[1, "10"], [1, "2"], [2, "3"]])));
    let other = matrix(json!([[1, "10"], [1, "10"], [2, "3"]]));
    differs(&matrix(json!([[1, "2"], [1, "10"], [2, "3"]])), &other, "10 at 1, expected 2");
    differs(&matrix(json!([[1, "2"], [2, "3"]])), &matrix(json!([[2, "3"], [1, "2"]])), "expected at 1");
}

#[test]
fn scalars_are_samples() {
    let scalar = |value: &str| json!({"data": {"resultType": "scalar", "result": [5, value]}});
    same(&scalar("0.3"), &scalar("0.30000000000000004"));
    differs(&scalar("1"), &scalar("2"), "scalar: 2 at 5, expected 1");
}

#[test]
fn entries_keep_their_order_unless_times_are_free() {
    let expected = stream(&[("1", "a"), ("1", "b"), ("2", "c")]);
    let swapped = stream(&[("1", "b"), ("1", "a"), ("2", "c")]);
    differs(&expected, &swapped, "entry 0");
    let live = Rules { equal_times_free: true, ..Rules::default() };
    assert_eq!(check(&expected, &swapped, live), Ok(()));
    assert!(check(&expected, &stream(&[("1", "a"), ("2", "c"), ("1", "b")]), live).is_err());
    differs(&expected, &stream(&[("1", "a"), ("1", "b")]), "2 entries, expected 3");
}

#[test]
fn the_third_element_of_an_entry_counts() {
    let entry = |extra: Value| {
        json!({"data": {"resultType": "streams", "encodingFlags": ["categorize-labels"],
        "result": [{"stream": {}, "values": [["1", "l", extra]]}]}})
    };
    same(&entry(json!({"parsed": {"a": "1", "b": "2"}})), &entry(json!({"parsed": {"b": "2", "a": "1"}})));
    differs(&entry(json!({"parsed": {"a": "1"}})), &entry(json!({"structuredMetadata": {"a": "1"}})), "entry 0");
}

#[test]
fn statistics_are_no_part_of_an_answer() {
    let mut expected = vector(&[("x", "1")]);
    let got = expected.clone();
    expected["data"]["stats"] = json!({"summary": {"execTime": 1}});
    same(&expected, &got);
    same(&got, &expected);
}

#[test]
fn arrays_of_the_metadata_endpoints_have_no_order() {
    same(&json!({"status": "success", "data": ["a", "b"]}), &json!({"status": "success", "data": ["b", "a"]}));
    same(&json!({"data": [{"a": "1"}, {"b": "2"}]}), &json!({"data": [{"b": "2"}, {"a": "1"}]}));
    same(&json!({"values": ["a", "b"], "limit": 5}), &json!({"limit": 5, "values": ["b", "a"]}));
    differs(&json!({"data": ["a", "a", "b"]}), &json!({"data": ["a", "b", "b"]}), r#"element "a" missing"#);
    differs(&json!({"data": ["a"]}), &json!({}), r#"lacks the member "data""#);
    differs(&json!({"status": "success"}), &json!({"status": "success", "data": []}), "was not expected");
}

#[test]
fn result_types_must_agree() {
    let empty = |kind: &str| json!({"data": {"resultType": kind, "result": []}});
    differs(&empty("matrix"), &empty("vector"), "resultType");
}

#[test]
fn the_tail_of_a_syntax_error_is_free() {
    let expected = text(400, "parse error at line 1, col 12: syntax error: unexpected $end, expecting } or ,");
    let check = |body: &str| compare(&expect_same_as(&expected), &text(400, body), Rules::default());
    assert_eq!(
        check("parse error at line 1, col 12: syntax error: unexpected $end, expecting a closing brace"),
        Ok(())
    );
    assert_eq!(check("parse error at line 1, col 12: syntax error: unexpected $end"), Ok(()));
    assert!(check("parse error at line 1, col 13: syntax error: unexpected $end, expecting } or ,").is_err());
    assert!(check("parse error at line 1, col 12: syntax error: unexpected STRING, expecting } or ,").is_err());
    let quoted = text(400, "stage 'x' : bad, expecting a");
    assert!(compare(&expect_same_as(&quoted), &text(400, "stage 'x' : bad, expecting b"), Rules::default()).is_err());
    same(&json!({"error": "syntax error: unexpected x, expecting a"}), &json!({"error": "syntax error: unexpected x"}));
}

#[test]
fn the_series_of_a_pipeline_error_is_free() {
    let error = |kind: &str, series: &str, end: &str| {
        text(400, &format!("pipeline error: '{kind}' for series: '{series}'.\nUse a label filter to {end}"))
    };
    let expected = expect_same_as(&error("A", "{a=\"'.\"}", "skip"));
    assert_eq!(compare(&expected, &error("A", "{b=\"2\"}", "skip"), Rules::default()), Ok(()));
    assert!(compare(&expected, &error("B", "{a=\"'.\"}", "skip"), Rules::default()).is_err());
    assert!(compare(&expected, &error("A", "{a=\"'.\"}", "keep"), Rules::default()).is_err());
}

#[test]
fn status_content_type_and_free_bodies() {
    let expected = Expected { status: 200, content_type: "text/plain".to_owned(), body: ExpectedBody::Free };
    assert_eq!(compare(&expected, &answer(&json!({})), Rules::default()), Ok(()));
    assert!(
        compare(&expected, &text(500, ""), Rules::default()).unwrap_err().0.starts_with("status 500, expected 200")
    );
    let expected = Expected { body: ExpectedBody::Text("{}".to_owned()), ..expected };
    assert!(compare(&expected, &answer(&json!({})), Rules::default()).unwrap_err().0.starts_with("content type"));
    let mut not_json = answer(&json!({}));
    not_json.body = b"oops".to_vec();
    assert!(
        compare(&expect_same_as(&answer(&json!({}))), &not_json, Rules::default()).unwrap_err().0.contains("not JSON")
    );
}

#[test]
fn half_a_character_is_a_replacement_character() {
    let mut cut = answer(&json!({"data": "x"}));
    cut.body = b"{\"data\":\"\xc3\"}".to_vec();
    let expected = expect_same_as(&answer(&json!({"data": "\u{fffd}"})));
    assert_eq!(compare(&expected, &cut, Rules::default()), Ok(()));
}

#[test]
fn texts_compare_to_the_last_byte() {
    let expected = expect_same_as(&text(404, "404 page not found\n"));
    assert_eq!(compare(&expected, &text(404, "404 page not found\n"), Rules::default()), Ok(()));
    assert!(compare(&expected, &text(404, "404 page not found"), Rules::default()).is_err());
}

fn as_answer(expected: &Expected) -> Answer {
    let body = match &expected.body {
        ExpectedBody::Json(json) | ExpectedBody::Protobuf(json) => json.to_string(),
        ExpectedBody::Text(text) => text.clone(),
        ExpectedBody::Free => "anything".to_owned(),
    };
    Answer { status: expected.status, content_type: expected.content_type.clone(), body: body.into_bytes() }
}

/// Changes the first string or number found, deepest first, outside free parts.
fn mutate(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => members.iter_mut().any(|(_, member)| mutate(member)),
        Value::Array(elements) => elements.iter_mut().any(mutate),
        Value::String(text) => {
            *text = format!("changed {text}");
            true
        }
        Value::Number(number) => {
            *value = json!(number.as_f64().unwrap_or_default() + 1.0);
            true
        }
        _ => false,
    }
}

#[test]
fn recorded_answers_equal_themselves_and_no_mutation_of_themselves() {
    for case in recorded::cases().unwrap() {
        let rules = crate::language::rules_of(&case.request, false);
        let mut answer = as_answer(&case.expected);
        assert_eq!(compare(&case.expected, &answer, rules), Ok(()), "{}", case.id);
        match &case.expected.body {
            ExpectedBody::Free | ExpectedBody::Protobuf(_) => continue,
            ExpectedBody::Text(text) => answer.body = format!("{}x", &text[..1]).into_bytes(),
            ExpectedBody::Json(json) => {
                let mut json = json.clone();
                // An answer like `{}` has nothing to change: it gets a member.
                if !mutate(&mut json) {
                    json = json!({ "changed": json });
                }
                answer.body = json.to_string().into_bytes();
            }
        }
        assert!(compare(&case.expected, &answer, rules).is_err(), "{} does not see a change", case.id);
    }
}

#[test]
fn a_result_that_lacks_or_repeats_its_last_element_is_seen() {
    for case in recorded::cases().unwrap() {
        let ExpectedBody::Json(json) = &case.expected.body else { continue };
        let rules = crate::language::rules_of(&case.request, false);
        for repeat in [false, true] {
            let mut json = json.clone();
            let Some(result) = json.pointer_mut("/data/result").and_then(Value::as_array_mut) else { continue };
            if case.expected.body == ExpectedBody::Free || result.first().is_none_or(|first| !first.is_object()) {
                continue;
            }
            let last = result.pop().unwrap();
            if repeat {
                result.extend([last.clone(), last]);
            }
            let mut answer = as_answer(&case.expected);
            answer.body = json.to_string().into_bytes();
            assert!(compare(&case.expected, &answer, rules).is_err(), "{}", case.id);
        }
    }
}
