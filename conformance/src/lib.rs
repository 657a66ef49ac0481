//! Holds a server against answers recorded from upstream, over HTTP alone.
//!
//! * [`recorded`]: the bodies to push, and each request with upstream's answer;
//! * [`compare`]: when two answers say the same, and what is free;
//! * [`language`]: what a query's tokens tell: whether it sorts, whether the foundation's language holds it;
//! * [`differences`]: the list of answers that are knowingly better than upstream's;
//! * [`generate`]: queries drawn from the grammar, for two live servers; [`tally`]: that none of the grammar is missing;
//! * [`shaped`]: a second set of lines for them;
//! * [`replay`] and [`live`]: the two commands;
//! * [`pushes`]: recorded pushes, each to a tenant of its own;
//! * [`patterns`]: generated files whose lines are to be found under the patterns upstream found;
//! * [`tails`]: recorded tails;
//! * [`script`]: tests written by hand, run in memory by `loptr-eval` and over HTTP here;
//! * [`http`] and [`ws`]: small blocking clients.
//!
//! ```
//! use loptr_conformance::{compare::{self, Rules}, http::Answer};
//!
//! let answer = |body: &str| Answer { status: 200, content_type: "application/json".into(), body: body.into() };
//! let expected = compare::expect_same_as(&answer(r#"{"status":"success","data":["a","b"]}"#));
//! assert!(compare::compare(&expected, &answer(r#"{"data":["b","a"],"status":"success"}"#), Rules::default()).is_ok());
//! assert!(compare::compare(&expected, &answer(r#"{"data":["b"],"status":"success"}"#), Rules::default()).is_err());
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a black-box tool outside the server: it has no simulated clock, disk or network"
)]

pub mod compare;
pub mod differences;
pub mod generate;
pub mod http;
pub mod language;
pub mod live;
pub mod patterns;
mod proto;
pub mod pushes;
pub mod recorded;
pub mod replay;
pub mod script;
pub mod shaped;
pub mod tails;
pub mod tally;
pub mod ws;
