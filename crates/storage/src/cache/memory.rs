//! Values in this process: the least recently used go first, none stays longer than its time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loptr_model::Nanos;
use loptr_ports::Clock;
use parking_lot::Mutex;

use super::metrics::MemoryMetrics;

/// Bytes an entry costs beside its key, twice, and its value.
const ENTRY_BYTES: usize = 200;

/// Bounds. The one that is met first counts; zero is none, of all of them for a cache that keeps nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// Bytes of keys and values.
    pub bytes: usize,
    /// Entries.
    pub entries: usize,
    /// How long an entry is handed out; zero: always.
    pub ttl: Duration,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    used: u64,
    added: Nanos,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Arc<str>, Entry>,
    /// Keys by when they were used last.
    by_use: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    uses: u64,
}

/// The cache.
pub(super) struct Memory {
    settings: MemorySettings,
    clock: Arc<dyn Clock>,
    metrics: MemoryMetrics,
    state: Mutex<State>,
}

/// Why an entry goes, as upstream's metric says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evicted {
    Expired,
    Full,
    TooBig,
    Replaced,
}

impl Evicted {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Full => "full",
            Self::TooBig => "object too big",
            Self::Replaced => "replaced",
        }
    }
}

fn cost(key: &str, value: &Bytes) -> usize {
    2 * key.len() + value.len() + ENTRY_BYTES
}

impl State {
    fn remove(&mut self, key: &str) -> bool {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        self.by_use.remove(&entry.used);
        self.bytes -= cost(&key, &entry.value);
        true
    }
}

impl Memory {
    pub(super) fn new(settings: MemorySettings, clock: Arc<dyn Clock>, metrics: MemoryMetrics) -> Self {
        Self { settings, clock, metrics, state: Mutex::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let state = &mut *state;
        let entry = state.entries.get_mut(key)?;
        let ttl = i64::try_from(self.settings.ttl.as_nanos()).unwrap_or(i64::MAX);
        if ttl > 0 && now.0.saturating_sub(entry.added.0) >= ttl {
            state.remove(key);
            self.metrics.evicted(Evicted::Expired);
            self.metrics.holds(state.entries.len(), state.bytes);
            return None;
        }
        state.uses += 1;
        if let Some(key) = state.by_use.remove(&entry.used) {
            state.by_use.insert(state.uses, key);
        }
        entry.used = state.uses;
        Some(entry.value.clone())
    }

    pub(super) fn put(&self, key: &str, value: Bytes) {
        let MemorySettings { bytes: most_bytes, entries: most, .. } = self.settings;
        let cost = cost(key, &value);
        if most_bytes > 0 && cost > most_bytes || (most_bytes, most) == (0, 0) {
            self.metrics.evicted(Evicted::TooBig);
            return;
        }
        let added = self.clock.monotonic();
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.remove(key) {
            self.metrics.evicted(Evicted::Replaced);
        } else {
            self.metrics.added();
        }
        state.uses += 1;
        let (key, used) = (Arc::<str>::from(key), state.uses);
        state.by_use.insert(used, key.clone());
        state.entries.insert(key, Entry { value, used, added });
        state.bytes += cost;
        while most_bytes > 0 && state.bytes > most_bytes || most > 0 && state.entries.len() > most {
            let Some((_, oldest)) = state.by_use.first_key_value() else { break };
            let oldest = oldest.clone();
            state.remove(&oldest);
            self.metrics.evicted(Evicted::Full);
        }
        self.metrics.holds(state.entries.len(), state.bytes);
    }
}
