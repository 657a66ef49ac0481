//! What every matching text must contain, for filters that know which texts hold which substrings.

use crate::probe::plain_text;
use crate::syntax::{Kind, Regexp};
use crate::unicode;
use crate::utf8::REPLACEMENT;

/// A condition that holds for every text with a match. That it holds does not mean there is a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needles {
    /// Nothing is known.
    Unknown,
    /// The text contains this, which is not empty.
    Text {
        /// What to look for; if `fold`, each character is [`fold_char`] of what the pattern says.
        text: String,
        /// Whether case variants count: compare after [`fold_char`] on both sides.
        fold: bool,
    },
    /// All of these hold.
    All(Vec<Needles>),
    /// At least one of these holds.
    Any(Vec<Needles>),
}

/// The representative of a character's case variants: equal for two characters exactly if `(?i)` lets one match the other.
/// It is the small ASCII letter where there is one, so `K`, `k` and U+212A give `k`.
pub fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let rune = u32::from(c);
    let variants = || std::iter::once(rune).chain(unicode::variants(rune)).filter_map(char::from_u32);
    let small = variants().filter(|c| c.is_lowercase()).min();
    small.or_else(|| variants().min()).unwrap_or(c)
}

/// At most so many alternatives are spelled out.
const MAX_TEXTS: usize = 16;

/// At most so many bytes in each.
const MAX_BYTES: usize = 256;

/// The condition for a trimmed tree.
pub(crate) fn needles(node: &Regexp) -> Needles {
    let found = find(node);
    let mut all = found.all;
    all.extend(found.exact.and_then(flush));
    join(all, Needles::All)
}

/// One spelled out text.
#[derive(Clone)]
struct Spelled {
    text: String,
    fold: bool,
}

/// What is known of a node: all it can match, or else conditions.
struct Found {
    exact: Option<Vec<Spelled>>,
    all: Vec<Needles>,
}

impl Found {
    fn unknown() -> Self {
        Self { exact: None, all: Vec::new() }
    }

    fn texts(texts: Vec<Spelled>) -> Self {
        Self { exact: Some(texts), all: Vec::new() }
    }

    fn empty() -> Self {
        Self::texts(vec![Spelled { text: String::new(), fold: false }])
    }
}

fn find(node: &Regexp) -> Found {
    match &node.kind {
        Kind::Literal(runes) if node.fold_case() && !runes.contains(&REPLACEMENT) => {
            let text: Option<String> = runes.iter().map(|&rune| char::from_u32(rune).map(fold_char)).collect();
            text.map_or_else(Found::unknown, |text| Found::texts(vec![Spelled { text, fold: true }]))
        }
        Kind::Literal(_) => match plain_text(node).and_then(|text| String::from_utf8(text).ok()) {
            Some(text) => Found::texts(vec![Spelled { text, fold: false }]),
            None => Found::unknown(),
        },
        Kind::Class(set) if set.len() <= 4 && !set.contains(REPLACEMENT) => {
            let chars = set.ranges().iter().flat_map(|&(lo, hi)| lo..=hi).filter_map(char::from_u32);
            Found::texts(chars.map(|c| Spelled { text: c.into(), fold: false }).collect())
        }
        Kind::Empty
        | Kind::BeginLine
        | Kind::EndLine
        | Kind::BeginText
        | Kind::EndText
        | Kind::WordBoundary
        | Kind::NoWordBoundary => Found::empty(),
        Kind::Capture { sub, .. } => find(sub),
        Kind::Plus(sub) | Kind::Repeat { min: 1.., sub, .. } => {
            let found = find(sub);
            let mut all = found.all;
            all.extend(found.exact.and_then(flush));
            Found { exact: None, all }
        }
        Kind::Quest(sub) => match find(sub).exact {
            Some(mut texts) if texts.len() < MAX_TEXTS => {
                texts.extend(Found::empty().exact.into_iter().flatten());
                Found::texts(texts)
            }
            _ => Found::unknown(),
        },
        Kind::Concat(subs) => concat(subs),
        Kind::Alternate(subs) => alternate(subs),
        _ => Found::unknown(),
    }
}

fn concat(subs: &[Regexp]) -> Found {
    let mut all = Vec::new();
    let mut run = Found::empty().exact.unwrap_or_default();
    let mut whole = true;
    for sub in subs {
        let mut found = find(sub);
        if let Some(texts) = &found.exact
            && let Some(longer) = product(&run, texts)
        {
            run = longer;
            continue;
        }
        whole = false;
        let next = found.exact.or(Found::empty().exact).unwrap_or_default();
        all.extend(flush(std::mem::replace(&mut run, next)));
        all.append(&mut found.all);
    }
    if whole {
        return Found::texts(run);
    }
    all.extend(flush(run));
    Found { exact: None, all }
}

fn alternate(subs: &[Regexp]) -> Found {
    let found: Vec<_> = subs.iter().map(find).collect();
    let texts: usize = found.iter().map(|found| found.exact.as_ref().map_or(MAX_TEXTS + 1, Vec::len)).sum();
    if texts <= MAX_TEXTS {
        return Found::texts(found.into_iter().filter_map(|found| found.exact).flatten().collect());
    }
    let branch = |found: Found| {
        let mut all = found.all;
        all.extend(found.exact.and_then(flush));
        join(all, Needles::All)
    };
    let branches: Vec<_> = found.into_iter().map(branch).collect();
    let known = !branches.contains(&Needles::Unknown);
    Found { exact: None, all: if known { vec![join(branches, Needles::Any)] } else { Vec::new() } }
}

/// Every text of `heads` followed by every text of `tails`, if they are few and short.
fn product(heads: &[Spelled], tails: &[Spelled]) -> Option<Vec<Spelled>> {
    if heads.len() * tails.len() > MAX_TEXTS {
        return None;
    }
    let mut texts = Vec::with_capacity(heads.len() * tails.len());
    for head in heads {
        for tail in tails {
            if head.text.len() + tail.text.len() > MAX_BYTES {
                return None;
            }
            texts.push(append(head, tail));
        }
    }
    Some(texts)
}

/// If case counts in one half only, it is ignored in both: a weaker condition, and still a true one.
fn append(head: &Spelled, tail: &Spelled) -> Spelled {
    let fold = (head.fold && !head.text.is_empty()) || (tail.fold && !tail.text.is_empty());
    let side = |side: &Spelled| {
        if fold && !side.fold { side.text.chars().map(fold_char).collect() } else { side.text.clone() }
    };
    Spelled { text: side(head) + &side(tail), fold }
}

/// The condition that one of `texts` is there; nothing if an empty one is among them.
fn flush(texts: Vec<Spelled>) -> Option<Needles> {
    if texts.is_empty() || texts.iter().any(|text| text.text.is_empty()) {
        return None;
    }
    let texts = texts.into_iter().map(|Spelled { text, fold }| Needles::Text { text, fold }).collect();
    Some(join(texts, Needles::Any))
}

fn join(mut parts: Vec<Needles>, kind: fn(Vec<Needles>) -> Needles) -> Needles {
    match parts.len() {
        0 => Needles::Unknown,
        1 => parts.swap_remove(0),
        _ => kind(parts),
    }
}

#[cfg(test)]
mod tests {
    use crate::GoRegex;

    use super::*;

    /// `a` is text, `a/i` without case, `(a b)` all, `(a|b)` any, `?` unknown.
    fn show(needles: &Needles) -> String {
        let list = |parts: &[Needles], by: &str| format!("({})", parts.iter().map(show).collect::<Vec<_>>().join(by));
        match needles {
            Needles::Unknown => "?".to_owned(),
            Needles::Text { text, fold } => format!("{text}{}", if *fold { "/i" } else { "" }),
            Needles::All(parts) => list(parts, " "),
            Needles::Any(parts) => list(parts, "|"),
        }
    }

    #[test]
    fn conditions() {
        for (pattern, shown) in [
            ("foo", "foo"),
            (".*foo.*", "foo"),
            ("foo.*bar", "(foo bar)"),
            ("foo|bar", "(foo|bar)"),
            ("foo(bar|baz)+x", "(foo (bar|baz) x)"),
            ("40[12]", "(401|402)"),
            ("(?i)Kelvin", "kelvin/i"),
            ("a(?i:B)c", "abc/i"),
            (r"^level=\w+$", "level="),
            ("(foo|ba+r).*x", "((foo|(b a r)) x)"),
            ("(foo|.*)x", "x"),
            ("colou?r", "(colour|color)"),
            ("[0-9]+", "?"),
            ("a|b.*|.", "?"),
            ("", "?"),
            (r"\x{FFFD}a", "?"),
        ] {
            assert_eq!(show(GoRegex::new(pattern).expect(pattern).needles()), shown, "{pattern}");
        }
    }

    #[test]
    fn representatives() {
        assert_eq!(
            ['K', 'k', '\u{212A}', 'ſ', 'Σ', 'ς', 'É', '1'].map(fold_char),
            ['k', 'k', 'k', 's', 'ς', 'ς', 'é', '1']
        );
    }
}
