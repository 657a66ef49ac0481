//! One string member of a JSON document, found without reading more than needed.

/// The text of member `key` at the top of the document, its escapes left as they are. `None` if it is not there or no
/// string. What follows it need not be whole.
pub(crate) fn member<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let bytes = line.as_bytes();
    let mut at = blank(bytes, 0)?;
    if bytes[at] != b'{' {
        return None;
    }
    at = blank(bytes, at + 1)?;
    while bytes[at] == b'"' {
        let (name, after) = string(line, at)?;
        at = blank(bytes, after).filter(|&at| bytes[at] == b':')?;
        at = blank(bytes, at + 1)?;
        if name == key {
            return (bytes[at] == b'"').then(|| string(line, at).map(|(text, _)| text)).flatten();
        }
        at = blank(bytes, value_end(line, at)?).filter(|&at| bytes[at] == b',')?;
        at = blank(bytes, at + 1)?;
    }
    None
}

/// The first byte from `at` on that is no blank.
fn blank(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).map(|skipped| at + skipped)
}

/// The string whose quote stands at `at`, and where it ends.
fn string(line: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = line.as_bytes();
    let mut end = at + 1;
    loop {
        match bytes.get(end)? {
            b'"' => return Some((line.get(at + 1..end)?, end + 1)),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

fn value_end(line: &str, at: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    match bytes[at] {
        b'"' => string(line, at).map(|(_, end)| end),
        b'{' | b'[' => {
            let (mut end, mut depth) = (at, 0usize);
            loop {
                match bytes.get(end)? {
                    b'"' => {
                        end = string(line, end)?.1;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
                end += 1;
                if depth == 0 {
                    return Some(end);
                }
            }
        }
        _ => {
            let rest = bytes.get(at..)?;
            rest.iter().position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\n')).map(|len| at + len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_at_the_top_only() {
        let line = r#" {"a":{"msg":"in"}, "b":[1,"]"],"n":-1.5,"msg":"say \"hi\"","x":"#;
        assert_eq!(member(line, "msg"), Some(r#"say \"hi\""#));
        assert_eq!((member(line, "n"), member(line, "x"), member("x", "x"), member("", "x")), (None, None, None, None));
    }

    #[test]
    fn broken_documents_end_the_search() {
        let line = r#"{"a":{"b":[1,"x\"y"]},"msg":"m"}"#;
        for end in 0..line.len() {
            let found = member(&line[..end], "msg");
            assert!(found.is_none() || end >= line.len() - 1, "{end}");
        }
        assert_eq!(member(line, "msg"), Some("m"));
    }
}
