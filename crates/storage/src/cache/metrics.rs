//! What is told of caches, under upstream's names. Each metric has the cache's name as a label.

use bytes::Bytes;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::memory::Evicted;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    name: String,
    status_code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Value {
    method: &'static str,
    name: String,
}

/// Upstream's embedded cache has its name under another label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Embedded {
    cache: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Gone {
    cache: String,
    reason: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn request_times() -> Histogram {
    Histogram::new((0..8).map(|step| 0.000_016 * 4f64.powi(step)))
}

fn memcached_times() -> Histogram {
    Histogram::new((0..7).map(|step| 0.000_016 * 4f64.powi(step)).chain([0.15, 0.25, 0.5, 1.0]))
}

fn value_sizes() -> Histogram {
    Histogram::new((0..7).map(|step| 1024.0 * 4f64.powi(step)))
}

fn status(failed: bool) -> &'static str {
    if failed { "500" } else { "200" }
}

/// Counters, gauges and times of all caches. Clones share them.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    requests: Histograms<Request>,
    values: Histograms<Value>,
    fetched: Family<Name, Counter>,
    hits: Family<Name, Counter>,
    corrupt: Counter,
    dropped: Family<Name, Counter>,
    dropped_bytes: Family<Name, Counter>,
    queue_keys: Family<Name, Gauge>,
    queue_bytes: Family<Name, Gauge>,
    enqueued: Family<Name, Gauge>,
    dequeued: Family<Name, Gauge>,
    added: Family<Embedded, Counter>,
    evicted: Family<Gone, Counter>,
    entries: Family<Embedded, Gauge>,
    bytes: Family<Embedded, Gauge>,
    memcached: Histograms<Request>,
    servers: Family<Name, Gauge>,
    skipped: Family<Name, Counter>,
}

impl Default for CacheMetrics {
    fn default() -> Self {
        Self {
            requests: Histograms::new_with_constructor(request_times),
            values: Histograms::new_with_constructor(value_sizes),
            fetched: Family::default(),
            hits: Family::default(),
            corrupt: Counter::default(),
            dropped: Family::default(),
            dropped_bytes: Family::default(),
            queue_keys: Family::default(),
            queue_bytes: Family::default(),
            enqueued: Family::default(),
            dequeued: Family::default(),
            added: Family::default(),
            evicted: Family::default(),
            entries: Family::default(),
            bytes: Family::default(),
            memcached: Histograms::new_with_constructor(memcached_times),
            servers: Family::default(),
            skipped: Family::default(),
        }
    }
}

impl CacheMetrics {
    /// Registers everything.
    pub fn register(&self, to: &mut Registry) {
        let help = "Total time spent in seconds doing cache requests";
        to.register("loki_cache_request_duration_seconds", help, self.requests.clone());
        to.register("loki_cache_value_size_bytes", "Size of values in the cache", self.values.clone());
        to.register("loki_cache_fetched_keys", "Total count of keys requested from cache", self.fetched.clone());
        to.register("loki_cache_hits", "Total count of keys found in cache", self.hits.clone());
        let help = "Total count of corrupt chunks found in cache";
        to.register("loki_cache_corrupt_chunks", help, self.corrupt.clone());
        let help = "Total count of dropped write backs to cache";
        to.register("loki_cache_dropped_background_writes", help, self.dropped.clone());
        let help = "Amount of data dropped in write backs to cache";
        to.register("loki_cache_dropped_background_writes_bytes", help, self.dropped_bytes.clone());
        let help = "Length of the cache background writeback queue";
        to.register("loki_cache_background_queue_length", help, self.queue_keys.clone());
        let help = "Amount of data in the background writeback queue";
        to.register("loki_cache_background_queue_bytes", help, self.queue_bytes.clone());
        let help = "Counter of bytes enqueued over time to the background writeback queue";
        to.register("loki_cache_background_enqueued_bytes_total", help, self.enqueued.clone());
        let help = "Counter of bytes dequeued over time from the background writeback queue";
        to.register("loki_cache_background_dequeued_bytes_total", help, self.dequeued.clone());
        let help = "The total number of new entries added to the cache";
        to.register("loki_embeddedcache_added_new", help, self.added.clone());
        to.register("loki_embeddedcache_evicted", "The total number of evicted entries", self.evicted.clone());
        let help = "Current number of entries in the cache";
        to.register("loki_embeddedcache_entries", help, self.entries.clone());
        to.register("loki_embeddedcache_memory_bytes", "The current cache size in bytes", self.bytes.clone());
        let help = "Total time spent in seconds doing memcache requests";
        to.register("loki_memcache_request_duration_seconds", help, self.memcached.clone());
        to.register("loki_memcache_client_servers", "The number of memcache servers discovered", self.servers.clone());
        let help = "Total number of skipped set operations because of the value is larger than the max-item-size";
        to.register("loki_memcache_client_set_skip", help, self.skipped.clone());
    }

    pub(super) fn level(&self, name: &str) -> LevelMetrics {
        let metrics = LevelMetrics { of: self.clone(), name: name.to_owned() };
        metrics.fetched(&[]);
        metrics
    }

    pub(super) fn memory(&self, name: &str) -> MemoryMetrics {
        let cache = Embedded { cache: name.to_owned() };
        let (entries, bytes) = (self.entries.get_or_create_owned(&cache), self.bytes.get_or_create_owned(&cache));
        let added = self.added.get_or_create_owned(&cache);
        MemoryMetrics { evicted: self.evicted.clone(), cache: name.to_owned(), added, entries, bytes }
    }

    pub(super) fn write_back(&self, name: &str) -> WriteBackMetrics {
        let name = Name { name: name.to_owned() };
        WriteBackMetrics {
            dropped: self.dropped.get_or_create_owned(&name),
            dropped_bytes: self.dropped_bytes.get_or_create_owned(&name),
            queue_keys: self.queue_keys.get_or_create_owned(&name),
            queue_bytes: self.queue_bytes.get_or_create_owned(&name),
            enqueued: self.enqueued.get_or_create_owned(&name),
            dequeued: self.dequeued.get_or_create_owned(&name),
        }
    }

    pub(super) fn memcached(&self, name: &str) -> MemcachedMetrics {
        let label = Name { name: name.to_owned() };
        let (servers, skipped) = (self.servers.get_or_create_owned(&label), self.skipped.get_or_create_owned(&label));
        MemcachedMetrics { times: self.memcached.clone(), name: name.to_owned(), servers, skipped }
    }
}

/// Of one cache, whatever it is.
#[derive(Clone, Debug)]
pub(super) struct LevelMetrics {
    of: CacheMetrics,
    name: String,
}

impl LevelMetrics {
    /// A request ended after so many nanoseconds.
    pub(super) fn asked(&self, method: &str, took: i64, failed: bool) {
        let name = self.name.clone();
        let labels = Request { method: format!("{name}.{method}"), name, status_code: status(failed) };
        self.of.requests.get_or_create(&labels).observe(took.max(0) as f64 / 1e9);
    }

    /// So many keys were asked for, and these values found.
    pub(super) fn fetched(&self, values: &[Option<Bytes>]) {
        let name = Name { name: self.name.clone() };
        self.of.fetched.get_or_create(&name).inc_by(values.len() as u64);
        self.of.hits.get_or_create(&name).inc_by(values.iter().flatten().count() as u64);
        let sizes = self.of.values.get_or_create_owned(&Value { method: "fetch", name: name.name });
        values.iter().flatten().for_each(|value| sizes.observe(value.len() as f64));
    }

    pub(super) fn stored(&self, bytes: usize) {
        let labels = Value { method: "store", name: self.name.clone() };
        self.of.values.get_or_create(&labels).observe(bytes as f64);
    }

    /// A value did not have the checksum of its name.
    pub(super) fn corrupt(&self) {
        self.of.corrupt.inc();
    }
}

/// Of a cache in this process.
#[derive(Clone, Debug)]
pub(super) struct MemoryMetrics {
    evicted: Family<Gone, Counter>,
    cache: String,
    added: Counter,
    entries: Gauge,
    bytes: Gauge,
}

impl MemoryMetrics {
    pub(super) fn added(&self) {
        self.added.inc();
    }

    pub(super) fn evicted(&self, why: Evicted) {
        self.evicted.get_or_create(&Gone { cache: self.cache.clone(), reason: why.as_str() }).inc();
    }

    pub(super) fn holds(&self, entries: usize, bytes: usize) {
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Of a queue before a remote cache.
#[derive(Clone, Debug)]
pub(super) struct WriteBackMetrics {
    dropped: Counter,
    dropped_bytes: Counter,
    queue_keys: Gauge,
    queue_bytes: Gauge,
    enqueued: Gauge,
    dequeued: Gauge,
}

fn sizes(pairs: &[(String, Bytes)]) -> (i64, i64) {
    let bytes: usize = pairs.iter().map(|(_, value)| value.len()).sum();
    (pairs.len() as i64, i64::try_from(bytes).unwrap_or(i64::MAX))
}

impl WriteBackMetrics {
    /// The batch waits from now on; `false` if the queue would hold more than `most` bytes.
    pub(super) fn enter(&self, pairs: &[(String, Bytes)], most: usize) -> bool {
        let (keys, bytes) = sizes(pairs);
        let before = self.queue_bytes.inc_by(bytes);
        if before.saturating_add(bytes) > i64::try_from(most).unwrap_or(i64::MAX) {
            self.queue_bytes.dec_by(bytes);
            return false;
        }
        self.queue_keys.inc_by(keys);
        self.enqueued.inc_by(bytes);
        true
    }

    pub(super) fn taken(&self, pairs: &[(String, Bytes)]) {
        let (keys, bytes) = sizes(pairs);
        self.queue_keys.dec_by(keys);
        self.queue_bytes.dec_by(bytes);
        self.dequeued.inc_by(bytes);
    }

    pub(super) fn dropped(&self, pairs: &[(String, Bytes)]) {
        let (keys, bytes) = sizes(pairs);
        self.dropped.inc_by(keys.unsigned_abs());
        self.dropped_bytes.inc_by(bytes.unsigned_abs());
    }
}

/// Of a client of memcached.
#[derive(Clone, Debug)]
pub(super) struct MemcachedMetrics {
    times: Histograms<Request>,
    name: String,
    servers: Gauge,
    skipped: Counter,
}

impl MemcachedMetrics {
    pub(super) fn asked(&self, method: &str, took: i64, failed: bool) {
        let labels = Request { method: method.to_owned(), name: self.name.clone(), status_code: status(failed) };
        self.times.get_or_create(&labels).observe(took.max(0) as f64 / 1e9);
    }

    pub(super) fn servers(&self, count: usize) {
        self.servers.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn skipped(&self) {
        self.skipped.inc();
    }
}
