//! `| json name="a.b[0]"`: single values by path.

use loptr_logql::ast::Extraction;
use loptr_logql::expression::{Step, json_path};

use super::super::labels::{LineLabels, NameId};
use super::json_scan::{Value, block_end, next_token, push_string, string_end, unescape, value};
use super::{JSON_ERROR, parser_error};

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
            json_path(&field.expression)
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
            let step =
                |path: &Vec<Step>| matches!(path.get(depth), Some(Step::Key(key)) if *key.as_bytes() == *self.key);
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
}
