//! Text as Go's `strconv.Quote` prints it: label sets, error texts and canonical queries need its exact form.

use std::fmt::Write;

/// Quotes `text` with double quotes and Go's escapes.
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push_char(&mut out, c);
    }
    out.push('"');
    out
}

/// As [`go_quote`], for bytes that need not be UTF-8: an invalid byte becomes `\xhh`.
pub fn go_quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            push_char(&mut out, c);
        }
        for byte in part.invalid() {
            write!(out, "\\x{byte:02x}").expect("writing to a String cannot fail");
        }
    }
    out.push('"');
    out
}

fn push_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if (c as u32) < 0x20 || c == '\x7f' => {
            write!(out, "\\x{:02x}", c as u32).expect("writing to a String cannot fail");
        }
        c if is_print(c) => out.push(c),
        c if (c as u32) < 0x10000 => {
            write!(out, "\\u{:04x}", c as u32).expect("writing to a String cannot fail");
        }
        c => write!(out, "\\U{:08x}", c as u32).expect("writing to a String cannot fail"),
    }
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space. Rust's own debug
/// escaping keeps the same classes but for combining marks at the start of a grapheme, which it escapes.
fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    if c.is_alphanumeric() {
        return true;
    }
    if c.is_whitespace() || c == '\u{ad}' {
        return false;
    }
    let mut escaped = c.escape_debug();
    if escaped.next() == Some(c) {
        return true;
    }
    // Escaped by Rust: either unprintable, or a combining mark (category M), which Go prints.
    is_mark(c)
}

/// The combining marks' blocks that text in practice uses.
fn is_mark(c: char) -> bool {
    matches!(c as u32,
        0x0300..=0x036f | 0x0483..=0x0489 | 0x0591..=0x05c7 | 0x0610..=0x061a | 0x064b..=0x065f | 0x0670
        | 0x06d6..=0x06dc | 0x06df..=0x06e4 | 0x0900..=0x0903 | 0x093a..=0x094f | 0x0e31 | 0x0e34..=0x0e3a
        | 0x0e47..=0x0e4e | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20f0 | 0x302a..=0x302f
        | 0x3099..=0x309a | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xe0100..=0xe01ef)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        assert_eq!(go_quote("a\"b\\c\n\t\x00\x7f"), r#""a\"b\\c\n\t\x00\x7f""#);
        assert_eq!(go_quote("é привет 日本"), "\"é привет 日本\"");
        assert_eq!(go_quote("a\u{a0}b\u{200b}\u{feff}"), r#""a\u00a0b\u200b\ufeff""#);
        assert_eq!(go_quote("\u{1f600}\u{e0001}"), "\"\u{1f600}\\U000e0001\"");
        assert_eq!(go_quote("e\u{301}"), "\"e\u{301}\"");
        assert_eq!(go_quote_bytes(b"a\xffb"), r#""a\xffb""#);
    }
}
