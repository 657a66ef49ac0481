//! Stages that make labels out of the line (specification 4.6), and what they share.

pub(super) mod json;
pub(crate) mod json_names;
pub(super) mod json_path;
mod json_scan;
pub(super) mod logfmt;
pub(super) mod logfmt_fields;
mod logfmt_scan;
pub(super) mod pattern;
pub(super) mod regexp;
pub(super) mod unpack;

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::label_filter::LabelFilter;
use super::labels::{LineLabels, NameId, PRESERVE_ERROR};

const JSON_ERROR: &str = "JSONParserErr";
const LOGFMT_ERROR: &str = "LogfmtParserErr";

/// Keys remembered before a cache starts over.
const MAX_KEYS: usize = 8192;

/// Bytes of keys remembered before a cache starts over.
const MAX_KEY_BYTES: usize = 1 << 20;

/// A filter on a label just written rejects the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rejected;

/// Writes a parsed label if it is wanted and not there yet, under its suffixed name if the name is taken. `value` is
/// asked only then. A label filter on that name is applied at once.
fn offer(
    labels: &mut LineLabels,
    early: &[LabelFilter],
    name: NameId,
    value: impl FnOnce(&mut Vec<u8>),
    scratch: &mut Vec<u8>,
) -> Result<(), Rejected> {
    let name = labels.name_for_parsed(name);
    if !labels.wants(name) || labels.was_written(name) {
        return Ok(());
    }
    scratch.clear();
    value(scratch);
    labels.set_parsed(name, scratch);
    passes(labels, early, name)
}

/// Runs the early filter of a label just written.
fn passes(labels: &mut LineLabels, early: &[LabelFilter], name: NameId) -> Result<(), Rejected> {
    let filter = labels.info(name).early_filter.and_then(|at| early.get(at));
    match filter {
        Some(filter) if !filter.keeps(labels) => Err(Rejected),
        _ => Ok(()),
    }
}

/// Sets a parser's error; without details those of an earlier error stay.
fn parser_error(labels: &mut LineLabels, error: &str, details: Option<&str>) {
    match details {
        Some(details) => labels.set_error(error, details),
        None => labels.set_error_only(error),
    }
    if labels.hints().preserve_error {
        let name = labels.name(PRESERVE_ERROR);
        labels.set_parsed(name, b"true");
    }
}

/// Makes a label name of a key: blanks around it go, a digit in front gets a `_`, whatever is no letter, digit or `_`
/// becomes one. `None` if nothing is left.
fn sanitize(key: &[u8], at_start: bool) -> Option<String> {
    let text = String::from_utf8_lossy(key);
    let text = text.trim_matches(is_go_space);
    if text.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len() + 1);
    if at_start && text.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    Some(out)
}

/// Go's `unicode.IsSpace`.
fn is_go_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// Appends `value` with U+FFFD and bytes that are no UTF-8 as blanks.
fn push_clean(out: &mut Vec<u8>, value: &[u8]) {
    for part in value.utf8_chunks() {
        let mut valid = part.valid();
        while let Some(at) = valid.find('\u{fffd}') {
            out.extend_from_slice(&valid.as_bytes()[..at]);
            out.push(b' ');
            valid = &valid[at + '\u{fffd}'.len_utf8()..];
        }
        out.extend_from_slice(valid.as_bytes());
        out.extend(part.invalid().iter().map(|_| b' '));
    }
}

/// Whether `value` holds U+FFFD or bytes that are no UTF-8: what Go sees as U+FFFD.
fn has_replacement(value: &[u8]) -> bool {
    !value.is_ascii() && std::str::from_utf8(value).map_or(true, |text| text.contains('\u{fffd}'))
}

/// Whether two slices are equal, without a call. Of empty ones some processors make a slow business: `memcmp` loads
/// masked from where an empty slice points to, which is nowhere.
#[inline(always)]
pub(in crate::pipeline) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_end), Some(b_end)) => {
            let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
            a_end == b_end && words.into_iter().all(|(a, b)| a == b)
        }
        _ => match (a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Some(a_start), Some(b_start)) => a_start == b_start && a.last_chunk::<4>() == b.last_chunk::<4>(),
            _ => a.iter().zip(b).all(|(a, b)| a == b),
        },
    }
}

/// Names made of keys seen before. Lines of a stream mostly have the same keys in the same order, so the key that came
/// at this place last time is tried first.
#[derive(Clone, Debug, Default)]
struct Keys {
    generation: u64,
    known: Vec<KnownKey>,
    by_key: HashMap<Box<[u8]>, usize, FixedState>,
    bytes: usize,
    /// Which key came at each place of the last line.
    order: Vec<usize>,
    at: usize,
    /// Whether the key at hand is the one that came here last time, as [`Keys::expected`] found.
    is_expected: bool,
}

#[derive(Clone, Debug)]
struct KnownKey {
    key: Box<[u8]>,
    /// None: nothing is made of it.
    name: Option<NameId>,
    /// It can be told from the line's own bytes: no quote or backslash in it.
    is_plain: bool,
}

impl Keys {
    /// Begins a line.
    fn start(&mut self, labels: &LineLabels) {
        self.at = 0;
        self.is_expected = false;
        if self.generation != labels.generation() || self.known.len() > MAX_KEYS || self.bytes > MAX_KEY_BYTES {
            self.generation = labels.generation();
            self.known.clear();
            self.by_key.clear();
            self.order.clear();
            self.bytes = 0;
        }
    }

    /// The next key is to be looked up.
    #[inline]
    fn expect_nothing(&mut self) {
        self.is_expected = false;
    }

    /// The length of the key that came at this place last time, if `rest` starts with it and a quote ends it.
    #[inline]
    fn expected(&mut self, rest: &[u8]) -> Option<usize> {
        self.expect_nothing();
        let known = &self.known[*self.order.get(self.at)?];
        let len = known.key.len();
        let found = known.is_plain && rest.get(len) == Some(&b'"') && equal(&rest[..len], &known.key);
        self.is_expected = found;
        found.then_some(len)
    }

    /// As [`Keys::name`], and none for a name that nobody wants.
    #[inline]
    fn wanted_name(
        &mut self,
        labels: &mut LineLabels,
        key: &[u8],
        make: impl FnOnce() -> Option<String>,
    ) -> Option<NameId> {
        // Who wants it under its suffix wants it as it is too.
        self.find(labels, key, |labels| make().filter(|name| labels.hints().wants(name)))
    }

    /// The name of `key`; `make` makes it the first time.
    #[inline]
    fn name(&mut self, labels: &mut LineLabels, key: &[u8], make: impl FnOnce() -> Option<String>) -> Option<NameId> {
        self.find(labels, key, |_| make())
    }

    #[inline]
    fn find(
        &mut self,
        labels: &mut LineLabels,
        key: &[u8],
        make: impl FnOnce(&LineLabels) -> Option<String>,
    ) -> Option<NameId> {
        let at = self.at;
        self.at += 1;
        if let Some(&last) = self.order.get(at)
            && (std::mem::take(&mut self.is_expected) || equal(&self.known[last].key, key))
        {
            return self.known[last].name;
        }
        let found = match self.by_key.get(key) {
            Some(&found) => found,
            None => {
                let name = make(labels).map(|text| labels.name(&text));
                let is_plain = memchr::memchr2(b'"', b'\\', key).is_none();
                self.known.push(KnownKey { key: key.into(), name, is_plain });
                self.by_key.insert(key.into(), self.known.len() - 1);
                self.bytes += 2 * key.len() + 64;
                self.known.len() - 1
            }
        };
        if at < self.order.len() {
            self.order[at] = found;
        } else if at == self.order.len() && at < MAX_KEYS {
            self.order.push(found);
        }
        self.known[found].name
    }
}

#[cfg(test)]
pub(super) mod testing {
    //! A line with labels for tests of parsers.

    use loptr_logql::ast::{Extraction, Span};
    use loptr_model::Labels;

    use super::*;
    use crate::pipeline::hints::Hints;

    /// Names of labels and the expressions they come from.
    pub(crate) fn extractions(fields: &[(&str, &str)]) -> Vec<Extraction> {
        let extraction = |&(name, expression): &(&str, &str)| Extraction {
            name: name.into(),
            expression: expression.into(),
            span: Span::default(),
        };
        fields.iter().map(extraction).collect()
    }

    pub(crate) fn labels(stream: &[(&str, &str)], hints: &Hints) -> LineLabels {
        let mut labels = LineLabels::new(&Labels::from_pairs(stream.iter().copied()), &[], hints);
        labels.start();
        labels
    }

    /// The parsed labels as text.
    pub(crate) fn parsed(labels: &mut LineLabels) -> String {
        let id = labels.result();
        labels.labels(id).parsed.to_string()
    }

    #[test]
    fn short_slices_are_compared_whole() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..40 {
            assert!(equal(&text[..len], &text.clone()[..len]) && !equal(&text[..len], &text[..len + 1]));
            for at in 0..len {
                let mut other = text[..len].to_vec();
                other[at] ^= 1;
                assert!(!equal(&text[..len], &other), "{len} {at}");
            }
        }
    }

    #[test]
    fn keys_become_names() {
        let name = |key: &str| sanitize(key.as_bytes(), true);
        assert_eq!(name(" a.b-é\u{1f600} ").as_deref(), Some("a_b___"));
        assert_eq!((name("1x").as_deref(), name(" \t"), name("")), (Some("_1x"), None, None));
        assert_eq!(sanitize(b"a\xff", true).as_deref(), Some("a_"));
    }

    #[test]
    fn broken_text_becomes_blanks() {
        let mut out = Vec::new();
        push_clean(&mut out, "a\u{fffd}b".as_bytes());
        push_clean(&mut out, b"c\xff\xfed");
        assert_eq!(out, b"a bc  d");
        assert!(has_replacement(b"\xff") && has_replacement("\u{fffd}".as_bytes()) && !has_replacement("é".as_bytes()));
    }
}
