//! Log lines, grouped by stream.

use loptr_model::{Labels, Nanos};

use super::stats::{Floats, QueryStats, push_stats};
use super::text::{push_int, push_json_text, push_labels, push_line, push_texts};

/// What a client asked for in `X-Loki-Response-Encoding-Flags`: a comma list, echoed as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodingFlags(Vec<Box<str>>);

impl EncodingFlags {
    /// Reads the header's value; "" means no flags. A flag repeated counts once.
    pub fn parse(header: &str) -> Self {
        let mut flags: Vec<Box<str>> = Vec::new();
        if !header.is_empty() {
            for flag in header.split(',') {
                if !flags.iter().any(|known| &**known == flag) {
                    flags.push(flag.into());
                }
            }
        }
        Self(flags)
    }

    /// Whether lines come with a third element: structured metadata and parsed labels apart from stream labels.
    pub fn categorize_labels(&self) -> bool {
        self.0.iter().any(|flag| &**flag == "categorize-labels")
    }

    /// The flags in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|flag| &**flag)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"encodingFlags\":");
        push_texts(out, &self.0);
    }
}

/// One line of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Time of the entry.
    pub ts: Nanos,
    /// The line, any bytes.
    pub line: Vec<u8>,
    /// Structured metadata left on the line; shown only with categorized labels.
    pub metadata: Labels,
    /// Labels the query parsed from it; shown only with categorized labels.
    pub parsed: Labels,
}

/// One stream of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStream {
    /// Labels shown as the stream's.
    pub labels: Labels,
    /// Lines in the order asked for.
    pub lines: Vec<LogLine>,
}

/// Writes a whole result of log lines.
pub fn write_streams(
    out: &mut Vec<u8>,
    streams: &[LogStream],
    flags: &EncodingFlags,
    stats: &QueryStats,
    warnings: &[String],
) {
    let mut writer = StreamsWriter::new(out, flags, warnings);
    for stream in streams {
        writer.stream(stream.labels.iter());
        for line in &stream.lines {
            writer.line(line.ts, &line.line, line.metadata.iter(), line.parsed.iter());
        }
    }
    writer.finish(stats);
}

/// Writes a result of log lines as it comes: [`StreamsWriter::stream`], its lines, the next stream, `finish`.
#[derive(Debug)]
pub struct StreamsWriter<'o> {
    out: &'o mut Vec<u8>,
    body: StreamsBody,
}

impl<'o> StreamsWriter<'o> {
    /// Opens the envelope.
    pub fn new(out: &'o mut Vec<u8>, flags: &EncodingFlags, warnings: &[String]) -> Self {
        out.extend_from_slice(b"{\"status\":\"success\",");
        if !warnings.is_empty() {
            out.extend_from_slice(b"\"warnings\":");
            push_texts(out, warnings);
            out.push(b',');
        }
        out.extend_from_slice(b"\"data\":{\"resultType\":\"streams\",");
        if !flags.is_empty() {
            flags.push_key(out);
            out.push(b',');
        }
        out.extend_from_slice(b"\"result\":");
        let body = StreamsBody::open(out, flags.categorize_labels());
        Self { out, body }
    }

    /// Begins a stream.
    pub fn stream<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        self.body.stream(self.out, labels);
    }

    /// Adds a line to the stream begun last.
    pub fn line<'a>(
        &mut self,
        ts: Nanos,
        line: &[u8],
        metadata: impl Iterator<Item = (&'a str, &'a str)>,
        parsed: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        self.body.line(self.out, ts, line, metadata, parsed);
    }

    /// Closes the envelope.
    pub fn finish(self, stats: &QueryStats) {
        let Self { out, body } = self;
        body.close(out);
        out.extend_from_slice(b",\"stats\":");
        push_stats(out, stats, Floats::SixDecimals);
        out.extend_from_slice(b"}}\n");
    }
}

/// The list of streams itself, as results and tail frames have it.
#[derive(Debug)]
pub(super) struct StreamsBody {
    categorize: bool,
    streams: usize,
    lines: usize,
}

impl StreamsBody {
    pub(super) fn open(out: &mut Vec<u8>, categorize: bool) -> Self {
        out.push(b'[');
        Self { categorize, streams: 0, lines: 0 }
    }

    pub(super) fn stream<'a>(&mut self, out: &mut Vec<u8>, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        out.extend_from_slice(if self.streams == 0 { b"{\"stream\":" } else { b"]},{\"stream\":" });
        push_labels(out, labels, push_json_text);
        out.extend_from_slice(b",\"values\":[");
        (self.streams, self.lines) = (self.streams + 1, 0);
    }

    pub(super) fn line<'a>(
        &mut self,
        out: &mut Vec<u8>,
        ts: Nanos,
        line: &[u8],
        metadata: impl Iterator<Item = (&'a str, &'a str)>,
        parsed: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        out.extend_from_slice(if self.lines == 0 { b"[\"" } else { b",[\"" });
        self.lines += 1;
        push_int(out, ts.0);
        out.extend_from_slice(b"\",");
        push_line(out, line);
        if self.categorize {
            out.extend_from_slice(b",{");
            let (mut metadata, mut parsed) = (metadata.peekable(), parsed.peekable());
            let has_metadata = metadata.peek().is_some();
            if has_metadata {
                out.extend_from_slice(b"\"structuredMetadata\":");
                push_labels(out, metadata, push_json_text);
            }
            if parsed.peek().is_some() {
                out.extend_from_slice(if has_metadata { b",\"parsed\":" } else { b"\"parsed\":" });
                push_labels(out, parsed, push_json_text);
            }
            out.push(b'}');
        }
        out.push(b']');
    }

    pub(super) fn close(self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.streams == 0 { b"]" } else { b"]}]" });
    }
}
