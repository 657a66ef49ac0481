//! Patterns of `| pattern`, `|>` and `!>`: text with captures, `<name>` or `<_>`.
//!
//! `<` is plain text unless a name and `>` follow: a letter or `_`, then letters, digits and `_`, all ASCII.

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while1};
use nom::combinator::{recognize, verify};
use nom::multi::many0;
use nom::sequence::delimited;
use nom::{IResult, Parser};

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Text(Vec<u8>),
    /// `<name>`
    Named(String),
    /// `<_>`
    Unnamed,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Named(name) => write!(f, "<{name}>"),
            Self::Unnamed => f.write_str("<_>"),
        }
    }
}

/// The pattern of a `| pattern` stage: at least one name, each once, and text between any two captures.
///
/// ```
/// use loptr_logql::pattern::{Part, parse_capturing};
/// let parts = parse_capturing(b"<ip> - <_>").unwrap();
/// assert_eq!(parts, [Part::Named("ip".into()), Part::Text(b" - ".into()), Part::Unnamed]);
/// assert_eq!(parse_capturing(b"plain").unwrap_err(), "at least one capture is required");
/// ```
pub fn parse_capturing(pattern: &[u8]) -> Result<Vec<Part>, String> {
    let parts = parse(pattern)?;
    let names: Vec<&String> =
        parts.iter().filter_map(|part| if let Part::Named(name) = part { Some(name) } else { None }).collect();
    if names.is_empty() {
        return Err("at least one capture is required".to_owned());
    }
    refuse_neighbours(&parts)?;
    let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|n| n == *name));
    match twice {
        Some((_, name)) => Err(format!("duplicate capture name ({name}): invalid expression")),
        None => Ok(parts),
    }
}

/// The pattern of a `|>` filter: no names, text between any two captures. The empty pattern has no parts.
pub fn parse_line_filter(pattern: &[u8]) -> Result<Vec<Part>, String> {
    if pattern.is_empty() {
        return Ok(Vec::new());
    }
    let parts = parse(pattern)?;
    refuse_neighbours(&parts)?;
    match parts.iter().find(|part| matches!(part, Part::Named(_))) {
        Some(part) => Err(format!("named captures are not allowed: found '{part}'")),
        None => Ok(parts),
    }
}

fn refuse_neighbours(parts: &[Part]) -> Result<(), String> {
    let is_capture = |part: &Part| !matches!(part, Part::Text(_));
    for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
        if is_capture(part) && is_capture(next) {
            return Err(format!("found consecutive capture '{part}{next}': invalid expression"));
        }
    }
    Ok(())
}

/// The parts; text that is not UTF-8 ends the pattern there, as it does upstream.
fn parse(pattern: &[u8]) -> Result<Vec<Part>, String> {
    let valid = pattern.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let (_, found) = many0(alt((capture, text))).parse(valid).map_err(|error| error.to_string())?;
    let mut parts: Vec<Part> = Vec::with_capacity(found.len());
    for part in found {
        match (parts.last_mut(), part) {
            (Some(Part::Text(text)), Part::Text(more)) => text.extend(more),
            (_, part) => parts.push(part),
        }
    }
    if parts.is_empty() {
        let problem = "syntax error: unexpected $end, expecting IDENTIFIER or LITERAL";
        return Err(format!("parse error at line 1, col 1: {problem}"));
    }
    Ok(parts)
}

fn capture(input: &str) -> IResult<&str, Part> {
    let first = verify(take(1usize), |c: &str| c.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    let rest = take_while(|c: char| c.is_ascii_alphanumeric() || c == '_');
    delimited(tag("<"), recognize((first, rest)), tag(">"))
        .map(|name: &str| if name == "_" { Part::Unnamed } else { Part::Named(name.to_owned()) })
        .parse(input)
}

fn text(input: &str) -> IResult<&str, Part> {
    alt((take_while1(|c| c != '<'), tag("<"))).map(|text: &str| Part::Text(text.as_bytes().to_vec())).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        let text = |t: &str| Part::Text(t.as_bytes().to_vec());
        assert_eq!(parse(b"<<a>> <1> <b"), Ok(vec![text("<"), Part::Named("a".into()), text("> <1> <b")]));
        assert_eq!(parse(b"\xc3\xa9<_>\xff<a>"), Ok(vec![text("é"), Part::Unnamed]));
        assert_eq!(parse_line_filter(b""), Ok(vec![]));
    }

    #[test]
    fn refuses() {
        let capturing = [
            ("", "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL"),
            ("<_>", "at least one capture is required"),
            ("<a><b>", "found consecutive capture '<a><b>': invalid expression"),
            ("<a> <a>", "duplicate capture name (a): invalid expression"),
        ];
        for (pattern, error) in capturing {
            assert_eq!(parse_capturing(pattern.as_bytes()).as_ref().map_err(String::as_str), Err(error));
        }
        let filters = [
            ("x <foo>", "named captures are not allowed: found '<foo>'"),
            ("<_><_>", "found consecutive capture '<_><_>': invalid expression"),
        ];
        for (pattern, error) in filters {
            assert_eq!(parse_line_filter(pattern.as_bytes()).as_ref().map_err(String::as_str), Err(error));
        }
    }
}
