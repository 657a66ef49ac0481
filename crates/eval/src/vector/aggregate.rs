//! `sum by (a) (…)` and its kin (specification 6.5).

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_logql::ast::{Grouping, VectorAggregation, VectorOp};
use loptr_model::{Labels, METRIC_NAME};

use super::by_step;
use crate::EvalError;
use crate::range::{SeriesSteps, Steps};

/// Aggregates `series`. Sums follow the order of labels, so answers do not depend on the order of tasks.
pub(super) fn aggregate(
    vector: &VectorAggregation,
    mut series: Vec<SeriesSteps>,
    steps: Steps,
) -> Result<Vec<SeriesSteps>, EvalError> {
    let keeps_order = matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc);
    if !keeps_order {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    match vector.op {
        VectorOp::Sort | VectorOp::SortDesc => {
            sort(&mut series, vector.op == VectorOp::SortDesc, steps);
            Ok(series)
        }
        VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk => {
            let k = usize::try_from(vector.parameter.unwrap_or(0)).unwrap_or(0);
            Ok(best(vector, k, &series, steps))
        }
        _ => Ok(combine(vector, &series, steps)),
    }
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

/// `topk` and `bottomk`: at each step the best `k` of each group, with their own labels, best first.
fn best(vector: &VectorAggregation, k: usize, series: &[SeriesSteps], steps: Steps) -> Vec<SeriesSteps> {
    if k == 0 {
        return Vec::new();
    }
    let largest = vector.op != VectorOp::Bottomk;
    let (_, of_series) = groups(series, vector.grouping.as_ref());
    let mut points: Vec<Vec<(u32, f64)>> = vec![Vec::new(); series.len()];
    let mut order: Vec<u32> = (0..series.len() as u32).collect();
    for (step, mut values) in by_step(series, steps).into_iter().enumerate() {
        // Stable: of equal values the first by labels stays.
        values.sort_by(|a, b| of_series[a.0 as usize].cmp(&of_series[b.0 as usize]).then(by_value(a.1, b.1, largest)));
        let (mut group, mut taken) = (usize::MAX, 0);
        let mut chosen = Vec::new();
        for (at, value) in values {
            if of_series[at as usize] != group {
                (group, taken) = (of_series[at as usize], 0);
            }
            if taken < k {
                taken += 1;
                points[at as usize].push((step as u32, value));
                chosen.push(at);
            }
        }
        if steps.is_instant() {
            order = chosen;
        }
    }
    let result = order.into_iter().map(|at| SeriesSteps {
        labels: series[at as usize].labels.clone(),
        points: std::mem::take(&mut points[at as usize]),
    });
    result.filter(|one| !one.points.is_empty()).collect()
}

/// Best first; NaN last.
fn by_value(a: f64, b: f64, largest: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let order = a.partial_cmp(&b).unwrap_or(Ordering::Equal);
            if largest { order.reverse() } else { order }
        }
    }
}

/// Orders an instant vector by value; a range answer is ordered by labels in the end anyway.
fn sort(series: &mut [SeriesSteps], descending: bool, steps: Steps) {
    if steps.is_instant() {
        let value = |one: &SeriesSteps| one.points.first().map_or(f64::NAN, |point| point.1);
        series.sort_by(|a, b| by_value(value(a), value(b), descending));
    }
}
