//! Keys and values of a logfmt line, as far as it is logfmt.

/// Walks `key=value` pairs. Stops for good at the first fault, as upstream's level detection does.
pub(super) struct Pairs<'a> {
    line: &'a [u8],
    at: usize,
}

/// One pair. A key without `=` has an empty value.
pub(super) struct Pair<'a> {
    pub(super) key: &'a [u8],
    /// Without quotes; escapes are still in it if `escaped`.
    pub(super) value: &'a [u8],
    pub(super) escaped: bool,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    fn until(&self, stop: impl Fn(u8) -> bool) -> usize {
        let rest = &self.line[self.at..];
        self.at + rest.iter().position(|byte| stop(*byte)).unwrap_or(rest.len())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let line = self.line;
        self.at = self.until(|byte| byte > b' ');
        let start = self.at;
        if start == line.len() {
            return None;
        }
        self.at = self.until(|byte| byte <= b' ' || byte == b'=' || byte == b'"');
        let key = &line[start..self.at];
        // A key with bytes that are no UTF-8, or with U+FFFD itself, is a fault.
        if line.get(self.at) == Some(&b'"') || has_replacement(key) {
            self.at = line.len();
            return None;
        }
        let plain = |value| Some(Pair { key, value, escaped: false });
        if line.get(self.at) != Some(&b'=') {
            return plain(b"");
        }
        if key.is_empty() {
            self.at = line.len();
            return None;
        }
        self.at += 1;
        match line.get(self.at) {
            None => plain(b""),
            Some(b'"') => self.quoted(key),
            Some(_) => {
                let start = self.at;
                self.at = self.until(|byte| byte <= b' ' || byte == b'=' || byte == b'"');
                match line.get(self.at) {
                    Some(b'=' | b'"') => {
                        self.at = line.len();
                        None
                    }
                    _ => plain(&line[start..self.at]),
                }
            }
        }
    }
}

impl<'a> Pairs<'a> {
    fn quoted(&mut self, key: &'a [u8]) -> Option<Pair<'a>> {
        let line = self.line;
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            let Some(found) = line.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) else {
                self.at = line.len();
                return None;
            };
            at += found;
            if line[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        let value = &line[start..at];
        if escaped && unquote(value).is_none() {
            self.at = line.len();
            return None;
        }
        Some(Pair { key, value, escaped })
    }
}

fn has_replacement(key: &[u8]) -> bool {
    !key.is_ascii() && !std::str::from_utf8(key).is_ok_and(|key| !key.contains('\u{fffd}'))
}

/// The text of a quoted value with escapes; None when one of them is malformed.
pub(super) fn unquote(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = &rest[at + 1..];
        let (plain, used) = match *escape.first()? {
            byte @ (b'"' | b'\\' | b'/' | b'\'') => (byte, 1),
            b'b' => (8, 1),
            b'f' => (12, 1),
            b'n' => (b'\n', 1),
            b'r' => (b'\r', 1),
            b't' => (b'\t', 1),
            b'u' => {
                let digits = std::str::from_utf8(escape.get(1..5)?).ok()?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return None;
                }
                let code = u32::from_str_radix(digits, 16).ok()?;
                // Only ASCII can spell a level; the rest need not be told apart.
                (u8::try_from(code).ok().filter(u8::is_ascii).unwrap_or(0xff), 5)
            }
            _ => return None,
        };
        out.push(plain);
        rest = &escape[used..];
    }
    out.extend_from_slice(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Pairs::new(line.as_bytes()).map(|pair| (text(pair.key), text(pair.value))).collect()
    }

    #[test]
    fn pairs_end_at_the_first_fault() {
        let expected = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        for (line, found) in [
            ("a=1 b=\"x y\" c", &[("a", "1"), ("b", "x y"), ("c", "")][..]),
            ("  a=1\tb=", &[("a", "1"), ("b", "")]),
            ("a=1 =2 c=3", &[("a", "1")]),
            ("a=1 b=2=3 c=4", &[("a", "1")]),
            ("a=1 b\"=2 c=4", &[("a", "1")]),
            ("a=1 b=\"open c=4", &[("a", "1")]),
            ("a=1 b=\"\\q\" c=4", &[("a", "1")]),
            ("a=\"\" b=\"\\\"\"", &[("a", ""), ("b", "\\\"")]),
            ("é=1 \u{fffd}=2 b=3", &[("é", "1")]),
            ("", &[]),
            ("   ", &[]),
        ] {
            assert_eq!(pairs(line), expected(found), "{line}");
        }
    }

    #[test]
    fn escapes_decode() {
        assert_eq!(unquote(br#"\"a\u0065\n\'"#).as_deref(), Some(&b"\"ae\n'"[..]));
        assert_eq!(unquote(br"\u00"), None);
        assert_eq!(unquote(br"\"), None);
    }
}
