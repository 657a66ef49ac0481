//! The grammars of single values: numbers, durations, sizes, times, URLs, as upstream reads and prints them.
//!
//! Everything here is text in, number out (or the error text clients know), with no idea of keys or files. Durations
//! are signed nanoseconds, times are signed Unix nanoseconds, sizes are bytes.

pub(crate) mod duration;
pub(crate) mod number;
pub(crate) mod size;
pub(crate) mod time;
pub(crate) mod url;
