//! Escapes: HTML, JavaScript, URLs, base64.

use super::{Env, Fault, Func, MAX_OUTPUT, text, too_long, write};
use crate::fmt::Printer;
use crate::quote::quote;
use crate::unicode;
use crate::value::{Type, Value};

use Type::{Any, String as Str};

pub(super) static FUNCTIONS: &[Func] = &[
    write("html", &[Any], |env, args, out| printed(env, args, out, html)).variadic(),
    write("js", &[Any], |env, args, out| printed(env, args, out, js)).variadic(),
    write("urlquery", &[Any], |env, args, out| printed(env, args, out, url_encode)).variadic(),
    write("urlencode", &[Str], |env, args, out| {
        env.fits(text(args, 0).len().saturating_mul(3))?;
        url_encode(text(args, 0), out);
        Ok(())
    }),
    write("urldecode", &[Str], |_, args, out| url_decode(text(args, 0), out)),
    write("b64enc", &[Str], |env, args, out| {
        env.fits(text(args, 0).len().div_ceil(3).saturating_mul(4))?;
        base64_encode(text(args, 0), out);
        Ok(())
    }),
    write("b64dec", &[Str], |_, args, out| {
        let start = out.len();
        if let Err(at) = base64_decode(text(args, 0), out) {
            // Not an error but a value, as upstream has it.
            out.truncate(start);
            out.extend_from_slice(format!("illegal base64 data at input byte {at}").as_bytes());
        }
        Ok(())
    }),
];

/// Escapes the arguments as `print` joins them.
fn printed(
    env: &mut Env<'_>,
    args: &[Value<'_>],
    out: &mut Vec<u8>,
    escape: fn(&[u8], &mut Vec<u8>),
) -> Result<(), Fault> {
    let mut joined = Vec::new();
    let plain: &[u8] = match args {
        [Value::Text(text)] => text.bytes(),
        _ => {
            let args: Vec<Value<'_>> = args
                .iter()
                .map(|arg| match arg {
                    Value::Nil | Value::NilSlot => Value::text(b"<no value>"),
                    other => other.clone(),
                })
                .collect();
            Printer::new(&mut joined, env.fields, MAX_OUTPUT).print(&args).map_err(|_| too_long())?;
            &joined
        }
    };
    // The longest escape of a byte has six.
    env.fits(plain.len().saturating_mul(6))?;
    escape(plain, out);
    Ok(())
}

fn html(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(byte),
        }
    }
}

fn js(text: &[u8], out: &mut Vec<u8>) {
    for (at, c, width) in unicode::runes(text) {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..' ' => out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes()),
            // Printable as it is written, a stray byte included.
            c if c.is_ascii() || unicode::is_print(c) => out.extend_from_slice(&text[at..at + width]),
            c => out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes()),
        }
    }
}

fn url_encode(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

fn url_decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
                let Some((high, low)) = digit(at).zip(digit(at + 1)) else {
                    let shown = &text[at - 1..(at + 2).min(text.len())];
                    return Err(format!("invalid URL escape {}", quote(shown)));
                };
                out.push((high << 4 | low) as u8);
                at += 2;
            }
            byte => out.push(byte),
        }
    }
    Ok(())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.chunks(3) {
        let byte = |at: usize| u32::from(*chunk.get(at).unwrap_or(&0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { digit } else { b'=' });
        }
    }
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Standard base64 with padding; newlines do not count. The error is the offset Go names.
fn base64_decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    let newline = |at: usize| matches!(text.get(at), Some(b'\n' | b'\r'));
    let mut at = 0;
    loop {
        let (mut bits, mut have) = (0, 0);
        while have < 4 {
            let Some(&byte) = text.get(at) else {
                return if have == 0 { Ok(()) } else { Err(at - have) };
            };
            at += 1;
            if let Some(value) = sextet(byte) {
                (bits, have) = (bits << 6 | value, have + 1);
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                continue;
            }
            if byte != b'=' || have < 2 {
                return Err(at - 1);
            }
            if have == 2 {
                // A second sign must follow.
                while newline(at) {
                    at += 1;
                }
                match text.get(at) {
                    None => return Err(text.len()),
                    Some(b'=') => at += 1,
                    Some(_) => return Err(at - 1),
                }
            }
            while newline(at) {
                at += 1;
            }
            bits <<= 6 * (4 - have);
            out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8][..have - 1]);
            return if at < text.len() { Err(at) } else { Ok(()) };
        }
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for text in ["", "a", "ab", "abc", "abcd\u{e9}"] {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            base64_encode(text.as_bytes(), &mut there);
            assert_eq!(base64_decode(&there, &mut back), Ok(()));
            assert_eq!(back, text.as_bytes());
        }
        for (text, at) in [("!", 0), ("YQ", 0), ("YQ=", 3), ("YQ==x", 4), ("Y\nQ", 1), ("Y=", 1), ("YWI=YWI=", 4)] {
            assert_eq!(base64_decode(text.as_bytes(), &mut Vec::new()), Err(at), "{text}");
        }
        assert_eq!(base64_decode(b"YW\nI=\r\n", &mut Vec::new()), Ok(()));
    }

    #[test]
    fn escapes() {
        let run = |escape: fn(&[u8], &mut Vec<u8>), text: &[u8]| {
            let mut out = Vec::new();
            escape(text, &mut out);
            out
        };
        assert_eq!(run(html, b"<a b='\"&\0"), "&lt;a b=&#39;&#34;&amp;\u{fffd}".as_bytes());
        assert_eq!(run(js, "a'\\<=\n\u{2028}é".as_bytes()), "a\\'\\\\\\u003C\\u003D\\u000A\\u2028é".as_bytes());
        assert_eq!(run(url_encode, "a b/é~".as_bytes()), b"a+b%2F%C3%A9~");
        assert_eq!(url_decode(b"a%zz", &mut Vec::new()).unwrap_err(), "invalid URL escape \"%zz\"");
        assert_eq!(url_decode(b"a%4", &mut Vec::new()).unwrap_err(), "invalid URL escape \"%4\"");
    }
}
