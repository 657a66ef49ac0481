//! Where everything lies in a decoded push: flat tables, borrowed views.

use bytes::Bytes;
use loptr_model::Nanos;

use super::{MAX_STREAM_LABELS_BYTES, PushError, PushFormat};
use crate::enrich::DETECTED_LEVEL;

/// A piece of `body`, of `unescaped` (counted on from the body's end), or of `text`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

/// Names and values of structured metadata.
pub(super) type Pairs = Vec<(Span, Span)>;

#[derive(Clone, Copy, Debug)]
struct StreamRow {
    labels: Span,
    hash: u64,
    first_entry: u32,
}

#[derive(Clone, Copy, Debug)]
struct EntryRow {
    ts: Nanos,
    line: Span,
    first_pair: u32,
}

/// A push body, decoded: streams of entries in the order sent.
///
/// Owns the decompressed bytes; everything handed out borrows from it.
#[derive(Clone, Debug)]
pub struct DecodedPush {
    format: PushFormat,
    body: Bytes,
    unescaped: Vec<u8>,
    text: String,
    streams: Vec<StreamRow>,
    entries: Vec<EntryRow>,
    pairs: Pairs,
    metadata_bytes: Option<u64>,
}

impl DecodedPush {
    /// Which shape the body had.
    pub fn format(&self) -> PushFormat {
        self.format
    }

    /// How many streams, those without entries included.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// How many entries over all streams.
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of the body once decompressed.
    pub fn decompressed_len(&self) -> usize {
        self.body.len()
    }

    /// Bytes of all structured metadata; what entries of an OTLP request share counts once, levels do not.
    pub fn metadata_bytes(&self) -> u64 {
        self.metadata_bytes.unwrap_or_else(|| charged_bytes(&self.text, &self.pairs))
    }

    /// The streams in the order sent.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = PushStream<'_>> + Clone {
        (0..self.streams.len()).map(|at| self.stream(at))
    }

    fn stream(&self, at: usize) -> PushStream<'_> {
        let row = self.streams[at];
        let end = self.streams.get(at + 1).map_or(self.entries.len(), |next| next.first_entry as usize);
        PushStream {
            push: self,
            labels: self.text(row.labels),
            hash: row.hash,
            first: row.first_entry as usize,
            count: end - row.first_entry as usize,
        }
    }

    fn entry(&self, at: usize) -> PushEntry<'_> {
        let row = self.entries[at];
        let end = self.entries.get(at + 1).map_or(self.pairs.len(), |next| next.first_pair as usize);
        PushEntry {
            ts: row.ts,
            line: self.line(row.line),
            metadata: PushMetadata { text: &self.text, pairs: &self.pairs[row.first_pair as usize..end] },
        }
    }

    fn text(&self, span: Span) -> &str {
        slice(&self.text, span)
    }

    fn line(&self, span: Span) -> &[u8] {
        let (at, len) = (span.at as usize, span.len as usize);
        match at.checked_sub(self.body.len()) {
            None => &self.body[at..at + len],
            Some(at) => &self.unescaped[at..at + len],
        }
    }
}

/// Bytes of names and values. A level is not charged, wherever it comes from.
fn charged_bytes(text: &str, pairs: &[(Span, Span)]) -> u64 {
    let charged = pairs.iter().filter(|(name, _)| slice(text, *name) != DETECTED_LEVEL);
    charged.map(|(name, value)| u64::from(name.len) + u64::from(value.len)).sum()
}

fn slice(text: &str, span: Span) -> &str {
    &text[span.at as usize..span.at as usize + span.len as usize]
}

/// One stream of a push.
#[derive(Clone, Copy, Debug)]
pub struct PushStream<'a> {
    push: &'a DecodedPush,
    labels: &'a str,
    hash: u64,
    first: usize,
    count: usize,
}

impl<'a> PushStream<'a> {
    /// The label text as sent (v1 JSON: rendered from the object), not yet parsed.
    ///
    /// Bytes that were not UTF-8 are U+FFFD here, which [`crate::labels::parse_labels`] refuses just as upstream
    /// refuses the bytes.
    pub fn labels(&self) -> &'a str {
        self.labels
    }

    /// The stream's hash as sent by an upstream component; clients send none (0).
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries in the order sent.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = PushEntry<'a>> + Clone + use<'a> {
        let push = self.push;
        (self.first..self.first + self.count).map(move |at| push.entry(at))
    }
}

/// One entry of a push.
#[derive(Clone, Copy, Debug)]
pub struct PushEntry<'a> {
    /// Time of the entry; out-of-range times stop at the ends of what [`Nanos`] holds.
    pub ts: Nanos,
    /// The line as sent.
    pub line: &'a [u8],
    /// Structured metadata in the order sent, names as sent.
    pub metadata: PushMetadata<'a>,
}

/// Structured metadata of one entry. Each byte that was not UTF-8 is a space here, as upstream stores it.
#[derive(Clone, Copy, Debug)]
pub struct PushMetadata<'a> {
    text: &'a str,
    pairs: &'a [(Span, Span)],
}

impl<'a> PushMetadata<'a> {
    /// How many pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Name and value pairs.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let text = self.text;
        self.pairs.iter().map(move |&(name, value)| (slice(text, name), slice(text, value)))
    }

    /// Bytes of all names and values, but for the level's.
    pub fn byte_len(&self) -> usize {
        charged_bytes(self.text, self.pairs) as usize
    }
}

/// Fills the tables while a body is walked.
pub(super) struct Table {
    push: DecodedPush,
}

/// A line found: in the body, or unescaped at the end of `unescaped`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line(Span);

impl Table {
    pub(super) fn new(format: PushFormat, body: Bytes) -> Result<Self, PushError> {
        // Spans are 32 bits; what JSON unescapes is never longer than the body.
        let max = if format == PushFormat::Proto { u32::MAX as u64 } else { (u32::MAX / 2) as u64 };
        if body.len() as u64 > max {
            return Err(PushError::DecompressedTooLarge { size: body.len() as u64, max });
        }
        let push = DecodedPush {
            format,
            body,
            unescaped: Vec::new(),
            text: String::new(),
            streams: Vec::new(),
            entries: Vec::new(),
            pairs: Vec::new(),
            metadata_bytes: None,
        };
        Ok(Self { push })
    }

    pub(super) fn body(&self) -> Bytes {
        self.push.body.clone()
    }

    /// Opens a stream; its labels may come later.
    pub(super) fn open_stream(&mut self) {
        let first_entry = self.push.entries.len() as u32;
        self.push.streams.push(StreamRow { labels: Span::default(), hash: 0, first_entry });
    }

    pub(super) fn set_labels(&mut self, labels: &[u8]) -> Result<(), PushError> {
        if labels.len() > MAX_STREAM_LABELS_BYTES {
            return Err(PushError::LabelsTooLarge { size: labels.len() as u64 });
        }
        let span = self.add_text(labels, "\u{fffd}")?;
        if let Some(stream) = self.push.streams.last_mut() {
            stream.labels = span;
        }
        Ok(())
    }

    pub(super) fn set_hash(&mut self, hash: u64) {
        if let Some(stream) = self.push.streams.last_mut() {
            stream.hash = hash;
        }
    }

    /// Forgets all streams (a JSON key repeated: the last one counts).
    pub(super) fn drop_streams(&mut self) {
        self.push.streams.clear();
        self.push.entries.clear();
        self.push.pairs.clear();
    }

    /// Forgets the entries of the open stream (a JSON key repeated: the last one counts).
    pub(super) fn drop_entries(&mut self) {
        let Some(stream) = self.push.streams.last() else { return };
        if let Some(first) = self.push.entries.get(stream.first_entry as usize) {
            self.push.pairs.truncate(first.first_pair as usize);
        }
        self.push.entries.truncate(stream.first_entry as usize);
    }

    /// The line at `at..at + len` of the body.
    pub(super) fn line_in_body(&self, at: usize, len: usize) -> Line {
        debug_assert!(at + len <= self.push.body.len());
        // An empty line at the body's very end would read as the start of `unescaped`: still empty.
        Line(Span { at: at as u32, len: len as u32 })
    }

    /// The buffer for unescaped lines, to append one to.
    pub(super) fn unescaped(&mut self) -> &mut Vec<u8> {
        &mut self.push.unescaped
    }

    /// The line appended to [`Table::unescaped`] from `start` on.
    pub(super) fn line_unescaped(&self, start: usize) -> Line {
        let len = self.push.unescaped.len() - start;
        Line(Span { at: (self.push.body.len() + start) as u32, len: len as u32 })
    }

    /// How many pairs so far: the mark from which the next entry's metadata counts.
    pub(super) fn pair_mark(&self) -> usize {
        self.push.pairs.len()
    }

    /// Forgets pairs past `mark`.
    pub(super) fn drop_pairs(&mut self, mark: usize) {
        self.push.pairs.truncate(mark);
    }

    pub(super) fn add_pair(&mut self, name: &[u8], value: &[u8]) -> Result<(), PushError> {
        let pair = (self.add_text(name, " ")?, self.add_text(value, " ")?);
        self.push.pairs.push(pair);
        Ok(())
    }

    pub(super) fn add_pairs(&mut self, pairs: &[(Span, Span)]) {
        self.push.pairs.extend_from_slice(pairs);
    }

    /// Bytes of names and values, but for the level's.
    pub(super) fn charged_bytes(&self, pairs: &[(Span, Span)]) -> u64 {
        charged_bytes(&self.push.text, pairs)
    }

    /// Says how much metadata was sent, where that is not what the entries have.
    pub(super) fn set_metadata_bytes(&mut self, bytes: u64) {
        self.push.metadata_bytes = Some(bytes);
    }

    /// A line: where it lies in the body if it is a piece of that, copied otherwise.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Line, PushError> {
        let (start, place) = (self.push.body.as_ptr() as usize, line.as_ptr() as usize);
        if let Some(at) = place.checked_sub(start)
            && at + line.len() <= self.push.body.len()
        {
            return Ok(self.line_in_body(at, line.len()));
        }
        let (start, max) = (self.push.unescaped.len(), u32::MAX as usize);
        let size = self.push.body.len() + start + line.len();
        if size > max {
            return Err(PushError::DecompressedTooLarge { size: size as u64, max: max as u64 });
        }
        self.push.unescaped.extend_from_slice(line);
        Ok(self.line_unescaped(start))
    }

    /// Adds an entry whose metadata are the pairs since `mark`.
    pub(super) fn add_entry(&mut self, ts: Nanos, line: Line, mark: usize) {
        self.push.entries.push(EntryRow { ts, line: line.0, first_pair: mark as u32 });
    }

    /// Appends `bytes`, each byte that is not UTF-8 replaced.
    pub(super) fn add_text(&mut self, bytes: &[u8], replacement: &str) -> Result<Span, PushError> {
        let text = &mut self.push.text;
        let at = text.len();
        match std::str::from_utf8(bytes) {
            Ok(valid) => text.push_str(valid),
            Err(_) => {
                for part in bytes.utf8_chunks() {
                    text.push_str(part.valid());
                    (0..part.invalid().len()).for_each(|_| text.push_str(replacement));
                }
            }
        }
        if text.len() > u32::MAX as usize {
            return Err(PushError::DecompressedTooLarge { size: text.len() as u64, max: u64::from(u32::MAX) });
        }
        Ok(Span { at: at as u32, len: (text.len() - at) as u32 })
    }

    pub(super) fn finish(self) -> DecodedPush {
        self.push
    }
}
