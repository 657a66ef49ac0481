//! Label filters.
//!
//! `and` binds tighter than `or`. A comma, or nothing at all between two filters, means "and" too but has no rank: all
//! that follows it nests inside. `a or b, c or d` is `a or (b and (c or d))`.

use nom::Parser;
use nom::combinator::cut;
use nom::sequence::preceded;

use super::log::{ip, match_op, matcher};
use crate::ast::{CompareOp, Deep, LabelFilter, Span, Spanned};
use crate::input::{Step, Tokens, identifier, misfit, number, one_of, tok};
use crate::lex::{Kind, Value};
use crate::number;

/// What stands between filters that are not joined yet.
#[derive(Clone, Copy)]
enum Mark {
    And,
    Or,
    /// A comma or nothing.
    Loose,
    /// `(`
    Open,
}

impl Mark {
    /// Whether a filter joined by `self` is complete when `next` follows.
    fn closes_before(self, next: Mark) -> bool {
        matches!((self, next), (Mark::And, Mark::And | Mark::Or) | (Mark::Or, Mark::Or))
    }
}

/// Filters and the marks between them, with their places. Nothing recurses: the text of a long chain, printed with a parenthesis for each
/// link, must be readable again.
#[derive(Default)]
struct Pending {
    done: Vec<Spanned<LabelFilter>>,
    marks: Vec<(Mark, Span)>,
}

impl Pending {
    fn push(&mut self, mark: Mark, at: Span) {
        while self.marks.last().is_some_and(|(top, _)| top.closes_before(mark)) {
            self.reduce();
        }
        self.marks.push((mark, at));
    }

    /// Joins the last two filters.
    fn reduce(&mut self) {
        let Some((mark, _)) = self.marks.pop() else { return };
        if let (Some(right), Some(left)) = (self.done.pop(), self.done.pop()) {
            let span = left.span.to(right.span);
            let (left, right) = (Deep::new(left), Deep::new(right));
            let node = match mark {
                Mark::Or => LabelFilter::Or(left, right),
                Mark::And | Mark::Loose | Mark::Open => LabelFilter::And(left, right),
            };
            self.done.push(Spanned { node, span });
        }
    }

    /// Joins all filters back to the last `(`, which goes too, or to the start. `end` is what closes.
    fn close(&mut self, end: Span) {
        while let Some(&(mark, open)) = self.marks.last() {
            if matches!(mark, Mark::Open) {
                self.marks.pop();
                if let Some(filter) = self.done.last_mut() {
                    filter.span = open.to(end);
                }
                return;
            }
            self.reduce();
        }
    }
}

/// A filter, as long as it can be read on.
pub(super) fn label_filter(input: Tokens<'_>) -> Step<'_, Spanned<LabelFilter>> {
    let mut pending = Pending::default();
    let mut rest = input;
    // How many `(` are open, so that the marks need no search.
    let mut open = 0usize;
    loop {
        while rest.kind() == Kind::OpenParen {
            pending.marks.push((Mark::Open, rest.span()));
            open += 1;
            rest = rest.rest();
        }
        rest.expected(Kind::OpenParen);
        let (next, node) = cut(comparison).parse(rest)?;
        pending.done.push(Spanned { node, span: rest.span_to(next) });
        rest = next;
        while rest.kind() == Kind::CloseParen && open > 0 {
            pending.close(rest.span());
            open -= 1;
            rest = rest.rest();
        }
        let (mark, next) = match rest.kind() {
            Kind::And => (Mark::And, rest.rest()),
            Kind::Or => (Mark::Or, rest.rest()),
            Kind::Comma => (Mark::Loose, rest.rest()),
            Kind::Identifier | Kind::OpenParen => (Mark::Loose, rest),
            _ => break,
        };
        pending.push(mark, rest.span());
        rest = next;
    }
    if open > 0 {
        rest.expected(Kind::CloseParen);
        return misfit();
    }
    pending.close(rest.span());
    pending.done.pop().map_or_else(misfit, |filter| Ok((rest, filter)))
}

const COMPARISONS: &[Kind] = &[Kind::Eq, Kind::CmpEq, Kind::Gt, Kind::Gte, Kind::Lt, Kind::Lte];

fn compare_op(kind: Kind) -> Option<CompareOp> {
    match kind {
        Kind::Eq | Kind::CmpEq => Some(CompareOp::Eq),
        Kind::Neq => Some(CompareOp::Ne),
        Kind::Gt => Some(CompareOp::Gt),
        Kind::Gte => Some(CompareOp::Ge),
        Kind::Lt => Some(CompareOp::Lt),
        Kind::Lte => Some(CompareOp::Le),
        _ => None,
    }
}

/// `name op constant`; the constant's kind decides how the label's value is read.
fn comparison(input: Tokens<'_>) -> Step<'_, LabelFilter> {
    let (at_op, name) = identifier(input)?;
    let kind = at_op.kind();
    let at_value = at_op.rest();
    if match_op(kind).is_some() {
        let takes_more = matches!(kind, Kind::Eq | Kind::Neq);
        if !takes_more || at_value.kind() == Kind::Str {
            return cut(matcher.map(LabelFilter::Matcher)).parse(input);
        }
        at_value.expected(Kind::Str);
        if at_value.kind() == Kind::Ip {
            let negated = kind == Kind::Neq;
            return ip.map(|pattern| LabelFilter::Ip { name: name.clone(), negated, pattern }).parse(at_value);
        }
        at_value.expected(Kind::Ip);
    }
    for kind in [Kind::Re, Kind::Nre, Kind::Neq] {
        at_op.expected(kind);
    }
    let (at_value, op) = one_of(at_op, COMPARISONS, compare_op)?;
    cut(|input| constant(input, &name, op)).parse(at_value)
}

fn constant<'a>(input: Tokens<'a>, name: &str, op: CompareOp) -> Step<'a, LabelFilter> {
    let name = || name.to_owned();
    match &input.peek().value {
        Value::Duration(ns) if input.kind() == Kind::Duration => {
            return Ok((input.rest(), LabelFilter::Duration { name: name(), op, value_ns: *ns }));
        }
        Value::Size(size) => {
            return Ok((input.rest(), LabelFilter::Bytes { name: name(), op, value_bytes: *size }));
        }
        _ => {}
    }
    input.expected(Kind::Duration);
    input.expected(Kind::Bytes);
    // A number that Go cannot read counts as 0, one too large as infinite.
    let read = |text: String| number::parse(&text).unwrap_or_else(|error| error.value());
    signed(input, |text, sign| LabelFilter::Number { name: name(), op, value: sign * read(text) })
}

/// `[+|-] number`
pub(super) fn signed<'a, T>(input: Tokens<'a>, make: impl FnOnce(String, f64) -> T) -> Step<'a, T> {
    let (rest, (text, sign)) = match input.kind() {
        Kind::Add => preceded(tok(Kind::Add), cut(number)).map(|text| (text, 1.0)).parse(input)?,
        Kind::Sub => preceded(tok(Kind::Sub), cut(number)).map(|text| (text, -1.0)).parse(input)?,
        _ => {
            input.expected(Kind::Add);
            input.expected(Kind::Sub);
            number.map(|text| (text, 1.0)).parse(input)?
        }
    };
    Ok((rest, make(text, sign)))
}
