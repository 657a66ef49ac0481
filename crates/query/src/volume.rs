//! Volumes: how many bytes streams hold, summed by label set or by label name, over a range or its steps. Only the
//! index and memory are asked; a chunk that crosses an edge counts by the part of its time inside.

use std::collections::{BTreeMap, HashMap};

use loptr_index::ChunkStats;
use loptr_model::{Labels, MatchOp, Matcher, Millis, Nanos, TimeRange};
use loptr_ports::{Budget, Priority};
use loptr_storage::IndexOperation;

use crate::engine::{CancelOnDrop, QueryEngine, compile};
use crate::error::QueryError;
use crate::limits::QueryLimits;
use crate::meta::Found;
use crate::readers::Readers;

/// What volumes are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Streams that count; none means all.
    pub matchers: Vec<Matcher>,
    /// First instant.
    pub start: Nanos,
    /// Last instant.
    pub end: Nanos,
    /// Nanoseconds per sum, aligned to multiples of it; 0: one sum over the whole range.
    pub step_ns: i64,
    /// Labels to sum by; none means those of the matchers.
    pub target_labels: Vec<String>,
    /// Whether sums are by label name, not by label set.
    pub by_name: bool,
    /// Sums per step at most, the largest.
    pub limit: usize,
}

/// The sums of one label set (or name, its value left empty), oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The labels.
    pub labels: Labels,
    /// End of each step, and bytes.
    pub points: Vec<(Millis, u64)>,
}

/// One step: what is read, and under which time it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: Millis,
    through: Millis,
    at: Millis,
}

/// Steps aligned to multiples of `step_ns`, a millisecond between them; their bounds are read in whole seconds, as
/// upstream does.
fn steps(start: Nanos, end: Nanos, step_ns: i64) -> Vec<Step> {
    let whole = |ms: Millis| Millis(ms.0.div_euclid(1000) * 1000);
    let step = |from: Millis, through: Millis| Step { from: whole(from), through: whole(through), at: through };
    let (start, end) = (start.floor_millis(), end.ceil_millis());
    let step_ms = step_ns / Nanos::PER_MILLI;
    if step_ms <= 0 || start >= end {
        return vec![step(start, end)];
    }
    let mut all = Vec::new();
    let mut from = start;
    let mut edge = start.0.saturating_sub(start.0 % step_ms);
    while edge < end.0 {
        let next = edge.saturating_add(step_ms);
        let through = if next >= end.0 { end } else { Millis(next - 1) };
        all.push(step(from, through));
        (from, edge) = (Millis(next), next);
    }
    all
}

/// What a stream's bytes are added to.
struct Grouping {
    /// Labels kept; `None`: all.
    names: Option<Vec<String>>,
    by_name: bool,
}

impl Grouping {
    fn of(request: &VolumeRequest) -> Self {
        let by_matchers = || request.matchers.iter().map(|matcher| matcher.name.clone()).collect();
        let names = match (&request.target_labels[..], request.by_name) {
            ([], true) => None,
            ([], false) if request.matchers.is_empty() => None,
            ([], false) => Some(by_matchers()),
            (targets, _) => Some(targets.to_vec()),
        };
        Self { names, by_name: request.by_name }
    }

    fn keeps(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|kept| kept == name))
    }

    fn groups(&self, labels: &Labels) -> Vec<Labels> {
        let kept = labels.iter().filter(|(name, _)| self.keeps(name));
        if self.by_name {
            kept.map(|(name, _)| Labels::from_pairs([(name, "")])).collect()
        } else {
            vec![Labels::from_pairs(kept)]
        }
    }
}

/// Bytes a sum is held to take, roughly.
const SUM_BYTES: u64 = 64;

impl QueryEngine {
    /// Answers a volume request, summed over all readers. Largest first, by their first step.
    pub async fn volume(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        mut request: VolumeRequest,
    ) -> Result<Vec<Volume>, QueryError> {
        let (readers, chosen) = readers.choose(&request.matchers)?;
        request.matchers = chosen;
        let mut matchers = request.matchers.clone();
        for target in &request.target_labels {
            if matchers.iter().all(|matcher| matcher.name != *target) {
                matchers.push(Matcher::new(target.clone(), MatchOp::Re, ".+"));
            }
        }
        let matchers = compile(&matchers)?;
        let mut sums = Sums::default();
        limits.check_length(request.start, request.end)?;
        let range = TimeRange::new(request.start, request.end.saturating_add(1));
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else { return Ok(Vec::new()) };
        let running = self.begin(limits);
        let _cancel = CancelOnDrop(running.budget.clone());
        for tenant in readers.ids() {
            let found = self.find(IndexOperation::Volume, tenant, &matchers, range).await?;
            let (budget, max_series, asked) = (running.budget.clone(), limits.volume_max_series, request.clone());
            let start = range.start.max(request.start);
            let sum = move || -> Result<Sums, QueryError> {
                sums.add(&found, &asked, start, max_series, &budget)?;
                Ok(sums)
            };
            sums = self.ports.cpu.run(Priority::Query, sum).await??;
        }
        let limit = request.limit;
        let by_name = request.by_name;
        Ok(self.ports.cpu.run(Priority::Query, move || sums.finish(limit, by_name)).await?)
    }
}

#[derive(Debug, Default)]
struct Sums {
    groups: Vec<Labels>,
    known: HashMap<Labels, usize>,
    /// By end of the step: bytes by group.
    steps: Vec<(Millis, HashMap<usize, u64>)>,
}

impl Sums {
    fn add(
        &mut self,
        found: &Found,
        request: &VolumeRequest,
        start: Nanos,
        max_series: usize,
        budget: &Budget,
    ) -> Result<(), QueryError> {
        let grouping = Grouping::of(request);
        let mut of_stream: HashMap<&Labels, Vec<usize>> = HashMap::new();
        let streams = found.indexed.iter().map(|stream| &stream.labels);
        for labels in streams.chain(found.recent.iter().map(|stream| &stream.labels)) {
            if of_stream.contains_key(labels) {
                continue;
            }
            let groups = grouping.groups(labels).into_iter().map(|group| self.group(group)).collect();
            of_stream.insert(labels, groups);
        }
        for step in steps(start, request.end, request.step_ns) {
            budget.check()?;
            let at = self.step(step.at);
            let before = self.steps[at].1.len();
            for stream in &found.indexed {
                let mut stats = ChunkStats::default();
                for chunk in stream.chunks.iter().filter(|chunk| chunk.min <= step.through && chunk.max >= step.from) {
                    stats.add_chunk(chunk, step.from, step.through);
                }
                if stats.entries > 0 {
                    self.count(at, &of_stream[&stream.labels], stats.bytes(), max_series)?;
                }
            }
            for stream in &found.recent {
                let (from, through) = (step.from.to_nanos(), step.through.to_nanos());
                let inside = stream.chunks.iter().filter(|chunk| {
                    chunk.min < through && chunk.max > from
                        || chunk.min == chunk.max && chunk.min >= from && chunk.min < through
                });
                let parts = inside.map(|chunk| {
                    let part = part_inside(chunk.min, chunk.max, from, through);
                    (chunk.bytes as f64 * part) as u64
                });
                let bytes = parts.sum();
                // As upstream: a stream that ends at the step's very start, or is silent in it, is told with nothing.
                let begins = stream.chunks.iter().any(|chunk| chunk.min < through);
                let ends = stream.chunks.iter().any(|chunk| chunk.max >= from);
                if begins && ends {
                    self.count(at, &of_stream[&stream.labels], bytes, max_series)?;
                }
            }
            budget.charge((self.steps[at].1.len() - before) as u64 * SUM_BYTES)?;
        }
        Ok(())
    }

    fn group(&mut self, labels: Labels) -> usize {
        *self.known.entry(labels).or_insert_with_key(|labels| {
            self.groups.push(labels.clone());
            self.groups.len() - 1
        })
    }

    fn step(&mut self, at: Millis) -> usize {
        match self.steps.iter().rposition(|(end, _)| *end == at) {
            Some(known) => known,
            None => {
                self.steps.push((at, HashMap::new()));
                self.steps.len() - 1
            }
        }
    }

    fn count(&mut self, step: usize, groups: &[usize], bytes: u64, max_series: usize) -> Result<(), QueryError> {
        let sums = &mut self.steps[step].1;
        for group in groups {
            *sums.entry(*group).or_default() += bytes;
        }
        if max_series > 0 && sums.len() > max_series {
            return Err(QueryError::VolumeSeries(max_series));
        }
        Ok(())
    }

    fn finish(mut self, limit: usize, by_name: bool) -> Vec<Volume> {
        let names: Vec<String> = self.groups.iter().map(|labels| name_of(labels, by_name)).collect();
        self.steps.sort_by_key(|(at, _)| *at);
        let mut points: Vec<Vec<(Millis, u64)>> = vec![Vec::new(); self.groups.len()];
        for (at, sums) in self.steps {
            let mut sums: Vec<(usize, u64)> = sums.into_iter().collect();
            sums.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| names[a.0].cmp(&names[b.0])));
            for (group, bytes) in sums.into_iter().take(limit) {
                points[group].push((at, bytes));
            }
        }
        let mut volumes: Vec<(String, Volume)> = (names.into_iter().zip(self.groups).zip(points))
            .filter(|(_, points)| !points.is_empty())
            .map(|((name, labels), points)| (name, Volume { labels, points }))
            .collect();
        volumes.sort_by(|(a_name, a), (b_name, b)| b.points[0].1.cmp(&a.points[0].1).then_with(|| a_name.cmp(b_name)));
        volumes.into_iter().map(|(_, volume)| volume).collect()
    }
}

/// What equal volumes are ordered by.
fn name_of(labels: &Labels, by_name: bool) -> String {
    match labels.iter().next() {
        Some((name, _)) if by_name => name.to_owned(),
        _ => labels.to_string(),
    }
}

/// The share of `[min, max]` inside `[from, through]`.
fn part_inside(min: Nanos, max: Nanos, from: Nanos, through: Nanos) -> f64 {
    if min == max {
        return 1.0;
    }
    let total = i128::from(max.0) - i128::from(min.0);
    let before = (i128::from(from.0) - i128::from(min.0)).max(0);
    let after = (i128::from(max.0) - i128::from(through.0)).max(0);
    (total - before - after) as f64 / total as f64
}

/// Streams by fingerprint and bytes: for plans of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardFigures {
    /// Lowest fingerprint.
    pub min: u64,
    /// Highest fingerprint, in.
    pub max: u64,
    /// Streams.
    pub streams: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes, uncompressed.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

impl QueryEngine {
    /// Cuts the streams that `matchers` accept into spans of fingerprints of about `target_bytes`.
    pub async fn index_shards(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        matchers: &[Matcher],
        range: TimeRange,
        target_bytes: u64,
    ) -> Result<Vec<ShardFigures>, QueryError> {
        limits.check_length(range.start, range.end)?;
        let Some(range) = limits.look_back(range, self.ports.clock.now()) else {
            return Ok(shards(Vec::new(), target_bytes));
        };
        let (readers, matchers) = readers.choose(matchers)?;
        let matchers = compile(&matchers)?;
        let mut sizes: BTreeMap<u64, ShardFigures> = BTreeMap::new();
        for tenant in readers.ids() {
            let found = self.find(IndexOperation::Volume, tenant, &matchers, range).await?;
            for stream in &found.indexed {
                for chunk in &stream.chunks {
                    count(&mut sizes, stream.fingerprint.0, u64::from(chunk.kb) << 10, u64::from(chunk.entries));
                }
            }
            for stream in &found.recent {
                for chunk in &stream.chunks {
                    count(&mut sizes, stream.fingerprint.0, chunk.bytes, chunk.entries);
                }
            }
        }
        Ok(shards(sizes.into_values().collect(), target_bytes))
    }
}

fn count(sizes: &mut BTreeMap<u64, ShardFigures>, fingerprint: u64, bytes: u64, entries: u64) {
    let fresh = ShardFigures { min: fingerprint, ..ShardFigures::default() };
    let size = sizes.entry(fingerprint).or_insert(fresh);
    size.chunks += 1;
    size.bytes = size.bytes.saturating_add(bytes);
    size.entries += entries;
}

/// Fills one shard after the other; `streams` have their fingerprint in `min`, ascending. A stream over the target gets a
/// shard of its own.
fn shards(streams: Vec<ShardFigures>, target: u64) -> Vec<ShardFigures> {
    let mut done: Vec<ShardFigures> = Vec::new();
    let mut current = ShardFigures::default();
    for stream in streams {
        let with = current.bytes.saturating_add(stream.bytes);
        let fits = with.abs_diff(target) <= current.bytes.abs_diff(target);
        if !fits && current.streams > 0 {
            done.push(ShardFigures { max: stream.min.saturating_sub(1), ..current });
            current = ShardFigures { min: stream.min, ..ShardFigures::default() };
            current.add(&stream);
            continue;
        }
        current.add(&stream);
        if !fits {
            done.push(current);
            current = ShardFigures { min: stream.min.saturating_add(1), ..ShardFigures::default() };
        }
    }
    if current.streams > 0 || done.is_empty() {
        done.push(current);
    }
    if let Some(last) = done.last_mut() {
        last.max = u64::MAX;
    }
    done
}

impl ShardFigures {
    fn add(&mut self, stream: &Self) {
        self.streams += 1;
        self.chunks += stream.chunks;
        self.bytes = self.bytes.saturating_add(stream.bytes);
        self.entries += stream.entries;
        self.max = stream.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_aligned_and_leave_a_millisecond() {
        let secs = |secs: i64| Nanos(secs * Nanos::PER_SEC);
        let told = |step_secs: i64| -> Vec<(i64, i64, i64)> {
            let steps = steps(secs(105), secs(125), step_secs * Nanos::PER_SEC);
            steps.into_iter().map(|step| (step.from.0, step.through.0, step.at.0)).collect()
        };
        assert_eq!(told(0), [(105_000, 125_000, 125_000)]);
        assert_eq!(told(10), [(105_000, 109_000, 109_999), (110_000, 119_000, 119_999), (120_000, 125_000, 125_000)]);
        assert_eq!(steps(secs(5), secs(5), Nanos::PER_SEC).len(), 1);
    }

    #[test]
    fn shards_cover_all_fingerprints() {
        let stream = |min: u64, bytes: u64| ShardFigures { min, bytes, chunks: 1, entries: 1, ..Default::default() };
        let cut = |streams: &[(u64, u64)]| -> Vec<(u64, u64, u64)> {
            let streams = streams.iter().map(|&(min, bytes)| stream(min, bytes)).collect();
            shards(streams, 100).iter().map(|shard| (shard.min, shard.max, shard.streams)).collect()
        };
        assert_eq!(cut(&[]), [(0, u64::MAX, 0)]);
        let streams = [(5, 40), (9, 40), (20, 90), (30, 500), (40, 1)];
        assert_eq!(cut(&streams), [(0, 19, 2), (20, 29, 1), (30, 39, 1), (40, u64::MAX, 1)]);
        assert_eq!(cut(&[(5, 300), (9, 40)]), [(0, 5, 1), (6, u64::MAX, 1)]);
    }
}
