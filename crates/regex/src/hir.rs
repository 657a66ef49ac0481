//! From Go's tree to the engine's.
//!
//! The engine takes [`Hir`] from `regex-syntax`. What differs in meaning between the two worlds is settled here:
//!
//! - A class is exactly the runes Go's parser put in it; surrogates, which no text contains, are left out.
//! - `\b` is ASCII, `^` and `$` know only `\n`.
//! - Groups carry numbers but no names, since Go lets two groups share one.
//! - `Hir::alternation` pulls common beginnings out of alternatives, whatever they are. `a*b|a*c` is not `a*(?:b|c)` when
//!   the order of preference counts, so such alternatives get a never matching sibling, which keeps them apart.

use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

use crate::syntax::{ClassSet, Kind, Regexp};
use crate::unicode;

/// The engine's tree for `node`, with its groups or without.
pub(crate) fn build(node: &Regexp, groups: bool) -> Hir {
    match &node.kind {
        Kind::NoMatch => Hir::fail(),
        Kind::Empty => Hir::empty(),
        Kind::Literal(runes) if node.fold_case() => Hir::concat(runes.iter().map(|&rune| any_case(rune)).collect()),
        Kind::Literal(runes) => match runes.iter().map(|&rune| char::from_u32(rune)).collect::<Option<String>>() {
            Some(text) => Hir::literal(text.into_bytes()),
            None => Hir::fail(),
        },
        Kind::Class(set) => class(set),
        Kind::AnyCharNotNl => class(&ClassSet::new([(0, 0x09), (0x0B, unicode::MAX_RUNE)])),
        Kind::AnyChar => class(&ClassSet::new([(0, unicode::MAX_RUNE)])),
        Kind::BeginLine => Hir::look(Look::StartLF),
        Kind::EndLine => Hir::look(Look::EndLF),
        Kind::BeginText => Hir::look(Look::Start),
        Kind::EndText => Hir::look(Look::End),
        Kind::WordBoundary => Hir::look(Look::WordAscii),
        Kind::NoWordBoundary => Hir::look(Look::WordAsciiNegate),
        Kind::Capture { index, sub, .. } => {
            let sub = build(sub, groups);
            if groups { Hir::capture(Capture { index: *index, name: None, sub: Box::new(sub) }) } else { sub }
        }
        Kind::Star(sub) => repetition(0, None, node.greedy(), build(sub, groups)),
        Kind::Plus(sub) => repetition(1, None, node.greedy(), build(sub, groups)),
        Kind::Quest(sub) => repetition(0, Some(1), node.greedy(), build(sub, groups)),
        Kind::Repeat { min, max, sub } => repetition(*min, *max, node.greedy(), build(sub, groups)),
        Kind::Concat(subs) => Hir::concat(subs.iter().map(|sub| build(sub, groups)).collect()),
        Kind::Alternate(subs) => alternation(subs.iter().map(|sub| build(sub, groups))),
    }
}

/// A rune and its case variants.
fn any_case(rune: u32) -> Hir {
    let mut set = ClassSet::default();
    set.push_folded(rune, rune);
    set.canonicalize();
    class(&set)
}

fn class(set: &ClassSet) -> Hir {
    let chars = set.ranges().iter().flat_map(|&(lo, hi)| [(lo, hi.min(0xD7FF)), (lo.max(0xE000), hi)]);
    let chars = chars.filter(|(lo, hi)| lo <= hi).filter_map(|(lo, hi)| {
        let (lo, hi) = char::from_u32(lo).zip(char::from_u32(hi))?;
        Some(ClassUnicodeRange::new(lo, hi))
    });
    Hir::class(Class::Unicode(ClassUnicode::new(chars)))
}

fn repetition(min: u32, max: Option<u32>, greedy: bool, sub: Hir) -> Hir {
    // Repeating the same `*`, `+` or `?` adds nothing, and Go drops it too.
    if let HirKind::Repetition(inner) = sub.kind()
        && (inner.min, inner.max, inner.greedy) == (min, max, greedy)
        && matches!((min, max), (0 | 1, None) | (0, Some(1)))
    {
        return sub;
    }
    Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) })
}

fn alternation(branches: impl Iterator<Item = Hir>) -> Hir {
    let mut flat = Vec::new();
    for branch in branches {
        match branch.kind() {
            HirKind::Alternation(_) => {
                if let HirKind::Alternation(inner) = branch.into_kind() {
                    flat.extend(inner);
                }
            }
            _ => flat.push(branch),
        }
    }
    if shares_a_choice(&flat) {
        flat.push(Hir::fail());
    }
    Hir::alternation(flat)
}

/// Whether all branches begin with the same parts, and one of those can match in more than one way.
fn shares_a_choice(branches: &[Hir]) -> bool {
    let Some((HirKind::Concat(first), rest)) = branches.split_first().map(|(first, rest)| (first.kind(), rest)) else {
        return false;
    };
    let mut shared = first.len();
    for branch in rest {
        let HirKind::Concat(parts) = branch.kind() else { return false };
        shared = first.iter().zip(parts).take(shared).take_while(|(a, b)| a == b).count();
    }
    let one_way =
        |part: &Hir| matches!(part.kind(), HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) | HirKind::Empty);
    !rest.is_empty() && !first[..shared].iter().all(one_way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::{Flags, parse};

    fn hir(pattern: &str) -> Hir {
        build(&parse(pattern, Flags::PERL).expect(pattern), true)
    }

    #[test]
    fn choices_stay_apart() {
        assert!(matches!(hir("a*b|a*c").kind(), HirKind::Alternation(branches) if branches.len() == 3));
        assert!(matches!(hir("ab|ac").kind(), HirKind::Concat(_)));
    }

    #[test]
    fn surrogates_match_nothing() {
        assert_eq!(hir(r"\x{D800}"), Hir::fail());
        assert_eq!(hir(r"[\x{D7FF}-\x{E000}]"), hir("[\u{D7FF}\u{E000}]"));
    }

    #[test]
    fn case_variants() {
        assert_eq!(hir("(?i)k"), hir("[kK\u{212A}]"));
        assert_eq!(hir("(?:a*)*"), hir("a*"));
    }
}
