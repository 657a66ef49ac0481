//! The shape of an answer (specification section 8).

use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_model::{Labels, Millis};

use super::{Node, constant};
use crate::EvalError;
use crate::range::{SeriesSteps, Steps};

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Labels of the series.
    pub labels: Labels,
    /// Time of the step.
    pub ts: Millis,
    /// Value.
    pub value: f64,
}

/// One series of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSeries {
    /// Labels of the series.
    pub labels: Labels,
    /// Time and value, ascending. Times repeat where an expression made several series of one label set.
    pub points: Vec<(Millis, f64)>,
}

/// The answer to a metric query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// An instant query for a literal.
    Scalar {
        /// Time asked for.
        ts: Millis,
        /// Value.
        value: f64,
    },
    /// An instant query: by label set, or in order of evaluation if the query sorts.
    Vector(Vec<VectorSample>),
    /// A range query: by label set.
    Matrix(Vec<MatrixSeries>),
}

pub(super) fn shape(node: Node, steps: Steps, sorted: bool, max_series: usize) -> Result<QueryValue, EvalError> {
    let series = match node {
        Node::Scalar(value) if steps.is_instant() => {
            return Ok(QueryValue::Scalar { ts: steps.start.floor_millis(), value });
        }
        Node::Scalar(value) => vec![constant(value, steps)],
        Node::Series(series) => series,
    };
    if steps.is_instant() {
        let ts = steps.start.floor_millis();
        let mut out = Vec::with_capacity(series.len());
        for SeriesSteps { labels, points } in series {
            out.extend(points.iter().map(|&(_, value)| VectorSample { labels: labels.clone(), ts, value }));
        }
        if out.len() > max_series {
            return Err(EvalError::SeriesLimit { limit: max_series });
        }
        if !sorted {
            out.sort_by(|a, b| a.labels.cmp(&b.labels));
        }
        return Ok(QueryValue::Vector(out));
    }
    let mut by_labels: HashMap<Labels, Vec<(u32, f64)>, FixedState> = HashMap::default();
    for SeriesSteps { labels, points } in series {
        if !points.is_empty() {
            by_labels.entry(labels).or_default().extend(points);
        }
        if by_labels.len() > max_series {
            return Err(EvalError::SeriesLimit { limit: max_series });
        }
    }
    let mut out: Vec<MatrixSeries> = Vec::with_capacity(by_labels.len());
    for (labels, mut points) in by_labels {
        points.sort_by_key(|point| point.0);
        let points = points.into_iter().map(|(step, value)| (steps.at(step).floor_millis(), value)).collect();
        out.push(MatrixSeries { labels, points });
    }
    out.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(QueryValue::Matrix(out))
}

#[cfg(test)]
mod tests {
    use loptr_logql::ast::Expr;
    use loptr_model::Nanos;

    use super::*;
    use crate::evaluate;

    #[test]
    fn parts_and_answers_have_no_more_series_than_allowed() {
        let steps = Steps::instant(Nanos(0));
        let ask = |query: &str, max_series| {
            let Ok(Expr::Metric(expr)) = loptr_logql::parse(query) else { panic!("a metric query: {query}") };
            let series = |pod: &str| SeriesSteps { labels: Labels::from_pairs([("pod", pod)]), points: vec![(0, 1.0)] };
            evaluate(&expr, steps, vec![["0", "1", "2"].map(series).to_vec()], max_series)
        };
        let leaf = r#"max_over_time({a="b"} | unwrap v [1s])"#;
        // Upstream's queriers count and average; the frontend takes the largest.
        assert!(ask(&format!("count({leaf})"), 1).is_ok());
        assert!(ask(&format!("avg({leaf})"), 1).is_ok());
        assert!(ask(&format!("topk(1, {leaf})"), 3).is_ok());
        assert!(matches!(ask(&format!("topk(1, {leaf})"), 2), Err(EvalError::SeriesLimit { limit: 2 })));
        // What cannot be cut is one part.
        assert!(ask(r#"topk(1, stddev_over_time({a="b"} | unwrap v [1s]))"#, 1).is_ok());
        let first = r#"first_over_time({a="b"} | unwrap v [1s])"#;
        assert!(ask(&format!("count({first})"), 1).is_ok());
        assert!(ask(&format!("({first} > 5) + 1"), 2).is_err());
        assert!(ask(leaf, 3).is_ok());
        assert!(matches!(ask(leaf, 2), Err(EvalError::SeriesLimit { limit: 2 })));
    }
}
