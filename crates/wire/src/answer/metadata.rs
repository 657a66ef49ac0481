//! Answers about streams rather than lines: labels, series, index, patterns, detected labels and fields; and the two
//! small answers of `format_query` and `buildinfo`.

use loptr_model::Labels;

use super::stats::{Floats, QueryStats, push_stats};
use super::text::{push_go_text, push_int, push_json_text, push_labels, push_line, push_list, push_texts};

/// Writes label names or values. The key `data` is missing when there are none.
pub fn write_labels(out: &mut Vec<u8>, labels: &[impl AsRef<str>]) {
    out.extend_from_slice(b"{\"status\":\"success\"");
    if !labels.is_empty() {
        out.extend_from_slice(b",\"data\":");
        push_texts(out, labels);
    }
    out.extend_from_slice(b"}\n");
}

/// Adds what whoever reads `answer`, a JSON object that is written, must know besides.
pub fn add_warnings(answer: &mut Vec<u8>, warnings: &[String]) {
    let end = answer.iter().rposition(|byte| *byte == b'}').filter(|_| !warnings.is_empty());
    let Some(end) = end else { return };
    let rest = answer.split_off(end);
    answer.extend_from_slice(b",\"warnings\":");
    push_texts(answer, warnings);
    answer.extend_from_slice(&rest);
}

/// Writes series as label sets.
pub fn write_series<'a>(out: &mut Vec<u8>, series: impl IntoIterator<Item = &'a Labels>) {
    out.extend_from_slice(b"{\"status\":\"success\",\"data\":");
    push_list(out, series, |out, labels| push_labels(out, labels.iter(), push_json_text));
    out.extend_from_slice(b"}\n");
}

/// Estimates from the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Streams.
    pub streams: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

impl IndexStats {
    fn push(&self, out: &mut Vec<u8>) {
        let parts =
            [("streams", self.streams), ("chunks", self.chunks), ("bytes", self.bytes), ("entries", self.entries)];
        for (at, (name, value)) in parts.into_iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            push_json_text(out, name);
            out.push(b':');
            push_int(out, value);
        }
        out.push(b'}');
    }
}

/// Writes index stats.
pub fn write_index_stats(out: &mut Vec<u8>, stats: &IndexStats) {
    stats.push(out);
    out.push(b'\n');
}

/// A span of fingerprints, both ends in, and what lies in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Lowest fingerprint.
    pub min: u64,
    /// Highest fingerprint.
    pub max: u64,
    /// What lies in it.
    pub stats: IndexStats,
}

/// Writes a plan of shards.
pub fn write_shards(out: &mut Vec<u8>, shards: &[Shard], stats: &QueryStats) {
    out.extend_from_slice(b"{\"shards\":");
    push_list(out, shards, |out, shard| {
        out.extend_from_slice(b"{\"bounds\":{\"min\":");
        push_int(out, shard.min);
        out.extend_from_slice(b",\"max\":");
        push_int(out, shard.max);
        out.extend_from_slice(b"},\"stats\":");
        shard.stats.push(out);
        out.push(b'}');
    });
    out.extend_from_slice(b",\"statistics\":");
    push_stats(out, stats, Floats::SixDecimals);
    out.extend_from_slice(b",\"chunkGroups\":null}\n");
}

/// A pattern and how often it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern, `<_>` for what varies.
    pub pattern: String,
    /// Level of its lines.
    pub level: String,
    /// Times in seconds, and counts.
    pub samples: Vec<(i64, i64)>,
}

/// Writes patterns.
pub fn write_patterns(out: &mut Vec<u8>, patterns: &[Pattern]) {
    out.extend_from_slice(b"{\"status\":\"success\",\"data\":");
    push_list(out, patterns, |out, pattern| {
        out.extend_from_slice(b"{\"pattern\":");
        push_line(out, pattern.pattern.as_bytes());
        out.extend_from_slice(b",\"level\":");
        push_json_text(out, &pattern.level);
        out.extend_from_slice(b",\"samples\":");
        push_list(out, &pattern.samples, |out, (seconds, count)| push_list(out, [*seconds, *count], push_int));
        out.push(b'}');
    });
    out.extend_from_slice(b"}\n");
}

/// A label and how many values it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectedLabel {
    /// Name.
    pub label: String,
    /// Estimated number of values.
    pub cardinality: u64,
}

/// Writes detected labels; `{}` when there are none.
pub fn write_detected_labels(out: &mut Vec<u8>, labels: &[DetectedLabel]) {
    if labels.is_empty() {
        return out.extend_from_slice(b"{}\n");
    }
    out.extend_from_slice(b"{\"detectedLabels\":");
    push_list(out, labels, |out, label| {
        out.push(b'{');
        push_name_and_count(out, &label.label, None, label.cardinality);
        out.push(b'}');
    });
    out.extend_from_slice(b"}\n");
}

/// `"label":…,"type":…,"cardinality":…`, each key missing when its value is empty or zero.
fn push_name_and_count(out: &mut Vec<u8>, label: &str, kind: Option<&str>, cardinality: u64) {
    let start = out.len();
    for (key, text) in [("label", Some(label)), ("type", kind)] {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            push_key(out, start, key);
            push_json_text(out, text);
        }
    }
    if cardinality > 0 {
        push_key(out, start, "cardinality");
        push_int(out, cardinality);
    }
}

fn push_key(out: &mut Vec<u8>, start: usize, key: &str) {
    if out.len() > start {
        out.push(b',');
    }
    push_json_text(out, key);
    out.push(b':');
}

/// A field found in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetectedField {
    /// Name.
    pub label: String,
    /// `string`, `int`, `float`, `boolean`, `duration` or `bytes`.
    pub kind: String,
    /// Estimated number of values.
    pub cardinality: u64,
    /// `json`, `logfmt`; None when the field comes from structured metadata or the query's own parser.
    pub parsers: Option<Vec<String>>,
    /// Path in the JSON document; empty for others.
    pub json_path: Vec<String>,
}

/// Writes detected fields; `{}` when there are none.
pub fn write_detected_fields(out: &mut Vec<u8>, fields: &[DetectedField], limit: u32) {
    if fields.is_empty() {
        return out.extend_from_slice(b"{}\n");
    }
    out.extend_from_slice(b"{\"fields\":");
    push_list(out, fields, |out, field| {
        out.push(b'{');
        let start = out.len();
        push_name_and_count(out, &field.label, Some(&field.kind), field.cardinality);
        push_key(out, start, "parsers");
        match &field.parsers {
            Some(parsers) => push_texts(out, parsers),
            None => out.extend_from_slice(b"null"),
        }
        if !field.json_path.is_empty() {
            out.extend_from_slice(b",\"jsonPath\":");
            push_texts(out, &field.json_path);
        }
        out.push(b'}');
    });
    push_limit(out, limit);
    out.extend_from_slice(b"}\n");
}

fn push_limit(out: &mut Vec<u8>, limit: u32) {
    if limit > 0 {
        out.extend_from_slice(b",\"limit\":");
        push_int(out, limit);
    }
}

/// Writes the values of one detected field; `{}` when there are none.
pub fn write_detected_values(out: &mut Vec<u8>, values: &[impl AsRef<str>], limit: u32) {
    if values.is_empty() {
        return out.extend_from_slice(b"{}\n");
    }
    out.push(b'{');
    if limit > 0 {
        out.extend_from_slice(b"\"limit\":");
        push_int(out, limit);
        out.push(b',');
    }
    out.extend_from_slice(b"\"values\":");
    push_texts(out, values);
    out.extend_from_slice(b"}\n");
}

/// Writes a query that was printed prettily.
pub fn write_formatted(out: &mut Vec<u8>, query: &str) {
    out.extend_from_slice(b"{\"status\":\"success\",\"data\":");
    push_go_text(out, query.as_bytes());
    out.extend_from_slice(b"}\n");
}

/// Writes why a query could not be printed (status 400).
pub fn write_format_error(out: &mut Vec<u8>, error: &str) {
    out.extend_from_slice(b"{\"status\":\"invalid-query\",\"error\":");
    push_go_text(out, error.as_bytes());
    out.extend_from_slice(b"}\n");
}

/// What was built, where and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// Version.
    pub version: &'a str,
    /// Commit.
    pub revision: &'a str,
    /// Branch.
    pub branch: &'a str,
    /// Who built it.
    pub build_user: &'a str,
    /// When.
    pub build_date: &'a str,
    /// Version of the toolchain; clients expect the key.
    pub go_version: &'a str,
}

/// Writes build information.
pub fn write_build_info(out: &mut Vec<u8>, info: &BuildInfo<'_>) {
    let parts = [
        ("version", info.version),
        ("revision", info.revision),
        ("branch", info.branch),
        ("buildUser", info.build_user),
        ("buildDate", info.build_date),
        ("goVersion", info.go_version),
    ];
    push_labels(out, parts.into_iter(), push_json_text);
    out.push(b'\n');
}
