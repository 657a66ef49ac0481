//! Lines → patterns: what log lines have in common, `<_>` where they differ.
//!
//! A [`Drain`] learns from the lines of one stream and level (Pinjia He et al., "Drain: An Online Log Parsing Approach
//! with Fixed Depth Tree", ICWS 2017). A [`Tokenizer`] cuts a line into tokens; a tree of token prefixes leads to the few
//! clusters a line is compared with; the most alike takes it, and tokens that differ become `<_>`. Each cluster counts
//! its lines by time. [`PatternStream`] has one [`Drain`] per level, [`merge`] puts the counts of streams together.
//!
//! Figures (tree depth, likeness, how many clusters) and token rules are upstream's, so that both find the same
//! patterns. Times of samples are milliseconds; the clock is a parameter.
//!
//! ```
//! use loptr_model::{Millis, Nanos};
//! use loptr_pattern::{PatternStream, Settings};
//! let settings = Settings::default();
//! let mut stream = PatternStream::new("GET /a took 5 ms", &settings);
//! for at in 0..40 {
//!     let line = format!("GET /a took {at} ms");
//!     stream.observe(Nanos(at * 1_000_000_000), &line, "info", Nanos(0), &settings);
//! }
//! let mut found = Vec::new();
//! stream.collect(Millis(0), Millis(100_000), 10_000, &settings, |found_now| found.push(found_now));
//! assert_eq!((found[0].pattern.as_str(), found[0].level), ("GET /a took <_> ms", "info"));
//! assert_eq!(found[0].samples, [(0, 10), (10_000, 10), (20_000, 10), (30_000, 10)]);
//! ```
#![warn(missing_docs)]

mod counts;
mod drain;
mod json;
mod logfmt;
mod stream;
mod tokens;
mod unicode;

pub use drain::{Drain, Skipped};
pub use stream::{Forgotten, LEVELS, Observed, PatternStream, biggest, bucketed, merge};
pub use tokens::{Format, Tokenizer};

/// What stands for tokens that differ.
pub const PLACEHOLDER: &str = "<_>";

/// Bounds and figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Clusters of one stream and level; the one longest unused goes first.
    pub max_clusters: usize,
    /// Share of lines that may push a cluster out before the stream is left alone for a while.
    pub max_eviction_ratio: f64,
    /// Longer lines are passed over, bytes.
    pub max_line_bytes: usize,
    /// Span of a block of samples, milliseconds.
    pub max_chunk_age_ms: i64,
    /// Milliseconds between samples.
    pub sample_interval_ms: i64,
    /// Fields of a JSON document that may hold the message, in the order they are tried.
    pub json_fields: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let fields = ["log", "message", "msg", "msg_", "_msg", "content"];
        Self {
            max_clusters: 300,
            max_eviction_ratio: 0.25,
            max_line_bytes: 3000,
            max_chunk_age_ms: 3_600_000,
            sample_interval_ms: 10_000,
            json_fields: fields.into_iter().map(str::to_owned).collect(),
        }
    }
}
