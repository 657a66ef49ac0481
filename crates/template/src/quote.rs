//! Go string literals: quoting as `strconv.Quote` does, and back.

use crate::unicode::{self, RUNE_ERROR, is_print};

/// Appends `text` in double quotes. `ascii`: everything beyond ASCII is escaped too.
pub(crate) fn quote_into(out: &mut Vec<u8>, text: &[u8], ascii: bool) {
    out.push(b'"');
    for (at, c, width) in unicode::runes(text) {
        if c == RUNE_ERROR && width == 1 {
            out.extend_from_slice(format!("\\x{:02x}", text[at]).as_bytes());
        } else {
            escape(out, c, '"', ascii);
        }
    }
    out.push(b'"');
}

/// `text` in double quotes.
pub(crate) fn quote(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote_into(&mut out, text, false);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends `c` in single quotes.
pub(crate) fn quote_rune_into(out: &mut Vec<u8>, c: char, ascii: bool) {
    out.push(b'\'');
    escape(out, c, '\'', ascii);
    out.push(b'\'');
}

fn escape(out: &mut Vec<u8>, c: char, quote: char, ascii: bool) {
    let short = match c {
        c if c == quote || c == '\\' => u8::try_from(c).ok(),
        c if is_print(c) && (!ascii || c.is_ascii()) => return unicode::push(out, c),
        '\x07' => Some(b'a'),
        '\x08' => Some(b'b'),
        '\x0c' => Some(b'f'),
        '\n' => Some(b'n'),
        '\r' => Some(b'r'),
        '\t' => Some(b't'),
        '\x0b' => Some(b'v'),
        _ => None,
    };
    match (short, u32::from(c)) {
        (Some(letter), _) => out.extend_from_slice(&[b'\\', letter]),
        (None, c @ (0..0x20 | 0x7f)) => out.extend_from_slice(format!("\\x{c:02x}").as_bytes()),
        (None, c @ 0..0x10000) => out.extend_from_slice(format!("\\u{c:04x}").as_bytes()),
        (None, c) => out.extend_from_slice(format!("\\U{c:08x}").as_bytes()),
    }
}

/// Whether `text` can stand in backquotes.
pub(crate) fn can_backquote(text: &[u8]) -> bool {
    unicode::runes(text).all(|(_, c, width)| match c {
        '\u{feff}' | '`' | '\x7f' => false,
        RUNE_ERROR => width > 1,
        c => c >= ' ' || c == '\t',
    })
}

/// What a quoted Go string stands for; `None` if it is not well formed. The quotes are part of `literal`.
pub(crate) fn unquote(literal: &str) -> Option<Vec<u8>> {
    let bytes = literal.as_bytes();
    let inner = bytes.get(1..bytes.len().checked_sub(1)?)?;
    match (bytes.first()?, bytes.last()?) {
        (b'`', b'`') if !inner.contains(&b'`') => Some(inner.iter().copied().filter(|&b| b != b'\r').collect()),
        (b'"', b'"') => {
            let mut out = Vec::with_capacity(inner.len());
            let mut rest = &literal[1..literal.len() - 1];
            while !rest.is_empty() {
                if rest.starts_with('\n') {
                    return None;
                }
                let (unit, tail) = unquote_char(rest, '"')?;
                match unit {
                    Unit::Byte(byte) => out.push(byte),
                    Unit::Rune(c) => unicode::push(&mut out, c),
                }
                rest = tail;
            }
            Some(out)
        }
        _ => None,
    }
}

/// One character of a literal.
pub(crate) enum Unit {
    /// `\xff` and `\377`.
    Byte(u8),
    /// Everything else.
    Rune(char),
}

impl Unit {
    /// The number it stands for as a character constant.
    pub(crate) fn code(&self) -> i64 {
        match *self {
            Unit::Byte(byte) => i64::from(byte),
            Unit::Rune(c) => i64::from(u32::from(c)),
        }
    }
}

/// The first character of `text`, inside quotes of the kind `quote`, and what follows.
pub(crate) fn unquote_char(text: &str, quote: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == quote {
        return None;
    }
    if c != '\\' {
        return Some((Unit::Rune(c), chars.as_str()));
    }
    let c = chars.next()?;
    let rest = chars.as_str();
    let unit = match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        '\'' | '"' if c == quote => c,
        'x' | 'u' | 'U' => {
            let digits = match c {
                'x' => 2,
                'u' => 4,
                _ => 8,
            };
            let (value, rest) = (radix(rest.get(..digits)?, 16)?, &rest[digits..]);
            let unit =
                if c == 'x' { Unit::Byte(u8::try_from(value).ok()?) } else { Unit::Rune(char::from_u32(value)?) };
            return Some((unit, rest));
        }
        '0'..='7' => {
            let at = text.len() - rest.len() - 1;
            let value = radix(text.get(at..at + 3)?, 8)?;
            return Some((Unit::Byte(u8::try_from(value).ok()?), &rest[2..]));
        }
        _ => return None,
    };
    Some((Unit::Rune(unit), rest))
}

/// Digits and nothing else: no sign, as `from_str_radix` would take.
fn radix(digits: &str, radix: u32) -> Option<u32> {
    digits.chars().try_fold(0_u32, |value, c| value.checked_mul(radix)?.checked_add(c.to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(quote(b"a\"b\\\n\x00\x7f\xff"), r#""a\"b\\\n\x00\x7f\xff""#);
        assert_eq!(quote("é\u{a0}\u{200b}e\u{301}\u{e0001}".as_bytes()), "\"é\\u00a0\\u200be\u{301}\\U000e0001\"");
        let mut out = Vec::new();
        quote_into(&mut out, "é😀".as_bytes(), true);
        assert_eq!(out, br#""\u00e9\U0001f600""#);
        assert!(can_backquote(b"a\tb") && !can_backquote(b"a\nb") && !can_backquote(b"\xff"));
    }

    #[test]
    fn unquotes() {
        assert_eq!(unquote(r#""a\x41\101é\"""#).as_deref(), Some("aAAé\"".as_bytes()));
        assert_eq!(unquote("\"\\xff\\u00ff\"").as_deref(), Some(&b"\xff\xc3\xbf"[..]));
        assert_eq!(unquote("`a\r\\n`").as_deref(), Some(&b"a\\n"[..]));
        for bad in [r#""\q""#, r#""\'""#, r#""\400""#, r#""\u12""#, "\"\\ud800\"", "\"", r#""\x+1""#, "\"\\é\""] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }
}
