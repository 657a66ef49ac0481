//! Replays what Go answered for 34,000 generated patterns and 109,000 texts.
//!
//! `testdata/go.gz`, unpacked, is a list of patterns, then a list of replacements. Numbers are unsigned varints, a string
//! is its length and its bytes.
//!
//! ```text
//! pattern  string, outcome in Go 1.26, outcome in the older edition; if either is ok:
//!          [groups if ok in 1.26] texts, then for each text
//!          string, [matches, and offset + 1 of each start and end of each group of each, 0 if it did not take part],
//!          [1 byte: is there a match, if the older edition's outcome is another]
//! outcome  byte: 0 and the error's string, 1 and FNV-1a of the tree (4 bytes, little-endian), 2 as in 1.26, 3 end of list
//! replace  pattern, text, template, result, result if the template is literal, matches
//! ```

mod common;

use common::{Reader, unpack};
use loptr_regex::syntax::{Dialect, Flags, Kind, Regexp, parse};
use loptr_regex::{GoRegex, RegexError};

enum Outcome {
    Error(String),
    Tree(u32),
}

fn outcome(reader: &mut Reader<'_>, same: Option<&Outcome>) -> Option<Outcome> {
    match (reader.byte(), same) {
        (0, _) => Some(Outcome::Error(String::from_utf8(reader.bytes().to_vec()).expect("error texts are UTF-8"))),
        (1, _) => {
            let hash = [reader.byte(), reader.byte(), reader.byte(), reader.byte()];
            Some(Outcome::Tree(u32::from_le_bytes(hash)))
        }
        (2, Some(Outcome::Error(text))) => Some(Outcome::Error(text.clone())),
        (2, Some(Outcome::Tree(hash))) => Some(Outcome::Tree(*hash)),
        _ => None,
    }
}

/// The tree as the recording program prints it.
fn dump(node: &Regexp, out: &mut String) {
    use std::fmt::Write as _;
    let numbers = |out: &mut String, name: &str, values: &mut dyn Iterator<Item = u32>| {
        out.push_str(name);
        out.push('{');
        for (at, value) in values.enumerate() {
            let _ = write!(out, "{}{value:x}", if at > 0 { " " } else { "" });
        }
        out.push('}');
    };
    let below = |out: &mut String, name: &str, lazy: bool, subs: &[&Regexp]| {
        if lazy && node.flags.contains(Flags::NON_GREEDY) {
            out.push('n');
        }
        out.push_str(name);
        out.push('{');
        subs.iter().for_each(|sub| dump(sub, out));
        out.push('}');
    };
    match &node.kind {
        Kind::NoMatch => out.push_str("no"),
        Kind::Empty => out.push_str("emp"),
        Kind::Literal(runes) => {
            let name = if node.flags.contains(Flags::FOLD_CASE) { "foldlit" } else { "lit" };
            numbers(out, name, &mut runes.iter().copied());
        }
        Kind::Class(set) => numbers(out, "cc", &mut set.ranges().iter().flat_map(|&(lo, hi)| [lo, hi])),
        Kind::AnyCharNotNl => out.push_str("dnl"),
        Kind::AnyChar => out.push_str("dot"),
        Kind::BeginLine => out.push_str("bol"),
        Kind::EndLine => out.push_str("eol"),
        Kind::BeginText => out.push_str("bot"),
        Kind::EndText if node.flags.contains(Flags::WAS_DOLLAR) => out.push_str("$eot"),
        Kind::EndText => out.push_str("eot"),
        Kind::WordBoundary => out.push_str("wb"),
        Kind::NoWordBoundary => out.push_str("nwb"),
        Kind::Capture { index, name, sub } => {
            below(out, &format!("cap{index}:{}", name.as_deref().unwrap_or_default()), false, &[sub]);
        }
        Kind::Star(sub) => below(out, "star", true, &[sub]),
        Kind::Plus(sub) => below(out, "plus", true, &[sub]),
        Kind::Quest(sub) => below(out, "que", true, &[sub]),
        Kind::Repeat { min, max, sub } => {
            let max = max.map_or("-1".to_owned(), |max| max.to_string());
            below(out, &format!("rep{min},{max}"), true, &[sub]);
        }
        Kind::Concat(subs) => below(out, "cat", false, &subs.iter().collect::<Vec<_>>()),
        Kind::Alternate(subs) => below(out, "alt", false, &subs.iter().collect::<Vec<_>>()),
    }
}

fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn check(&mut self, ok: bool, text: impl FnOnce() -> String) {
        if !ok {
            self.0.push(text());
        }
    }
}

fn check_outcome(
    failures: &mut Failures,
    pattern: &[u8],
    dialect: Dialect,
    compiled: Result<&GoRegex, &RegexError>,
    expected: &Outcome,
) {
    let shown = String::from_utf8_lossy(pattern);
    match (expected, compiled) {
        (Outcome::Error(text), Err(error)) => {
            let text = format!("error parsing regexp: {text}");
            failures.check(text == error.to_string(), || format!("{shown:?} {dialect:?}: {error}, expected {text}"));
        }
        (Outcome::Error(text), Ok(_)) => {
            failures.check(false, || format!("{shown:?} {dialect:?}: compiles, expected {text}"));
        }
        (Outcome::Tree(_), Err(error)) => failures.check(false, || format!("{shown:?} {dialect:?}: {error}")),
        (Outcome::Tree(hash), Ok(regex)) => {
            let mut tree = String::new();
            dump(regex.tree(), &mut tree);
            failures.check(fnv(&tree) == *hash, || format!("{shown:?} {dialect:?}: tree {tree}"));
        }
    }
}

/// Every search of the interface against the recorded matches.
fn check_matches(failures: &mut Failures, regex: &GoRegex, text: &[u8], expected: &[Vec<Option<(usize, usize)>>]) {
    let shown = || format!("{:?} on {:?}", regex.as_str(), text.escape_ascii().to_string());
    let spans: Vec<_> = expected.iter().filter_map(|groups| groups[0]).collect();
    let is_match = regex.is_match(text);
    failures.check(is_match != spans.is_empty(), || format!("{}: is_match {is_match}", shown()));
    let found: Vec<_> = regex.find_iter(text).collect();
    failures.check(found == spans, || format!("{}: {found:?}, expected {spans:?}", shown()));
    failures.check(regex.find(text, 0) == spans.first().copied(), || format!("{}: find", shown()));
    failures.check(regex.count(text) == spans.len(), || format!("{}: count", shown()));
    if let Some(literal) = regex.literal() {
        let contains = text.windows(literal.len()).any(|window| window == literal);
        failures.check(contains == is_match, || format!("{}: literal {literal:?}", shown()));
    }
    let mut captures = regex.create_captures();
    for groups in expected {
        let Some((start, _)) = groups[0] else { continue };
        let found = regex.captures_into(text, start, &mut captures);
        let got: Vec<_> = captures.iter().collect();
        failures.check(found && got == *groups, || format!("{}: groups {got:?}, expected {groups:?}", shown()));
    }
}

#[test]
fn patterns_and_texts() {
    let raw = unpack(include_bytes!("../testdata/go.gz"));
    let mut reader = Reader(&raw);
    let mut failures = Failures::default();
    let (mut patterns, mut pairs) = (0, 0);
    loop {
        let pattern = reader.bytes();
        let Some(expected) = outcome(&mut reader, None) else { break };
        let other = reader.0.first() != Some(&2);
        let older = outcome(&mut reader, Some(&expected)).expect("the older edition's outcome");
        patterns += 1;
        let compiled = GoRegex::from_bytes(pattern);
        check_outcome(&mut failures, pattern, Dialect::Go, compiled.as_ref(), &expected);
        let compiled_older = GoRegex::line_filter(pattern);
        check_outcome(&mut failures, pattern, Dialect::Older, compiled_older.as_ref(), &older);
        let (ok, older_ok) = (matches!(expected, Outcome::Tree(_)), matches!(older, Outcome::Tree(_)));
        if !ok && !older_ok {
            continue;
        }
        let groups = if ok { reader.number() + 1 } else { 0 };
        for _ in 0..reader.number() {
            let text = reader.bytes();
            pairs += 1;
            if ok {
                let mut matches = Vec::new();
                for _ in 0..reader.number() {
                    let pair = |_| {
                        let (start, end) = (reader.number(), reader.number());
                        (start > 0).then(|| (start - 1, end - 1))
                    };
                    matches.push((0..groups).map(pair).collect::<Vec<_>>());
                }
                if let Ok(regex) = &compiled {
                    check_matches(&mut failures, regex, text, &matches);
                }
            }
            if older_ok && other {
                let expected = reader.byte() == 1;
                let got = compiled_older.as_ref().is_ok_and(|regex| regex.is_match(text));
                failures.check(got == expected, || format!("older {:?}", String::from_utf8_lossy(pattern)));
            }
        }
    }
    for failure in failures.0.iter().take(40) {
        eprintln!("{failure}");
    }
    assert!(failures.0.is_empty(), "{} of {patterns} patterns, {pairs} texts differ", failures.0.len());
    assert!(patterns >= 30_000 && pairs >= 100_000, "{patterns} patterns, {pairs} texts");
    replacements(&mut reader);
}

fn replacements(reader: &mut Reader<'_>) {
    let mut failures = Failures::default();
    let count = reader.number();
    for _ in 0..count {
        let pattern = reader.bytes();
        let (text, template) = (reader.bytes(), reader.bytes());
        let (expected, literal, matches) = (reader.bytes(), reader.bytes(), reader.number());
        let regex = GoRegex::from_bytes(pattern).expect("it compiled in Go");
        let shown = || {
            format!(
                "{:?} on {:?} with {:?}",
                regex.as_str(),
                text.escape_ascii().to_string(),
                template.escape_ascii().to_string()
            )
        };
        let got = regex.replace_all(text, template);
        failures.check(got == expected, || format!("{}: {}", shown(), got.escape_ascii()));
        failures.check(regex.replace_all_literal(text, template) == literal, || format!("{}: literal", shown()));
        failures.check(regex.count(text) == matches, || format!("{}: count", shown()));
    }
    assert!(failures.0.is_empty(), "{} of {count}:\n{}", failures.0.len(), failures.0.join("\n"));
    assert!(count >= 4_000);
}

#[test]
fn curated_trees_are_public() {
    assert!(matches!(parse("a|b", Flags::PERL, Dialect::Go).expect("valid").kind, Kind::Class(_)));
}
