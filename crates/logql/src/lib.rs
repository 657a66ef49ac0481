//! LogQL: text to tree and back.
//!
//! [`parse`] turns a query into an [`ast::Expr`] or says what is wrong, in Loki's words and with the place;
//! [`check_stages`] finds what shows only when a pipeline is built. `{}` prints text that reads back as the same tree,
//! `{:#}` and [`pretty`] what upstream prints. [`pattern`] and [`expression`] read the small languages that queries
//! carry in strings. `docs/logql.md` has the grammar and the differences from upstream.
//!
//! ```text
//! text ── lex ──▶ tokens ── grammar ──▶ nodes, each with the fault it will be refused for
//!                                         │ check: the rules about meaning
//!                                         ▼
//!            Display, pretty ◀────────── Expr ──── check_stages
//! ```
//!
//! Units: durations are nanoseconds, sizes bytes, places byte offsets into the text (the end is not in). Regular
//! expressions and templates stay text; the former are checked here, the latter by a callback.
//!
//! Errors are [`ParseError`]s, all the caller's fault: HTTP 400. No text makes this crate panic or overflow the stack (see
//! [`with_stack`]), and no text is longer than [`MAX_QUERY_BYTES`]. Memory is a fixed multiple of its length; [`pretty`], whose
//! text grows with the square of the depth, stops at 16 MiB.
//!
//! ```
//! use loptr_logql::{ast::Expr, check_stages, parse, pretty};
//!
//! let query = parse(r#"sum by (app) (rate({env="prod"} |= "error" | json | status >= 500 [5m]))"#).unwrap();
//! let Expr::Metric(_) = &query else { panic!("a metric query") };
//! let text = r#"sum by (app)(rate({env="prod"} |= "error" | json | status>=500[5m]))"#;
//! assert_eq!(query.to_string(), text);
//! assert_eq!(pretty(&query).unwrap(), text); // short enough for one line
//!
//! let error = parse(r#"rate({app="json"})"#).unwrap_err();
//! assert_eq!((error.line, error.col), (1, 18));
//! assert_eq!(error.to_string(), "parse error at line 1, col 18: syntax error: unexpected ), expecting line filter or | or RANGE");
//!
//! let query = parse(r#"{app="json"} |~ "(""#).unwrap();
//! let error = check_stages(&query, &|_template| Ok(())).unwrap_err();
//! assert_eq!(error.to_string(), r#"parse error : stage '|~ "("' : error parsing regexp: missing closing ): `(`"#);
//! ```
#![warn(missing_docs)]

pub mod ast;
pub mod expression;
pub mod pattern;

mod bytesize;
mod check;
mod deep;
mod duration;
mod error;
mod grammar;
mod input;
mod ip;
mod lex;
mod number;
mod parse;
mod print;
mod regex;
mod stages;
mod unicode;

pub use check::check_selector;
pub use deep::with_stack;
pub use error::{ErrorKind, ParseError, stage_error};
pub use parse::{MAX_QUERY_BYTES, parse, parse_any_log, parse_bytes, parse_log, parse_matchers, parse_selector};
pub use print::pretty;
pub use stages::{TemplateCheck, check_pipeline, check_stages};
