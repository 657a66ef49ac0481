//! Who computes what upstream: its frontend cuts an expression into parts for queriers and does the rest itself.
//!
//! Nothing is cut here, but upstream's answers show where it cuts, however small the data:
//!
//! - a part may have no more series than the whole answer;
//! - a mean over a part becomes a quotient of its sum and its count;
//! - range operations that may give one series in several parts are merged, which drops empty labels;
//! - `approx_topk` is cut out or refused, unless it lies inside a part: there it is `topk`.
//!
//! An expression that cannot be cut anywhere is one part.

use loptr_logql::ast::{
    BinaryExpr, BinaryOp, Grouping, LabelFormat, MetricExpr, RangeAggregation, RangeOp, StageKind, VectorAggregation,
    VectorOp,
};
use loptr_logql::with_stack;

/// Where a node is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the frontend; `top` as long as no aggregation lies around it.
    Frontend { top: bool },
    /// In a querier.
    Part,
}

impl Place {
    /// Where a query's outermost node is looked at.
    pub(crate) fn of_query(expr: &MetricExpr) -> Self {
        if is_cut(expr, true) { Self::Frontend { top: true } } else { Self::Part }
    }

    /// Where `expr` is computed if what is around it is computed here.
    pub(crate) fn of(self, expr: &MetricExpr) -> Self {
        match self {
            Self::Frontend { top } if is_part(expr, top) => Self::Part,
            place => place,
        }
    }

    /// Where one side of a binary operator is looked at: one that cannot be cut is a part.
    pub(crate) fn of_side(self, side: &MetricExpr) -> Self {
        match self {
            Self::Frontend { top } if !is_cut(side, top) && !is_constant(side) => Self::Part,
            place => place,
        }
    }

    /// Where the inside of an aggregation that is computed here is looked at.
    pub(crate) fn inside(self, vector: &VectorAggregation) -> Self {
        match self {
            Self::Frontend { .. } if vector.op == VectorOp::ApproxTopk || self.divides(vector) => Self::Part,
            Self::Frontend { .. } => Self::Frontend { top: false },
            Self::Part => Self::Part,
        }
    }

    /// Whether a mean that is computed here is a quotient.
    pub(crate) fn divides(self, vector: &VectorAggregation) -> bool {
        matches!(self, Self::Frontend { top } if vector.op == VectorOp::Avg && is_shardable_vector(vector, top))
    }

    pub(crate) fn is_part(self) -> bool {
        self == Self::Part
    }
}

/// Whether the frontend has a querier compute the whole of `expr`.
fn is_part(expr: &MetricExpr, top: bool) -> bool {
    match expr {
        MetricExpr::Range(range) => is_cut_range(range, top),
        MetricExpr::Vector(vector) => {
            let adds_up = match vector.op {
                VectorOp::Sum => true,
                VectorOp::Min | VectorOp::Max | VectorOp::Count => !reduces_labels(&vector.inner),
                _ => false,
            };
            adds_up && is_shardable_vector(vector, top)
        }
        _ => false,
    }
}

/// Whether the frontend cuts `expr`, anywhere.
fn is_cut(expr: &MetricExpr, top: bool) -> bool {
    with_stack(|| match expr {
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => false,
        MetricExpr::Range(range) => is_cut_range(range, top),
        MetricExpr::Vector(vector) => {
            let place = Place::Frontend { top };
            is_part(expr, top)
                || vector.op == VectorOp::ApproxTopk
                || place.divides(vector)
                || is_cut(&vector.inner, false)
        }
        MetricExpr::LabelReplace(replace) => is_cut(&replace.inner, top),
        MetricExpr::Variants(_) => false,
        MetricExpr::Binary(binary) => !is_constant(&binary.left) || !is_constant(&binary.right),
    })
}

fn is_cut_range(range: &RangeAggregation, top: bool) -> bool {
    is_shardable_range(range, top) && !matches!(range.op, RangeOp::Quantile | RangeOp::First | RangeOp::Last)
}

fn is_constant(expr: &MetricExpr) -> bool {
    matches!(expr, MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. })
}

/// Whether upstream holds `expr` to be computable shard by shard.
fn is_shardable(expr: &MetricExpr, top: bool) -> bool {
    with_stack(|| match expr {
        MetricExpr::Literal { .. } => true,
        MetricExpr::VectorLiteral { .. } | MetricExpr::LabelReplace(_) => false,
        MetricExpr::Range(range) => is_shardable_range(range, top),
        MetricExpr::Vector(vector) => is_shardable_vector(vector, top),
        MetricExpr::Binary(binary) => is_shardable_binary(binary, top),
        MetricExpr::Variants(variants) => variants.variants.iter().all(|variant| is_shardable(variant, top)),
    })
}

fn is_shardable_range(range: &RangeAggregation, top: bool) -> bool {
    match range.op {
        RangeOp::Stddev | RangeOp::Stdvar | RangeOp::Absent | RangeOp::RateCounter => false,
        RangeOp::Quantile => top,
        _ => true,
    }
}

fn is_shardable_vector(vector: &VectorAggregation, top: bool) -> bool {
    is_shardable(&vector.inner, top)
        && match (vector.op, &*vector.inner) {
            (VectorOp::Count | VectorOp::Avg, inner) => !reduces_labels(inner),
            (VectorOp::Max | VectorOp::Min, MetricExpr::Range(range)) => is_shardable_range(range, false),
            (VectorOp::Sum, MetricExpr::Vector(inner)) => !matches!(inner.op, VectorOp::Min | VectorOp::Max),
            (VectorOp::Sum | VectorOp::ApproxTopk, _) => true,
            _ => false,
        }
}

fn is_shardable_binary(binary: &BinaryExpr, top: bool) -> bool {
    let matches_all = binary.matching.as_ref().is_none_or(|matching| !matching.on && matching.labels.is_empty());
    matches_all
        && matches!(binary.op, BinaryOp::Add | BinaryOp::Mul)
        && is_shardable(&binary.left, top)
        && is_shardable(&binary.right, top)
}

/// Whether one series may come out of several streams.
fn reduces_labels(expr: &MetricExpr) -> bool {
    let groups = |grouping: &Option<Grouping>| grouping.as_ref().is_some_and(|grouping| !grouping.labels.is_empty());
    with_stack(|| match expr {
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => false,
        MetricExpr::Range(range) => groups(&range.grouping) || stages_reduce_labels(range),
        MetricExpr::Vector(vector) => groups(&vector.grouping) || reduces_labels(&vector.inner),
        MetricExpr::LabelReplace(replace) => reduces_labels(&replace.inner),
        MetricExpr::Variants(variants) => variants.variants.iter().any(reduces_labels),
        MetricExpr::Binary(binary) => reduces_labels(&binary.left) || reduces_labels(&binary.right),
    })
}

fn stages_reduce_labels(range: &RangeAggregation) -> bool {
    range.range.log.stages.iter().any(|stage| match &stage.kind {
        StageKind::Drop(_) | StageKind::Keep(_) => true,
        StageKind::LabelFormat(formats) => {
            formats.iter().any(|format| matches!(format.node, LabelFormat::Rename { .. }))
        }
        _ => false,
    })
}

/// Whether a range operation that is a part by itself loses its empty labels when parts are merged. One with `by` keeps
/// them, unless it is a mean: a quotient of two.
pub(super) fn merging_drops_empty(range: &RangeAggregation) -> bool {
    let merges = !matches!(range.op, RangeOp::Quantile | RangeOp::First | RangeOp::Last);
    merges
        && is_shardable_range(range, true)
        && match &range.grouping {
            Some(grouping) if !grouping.labels.is_empty() => grouping.without || range.op == RangeOp::Avg,
            Some(grouping) if !grouping.without => false,
            _ => stages_reduce_labels(range),
        }
}

/// Whether the sum and the count that a mean is divided of may see different labels: the sum's grouping says which ones
/// are extracted.
pub(super) fn legs_differ(range: &RangeAggregation) -> bool {
    let sees_stored_labels =
        |kind: &StageKind| matches!(kind, StageKind::LineFilter(_) | StageKind::LabelFilter(_) | StageKind::Decolorize);
    !range.range.log.stages.iter().all(|stage| sees_stored_labels(&stage.kind))
}

/// The parts as upstream's frontend writes them, for queriers to read again: what cannot be read back fails there.
pub fn part_texts(expr: &MetricExpr) -> Vec<String> {
    let mut out = Vec::new();
    collect_parts(expr, Place::of_query(expr), &mut out);
    out
}

fn collect_parts(expr: &MetricExpr, around: Place, out: &mut Vec<String>) {
    let place = around.of(expr);
    with_stack(|| match expr {
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => {}
        _ if place.is_part() => out.push(format!("{expr:#}")),
        MetricExpr::Vector(vector) if place.divides(vector) => {
            for op in [VectorOp::Sum, VectorOp::Count] {
                out.push(format!("{:#}", VectorAggregation { op, ..vector.clone() }));
            }
        }
        MetricExpr::Vector(vector) => collect_parts(&vector.inner, place.inside(vector), out),
        MetricExpr::LabelReplace(replace) => collect_parts(&replace.inner, place, out),
        MetricExpr::Binary(binary) => {
            collect_parts(&binary.left, place.of_side(&binary.left), out);
            collect_parts(&binary.right, place.of_side(&binary.right), out);
        }
        MetricExpr::Range(_) | MetricExpr::Variants(_) => {}
    })
}

/// How upstream's frontend meets the first `approx_topk` of an expression that does not lie inside a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApproxTopk {
    /// Over something it can cut: refused, unless the tenant has it enabled.
    Cut,
    /// Over something it cannot cut: sent to a querier whether enabled or not.
    Whole,
}

/// The first `approx_topk` that upstream's frontend has to deal with.
pub fn approx_topk(expr: &MetricExpr) -> Option<ApproxTopk> {
    first_approx_topk(expr, Place::of_query(expr))
}

fn first_approx_topk(expr: &MetricExpr, around: Place) -> Option<ApproxTopk> {
    let Place::Frontend { top } = around.of(expr) else { return None };
    let place = Place::Frontend { top };
    with_stack(|| match expr {
        MetricExpr::Vector(vector) if vector.op == VectorOp::ApproxTopk => {
            Some(if is_shardable_vector(vector, top) { ApproxTopk::Cut } else { ApproxTopk::Whole })
        }
        MetricExpr::Vector(vector) => first_approx_topk(&vector.inner, place.inside(vector)),
        MetricExpr::LabelReplace(replace) => first_approx_topk(&replace.inner, place),
        MetricExpr::Binary(binary) => {
            [&binary.left, &binary.right].into_iter().find_map(|side| first_approx_topk(side, place.of_side(side)))
        }
        MetricExpr::Range(_)
        | MetricExpr::Variants(_)
        | MetricExpr::Literal { .. }
        | MetricExpr::VectorLiteral { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use loptr_logql::ast::Expr;

    use super::*;

    fn metric(text: &str) -> MetricExpr {
        match loptr_logql::parse(text) {
            Ok(Expr::Metric(metric)) => metric,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn queries_are_cut_where_upstream_cuts_them() {
        let (rate, quantile) = (r#"rate({a="b"}[1m])"#, r#"quantile_over_time(0.5,{a="b"} | unwrap v[1m])"#);
        let first = r#"first_over_time({a="b"} | unwrap v[1m])"#;
        let dropping = r#"rate({a="b"} | drop c[1m])"#;
        for (query, expected) in [
            (rate.to_owned(), vec![rate.to_owned()]),
            (format!("sum({rate})"), vec![format!("sum({rate})")]),
            (format!("topk(2,{rate})"), vec![rate.to_owned()]),
            (format!("avg({rate})"), vec![format!("sum({rate})"), format!("count({rate})")]),
            (format!("sum(avg({rate}))"), vec![format!("sum(avg({rate}))")]),
            (format!("max({dropping})"), vec![dropping.to_owned()]),
            (format!("max(sum({rate}))"), vec![format!("sum({rate})")]),
            (format!("topk(2,{first})"), vec![format!("topk(2,{first})")]),
            (format!("({rate} / topk(2,{first}))"), vec![rate.to_owned(), format!("topk(2,{first})")]),
            (format!("sum({quantile})"), vec![format!("sum({quantile})")]),
            (format!("({rate} + 1)"), vec![rate.to_owned()]),
            (format!("sum(({rate} + 1))"), vec![format!("sum(({rate} + 1))")]),
            (format!("sum(({rate} - 1))"), vec![rate.to_owned()]),
            (format!("count by (x)(sum by (x)({rate}))"), vec![format!("sum by (x)({rate})")]),
        ] {
            assert_eq!(part_texts(&metric(&query)), expected, "{query}");
        }
    }

    #[test]
    fn approx_topk_is_met_outside_parts_only() {
        for (query, met) in [
            (r#"approx_topk(1, rate({a="b"}[1m]))"#, Some(ApproxTopk::Cut)),
            (r#"approx_topk(1, sum(rate({a="b"}[1m])))"#, Some(ApproxTopk::Cut)),
            (r#"1 + approx_topk(1, rate({a="b"}[1m]))"#, Some(ApproxTopk::Cut)),
            (r#"topk(1, approx_topk(1, rate({a="b"}[1m])))"#, Some(ApproxTopk::Cut)),
            ("approx_topk(1, 1)", Some(ApproxTopk::Cut)),
            ("approx_topk(1, vector(1))", Some(ApproxTopk::Whole)),
            (r#"approx_topk(1, topk(1, rate({a="b"}[1m])))"#, Some(ApproxTopk::Whole)),
            (r#"sum(approx_topk(1, rate({a="b"}[1m])))"#, None),
            (r#"sum(rate({a="b"}[1m]))"#, None),
        ] {
            assert_eq!(approx_topk(&metric(query)), met, "{query}");
        }
    }
}
