//! The grammar, as `nom` parsers over tokens.
//!
//! Upstream's grammar is LALR(1) with conflicts, all of them settled by reading on rather than by closing a rule.
//! These parsers do the same: after the token that starts a construct there is no way back (`cut`), and one token of
//! look-ahead decides. So the first token that does not fit is the same as upstream's.
//!
//! | here | what |
//! |---|---|
//! | `log` | selectors, matchers, pipelines and their stages |
//! | `filter` | label filters |
//! | `range` | log ranges, unwrap, offset |
//! | `metric` | everything that yields numbers, and whole queries |

mod filter;
mod log;
mod metric;
mod range;

pub(crate) use metric::{Metric, Node, NodeKind, query};
