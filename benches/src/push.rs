//! Push bodies as collectors send them: protobuf, snappy as one raw block.
//!
//! ```text
//! PushRequest { 1: Stream* }
//! Stream      { 1: labels (text), 2: Entry* }
//! Entry       { 1: Timestamp { 1: seconds, 2: nanos }, 2: line, 3: Label* }
//! Label       { 1: name, 2: value }                    structured metadata
//! ```
//!
//! Every stream belongs to one of [`COLLECTORS`]. A collector gathers the entries of its streams until the body has
//! reached its size, then sends it; so a body holds some seventeen streams, each in time order.

use crate::logs::{Entry, Logs, Random};

/// Machines that gather and push.
pub(crate) const COLLECTORS: usize = 8;

/// A body ready to be pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Compressed.
    pub(crate) body: Vec<u8>,
    /// Bytes before compression.
    pub(crate) protobuf_bytes: usize,
    pub(crate) entries: usize,
    /// Time of its last entry, nanoseconds since the epoch.
    pub(crate) last_ns: i64,
}

/// What one collector has gathered: for each stream the encoded entries.
#[derive(Debug, Default)]
struct Gathered {
    streams: Vec<(usize, Vec<u8>)>,
    bytes: usize,
    entries: usize,
    last_ns: i64,
    target: usize,
}

/// Cuts logs into batches.
#[derive(Debug)]
pub(crate) struct Batches {
    logs: Logs,
    collectors: Vec<Gathered>,
    random: Random,
    encoder: snap::raw::Encoder,
    scratch: Vec<u8>,
}

impl Batches {
    /// `cut` changes where bodies are cut, not what they hold.
    pub(crate) fn new(logs: Logs, cut: u64) -> Self {
        let mut random = Random::new(cut);
        let collectors =
            (0..COLLECTORS).map(|_| Gathered { target: target(&mut random), ..Gathered::default() }).collect();
        Self { logs, collectors, random, encoder: snap::raw::Encoder::new(), scratch: Vec::new() }
    }

    pub(crate) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The next body, `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Batch> {
        while let Some(entry) = self.logs.next() {
            let at = entry.stream % COLLECTORS;
            let gathered = &mut self.collectors[at];
            gathered.add(&entry, &mut self.scratch);
            if gathered.bytes >= gathered.target {
                let next = Gathered { target: target(&mut self.random), ..Gathered::default() };
                let full = std::mem::replace(gathered, next);
                return self.seal(full);
            }
        }
        let at = self.collectors.iter().position(|gathered| gathered.entries > 0)?;
        let rest = std::mem::take(&mut self.collectors[at]);
        self.seal(rest)
    }

    fn seal(&mut self, gathered: Gathered) -> Option<Batch> {
        let Gathered { streams, bytes, entries, last_ns, .. } = gathered;
        let mut request = Vec::with_capacity(bytes + streams.len() * 160);
        for (index, encoded) in streams {
            let labels = self.logs.streams().get(index)?.labels.as_bytes();
            let length = field_length(labels.len()) + encoded.len();
            request.push(0x0a);
            varint(&mut request, length as u64);
            field(&mut request, 1, labels);
            request.extend_from_slice(&encoded);
        }
        let body = self.encoder.compress_vec(&request).ok()?;
        Some(Batch { body, protobuf_bytes: request.len(), entries, last_ns })
    }
}

/// Between 512 KiB and 1 MiB.
fn target(random: &mut Random) -> usize {
    (512 << 10) + usize::try_from(random.below(512 << 10)).unwrap_or_default()
}

impl Gathered {
    fn add(&mut self, entry: &Entry<'_>, scratch: &mut Vec<u8>) {
        let at = self.streams.iter().position(|(index, _)| *index == entry.stream).unwrap_or_else(|| {
            self.streams.push((entry.stream, Vec::new()));
            self.streams.len() - 1
        });
        let Some((_, encoded)) = self.streams.get_mut(at) else { return };
        let before = encoded.len();
        encode_entry(entry, scratch);
        field(encoded, 2, scratch);
        self.bytes += encoded.len() - before;
        self.entries += 1;
        self.last_ns = entry.time_ns;
    }
}

fn encode_entry(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.clear();
    // The timestamp's length, below 128, is known once it is written.
    out.extend([0x0a, 0, 0x08]);
    varint(out, entry.time_ns.div_euclid(1_000_000_000).unsigned_abs());
    out.push(0x10);
    varint(out, entry.time_ns.rem_euclid(1_000_000_000).unsigned_abs());
    out[1] = u8::try_from(out.len() - 2).unwrap_or_default();
    field(out, 2, entry.line.as_bytes());
    for (name, value) in entry.metadata() {
        out.push(0x1a);
        varint(out, (field_length(name.len()) + field_length(value.len())) as u64);
        field(out, 1, name.as_bytes());
        field(out, 2, value.as_bytes());
    }
}

/// A length-delimited field with a number below 16.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes such a field takes.
fn field_length(bytes: usize) -> usize {
    let bits = usize::try_from((bytes | 1).ilog2()).unwrap_or_default() + 1;
    1 + bits.div_ceil(7) + bytes
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const END_NS: i64 = 1_795_000_000 * 1_000_000_000;

    /// Fields of a message: number and bytes, varints as their value.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
        fn take_varint(bytes: &mut &[u8]) -> u64 {
            let (mut value, mut shift) = (0, 0);
            loop {
                let (first, rest) = bytes.split_first().unwrap();
                *bytes = rest;
                value |= u64::from(first & 0x7f) << shift;
                shift += 7;
                if first & 0x80 == 0 {
                    return value;
                }
            }
        }
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let key = take_varint(&mut bytes);
            let value = take_varint(&mut bytes);
            if key & 7 == 2 {
                let (field, rest) = bytes.split_at(usize::try_from(value).unwrap());
                bytes = rest;
                all.push((key >> 3, field.to_vec(), 0));
            } else {
                all.push((key >> 3, Vec::new(), value));
            }
        }
        all
    }

    /// Everything pushed, as `labels, time, line, metadata` in the order of each stream.
    fn unpack(cut: u64) -> BTreeMap<String, Vec<(u64, String, Vec<String>)>> {
        let mut batches = Batches::new(Logs::new(3, 3 << 20, END_NS), cut);
        let mut all: BTreeMap<String, Vec<_>> = BTreeMap::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(batch) = batches.next() {
            let request = snap::raw::Decoder::new().decompress_vec(&batch.body).unwrap();
            assert_eq!(request.len(), batch.protobuf_bytes);
            assert!(batch.protobuf_bytes < 1_100_000, "{}", batch.protobuf_bytes);
            let mut entries = 0;
            for (number, stream, _) in fields(&request) {
                assert_eq!(number, 1);
                let parts = fields(&stream);
                let list = all.entry(text(&parts[0].1)).or_default();
                for (number, entry, _) in &parts[1..] {
                    assert_eq!(*number, 2);
                    let parts = fields(entry);
                    let time = fields(&parts[0].1);
                    let metadata =
                        parts[2..].iter().flat_map(|(_, pair, _)| fields(pair)).map(|part| text(&part.1)).collect();
                    list.push((time[0].2 * 1_000_000_000 + time[1].2, text(&parts[1].1), metadata));
                    entries += 1;
                }
            }
            assert_eq!(entries, batch.entries);
        }
        all
    }

    #[test]
    fn bodies_hold_every_entry_once_in_the_order_of_its_stream() {
        let all = unpack(1);
        let mut logs = Logs::new(3, 3 << 20, END_NS);
        let streams: Vec<String> = logs.streams().iter().map(|stream| stream.labels.clone()).collect();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        while let Some(entry) = logs.next() {
            let labels = streams[entry.stream].as_str();
            let at = seen.entry(labels).or_default();
            let metadata: Vec<String> =
                entry.metadata().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect();
            assert_eq!(all[labels][*at], (entry.time_ns.unsigned_abs(), entry.line.to_owned(), metadata));
            *at += 1;
        }
        assert_eq!(all.values().map(Vec::len).sum::<usize>(), seen.values().sum::<usize>());
    }

    #[test]
    fn another_cut_holds_the_same() {
        assert_eq!(unpack(1), unpack(2));
    }

    #[test]
    fn lengths_of_fields() {
        for bytes in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut out = Vec::new();
            field(&mut out, 1, &vec![0; bytes]);
            assert_eq!(out.len(), field_length(bytes), "{bytes}");
        }
    }
}
