//! The cache of chunks, from upstream's section.

use std::time::Duration;

use loptr_config::Config;
use loptr_storage::{
    CacheSettings, MemcachedSettings, MemorySettings, RedisSettings, RemoteCacheSettings, WriteBackSettings,
};

const BLOCK: &str = "chunk_store_config.chunk_cache_config";
/// What upstream calls it in metrics.
const PREFIX: &str = "chunks";

/// Values of the block, by the end of their path.
struct Block<'c>(&'c Config);

impl Block<'_> {
    fn text(&self, key: &str) -> &str {
        self.0.str(&format!("{BLOCK}.{key}"))
    }

    fn flag(&self, key: &str) -> bool {
        self.0.bool(&format!("{BLOCK}.{key}"))
    }

    fn time(&self, key: &str) -> Duration {
        self.0.duration(&format!("{BLOCK}.{key}"))
    }

    /// The time, or that which stands for all times that are not set.
    fn validity(&self, key: &str) -> Duration {
        let time = self.time(key);
        if time.is_zero() { self.time("default_validity") } else { time }
    }

    fn count(&self, key: &str) -> usize {
        self.0.count(&format!("{BLOCK}.{key}"))
    }
}

/// The cache before stores on the network, and why a part of what was asked for is not used. A cache that is not there
/// changes no answer.
pub(super) fn chunk_cache(config: &Config) -> (CacheSettings, Option<String>) {
    let block = Block(config);
    let memory = block.flag("embedded_cache.enabled").then(|| MemorySettings {
        bytes: block.count("embedded_cache.max_size_mb").saturating_mul(1_000_000),
        entries: block.count("embedded_cache.max_size_items"),
        ttl: block.validity("embedded_cache.ttl"),
    });
    let memory = memory.filter(|memory| memory.bytes > 0 || memory.entries > 0);
    let (remote, unused) = match remote(&block) {
        Ok(remote) => (remote, None),
        Err(reason) => (None, Some(format!("{BLOCK}.{reason}: chunks are not cached there"))),
    };
    let write_back = WriteBackSettings {
        tasks: block.count("background.writeback_goroutines"),
        batches: block.count("background.writeback_buffer"),
        bytes: usize::try_from(config.bytes(&format!("{BLOCK}.background.writeback_size_limit"))).unwrap_or(usize::MAX),
    };
    (CacheSettings { prefix: PREFIX.to_owned(), memory, remote, write_back }, unused)
}

fn remote(block: &Block<'_>) -> Result<Option<RemoteCacheSettings>, String> {
    if !block.text("redis.endpoint").is_empty() {
        return redis(block).map(RemoteCacheSettings::Redis).map(Some);
    }
    if !block.text("memcached_client.host").is_empty() {
        return Err("memcached_client.host: SRV records are not looked up yet, name addresses".to_owned());
    }
    let addresses = block.text("memcached_client.addresses").split(',').map(str::trim);
    let addresses: Vec<String> = addresses.filter(|address| !address.is_empty()).map(str::to_owned).collect();
    if addresses.is_empty() {
        return Ok(None);
    }
    if let Some(address) = addresses.iter().find(|address| address.starts_with("dnssrv")) {
        return Err(format!("memcached_client.addresses: {address}: SRV records are not looked up yet"));
    }
    if block.flag("memcached_client.tls_enabled") {
        return Err("memcached_client.tls_enabled: TLS to caches is not supported yet".to_owned());
    }
    Ok(Some(RemoteCacheSettings::Memcached(MemcachedSettings {
        addresses,
        consistent: block.flag("memcached_client.consistent_hash"),
        timeout: block.time("memcached_client.timeout"),
        idle_max: block.count("memcached_client.max_idle_conns"),
        item_bytes_max: block.count("memcached_client.max_item_size"),
        update_every: block.time("memcached_client.update_interval"),
        expiration: block.validity("memcached.expiration"),
        batch: block.count("memcached.batch_size"),
        parallel: block.count("memcached.parallelism"),
        breaker_failures: block.count("memcached_client.circuit_breaker_consecutive_failures") as u64,
        // Upstream takes a minute for none.
        breaker_open: match block.time("memcached_client.circuit_breaker_timeout") {
            Duration::ZERO => Duration::from_secs(60),
            time => time,
        },
        breaker_reset: block.time("memcached_client.circuit_breaker_interval"),
    })))
}

fn redis(block: &Block<'_>) -> Result<RedisSettings, String> {
    if block.text("redis.endpoint").contains(',') || !block.text("redis.master_name").is_empty() {
        return Err("redis.endpoint: clusters and sentinels are not supported yet, only one server".to_owned());
    }
    if block.flag("redis.tls_enabled") {
        return Err("redis.tls_enabled: TLS to caches is not supported yet".to_owned());
    }
    let defaults = RedisSettings::default();
    Ok(RedisSettings {
        address: block.text("redis.endpoint").to_owned(),
        username: block.text("redis.username").to_owned(),
        password: block.text("redis.password").to_owned(),
        db: u32::try_from(block.count("redis.db")).unwrap_or(u32::MAX),
        timeout: block.time("redis.timeout"),
        expiration: block.validity("redis.expiration"),
        idle_max: match block.count("redis.pool_size") {
            0 => defaults.idle_max,
            connections => connections,
        },
    })
}
