//! The shapes of `/api/prom`.

use loptr_model::{Labels, Nanos};

use super::stats::{Floats, QueryStats, push_stats};
use super::streams::LogStream;
use super::tail::DroppedEntry;
use super::text::{push_go_text, push_labels, push_list, push_texts};
use crate::go::format_rfc3339_nanos;

/// Writes the answer of `/api/prom/query` as it comes. Lines carry no metadata here.
#[derive(Debug)]
pub struct LegacyStreamsWriter<'o> {
    out: &'o mut Vec<u8>,
    streams: usize,
    lines: usize,
    time: String,
}

impl<'o> LegacyStreamsWriter<'o> {
    /// Opens the answer.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(b"{\"streams\":[");
        Self { out, streams: 0, lines: 0, time: String::new() }
    }

    /// Begins a stream.
    pub fn stream(&mut self, labels: &Labels) {
        self.out.extend_from_slice(if self.streams == 0 { b"{\"labels\":" } else { b"]},{\"labels\":" });
        push_go_text(self.out, labels.to_string().as_bytes());
        self.out.extend_from_slice(b",\"entries\":[");
        (self.streams, self.lines) = (self.streams + 1, 0);
    }

    /// Adds a line to the stream begun last.
    pub fn line(&mut self, ts: Nanos, line: &[u8]) {
        self.time.clear();
        format_rfc3339_nanos(ts.0, &mut self.time);
        self.out.extend_from_slice(if self.lines == 0 { b"{\"ts\":\"" } else { b",{\"ts\":\"" });
        self.lines += 1;
        self.out.extend_from_slice(self.time.as_bytes());
        self.out.extend_from_slice(b"\",\"line\":");
        push_go_text(self.out, line);
        self.out.push(b'}');
    }

    /// Closes the answer.
    pub fn finish(self, stats: &QueryStats) {
        self.out.extend_from_slice(if self.streams == 0 { b"],\"stats\":" } else { b"]}],\"stats\":" });
        push_stats(self.out, stats, Floats::Shortest);
        self.out.extend_from_slice(b"}\n");
    }
}

/// Writes label names or values; `{}` when there are none.
pub fn write_legacy_labels(out: &mut Vec<u8>, labels: &[impl AsRef<str>]) {
    out.push(b'{');
    if !labels.is_empty() {
        out.extend_from_slice(b"\"values\":");
        push_texts(out, labels);
    }
    out.extend_from_slice(b"}\n");
}

/// Writes a frame of `/api/prom/tail`. Keys of dropped entries are as upstream has them.
pub fn write_legacy_tail_frame(out: &mut Vec<u8>, streams: &[LogStream], dropped: &[DroppedEntry]) {
    let mut time = String::new();
    let mut push_time = |out: &mut Vec<u8>, ts: Nanos| {
        time.clear();
        format_rfc3339_nanos(ts.0, &mut time);
        out.extend_from_slice(time.as_bytes());
    };
    out.extend_from_slice(b"{\"streams\":");
    push_list(out, streams, |out, stream| {
        out.extend_from_slice(b"{\"labels\":");
        push_go_text(out, stream.labels.to_string().as_bytes());
        out.extend_from_slice(b",\"entries\":");
        push_list(out, &stream.lines, |out, line| {
            out.extend_from_slice(b"{\"ts\":\"");
            push_time(out, line.ts);
            out.extend_from_slice(b"\",\"line\":");
            push_go_text(out, &line.line);
            if !line.parsed.is_empty() {
                out.extend_from_slice(b",\"parsed\":");
                push_labels(out, line.parsed.iter(), |out, text| push_go_text(out, text.as_bytes()));
            }
            out.push(b'}');
        });
        out.push(b'}');
    });
    out.extend_from_slice(b",\"dropped_entries\":");
    if dropped.is_empty() {
        out.extend_from_slice(b"null}");
        return;
    }
    push_list(out, dropped, |out, entry| {
        out.extend_from_slice(b"{\"Timestamp\":\"");
        push_time(out, entry.ts);
        out.extend_from_slice(b"\",\"Labels\":");
        push_go_text(out, entry.labels.to_string().as_bytes());
        out.push(b'}');
    });
    out.push(b'}');
}
