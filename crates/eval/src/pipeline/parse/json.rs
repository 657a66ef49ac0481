//! `| json`: every member of the object becomes a label, nested ones joined by `_`.

use super::super::label_filter::LabelFilter;
use super::super::labels::{DUPLICATE_SUFFIX, LineLabels};
use super::json_scan::{Reader, Stop, Value, push_string, read_members};
use super::{JSON_ERROR, Keys, Rejected, offer, parser_error, sanitize};

/// Objects nested deeper are skipped: each level reads its text again.
const MAX_DEPTH: usize = 128;

/// The stage, with what it remembers of earlier lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Json {
    keys: Keys,
    /// Sanitised names of the objects around the member at hand.
    prefix: String,
    key: Vec<u8>,
    scratch: Vec<u8>,
}

/// Why reading ends before the line does, though nothing is wrong.
enum Enough {
    Rejected,
    /// Every wanted label was found.
    Found,
}

impl Json {
    pub(crate) fn run(&mut self, line: &[u8], labels: &mut LineLabels, early: &[LabelFilter]) -> Result<(), Rejected> {
        if labels.nothing_wanted() {
            return Ok(());
        }
        self.keys.start(labels);
        self.prefix.clear();
        match self.object(line, labels, early, 0) {
            Ok(()) | Err(Stop::Asked(Enough::Found)) => Ok(()),
            Err(Stop::Asked(Enough::Rejected)) => Err(Rejected),
            Err(Stop::Malformed(details)) => {
                parser_error(labels, JSON_ERROR, Some(details));
                Ok(())
            }
        }
    }

    fn object(
        &mut self,
        data: &[u8],
        labels: &mut LineLabels,
        early: &[LabelFilter],
        depth: usize,
    ) -> Result<(), Stop<Enough>> {
        read_members(data, &mut Object { json: self, labels, early, depth })
    }

    /// Adds `key` to the prefix; `false` if no wanted label starts with it.
    fn enter(&mut self, key: &[u8], labels: &LineLabels) -> bool {
        push_part(&mut self.prefix, key);
        labels.hints().wants_prefix(&self.prefix)
    }

    fn member(
        &mut self,
        key: &[u8],
        value: Value<'_>,
        labels: &mut LineLabels,
        early: &[LabelFilter],
        depth: usize,
    ) -> Result<(), Rejected> {
        let name = if depth == 0 {
            self.keys.wanted_name(labels, key, || sanitize(key, true))
        } else {
            self.key.clear();
            self.key.extend_from_slice(self.prefix.as_bytes());
            self.key.push(0);
            self.key.extend_from_slice(key);
            let prefix = &self.prefix;
            self.keys.name(labels, &self.key, || {
                let mut name = prefix.clone();
                push_part(&mut name, key);
                (!name.is_empty()).then_some(name)
            })
        };
        let Some(mut name) = name else { return Ok(()) };
        if depth > 0
            && key.first().is_none_or(|b| !b.is_ascii_graphic())
            && sanitize(key, false).is_none()
            && labels.name_for_parsed(name) != name
        {
            // The suffix of a blank key is a part of its own.
            let suffixed = format!("{}_{DUPLICATE_SUFFIX}", self.prefix);
            name = labels.name(&suffixed);
        }
        let push = |out: &mut Vec<u8>| match value {
            Value::String(text) => push_string(out, text),
            Value::Number(text) | Value::Boolean(text) => out.extend_from_slice(text),
            Value::Object(_) | Value::Array(_) | Value::Null => {}
        };
        offer(labels, early, name, push, &mut self.scratch)
    }
}

/// One object of the line while it is read.
struct Object<'j> {
    json: &'j mut Json,
    labels: &'j mut LineLabels,
    early: &'j [LabelFilter],
    depth: usize,
}

impl<'a> Reader<'a, Enough> for Object<'_> {
    #[inline]
    fn expected(&mut self, rest: &[u8]) -> Option<usize> {
        if self.depth > 0 {
            self.json.keys.expect_nothing();
            return None;
        }
        self.json.keys.expected(rest)
    }

    #[inline]
    fn member(&mut self, key: &[u8], value: Value<'a>) -> Result<(), Stop<Enough>> {
        let Self { json, labels, early, depth } = self;
        match value {
            Value::Object(inner) => {
                let len = json.prefix.len();
                if *depth < MAX_DEPTH && json.enter(key, labels) {
                    json.object(inner, labels, early, *depth + 1)?;
                }
                json.prefix.truncate(len);
                Ok(())
            }
            Value::Array(_) | Value::Null => found_all(labels),
            Value::String(_) | Value::Number(_) | Value::Boolean(_) => {
                json.member(key, value, labels, early, *depth).map_err(|Rejected| Stop::Asked(Enough::Rejected))?;
                found_all(labels)
            }
        }
    }
}

/// Appends a part of a nested name; blank parts vanish.
fn push_part(name: &mut String, key: &[u8]) {
    if let Some(part) = sanitize(key, name.is_empty()) {
        if !name.is_empty() {
            name.push('_');
        }
        name.push_str(&part);
    }
}

fn found_all(labels: &LineLabels) -> Result<(), Stop<Enough>> {
    if labels.found_all_required() { Err(Stop::Asked(Enough::Found)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::pipeline::hints::Hints;

    fn json(line: &str, stream: &[(&str, &str)]) -> String {
        let mut labels = testing::labels(stream, &Hints::none());
        Json::default().run(line.as_bytes(), &mut labels, &[]).expect("no filter");
        testing::parsed(&mut labels)
    }

    #[test]
    fn members_become_labels() {
        assert_eq!(json(r#"{"a":1,"a":2}"#, &[]), r#"{a="1"}"#);
        assert_eq!(json(r#"{"a":[1],"b":null,"c":""}"#, &[]), r#"{c=""}"#);
        assert_eq!(json(r#" {"a":1x,"b":1.50,"t":true} junk"#, &[]), r#"{a="1x", b="1.50", t="true"}"#);
        assert_eq!(json(r#"{"o":{"":{"z":4}},"a_b":1,"a":{"b":2,"1":3}}"#, &[]), r#"{a_1="3", a_b="1", o_z="4"}"#);
        assert_eq!(json(r#"{"b":"\ud83d","c":"\x"}"#, &[]), r#"{b="", c=""}"#);
        assert_eq!(json(r#"{"1a":"x","a.b":"y","a":2,}"#, &[]), r#"{_1a="x", a="2", a_b="y"}"#);
    }

    #[test]
    fn taken_names_get_the_suffix() {
        let stream = [("lvl", "s"), ("lvl_x", "s")];
        assert_eq!(json(r#"{"lvl":"a","lvl":{"x":1}}"#, &stream), r#"{lvl_extracted="a", lvl_x_extracted="1"}"#);
        assert_eq!(json(r#"{"lvl":{"":1}}"#, &stream), r#"{lvl__extracted="1"}"#);
    }

    #[test]
    fn errors_keep_what_came_before() {
        let bad = |line, details: &str| {
            assert!(
                json(line, &[]).contains(&format!("__error_details__={}", loptr_model::go_quote(details))),
                "{line}"
            );
        };
        bad("x", super::super::json_scan::MALFORMED_OBJECT);
        bad(r#"{"a":1,"b":"#, super::super::json_scan::MALFORMED);
        bad(r#"{"a":1"#, super::super::json_scan::MALFORMED_ARRAY);
        bad(r#"{"a":tru}"#, super::super::json_scan::UNKNOWN_TYPE);
        bad(r#"{"a\x":1}"#, super::super::json_scan::MALFORMED_ESCAPE);
        assert!(json(r#"{"a":1,"b":"x"#, &[]).contains(r#"a="1""#));
    }

    #[test]
    fn only_what_is_wanted_is_read() {
        let hints = Hints::new(vec![], &["a".to_owned()], false, false, vec![]);
        let mut labels = testing::labels(&[], &hints);
        Json::default().run(br#"{"b":2,"a":1,"b":"#, &mut labels, &[]).expect("no filter");
        assert_eq!(testing::parsed(&mut labels), r#"{a="1"}"#);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "{\"a\":".repeat(50_000) + "1" + &"}".repeat(50_000);
        assert_eq!(json(&deep, &[]), "{}");
    }
}
