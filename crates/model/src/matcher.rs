//! One label matcher of a selector, as text. `loptr-regex` compiles it.

use std::fmt;

use crate::quote::go_quote_bytes;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `=~`, fully anchored
    Re,
    /// `!~`, fully anchored
    Nre,
}

impl MatchOp {
    /// The operator as written in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOp::Eq => "=",
            MatchOp::Ne => "!=",
            MatchOp::Re => "=~",
            MatchOp::Nre => "!~",
        }
    }

    /// Whether this operator accepts what its opposite refuses.
    pub fn is_negative(self) -> bool {
        matches!(self, MatchOp::Ne | MatchOp::Nre)
    }
}

/// A label matcher: `name op "value"`. An absent label has the value `""`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// Comparison.
    pub op: MatchOp,
    /// Text to compare with, or the regular expression in Go's syntax.
    pub value: String,
    /// The bytes asked for, where they are no text: `value` is what comes near then, and no label has it.
    raw: Option<Box<[u8]>>,
}

impl Matcher {
    /// `name op "value"`.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Self {
        Self { name: name.into(), op, value: value.into(), raw: None }
    }

    /// As [`Matcher::new`], for a value that need not be UTF-8.
    pub fn from_bytes(name: impl Into<String>, op: MatchOp, value: &[u8]) -> Self {
        let raw = std::str::from_utf8(value).is_err().then(|| value.into());
        Self { name: name.into(), op, value: String::from_utf8_lossy(value).into_owned(), raw }
    }

    /// The value's bytes.
    pub fn value_bytes(&self) -> &[u8] {
        self.raw.as_deref().unwrap_or(self.value.as_bytes())
    }

    /// The bytes a label may have to match, if they can be told without a regular expression: those of a value that is no
    /// text, or its alternatives between bars.
    pub fn raw_values(&self) -> Option<Vec<&[u8]>> {
        let raw = self.raw.as_deref()?;
        match self.op {
            MatchOp::Eq | MatchOp::Ne => Some(vec![raw]),
            MatchOp::Re | MatchOp::Nre => Some(raw.split(|&byte| byte == b'|').collect()),
        }
    }

    /// The same for the label `name`.
    pub fn renamed(&self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self.clone() }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.op.as_str(), go_quote_bytes(self.value_bytes()))
    }
}
