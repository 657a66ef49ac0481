//! Selectors and pipelines.

use loptr_model::{MatchOp, Matcher};
use nom::branch::alt;
use nom::combinator::{cut, opt};
use nom::multi::{many0, separated_list0, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::filter::label_filter;
use crate::ast::{
    Extraction, LabelFormat, LineFilter, LineFilterOp, LineOperand, LogExpr, NamedOrMatcher, Stage, StageKind,
};
use crate::check;
use crate::input::{Fail, Step, Tokens, bytes, fault, identifier, misfit, one_of, string, tok};
use crate::lex::Kind;

/// `{a="b", …}`
pub(super) fn selector(input: Tokens<'_>) -> Step<'_, Vec<Matcher>> {
    let list = separated_list0(tok(Kind::Comma), matcher);
    delimited(tok(Kind::OpenBrace), list, cut(tok(Kind::CloseBrace))).parse(input)
}

const MATCH_OPS: &[Kind] = &[Kind::Eq, Kind::Re, Kind::Nre, Kind::Neq];

pub(super) fn match_op(kind: Kind) -> Option<MatchOp> {
    match kind {
        Kind::Eq => Some(MatchOp::Eq),
        Kind::Neq => Some(MatchOp::Ne),
        Kind::Re => Some(MatchOp::Re),
        Kind::Nre => Some(MatchOp::Nre),
        _ => None,
    }
}

/// `name op "value"`; a broken regular expression is reported before anything after it is read.
pub(super) fn matcher(input: Tokens<'_>) -> Step<'_, Matcher> {
    let (rest, name) = identifier(input)?;
    let (rest, op) = one_of(rest, MATCH_OPS, match_op)?;
    let (rest, value) = cut(bytes).parse(rest)?;
    match check::matcher(name, op, value, input.span_to(rest)) {
        Ok(matcher) => Ok((rest, matcher)),
        Err(error) => fault(error),
    }
}

/// A selector and its stages; what follows them is not looked at.
pub(super) fn log(input: Tokens<'_>) -> Step<'_, LogExpr> {
    let (rest, matchers) = selector(input)?;
    let (rest, stages) = pipeline(rest)?;
    Ok((rest, LogExpr { matchers, stages, span: input.span_to(rest) }))
}

/// Stages, possibly none; stops before `| unwrap`.
pub(super) fn pipeline(input: Tokens<'_>) -> Step<'_, Vec<Stage>> {
    many0(alt((line_filter, piped_stage.map(|stage| vec![stage]))))
        .map(|stages: Vec<Vec<Stage>>| stages.into_iter().flatten().collect())
        .parse(input)
}

fn line_filter_op(kind: Kind) -> Option<LineFilterOp> {
    match kind {
        Kind::PipeExact => Some(LineFilterOp::Contains),
        Kind::Neq => Some(LineFilterOp::NotContains),
        Kind::PipeMatch => Some(LineFilterOp::Regex),
        Kind::Nre => Some(LineFilterOp::NotRegex),
        Kind::PipePattern => Some(LineFilterOp::Pattern),
        Kind::Npa => Some(LineFilterOp::NotPattern),
        _ => None,
    }
}

/// `op operand or operand …`. With a negative operator each operand is a filter of its own: dropping what matches
/// any is the same as dropping what matches one after the other.
fn line_filter(input: Tokens<'_>) -> Step<'_, Vec<Stage>> {
    use Kind::*;
    let kinds = [PipeExact, PipeMatch, PipePattern, Neq, Nre, Npa];
    let (first, op) = one_of(input, &kinds, line_filter_op)?;
    let (mut rest, operand) = cut(line_operand).parse(first)?;
    let mut found = vec![(operand, input.span_to(rest))];
    while rest.kind() == Or {
        let (next, operand) = cut(line_operand).parse(rest.rest())?;
        found.push((operand, rest.rest().span_to(next)));
        rest = next;
    }
    let stage = |operands, span| Stage { kind: StageKind::LineFilter(LineFilter { op, operands }), span };
    let stages = if op.is_negative() {
        found.into_iter().map(|(operand, span)| stage(vec![operand], span)).collect()
    } else {
        let operands = found.into_iter().map(|(operand, _)| operand).collect();
        vec![stage(operands, input.span_to(rest))]
    };
    Ok((rest, stages))
}

fn line_operand(input: Tokens<'_>) -> Step<'_, LineOperand> {
    let text = bytes.map(|bytes| LineOperand::Text(bytes.to_vec()));
    alt((text, ip.map(LineOperand::Ip))).parse(input)
}

/// `ip("…")`
pub(super) fn ip(input: Tokens<'_>) -> Step<'_, String> {
    let open = tok(Kind::OpenParen);
    preceded(tok(Kind::Ip), cut(delimited(open, string, tok(Kind::CloseParen)))).parse(input)
}

/// `| …`, anything but a line filter or an unwrap.
fn piped_stage(input: Tokens<'_>) -> Step<'_, Stage> {
    let (rest, _) = tok(Kind::Pipe).parse(input)?;
    let (end, kind) = match rest.kind() {
        Kind::Identifier | Kind::OpenParen => label_filter.map(StageKind::LabelFilter).parse(rest),
        Kind::Json => after(rest, opt_list(extraction).map(StageKind::Json)),
        Kind::Logfmt => after(rest, logfmt),
        Kind::Regexp => after(rest, regexp),
        Kind::Pattern => after(rest, pattern),
        Kind::Unpack => Ok((rest.rest(), StageKind::Unpack)),
        Kind::Decolorize => Ok((rest.rest(), StageKind::Decolorize)),
        Kind::LineFormat => after(rest, string.map(StageKind::LineFormat)),
        Kind::LabelFormat => after(rest, list(label_format).map(StageKind::LabelFormat)),
        Kind::Drop => after(rest, list(named).map(StageKind::Drop)),
        Kind::Keep => after(rest, list(named).map(StageKind::Keep)),
        _ => {
            use Kind::*;
            [Identifier, Json, Logfmt, Regexp, Pattern, Unpack, LineFormat, LabelFormat, Decolorize, Drop, Keep]
                .iter()
                .for_each(|&kind| rest.expected(kind));
            misfit()
        }
    }?;
    Ok((end, Stage { kind, span: input.span_to(end) }))
}

/// Runs `inner` after the next token, without a way back.
fn after<'a, T>(input: Tokens<'a>, inner: impl Parser<Tokens<'a>, Output = T, Error = Fail>) -> Step<'a, T> {
    cut(inner).parse(input.rest())
}

/// One or more, with commas between.
fn list<'a, T>(item: impl Fn(Tokens<'a>) -> Step<'a, T>) -> impl Parser<Tokens<'a>, Output = Vec<T>, Error = Fail> {
    separated_list1(tok(Kind::Comma), item)
}

/// A list, or nothing if no identifier follows.
fn opt_list<'a, T>(item: impl Fn(Tokens<'a>) -> Step<'a, T>) -> impl Parser<Tokens<'a>, Output = Vec<T>, Error = Fail> {
    opt(list(item)).map(Option::unwrap_or_default)
}

/// `name` or `name="expression"`
fn extraction(input: Tokens<'_>) -> Step<'_, Extraction> {
    let (rest, name) = identifier(input)?;
    let (rest, expression) = opt(preceded(tok(Kind::Eq), cut(string))).parse(rest)?;
    let expression = expression.unwrap_or_else(|| name.clone());
    Ok((rest, Extraction { name, expression }))
}

fn logfmt(input: Tokens<'_>) -> Step<'_, StageKind> {
    let (mut strict, mut keep_empty, mut rest) = (false, false, input);
    while rest.kind() == Kind::Flag {
        if rest.text() == "--strict" {
            strict = true
        } else {
            keep_empty = true
        }
        rest = rest.rest();
    }
    rest.expected(Kind::Flag);
    opt_list(extraction).map(|fields| StageKind::Logfmt { strict, keep_empty, fields }).parse(rest)
}

fn regexp(input: Tokens<'_>) -> Step<'_, StageKind> {
    let (rest, text) = bytes(input)?;
    checked(rest, check::regexp_parser(text, input.span_to(rest)).map(StageKind::Regexp))
}

fn pattern(input: Tokens<'_>) -> Step<'_, StageKind> {
    let (rest, text) = string(input)?;
    checked(rest, check::pattern_parser(text, input.span_to(rest)).map(StageKind::Pattern))
}

fn checked<'a, T>(rest: Tokens<'a>, result: Result<T, crate::ParseError>) -> IResult<Tokens<'a>, T, Fail> {
    result.map_or_else(fault, |value| Ok((rest, value)))
}

/// `to=from` or `to="template"`
fn label_format(input: Tokens<'_>) -> Step<'_, LabelFormat> {
    let (rest, to) = identifier(input)?;
    let (rest, _) = cut(tok(Kind::Eq)).parse(rest)?;
    let rename = identifier.map(|from| LabelFormat::Rename { to: to.clone(), from });
    let template = string.map(|template| LabelFormat::Template { to: to.clone(), template });
    cut(alt((rename, template))).parse(rest)
}

/// `name` or a matcher
fn named(input: Tokens<'_>) -> Step<'_, NamedOrMatcher> {
    if match_op(input.second()).is_some() {
        return matcher.map(NamedOrMatcher::Matcher).parse(input);
    }
    let (rest, name) = identifier(input)?;
    MATCH_OPS.iter().for_each(|&kind| rest.expected(kind));
    Ok((rest, NamedOrMatcher::Name(name)))
}

/// `(a, b, …)`, possibly empty.
pub(super) fn names(input: Tokens<'_>) -> Step<'_, Vec<String>> {
    let list = separated_list0(tok(Kind::Comma), identifier);
    delimited(tok(Kind::OpenParen), list, tok(Kind::CloseParen)).parse(input)
}
