//! What must hold for any pattern and any text.

use loptr_model::{MatchOp, Matcher};
use loptr_regex::{ErrorKind, GoRegex, LabelMatcher, Needles, RegexError, fold_char};
use proptest::prelude::*;

/// Pieces patterns are made of, whole or broken.
const PIECES: &[&str] = &[
    "a",
    "b",
    "k",
    "K",
    "ſ",
    "é",
    "foo",
    "bar",
    "1",
    " ",
    "-",
    ".",
    ".*",
    ".+",
    "*",
    "+",
    "?",
    "??",
    "*?",
    "{2}",
    "{0,3}",
    "{1000}",
    "{2,}",
    "|",
    "(",
    ")",
    "(?:",
    "(?i)",
    "(?i:",
    "(?s)",
    "(?m)",
    "(?U)",
    "(?P<n>",
    "(?<n>",
    "[",
    "]",
    "[^",
    "[a-c]",
    "[^a]",
    "[^\\n]",
    "[[:alpha:]]",
    "[:",
    ":]",
    "-z",
    "\\",
    "\\d",
    "\\W",
    "\\s",
    "\\b",
    "\\B",
    "\\A",
    "\\z",
    "\\pL",
    "\\p{Greek}",
    "\\x{FFFD}",
    "\\xff",
    "\\n",
    "\\Q",
    "\\E",
    "^",
    "$",
    "\u{FFFD}",
    "\u{10FFFF}",
    "\\x{D800}",
    "\\1",
    "\\C",
    "{",
    "}",
    ",",
];

const TEXTS: &[&[u8]] = &[
    b"a",
    b"b",
    b"k",
    b"K",
    "\u{212A}".as_bytes(),
    "ſ".as_bytes(),
    "é".as_bytes(),
    b"foo",
    b"bar",
    b"FOO",
    b"1",
    b" ",
    b"\n",
    b"\xFF",
    b"\xE2\x82",
    b"\x80",
    "€".as_bytes(),
    "\u{FFFD}".as_bytes(),
    b"_",
    b"-",
    b"\xF0\x9F",
    b"aaa",
];

fn patterns() -> impl Strategy<Value = Vec<u8>> {
    let pieces =
        prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![9 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..12)]
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(TEXTS), 0..10).prop_map(|parts| parts.concat())
}

fn lossy(text: &[u8]) -> Vec<u8> {
    let chunks = text.utf8_chunks();
    chunks
        .flat_map(|chunk| [chunk.valid().to_owned(), "\u{FFFD}".repeat(chunk.invalid().len())])
        .collect::<String>()
        .into()
}

fn holds(needles: &Needles, text: &str) -> bool {
    match needles {
        Needles::Unknown => true,
        Needles::Text { text: needle, fold: false } => !needle.is_empty() && text.contains(needle),
        Needles::Text { text: needle, fold: true } => text.chars().map(fold_char).collect::<String>().contains(needle),
        Needles::All(parts) => parts.iter().all(|part| holds(part, text)),
        Needles::Any(parts) => parts.iter().any(|part| holds(part, text)),
    }
}

/// The lines the block scan leads to, by the procedure its documentation gives.
fn scanned(regex: &GoRegex, lines: &[Vec<u8>], headers: &[Vec<u8>]) -> Option<Vec<usize>> {
    let scan = regex.block_scan()?;
    let mut block = Vec::new();
    let mut spans = Vec::new();
    for (line, header) in lines.iter().zip(headers) {
        block.extend_from_slice(header);
        spans.push((block.len(), block.len() + line.len()));
        block.extend_from_slice(line);
    }
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((start, end)) = scan.find(&block, at) {
        let Some(index) = spans.iter().position(|span| start < span.1) else { break };
        let (line_start, line_end) = spans[index];
        if start < line_start {
            at = line_start;
            continue;
        }
        let inside = end <= line_end;
        if (scan.is_exact() && inside) || regex.is_match(&block[line_start..line_end]) {
            found.push(index);
        }
        at = line_end;
    }
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn searches_agree(pattern in patterns(), text in texts()) {
        for regex in [GoRegex::from_bytes(&pattern), GoRegex::line_filter(&pattern)].into_iter().flatten() {
            let all: Vec<_> = regex.find_iter(&text).collect();
            prop_assert_eq!(regex.is_match(&text), !all.is_empty());
            prop_assert_eq!(regex.find(&text, 0), all.first().copied());
            prop_assert!(all.windows(2).all(|w| w[0].1 <= w[1].0 && w[0] != w[1]));
            prop_assert_eq!(regex.captures(&text).and_then(|captures| captures.get(0)), all.first().copied());
            prop_assert_eq!(regex.replace_all(&text, b"$0"), text.clone());
            // A stray byte is U+FFFD.
            let repaired = lossy(&text);
            prop_assert_eq!(regex.is_match(&repaired), !all.is_empty());
            prop_assert_eq!(regex.count(&repaired), all.len());
            if !all.is_empty() {
                prop_assert!(holds(regex.needles(), &String::from_utf8_lossy(&repaired)), "{:?}", regex.needles());
            }
            for from in 0..=text.len() + 1 {
                prop_assert!(regex.find(&text, from).is_none_or(|(start, end)| from <= start && start <= end));
            }
        }
    }

    #[test]
    fn block_scans_miss_nothing(
        pattern in patterns(),
        lines in prop::collection::vec((texts(), prop::collection::vec(any::<u8>(), 1..6)), 1..8),
    ) {
        let Ok(regex) = GoRegex::from_bytes(&pattern) else { return Ok(()) };
        let (lines, headers): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
        let matching: Vec<_> = (0..lines.len()).filter(|&index| regex.is_match(&lines[index])).collect();
        if let Some(found) = scanned(&regex, &lines, &headers) {
            prop_assert_eq!(found, matching);
        }
    }

    #[test]
    fn matchers_agree_with_their_hints(pattern in patterns(), values in prop::collection::vec(texts(), 1..6)) {
        let Ok(pattern) = String::from_utf8(pattern) else { return Ok(()) };
        let compile = |op| LabelMatcher::compile(&Matcher::new("x", op, pattern.as_str()));
        let (Ok(yes), Ok(no)) = (compile(MatchOp::Re), compile(MatchOp::Nre)) else { return Ok(()) };
        let regex = GoRegex::selector(&pattern).expect("the matcher compiled");
        for value in values.iter().map(|value| String::from_utf8_lossy(value)) {
            prop_assert_eq!(yes.matches(&value), regex.is_match(value.as_bytes()));
            prop_assert_ne!(yes.matches(&value), no.matches(&value));
            prop_assert!(!yes.matches(&value) || value.starts_with(yes.prefix()));
            prop_assert!(yes.matches(&value) || !yes.matches_all());
        }
        for value in yes.exact_values().unwrap_or_default() {
            prop_assert!(regex.is_match(value.as_bytes()));
        }
    }
}

/// Patterns made to be expensive: all answer at once, by a small automaton or by an error.
#[test]
fn hostile_patterns_are_bounded() {
    let nest = |open: &str, close: &str, n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
    let ladder = |n: usize| (1..n).map(|len| "a".repeat(len)).collect::<Vec<_>>().join("|");
    let text = "aaaaaaaaaaaaaaaab é pod-0000012 ".repeat(40);
    for (pattern, works) in [
        (r"\pL{1000}".to_owned(), false),
        (r"\pL{100}".to_owned(), true),
        (".{1000}".to_owned(), true),
        ("(?:(a)|(b)|c){1000}".to_owned(), true),
        (format!("(?:{}){{1000}}", "abcdefghij".repeat(10_000)), false),
        (r"\pL".repeat(30_000), false),
        (r"(?:\pL{1000}){0}".repeat(3_000), true),
        ("(a)".repeat(40_000), false),
        (nest("(", ")", 990), true),
        (format!("(?:{}){{1000}}", nest("(", ")", 900)), false),
        (nest("(?:b|", ")*", 400), true),
        (nest("(?:", "b?|x)", 490), true),
        (nest("(?:", "b?|x)c?", 300), true),
        (nest("(?:b?", "|x)", 490), true),
        (nest("(?:", ".|x)", 490), true),
        (format!("{}{}{}", "(?:".repeat(900), "ab*|".repeat(10_000), "|y)".repeat(900)), true),
        (format!("{}{}{}", "(?:".repeat(300), "(?:a.*b)*c|".repeat(8_000), "d|y)*".repeat(300)), true),
        (ladder(450), true),
        (ladder(1_400), false),
        ("a?".repeat(10_000), true),
        ("()".repeat(60_000), false),
        ("|".repeat(100_000), true),
        (format!("(?i){}", (0..9_000).map(|n| format!("pod-{n:07}")).collect::<Vec<_>>().join("|")), true),
        ("a".repeat(2 << 20), false),
    ] {
        let shown: String = pattern.chars().take(40).collect();
        match GoRegex::new(&pattern) {
            Ok(regex) => {
                assert!(works, "{shown} compiles");
                regex.is_match(text.as_bytes());
                regex.captures(text.as_bytes());
                regex.block_scan();
                regex.needles();
            }
            Err(error) => assert!(!works, "{shown}: {}", error.to_string().chars().take(100).collect::<String>()),
        }
        let _ = LabelMatcher::compile(&Matcher::new("x", MatchOp::Re, pattern));
    }
    let error = GoRegex::new(r"\pL{1000}").expect_err("too big");
    assert_eq!(error.to_string(), "regular expression compiles to more than 33554432 bytes: `\\pL{1000}`");
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert_eq!(GoRegex::new("(").expect_err("unclosed").kind(), ErrorKind::Invalid);
    assert!(matches!(GoRegex::new(&"()".repeat(60_000)), Err(RegexError::TooManyGroups { groups: 60_000, .. })));
}
