//! The level a line carries in a field: JSON to a given depth, or logfmt.

use std::borrow::Cow;

use super::logfmt::{Pairs, unquote};
use crate::lenient::{self, Kind, Members};

/// Deepest nesting looked into when the depth is not limited otherwise.
const MAX_DEPTH: usize = 128;

/// The names a level may have, and a quick test whether a line can hold one of them.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    names: Vec<Box<str>>,
    pivot: Option<Pivot>,
}

/// A letter every name has: the quick test looks for it only.
#[derive(Clone, Debug)]
struct Pivot {
    /// The letter, in lower case.
    letter: u8,
    /// Where it lies in each name, and the name in lower case.
    names: Vec<(usize, Box<[u8]>)>,
}

impl Fields {
    pub(super) fn new(names: Vec<Box<str>>) -> Self {
        let pivot = pivot(&names);
        Self { names, pivot }
    }

    pub(super) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// False only if no name, in any case of its letters, lies in `line` as it is.
    fn may_lie_in(&self, line: &[u8]) -> bool {
        let Some(Pivot { letter, names }) = &self.pivot else { return true };
        memchr::memchr2_iter(*letter, letter.to_ascii_uppercase(), line).any(|at| {
            names.iter().any(|(offset, name)| {
                let start = at.checked_sub(*offset);
                let found = start.and_then(|start| line.get(start..start + name.len()));
                found.is_some_and(|found| found.eq_ignore_ascii_case(name))
            })
        })
    }

    /// The raw value of the first text field so named, in the order of the line, objects entered as they come.
    pub(super) fn in_json<'a>(&self, line: &'a [u8], max_depth: usize) -> Option<&'a [u8]> {
        // An escaped name escapes the quick test.
        if !self.may_lie_in(line) && memchr::memmem::find(line, b"\\u").is_none() {
            return None;
        }
        let max_depth = if max_depth == 0 { MAX_DEPTH } else { max_depth.min(MAX_DEPTH) };
        let mut open = vec![Members::open(line, 0).ok()?];
        let mut buffer = Vec::new();
        loop {
            let depth = open.len();
            let members = open.last_mut()?;
            let Some(name) = members.name().ok()? else {
                let end = members.at();
                open.pop();
                open.last_mut()?.advance(end).ok()?;
                continue;
            };
            let found = lenient::value(members.data(), members.at()).ok()?;
            let plain = name.plain(&mut buffer).ok()?;
            match found.kind {
                Kind::Text if self.names.iter().any(|field| field.as_bytes() == plain) => {
                    return Some(found.of(line));
                }
                Kind::Object if depth < max_depth => {
                    // Its end is known, so nothing behind it is read as part of it.
                    open.push(Members::open(&line[..found.end], found.start).ok()?);
                }
                _ => members.advance(found.next).ok()?,
            }
        }
    }

    /// The value of the best field of a logfmt line: the name first in the list wins. None without a field or value.
    pub(super) fn in_logfmt<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if !self.may_lie_in(line) {
            return None;
        }
        let mut best = self.names.len();
        let mut value = None;
        for pair in Pairs::new(line) {
            let rank = self.names[..best].iter().position(|name| fold_equal(pair.key, name));
            if let Some(rank) = rank {
                value =
                    if pair.escaped { unquote(pair.value).map(Cow::Owned) } else { Some(Cow::Borrowed(pair.value)) };
                best = rank;
                if best == 0 {
                    break;
                }
            }
        }
        value
    }
}

fn fold_equal(key: &[u8], name: &str) -> bool {
    if key.is_ascii() && name.is_ascii() {
        return key.eq_ignore_ascii_case(name.as_bytes());
    }
    std::str::from_utf8(key).is_ok_and(|key| key.to_lowercase() == name.to_lowercase())
}

/// Letters from rare to common in log lines.
const RARE_FIRST: &[u8] = b"qzjxkvwybgfpmuhdclnsrioate";

fn pivot(names: &[Box<str>]) -> Option<Pivot> {
    if names.iter().any(|name| !name.is_ascii()) {
        return None;
    }
    let mut lower: Vec<Box<[u8]>> = names.iter().map(|name| name.to_ascii_lowercase().into_bytes().into()).collect();
    lower.sort();
    lower.dedup();
    let letter = *RARE_FIRST.iter().find(|letter| lower.iter().all(|name| name.contains(letter)))?;
    // A name that holds another one is found when the shorter one is.
    let place = |name: &[u8]| name.iter().position(|byte| *byte == letter);
    let within = |name: &[u8]| {
        lower.iter().any(|other| {
            let (Some(here), Some(there)) = (place(name), place(other)) else { return false };
            other.len() < name.len() && here.checked_sub(there).is_some_and(|start| name[start..].starts_with(other))
        })
    };
    let kept = lower.iter().filter(|name| !within(name));
    Some(Pivot { letter, names: kept.filter_map(|name| Some((place(name)?, name.clone()))).collect() })
}

/// Whether the first and the last byte that are not space are braces.
pub(super) fn looks_like_json(line: &[u8]) -> bool {
    match line {
        [b'{', .., b'}'] => return true,
        // Most lines that are no JSON start with something plain.
        [b'!'..=b'z' | b'|' | b'}' | b'~', ..] => return false,
        _ => {}
    }
    let first = match line
        .utf8_chunks()
        .flat_map(|part| {
            part.valid().chars().chain((!part.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER))
        })
        .find(|c| !is_space(*c))
    {
        Some(c) => c,
        None => return false,
    };
    // From the right upstream goes byte by byte, taking each for a character.
    first == '{' && line.iter().rev().map(|byte| *byte as char).find(|c| !is_space(*c)) == Some('}')
}

/// Go's `unicode.IsSpace`.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields::new(super::super::DEFAULT_LEVEL_FIELDS.iter().map(|name| Box::from(*name)).collect())
    }

    #[test]
    fn the_pivot_is_rare_and_shared() {
        let Pivot { letter, names } = fields().pivot.expect("the default names share a letter");
        assert_eq!(letter, b'v');
        let names: Vec<_> = names.iter().map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect();
        assert_eq!(names, ["level", "lvl", "severity"]);
        assert!(Fields::new(vec!["abc".into(), "xyz".into()]).pivot.is_none());
    }

    #[test]
    fn json_fields_to_depth_two() {
        let fields = fields();
        let find = |line: &'static str| fields.in_json(line.as_bytes(), 2).map(|value| String::from_utf8_lossy(value));
        assert_eq!(find(r#"{"a":1,"level":"x","lvl":"y"}"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"a":{"level":"x"},"level":"y"}"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"a":{"b":{"level":"x"}},"lvl":"y"}"#).as_deref(), Some("y"));
        assert_eq!(find(r#"{"a":{"b":{"level":"x"}}}"#), None);
        assert_eq!(find(r#"{"level":5,"severity":"x"}"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"l\u0065vel":"x"}"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"level":"x", broken"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"a":{"level":"x"}"#).as_deref(), Some("x"));
        assert_eq!(find(r#"{"a" "level":"x"}"#), None);
        assert_eq!(find(r#"{"leveL":"x"}"#), None);
        let deep = r#"{"a":{"b":{"c":{"level":"x"}}}}"#.as_bytes();
        assert_eq!(fields.in_json(deep, 0), Some(&b"x"[..]));
    }

    #[test]
    fn logfmt_fields_by_rank() {
        let fields = fields();
        let find =
            |line: &str| fields.in_logfmt(line.as_bytes()).map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!(find("a=1 lvl=x LEVEL=y").as_deref(), Some("y"));
        assert_eq!(find("severity=x lvl=y").as_deref(), Some("x"));
        assert_eq!(find("level=\"a b\"").as_deref(), Some("a b"));
        assert_eq!(find("levels=x a=b"), None);
        assert_eq!(find("a==b level=x"), None);
    }
}
