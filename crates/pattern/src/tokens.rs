//! A line cut into tokens, and tokens put together to a pattern.
//!
//! Three ways, by what the first line of a stream looks like: plain text is cut at blanks and punctuation, `key=value`
//! lines into keys and values, of a JSON document one message field is cut as plain text.

use std::sync::LazyLock;

use loptr_regex::GoRegex as Regex;

use crate::unicode::{is_letter, is_punctuation};
use crate::{PLACEHOLDER, Settings, json, logfmt};

/// Tokens of a plain line before the rest of it is left in one piece.
const MAX_TOKENS: usize = 127;

/// What lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON document.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Anything else.
    Plain,
}

static PAIRS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(\w+?=([^"]\S*?|".+?") )*?(\w+?=([^"]\S*?|".+?"))+$"#).expect("the expression is valid")
});

impl Format {
    /// What `line` looks like.
    pub fn of(line: &str) -> Self {
        if line.len() < 2 {
            Self::Plain
        } else if line.starts_with('{') && line.ends_with('}') {
            Self::Json
        } else if PAIRS.is_match(line.as_bytes()) {
            Self::Logfmt
        } else {
            Self::Plain
        }
    }

    /// Upstream's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Plain => "unknown",
        }
    }
}

/// A piece of a line. It need not be text: upstream splits punctuation beyond ASCII after its first byte.
pub(crate) type Token = Vec<u8>;

/// A line in tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    /// For plain lines: for each blank the position of the token before it; -1 before the first.
    spaces: Vec<i32>,
}

/// Cuts lines of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokenizer(pub Format);

impl Tokenizer {
    /// The tokens of `line`; `None` if it is too long, malformed, or a document without a message.
    pub(crate) fn cut(self, line: &str, settings: &Settings) -> Option<Tokens> {
        let short = |text: &str| text.len() <= settings.max_line_bytes;
        match self.0 {
            Format::Plain => short(line).then(|| plain(line)),
            Format::Json => {
                let message = settings.json_fields.iter().find_map(|field| json::member(line, field))?;
                short(message).then(|| plain(message))
            }
            Format::Logfmt => {
                let pairs = short(line).then(|| logfmt::pairs(line)).flatten()?;
                let mut tokens = Vec::with_capacity(2 * pairs.len());
                for (key, value) in pairs {
                    let value = if is_variable(key) { PLACEHOLDER.to_owned() } else { value };
                    tokens.extend([key.as_bytes().to_vec(), value.into_bytes()]);
                }
                Some(Tokens { tokens, spaces: Vec::new() })
            }
        }
    }

    /// The pattern that tokens make.
    pub(crate) fn join(self, cut: &Tokens) -> String {
        let joined = match self.0 {
            Format::Plain => text(&join_plain(cut)),
            Format::Json => format!("{PLACEHOLDER}{}{PLACEHOLDER}", text(&join_plain(cut))),
            Format::Logfmt => {
                let tokens: Vec<String> = cut.tokens.iter().map(|token| text(token)).collect();
                logfmt::join(&tokens)
            }
        };
        single_placeholders(joined)
    }
}

/// Cuts at blanks, punctuation and `=`, but not at `_-.:/`. Of punctuation beyond ASCII only the first byte is a token,
/// the others begin the next one. That is upstream's doing, and how many tokens a line has decides its pattern.
fn plain(line: &str) -> Tokens {
    let bytes = line.as_bytes();
    let mut cut = Tokens::default();
    let mut start = 0;
    for (at, c) in line.char_indices() {
        if cut.tokens.len() >= MAX_TOKENS {
            break;
        }
        if is_letter(c) || c.is_numeric() || matches!(c, '_' | '-' | '.' | ':' | '/') {
            continue;
        }
        if c == ' ' || c == '=' || is_punctuation(c) {
            if at > start {
                cut.tokens.push(bytes[start..at].to_vec());
            }
            if c == ' ' {
                cut.spaces.push(cut.tokens.len() as i32 - 1);
            } else {
                cut.tokens.push(vec![bytes[at]]);
            }
            start = at + 1;
        }
    }
    if start < bytes.len() {
        cut.tokens.push(bytes[start..].to_vec());
    }
    cut
}

fn join_plain(cut: &Tokens) -> Vec<u8> {
    let mut out = Vec::new();
    let mut spaces = cut.spaces.iter().peekable();
    for (at, token) in cut.tokens.iter().enumerate() {
        out.extend_from_slice(token);
        // A blank before the first token hides all others, as upstream has it.
        while spaces.next_if(|space| **space == at as i32).is_some() {
            out.push(b' ');
        }
    }
    out
}

/// `bytes` with U+FFFD for each byte that belongs to no character: what a client sees of them.
fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

/// Keys whose values never say anything.
fn is_variable(key: &str) -> bool {
    key == "t" || ["ts", "traceID", "time", "timestamp"].iter().any(|known| key.eq_ignore_ascii_case(known))
}

/// One placeholder for each run of them.
fn single_placeholders(text: String) -> String {
    if !text.contains("<_><_>") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(PLACEHOLDER) {
        out.push_str(&rest[..at + PLACEHOLDER.len()]);
        rest = &rest[at + PLACEHOLDER.len()..];
        while let Some(after) = rest.strip_prefix(PLACEHOLDER) {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(format: Format, line: &str) -> Option<Vec<String>> {
        let cut = Tokenizer(format).cut(line, &Settings::default())?;
        Some(cut.tokens.iter().map(|token| text(token)).collect())
    }

    fn there_and_back(format: Format, line: &str) -> String {
        Tokenizer(format).join(&Tokenizer(format).cut(line, &Settings::default()).expect("it can be cut"))
    }

    #[test]
    fn first_lines_tell_the_format() {
        for (line, format) in [
            ("", Format::Plain),
            ("{}", Format::Json),
            ("{\"a\":1} x", Format::Plain),
            ("a=1 b=\"x y\"", Format::Logfmt),
            ("a=1 and b=2", Format::Plain),
            ("level=info msg=\"\"", Format::Plain),
        ] {
            assert_eq!(Format::of(line), format, "{line}");
        }
    }

    #[test]
    fn plain_lines_come_back_whole() {
        let tokens = cut(Format::Plain, "id=[7]  \"x-y.z\" a,b€").expect("it can be cut");
        assert_eq!(tokens, ["id", "=", "[", "7", "]", "\"", "x-y.z", "\"", "a", ",", "b€"]);
        for line in ["id=[7]  \"x-y.z\" a,b€", "ends with two  ", "a…b"] {
            assert_eq!(there_and_back(Format::Plain, line), line);
        }
        assert_eq!(there_and_back(Format::Plain, " a b"), "ab", "a blank in front hides the others");
        assert_eq!(cut(Format::Plain, &"x".repeat(3001)), None);
    }

    #[test]
    fn of_wide_punctuation_the_first_byte_is_a_token() {
        let tokens = cut(Format::Plain, "«a» — b").expect("it can be cut");
        assert_eq!(tokens, ["\u{fffd}", "\u{fffd}a", "\u{fffd}", "\u{fffd}", "\u{fffd}", "\u{fffd}\u{fffd}", "b"]);
        let mut cut = Tokenizer(Format::Plain).cut("«a» — b", &Settings::default()).expect("it can be cut");
        cut.tokens[1] = PLACEHOLDER.into();
        assert_eq!(Tokenizer(Format::Plain).join(&cut), "\u{fffd}<_>» — b");
    }

    #[test]
    fn fields_and_messages() {
        assert_eq!(there_and_back(Format::Logfmt, "TS=1 a=\"b c\" t=5"), "TS=<_> a=\"b c\" t=<_>");
        assert_eq!(there_and_back(Format::Json, r#"{"n":1,"msg":"a \"b\""}"#), r#"<_>a \"b\"<_>"#);
        assert_eq!(cut(Format::Json, r#"{"n":1}"#), None);
        assert_eq!(single_placeholders("a <_><_><_> <_><_>".to_owned()), "a <_> <_>");
    }
}
