//! Log ranges: a log query over a window.
//!
//! The window may stand after the pipeline or right after the selector, the selector may stand in parentheses, and so
//! may the whole; see `docs/logql.md` for the five forms.

use nom::Parser;
use nom::combinator::{cut, opt};
use nom::multi::many0;
use nom::sequence::{delimited, preceded};

use super::filter::label_filter;
use super::log::{pipeline, selector, starts_stage};
use crate::ast::{LabelFilter, LogExpr, LogRange, Span, Spanned, Stage, Unwrap, UnwrapConversion};
use crate::input::{Step, Tokens, identifier, misfit, one_of, tok};
use crate::lex::{Kind, Value};

/// A selector, its stages and its unwrap, before or after the window.
struct Body {
    log: LogExpr,
    unwrap: Option<Unwrap>,
}

/// A range in any number of parentheses: they are counted, not nested.
pub(super) fn log_range(input: Tokens<'_>) -> Step<'_, LogRange> {
    let (mut rest, mut open) = (input, 0usize);
    while rest.kind() == Kind::OpenParen && rest.second() != Kind::OpenBrace {
        open += 1;
        rest = rest.rest();
    }
    if open == 0 {
        return bare_range(rest);
    }
    let (mut rest, range) = cut(bare_range).parse(rest)?;
    for _ in 0..open {
        (rest, _) = cut(tok(Kind::CloseParen)).parse(rest)?;
    }
    Ok((rest, range))
}

fn bare_range(input: Tokens<'_>) -> Step<'_, LogRange> {
    match input.kind() {
        Kind::OpenBrace => {
            let (rest, body) = body(input)?;
            windowed(input, rest, body)
        }
        Kind::OpenParen => parenthesised(input),
        _ => {
            input.expected(Kind::OpenBrace);
            input.expected(Kind::OpenParen);
            misfit()
        }
    }
}

/// `({…} … [5m] …)` or `({…} …)[5m] …`
fn parenthesised(input: Tokens<'_>) -> Step<'_, LogRange> {
    let (rest, body) = body(input.rest())?;
    if rest.kind() == Kind::Range {
        let (rest, range) = windowed(input.rest(), rest, body)?;
        let (rest, _) = cut(tok(Kind::CloseParen)).parse(rest)?;
        return Ok((rest, range));
    }
    rest.expected(Kind::Range);
    let (rest, _) = cut(tok(Kind::CloseParen)).parse(rest)?;
    let (rest, range_ns) = cut(window).parse(rest)?;
    let (mut rest, offset) = opt(offset).parse(rest)?;
    let Body { log, mut unwrap } = body;
    if log.stages.is_empty() && unwrap.is_none() {
        (rest, unwrap) = opt(self::unwrap).parse(rest)?;
    }
    Ok((rest, range(log, unwrap, range_ns, offset, input.span_to(rest))))
}

fn body(input: Tokens<'_>) -> Step<'_, Body> {
    let (rest, (matchers, matcher_spans)) = selector(input, |kind| starts_stage(kind) || kind == Kind::Range)?;
    let (rest, stages) = pipeline(rest)?;
    let span = input.span_to(rest);
    let (rest, unwrap) = opt(unwrap).parse(rest)?;
    Ok((rest, Body { log: LogExpr { matchers, matcher_spans, stages, span }, unwrap }))
}

/// The window after a body, and the stages after the window if none stood before it.
fn windowed<'a>(start: Tokens<'a>, input: Tokens<'a>, body: Body) -> Step<'a, LogRange> {
    let Body { mut log, mut unwrap } = body;
    let (rest, range_ns) = cut(window).parse(input)?;
    let (mut rest, offset) = opt(offset).parse(rest)?;
    if log.stages.is_empty() && unwrap.is_none() {
        let stages: Vec<Stage>;
        (rest, stages) = pipeline(rest)?;
        if !stages.is_empty() {
            log.span = start.span_to(rest);
        }
        log.stages = stages;
        (rest, unwrap) = opt(self::unwrap).parse(rest)?;
    }
    Ok((rest, range(log, unwrap, range_ns, offset, start.span_to(rest))))
}

fn range(log: LogExpr, unwrap: Option<Unwrap>, range_ns: i64, offset: Option<i64>, span: Span) -> LogRange {
    LogRange { log, range_ns, offset_ns: offset.unwrap_or(0), has_offset: offset.is_some(), unwrap, span }
}

/// `[5m]`, nanoseconds
fn window(input: Tokens<'_>) -> Step<'_, i64> {
    let (rest, token) = tok(Kind::Range).parse(input)?;
    duration(rest, &token.value)
}

/// `offset 5m`, nanoseconds
fn offset(input: Tokens<'_>) -> Step<'_, i64> {
    let (rest, token) = preceded(tok(Kind::Offset), cut(tok(Kind::Duration))).parse(input)?;
    duration(rest, &token.value)
}

fn duration<'a>(rest: Tokens<'a>, value: &Value) -> Step<'a, i64> {
    match value {
        Value::Duration(ns) => Ok((rest, *ns)),
        _ => misfit(),
    }
}

/// `| unwrap … | filter | filter`: after an unwrap only label filters may follow.
fn unwrap(input: Tokens<'_>) -> Step<'_, Unwrap> {
    let (rest, _) = preceded(tok(Kind::Pipe), tok(Kind::Unwrap)).parse(input)?;
    let (rest, (label, conversion)) = cut(unwrapped).parse(rest)?;
    let filter = preceded(tok(Kind::Pipe), cut(label_filter));
    let (rest, filters): (_, Vec<Spanned<LabelFilter>>) = many0(filter).parse(rest)?;
    Ok((rest, Unwrap { label, conversion, filters, span: input.span_to(rest) }))
}

fn unwrapped(input: Tokens<'_>) -> Step<'_, (String, UnwrapConversion)> {
    if input.kind() == Kind::Identifier {
        return identifier.map(|label| (label, UnwrapConversion::Number)).parse(input);
    }
    input.expected(Kind::Identifier);
    let kinds = [Kind::BytesConv, Kind::DurationConv, Kind::DurationSecondsConv];
    let (rest, conversion) = one_of(input, &kinds, |kind| match kind {
        Kind::BytesConv => Some(UnwrapConversion::Bytes),
        Kind::DurationConv => Some(UnwrapConversion::Duration),
        Kind::DurationSecondsConv => Some(UnwrapConversion::DurationSeconds),
        _ => None,
    })?;
    delimited(tok(Kind::OpenParen), identifier, tok(Kind::CloseParen)).map(|label| (label, conversion)).parse(rest)
}
