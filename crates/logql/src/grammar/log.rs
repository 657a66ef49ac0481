//! Selectors and pipelines.

use loptr_model::{MatchOp, Matcher};
use nom::branch::alt;
use nom::combinator::{cut, opt};
use nom::multi::{many0, separated_list0, separated_list1};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

use super::filter::label_filter;
use super::metric::binary_op;
use crate::ast::{
    Extraction, LabelFormat, LineFilter, LineFilterOp, LineOperand, LogExpr, NamedOrMatcher, Span, Spanned, Stage,
    StageKind,
};
use crate::check;
use crate::input::{Fail, Step, Tokens, bytes, fault, identifier, is_misfit, misfit, one_of, string, tok};
use crate::lex::Kind;

/// `{a="b", …}`. As upstream's, it goes on after a syntax error behind the first matcher, with a token for which
/// `follows` holds: a fault further on is the one to report.
pub(super) fn selector(input: Tokens<'_>, follows: fn(Kind) -> bool) -> Step<'_, (Vec<Matcher>, Vec<Span>)> {
    let (mut rest, _) = tok(Kind::OpenBrace).parse(input)?;
    let (mut matchers, mut spans) = (Vec::new(), Vec::new());
    if rest.kind() != Kind::CloseBrace {
        loop {
            match spanned(matcher).parse(rest) {
                Ok((next, matcher)) => {
                    matchers.push(matcher.node);
                    spans.push(matcher.span);
                    rest = next;
                }
                Err(error) if matchers.is_empty() || !is_misfit(&error) => {
                    rest.expected(Kind::CloseBrace);
                    return Err(match error {
                        nom::Err::Error(fail) => nom::Err::Failure(fail),
                        other => other,
                    });
                }
                Err(_) => return Ok((rest.resume(follows), (matchers, spans))),
            }
            match rest.kind() {
                Kind::Comma => rest = rest.rest(),
                Kind::CloseBrace => break,
                _ => {
                    [Kind::CloseBrace, Kind::Comma].iter().for_each(|&kind| rest.expected(kind));
                    return Ok((rest.resume(follows), (matchers, spans)));
                }
            }
        }
    }
    Ok((rest.rest(), (matchers, spans)))
}

/// `item` with its place.
fn spanned<'a, T>(
    mut item: impl Parser<Tokens<'a>, Output = T, Error = Fail>,
) -> impl Parser<Tokens<'a>, Output = Spanned<T>, Error = Fail> {
    move |input: Tokens<'a>| {
        let (rest, node) = item.parse(input)?;
        Ok((rest, Spanned { node, span: input.span_to(rest) }))
    }
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
    let (rest, (matchers, matcher_spans)) = selector(input, |kind| starts_stage(kind) || binary_op(kind).is_some())?;
    let (rest, stages) = pipeline(rest)?;
    Ok((rest, LogExpr { matchers, matcher_spans, stages, span: input.span_to(rest) }))
}

/// Stages, possibly none; stops before `| unwrap`.
pub(super) fn pipeline(input: Tokens<'_>) -> Step<'_, Vec<Stage>> {
    many0(alt((line_filter, piped_stage.map(|stage| vec![stage]))))
        .map(|stages: Vec<Vec<Stage>>| stages.into_iter().flatten().collect())
        .parse(input)
}

/// Whether a stage may begin so.
pub(super) fn starts_stage(kind: Kind) -> bool {
    kind == Kind::Pipe || line_filter_op(kind).is_some()
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
    let (mut rest, operand) = cut(spanned(line_operand)).parse(first)?;
    let mut found = vec![(operand, input.span_to(rest))];
    while rest.kind() == Or {
        let (next, operand) = cut(spanned(line_operand)).parse(rest.rest())?;
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
    let text = string.map(LineOperand::Text);
    alt((text, ip.map(LineOperand::Ip))).parse(input)
}

/// `ip("…")`
pub(super) fn ip(input: Tokens<'_>) -> Step<'_, Vec<u8>> {
    let open = tok(Kind::OpenParen);
    preceded(tok(Kind::Ip), cut(delimited(open, string, tok(Kind::CloseParen)))).parse(input)
}

/// `| …`, anything but a line filter or an unwrap.
fn piped_stage(input: Tokens<'_>) -> Step<'_, Stage> {
    let (rest, _) = tok(Kind::Pipe).parse(input)?;
    let (end, kind) = match rest.kind() {
        Kind::Identifier | Kind::OpenParen => {
            label_filter.map(|filter| StageKind::LabelFilter(filter.node)).parse(rest)
        }
        Kind::Json => after(rest, opt_list(extraction).map(StageKind::Json)),
        Kind::Logfmt => after(rest, logfmt),
        Kind::Regexp => after(rest, regexp),
        Kind::Pattern => after(rest, pattern),
        Kind::Unpack => Ok((rest.rest(), StageKind::Unpack)),
        Kind::Decolorize => Ok((rest.rest(), StageKind::Decolorize)),
        Kind::LineFormat => after(rest, string.map(StageKind::LineFormat)),
        Kind::LabelFormat => after(rest, label_formats.map(StageKind::LabelFormat)),
        Kind::Drop => after(rest, list(spanned(named)).map(StageKind::Drop)),
        Kind::Keep => after(rest, list(spanned(named)).map(StageKind::Keep)),
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
fn list<'a, T>(
    item: impl Parser<Tokens<'a>, Output = T, Error = Fail>,
) -> impl Parser<Tokens<'a>, Output = Vec<T>, Error = Fail> {
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
    let expression = expression.unwrap_or_else(|| name.clone().into_bytes());
    Ok((rest, Extraction { name, expression, span: input.span_to(rest) }))
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
    let (rest, text) = bytes(input)?;
    checked(rest, check::pattern_parser(text, input.span_to(rest)).map(StageKind::Pattern))
}

fn checked<'a, T>(rest: Tokens<'a>, result: Result<T, crate::ParseError>) -> IResult<Tokens<'a>, T, Fail> {
    result.map_or_else(fault, |value| Ok((rest, value)))
}

/// One or more, with commas between. As upstream, goes on after a syntax error behind a comma.
fn label_formats(input: Tokens<'_>) -> Step<'_, Vec<Spanned<LabelFormat>>> {
    let (mut rest, first) = spanned(label_format).parse(input)?;
    let mut formats = vec![first];
    while rest.kind() == Kind::Comma {
        match spanned(label_format).parse(rest.rest()) {
            Ok((next, format)) => {
                formats.push(format);
                rest = next;
            }
            Err(error) if is_misfit(&error) => return Ok((rest.resume(starts_stage), formats)),
            Err(error) => return Err(error),
        }
    }
    rest.expected(Kind::Comma);
    Ok((rest, formats))
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
