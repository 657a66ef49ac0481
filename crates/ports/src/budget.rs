//! What one query may use: bytes held, time, and whether anyone still wants the answer; all queries under the process.
//!
//! Decoders, mergers and evaluators [`Budget::reserve`] what they hold for a while and [`Budget::charge`] what they keep
//! until the query ends, and call [`Budget::check`] between blocks. A refusal ends the query, never the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use loptr_model::Nanos;

use crate::Clock;

/// Why a query has to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The query itself holds too much.
    #[error("the query needs {wanted} bytes of memory, more than the limit of {limit} bytes for one query")]
    QueryBytes {
        /// Bytes it would hold.
        wanted: u64,
        /// Bytes it may hold.
        limit: u64,
    },
    /// All queries together hold too much.
    #[error("the queries running now need {wanted} bytes of memory, more than the limit of {limit} bytes for all")]
    ProcessBytes {
        /// Bytes all would hold.
        wanted: u64,
        /// Bytes all may hold.
        limit: u64,
    },
    /// Its time is up.
    #[error("the query ran past its deadline")]
    Deadline,
    /// Nobody wants the answer any more.
    #[error("the query was cancelled")]
    Cancelled,
}

/// Bytes held by all queries of the process, and their limit.
#[derive(Debug)]
pub struct ProcessBudget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl ProcessBudget {
    /// At most `limit_bytes` held by all queries together.
    pub fn new(limit_bytes: u64) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicU64::new(0) })
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }
}

struct Inner {
    limit_bytes: u64,
    used_bytes: AtomicU64,
    deadline: Option<(Nanos, Arc<dyn Clock>)>,
    cancelled: AtomicBool,
    process: Arc<ProcessBudget>,
}

/// The budget of one query; clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

impl std::fmt::Debug for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Budget")
            .field("used_bytes", &self.used_bytes())
            .field("limit_bytes", &self.0.limit_bytes)
            .finish()
    }
}

impl Budget {
    /// At most `limit_bytes` held at once, until `deadline` on `clock`'s monotonic time.
    pub fn new(limit_bytes: u64, deadline: Option<(Nanos, Arc<dyn Clock>)>, process: Arc<ProcessBudget>) -> Self {
        Self(Arc::new(Inner {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
            deadline,
            cancelled: AtomicBool::new(false),
            process,
        }))
    }

    /// No limit but cancellation.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, None, ProcessBudget::new(u64::MAX))
    }

    /// Adds `bytes` held until the query ends.
    pub fn charge(&self, bytes: u64) -> Result<(), BudgetError> {
        let inner = &*self.0;
        let wanted = inner.used_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted > inner.limit_bytes {
            inner.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetError::QueryBytes { wanted, limit: inner.limit_bytes });
        }
        let all = inner.process.used_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if all > inner.process.limit_bytes {
            inner.process.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            inner.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetError::ProcessBytes { wanted: all, limit: inner.process.limit_bytes });
        }
        Ok(())
    }

    /// Adds `bytes` held until the reservation is dropped.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation, BudgetError> {
        self.charge(bytes)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    /// Fails once the query was cancelled or its time is up. Call it between blocks.
    pub fn check(&self) -> Result<(), BudgetError> {
        if self.is_cancelled() {
            return Err(BudgetError::Cancelled);
        }
        match &self.0.deadline {
            Some((deadline, clock)) if clock.monotonic() >= *deadline => Err(BudgetError::Deadline),
            _ => Ok(()),
        }
    }

    /// Whether the query was cancelled: cheap enough for every entry.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Relaxed)
    }

    /// Makes every later [`Budget::check`] fail.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    fn release(&self, bytes: u64) {
        self.0.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.0.process.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.process.used_bytes.fetch_sub(*self.used_bytes.get_mut(), Ordering::Relaxed);
    }
}

/// Bytes held for a while; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// Holds `bytes` in all from now on.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), BudgetError> {
        if bytes > self.bytes {
            self.budget.charge(bytes - self.bytes)?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.release(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_hold_and_everything_is_given_back() {
        let process = ProcessBudget::new(100);
        let one = Budget::new(60, None, process.clone());
        let other = Budget::new(60, None, process.clone());
        one.charge(50).expect("within both");
        assert_eq!(one.charge(20), Err(BudgetError::QueryBytes { wanted: 70, limit: 60 }));
        assert_eq!(other.charge(60), Err(BudgetError::ProcessBytes { wanted: 110, limit: 100 }));
        let held = other.reserve(50).expect("within both");
        assert_eq!(process.used_bytes(), 100);
        drop((held, one, other));
        assert_eq!(process.used_bytes(), 0);
    }

    #[test]
    fn the_deadline_is_the_clocks() {
        let clock = crate::sim::SimClock::at(Nanos(0));
        let budget = Budget::new(1, Some((Nanos(5), clock.clone())), ProcessBudget::new(1));
        assert_eq!(budget.check(), Ok(()));
        clock.advance(std::time::Duration::from_nanos(5));
        assert_eq!(budget.check(), Err(BudgetError::Deadline));
    }
}
