//! `(?...`: flags, groups without a number, and groups with a name.

use super::parser::{Fault, Parser, consumed, next_rune};
use super::tree::Flags;
use crate::error::ErrorCode;

/// Reads what begins with `(?` up to and including its `:`, `)` or `>`; returns what follows.
pub(super) fn group<'p>(parser: &mut Parser, text: &'p [u8], whole: &'p [u8]) -> Result<&'p [u8], Fault<'p>> {
    if text.len() > 4 && text[2..].starts_with(b"P<") {
        return named(parser, text, 4, whole);
    }
    if text.len() > 3 && text[2] == b'<' {
        return named(parser, text, 3, whole);
    }
    let mut rest = &text[2..];
    let mut flags = parser.flags;
    let (mut negative, mut seen) = (false, false);
    while !rest.is_empty() {
        let (rune, tail) = next_rune(rest)?;
        rest = tail;
        match u8::try_from(rune).unwrap_or(0) {
            b'i' => flags = flags | Flags::FOLD_CASE,
            // (?m) takes a flag away where the others add one.
            b'm' => flags = flags.without(Flags::ONE_LINE),
            b's' => flags = flags | Flags::DOT_NL,
            b'U' => flags = flags | Flags::NON_GREEDY,
            b'-' if !negative => {
                // What follows sets flags in the complement, so that it clears them in the end.
                negative = true;
                flags = !flags;
                seen = false;
                continue;
            }
            end @ (b':' | b')') if !negative || seen => {
                if negative {
                    flags = !flags;
                }
                if end == b':' {
                    parser.open(None).map_err(|code| (code, whole))?;
                }
                parser.flags = flags;
                return Ok(rest);
            }
            _ => break,
        }
        seen = true;
    }
    Err((ErrorCode::InvalidPerlOp, consumed(text, rest)))
}

/// `(?P<name>` or `(?<name>`; the name begins at `start`.
fn named<'p>(
    parser: &mut Parser,
    text: &'p [u8],
    start: usize,
    whole: &'p [u8],
) -> Result<&'p [u8], Fault<'p>> {
    let Some(end) = memchr::memchr(b'>', text) else {
        check_utf8(text)?;
        return Err((ErrorCode::InvalidNamedCapture, text));
    };
    let name = &text[start..end];
    check_utf8(name)?;
    let valid = !name.is_empty() && name.iter().all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric());
    match std::str::from_utf8(name) {
        Ok(name) if valid => parser.open_group(Some(name)).map_err(|code| (code, whole))?,
        _ => return Err((ErrorCode::InvalidNamedCapture, &text[..=end])),
    }
    Ok(&text[end + 1..])
}

/// Refuses text that is not UTF-8, naming it from the first stray byte on.
pub(super) fn check_utf8(text: &[u8]) -> Result<(), Fault<'_>> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => Err((ErrorCode::InvalidUtf8, &text[error.valid_up_to()..])),
    }
}
