//! Fields that a tenant wants kept as metadata wherever they stand (`limits_config.discover_generic_fields`).

use std::borrow::Cow;

use super::line::{Fields, looks_like_json};
use crate::lenient::{self, Members};

/// Finds one field of entries under any of its names. Build it once per tenant's settings.
#[derive(Clone, Debug)]
pub struct FieldDetector {
    names: Vec<String>,
    /// The names as places inside a JSON object; those that are no path are passed over.
    paths: Vec<Vec<Step>>,
    logfmt: Fields,
}

/// A step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(Box<[u8]>),
    Element(usize),
}

impl FieldDetector {
    /// `names`: what the field may be called, by preference; `a.b` and `a["b c"][0]` are places inside a JSON object.
    pub fn new(names: &[String]) -> Self {
        Self {
            names: names.to_vec(),
            paths: names.iter().filter_map(|name| path(name)).collect(),
            logfmt: Fields::new(names.iter().map(|name| Box::from(name.as_str())).collect()),
        }
    }

    /// The names, by preference.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The value a line has for the field, as it is written there; not quoted, escapes still in it if it is JSON.
    pub fn of_line<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let found = if looks_like_json(line) {
            self.paths.iter().find_map(|path| json(line, path)).map(Cow::Borrowed)
        } else {
            self.logfmt.in_logfmt(line)
        };
        found.filter(|value| !value.is_empty())
    }
}

/// The value at `path`, if it is there.
fn json<'a>(line: &'a [u8], path: &[Step]) -> Option<&'a [u8]> {
    let mut at = 0;
    let mut data = line;
    let mut buffer = Vec::new();
    for (position, step) in path.iter().enumerate() {
        let found = match step {
            Step::Member(wanted) => {
                let mut members = Members::open(data, at).ok()?;
                loop {
                    let name = members.name().ok()??;
                    let found = lenient::value(members.data(), members.at()).ok()?;
                    if name.is_field(wanted, &mut buffer) {
                        break found;
                    }
                    members.advance(found.next).ok()?;
                }
            }
            Step::Element(wanted) => {
                let (mut index, mut element) = (0, None);
                lenient::each_element(&data[at..], |found| {
                    if index == *wanted {
                        element = Some(found);
                    }
                    index += 1;
                })
                .ok()?;
                data = &data[at..];
                element?
            }
        };
        if position + 1 == path.len() {
            return Some(found.of(data));
        }
        data = &data[..found.end];
        at = found.start;
    }
    None
}

/// `a.b`, `a["b c"]`, `a[0]` → steps; `None` when the text is no path.
fn path(text: &str) -> Option<Vec<Step>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[\"") {
            let end = inside.find("\"]")?;
            steps.push(Step::Member(inside.as_bytes()[..end].into()));
            rest = &inside[end + 2..];
        } else if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']')?;
            steps.push(Step::Element(inside[..end].parse().ok()?));
            rest = &inside[end + 1..];
        } else {
            let name = match rest.strip_prefix('.') {
                Some(name) if !steps.is_empty() => name,
                None if steps.is_empty() => rest,
                _ => return None,
            };
            let end = name.find(|c| !is_name(c)).unwrap_or(name.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Member(name.as_bytes()[..end].into()));
            rest = &name[end..];
        }
    }
    (!steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], line: &str) -> Option<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let value = FieldDetector::new(&names).of_line(line.as_bytes()).map(|value| value.into_owned());
        value.map(|value| String::from_utf8(value).expect("text"))
    }

    #[test]
    fn json_is_looked_into_by_path() {
        let line = r#"{"a": {"b": "x", "n": 5, "list": [1, {"c": "z"}]}, "b c": "y", "t": true, "o": {"k": 1}}"#;
        assert_eq!(found(&["a.b"], line), Some("x".to_owned()));
        assert_eq!(found(&["missing", "a.n"], line), Some("5".to_owned()));
        assert_eq!(found(&["[\"b c\"]"], line), Some("y".to_owned()));
        assert_eq!(found(&["a.list[1].c"], line), Some("z".to_owned()));
        assert_eq!(found(&["t"], line), Some("true".to_owned()));
        assert_eq!(found(&["o"], line), Some("{\"k\": 1}".to_owned()));
        assert_eq!(found(&["b", "a.list[9]", "b.a", "a b"], line), None);
    }

    #[test]
    fn logfmt_is_looked_into_by_name_in_any_case() {
        assert_eq!(found(&["trace_id", "TraceID"], "msg=hi traceid=7 x=1"), Some("7".to_owned()));
        assert_eq!(found(&["a", "b"], "b=1 a=\"two words\""), Some("two words".to_owned()));
        assert_eq!(found(&["a"], "plain text"), None);
        assert_eq!(found(&["a"], "a= b=1"), None);
    }
}
