//! The line each query leaves in the log, key for key as upstream writes it (`caller=metrics.go`): operators parse it,
//! draw it, alert on it. What upstream counts and this process does not have (caches of answers, blooms, calls between
//! processes) is told as zero, which is true.

use std::time::Duration;

use loptr_eval::QueryValue;
use loptr_model::Nanos;
use loptr_query::{Answer, QueryFigures};
use loptr_wire::answer::QueryStats;
use loptr_wire::go::{format_duration, format_rfc3339_nanos, human_bytes};

use super::App;
use super::asked::Asked;
use super::error::HttpError;
use super::query::stats_of;
use crate::logfmt::{PART, QUERIES};
use crate::metrics::queries::Ended;

/// A query under way.
pub(super) struct QueryLog {
    began: Nanos,
    tenant: String,
    tags: Vec<(String, String)>,
    query: String,
    start: Nanos,
    end: Nanos,
    step_ns: i64,
    limit: u32,
    /// Upstream's words.
    kind: &'static str,
    range: &'static str,
    /// The label whose values were asked for.
    label: String,
}

/// Keys and values of a line.
#[derive(Default)]
struct Line(String);

impl Line {
    fn put(&mut self, name: &str, value: impl std::fmt::Display) {
        if !self.0.is_empty() {
            self.0.push(PART);
        }
        let value = value.to_string();
        self.0.push_str(name);
        self.0.push(PART);
        self.0.extend(value.chars().map(|c| if c == PART { ' ' } else { c }));
    }

    fn write(&self) {
        tracing::info!(target: QUERIES, line = %self.0);
    }
}

/// Upstream's hash of a query: 32 bits of FNV-1.
fn hash(query: &str) -> u32 {
    query.bytes().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}

/// `Source=grafana,Feature=explore` as pairs, as upstream takes them apart.
fn tags(header: &str) -> Vec<(String, String)> {
    let pairs = header.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned())).collect()
}

fn secs(secs: f64) -> String {
    format_duration((secs * 1e9) as i64)
}

fn size(bytes: i64) -> String {
    short(u64::try_from(bytes).unwrap_or_default())
}

/// `1.5MB`, without the space that people are shown.
fn short(bytes: u64) -> String {
    human_bytes(bytes).replace(' ', "")
}

impl QueryLog {
    pub(super) fn begin(app: &App, asked: &Asked, query: &str, kind: &'static str, range: &'static str) -> Self {
        let header = asked.headers.get(super::query::TAGS).and_then(|value| value.to_str().ok());
        let tenants: Vec<&str> = asked.readers.ids().iter().map(|id| id.as_str()).collect();
        Self {
            began: app.ports.clock.monotonic(),
            tenant: tenants.join("|"),
            tags: tags(header.unwrap_or_default()),
            query: query.to_owned(),
            start: asked.now,
            end: asked.now,
            step_ns: 0,
            limit: 0,
            kind,
            range,
            label: String::new(),
        }
    }

    pub(super) fn spanning(self, start: Nanos, end: Nanos, step_ns: i64, limit: u32) -> Self {
        Self { start, end, step_ns, limit, ..self }
    }

    pub(super) fn of_label(self, label: &str) -> Self {
        Self { label: label.to_owned(), ..self }
    }

    fn ended(&self, app: &App, status: u16) -> Ended {
        let secs = (app.ports.clock.monotonic().0 - self.began.0).max(0) as f64 / 1e9;
        Ended { status, kind: self.kind, range: self.range, secs }
    }

    /// A query of logs or metrics has ended.
    pub(super) fn answered(self, app: &App, result: &Result<(Answer, QueryFigures), HttpError>) {
        let status = result.as_ref().map_or_else(|error| error.status.as_u16(), |_| 200);
        let ended = self.ended(app, status);
        let none = QueryFigures { took: Duration::from_secs_f64(ended.secs), ..QueryFigures::default() };
        let (answer, figures) = match result {
            Ok((answer, figures)) => (Some(answer), figures),
            Err(_) => (None, &none),
        };
        let size = answer.map(size_of).unwrap_or_default();
        let stats = stats_of(figures, size.entries);
        app.metrics.queries.ended(&ended, Some((stats.summary.bytes_per_second as f64, stats.summary.shards > 1)));
        for component in ["querier", "frontend"] {
            let mut line = Line::default();
            line.put("component", component);
            line.put("org_id", &self.tenant);
            self.asked(&mut line, app, &ended);
            read(&mut line, &stats, size.lines);
            for (name, value) in &self.tags {
                line.put(name, value);
            }
            line.put("disable_pipeline_wrappers", false);
            line.put("has_labelfilter_before_parser", false);
            if component == "querier" && stats.index.total_streams > 0 {
                line.put("index_total_streams", stats.index.total_streams);
            }
            if answer.is_some() {
                // Nothing has two bytes upstream.
                line.put("approx_result_size", short(size.bytes.max(2)));
            }
            if let Some(streams) = size.streams {
                line.put("result_streams_count", streams);
                line.put("result_lines_count", size.lines);
            }
            line.write();
        }
    }

    fn asked(&self, line: &mut Line, app: &App, ended: &Ended) {
        let now = app.ports.clock.now();
        let ago = |at: Nanos| format_duration(now.0.saturating_sub(at.0));
        line.put("latency", ended.latency());
        line.put("query", &self.query);
        line.put("query_hash", hash(&self.query));
        line.put("query_type", self.kind);
        line.put("range_type", self.range);
        line.put("length", format_duration(self.end.0.saturating_sub(self.start.0)));
        line.put("start_delta", ago(self.start));
        line.put("end_delta", ago(self.end));
        line.put("step", format_duration(self.step_ns));
        line.put("duration", secs(ended.secs));
        line.put("status", ended.status);
        line.put("limit", self.limit);
    }

    /// Something that reads no lines has ended: labels, series, statistics, volumes, shards.
    pub(super) fn told<T>(self, app: &App, result: &Result<T, HttpError>, entries: impl FnOnce(&T) -> usize) {
        let status = result.as_ref().map_or_else(|error| error.status.as_u16(), |_| 200);
        let ended = self.ended(app, status);
        app.metrics.queries.ended(&Ended { range: "", ..ended }, None);
        let now = app.ports.clock.now();
        let ago = |at: Nanos| format_duration(now.0.saturating_sub(at.0));
        let time = |at: Nanos| {
            let mut text = String::new();
            format_rfc3339_nanos(at.0, &mut text);
            text
        };
        let mut line = Line::default();
        line.put("component", "frontend");
        line.put("org_id", &self.tenant);
        line.put("latency", ended.latency());
        line.put("query_type", self.kind);
        line.put("splits", 0);
        line.put("start", time(self.start));
        line.put("end", time(self.end));
        line.put("start_delta", ago(self.start));
        line.put("end_delta", ago(self.end));
        line.put("length", format_duration(self.end.0.saturating_sub(self.start.0)));
        line.put("duration", secs(ended.secs));
        line.put("status", status);
        if self.kind == "labels" {
            line.put("label", &self.label);
        }
        match self.kind {
            "series" => line.put("match", &self.query),
            _ => line.put("query", &self.query),
        }
        line.put("query_hash", hash(&self.query));
        if self.kind == "volume" {
            line.put("range_type", self.range);
            line.put("step", format_duration(self.step_ns));
            line.put("limit", self.limit);
        }
        line.put("total_entries", result.as_ref().map_or(0, entries));
        line.write();
    }
}

/// How much an answer holds.
#[derive(Default)]
struct Size {
    bytes: u64,
    /// What `total_entries` counts: entries or series.
    entries: usize,
    lines: usize,
    streams: Option<usize>,
}

fn size_of(answer: &Answer) -> Size {
    let labels =
        |labels: &loptr_model::Labels| -> usize { labels.iter().map(|(name, value)| name.len() + value.len()).sum() };
    match answer {
        Answer::Streams(streams) => {
            let lines = streams.iter().map(|stream| stream.entries.len()).sum();
            let bytes = streams.iter().flat_map(|stream| &stream.entries).map(|entry| entry.line.len() + 8);
            Size { bytes: bytes.sum::<usize>() as u64, entries: lines, lines, streams: Some(streams.len()) }
        }
        Answer::Value(QueryValue::Scalar { .. }) => Size { bytes: 16, entries: 1, ..Size::default() },
        Answer::Value(QueryValue::Vector(samples)) => {
            let bytes: usize = samples.iter().map(|sample| labels(&sample.labels) + 16).sum();
            Size { bytes: bytes as u64, entries: samples.len(), ..Size::default() }
        }
        Answer::Value(QueryValue::Matrix(matrix)) => {
            let bytes: usize = matrix.iter().map(|series| labels(&series.labels) + 16 * series.points.len()).sum();
            Size { bytes: bytes as u64, entries: matrix.len(), ..Size::default() }
        }
    }
}

/// What was read, from `returned_lines` on.
fn read(line: &mut Line, stats: &QueryStats, returned_lines: usize) {
    let (summary, querier, ingester) = (&stats.summary, &stats.querier, &stats.ingester);
    let chunks = &ingester.store;
    line.put("returned_lines", returned_lines);
    line.put("throughput", size(summary.bytes_per_second));
    line.put("total_bytes", size(summary.total_bytes));
    line.put("total_bytes_structured_metadata", size(summary.total_metadata_bytes));
    line.put("lines_per_second", summary.lines_per_second);
    line.put("total_lines", summary.total_lines);
    line.put("post_filter_lines", summary.total_post_filter_lines);
    line.put("total_entries", summary.total_entries_returned);
    line.put("store_chunks_download_time", format_duration(querier.store.chunks_download_ns));
    line.put("queue_time", secs(summary.queue_secs));
    line.put("querier_exec_time", secs(querier.exec_secs));
    line.put("splits", summary.splits);
    line.put("shards", summary.shards);
    line.put("query_referenced_structured_metadata", querier.store.metadata_referenced || chunks.metadata_referenced);
    line.put("pipeline_wrapper_filtered_lines", 0);
    line.put("chunk_refs_fetch_time", format_duration(querier.store.chunk_refs_fetch_ns));
    for cache in ["chunk", "index", "stats_results", "volume_results", "result"] {
        line.put(&format!("cache_{cache}_req"), 0);
        line.put(&format!("cache_{cache}_hit"), 0);
        if cache == "chunk" {
            line.put("cache_chunk_bytes_stored", 0);
            line.put("cache_chunk_bytes_fetched", 0);
        }
        line.put(&format!("cache_{cache}_download_time"), "0s");
    }
    line.put("cache_result_query_length_served", "0s");
    line.put("ingester_chunk_refs", chunks.total_chunks_ref);
    line.put("ingester_chunk_downloaded", chunks.total_chunks_downloaded);
    line.put("ingester_chunk_matches", ingester.total_chunks_matched);
    line.put("ingester_requests", ingester.total_reached);
    line.put("ingester_recv_wait_time", "0s");
    line.put("ingester_chunk_head_bytes", size(chunks.chunk.head_bytes));
    line.put("ingester_chunk_compressed_bytes", size(chunks.chunk.compressed_bytes));
    line.put("ingester_chunk_decompressed_bytes", size(chunks.chunk.decompressed_bytes));
    line.put("ingester_post_filter_lines", chunks.chunk.post_filter_lines);
    line.put("congestion_control_latency", "0s");
    line.put("index_total_chunks", stats.index.total_chunks);
    line.put("index_post_bloom_filter_chunks", stats.index.post_filter_chunks);
    line.put("index_bloom_filter_ratio", "0.00");
    line.put("index_used_bloom_filters", false);
    line.put("index_shard_resolver_duration", "0s");
    line.put("index_bloom_filter_time", "0s");
    line.put("index_chunk_refs_lookup_time", secs(stats.index.chunk_refs_lookup_secs));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_and_tags_are_upstreams() {
        assert_eq!((hash(r#"{app="a"}"#), hash("")), (3_674_209_154, 2_166_136_261));
        assert_eq!(
            tags("Source=grafana,Feature=Explore,x"),
            [("source".to_owned(), "grafana".to_owned()), ("feature".to_owned(), "Explore".to_owned())]
        );
    }
}
