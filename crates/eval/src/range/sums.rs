//! Sums that do not depend on the order of their terms, for practical purposes: a pair of floats holds some 106 bits.

use std::ops::Add;

/// A sum as `high + low`, `low` below half a unit in the last place of `high`. Non-finite terms live in `high`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

/// `a + b` and what rounding lost.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

impl Sum {
    pub(crate) fn of(value: f64) -> Self {
        Self { high: value, low: 0.0 }
    }

    /// `value²`, exactly unless it overflows.
    pub(crate) fn square(value: f64) -> Self {
        let high = value * value;
        let low = if high.is_finite() { value.mul_add(value, -high) } else { 0.0 };
        Self { high, low }
    }

    pub(crate) fn value(self) -> f64 {
        self.high + self.low
    }

    /// `self²`.
    pub(crate) fn squared(self) -> Self {
        let square = Self::square(self.high);
        if !square.high.is_finite() {
            return square;
        }
        square + Self::of(2.0 * self.high * self.low)
    }

    /// `self / by`, by one correction of the rounded quotient.
    pub(crate) fn over(self, by: f64) -> Self {
        let quotient = self.high / by;
        if !quotient.is_finite() {
            return Self::of(quotient);
        }
        let product = quotient * by;
        let lost = quotient.mul_add(by, -product);
        let rest = ((self.high - product) - lost + self.low) / by;
        Self::of(quotient) + Self::of(rest)
    }

    pub(crate) fn negated(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Add for Sum {
    type Output = Sum;

    fn add(self, other: Sum) -> Sum {
        let (high, lost) = two_sum(self.high, other.high);
        if !high.is_finite() {
            return Self::of(self.high + other.high);
        }
        let (low, lost_low) = two_sum(self.low, other.low);
        let (high, rest) = quick(high, lost + low);
        let (high, low) = quick(high, rest + lost_low);
        Self { high, low }
    }
}

/// [`two_sum`] for `|a| >= |b|`.
fn quick(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter(mut values in prop::collection::vec(-1e12f64..1e12, 1..60), at in 0usize..60) {
            let sum = |values: &[f64]| values.iter().fold(Sum::default(), |sum, &v| sum + Sum::of(v));
            let whole = sum(&values).value();
            let (left, right) = values.split_at(at.min(values.len()));
            prop_assert_eq!((sum(left) + sum(right)).value(), whole);
            values.sort_by(f64::total_cmp);
            prop_assert_eq!(sum(&values).value(), whole);
        }
    }

    #[test]
    fn infinities_and_nan_pass_through() {
        let inf = Sum::of(f64::INFINITY);
        assert_eq!((inf + Sum::of(1.0)).value(), f64::INFINITY);
        assert!((inf + inf.negated()).value().is_nan() && (Sum::of(f64::NAN) + inf).value().is_nan());
        assert_eq!(Sum::of(10.0).over(4.0).value(), 2.5);
        assert_eq!((Sum::of(1e16) + Sum::of(1.0)).squared().value(), 1.0000000000000002e32);
    }
}
