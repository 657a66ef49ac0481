//! A set of runes as ranges: what a character class means.

use crate::unicode::{self, MAX_RUNE};

/// A set of runes: inclusive ranges, sorted and disjoint.
///
/// Runes are plain numbers, because Go lets a class name surrogates (`\x{D800}`), which no text contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassSet {
    ranges: Vec<(u32, u32)>,
}

impl ClassSet {
    /// The set of these ranges.
    pub fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut set = Self { ranges: ranges.into_iter().collect() };
        set.canonicalize();
        set
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    /// Whether `rune` is in the set.
    pub fn contains(&self, rune: u32) -> bool {
        let at = self.ranges.partition_point(|&(_, hi)| hi < rune);
        self.ranges.get(at).is_some_and(|&(lo, _)| lo <= rune)
    }

    /// How many runes the set holds.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|&(lo, hi)| (hi - lo) as usize + 1).sum()
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Adds `lo..=hi`; call [`canonicalize`](Self::canonicalize) afterwards.
    pub(crate) fn push(&mut self, lo: u32, hi: u32) {
        match self.ranges.last_mut() {
            Some(last) if last.0 <= lo && lo <= last.1.saturating_add(1) => last.1 = last.1.max(hi),
            _ => self.ranges.push((lo, hi)),
        }
    }

    /// Adds `lo..=hi` and every case variant of it.
    pub(crate) fn push_folded(&mut self, lo: u32, hi: u32) {
        self.push(lo, hi);
        let variants = unicode::folding(lo, hi).iter().flat_map(|&(rune, _)| unicode::variants(rune));
        for variant in variants.filter(|v| !(lo..=hi).contains(v)) {
            self.push(variant, variant);
        }
    }

    /// Adds what `other` holds.
    pub(crate) fn union(&mut self, other: &ClassSet) {
        self.ranges.extend_from_slice(&other.ranges);
        self.canonicalize();
    }

    /// This set with all case variants.
    pub(crate) fn folded(&self) -> Self {
        let mut set = Self::default();
        self.ranges.iter().for_each(|&(lo, hi)| set.push_folded(lo, hi));
        set.canonicalize();
        set
    }

    /// Turns the set, which must be canonical, into its complement.
    pub(crate) fn negate(&mut self) {
        let mut gaps = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = 0;
        for &(lo, hi) in &self.ranges {
            if next < lo {
                gaps.push((next, lo - 1));
            }
            next = hi + 1;
        }
        if next <= MAX_RUNE {
            gaps.push((next, MAX_RUNE));
        }
        self.ranges = gaps;
    }

    /// Sorts the ranges and joins those that touch.
    pub(crate) fn canonicalize(&mut self) {
        if self.ranges.windows(2).all(|w| w[0].1.saturating_add(1) < w[1].0) {
            return;
        }
        self.ranges.sort_unstable();
        let mut kept = 0;
        for at in 1..self.ranges.len() {
            let (lo, hi) = self.ranges[at];
            if lo <= self.ranges[kept].1.saturating_add(1) {
                self.ranges[kept].1 = self.ranges[kept].1.max(hi);
            } else {
                kept += 1;
                self.ranges[kept] = (lo, hi);
            }
        }
        self.ranges.truncate(kept + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let mut set = ClassSet::new([(5, 9), (1, 2), (3, 3), (8, 20)]);
        assert_eq!(set.ranges(), [(1, 3), (5, 20)]);
        assert_eq!(set.len(), 19);
        assert!(set.contains(5) && !set.contains(4) && !set.contains(21));
        set.negate();
        assert_eq!(set.ranges(), [(0, 0), (4, 4), (21, MAX_RUNE)]);
        set.negate();
        assert_eq!(set.ranges(), [(1, 3), (5, 20)]);
        set.union(&ClassSet::new([(4, 4)]));
        assert_eq!(set.ranges(), [(1, 20)]);
    }

    #[test]
    fn folding_adds_every_variant() {
        assert_eq!(ClassSet::new([(0x6B, 0x6B)]).folded().ranges(), [(0x4B, 0x4B), (0x6B, 0x6B), (0x212A, 0x212A)]);
        assert_eq!(ClassSet::new([(0, MAX_RUNE)]).folded().ranges(), [(0, MAX_RUNE)]);
        let mut none = ClassSet::default();
        none.negate();
        assert_eq!(none.ranges(), [(0, MAX_RUNE)]);
    }
}
