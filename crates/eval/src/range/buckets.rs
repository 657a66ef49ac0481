//! What a series holds per elementary interval, and how windows are put together from it.

/// Something held per interval that merges with its like, in any order and grouping.
pub(crate) trait Held: Clone {
    fn merge(&mut self, other: &Self);
}

/// Sparse list of intervals, ascending. Entries come mostly in order of time, so the last place is tried first.
#[derive(Clone, Debug)]
pub(crate) struct Buckets<T> {
    slots: Vec<(u64, T)>,
    hint: usize,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), hint: 0 }
    }
}

impl<T> Buckets<T> {
    /// What `interval` holds, made by `new` if nothing yet.
    #[inline]
    pub(crate) fn at(&mut self, interval: u64, new: impl FnOnce() -> T) -> &mut T {
        if self.slots.get(self.hint).is_none_or(|slot| slot.0 != interval) {
            self.hint = self.seek(interval, new);
        }
        &mut self.slots[self.hint].1
    }

    #[cold]
    fn seek(&mut self, interval: u64, new: impl FnOnce() -> T) -> usize {
        if self.slots.get(self.hint + 1).is_some_and(|slot| slot.0 == interval) {
            return self.hint + 1;
        }
        let at = self.slots.partition_point(|slot| slot.0 < interval);
        if self.slots.get(at).is_none_or(|slot| slot.0 != interval) {
            self.slots.insert(at, (interval, new()));
        }
        at
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn into_slots(self) -> Vec<(u64, T)> {
        self.slots
    }

    /// Both lists as one; `join` puts two values of the same interval together.
    pub(crate) fn merge(&mut self, other: Self, mut join: impl FnMut(&mut T, T)) {
        if self.slots.is_empty() {
            *self = other;
            return;
        }
        if other.slots.first().is_some_and(|first| self.slots.last().is_some_and(|last| last.0 < first.0)) {
            self.slots.extend(other.slots);
            return;
        }
        let old = std::mem::take(&mut self.slots);
        self.hint = 0;
        self.slots.reserve(old.len() + other.slots.len());
        let (mut left, mut right) = (old.into_iter().peekable(), other.slots.into_iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => {
                    let (Some(mut a), Some(b)) = (left.next(), right.next()) else { break };
                    join(&mut a.1, b.1);
                    a
                }
                (Some(a), Some(b)) if a.0 > b.0 => match right.next() {
                    Some(b) => b,
                    None => break,
                },
                (Some(_), _) => match left.next() {
                    Some(a) => a,
                    None => break,
                },
                (None, _) => match right.next() {
                    Some(b) => b,
                    None => break,
                },
            };
            self.slots.push(next);
        }
    }
}

/// A first-in first-out queue that knows the merge of all it holds: two stacks, constant work per item.
#[derive(Debug)]
pub(crate) struct Sliding<T> {
    /// Each with the merge of itself and all that leave after it within this stack.
    out: Vec<T>,
    into: Vec<T>,
    into_all: Option<T>,
}

impl<T: Held> Sliding<T> {
    pub(crate) fn new() -> Self {
        Self { out: Vec::new(), into: Vec::new(), into_all: None }
    }

    pub(crate) fn push(&mut self, item: T) {
        match &mut self.into_all {
            Some(all) => all.merge(&item),
            None => self.into_all = Some(item.clone()),
        }
        self.into.push(item);
    }

    pub(crate) fn pop(&mut self) {
        if self.out.is_empty() {
            self.into_all = None;
            while let Some(mut item) = self.into.pop() {
                if let Some(later) = self.out.last() {
                    item.merge(later);
                }
                self.out.push(item);
            }
        }
        self.out.pop();
    }

    pub(crate) fn all(&self) -> Option<T> {
        match (self.out.last(), &self.into_all) {
            (Some(old), Some(new)) => {
                let mut all = old.clone();
                all.merge(new);
                Some(all)
            }
            (one, other) => one.or(other.as_ref()).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Text(String);

    impl Held for Text {
        fn merge(&mut self, other: &Self) {
            self.0.push_str(&other.0);
        }
    }

    #[test]
    fn a_sliding_window_merges_in_order() {
        let mut window = Sliding::new();
        let mut seen = Vec::new();
        for (at, c) in ('a'..='h').enumerate() {
            window.push(Text(c.to_string()));
            if at >= 3 {
                window.pop();
            }
            seen.push(window.all().map(|text| text.0).unwrap_or_default());
        }
        assert_eq!(seen, ["a", "ab", "abc", "bcd", "cde", "def", "efg", "fgh"]);
    }

    #[test]
    fn buckets_stay_sorted_and_merge() {
        let mut one = Buckets::default();
        for at in [5u64, 6, 5, 1, 9, 6] {
            *one.at(at, || 0) += 1;
        }
        let mut two = Buckets::default();
        for at in [1u64, 7, 20] {
            *two.at(at, || 0) += 10;
        }
        one.merge(two, |a, b| *a += b);
        assert_eq!(*one.at(7, || 0), 10);
        assert_eq!(one.into_slots(), [(1, 11), (5, 2), (6, 2), (7, 10), (9, 1), (20, 10)]);
    }
}
