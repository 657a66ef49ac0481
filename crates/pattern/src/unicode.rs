//! Which characters are letters and which are punctuation, by Unicode's general categories. ASCII is answered from a
//! table.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

static LETTERS: LazyLock<Vec<(char, char)>> = LazyLock::new(|| ranges(r"\p{L}"));
static PUNCTUATION: LazyLock<Vec<(char, char)>> = LazyLock::new(|| ranges(r"\p{P}"));

fn ranges(class: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(class).expect("a general category is a regular expression");
    match parsed.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            class.ranges().iter().map(|range| (range.start(), range.end())).collect()
        }
        _ => Vec::new(),
    }
}

fn holds(ranges: &[(char, char)], c: char) -> bool {
    let at = ranges.partition_point(|&(_, end)| end < c);
    ranges.get(at).is_some_and(|&(start, _)| start <= c)
}

/// Go's `unicode.IsLetter`.
pub(crate) fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { holds(&LETTERS, c) }
}

/// Go's `unicode.IsPunct`.
pub(crate) fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
    } else {
        holds(&PUNCTUATION, c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_told_apart() {
        assert!(is_letter('a') && is_letter('é') && is_letter('日') && !is_letter('1') && !is_letter('Ⅷ'));
        assert!(is_punctuation('"') && is_punctuation('…') && is_punctuation('、'));
        assert!(!is_punctuation('$') && !is_punctuation('€') && !is_punctuation('\u{fffd}'));
    }
}
