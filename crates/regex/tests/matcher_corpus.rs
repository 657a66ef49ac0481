//! Replays what Prometheus' matchers and anchored Go regexes answered for 9,000 patterns and 42,000 label values.
//!
//! `testdata/matchers.gz`, unpacked: for each pattern its string, a byte (0: the error's string follows and nothing else;
//! 3: end), the number of values, and for each value its string and a byte of bits: 1 the selector's matcher accepts it, 2
//! `^(?s:pattern)$` matches it, 4 `^(?:pattern)$` does.

mod common;

use common::{Reader, unpack};
use loptr_model::{MatchOp, Matcher};
use loptr_regex::{GoRegex, LabelMatcher};

#[test]
fn selectors_and_label_filters() {
    let raw = unpack(include_bytes!("../testdata/matchers.gz"));
    let mut reader = Reader(&raw);
    let mut failures = Vec::new();
    let (mut patterns, mut pairs, mut shortcuts) = (0, 0, 0);
    loop {
        let pattern = reader.text();
        let matcher = LabelMatcher::compile(&Matcher::new("x", MatchOp::Re, &*pattern));
        let anchored = GoRegex::anchored(&pattern);
        patterns += 1;
        match reader.byte() {
            0 => {
                let text = format!("error parsing regexp: {}", reader.text());
                for error in [matcher.err(), anchored.err()] {
                    let got = error.map(|error| error.to_string());
                    if got.as_ref() != Some(&text) {
                        failures.push(format!("{pattern:?}: {got:?}, expected {text}"));
                    }
                }
                continue;
            }
            3 => break,
            _ => {}
        }
        let (matcher, anchored) = match (matcher, anchored) {
            (Ok(matcher), Ok(anchored)) => (matcher, anchored),
            failed => {
                failures.push(format!("{pattern:?}: {failed:?}"));
                continue;
            }
        };
        for _ in 0..reader.number() {
            let (value, bits) = (reader.text(), reader.byte());
            pairs += 1;
            if (bits & 1 != 0) != (bits & 2 != 0) {
                // Upstream's shortcut for a prefix or suffix without regard to case compares as many bytes as the pattern
                // has, which fails if a case variant is longer. We answer what the expression means.
                assert!(["ſ", "\u{212A}", "ẞ", "\u{2126}", "ß", "k", "s"].iter().any(|odd| value.contains(odd)));
                shortcuts += 1;
            }
            if matcher.matches(&value) != (bits & 2 != 0) {
                failures.push(format!("selector {pattern:?} on {value:?}: {}", matcher.matches(&value)));
            }
            if anchored.is_match(value.as_bytes()) != (bits & 4 != 0) {
                failures.push(format!("label filter {pattern:?} on {value:?}: {}", bits & 4 == 0));
            }
            if matcher.matches(&value) && !value.starts_with(matcher.prefix()) {
                failures.push(format!("{pattern:?} on {value:?}: prefix {:?}", matcher.prefix()));
            }
        }
        let listed = matcher.exact_values().unwrap_or_default();
        let wrong =
            listed.iter().find(|value| !GoRegex::selector(&pattern).is_ok_and(|re| re.is_match(value.as_bytes())));
        failures.extend(wrong.map(|value| format!("{pattern:?} does not match {value:?}, which it lists")));
    }
    assert!(failures.is_empty(), "{} of {pairs}:\n{}", failures.len(), failures[..failures.len().min(40)].join("\n"));
    assert!(patterns >= 9_000 && pairs >= 40_000 && shortcuts < 100, "{patterns} {pairs} {shortcuts}");
}
