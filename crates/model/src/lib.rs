//! The nouns everything else speaks: tenant, labels, matcher, entry, time range, chunk reference.
//!
//! Times are [`Nanos`] (Unix time in nanoseconds) where entries are concerned and [`Millis`] where the index and
//! object keys are; nothing here reads a clock. Labels are text (UTF-8), lines are bytes: a log line need not be
//! valid UTF-8 and is never changed.
//!
//! ```
//! use loptr_model::{Labels, TenantId};
//! let labels = Labels::from_pairs([("env", "prod"), ("app", "a")]);
//! assert_eq!(labels.to_string(), r#"{app="a", env="prod"}"#);
//! assert_eq!(labels.fingerprint().0, 0x7bfdd8d0263885fd);
//! assert!(TenantId::parse("a/b").is_err());
//! ```
#![warn(missing_docs)]

mod entry;
mod labels;
mod matcher;
mod quote;
mod tenant;
mod time;

pub use entry::{ChunkRef, Entry, OwnedEntry, StreamEntries};
pub use labels::{Fingerprint, Label, Labels, METRIC_NAME};
pub use matcher::{MatchOp, Matcher};
pub use quote::{go_quote, go_quote_bytes};
pub use tenant::{TenantError, TenantId};
pub use time::{Millis, Nanos, TimeRange};
