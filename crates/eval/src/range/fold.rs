//! The partial state of a range operation: filled by one task, merged with others', finished once.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_model::{Fingerprint, Labels, Nanos};

use super::buckets::{Buckets, Held, Sliding};
use super::held::{Counter, Edge, Extreme, Moments, Stamped, nan_first, quantile};
use super::ranks::Ranks;
use super::windows::{Slot, Windows};
use super::{Finish, Kind};
use crate::EvalError;
use crate::pipeline::{ERROR, LabelsId, PRESERVE_ERROR};

/// A series with its values at some steps.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSteps {
    /// Labels of the series.
    pub labels: Labels,
    /// Step and value, steps ascending.
    pub points: Vec<(u32, f64)>,
}

/// A series within one fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesId(u32);

#[derive(Clone, Debug)]
enum Data {
    Count(Buckets<u64>),
    Moments(Buckets<Moments>),
    Extreme(Buckets<Extreme>),
    Edge(Buckets<Edge>),
    Values(Buckets<Vec<f64>>),
    Samples(Buckets<Vec<Stamped>>),
}

#[derive(Clone, Debug)]
struct Series {
    labels: Labels,
    data: Data,
}

/// What one task has seen of a range operation. Answers do not depend on how entries are dealt out to folds, as long as
/// entries of one stream with equal times go to the same one.
#[derive(Clone, Debug)]
pub struct RangeFold {
    windows: Windows,
    finish: Finish,
    series: Vec<Series>,
    by_labels: HashMap<Labels, u32, FixedState>,
    /// Series of each label set of the stream at hand.
    of_stream: Vec<u32>,
    stream: u64,
    slot: Slot,
    held_samples: usize,
}

const UNKNOWN: u32 = u32::MAX;

impl RangeFold {
    pub(crate) fn new(windows: Windows, finish: Finish) -> Self {
        Self {
            windows,
            finish,
            series: Vec::new(),
            by_labels: HashMap::default(),
            of_stream: Vec::new(),
            stream: 0,
            slot: Slot { interval: None, after: i64::MAX, until: i64::MIN },
            held_samples: 0,
        }
    }

    /// What follows belongs to this stream: [`LabelsId`]s are its extractor's.
    pub fn begin_stream(&mut self, stream: Fingerprint) {
        self.stream = stream.0;
        self.of_stream.clear();
    }

    /// The series of a label set of the stream at hand; `labels` is asked for the first time only.
    #[inline]
    pub fn series(&mut self, id: LabelsId, labels: impl FnOnce() -> Labels) -> SeriesId {
        match self.of_stream.get(id.0 as usize) {
            Some(&known) if known != UNKNOWN => SeriesId(known),
            _ => self.new_series(id, labels()),
        }
    }

    #[cold]
    fn new_series(&mut self, id: LabelsId, labels: Labels) -> SeriesId {
        let at = self.series_of(labels);
        if self.of_stream.len() <= id.0 as usize {
            self.of_stream.resize(id.0 as usize + 1, UNKNOWN);
        }
        self.of_stream[id.0 as usize] = at;
        SeriesId(at)
    }

    /// The series with these labels, whatever stream it is of.
    pub(crate) fn series_with(&mut self, labels: Labels) -> SeriesId {
        SeriesId(self.series_of(labels))
    }

    fn series_of(&mut self, labels: Labels) -> u32 {
        if let Some(&at) = self.by_labels.get(&labels) {
            return at;
        }
        let at = self.series.len() as u32;
        let data = match self.finish.kind {
            Kind::Count | Kind::Bytes => Data::Count(Buckets::default()),
            Kind::Sum | Kind::Mean | Kind::Variance | Kind::Deviation => Data::Moments(Buckets::default()),
            Kind::Min | Kind::Max => Data::Extreme(Buckets::default()),
            Kind::First | Kind::Last => Data::Edge(Buckets::default()),
            Kind::Quantile(_) => Data::Values(Buckets::default()),
            Kind::Counter => Data::Samples(Buckets::default()),
        };
        self.series.push(Series { labels: labels.clone(), data });
        self.by_labels.insert(labels, at);
        at
    }

    #[inline]
    fn interval(&mut self, ts: Nanos) -> Option<u64> {
        if ts.0 <= self.slot.after || ts.0 > self.slot.until {
            self.slot = self.windows.slot(ts);
        }
        self.slot.interval
    }

    /// Adds one sample: the line's bytes for byte counts, else the unwrapped value, which counts pass over.
    #[inline]
    pub fn add(&mut self, series: SeriesId, ts: Nanos, value: f64) {
        let Some(interval) = self.interval(ts) else { return };
        let stream = self.stream;
        let Some(series) = self.series.get_mut(series.0 as usize) else { return };
        match &mut series.data {
            Data::Count(buckets) => {
                // Behind an unwrap (`absent_over_time`) the value is any number, and not what is counted.
                let more = if self.finish.kind == Kind::Bytes { value as u64 } else { 1 };
                *buckets.at(interval, || 0) += more;
            }
            Data::Moments(buckets) => buckets.at(interval, Moments::default).add(value),
            Data::Extreme(buckets) => {
                let one = Extreme { value, largest: self.finish.kind == Kind::Max };
                buckets.at(interval, || one).merge(&one);
            }
            Data::Edge(buckets) => {
                let sample = Stamped { ts: ts.0, stream, value };
                let one = Edge { sample, last: self.finish.kind == Kind::Last };
                buckets.at(interval, || one).merge(&one);
            }
            Data::Values(buckets) => {
                buckets.at(interval, Vec::new).push(value);
                self.held_samples += 1;
            }
            Data::Samples(buckets) => {
                buckets.at(interval, Vec::new).push(Stamped { ts: ts.0, stream, value });
                self.held_samples += 3;
            }
        }
    }

    /// [`RangeFold::add`] with value 1 for counts: the hottest path.
    #[inline]
    pub fn add_count(&mut self, series: SeriesId, ts: Nanos) {
        let Some(interval) = self.interval(ts) else { return };
        if let Some(Series { data: Data::Count(buckets), .. }) = self.series.get_mut(series.0 as usize) {
            *buckets.at(interval, || 0) += 1;
        }
    }

    /// Adds `count` entries of `bytes` bytes in all that lie in `(after, until]`. `false`, and nothing added, if an edge
    /// of a window lies between: then the entries themselves are needed. For counts and byte counts only.
    pub fn add_counts(&mut self, series: SeriesId, after: Nanos, until: Nanos, count: u64, bytes: u64) -> bool {
        let interval = self.interval(until);
        if after.0 < self.slot.after || after > until {
            return false;
        }
        let value = match self.finish.kind {
            Kind::Count => count,
            Kind::Bytes => bytes,
            _ => return false,
        };
        if let (Some(interval), true) = (interval, count > 0)
            && let Some(Series { data: Data::Count(buckets), .. }) = self.series.get_mut(series.0 as usize)
        {
            *buckets.at(interval, || 0) += value;
        }
        true
    }

    /// Bytes held, roughly: charge them to the query.
    pub fn held_bytes(&self) -> usize {
        let intervals: usize = self.series.iter().map(|series| series.data.len()).sum();
        self.held_samples * 8 + intervals * 48 + self.series.len() * 512
    }

    /// Puts two folds of the same plan together.
    pub fn merge(mut self, other: Self) -> Self {
        for theirs in other.series {
            let at = self.series_of(theirs.labels);
            let mine = &mut self.series[at as usize].data;
            match (mine, theirs.data) {
                (Data::Count(a), Data::Count(b)) => a.merge(b, |a, b| *a += b),
                (Data::Moments(a), Data::Moments(b)) => a.merge(b, |a, b| a.merge(&b)),
                (Data::Extreme(a), Data::Extreme(b)) => a.merge(b, |a, b| a.merge(&b)),
                (Data::Edge(a), Data::Edge(b)) => a.merge(b, |a, b| a.merge(&b)),
                (Data::Values(a), Data::Values(b)) => a.merge(b, |a, b| a.extend(b)),
                (Data::Samples(a), Data::Samples(b)) => a.merge(b, |a, b| a.extend(b)),
                _ => {}
            }
        }
        self.held_samples += other.held_samples;
        self.of_stream.clear();
        self
    }

    /// The series with at least one sample in a window, sorted by labels. Fails if one of them carries an error that
    /// was not asked for (specification 6.3).
    pub fn finish(mut self) -> Result<Vec<SeriesSteps>, EvalError> {
        self.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut out = Vec::with_capacity(self.series.len());
        for series in self.series {
            let points = points(&self.windows, &self.finish, series.data);
            if points.is_empty() {
                continue;
            }
            check_error(&series.labels)?;
            // Series that only their empty labels told apart stay apart.
            let labels =
                if self.finish.drops_empty { crate::vector::without_empty(series.labels) } else { series.labels };
            out.push(SeriesSteps { labels, points });
        }
        match &self.finish.absent {
            Some(labels) => Ok(absent(&self.windows, labels, &out)),
            None => Ok(out),
        }
    }
}

impl RangeFold {
    /// As [`RangeFold::finish`], but that a series with an error that was not asked for fails its steps alone: the
    /// series without those, and which steps failed.
    pub(crate) fn finish_steps(mut self) -> (Vec<SeriesSteps>, Vec<bool>) {
        self.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        let mut failed = vec![false; self.windows.steps as usize];
        let mut out = Vec::with_capacity(self.series.len());
        for series in self.series {
            let points = points(&self.windows, &self.finish, series.data);
            if check_error(&series.labels).is_err() {
                points.iter().for_each(|point| failed[point.0 as usize] = true);
            } else {
                out.push(SeriesSteps { labels: series.labels, points });
            }
        }
        if let Some(labels) = &self.finish.absent {
            out = absent(&self.windows, labels, &out);
        }
        for one in &mut out {
            one.points.retain(|point| !failed[point.0 as usize]);
        }
        out.retain(|one| !one.points.is_empty());
        (out, failed)
    }
}

fn check_error(labels: &Labels) -> Result<(), EvalError> {
    match labels.get(ERROR) {
        Some(error) if !error.is_empty() && labels.get(PRESERVE_ERROR) != Some("true") => {
            Err(EvalError::Pipeline { error: error.to_owned(), labels: labels.clone() })
        }
        _ => Ok(()),
    }
}

/// One series with value 1 at the steps where no other has a value.
fn absent(windows: &Windows, labels: &Labels, present: &[SeriesSteps]) -> Vec<SeriesSteps> {
    let mut seen = vec![false; windows.steps as usize];
    for &(step, _) in present.iter().flat_map(|series| &series.points) {
        seen[step as usize] = true;
    }
    let points: Vec<_> = (0..windows.steps).filter(|&step| !seen[step as usize]).map(|step| (step, 1.0)).collect();
    if points.is_empty() { Vec::new() } else { vec![SeriesSteps { labels: labels.clone(), points }] }
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Self::Count(buckets) => buckets.len(),
            Self::Moments(buckets) => buckets.len(),
            Self::Extreme(buckets) => buckets.len(),
            Self::Edge(buckets) => buckets.len(),
            Self::Values(buckets) => buckets.len(),
            Self::Samples(buckets) => buckets.len(),
        }
    }
}

fn points(windows: &Windows, finish: &Finish, data: Data) -> Vec<(u32, f64)> {
    match data {
        Data::Count(buckets) => counts(windows, &buckets.into_slots(), finish),
        Data::Moments(buckets) => slide(windows, buckets.into_slots(), |moments| match finish.kind {
            Kind::Mean => moments.mean(),
            Kind::Variance => moments.variance(),
            Kind::Deviation => moments.variance().sqrt(),
            _ => finish.scaled(moments.sum()),
        }),
        Data::Extreme(buckets) => slide(windows, buckets.into_slots(), |extreme| extreme.value),
        Data::Edge(buckets) => slide(windows, buckets.into_slots(), |edge| edge.sample.value),
        Data::Values(buckets) => quantiles(windows, buckets.into_slots(), finish),
        Data::Samples(buckets) => {
            let counters = buckets.into_slots().into_iter().filter_map(|(interval, mut samples)| {
                samples.sort_by_key(Stamped::order);
                Some((interval, Counter::of(&samples)?))
            });
            slide(windows, counters.collect(), |counter| counter.rate(finish.range_ns))
        }
    }
}

/// Walks the windows over sparse intervals: `enter` and `leave` get positions in `intervals`, `emit` the step.
fn walk(windows: &Windows, intervals: &[u64], mut act: impl FnMut(Move)) {
    let (mut from, mut until, mut step) = (0, 0, 0);
    while step < windows.steps {
        if from == until {
            // Nothing inside: go to the first step whose window reaches the next interval.
            match intervals.get(until) {
                Some(&next) => step = step.max(windows.first_step_with(next)),
                None => return,
            }
            if step >= windows.steps {
                return;
            }
        }
        let window = windows.intervals(step);
        while intervals.get(until).is_some_and(|&at| at < window.end) {
            act(Move::Enter(until));
            until += 1;
        }
        while from < until && intervals[from] < window.start {
            act(Move::Leave(from));
            from += 1;
        }
        if from < until {
            act(Move::Emit(step));
        }
        step += 1;
    }
}

enum Move {
    Enter(usize),
    Leave(usize),
    Emit(u32),
}

fn counts(windows: &Windows, slots: &[(u64, u64)], finish: &Finish) -> Vec<(u32, f64)> {
    let intervals: Vec<u64> = slots.iter().map(|slot| slot.0).collect();
    let (mut sum, mut out) = (0u64, Vec::new());
    walk(windows, &intervals, |act| match act {
        Move::Enter(at) => sum += slots[at].1,
        Move::Leave(at) => sum -= slots[at].1,
        Move::Emit(step) => out.push((step, finish.scaled(sum as f64))),
    });
    out
}

fn slide<T: Held>(windows: &Windows, slots: Vec<(u64, T)>, value: impl Fn(&T) -> f64) -> Vec<(u32, f64)> {
    let intervals: Vec<u64> = slots.iter().map(|slot| slot.0).collect();
    let (mut window, mut out) = (Sliding::new(), Vec::new());
    walk(windows, &intervals, |act| match act {
        Move::Enter(at) => window.push(slots[at].1.clone()),
        Move::Leave(_) => window.pop(),
        Move::Emit(step) => {
            if let Some(all) = window.all() {
                out.push((step, value(&all)));
            }
        }
    });
    out
}

fn quantiles(windows: &Windows, mut slots: Vec<(u64, Vec<f64>)>, finish: &Finish) -> Vec<(u32, f64)> {
    let Kind::Quantile(q) = finish.kind else { return Vec::new() };
    let intervals: Vec<u64> = slots.iter().map(|slot| slot.0).collect();
    let mut out = Vec::new();
    if !windows.overlap() {
        let mut inside = Vec::new();
        walk(windows, &intervals, |act| match act {
            Move::Enter(at) => inside.append(&mut slots[at].1),
            Move::Leave(_) => {}
            Move::Emit(step) => {
                inside.sort_by(nan_first);
                out.push((step, quantile(q, inside.len(), |at| inside[at])));
                inside.clear();
            }
        });
        return out;
    }
    let mut ranks = Ranks::new(&slots);
    walk(windows, &intervals, |act| match act {
        Move::Enter(at) => ranks.enter(at),
        Move::Leave(at) => ranks.leave(at),
        Move::Emit(step) => out.push((step, quantile(q, ranks.len(), |at| ranks.nth(at)))),
    });
    out
}
