//! Steps, the window of each, and the elementary intervals between all window edges.
//!
//! The window of a step at `ts` with range `r` and offset `o` is `(ts-o-r, ts-o]`. Windows of neighbouring steps overlap
//! when the range is longer than the step; cutting time at every edge gives intervals that lie wholly inside or outside
//! each window, so an entry is added once, whatever `r / step` is:
//!
//! ```text
//! r = 2·step + rem       edge:  L0      L1      L2  U0  L3  U1 ...      ((L, U] is a window)
//! intervals per step: 2        |0 |1   |2 |3   |4 |5   |6 |            (one per step if rem = 0)
//! window 0 = intervals 0..5    (————————————————]
//! ```

use loptr_model::{Nanos, TimeRange};

/// The points in time a metric query is evaluated at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first.
    pub start: Nanos,
    /// No step lies after it.
    pub end: Nanos,
    /// Distance, nanoseconds; 0 for an instant query, which has one step at `start`.
    pub step_ns: i64,
}

impl Steps {
    /// One step at `at`.
    pub fn instant(at: Nanos) -> Self {
        Self { start: at, end: at, step_ns: 0 }
    }

    /// `start`, `start + step`, … while not after `end`.
    pub fn range(start: Nanos, end: Nanos, step_ns: i64) -> Self {
        Self { start, end, step_ns: step_ns.max(1) }
    }

    /// Whether this is an instant query.
    pub fn is_instant(&self) -> bool {
        self.step_ns == 0
    }

    /// How many steps.
    pub fn count(&self) -> u32 {
        if self.is_instant() {
            return 1;
        }
        let span = i128::from(self.end.0) - i128::from(self.start.0);
        if span < 0 {
            return 0;
        }
        u32::try_from(span / i128::from(self.step_ns) + 1).unwrap_or(u32::MAX)
    }

    /// Time of step `at`.
    pub fn at(&self, at: u32) -> Nanos {
        Nanos(self.start.0.saturating_add(self.step_ns.saturating_mul(i64::from(at))))
    }
}

/// The windows of all steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Left edge of the first window, outside it.
    first: i128,
    /// Right edge of the last, inside it.
    last: i128,
    step: i128,
    /// Whole steps in a window.
    whole: u64,
    /// What is left of it.
    rest: i128,
    pub(crate) steps: u32,
}

/// Interval of an entry, and the times `(after, until]` that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// `None`: in no window.
    pub(crate) interval: Option<u64>,
    pub(crate) after: i64,
    pub(crate) until: i64,
}

impl Windows {
    pub(crate) fn new(steps: Steps, range_ns: i64, offset_ns: i64) -> Self {
        let range = i128::from(range_ns.max(0));
        let count = steps.count();
        // With one step its distance is free; its window then is one interval.
        let step = if count <= 1 { range.max(1) } else { i128::from(steps.step_ns) };
        let first = i128::from(steps.start.0) - i128::from(offset_ns) - range;
        let last = first + range + step * i128::from(count.saturating_sub(1));
        Self { first, last, step, whole: (range / step) as u64, rest: range % step, steps: count }
    }

    /// All times inside any window or between two.
    pub(crate) fn time_range(&self) -> TimeRange {
        if self.steps == 0 || self.last <= self.first {
            return TimeRange::new(Nanos(0), Nanos(0));
        }
        TimeRange::new(Nanos(clamp(self.first + 1)), Nanos(clamp(self.last + 1)))
    }

    /// The interval of `ts`.
    pub(crate) fn slot(&self, ts: Nanos) -> Slot {
        let ts = i128::from(ts.0);
        let outside = |after: i128, until: i128| Slot { interval: None, after: clamp(after), until: clamp(until) };
        if ts <= self.first {
            return outside(i128::from(i64::MIN), self.first);
        }
        if ts > self.last {
            return outside(self.last, i128::from(i64::MAX));
        }
        let period = (ts - self.first - 1) / self.step;
        let left = self.first + period * self.step;
        let right = left + self.step;
        if self.rest == 0 {
            return Slot { interval: Some(period as u64), after: clamp(left), until: clamp(right) };
        }
        let middle = left + self.rest;
        if ts <= middle {
            return Slot { interval: Some(2 * period as u64), after: clamp(left), until: clamp(middle) };
        }
        if self.whole == 0 {
            return outside(middle, right);
        }
        Slot { interval: Some(2 * period as u64 + 1), after: clamp(middle), until: clamp(right) }
    }

    /// The intervals of a step's window.
    pub(crate) fn intervals(&self, step: u32) -> std::ops::Range<u64> {
        let step = u64::from(step);
        if self.rest == 0 {
            return step..step + self.whole;
        }
        2 * step..2 * (step + self.whole) + 1
    }

    /// The first step whose window reaches beyond the start of `interval`.
    pub(crate) fn first_step_with(&self, interval: u64) -> u32 {
        let step = if self.rest == 0 {
            (interval + 1).saturating_sub(self.whole)
        } else {
            interval.div_ceil(2).saturating_sub(self.whole)
        };
        u32::try_from(step).unwrap_or(u32::MAX)
    }

    /// Whether windows share intervals.
    pub(crate) fn overlap(&self) -> bool {
        self.steps > 1 && (self.whole > 1 || (self.whole == 1 && self.rest > 0))
    }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn intervals_are_windows(
            start in -50i64..50, len in 0i64..100, step in 1i64..30, range in 0i64..70, offset in -20i64..20,
            ts in -150i64..200,
        ) {
            let steps = Steps::range(Nanos(start), Nanos(start + len), step);
            let windows = Windows::new(steps, range, offset);
            let slot = windows.slot(Nanos(ts));
            prop_assert!(slot.after < ts && ts <= slot.until);
            prop_assert_eq!(windows.slot(Nanos(slot.until)), slot);
            if slot.after > i64::MIN {
                prop_assert_eq!(windows.slot(Nanos(slot.after + 1)), slot);
            }
            let mut first = None;
            for at in 0..steps.count() {
                let right = steps.at(at).0 - offset;
                let inside = right - range < ts && ts <= right;
                let by_interval = slot.interval.is_some_and(|interval| windows.intervals(at).contains(&interval));
                prop_assert_eq!(inside, by_interval, "step {}", at);
                if inside && first.is_none() {
                    first = Some(at);
                }
            }
            if let (Some(interval), Some(first)) = (slot.interval, first) {
                prop_assert_eq!(windows.first_step_with(interval), first);
                prop_assert!(windows.time_range().contains(Nanos(ts)));
            }
        }
    }

    #[test]
    fn steps_count_and_edges_do_not_overflow() {
        assert_eq!(Steps::range(Nanos(30), Nanos(200), 60).count(), 3);
        assert_eq!(Steps::range(Nanos(5), Nanos(4), 1).count(), 0);
        assert_eq!(Steps::instant(Nanos(7)).count(), 1);
        let windows = Windows::new(Steps::range(Nanos(i64::MIN), Nanos(i64::MAX), i64::MAX), i64::MAX, i64::MIN);
        for ts in [i64::MIN, 0, i64::MAX] {
            assert!(windows.slot(Nanos(ts)).until >= ts);
        }
        assert!(windows.time_range().start <= windows.time_range().end);
    }
}
