//! The media type of a `Content-Type` header, with Go's `mime.ParseMediaType` errors.

/// Why a `Content-Type` is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Nothing before the first `;`.
    #[error("mime: no media type")]
    Missing,
    /// `text` alone, followed by something else than `/`.
    #[error("mime: expected slash after first token")]
    NoSlash,
    /// `text/` with nothing behind.
    #[error("mime: expected token after slash")]
    NoSubtype,
    /// `text/plain x`.
    #[error("mime: unexpected content after media subtype")]
    Trailing,
    /// A parameter that is not `name=value`.
    #[error("mime: invalid media parameter")]
    Parameter,
    /// The same parameter twice.
    #[error("mime: duplicate parameter name")]
    Duplicate,
}

/// The media type in lower case, without its parameters, which are checked all the same.
pub fn media_type(header: &str) -> Result<String, MediaTypeError> {
    let (base, mut rest) = header.find(';').map_or((header, ""), |at| header.split_at(at));
    let media = base.trim().to_lowercase();
    check_media(&media)?;
    let mut seen: Vec<String> = Vec::new();
    while !rest.is_empty() {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let Some((name, after)) = parameter(rest) else {
            return if rest.trim() == ";" { Ok(media) } else { Err(MediaTypeError::Parameter) };
        };
        if seen.contains(&name) {
            return Err(MediaTypeError::Duplicate);
        }
        seen.push(name);
        rest = after;
    }
    Ok(media)
}

fn check_media(media: &str) -> Result<(), MediaTypeError> {
    let (first, rest) = token(media);
    if first.is_empty() {
        return Err(MediaTypeError::Missing);
    }
    if rest.is_empty() {
        return Ok(());
    }
    let Some(rest) = rest.strip_prefix('/') else { return Err(MediaTypeError::NoSlash) };
    let (subtype, rest) = token(rest);
    if subtype.is_empty() {
        return Err(MediaTypeError::NoSubtype);
    }
    if rest.is_empty() { Ok(()) } else { Err(MediaTypeError::Trailing) }
}

/// Reads `; name=value`, answers the name in lower case and what follows.
fn parameter(text: &str) -> Option<(String, &str)> {
    let rest = text.trim_start().strip_prefix(';')?.trim_start();
    let (name, rest) = token(rest);
    if name.is_empty() {
        return None;
    }
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        return Some((name.to_lowercase(), after_quoted(quoted)?));
    }
    let (value, rest) = token(rest);
    if value.is_empty() { None } else { Some((name.to_lowercase(), rest)) }
}

fn after_quoted(text: &str) -> Option<&str> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return text.get(at + 1..),
            b'\\' if text.as_bytes().get(at + 1).is_some_and(|next| is_special(*next)) => {
                bytes.next();
            }
            b'\r' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

fn token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_graphic() || is_special(b)).unwrap_or(text.len());
    // The first byte that is no token character is ASCII or starts a character, so this is a boundary.
    text.split_at(end)
}

fn is_special(byte: u8) -> bool {
    b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked_and_dropped() {
        for ok in ["application/json", "Application/JSON ; charset=utf-8", " application/json;a=b; c=\"d\\\"e\";"] {
            assert_eq!(media_type(ok).as_deref(), Ok("application/json"), "{ok}");
        }
        assert_eq!(media_type("json").as_deref(), Ok("json"));
    }

    #[test]
    fn errors_are_gos() {
        for (header, text) in [
            ("", "mime: no media type"),
            (" ;a=b", "mime: no media type"),
            ("text plain", "mime: expected slash after first token"),
            ("text/", "mime: expected token after slash"),
            ("text/plain x", "mime: unexpected content after media subtype"),
            ("text/plain; charset", "mime: invalid media parameter"),
            ("text/plain; a=b; a=c", "mime: duplicate parameter name"),
            ("é/x", "mime: no media type"),
        ] {
            assert_eq!(media_type(header).expect_err(header).to_string(), text, "{header}");
        }
    }
}
