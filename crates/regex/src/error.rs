//! Why a pattern is refused, in Go's words.

use std::fmt;

use crate::utf8;

/// The reason a pattern is refused. [`Display`](fmt::Display) gives the text Go's `regexp/syntax` uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A range runs backwards, or names a class that does not exist.
    InvalidCharRange,
    /// An escape that means nothing, or `\C`.
    InvalidEscape,
    /// `(?P<` or `(?<` without a valid name and `>`.
    InvalidNamedCapture,
    /// `(?` followed by something unknown.
    InvalidPerlOp,
    /// Two repetition operators in a row, as in `a**`.
    InvalidRepeatOp,
    /// A count above 1000, a range that runs backwards, or nested counts whose product passes 1000.
    InvalidRepeatSize,
    /// The pattern is not UTF-8.
    InvalidUtf8,
    /// `[` without `]`.
    MissingBracket,
    /// `(` without `)`.
    MissingParen,
    /// A repetition operator with nothing before it.
    MissingRepeatArgument,
    /// The pattern ends in a backslash.
    TrailingBackslash,
    /// `)` without `(`.
    UnexpectedParen,
    /// The tree is higher than 1000 nodes.
    NestingDepth,
    /// The program would be too large, by Go's limits.
    Large,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorCode::InvalidCharRange => "invalid character class range",
            ErrorCode::InvalidEscape => "invalid escape sequence",
            ErrorCode::InvalidNamedCapture => "invalid named capture",
            ErrorCode::InvalidPerlOp => "invalid or unsupported Perl syntax",
            ErrorCode::InvalidRepeatOp => "invalid nested repetition operator",
            ErrorCode::InvalidRepeatSize => "invalid repeat count",
            ErrorCode::InvalidUtf8 => "invalid UTF-8",
            ErrorCode::MissingBracket => "missing closing ]",
            ErrorCode::MissingParen => "missing closing )",
            ErrorCode::MissingRepeatArgument => "missing argument to repetition operator",
            ErrorCode::TrailingBackslash => "trailing backslash at end of expression",
            ErrorCode::UnexpectedParen => "unexpected )",
            ErrorCode::NestingDepth => "expression nests too deeply",
            ErrorCode::Large => "expression too large",
        })
    }
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegexError {
    /// Go refuses the pattern too; the text is Go's.
    #[error("error parsing regexp: {code}: `{expr}`")]
    Syntax {
        /// What is wrong.
        code: ErrorCode,
        /// The part of the pattern that is wrong; bytes that are not UTF-8 show as U+FFFD.
        expr: String,
    },
    /// The pattern is longer than we accept. Go has no such limit.
    #[error("regular expression is {len} bytes long; limit {limit}")]
    TooLong {
        /// Bytes in the pattern.
        len: usize,
        /// The most we accept.
        limit: usize,
    },
    /// The compiled form would be larger than we accept. Go has a limit too, but a higher one.
    #[error("regular expression compiles to more than {limit} bytes: `{pattern}`")]
    TooBig {
        /// The most bytes we accept for one automaton.
        limit: usize,
        /// The pattern, cut after 100 characters.
        pattern: String,
    },
    /// The pattern has so many groups that following them would take too much memory. Go has no such limit.
    #[error("regular expression has {groups} groups, to follow them takes more than {limit} bytes: `{pattern}`")]
    TooManyGroups {
        /// Groups in the pattern.
        groups: usize,
        /// The most bytes we accept for one search.
        limit: u64,
        /// The pattern, cut after 100 characters.
        pattern: String,
    },
}

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The pattern is wrong, for Go too.
    Invalid,
    /// The pattern passes one of our limits.
    Limited,
}

impl RegexError {
    /// Whether the pattern is wrong or only too large.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RegexError::Syntax { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Limited,
        }
    }

    pub(crate) fn syntax(code: ErrorCode, expr: &[u8]) -> Self {
        RegexError::Syntax { code, expr: utf8::lossy(expr) }
    }

    pub(crate) fn too_big(limit: usize, pattern: &str) -> Self {
        RegexError::TooBig { limit, pattern: cut(pattern) }
    }

    pub(crate) fn too_many_groups(groups: usize, limit: u64, pattern: &str) -> Self {
        RegexError::TooManyGroups { groups, limit, pattern: cut(pattern) }
    }
}

fn cut(pattern: &str) -> String {
    pattern.chars().take(100).collect()
}
