//! "Is there a match?", by the cheapest means that answers it.

use memchr::memmem::Finder;
use regex_automata::meta;

use crate::engine::{self, MAX_AUTOMATON_BYTES};
use crate::error::RegexError;
use crate::syntax::{Kind, Regexp};
use crate::utf8::{REPLACEMENT, Repaired};

/// How a trimmed tree is looked for.
#[derive(Debug)]
pub(crate) enum Probe {
    /// Every text matches.
    Always,
    /// The text holds these bytes.
    Contains(Box<Finder<'static>>),
    /// The text is these bytes.
    Equals(Box<[u8]>),
    /// The text begins with these bytes.
    Prefix(Box<[u8]>),
    /// The text ends with these bytes.
    Suffix(Box<[u8]>),
    /// An automaton has to run.
    Automaton {
        regex: meta::Regex,
        /// Whether a text that is not UTF-8 may match only once it is repaired.
        repair: bool,
    },
}

impl Probe {
    pub(crate) fn new(trimmed: &Regexp, pattern: &str) -> Result<Self, RegexError> {
        let plan = match &trimmed.kind {
            Kind::Empty => Some(Probe::Always),
            Kind::Literal(_) => {
                plain_text(trimmed).map(|text| Probe::Contains(Box::new(Finder::new(&text).into_owned())))
            }
            Kind::Concat(parts) => match parts.as_slice() {
                [first, last] if first.kind == Kind::BeginText && last.kind == Kind::EndText => {
                    Some(Probe::Equals(Box::default()))
                }
                [first, text, last] if first.kind == Kind::BeginText && last.kind == Kind::EndText => {
                    plain_text(text).map(|text| Probe::Equals(text.into()))
                }
                [first, text] if first.kind == Kind::BeginText => {
                    plain_text(text).map(|text| Probe::Prefix(text.into()))
                }
                [text, last] if last.kind == Kind::EndText => plain_text(text).map(|text| Probe::Suffix(text.into())),
                _ => None,
            },
            _ => None,
        };
        match plan {
            Some(plan) => Ok(plan),
            None => Ok(Probe::Automaton {
                regex: engine::build(trimmed, false, Some(MAX_AUTOMATON_BYTES), pattern)?,
                repair: needs_utf8(trimmed),
            }),
        }
    }

    pub(crate) fn is_match(&self, hay: &[u8]) -> bool {
        match self {
            Probe::Always => true,
            Probe::Contains(finder) => finder.find(hay).is_some(),
            Probe::Equals(text) => hay == &**text,
            Probe::Prefix(text) => hay.starts_with(text),
            Probe::Suffix(text) => hay.ends_with(text),
            // What matches the bytes matches the runes: it begins where a rune begins and holds whole runes. The other
            // way round a stray byte may stand for U+FFFD.
            Probe::Automaton { regex, repair } => {
                regex.is_match(hay)
                    || (*repair && Repaired::new(hay).is_some_and(|repaired| regex.is_match(repaired.text())))
            }
        }
    }
}

/// The bytes of a literal that is found by comparing bytes: no case folding, no U+FFFD (a stray byte is one too).
pub(crate) fn plain_text(node: &Regexp) -> Option<Vec<u8>> {
    match &node.kind {
        Kind::Literal(runes) if !node.fold_case() && !runes.contains(&REPLACEMENT) => {
            let text: Option<String> = runes.iter().map(|&rune| char::from_u32(rune)).collect();
            text.map(String::into_bytes)
        }
        _ => None,
    }
}

/// Whether the tree can only be matched as Go does on a text that is UTF-8: it takes U+FFFD somewhere, or it may match
/// nothing, and that nothing must not lie inside a rune.
pub(crate) fn needs_utf8(node: &Regexp) -> bool {
    takes_replacement(node) || may_be_empty(node)
}

/// Whether U+FFFD, and so a stray byte, can be part of a match.
pub(crate) fn takes_replacement(node: &Regexp) -> bool {
    match &node.kind {
        Kind::Literal(runes) => runes.contains(&REPLACEMENT),
        Kind::Class(set) => set.contains(REPLACEMENT),
        Kind::AnyChar | Kind::AnyCharNotNl => true,
        _ => node.subs().iter().any(takes_replacement),
    }
}

fn may_be_empty(node: &Regexp) -> bool {
    match &node.kind {
        Kind::Literal(_) | Kind::Class(_) | Kind::AnyChar | Kind::AnyCharNotNl | Kind::NoMatch => false,
        Kind::Capture { sub, .. } | Kind::Plus(sub) => may_be_empty(sub),
        Kind::Repeat { min, sub, .. } => *min == 0 || may_be_empty(sub),
        Kind::Concat(subs) => subs.iter().all(may_be_empty),
        Kind::Alternate(subs) => subs.iter().any(may_be_empty),
        _ => true,
    }
}
