//! Whole queries: operators, aggregations and what they run over.

use nom::Parser;
use nom::combinator::{cut, opt};
use nom::sequence::{delimited, preceded, terminated};

use super::filter::signed;
use super::log::{log, names};
use super::range::log_range;
use crate::ast::{
    BinaryOp, GroupModifier, Grouping, LogExpr, MetricExpr, RangeOp, Span, VariantsExpr, VectorMatching, VectorOp,
};
use crate::check::{self, Operator};
use crate::error::ParseError;
use crate::input::{Fail, MAX_DEPTH, Step, Tokens, bytes, fault, misfit, nested, number, string, tok, too_deep};
use crate::lex::Kind;

/// What was read, and the fault it would be refused for if the rest of the text is in order.
///
/// Syntax errors anywhere in the text go before such faults, and the fault of an outer node before those inside it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) fault: Option<ParseError>,
    /// Levels of the tree.
    pub(crate) height: usize,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Log(LogExpr),
    Metric(MetricExpr),
    Variants(VariantsExpr),
}

impl Node {
    fn span(&self) -> Span {
        match &self.kind {
            NodeKind::Log(e) => e.span,
            NodeKind::Metric(e) => e.span(),
            NodeKind::Variants(e) => e.span,
        }
    }
}

/// A metric expression with its fault and height.
pub(crate) struct Metric {
    pub(crate) expr: MetricExpr,
    pub(crate) fault: Option<ParseError>,
    pub(crate) height: usize,
}

impl From<Metric> for Node {
    fn from(metric: Metric) -> Self {
        Self { kind: NodeKind::Metric(metric.expr), fault: metric.fault, height: metric.height }
    }
}

/// The whole text.
pub(crate) fn query(input: Tokens<'_>) -> Step<'_, Node> {
    terminated(expr, tok(Kind::End)).parse(input)
}

/// Operands with operators between them. Long chains need no stack: only parentheses recurse.
fn expr(input: Tokens<'_>) -> Step<'_, Node> {
    let (mut rest, first) = operand(input)?;
    let (mut done, mut operators): (Vec<Node>, Vec<Operator>) = (vec![first], Vec::new());
    while let Some(op) = binary_op(rest.kind()) {
        while operators.last().is_some_and(|top| closes_before(top.op, op)) {
            reduce(input, &mut done, &mut operators)?;
        }
        let (next, operator) = cut(|input| operator(input, op)).parse(rest.rest())?;
        let (next, right) = cut(operand).parse(next)?;
        operators.push(operator);
        done.push(right);
        rest = next;
    }
    // One operator stands for all.
    rest.expected(Kind::Pow);
    while !operators.is_empty() {
        reduce(input, &mut done, &mut operators)?;
    }
    match done.pop() {
        Some(node) if node.height > MAX_DEPTH => fault(too_deep(input, MAX_DEPTH)),
        Some(node) => Ok((rest, node)),
        None => misfit(),
    }
}

/// Whether the operation `left` is complete when `right` follows: all but `^` group from the left.
fn closes_before(left: BinaryOp, right: BinaryOp) -> bool {
    left.precedence() > right.precedence() || (left.precedence() == right.precedence() && left != BinaryOp::Pow)
}

/// Joins the last two operands, unless the tree would be too high: it is not even built, for dropping it recurses.
fn reduce(start: Tokens<'_>, done: &mut Vec<Node>, operators: &mut Vec<Operator>) -> Result<(), nom::Err<Fail>> {
    if let (Some(operator), Some(right), Some(left)) = (operators.pop(), done.pop(), done.pop()) {
        if left.height.max(right.height) >= MAX_DEPTH {
            return fault(too_deep(start, MAX_DEPTH)).map(|(_, ())| ());
        }
        let span = Span { start: left.span().start, end: right.span().end };
        done.push(check::binary(operator, left, right, span).into());
    }
    Ok(())
}

fn binary_op(kind: Kind) -> Option<BinaryOp> {
    Some(match kind {
        Kind::Or => BinaryOp::Or,
        Kind::And => BinaryOp::And,
        Kind::Unless => BinaryOp::Unless,
        Kind::Add => BinaryOp::Add,
        Kind::Sub => BinaryOp::Sub,
        Kind::Mul => BinaryOp::Mul,
        Kind::Div => BinaryOp::Div,
        Kind::Mod => BinaryOp::Mod,
        Kind::Pow => BinaryOp::Pow,
        Kind::CmpEq => BinaryOp::Eq,
        Kind::Neq => BinaryOp::Ne,
        Kind::Gt => BinaryOp::Gt,
        Kind::Gte => BinaryOp::Ge,
        Kind::Lt => BinaryOp::Lt,
        Kind::Lte => BinaryOp::Le,
        _ => return None,
    })
}

/// `[bool] [on|ignoring (…) [group_left|group_right [(…)]]]`
fn operator(input: Tokens<'_>, op: BinaryOp) -> Step<'_, Operator> {
    let (rest, return_bool) = opt(tok(Kind::Bool)).map(|word| word.is_some()).parse(input)?;
    let on = match rest.kind() {
        Kind::On => true,
        Kind::Ignoring => false,
        _ => return Ok((rest, Operator { op, return_bool, matching: None })),
    };
    let (mut rest, labels) = cut(names).parse(rest.rest())?;
    let mut group = None;
    if matches!(rest.kind(), Kind::GroupLeft | Kind::GroupRight) {
        let left = rest.kind() == Kind::GroupLeft;
        rest = rest.rest();
        let mut include = Vec::new();
        if rest.kind() == Kind::OpenParen {
            (rest, include) = cut(names).parse(rest)?;
        }
        group = Some(GroupModifier { left, include });
    }
    // `ignoring ()` says nothing.
    let is_plain = !on && labels.is_empty() && group.is_none();
    let matching = (!is_plain).then_some(VectorMatching { on, labels, group });
    Ok((rest, Operator { op, return_bool, matching }))
}

fn operand(input: Tokens<'_>) -> Step<'_, Node> {
    use Kind::*;
    match input.kind() {
        OpenBrace => log.map(|log| Node { kind: NodeKind::Log(log), fault: None, height: 1 }).parse(input),
        OpenParen => nested(in_parentheses).parse(input),
        Number | Add | Sub => literal.map(Node::from).parse(input),
        Kind::Vector => vector_literal.map(Node::from).parse(input),
        LabelReplace => nested(label_replace).map(Node::from).parse(input),
        Variants => nested(variants).parse(input),
        kind => match (range_op(kind), vector_op(kind)) {
            (Some(op), _) => range_aggregation(input, op).map(|(rest, metric)| (rest, metric.into())),
            (_, Some(op)) => nested(|input| vector_aggregation(input, op)).map(Node::from).parse(input),
            _ => {
                [OpenBrace, OpenParen, Number].iter().for_each(|&kind| input.expected(kind));
                misfit()
            }
        },
    }
}

/// `(…)`: a log query stays one, but then nothing may follow it.
fn in_parentheses(input: Tokens<'_>) -> Step<'_, Node> {
    let (rest, node) = preceded(tok(Kind::OpenParen), cut(expr)).parse(input)?;
    if matches!(node.kind, NodeKind::Variants(_)) {
        return misfit();
    }
    cut(tok(Kind::CloseParen)).map(|_| ()).parse(rest).map(|(rest, ())| (rest, node))
}

/// An expression that yields numbers: a log query does not, an operator would have to follow.
fn metric(input: Tokens<'_>) -> Step<'_, Metric> {
    let (rest, node) = expr(input)?;
    match node.kind {
        NodeKind::Metric(expr) => Ok((rest, Metric { expr, fault: node.fault, height: node.height })),
        NodeKind::Log(_) | NodeKind::Variants(_) => misfit(),
    }
}

fn literal(input: Tokens<'_>) -> Step<'_, Metric> {
    let (rest, (text, sign)) = signed(input, |text, sign| (text, sign))?;
    Ok((rest, check::literal(&text, sign, input.span_to(rest))))
}

/// `vector(1)`
fn vector_literal(input: Tokens<'_>) -> Step<'_, Metric> {
    let inner = delimited(tok(Kind::OpenParen), number, tok(Kind::CloseParen));
    let (rest, text) = preceded(tok(Kind::Vector), cut(inner)).parse(input)?;
    Ok((rest, check::vector_literal(&text, input.span_to(rest))))
}

fn label_replace(input: Tokens<'_>) -> Step<'_, Metric> {
    let open = (tok(Kind::LabelReplace), tok(Kind::OpenParen));
    let argument = || preceded(tok(Kind::Comma), string);
    let arguments = (metric, argument(), argument(), argument(), preceded(tok(Kind::Comma), bytes));
    let (rest, (inner, dst, replacement, src, regex)) =
        delimited(open, cut(arguments), cut(tok(Kind::CloseParen))).parse(input)?;
    Ok((rest, check::label_replace(inner, [dst, replacement, src], regex, input.span_to(rest))))
}

/// `by (…)` or `without (…)`
fn grouping(input: Tokens<'_>) -> Step<'_, Grouping> {
    let without = match input.kind() {
        Kind::By => false,
        Kind::Without => true,
        _ => {
            input.expected(Kind::By);
            input.expected(Kind::Without);
            return misfit();
        }
    };
    cut(names).map(|labels| Grouping { without, labels }).parse(input.rest())
}

/// A leading `NUMBER ,`; a number that no comma follows is left alone.
fn parameter(input: Tokens<'_>) -> Step<'_, Option<String>> {
    if (input.kind(), input.second()) == (Kind::Number, Kind::Comma) {
        return terminated(number, tok(Kind::Comma)).map(Some).parse(input);
    }
    Ok((input, None))
}

fn range_op(kind: Kind) -> Option<RangeOp> {
    Some(match kind {
        Kind::CountOverTime => RangeOp::Count,
        Kind::Rate => RangeOp::Rate,
        Kind::RateCounter => RangeOp::RateCounter,
        Kind::BytesOverTime => RangeOp::Bytes,
        Kind::BytesRate => RangeOp::BytesRate,
        Kind::AvgOverTime => RangeOp::Avg,
        Kind::SumOverTime => RangeOp::Sum,
        Kind::MinOverTime => RangeOp::Min,
        Kind::MaxOverTime => RangeOp::Max,
        Kind::StdvarOverTime => RangeOp::Stdvar,
        Kind::StddevOverTime => RangeOp::Stddev,
        Kind::QuantileOverTime => RangeOp::Quantile,
        Kind::FirstOverTime => RangeOp::First,
        Kind::LastOverTime => RangeOp::Last,
        Kind::AbsentOverTime => RangeOp::Absent,
        _ => return None,
    })
}

/// `op([number,] range)[ grouping]`
fn range_aggregation(input: Tokens<'_>, op: RangeOp) -> Step<'_, Metric> {
    let (rest, _) = cut(tok(Kind::OpenParen)).parse(input.rest())?;
    // Here a number is always a parameter.
    let (rest, parameter) = opt(terminated(number, cut(tok(Kind::Comma)))).parse(rest)?;
    let (rest, range) = cut(log_range).parse(rest)?;
    let (rest, _) = cut(tok(Kind::CloseParen)).parse(rest)?;
    let (rest, grouping) = opt(grouping).parse(rest)?;
    Ok((rest, check::range_aggregation(op, parameter, range, grouping, input.span_to(rest))))
}

fn vector_op(kind: Kind) -> Option<VectorOp> {
    Some(match kind {
        Kind::Sum => VectorOp::Sum,
        Kind::Avg => VectorOp::Avg,
        Kind::Count => VectorOp::Count,
        Kind::Max => VectorOp::Max,
        Kind::Min => VectorOp::Min,
        Kind::Stddev => VectorOp::Stddev,
        Kind::Stdvar => VectorOp::Stdvar,
        Kind::Bottomk => VectorOp::Bottomk,
        Kind::Topk => VectorOp::Topk,
        Kind::Sort => VectorOp::Sort,
        Kind::SortDesc => VectorOp::SortDesc,
        Kind::ApproxTopk => VectorOp::ApproxTopk,
        _ => return None,
    })
}

/// `op [grouping] ([number,] expr)` or `op([number,] expr) [grouping]`
fn vector_aggregation(input: Tokens<'_>, op: VectorOp) -> Step<'_, Metric> {
    let (rest, before) = opt(grouping).parse(input.rest())?;
    let (rest, _) = cut(tok(Kind::OpenParen)).parse(rest)?;
    let (rest, parameter) = parameter(rest)?;
    let (rest, inner) = cut(metric).parse(rest)?;
    let (rest, _) = cut(tok(Kind::CloseParen)).parse(rest)?;
    let (rest, grouping) = match before {
        Some(_) => (rest, before),
        None => opt(grouping).parse(rest)?,
    };
    Ok((rest, check::vector_aggregation(op, parameter, inner, grouping, input.span_to(rest))))
}

/// `variants(metric, …) of (range)`
fn variants(input: Tokens<'_>) -> Step<'_, Node> {
    let metrics = nom::multi::separated_list1(tok(Kind::Comma), metric);
    let list = delimited(tok(Kind::OpenParen), metrics, tok(Kind::CloseParen));
    let of = delimited(tok(Kind::OpenParen), log_range, tok(Kind::CloseParen));
    let (rest, metrics) = preceded(tok(Kind::Variants), cut(list)).parse(input)?;
    let (rest, of) = preceded(cut(tok(Kind::Of)), cut(of)).parse(rest)?;
    Ok((rest, check::variants(metrics, of, input.span_to(rest))))
}
