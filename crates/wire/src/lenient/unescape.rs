//! Escapes in JSON strings, as upstream's lenient parser reads them.

/// Appends `text` (the bytes between the quotes) to `out`, escapes decoded; false when an escape is malformed.
///
/// Half a surrogate pair is malformed. After the first half the six bytes `\uXXXX` are taken for the second without
/// a look at the first two of them, as upstream does.
pub(crate) fn unescape_into(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let Some(&kind) = rest.get(1) else { return false };
        let plain = match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some(used) = unicode(rest, out) else { return false };
                rest = &rest[used..];
                continue;
            }
            _ => return false,
        };
        out.push(plain);
        rest = &rest[2..];
    }
    out.extend_from_slice(rest);
    true
}

/// Decodes the `\uXXXX` or pair at the start of `rest`; answers how many bytes it took.
fn unicode(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = hex4(rest)?;
    let (code, used) = if (0xd800..=0xdfff).contains(&first) {
        let second = hex4(&rest[6..])?;
        if second < 0xdc00 {
            return None;
        }
        (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
    } else {
        (first, 6)
    };
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(used)
}

fn hex4(escape: &[u8]) -> Option<u32> {
    let digits = escape.get(2..6)?;
    digits.iter().try_fold(0, |code, digit| Some(code << 4 | (*digit as char).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescape(text: &str) -> Option<String> {
        let mut out = Vec::new();
        unescape_into(text.as_bytes(), &mut out).then(|| String::from_utf8(out).expect("valid text"))
    }

    #[test]
    fn escapes_decode() {
        assert_eq!(unescape(r#"a\"\\\/\b\f\n\r\tz"#).as_deref(), Some("a\"\\/\x08\x0c\n\r\tz"));
        assert_eq!(unescape(r"\u0041\u00e9\u2615\ud83d\ude00").as_deref(), Some("Aé☕😀"));
        assert_eq!(unescape(r"\ud83dxxde00!").as_deref(), Some("😀!"));
        assert_eq!(unescape(r"\udfff\udfff").as_deref(), Some("\u{fffd}"));
    }

    #[test]
    fn malformed_escapes_are_refused() {
        for bad in [r"\", r"\x41", r"\u12", r"\u12g4", r"\ud83d", r"\ud83d\u0041", r"\'"] {
            assert_eq!(unescape(bad), None, "{bad}");
        }
    }
}
