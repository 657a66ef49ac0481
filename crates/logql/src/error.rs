//! Why a text is not a query, in upstream's words: clients and dashboards match on them.

use crate::ast::Span;

/// What is wrong, as a reader sees it and with the place it was seen at.
///
/// The text form is `parse error at line L, col C: MESSAGE`, or `parse error : MESSAGE` if the fault belongs to no
/// one token (`line` and `col` are 0). As upstream does, `line` is 0 while `col` is right for a token that was read
/// with look-ahead: two-character operators, durations, byte sizes, ranges and flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Line, from 1; 0 if unknown.
    pub line: u32,
    /// Character within the line, from 1; 0 if unknown.
    pub col: u32,
    /// Bytes of the query this is about; empty at 0 if it is about the whole query.
    pub span: Span,
    /// Whether the text starts with `parse error`; some refusals stand alone.
    pub kind: ErrorKind,
}

/// Which of the two forms an error's text has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not a query: `parse error …`.
    Parse,
    /// The query is fine but of the wrong kind here: the message alone.
    Unsupported,
}

impl ParseError {
    /// An error about `span` without line and column.
    pub(crate) fn at_span(message: impl Into<String>, span: Span) -> Self {
        Self { message: message.into(), line: 0, col: 0, span, kind: ErrorKind::Parse }
    }

    /// A refusal of a query that parses.
    pub(crate) fn unsupported(message: &str) -> Self {
        Self { message: message.into(), line: 0, col: 0, span: Span::default(), kind: ErrorKind::Unsupported }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind, self.line, self.col) {
            (ErrorKind::Unsupported, _, _) => f.write_str(&self.message),
            (ErrorKind::Parse, 0, 0) => write!(f, "parse error : {}", self.message),
            (ErrorKind::Parse, line, col) => write!(f, "parse error at line {line}, col {col}: {}", self.message),
        }
    }
}

impl std::error::Error for ParseError {}

/// The error of a stage that cannot be built, such as a line filter with a broken regular expression.
///
/// `stage` is the stage's canonical text (`StageKind`'s `Display`). Stages whose check lies in another crate, such as
/// templates, compose their error with this.
///
/// ```
/// let e = loptr_logql::stage_error("| line_format \"{{\"", "invalid line template: template: line:1: unclosed action");
/// assert_eq!(
///     e.to_string(),
///     "parse error : stage '| line_format \"{{\"' : invalid line template: template: line:1: unclosed action"
/// );
/// ```
pub fn stage_error(stage: &str, message: &str) -> ParseError {
    ParseError::at_span(format!("stage '{stage}' : {message}"), Span::default())
}
