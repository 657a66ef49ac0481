//! Settings that must not be accepted in silence: they decide where data goes, who may read it or how long it lives.

use std::fmt;

/// Why start is refused, with the key and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The key or flag.
    pub path: String,
    /// Its line, when a file set it.
    pub line: Option<u32>,
    /// What is missing.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (line {line}): {}", self.path, self.reason),
            None => write!(f, "{}: {}", self.path, self.reason),
        }
    }
}
