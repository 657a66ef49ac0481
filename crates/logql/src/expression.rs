//! The small languages inside `json a="…"` and `logfmt a="…"`.
//!
//! A JSON expression is a path: `field`, `["key"]` or `[index]`, then `.field`, `["key"]`, `[index]`. A logfmt
//! expression is one key, bare or quoted. Blanks are skipped.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::one_of;
use nom::combinator::{opt, recognize, verify};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

/// A step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// An element of an array, from 0.
    Index(i64),
}

/// The steps of a JSON expression. The error is upstream's text without the expression.
///
/// ```
/// use loptr_logql::expression::{Step, json_path};
/// let steps = json_path("servers[0].name").unwrap();
/// assert_eq!(steps, [Step::Key("servers".into()), Step::Index(0), Step::Key("name".into())]);
/// assert_eq!(json_path("a..b").unwrap_err(), "syntax error: unexpected DOT, expecting FIELD");
/// ```
pub fn json_path(expression: &str) -> Result<Vec<Step>, String> {
    let (tokens, stop) = tokens(expression, json_token);
    let mut steps = Vec::new();
    let mut rest = tokens.iter();
    let mut next = rest.next();
    loop {
        let after = match next {
            // After a lexical error the text counts as ended; an unfinished path is then the error reported.
            None if !steps.is_empty() => return stop.map_or(Ok(steps), Err),
            Some(Token::Field(field)) if steps.is_empty() => {
                steps.push(Step::Key(field.clone()));
                rest.next()
            }
            Some(Token::Dot) if !steps.is_empty() => match rest.next() {
                Some(Token::Field(field)) => {
                    steps.push(Step::Key(field.clone()));
                    rest.next()
                }
                other => return unexpected(other, "FIELD"),
            },
            Some(Token::Open) => {
                steps.push(match rest.next() {
                    Some(Token::Str(key)) => Step::Key(key.clone()),
                    Some(Token::Index(index)) => Step::Index(*index),
                    other => return unexpected(other, "STRING or INDEX"),
                });
                match rest.next() {
                    Some(Token::Close) => rest.next(),
                    other => return unexpected(other, "RSB"),
                }
            }
            other if steps.is_empty() => return unexpected(other, "LSB or FIELD"),
            other => return unexpected(other, "$end"),
        };
        next = after;
    }
}

/// The key of a logfmt expression; quoted strings may follow and are ignored.
pub fn logfmt_key(expression: &str) -> Result<String, String> {
    let (tokens, stop) = tokens(expression, logfmt_token);
    let key = match tokens.first() {
        Some(Token::Field(key) | Token::Str(key)) => key.clone(),
        other => return unexpected(other, "STRING or KEY").map_err(|error| error.replace("FIELD", "KEY")),
    };
    match tokens.iter().skip(1).find(|token| !matches!(token, Token::Str(_))) {
        Some(_) => Err("syntax error: unexpected KEY, expecting $end".to_owned()),
        None => stop.map_or(Ok(key), Err),
    }
}

#[derive(Debug)]
enum Token {
    Field(String),
    Str(String),
    Index(i64),
    Dot,
    Open,
    Close,
}

fn unexpected<T>(token: Option<&Token>, expecting: &str) -> Result<T, String> {
    let name = match token {
        None => "$end",
        Some(Token::Field(_)) => "FIELD",
        Some(Token::Str(_)) => "STRING",
        Some(Token::Index(_)) => "INDEX",
        Some(Token::Dot) => "DOT",
        Some(Token::Open) => "LSB",
        Some(Token::Close) => "RSB",
    };
    Err(format!("syntax error: unexpected {name}, expecting {expecting}"))
}

/// Tokens up to the end, a NUL, or the first thing that is no token; what that was.
fn tokens(expression: &str, token: impl Fn(&str) -> IResult<&str, Token>) -> (Vec<Token>, Option<String>) {
    let mut rest = expression.split('\0').next().unwrap_or_default();
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n']);
        let Some(c) = rest.chars().next() else { return (found, None) };
        match token(rest) {
            Ok((after, token)) => {
                found.push(token);
                rest = after;
            }
            Err(_) if c.is_ascii_digit() => return (found, Some(bad_index(rest))),
            Err(_) => return (found, Some(format!("unexpected char {c}"))),
        }
    }
}

fn json_token(input: &str) -> IResult<&str, Token> {
    alt((
        field,
        quoted,
        index,
        tag(".").map(|_| Token::Dot),
        tag("[").map(|_| Token::Open),
        tag("]").map(|_| Token::Close),
    ))
    .parse(input)
}

fn logfmt_token(input: &str) -> IResult<&str, Token> {
    alt((field, quoted)).parse(input)
}

fn field(input: &str) -> IResult<&str, Token> {
    let first = take_while1(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = take_while(|c: char| c.is_ascii_alphanumeric() || c == '_');
    recognize((first, rest)).map(|name: &str| Token::Field(name.to_owned())).parse(input)
}

/// A string ends at `"` or `]`, or with the text; there are no escapes.
fn quoted(input: &str) -> IResult<&str, Token> {
    let body = take_till(|c| c == '"' || c == ']');
    terminated(preceded(tag("\""), body), opt(one_of("\"]"))).map(|key: &str| Token::Str(key.to_owned())).parse(input)
}

/// Digits that a blank or `]` follows.
fn index(input: &str) -> IResult<&str, Token> {
    let mut digits = verify(take_while1(|c: char| c.is_ascii_digit()), |digits: &str| digits.parse::<i64>().is_ok());
    let (rest, digits) = digits.parse(input)?;
    one_of(" \t\n]").parse(rest)?;
    Ok((rest, Token::Index(digits.parse().unwrap_or(i64::MAX))))
}

fn bad_index(text: &str) -> String {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    match after.chars().next() {
        Some('.') => "cannot use float as array index".to_owned(),
        Some(' ' | '\t' | '\n' | ']') => {
            let digits = text.get(..text.len() - after.len()).unwrap_or_default();
            format!("strconv.Atoi: parsing \"{digits}\": value out of range")
        }
        Some(c) => format!("non-integer value: {c}"),
        None => "non-integer value: \0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_paths() {
        let key = |key: &str| Step::Key(key.to_owned());
        let ok = [
            ("a", vec![key("a")]),
            (" a . b\t[ 1 ] ", vec![key("a"), key("b"), Step::Index(1)]),
            (r#"["a.b c"]["d"]"#, vec![key("a.b c"), key("d")]),
            ("[0]", vec![Step::Index(0)]),
        ];
        for (text, steps) in ok {
            assert_eq!(json_path(text), Ok(steps), "{text}");
        }
        let bad = [
            ("", "syntax error: unexpected $end, expecting LSB or FIELD"),
            ("request[", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("a..b", "syntax error: unexpected DOT, expecting FIELD"),
            ("a b", "syntax error: unexpected FIELD, expecting $end"),
            ("[1.5]", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("[-1]", "syntax error: unexpected $end, expecting STRING or INDEX"),
            ("a-b", "unexpected char -"),
            ("-", "syntax error: unexpected $end, expecting LSB or FIELD"),
            ("[\"a]", "syntax error: unexpected $end, expecting RSB"),
            ("a 1x", "non-integer value: x"),
        ];
        for (text, error) in bad {
            assert_eq!(json_path(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn logfmt_keys() {
        assert_eq!(logfmt_key("a"), Ok("a".to_owned()));
        assert_eq!(logfmt_key(" \"a.b\" "), Ok("a.b".to_owned()));
        assert_eq!(logfmt_key("a.b"), Err("unexpected char .".to_owned()));
        assert_eq!(logfmt_key(""), Err("syntax error: unexpected $end, expecting STRING or KEY".to_owned()));
        assert_eq!(logfmt_key("a b"), Err("syntax error: unexpected KEY, expecting $end".to_owned()));
        assert_eq!(logfmt_key("a \"b\""), Ok("a".to_owned()));
    }
}
