//! `PushRequest` protobuf messages, walked by hand and in place.
//!
//! ```text
//! PushRequest  { 1: repeated Stream, 2: string format }
//! Stream       { 1: string labels, 2: repeated Entry, 3: uint64 hash }
//! Entry        { 1: Timestamp, 2: string line, 3: repeated Pair metadata, 4: repeated Pair parsed }
//! Timestamp    { 1: int64 seconds, 2: int32 nanos }
//! Pair         { 1: string name, 2: string value }
//! ```
//!
//! Unknown fields are skipped, whatever their type, groups included. Of a repeated single field the last one counts.
//! An entry without a timestamp lies at the year 1, as upstream has it, which ends as the earliest [`Nanos`].

use bytes::Bytes;
use loptr_model::Nanos;

use super::fields::{Fault, Fields, ProtoError, Walk};
use super::table::{DecodedPush, Table};
use super::{PushError, PushFormat, saturating_nanos};
use crate::proto::{nest, put_bytes, put_varint_field};

/// Seconds of 0001-01-01, the earliest timestamp a message may hold.
const MIN_SECONDS: i64 = -62_135_596_800;
/// Seconds of 10000-01-01, the first one past the latest.
const MAX_SECONDS: i64 = 253_402_300_800;

pub(super) fn decode(body: Bytes) -> Result<DecodedPush, PushError> {
    let mut table = Table::new(PushFormat::Proto, body)?;
    let body = table.body();
    match request(&mut table, &body) {
        Ok(()) => Ok(table.finish()),
        Err(Fault(error)) => Err(*error),
    }
}

fn request(table: &mut Table, body: &[u8]) -> Walk<()> {
    let mut fields = Fields::new("PushRequest", body, 0, body.len());
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                let (at, end) = fields.message(field, "Streams")?;
                stream(table, body, at, end)?;
            }
            2 => {
                fields.message(field, "Format")?;
            }
            _ => fields.skip(field)?,
        }
    }
    Ok(())
}

fn stream(table: &mut Table, body: &[u8], at: usize, end: usize) -> Walk<()> {
    table.open_stream();
    let mut fields = Fields::new("StreamAdapter", body, at, end);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                // Upstream's own slip: it calls this field by another's name.
                let (at, end) = fields.message(field, "StructuredMetadata")?;
                table.set_labels(&body[at..end])?;
            }
            2 => {
                let (at, end) = fields.message(field, "Entries")?;
                entry(table, body, at, end)?;
            }
            3 => {
                fields.expect(field, 0, "Hash")?;
                let hash = fields.varint()?;
                table.set_hash(hash);
            }
            _ => fields.skip(field)?,
        }
    }
    Ok(())
}

#[inline]
fn entry(table: &mut Table, body: &[u8], at: usize, end: usize) -> Walk<()> {
    let mark = table.pair_mark();
    let mut ts = saturating_nanos(MIN_SECONDS, 0);
    let mut line = table.line_in_body(at, 0);
    let mut fields = Fields::new("EntryAdapter", body, at, end);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                let (at, end) = fields.message(field, "Timestamp")?;
                ts = timestamp(body, at, end)?;
            }
            2 => {
                let (at, end) = fields.message(field, "Line")?;
                line = table.line_in_body(at, end - at);
            }
            3 => {
                let (at, end) = fields.message(field, "StructuredMetadata")?;
                let (name, value) = pair(body, at, end)?;
                table.add_pair(name, value)?;
            }
            4 => {
                let (at, end) = fields.message(field, "Parsed")?;
                pair(body, at, end)?;
            }
            _ => fields.skip(field)?,
        }
    }
    table.add_entry(ts, line, mark);
    Ok(())
}

#[inline]
fn pair(body: &[u8], at: usize, end: usize) -> Walk<(&[u8], &[u8])> {
    let (mut name, mut value): (&[u8], &[u8]) = (b"", b"");
    let mut fields = Fields::new("LabelPairAdapter", body, at, end);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                let (at, end) = fields.message(field, "Name")?;
                name = &body[at..end];
            }
            2 => {
                let (at, end) = fields.message(field, "Value")?;
                value = &body[at..end];
            }
            _ => fields.skip(field)?,
        }
    }
    Ok((name, value))
}

#[inline]
fn timestamp(body: &[u8], at: usize, end: usize) -> Walk<Nanos> {
    let (mut seconds, mut nanos) = (0i64, 0i32);
    let mut fields = Fields::new("Timestamp", body, at, end);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => {
                fields.expect(field, 0, "Seconds")?;
                seconds = fields.varint()? as i64;
            }
            2 => {
                fields.expect(field, 0, "Nanos")?;
                nanos = fields.varint()? as i32;
            }
            _ => fields.skip(field)?,
        }
    }
    let why = if seconds < MIN_SECONDS {
        " before 0001-01-01"
    } else if seconds >= MAX_SECONDS {
        " after 10000-01-01"
    } else if !(0..1_000_000_000).contains(&nanos) {
        ": nanos not in range [0, 1e9)"
    } else {
        return Ok(saturating_nanos(seconds, nanos.into()));
    };
    Err(ProtoError::Timestamp { seconds, nanos, why }.into())
}

/// One stream to encode: label text and entries.
pub type ProtoPush<'a> = (&'a str, Vec<loptr_model::Entry<'a>>);

/// Encodes streams as an uncompressed `PushRequest`, as clients and upstream's components send it.
pub fn encode_push(streams: &[ProtoPush<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (labels, entries) in streams {
        nest(&mut out, 1, |out| {
            put_bytes(out, 1, labels.as_bytes());
            for entry in entries {
                nest(out, 2, |out| put_entry(out, entry));
            }
        });
    }
    out
}

/// Encodes a `google.rpc.Status` of which only the message is set, as OTLP's errors are sent.
pub fn encode_status(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 2, message.as_bytes());
    out
}

fn put_entry(out: &mut Vec<u8>, entry: &loptr_model::Entry<'_>) {
    nest(out, 1, |out| {
        let (seconds, nanos) = (entry.ts.0.div_euclid(Nanos::PER_SEC), entry.ts.0.rem_euclid(Nanos::PER_SEC));
        put_varint_field(out, 1, seconds as u64);
        put_varint_field(out, 2, nanos as u64);
    });
    put_bytes(out, 2, entry.line);
    for (name, value) in entry.metadata {
        nest(out, 3, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_bytes(out, 2, value.as_bytes());
        });
    }
}
