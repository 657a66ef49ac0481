//! What a quoted string says.

/// The bytes of a double- or back-quoted string, quotes included in `quoted`; none if an escape is no byte or
/// character. `\xHH` and `\ooo` give one byte, which need not be UTF-8; a lone surrogate gives U+FFFD.
pub(super) fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let (&quote, rest) = quoted.split_first()?;
    let (&last, mut body) = rest.split_last()?;
    if quote != last {
        return None;
    }
    if quote == b'`' {
        return Some(body.to_vec());
    }
    let mut out = Vec::with_capacity(body.len());
    while let Some((&byte, rest)) = body.split_first() {
        body = rest;
        match byte {
            b'\\' => body = escape(body, &mut out)?,
            b'"' | b'\n' => return None,
            byte => out.push(byte),
        }
    }
    Some(out)
}

/// Handles what follows a backslash; returns the rest.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&c, rest) = text.split_first()?;
    let byte = match c {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => c,
        b'0'..=b'7' => {
            let (digits, rest) = text.split_at_checked(3)?;
            out.push(u8::try_from(number(digits, 8)?).ok()?);
            return Some(rest);
        }
        b'x' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            out.push(u8::try_from(number(digits, 16)?).ok()?);
            return Some(rest);
        }
        b'u' | b'U' => {
            let (digits, rest) = rest.split_at_checked(if c == b'u' { 4 } else { 8 })?;
            let code = number(digits, 16)?;
            if code > 0x10ffff {
                return None;
            }
            let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    out.push(byte);
    Some(rest)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |sum, &digit| sum.checked_mul(radix)?.checked_add(char::from(digit).to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_gos() {
        let ok: &[(&[u8], &[u8])] = &[
            (br#""a\n\t\\\"""#, b"a\n\t\\\""),
            (br#""\x41\xff\101""#, b"A\xffA"),
            (br#""\u00e9\U0001f600""#, "é\u{1f600}".as_bytes()),
            (br#""\ud800""#, "\u{fffd}".as_bytes()),
            (b"`a\\n\nb`", b"a\\n\nb"),
            (br#""""#, b""),
        ];
        for (quoted, bytes) in ok {
            assert_eq!(unquote(quoted).as_deref(), Some(*bytes));
        }
        for bad in [&br#""\400""#[..], br#""\'""#, br#""\U00110000""#, br#""\x4""#, br#"""#, b"`a", br#""\""#] {
            assert_eq!(unquote(bad), None);
        }
    }
}
