//! Records of the ingester's log.
//!
//! ```text
//! 1 series   = tenant str ‖ 1 u8 ‖ ( ref be64 ‖ labels )*
//! 2 entries  = tenant str ‖ base be64 ‖ ( ref be64 ‖ n uv ‖ entry* )*
//! 4 entries  = as 2, with counter be64 after ref
//! 5 entries  = as 4, entries with structured metadata
//! entry      = ( time − base ) sv ‖ line str ‖ [5: pairs uv ‖ ( name str ‖ value str )*]
//! ```
//!
//! `ref` is the stream's fingerprint in the life that wrote the record. `counter` is the number of entries the stream
//! had taken after this push.

use loptr_model::{Entry, Labels, Nanos, TenantId};

use crate::UpstreamError;
use crate::cursor::{Cursor, Pairs};

/// First byte of a checkpoint's record.
pub(crate) const CHECKPOINT: u8 = 3;

/// One record of a segment.
#[derive(Clone, Debug)]
pub enum LogRecord<'a> {
    /// Streams that were made.
    Series {
        /// Whose.
        tenant: TenantId,
        /// Reference and labels of each.
        series: Vec<(u64, Labels)>,
    },
    /// What one push had accepted.
    Entries {
        /// Whose.
        tenant: TenantId,
        /// By stream.
        streams: Vec<StreamEntries<'a>>,
    },
}

/// The entries of one stream in a record; checked whole, read lazily.
#[derive(Clone, Copy, Debug)]
pub struct StreamEntries<'a> {
    /// Which stream.
    pub reference: u64,
    /// Entries the stream had taken, these included; none before version 2 of the record.
    pub counter: Option<i64>,
    /// How many.
    pub count: u64,
    base: i64,
    has_metadata: bool,
    entries: Cursor<'a>,
}

/// Reads one record of a segment.
pub fn log_record(bytes: &[u8]) -> Result<LogRecord<'_>, UpstreamError> {
    let from = &mut Cursor::new(bytes);
    match from.byte("record is empty")? {
        1 => series(from),
        kind @ (2 | 4 | 5) => entries(from, kind),
        CHECKPOINT => Err(UpstreamError::Record { at: 0, what: "record of a checkpoint in a segment of the log" }),
        found => Err(UpstreamError::Unknown { at: 0, what: "record type", found: found.into() }),
    }
}

fn series<'a>(from: &mut Cursor<'a>) -> Result<LogRecord<'a>, UpstreamError> {
    let tenant = from.tenant()?;
    let series = prometheus_series(from)?;
    Ok(LogRecord::Series { tenant, series })
}

/// A series record of Prometheus' format, to the end.
pub(crate) fn prometheus_series(from: &mut Cursor<'_>) -> Result<Vec<(u64, Labels)>, UpstreamError> {
    let at = from.at() as u64;
    match from.byte("record ends before its series")? {
        1 => {}
        found => return Err(UpstreamError::Unknown { at, what: "type of series", found: found.into() }),
    }
    let mut series = Vec::new();
    while !from.is_empty() {
        series.push((from.be64("record ends inside a reference")?, from.labels()?));
    }
    Ok(series)
}

fn entries<'a>(from: &mut Cursor<'a>, kind: u8) -> Result<LogRecord<'a>, UpstreamError> {
    let tenant = from.tenant()?;
    let mut streams = Vec::new();
    if from.is_empty() {
        return Ok(LogRecord::Entries { tenant, streams });
    }
    let base = from.be64("record ends inside its base time")? as i64;
    while !from.is_empty() {
        let reference = from.be64("record ends inside a reference")?;
        let counter = if kind == 2 { None } else { Some(from.be64("record ends inside a counter")? as i64) };
        let count = from.count(2, "more entries than bytes")?;
        let stream = StreamEntries { reference, counter, count, base, has_metadata: kind == 5, entries: *from };
        for _ in 0..count {
            stream.take(from)?;
        }
        streams.push(stream);
    }
    Ok(LogRecord::Entries { tenant, streams })
}

impl<'a> StreamEntries<'a> {
    fn take(&self, from: &mut Cursor<'a>) -> Result<(Nanos, &'a [u8], Pairs<'a>), UpstreamError> {
        let offset = from.sv("record ends inside a time")?;
        let line = from.sized("record ends inside a line")?;
        let pairs = if self.has_metadata { from.pairs()? } else { Vec::new() };
        Ok((Nanos(self.base.wrapping_add(offset)), line, pairs))
    }

    /// Calls `visit` with each entry, in the order they were accepted. Structured metadata comes as it was sent: not
    /// necessarily sorted.
    pub fn entries<E>(&self, mut visit: impl FnMut(Entry<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut from = self.entries;
        for _ in 0..self.count {
            let (ts, line, pairs) = self.take(&mut from).expect("the record was checked whole");
            let metadata: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            visit(Entry { ts, line, metadata: &metadata })?;
        }
        Ok(())
    }
}
