//! Space kept back for a full disk: a file `reserve` in the log's folder, really written and synced, given up when
//! there is no room left, so that records, chunks and index files can be written that make room. Pushes never get any
//! of it. It is made again when there is twice as much room.

use std::io;
use std::path::{Path, PathBuf};

use loptr_ports::{Disk, DiskUsage};

const NAME: &str = "reserve";
/// At most this part of the volume is kept back.
const VOLUME_PART: u64 = 16;
const BLOCK_BYTES: usize = 1 << 20;

fn file(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Removes the reserve in `dir`; returns whether there was one.
pub fn give_up(disk: &dyn Disk, dir: &Path) -> bool {
    // Not synced: the room counts, and a name that comes back with a power cut is a reserve again.
    disk.remove(&file(dir)).is_ok()
}

/// Bytes the reserve in `dir` holds.
pub(super) fn held(disk: &dyn Disk, dir: &Path) -> u64 {
    disk.stat(&file(dir)).map_or(0, |(bytes, _)| bytes)
}

/// How large it should be on this volume.
pub(super) fn target(wanted: u64, usage: &DiskUsage) -> u64 {
    wanted.min(usage.total_bytes / VOLUME_PART)
}

/// Room there must be before pushes are accepted again after the disk was full: the reserve and as much again, so that
/// the next push does not fill it at once.
pub(super) fn room_to_go_on(wanted: u64, usage: &DiskUsage) -> u64 {
    let slack = target(wanted, usage).max((1 << 20).min(usage.total_bytes / 64));
    target(wanted, usage).saturating_add(slack)
}

/// Writes it anew. Its bytes are not zeros, so that no file system stores fewer.
pub(super) fn build(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    let written = write(disk, dir, bytes);
    if written.is_err() {
        give_up(disk, dir);
    }
    written
}

fn write(disk: &dyn Disk, dir: &Path, bytes: u64) -> io::Result<()> {
    let mut reserve = disk.create(&file(dir))?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut left = bytes;
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        let mut block = Vec::with_capacity(len + 8);
        while block.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        reserve.append(&block[..len])?;
        left -= len as u64;
    }
    // For the room, not for the bytes: file systems that write late take it only now. Nothing hangs on the name.
    reserve.sync()
}
