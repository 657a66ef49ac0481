//! The logfmt reader (specification 4.6.3).

use super::has_replacement;

/// What is wrong with a pair, and at which byte (from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "logfmt syntax error at pos {} : {}", self.at, self.what)
    }
}

/// A key and its value; a bare key has an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// The value is quoted and has escapes: see [`unquote`].
    pub(super) escaped: bool,
}

/// Reads pairs one by one. A pair that is wrong is an `Err`; reading goes on after it.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a> {
    line: &'a [u8],
    at: usize,
    /// Nothing but ASCII: no key or value can be broken text.
    pub(super) ascii: bool,
}

fn is_blank(b: u8) -> bool {
    b <= b' '
}

/// Position of the first `=`, `"` or blank, eight bytes at a time.
#[inline]
fn end_of_word(line: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    /// High bit of each byte below `limit`; above the lowest one it may err.
    fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH
    }
    let mut at = from;
    while let Some(word) = line.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let equal = |b: u8| below(word ^ (ONES * u64::from(b)), 1);
        let found = below(word, b' ' + 1) | equal(b'=') | equal(b'"');
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &line[at..];
    at + rest.iter().position(|&b| b == b'=' || b == b'"' || is_blank(b)).unwrap_or(rest.len())
}

impl<'a> Pairs<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0, ascii: line.is_ascii() }
    }

    /// Goes to the next blank.
    fn skip(&mut self) {
        let rest = &self.line[self.at..];
        self.at += rest.iter().position(|&b| is_blank(b)).unwrap_or(rest.len());
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at + 1, what }
    }

    fn pair(&mut self) -> Result<Pair<'a>, Fault> {
        let (line, start) = (self.line, self.at);
        self.at = end_of_word(line, start);
        let key = &line[start..self.at];
        let stop = line.get(self.at).copied();
        if stop == Some(b'"') || stop == Some(b'=') && key.is_empty() {
            let what = if stop == Some(b'"') { "unexpected '\"'" } else { "unexpected '='" };
            let fault = self.fault(what);
            self.skip();
            return Err(fault);
        }
        if !self.ascii && has_replacement(key) {
            let fault = self.fault("invalid key");
            if stop == Some(b'=') {
                self.skip();
            }
            return Err(fault);
        }
        let mut pair = Pair { key, value: b"", escaped: false };
        if stop != Some(b'=') {
            return Ok(pair);
        }
        self.at += 1;
        if self.line.get(self.at) == Some(&b'"') {
            return self.quoted(pair);
        }
        let start = self.at;
        self.at = end_of_word(line, start);
        match line.get(self.at) {
            Some(b'=') if self.at > start || line[start] == b'=' => {
                let fault = self.fault("unexpected '='");
                self.skip();
                Err(fault)
            }
            Some(b'"') => {
                let fault = self.fault("unexpected '\"'");
                self.skip();
                Err(fault)
            }
            _ => {
                pair.value = &line[start..self.at];
                Ok(pair)
            }
        }
    }

    /// The value whose opening quote is at hand.
    fn quoted(&mut self, mut pair: Pair<'a>) -> Result<Pair<'a>, Fault> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let Some(found) = self.line.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) else {
                self.at = self.line.len();
                return Err(self.fault("unterminated quoted value"));
            };
            at += found;
            if self.line[at] == b'"' {
                break;
            }
            pair.escaped = true;
            at += 2;
        }
        self.at = at + 1;
        pair.value = &self.line[start..at];
        if pair.escaped && !unquote(pair.value, &mut Vec::new()) {
            return Err(self.fault("invalid quoted value"));
        }
        Ok(pair)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, Fault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.line.get(self.at..)?;
        match rest.iter().position(|&b| !is_blank(b)) {
            Some(found) => self.at += found,
            None => {
                self.at = self.line.len();
                return None;
            }
        }
        Some(self.pair())
    }
}

/// Appends a quoted value with its escapes resolved; `false` if one is invalid. A half of a pair of surrogates becomes
/// U+FFFD.
pub(super) fn unquote(mut text: &[u8], out: &mut Vec<u8>) -> bool {
    while let Some(at) = text.iter().position(|&b| b == b'\\' || b < b' ' || b == b'"') {
        out.extend_from_slice(&text[..at]);
        if text[at] != b'\\' {
            // Control characters stand for themselves.
            out.push(text[at]);
            text = &text[at + 1..];
            continue;
        }
        let rest = &text[at + 1..];
        let Some(&kind) = rest.first() else { return false };
        let simple = match kind {
            b'"' | b'\\' | b'/' | b'\'' => kind,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some(first) = hex4(rest.get(1..5)) else { return false };
                let (mut len, mut c) = (5, char::from_u32(first));
                if (0xd800..0xdc00).contains(&first) && rest.get(5..7) == Some(b"\\u") {
                    let second = hex4(rest.get(7..11)).filter(|second| (0xdc00..0xe000).contains(second));
                    if let Some(second) = second {
                        len = 11;
                        c = char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                    }
                }
                let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
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

fn hex4(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Vec<Result<(String, String), String>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = Pairs::new(line.as_bytes()).map(|pair| match pair {
            Ok(pair) => {
                let mut value = Vec::new();
                assert!(unquote(pair.value, &mut value));
                Ok((text(pair.key), text(if pair.escaped { &value } else { pair.value })))
            }
            Err(fault) => Err(fault.to_string()),
        });
        pairs.collect()
    }

    fn ok(key: &str, value: &str) -> Result<(String, String), String> {
        Ok((key.into(), value.into()))
    }

    fn bad(at: usize, what: &str) -> Result<(String, String), String> {
        Err(format!("logfmt syntax error at pos {at} : {what}"))
    }

    #[test]
    fn pairs_as_upstream_reads_them() {
        assert_eq!(read("a=1  b=\"x y\" c= d"), [ok("a", "1"), ok("b", "x y"), ok("c", ""), ok("d", "")]);
        assert_eq!(read("a=\"x\"y=1"), [ok("a", "x"), ok("y", "1")]);
        assert_eq!(read("b=2=3 c=4"), [bad(4, "unexpected '='"), ok("c", "4")]);
        assert_eq!(read("=1 a\"b c=1"), [bad(1, "unexpected '='"), bad(5, "unexpected '\"'"), ok("c", "1")]);
        assert_eq!(read("a==1 b=x\"y"), [bad(3, "unexpected '='"), bad(9, "unexpected '\"'")]);
        assert_eq!(read(r#"a="\n\u0041\/\'" b="\x""#), [ok("a", "\nA/'"), bad(24, "invalid quoted value")]);
        assert_eq!(read("a=\"x"), [bad(5, "unterminated quoted value")]);
        assert_eq!(read("a=\"x\ny\""), [ok("a", "x\ny")]);
        assert_eq!(read("\u{fffd}=1 b=2"), [bad(4, "invalid key"), ok("b", "2")]);
        assert_eq!(read(r#"a="\ud83d\ude00\ud83d""#), [ok("a", "\u{1f600}\u{fffd}")]);
    }

    proptest! {
        #[test]
        fn words_end_where_bytes_say(data in prop::collection::vec(any::<u8>(), 0..40)) {
            let want = data.iter().position(|&b| b == b'=' || b == b'"' || is_blank(b)).unwrap_or(data.len());
            prop_assert_eq!(end_of_word(&data, 0), want);
        }

        #[test]
        fn no_bytes_make_it_panic_or_loop(data in prop::collection::vec(prop::sample::select(b"a=\" \\u\xff1\n".to_vec()), 0..40)) {
            prop_assert!(Pairs::new(&data).count() <= data.len() + 1);
        }
    }
}
