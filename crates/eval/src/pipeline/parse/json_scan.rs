//! The lenient JSON reader behind `json` and `unpack`: it looks at no more than it must, so much that is no JSON passes
//! (specification 4.6.1). Errors are texts that reach `__error_details__`.

pub(super) const MALFORMED: &str = "Malformed JSON error";
pub(super) const MALFORMED_OBJECT: &str = "Value looks like object, but can't find closing '}' symbol";
pub(super) const MALFORMED_ARRAY: &str = "Value is array, but can't find closing ']' symbol";
pub(super) const MALFORMED_STRING: &str = "Value is string, but can't find closing '\"' symbol";
pub(super) const UNKNOWN_TYPE: &str = "Unknown value type";
pub(super) const MALFORMED_ESCAPE: &str = "Encountered an invalid escape sequence in a string";

/// A value as it lies in the line; strings without their quotes, escapes unresolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    String(&'a [u8]),
    Number(&'a [u8]),
    Boolean(&'a [u8]),
    Object(&'a [u8]),
    Array(&'a [u8]),
    Null,
}

/// Position of the first byte that is no blank.
#[inline]
pub(super) fn next_token(data: &[u8], from: usize) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')).map(|at| from + at)
}

/// Position after the quote that ends the string whose content starts at `from`, and whether it has escapes.
#[inline]
pub(super) fn string_end(data: &[u8], from: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (from, false);
    loop {
        at = quote_or_backslash(data, at)?;
        if data[at] == b'"' {
            return Some((at + 1, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// Strings this long are left to vector instructions, which take a while to get going.
const SHORT_WORDS: usize = 6;

/// Position of the first quote or backslash, eight bytes at a time: most strings are short.
#[inline]
fn quote_or_backslash(data: &[u8], from: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    /// High bit of each byte that is zero; above the lowest one it may err.
    fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word & (ONES << 7)
    }
    let mut at = from;
    for _ in 0..SHORT_WORDS {
        let Some(word) = data.get(at..).and_then(<[u8]>::first_chunk) else { break };
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    Some(at + memchr::memchr2(b'"', b'\\', data.get(at..)?)?)
}

/// Position after the bracket that closes the one at `from`; only that kind of bracket is counted.
pub(super) fn block_end(data: &[u8], from: usize) -> Option<usize> {
    let open = *data.get(from)?;
    let close = if open == b'{' { b'}' } else { b']' };
    let (mut at, mut level) = (from, 0usize);
    loop {
        at += memchr::memchr3(b'"', open, close, data.get(at..)?)?;
        if data[at] == b'"' {
            at = string_end(data, at + 1)?.0;
            continue;
        }
        level = if data[at] == open { level + 1 } else { level.saturating_sub(1) };
        at += 1;
        if level == 0 {
            return Some(at);
        }
    }
}

/// The value that starts after blanks at `from`, and the position after it.
#[inline]
pub(super) fn value(data: &[u8], from: usize) -> Result<(Value<'_>, usize), &'static str> {
    let at = next_token(data, from).ok_or(MALFORMED)?;
    match data[at] {
        b'"' => {
            let (end, _) = string_end(data, at + 1).ok_or(MALFORMED_STRING)?;
            Ok((Value::String(&data[at + 1..end - 1]), end))
        }
        b'{' => block_end(data, at).map(|end| (Value::Object(&data[at..end]), end)).ok_or(MALFORMED_OBJECT),
        b'[' => block_end(data, at).map(|end| (Value::Array(&data[at..end]), end)).ok_or(MALFORMED_ARRAY),
        first => {
            let is_end = |b: &u8| matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'}' | b']');
            let end = data[at..].iter().position(is_end).map_or(data.len(), |len| at + len);
            let text = &data[at..end];
            let value = match first {
                b't' | b'f' if text == b"true" || text == b"false" => Value::Boolean(text),
                b'n' if text == b"null" => Value::Null,
                b'0'..=b'9' | b'-' => Value::Number(text),
                _ => return Err(UNKNOWN_TYPE),
            };
            Ok((value, end))
        }
    }
}

/// How reading an object ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop<E> {
    Malformed(&'static str),
    Asked(E),
}

/// Calls `visit` with each key (escapes resolved) and value of the object at the start of `data`. What follows the
/// closing brace is not looked at.
pub(super) fn each_member<'a, E>(
    data: &'a [u8],
    visit: impl FnMut(&[u8], Value<'a>) -> Result<(), Stop<E>>,
) -> Result<(), Stop<E>> {
    struct Visits<F>(F);
    impl<'a, E, F: FnMut(&[u8], Value<'a>) -> Result<(), Stop<E>>> Reader<'a, E> for Visits<F> {
        fn member(&mut self, key: &[u8], value: Value<'a>) -> Result<(), Stop<E>> {
            (self.0)(key, value)
        }
    }
    read_members(data, &mut Visits(visit))
}

/// Who is told of the members of an object.
pub(super) trait Reader<'a, E> {
    /// The length of the key at the start of `rest`, if that is the one expected and a quote ends it.
    #[inline]
    fn expected(&mut self, rest: &[u8]) -> Option<usize> {
        let _ = rest;
        None
    }

    /// A key (escapes resolved) and its value.
    fn member(&mut self, key: &[u8], value: Value<'a>) -> Result<(), Stop<E>>;
}

/// As [`each_member`], for a reader that knows what to expect.
pub(super) fn read_members<'a, E>(data: &'a [u8], reader: &mut impl Reader<'a, E>) -> Result<(), Stop<E>> {
    let fault = |text| move || Stop::Malformed(text);
    let open = next_token(data, 0).filter(|&at| data[at] == b'{').ok_or_else(fault(MALFORMED_OBJECT))?;
    let mut at = next_token(data, open + 1).ok_or_else(fault(MALFORMED))?;
    let mut resolved = Vec::new();
    loop {
        match data[at] {
            b'"' => {}
            b'}' => return Ok(()),
            _ => return Err(Stop::Malformed(MALFORMED_OBJECT)),
        }
        let (end, escaped) = match reader.expected(&data[at + 1..]) {
            Some(len) => (at + 1 + len + 1, false),
            None => string_end(data, at + 1).ok_or_else(fault(MALFORMED))?,
        };
        let mut key = &data[at + 1..end - 1];
        if escaped {
            resolved.clear();
            if !unescape(key, &mut resolved) {
                return Err(Stop::Malformed(MALFORMED_ESCAPE));
            }
            key = &resolved;
        }
        let colon = next_token(data, end).filter(|&at| data[at] == b':').ok_or_else(fault(MALFORMED))?;
        let (member, end) = value(data, colon + 1).map_err(Stop::Malformed)?;
        reader.member(key, member)?;
        at = next_token(data, end).ok_or_else(fault(MALFORMED_ARRAY))?;
        match data[at] {
            b'}' => return Ok(()),
            b',' => at = next_token(data, at + 1).ok_or_else(fault(MALFORMED_ARRAY))?,
            _ => return Err(Stop::Malformed(MALFORMED_OBJECT)),
        }
    }
}

/// Appends `text` with its escapes resolved; `false` if one is invalid.
pub(super) fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> bool {
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let rest = &text[at + 1..];
        let Some(&kind) = rest.first() else { return false };
        let simple = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some((c, len)) = unicode(rest) else { return false };
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                text = &rest[len..];
                continue;
            }
            _ => return false,
        };
        out.push(simple);
        text = &rest[1..];
    }
    out.extend_from_slice(text);
    true
}

/// The character of `uXXXX` or `uXXXX\uXXXX`, and the length read. A first half wants a second one.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = hex4(text.get(1..5)?)?;
    if !(0xd800..=0xdfff).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    let second = hex4(text.get(7..11)?)?;
    if second < 0xdc00 {
        return None;
    }
    // As upstream computes it; what is no character becomes U+FFFD.
    let joined = 0x10000i64 + ((i64::from(first) - 0xd800) << 10) + (i64::from(second) - 0xdc00);
    let c = u32::try_from(joined).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((c, 11))
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

/// Appends a string value as upstream shows it: escapes resolved (nothing at all if one is invalid), U+FFFD as blank.
pub(super) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    let start = out.len();
    if memchr::memchr(b'\\', text).is_none() {
        out.extend_from_slice(text);
    } else if !unescape(text, out) {
        out.truncate(start);
        return;
    }
    if super::has_replacement(&out[start..]) {
        let value = out.split_off(start);
        super::push_clean(out, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        push_string(&mut out, text.as_bytes());
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings_resolve() {
        assert_eq!(string(r#"a\"\\\/\b\f\n\r\tb"#), "a\"\\/\u{8}\u{c}\n\r\tb");
        assert_eq!(string(r"\u00e9\ud83d\ude00"), "é\u{1f600}");
        assert_eq!((string(r"x\ud83d").as_str(), string(r"\x").as_str(), string(r"\u12").as_str()), ("", "", ""));
        assert_eq!(string("a\u{fffd}b"), "a b");
    }

    #[test]
    fn values_are_told_by_their_first_byte() {
        let of = |text: &'static str| value(text.as_bytes(), 0);
        assert_eq!(of(" 1x,"), Ok((Value::Number(b"1x"), 3)));
        assert_eq!(of("true}"), Ok((Value::Boolean(b"true"), 4)));
        assert_eq!(
            (of("nul"), of("x"), of("[1"), of("\"a")),
            (Err(UNKNOWN_TYPE), Err(UNKNOWN_TYPE), Err(MALFORMED_ARRAY), Err(MALFORMED_STRING))
        );
        assert_eq!(of(r#"{"a":"}"} x"#), Ok((Value::Object(br#"{"a":"}"}"#), 9)));
        assert_eq!(of("undefined"), Err(UNKNOWN_TYPE));
    }

    proptest! {
        #[test]
        fn words_find_what_bytes_find(data in prop::collection::vec(prop::sample::select(b"ab\"\\\x80\xa2\xdc#!".to_vec()), 0..80)) {
            prop_assert_eq!(quote_or_backslash(&data, 0), data.iter().position(|b| matches!(b, b'"' | b'\\')));
        }

        #[test]
        fn no_bytes_make_it_panic(data in prop::collection::vec(prop::sample::select(b"{}[]\"\\:,ntf1 u\xffd8".to_vec()), 0..40)) {
            let _ = each_member::<()>(&data, |_, _| Ok(()));
            let _ = value(&data, 0);
            let _ = unescape(&data, &mut Vec::new());
        }
    }
}
