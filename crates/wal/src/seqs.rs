//! Sets of sequence numbers, kept as ranges: which entries of a stream a chunk holds.

use crate::varint::{put_uv, take_uv};

/// Numbers of entries of one stream, as ranges with both ends in. Nearly always one range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeqRanges {
    /// Empty when it ends before it starts. The one that grows.
    main: (u64, u64),
    others: Vec<(u64, u64)>,
}

impl Default for SeqRanges {
    fn default() -> Self {
        Self { main: (1, 0), others: Vec::new() }
    }
}

fn is_some(&(first, last): &(u64, u64)) -> bool {
    first <= last
}

impl SeqRanges {
    /// `first` to `last`.
    pub fn of(first: u64, last: u64) -> Self {
        Self { main: (first, last), others: Vec::new() }
    }

    /// The ranges, in no order; they may touch or overlap.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.others.iter().copied().chain(Some(self.main)).filter(is_some)
    }

    /// Whether there is no number.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The highest number.
    pub fn last(&self) -> Option<u64> {
        self.iter().map(|(_, last)| last).max()
    }

    /// The range that grows now goes to `last`. It takes in the numbers between: the caller knows that those of this
    /// stream among them are meant.
    pub fn extend_to(&mut self, last: u64) {
        self.main.1 = self.main.1.max(last);
    }

    /// From now on a range grows that starts with `first`.
    pub fn begin(&mut self, first: u64) {
        let before = std::mem::replace(&mut self.main, (first, first));
        self.add(before.0, before.1);
    }

    /// Adds `first` to `last`.
    pub fn add(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        match self.others.last_mut() {
            Some(other) if first >= other.0 && first <= other.1.saturating_add(1) => other.1 = other.1.max(last),
            _ => self.others.push((first, last)),
        }
    }

    /// The range that grows, if it has begun.
    pub fn growing(&self) -> Option<(u64, u64)> {
        Some(self.main).filter(is_some)
    }

    /// Takes `holes` out of the range that grows, and ends its growth.
    pub fn pierce(&mut self, holes: impl IntoIterator<Item = (u64, u64)>) {
        let mut left = vec![std::mem::replace(&mut self.main, (1, 0))];
        for (first, last) in holes.into_iter().filter(is_some) {
            let cut = |(a, b): (u64, u64)| {
                let before = first.checked_sub(1).map(|end| (a, b.min(end)));
                let after = last.checked_add(1).map(|start| (a.max(start), b));
                before.into_iter().chain(after).filter(is_some).collect::<Vec<_>>()
            };
            left = left.into_iter().flat_map(cut).collect();
        }
        left.into_iter().for_each(|(first, last)| self.add(first, last));
    }

    /// Adds the numbers of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(first, last)| self.add(first, last));
    }

    /// Sorted, disjoint, none next to another.
    pub fn normalized(&self) -> Vec<(u64, u64)> {
        let mut sorted: Vec<(u64, u64)> = self.iter().collect();
        sorted.sort_unstable();
        sorted.dedup_by(|next, before| {
            let joins = next.0 <= before.1.saturating_add(1);
            if joins {
                before.1 = before.1.max(next.1);
            }
            joins
        });
        sorted
    }

    /// Whether every number of `other` is in this.
    pub fn covers(&self, other: &Self) -> bool {
        let mine = self.normalized();
        other.iter().all(|(first, last)| mine.iter().any(|&(a, b)| a <= first && last <= b))
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let ranges = self.normalized();
        put_uv(out, ranges.len() as u64);
        let mut end = 0;
        for (first, last) in ranges {
            put_uv(out, first.wrapping_sub(end));
            put_uv(out, last - first);
            end = last;
        }
    }

    pub(crate) fn take(from: &mut &[u8]) -> Option<Self> {
        let count = take_uv(from)?;
        let mut ranges = Self::default();
        let mut end = 0u64;
        for _ in 0..count {
            let first = end.checked_add(take_uv(from)?)?;
            let last = first.checked_add(take_uv(from)?)?;
            ranges.add(first, last);
            end = last;
        }
        Some(ranges)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_growing_range_takes_in_what_lies_between_and_gives_back_holes() {
        let mut ranges = SeqRanges::of(10, 10);
        ranges.extend_to(50);
        ranges.add(2, 3);
        ranges.pierce([(20, 22), (40, 60), (1, 2)]);
        assert_eq!(ranges.normalized(), [(2, 3), (10, 19), (23, 39)]);
        ranges.begin(70);
        ranges.extend_to(71);
        assert_eq!(ranges.normalized(), [(2, 3), (10, 19), (23, 39), (70, 71)]);
        assert!(ranges.covers(&SeqRanges::of(24, 30)) && !ranges.covers(&SeqRanges::of(19, 23)));
        assert_eq!((ranges.last(), SeqRanges::default().last()), (Some(71), None));
    }

    proptest! {
        #[test]
        fn ranges_round_trip(made in proptest::collection::vec((0u64..100, 0u64..5), 0..10), wide: bool) {
            let mut ranges = SeqRanges::default();
            for (first, more) in made {
                ranges.add(first, first + more);
            }
            if wide {
                ranges.add(0, u64::MAX);
            }
            let mut bytes = Vec::new();
            ranges.put(&mut bytes);
            let from = &mut &bytes[..];
            let back = SeqRanges::take(from).expect("just written");
            prop_assert!(from.is_empty());
            prop_assert_eq!(back.normalized(), ranges.normalized());
            prop_assert!(back.covers(&ranges) && ranges.covers(&back));
        }
    }
}
