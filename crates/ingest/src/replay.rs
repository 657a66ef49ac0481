//! What the log brings back at start: entries not yet in the bucket, and chunks no uploaded index names.
//!
//! Two passes. The first learns which entries lie in flushed chunks and what was shipped, the second appends the rest. A
//! torn tail ends a segment quietly; damage with whole records behind it is told with its place, and the records behind
//! it are used.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loptr_model::{ChunkRef, Fingerprint, Labels, TenantId};
use loptr_ports::Disk;
use loptr_wal::{End, Flushed, Record, SegmentReader, SeqRanges, WalError};

use crate::log::segments;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Chunks in the bucket that no uploaded index names yet.
    pub(crate) unshipped: Vec<Flushed>,
    /// Number the next segment gets.
    pub(crate) next_segment: u64,
    /// Number the next entry gets.
    pub(crate) next_seq: u64,
    /// The highest ordinal of a flushed chunk that the log knows. Higher ones must follow: what an older `Shipped`
    /// record covers would count as shipped.
    pub(crate) last_ordinal: u64,
    /// Entries appended.
    pub(crate) entries: u64,
    /// Damaged places met.
    pub(crate) corruptions: u64,
}

/// Why the log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The disk failed.
    #[error("the write-ahead log in {path} cannot be read: {source}")]
    Disk {
        /// Segment or folder.
        path: PathBuf,
        /// The disk's words.
        source: io::Error,
    },
    /// A segment is not one this build can read.
    #[error("log segment {path}: {source}")]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WalError,
    },
}

type StreamKey = (TenantId, Fingerprint, Labels);

/// Reads the log in `dir`. `append` gets each entry that lies in no flushed chunk: stream, number, segment, entry.
pub(crate) fn replay(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    mut append: impl FnMut(&TenantId, &Labels, Fingerprint, u64, u64, loptr_model::Entry<'_>),
) -> Result<Recovered, ReplayError> {
    let found = segments(&**disk, dir).map_err(|source| ReplayError::Disk { path: dir.to_owned(), source })?;
    let mut recovered = Recovered::default();
    let mut in_bucket: HashMap<StreamKey, SeqRanges> = HashMap::new();
    // By ordinal: each start logs the unshipped ones anew.
    let mut flushed: BTreeMap<(u64, ChunkRef), Flushed> = BTreeMap::new();
    let mut shipped_through = 0;
    for (segment, path) in &found {
        recovered.next_segment = recovered.next_segment.max(segment + 1);
        read(disk, path, &mut recovered, true, |record| match record {
            Record::Flushed(chunk) => {
                let key = (chunk.tenant.clone(), chunk.chunk.fingerprint, chunk.labels.clone());
                in_bucket.entry(key).or_default().merge(&chunk.covers);
                flushed.insert((chunk.ordinal, chunk.chunk), chunk);
            }
            Record::Shipped { ordinal_through } => shipped_through = shipped_through.max(ordinal_through),
            Record::Push(_) | Record::Snapshot(_) => {}
        })?;
    }
    recovered.last_ordinal = flushed.keys().map(|(ordinal, _)| *ordinal).fold(shipped_through, u64::max);
    recovered.unshipped = flushed.into_values().filter(|chunk| chunk.ordinal > shipped_through).collect();
    let (mut next_seq, mut entries) = (0, 0);
    for (segment, path) in &found {
        let last = read(disk, path, &mut recovered, false, |record| {
            let Record::Push(push) = record else { return };
            let Ok(tenant) = TenantId::parse(push.tenant) else { return };
            for stream in push.streams() {
                let Some(labels) = stream.labels.decode() else { continue };
                let key = (tenant.clone(), stream.fingerprint, labels.clone());
                let known = in_bucket.get(&key).map(SeqRanges::normalized).unwrap_or_default();
                let walked = stream.entries(|seq, entry| {
                    if !known.iter().any(|&(first, last)| (first..=last).contains(&seq)) {
                        append(&tenant, &labels, stream.fingerprint, seq, *segment, entry);
                        entries += 1;
                    }
                });
                if let Err(error) = walked {
                    tracing::error!(path = %path.display(), %error, "log record is damaged");
                }
                next_seq = next_seq.max(stream.last_seq() + 1);
            }
        })?;
        next_seq = next_seq.max(last);
    }
    for last in in_bucket.values().filter_map(SeqRanges::last) {
        next_seq = next_seq.max(last + 1);
    }
    (recovered.next_seq, recovered.entries) = (next_seq.max(1), entries);
    Ok(recovered)
}

/// Calls `visit` with each whole record of one segment; returns the number its header promises entries from.
fn read(
    disk: &Arc<dyn Disk>,
    path: &Path,
    recovered: &mut Recovered,
    tell: bool,
    mut visit: impl FnMut(Record<'_>),
) -> Result<u64, ReplayError> {
    let bytes = disk.read(path).map_err(|source| ReplayError::Disk { path: path.to_owned(), source })?;
    let mut reader = match SegmentReader::open(&bytes) {
        Ok(reader) => reader,
        // A segment cut inside its header was begun and holds nothing that was acknowledged.
        Err(WalError::Header { .. }) if bytes.len() < loptr_wal::HEADER_BYTES => return Ok(0),
        Err(source) => return Err(ReplayError::Segment { path: path.to_owned(), source }),
    };
    loop {
        for record in reader.by_ref() {
            visit(record);
        }
        match reader.end() {
            End::Clean => break,
            End::Torn { at } => {
                if tell {
                    tracing::info!(path = %path.display(), at, bytes = bytes.len(), "log segment ends inside a record that was never acknowledged");
                }
                break;
            }
            End::Corrupt { at, resumes_at } => {
                if tell {
                    recovered.corruptions += 1;
                    tracing::error!(path = %path.display(), at, resumes_at, "log segment is damaged, records between these bytes are lost");
                }
                reader.resume();
            }
        }
    }
    Ok(reader.header().next_seq)
}
