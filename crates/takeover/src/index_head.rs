//! Records of the index head's log: chunks in the bucket that no uploaded index names yet.
//!
//! ```text
//! 0 series = tenant str ‖ 1 u8 ‖ ref be64 ‖ labels
//! 2 series = tenant str ‖ fingerprint be64 ‖ 1 u8 ‖ ref be64 ‖ labels
//! 1 chunks = tenant str ‖ ref be64 ‖ n uv ‖ ( min be64 ‖ max be64 ‖ checksum be32 ‖ kb be32 ‖ entries be32 )*
//! ```
//!
//! `ref` numbers the tenant's series within one folder of the log. Times are milliseconds.

use loptr_model::{Fingerprint, Labels, Millis, TenantId};

use crate::UpstreamError;
use crate::cursor::Cursor;
use crate::record::prometheus_series;

const CHUNK_BYTES: usize = 28;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexRecord {
    /// A series, before its chunks.
    Series {
        /// Whose.
        tenant: TenantId,
        /// What chunk records call it.
        reference: u64,
        /// Its fingerprint.
        fingerprint: Fingerprint,
        /// Its labels.
        labels: Labels,
    },
    /// Chunks of a series.
    Chunks {
        /// Whose.
        tenant: TenantId,
        /// Which series.
        reference: u64,
        /// What the index says of each.
        chunks: Vec<IndexedChunk>,
    },
}

/// What the index says of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedChunk {
    /// First entry.
    pub min: Millis,
    /// Last entry; included.
    pub max: Millis,
    /// Of the object.
    pub checksum: u32,
    /// Uncompressed size, KiB.
    pub kb: u32,
    /// Entries.
    pub entries: u32,
}

/// Reads one record of an index head's log.
pub fn index_record(bytes: &[u8]) -> Result<IndexRecord, UpstreamError> {
    let from = &mut Cursor::new(bytes);
    let kind = from.byte("record is empty")?;
    if kind > 2 {
        return Err(UpstreamError::Unknown { at: 0, what: "record type of an index head", found: kind.into() });
    }
    let tenant = from.tenant()?;
    if kind == 1 {
        return chunks(from, tenant);
    }
    let fingerprint = if kind == 2 { Some(from.be64("record ends inside a fingerprint")?) } else { None };
    let mut series = prometheus_series(from)?;
    let (Some((reference, labels)), true) = (series.pop(), series.is_empty()) else {
        return Err(from.fault("record of an index head has not one series"));
    };
    let fingerprint = fingerprint.map_or_else(|| labels.fingerprint(), Fingerprint);
    Ok(IndexRecord::Series { tenant, reference, fingerprint, labels })
}

fn chunks(from: &mut Cursor<'_>, tenant: TenantId) -> Result<IndexRecord, UpstreamError> {
    const ENDS: &str = "record ends inside a chunk";
    let reference = from.be64("record ends inside a reference")?;
    let count = from.count(CHUNK_BYTES, "more chunks than bytes")?;
    let mut chunks = Vec::with_capacity(count as usize);
    for _ in 0..count {
        chunks.push(IndexedChunk {
            min: Millis(from.be64(ENDS)? as i64),
            max: Millis(from.be64(ENDS)? as i64),
            checksum: from.be32(ENDS)?,
            kb: from.be32(ENDS)?,
            entries: from.be32(ENDS)?,
        });
    }
    if !from.is_empty() {
        return Err(from.fault("record is longer than its chunks"));
    }
    Ok(IndexRecord::Chunks { tenant, reference, chunks })
}
