#![allow(clippy::disallowed_methods, reason = "the runtime ends with each test, and its tasks with it")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use loptr_model::Nanos;
use loptr_ports::sim::World;
use loptr_ports::{Connection, Listener, Ports};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::*;

/// A server of a few lines: what it keeps, and how often it was connected to.
#[derive(Default)]
struct Fake {
    values: Mutex<HashMap<String, Vec<u8>>>,
    connections: AtomicUsize,
    questions: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Memcached,
    Redis,
    /// Takes everything, says nothing.
    Nothing,
    Nonsense,
}

async fn line(stream: &mut BufReader<Box<dyn Connection>>) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.trim_end().to_owned())
}

async fn body(stream: &mut BufReader<Box<dyn Connection>>, len: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; len + 2];
    stream.read_exact(&mut body).await.ok()?;
    body.truncate(len);
    Some(body)
}

impl Fake {
    async fn serve(self: Arc<Self>, listener: Box<dyn Listener>, speaks: Speaks) {
        while let Ok((stream, _)) = listener.accept().await {
            self.connections.fetch_add(1, Ordering::Relaxed);
            let this = self.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(answer) = this.answer(&mut stream, speaks).await {
                    this.questions.fetch_add(1, Ordering::Relaxed);
                    let sent = stream.get_mut().write_all(&answer).await;
                    if sent.is_err() {
                        return;
                    }
                }
            });
        }
    }

    async fn answer(&self, stream: &mut BufReader<Box<dyn Connection>>, speaks: Speaks) -> Option<Vec<u8>> {
        let head = line(stream).await?;
        match speaks {
            Speaks::Nothing => return std::future::pending().await,
            Speaks::Nonsense => return Some(b"VALUE fake/1 0 99999999999\r\n".to_vec()),
            Speaks::Memcached => {}
            Speaks::Redis => return self.redis(stream, &head).await,
        }
        let words: Vec<&str> = head.split(' ').collect();
        let mut answer = Vec::new();
        match words.as_slice() {
            ["get", keys @ ..] => {
                let values = self.values.lock();
                for key in keys {
                    if let Some(value) = values.get(*key) {
                        answer.extend_from_slice(format!("VALUE {key} 0 {}\r\n", value.len()).as_bytes());
                        answer.extend_from_slice(value);
                        answer.extend_from_slice(b"\r\n");
                    }
                }
                answer.extend_from_slice(b"END\r\n");
            }
            ["set", key, "0", "3600", len] => {
                let value = body(stream, len.parse().expect("a length")).await?;
                self.values.lock().insert((*key).to_owned(), value);
                answer.extend_from_slice(b"STORED\r\n");
            }
            other => panic!("{other:?}"),
        }
        Some(answer)
    }

    async fn redis(&self, stream: &mut BufReader<Box<dyn Connection>>, head: &str) -> Option<Vec<u8>> {
        let count: usize = head.strip_prefix('*').and_then(|count| count.parse().ok()).expect("a command");
        let mut parts = Vec::new();
        for _ in 0..count {
            let head = line(stream).await?;
            let len = head.strip_prefix('$').and_then(|len| len.parse().ok()).expect("a part");
            parts.push(body(stream, len).await?);
        }
        let text = |part: &[u8]| String::from_utf8(part.to_vec()).expect("text");
        let mut answer = Vec::new();
        match text(&parts[0]).as_str() {
            "AUTH" => {
                assert_eq!((text(&parts[1]), text(&parts[2])), ("who".into(), "secret".into()));
                answer.extend_from_slice(b"+OK\r\n");
            }
            "SELECT" => {
                assert_eq!(text(&parts[1]), "3");
                answer.extend_from_slice(b"+OK\r\n");
            }
            "SET" => {
                assert_eq!((text(&parts[3]), text(&parts[4])), ("PX".into(), "3600000".into()));
                self.values.lock().insert(text(&parts[1]), parts[2].clone());
                answer.extend_from_slice(b"+OK\r\n");
            }
            "MGET" => {
                answer.extend_from_slice(format!("*{}\r\n", parts.len() - 1).as_bytes());
                for key in &parts[1..] {
                    match self.values.lock().get(&text(key)) {
                        Some(value) => {
                            answer.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                            answer.extend_from_slice(value);
                            answer.extend_from_slice(b"\r\n");
                        }
                        None => answer.extend_from_slice(b"$-1\r\n"),
                    }
                }
            }
            other => panic!("{other}"),
        }
        Some(answer)
    }
}

struct Bench {
    world: World,
    ports: Ports,
    metrics: CacheMetrics,
}

impl Bench {
    fn new() -> Self {
        let world = World::new(7, Nanos(1_000_000_000));
        let ports = world.ports();
        Self { world, ports, metrics: CacheMetrics::default() }
    }

    async fn serve(&self, port: u16, speaks: Speaks) -> Arc<Fake> {
        let fake = Arc::new(Fake::default());
        let listener = self.ports.network.listen(&format!("127.0.0.1:{port}")).await.expect("simulated");
        tokio::spawn(fake.clone().serve(listener, speaks));
        fake
    }

    fn cache(&self, settings: CacheSettings) -> Arc<ChunkCache> {
        let Ports { clock, cpu, network, .. } = &self.ports;
        let settings = CacheSettings { prefix: "chunks".into(), ..settings };
        Arc::new(ChunkCache::new(&settings, &self.metrics, clock.clone(), cpu.clone(), network.clone()))
    }

    fn metric(&self, name: &str) -> f64 {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
    }
}

fn memcached(ports: &[u16]) -> RemoteCacheSettings {
    let addresses = ports.iter().map(|port| format!("dns+cache:{port}")).collect();
    RemoteCacheSettings::Memcached(MemcachedSettings { addresses, ..MemcachedSettings::default() })
}

fn redis(port: u16) -> RemoteCacheSettings {
    let (address, username, password) = (format!("cache:{port}"), "who".to_owned(), "secret".to_owned());
    RemoteCacheSettings::Redis(RedisSettings { address, username, password, db: 3, ..RedisSettings::default() })
}

fn value(at: usize) -> (CacheKey, Bytes) {
    let value = Bytes::from(vec![at as u8; 1000 + at]);
    (CacheKey { key: format!("fake/{at:x}/1:2:3"), checksum: crc32c::crc32c(&value) }, value)
}

fn keys(of: std::ops::Range<usize>) -> Vec<CacheKey> {
    of.map(|at| value(at).0).collect()
}

fn count(values: &[Option<Bytes>]) -> usize {
    values.iter().flatten().count()
}

/// What any of them does: hands back what it was given, in order, and nothing else.
async fn behaves(cache: &ChunkCache) {
    assert_eq!(count(&cache.get(&keys(0..20)).await), 0);
    cache.put((0..10).map(value).collect()).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let found = cache.get(&keys(5..15)).await;
    let wanted: Vec<_> = (5..15).map(|at| (at < 10).then(|| value(at).1)).collect();
    assert!(found == wanted, "{} found", count(&found));
    // A damaged object is not kept.
    let (key, _) = value(30);
    cache.put(vec![(key.clone(), Bytes::from_static(b"other"))]).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count(&cache.get(&[key]).await), 0);
    assert_eq!(cache.get(&[]).await.len(), 0);
}

const MEMORY: MemorySettings = MemorySettings { bytes: 1_000_000, entries: 0, ttl: Duration::from_secs(3600) };

#[tokio::test]
async fn every_cache_behaves() {
    let bench = Bench::new();
    bench.serve(1, Speaks::Memcached).await;
    bench.serve(2, Speaks::Memcached).await;
    bench.serve(3, Speaks::Memcached).await;
    bench.serve(4, Speaks::Redis).await;
    bench.serve(5, Speaks::Redis).await;
    let none = CacheSettings::default();
    for (at, settings) in [
        CacheSettings { memory: Some(MEMORY), ..none.clone() },
        CacheSettings { remote: Some(memcached(&[1, 2])), ..none.clone() },
        CacheSettings { remote: Some(redis(4)), ..none.clone() },
        CacheSettings { memory: Some(MEMORY), remote: Some(memcached(&[3])), ..none.clone() },
        CacheSettings { memory: Some(MEMORY), remote: Some(redis(5)), ..none.clone() },
    ]
    .into_iter()
    .enumerate()
    {
        let cache = bench.cache(settings);
        let stop = CancellationToken::new();
        let task = cache.start(&*bench.ports.spawner, stop.clone());
        assert_eq!(task.is_some(), at > 0);
        behaves(&cache).await;
        stop.cancel();
        if let Some(task) = task {
            task.await.expect("it ends");
        }
    }
    assert!(bench.metric("loki_cache_corrupt_chunks_total") >= 5.0);
    assert_eq!(bench.metric("loki_cache_background_queue_bytes{name=\"chunksmemcache\"}"), 0.0);
}

#[tokio::test]
async fn memory_forgets_the_oldest_and_what_is_old() {
    let bench = Bench::new();
    let cache = bench.cache(CacheSettings {
        memory: Some(MemorySettings { bytes: 6500, entries: 0, ttl: Duration::from_secs(60) }),
        ..CacheSettings::default()
    });
    cache.put((0..5).map(value).collect()).await;
    assert_eq!(count(&cache.get(&keys(0..1)).await), 1);
    cache.put(vec![value(5)]).await;
    // The first was used since, the second was not.
    let held = cache.get(&keys(0..6)).await;
    assert_eq!(held.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true, true, true]);
    assert!(cache.memory_bytes() <= 6500);
    assert_eq!(bench.metric("loki_embeddedcache_entries{cache=\"chunksembedded-cache\"}"), 5.0);
    bench.world.clock.advance(Duration::from_secs(60));
    assert_eq!(count(&cache.get(&keys(0..6)).await), 0);
    assert_eq!(cache.memory_bytes(), 0);
    let few = MemorySettings { bytes: 0, entries: 2, ttl: Duration::ZERO };
    let cache = bench.cache(CacheSettings { memory: Some(few), ..CacheSettings::default() });
    cache.put((0..5).map(value).collect()).await;
    assert_eq!(count(&cache.get(&keys(0..5)).await), 2);
}

#[tokio::test]
async fn a_remote_cache_fills_the_near_one_and_damage_counts_as_missing() {
    let bench = Bench::new();
    let fake = bench.serve(1, Speaks::Memcached).await;
    let settings = CacheSettings { memory: Some(MEMORY), remote: Some(memcached(&[1])), ..CacheSettings::default() };
    let cache = bench.cache(settings);
    for at in 0..2 {
        let (key, value) = value(at);
        fake.values.lock().insert(key.key, value.to_vec());
    }
    fake.values.lock().insert(value(1).0.key, b"flipped".to_vec());
    assert_eq!(cache.get(&keys(0..2)).await, [Some(value(0).1), None]);
    assert_eq!(bench.metric("loki_cache_corrupt_chunks_total"), 1.0);
    let asked = fake.questions.load(Ordering::Relaxed);
    assert_eq!(count(&cache.get(&keys(0..1)).await), 1);
    assert_eq!(fake.questions.load(Ordering::Relaxed), asked, "it is near now");
    assert_eq!(fake.connections.load(Ordering::Relaxed), 1, "connections are kept");
}

#[tokio::test]
async fn servers_that_fail_stall_or_lie_are_as_good_as_none() {
    let bench = Bench::new();
    bench.serve(2, Speaks::Nothing).await;
    bench.serve(3, Speaks::Nonsense).await;
    for remote in [memcached(&[1]), memcached(&[2]), memcached(&[3]), redis(1), redis(2), redis(3)] {
        let cache = bench.cache(CacheSettings { remote: Some(remote), ..CacheSettings::default() });
        let clock = bench.world.clock.clone();
        let asked = tokio::spawn(async move { cache.get(&keys(0..3)).await });
        while !asked.is_finished() {
            clock.advance(Duration::from_millis(50));
            tokio::task::yield_now().await;
        }
        assert_eq!(count(&asked.await.expect("no panic")), 0);
    }
}

#[tokio::test]
async fn a_dead_server_is_left_alone_for_a_while() {
    let bench = Bench::new();
    let cache = bench.cache(CacheSettings { remote: Some(memcached(&[1])), ..CacheSettings::default() });
    for _ in 0..12 {
        assert_eq!(count(&cache.get(&keys(0..1)).await), 0);
    }
    let fake = bench.serve(1, Speaks::Memcached).await;
    assert_eq!(count(&cache.get(&keys(0..1)).await), 0);
    assert_eq!(fake.connections.load(Ordering::Relaxed), 0, "it is not tried");
    bench.world.clock.advance(Duration::from_secs(11));
    cache.get(&keys(0..1)).await;
    assert_eq!(fake.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let bench = Bench::new();
    let write_back = WriteBackSettings { tasks: 1, batches: 10, bytes: 2500 };
    let cache = bench.cache(CacheSettings { remote: Some(memcached(&[1])), write_back, ..CacheSettings::default() });
    for at in 0..4 {
        cache.put(vec![value(at)]).await;
    }
    assert_eq!(bench.metric("loki_cache_dropped_background_writes_total{name=\"chunksmemcache\"}"), 2.0);
    assert_eq!(bench.metric("loki_cache_background_queue_bytes{name=\"chunksmemcache\"}"), 2001.0);
    assert_eq!(bench.metric("loki_cache_background_queue_length{name=\"chunksmemcache\"}"), 2.0);
}
