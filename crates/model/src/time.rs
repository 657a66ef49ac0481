//! Points and spans of time. Integers with their unit in the type; no clock.

/// Unix time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

/// Unix time in milliseconds, the unit of index entries and object keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Nanos {
    /// The earliest representable time.
    pub const MIN: Nanos = Nanos(i64::MIN);
    /// The latest representable time.
    pub const MAX: Nanos = Nanos(i64::MAX);
    /// Nanoseconds in a second.
    pub const PER_SEC: i64 = 1_000_000_000;
    /// Nanoseconds in a millisecond.
    pub const PER_MILLI: i64 = 1_000_000;

    /// Rounds down to whole milliseconds.
    pub fn floor_millis(self) -> Millis {
        Millis(self.0.div_euclid(Self::PER_MILLI))
    }

    /// Rounds up to whole milliseconds.
    pub fn ceil_millis(self) -> Millis {
        let floor = self.0.div_euclid(Self::PER_MILLI);
        Millis(floor + i64::from(self.0.rem_euclid(Self::PER_MILLI) != 0))
    }

    /// `self + delta_ns`, stopping at the ends of the representable range.
    pub fn saturating_add(self, delta_ns: i64) -> Nanos {
        Nanos(self.0.saturating_add(delta_ns))
    }

    /// `self - delta_ns`, stopping at the ends of the representable range.
    pub fn saturating_sub(self, delta_ns: i64) -> Nanos {
        Nanos(self.0.saturating_sub(delta_ns))
    }
}

impl Millis {
    /// The same instant in nanoseconds, stopping at the ends of the representable range.
    pub fn to_nanos(self) -> Nanos {
        Nanos(self.0.saturating_mul(Nanos::PER_MILLI))
    }
}

/// A span of time, `start` in, `end` out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// First instant inside.
    pub start: Nanos,
    /// First instant past the end.
    pub end: Nanos,
}

impl TimeRange {
    /// All of time but its very last nanosecond.
    pub const ALL: TimeRange = TimeRange { start: Nanos::MIN, end: Nanos::MAX };

    /// `start` in, `end` out.
    pub fn new(start: Nanos, end: Nanos) -> Self {
        Self { start, end }
    }

    /// Whether no instant lies inside.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether `ts` lies inside.
    pub fn contains(&self, ts: Nanos) -> bool {
        self.start <= ts && ts < self.end
    }

    /// Whether the closed span `min..=max` has an instant inside.
    pub fn overlaps_closed(&self, min: Nanos, max: Nanos) -> bool {
        !self.is_empty() && self.start <= max && min < self.end
    }

    /// Whether the closed span `min..=max` lies wholly inside.
    pub fn covers_closed(&self, min: Nanos, max: Nanos) -> bool {
        self.start <= min && max < self.end
    }

    /// The instants in both.
    pub fn intersect(&self, other: &TimeRange) -> TimeRange {
        TimeRange { start: self.start.max(other.start), end: self.end.min(other.end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_towards_the_side_asked() {
        assert_eq!(Nanos(1_700_000_000_123_456_789).floor_millis(), Millis(1_700_000_000_123));
        assert_eq!(Nanos(1_700_000_000_123_456_789).ceil_millis(), Millis(1_700_000_000_124));
        assert_eq!(Nanos(2_000_000).ceil_millis(), Millis(2));
        assert_eq!(Nanos(-1).floor_millis(), Millis(-1));
        assert_eq!(Nanos(-1).ceil_millis(), Millis(0));
    }

    #[test]
    fn ranges_are_half_open() {
        let range = TimeRange::new(Nanos(10), Nanos(20));
        assert!(range.contains(Nanos(10)) && !range.contains(Nanos(20)));
        assert!(range.overlaps_closed(Nanos(0), Nanos(10)) && !range.overlaps_closed(Nanos(20), Nanos(30)));
        assert!(range.covers_closed(Nanos(10), Nanos(19)) && !range.covers_closed(Nanos(10), Nanos(20)));
    }
}
