//! Go's `sort.Slice`, swap for swap.
//!
//! It is not stable, and upstream's answers show in which order it leaves entries of equal time. So this does what
//! package `sort` has done since Go 1.19: a pattern-defeating quicksort (<https://arxiv.org/abs/2106.05123>) without
//! blocks, its random swaps seeded by the length. The comparison may break the rules (upstream's says "less" of equals):
//! whatever it answers, every index stays inside the slice and the end comes.

use std::cmp::Ordering;

/// Below or at this length a range is sorted by insertion.
pub(crate) const MAX_INSERTION: usize = 12;
/// From this length on three medians of neighbours are taken for the pivot.
const SHORTEST_NINTHER: usize = 50;
/// All pairs compared for such a pivot were out of order.
const MAX_SWAPS: usize = 12;
/// Pairs out of order that a range that looks sorted may have.
const MAX_STEPS: usize = 5;
/// Shorter ranges with any such pair are not mended.
const SHORTEST_SHIFTING: usize = 50;

/// Sorts `items` as `sort.Slice` would.
pub(crate) fn go_sort<T>(items: &mut [T], less: impl Fn(&T, &T) -> bool) {
    let (length, limit) = (items.len(), bit_length(items.len()));
    Sorter { items, less }.sort(0, length, limit);
}

/// `bits.Len`.
fn bit_length(length: usize) -> u32 {
    usize::BITS - length.leading_zeros()
}

/// What choosing a pivot told about a range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hint {
    Unknown,
    Increasing,
    Decreasing,
}

struct Sorter<'a, T, F> {
    items: &'a mut [T],
    less: F,
}

impl<T, F: Fn(&T, &T) -> bool> Sorter<'_, T, F> {
    fn less(&self, a: usize, b: usize) -> bool {
        (self.less)(&self.items[a], &self.items[b])
    }

    /// Sorts `a..b`; after `limit` bad pivots by heap.
    fn sort(&mut self, mut a: usize, mut b: usize, mut limit: u32) {
        let (mut balanced, mut partitioned) = (true, true);
        loop {
            let length = b - a;
            if length <= MAX_INSERTION {
                return self.insertion(a, b);
            }
            if limit == 0 {
                return self.heap(a, b);
            }
            if !balanced {
                self.break_patterns(a, b);
                limit -= 1;
            }
            let (mut pivot, mut hint) = self.choose_pivot(a, b);
            if hint == Hint::Decreasing {
                self.items[a..b].reverse();
                pivot = (b - 1) - (pivot - a);
                hint = Hint::Increasing;
            }
            if balanced && partitioned && hint == Hint::Increasing && self.mend(a, b) {
                return;
            }
            if a > 0 && !self.less(a - 1, pivot) {
                a = self.partition_equal(a, b, pivot);
                continue;
            }
            let (mid, already) = self.partition(a, b, pivot);
            partitioned = already;
            let (left, right) = (mid - a, b - mid);
            balanced = left.min(right) >= length / 8;
            match left.cmp(&right) {
                Ordering::Less => {
                    self.sort(a, mid, limit);
                    a = mid + 1;
                }
                _ => {
                    self.sort(mid + 1, b, limit);
                    b = mid;
                }
            }
        }
    }

    fn insertion(&mut self, a: usize, b: usize) {
        for i in a + 1..b {
            let mut j = i;
            while j > a && self.less(j, j - 1) {
                self.items.swap(j, j - 1);
                j -= 1;
            }
        }
    }

    fn heap(&mut self, a: usize, b: usize) {
        let length = b - a;
        for root in (0..=(length - 1) / 2).rev() {
            self.sift_down(root, length, a);
        }
        for last in (0..length).rev() {
            self.items.swap(a, a + last);
            self.sift_down(0, last, a);
        }
    }

    fn sift_down(&mut self, mut root: usize, length: usize, first: usize) {
        loop {
            let mut child = 2 * root + 1;
            if child >= length {
                return;
            }
            if child + 1 < length && self.less(first + child, first + child + 1) {
                child += 1;
            }
            if !self.less(first + root, first + child) {
                return;
            }
            self.items.swap(first + root, first + child);
            root = child;
        }
    }

    /// Puts what is less than the pivot before it: where the pivot went, and whether all lay right already.
    fn partition(&mut self, a: usize, b: usize, pivot: usize) -> (usize, bool) {
        self.items.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        let mut already = true;
        loop {
            while i <= j && self.less(i, a) {
                i += 1;
            }
            while i <= j && !self.less(j, a) {
                j -= 1;
            }
            if i > j {
                self.items.swap(j, a);
                return (j, already);
            }
            self.items.swap(i, j);
            already = false;
            i += 1;
            j -= 1;
        }
    }

    /// Puts what equals the pivot, the least of the range, to the front: where the rest begins.
    fn partition_equal(&mut self, a: usize, b: usize, pivot: usize) -> usize {
        self.items.swap(a, pivot);
        let (mut i, mut j) = (a + 1, b - 1);
        loop {
            while i <= j && !self.less(a, i) {
                i += 1;
            }
            while i <= j && self.less(a, j) {
                j -= 1;
            }
            if i > j {
                return i;
            }
            self.items.swap(i, j);
            i += 1;
            j -= 1;
        }
    }

    /// Mends a few pairs out of order: whether the range is sorted then. Shifting left may leave the range.
    fn mend(&mut self, a: usize, b: usize) -> bool {
        let mut i = a + 1;
        for _ in 0..MAX_STEPS {
            while i < b && !self.less(i, i - 1) {
                i += 1;
            }
            if i == b {
                return true;
            }
            if b - a < SHORTEST_SHIFTING {
                return false;
            }
            self.items.swap(i, i - 1);
            if i - a >= 2 {
                for j in (1..i).rev() {
                    if !self.less(j, j - 1) {
                        break;
                    }
                    self.items.swap(j, j - 1);
                }
            }
            if b - i >= 2 {
                for j in i + 1..b {
                    if !self.less(j, j - 1) {
                        break;
                    }
                    self.items.swap(j, j - 1);
                }
            }
        }
        false
    }

    /// Moves three elements of the middle somewhere else.
    fn break_patterns(&mut self, a: usize, b: usize) {
        let length = b - a;
        let mut random = length as u64;
        let mask = (1u64 << bit_length(length)) - 1;
        let middle = a + length / 4 * 2;
        for at in middle - 1..=middle + 1 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let mut other = (random & mask) as usize;
            if other >= length {
                other -= length;
            }
            self.items.swap(at, a + other);
        }
    }

    fn choose_pivot(&self, a: usize, b: usize) -> (usize, Hint) {
        let length = b - a;
        let quarter = length / 4;
        let (mut i, mut j, mut k) = (a + quarter, a + quarter * 2, a + quarter * 3);
        let mut swaps = 0;
        if length >= SHORTEST_NINTHER {
            i = self.median(i - 1, i, i + 1, &mut swaps);
            j = self.median(j - 1, j, j + 1, &mut swaps);
            k = self.median(k - 1, k, k + 1, &mut swaps);
        }
        let pivot = self.median(i, j, k, &mut swaps);
        let hint = match swaps {
            0 => Hint::Increasing,
            MAX_SWAPS => Hint::Decreasing,
            _ => Hint::Unknown,
        };
        (pivot, hint)
    }

    fn median(&self, a: usize, b: usize, c: usize, swaps: &mut usize) -> usize {
        let mut in_order = |a, b| {
            let swap = self.less(b, a);
            *swaps += usize::from(swap);
            if swap { (b, a) } else { (a, b) }
        };
        let (a, b) = in_order(a, b);
        let (b, _) = in_order(b, c);
        in_order(a, b).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// FNV-1a of `1,2,…,` : the order as one number.
    fn sum<T>(items: &[(T, usize)]) -> u32 {
        let text: String = items.iter().map(|(_, id)| format!("{id},")).collect();
        text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }

    /// As upstream sorts: "less" of equals too, twice.
    fn twice(length: usize, group: usize, backward: bool) -> Vec<(i64, usize)> {
        let mut items: Vec<(i64, usize)> = (0..length).map(|id| ((id / group) as i64, id)).collect();
        for _ in 0..2 {
            if backward {
                go_sort(&mut items, |a, b| -a.0 >= -b.0);
            } else {
                go_sort(&mut items, |a, b| a.0 <= b.0);
            }
        }
        items
    }

    #[test]
    fn equals_end_where_go_leaves_them() {
        let ids = |items: Vec<(i64, usize)>| -> Vec<usize> { items.into_iter().map(|(_, id)| id).collect() };
        assert_eq!(ids(twice(13, 13, false)), [12, 1, 2, 3, 4, 11, 0, 7, 8, 9, 10, 6, 5]);
        assert_eq!(ids(twice(40, 4, true))[20..24], [23, 21, 20, 22]);
        // (entries, entries per time, order as Go 1.24 left it)
        for (length, group, order) in [
            (12, 12, 0x687a_bca3_u32),
            (13, 1, 0x1d1d_c140),
            (13, 5, 0x1d1d_c140),
            (40, 4, 0xa9a3_143d),
            (49, 2, 0xa195_207b),
            (50, 50, 0x0b91_ca7c),
            (51, 7, 0xd787_e465),
            (100, 3, 0x57f7_8171),
            (200, 200, 0xd0e1_8871),
            (1000, 2, 0x315c_f5df),
            (1000, 37, 0x2e4b_5871),
            (5000, 5000, 0xdcc0_f169),
            (5000, 100, 0x1eb6_893d),
            (5000, 1, 0x2152_46cf),
        ] {
            for backward in [false, true] {
                assert_eq!(sum(&twice(length, group, backward)), order, "{length} by {group}");
            }
        }
    }

    #[test]
    fn unsorted_input_ends_as_in_go() {
        for (length, times, order) in [
            (5, 2, 0xd43b_b03d_u32),
            (13, 3, 0xcff7_8418),
            (60, 60000, 0xadf9_5a6f),
            (60, 7, 0xf5e7_7f8b),
            (200, 1, 0x2963_c4a1),
            (300, 2, 0x560c_7ec5),
            (1000, 10, 0xdee8_97ef),
            (1000, 60000, 0xe96d_e19d),
            (5000, 300, 0x8188_a4b3),
            (5000, 60000, 0x4dec_2c11),
        ] {
            let mut random = 1u32;
            let mut draw = |id| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((random >> 16) % times, id)
            };
            let mut items: Vec<(u32, usize)> = (0..length).map(&mut draw).collect();
            go_sort(&mut items, |a, b| a.0 <= b.0);
            assert_eq!(sum(&items), order, "{length} of {times}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_comparison_the_elements_stay(length in 0usize..600, kind in 0u8..5) {
            let mut items: Vec<usize> = (0..length).map(|id| id * 7919 % 601).collect();
            let sorted = { let mut copy = items.clone(); copy.sort_unstable(); copy };
            go_sort(&mut items, |a, b| match kind {
                0 => a < b,
                1 => a <= b,
                2 => true,
                3 => false,
                _ => (a ^ b) % 3 == 0,
            });
            if kind < 2 {
                prop_assert_eq!(&items, &sorted);
            }
            items.sort_unstable();
            prop_assert_eq!(items, sorted);
        }
    }
}
