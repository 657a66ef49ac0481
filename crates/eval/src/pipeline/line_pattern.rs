//! `|> "<_> literal <_>"`: the test of a pattern without named captures (specification 4.2), and the pieces of a pattern,
//! shared with the `pattern` parser.

use memchr::memmem;

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// `<name>`, or `<_>` as `None`.
    Capture(Option<String>),
    Literal(Vec<u8>),
}

/// Splits a pattern. Anything that is no capture is literal.
pub(crate) fn split(pattern: &[u8]) -> Vec<Node> {
    let (mut nodes, mut literal, mut at) = (Vec::new(), Vec::new(), 0);
    while at < pattern.len() {
        match capture_len(&pattern[at..]) {
            Some(len) => {
                if !literal.is_empty() {
                    nodes.push(Node::Literal(std::mem::take(&mut literal)));
                }
                let name = String::from_utf8_lossy(&pattern[at + 1..at + len - 1]).into_owned();
                nodes.push(Node::Capture((name != "_").then_some(name)));
                at += len;
            }
            None => {
                literal.push(pattern[at]);
                at += 1;
            }
        }
    }
    if !literal.is_empty() {
        nodes.push(Node::Literal(literal));
    }
    nodes
}

/// Length of the capture at the start of `text`, angle brackets included.
fn capture_len(text: &[u8]) -> Option<usize> {
    let [b'<', first, ..] = text else { return None };
    if !first.is_ascii_alphabetic() && *first != b'_' {
        return None;
    }
    let len = text[1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    (text.get(len + 1) == Some(&b'>')).then_some(len + 2)
}

/// The error of two captures side by side, if there are any.
pub(crate) fn check_consecutive(nodes: &[Node]) -> Result<(), String> {
    let text = |node: &Node| match node {
        Node::Capture(name) => Some(format!("<{}>", name.as_deref().unwrap_or("_"))),
        Node::Literal(_) => None,
    };
    match nodes.windows(2).find_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))) {
        Some((a, b)) => Err(format!("found consecutive capture '{a}{b}': invalid expression")),
        None => Ok(()),
    }
}

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
        let nodes = split(pattern);
        check_consecutive(&nodes)?;
        if let Some(name) = nodes.iter().find_map(|node| match node {
            Node::Capture(Some(name)) => Some(name),
            _ => None,
        }) {
            return Err(format!("named captures are not allowed: found '<{name}>'"));
        }
        Ok(Self {
            literals: nodes
                .iter()
                .filter_map(|node| match node {
                    Node::Literal(text) => Some(memmem::Finder::new(text).into_owned()),
                    Node::Capture(_) => None,
                })
                .collect(),
            empty: nodes.is_empty(),
            starts_with_literal: matches!(nodes.first(), Some(Node::Literal(_))),
            ends_with_capture: matches!(nodes.last(), Some(Node::Capture(_))),
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

    /// The longest literal, which every matching line contains.
    pub(crate) fn longest_literal(&self) -> Option<&[u8]> {
        self.literals.iter().map(|literal| literal.needle()).max_by_key(|needle| needle.len())
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
