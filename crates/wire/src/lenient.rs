//! The lenient JSON parser: enough structure to find keys and values, no more. It reads any bytes without failing
//! badly. Pushes and level detection meet whatever clients send with it, as upstream does.

mod unescape;

pub(crate) use unescape::unescape_into;

/// Why a value could not be read. The texts are upstream's, and clients see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    Json,
    Text,
    Array,
    Object,
    Value,
    Overflow,
    Escape,
    Unknown,
}

impl Flaw {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Flaw::Json => "Malformed JSON error",
            Flaw::Text => "Value is string, but can't find closing '\"' symbol",
            Flaw::Array => "Value is array, but can't find closing ']' symbol",
            Flaw::Object => "Value looks like object, but can't find closing '}' symbol",
            Flaw::Value => "Value looks like Number/Boolean/None, but can't find its end: ',' or '}' symbol",
            Flaw::Overflow => "Value is number, but overflowed while parsing",
            Flaw::Escape => "Encountered an invalid escape sequence in a string",
            Flaw::Unknown => "Unknown value type",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Object,
    Array,
    Boolean,
    Null,
}

/// A value found: the bytes `start..end`, for text those between the quotes; `next` is past it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) next: usize,
}

impl Found {
    pub(crate) fn of(self, data: &[u8]) -> &[u8] {
        &data[self.start..self.end]
    }
}

/// Place of the first byte from `at` on that is not white space.
pub(crate) fn token(data: &[u8], at: usize) -> Option<usize> {
    let rest = data.get(at..)?;
    Some(at + rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?)
}

/// From past the opening quote to past the closing one; also whether a backslash was met.
pub(crate) fn string_end(data: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', data.get(at..)?)?;
        if data[found] == b'"' {
            return Some((found + 1, escaped));
        }
        escaped = true;
        at = found + 2;
    }
}

/// From an opening bracket to past its counterpart; other kinds of brackets are not looked at.
fn block_end(data: &[u8], mut at: usize, open: u8, close: u8) -> Option<usize> {
    let mut level = 0usize;
    loop {
        let found = at + memchr::memchr3(b'"', open, close, data.get(at..)?)?;
        at = found + 1;
        match data[found] {
            b'"' => at = string_end(data, at)?.0,
            byte if byte == open => level += 1,
            _ => {
                // The first bracket met is the opening one, so the level is never zero here.
                level = level.saturating_sub(1);
                if level == 0 {
                    return Some(at);
                }
            }
        }
    }
}

/// The value at or after `at`.
pub(crate) fn value(data: &[u8], at: usize) -> Result<Found, Flaw> {
    let start = token(data, at).ok_or(Flaw::Json)?;
    let whole = |kind, end| Found { kind, start, end, next: end };
    match data[start] {
        b'"' => {
            let (next, _) = string_end(data, start + 1).ok_or(Flaw::Text)?;
            Ok(Found { kind: Kind::Text, start: start + 1, end: next - 1, next })
        }
        b'[' => block_end(data, start, b'[', b']').map(|end| whole(Kind::Array, end)).ok_or(Flaw::Array),
        b'{' => block_end(data, start, b'{', b'}').map(|end| whole(Kind::Object, end)).ok_or(Flaw::Object),
        first => {
            let rest = &data[start..];
            let end = rest.iter().position(|byte| b" \n\r\t,}]".contains(byte)).unwrap_or(rest.len());
            let kind = match (first, &rest[..end]) {
                (_, b"true" | b"false") => Kind::Boolean,
                (_, b"null") => Kind::Null,
                (b'0'..=b'9' | b'-', _) => Kind::Number,
                _ => return Err(Flaw::Unknown),
            };
            Ok(whole(kind, start + end))
        }
    }
}

/// Calls `visit` with each element. Whatever byte comes first is taken for the opening bracket.
pub(crate) fn each_element(data: &[u8], mut visit: impl FnMut(Found)) -> Result<(), Flaw> {
    if data.is_empty() {
        return Err(Flaw::Object);
    }
    let open = token(data, 0).ok_or(Flaw::Json)?;
    let mut at = token(data, open + 1).ok_or(Flaw::Json)?;
    if data[at] == b']' {
        return Ok(());
    }
    loop {
        let found = value(data, at)?;
        visit(found);
        at = token(data, found.next).ok_or(Flaw::Array)?;
        match data[at] {
            b']' => return Ok(()),
            b',' => at += 1,
            _ => return Err(Flaw::Array),
        }
    }
}

/// Walks the members of an object, one by one.
pub(crate) struct Members<'a> {
    data: &'a [u8],
    at: usize,
    done: bool,
}

/// A member's name, as it lies between the quotes.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) escaped: bool,
}

impl Name<'_> {
    /// The name without escapes, in `buffer` if it held any.
    pub(crate) fn plain<'b>(&'b self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Flaw> {
        if !self.escaped {
            return Ok(self.raw);
        }
        buffer.clear();
        if unescape_into(self.raw, buffer) { Ok(buffer) } else { Err(Flaw::Escape) }
    }

    /// Whether the name is `field`, which is in lower case; upper case counts as equal.
    pub(crate) fn is_field(&self, field: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.plain(buffer).is_ok_and(|name| name.eq_ignore_ascii_case(field))
    }
}

impl<'a> Members<'a> {
    /// Enters the object at or after `at`.
    pub(crate) fn open(data: &'a [u8], at: usize) -> Result<Self, Flaw> {
        let open = token(data, at).filter(|&open| data[open] == b'{').ok_or(Flaw::Object)?;
        let first = token(data, open + 1).ok_or(Flaw::Json)?;
        let done = data[first] == b'}';
        Ok(Self { data, at: first + usize::from(done), done })
    }

    /// The next name; its value lies at or after [`Members::at`].
    pub(crate) fn name(&mut self) -> Result<Option<Name<'a>>, Flaw> {
        if self.done {
            return Ok(None);
        }
        match self.data.get(self.at) {
            Some(b'"') => {}
            // A comma before the end is let through.
            Some(b'}') => {
                (self.at, self.done) = (self.at + 1, true);
                return Ok(None);
            }
            _ => return Err(Flaw::Object),
        }
        let start = self.at + 1;
        let (end, escaped) = string_end(self.data, start).ok_or(Flaw::Json)?;
        let colon = token(self.data, end).filter(|&colon| self.data[colon] == b':').ok_or(Flaw::Json)?;
        self.at = colon + 1;
        Ok(Some(Name { raw: &self.data[start..end - 1], escaped }))
    }

    /// Where the value begins, white space before it included; past the closing brace once there are no more names.
    pub(crate) fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Where the value begins, white space before it included; past the closing brace once there are no more names.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes on after a value that ended at `next`.
    pub(crate) fn advance(&mut self, next: usize) -> Result<(), Flaw> {
        let at = token(self.data, next).ok_or(Flaw::Array)?;
        match self.data[at] {
            b'}' => (self.at, self.done) = (at + 1, true),
            b',' => self.at = token(self.data, at + 1).ok_or(Flaw::Array)?,
            _ => return Err(Flaw::Object),
        }
        Ok(())
    }
}

/// A decimal integer without leading zeros; a lone `-` is 0.
pub(crate) fn integer(text: &[u8]) -> Result<i64, Flaw> {
    let (negative, digits) = match text {
        [] => return Err(Flaw::Value),
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut value = 0u64;
    for (at, digit) in digits.iter().enumerate() {
        if !digit.is_ascii_digit() || (value == 0 && at != 0) {
            return Err(Flaw::Value);
        }
        value =
            value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0'))).ok_or(Flaw::Overflow)?;
    }
    match (negative, i64::try_from(value)) {
        (false, Ok(value)) => Ok(value),
        (true, Ok(value)) => Ok(-value),
        (true, Err(_)) if value == i64::MIN.unsigned_abs() => Ok(i64::MIN),
        _ => Err(Flaw::Overflow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_should() {
        let data = br#" "a\"b\\" , [1,[2],"]"] {"x":"}"} 12]"#;
        let text = value(data, 0).expect("text");
        assert_eq!((text.kind, text.of(data)), (Kind::Text, &br#"a\"b\\"#[..]));
        let array = value(data, text.next + 2).expect("array");
        assert_eq!(array.of(data), br#"[1,[2],"]"]"#);
        let object = value(data, array.next).expect("object");
        assert_eq!(object.of(data), br#"{"x":"}"}"#);
        assert_eq!(value(data, object.next).expect("number").of(data), b"12");
    }

    #[test]
    fn integers_as_upstream_reads_them() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-", Ok(0)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("9223372036854775808", Err(Flaw::Overflow)),
            ("99999999999999999999999", Err(Flaw::Overflow)),
            ("00", Err(Flaw::Value)),
            ("", Err(Flaw::Value)),
            ("1.5", Err(Flaw::Value)),
            ("+1", Err(Flaw::Value)),
        ] {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
    }
}
