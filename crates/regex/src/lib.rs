//! Go regular expressions on regex-automata.
//!
//! LogQL is written for Go's `regexp` package. This crate reads Go's syntax, answers what Go answers, match for match and
//! error for error, and does it at the speed of [`regex_automata`]: lazy DFAs, vectorised literal search.
//!
//! ```text
//! pattern ── syntax ──> tree ──┬─ trim ──> probe        is there a match? a literal, a prefix, or an automaton
//!                              │      ├──> block scan   which lines of a block can match?
//!                              │      └──> needles      which substrings must a text have?
//!                              └─ hir ───> automata     where is the match, what did the groups match?
//! ```
//!
//! - [`GoRegex`] is a compiled pattern. Upstream reads patterns in four ways: [`GoRegex::new`] for the `regexp` stage and
//!   templates, [`GoRegex::line_filter`], [`GoRegex::anchored`] for label filters, [`GoRegex::selector`] for selectors.
//! - [`LabelMatcher`] is a selector's matcher, with what an index needs to find values: a list of them, or a prefix.
//! - [`syntax`] is the parser and its tree, for code that looks at a pattern's shape.
//!
//! Haystacks are bytes, offsets count bytes and ends are exclusive. Go matches characters, and takes a byte that is not
//! part of a UTF-8 sequence for a character, U+FFFD: so `.` and `[^a]` match it. `\d \w \s \b` and `[:alpha:]` are ASCII,
//! `\p{...}` and case folding are Unicode 15.0, `.` excludes the newline, and of several matches at one place the one that
//! a backtracking search would find first counts.
//!
//! A [`RegexError`] has Go's text wherever Go refuses the pattern too. Beyond Go's, three limits hold, each with its own
//! error: 1 MiB of pattern, 32 MiB for each automaton, 128 MiB for a search that follows groups. Matching takes time linear
//! in the haystack for any pattern. `docs/decisions/regex.md` lists what differs from upstream.
//!
//! ```
//! use loptr_regex::GoRegex;
//!
//! let regex = GoRegex::new(r"(?i)status=(?P<code>5\d\d)")?;
//! let line = b"GET /a Status=503 12ms";
//! assert!(regex.is_match(line));
//! assert_eq!(regex.find(line, 0), Some((7, 17)));
//! let groups = regex.captures(line).unwrap();
//! assert_eq!(groups.get(1), Some((14, 17)));
//! assert_eq!(regex.replace_all(line, b"<$code>"), b"GET /a <503> 12ms");
//!
//! let error = GoRegex::new("a**").unwrap_err();
//! assert_eq!(error.to_string(), "error parsing regexp: invalid nested repetition operator: `**`");
//! # Ok::<(), loptr_regex::RegexError>(())
//! ```
#![warn(missing_docs)]

mod block;
mod engine;
mod error;
mod hir;
mod matcher;
mod needles;
mod probe;
mod regex;
mod replace;
pub mod syntax;
mod trim;
mod unicode;
mod utf8;
mod values;

pub use block::BlockScan;
pub use error::{ErrorCode, ErrorKind, RegexError};
pub use matcher::LabelMatcher;
pub use needles::{Needles, fold_char};
pub use regex::{Captures, GoRegex, Matches};
