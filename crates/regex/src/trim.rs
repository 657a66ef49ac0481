//! The smallest tree that answers "is there a match?".
//!
//! Whether a text matches does not depend on how much of it a match covers. So groups go, and at the edges of an
//! unanchored pattern everything that may match nothing goes too: `.*(foo)+.*` is there exactly if `foo` is. That turns
//! the slowest common patterns into a search for a literal.

use crate::syntax::{Flags, Kind, Regexp};

/// What to look for instead of `node`.
pub(crate) fn trim(node: &Regexp) -> Regexp {
    let trimmed = edge(node, true, true);
    // Every text has a start and an end.
    if matches!(trimmed.kind, Kind::BeginText | Kind::EndText) { empty() } else { trimmed }
}

/// Trims `node`, which begins the pattern if `left` and ends it if `right`.
fn edge(node: &Regexp, left: bool, right: bool) -> Regexp {
    let open = left || right;
    match &node.kind {
        Kind::Capture { sub, .. } => edge(sub, left, right),
        Kind::Star(_) | Kind::Quest(_) | Kind::Repeat { min: 0, .. } if open => empty(),
        Kind::Plus(sub) | Kind::Repeat { min: 1, sub, .. } if open => edge(sub, left, right),
        Kind::Repeat { min, sub, .. } if open => {
            repeat(node, Kind::Repeat { min: *min, max: Some(*min), sub: Box::new(edge(sub, false, false)) })
        }
        Kind::Star(sub) => repeat(node, Kind::Star(Box::new(edge(sub, false, false)))),
        Kind::Plus(sub) => repeat(node, Kind::Plus(Box::new(edge(sub, false, false)))),
        Kind::Quest(sub) => repeat(node, Kind::Quest(Box::new(edge(sub, false, false)))),
        Kind::Repeat { min, max, sub } => {
            repeat(node, Kind::Repeat { min: *min, max: *max, sub: Box::new(edge(sub, false, false)) })
        }
        Kind::Concat(subs) => concat(subs, left, right),
        Kind::Alternate(subs) => {
            let subs: Vec<_> = subs.iter().map(|sub| edge(sub, left, right)).collect();
            if open && subs.iter().any(|sub| sub.kind == Kind::Empty) {
                return empty();
            }
            Regexp::new(Kind::Alternate(subs), Flags::NONE)
        }
        _ => node.clone(),
    }
}

fn concat(subs: &[Regexp], left: bool, right: bool) -> Regexp {
    let mut parts: Vec<&Regexp> = Vec::with_capacity(subs.len());
    subs.iter().for_each(|sub| flatten(sub, &mut parts));
    let mut parts = parts.as_slice();
    loop {
        parts = match parts {
            [first, rest @ ..] if left && vanishes(first) => rest,
            [rest @ .., last] if right && vanishes(last) => rest,
            // From the start anything, then X: X anywhere. And the same at the end.
            [start, any, rest @ ..] if left && start.kind == Kind::BeginText && is_anything(any) => rest,
            [rest @ .., any, end] if right && end.kind == Kind::EndText && is_anything(any) => rest,
            _ => break,
        };
    }
    let mut joined = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        push(&mut joined, edge(part, left && at == 0, right && at + 1 == parts.len()));
    }
    one_or_concat(joined)
}

/// Whether [`edge`] leaves nothing of `node` at an open edge. It would say so itself, but asking it twice for each level of
/// a tree takes time exponential in the height.
fn vanishes(node: &Regexp) -> bool {
    match &node.kind {
        Kind::Empty | Kind::Star(_) | Kind::Quest(_) | Kind::Repeat { min: 0, .. } => true,
        Kind::Capture { sub, .. } | Kind::Plus(sub) | Kind::Repeat { min: 1, sub, .. } => vanishes(sub),
        Kind::Concat(subs) => subs.iter().all(vanishes),
        Kind::Alternate(subs) => subs.iter().any(vanishes),
        _ => false,
    }
}

/// Joins neighbouring literals of a concatenation.
pub(crate) fn shorten(node: Regexp) -> Regexp {
    let mut joined = Vec::new();
    push(&mut joined, node);
    one_or_concat(joined)
}

fn one_or_concat(mut joined: Vec<Regexp>) -> Regexp {
    match joined.len() {
        0 => empty(),
        1 => joined.swap_remove(0),
        _ => Regexp::new(Kind::Concat(joined), Flags::NONE),
    }
}

/// The parts of a concatenation, through groups and concatenations in it.
fn flatten<'a>(node: &'a Regexp, parts: &mut Vec<&'a Regexp>) {
    match &node.kind {
        Kind::Capture { sub, .. } => flatten(sub, parts),
        Kind::Concat(subs) => subs.iter().for_each(|sub| flatten(sub, parts)),
        Kind::Empty => {}
        _ => parts.push(node),
    }
}

/// Appends a part, joining literals.
fn push(parts: &mut Vec<Regexp>, part: Regexp) {
    match part.kind {
        Kind::Empty => {}
        Kind::Concat(subs) => subs.into_iter().for_each(|sub| push(parts, sub)),
        Kind::Literal(runes) => match parts.last_mut() {
            Some(Regexp { kind: Kind::Literal(text), flags, .. })
                if flags.contains(Flags::FOLD_CASE) == part.flags.contains(Flags::FOLD_CASE) =>
            {
                text.extend(runes);
            }
            _ => parts.push(Regexp::new(Kind::Literal(runes), part.flags)),
        },
        kind => parts.push(Regexp::new(kind, part.flags)),
    }
}

/// Whether `node` matches any text, newlines included.
fn is_anything(node: &Regexp) -> bool {
    match &node.kind {
        Kind::Capture { sub, .. } => is_anything(sub),
        Kind::Star(sub) | Kind::Repeat { min: 0, max: None, sub } => sub.kind == Kind::AnyChar,
        _ => false,
    }
}

fn empty() -> Regexp {
    Regexp::new(Kind::Empty, Flags::NONE)
}

fn repeat(node: &Regexp, kind: Kind) -> Regexp {
    Regexp::new(kind, node.flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Dialect, parse};

    fn trimmed(pattern: &str) -> Kind {
        trim(&parse(pattern, Flags::PERL, Dialect::Go).expect(pattern)).kind
    }

    fn text(text: &str) -> Kind {
        Kind::Literal(text.chars().map(u32::from).collect())
    }

    #[test]
    fn edges_that_may_be_empty_go() {
        for pattern in [".*foo.*", "(.*)(foo)+", "foo(bar)?", ".*?.*foo(?:x|)", "f(oo)", "(?s)^.*foo.*$", "a{0,3}foo"] {
            assert_eq!(trimmed(pattern), text("foo"), "{pattern}");
        }
        for pattern in ["", ".*", "a|", "(?:a*|b)?", "(?s)^.*$"] {
            assert_eq!(trimmed(pattern), Kind::Empty, "{pattern}");
        }
    }

    #[test]
    fn what_must_be_there_stays() {
        assert_eq!(trimmed("[a-c]+"), trimmed("[a-c]"));
        assert_eq!(trimmed("a+b{2,5}"), trimmed("ab{2}"));
        assert!(matches!(trimmed("^.*foo"), Kind::Concat(parts) if parts.len() == 3));
        assert!(matches!(trimmed("foo.*bar"), Kind::Concat(parts) if parts.len() == 3));
        assert!(matches!(trimmed(r"\bfoo"), Kind::Concat(parts) if parts.len() == 2));
    }
}
