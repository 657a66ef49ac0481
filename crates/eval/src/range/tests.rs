//! Range operations against the plain rule: sort everything, look at each window, compute.

use loptr_logql::ast::{Expr, MetricExpr};
use loptr_model::{Fingerprint, Labels, Nanos};
use proptest::prelude::*;

use super::*;
use crate::pipeline::LabelsId;

/// One sample: time, stream, value.
type Sample = (i64, u8, i32);

/// Value of a sample; a few are odd.
fn value(raw: i32) -> f64 {
    match raw {
        -1 => f64::NAN,
        -2 => f64::INFINITY,
        raw => f64::from(raw) * 0.1,
    }
}

const OPS: [&str; 13] = [
    "count_over_time",
    "rate",
    "bytes_over_time",
    "sum_over_time",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "first_over_time",
    "last_over_time",
    "quantile_over_time",
    "rate_counter",
];

fn plan(op: &str, range: i64, offset: i64, steps: Steps) -> RangePlan {
    let unwrap = if OPS[..3].contains(&op) { "" } else { "| unwrap v" };
    let parameter = if op == "quantile_over_time" { "0.7," } else { "" };
    let query = format!(r#"{op}({parameter}{{a="b"}} {unwrap} [1s])"#);
    let Ok(Expr::Metric(MetricExpr::Range(mut aggregation))) = loptr_logql::parse(&query) else {
        panic!("a range operation: {query}")
    };
    aggregation.range.range_ns = range;
    aggregation.range.offset_ns = offset;
    RangePlan::new(&aggregation, None, false, steps, Nanos(0)).expect("valid operation")
}

/// What `op` gives for the samples of one window, in order of time, stream and arrival.
fn naive(op: &str, window: &[Sample], range: i64) -> f64 {
    let values: Vec<f64> = window.iter().map(|sample| value(sample.2)).collect();
    let n = values.len() as f64;
    let secs = range as f64 / 1e9;
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let variance = || {
        let mean = sum(&values) / n;
        values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n
    };
    let extreme = |better: fn(f64, f64) -> bool| {
        values.iter().copied().fold(f64::NAN, |best, v| if best.is_nan() || better(v, best) { v } else { best })
    };
    match op {
        "count_over_time" => n,
        "rate" => n / secs,
        "bytes_over_time" => window.iter().map(|sample| f64::from(sample.2.max(0))).sum(),
        "sum_over_time" => sum(&values),
        "avg_over_time" => sum(&values) / n,
        "min_over_time" => extreme(|a, b| a < b),
        "max_over_time" => extreme(|a, b| a > b),
        "stdvar_over_time" => variance(),
        "stddev_over_time" => variance().sqrt(),
        "first_over_time" => values[0],
        "last_over_time" => values[values.len() - 1],
        "quantile_over_time" => {
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| {
                b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
            });
            let rank = 0.7 * (n - 1.0);
            let low = rank.floor() as usize;
            let weight = rank - rank.floor();
            sorted[low] * (1.0 - weight) + sorted[(low + 1).min(sorted.len() - 1)] * weight
        }
        _ => {
            let stamped: Vec<held::Stamped> = window
                .iter()
                .map(|sample| held::Stamped { ts: sample.0, stream: u64::from(sample.1), value: value(sample.2) })
                .collect();
            held::Counter::of(&stamped).expect("not empty").rate(range)
        }
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn answers_are_the_plain_rules(
        samples in prop::collection::vec((0i64..200, 0u8..3, -2i32..40), 0..60),
        op in 0usize..OPS.len(), start in 0i64..100, len in 0i64..150, step in 1i64..60, range in 1i64..90,
        offset in -20i64..20, instant: bool, split in 0u8..4,
    ) {
        let op = OPS[op];
        let steps = if instant { Steps::instant(Nanos(start)) } else { Steps::range(Nanos(start), Nanos(start + len), step) };
        let plan = plan(op, range, offset, steps);
        // Entries of one stream with equal times go to the same fold.
        let mut folds: Vec<RangeFold> = (0..=split).map(|_| plan.fold()).collect();
        let mut ordered = samples.clone();
        ordered.sort_by_key(|sample| (sample.0, sample.1));
        for stream in 0..3u8 {
            for (at, fold) in folds.iter_mut().enumerate() {
                fold.begin_stream(Fingerprint(u64::from(stream)));
                let series = fold.series(LabelsId(0), || Labels::from_pairs([("a", "b")]));
                let mine = |sample: &&Sample| sample.1 == stream && (sample.0 as usize + usize::from(stream)) % usize::from(split + 1) == at;
                for sample in ordered.iter().filter(mine) {
                    let bytes = f64::from(sample.2.max(0));
                    match op {
                        "count_over_time" | "rate" => fold.add_count(series, Nanos(sample.0)),
                        "bytes_over_time" => fold.add(series, Nanos(sample.0), bytes),
                        _ => fold.add(series, Nanos(sample.0), value(sample.2)),
                    }
                }
            }
        }
        let merged = folds.into_iter().rev().reduce(RangeFold::merge).expect("at least one");
        let got = merged.finish().expect("no error labels");
        let got: Vec<(u32, f64)> = got.into_iter().flat_map(|series| series.points).collect();

        let mut want = Vec::new();
        for at in 0..steps.count() {
            let right = steps.at(at).0 - offset;
            let window: Vec<Sample> =
                ordered.iter().copied().filter(|sample| right - range < sample.0 && sample.0 <= right).collect();
            if !window.is_empty() {
                want.push((at, naive(op, &window, range)));
            }
        }
        prop_assert_eq!(got.len(), want.len(), "{} {:?} {:?}", op, &got, &want);
        for (got, want) in got.iter().zip(&want) {
            prop_assert!(got.0 == want.0 && same(got.1, want.1), "{}: {:?} {:?}", op, got, want);
        }
    }
}

#[test]
fn partial_counts_add_up_unless_an_edge_cuts_them() {
    let minute = 60 * Nanos::PER_SEC;
    let steps = Steps::range(Nanos(0), Nanos(10 * minute), minute);
    let plan = plan("count_over_time", 5 * minute, 0, steps);
    let mut fold = plan.fold();
    let series = fold.series(LabelsId(0), Labels::empty);
    assert!(fold.add_counts(series, Nanos(0), Nanos(minute), 7, 70));
    assert!(fold.add_counts(series, Nanos(minute), Nanos(2 * minute), 3, 30));
    assert!(!fold.add_counts(series, Nanos(minute / 2), Nanos(minute + minute / 2), 1, 1));
    assert!(fold.add_counts(series, Nanos(20 * minute), Nanos(21 * minute), 9, 9));
    let points = &fold.finish().expect("no errors")[0].points;
    assert_eq!(points[..], [(1, 7.0), (2, 10.0), (3, 10.0), (4, 10.0), (5, 10.0), (6, 3.0)]);
}

#[test]
fn absence_does_not_look_at_unwrapped_values() {
    let second = Nanos::PER_SEC;
    let Ok(Expr::Metric(MetricExpr::Range(aggregation))) =
        loptr_logql::parse(r#"absent_over_time({a="b"} | unwrap v [1s])"#)
    else {
        panic!("a range operation")
    };
    let steps = Steps::range(Nanos(0), Nanos(3 * second), second);
    let mut fold = RangePlan::new(&aggregation, None, false, steps, Nanos(0)).expect("valid operation").fold();
    let series = fold.series(LabelsId(0), Labels::empty);
    for value in [f64::INFINITY, f64::INFINITY, 1e300, -1.0, f64::NAN] {
        fold.add(series, Nanos(second), value);
    }
    fold.add(series, Nanos(2 * second), 0.0);
    let points = &fold.finish().expect("no errors")[0].points;
    assert_eq!(points[..], [(0, 1.0), (3, 1.0)]);
}
