//! The full grammar. The first fault is the one reported.

use std::borrow::Cow;

use loptr_model::METRIC_NAME;

use super::lexer::{Kind, Lexer, Token};
use super::{LabelPairs, LabelsError};

pub(super) fn parse(text: &str) -> Result<LabelPairs<'_>, LabelsError> {
    let mut parser = Parser { text, lexer: Lexer::new(text) };
    let mut token = parser.next()?;
    let metric = match token.kind {
        Kind::Name | Kind::MetricName => Some(token.text),
        // These words name no metric in the grammar.
        Kind::Word(_) if !matches!(token.text, "atan2" | "bool" | "group_left" | "group_right" | "ignoring" | "on") => {
            Some(token.text)
        }
        _ => None,
    };
    if metric.is_some() {
        token = parser.next()?;
    }
    let mut pairs = Vec::new();
    if token.kind == Kind::LeftBrace {
        pairs = parser.label_set()?;
        token = parser.next()?;
    }
    if token.kind != Kind::End {
        return Err(parser.unexpected(&token, "", ""));
    }
    if let Some(metric) = metric {
        pairs.retain(|(name, _)| name != METRIC_NAME);
        pairs.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed(metric)));
    }
    Ok(pairs)
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Token<'a>, LabelsError> {
        let token = self.lexer.next();
        if token.kind == Kind::Error {
            return Err(self.fault(token.at, token.message));
        }
        Ok(token)
    }

    fn fault(&self, at: usize, message: String) -> LabelsError {
        let position = if self.text.is_empty() {
            "unknown position".to_owned()
        } else {
            let before = &self.text[..at];
            let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
            format!("{}:{column}", before.matches('\n').count() + 1)
        };
        LabelsError::Syntax { position, message }
    }

    fn unexpected(&self, token: &Token<'_>, context: &str, expected: &str) -> LabelsError {
        let mut message = format!("unexpected {}", token.describe());
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.fault(token.at, message)
    }

    /// After the opening brace, up to and with the closing one.
    fn label_set(&mut self) -> Result<LabelPairs<'a>, LabelsError> {
        let mut pairs = Vec::new();
        let mut token = self.next()?;
        loop {
            match token.kind {
                Kind::RightBrace => return Ok(pairs),
                Kind::Name => {
                    let name = token.text;
                    let equal = self.next()?;
                    if equal.kind != Kind::Equal {
                        return Err(self.unexpected(&equal, "label set", "\"=\""));
                    }
                    let value = self.value()?;
                    pairs.push((Cow::Borrowed(name), value));
                    token = self.next()?;
                }
                Kind::Text => {
                    let name = unquote(token.text);
                    token = self.next()?;
                    if token.kind == Kind::Equal {
                        let value = self.value()?;
                        pairs.push((name, value));
                        token = self.next()?;
                    } else {
                        // A lone text names the metric.
                        pairs.push((Cow::Borrowed(METRIC_NAME), name));
                    }
                }
                _ => return Err(self.unexpected(&token, "label set", "identifier or \"}\"")),
            }
            match token.kind {
                Kind::RightBrace => return Ok(pairs),
                Kind::Comma => token = self.next()?,
                _ => return Err(self.unexpected(&token, "label set", "\",\" or \"}\"")),
            }
        }
    }

    fn value(&mut self) -> Result<Cow<'a, str>, LabelsError> {
        let token = self.next()?;
        if token.kind != Kind::Text {
            return Err(self.unexpected(&token, "label set", "string"));
        }
        Ok(unquote(token.text))
    }
}

/// The text inside a literal the lexer let through. Bytes escaped one by one (`\xff`) that make no UTF-8 become
/// U+FFFD: labels are text here.
fn unquote(literal: &str) -> Cow<'_, str> {
    let inner = &literal[1..literal.len() - 1];
    if literal.starts_with('`') || !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let kind = rest.as_bytes()[at + 1];
        let number = |from: usize, digits: usize, radix| {
            u32::from_str_radix(&rest[at + from..at + from + digits], radix).unwrap_or(0xfffd)
        };
        let (code, len, is_byte) = match kind {
            b'a' => (7, 2, true),
            b'b' => (8, 2, true),
            b'f' => (12, 2, true),
            b'n' => (10, 2, true),
            b'r' => (13, 2, true),
            b't' => (9, 2, true),
            b'v' => (11, 2, true),
            b'x' => (number(2, 2, 16), 4, true),
            b'u' => (number(2, 4, 16), 6, false),
            b'U' => (number(2, 8, 16), 10, false),
            b'0'..=b'7' => (number(1, 3, 8), 4, true),
            other => (u32::from(other), 2, true),
        };
        if is_byte {
            out.push(code as u8);
        } else {
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest.as_bytes());
    Cow::Owned(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
