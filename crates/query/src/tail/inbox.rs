//! Where pushes leave entries for a tail: bounded, and exact about what did not fit.

use std::collections::VecDeque;
use std::sync::Arc;

use loptr_model::{Labels, Nanos, StreamEntries, TenantId};
use loptr_ports::{Budget, Reservation};
use loptr_regex::LabelMatcher;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Entries that are remembered as lost until the client is told; with more the tail ends.
pub(crate) const MAX_LOST: usize = 100_000;

/// Bytes from which on an inbox is not left to gather more.
const PRESSING: u64 = 256 << 10;

/// Entries a client did not get and has not been told of yet.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    entries: VecDeque<(Nanos, Labels)>,
    /// How many more there are than can be told.
    beyond: u64,
}

impl Lost {
    pub(crate) fn add(&mut self, ts: Nanos, labels: &Labels) {
        if self.entries.len() < MAX_LOST {
            self.entries.push_back((ts, labels.clone()));
        } else {
            self.beyond += 1;
        }
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.beyond += other.beyond;
        while let Some((ts, labels)) = other.entries.pop_front() {
            self.add(ts, &labels);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first `most` of them.
    pub(crate) fn take(&mut self, most: usize) -> Vec<(Nanos, Labels)> {
        self.entries.drain(..most.min(self.entries.len())).collect()
    }

    /// How many were lost in all, if too many to tell.
    pub(crate) fn too_many(&self) -> Option<u64> {
        (self.beyond > 0).then_some(self.beyond + self.entries.len() as u64)
    }
}

/// A batch and the memory it takes.
pub(crate) type Batch = (Arc<StreamEntries>, Reservation);

#[derive(Default)]
struct State {
    batches: VecDeque<Batch>,
    bytes: u64,
    lost: Lost,
}

impl State {
    /// How much it matters that somebody looks: not at all, soon, at once.
    fn stage(&self) -> u8 {
        if self.bytes >= PRESSING || !self.lost.is_empty() { 2 } else { u8::from(!self.batches.is_empty()) }
    }
}

/// What pushes leave for one tail.
pub(crate) struct Inbox {
    pub(crate) tenant: TenantId,
    matchers: Arc<[LabelMatcher]>,
    pub(crate) budget: Budget,
    state: Mutex<State>,
    pub(crate) filled: Notify,
}

impl Inbox {
    pub(crate) fn new(tenant: TenantId, matchers: Arc<[LabelMatcher]>, budget: Budget) -> Self {
        Self { tenant, matchers, budget, state: Mutex::default(), filled: Notify::new() }
    }

    pub(crate) fn wants(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels.get(&matcher.matcher().name).unwrap_or_default()))
    }

    /// Takes a batch (and wakes the tail if it is the first, or one too many to gather), or notes its entries as lost: then nobody has looked whether the query wants them.
    pub(crate) fn offer(&self, batch: &Arc<StreamEntries>) -> u64 {
        let size = |entry: &loptr_model::OwnedEntry| entry.line.len() + entry.metadata.len() * 32 + 64;
        let bytes: usize = batch.entries.iter().map(size).sum();
        let mut state = self.state.lock();
        let stage = state.stage();
        let lost = match self.budget.reserve(bytes as u64) {
            Ok(held) => {
                state.bytes = state.bytes.saturating_add(bytes as u64);
                state.batches.push_back((batch.clone(), held));
                0
            }
            Err(_) => {
                batch.entries.iter().for_each(|entry| state.lost.add(entry.ts, &batch.labels));
                batch.entries.len() as u64
            }
        };
        let wake = state.stage() > stage;
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        lost
    }

    /// Whether what is there should not wait for more.
    pub(crate) fn is_pressing(&self) -> bool {
        self.state.lock().stage() == 2
    }

    /// Everything that came since the last time.
    pub(crate) fn take(&self) -> (VecDeque<Batch>, Lost) {
        let state = std::mem::take(&mut *self.state.lock());
        (state.batches, state.lost)
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::{MatchOp, Matcher, OwnedEntry};
    use loptr_ports::ProcessBudget;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let matcher = LabelMatcher::compile(&Matcher::new("app", MatchOp::Eq, "a")).expect("a matcher");
        let budget = Budget::new(200, None, ProcessBudget::new(1000));
        let inbox = Inbox::new(TenantId::single(), Arc::new([matcher]), budget);
        let labels = Labels::from_pairs([("app", "a")]);
        assert!(inbox.wants(&labels) && !inbox.wants(&Labels::empty()));
        let entry = |ts: i64| OwnedEntry { ts: Nanos(ts), line: vec![b'x'; 50], metadata: Vec::new() };
        let batch = |ts: &[i64]| {
            Arc::new(StreamEntries {
                tenant: TenantId::single(),
                labels: labels.clone(),
                fingerprint: labels.fingerprint(),
                entries: ts.iter().map(|ts| entry(*ts)).collect(),
            })
        };
        assert_eq!((inbox.offer(&batch(&[1])), inbox.is_pressing()), (0, false));
        assert_eq!((inbox.offer(&batch(&[2, 3])), inbox.is_pressing()), (2, true));
        let (batches, mut lost) = inbox.take();
        assert_eq!((batches.len(), lost.take(10)), (1, vec![(Nanos(2), labels.clone()), (Nanos(3), labels.clone())]));
        drop(batches);
        assert_eq!((inbox.offer(&batch(&[4])), inbox.budget.used_bytes()), (0, 114));
        for ts in 0..=MAX_LOST as i64 {
            lost.add(Nanos(ts), &labels);
        }
        assert_eq!(lost.too_many(), Some(MAX_LOST as u64 + 1));
    }
}
