//! What the tests share.

pub(crate) mod archive;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod lines;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod ws;

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix nanoseconds.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_nanos()).expect("the clock is before 2262")
}

/// A number from the environment, or `default`.
pub(crate) fn env_or(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: a number")))
}
