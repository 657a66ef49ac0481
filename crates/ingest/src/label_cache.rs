//! What label texts stand for, remembered by each set of limits and bounded over all of them.
//!
//! Limits of one tenant are a set of their own, so there may be many. When they hold more than the bound together, the
//! one that holds most is emptied, until they fit; what was in it is worked out again when it comes again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use loptr_model::Nanos;
use parking_lot::{Mutex, RwLock};

use crate::known::KnownStream;

/// Bytes held by a text beside itself and its labels: the place in the map, the pointers.
const PLACE_BYTES: usize = 96;

/// The caches of all sets of limits.
#[derive(Debug)]
pub struct LabelCaches {
    max_bytes: usize,
    bytes: AtomicUsize,
    texts: AtomicUsize,
    emptied: AtomicU64,
    caches: Mutex<Vec<Weak<LabelCache>>>,
}

/// Figures of the caches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCacheFigures {
    /// Label texts remembered.
    pub texts: usize,
    /// Bytes they hold, about.
    pub bytes: usize,
    /// Times a cache was emptied for the bound.
    pub emptied: u64,
}

impl LabelCaches {
    /// Caches that hold about `max_bytes` together.
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            bytes: AtomicUsize::new(0),
            texts: AtomicUsize::new(0),
            emptied: AtomicU64::new(0),
            caches: Mutex::default(),
        })
    }

    /// What they hold now.
    pub fn figures(&self) -> LabelCacheFigures {
        LabelCacheFigures {
            texts: self.texts.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            emptied: self.emptied.load(Ordering::Relaxed),
        }
    }

    /// How fast the streams they know come, as far as it was measured lately (`now` is monotonic): bytes a second, and
    /// into how many shards each is split.
    pub fn stream_rates(&self, now: Nanos) -> Vec<(f64, usize)> {
        let caches: Vec<Arc<LabelCache>> = self.caches.lock().iter().filter_map(Weak::upgrade).collect();
        let mut rates = Vec::new();
        for cache in caches {
            rates.extend(cache.kept.read().known.values().filter_map(|known| known.rate.told(now)));
        }
        rates
    }

    /// One more.
    pub(crate) fn add(self: &Arc<Self>) -> Arc<LabelCache> {
        let cache = Arc::new(LabelCache { all: self.clone(), kept: RwLock::default() });
        let mut caches = self.caches.lock();
        caches.retain(|cache| cache.strong_count() > 0);
        caches.push(Arc::downgrade(&cache));
        cache
    }

    /// Empties the largest until all fit.
    fn shrink(&self) {
        let caches: Vec<Arc<LabelCache>> = self.caches.lock().iter().filter_map(Weak::upgrade).collect();
        while self.bytes.load(Ordering::Relaxed) > self.max_bytes {
            let sized = caches.iter().map(|cache| (cache.kept.read().bytes, cache));
            let Some((1.., largest)) = sized.max_by_key(|(bytes, _)| *bytes) else { return };
            largest.empty();
            self.emptied.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The cache of one set of limits.
#[derive(Debug)]
pub(crate) struct LabelCache {
    all: Arc<LabelCaches>,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    known: HashMap<Box<str>, Arc<KnownStream>>,
    bytes: usize,
}

impl LabelCache {
    pub(crate) fn get(&self, text: &str) -> Option<Arc<KnownStream>> {
        self.kept.read().known.get(text).cloned()
    }

    /// Remembers `known`, unless somebody was faster: then theirs is the one.
    pub(crate) fn keep(&self, text: &str, known: KnownStream) -> Arc<KnownStream> {
        let known = {
            let mut kept = self.kept.write();
            if let Some(known) = kept.known.get(text) {
                return known.clone();
            }
            let known = Arc::new(known);
            // The text, and about as much again for the labels made of it.
            let bytes = PLACE_BYTES + size_of::<KnownStream>() + 2 * text.len();
            kept.known.insert(text.into(), known.clone());
            kept.bytes += bytes;
            self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.all.texts.fetch_add(1, Ordering::Relaxed);
            known
        };
        if self.all.bytes.load(Ordering::Relaxed) > self.all.max_bytes {
            self.all.shrink();
        }
        known
    }

    fn empty(&self) {
        let kept = std::mem::take(&mut *self.kept.write());
        self.all.bytes.fetch_sub(kept.bytes, Ordering::Relaxed);
        self.all.texts.fetch_sub(kept.known.len(), Ordering::Relaxed);
    }
}

impl Drop for LabelCache {
    fn drop(&mut self) {
        self.empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::PushLimits;
    use crate::settings::Limits;

    #[test]
    fn all_tenants_share_one_bound() {
        let caches = LabelCaches::new(100_000);
        let tenants: Vec<PushLimits> = (0..20).map(|_| PushLimits::sharing(Limits::default(), &caches)).collect();
        let mut largest = 0;
        for stream in 0..50 {
            for tenant in &tenants {
                assert!(tenant.known(&format!("{{app=\"a{stream}\"}}")).is_ok());
                largest = largest.max(caches.figures().bytes);
            }
        }
        let figures = caches.figures();
        assert!(figures.bytes <= 100_000 && figures.emptied > 0 && figures.texts > 0, "{figures:?}");
        assert!(largest <= 101_000, "{largest}");
        let before = tenants[19].known("{app=\"a49\"}").ok();
        assert!(Arc::ptr_eq(&before.expect("known"), &tenants[19].known("{app=\"a49\"}").ok().expect("known")));
        drop(tenants);
        assert_eq!((caches.figures().texts, caches.figures().bytes), (0, 0));
    }
}
