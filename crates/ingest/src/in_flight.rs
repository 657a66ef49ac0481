//! Pushes between their append to memory and the sync of their record: the log keeps what they may still refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many pushes began while which segment was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct PushesInFlight(Arc<Mutex<BTreeMap<u64, usize>>>);

/// One push; ends when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    all: PushesInFlight,
    segment: u64,
}

impl PushesInFlight {
    pub(crate) fn begin(&self, segment: u64) -> InFlight {
        *self.0.lock().entry(segment).or_default() += 1;
        InFlight { all: self.clone(), segment }
    }

    /// The oldest segment at which one of them began.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.0.lock().keys().next().copied()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(count) = all.get_mut(&self.segment) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.segment);
            }
        }
    }
}
