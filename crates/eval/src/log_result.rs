//! The answer of a log query: the best `limit` entries of all tasks, grouped by label set (specification 6.10).
//!
//! Which entries are best: time in the query's direction, then the stream's fingerprint, then the order in which the
//! stream was fed. Feed a stream in the query's direction: then equal times rank by arrival, newest last or first.
//!
//! Entries of equal time then come out as upstream leaves them ([`crate::tie_order`]): for most answers that is by rank.
//! Where the limit cuts an answer inside a split, upstream's order depends on entries beyond the cut. Without equal times
//! that changes nothing; with them [`LogCollector::beyond_cut`] says what else to read.

use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loptr_model::{Entry, Fingerprint, Nanos, TimeRange};

use crate::mark::Mark;
use crate::pipeline::{LabelsId, ResultLabels, StreamPipeline};
use crate::source::{Direction, Visitor};
use crate::tie_order;

/// One entry of a log answer.
#[derive(Clone, Debug, PartialEq)]
pub struct LogEntry {
    /// Time.
    pub ts: Nanos,
    /// The line as the pipeline left it.
    pub line: Box<[u8]>,
    /// Its label set, by category.
    pub labels: Arc<ResultLabels>,
}

/// Entries with one label set, in the query's direction.
#[derive(Clone, Debug, PartialEq)]
pub struct LogStream {
    /// The labels, by category of the first entry.
    pub labels: Arc<ResultLabels>,
    /// The entries.
    pub entries: Vec<LogEntry>,
}

/// Rank of an entry, less is better; then the entry.
#[derive(Clone, Debug)]
struct Kept {
    rank: (i64, u64, u64),
    entry: LogEntry,
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Kept {}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The least rank in time at which some task had `limit` entries: what ranks beyond it is in no answer. Shared by the
/// tasks of a query.
#[derive(Debug)]
struct Bound(AtomicI64);

/// Keeps the best entries one task has seen; collectors of several tasks merge. Clones of one collector tell each other
/// how good an entry must be.
#[derive(Clone, Debug)]
pub struct LogCollector {
    limit: usize,
    direction: Direction,
    interval_ns: i64,
    split_ns: i64,
    /// The worst on top.
    kept: BinaryHeap<Kept>,
    /// The best time that was refused or dropped, as ranked.
    refused: Option<i64>,
    sequence: u64,
    stream: u64,
    of_stream: Vec<Option<Arc<ResultLabels>>>,
    held_bytes: usize,
    bound: Arc<Bound>,
}

impl LogCollector {
    /// At most `limit` entries, none closer than `interval_ns` (if above 0) to the one before it in the answer. With an
    /// interval every entry is held until the end, since which ones stay depends on all tasks.
    pub fn new(limit: usize, direction: Direction, interval_ns: i64) -> Self {
        Self {
            limit,
            direction,
            interval_ns,
            split_ns: 0,
            kept: BinaryHeap::new(),
            refused: None,
            sequence: 0,
            stream: 0,
            of_stream: Vec::new(),
            held_bytes: 0,
            bound: Arc::new(Bound(AtomicI64::new(i64::MAX))),
        }
    }

    /// Spans of time, aligned to multiples of their length, in which upstream answers such a query one by one: the order
    /// of equal times depends on them. 0, as at first: there is but one.
    pub fn split_by(mut self, split_ns: i64) -> Self {
        self.split_ns = split_ns;
        self
    }

    /// The direction asked for.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Entries at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What follows belongs to this stream.
    pub fn begin_stream(&mut self, stream: Fingerprint) {
        self.stream = stream.0;
        self.of_stream.clear();
    }

    fn rank_of(&self, ts: Nanos) -> i64 {
        match self.direction {
            Direction::Forward => ts.0,
            Direction::Backward => !ts.0,
        }
    }

    fn bounded(&self) -> bool {
        self.interval_ns <= 0
    }

    /// Whether an entry at `ts` of the stream at hand would be kept now.
    pub fn accepts(&self, ts: Nanos) -> bool {
        if !self.bounded() {
            return self.limit > 0;
        }
        if self.kept.len() < self.limit {
            return true;
        }
        self.kept.peek().is_some_and(|worst| (self.rank_of(ts), self.stream) < (worst.rank.0, worst.rank.1))
    }

    /// Whether an entry at `ts` of the stream at hand tells nothing: it would not be kept, and if it ties with the worst
    /// kept, another one is known that does.
    fn is_beyond(&self, ts: Nanos) -> bool {
        let rank = self.rank_of(ts);
        if rank > self.bound.0.load(Ordering::Relaxed) {
            return true;
        }
        let beyond_worst = || self.kept.peek().is_none_or(|worst| rank > worst.rank.0);
        !self.accepts(ts) && (self.refused == Some(rank) || beyond_worst())
    }

    /// Remembers that an entry at `ts` was not kept.
    fn refuse(&mut self, ts: Nanos) {
        let rank = self.rank_of(ts);
        self.refused = Some(self.refused.map_or(rank, |refused| refused.min(rank)));
    }

    /// Adds an entry of the stream at hand; `labels` is asked for once per label set.
    pub fn add(&mut self, ts: Nanos, line: Box<[u8]>, id: LabelsId, labels: impl FnOnce() -> ResultLabels) {
        if !self.accepts(ts) {
            return self.refuse(ts);
        }
        let at = id.0 as usize;
        if self.of_stream.len() <= at {
            self.of_stream.resize(at + 1, None);
        }
        let labels = self.of_stream[at].get_or_insert_with(|| Arc::new(labels())).clone();
        self.sequence += 1;
        let rank = (self.rank_of(ts), self.stream, self.sequence);
        self.push(Kept { rank, entry: LogEntry { ts, line, labels } });
    }

    fn push(&mut self, kept: Kept) {
        self.held_bytes += kept.entry.line.len() + size_of::<Kept>();
        self.kept.push(kept);
        if self.bounded()
            && self.kept.len() > self.limit
            && let Some(dropped) = self.kept.pop()
        {
            self.held_bytes -= dropped.entry.line.len() + size_of::<Kept>();
            self.refuse(dropped.entry.ts);
        }
        if self.bounded()
            && self.kept.len() >= self.limit
            && let Some(worst) = self.kept.peek()
        {
            self.bound.0.fetch_min(worst.rank.0, Ordering::Relaxed);
        }
    }

    /// Once `limit` entries are kept, the time of the worst: what lies beyond it in the query's direction cannot matter.
    pub fn worst_kept_ts(&self) -> Option<Nanos> {
        let full = self.bounded() && self.kept.len() >= self.limit;
        full.then(|| self.kept.peek().map_or(Nanos(0), |worst| worst.entry.ts))
    }

    /// The part of `range` in which entries may still matter, by what this collector and its clones have seen.
    pub fn needed(&self, range: TimeRange) -> TimeRange {
        let bound = self.bound.0.load(Ordering::Relaxed);
        match self.direction {
            _ if bound == i64::MAX => range,
            Direction::Forward => TimeRange { end: range.end.min(Nanos(bound.saturating_add(1))), ..range },
            Direction::Backward => TimeRange { start: range.start.max(Nanos(!bound)), ..range },
        }
    }

    /// Entries kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes held, roughly: charge them to the query.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Puts the entries of two collectors of one query together. Entries of one stream with equal times must have gone
    /// to the same collector.
    pub fn merge(mut self, other: Self) -> Self {
        for kept in other.kept {
            self.push(kept);
        }
        if let Some(rank) = other.refused {
            self.refused = Some(self.refused.map_or(rank, |refused| refused.min(rank)));
        }
        self.of_stream.clear();
        self
    }

    /// Of an answer to `range` that the limit cut where equal times are: what to read for their order, and the collector
    /// to read it into, which is then handed to [`LogCollector::with_beyond`]. It lies in the split of the cut.
    pub fn beyond_cut(&mut self, range: TimeRange) -> Option<(TimeRange, Self)> {
        if !self.bounded() || self.kept.len() < self.limit {
            return None;
        }
        let (cut, cut_ts) = self.kept.peek().map(|worst| (worst.rank.0, worst.entry.ts))?;
        let split = tie_order::split_of(cut_ts.0, self.split_ns);
        let in_split = |kept: &&Kept| tie_order::split_of(kept.entry.ts.0, self.split_ns) == split;
        let mut places: Vec<(i64, u64)> =
            self.kept.iter().filter(in_split).map(|kept| (kept.rank.0, kept.rank.1)).collect();
        places.sort_unstable();
        let whole = places.len() == self.limit;
        let ties = self.refused == Some(cut) || places.windows(2).any(|pair| pair[0] == pair[1]);
        if whole || !ties {
            return None;
        }
        // All at the time of the cut is read again.
        let before_cut = places.iter().filter(|place| place.0 < cut).count();
        while self.kept.peek().is_some_and(|worst| worst.rank.0 == cut) {
            self.kept.pop();
        }
        let rest = match self.direction {
            Direction::Forward if self.split_ns > 0 => {
                let end = split.saturating_add(1).saturating_mul(self.split_ns);
                TimeRange::new(cut_ts, range.end.min(Nanos(end)))
            }
            Direction::Forward => TimeRange::new(cut_ts, range.end),
            Direction::Backward => {
                let start = if self.split_ns > 0 { split.saturating_mul(self.split_ns) } else { i64::MIN };
                TimeRange::new(range.start.max(Nanos(start)), cut_ts.saturating_add(1))
            }
        };
        let collector = Self::new(self.limit - before_cut, self.direction, 0).split_by(self.split_ns);
        Some((rest, collector))
    }

    /// Puts back what [`LogCollector::beyond_cut`] asked for.
    pub fn with_beyond(mut self, beyond: Self) -> Self {
        self.held_bytes += beyond.held_bytes;
        self.kept.extend(beyond.kept);
        self
    }

    /// The entries by label set, sets sorted by their text.
    pub fn finish(self) -> Vec<LogStream> {
        self.grouped(|labels| labels.all.to_string())
    }

    /// The entries by the labels of their stream alone, for answers that list metadata and parsed labels per entry.
    pub fn finish_categorized(self) -> Vec<LogStream> {
        self.grouped(|labels| labels.stream.to_string())
    }

    fn grouped(self, key: impl Fn(&ResultLabels) -> String) -> Vec<LogStream> {
        let (interval, limit, direction, split_ns) = (self.interval_ns, self.limit, self.direction, self.split_ns);
        let mut streams: BTreeMap<String, LogStream> = BTreeMap::new();
        let (mut last, mut count): (Option<i64>, usize) = (None, 0);
        for kept in self.kept.into_sorted_vec() {
            let entry = kept.entry;
            let distance = last.map(|last| match direction {
                Direction::Forward => entry.ts.0.saturating_sub(last),
                Direction::Backward => last.saturating_sub(entry.ts.0),
            });
            let left_out = interval > 0 && (count >= limit || distance.is_some_and(|distance| distance < interval));
            if left_out {
                continue;
            }
            last = Some(entry.ts.0);
            count += 1;
            let stream = streams
                .entry(key(&entry.labels))
                .or_insert_with(|| LogStream { labels: entry.labels.clone(), entries: Vec::new() });
            stream.entries.push(entry);
        }
        let mut streams: Vec<LogStream> = streams.into_values().collect();
        for stream in &mut streams {
            tie_order::shuffle(&mut stream.entries, direction, split_ns);
        }
        tie_order::cut(&mut streams, direction, limit);
        streams
    }
}

/// Feeds a collector with what a pipeline keeps of one stream.
#[derive(Debug)]
pub struct LogVisitor<'a> {
    pipeline: &'a mut StreamPipeline,
    collector: &'a mut LogCollector,
    mark: Option<&'a Mark>,
}

impl<'a> LogVisitor<'a> {
    /// For one stream; merge in the collector's direction.
    pub fn new(pipeline: &'a mut StreamPipeline, collector: &'a mut LogCollector) -> Self {
        collector.begin_stream(pipeline.fingerprint());
        Self { pipeline, collector, mark: None }
    }

    /// Marks what comes out.
    pub fn marked(self, mark: Option<&'a Mark>) -> Self {
        Self { mark, ..self }
    }
}

impl Visitor for LogVisitor<'_> {
    type Kept = (LabelsId, Box<[u8]>);

    fn take(&mut self, entry: Entry<'_>) -> Option<Self::Kept> {
        if self.collector.is_beyond(entry.ts) {
            return None;
        }
        let mut processed = self.pipeline.process(&entry)?;
        if !self.collector.accepts(entry.ts) {
            self.collector.refuse(entry.ts);
            return None;
        }
        Some((processed.labels_id(), processed.line.into()))
    }

    fn emit(&mut self, ts: Nanos, (id, line): Self::Kept) -> ControlFlow<()> {
        if !self.collector.accepts(ts) && self.collector.bounded() {
            self.collector.refuse(ts);
            // Fed in the query's direction, what follows is no better.
            return ControlFlow::Break(());
        }
        let labels = || {
            let labels = self.pipeline.labels(id);
            self.mark.map_or_else(|| labels.clone(), |mark| mark.result(labels))
        };
        self.collector.add(ts, line, id, labels);
        ControlFlow::Continue(())
    }

    fn skips(&self, min: Nanos, max: Nanos) -> bool {
        match self.collector.direction {
            Direction::Forward => self.collector.is_beyond(min),
            Direction::Backward => self.collector.is_beyond(max),
        }
    }

    fn held_bytes(&self) -> usize {
        self.pipeline.held_bytes() + self.collector.held_bytes()
    }

    fn heap_bytes(kept: &Self::Kept) -> usize {
        kept.1.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loptr_model::Labels;

    fn labels(app: &str) -> ResultLabels {
        let all = Labels::from_pairs([("app", app)]);
        ResultLabels { stream: all.clone(), all, ..ResultLabels::default() }
    }

    fn feed(collector: &mut LogCollector, stream: u64, app: &str, times: &[i64]) {
        collector.begin_stream(Fingerprint(stream));
        for &ts in times {
            collector.add(Nanos(ts), ts.to_string().into_bytes().into(), LabelsId(0), || labels(app));
        }
    }

    fn answer(collector: LogCollector) -> Vec<(String, Vec<i64>)> {
        let times = |stream: &LogStream| stream.entries.iter().map(|entry| entry.ts.0).collect();
        collector.finish().iter().map(|stream| (stream.labels.all.to_string(), times(stream))).collect()
    }

    #[test]
    fn the_best_entries_stay_whatever_the_tasks() {
        let mut one = LogCollector::new(3, Direction::Backward, 0);
        feed(&mut one, 1, "a", &[9, 7, 5, 3]);
        assert_eq!(one.worst_kept_ts(), Some(Nanos(5)));
        assert!(!one.accepts(Nanos(4)) && one.accepts(Nanos(6)));
        let mut two = LogCollector::new(3, Direction::Backward, 0);
        feed(&mut two, 2, "b", &[8, 1]);
        assert_eq!(two.worst_kept_ts(), None);
        let want = vec![(r#"{app="a"}"#.to_owned(), vec![9, 7]), (r#"{app="b"}"#.to_owned(), vec![8])];
        assert_eq!(answer(one.clone().merge(two.clone())), want);
        assert_eq!(answer(two.merge(one)), want);
    }

    #[test]
    fn equal_times_go_by_stream_in_both_directions() {
        for direction in [Direction::Forward, Direction::Backward] {
            let mut collector = LogCollector::new(1, direction, 0);
            feed(&mut collector, 9, "late", &[5]);
            feed(&mut collector, 3, "early", &[5]);
            assert_eq!(answer(collector), [(r#"{app="early"}"#.to_owned(), vec![5])]);
        }
    }

    #[test]
    fn an_interval_thins_the_whole_answer() {
        let mut collector = LogCollector::new(10, Direction::Forward, 5);
        feed(&mut collector, 1, "a", &[0, 1, 6, 7, 12]);
        feed(&mut collector, 2, "b", &[4, 5, 11]);
        let want = vec![(r#"{app="a"}"#.to_owned(), vec![0]), (r#"{app="b"}"#.to_owned(), vec![5, 11])];
        assert_eq!(answer(collector), want);
    }
}
