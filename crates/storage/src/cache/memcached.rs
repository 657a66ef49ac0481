//! memcached: its text protocol, several servers, each with a breaker.
//!
//! ```text
//! get <key> <key>…                       VALUE <key> <flags> <bytes> ⏎ value ⏎ … END
//! set <key> 0 <seconds> <bytes> ⏎ value  STORED
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use loptr_model::Nanos;
use loptr_ports::{Clock, Network};
use parking_lot::Mutex;

use super::line::{Asked, Line, Lines, Question};
use super::metrics::MemcachedMetrics;
use super::servers::Spread;
use super::{CacheError, Pairs};

/// Longest key that a server takes.
const KEY_BYTES_MAX: usize = 250;
/// Longest time that a server takes as one: what is larger it takes for a date.
const EXPIRATION_MAX_SECS: u64 = 30 * 86_400;
/// Before an address whose host has several machines behind it.
pub(crate) const BY_NAME: &str = "dns+";

/// Servers and how they are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemcachedSettings {
    /// `host:port`, or `dns+host:port` for all addresses that the host has.
    pub addresses: Vec<String>,
    /// Whether keys are spread by consistent hash.
    pub consistent: bool,
    /// For one request; zero: none.
    pub timeout: Duration,
    /// Idle connections kept to each server.
    pub idle_max: usize,
    /// Largest value that is stored; zero: any.
    pub item_bytes_max: usize,
    /// How long looked up addresses are believed.
    pub update_every: Duration,
    /// How long values are kept there; zero: as the server likes.
    pub expiration: Duration,
    /// Keys of one request; zero: any number.
    pub batch: usize,
    /// Requests of one question under way.
    pub parallel: usize,
    /// Connections that fail in a row before a server is left alone; zero: it never is.
    pub breaker_failures: u64,
    /// How long it is left alone.
    pub breaker_open: Duration,
    /// How long failures are remembered.
    pub breaker_reset: Duration,
}

impl Default for MemcachedSettings {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            consistent: true,
            timeout: Duration::from_millis(100),
            idle_max: 16,
            item_bytes_max: 0,
            update_every: Duration::from_secs(60),
            expiration: Duration::from_secs(3600),
            batch: 4,
            parallel: 5,
            breaker_failures: 10,
            breaker_open: Duration::from_secs(10),
            breaker_reset: Duration::from_secs(10),
        }
    }
}

/// Failed connections to one server.
#[derive(Debug, Default)]
struct Breaker {
    failures: u64,
    counted_since: Nanos,
    open_until: Nanos,
}

#[derive(Debug)]
struct Server {
    lines: Lines,
    breaker: Mutex<Breaker>,
}

struct Get {
    request: String,
    keys: usize,
}

impl Question for Get {
    type Answer = Vec<(String, Bytes)>;

    async fn ask(&self, line: &mut Line) -> Asked<Self::Answer> {
        line.write(self.request.as_bytes()).await?;
        line.flush().await?;
        let mut values = Vec::new();
        loop {
            let head = line.read_line().await?;
            let mut words = head.split(' ');
            let (word, key, _flags, len) = (words.next(), words.next(), words.next(), words.next());
            match (word, key, len.and_then(|len| len.parse().ok())) {
                (Some("END"), None, None) => return Ok(Ok(values)),
                (Some("VALUE"), Some(key), Some(len)) if values.len() < self.keys => {
                    values.push((key.to_owned(), line.read_value(len).await?));
                }
                _ => return Ok(Err(head)),
            }
        }
    }
}

struct Set {
    head: String,
    value: Bytes,
}

impl Question for Set {
    type Answer = ();

    async fn ask(&self, line: &mut Line) -> Asked<()> {
        line.write(self.head.as_bytes()).await?;
        line.write(&self.value).await?;
        line.write(b"\r\n").await?;
        line.flush().await?;
        let answer = line.read_line().await?;
        Ok(if answer == "STORED" { Ok(()) } else { Err(answer) })
    }
}

/// Servers as they were looked up.
#[derive(Debug, Default)]
struct Known {
    at: Option<Nanos>,
    servers: Arc<Vec<Arc<Server>>>,
}

/// The client.
pub(super) struct Memcached {
    settings: MemcachedSettings,
    metrics: MemcachedMetrics,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Memcached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memcached").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// Whether a server takes it.
fn is_key(key: &str) -> bool {
    key.len() <= KEY_BYTES_MAX && !key.is_empty() && key.bytes().all(|byte| byte > b' ' && byte != 0x7f)
}

impl Memcached {
    pub(super) fn new(
        settings: &MemcachedSettings,
        metrics: MemcachedMetrics,
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
    ) -> Self {
        Self { settings: settings.clone(), metrics, clock, network, known: Mutex::default() }
    }

    fn spread(&self) -> Spread {
        if self.settings.consistent { Spread::Consistent } else { Spread::Modulo }
    }

    /// The servers, looked up again when that is due. Those that stay keep their connections and their breaker; a look-up
    /// that fails leaves what is known.
    async fn servers(&self) -> Arc<Vec<Arc<Server>>> {
        let now = self.clock.monotonic();
        let before = {
            let mut known = self.known.lock();
            let is_fresh = known.at.is_some_and(|at| now.0 - at.0 < nanos(self.settings.update_every));
            if is_fresh {
                return known.servers.clone();
            }
            // Others meanwhile use what is known.
            if !known.servers.is_empty() {
                known.at = Some(now);
            }
            known.servers.clone()
        };
        let mut names = Vec::new();
        for address in &self.settings.addresses {
            let Some(host) = address.strip_prefix(BY_NAME) else {
                names.push(address.clone());
                continue;
            };
            match self.network.lookup(host).await {
                Ok(found) => names.extend(found.iter().map(ToString::to_string)),
                Err(error) => {
                    tracing::warn!(%address, %error, "addresses of memcached servers were not found");
                    return before;
                }
            }
        }
        self.spread().sort(&mut names);
        names.dedup();
        let kept: HashMap<&str, &Arc<Server>> = before.iter().map(|server| (&*server.lines.server, server)).collect();
        let server = |address: String| match kept.get(address.as_str()) {
            Some(server) => Arc::clone(server),
            None => {
                let MemcachedSettings { timeout, idle_max, .. } = self.settings;
                let lines = Lines::new(address, timeout, idle_max, self.clock.clone(), self.network.clone());
                Arc::new(Server { lines, breaker: Mutex::default() })
            }
        };
        let servers: Arc<Vec<Arc<Server>>> = Arc::new(names.into_iter().map(server).collect());
        self.metrics.servers(servers.len());
        *self.known.lock() = Known { at: Some(now), servers: servers.clone() };
        servers
    }

    /// The values that the servers have. Keys of a server that fails count as missing; an error is when all fail.
    pub(super) async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, CacheError> {
        let servers = self.servers().await;
        if servers.is_empty() {
            return Err(CacheError::NoServer);
        }
        let mut by_server: Vec<Vec<&str>> = vec![Vec::new(); servers.len()];
        for key in keys.iter().filter(|key| is_key(key)) {
            by_server[self.spread().place(key, servers.len())].push(key);
        }
        let batch = if self.settings.batch == 0 { usize::MAX } else { self.settings.batch };
        let asks = by_server.iter().zip(&*servers).flat_map(|(keys, server)| {
            keys.chunks(batch.min(keys.len().max(1))).map(|keys| self.get_batch(server, keys)).collect::<Vec<_>>()
        });
        let asks: Vec<_> = asks.collect();
        let answers: Vec<_> = stream::iter(asks).buffer_unordered(self.settings.parallel.max(1)).collect().await;
        let mut found: HashMap<String, Bytes> = HashMap::new();
        let (mut failed, mut whole) = (None, false);
        for answer in answers {
            match answer {
                Ok(values) => {
                    whole = true;
                    found.extend(values);
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !whole => Err(error),
            _ => Ok(keys.iter().map(|key| found.get(key).cloned()).collect()),
        }
    }

    async fn get_batch(&self, server: &Server, keys: &[&str]) -> Result<Vec<(String, Bytes)>, CacheError> {
        let question = Get { request: format!("get {}\r\n", keys.join(" ")), keys: keys.len() };
        let began = self.clock.monotonic();
        let answer = server.lines.ask(&question, self.connect(server)).await;
        self.metrics.asked("Memcache.GetMulti", self.clock.monotonic().0 - began.0, answer.is_err());
        answer
    }

    /// Stores values; an error is the last one's.
    pub(super) async fn put(&self, pairs: Pairs) -> Result<(), CacheError> {
        let servers = self.servers().await;
        if servers.is_empty() {
            return Err(CacheError::NoServer);
        }
        let mut result = Ok(());
        for (key, value) in pairs.iter().filter(|(key, _)| is_key(key)) {
            if self.settings.item_bytes_max > 0 && value.len() > self.settings.item_bytes_max {
                self.metrics.skipped();
                continue;
            }
            let server = &servers[self.spread().place(key, servers.len())];
            let began = self.clock.monotonic();
            let seconds = self.settings.expiration.as_secs().min(EXPIRATION_MAX_SECS);
            let set = Set { head: format!("set {key} 0 {seconds} {}\r\n", value.len()), value: value.clone() };
            let put = server.lines.ask(&set, self.connect(server)).await;
            self.metrics.asked("Memcache.Put", self.clock.monotonic().0 - began.0, put.is_err());
            if put.is_err() {
                result = put;
            }
        }
        result
    }

    /// A new connection, unless they failed too often.
    async fn connect(&self, server: &Server) -> Result<Line, CacheError> {
        if self.clock.monotonic().0 < server.breaker.lock().open_until.0 {
            return Err(CacheError::Broken { server: server.lines.server.clone() });
        }
        let connected = server.lines.connect().await;
        self.note(server, connected.is_err());
        connected
    }

    /// A connection was tried.
    fn note(&self, server: &Server, failed: bool) {
        let now = self.clock.monotonic();
        let mut breaker = server.breaker.lock();
        let forgets = !self.settings.breaker_reset.is_zero();
        if !failed || forgets && now.0 - breaker.counted_since.0 > nanos(self.settings.breaker_reset) {
            *breaker = Breaker { counted_since: now, ..Breaker::default() };
        }
        if failed {
            breaker.failures += 1;
            if self.settings.breaker_failures > 0 && breaker.failures > self.settings.breaker_failures {
                breaker.open_until = Nanos(now.0.saturating_add(nanos(self.settings.breaker_open)));
                tracing::info!(server = %server.lines.server, "memcached server failed too often, leaving it alone for a while");
            }
        }
    }
}
