//! Label text (`{app="a", env="prod"}`) → label sets, as pushes send it.
//!
//! The grammar is that of a Prometheus metric: an optional metric name (which becomes `__name__`), then pairs in
//! braces. Values are quoted by `"`, `'` or backticks, names may be quoted too, a comma may end the list, `#` starts a
//! comment. Labels with an empty value are dropped, the rest is sorted by name. Errors are upstream's, with line and
//! column.
//!
//! ```
//! use loptr_wire::labels::parse_labels;
//! let labels = parse_labels(r#"{env="prod",app="a",zone=""}"#).unwrap();
//! assert_eq!(labels.to_string(), r#"{app="a", env="prod"}"#);
//! let error = parse_labels("{a=b}").unwrap_err();
//! assert_eq!(error.to_string(), r#"1:4: parse error: unexpected identifier "b" in label set, expected string"#);
//! ```

mod lexer;
pub(crate) use lexer::name_rune;
mod parser;

use std::borrow::Cow;

use loptr_model::{Labels, go_quote};

/// Name and value pairs as written: sorted by name, none empty, names possibly repeated.
pub type LabelPairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Why text is not a label set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// The text does not parse. Upstream refuses the whole push: `couldn't parse labels: ` and this.
    #[error("{position}: parse error: {message}")]
    Syntax {
        /// `line:column`, both from 1, the column in bytes.
        position: String,
        /// What was found and expected.
        message: String,
    },
    /// A name occurs twice. Upstream refuses this stream only.
    #[error("stream '{stream}' has duplicate label name: '{name}'")]
    Duplicate {
        /// The pairs, rendered.
        stream: String,
        /// The name.
        name: String,
    },
    /// The text is over 16 MiB.
    #[error("labels size {0} MiB exceeds limit of 16")]
    TooLong(usize),
}

/// Parses label text into a label set.
pub fn parse_labels(text: &str) -> Result<Labels, LabelsError> {
    let pairs = parse_label_pairs(text)?;
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(LabelsError::Duplicate { stream: render(&pairs), name: twice[0].0.clone().into_owned() });
    }
    Ok(Labels::from_pairs(pairs))
}

/// Parses label text into pairs; a repeated name is for the caller to judge.
pub fn parse_label_pairs(text: &str) -> Result<LabelPairs<'_>, LabelsError> {
    if text.len() > crate::push::MAX_STREAM_LABELS_BYTES {
        return Err(LabelsError::TooLong(text.len() >> 20));
    }
    let mut pairs = match usual(text) {
        Some(pairs) => pairs,
        None => parser::parse(text)?,
    };
    pairs.retain(|(_, value)| !value.is_empty());
    if !pairs.is_sorted_by(|a, b| a.0 <= b.0) {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(pairs)
}

/// Renders pairs as label text, in the order given.
pub fn render(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> String {
    let mut text = String::from("{");
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&go_quote(value));
    }
    text.push('}');
    text
}

/// `{name="value", …}` without escapes or anything else unusual; None leaves it to the full parser.
fn usual(text: &str) -> Option<LabelPairs<'_>> {
    let mut rest = text.strip_prefix('{')?;
    let mut pairs = Vec::new();
    if rest == "}" {
        return Some(pairs);
    }
    loop {
        let name_len = rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))?;
        let (name, after) = rest.split_at(name_len);
        if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
            return None;
        }
        let quoted = after.strip_prefix("=\"")?;
        let value_len = quoted.bytes().position(|byte| matches!(byte, b'"' | b'\\' | b'\n'))?;
        let (value, after) = quoted.split_at(value_len);
        let after = after.strip_prefix('"')?;
        if !value.is_ascii() && value.contains('\u{fffd}') {
            return None;
        }
        pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        if after == "}" {
            return Some(pairs);
        }
        let after = after.strip_prefix(',')?;
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
}

#[cfg(test)]
mod tests;
