//! What the log tells about itself: its state, why, and since when it is so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::LogError;

/// Whether the log takes pushes, and if not, why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogState {
    /// It does.
    #[default]
    Writing,
    /// The disk is full.
    Full,
    /// A write failed; a new segment is tried now and then.
    WriteFailed,
    /// A sync failed: nobody knows what the disk holds of the last group. It waits until nothing hangs on that.
    SyncFailed,
}

impl LogState {
    /// All, in the order of their gravity.
    pub const ALL: [Self; 4] = [Self::Writing, Self::Full, Self::WriteFailed, Self::SyncFailed];

    /// One word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writing => "writing",
            Self::Full => "full",
            Self::WriteFailed => "write_failed",
            Self::SyncFailed => "sync_failed",
        }
    }
}

/// The state as everyone may read it.
#[derive(Debug)]
pub(super) struct Health {
    /// Read at every push: whether the state is anything but `Writing`.
    is_troubled: AtomicBool,
    can_write: AtomicBool,
    current: RwLock<(LogState, Arc<str>)>,
    changed: Notify,
    pub(super) reserve_bytes: AtomicU64,
    /// Bits of a float.
    pub(super) disk_used: AtomicU64,
    /// Before this nothing is tried again; monotonic nanoseconds.
    pub(super) retry_at: AtomicI64,
    failures: [AtomicU64; 3],
}

impl Default for Health {
    fn default() -> Self {
        Self {
            is_troubled: AtomicBool::new(false),
            can_write: AtomicBool::new(true),
            current: RwLock::new((LogState::Writing, "".into())),
            changed: Notify::new(),
            reserve_bytes: AtomicU64::new(0),
            disk_used: AtomicU64::new(0),
            retry_at: AtomicI64::new(0),
            failures: Default::default(),
        }
    }
}

impl Health {
    pub(super) fn refusal(&self) -> Option<LogError> {
        if !self.is_troubled.load(Ordering::SeqCst) {
            return None;
        }
        let current = self.current.read();
        let reason = current.1.clone();
        match current.0 {
            LogState::Writing => None,
            LogState::Full => Some(LogError::Full { reason }),
            LogState::WriteFailed | LogState::SyncFailed => Some(LogError::Failed { reason }),
        }
    }

    pub(super) fn state(&self) -> LogState {
        self.current.read().0
    }

    pub(super) fn can_write(&self) -> bool {
        self.can_write.load(Ordering::SeqCst)
    }

    pub(super) fn changed(&self) -> &Notify {
        &self.changed
    }

    pub(super) fn failures(&self) -> [u64; 3] {
        [0, 1, 2].map(|at| self.failures[at].load(Ordering::Relaxed))
    }

    /// Counts a failed write, a failed sync, or a full disk.
    pub(super) fn count_failure(&self, state: LogState) {
        let at = match state {
            LogState::WriteFailed => 0,
            LogState::SyncFailed => 1,
            LogState::Full => 2,
            LogState::Writing => return,
        };
        self.failures[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a state on; one line in the log if it is another one.
    pub(super) fn set(&self, state: LogState, reason: &str, can_write: bool) {
        self.can_write.store(can_write, Ordering::SeqCst);
        let before = {
            let mut current = self.current.write();
            let before = current.0;
            if before == state && &*current.1 == reason {
                return;
            }
            *current = (state, reason.into());
            before
        };
        self.is_troubled.store(state != LogState::Writing, Ordering::SeqCst);
        if before == state {
            return;
        }
        match state {
            LogState::Writing => {
                tracing::info!(before = before.as_str(), "write-ahead log writes again, pushes are accepted");
            }
            LogState::Full => tracing::warn!(reason, "write-ahead log has no room, pushes are refused until it has"),
            LogState::WriteFailed => {
                tracing::error!(
                    reason,
                    "write-ahead log cannot be written, pushes are refused while a new segment is tried"
                );
            }
            LogState::SyncFailed => {
                tracing::error!(
                    reason,
                    "write-ahead log could not be synced, pushes are refused until everything acknowledged lies in the bucket"
                );
            }
        }
        self.changed.notify_one();
    }
}
