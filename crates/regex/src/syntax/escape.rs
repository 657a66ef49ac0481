//! Escapes that stand for one rune, and the counts of `{n,m}`.

use super::parser::{Fault, consumed, next_rune};
use crate::error::ErrorCode;
use crate::unicode::MAX_RUNE;

/// Reads the escape at the start of `text`, which begins with a backslash.
pub(super) fn escape(text: &[u8]) -> Result<(u32, &[u8]), Fault<'_>> {
    if text.len() < 2 {
        return Err((ErrorCode::TrailingBackslash, b""));
    }
    let (rune, rest) = next_rune(&text[1..])?;
    let Some(letter) = u8::try_from(rune).ok().filter(u8::is_ascii) else {
        return Err((ErrorCode::InvalidEscape, consumed(text, rest)));
    };
    let octal = |rest: &[u8]| rest.first().is_some_and(|digit| (b'0'..=b'7').contains(digit));
    match letter {
        // One digit that is not zero would be a back-reference.
        b'0' => Ok(octal_digits(rune - u32::from(b'0'), rest)),
        b'1'..=b'7' if octal(rest) => Ok(octal_digits(rune - u32::from(b'0'), rest)),
        b'x' => hex(text, rest),
        b'a' => Ok((0x07, rest)),
        b'f' => Ok((0x0C, rest)),
        b'n' => Ok((0x0A, rest)),
        b'r' => Ok((0x0D, rest)),
        b't' => Ok((0x09, rest)),
        b'v' => Ok((0x0B, rest)),
        _ if !letter.is_ascii_alphanumeric() => Ok((rune, rest)),
        _ => Err((ErrorCode::InvalidEscape, consumed(text, rest))),
    }
}

/// Up to two more octal digits.
fn octal_digits(first: u32, mut rest: &[u8]) -> (u32, &[u8]) {
    let mut value = first;
    for _ in 0..2 {
        let Some((digit @ b'0'..=b'7', tail)) = rest.split_first() else { break };
        value = value * 8 + u32::from(digit - b'0');
        rest = tail;
    }
    (value, rest)
}

/// `\x` is read: two hexadecimal digits, or any number of them in braces.
fn hex<'p>(text: &'p [u8], rest: &'p [u8]) -> Result<(u32, &'p [u8]), Fault<'p>> {
    let invalid = |rest: &[u8]| (ErrorCode::InvalidEscape, consumed(text, rest));
    if rest.is_empty() {
        return Err(invalid(rest));
    }
    let (first, mut rest) = next_rune(rest)?;
    if first != u32::from(b'{') {
        let (second, rest) = next_rune(rest)?;
        let value = digit(first).zip(digit(second)).map(|(high, low)| high * 16 + low);
        return value.map(|value| (value, rest)).ok_or_else(|| invalid(rest));
    }
    let (mut value, mut digits) = (0u32, 0usize);
    loop {
        if rest.is_empty() {
            return Err(invalid(rest));
        }
        let (rune, tail) = next_rune(rest)?;
        rest = tail;
        if rune == u32::from(b'}') {
            break;
        }
        // Below MAX_RUNE before each step, so times 16 does not overflow.
        value = digit(rune).map(|digit| value * 16 + digit).filter(|&v| v <= MAX_RUNE).ok_or_else(|| invalid(rest))?;
        digits += 1;
    }
    if digits == 0 { Err(invalid(rest)) } else { Ok((value, rest)) }
}

fn digit(rune: u32) -> Option<u32> {
    char::from_u32(rune).and_then(|c| c.to_digit(16))
}

/// The counts between the braces, `None` where a number is absurd.
type Counts = Option<(u32, Option<u32>)>;

/// Reads `{n}`, `{n,}` or `{n,m}` at the start of `text`. Anything else is not a repetition, and `{` is a character.
pub(super) fn repeat_counts(text: &[u8]) -> Option<(Counts, &[u8])> {
    let (min, rest) = number(text.get(1..)?)?;
    let (max, rest) = match rest.strip_prefix(b",") {
        None => (min.map(Some), rest),
        Some(rest) if rest.first() == Some(&b'}') => (Some(None), rest),
        Some(rest) => number(rest).map(|(max, rest)| (max.map(Some), rest))?,
    };
    Some((min.zip(max), rest.strip_prefix(b"}")?))
}

/// A decimal number without leading zeros; `None` inside if it is too large to be meant.
fn number(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || (digits > 1 && text[0] == b'0') {
        return None;
    }
    let value = std::str::from_utf8(&text[..digits]).ok().and_then(|digits| digits.parse().ok());
    Some((value, &text[digits..]))
}
