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

/// What stands between operands that are not joined yet.
enum Mark<'a> {
    Operator(Operator),
    /// `(`, at this token.
    Open(Tokens<'a>),
}

/// Operands and the marks between them. Neither chains nor parentheses need stack.
struct Pending<'a> {
    start: Tokens<'a>,
    /// With the places they take up, parentheses included.
    done: Vec<(Node, Span)>,
    marks: Vec<Mark<'a>>,
    /// How many `(` are open.
    open: usize,
}

impl<'a> Pending<'a> {
    /// Joins what is complete when `op` follows.
    fn join_before(&mut self, op: BinaryOp) -> Result<(), nom::Err<Fail>> {
        while matches!(self.marks.last(), Some(Mark::Operator(top)) if closes_before(top.op, op)) {
            self.join_last()?;
        }
        Ok(())
    }

    /// Joins all operands back to the last `(`, or to the start.
    fn join(&mut self) -> Result<(), nom::Err<Fail>> {
        while matches!(self.marks.last(), Some(Mark::Operator(_))) {
            self.join_last()?;
        }
        Ok(())
    }

    /// Joins the last two operands, unless the tree would be too high.
    fn join_last(&mut self) -> Result<(), nom::Err<Fail>> {
        if let (Some(Mark::Operator(operator)), Some((right, end)), Some((left, start))) =
            (self.marks.pop(), self.done.pop(), self.done.pop())
        {
            let span = start.to(end);
            let node = Node::from(check::binary(operator, left, right, span));
            if node.height > MAX_DEPTH {
                return fault(too_deep(self.start)).map(|(_, ())| ());
            }
            self.done.push((node, span));
        }
        Ok(())
    }

    /// `)` for the last `(`.
    fn close(&mut self, input: Tokens<'a>) -> Result<(), nom::Err<Fail>> {
        self.join()?;
        if let Some(Mark::Open(at)) = self.marks.pop()
            && let Some((node, span)) = self.done.last_mut()
        {
            if matches!(node.kind, NodeKind::Variants(_)) {
                input.expected(Kind::Pow);
                return Err(nom::Err::Failure(Fail::Syntax));
            }
            *span = at.span().to(input.span());
            self.open -= 1;
        }
        Ok(())
    }
}

/// Operands with operators between them, and parentheses around some. A log query in parentheses stays one, but then
/// nothing may follow it.
fn expr(input: Tokens<'_>) -> Step<'_, Node> {
    let mut pending = Pending { start: input, done: Vec::new(), marks: Vec::new(), open: 0 };
    let mut rest = input;
    loop {
        while rest.kind() == Kind::OpenParen {
            pending.marks.push(Mark::Open(rest));
            pending.open += 1;
            rest = rest.rest();
        }
        let (next, node) = if pending.marks.is_empty() { operand(rest)? } else { cut(operand).parse(rest)? };
        let span = node.span();
        pending.done.push((node, span));
        rest = next;
        while rest.kind() == Kind::CloseParen && pending.open > 0 {
            pending.close(rest)?;
            rest = rest.rest();
        }
        let Some(op) = binary_op(rest.kind()) else { break };
        pending.join_before(op)?;
        let (next, operator) = cut(|input| operator(input, op)).parse(rest.rest())?;
        pending.marks.push(Mark::Operator(operator));
        rest = next;
    }
    // One operator stands for all.
    rest.expected(Kind::Pow);
    if pending.open > 0 {
        rest.expected(Kind::CloseParen);
        return Err(nom::Err::Failure(Fail::Syntax));
    }
    pending.join()?;
    pending.done.pop().map_or_else(misfit, |(node, _)| Ok((rest, node)))
}

/// Whether the operation `left` is complete when `right` follows: all but `^` group from the left.
fn closes_before(left: BinaryOp, right: BinaryOp) -> bool {
    left.precedence() > right.precedence() || (left.precedence() == right.precedence() && left != BinaryOp::Pow)
}

pub(super) fn binary_op(kind: Kind) -> Option<BinaryOp> {
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
    let start = rest;
    let (mut rest, labels) = cut(names).parse(rest.rest())?;
    let mut group = None;
    if matches!(rest.kind(), Kind::GroupLeft | Kind::GroupRight) {
        let (left, start) = (rest.kind() == Kind::GroupLeft, rest);
        rest = rest.rest();
        let mut include = Vec::new();
        if rest.kind() == Kind::OpenParen {
            (rest, include) = cut(names).parse(rest)?;
        }
        group = Some(GroupModifier { left, include, span: start.span_to(rest) });
    }
    // `ignoring ()` says nothing.
    let is_plain = !on && labels.is_empty() && group.is_none();
    let matching = (!is_plain).then_some(VectorMatching { on, labels, group, span: start.span_to(rest) });
    Ok((rest, Operator { op, return_bool, matching }))
}

fn operand(input: Tokens<'_>) -> Step<'_, Node> {
    use Kind::*;
    match input.kind() {
        OpenBrace => log.map(|log| Node { kind: NodeKind::Log(log), fault: None, height: 1 }).parse(input),
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
    let (rest, labels) = cut(names).parse(input.rest())?;
    Ok((rest, Grouping { without, labels, span: input.span_to(rest) }))
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
    let (mut rest, range) = cut(log_range).parse(rest)?;
    if rest.kind() != Kind::CloseParen {
        // As upstream, goes on behind the parenthesis.
        rest.expected(Kind::CloseParen);
        rest = rest.resume(|kind| kind == Kind::CloseParen);
    }
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
