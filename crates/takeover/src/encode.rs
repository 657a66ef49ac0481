//! Writes what the readers read, for tests: theirs and those of who takes over whole folders.
#![allow(missing_docs, reason = "each is the writer of the record of its name")]

use loptr_model::{Labels, OwnedEntry};

use crate::PAGE_BYTES;
use crate::index_head::IndexedChunk;

/// Bytes of one segment.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    pub bytes: Vec<u8>,
}

impl Segment {
    /// Appends one record in as many fragments as it takes.
    pub fn record(&mut self, record: &[u8]) {
        let mut rest = record;
        let mut first = true;
        loop {
            let left = PAGE_BYTES - self.bytes.len() % PAGE_BYTES;
            if left < 7 {
                self.bytes.resize(self.bytes.len() + left, 0);
                continue;
            }
            let (part, after) = rest.split_at(rest.len().min(left - 7));
            rest = after;
            self.bytes.push(match (first, rest.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            });
            self.bytes.extend((part.len() as u16).to_be_bytes());
            self.bytes.extend(crc32c::crc32c(part).to_be_bytes());
            self.bytes.extend(part);
            if rest.is_empty() {
                return;
            }
            first = false;
        }
    }

    /// Fills the page, as when the next segment is begun.
    pub fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(PAGE_BYTES), 0);
    }
}

pub fn uv(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn sv(out: &mut Vec<u8>, value: i64) {
    uv(out, ((value << 1) ^ (value >> 63)) as u64);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    uv(out, bytes.len() as u64);
    out.extend(bytes);
}

fn labels(out: &mut Vec<u8>, labels: &Labels) {
    uv(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        sized(out, name.as_bytes());
        sized(out, value.as_bytes());
    }
}

pub fn series_record(tenant: &str, series: &[(u64, Labels)]) -> Vec<u8> {
    let mut out = vec![1];
    sized(&mut out, tenant.as_bytes());
    out.push(1);
    for (reference, of) in series {
        out.extend(reference.to_be_bytes());
        labels(&mut out, of);
    }
    out
}

/// `kind` is 2, 4 or 5; streams as reference, counter, entries.
pub fn entries_record(kind: u8, tenant: &str, streams: &[(u64, i64, Vec<OwnedEntry>)]) -> Vec<u8> {
    let mut out = vec![kind];
    sized(&mut out, tenant.as_bytes());
    let Some(base) = streams.iter().flat_map(|stream| &stream.2).map(|entry| entry.ts.0).next() else { return out };
    out.extend(base.to_be_bytes());
    for (reference, counter, entries) in streams.iter().filter(|stream| !stream.2.is_empty()) {
        out.extend(reference.to_be_bytes());
        if kind != 2 {
            out.extend(counter.to_be_bytes());
        }
        uv(&mut out, entries.len() as u64);
        for entry in entries {
            sv(&mut out, entry.ts.0.wrapping_sub(base));
            sized(&mut out, &entry.line);
            if kind == 5 {
                uv(&mut out, entry.metadata.len() as u64);
                for (name, value) in &entry.metadata {
                    sized(&mut out, name.as_bytes());
                    sized(&mut out, value.as_bytes());
                }
            }
        }
    }
    out
}

fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    uv(out, number << 3 | 2);
    sized(out, bytes);
}

fn varint_field(out: &mut Vec<u8>, number: u64, value: u64) {
    uv(out, number << 3);
    uv(out, value);
}

/// Chunks as data, head, closed.
pub fn checkpoint_record(
    tenant: &str,
    reference: u64,
    of: &Labels,
    counter: i64,
    chunks: &[(Vec<u8>, Vec<u8>, bool)],
) -> Vec<u8> {
    // Seconds of a timestamp: Go's zero time.
    let mut never = Vec::new();
    varint_field(&mut never, 1, -62_135_596_800_i64 as u64);
    let mut out = vec![3];
    field(&mut out, 1, tenant.as_bytes());
    varint_field(&mut out, 2, reference);
    for (name, value) in of.iter() {
        let mut pair = Vec::new();
        field(&mut pair, 1, name.as_bytes());
        field(&mut pair, 2, value.as_bytes());
        field(&mut out, 3, &pair);
    }
    for (data, head, closed) in chunks {
        let mut chunk = Vec::new();
        for number in 1..=4 {
            field(&mut chunk, number, &never);
        }
        if *closed {
            varint_field(&mut chunk, 5, 1);
        }
        field(&mut chunk, 7, data);
        field(&mut chunk, 8, head);
        field(&mut out, 4, &chunk);
    }
    field(&mut out, 5, &never);
    field(&mut out, 6, b"last line");
    varint_field(&mut out, 7, counter as u64);
    field(&mut out, 8, &never);
    out
}

/// An entry of a head: time, line, metadata as numbers of symbols.
pub type HeadEntry = (i64, Vec<u8>, Vec<(u32, u32)>);

/// `format` is 3, 4 or 5.
pub fn head_block(format: u8, entries: &[HeadEntry]) -> Vec<u8> {
    let mut out = vec![format];
    uv(&mut out, entries.len() as u64);
    if format == 3 {
        uv(&mut out, entries.iter().map(|entry| entry.1.len() as u64).sum());
        sv(&mut out, entries.iter().map(|entry| entry.0).min().unwrap_or_default());
        sv(&mut out, entries.iter().map(|entry| entry.0).max().unwrap_or_default());
    }
    for (ts, line, pairs) in entries {
        sv(&mut out, *ts);
        sized(&mut out, line);
        if format == 5 {
            uv(&mut out, pairs.len() as u64);
            for (name, value) in pairs {
                uv(&mut out, u64::from(*name));
                uv(&mut out, u64::from(*value));
            }
        }
    }
    out
}

/// The data of a chunk in format 4: blocks as (compressed bytes, entries, min, max, counter), symbols uncompressed.
pub fn chunk_data(codec: u8, symbols: &[String], blocks: &[(Vec<u8>, u64, i64, i64, u64)]) -> Vec<u8> {
    let end = |out: &mut Vec<u8>, at: usize| {
        let crc = crc32c::crc32c(&out[at..]);
        out.extend(crc.to_be_bytes());
    };
    let mut out = vec![0x01, 0x2e, 0xe5, 0x6a, 4, codec];
    uv(&mut out, symbols.len() as u64);
    symbols.iter().for_each(|symbol| sized(&mut out, symbol.as_bytes()));
    let symbols_len = out.len() as u64 - 6;
    end(&mut out, 6);
    let mut metas = Vec::new();
    uv(&mut metas, blocks.len() as u64);
    for (body, entries, min, max, counter) in blocks {
        uv(&mut metas, *entries);
        sv(&mut metas, *min);
        sv(&mut metas, *max);
        uv(&mut metas, out.len() as u64);
        uv(&mut metas, *counter);
        uv(&mut metas, body.len() as u64);
        let at = out.len();
        out.extend(body);
        end(&mut out, at);
    }
    let metas_at = out.len();
    out.extend(&metas);
    end(&mut out, metas_at);
    for word in [symbols_len, 6, metas.len() as u64, metas_at as u64] {
        out.extend(word.to_be_bytes());
    }
    out
}

/// `fingerprint` of none makes the old record without one.
pub fn index_series_record(tenant: &str, reference: u64, fingerprint: Option<u64>, of: &Labels) -> Vec<u8> {
    let mut out = vec![if fingerprint.is_some() { 2 } else { 0 }];
    sized(&mut out, tenant.as_bytes());
    if let Some(fingerprint) = fingerprint {
        out.extend(fingerprint.to_be_bytes());
    }
    out.push(1);
    out.extend(reference.to_be_bytes());
    labels(&mut out, of);
    out
}

pub fn index_chunks_record(tenant: &str, reference: u64, chunks: &[IndexedChunk]) -> Vec<u8> {
    let mut out = vec![1];
    sized(&mut out, tenant.as_bytes());
    out.extend(reference.to_be_bytes());
    uv(&mut out, chunks.len() as u64);
    for chunk in chunks {
        out.extend(chunk.min.0.to_be_bytes());
        out.extend(chunk.max.0.to_be_bytes());
        out.extend(chunk.checksum.to_be_bytes());
        out.extend(chunk.kb.to_be_bytes());
        out.extend(chunk.entries.to_be_bytes());
    }
    out
}
