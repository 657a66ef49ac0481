//! LogQL: text to tree and back.
//!
//! ```
//! use loptr_logql::{ast::Expr, parse, pretty};
//!
//! let query = parse(r#"sum by (app) (rate({env="prod"} |= "error" | json | status >= 500 [5m]))"#).unwrap();
//! let Expr::Metric(_) = &query else { panic!("a metric query") };
//! assert_eq!(
//!     query.to_string(),
//!     r#"sum by (app)(rate({env="prod"} |= "error" | json | status>=500[5m]))"#
//! );
//!
//! let error = parse(r#"rate({app="json"})"#).unwrap_err();
//! assert_eq!((error.line, error.col), (1, 18));
//! assert_eq!(error.to_string(), "parse error at line 1, col 18: syntax error: unexpected ), expecting line filter or | or RANGE");
//! ```
#![warn(missing_docs)]

pub mod ast;
pub mod expression;
pub mod pattern;

mod bytesize;
mod check;
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

pub use error::{ErrorKind, ParseError, stage_error};
pub use parse::{MAX_QUERY_BYTES, parse, parse_bytes, parse_log, parse_matchers, parse_selector};
pub use print::pretty;
pub use stages::{TemplateCheck, check_stages};
