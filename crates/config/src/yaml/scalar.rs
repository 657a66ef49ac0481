//! What a scalar means: YAML 1.1's booleans, numbers and nulls, with tags.

use super::tree::{Node, Tag};
use crate::scalar::{number, time};

/// A scalar's meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Timestamp,
    Text,
}

impl Meaning {
    /// Its type as error texts spell it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Meaning::Null => "!!null",
            Meaning::Bool(_) => "!!bool",
            Meaning::Int(_) | Meaning::Uint(_) => "!!int",
            Meaning::Float(_) => "!!float",
            Meaning::Timestamp => "!!timestamp",
            Meaning::Text => "!!str",
        }
    }
}

/// The meaning of a scalar, or upstream's text when its tag and its text do not fit.
pub(crate) fn resolve(node: &Node, text: &str, plain: bool) -> Result<Meaning, String> {
    let wanted = match node.tag.as_deref() {
        None if plain => return Ok(meaning(text)),
        None | Some(Tag::Other(_)) => return Ok(Meaning::Text),
        Some(Tag::Core(name)) => name.as_str(),
    };
    if wanted == "str" {
        return Ok(Meaning::Text);
    }
    if wanted == "binary" {
        return Err("!!binary values are not supported".to_owned());
    }
    let found = meaning(text);
    let wanted = format!("!!{wanted}");
    match (found, wanted.as_str()) {
        (found, wanted) if found.tag() == wanted => Ok(found),
        (Meaning::Int(value), "!!float") => Ok(Meaning::Float(value as f64)),
        (_, "!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp") => {
            Err(format!("cannot decode {} `{text}` as a {wanted}", found.tag()))
        }
        _ => Ok(Meaning::Text),
    }
}

/// The meaning of an untagged plain scalar.
fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Meaning::Text;
    }
    if time::is_yaml_timestamp(text) {
        return Meaning::Timestamp;
    }
    let plain = text.replace('_', "");
    if let Ok(value) = number::parse_int(&plain) {
        return Meaning::Int(value);
    }
    if let Ok(value) = number::parse_uint(&plain) {
        return Meaning::Uint(value);
    }
    if is_float(&plain)
        && let Ok(value) = plain.parse()
    {
        return Meaning::Float(value);
    }
    Meaning::Text
}

/// Sign, digits with at most one point and at least one digit, exponent.
fn is_float(text: &str) -> bool {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (body, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

/// Whether text written without quotes reads back as the same text.
pub(crate) fn is_plain_text(text: &str) -> bool {
    let first = text.chars().next();
    let opens_syntax = first.is_none_or(|c| c.is_whitespace() || "!&*-?:,[]{}#|>@`\"'%=~<".contains(c));
    // A dash may open a word, as in `-config`, but not stand alone.
    let dashed = text.starts_with('-') && text.len() > 1 && !text.starts_with("- ") && !text.starts_with("--");
    meaning(text) == Meaning::Text
        && (!opens_syntax || dashed)
        && !text.ends_with(|c: char| c.is_whitespace() || c == ':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_follow_yaml_1_1() {
        for (text, wanted) in [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("yes", Meaning::Bool(true)),
            ("Off", Meaning::Bool(false)),
            ("tRue", Meaning::Text),
            ("0644", Meaning::Int(420)),
            ("0o17", Meaning::Int(15)),
            ("0b11", Meaning::Int(3)),
            ("-0b11", Meaning::Int(-3)),
            ("1_000", Meaning::Int(1000)),
            ("18446744073709551615", Meaning::Uint(u64::MAX)),
            ("99999999999999999999", Meaning::Float(1e20)),
            ("08", Meaning::Float(8.0)),
            ("1e3", Meaning::Float(1000.0)),
            (".5", Meaning::Float(0.5)),
            ("+.inf", Meaning::Float(f64::INFINITY)),
            ("2024-01-01", Meaning::Timestamp),
            ("24h", Meaning::Text),
            ("1.2.3.4", Meaning::Text),
            ("-", Meaning::Text),
            ("1e", Meaning::Text),
        ] {
            assert_eq!(meaning(text), wanted, "{text}");
        }
    }
}
