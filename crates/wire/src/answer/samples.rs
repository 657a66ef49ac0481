//! Samples: matrix, vector, scalar, and the volumes that come in the same envelope.

use loptr_model::{Labels, Millis};

use super::stats::{Floats, QueryStats, push_stats};
use super::text::{push_go_text, push_int, push_json_text, push_labels, push_list, push_texts};
use crate::go::push_float;

/// One series of a result: labels and points, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The series' labels.
    pub labels: Labels,
    /// Times and values.
    pub points: Vec<(Millis, f64)>,
}

/// Writes the answer of a metric query over a range.
pub fn write_matrix(out: &mut Vec<u8>, series: &[Series], stats: &QueryStats, warnings: &[String]) {
    envelope(out, "matrix", stats, warnings, |out| {
        push_list(out, series, |out, series| {
            out.extend_from_slice(b"{\"metric\":");
            push_labels(out, series.labels.iter(), push_json_text);
            out.extend_from_slice(b",\"values\":");
            push_list(out, &series.points, |out, (ts, value)| push_point(out, *ts, *value));
            out.push(b'}');
        });
    });
}

/// Writes the answer of a metric query at an instant: the last point of each series; series without points are left
/// out.
pub fn write_vector(out: &mut Vec<u8>, series: &[Series], stats: &QueryStats, warnings: &[String]) {
    let points = series.iter().filter_map(|series| Some((&series.labels, *series.points.last()?)));
    envelope(out, "vector", stats, warnings, |out| {
        push_list(out, points, |out, (labels, (ts, value))| {
            out.extend_from_slice(b"{\"metric\":");
            // Unlike in a matrix, `<` and its kin are escaped.
            push_labels(out, labels.iter(), |out, text| push_go_text(out, text.as_bytes()));
            out.extend_from_slice(b",\"value\":");
            push_point(out, ts, value);
            out.push(b'}');
        });
    });
}

/// Writes the answer of arithmetic without any series.
pub fn write_scalar(out: &mut Vec<u8>, ts: Millis, value: f64, stats: &QueryStats, warnings: &[String]) {
    envelope(out, "scalar", stats, warnings, |out| push_point(out, ts, value));
}

/// What volumes are told as: a matrix when any series has more than one point, else a vector.
pub fn volume_kind(series: &[Series]) -> &'static str {
    if series.iter().any(|series| series.points.len() > 1) { "matrix" } else { "vector" }
}

fn envelope(
    out: &mut Vec<u8>,
    result_type: &str,
    stats: &QueryStats,
    warnings: &[String],
    result: impl FnOnce(&mut Vec<u8>),
) {
    out.extend_from_slice(b"{\"status\":\"success\",\"data\":{\"resultType\":");
    push_json_text(out, result_type);
    out.extend_from_slice(b",\"result\":");
    result(out);
    out.extend_from_slice(b",\"stats\":");
    push_stats(out, stats, Floats::Shortest);
    out.push(b'}');
    if !warnings.is_empty() {
        out.extend_from_slice(b",\"warnings\":");
        push_texts(out, warnings);
    }
    out.push(b'}');
}

fn push_point(out: &mut Vec<u8>, ts: Millis, value: f64) {
    out.push(b'[');
    push_sample_time(out, ts);
    out.extend_from_slice(b",\"");
    push_float(value, out);
    out.extend_from_slice(b"\"]");
}

/// Appends a time in seconds, with as many decimals as needed and none to spare.
pub fn push_sample_time(out: &mut Vec<u8>, ts: Millis) {
    // Beyond 15 digits the shortest float is not the plain decimal any more.
    if ts.0.unsigned_abs() >= 1_000_000_000_000_000 {
        return push_float(ts.0 as f64 / 1000.0, out);
    }
    let (seconds, millis) = (ts.0 / 1000, ts.0.unsigned_abs() % 1000);
    if ts.0 < 0 && seconds == 0 {
        out.push(b'-');
    }
    push_int(out, seconds);
    if millis > 0 {
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
        let kept = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        out.push(b'.');
        out.extend_from_slice(&digits[..kept]);
    }
}
