//! The n-th smallest value of a sliding window, in logarithmic time: a Fenwick tree over the ranks of all values.

use super::held::nan_first;

/// All values of a series, and which are inside the window now.
#[derive(Debug)]
pub(crate) struct Ranks {
    sorted: Vec<f64>,
    /// Ranks of each interval's values.
    of_interval: Vec<Vec<u32>>,
    /// `tree[at]` counts values inside among the `at & -at` ranks up to `at`, 1-based.
    tree: Vec<u32>,
    inside: usize,
}

impl Ranks {
    pub(crate) fn new(intervals: &[(u64, Vec<f64>)]) -> Self {
        let mut order: Vec<(f64, u32)> = Vec::new();
        for (at, (_, values)) in intervals.iter().enumerate() {
            order.extend(values.iter().map(|&value| (value, at as u32)));
        }
        order.sort_by(|a, b| nan_first(&a.0, &b.0));
        let mut of_interval: Vec<Vec<u32>> =
            intervals.iter().map(|(_, values)| Vec::with_capacity(values.len())).collect();
        for (rank, (_, interval)) in order.iter().enumerate() {
            of_interval[*interval as usize].push(rank as u32);
        }
        let sorted: Vec<f64> = order.into_iter().map(|(value, _)| value).collect();
        Self { tree: vec![0; sorted.len() + 1], sorted, of_interval, inside: 0 }
    }

    pub(crate) fn enter(&mut self, interval: usize) {
        self.change(interval, 1);
    }

    pub(crate) fn leave(&mut self, interval: usize) {
        self.change(interval, u32::MAX);
    }

    /// Adds `by` (modulo 2³²) at each rank of the interval.
    fn change(&mut self, interval: usize, by: u32) {
        for &rank in &self.of_interval[interval] {
            let mut at = rank as usize + 1;
            while at < self.tree.len() {
                self.tree[at] = self.tree[at].wrapping_add(by);
                at += at & at.wrapping_neg();
            }
        }
        let count = self.of_interval[interval].len();
        self.inside = if by == 1 { self.inside + count } else { self.inside - count };
    }

    pub(crate) fn len(&self) -> usize {
        self.inside
    }

    /// The value with `at` values inside before it.
    pub(crate) fn nth(&self, at: usize) -> f64 {
        let (mut rank, mut left) = (0, at as u32);
        let mut width = (self.tree.len() - 1).checked_ilog2().map_or(0, |bits| 1usize << bits);
        while width > 0 {
            let next = rank + width;
            if next < self.tree.len() && self.tree[next] <= left {
                left -= self.tree[next];
                rank = next;
            }
            width /= 2;
        }
        self.sorted.get(rank).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_window() {
        let mut ranks = Ranks::new(&[(0, vec![5.0, 1.0]), (1, vec![3.0]), (2, vec![2.0, f64::NAN, 9.0])]);
        ranks.enter(0);
        ranks.enter(1);
        assert_eq!((0..3).map(|at| ranks.nth(at)).collect::<Vec<_>>(), [1.0, 3.0, 5.0]);
        ranks.enter(2);
        ranks.leave(0);
        assert!(ranks.nth(0).is_nan());
        assert_eq!((ranks.len(), ranks.nth(1), ranks.nth(3)), (4, 2.0, 9.0));
    }
}
