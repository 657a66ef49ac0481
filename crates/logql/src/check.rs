//! What makes well-formed text a query or not: the rules about meaning, in upstream's words.
//!
//! Each function builds a node from its parts and says what is wrong with it. Faults of a node go before those of its
//! parts; a faulty node still has a tree, so that parsing can go on to find a syntax error.

use loptr_model::{MatchOp, Matcher};

use crate::ast::{
    BinaryExpr, BinaryOp, Deep, Grouping, LabelReplace, LogExpr, LogRange, MetricExpr, RangeAggregation, RangeOp, Span,
    VariantsExpr, VectorAggregation, VectorMatching, VectorOp,
};
use crate::error::ParseError;
use crate::grammar::{Metric, Node, NodeKind};
use crate::{number, pattern, regex};

const NO_EQUALITY: &str = "queries require at least one regexp or equality matcher that does not have an \
    empty-compatible value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

/// A matcher, if its value is a regular expression where it has to be one.
pub(crate) fn matcher(name: String, op: MatchOp, value: &[u8], span: Span) -> Result<Matcher, ParseError> {
    if matches!(op, MatchOp::Re | MatchOp::Nre) {
        regex::check_selector(value).map_err(|message| ParseError::at_span(message, span))?;
    }
    Ok(Matcher::from_bytes(name, op, value))
}

/// The pattern of `| regexp`, if it names groups, each once.
pub(crate) fn regexp_parser(pattern: &[u8], span: Span) -> Result<String, ParseError> {
    let fault = |message: String| ParseError::at_span(format!("invalid regexp parser: {message}"), span);
    let names = regex::capture_names(pattern).map_err(fault)?;
    let named: Vec<&String> = names.iter().flatten().filter(|name| !name.is_empty()).collect();
    if let Some((_, name)) = named.iter().enumerate().find(|(at, name)| named.iter().take(*at).any(|n| n == *name)) {
        return Err(fault(format!("duplicate extracted label name '{name}'")));
    }
    if named.is_empty() {
        return Err(fault("at least one named capture must be supplied".to_owned()));
    }
    Ok(String::from_utf8_lossy(pattern).into_owned())
}

/// The pattern of `| pattern`.
pub(crate) fn pattern_parser(text: &[u8], span: Span) -> Result<Vec<u8>, ParseError> {
    match pattern::parse_capturing(text) {
        Ok(_) => Ok(text.to_vec()),
        Err(message) => Err(ParseError::at_span(format!("invalid pattern parser: {message}"), span)),
    }
}

/// Fails if streams without any label meet the selector of `log`, in upstream's words. Parsing looks at every selector but
/// those of variants.
pub fn check_selector(log: &LogExpr) -> Result<(), ParseError> {
    selector(&log.matchers, log.span).map_or(Ok(()), Err)
}

/// A selector must have a matcher that streams without the label do not meet.
pub(crate) fn selector(matchers: &[Matcher], span: Span) -> Option<ParseError> {
    matchers.iter().all(regex::matches_empty).then(|| ParseError::at_span(NO_EQUALITY, span))
}

pub(crate) fn literal(text: &str, sign: f64, span: Span) -> Metric {
    let (value, fault) = match number::parse(text) {
        Ok(value) => (value, None),
        Err(error) => {
            let message = format!("unable to parse literal as a float: {}", error.text(text));
            (0.0, Some(ParseError::at_span(message, span)))
        }
    };
    Metric { expr: MetricExpr::Literal { value: sign * value, span }, fault, height: 1 }
}

pub(crate) fn vector_literal(text: &str, span: Span) -> Metric {
    let (value, fault) = match number::parse(text) {
        Ok(value) => (value, None),
        Err(error) => {
            let message = format!("unable to parse vectorExpr as a float: {}", error.text(text));
            (0.0, Some(ParseError::at_span(message, span)))
        }
    };
    Metric { expr: MetricExpr::VectorLiteral { value, span }, fault, height: 1 }
}

/// Range operations that take grouping after the parenthesis.
fn allows_grouping(op: RangeOp) -> bool {
    use RangeOp::*;
    matches!(op, Avg | Stddev | Stdvar | Quantile | Max | Min | First | Last)
}

fn allows_unwrap(op: RangeOp) -> bool {
    use RangeOp::*;
    !matches!(op, Count | Bytes | BytesRate)
}

fn allows_lines(op: RangeOp) -> bool {
    use RangeOp::*;
    matches!(op, Count | Rate | Bytes | BytesRate | Absent)
}

pub(crate) fn range_aggregation(
    op: RangeOp,
    parameter: Option<String>,
    range: LogRange,
    grouping: Option<Grouping>,
    span: Span,
) -> Metric {
    let name = op.as_str();
    let mut value = None;
    let wrong = match (&parameter, op) {
        (Some(text), RangeOp::Quantile) => match number::parse(text) {
            Ok(parsed) => {
                value = Some(parsed);
                None
            }
            Err(error) => Some(format!("invalid parameter for operation {name}: {}", error.text(text))),
        },
        (Some(text), _) => Some(format!("parameter {text} not supported for operation {name}")),
        (None, RangeOp::Quantile) => Some(format!("parameter required for operation {name}")),
        (None, _) => None,
    };
    let wrong = wrong.or_else(|| match range.unwrap {
        _ if grouping.is_some() && !allows_grouping(op) => Some(format!("grouping not allowed for {name} aggregation")),
        Some(_) if !allows_unwrap(op) => Some(format!("invalid aggregation {name} with unwrap")),
        None if !allows_lines(op) => Some(format!("invalid aggregation {name} without unwrap")),
        _ => None,
    });
    let fault = match wrong {
        Some(message) => Some(ParseError::at_span(message, span)),
        None => selector(&range.log.matchers, range.log.span),
    };
    let expr = MetricExpr::Range(RangeAggregation { op, parameter: value, range, grouping, span });
    Metric { expr, fault, height: 1 }
}

pub(crate) fn vector_aggregation(
    op: VectorOp,
    parameter: Option<String>,
    inner: Metric,
    grouping: Option<Grouping>,
    span: Span,
) -> Metric {
    let name = op.as_str();
    let mut k = None;
    let takes_k = matches!(op, VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk);
    let is_sort = matches!(op, VectorOp::Sort | VectorOp::SortDesc);
    let has_labels = grouping.as_ref().is_some_and(|grouping| !grouping.labels.is_empty());
    let wrong = match (takes_k, &parameter) {
        (false, Some(text)) => Some(format!("unsupported parameter for operation {name}({text},")),
        (false, None) if is_sort && has_labels => Some("sort and sort_desc doesn't allow grouping by ".to_owned()),
        (false, None) => None,
        (true, None) => Some(format!("parameter required for operation {name}")),
        (true, Some(text)) => match text.parse::<i64>() {
            Err(_) => Some(format!("invalid parameter {name}({text},")),
            Ok(value) if value <= 0 => Some(format!("invalid parameter (must be greater than 0) {name}({text}")),
            Ok(_) if op == VectorOp::ApproxTopk && grouping.is_some() => {
                Some(format!("grouping not allowed for {name} aggregation"))
            }
            Ok(value) => {
                k = Some(value);
                None
            }
        },
    };
    let fault = wrong.map(|message| ParseError::at_span(message, span)).or(inner.fault);
    // `by ()` is what no grouping means.
    let grouping = grouping.filter(|grouping| grouping.without || !grouping.labels.is_empty());
    let expr = VectorAggregation { op, parameter: k, inner: Deep::new(inner.expr), grouping, span };
    Metric { expr: MetricExpr::Vector(expr), fault, height: inner.height + 1 }
}

pub(crate) fn label_replace(inner: Metric, texts: [Vec<u8>; 3], pattern: &[u8], span: Span) -> Metric {
    let [dst, replacement, src] = texts;
    let regex = String::from_utf8_lossy(pattern).into_owned();
    let fault = regex::check_regex(&[b"^(?:", pattern, b")$"].concat())
        .err()
        .map(|message| ParseError::at_span(format!("invalid regex in label_replace: {message}"), span))
        .or(inner.fault);
    let expr = LabelReplace { inner: Deep::new(inner.expr), dst, replacement, src, regex, span };
    Metric { expr: MetricExpr::LabelReplace(expr), fault, height: inner.height + 1 }
}

pub(crate) fn variants(metrics: Vec<Metric>, of: LogRange, span: Span) -> Node {
    let height = 1 + metrics.iter().map(|metric| metric.height).max().unwrap_or(0);
    let mut fault = selector(&of.log.matchers, of.log.span);
    let mut variants = Vec::with_capacity(metrics.len());
    for metric in metrics {
        // Upstream looks at the common selector alone.
        fault = fault.or(metric.fault.filter(|fault| fault.message != NO_EQUALITY));
        variants.push(metric.expr);
    }
    Node { kind: NodeKind::Variants(VariantsExpr { variants, of, span }), fault, height }
}

/// A binary operator with its modifiers.
pub(crate) struct Operator {
    pub(crate) op: BinaryOp,
    pub(crate) return_bool: bool,
    pub(crate) matching: Option<VectorMatching>,
}

/// `left op right`; two literals become one.
pub(crate) fn binary(operator: Operator, left: Node, right: Node, span: Span) -> Metric {
    let Operator { op, return_bool, matching } = operator;
    let height = 1 + left.height.max(right.height);
    let side = |node: Node, side: &str| match node.kind {
        NodeKind::Metric(expr) => Ok((expr, node.fault)),
        NodeKind::Log(log) => {
            Err((if log.stages.is_empty() { "MatchersExpr" } else { "PipelineExpr" }, side.to_owned()))
        }
        NodeKind::Variants(variants) => Ok((MetricExpr::Variants(Deep::new(variants)), node.fault)),
    };
    let faulty = |message: String| Metric {
        // Not a literal: an operator around this one must not take it for one.
        expr: MetricExpr::VectorLiteral { value: 0.0, span },
        fault: Some(ParseError::at_span(message, span)),
        height: 1,
    };
    let ((left, left_fault), (right, right_fault)) = match (side(left, "left"), side(right, "right")) {
        (Ok(left), Ok(right)) => (left, right),
        (Err((kind, side)), _) | (_, Err((kind, side))) => {
            let op = op.as_str();
            return faulty(format!("unexpected type for {side} leg of binary operation ({op}): *syntax.{kind}"));
        }
    };
    let constant = |expr: &MetricExpr| match expr {
        MetricExpr::Literal { value, .. } => Some(*value),
        _ => None,
    };
    let constants = (constant(&left), constant(&right));
    // A literal that is no number has a fault of its own, and that goes first.
    let literal_fault = [(constants.0, &left_fault), (constants.1, &right_fault)]
        .into_iter()
        .find_map(|(value, fault)| value.and(fault.clone()));
    if let Some(fault) = literal_fault {
        return Metric { expr: MetricExpr::VectorLiteral { value: 0.0, span }, fault: Some(fault), height: 1 };
    }
    if op.is_set()
        && let Some((value, side)) = constants.0.map(|value| (value, "left")).or(constants.1.map(|v| (v, "right")))
    {
        return faulty(format!(
            "unexpected literal for {side} leg of logical/set binary operation ({}): {}",
            op.as_str(),
            number::fixed_text(value)
        ));
    }
    if let (Some(left), Some(right)) = constants {
        return Metric { expr: MetricExpr::Literal { value: fold(op, left, right), span }, fault: None, height: 1 };
    }
    let expr = BinaryExpr { op, return_bool, matching, left, right, span };
    Metric { expr: MetricExpr::Binary(Deep::new(expr)), fault: left_fault.or(right_fault), height }
}

/// `left op right` for numbers, as upstream computes it: division by zero is NaN, comparisons yield 1 or 0.
fn fold(op: BinaryOp, left: f64, right: f64) -> f64 {
    let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
    match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div if right == 0.0 => f64::NAN,
        BinaryOp::Div => left / right,
        BinaryOp::Mod if right == 0.0 => f64::NAN,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Eq => truth(left == right),
        BinaryOp::Ne => truth(left != right),
        BinaryOp::Gt => truth(left > right),
        BinaryOp::Ge => truth(left >= right),
        BinaryOp::Lt => truth(left < right),
        BinaryOp::Le => truth(left <= right),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Unless => f64::NAN,
    }
}
