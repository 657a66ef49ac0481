//! Counters by label sets that belong to tenants: bounded, and those of tenants that are gone are dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loptr_model::Nanos;
use parking_lot::RwLock;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Series one family keeps at most.
const MOST: usize = 50_000;

/// A label set that names a tenant.
pub trait OfTenant {
    /// Its id.
    fn tenant(&self) -> &str;
}

#[derive(Debug, Default)]
struct Series {
    counter: Counter,
    /// When it was last counted, as far as the last [`TenantFamily::retire`] knew.
    counted: AtomicI64,
}

/// Counters by label set. Clones share them.
#[derive(Debug)]
pub struct TenantFamily<L> {
    all: Arc<RwLock<HashMap<L, Series>>>,
    now: Arc<AtomicI64>,
    /// Counts that found no place.
    pub(crate) refused: Counter,
}

impl<L> Clone for TenantFamily<L> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone(), now: self.now.clone(), refused: self.refused.clone() }
    }
}

impl<L> Default for TenantFamily<L> {
    fn default() -> Self {
        Self { all: Arc::default(), now: Arc::default(), refused: Counter::default() }
    }
}

impl<L: Clone + Eq + Hash + OfTenant> TenantFamily<L> {
    /// The counter of `labels`; one that nobody sees where there is no room for another.
    pub fn get_or_create(&self, labels: &L) -> Counter {
        let now = self.now.load(Ordering::Relaxed);
        if let Some(series) = self.all.read().get(labels) {
            series.counted.store(now, Ordering::Relaxed);
            return series.counter.clone();
        }
        let mut all = self.all.write();
        if all.len() >= MOST && !all.contains_key(labels) {
            self.refused.inc();
            return Counter::default();
        }
        let series = all.entry(labels.clone()).or_default();
        series.counted.store(now, Ordering::Relaxed);
        series.counter.clone()
    }

    /// Drops the series last counted before `before` whose tenant does not live any more.
    pub(crate) fn retire(&self, now: Nanos, before: Nanos, lives: impl Fn(&str) -> bool) {
        self.now.store(now.0, Ordering::Relaxed);
        let is_old = |series: &Series| series.counted.load(Ordering::Relaxed) < before.0;
        let gone: Vec<L> = {
            let all = self.all.read();
            let gone = all.iter().filter(|(labels, series)| is_old(series) && !lives(labels.tenant()));
            gone.map(|(labels, _)| labels.clone()).collect()
        };
        if gone.is_empty() {
            return;
        }
        let mut all = self.all.write();
        for labels in gone {
            if all.get(&labels).is_some_and(is_old) {
                all.remove(&labels);
            }
        }
    }
}

impl<L: EncodeLabelSet + std::fmt::Debug> EncodeMetric for TenantFamily<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (labels, series) in self.all.read().iter() {
            series.counter.encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        Counter::<u64>::TYPE
    }

    fn is_empty(&self) -> bool {
        self.all.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::TenantLabel;

    #[test]
    fn series_of_tenants_that_are_gone_are_dropped() {
        let family = TenantFamily::default();
        let label = |tenant: &str| TenantLabel { tenant: tenant.to_owned() };
        let known = |family: &TenantFamily<TenantLabel>| family.all.read().len();
        for tenant in ["alive", "gone", "counted"] {
            family.get_or_create(&label(tenant)).inc();
        }
        let lives = |tenant: &str| tenant == "alive";
        family.retire(Nanos(100), Nanos(0), lives);
        assert_eq!(known(&family), 3, "all were counted just now");
        family.get_or_create(&label("counted")).inc();
        family.retire(Nanos(150), Nanos(50), lives);
        assert_eq!(known(&family), 2, "one neither lives nor was counted");
        assert_eq!(family.get_or_create(&label("counted")).get(), 2);
        assert_eq!(family.get_or_create(&label("gone")).get(), 0, "it begins anew");
    }

    #[test]
    fn there_are_never_more_than_the_bound() {
        let family = TenantFamily::default();
        for number in 0..MOST + 10 {
            family.get_or_create(&TenantLabel { tenant: number.to_string() }).inc();
        }
        assert_eq!((family.all.read().len(), family.refused.get()), (MOST, 10));
    }
}
