//! The tree and its clusters.

use std::collections::HashMap;

use loptr_model::Nanos;

use crate::counts::Counts;
use crate::tokens::{Token, Tokenizer, Tokens};
use crate::{PLACEHOLDER, Settings};

/// Tokens that lead through the tree.
const MAX_NODE_DEPTH: usize = 28;
/// Share of equal tokens from which on a line belongs to a cluster.
const LIKENESS: f64 = 0.3;
/// Branches of a node.
const MAX_CHILDREN: usize = 15;
/// Lines with fewer tokens are passed over.
const MIN_TOKENS: usize = 4;
/// Lines with more tokens are passed over.
const MAX_TOKENS: usize = 80;
/// The token, and the branch, that stands for tokens that differ.
const OTHERS: &[u8] = PLACEHOLDER.as_bytes();
/// How long a stream is left alone whose lines keep pushing clusters out.
const BLOCKED_NS: i64 = 600 * Nanos::PER_SEC;

/// Why a line taught nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Too long, malformed, or a document without a message.
    NotCut,
    /// Under four tokens.
    TooFewTokens,
    /// Over eighty tokens.
    TooManyTokens,
    /// Too many clusters were pushed out lately.
    Blocked,
}

/// Lines that have been found alike.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    tokens: Tokens,
    pub(crate) counts: Counts,
    /// Bytes of its lines.
    volume: u64,
    /// When it was looked at last: the smallest goes first.
    used: u64,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: HashMap<Box<[u8]>, Node>,
    clusters: Vec<u64>,
}

/// Learns patterns from lines of one format.
#[derive(Clone, Debug)]
pub struct Drain {
    tokenizer: Tokenizer,
    /// By number of tokens, then by the tokens themselves.
    roots: HashMap<usize, Node>,
    clusters: HashMap<u64, Cluster>,
    next_id: u64,
    clock: u64,
    seen: u64,
    evicted: u64,
    blocked_until: Option<Nanos>,
}

impl Drain {
    /// For lines that `tokenizer` cuts.
    pub fn new(tokenizer: Tokenizer) -> Self {
        Self {
            tokenizer,
            roots: HashMap::new(),
            clusters: HashMap::new(),
            next_id: 0,
            clock: 0,
            seen: 0,
            evicted: 0,
            blocked_until: None,
        }
    }

    /// Learns from a line at `ts`. `now` (monotonic) decides how long the drain stays blocked.
    pub fn train(&mut self, ts: Nanos, line: &str, now: Nanos, settings: &Settings) -> Result<(), Skipped> {
        if !self.allowed(now, settings) {
            return Err(Skipped::Blocked);
        }
        let cut = self.tokenizer.cut(line, settings).ok_or(Skipped::NotCut)?;
        match cut.tokens.len() {
            ..MIN_TOKENS => return Err(Skipped::TooFewTokens),
            MIN_TOKENS..=MAX_TOKENS => {}
            _ => return Err(Skipped::TooManyTokens),
        }
        let ts = ts.floor_millis().0;
        if let Some(id) = self.search(&cut.tokens) {
            self.touch(id);
            if let Some(cluster) = self.clusters.get_mut(&id) {
                for (kept, token) in cluster.tokens.tokens.iter_mut().zip(&cut.tokens) {
                    if kept != token && kept != OTHERS {
                        OTHERS.clone_into(kept);
                    }
                }
                cluster.counts.add(ts, settings);
                cluster.volume = cluster.volume.saturating_add(line.len() as u64);
            }
            return Ok(());
        }
        self.next_id += 1;
        let mut cluster = Cluster { tokens: cut, counts: Counts::default(), volume: line.len() as u64, used: 0 };
        cluster.counts.add(ts, settings);
        self.insert(self.next_id, cluster, settings.max_clusters);
        Ok(())
    }

    /// Whether lines are looked at now.
    fn allowed(&mut self, now: Nanos, settings: &Settings) -> bool {
        if let Some(until) = self.blocked_until {
            if now < until {
                return false;
            }
            (self.seen, self.evicted, self.blocked_until) = (0, 0, None);
        }
        if self.seen > 0 && self.evicted as f64 / self.seen as f64 > settings.max_eviction_ratio {
            self.blocked_until = Some(now.saturating_add(BLOCKED_NS));
            return false;
        }
        self.seen += 1;
        true
    }

    fn touch(&mut self, id: u64) -> bool {
        self.clock += 1;
        let clock = self.clock;
        self.clusters.get_mut(&id).map(|cluster| cluster.used = clock).is_some()
    }

    /// The cluster most like `tokens`, if one is alike enough.
    fn search(&mut self, tokens: &[Token]) -> Option<u64> {
        let mut node = self.roots.get(&tokens.len())?;
        for token in tokens.iter().take(depth_of(tokens.len())) {
            node = node.children.get(token.as_slice()).or_else(|| node.children.get(OTHERS))?;
        }
        let candidates = node.clusters.clone();
        let mut best: Option<(f64, usize, u64)> = None;
        for id in candidates {
            if !self.touch(id) {
                continue;
            }
            let Some(cluster) = self.clusters.get(&id) else { continue };
            let (mut equal, mut placeholders) = (0usize, 0usize);
            for (kept, token) in cluster.tokens.tokens.iter().zip(tokens) {
                if kept == OTHERS {
                    placeholders += 1;
                } else if kept == token {
                    equal += 1;
                }
            }
            let likeness = equal as f64 / tokens.len() as f64;
            if best.is_none_or(|(most, with, _)| likeness > most || likeness == most && placeholders > with) {
                best = Some((likeness, placeholders, id));
            }
        }
        best.filter(|(likeness, ..)| *likeness >= LIKENESS).map(|(.., id)| id)
    }

    fn insert(&mut self, id: u64, cluster: Cluster, max_clusters: usize) {
        let tokens = cluster.tokens.tokens.clone();
        self.clusters.insert(id, cluster);
        self.touch(id);
        if max_clusters > 0 && self.clusters.len() > max_clusters {
            let oldest = self.clusters.iter().min_by_key(|(_, cluster)| cluster.used).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.clusters.remove(&oldest);
                self.evicted += 1;
            }
        }
        let mut node = self.roots.entry(tokens.len()).or_default();
        for token in tokens.iter().take(depth_of(tokens.len())) {
            node = branch(node, token);
        }
        // Looking for what is gone counts as use, too.
        let mut known = std::mem::take(&mut node.clusters);
        known.retain(|known| self.clusters.contains_key(known));
        known.push(id);
        node.clusters.clone_from(&known);
        for known in &known[..known.len() - 1] {
            self.touch(*known);
        }
    }

    /// Forgets samples older than `before` (milliseconds) and what has none left; says how many clusters stay. Calls
    /// `gone` with the pattern, the bytes of all its lines and the samples, where there were any.
    pub fn prune(&mut self, before: i64, mut gone: impl FnMut(String, u64, Vec<(i64, i64)>)) -> usize {
        let tokenizer = self.tokenizer;
        self.clusters.retain(|_, cluster| {
            let samples = cluster.counts.prune(before);
            if !samples.is_empty() {
                gone(tokenizer.join(&cluster.tokens), cluster.volume, samples);
            }
            !cluster.counts.is_empty()
        });
        let clusters = &self.clusters;
        self.roots.retain(|_, node| !prune_node(node, clusters));
        clusters.len()
    }

    /// Clusters.
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// Samples held, for gauges.
    pub(crate) fn samples(&self) -> usize {
        self.clusters.values().map(|cluster| cluster.counts.samples()).sum()
    }

    /// The patterns and their counts; those that cannot be written are left out.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (String, &Counts)> {
        self.clusters.values().filter_map(|cluster| {
            let pattern = self.tokenizer.join(&cluster.tokens);
            (!pattern.is_empty()).then_some((pattern, &cluster.counts))
        })
    }
}

/// How many of so many tokens lead to the leaf.
fn depth_of(tokens: usize) -> usize {
    (MAX_NODE_DEPTH - 1).min(tokens.saturating_sub(1))
}

/// The child for `token`: its own while there is room, else the one for all others; tokens with digits go there at once.
fn branch<'n>(node: &'n mut Node, token: &[u8]) -> &'n mut Node {
    let has_digit = || token.utf8_chunks().any(|chunk| chunk.valid().chars().any(char::is_numeric));
    let key = if node.children.contains_key(token) {
        token
    } else if has_digit() {
        OTHERS
    } else {
        let (children, others) = (node.children.len(), node.children.contains_key(OTHERS));
        let room = if others { children < MAX_CHILDREN } else { children + 1 < MAX_CHILDREN };
        if room { token } else { OTHERS }
    };
    node.children.entry(key.into()).or_default()
}

/// Removes branches without clusters; says whether nothing is left.
fn prune_node(node: &mut Node, clusters: &HashMap<u64, Cluster>) -> bool {
    node.children.retain(|_, child| !prune_node(child, clusters));
    node.clusters.retain(|id| clusters.contains_key(id));
    node.children.is_empty() && node.clusters.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Format;

    fn patterns(drain: &Drain) -> Vec<String> {
        let mut all: Vec<String> = drain.patterns().map(|(pattern, _)| pattern).collect();
        all.sort();
        all
    }

    fn learn(lines: impl IntoIterator<Item = String>, settings: &Settings) -> Drain {
        let mut drain = Drain::new(Tokenizer(Format::Plain));
        for (at, line) in lines.into_iter().enumerate() {
            let _ = drain.train(Nanos(at as i64 * Nanos::PER_SEC), &line, Nanos(0), settings);
        }
        drain
    }

    #[test]
    fn what_differs_becomes_a_placeholder() {
        let lines = (0..20).map(|at| format!("user {at} logged in from 10.0.0.{at}"));
        let others = (0..20).map(|at| format!("disk sd{at} is full"));
        let drain = learn(lines.chain(others), &Settings::default());
        assert_eq!(patterns(&drain), ["disk <_> is full", "user <_> logged in from <_>"]);
    }

    #[test]
    fn short_and_long_lines_teach_nothing() {
        let mut drain = Drain::new(Tokenizer(Format::Plain));
        let mut train = |line: &str| drain.train(Nanos(0), line, Nanos(0), &Settings::default());
        assert_eq!(train("a b c"), Err(Skipped::TooFewTokens));
        assert_eq!(train(&"a ".repeat(81)), Err(Skipped::TooManyTokens));
        assert_eq!(train(&"a".repeat(3001)), Err(Skipped::NotCut));
        assert!(drain.is_empty());
    }

    #[test]
    fn clusters_are_bounded_and_noise_blocks() {
        let settings = Settings { max_clusters: 10, ..Settings::default() };
        let word = |at: usize| -> String { (0..6).map(|n| char::from(b'a' + (at >> (4 * n)) as u8 % 16)).collect() };
        let noise = |at: usize| (0..5).map(|n| word(at * 7919 + n * 104_729)).collect::<Vec<_>>().join(" ");
        let mut drain = learn((0..100).map(noise), &settings);
        assert_eq!(drain.len(), 10);
        assert_eq!(drain.train(Nanos(0), &noise(7), Nanos(1), &settings), Err(Skipped::Blocked));
        assert_eq!(drain.train(Nanos(0), &noise(7), Nanos(BLOCKED_NS + 1), &settings), Ok(()));
        assert_eq!(drain.prune(i64::MAX, |_, _, _| {}), 0);
        assert!(drain.roots.is_empty());
    }
}
