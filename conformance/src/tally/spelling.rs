//! How literals and comments of a query are spelt: the tree keeps what they mean only.

use crate::language::{Token, tokens_with_comments};

/// A name for each spelling found.
pub(super) fn of(query: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (token, text) in tokens_with_comments(query) {
        match token {
            Token::String if text.starts_with('`') => names.push("string: raw"),
            Token::String => string(text, &mut names),
            Token::Number => names.push(number(text)),
            Token::Word(word) if word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
                names.push("keyword in upper case");
            }
            Token::Comment if text.starts_with('#') => names.push("comment: #"),
            Token::Comment if text.starts_with("//") => names.push("comment: //"),
            Token::Comment => names.push("comment: /* */"),
            Token::Word(_) | Token::Range | Token::Sign(_) => {}
        }
    }
    names
}

fn string(text: &str, names: &mut Vec<&'static str>) {
    names.push("string: quoted");
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let escape = rest.get(at + 1..).unwrap_or_default();
        let Some(kind) = escape.chars().next() else { return };
        names.push(match kind {
            'x' => "string: \\x",
            'u' => "string: \\u",
            'U' => "string: \\U",
            '0'..='7' => "string: \\ooo",
            _ => "string: \\n \\t \\\" \\\\",
        });
        rest = escape.get(kind.len_utf8()..).unwrap_or_default();
    }
}

/// By the unit it ends with, else by its digits.
fn number(text: &str) -> &'static str {
    let unit: String = text.chars().filter(|c| c.is_alphabetic()).collect();
    let signed = text.starts_with('-');
    match unit.as_str() {
        "x" | "xp" => return "number: 0x1p-2",
        "e" | "E" => return "number: 1e2",
        "" => {}
        "d" => return "duration: 1d",
        "w" => return "duration: 1w",
        "B" => return "size: B",
        _ if unit.ends_with(['s', 'm', 'h']) && signed => return "duration: -1s",
        "us" | "µs" | "ns" => return "duration: 5us",
        _ if unit.ends_with(['s', 'm', 'h']) && text.contains('.') => return "duration: 1.5h",
        "s" | "ms" | "m" | "h" if text.trim_end_matches(char::is_alphabetic).chars().all(|c| c.is_ascii_digit()) => {
            return "duration: 1s";
        }
        _ if unit.ends_with(['s', 'm', 'h']) => return "duration: 1m30s",
        _ => {
            return match unit.chars().next() {
                Some('k' | 'K') => "size: K",
                Some('M') => "size: M",
                Some('G') => "size: G",
                Some('T') => "size: T",
                _ => "size: P",
            };
        }
    }
    match text.trim_start_matches(['-', '+']) {
        _ if signed => "number: -1",
        _ if text.starts_with('+') => "number: +1",
        plain if plain.contains('_') => "number: 1_0",
        plain if plain.starts_with('.') => "number: .5",
        plain if plain.ends_with('.') => "number: 5.",
        plain if plain.contains('.') => "number: 1.5",
        plain if plain.len() > 1 && plain.starts_with('0') => "number: 017",
        _ => "number: 1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_told_apart() {
        for (text, name) in [
            ("5", "number: 1"),
            ("-5", "number: -1"),
            ("+2", "number: +1"),
            ("0x1p-2", "number: 0x1p-2"),
            (".5", "number: .5"),
            ("5.", "number: 5."),
            ("1m30s", "duration: 1m30s"),
            ("-5m", "duration: -1s"),
            ("1.5h", "duration: 1.5h"),
            ("250µs", "duration: 5us"),
            ("256kB", "size: K"),
            ("10MB", "size: M"),
        ] {
            assert_eq!(number(text), name, "{text}");
        }
        let query = "{a=`b`} |= \"\\x41\\101\\u0041\\n\" /* c */ | x > -5 and RATE // d\n # e";
        let names = of(query);
        for name in
            ["string: raw", "string: \\x", "string: \\ooo", "string: \\u", "number: -1", "keyword in upper case"]
        {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert_eq!(names.iter().filter(|name| name.starts_with("comment")).count(), 3);
    }
}
