//! `| json name="a.b[0]"`: single values by path.

use loptr_logql::ast::Extraction;
use loptr_logql::expression::{Step, json_path};

use super::super::labels::{LineLabels, NameId};
use super::json_scan::{
    MALFORMED, Stop, Value, block_end, each_member, next_token, push_string, string_end, unescape, value,
};
use super::{JSON_ERROR, parser_error};

/// The stage.
///
/// The line is read flat: braces move a level up and down, and a key counts where the keys above it are those of a path.
/// So a line that breaks off later, or is no JSON elsewhere, still gives what it holds.
#[derive(Clone, Debug)]
pub(crate) struct JsonPaths {
    names: Vec<NameId>,
    paths: Vec<Vec<Step>>,
    longest: usize,
    found: Vec<bool>,
    missing: usize,
    /// Keys around the place at hand, one per level, as far as paths go: ends in `key_text`.
    keys: Vec<(usize, usize)>,
    key_text: Vec<u8>,
    scratch: Vec<u8>,
}

impl JsonPaths {
    pub(crate) fn compile(fields: &[Extraction], mut name: impl FnMut(&str) -> NameId) -> Result<Self, String> {
        let parse = |field: &Extraction| {
            let expression = String::from_utf8_lossy(&field.expression);
            json_path(&expression).map_err(|fault| format!("cannot parse expression [{expression}]: {fault}"))
        };
        let paths = fields.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            names: fields.iter().map(|field| name(&field.name)).collect(),
            longest: paths.iter().map(Vec::len).max().unwrap_or(0),
            found: vec![false; paths.len()],
            missing: 0,
            keys: Vec::new(),
            key_text: Vec::new(),
            scratch: Vec::new(),
            paths,
        })
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
        self.missing = self.paths.len();
        self.keys.clear();
        self.key_text.clear();
        self.scan(line, labels);
        for &name in &self.names {
            if labels.get(name).is_none() {
                labels.set_parsed(name, b"");
            }
        }
    }

    /// Reads until every path is found, the end, or something that leaves no way on.
    fn scan(&mut self, line: &[u8], labels: &mut LineLabels) -> Option<()> {
        let (mut at, mut level) = (0, 0i64);
        while self.missing > 0 {
            at += memchr_structure(line.get(at..)?)?;
            match line[at] {
                b'"' => {
                    let (end, escaped) = string_end(line, at + 1)?;
                    let next = next_token(line, end)?;
                    if line[next] == b':' {
                        self.key(&line[at + 1..end - 1], escaped, level, line, next + 1, labels)?;
                        at = next + 1;
                    } else {
                        at = next;
                    }
                    continue;
                }
                b'{' => level += 1,
                b'}' | b']' => level -= 1,
                _ => {
                    if level < 0 {
                        parser_error(labels, JSON_ERROR, Some(MALFORMED));
                        return None;
                    }
                    if self.wants_elements(level as usize) {
                        at = self.elements(line, at, level as usize, labels);
                        level += 1;
                        continue;
                    }
                    at = block_end(line, at)?;
                    continue;
                }
            }
            at += 1;
        }
        Some(())
    }

    /// A key whose value starts after `value_at`.
    fn key(
        &mut self,
        key: &[u8],
        escaped: bool,
        level: i64,
        line: &[u8],
        value_at: usize,
        labels: &mut LineLabels,
    ) -> Option<()> {
        self.scratch.clear();
        if escaped && !unescape(key, &mut self.scratch) {
            return None;
        }
        if level > self.longest as i64 {
            return Some(());
        }
        if level < 1 {
            parser_error(labels, JSON_ERROR, Some(MALFORMED));
            return None;
        }
        let level = level as usize;
        // Levels skipped (inside arrays) have empty keys.
        while self.keys.len() < level {
            self.keys.push((self.key_text.len(), self.key_text.len()));
        }
        self.keys.truncate(level);
        let start = self.keys[level - 1].0;
        self.key_text.truncate(start);
        self.key_text.extend_from_slice(if escaped { &self.scratch } else { key });
        self.keys[level - 1] = (start, self.key_text.len());
        for at in 0..self.paths.len() {
            if self.found[at] || self.paths[at].len() != level || !self.leads_here(at, level) {
                continue;
            }
            self.mark(at);
            match value(line, value_at) {
                Ok((value, _)) => self.take(at, value, labels),
                Err(details) => parser_error(labels, JSON_ERROR, Some(details)),
            }
        }
        Some(())
    }

    /// Whether the first `level` steps of a path are the keys around this place.
    fn leads_here(&self, path: usize, level: usize) -> bool {
        let is = |(step, &(start, end)): (&Step, &(usize, usize))| match step {
            Step::Key(key) => key.as_bytes() == &self.key_text[start..end],
            Step::Index(_) => false,
        };
        self.keys.len() >= level && self.paths[path].iter().zip(&self.keys[..level]).all(is)
    }

    /// Whether a path goes into an element of an array on this level.
    fn wants_elements(&self, level: usize) -> bool {
        (0..self.paths.len()).any(|at| self.wants_element(at, level))
    }

    fn wants_element(&self, path: usize, level: usize) -> bool {
        !self.found[path] && matches!(self.paths[path].get(level), Some(Step::Index(_))) && self.leads_here(path, level)
    }

    /// Reads the array at `open` element by element; returns the position of its end, or of what is wrong.
    fn elements(&mut self, line: &[u8], open: usize, level: usize, labels: &mut LineLabels) -> usize {
        let mut index = 0;
        let mut at = open + 1;
        loop {
            match next_token(line, at) {
                Some(next) if line[next] == b']' => return next,
                Some(next) => at = next,
                None => return line.len(),
            }
            let Ok((element, end)) = value(line, at) else { return at };
            for path in 0..self.paths.len() {
                if self.wants_element(path, level) && self.paths[path].get(level) == Some(&Step::Index(index)) {
                    self.mark(path);
                    if let Some(found) = descend(element, &self.paths[path][level + 1..]) {
                        self.take(path, found, labels);
                    }
                }
            }
            match next_token(line, end) {
                Some(next) if line[next] == b',' => at = next + 1,
                Some(next) => return next,
                None => return line.len(),
            }
            index += 1;
        }
    }

    fn mark(&mut self, path: usize) {
        self.found[path] = true;
        self.missing -= 1;
    }

    fn take(&mut self, path: usize, value: Value<'_>, labels: &mut LineLabels) {
        self.scratch.clear();
        match value {
            Value::Null => {}
            Value::Object(text) => self.scratch.extend_from_slice(text),
            Value::String(text) | Value::Number(text) | Value::Boolean(text) | Value::Array(text) => {
                push_string(&mut self.scratch, text);
            }
        }
        let name = labels.name_for_parsed(self.names[path]);
        labels.set_parsed(name, &self.scratch);
    }
}

/// Position of the first quote or bracket.
fn memchr_structure(text: &[u8]) -> Option<usize> {
    text.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']'))
}

/// What the rest of a path leads to inside an element.
fn descend<'a>(from: Value<'a>, steps: &[Step]) -> Option<Value<'a>> {
    let Some((step, rest)) = steps.split_first() else { return Some(from) };
    match (step, from) {
        (Step::Key(wanted), Value::Object(text)) => {
            let mut found = None;
            let _ = each_member(text, |key, value| {
                if key == wanted.as_bytes() {
                    found = Some(value);
                    return Err(Stop::Asked(()));
                }
                Ok(())
            });
            descend(found?, rest)
        }
        (Step::Index(wanted), Value::Array(text)) => {
            let (mut at, mut index) = (1, 0);
            loop {
                let (element, end) = value(text, at).ok()?;
                if index == *wanted {
                    return descend(element, rest);
                }
                at = next_token(text, end).filter(|&at| text[at] == b',')? + 1;
                index += 1;
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn run(fields: &[(&str, &str)], line: &str) -> String {
        let mut labels = testing::labels(&[("s", "1")], &Hints::none());
        let fields = testing::extractions(fields);
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
        assert_eq!(run(&[("x", "r.m")], r#"{"r": {"m": "GET", "h"#), r#"{x="GET"}"#);
        assert_eq!(run(&[("x", "s")], ""), "{}");
    }
}
