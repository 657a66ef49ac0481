//! Queries drawn from LogQL's grammar over the names and texts of a data set.
//!
//! One seed always gives the same queries. The weights favour what has an answer: most productions name labels,
//! fields and texts that the set really holds, and aggregations with errors in their pipelines mostly filter
//! those away. What upstream itself answers differently from run to run (ties of `topk`) is rare. That nothing of the
//! grammar is missing, [`crate::tally`] says.

mod draw;
mod formats;
mod logs;
mod metrics;
mod recorded;
mod shaped;
mod sources;

use sources::Source;

/// Which lines the queries are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// The recorded set, `crate::recorded`.
    Recorded,
    /// The made one, `crate::shaped`.
    Shaped,
}

impl Set {
    fn sources(self) -> &'static [Source] {
        match self {
            Self::Recorded => recorded::SOURCES,
            Self::Shaped => shaped::SOURCES,
        }
    }
}

/// Draws queries.
#[derive(Debug, Clone)]
pub struct Generator {
    state: u64,
    sources: &'static [Source],
}

impl Generator {
    /// A generator whose queries depend on `seed` and `set` alone. The first draw makes its state: the draws of
    /// neighbouring seeds would otherwise be the same but for one.
    pub fn new(seed: u64, set: Set) -> Self {
        let mut generator = Self { state: seed, sources: set.sources() };
        generator.state = generator.next();
        generator
    }

    /// The next query.
    pub fn query(&mut self) -> String {
        match self.below(200) {
            0..90 => self.log(),
            90..190 => self.metric(3),
            190..192 => format!("({})", self.log()),
            192..197 => {
                let query = if self.chance(50) { self.log() } else { self.metric(2) };
                self.commented(&query)
            }
            197..199 => self.variants(),
            _ => self.broken(),
        }
    }

    fn source(&mut self) -> &'static Source {
        let at = self.below(self.sources.len() as u64);
        &self.sources[usize::try_from(at).unwrap_or_default()]
    }

    /// A query that does not parse, for the error texts.
    fn broken(&mut self) -> String {
        let mut query = if self.chance(50) { self.log() } else { self.metric(2) };
        let at = usize::try_from(self.below(query.len() as u64 + 1)).unwrap_or_default();
        let cut = (0..=at).rev().find(|&at| query.is_char_boundary(at)).unwrap_or_default();
        query.truncate(cut);
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_the_same_queries() {
        let draw = |seed, set| {
            let mut generator = Generator::new(seed, set);
            (0..50).map(|_| generator.query()).collect::<Vec<_>>()
        };
        for set in [Set::Recorded, Set::Shaped] {
            assert_eq!(draw(7, set), draw(7, set));
            let (seven, eight) = (draw(7, set), draw(8, set));
            assert!(eight.iter().filter(|query| seven.contains(query)).count() < 5);
        }
    }
}
