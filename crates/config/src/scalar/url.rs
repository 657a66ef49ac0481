//! What Go's `net/url` refuses in a URL. Only the checks: the text itself is kept as written.

use std::borrow::Cow;

/// `text` with the password in front of its host masked, as upstream prints it.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    let Some(begin) = text.find("//").map(|at| at + 2) else { return text.into() };
    let authority = &text[begin..begin + text[begin..].find(['/', '?', '#']).unwrap_or(text.len() - begin)];
    let Some((user_info, host)) = authority.rsplit_once('@') else { return text.into() };
    let Some((user, _)) = user_info.split_once(':') else { return text.into() };
    let rest = &text[begin + authority.len()..];
    format!("{}{user}:{}@{host}{rest}", &text[..begin], "%2A".repeat(8)).into()
}

/// Refuses text that is no URL; the error is Go's text.
pub(crate) fn check(text: &str) -> Result<(), String> {
    fault(text).map_or(Ok(()), |why| Err(format!("parse {}: {why}", loptr_model::go_quote(text))))
}

fn fault(text: &str) -> Option<String> {
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Some("net/url: invalid control character in URL".to_owned());
    }
    let before_fragment = text.split_once('#').map_or(text, |(before, _)| before);
    let (has_scheme, rest) = match scheme(before_fragment) {
        Ok(Some(rest)) => (true, rest),
        Ok(None) => (false, before_fragment),
        Err(why) => return Some(why.to_owned()),
    };
    let path = rest.split_once('?').map_or(rest, |(path, _)| path);
    if let Some(after) = path.strip_prefix("//") {
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        return host(authority).or_else(|| escapes(path));
    }
    if !has_scheme && path.split('/').next().is_some_and(|first| first.contains(':')) && !path.starts_with('/') {
        return Some("first path segment in URL cannot contain colon".to_owned());
    }
    escapes(path)
}

/// What follows `scheme:`, if there is one.
fn scheme(text: &str) -> Result<Option<&str>, &'static str> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme"),
            b':' => return Ok(Some(&text[at + 1..])),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

fn host(authority: &str) -> Option<String> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = if host.starts_with('[') {
        match host.rfind(']') {
            Some(end) => &host[end + 1..],
            None => return Some("missing ']' in host".to_owned()),
        }
    } else {
        &host[host.find(':').unwrap_or(host.len())..]
    };
    let number = port.strip_prefix(':').unwrap_or(port);
    if !port.is_empty() && (!port.starts_with(':') || !number.bytes().all(|b| b.is_ascii_digit())) {
        return Some(format!("invalid port {} after host", loptr_model::go_quote(port)));
    }
    if let Some(bad) = host.chars().find(|c| c.is_ascii() && " \"<>\\^`{|}".contains(*c)) {
        return Some(format!("invalid character {} in host name", loptr_model::go_quote(&bad.to_string())));
    }
    None
}

fn escapes(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let at = (0..bytes.len()).find(|&at| {
        bytes[at] == b'%' && !bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    })?;
    let end = path.len().min(at + 3);
    let piece = path.get(at..end).unwrap_or("%");
    Some(format!("invalid URL escape {}", loptr_model::go_quote(piece)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_go_refuses() {
        for (text, why) in [
            ("http://[::1", "missing ']' in host"),
            ("%zz", "invalid URL escape \"%zz\""),
            ("a b://x", "first path segment in URL cannot contain colon"),
            ("http://a:b:c/", "invalid port \":b:c\" after host"),
            (":x", "missing protocol scheme"),
            ("http://h/%4", "invalid URL escape \"%4\""),
            ("http://h/\u{1}", "net/url: invalid control character in URL"),
        ] {
            assert_eq!(check(text).unwrap_err(), format!("parse {}: {why}", loptr_model::go_quote(text)));
        }
        for fine in
            ["", "1", "http://a/b%20c?x=%zz", "s3://key:secret@region/bucket", "http://[::1]:80/", "./a:b", "mailto:x"]
        {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn passwords_are_masked() {
        for (text, wanted) in [
            ("s3://key:se/cret@region/b", "s3://key:se/cret@region/b"),
            ("s3://key:secret@region/b?a=b@c", "s3://key:%2A%2A%2A%2A%2A%2A%2A%2A@region/b?a=b@c"),
            ("http://u:p@h", "http://u:%2A%2A%2A%2A%2A%2A%2A%2A@h"),
            ("http://u@h/x:y@z", "http://u@h/x:y@z"),
            ("http://h:80/", "http://h:80/"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(masked(text), wanted, "{text}");
        }
    }
}
