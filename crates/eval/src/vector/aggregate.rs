//! `sum by (a) (…)` and its kin (specification 6.5).

use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_logql::ast::{Grouping, VectorAggregation, VectorOp};
use loptr_model::{Labels, METRIC_NAME};

use super::{rank, without_empty};
use crate::range::{SeriesSteps, Steps};

/// Aggregates `series`, in their order.
pub(crate) fn aggregate(vector: &VectorAggregation, series: Vec<SeriesSteps>, steps: Steps) -> Vec<SeriesSteps> {
    let largest = matches!(vector.op, VectorOp::Topk | VectorOp::ApproxTopk | VectorOp::SortDesc);
    let k = match vector.op {
        VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk => {
            usize::try_from(vector.parameter.unwrap_or(0)).unwrap_or(0)
        }
        // The series of a range answer are ordered by labels in the end anyway.
        VectorOp::Sort | VectorOp::SortDesc if !steps.is_instant() => return series,
        VectorOp::Sort | VectorOp::SortDesc => usize::MAX,
        _ => return combine(vector, &series, steps),
    };
    let (_, of_series) = groups(&series, vector.grouping.as_ref());
    rank::best(series, &of_series, k, largest, steps)
}

/// Means as quotients of sums and counts over `series`, or of `sums` and counts, group by group.
pub(super) fn quotients(
    vector: &VectorAggregation,
    sums: Option<Vec<SeriesSteps>>,
    series: Vec<SeriesSteps>,
    steps: Steps,
) -> Vec<SeriesSteps> {
    let combined = |op, series: &[SeriesSteps]| combine(&VectorAggregation { op, ..vector.clone() }, series, steps);
    let counts = combined(VectorOp::Count, &series);
    let sums = combined(VectorOp::Sum, sums.as_ref().unwrap_or(&series));
    let counts: HashMap<&Labels, &[(u32, f64)], FixedState> =
        counts.iter().map(|one| (&one.labels, &one.points[..])).collect();
    let mean = |sum: SeriesSteps| {
        let mut counts = counts.get(&sum.labels)?.iter().peekable();
        let at_step = |(step, sum): (u32, f64)| {
            while counts.next_if(|count| count.0 < step).is_some() {}
            let &&(_, count) = counts.peek().filter(|count| count.0 == step)?;
            Some((step, sum / count))
        };
        let points: Vec<_> = sum.points.into_iter().filter_map(at_step).collect();
        Some(SeriesSteps { labels: without_empty(sum.labels), points }).filter(|one| !one.points.is_empty())
    };
    sums.into_iter().filter_map(mean).collect()
}

/// Labels of the group that `labels` falls into.
/// `without` leaves no empty ones.
fn group_labels(labels: &Labels, grouping: Option<&Grouping>) -> Labels {
    let Some(grouping) = grouping else { return Labels::empty() };
    let listed = |name: &str| grouping.labels.iter().any(|label| label == name);
    Labels::from_pairs(labels.iter().filter(|(name, value)| {
        if grouping.without { !listed(name) && *name != METRIC_NAME && !value.is_empty() } else { listed(name) }
    }))
}

/// Groups in order of their first series, and each series' group.
fn groups(series: &[SeriesSteps], grouping: Option<&Grouping>) -> (Vec<Labels>, Vec<usize>) {
    let (mut labels, mut of_series) = (Vec::new(), Vec::with_capacity(series.len()));
    let mut by_labels: HashMap<Labels, usize, FixedState> = HashMap::default();
    for one in series {
        let group = group_labels(&one.labels, grouping);
        let at = *by_labels.entry(group).or_insert_with_key(|group| {
            labels.push(group.clone());
            labels.len() - 1
        });
        of_series.push(at);
    }
    (labels, of_series)
}

#[derive(Clone, Copy, Default)]
struct Acc {
    count: u64,
    value: f64,
    mean: f64,
}

impl Acc {
    fn add(&mut self, op: VectorOp, value: f64) {
        self.count += 1;
        if self.count == 1 {
            self.mean = value;
            self.value = if matches!(op, VectorOp::Stddev | VectorOp::Stdvar) { 0.0 } else { value };
            return;
        }
        match op {
            VectorOp::Sum => self.value += value,
            VectorOp::Avg => self.mean += (value - self.mean) / self.count as f64,
            VectorOp::Max if self.value < value || self.value.is_nan() => self.value = value,
            VectorOp::Min if self.value > value || self.value.is_nan() => self.value = value,
            VectorOp::Stddev | VectorOp::Stdvar => {
                let delta = value - self.mean;
                self.mean += delta / self.count as f64;
                self.value += delta * (value - self.mean);
            }
            _ => {}
        }
    }

    fn result(&self, op: VectorOp) -> f64 {
        match op {
            VectorOp::Avg => self.mean,
            VectorOp::Count => self.count as f64,
            VectorOp::Stddev => (self.value / self.count as f64).sqrt(),
            VectorOp::Stdvar => self.value / self.count as f64,
            _ => self.value,
        }
    }
}

fn combine(vector: &VectorAggregation, series: &[SeriesSteps], steps: Steps) -> Vec<SeriesSteps> {
    let (labels, of_series) = groups(series, vector.grouping.as_ref());
    let mut members = vec![Vec::new(); labels.len()];
    for (at, &group) in of_series.iter().enumerate() {
        members[group].push(at);
    }
    let mut out = Vec::with_capacity(labels.len());
    let mut accs = vec![Acc::default(); steps.count() as usize];
    for (labels, members) in labels.into_iter().zip(members) {
        accs.fill(Acc::default());
        for &(step, value) in members.iter().flat_map(|&at| &series[at].points) {
            if let Some(acc) = accs.get_mut(step as usize) {
                acc.add(vector.op, value);
            }
        }
        let present = accs.iter().enumerate().filter(|(_, acc)| acc.count > 0);
        let points = present.map(|(step, acc)| (step as u32, acc.result(vector.op))).collect();
        out.push(SeriesSteps { labels, points });
    }
    out
}
