//! JSON strings in upstream's three manners of escaping.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a label, a name or a warning: quotes, backslashes and control characters are escaped, all else is as it is.
pub fn push_json_text(out: &mut Vec<u8>, text: &str) {
    push(out, text.as_bytes(), |byte| byte < 0x20 || byte == b'"' || byte == b'\\', false);
}

/// Appends a log line: `<`, `>` and `&` are escaped too, as are U+2028 and U+2029; each byte that is no UTF-8 becomes
/// U+FFFD.
pub fn push_line(out: &mut Vec<u8>, line: &[u8]) {
    push_html(out, line, false);
}

/// As [`push_line`] with `\b` and `\f` for those two: the manner of Go's own encoder.
pub(super) fn push_go_text(out: &mut Vec<u8>, text: &[u8]) {
    push_html(out, text, true);
}

/// As Go's own encoder told not to escape for HTML; a byte that is no UTF-8 becomes the escape of U+FFFD.
pub(crate) fn push_plain_text(out: &mut Vec<u8>, text: &[u8]) {
    let special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\');
    push_special(out, text, special, true, b"\\ufffd");
}

fn push_html(out: &mut Vec<u8>, text: &[u8], short_escapes: bool) {
    let special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
    push_special(out, text, special, short_escapes, "\u{fffd}".as_bytes());
}

fn push_special(
    out: &mut Vec<u8>,
    text: &[u8],
    special: impl Fn(u8) -> bool + Copy,
    short_escapes: bool,
    invalid: &[u8],
) {
    if text.is_ascii() {
        return push(out, text, special, short_escapes);
    }
    out.push(b'"');
    for part in text.utf8_chunks() {
        let mut rest = part.valid();
        // Both line separators begin with the same two bytes.
        while let Some(at) = rest.find(['\u{2028}', '\u{2029}']) {
            let (before, separator) = rest.split_at(at);
            push_escaped(out, before.as_bytes(), special, short_escapes);
            out.extend_from_slice(if separator.starts_with('\u{2028}') { b"\\u2028" } else { b"\\u2029" });
            rest = &separator['\u{2028}'.len_utf8()..];
        }
        push_escaped(out, rest.as_bytes(), special, short_escapes);
        part.invalid().iter().for_each(|_| out.extend_from_slice(invalid));
    }
    out.push(b'"');
}

fn push(out: &mut Vec<u8>, text: &[u8], special: impl Fn(u8) -> bool + Copy, short_escapes: bool) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    push_escaped(out, text, special, short_escapes);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8], special: impl Fn(u8) -> bool + Copy, short_escapes: bool) {
    let mut written = 0;
    for (at, chunk) in text.chunks(32).enumerate() {
        // No early exit inside: the compiler turns this into a few vector compares. Most chunks end here.
        if !chunk.iter().fold(false, |any, byte| any | special(*byte)) {
            continue;
        }
        for (place, &byte) in chunk.iter().enumerate() {
            if special(byte) {
                let place = at * 32 + place;
                out.extend_from_slice(&text[written..place]);
                push_escape(out, byte, short_escapes);
                written = place + 1;
            }
        }
    }
    out.extend_from_slice(&text[written..]);
}

#[inline]
fn push_escape(out: &mut Vec<u8>, byte: u8, short_escapes: bool) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        8 if short_escapes => out.extend_from_slice(b"\\b"),
        12 if short_escapes => out.extend_from_slice(b"\\f"),
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits);
        }
    }
}

/// `{"name":"value",…}`
pub(super) fn push_labels<'a>(
    out: &mut Vec<u8>,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    text: impl Fn(&mut Vec<u8>, &str),
) {
    out.push(b'{');
    for (at, (name, value)) in labels.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        text(out, name);
        out.push(b':');
        text(out, value);
    }
    out.push(b'}');
}

/// `[…]`, each item by `write`.
pub(super) fn push_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// `["…",…]`
pub(super) fn push_texts(out: &mut Vec<u8>, texts: &[impl AsRef<str>]) {
    push_list(out, texts, |out, text| push_json_text(out, text.as_ref()));
}

/// Appends an integer.
pub(super) fn push_int(out: &mut Vec<u8>, value: impl Into<i128>) {
    use std::io::Write;
    let value: i128 = value.into();
    match i64::try_from(value) {
        Ok(value) => write!(out, "{value}"),
        Err(_) => write!(out, "{value}"),
    }
    .expect("a Vec takes all");
}
