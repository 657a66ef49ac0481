//! The patterns of one stream, by level, and those of several put together.

use std::collections::{BTreeMap, HashMap};

use loptr_model::{Millis, Nanos};

use crate::Settings;
use crate::drain::{Drain, Skipped};
use crate::tokens::{Format, Tokenizer};

/// Levels that are told apart; lines of any other count as the first.
pub const LEVELS: [&str; 8] = ["unknown", "debug", "info", "warn", "error", "fatal", "critical", "trace"];
/// Patterns with fewer lines are not told.
const MIN_LINES: i64 = 30;
/// Patterns told at most.
const MAX_PATTERNS: usize = 300;

/// A pattern and how often it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The pattern.
    pub pattern: String,
    /// Level of its lines.
    pub level: &'static str,
    /// Time in milliseconds and count, ascending.
    pub samples: Vec<(i64, i64)>,
}

/// Learns from the lines of one stream.
#[derive(Debug)]
pub struct PatternStream {
    tokenizer: Tokenizer,
    levels: [Option<Box<Drain>>; LEVELS.len()],
    newest: Option<Nanos>,
}

impl PatternStream {
    /// For a stream that begins with `first`.
    pub fn new(first: &str, _settings: &Settings) -> Self {
        Self { tokenizer: Tokenizer(Format::of(first)), levels: Default::default(), newest: None }
    }

    /// What its lines look like.
    pub fn format(&self) -> Format {
        self.tokenizer.0
    }

    /// Learns from a line at `ts`; one older than those before is passed over. `now` is monotonic.
    pub fn observe(
        &mut self,
        ts: Nanos,
        line: &str,
        level: &str,
        now: Nanos,
        settings: &Settings,
    ) -> Result<(), Skipped> {
        if self.newest.is_some_and(|newest| ts < newest) {
            return Ok(());
        }
        self.newest = Some(ts);
        let at = LEVELS.iter().position(|known| level.eq_ignore_ascii_case(known)).unwrap_or(0);
        let drain = self.levels[at].get_or_insert_with(|| Box::new(Drain::new(self.tokenizer)));
        drain.train(ts, line, now, settings)
    }

    /// Calls `visit` with each pattern that has lines in `[from, through)`, summed by `step_ms`.
    pub fn collect(
        &self,
        from: Millis,
        through: Millis,
        step_ms: i64,
        settings: &Settings,
        mut visit: impl FnMut(Observed),
    ) {
        for (level, drain) in LEVELS.iter().zip(&self.levels) {
            for (pattern, counts) in drain.iter().flat_map(|drain| drain.patterns()) {
                let mut samples = Vec::new();
                counts.each(from.0, through.0, step_ms, settings, |ts, count| samples.push((ts, count)));
                if !samples.is_empty() {
                    visit(Observed { pattern, level, samples });
                }
            }
        }
    }

    /// Forgets what is older than `before`; says whether nothing is left.
    pub fn prune(&mut self, before: Millis) -> bool {
        for level in &mut self.levels {
            if level.as_mut().is_some_and(|drain| drain.prune(before.0) == 0) {
                *level = None;
            }
        }
        self.levels.iter().all(Option::is_none)
    }

    /// Clusters and samples held.
    pub fn held(&self) -> (usize, usize) {
        let drains = || self.levels.iter().flatten();
        (drains().map(|drain| drain.len()).sum(), drains().map(|drain| drain.samples()).sum())
    }
}

/// Sums what several streams observed: biggest first, patterns with few lines left out.
pub fn merge(all: impl IntoIterator<Item = Observed>) -> Vec<Observed> {
    let mut sums: HashMap<(&'static str, String), BTreeMap<i64, i64>> = HashMap::new();
    for observed in all {
        let samples = sums.entry((observed.level, observed.pattern)).or_default();
        for (ts, count) in observed.samples {
            *samples.entry(ts).or_default() += count;
        }
    }
    let total = |samples: &BTreeMap<i64, i64>| samples.values().sum::<i64>();
    let mut kept: Vec<(i64, Observed)> = sums
        .into_iter()
        .map(|((level, pattern), samples)| {
            (total(&samples), Observed { pattern, level, samples: samples.into_iter().collect() })
        })
        .filter(|(lines, _)| *lines >= MIN_LINES)
        .collect();
    kept.sort_by(|(a_lines, a), (b_lines, b)| {
        b_lines.cmp(a_lines).then_with(|| (&a.pattern, a.level).cmp(&(&b.pattern, b.level)))
    });
    kept.truncate(MAX_PATTERNS);
    kept.into_iter().map(|(_, observed)| observed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_apart_and_old_lines_go() {
        let settings = Settings::default();
        let mut stream = PatternStream::new("a b c d", &settings);
        for at in 0..60 {
            let level = if at % 2 == 0 { "INFO" } else { "odd" };
            let ts = Nanos(at * Nanos::PER_SEC);
            stream.observe(ts, &format!("took {at} ms here"), level, Nanos(0), &settings).expect("learns");
        }
        stream.observe(Nanos(0), "too old by far", "info", Nanos(0), &settings).expect("passed over");
        let mut found = Vec::new();
        stream.collect(Millis(0), Millis(1_000_000), 60_000, &settings, |observed| found.push(observed));
        let merged = merge(found.clone());
        assert_eq!(merged.len(), 2);
        assert_eq!((merged[0].level, merged[0].samples.as_slice()), ("info", &[(0, 30)][..]));
        assert_eq!((merged[1].level, merged[1].pattern.as_str()), ("unknown", "took <_> ms here"));
        found[0].samples[0].1 = 29;
        assert_eq!(merge(found).len(), 1);
        assert!(!stream.prune(Millis(30_000)) && stream.held() == (2, 12));
        assert!(stream.prune(Millis(1_000_000)) && stream.held() == (0, 0));
    }
}
