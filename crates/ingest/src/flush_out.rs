//! Everything into the bucket, for good: what `loptr flush-out` does before the folder is handed back.

use std::path::Path;
use std::sync::Arc;

use loptr_ports::Disk;

use crate::Ingester;

/// Why the log must be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftBehind {
    /// Chunks are still in memory, or no uploaded index names them.
    #[error("{chunks} chunks are not in the bucket, {unshipped} are there and not indexed: {reason}")]
    Chunks {
        /// In memory.
        chunks: usize,
        /// In the bucket.
        unshipped: usize,
        /// What the last attempt failed with.
        reason: String,
    },
    /// The log was not replayed to its end.
    #[error("the write-ahead log is not replayed to its end: {reason}")]
    NotReplayed {
        /// What it waits for.
        reason: String,
    },
    /// Entries of the log could not be brought back.
    #[error("{entries} entries of the write-ahead log could not be brought back")]
    Failed {
        /// How many.
        entries: u64,
    },
    /// Some of the log could not be read.
    #[error(
        "{places} places of the write-ahead log are damaged (the lines above name them): what can be read lies in the bucket, the log is kept"
    )]
    Damaged {
        /// How many.
        places: u64,
    },
}

impl Ingester {
    /// Waits until everything the log has is in memory or in the bucket.
    pub async fn replayed(&self) -> Result<(), LeftBehind> {
        loop {
            let mut changed = std::pin::pin!(self.replay.changed().notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if !self.replay.needs_old_segments() {
                break;
            }
            if let Some(reason) = self.replay.why_stalled() {
                return Err(LeftBehind::NotReplayed { reason });
            }
            changed.await;
        }
        match self.replay.failures() {
            0 => Ok(()),
            entries => Err(LeftBehind::Failed { entries }),
        }
    }

    /// Flushes everything and ships its index; an error if any of it did not get there. The log is as it was.
    pub async fn flush_out(self: &Arc<Self>) -> Result<(), LeftBehind> {
        // What was replayed is flushed even if not all of it was.
        let replayed = self.replayed().await;
        self.flush_now().await;
        self.upload_everything().await;
        replayed?;
        let waiting = self.bucket.spool().map_or(0, |spool| spool.held().0);
        let chunks = self.figures().chunks + waiting;
        let unshipped = self.pending.unshipped(|tenant, chunk| self.waits(tenant, chunk)).chunks.len();
        if chunks > 0 || unshipped > 0 {
            let reason = self.last_failure.lock().clone().unwrap_or_else(|| "it was still being written".to_owned());
            return Err(LeftBehind::Chunks { chunks, unshipped, reason });
        }
        match self.metrics.wal_corruptions.get() {
            0 => Ok(()),
            places => Err(LeftBehind::Damaged { places }),
        }
    }

    /// Remembers why something did not get into the bucket.
    pub(crate) fn note_failure(&self, error: &crate::IngestError) {
        *self.last_failure.lock() = Some(error.to_string());
    }
}

/// Removes the log's folder with everything in it, oldest first; nothing in it may be needed any more, and no process may
/// write it.
pub fn remove_log(disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
    let inside = match disk.list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        inside => inside?,
    };
    let is_lock = |path: &Path| path.file_name().is_some_and(|name| name == "lock");
    let (last, first): (Vec<_>, Vec<_>) = inside.into_iter().partition(|(path, _)| is_lock(path));
    for (path, is_dir) in first.into_iter().chain(last) {
        if is_dir { remove_log(disk, &path)? } else { disk.remove(&path)? }
    }
    disk.remove_dir(dir)?;
    dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}
