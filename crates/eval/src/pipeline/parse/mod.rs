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

/// Names made of keys seen before. Lines of a stream mostly have the same keys in the same order, so the key that came
/// at this place last time is tried first.
#[derive(Clone, Debug, Default)]
struct Keys {
    generation: u64,
    known: Vec<(Box<[u8]>, Option<NameId>)>,
    by_key: HashMap<Box<[u8]>, usize, FixedState>,
    bytes: usize,
    /// Which key came at each place of the last line.
    order: Vec<usize>,
    at: usize,
}

impl Keys {
    /// Begins a line.
    fn start(&mut self, labels: &LineLabels) {
        self.at = 0;
        if self.generation != labels.generation() || self.known.len() > MAX_KEYS || self.bytes > MAX_KEY_BYTES {
            self.generation = labels.generation();
            self.known.clear();
            self.by_key.clear();
            self.order.clear();
            self.bytes = 0;
        }
    }

    /// The name of `key`; `make` makes it the first time.
    #[inline]
    fn name(&mut self, labels: &mut LineLabels, key: &[u8], make: impl FnOnce() -> Option<String>) -> Option<NameId> {
        let at = self.at;
        self.at += 1;
        if let Some(&last) = self.order.get(at)
            && *self.known[last].0 == *key
        {
            return self.known[last].1;
        }
        let found = match self.by_key.get(key) {
            Some(&found) => found,
            None => {
                let name = make().map(|text| labels.name(&text));
                self.known.push((key.into(), name));
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
        self.known[found].1
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
