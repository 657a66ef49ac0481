//! Character classes: `[...]`, `\d` and its kin, `[:alpha:]` and its kin, `\p{...}`.

use super::escape;
use super::parser::{Fault, consumed, next_rune};
use super::perl::check_utf8;
use super::set::ClassSet;
use super::tree::Flags;
use crate::error::ErrorCode;
use crate::unicode;

type Ranges = &'static [(u32, u32)];

const DIGIT: Ranges = &[(0x30, 0x39)];
const SPACE: Ranges = &[(0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)];
const WORD: Ranges = &[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)];

/// `[:name:]` without the colons. All are ASCII; `space`, unlike `\s`, has the vertical tab.
const POSIX: &[(&str, Ranges)] = &[
    ("alnum", &[(0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A)]),
    ("alpha", &[(0x41, 0x5A), (0x61, 0x7A)]),
    ("ascii", &[(0x00, 0x7F)]),
    ("blank", &[(0x09, 0x09), (0x20, 0x20)]),
    ("cntrl", &[(0x00, 0x1F), (0x7F, 0x7F)]),
    ("digit", DIGIT),
    ("graph", &[(0x21, 0x7E)]),
    ("lower", &[(0x61, 0x7A)]),
    ("print", &[(0x20, 0x7E)]),
    ("punct", &[(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)]),
    ("space", &[(0x09, 0x0D), (0x20, 0x20)]),
    ("upper", &[(0x41, 0x5A)]),
    ("word", WORD),
    ("xdigit", &[(0x30, 0x39), (0x41, 0x46), (0x61, 0x66)]),
];

/// Adds a named set to `set`: case folded first under `(?i)`, then negated if asked.
fn add(set: &mut ClassSet, mut named: ClassSet, negate: bool, flags: Flags) {
    if flags.contains(Flags::FOLD_CASE) {
        named = named.folded();
    }
    if negate {
        named.negate();
    }
    set.union(&named);
}

/// Reads the bracket expression at the start of `text`; returns its set and what follows.
pub(super) fn bracket(text: &[u8], flags: Flags) -> Result<(ClassSet, &[u8]), Fault<'_>> {
    let mut rest = &text[1..];
    let negate = rest.first() == Some(&b'^');
    if negate {
        rest = &rest[1..];
    }
    let mut set = ClassSet::default();
    let mut first = true; // a leading `]` is a character
    while first || rest.first() != Some(&b']') {
        first = false;
        if let Some(tail) = posix(rest, flags, &mut set)? {
            rest = tail;
            continue;
        }
        if let Some(tail) = escape(rest, flags, &mut set)? {
            rest = tail;
            continue;
        }
        let range = rest;
        let (lo, tail) = rune(rest, text)?;
        rest = tail;
        let mut hi = lo;
        if rest.len() >= 2 && rest[0] == b'-' && rest[1] != b']' {
            (hi, rest) = rune(&rest[1..], text)?;
            if hi < lo {
                return Err((ErrorCode::InvalidCharRange, consumed(range, rest)));
            }
        }
        if flags.contains(Flags::FOLD_CASE) { set.push_folded(lo, hi) } else { set.push(lo, hi) }
    }
    set.canonicalize();
    if negate {
        set.negate();
    }
    Ok((set, &rest[1..]))
}

/// One character of a bracket expression that begins at `whole`.
fn rune<'p>(text: &'p [u8], whole: &'p [u8]) -> Result<(u32, &'p [u8]), Fault<'p>> {
    match text.first() {
        None => Err((ErrorCode::MissingBracket, whole)),
        Some(b'\\') => escape::escape(text),
        Some(_) => next_rune(text),
    }
}

/// Reads `[:name:]` or `[:^name:]`, if `text` begins with one.
fn posix<'p>(text: &'p [u8], flags: Flags, set: &mut ClassSet) -> Result<Option<&'p [u8]>, Fault<'p>> {
    if text.len() <= 2 || !text.starts_with(b"[:") {
        return Ok(None);
    }
    let Some(len) = memchr::memmem::find(&text[2..], b":]") else { return Ok(None) };
    let (whole, rest) = text.split_at(len + 4);
    let inner = &text[2..2 + len];
    let (name, negate) = match inner.strip_prefix(b"^") {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let Some((_, ranges)) = POSIX.iter().find(|(known, _)| known.as_bytes() == name) else {
        return Err((ErrorCode::InvalidCharRange, whole));
    };
    add(set, ClassSet::new(ranges.iter().copied()), negate, flags);
    Ok(Some(rest))
}

/// Reads `\d`, `\p{...}` and the like, if `text` begins with one.
pub(super) fn escape<'p>(text: &'p [u8], flags: Flags, set: &mut ClassSet) -> Result<Option<&'p [u8]>, Fault<'p>> {
    let [b'\\', letter, rest @ ..] = text else { return Ok(None) };
    let ranges = match letter {
        b'p' | b'P' => return unicode_class(text, *letter == b'P', flags, set).map(Some),
        b'd' | b'D' => DIGIT,
        b's' | b'S' => SPACE,
        b'w' | b'W' => WORD,
        _ => return Ok(None),
    };
    add(set, ClassSet::new(ranges.iter().copied()), letter.is_ascii_uppercase(), flags);
    Ok(Some(rest))
}

/// Reads `\pN`, `\p{Name}`, `\p{^Name}` or the same with `\P`; `text` begins with one of them or is wrong.
fn unicode_class<'p>(
    text: &'p [u8],
    mut negate: bool,
    flags: Flags,
    set: &mut ClassSet,
) -> Result<&'p [u8], Fault<'p>> {
    let (rune, mut rest) = next_rune(&text[2..])?;
    let (whole, mut name);
    if rune == u32::from(b'{') {
        let Some(end) = memchr::memchr(b'}', text) else {
            check_utf8(text)?;
            return Err((ErrorCode::InvalidCharRange, text));
        };
        (whole, rest) = text.split_at(end + 1);
        name = &text[3..end];
        check_utf8(name)?;
    } else {
        whole = consumed(text, rest);
        name = &whole[2..];
    }
    if let Some(tail) = name.strip_prefix(b"^") {
        negate = !negate;
        name = tail;
    }
    let named = std::str::from_utf8(name).ok().and_then(unicode::lookup);
    add(set, named.ok_or((ErrorCode::InvalidCharRange, whole))?, negate, flags);
    Ok(rest)
}
