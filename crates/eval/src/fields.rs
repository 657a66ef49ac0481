//! Fields of log lines: what a client may filter on, found by looking at an answer's lines.
//!
//! Per entry: its structured metadata, the labels the query parsed, then what `| json` finds in the line or, where the
//! line is no document, `| logfmt`. A name that a stream label or metadata has already gets the parser's suffix. The
//! type is that of the value seen last.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use loptr_logql::ast::{LogExpr, Stage, StageKind};
use loptr_model::{Entry, Labels, Nanos};

use crate::EvalError;
use crate::log_result::{LogEntry, LogStream};
use crate::pipeline::number::{parse_bytes, parse_duration, parse_float};
use crate::pipeline::parse::json_names;
use crate::pipeline::{ERROR, ERROR_DETAILS, PRESERVE_ERROR, Pipeline, ResultLabels, StreamPipeline};

/// Type of a field's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true`, `F`, `0` …
    Boolean,
    /// Go's notation: `1m30s`.
    Duration,
    /// A size: `1.5kB`.
    Bytes,
    /// Anything else.
    #[default]
    String,
}

/// Whether `text` is a number as Go reads one.
pub fn is_number(text: &str) -> bool {
    parse_float(text.as_bytes()).is_ok()
}

impl FieldKind {
    /// The type of one value.
    pub fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        if value.parse::<i64>().is_ok() {
            return Self::Int;
        }
        if parse_float(bytes).is_ok() {
            return Self::Float;
        }
        if matches!(value, "t" | "T" | "TRUE" | "true" | "True" | "f" | "F" | "FALSE" | "false" | "False") {
            return Self::Boolean;
        }
        if parse_duration(bytes).is_ok() {
            return Self::Duration;
        }
        if parse_bytes(bytes).is_ok() {
            return Self::Bytes;
        }
        Self::String
    }

    /// As clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }
}

/// A field and what its values look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Type of its values.
    pub kind: FieldKind,
    /// Different values.
    pub values: u64,
    /// Parsers that found it, of `json` and `logfmt`.
    pub parsers: Vec<&'static str>,
    /// Keys that lead to it in a JSON document.
    pub json_path: Vec<String>,
}

#[derive(Debug, Default)]
struct Seen {
    kind: FieldKind,
    values: HashSet<u64, FixedState>,
    parsers: Vec<&'static str>,
    json_path: Vec<String>,
}

/// The fields in the lines of an answer whose labels are told by category, at most `limit` of them, by name.
pub fn detect_fields(streams: &[LogStream], limit: usize) -> Result<Vec<Field>, EvalError> {
    let hasher = FixedState::default();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    each_entry(streams, |entry, found| {
        for (name, value) in found.metadata.iter() {
            if let Some(field) = known(&mut seen, name, limit) {
                field.kind = FieldKind::of(value);
                field.values.insert(hasher.hash_one(value));
            }
        }
        for (name, values) in &found.parsed {
            let Some(field) = known(&mut seen, name, limit) else { continue };
            if let Some(parser) = found.parser {
                if !field.parsers.contains(&parser) {
                    field.parsers.push(parser);
                }
                if parser == JSON && field.json_path.is_empty() {
                    field.json_path = json_names::path_of(&entry.line, name);
                }
            }
            for value in values {
                field.values.insert(hasher.hash_one(value.as_str()));
                field.kind = FieldKind::of(value);
            }
        }
        true
    })?;
    Ok(seen
        .into_iter()
        .map(|(name, seen)| Field {
            name,
            kind: seen.kind,
            values: seen.values.len() as u64,
            parsers: {
                let mut parsers = seen.parsers;
                parsers.sort_unstable();
                parsers
            },
            json_path: seen.json_path,
        })
        .collect())
}

fn known<'s>(seen: &'s mut BTreeMap<String, Seen>, name: &str, limit: usize) -> Option<&'s mut Seen> {
    if !seen.contains_key(name) {
        if seen.len() >= limit {
            return None;
        }
        seen.insert(name.to_owned(), Seen::default());
    }
    seen.get_mut(name)
}

/// The values of field `name`, no more lines looked at once `limit` of them are known. Sizes that a parser found are
/// written as a query may hold them: `1.5kB`.
pub fn detect_values(streams: &[LogStream], name: &str, limit: usize) -> Result<Vec<String>, EvalError> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    each_entry(streams, |_, found| {
        if all.len() >= limit {
            return false;
        }
        if let Some(value) = found.metadata.get(name) {
            all.insert(value.to_owned());
        }
        for value in found.parsed.get(name).into_iter().flatten() {
            match parse_bytes(value.as_bytes()) {
                Ok(bytes) if has_unit(value) => all.insert(human_bytes(bytes)),
                _ => all.insert(value.clone()),
            };
        }
        true
    })?;
    Ok(all.into_iter().collect())
}

/// Whether a size ends in a unit and not in a digit.
fn has_unit(value: &str) -> bool {
    let last = value.chars().last().unwrap_or('0').to_ascii_lowercase();
    matches!(last, 'b' | 'i' | 'k' | 'm' | 'g' | 't' | 'p' | 'e')
}

/// `1.5kB`: powers of 1000, one decimal below ten.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut scale, mut unit) = (1u64, 0);
    while bytes / scale >= 1000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    let value = (bytes as f64 / scale as f64 * 10.0 + 0.5).floor() / 10.0;
    match unit {
        0 => format!("{bytes}B"),
        _ if value < 10.0 => format!("{value:.1}{}", UNITS[unit]),
        _ => format!("{value:.0}{}", UNITS[unit]),
    }
}

const JSON: &str = "json";
const LOGFMT: &str = "logfmt";

/// What one entry has.
struct Found<'e> {
    metadata: &'e Labels,
    parsed: BTreeMap<String, BTreeSet<String>>,
    parser: Option<&'static str>,
}

/// Both parsers bound to the labels of entries that follow each other.
struct Bound {
    of: Arc<ResultLabels>,
    json: StreamPipeline,
    logfmt: StreamPipeline,
}

/// Calls `visit` with each entry and its fields, stream by stream, until it says `false`.
fn each_entry(streams: &[LogStream], mut visit: impl FnMut(&LogEntry, Found<'_>) -> bool) -> Result<(), EvalError> {
    let json = parser(StageKind::Json(Vec::new()))?;
    let logfmt = parser(StageKind::Logfmt { strict: false, keep_empty: false, fields: Vec::new() })?;
    let mut bound: Option<Bound> = None;
    for entry in streams.iter().flat_map(|stream| &stream.entries) {
        let fits = bound.as_ref().is_some_and(|bound| Arc::ptr_eq(&bound.of, &entry.labels));
        if !fits {
            let taken = base(&entry.labels);
            let (json, logfmt) = (json.for_stream(&taken), logfmt.for_stream(&taken));
            bound = Some(Bound { of: entry.labels.clone(), json, logfmt });
        }
        let Some(bound) = &mut bound else { continue };
        let mut parsed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        add(&mut parsed, &entry.labels.parsed);
        let mut parser = None;
        for (name, pipeline) in [(JSON, &mut bound.json), (LOGFMT, &mut bound.logfmt)] {
            let plain = Entry { ts: entry.ts, line: &entry.line, metadata: &[] };
            let Some(mut processed) = pipeline.process(&plain) else { continue };
            let labels = &processed.labels().parsed;
            if labels.get(ERROR).is_none() {
                add(&mut parsed, labels);
                parser = Some(name);
                break;
            }
        }
        if !visit(entry, Found { metadata: &entry.labels.metadata, parsed, parser }) {
            break;
        }
    }
    Ok(())
}

fn parser(kind: StageKind) -> Result<Pipeline, EvalError> {
    let span = Default::default();
    let log = LogExpr { matchers: Vec::new(), matcher_spans: Vec::new(), stages: vec![Stage { kind, span }], span };
    Pipeline::compile(&log, Nanos(0))
}

/// Names that are taken when a line is parsed: all but those the query parsed.
fn base(labels: &ResultLabels) -> Labels {
    let pairs = labels.stream.iter().chain(labels.metadata.iter());
    Labels::from_pairs(pairs.filter(|(name, _)| labels.parsed.get(name).is_none()))
}

fn add(parsed: &mut BTreeMap<String, BTreeSet<String>>, labels: &Labels) {
    for (name, value) in labels.iter() {
        if !matches!(name, ERROR | ERROR_DETAILS | PRESERVE_ERROR) {
            parsed.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_result::{LogCollector, LogVisitor};
    use crate::source::{Direction, Merger, Scratch, Source, Tombstones, VecSource};

    fn streams(query: &str, lines: &[&str]) -> Vec<LogStream> {
        let labels = Labels::from_pairs([("app", "a"), ("lvl", "x")]);
        let lines: Vec<(i64, &str)> = lines.iter().enumerate().map(|(at, line)| (at as i64, *line)).collect();
        let source = VecSource::of_lines(labels.clone(), &lines);
        let sources: [&dyn Source; 1] = [&source];
        let loptr_logql::ast::Expr::Log(log) = loptr_logql::parse(query).expect("a query") else {
            panic!("a log query")
        };
        let pipeline = Pipeline::compile(&log, Nanos(0)).expect("compiles");
        let mut collector = LogCollector::new(100, Direction::Backward, 0);
        let mut stream = pipeline.for_stream(&labels);
        Merger::new(
            &sources,
            loptr_model::TimeRange::ALL,
            Direction::Backward,
            &Tombstones::default(),
            &loptr_ports::Budget::unlimited(),
        )
        .run(None, &mut Scratch::default(), &mut LogVisitor::new(&mut stream, &mut collector))
        .expect("reads");
        collector.finish_categorized()
    }

    fn fields(query: &str, lines: &[&str], limit: usize) -> Vec<(String, &'static str, u64, String, String)> {
        let found = detect_fields(&streams(query, lines), limit).expect("compiles");
        found
            .into_iter()
            .map(|f| (f.name, f.kind.as_str(), f.values, f.parsers.join(","), f.json_path.join("/")))
            .collect()
    }

    fn field(
        name: &str,
        kind: &'static str,
        values: u64,
        parsers: &str,
        path: &str,
    ) -> (String, &'static str, u64, String, String) {
        (name.to_owned(), kind, values, parsers.to_owned(), path.to_owned())
    }

    #[test]
    fn fields_come_from_documents_and_from_pairs() {
        let lines = [r#"{"lvl":"e","t":{"ms":"5ms"}}"#, "size=3kB ok=true size2=x", r#"{"t":{"ms":"7ms"}}"#, "plain"];
        let expected = [
            field("lvl_extracted", "string", 1, "json", "lvl"),
            field("ok", "boolean", 1, "logfmt", ""),
            field("size", "bytes", 1, "logfmt", ""),
            field("size2", "string", 1, "logfmt", ""),
            field("t_ms", "duration", 2, "json", "t/ms"),
        ];
        assert_eq!(fields(r#"{app="a"}"#, &lines, 100), expected);
        assert_eq!(fields(r#"{app="a"}"#, &lines, 1).len(), 1);
    }

    #[test]
    fn what_the_query_parsed_counts_too() {
        let found = fields(r#"{app="a"} | pattern "<verb> <n>""#, &["GET 17", "PUT 2.5"], 100);
        assert_eq!(found, [field("n", "int", 2, "logfmt", ""), field("verb", "string", 2, "logfmt", "")]);
    }

    #[test]
    fn values_are_listed_and_sizes_rewritten() {
        let lines = ["size=1500b", "size=12", "size=82854982B", "size=x"];
        let values = detect_values(&streams(r#"{app="a"}"#, &lines), "size", 100).expect("compiles");
        assert_eq!(values, ["1.5kB", "12", "83MB", "x"]);
        let values = detect_values(&streams(r#"{app="a"}"#, &lines), "size", 2).expect("compiles");
        assert_eq!(values.len(), 2);
    }
}
