//! What chunks in memory hold, added up as they grow, and what becomes of pushes when that is too much.
//!
//! Closed chunks wait for the next sweep, or until together they hold [`CLOSED_BYTES`].
//! Above the budget the flush loop closes and flushes the heaviest chunks until three quarters of it are left; a store
//! or spool slower than the pushes lets memory grow on, up to half a budget more: there pushes wait a little, then they
//! are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::Ingester;
use crate::stream::{OpenChunk, Stream};
use crate::tenant::Tenant;

/// Bytes that chunks hold, and how many they may.
#[derive(Debug, Default)]
pub(crate) struct ChunkMemory {
    /// 0: no limit.
    budget_bytes: usize,
    held_bytes: AtomicUsize,
    /// Those of closed chunks among them.
    closed_bytes: AtomicUsize,
    passed: Notify,
}

/// What closed chunks may hold before they are flushed out of turn.
const CLOSED_BYTES: usize = 16 << 20;

/// One chunk's share; given back when the chunk goes.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<ChunkMemory>,
    bytes: usize,
    is_closed: bool,
}

impl ChunkMemory {
    pub(crate) fn new(budget_bytes: u64) -> Arc<Self> {
        let budget_bytes = usize::try_from(budget_bytes).unwrap_or(usize::MAX);
        Arc::new(Self { budget_bytes, ..Self::default() })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { of: self.clone(), bytes: 0, is_closed: false }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    /// Bytes to flush; none while the budget holds.
    pub(crate) fn excess(&self) -> Option<usize> {
        let held = self.held_bytes();
        (self.budget_bytes > 0 && held > self.budget_bytes).then(|| held - self.budget_bytes / 4 * 3)
    }

    /// Why there is no room for more, if there is none.
    pub(crate) fn refusal(&self) -> Option<String> {
        let (held, most) = (self.held_bytes(), self.budget_bytes.saturating_add(self.budget_bytes / 2));
        (self.budget_bytes > 0 && held > most)
            .then(|| format!("chunks in memory hold {held} bytes, limit {most}: they are being flushed"))
    }

    /// Whether there is something to flush before the next sweep.
    pub(crate) fn wants_sweep(&self) -> bool {
        self.excess().is_some() || self.closed_bytes.load(Ordering::Relaxed) > CLOSED_BYTES
    }

    /// Wakes the flush loop if there is something to flush.
    pub(crate) fn ask(&self) {
        if self.wants_sweep() {
            self.passed.notify_one();
        }
    }

    /// Completes when someone has [asked](Self::ask) and there still is something to flush.
    pub(crate) async fn passed(&self) {
        loop {
            self.passed.notified().await;
            if self.wants_sweep() {
                return;
            }
        }
    }
}

impl Share {
    /// The chunk holds so many bytes now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let sums = [Some(&self.of.held_bytes), self.is_closed.then_some(&self.of.closed_bytes)];
        for sum in sums.into_iter().flatten() {
            match bytes.checked_sub(self.bytes) {
                Some(more) => sum.fetch_add(more, Ordering::Relaxed),
                None => sum.fetch_sub(self.bytes - bytes, Ordering::Relaxed),
            };
        }
        self.bytes = bytes;
    }

    /// The chunk waits to be flushed from now on.
    pub(crate) fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.of.closed_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How long a push waits for room.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Ingester {
    /// Waits a little for memory to have room; why it has none, if it still has none then.
    pub(crate) async fn room_in_memory(&self) -> Result<(), String> {
        let mut waited = Duration::ZERO;
        while let Some(refusal) = self.memory.refusal() {
            if waited >= PATIENCE {
                return Err(refusal);
            }
            self.memory.ask();
            self.ports.clock.sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
        Ok(())
    }

    /// Closes the heaviest open chunks, of equal ones the oldest, until `excess` bytes wait to be flushed, those that
    /// wait already included.
    pub(crate) fn close_heaviest(&self, streams: &[(Arc<Tenant>, Arc<Stream>)], excess: usize) {
        let mut waiting = 0;
        let mut open: Vec<(usize, std::cmp::Reverse<u64>, &Stream)> = Vec::new();
        for (_, stream) in streams {
            let state = stream.state.lock();
            waiting += state.closed.iter().map(|chunk| chunk.share.bytes()).sum::<usize>();
            if let Some(OpenChunk { share, first_segment, .. }) = &state.open {
                open.push((share.bytes(), std::cmp::Reverse(first_segment.get()), stream));
            }
        }
        open.sort_by_key(|(bytes, segment, _)| std::cmp::Reverse((*bytes, *segment)));
        let mut closed = 0;
        for (bytes, _, stream) in open {
            if waiting >= excess {
                break;
            }
            stream.close_open();
            waiting += bytes;
            closed += 1;
        }
        self.metrics.closed_for_memory.inc_by(closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let memory = ChunkMemory::new(1000);
        let (mut one, mut two) = (memory.share(), memory.share());
        one.set(700);
        assert_eq!((memory.excess(), memory.refusal()), (None, None));
        two.set(400);
        assert_eq!((memory.excess(), memory.refusal()), (Some(1100 - 750), None));
        two.set(801);
        let refusal = memory.refusal().expect("beyond half a budget more");
        assert_eq!(refusal, "chunks in memory hold 1501 bytes, limit 1500: they are being flushed");
        drop(two);
        one.set(30);
        assert_eq!(memory.held_bytes(), 30);
        drop(one);
        assert_eq!(memory.held_bytes(), 0);
        let unlimited = ChunkMemory::new(0);
        let mut share = unlimited.share();
        share.set(usize::MAX);
        assert_eq!((unlimited.excess(), unlimited.refusal()), (None, None));
    }

    #[test]
    fn closed_chunks_are_flushed_out_of_turn_when_they_hold_much() {
        let memory = ChunkMemory::new(0);
        let mut share = memory.share();
        share.set(CLOSED_BYTES + 1);
        assert!(!memory.wants_sweep());
        share.close();
        assert!(memory.wants_sweep());
        drop(share);
        assert!(!memory.wants_sweep());
        assert_eq!(memory.closed_bytes.load(Ordering::Relaxed), 0);
    }
}
