//! The streams of one tenant: found by labels at a push, by matchers at a query.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_chunk::ChunkOptions;
use loptr_index::IndexHead;
use loptr_model::{Fingerprint, Labels, Nanos, TenantId};
use loptr_regex::LabelMatcher;
use loptr_storage::with_predicates;
use parking_lot::{Mutex, RwLock};

use crate::memory::ChunkMemory;
use crate::rate::TokenBucket;
use crate::stream::Stream;

/// Fingerprints up to this one are given to streams whose own collides with another's.
const RESERVED_FINGERPRINTS: u64 = 1 << 20;

/// One tenant's streams.
#[derive(Debug)]
pub struct Tenant {
    /// Whose.
    pub id: TenantId,
    memory: Arc<ChunkMemory>,
    streams: RwLock<Streams>,
    pub(crate) rate: Mutex<Option<TokenBucket>>,
}

#[derive(Debug, Default)]
struct Streams {
    by_labels: HashMap<Labels, u32>,
    index: IndexHead,
    /// By number in `index`.
    all: HashMap<u32, Arc<Stream>>,
    taken: HashMap<Fingerprint, u32>,
    /// Policies of streams that have one, and how many streams each has.
    policies: HashMap<u32, Box<str>>,
    by_policy: HashMap<Box<str>, usize>,
    next_reserved: u64,
}

/// Under which limit a stream may be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewStream<'a> {
    /// Streams there may be; 0: no limit.
    pub(crate) max_streams: usize,
    /// Its policy; empty when it has none.
    pub(crate) policy: &'a str,
    /// Whether only streams of its policy count.
    pub(crate) count_by_policy: bool,
}

impl NewStream<'static> {
    /// Under none.
    pub(crate) fn unlimited() -> Self {
        Self { max_streams: 0, policy: "", count_by_policy: false }
    }
}

/// The tenant has as many streams as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyStreams;

impl Tenant {
    pub(crate) fn new(id: TenantId, memory: Arc<ChunkMemory>) -> Self {
        Self { id, memory, streams: RwLock::default(), rate: Mutex::default() }
    }

    /// The stream of `labels`, made with the options that `options` says if there is none.
    pub(crate) fn stream(
        &self,
        labels: &Labels,
        fingerprint: Option<Fingerprint>,
        new: NewStream<'_>,
        options: impl FnOnce() -> ChunkOptions,
    ) -> Result<(Arc<Stream>, bool), TooManyStreams> {
        {
            let streams = self.streams.read();
            if let Some(stream) = streams.by_labels.get(labels).and_then(|id| streams.all.get(id)) {
                return Ok((stream.clone(), false));
            }
        }
        let mut streams = self.streams.write();
        if let Some(stream) = streams.by_labels.get(labels).and_then(|id| streams.all.get(id)) {
            return Ok((stream.clone(), false));
        }
        let counted = match streams.by_policy.get(new.policy) {
            count if new.count_by_policy && !new.policy.is_empty() => count.copied().unwrap_or(0),
            _ => streams.all.len(),
        };
        if new.max_streams > 0 && counted >= new.max_streams {
            return Err(TooManyStreams);
        }
        // One from the log is the stream's, unless another took it while the log was still being replayed.
        let fingerprint = fingerprint.filter(|fingerprint| !streams.taken.contains_key(fingerprint));
        let fingerprint = fingerprint.unwrap_or_else(|| streams.map_fingerprint(labels.fingerprint()));
        let stream = Arc::new(Stream::new(labels.clone(), fingerprint, options(), self.memory.clone()));
        let id = streams.index.add(labels, fingerprint);
        *streams.taken.entry(fingerprint).or_default() += 1;
        streams.by_labels.insert(labels.clone(), id);
        streams.all.insert(id, stream.clone());
        if !new.policy.is_empty() {
            streams.policies.insert(id, new.policy.into());
            *streams.by_policy.entry(new.policy.into()).or_default() += 1;
        }
        Ok((stream, true))
    }

    /// Removes the stream if it holds nothing.
    pub(crate) fn retire(&self, stream: &Arc<Stream>) -> bool {
        let mut streams = self.streams.write();
        if !stream.retire_if_empty() {
            return false;
        }
        let Some(id) = streams.by_labels.remove(&stream.labels) else { return false };
        streams.index.remove(id);
        streams.all.remove(&id);
        if let Some(policy) = streams.policies.remove(&id)
            && let Some(count) = streams.by_policy.get_mut(&policy)
        {
            *count -= 1;
            if *count == 0 {
                streams.by_policy.remove(&policy);
            }
        }
        if let Some(count) = streams.taken.get_mut(&stream.fingerprint) {
            *count -= 1;
            if *count == 0 {
                streams.taken.remove(&stream.fingerprint);
            }
        }
        true
    }

    /// All streams, in the order of their numbers: a seeded run does the same each time.
    pub fn all(&self) -> Vec<Arc<Stream>> {
        let mut all: Vec<(u32, Arc<Stream>)> =
            self.streams.read().all.iter().map(|(id, stream)| (*id, stream.clone())).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, stream)| stream).collect()
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.streams.read().all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The streams that `matchers` accept.
    pub fn select(&self, matchers: &[LabelMatcher]) -> Vec<Arc<Stream>> {
        let streams = self.streams.read();
        let ids = with_predicates(matchers, |predicates| streams.index.select(predicates, None));
        ids.iter().filter_map(|id| streams.all.get(&id).cloned()).collect()
    }

    pub(crate) fn allow(&self, bytes: f64, rate: f64, burst: f64, now: Nanos) -> bool {
        let mut bucket = self.rate.lock();
        bucket.get_or_insert_with(|| TokenBucket::full(burst, now)).take(bytes, rate, burst, now)
    }
}

impl Streams {
    /// The stream's fingerprint, unless another stream in memory has it or it lies in the reserved range: then the next
    /// free reserved one (upstream's rule; queries tell streams apart by fingerprint).
    fn map_fingerprint(&mut self, raw: Fingerprint) -> Fingerprint {
        if raw.0 > RESERVED_FINGERPRINTS && !self.taken.contains_key(&raw) {
            return raw;
        }
        for _ in 0..RESERVED_FINGERPRINTS {
            self.next_reserved = self.next_reserved % RESERVED_FINGERPRINTS + 1;
            let mapped = Fingerprint(self.next_reserved);
            if !self.taken.contains_key(&mapped) {
                return mapped;
            }
        }
        raw
    }
}
