//! From series to the answer: vector aggregations, binary operators, `label_replace`, literals (specification 6.5 to 6.9).
//!
//! Range operations are the leaves of an expression. [`leaves`] lists them, in order; the caller runs each (anywhere,
//! in any number of tasks) and hands their series to [`evaluate`], which does the rest.

mod aggregate;
mod binary;
mod label_replace;
mod parts;
mod rank;
#[cfg(test)]
mod tests;
mod value;

use loptr_logql::ast::{Grouping, MetricExpr, RangeAggregation, RangeOp, VariantsExpr, VectorAggregation, VectorOp};
use loptr_logql::with_stack;
use loptr_model::{Labels, Nanos};

pub(crate) use aggregate::aggregate;
pub use parts::{ApproxTopk, approx_topk, part_texts};
pub use value::{MatrixSeries, QueryValue, VectorSample};

use parts::Place;

use crate::EvalError;
use crate::range::{RangePlan, SeriesSteps, Steps};

/// One range operation of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct LeafPlan<'a> {
    /// The operation.
    pub aggregation: &'a RangeAggregation,
    /// Grouping of the `sum` right around it, which may be done while extracting samples.
    pub pushdown: Option<Grouping>,
    /// Whether its series lose their empty labels.
    drops_empty: bool,
}

impl LeafPlan<'_> {
    /// The operation, ready to run; its time range says which entries it needs. `now` is what templates call so.
    pub fn plan(&self, steps: Steps, now: Nanos) -> Result<RangePlan, EvalError> {
        RangePlan::new(self.aggregation, self.pushdown.as_ref(), self.drops_empty, steps, now)
    }
}

/// The range operations of `expr`, left to right. A mean may need its operation twice.
pub fn leaves(expr: &MetricExpr) -> Vec<LeafPlan<'_>> {
    let mut out = Vec::new();
    collect(expr, Place::of_query(expr), None, &mut out);
    out
}

fn collect<'a>(expr: &'a MetricExpr, around: Place, pushdown: Option<Grouping>, out: &mut Vec<LeafPlan<'a>>) {
    let place = around.of(expr);
    with_stack(|| match expr {
        MetricExpr::Range(aggregation) => {
            let drops_empty = !around.is_part() && parts::merging_drops_empty(aggregation);
            out.push(LeafPlan { aggregation, pushdown, drops_empty });
        }
        MetricExpr::Vector(vector) => {
            if let Some(sum) = separate_sum(vector, place) {
                collect(&vector.inner, Place::Part, Some(sum), out);
            }
            collect(&vector.inner, place.inside(vector), crate::pushdown(vector), out);
        }
        MetricExpr::Binary(binary) => {
            collect(&binary.left, place.of_side(&binary.left), None, out);
            collect(&binary.right, place.of_side(&binary.right), None, out);
        }
        MetricExpr::LabelReplace(replace) => collect(&replace.inner, place, None, out),
        MetricExpr::Variants(_) | MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => {}
    })
}

/// The `variants` that are sides of operators, left to right.
pub fn variants_of(expr: &MetricExpr) -> Vec<&VariantsExpr> {
    let mut out = Vec::new();
    collect_variants(expr, &mut out);
    out
}

fn collect_variants<'a>(expr: &'a MetricExpr, out: &mut Vec<&'a VariantsExpr>) {
    with_stack(|| match expr {
        MetricExpr::Variants(variants) => out.push(variants),
        MetricExpr::Vector(vector) => collect_variants(&vector.inner, out),
        MetricExpr::LabelReplace(replace) => collect_variants(&replace.inner, out),
        MetricExpr::Binary(binary) => {
            collect_variants(&binary.left, out);
            collect_variants(&binary.right, out);
        }
        MetricExpr::Range(_) | MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => {}
    })
}

/// The grouping that the sum of a mean is extracted by, if the mean is a quotient of a sum and a count that may differ in
/// their labels.
fn separate_sum(vector: &VectorAggregation, place: Place) -> Option<Grouping> {
    let MetricExpr::Range(range) = &*vector.inner else { return None };
    let sum = || pushdown(&VectorAggregation { op: VectorOp::Sum, ..vector.clone() });
    if place.divides(vector) && parts::legs_differ(range) { sum() } else { None }
}

/// The grouping that a range operation right inside `vector` can take over: that of `sum` over operations whose parts
/// add up, unless they have a grouping themselves.
pub fn pushdown(vector: &VectorAggregation) -> Option<Grouping> {
    let MetricExpr::Range(range) = &*vector.inner else { return None };
    let adds_up =
        matches!(range.op, RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum | RangeOp::Rate | RangeOp::Count);
    (vector.op == VectorOp::Sum && adds_up && range.grouping.is_none())
        .then(|| vector.grouping.clone().unwrap_or_else(Grouping::none))
}

/// What an inner expression gave.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Scalar(f64),
    Series(Vec<SeriesSteps>),
}

/// Evaluates `expr` over the results of its [`leaves`] and, behind them, its [`variants_of`], in the same order. Fails if more than `max_series` come out, or
/// out of a part that upstream computes on its own.
pub fn evaluate(
    expr: &MetricExpr,
    steps: Steps,
    mut leaves: Vec<Vec<SeriesSteps>>,
    max_series: usize,
) -> Result<QueryValue, EvalError> {
    if steps.count() == 0 {
        return Err(EvalError::Internal("unexpected empty result".into()));
    }
    crate::range::check_steps(steps)?;
    let variants = leaves.split_off(leaves.len().saturating_sub(variants_of(expr).len()));
    let (leaves, variants) = (leaves.into_iter(), variants.into_iter());
    let mut evaluation = Evaluation { steps, max_series, leaves, variants };
    let node = evaluation.node(expr, Place::of_query(expr))?;
    if evaluation.leaves.next().is_some() {
        return Err(EvalError::Internal("more results than range operations".into()));
    }
    value::shape(node, steps, sorts(expr), max_series)
}

struct Evaluation {
    steps: Steps,
    max_series: usize,
    leaves: std::vec::IntoIter<Vec<SeriesSteps>>,
    variants: std::vec::IntoIter<Vec<SeriesSteps>>,
}

impl Evaluation {
    fn node(&mut self, expr: &MetricExpr, around: Place) -> Result<Node, EvalError> {
        with_stack(|| self.node_here(expr, around))
    }

    fn node_here(&mut self, expr: &MetricExpr, around: Place) -> Result<Node, EvalError> {
        let place = around.of(expr);
        let node = match expr {
            MetricExpr::Range(_) => Node::Series(self.leaf()?),
            MetricExpr::Literal { value, .. } => Node::Scalar(*value),
            MetricExpr::VectorLiteral { value, .. } => Node::Series(vec![constant(*value, self.steps)]),
            MetricExpr::Vector(vector) => Node::Series(self.aggregation(vector, place)?),
            MetricExpr::Binary(binary) => {
                let left = self.side(&binary.left, place)?;
                let right = self.side(&binary.right, place)?;
                binary::binary(binary, left, right, self.steps)?
            }
            // Only the whole of what a querier computes may be variants.
            MetricExpr::Variants(_) if around.is_part() => return Err(EvalError::Internal(MISPLACED_VARIANTS.into())),
            MetricExpr::Variants(_) => Node::Series(self.variants.next().unwrap_or_default()),
            MetricExpr::LabelReplace(replace) => match self.node(&replace.inner, place)? {
                Node::Series(series) => Node::Series(label_replace::label_replace(replace, series)?),
                Node::Scalar(_) => return Err(EvalError::Internal(LITERAL_IN_LABEL_REPLACE.into())),
            },
        };
        self.check_part(node, around, place)
    }

    fn side(&mut self, side: &MetricExpr, around: Place) -> Result<Node, EvalError> {
        let place = around.of_side(side);
        if matches!(side, MetricExpr::Variants(_)) {
            return self.node(side, around);
        }
        let node = self.node(side, place)?;
        self.check_part(node, around, place)
    }

    fn leaf(&mut self) -> Result<Vec<SeriesSteps>, EvalError> {
        let missing = || EvalError::Internal("fewer results than range operations".into());
        let mut series = self.leaves.next().ok_or_else(missing)?;
        // Sums and ties follow this order, so that answers do not depend on the order of tasks.
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    fn aggregation(&mut self, vector: &VectorAggregation, place: Place) -> Result<Vec<SeriesSteps>, EvalError> {
        let sums = separate_sum(vector, place).map(|_| self.leaf()).transpose()?;
        let Node::Series(series) = self.node(&vector.inner, place.inside(vector))? else {
            return Err(EvalError::no_selector());
        };
        if place.divides(vector) {
            let means = aggregate::quotients(vector, sums, series, self.steps);
            return self.check(means.len()).map(|()| means);
        }
        let series = match (vector.op, place) {
            (VectorOp::ApproxTopk, Place::Frontend { .. }) => rank::by_estimate(series, self.steps),
            _ => series,
        };
        Ok(aggregate::aggregate(vector, series, self.steps))
    }

    /// What a part gives the frontend around it.
    fn check_part(&self, node: Node, around: Place, place: Place) -> Result<Node, EvalError> {
        match &node {
            Node::Series(series) if place.is_part() && !around.is_part() => self.check(series.len())?,
            _ => {}
        }
        Ok(node)
    }

    fn check(&self, series: usize) -> Result<(), EvalError> {
        if series > self.max_series { Err(EvalError::SeriesLimit { limit: self.max_series }) } else { Ok(()) }
    }
}

/// The answer of `variants`, however many series there are.
pub(crate) fn shape(series: Vec<SeriesSteps>, steps: Steps, sorted: bool) -> Result<QueryValue, EvalError> {
    value::shape(Node::Series(series), steps, sorted, usize::MAX)
}

/// What upstream says of `label_replace` over a literal, with a blank at the end.
const LITERAL_IN_LABEL_REPLACE: &str =
    "unexpected expr type (*syntax.LiteralExpr) for Evaluator type (*logql.DefaultEvaluator) ";

/// What upstream says of `variants` inside something that a querier computes.
const MISPLACED_VARIANTS: &str =
    "unexpected expr type (*syntax.MultiVariantExpr) for Evaluator type (*logql.DefaultEvaluator)";

/// One series without labels, the same at every step.
fn constant(value: f64, steps: Steps) -> SeriesSteps {
    SeriesSteps { labels: Labels::empty(), points: (0..steps.count()).map(|step| (step, value)).collect() }
}

/// Whether `sort` or `sort_desc` occurs anywhere: then an instant answer keeps the order of evaluation.
fn sorts(expr: &MetricExpr) -> bool {
    with_stack(|| match expr {
        MetricExpr::Vector(vector) => matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc) || sorts(&vector.inner),
        MetricExpr::Binary(binary) => sorts(&binary.left) || sorts(&binary.right),
        MetricExpr::LabelReplace(replace) => sorts(&replace.inner),
        MetricExpr::Range(_)
        | MetricExpr::Variants(_)
        | MetricExpr::Literal { .. }
        | MetricExpr::VectorLiteral { .. } => false,
    })
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
