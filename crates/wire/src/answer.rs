//! Query results → the JSON clients read.
//!
//! Every writer appends to a `Vec<u8>` and leaves nothing to a serialiser: key order, escapes, missing keys and final
//! newlines are as upstream has them, since clients (Grafana above all) parse while they read.
//!
//! | answer | written by | ends with a newline |
//! |---|---|---|
//! | query, query_range: log lines | [`StreamsWriter`], [`write_streams`] | yes |
//! | query, query_range, volumes: samples | [`write_matrix`], [`write_vector`], [`write_scalar`] | no |
//! | labels, values, series, index stats, patterns, detected labels and fields | [`write_labels`] … | yes |
//! | `/api/prom` | [`LegacyStreamsWriter`], [`write_legacy_labels`] | yes |
//! | tail | [`write_tail_frame`] | no |
//! | any but tail, in protobuf | [`proto`] | no |
//!
//! Timestamps of lines are nanoseconds in a string, of samples seconds with at most three decimals.
//!
//! ```
//! use loptr_model::{Labels, Millis};
//! use loptr_wire::answer::{QueryStats, Series, write_vector};
//! let series = Series { labels: Labels::from_pairs([("app", "a")]), points: vec![(Millis(1_700_000_000_500), 2.0)] };
//! let mut out = Vec::new();
//! write_vector(&mut out, &[series], &QueryStats::default(), &[]);
//! assert!(out.starts_with(br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"app":"a"},"value":[1700000000.5,"2"]}],"stats":{"#));
//! ```

mod legacy;
mod metadata;
pub mod proto;
mod samples;
mod stats;
mod streams;
mod tail;
mod text;

pub use legacy::{LegacyStreamsWriter, write_legacy_labels, write_legacy_tail_frame};
pub use metadata::{
    BuildInfo, DetectedField, DetectedLabel, IndexStats, Pattern, Shard, add_warnings, write_build_info,
    write_detected_fields, write_detected_labels, write_detected_values, write_format_error, write_formatted,
    write_index_stats, write_labels, write_patterns, write_series, write_shards,
};
pub use samples::{Series, push_sample_time, volume_kind, write_matrix, write_scalar, write_vector};
pub use stats::{
    CacheStats, CachesStats, ChunkStats, DataObjStats, IndexQueryStats, IngesterStats, QuerierStats, QueryStats,
    StoreStats, SummaryStats,
};
pub use streams::{EncodingFlags, LogLine, LogStream, StreamsWriter, write_streams};
pub use tail::{DroppedEntry, write_tail_frame};
pub(crate) use text::push_plain_text;
pub use text::{push_json_text, push_line};

#[cfg(test)]
mod tests;
