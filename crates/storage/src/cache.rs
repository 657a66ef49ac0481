//! Chunk objects kept near: in this process, and in memcached or redis.
//!
//! ```text
//! get   Memory ──missed──> Remote (memcached or redis) ──missed──> the caller asks the store
//! put   Memory, and a bounded queue ──> write-back tasks ──> Remote
//! ```
//!
//! Keys are chunk keys and values chunk objects, as upstream's, so both may share one memcached. A name holds the
//! object's checksum: what a remote cache answers is checked against it on the CPU pool, and what does not fit counts as
//! missing. A cache that fails or is slow is as good as none: the store is asked. Bytes are bounded, in memory as in the
//! queue; what does not fit the queue is dropped and counted.

mod line;
mod memcached;
mod memory;
mod metrics;
mod redis;
mod servers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use loptr_ports::{Clock, CpuPool, Network, Priority, Spawner, TaskHandle};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::memcached::Memcached;
pub use self::memcached::MemcachedSettings;
use self::memory::Memory;
pub use self::memory::MemorySettings;
pub use self::metrics::CacheMetrics;
use self::metrics::{LevelMetrics, WriteBackMetrics};
use self::redis::Redis;
pub use self::redis::RedisSettings;

/// What a cache of chunks is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// Before names in metrics, such as `chunksembedded-cache`.
    pub prefix: String,
    /// In this process.
    pub memory: Option<MemorySettings>,
    /// Outside.
    pub remote: Option<RemoteCacheSettings>,
    /// The way to the outside.
    pub write_back: WriteBackSettings,
}

/// A cache that other processes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteCacheSettings {
    /// memcached servers.
    Memcached(MemcachedSettings),
    /// A redis server.
    Redis(RedisSettings),
}

/// How values are brought to a remote cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteBackSettings {
    /// Tasks that write.
    pub tasks: usize,
    /// Batches that wait, at most.
    pub batches: usize,
    /// Bytes that wait, at most.
    pub bytes: usize,
}

impl Default for WriteBackSettings {
    fn default() -> Self {
        Self { tasks: 1, batches: 500_000, bytes: 500_000_000 }
    }
}

/// A value's key and the checksum (CRC-32C) that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The key.
    pub key: String,
    /// Of the value.
    pub checksum: u32,
}

/// Why a remote cache gave no answer. Nobody but the log and the metrics is told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("{server}: {source}")]
    Io { server: String, source: std::io::Error },
    #[error("{server}: no answer within {limit:?}")]
    Slow { server: String, limit: Duration },
    #[error("{server}: unexpected answer: {answer}")]
    Answer { server: String, answer: String },
    #[error("{server}: failed too often, left alone for a while")]
    Broken { server: String },
    #[error("no server is known")]
    NoServer,
}

/// Keys and values of one write.
type Pairs = Vec<(String, Bytes)>;

#[derive(Debug)]
enum Remote {
    Memcached(Memcached),
    Redis(Redis),
}

impl Remote {
    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, CacheError> {
        match self {
            Self::Memcached(memcached) => memcached.get(keys).await,
            Self::Redis(redis) => redis.get(keys).await,
        }
    }

    async fn put(&self, pairs: Pairs) -> Result<(), CacheError> {
        match self {
            Self::Memcached(memcached) => memcached.put(pairs).await,
            Self::Redis(redis) => redis.put(pairs).await,
        }
    }
}

/// A remote cache and the queue before it.
struct Outside {
    remote: Arc<Remote>,
    metrics: LevelMetrics,
    write_back: WriteBackMetrics,
    queue: mpsc::Sender<Pairs>,
    /// The other end, until [`ChunkCache::start`].
    waiting: Mutex<Option<mpsc::Receiver<Pairs>>>,
    queue_bytes: usize,
}

/// The caches before the store.
pub struct ChunkCache {
    memory: Option<(Memory, LevelMetrics)>,
    outside: Option<Outside>,
    tasks: usize,
    clock: Arc<dyn Clock>,
    cpu: CpuPool,
}

impl std::fmt::Debug for ChunkCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChunkCache").field("memory", &self.memory.is_some()).finish_non_exhaustive()
    }
}

impl ChunkCache {
    /// The caches that `settings` name. Values are written to a remote one after [`ChunkCache::start`].
    pub fn new(
        settings: &CacheSettings,
        metrics: &CacheMetrics,
        clock: Arc<dyn Clock>,
        cpu: CpuPool,
        network: Arc<dyn Network>,
    ) -> Self {
        let prefix = &settings.prefix;
        let memory = settings.memory.map(|memory| {
            let name = format!("{prefix}embedded-cache");
            (Memory::new(memory, clock.clone(), metrics.memory(&name)), metrics.level(&name))
        });
        let outside = settings.remote.as_ref().map(|remote| {
            let (name, remote) = match remote {
                RemoteCacheSettings::Memcached(settings) => {
                    let asked = metrics.memcached(prefix);
                    ("memcache", Remote::Memcached(Memcached::new(settings, asked, clock.clone(), network)))
                }
                RemoteCacheSettings::Redis(settings) => {
                    ("redis", Remote::Redis(Redis::new(settings, clock.clone(), network)))
                }
            };
            let name = format!("{prefix}{name}");
            let (queue, waiting) = mpsc::channel(settings.write_back.batches.clamp(1, 1 << 20));
            Outside {
                remote: Arc::new(remote),
                metrics: metrics.level(&name),
                write_back: metrics.write_back(&name),
                queue,
                waiting: Mutex::new(Some(waiting)),
                queue_bytes: settings.write_back.bytes,
            }
        });
        Self { memory, outside, tasks: settings.write_back.tasks.max(1), clock, cpu }
    }

    /// Begins to write what is put to the remote cache, until `stop`. Whoever calls joins what comes back.
    pub fn start(self: &Arc<Self>, spawner: &dyn Spawner, stop: CancellationToken) -> Option<TaskHandle> {
        let waiting = self.outside.as_ref()?.waiting.lock().take()?;
        let (cache, tasks) = (self.clone(), self.tasks);
        let next = |mut waiting: mpsc::Receiver<Pairs>| async { Some((waiting.recv().await?, waiting)) };
        let queue = stream::unfold(waiting, next).take_until(stop.cancelled_owned());
        let write = queue.for_each_concurrent(tasks, move |pairs| cache.clone().write_back(pairs));
        Some(spawner.spawn("cache write-back", Box::pin(write)))
    }

    async fn write_back(self: Arc<Self>, pairs: Pairs) {
        let Some(outside) = &self.outside else { return };
        outside.write_back.taken(&pairs);
        pairs.iter().for_each(|(_, value)| outside.metrics.stored(value.len()));
        let began = self.clock.monotonic();
        let put = outside.remote.put(pairs).await;
        outside.metrics.asked("store", self.clock.monotonic().0 - began.0, put.is_err());
        if let Err(error) = put {
            tracing::debug!(%error, "chunks were not written to the cache");
        }
    }

    /// The values that are there, in the order of `keys`.
    pub async fn get(&self, keys: &[CacheKey]) -> Vec<Option<Bytes>> {
        let mut found: Vec<Option<Bytes>> = match &self.memory {
            Some((memory, metrics)) => {
                let began = self.clock.monotonic();
                let found: Vec<_> = keys.iter().map(|key| memory.get(&key.key)).collect();
                metrics.asked("fetch", self.clock.monotonic().0 - began.0, false);
                metrics.fetched(&found);
                found
            }
            None => vec![None; keys.len()],
        };
        let Some(outside) = &self.outside else { return found };
        let missing: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_none()).collect();
        if missing.is_empty() {
            return found;
        }
        let asked: Vec<String> = missing.iter().map(|at| keys[*at].key.clone()).collect();
        let began = self.clock.monotonic();
        let answered = outside.remote.get(&asked).await;
        outside.metrics.asked("fetch", self.clock.monotonic().0 - began.0, answered.is_err());
        let answered = answered.unwrap_or_else(|error| {
            tracing::debug!(%error, "the chunk cache was not asked");
            vec![None; asked.len()]
        });
        outside.metrics.fetched(&answered);
        let answered = missing.iter().map(|at| keys[*at].checksum).zip(answered).collect();
        let Some(whole) = self.whole(answered, outside.metrics.clone()).await else { return found };
        for (at, value) in missing.into_iter().zip(whole) {
            if let (Some(value), Some((memory, _))) = (&value, &self.memory) {
                memory.put(&keys[at].key, value.clone());
            }
            found[at] = value;
        }
        found
    }

    /// Values without those whose checksum is another; `None` from a pool that has ended.
    async fn whole(&self, values: Vec<(u32, Option<Bytes>)>, metrics: LevelMetrics) -> Option<Vec<Option<Bytes>>> {
        let check = move || -> Vec<Option<Bytes>> {
            let fits = |(checksum, value): (u32, Option<Bytes>)| {
                let value = value?;
                let whole = crc32c::crc32c(&value) == checksum;
                if !whole {
                    metrics.corrupt();
                }
                whole.then_some(value)
            };
            values.into_iter().map(fits).collect()
        };
        self.cpu.run(Priority::Query, check).await.ok()
    }

    /// Keeps values that were fetched from the store, but for damaged ones: those are asked for again.
    pub async fn put(&self, values: Vec<(CacheKey, Bytes)>) {
        let Some(metrics) =
            self.memory.as_ref().map(|(_, metrics)| metrics).or(self.outside.as_ref().map(|it| &it.metrics))
        else {
            return;
        };
        let (keys, values): (Vec<String>, Vec<_>) =
            values.into_iter().map(|(key, value)| (key.key, (key.checksum, Some(value)))).unzip();
        let Some(whole) = self.whole(values, metrics.clone()).await else { return };
        let pairs: Pairs = keys.into_iter().zip(whole).filter_map(|(key, value)| Some((key, value?))).collect();
        if pairs.is_empty() {
            return;
        }
        if let Some((memory, metrics)) = &self.memory {
            for (key, value) in &pairs {
                metrics.stored(value.len());
                memory.put(key, value.clone());
            }
        }
        if let Some(outside) = &self.outside {
            let Ok(place) = outside.queue.try_reserve() else { return outside.write_back.dropped(&pairs) };
            if !outside.write_back.enter(&pairs, outside.queue_bytes) {
                return outside.write_back.dropped(&pairs);
            }
            place.send(pairs);
        }
    }

    /// Bytes kept in this process.
    pub fn memory_bytes(&self) -> usize {
        self.memory.as_ref().map_or(0, |(memory, _)| memory.bytes())
    }
}

#[cfg(test)]
mod tests;
