//! From series to the answer: vector aggregations, binary operators, `label_replace`, literals (specification 6.5 to 6.9).
//!
//! Range operations are the leaves of an expression. [`leaves`] lists them, in order; the caller runs each (anywhere,
//! in any number of tasks) and hands their series to [`evaluate`], which does the rest.

mod aggregate;
mod binary;
mod label_replace;
mod value;

use loptr_logql::ast::{Grouping, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp};
use loptr_model::{Labels, Nanos};

pub use value::{MatrixSeries, QueryValue, VectorSample};

use crate::EvalError;
use crate::range::{RangePlan, SeriesSteps, Steps};

/// One range operation of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafPlan<'a> {
    /// The operation.
    pub aggregation: &'a RangeAggregation,
    /// Grouping of the `sum` right around it, which may be done while extracting samples.
    pub pushdown: Option<Grouping>,
}

impl LeafPlan<'_> {
    /// The operation, ready to run; its time range says which entries it needs. `now` is what templates call so.
    pub fn plan(&self, steps: Steps, now: Nanos) -> Result<RangePlan, EvalError> {
        RangePlan::new(self.aggregation, self.pushdown.as_ref(), steps, now)
    }
}

/// The range operations of `expr`, left to right.
pub fn leaves(expr: &MetricExpr) -> Vec<LeafPlan<'_>> {
    let mut out = Vec::new();
    collect(expr, None, &mut out);
    out
}

fn collect<'a>(expr: &'a MetricExpr, pushdown: Option<Grouping>, out: &mut Vec<LeafPlan<'a>>) {
    match expr {
        MetricExpr::Range(aggregation) => out.push(LeafPlan { aggregation, pushdown }),
        MetricExpr::Vector(vector) => collect(&vector.inner, crate::pushdown(vector), out),
        MetricExpr::Binary(binary) => {
            collect(&binary.left, None, out);
            collect(&binary.right, None, out);
        }
        MetricExpr::LabelReplace(replace) => collect(&replace.inner, None, out),
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => {}
    }
}

/// The grouping that a range operation right inside `vector` can take over: that of `sum` over operations whose parts
/// add up, unless they have a grouping themselves.
pub fn pushdown(vector: &VectorAggregation) -> Option<Grouping> {
    let MetricExpr::Range(range) = &*vector.inner else { return None };
    let adds_up =
        matches!(range.op, RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum | RangeOp::Rate | RangeOp::Count);
    (vector.op == VectorOp::Sum && adds_up && range.grouping.is_none())
        .then(|| vector.grouping.clone().unwrap_or(Grouping { without: false, labels: Vec::new() }))
}

/// What an inner expression gave.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar(f64),
    Series(Vec<SeriesSteps>),
}

/// Evaluates `expr` over the results of its [`leaves`], in the same order. Fails if more than `max_series` come out.
pub fn evaluate(
    expr: &MetricExpr,
    steps: Steps,
    leaves: Vec<Vec<SeriesSteps>>,
    max_series: usize,
) -> Result<QueryValue, EvalError> {
    if steps.count() == 0 {
        return Err(EvalError::Internal("unexpected empty result".into()));
    }
    crate::range::check_steps(steps)?;
    let mut leaves = leaves.into_iter();
    let node = eval(expr, steps, &mut leaves)?;
    if leaves.next().is_some() {
        return Err(EvalError::Internal("more results than range operations".into()));
    }
    value::shape(node, steps, sorts(expr), max_series)
}

fn eval(
    expr: &MetricExpr,
    steps: Steps,
    leaves: &mut impl Iterator<Item = Vec<SeriesSteps>>,
) -> Result<Node, EvalError> {
    Ok(match expr {
        MetricExpr::Range(_) => Node::Series(
            leaves.next().ok_or_else(|| EvalError::Internal("fewer results than range operations".into()))?,
        ),
        MetricExpr::Literal { value, .. } => Node::Scalar(*value),
        MetricExpr::VectorLiteral { value, .. } => Node::Series(vec![constant(*value, steps)]),
        MetricExpr::Vector(vector) => match eval(&vector.inner, steps, leaves)? {
            Node::Series(series) => Node::Series(aggregate::aggregate(vector, series, steps)?),
            Node::Scalar(_) => return Err(EvalError::Invalid(NO_SELECTOR.into())),
        },
        MetricExpr::Binary(binary) => {
            let left = eval(&binary.left, steps, leaves)?;
            let right = eval(&binary.right, steps, leaves)?;
            binary::binary(binary, left, right, steps)?
        }
        MetricExpr::LabelReplace(replace) => match eval(&replace.inner, steps, leaves)? {
            Node::Series(series) => Node::Series(label_replace::label_replace(replace, series)?),
            Node::Scalar(_) => return Err(EvalError::Internal(LITERAL_IN_LABEL_REPLACE.into())),
        },
    })
}

/// What upstream says of an aggregation over a literal.
const NO_SELECTOR: &str = "queries require at least one regexp or equality matcher that does not have an \
                           empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but \
                           app=~\".+\" will";

/// What upstream says of `label_replace` over a literal, with a blank at the end.
const LITERAL_IN_LABEL_REPLACE: &str =
    "unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) ";

/// One series without labels, the same at every step.
fn constant(value: f64, steps: Steps) -> SeriesSteps {
    SeriesSteps { labels: Labels::empty(), points: (0..steps.count()).map(|step| (step, value)).collect() }
}

/// Whether `sort` or `sort_desc` occurs anywhere: then an instant answer keeps the order of evaluation.
fn sorts(expr: &MetricExpr) -> bool {
    match expr {
        MetricExpr::Vector(vector) => matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc) || sorts(&vector.inner),
        MetricExpr::Binary(binary) => sorts(&binary.left) || sorts(&binary.right),
        MetricExpr::LabelReplace(replace) => sorts(&replace.inner),
        MetricExpr::Range(_) | MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => false,
    }
}

/// `labels` as upstream's label builder leaves them: it drops the empty ones of its base.
pub(crate) fn without_empty(labels: Labels) -> Labels {
    if labels.iter().all(|(_, value)| !value.is_empty()) {
        return labels;
    }
    Labels::from_pairs(labels.iter().filter(|(_, value)| !value.is_empty()))
}

/// Points by step: series and value, series in order.
fn by_step(series: &[SeriesSteps], steps: Steps) -> Vec<Vec<(u32, f64)>> {
    let mut out = vec![Vec::new(); steps.count() as usize];
    for (at, one) in series.iter().enumerate() {
        for &(step, value) in &one.points {
            if let Some(points) = out.get_mut(step as usize) {
                points.push((at as u32, value));
            }
        }
    }
    out
}
