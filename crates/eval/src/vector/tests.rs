//! Vector evaluation against the plain rule: look at each step alone, group and pair by comparing labels.

use std::collections::BTreeMap;

use loptr_logql::ast::{BinaryOp, Expr};
use loptr_model::Nanos;
use proptest::prelude::*;

use super::*;

/// Labels and values of one step, in order of labels.
type Step = Vec<(Labels, f64)>;

const STEPS: u32 = 3;
/// What is aggregated: nothing upstream's frontend would cut, so that nothing is rewritten.
const LEFT: &str = r#"stddev_over_time({side="left"} | unwrap v [1s])"#;
const RIGHT: &str = r#"stddev_over_time({side="right"} | unwrap v [1s])"#;

fn metric(text: &str) -> MetricExpr {
    match loptr_logql::parse(text) {
        Ok(Expr::Metric(metric)) => metric,
        other => panic!("{text}: {other:?}"),
    }
}

/// Series over two labels, each with some of the steps.
fn series() -> impl Strategy<Value = Vec<SeriesSteps>> {
    let labels = (0u8..4, 0u8..4);
    let points = prop::collection::vec(prop::option::weighted(0.7, 0u8..5), STEPS as usize);
    prop::collection::btree_map(labels, points, 0..8).prop_map(|series| {
        let one = |((a, b), points): ((u8, u8), Vec<Option<u8>>)| {
            let text = |value: u8| if value == 0 { None } else { Some(value.to_string()) };
            let pairs = [("a", text(a)), ("b", text(b))];
            let values = points.into_iter().enumerate();
            SeriesSteps {
                labels: Labels::from_pairs(pairs.into_iter().filter_map(|(name, value)| Some((name, value?)))),
                points: values.filter_map(|(step, value)| Some((step as u32, f64::from(value?)))).collect(),
            }
        };
        series.into_iter().map(one).filter(|one| !one.points.is_empty()).collect()
    })
}

fn at(series: &[SeriesSteps], step: u32) -> Step {
    let value = |one: &SeriesSteps| one.points.iter().find(|point| point.0 == step).map(|point| point.1);
    let mut values: Step = series.iter().filter_map(|one| Some((one.labels.clone(), value(one)?))).collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    values
}

fn only(labels: &Labels, keep: impl Fn(&str) -> bool) -> Labels {
    Labels::from_pairs(labels.iter().filter(|(name, _)| keep(name)))
}

/// What `op` makes of the values of one group.
fn aggregated(op: &str, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    let variance = values.iter().map(|v| (v - sum / n).powi(2)).sum::<f64>() / n;
    match op {
        "sum" => sum,
        "avg" => sum / n,
        "count" => n,
        "max" => values.iter().copied().fold(f64::MIN, f64::max),
        "min" => values.iter().copied().fold(f64::MAX, f64::min),
        "stdvar" => variance,
        "stddev" => variance.sqrt(),
        other => panic!("{other}"),
    }
}

/// `left op right` at one step; none if the two sides do not pair up.
fn paired(op: BinaryOp, left: &Step, right: &Step, key: impl Fn(&Labels) -> Labels) -> Option<Step> {
    let has = |side: &Step, labels: &Labels| side.iter().any(|one| key(&one.0) == key(labels));
    let keep = |from: &Step, of: &Step, wanted: bool| -> Step {
        from.iter().filter(|one| has(of, &one.0) == wanted).cloned().collect()
    };
    match op {
        BinaryOp::And => return Some(keep(left, right, true)),
        BinaryOp::Unless => return Some(keep(left, right, false)),
        BinaryOp::Or => return Some([left.clone(), keep(right, left, false)].concat()),
        _ => {}
    }
    let mut out = Step::new();
    for (labels, value) in left {
        let matches: Vec<&(Labels, f64)> = right.iter().filter(|one| key(&one.0) == key(labels)).collect();
        let doubled = left.iter().filter(|one| key(&one.0) == key(labels)).count() > 1;
        match matches.as_slice() {
            [] => continue,
            [_] if doubled => return None,
            [(_, other)] => {
                let result = binary::arithmetic(op, *value, *other);
                let is_comparison = matches!(op, BinaryOp::Gt | BinaryOp::Eq);
                if !is_comparison {
                    out.push((key(labels), result));
                } else if result == 1.0 {
                    out.push((key(labels), *value));
                }
            }
            _ => return None,
        }
    }
    let doubled = right.iter().any(|a| right.iter().filter(|b| key(&a.0) == key(&b.0)).count() > 1);
    if doubled { None } else { Some(out) }
}

/// Points of an answer by labels.
fn answer(value: QueryValue) -> BTreeMap<String, Vec<(i64, f64)>> {
    let QueryValue::Matrix(matrix) = value else { panic!("a matrix") };
    matrix.into_iter().map(|one| (one.labels.to_string(), points(one.points))).collect()
}

fn points(points: Vec<(loptr_model::Millis, f64)>) -> Vec<(i64, f64)> {
    points.into_iter().map(|(ts, value)| (ts.0 / 1000, comparable(value))).collect()
}

/// Without the last digits; what is no number is a number no operation here gives.
fn comparable(value: f64) -> f64 {
    if value.is_nan() { -0.125 } else { (value * 1e9).round() / 1e9 }
}

fn expected(steps: Vec<Step>) -> BTreeMap<String, Vec<(i64, f64)>> {
    let mut out: BTreeMap<String, Vec<(i64, f64)>> = BTreeMap::new();
    for (step, values) in steps.into_iter().enumerate() {
        for (labels, value) in values {
            out.entry(labels.to_string()).or_default().push((step as i64, comparable(value)));
        }
    }
    out
}

fn steps() -> Steps {
    Steps::range(Nanos(0), Nanos(i64::from(STEPS - 1) * Nanos::PER_SEC), Nanos::PER_SEC)
}

proptest! {
    #[test]
    fn aggregations_follow_the_plain_rule(
        series in series(),
        op in prop::sample::select(vec!["sum", "avg", "count", "max", "min", "stdvar", "stddev"]),
        without: bool,
        names in prop::sample::subsequence(vec!["a", "b", "c"], 0..3),
    ) {
        let word = if without { "without" } else { "by" };
        let query = metric(&format!("{op} {word} ({}) ({LEFT})", names.join(",")));
        let wanted = (0..STEPS).map(|step| {
            let mut groups: BTreeMap<String, (Labels, Vec<f64>)> = BTreeMap::new();
            for (labels, value) in at(&series, step) {
                let group = only(&labels, |name| names.contains(&name) != without);
                groups.entry(group.to_string()).or_insert_with(|| (group, Vec::new())).1.push(value);
            }
            groups.into_values().map(|(labels, values)| (labels, aggregated(op, &values))).collect()
        });
        let wanted = expected(wanted.collect());
        let got = evaluate(&query, steps(), vec![series], usize::MAX).expect("an answer");
        prop_assert_eq!(answer(got), wanted);
    }

    #[test]
    fn the_best_follow_the_plain_rule(series in series(), k in 1usize..4, largest: bool, by_a: bool) {
        let op = if largest { "topk" } else { "bottomk" };
        let query = metric(&format!("{op} by ({}) ({k}, {LEFT})", if by_a { "a" } else { "" }));
        let got = answer(evaluate(&query, steps(), vec![series.clone()], usize::MAX).expect("an answer"));
        for step in 0..STEPS {
            // Which of equals are kept is the heap's affair: as many values, and the same.
            let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            for (labels, value) in at(&series, step) {
                groups.entry(only(&labels, |name| by_a && name == "a").to_string()).or_default().push(value);
            }
            let mut wanted: Vec<f64> = groups.into_values().flat_map(|mut values| {
                values.sort_by(|a, b| if largest { b.total_cmp(a) } else { a.total_cmp(b) });
                values.truncate(k);
                values
            }).collect();
            let here = |points: &Vec<(i64, f64)>| points.iter().find(|point| point.0 == i64::from(step)).map(|p| p.1);
            let mut kept: Vec<f64> = got.values().filter_map(here).collect();
            wanted.sort_by(f64::total_cmp);
            kept.sort_by(f64::total_cmp);
            prop_assert_eq!(kept, wanted);
        }
    }

    #[test]
    fn operators_follow_the_plain_rule(
        left in series(),
        right in series(),
        op in prop::sample::select(vec!["+", "-", "*", "/", "%", "^", ">", "==", "and", "or", "unless"]),
        on: bool,
        names in prop::sample::subsequence(vec!["a", "b"], 0..=2),
    ) {
        let word = if on { "on" } else { "ignoring" };
        let query = metric(&format!("{LEFT} {op} {word} ({}) {RIGHT}", names.join(",")));
        let MetricExpr::Binary(binary) = &query else { panic!("a binary operator") };
        let key = |labels: &Labels| only(labels, |name| names.contains(&name) == on);
        let wanted: Option<Vec<Step>> =
            (0..STEPS).map(|step| paired(binary.op, &at(&left, step), &at(&right, step), key)).collect();
        let got = evaluate(&query, steps(), vec![left, right], usize::MAX);
        match wanted {
            Some(wanted) => prop_assert_eq!(answer(got.expect("an answer")), expected(wanted)),
            None => prop_assert!(matches!(got, Err(EvalError::Matching(_))), "{got:?}"),
        }
    }
}
