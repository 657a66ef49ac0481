//! Token bucket on a clock given by the caller.

use loptr_model::Nanos;

/// Bytes still allowed, refilled with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    at: Nanos,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) fn full(burst: f64, now: Nanos) -> Self {
        Self { tokens: burst, at: now }
    }

    /// Takes `bytes` if that many are allowed at `now` (monotonic); takes nothing otherwise.
    pub(crate) fn take(&mut self, bytes: f64, rate: f64, burst: f64, now: Nanos) -> bool {
        let passed = (now.0 - self.at.0).max(0) as f64 / 1e9;
        self.tokens = (self.tokens + passed * rate).min(burst);
        self.at = now;
        let allowed = bytes <= self.tokens;
        if allowed {
            self.tokens -= bytes;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refills_with_time_up_to_the_burst() {
        let mut bucket = TokenBucket::full(100.0, Nanos(0));
        assert!(bucket.take(100.0, 10.0, 100.0, Nanos(0)));
        assert!(!bucket.take(1.0, 10.0, 100.0, Nanos(0)));
        assert!(bucket.take(10.0, 10.0, 100.0, Nanos(1_000_000_000)));
        assert!(!bucket.take(101.0, 10.0, 100.0, Nanos(3_600_000_000_000)));
        assert!(bucket.take(100.0, 10.0, 100.0, Nanos(3_600_000_000_000)));
    }
}
