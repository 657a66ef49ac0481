//! The log as the life before left it: which segments there are, whether this build reads them, and from where numbers go
//! on. Cheap: only headers are read, unless one is damaged.

use std::path::{Path, PathBuf};

use loptr_ports::Disk;
use loptr_wal::{HEADER_BYTES, Header, VERSION, WalError, next_whole};

use super::ReplayError;
use crate::log::segments;

/// Numbers of entries go on with the next multiple of this: how far the life before came within its own need not be
/// known. No segment holds so many entries, by far.
const NUMBER_BLOCK_BITS: u32 = 40;
/// Ordinals go on likewise, by the number of the segment that a life begins with.
const ORDINAL_BLOCK_BITS: u32 = 32;

/// A segment to be replayed.
#[derive(Clone, Debug)]
pub(crate) struct OldSegment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) version: u8,
    /// Where its first record starts.
    pub(crate) start: u64,
}

/// What a life finds.
#[derive(Debug, Default)]
pub(crate) struct OldLog {
    /// Oldest first.
    pub(crate) segments: Vec<OldSegment>,
    /// Number the next segment gets.
    pub(crate) next_segment: u64,
    /// Number the next entry gets.
    pub(crate) next_seq: u64,
    /// Ordinals of chunks flushed from now on are higher.
    pub(crate) last_ordinal: u64,
    /// Damaged headers met.
    pub(crate) corruptions: u64,
}

impl OldLog {
    /// Looks at the segments in `dir`.
    pub(crate) fn find(disk: &dyn Disk, dir: &Path) -> Result<Self, ReplayError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ReplayError::Disk { path, source }
        };
        let mut found = Self { next_seq: 1, ..Self::default() };
        let (mut highest, mut damaged) = (None, 0u64);
        for (number, path) in segments(disk, dir).map_err(failed(dir))? {
            found.next_segment = found.next_segment.max(number + 1);
            let (bytes, _) = disk.stat(&path).map_err(failed(&path))?;
            let header = disk.read_range(&path, 0, HEADER_BYTES as u64).map_err(failed(&path))?;
            let (version, start) = match Header::read(&header) {
                Ok(header) => {
                    highest = highest.max(Some(header.next_seq));
                    (header.version, HEADER_BYTES as u64)
                }
                Err(WalError::Header { reason }) => {
                    damaged += 1;
                    // Begun, and cut short: nothing was acknowledged in it.
                    if bytes <= HEADER_BYTES as u64 {
                        continue;
                    }
                    let all = disk.read(&path).map_err(failed(&path))?;
                    let Some((version, start)) = salvage(&all) else {
                        return Err(ReplayError::Segment { path, source: WalError::Header { reason } });
                    };
                    found.corruptions += 1;
                    tracing::error!(path = %path.display(), reason, resumes_at = start, "log segment has a damaged header, the whole records behind it are used");
                    (version, start)
                }
                Err(source) => return Err(ReplayError::Segment { path, source }),
            };
            found.segments.push(OldSegment { number, path, bytes, version, start });
        }
        if found.next_segment > 0 {
            // A life whose header is damaged began a block that is not known.
            let block = (highest.unwrap_or(0) >> NUMBER_BLOCK_BITS) + 2 + damaged;
            found.next_seq = block << NUMBER_BLOCK_BITS;
            found.last_ordinal = found.next_segment << ORDINAL_BLOCK_BITS;
        }
        Ok(found)
    }

    /// Bytes of records.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes.saturating_sub(segment.start)).sum()
    }
}

/// The version whose records follow a damaged header, and where the first is: that of which there are more.
fn salvage(bytes: &[u8]) -> Option<(u8, u64)> {
    let whole = |version| {
        let (mut first, mut count, mut at) = (None, 0u64, HEADER_BYTES);
        while let Some(place) = next_whole(bytes, at, version) {
            first.get_or_insert(place);
            count += 1;
            let rest = &bytes[place..];
            let loptr_wal::Framed::Whole(frame) = loptr_wal::frame(rest, rest.len() as u64) else { break };
            at = place + frame.len_bytes();
        }
        first.map(|first| (count, version, first as u64))
    };
    let (_, version, first) = (1..=VERSION).filter_map(whole).max()?;
    Some((version, first))
}
