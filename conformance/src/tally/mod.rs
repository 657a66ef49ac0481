//! Counts what a set of queries is made of: every production of the grammar, every function, every construct of templates.
//!
//! Queries are read by `loptr-logql`, and the tree is walked with matches that name each variant: what is added to the
//! tree does not compile until it is counted here. Forms that the tree does not keep (where a range stands, how a number
//! or a string is spelt, comments) are read off the text. A query that is refused counts as such and for its text only.

mod names;
mod spelling;
mod walk;

use std::collections::BTreeMap;
use std::io::{self, Write};

use walk::Walk;

/// How often each thing was drawn, and in queries that were answered with something.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    counts: BTreeMap<String, Count>,
    queries: Count,
}

/// Occurrences: in all queries, and in those that were answered 200 and not empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// In all.
    pub drawn: usize,
    /// In those answered.
    pub answered: usize,
}

impl Tally {
    /// A tally with every name at zero, so that what never comes is seen.
    pub fn new() -> Self {
        let counts = names::names().map(|name| (name, Count::default())).collect();
        Self { counts, queries: Count::default() }
    }

    /// Counts a query; `answered` if the answer was 200 and not empty.
    pub fn add(&mut self, query: &str, answered: bool) {
        let mut hits = Walk::over(query);
        hits.extend(spelling::of(query).into_iter().map(str::to_owned));
        let add = |count: &mut Count| {
            count.drawn += 1;
            count.answered += usize::from(answered);
        };
        hits.into_iter().for_each(|name| add(self.counts.entry(name).or_default()));
        add(&mut self.queries);
    }

    /// Queries counted.
    pub fn queries(&self) -> Count {
        self.queries
    }

    /// Each name with its counts, in order of names.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Count)> {
        self.counts.iter().map(|(name, count)| (name.as_str(), *count))
    }

    /// Names drawn less often than `least`.
    pub fn below(&self, least: usize) -> impl Iterator<Item = (&str, Count)> {
        self.counts().filter(move |(_, count)| count.drawn < least)
    }

    /// Writes the table, three columns side by side, and what is below `least`; says whether nothing is.
    pub fn report(&self, least: usize, out: &mut impl Write) -> io::Result<bool> {
        let rows: Vec<String> =
            self.counts().map(|(name, count)| format!("{name:<40}{:>7}{:>7}", count.drawn, count.answered)).collect();
        writeln!(out, "\n{:<40}{:>7}{:>7}", "production", "drawn", "in answers")?;
        rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
        let missing: Vec<String> = self.below(least).map(|(name, count)| format!("{name} ({})", count.drawn)).collect();
        if missing.is_empty() {
            writeln!(out, "each of {} productions and functions at least {least} times", rows.len())?;
        } else {
            writeln!(out, "fewer than {least} times: {}", missing.join(", "))?;
        }
        Ok(missing.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{Generator, Set};

    #[test]
    fn every_production_and_function_is_drawn_from_both_sets() {
        let known = Tally::new().counts.len();
        for set in [Set::Recorded, Set::Shaped] {
            let (mut tally, mut generator) = (Tally::new(), Generator::new(1, set));
            (0..6000).for_each(|_| tally.add(&generator.query(), false));
            let missing: Vec<&str> = tally.below(1).map(|(name, _)| name).collect();
            assert!(missing.is_empty(), "never drawn for {set:?}: {missing:?}");
            assert_eq!(tally.counts.len(), known, "a name was counted that is not in the list");
        }
    }

    #[test]
    fn counts_say_what_was_drawn_and_what_was_answered() {
        let mut tally = Tally::new();
        tally.add(r#"sum by (a) (rate({a="b"} |= "x" [1m] offset 1m))"#, true);
        tally.add(r#"{a="b"} | json | b > 5 # c"#, false);
        tally.add("{", false);
        let count = |name: &str| tally.counts.get(name).copied().unwrap_or_default();
        assert_eq!(tally.queries(), Count { drawn: 3, answered: 1 });
        assert_eq!(count("range: offset"), Count { drawn: 1, answered: 1 });
        assert_eq!(count("matcher: ="), Count { drawn: 2, answered: 1 });
        for name in ["vector: by before", "filter: |=", "label filter: number >", "comment: #", "query: refused"] {
            assert_eq!(count(name).drawn, 1, "{name}");
        }
        let mut text = Vec::new();
        assert!(!tally.report(1, &mut text).unwrap());
        assert!(tally.report(0, &mut text).unwrap());
    }
}
