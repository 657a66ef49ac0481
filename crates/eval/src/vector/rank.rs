//! `topk`, `bottomk`, `sort` and `sort_desc`: series by value (specification 6.5).
//!
//! Upstream keeps a group's values in a heap with the worst on top. Which of several equal values has to go, and in
//! which order equal values come out, depends on how that heap and Go's sort move them; so both are done here as there.

use super::by_step;
use crate::go_heap;
use crate::go_sort::go_sort;
use crate::range::{SeriesSteps, Steps};

/// A value and the number of its series.
type Ranked = (u32, f64);

/// Whether `a` is worse than `b`, or no number: what lies nearer the top.
fn is_worse(a: f64, b: f64, largest: bool) -> bool {
    a.is_nan() || if largest { a < b } else { a > b }
}

/// A group's best values; the worst of them on top.
#[derive(Debug, Default)]
struct Best {
    heap: Vec<Ranked>,
}

impl Best {
    /// Takes a value in, if it is better than the worst of `k`.
    fn offer(&mut self, item: Ranked, k: usize, largest: bool) {
        let less = |a: &Ranked, b: &Ranked| is_worse(a.1, b.1, largest);
        if self.heap.len() >= k {
            let Some(&(_, worst)) = self.heap.first() else { return };
            let is_better = if largest { worst < item.1 } else { worst > item.1 };
            if !is_better && !worst.is_nan() {
                return;
            }
            go_heap::pop(&mut self.heap, less);
        }
        go_heap::push(&mut self.heap, item, less);
    }

    /// The best first.
    fn sorted(mut self, largest: bool) -> Vec<Ranked> {
        go_sort(&mut self.heap, |a, b| is_worse(b.1, a.1, largest));
        self.heap
    }
}

/// At each step the best `k` of each group, with their own labels; an instant answer is ordered, best first.
/// `of_series` has the number of each series' group.
pub(super) fn best(
    series: Vec<SeriesSteps>,
    of_series: &[usize],
    k: usize,
    largest: bool,
    steps: Steps,
) -> Vec<SeriesSteps> {
    let group_count = of_series.iter().max().map_or(0, |last| last + 1);
    let mut chosen: Vec<Vec<(u32, f64)>> = vec![Vec::new(); series.len()];
    let mut order: Vec<usize> = (0..series.len()).collect();
    for (step, values) in by_step(&series, steps).into_iter().enumerate() {
        let mut groups: Vec<Best> = Vec::new();
        groups.resize_with(group_count, Best::default);
        for (at, value) in values {
            groups[of_series[at as usize]].offer((at, value), k, largest);
        }
        let ranked: Vec<Ranked> = groups.into_iter().flat_map(|group| group.sorted(largest)).collect();
        for &(at, value) in &ranked {
            chosen[at as usize].push((step as u32, value));
        }
        if steps.is_instant() {
            order = ranked.into_iter().map(|(at, _)| at as usize).collect();
        }
    }
    let mut series: Vec<Option<SeriesSteps>> = series.into_iter().map(Some).collect();
    let ranked = order.into_iter().filter_map(|at| {
        let labels = series[at].take()?.labels;
        Some(SeriesSteps { labels, points: std::mem::take(&mut chosen[at]) })
    });
    ranked.filter(|one| !one.points.is_empty()).collect()
}

/// Series that upstream's sketch for `approx_topk` keeps.
const SKETCHED_SERIES_MAX: usize = 10_000;

/// The largest series of an instant vector, in the order in which upstream's sketch lists them: a heap, the least on top.
/// The sketch's values are estimates; these are exact.
pub(super) fn by_estimate(series: Vec<SeriesSteps>, steps: Steps) -> Vec<SeriesSteps> {
    if !steps.is_instant() {
        return series;
    }
    let value = |one: &SeriesSteps| one.points.first().map_or(f64::NAN, |point| point.1);
    let mut heap = Vec::with_capacity(series.len().min(SKETCHED_SERIES_MAX));
    for one in series {
        go_heap::push(&mut heap, one, |a, b| value(a) < value(b));
        if heap.len() > SKETCHED_SERIES_MAX {
            go_heap::pop(&mut heap, |a, b| value(a) < value(b));
        }
    }
    heap
}

#[cfg(test)]
mod tests {
    use super::*;
    use loptr_model::{Labels, Nanos};
    use proptest::prelude::*;

    fn series(values: &[f64]) -> Vec<SeriesSteps> {
        let one = |(at, &value): (usize, &f64)| SeriesSteps {
            labels: Labels::from_pairs([("pod", format!("{at:03}"))]),
            points: vec![(0, value)],
        };
        values.iter().enumerate().map(one).collect()
    }

    fn ranked(values: &[f64], k: usize, largest: bool) -> Vec<f64> {
        let of_series = vec![0; values.len()];
        let best = best(series(values), &of_series, k, largest, Steps::instant(Nanos(0)));
        best.iter().map(|one| one.points[0].1).collect()
    }

    #[test]
    fn no_number_gives_way_to_any() {
        assert_eq!(ranked(&[1.0, f64::NAN, 2.0], 2, true), [2.0, 1.0]);
        assert_eq!(ranked(&[f64::NAN, 3.0, 2.0], 2, false), [2.0, 3.0]);
        assert_eq!(ranked(&[3.0, 2.0, 1.0], 0, false), []);
    }

    #[test]
    fn of_equals_the_one_on_top_gives_way() {
        let kept = |values: &[f64]| -> Vec<String> {
            let best = best(series(values), &[0; 5], 3, true, Steps::instant(Nanos(0)));
            best.iter().map(|one| one.labels.get("pod").unwrap_or_default().to_owned()).collect()
        };
        // The better one replaces the first; the next better one the last, which had taken its place.
        assert_eq!(kept(&[1.0, 1.0, 1.0, 1.0, 2.0]), ["004", "002", "001"]);
        assert_eq!(kept(&[1.0, 1.0, 1.0, 2.0, 2.0]), ["003", "004", "001"]);
    }

    proptest! {
        #[test]
        fn the_best_come_out_best_first(values in prop::collection::vec(0u8..6, 0..40), k in 1usize..12, largest: bool) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut sorted = values.clone();
            sorted.sort_by(|a, b| if largest { b.total_cmp(a) } else { a.total_cmp(b) });
            sorted.truncate(k);
            prop_assert_eq!(ranked(&values, k, largest), sorted);
        }
    }
}
