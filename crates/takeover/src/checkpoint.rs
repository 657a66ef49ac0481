//! Records of a checkpoint: one stream each, with its chunks, as protobuf behind a type byte.
//!
//! ```text
//! 3 stream = userID 1 ‖ fingerprint 2 ‖ labels 3 * ‖ chunks 4 * ‖ to 5 ‖ lastLine 6 ‖ entryCt 7 ‖ highestTs 8
//! label    = name 1 ‖ value 2
//! chunk    = from 1 ‖ to 2 ‖ flushedAt 3 ‖ lastUpdated 4 ‖ closed 5 ‖ synced 6 ‖ data 7 ‖ head 8
//! ```
//!
//! `data` is a memchunk of the cut blocks whose symbols are not compressed, `head` the entries not yet cut
//! ([`HeadBlock`](crate::HeadBlock)). A field that is not known stops the reader: what it holds would be lost.

use loptr_model::{Fingerprint, Labels, TenantId};

use crate::UpstreamError;
use crate::cursor::{Cursor, tenant};
use crate::record::CHECKPOINT;

/// A stream as a checkpoint has it.
#[derive(Clone, Debug)]
pub struct CheckpointStream<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// What entries in the log call it.
    pub reference: Fingerprint,
    /// Its labels.
    pub labels: Labels,
    /// Oldest first.
    pub chunks: Vec<CheckpointChunk<'a>>,
    /// Entries it had taken: records of the log with a counter up to this one are in `chunks` or were flushed.
    pub counter: i64,
}

/// A chunk of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckpointChunk<'a> {
    /// Blocks that were cut; empty if there are none.
    pub data: &'a [u8],
    /// Entries not yet cut; empty if there are none.
    pub head: &'a [u8],
    /// Whether it took no more entries.
    pub closed: bool,
}

/// One field of a message.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
}

/// Reads a message's fields to its end. Upstream writes no groups and no fixed-width fields.
fn fields<'a>(
    bytes: &'a [u8],
    base: usize,
    mut visit: impl FnMut(u64, Value<'a>, usize) -> Result<(), UpstreamError>,
) -> Result<(), UpstreamError> {
    let from = &mut Cursor::new(bytes);
    let place = |error| match error {
        UpstreamError::Record { at, what } => UpstreamError::Record { at: at + base as u64, what },
        error => error,
    };
    while !from.is_empty() {
        let at = base + from.at();
        let tag = from.uv("record ends inside a field's tag").map_err(place)?;
        let value = match tag & 7 {
            0 => Value::Varint(from.uv("record ends inside a number").map_err(place)?),
            2 => Value::Bytes(from.sized("record ends inside a field").map_err(place)?),
            _ => return Err(UpstreamError::Record { at: at as u64, what: "field of a type that is not written" }),
        };
        let value_at = match value {
            Value::Varint(_) => at,
            Value::Bytes(bytes) => base + from.at() - bytes.len(),
        };
        visit(tag >> 3, value, value_at)?;
    }
    Ok(())
}

fn unknown(at: usize, what: &'static str, found: u64) -> UpstreamError {
    UpstreamError::Unknown { at: at as u64, what, found }
}

/// Reads one record of a checkpoint.
pub fn checkpoint_record(bytes: &[u8]) -> Result<CheckpointStream<'_>, UpstreamError> {
    let Some((&kind, message)) = bytes.split_first() else {
        return Err(UpstreamError::Record { at: 0, what: "record is empty" });
    };
    if kind != CHECKPOINT {
        return Err(unknown(0, "record type of a checkpoint", kind.into()));
    }
    let mut owner: Option<TenantId> = None;
    let (mut reference, mut counter) = (0, 0);
    let mut labels: Vec<(&str, &str)> = Vec::new();
    let mut chunks = Vec::new();
    fields(message, 1, |number, value, at| {
        match (number, value) {
            (1, Value::Bytes(name)) => owner = Some(tenant(name)?),
            (2, Value::Varint(fingerprint)) => reference = fingerprint,
            (3, Value::Bytes(pair)) => labels.push(label(pair, at)?),
            (4, Value::Bytes(bytes)) => chunks.push(chunk(bytes, at)?),
            (5 | 6 | 8, Value::Bytes(_)) => {}
            (7, Value::Varint(count)) => counter = count as i64,
            (found, _) => return Err(unknown(at, "field of a stream", found)),
        }
        Ok(())
    })?;
    let tenant = owner.ok_or(UpstreamError::Record { at: 0, what: "stream of no tenant" })?;
    let labels = Labels::from_pairs(labels);
    Ok(CheckpointStream { tenant, reference: Fingerprint(reference), labels, chunks, counter })
}

fn label(bytes: &[u8], base: usize) -> Result<(&str, &str), UpstreamError> {
    let (mut name, mut value) = ("", "");
    fields(bytes, base, |number, field, at| {
        let Value::Bytes(text) = field else { return Err(unknown(at, "field of a label", number)) };
        let utf8 = UpstreamError::Record { at: at as u64, what: "label is not UTF-8" };
        let text = std::str::from_utf8(text).map_err(|_| utf8)?;
        match number {
            1 => name = text,
            2 => value = text,
            found => return Err(unknown(at, "field of a label", found)),
        }
        Ok(())
    })?;
    Ok((name, value))
}

fn chunk(bytes: &[u8], base: usize) -> Result<CheckpointChunk<'_>, UpstreamError> {
    let mut chunk = CheckpointChunk::default();
    fields(bytes, base, |number, value, at| {
        match (number, value) {
            (1..=4, Value::Bytes(_)) | (6, Value::Varint(_)) => {}
            (5, Value::Varint(closed)) => chunk.closed = closed != 0,
            (7, Value::Bytes(data)) => chunk.data = data,
            (8, Value::Bytes(head)) => chunk.head = head,
            (found, _) => return Err(unknown(at, "field of a chunk", found)),
        }
        Ok(())
    })?;
    Ok(chunk)
}
