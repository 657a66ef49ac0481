//! What a reader of an index asks for: label predicates and a shard of the fingerprint space.

use loptr_model::Fingerprint;

use crate::error::IndexError;

/// One condition on one label. Several are ANDed. A series without the label has the value `""`, so a condition that
/// accepts `""` also selects series that lack the label.
#[derive(Clone, Copy)]
pub struct Predicate<'a> {
    /// Label name.
    pub name: &'a str,
    /// Which values are accepted.
    pub test: Test<'a>,
}

/// Which values of a label are accepted. The two lists are answered by look-up; `Accepts` is called once per value (or
/// per candidate series, whichever is fewer), so say `OneOf` and `NoneOf` where you can.
#[derive(Clone, Copy)]
pub enum Test<'a> {
    /// These values and no others (`=`, and `=~` of plain alternatives). Any order; `""` stands for an absent label.
    OneOf(&'a [&'a str]),
    /// All values but these (`!=`, and `!~` of plain alternatives).
    NoneOf(&'a [&'a str]),
    /// Whatever the closure says; it must give the same answer for the same value.
    Accepts(&'a (dyn Fn(&str) -> bool + Sync)),
}

impl Predicate<'_> {
    /// Whether a series whose label has `value` (`""` if absent) is accepted.
    pub fn accepts(&self, value: &str) -> bool {
        match self.test {
            Test::OneOf(values) => values.contains(&value),
            Test::NoneOf(values) => !values.contains(&value),
            Test::Accepts(accepts) => accepts(value),
        }
    }
}

impl std::fmt::Debug for Predicate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.test {
            Test::OneOf(values) => write!(f, "{} in {values:?}", self.name),
            Test::NoneOf(values) => write!(f, "{} not in {values:?}", self.name),
            Test::Accepts(_) => write!(f, "{} by test", self.name),
        }
    }
}

/// A part of the fingerprint space; both ends are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    /// The least fingerprint inside.
    pub first: Fingerprint,
    /// The greatest fingerprint inside.
    pub last: Fingerprint,
}

impl Shard {
    /// Shard `index` of `count` by the top bits of the fingerprint. `count` is a power of two; 1 is everything.
    pub fn of(index: u32, count: u32) -> Result<Self, IndexError> {
        if !count.is_power_of_two() || index >= count {
            return Err(IndexError::Shard { index, count });
        }
        let bits = count.trailing_zeros();
        let width = u64::MAX.checked_shr(bits).unwrap_or(0);
        let first = if bits == 0 { 0 } else { u64::from(index) << (64 - bits) };
        Ok(Self { first: Fingerprint(first), last: Fingerprint(first + width) })
    }

    /// From explicit bounds, both in.
    pub fn between(first: Fingerprint, last: Fingerprint) -> Self {
        Self { first, last }
    }

    /// Whether `fingerprint` lies inside.
    pub fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.first <= fingerprint && fingerprint <= self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_the_top_bits() {
        assert_eq!(Shard::of(0, 1), Ok(Shard::between(Fingerprint(0), Fingerprint(u64::MAX))));
        assert_eq!(Shard::of(3, 4).map(|s| s.last), Ok(Fingerprint(u64::MAX)));
        for fp in [0, 1, 0x7cd2_8a69_82c6_4327, 1 << 63, u64::MAX - 1, u64::MAX] {
            let inside: Vec<u32> = (0..16)
                .filter(|&at| Shard::of(at, 16).expect("16 is a power of two").contains(Fingerprint(fp)))
                .collect();
            assert_eq!(inside, [(fp >> 60) as u32]);
        }
    }

    #[test]
    fn other_shards_are_refused() {
        for (index, count) in [(0, 0), (0, 3), (2, 2), (4, 4)] {
            assert_eq!(Shard::of(index, count), Err(IndexError::Shard { index, count }));
        }
    }

    #[test]
    fn tests_agree_with_their_meaning() {
        let one = Predicate { name: "a", test: Test::OneOf(&["x", ""]) };
        let none = Predicate { name: "a", test: Test::NoneOf(&["x", ""]) };
        let any = Predicate { name: "a", test: Test::Accepts(&|value| value.is_empty()) };
        assert!(one.accepts("x") && one.accepts("") && !one.accepts("y"));
        assert!(!none.accepts("x") && !none.accepts("") && none.accepts("y"));
        assert!(any.accepts("") && !any.accepts("x"));
    }
}
