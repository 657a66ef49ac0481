//! What range operations hold per interval (specification 6.4).

use super::buckets::Held;
use super::sums::Sum;

/// Number and moments of values: sum, average, variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    count: u64,
    sum: Sum,
    squares: Sum,
}

impl Moments {
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum = self.sum + Sum::of(value);
        self.squares = self.squares + Sum::square(value);
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sum.value()
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum.over(self.count as f64).value()
    }

    /// Population variance.
    pub(crate) fn variance(&self) -> f64 {
        let n = self.count as f64;
        let deviations = self.squares + self.sum.squared().over(n).negated();
        let variance = deviations.over(n).value();
        if variance.is_finite() { variance.max(0.0) } else { f64::NAN }
    }
}

impl Held for Moments {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum + other.sum;
        self.squares = self.squares + other.squares;
    }
}

/// The smallest or largest value; NaN only if there is no other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extreme {
    pub(crate) value: f64,
    pub(crate) largest: bool,
}

impl Held for Extreme {
    fn merge(&mut self, other: &Self) {
        let better = if self.largest { other.value > self.value } else { other.value < self.value };
        if better || self.value.is_nan() {
            self.value = other.value;
        }
    }
}

/// A sample with what orders it: time, then the stream's hash, then arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamped {
    pub(crate) ts: i64,
    pub(crate) stream: u64,
    pub(crate) value: f64,
}

impl Stamped {
    pub(crate) fn order(&self) -> (i64, u64) {
        (self.ts, self.stream)
    }
}

/// The first or last sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) sample: Stamped,
    pub(crate) last: bool,
}

impl Held for Edge {
    fn merge(&mut self, other: &Self) {
        let (mine, theirs) = (self.sample.order(), other.sample.order());
        if (self.last && theirs >= mine) || (!self.last && theirs < mine) {
            self.sample = other.sample;
        }
    }
}

/// What `rate_counter` needs of samples in order: both ends, and what was counted before each reset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counter {
    first: Stamped,
    last: Stamped,
    count: u64,
    dropped: f64,
}

impl Counter {
    /// `samples` in order, not empty.
    pub(crate) fn of(samples: &[Stamped]) -> Option<Self> {
        let mut all = Self::one(*samples.first()?);
        for sample in &samples[1..] {
            all.merge(&Self::one(*sample));
        }
        Some(all)
    }

    fn one(sample: Stamped) -> Self {
        Self { first: sample, last: sample, count: 1, dropped: 0.0 }
    }

    /// Upstream's extrapolated rate with its mixed units: interval ends count in nanoseconds, the range in milliseconds.
    pub(crate) fn rate(&self, range_ns: i64) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let range_secs = range_ns as f64 / 1e9;
        let delta = self.last.value - self.first.value + self.dropped;
        let sampled = (self.last.ts.wrapping_sub(self.first.ts)) as f64 / 1000.0;
        let average = sampled / (self.count - 1) as f64;
        let mut to_start = (range_ns / 1_000_000) as f64 / 1000.0;
        if delta > 0.0 && self.first.value >= 0.0 {
            let to_zero = sampled * (self.first.value / delta);
            if to_zero < to_start {
                to_start = to_zero;
            }
        }
        let threshold = average * 1.1;
        let extrapolated = sampled + if to_start < threshold { to_start } else { average / 2.0 };
        delta * (extrapolated / sampled) / range_secs
    }
}

impl Held for Counter {
    /// `other` comes after.
    fn merge(&mut self, other: &Self) {
        if other.first.value < self.last.value {
            self.dropped += self.last.value;
        }
        self.dropped += other.dropped;
        self.last = other.last;
        self.count += other.count;
    }
}

/// The quantile of `values`, sorted with NaN first.
pub(crate) fn quantile(q: f64, len: usize, value_at: impl Fn(usize) -> f64) -> f64 {
    if len == 0 || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * (len - 1) as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let low = (lower as usize).min(len - 1);
    let high = (low + 1).min(len - 1);
    value_at(low) * (1.0 - weight) + value_at(high) * weight
}

/// Order of quantiles: NaN first.
pub(crate) fn nan_first(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> Moments {
        let mut all = Moments::default();
        values.iter().for_each(|&value| all.add(value));
        all
    }

    #[test]
    fn moments_agree_with_textbook() {
        let all = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((all.sum(), all.mean(), all.variance()), (40.0, 5.0, 4.0));
        let far = moments(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert!((far.variance() - 22.5).abs() < 1e-9);
        assert!(moments(&[f64::INFINITY, 1.0]).variance().is_nan());
        assert_eq!(moments(&[f64::INFINITY, 1.0]).mean(), f64::INFINITY);
    }

    #[test]
    fn quantiles_interpolate() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let of = |q| quantile(q, 4, |at| values[at]);
        assert_eq!((of(0.5), of(0.0), of(1.0), of(-1.0), of(2.0)), (2.5, 1.0, 4.0, f64::NEG_INFINITY, f64::INFINITY));
        assert!(quantile(0.0, 2, |at| [1.0, f64::INFINITY][at]).is_nan());
    }

    #[test]
    fn counters_keep_upstreams_arithmetic() {
        let at = |ts: i64, value| Stamped { ts: ts * 1_000_000_000, stream: 0, value };
        let rate = Counter::of(&[at(0, 1.0), at(60, 2.0)]).expect("two samples").rate(120_000_000_000);
        assert!((rate - 0.008_333_35).abs() < 1e-8, "{rate}");
        assert_eq!(Counter::of(&[at(0, 1.0)]).expect("one").rate(1), 0.0);
        let reset = Counter::of(&[at(0, 5.0), at(1, 7.0), at(2, 1.0)]).expect("three");
        assert_eq!(reset.dropped, 7.0);
    }
}
