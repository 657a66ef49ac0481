//! How much there is to read of a tenant in a span of time: what a query read is held against it.
//!
//! It costs a look at every series of the tenant, so it is remembered for a minute, for spans that are nearly the same.

use std::collections::HashMap;

use loptr_model::{Nanos, TenantId, TimeRange};
use loptr_ports::Priority;
use parking_lot::Mutex;

use crate::engine::{QueryEngine, millis};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::readers::Readers;

/// How long a sum is believed.
const BELIEVED: i64 = 60 * Nanos::PER_SEC;
/// Sums remembered at most.
const REMEMBERED: usize = 1024;

/// A tenant, and its span in steps of a sixteenth of its length, about.
type Key = (TenantId, i64, i64, u64);

/// Sums, each with the monotonic time it was taken at.
#[derive(Debug, Default)]
pub(crate) struct Reaches(Mutex<HashMap<Key, (Nanos, u64)>>);

impl Reaches {
    fn get(&self, key: &Key, now: Nanos) -> Option<u64> {
        let sums = self.0.lock();
        sums.get(key).filter(|(at, _)| now.0.saturating_sub(at.0) < BELIEVED).map(|(_, bytes)| *bytes)
    }

    fn put(&self, key: Key, now: Nanos, bytes: u64) {
        let mut sums = self.0.lock();
        if sums.len() >= REMEMBERED {
            sums.retain(|_, (at, _)| now.0.saturating_sub(at.0) < BELIEVED);
        }
        if sums.len() >= REMEMBERED {
            sums.clear();
        }
        sums.insert(key, (now, bytes));
    }
}

fn key(tenant: &TenantId, range: TimeRange) -> Key {
    let length = range.end.0.saturating_sub(range.start.0).max(1).unsigned_abs();
    let step = (length / 16).next_power_of_two();
    let at = |ts: Nanos| ts.0.div_euclid(i64::try_from(step).unwrap_or(i64::MAX));
    (tenant.clone(), at(range.start), at(range.end), step)
}

impl QueryEngine {
    /// Bytes of lines that the readers' tenants have in `ranges`, about: chunks count whole.
    pub async fn reach(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        ranges: &[TimeRange],
    ) -> Result<u64, QueryError> {
        let mut sum = 0u64;
        for range in ranges.iter().filter_map(|range| limits.look_back(*range, self.ports.clock.now())) {
            for tenant in readers.ids() {
                sum = sum.saturating_add(self.bytes_of_tenant(tenant, range).await?);
            }
        }
        Ok(sum)
    }

    async fn bytes_of_tenant(&self, tenant: &TenantId, range: TimeRange) -> Result<u64, QueryError> {
        let (key, now) = (key(tenant, range), self.ports.clock.monotonic());
        if let Some(bytes) = self.reaches.get(&key, now) {
            return Ok(bytes);
        }
        let (from, through) = millis(range);
        let snapshot = self.index.snapshot(tenant, from, through).await?;
        let (recent, tenant) = (self.recent.clone(), tenant.clone());
        let sum =
            move || snapshot.bytes(from, through).map(|stored| stored.saturating_add(recent.bytes(&tenant, range)));
        let bytes = self.ports.cpu.run(Priority::Query, sum).await??;
        self.reaches.put(key, now, bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_believed_for_a_minute_for_spans_nearly_the_same() {
        let tenant = TenantId::parse("t").expect("a tenant");
        let span = |start, end| key(&tenant, TimeRange::new(Nanos(start), Nanos(end)));
        let hour = 3600 * Nanos::PER_SEC;
        assert_eq!(span(100 * hour, 101 * hour), span(100 * hour + 5, 101 * hour + 5));
        assert_ne!(span(100 * hour, 101 * hour), span(100 * hour, 102 * hour));
        let reaches = Reaches::default();
        let kept = span(0, hour);
        reaches.put(kept.clone(), Nanos(0), 7);
        assert_eq!((reaches.get(&kept, Nanos(BELIEVED - 1)), reaches.get(&kept, Nanos(BELIEVED))), (Some(7), None));
        for at in 0..i64::try_from(REMEMBERED).expect("small") {
            reaches.put(span(at * hour, (at + 1) * hour), Nanos(BELIEVED), 1);
        }
        assert!(reaches.0.lock().len() <= REMEMBERED);
    }
}
