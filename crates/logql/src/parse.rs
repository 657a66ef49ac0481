//! From text to tree: which of several faults is the one to report.

use loptr_model::Matcher;

use crate::ast::{Expr, LogExpr, Span};
use crate::check;
use crate::error::ParseError;
use crate::grammar::{self, Node, NodeKind};
use crate::input::{Context, Fail, Tokens};
use crate::lex::{self, Kind, LexError};

/// The longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 131_071;

/// Most kinds of token that an error names as fitting.
const MAX_EXPECTED: usize = 8;

/// Parses a query and checks all but its stages (see [`check_stages`](crate::check_stages)).
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    parse_bytes(text.as_bytes())
}

/// As [`parse`], for text that may not be UTF-8; if it is not, that is an error.
pub fn parse_bytes(text: &[u8]) -> Result<Expr, ParseError> {
    let node = read(text)?;
    let fault = match &node.kind {
        NodeKind::Log(log) => check::selector(&log.matchers, log.span),
        _ => node.fault,
    };
    fault.map_or_else(|| Ok(expr(node.kind)), Err)
}

/// Parses a log query; a metric query is refused with `only log selector is supported`.
pub fn parse_log(text: &str) -> Result<LogExpr, ParseError> {
    match read(text.as_bytes())?.kind {
        NodeKind::Log(log) => check::selector(&log.matchers, log.span).map_or(Ok(log), Err),
        _ => Err(ParseError::unsupported("only log selector is supported")),
    }
}

/// As [`parse_log`], but any matchers will do, even none: what delete requests take.
pub fn parse_any_log(text: &str) -> Result<LogExpr, ParseError> {
    match read(text.as_bytes())?.kind {
        NodeKind::Log(log) => Ok(log),
        _ => Err(ParseError::unsupported("only log selector is supported")),
    }
}

/// Parses a selector with at least one matcher that does not match the empty text. Anything else that is a query is
/// refused with `only label matchers are supported`.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    match parse(text)? {
        Expr::Log(log) if log.stages.is_empty() => Ok(log.matchers),
        _ => Err(only_matchers()),
    }
}

/// As [`parse_selector`], but any matchers will do, even none: what the series and label endpoints take.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, ParseError> {
    match read(text.as_bytes())?.kind {
        NodeKind::Log(log) if log.stages.is_empty() => Ok(log.matchers),
        _ => Err(only_matchers()),
    }
}

fn only_matchers() -> ParseError {
    ParseError::unsupported("only label matchers are supported")
}

fn expr(kind: NodeKind) -> Expr {
    match kind {
        NodeKind::Log(log) => Expr::Log(log),
        NodeKind::Metric(metric) => Expr::Metric(metric),
        NodeKind::Variants(variants) => Expr::Variants(variants),
    }
}

/// Lexes and parses. A fault that stops the parser on the spot goes first; then whichever of the lexical and syntactic
/// errors was met first.
fn read(text: &[u8]) -> Result<Node, ParseError> {
    if text.len() > MAX_QUERY_BYTES {
        let message = format!("input size too long ({} > {})", text.len(), MAX_QUERY_BYTES + 1);
        return Err(ParseError::at_span(message, Span::default()));
    }
    let (tokens, lexical) = lex::tokens(text);
    let context = Context::new(text);
    match grammar::query(Tokens::new(&tokens, &context)) {
        Ok((_, node)) if !context.went_on() => lexical.map_or(Ok(node), |error| Err(lexical_error(error))),
        Err(nom::Err::Failure(Fail::Hard(error)) | nom::Err::Error(Fail::Hard(error))) => Err(*error),
        _ => {
            let (at, expected) = context.furthest();
            if let Some(error) = lexical.filter(|error| error.token <= at) {
                return Err(lexical_error(error));
            }
            let token = tokens.get(at).or(tokens.last()).expect("the lexer ends every text with a token");
            Err(ParseError {
                line: token.line,
                col: token.col,
                ..ParseError::at_span(unexpected(token.kind, &expected), Span { start: token.start, end: token.end })
            })
        }
    }
}

fn lexical_error(error: LexError) -> ParseError {
    let at = error.at as u32;
    let span = Span { start: at, end: at };
    ParseError { line: error.line, col: error.col, ..ParseError::at_span(error.message, span) }
}

/// What does not fit, and what would if that is short enough to say.
fn unexpected(kind: Kind, expected: &[Kind]) -> String {
    let mut message = format!("syntax error: unexpected {}", kind.name());
    let mut names: Vec<String> = Vec::new();
    for &kind in expected {
        let name = group(kind, expected).map_or_else(|| kind.name(), str::to_owned);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if (1..=MAX_EXPECTED).contains(&names.len()) {
        message.push_str(", expecting ");
        message.push_str(&names.join(" or "));
    }
    message
}

/// One word for kinds that always come together.
fn group(kind: Kind, expected: &[Kind]) -> Option<&'static str> {
    use Kind::*;
    match kind {
        Neq | Npa | Nre | PipeExact | PipeMatch | PipePattern if expected.contains(&PipeExact) => Some("line filter"),
        Json | Logfmt | Regexp | Pattern | Unpack | LineFormat | LabelFormat | Decolorize | Drop | Keep => {
            Some("stage")
        }
        // Stands for all of them, see `grammar::metric`.
        Pow => Some("operator"),
        _ => None,
    }
}
