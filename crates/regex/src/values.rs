//! The finite set of texts an anchored pattern matches, and the text all of them begin with.

use crate::syntax::{Kind, Regexp};
use crate::unicode;

/// More values than this are not listed.
const MAX_VALUES: usize = 1024;

/// Nor more bytes of them.
const MAX_BYTES: usize = 256 << 10;

/// Every text that `^(?:node)$` matches, sorted, if they are few enough to list.
pub(crate) fn values(node: &Regexp) -> Option<Vec<String>> {
    let mut values = list(node, Ends { start: true, end: true })?;
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// Whether a node stands at the start of the pattern, at its end.
#[derive(Clone, Copy)]
struct Ends {
    start: bool,
    end: bool,
}

const INSIDE: Ends = Ends { start: false, end: false };

fn list(node: &Regexp, ends: Ends) -> Option<Vec<String>> {
    let nothing = || vec![String::new()];
    match &node.kind {
        Kind::NoMatch => Some(Vec::new()),
        Kind::Empty => Some(nothing()),
        Kind::BeginText if ends.start => Some(nothing()),
        Kind::EndText if ends.end => Some(nothing()),
        Kind::Literal(runes) if node.fold_case() => {
            let any_case = |&rune: &u32| chars(std::iter::once(rune).chain(unicode::variants(rune)));
            runes.iter().map(any_case).try_fold(nothing(), product)
        }
        Kind::Literal(runes) => {
            let text: Option<String> = runes.iter().map(|&rune| char::from_u32(rune)).collect();
            Some(text.into_iter().collect())
        }
        Kind::Class(set) if set.len() <= MAX_VALUES => Some(chars(set.ranges().iter().flat_map(|&(lo, hi)| lo..=hi))),
        Kind::Capture { sub, .. } => list(sub, ends),
        Kind::Quest(sub) => union([nothing(), list(sub, ends)?]),
        Kind::Repeat { min, max: Some(max), sub } => {
            let each = list(sub, INSIDE)?;
            let mut all = Vec::new();
            let mut power = nothing();
            for count in 0..=*max {
                if count >= *min {
                    all = union([all, power.clone()])?;
                }
                if count < *max {
                    power = product(power, each.clone())?;
                }
            }
            Some(all)
        }
        Kind::Concat(subs) => {
            let ends = |at| Ends {
                start: ends.start && subs[..at].iter().all(|before| before.kind == Kind::BeginText),
                end: ends.end && subs[at + 1..].iter().all(|after| after.kind == Kind::EndText),
            };
            subs.iter().enumerate().try_fold(nothing(), |all, (at, sub)| product(all, list(sub, ends(at))?))
        }
        Kind::Alternate(subs) => subs.iter().try_fold(Vec::new(), |all, sub| union([all, list(sub, ends)?])),
        _ => None,
    }
}

fn chars(runes: impl Iterator<Item = u32>) -> Vec<String> {
    runes.filter_map(char::from_u32).map(String::from).collect()
}

fn union(parts: [Vec<String>; 2]) -> Option<Vec<String>> {
    bounded(parts.into_iter().flatten())
}

fn product(heads: Vec<String>, tails: Vec<String>) -> Option<Vec<String>> {
    let tails = &tails;
    bounded(heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))))
}

/// Collects texts while they are few.
fn bounded(texts: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let mut kept = Vec::new();
    let mut bytes = 0;
    for text in texts {
        bytes += text.len();
        kept.push(text);
        if kept.len() > MAX_VALUES || bytes > MAX_BYTES {
            return None;
        }
    }
    Some(kept)
}

/// Text with which everything that `^(?:node)` matches begins.
pub(crate) fn prefix(node: &Regexp) -> String {
    let mut text = String::new();
    take_prefix(node, &mut text);
    text
}

/// Appends the text `node` begins with; true if that is all `node` matches.
fn take_prefix(node: &Regexp, text: &mut String) -> bool {
    match &node.kind {
        Kind::Empty => true,
        Kind::BeginText => text.is_empty(),
        Kind::Literal(runes) if !node.fold_case() => runes.iter().all(|&rune| match char::from_u32(rune) {
            Some(c) => {
                text.push(c);
                true
            }
            None => false,
        }),
        Kind::Capture { sub, .. } => take_prefix(sub, text),
        Kind::Plus(sub) | Kind::Repeat { min: 1.., sub, .. } => {
            take_prefix(sub, text);
            false
        }
        Kind::Concat(subs) => subs.iter().all(|sub| take_prefix(sub, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Dialect, Flags, parse};

    fn tree(pattern: &str) -> Regexp {
        parse(pattern, Flags::PERL | Flags::DOT_NL, Dialect::Older).expect(pattern)
    }

    fn listed(pattern: &str) -> Option<String> {
        values(&tree(pattern)).map(|values| values.join(" "))
    }

    #[test]
    fn finite_patterns_are_listed() {
        assert_eq!(listed("foo").as_deref(), Some("foo"));
        assert_eq!(listed("c|a|b|a").as_deref(), Some("a b c"));
        assert_eq!(listed("foo|foobar|").as_deref(), Some(" foo foobar"));
        assert_eq!(listed("40[1-3]").as_deref(), Some("401 402 403"));
        assert_eq!(listed("^(prod|dev)-(a|b)$").as_deref(), Some("dev-a dev-b prod-a prod-b"));
        assert_eq!(listed("^^a$$").as_deref(), Some("a"));
        assert_eq!(listed("ab?c{0,2}").as_deref(), Some("a ab abc abcc ac acc"));
        assert_eq!(listed("(?i)k1").as_deref(), Some("K1 k1 \u{212A}1"));
        assert_eq!(listed("").as_deref(), Some(""));
    }

    #[test]
    fn others_are_not() {
        for pattern in ["a*", "a+", ".", "[^a]", "a$b", "(?m)^a", r"a\b", "[0-9]{4}", "(?:(?:a|b){50}){20}"] {
            assert_eq!(listed(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn prefixes() {
        for (pattern, text) in [
            ("foo.*", "foo"),
            ("^foo-(bar|baz)", "foo-ba"),
            ("(foo)+x", "foo"),
            ("a{3}b", "a"),
            ("(?i)foo", ""),
            ("foo|bar", ""),
            ("", ""),
            ("f$oo", "f"),
        ] {
            assert_eq!(prefix(&tree(pattern)), text, "{pattern}");
        }
    }
}
