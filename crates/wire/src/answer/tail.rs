//! Frames of a tail.

use loptr_model::{Labels, Nanos};

use super::streams::{EncodingFlags, LogStream, StreamsBody};
use super::text::{push_int, push_json_text, push_labels, push_list};

/// An entry a slow client did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedEntry {
    /// Time of the entry.
    pub ts: Nanos,
    /// Labels of its stream.
    pub labels: Labels,
}

/// Writes one text frame. Unlike in query results the flags follow the streams.
pub fn write_tail_frame(out: &mut Vec<u8>, streams: &[LogStream], dropped: &[DroppedEntry], flags: &EncodingFlags) {
    out.extend_from_slice(b"{\"streams\":");
    let mut body = StreamsBody::open(out, flags.categorize_labels());
    for stream in streams {
        body.stream(out, stream.labels.iter());
        for line in &stream.lines {
            body.line(out, line.ts, &line.line, line.metadata.iter(), line.parsed.iter());
        }
    }
    body.close(out);
    if !dropped.is_empty() {
        out.extend_from_slice(b",\"dropped_entries\":");
        push_list(out, dropped, |out, entry| {
            out.extend_from_slice(b"{\"timestamp\":\"");
            push_int(out, entry.ts.0);
            out.push(b'"');
            if !entry.labels.is_empty() {
                out.extend_from_slice(b",\"labels\":");
                push_labels(out, entry.labels.iter(), push_json_text);
            }
            out.push(b'}');
        });
    }
    if !flags.is_empty() {
        out.push(b',');
        flags.push_key(out);
    }
    out.push(b'}');
}
