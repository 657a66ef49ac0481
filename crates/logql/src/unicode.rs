//! Go's character classes, for the few characters outside ASCII that reach identifiers.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

/// Unicode category L.
pub(crate) fn is_letter(c: char) -> bool {
    static CLASS: OnceLock<ClassUnicode> = OnceLock::new();
    if c.is_ascii() { c.is_ascii_alphabetic() } else { contains(CLASS.get_or_init(|| class(r"\p{L}")), c) }
}

/// Unicode category Nd.
pub(crate) fn is_digit(c: char) -> bool {
    static CLASS: OnceLock<ClassUnicode> = OnceLock::new();
    if c.is_ascii() { c.is_ascii_digit() } else { contains(CLASS.get_or_init(|| class(r"\p{Nd}")), c) }
}

/// Unicode category N.
pub(crate) fn is_number(c: char) -> bool {
    static CLASS: OnceLock<ClassUnicode> = OnceLock::new();
    if c.is_ascii() { c.is_ascii_digit() } else { contains(CLASS.get_or_init(|| class(r"\p{N}")), c) }
}

/// Lower case by the simple mapping: one character for one.
pub(crate) fn lower(text: &str) -> String {
    text.chars().map(|c| c.to_lowercase().next().unwrap_or(c)).collect()
}

fn class(pattern: &str) -> ClassUnicode {
    let hir = regex_syntax::parse(pattern).expect("a category that Unicode has");
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => class,
        other => unreachable!("a category is a class of characters, not {other:?}"),
    }
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    let ranges = class.ranges();
    let at = ranges.partition_point(|range| range.end() < c);
    ranges.get(at).is_some_and(|range| range.start() <= c)
}
