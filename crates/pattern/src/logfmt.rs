//! `key=value` pairs out of a line, and into one.

/// The pairs of `line`; `None` where it is malformed.
pub(crate) fn pairs(line: &str) -> Option<Vec<(&str, String)>> {
    let bytes = line.as_bytes();
    let mut pairs = Vec::new();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].iter().position(|byte| *byte > b' ') {
        at += skipped;
        let start = at;
        let end = bytes[at..].iter().position(|byte| *byte <= b' ' || matches!(byte, b'=' | b'"'));
        at = end.map_or(bytes.len(), |len| at + len);
        let key = &line[start..at];
        if key.contains('\u{fffd}') || bytes.get(at) == Some(&b'"') || key.is_empty() {
            return None;
        }
        let mut value = String::new();
        if bytes.get(at) == Some(&b'=') {
            at += 1;
            if bytes.get(at) == Some(&b'"') {
                (value, at) = quoted(line, at)?;
            } else {
                let start = at;
                let end = bytes[at..].iter().position(|byte| *byte <= b' ' || matches!(byte, b'=' | b'"'));
                at = end.map_or(bytes.len(), |len| at + len);
                if bytes.get(at).is_some_and(|byte| *byte > b' ') {
                    return None;
                }
                value.push_str(&line[start..at]);
            }
        }
        pairs.push((key, value));
    }
    Some(pairs)
}

/// The quoted value at `at`, its escapes resolved, and where it ends.
fn quoted(line: &str, at: usize) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = line[at + 1..].char_indices();
    let mut escaped = false;
    let start = at + 1;
    let end = loop {
        let (offset, c) = chars.next()?;
        match c {
            '"' => break start + offset,
            '\\' => {
                escaped = true;
                chars.next()?;
            }
            _ => {}
        }
    };
    let text = &line[start..end];
    if !escaped {
        value.push_str(text);
        return Some((value, end + 1));
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(match chars.next()? {
                c @ ('"' | '\\' | '/' | '\'') => c,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => unicode(&mut chars)?,
                _ => return None,
            }),
            c if c < ' ' => return None,
            c => value.push(c),
        }
    }
    Some((value, end + 1))
}

fn unicode(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let hex = |chars: &mut std::str::Chars<'_>| -> Option<u32> {
        (0..4).try_fold(0, |all, _| Some(all * 16 + chars.next()?.to_digit(16)?))
    };
    let first = hex(chars)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut ahead = chars.clone();
    if (ahead.next(), ahead.next()) == (Some('\\'), Some('u'))
        && let Some(second @ 0xdc00..0xe000) = hex(&mut ahead)
    {
        *chars = ahead;
        return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
    }
    Some(char::REPLACEMENT_CHARACTER)
}

/// Writes tokens, keys and values in turn, as a line; "" where a key cannot be written.
pub(crate) fn join(tokens: &[String]) -> String {
    let mut out = String::new();
    for pair in tokens.chunks(2) {
        let before = out.len();
        if before > 0 {
            out.push(' ');
        }
        let start = out.len();
        let odd = |c: char| c <= ' ' || matches!(c, '=' | '"' | char::REPLACEMENT_CHARACTER);
        out.extend(pair[0].chars().filter(|c| !odd(*c)));
        if out.len() == start {
            return String::new();
        }
        out.push('=');
        let value = pair.get(1).map_or("", String::as_str);
        if value.contains(odd) { quote(&mut out, value) } else { out.push_str(value) }
    }
    out
}

fn quote(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char::REPLACEMENT_CHARACTER => out.push_str("\\ufffd"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<Vec<(String, String)>> {
        let pairs = pairs(line)?;
        Some(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    #[test]
    fn pairs_are_read_and_written() {
        let line = r#" a=1  b="x y" c= d e="q\"\u0041""#;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let expected = [pair("a", "1"), pair("b", "x y"), pair("c", ""), pair("d", ""), pair("e", "q\"A")];
        assert_eq!(read(line).as_deref(), Some(&expected[..]));
        let tokens: Vec<String> = expected.into_iter().flat_map(|(key, value)| [key, value]).collect();
        assert_eq!(join(&tokens), r#"a=1 b="x y" c= d= e="q\"A""#);
    }

    #[test]
    fn malformed_lines_have_no_pairs() {
        for line in ["=1", "a\"b=1", "a=b=c", "a=b\"c", "a=\"x", "a=\"\\q\""] {
            assert_eq!(read(line), None, "{line}");
        }
        assert_eq!(join(&["\"".to_owned(), "x".to_owned()]), "");
    }
}
