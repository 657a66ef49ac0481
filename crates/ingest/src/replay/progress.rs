//! How far replay is: told to queries, gauges, and to whoever wants to drop old segments.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loptr_model::{Nanos, TenantId, TimeRange};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::OldLog;

/// Replay's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayFigures {
    /// Whether it is under way.
    pub is_active: bool,
    /// Whether it waits for chunks to be flushed, for lack of memory.
    pub is_flushing: bool,
    /// Bytes of the log it has been through.
    pub done_bytes: u64,
    /// Bytes of the log it has to go through.
    pub total_bytes: u64,
    /// Bytes of memory filled since the last look at all streams.
    pub memory_bytes: u64,
    /// How long it took, once done.
    pub took_nanos: u64,
}

type Bounds = HashMap<TenantId, Option<(Nanos, Nanos)>>;

/// Shared by replay and those who ask.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    is_active: AtomicBool,
    /// Whether the first pass is through and what it found is known to memory.
    is_surveyed: AtomicBool,
    is_flushing: AtomicBool,
    done_bytes: AtomicU64,
    total_bytes: AtomicU64,
    memory_bytes: AtomicU64,
    took_nanos: AtomicU64,
    corruptions: AtomicU64,
    /// Entries that could not be appended.
    failed: AtomicU64,
    /// Why it does not go on.
    stalled: Mutex<Option<String>>,
    /// Times of what each tenant has in the log, once surveyed.
    bounds: Mutex<Bounds>,
    /// Told when replay has ended or stalls.
    changed: Notify,
}

impl Progress {
    /// Before anything is served.
    pub(crate) fn begin(&self, old: &OldLog) {
        self.total_bytes.store(old.record_bytes(), Ordering::SeqCst);
        self.is_active.store(true, Ordering::SeqCst);
    }

    pub(super) fn surveyed(&self, bounds: Bounds) {
        *self.bounds.lock() = bounds;
        self.is_surveyed.store(true, Ordering::SeqCst);
    }

    pub(super) fn done(&self, bytes: u64) {
        self.done_bytes.store(bytes, Ordering::SeqCst);
    }

    pub(super) fn memory(&self, bytes: u64, is_flushing: bool) {
        self.memory_bytes.store(bytes, Ordering::SeqCst);
        self.is_flushing.store(is_flushing, Ordering::SeqCst);
    }

    pub(super) fn end(&self, took_nanos: u64) {
        self.took_nanos.store(took_nanos, Ordering::SeqCst);
        self.done_bytes.store(self.total_bytes.load(Ordering::SeqCst), Ordering::SeqCst);
        self.memory(0, false);
        self.is_active.store(false, Ordering::SeqCst);
        self.bounds.lock().clear();
        self.changed.notify_waiters();
    }

    pub(super) fn stalled(&self, why: Option<String>) {
        let mut stalled = self.stalled.lock();
        let news = why.is_some() && stalled.is_none();
        if *stalled != why {
            *stalled = why;
        }
        drop(stalled);
        if news {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn damaged(&self) {
        self.corruptions.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn failed(&self, entries: u64) {
        self.failed.store(entries, Ordering::SeqCst);
    }

    /// Entries that could not be appended.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    /// Why it does not go on, if it does not.
    pub(crate) fn why_stalled(&self) -> Option<String> {
        self.stalled.lock().clone()
    }

    pub(super) fn corruptions(&self) -> u64 {
        self.corruptions.load(Ordering::SeqCst)
    }

    /// Whether old segments are still needed for replay.
    pub(crate) fn needs_old_segments(&self) -> bool {
        self.is_active.load(Ordering::SeqCst)
    }

    /// Whether every chunk in the bucket that no index names is known.
    pub(crate) fn knows_unshipped(&self) -> bool {
        !self.is_active.load(Ordering::SeqCst) || self.is_surveyed.load(Ordering::SeqCst)
    }

    pub(crate) fn figures(&self) -> ReplayFigures {
        ReplayFigures {
            is_active: self.is_active.load(Ordering::SeqCst),
            is_flushing: self.is_flushing.load(Ordering::SeqCst),
            done_bytes: self.done_bytes.load(Ordering::SeqCst),
            total_bytes: self.total_bytes.load(Ordering::SeqCst),
            memory_bytes: self.memory_bytes.load(Ordering::SeqCst),
            took_nanos: self.took_nanos.load(Ordering::SeqCst),
        }
    }

    /// Whether an answer about `range` may lack entries that are still to be replayed: bytes that remain, and why it
    /// stalls if it does.
    pub(crate) fn lacks(&self, tenant: &TenantId, range: TimeRange) -> Option<(u64, Option<String>)> {
        let figures = self.figures();
        if !figures.is_active {
            return None;
        }
        if self.is_surveyed.load(Ordering::SeqCst) {
            // A tenant that has nothing in the log lacks nothing, nor one whose entries lie elsewhere in time.
            match self.bounds.lock().get(tenant) {
                None => return None,
                Some(Some((min, max))) if !range.overlaps_closed(*min, *max) => return None,
                _ => {}
            }
        }
        Some((figures.total_bytes.saturating_sub(figures.done_bytes), self.stalled.lock().clone()))
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }
}
