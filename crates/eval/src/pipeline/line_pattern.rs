//! `|> "<_> literal <_>"`: the test of a pattern without named captures (specification 4.2).

use loptr_logql::pattern::{Part, parse_line_filter};
use memchr::memmem;

/// A compiled line pattern.
#[derive(Clone, Debug)]
pub(crate) struct LinePattern {
    literals: Vec<memmem::Finder<'static>>,
    empty: bool,
    starts_with_literal: bool,
    ends_with_capture: bool,
}

impl LinePattern {
    pub(crate) fn new(pattern: &[u8]) -> Result<Self, String> {
        let parts = parse_line_filter(pattern)?;
        let literal = |part: &Part| match part {
            Part::Text(text) => Some(memmem::Finder::new(text).into_owned()),
            Part::Named(_) | Part::Unnamed => None,
        };
        Ok(Self {
            literals: parts.iter().filter_map(literal).collect(),
            empty: parts.is_empty(),
            starts_with_literal: matches!(parts.first(), Some(Part::Text(_))),
            ends_with_capture: matches!(parts.last(), Some(Part::Unnamed)),
        })
    }

    /// Leftmost occurrences, no empty capture but before a leading literal, nothing left over after a final literal.
    pub(crate) fn is_match(&self, line: &[u8]) -> bool {
        if line.is_empty() || self.empty {
            return line.is_empty() && self.empty;
        }
        let mut off = 0;
        for (at, literal) in self.literals.iter().enumerate() {
            let Some(found) = literal.find(&line[off..]) else { return false };
            let first_node = at == 0 && self.starts_with_literal;
            if found == 0 && !first_node {
                return false;
            }
            off += found + literal.needle().len();
        }
        self.ends_with_capture == (off != line.len())
    }

    /// What every matching line contains.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.literals.iter().map(|literal| literal.needle())
    }

    /// The longest of them.
    pub(crate) fn longest_literal(&self) -> Option<&[u8]> {
        self.literals().max_by_key(|needle| needle.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, line: &str) -> bool {
        LinePattern::new(pattern.as_bytes()).expect("valid pattern").is_match(line.as_bytes())
    }

    #[test]
    fn matches_as_upstream_does() {
        assert!(hits("foo <_>", "xfoo bar") && hits("foo", "xfoo") && hits("", ""));
        assert!(!hits("<_> bar", "foo bar bar") && !hits("foo", "foo x") && !hits("", "x") && !hits("<_>", ""));
        assert!(hits("<_>bar<_>", " bar ") && !hits("<_> bar <_>", " bar ") && hits("<_>", "x"));
        assert!(hits("a<1>", "a<1>") && hits("<_> - <_> [<_>]", "ip - user [date]"));
    }

    #[test]
    fn named_or_adjacent_captures_are_refused() {
        assert_eq!(LinePattern::new(b"<foo>").expect_err("named"), "named captures are not allowed: found '<foo>'");
        assert_eq!(
            LinePattern::new(b"<_><b>").expect_err("adjacent"),
            "found consecutive capture '<_><b>': invalid expression"
        );
    }
}
