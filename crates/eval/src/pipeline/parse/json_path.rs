//! `| json name="a.b[0]"`: single values by path.

use loptr_logql::ast::Extraction;

use super::super::labels::{LineLabels, NameId};
use super::json_scan::{Value, block_end, next_token, push_string, string_end, unescape, value};
use super::{JSON_ERROR, parser_error};

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(Vec<u8>),
    Index(usize),
}

/// The stage.
#[derive(Clone, Debug)]
pub(crate) struct JsonPaths {
    names: Vec<NameId>,
    paths: Vec<Vec<Step>>,
    found: Vec<bool>,
    key: Vec<u8>,
    scratch: Vec<u8>,
}

/// Nothing more can be read, or everything was found.
struct Done;

impl JsonPaths {
    pub(crate) fn compile(fields: &[Extraction], mut name: impl FnMut(&str) -> NameId) -> Result<Self, String> {
        let parse = |field: &Extraction| {
            parse_path(&field.expression)
                .map_err(|fault| format!("cannot parse expression [{}]: {fault}", field.expression))
        };
        let paths = fields.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let names = fields.iter().map(|field| name(&field.name)).collect();
        Ok(Self { names, found: vec![false; paths.len()], paths, key: Vec::new(), scratch: Vec::new() })
    }

    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels) {
        if line.is_empty() || labels.nothing_wanted() {
            return;
        }
        if !matches!(line[0], b'"' | b'{' | b'[') {
            parser_error(labels, JSON_ERROR, None);
            return;
        }
        self.found.fill(false);
        let active: Vec<usize> = (0..self.paths.len()).collect();
        match line[0] {
            b'{' => drop(self.object(line, 0, &active, labels)),
            b'[' => drop(self.array(line, 0, &active, labels)),
            _ => {}
        }
        for at in 0..self.names.len() {
            if labels.get(self.names[at]).is_none() {
                labels.set_parsed(self.names[at], b"");
            }
        }
    }

    /// Reads an object's members for the paths in `active`, whose first `depth` steps lead here.
    fn object(&mut self, data: &[u8], depth: usize, active: &[usize], labels: &mut LineLabels) -> Result<(), Done> {
        let mut at = next_token(data, 1).ok_or(Done)?;
        while data[at] == b'"' {
            let (end, escaped) = string_end(data, at + 1).ok_or(Done)?;
            self.key.clear();
            if !escaped {
                self.key.extend_from_slice(&data[at + 1..end - 1]);
            } else if !unescape(&data[at + 1..end - 1], &mut self.key) {
                return Err(Done);
            }
            let colon = next_token(data, end).filter(|&at| data[at] == b':').ok_or(Done)?;
            let step = |path: &Vec<Step>| matches!(path.get(depth), Some(Step::Key(key)) if *key == self.key);
            let inner: Vec<usize> =
                active.iter().copied().filter(|&at| !self.found[at] && step(&self.paths[at])).collect();
            at = self.member(data, colon + 1, depth + 1, &inner, labels)?;
            at = next_token(data, at).filter(|&at| data[at] == b',').ok_or(Done)?;
            at = next_token(data, at + 1).ok_or(Done)?;
        }
        Ok(())
    }

    fn array(&mut self, data: &[u8], depth: usize, active: &[usize], labels: &mut LineLabels) -> Result<(), Done> {
        let wants = |path: &Vec<Step>| matches!(path.get(depth), Some(Step::Index(_)));
        if !active.iter().any(|&at| wants(&self.paths[at])) {
            return Ok(());
        }
        let mut at = next_token(data, 1).ok_or(Done)?;
        let mut index = 0;
        while data[at] != b']' {
            let step = |path: &Vec<Step>| path.get(depth) == Some(&Step::Index(index));
            let inner: Vec<usize> =
                active.iter().copied().filter(|&at| !self.found[at] && step(&self.paths[at])).collect();
            at = self.member(data, at, depth + 1, &inner, labels)?;
            at = next_token(data, at).filter(|&at| data[at] == b',').ok_or(Done)?;
            at = next_token(data, at + 1).ok_or(Done)?;
            index += 1;
        }
        Ok(())
    }

    /// Reads the value at `from`: takes it for the paths in `active` that end here, goes on inside for the others.
    /// Returns the position after it.
    fn member(
        &mut self,
        data: &[u8],
        from: usize,
        depth: usize,
        active: &[usize],
        labels: &mut LineLabels,
    ) -> Result<usize, Done> {
        let start = next_token(data, from).ok_or(Done)?;
        if active.is_empty() {
            return skip(data, start);
        }
        let (found, end) = match value(data, start) {
            Ok(read) => read,
            Err(details) => {
                if active.iter().any(|&at| self.paths[at].len() == depth) {
                    parser_error(labels, JSON_ERROR, Some(details));
                }
                return Err(Done);
            }
        };
        for &at in active.iter().filter(|&&at| self.paths[at].len() == depth) {
            self.found[at] = true;
            self.scratch.clear();
            match found {
                Value::Null => {}
                Value::Object(text) => self.scratch.extend_from_slice(text),
                Value::String(text) | Value::Number(text) | Value::Boolean(text) | Value::Array(text) => {
                    push_string(&mut self.scratch, text);
                }
            }
            let name = labels.name_for_parsed(self.names[at]);
            labels.set_parsed(name, &self.scratch);
        }
        if self.found.iter().all(|found| *found) {
            return Err(Done);
        }
        let deeper: Vec<usize> = active.iter().copied().filter(|&at| self.paths[at].len() > depth).collect();
        if !deeper.is_empty() {
            let _ = match found {
                Value::Object(text) => self.object(text, depth, &deeper, labels),
                Value::Array(text) => self.array(text, depth, &deeper, labels),
                _ => Ok(()),
            };
            if self.found.iter().all(|found| *found) {
                return Err(Done);
            }
        }
        Ok(end)
    }
}

/// Position after the value at `start`, which nobody wants.
fn skip(data: &[u8], start: usize) -> Result<usize, Done> {
    match data[start] {
        b'"' => string_end(data, start + 1).map(|(end, _)| end).ok_or(Done),
        b'{' | b'[' => block_end(data, start).ok_or(Done),
        _ => {
            let is_end = |b: &u8| matches!(b, b',' | b'}' | b']');
            Ok(data[start..].iter().position(is_end).map_or(data.len(), |len| start + len))
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Dot,
    Open,
    Close,
    Text(Vec<u8>),
    Field(Vec<u8>),
    Index(usize),
    End,
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Self::Dot => "DOT",
            Self::Open => "LSB",
            Self::Close => "RSB",
            Self::Text(_) => "STRING",
            Self::Field(_) => "FIELD",
            Self::Index(_) => "INDEX",
            Self::End => "$end",
        }
    }
}

/// Reads a path: a field, `["key"]` or `[0]`, then any number of `.field`, `["key"]` and `[0]`.
fn parse_path(text: &str) -> Result<Vec<Step>, String> {
    let mut rest = text;
    let mut steps = Vec::new();
    let unexpected = |token: &Token, expected: &str| {
        let comma = if expected.is_empty() { "" } else { ", expecting " };
        Err(format!("syntax error: unexpected {}{comma}{expected}", token.name()))
    };
    loop {
        match next(&mut rest)? {
            Token::End if !steps.is_empty() => return Ok(steps),
            Token::Field(field) if steps.is_empty() => steps.push(Step::Key(field)),
            Token::Dot if !steps.is_empty() => match next(&mut rest)? {
                Token::Field(field) => steps.push(Step::Key(field)),
                other => return unexpected(&other, "FIELD"),
            },
            Token::Open => {
                let step = match next(&mut rest)? {
                    Token::Text(key) => Step::Key(key),
                    Token::Index(index) => Step::Index(index),
                    other => return unexpected(&other, "STRING or INDEX"),
                };
                match next(&mut rest)? {
                    Token::Close => steps.push(step),
                    other => return unexpected(&other, "RSB"),
                }
            }
            other if steps.is_empty() => return unexpected(&other, "LSB or FIELD"),
            other => return unexpected(&other, ""),
        }
    }
}

fn next(rest: &mut &str) -> Result<Token, String> {
    *rest = rest.trim_start_matches([' ', '\t', '\n']);
    let Some(first) = rest.chars().next() else { return Ok(Token::End) };
    let take = |rest: &mut &str, len: usize| {
        let (taken, after) = rest.split_at(len);
        *rest = after;
        taken.as_bytes().to_vec()
    };
    match first {
        '.' | '[' | ']' => {
            take(rest, 1);
            Ok(match first {
                '.' => Token::Dot,
                '[' => Token::Open,
                _ => Token::Close,
            })
        }
        '"' => {
            take(rest, 1);
            // A quoted key ends at a quote or, as upstream reads it, at a bracket.
            let len = rest.find(['"', ']', '\0']).unwrap_or(rest.len());
            let key = take(rest, len);
            take(rest, usize::from(!rest.is_empty()));
            Ok(Token::Text(key))
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            Ok(Token::Field(take(rest, len)))
        }
        '0'..='9' => {
            let len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let digits = String::from_utf8_lossy(&take(rest, len)).into_owned();
            match rest.chars().next() {
                Some('.') => Err("cannot use float as array index".into()),
                Some(' ' | '\t' | '\n' | ']') => digits.parse().map(Token::Index).map_err(|_| {
                    format!("strconv.Atoi: parsing {}: value out of range", loptr_model::go_quote(&digits))
                }),
                other => Err(format!("non-integer value: {}", other.unwrap_or('\0'))),
            }
        }
        other => Err(format!("unexpected char {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn run(fields: &[(&str, &str)], line: &str) -> String {
        let mut labels = testing::labels(&[("s", "1")], &Hints::none());
        let fields: Vec<Extraction> =
            fields.iter().map(|(n, e)| Extraction { name: (*n).into(), expression: (*e).into() }).collect();
        let mut stage = JsonPaths::compile(&fields, |name| labels.name(name)).expect("valid paths");
        stage.run(line.as_bytes(), &mut labels);
        testing::parsed(&mut labels)
    }

    #[test]
    fn paths_pick_values() {
        let line = r#"{"a":{"b":"x","c":[1,{"d":"\u0041"}]},"n":null,"o":{"k":"\u0041"}, "k-e y":7}"#;
        let of = |path: &str| run(&[("x", path)], line);
        assert_eq!(of("a.b"), r#"{x="x"}"#);
        assert_eq!(of("a.c[1].d"), r#"{x="A"}"#);
        assert_eq!(of(r#"["k-e y"]"#), r#"{x="7"}"#);
        assert_eq!((of("n"), of("no")), (r#"{x=""}"#.into(), r#"{x=""}"#.into()));
        assert_eq!(of("o"), r#"{x="{\"k\":\"\\u0041\"}"}"#);
        assert_eq!(of("a.c"), r#"{x="[1,{\"d\":\"A\"}]"}"#);
        assert_eq!(run(&[("x", "a.b"), ("y", "a.b"), ("s", "a.b")], line), r#"{s_extracted="x", x="x", y="x"}"#);
        assert_eq!(run(&[("x", "[1]")], "[5,6]"), r#"{x="6"}"#);
    }

    #[test]
    fn only_the_start_and_wanted_literals_can_be_wrong() {
        assert_eq!(run(&[("x", "s")], r#" {"s":1}"#), r#"{__error__="JSONParserErr"}"#);
        assert!(run(&[("x", "s")], r#"{"s":tru}"#).contains("Unknown value type"));
        assert_eq!(run(&[("x", "s")], r#"{"t":tru,"s":1}"#), r#"{x="1"}"#);
        assert_eq!(run(&[("x", "s")], r#"{"t""#), r#"{x=""}"#);
        assert_eq!(run(&[("x", "s")], ""), "{}");
    }

    #[test]
    fn bad_paths_keep_upstreams_words() {
        let fault = |path: &str| parse_path(path).expect_err(path);
        assert_eq!(fault("a..b"), "syntax error: unexpected DOT, expecting FIELD");
        assert_eq!(fault("a[1.5]"), "cannot use float as array index");
        assert_eq!(fault("a[-1]"), "unexpected char -");
        assert_eq!(parse_path("a . b [ 0 ]").expect("blanks"), parse_path("a.b[0]").expect("none"));
    }
}
