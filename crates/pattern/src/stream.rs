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

/// A pattern whose older samples have been forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The pattern, level and samples forgotten.
    pub observed: Observed,
    /// Bytes of all its lines.
    pub volume: u64,
}

/// Of `all`, which are one stream's, those that make up `share` of their bytes, biggest first; all of them where `share`
/// is 0 or 1.
pub fn biggest(mut all: Vec<Forgotten>, share: f64) -> Vec<Forgotten> {
    if share <= 0.0 || share >= 1.0 {
        return all;
    }
    all.sort_by_key(|gone| std::cmp::Reverse(gone.volume));
    let total: u64 = all.iter().map(|gone| gone.volume).sum();
    let (wanted, mut sum) = ((total as f64 * share) as u64, 0);
    let enough = all.iter().position(|gone| {
        sum += gone.volume;
        sum >= wanted
    });
    all.truncate(enough.map_or(all.len(), |at| at + 1));
    all
}

/// Samples summed into spans of `granularity_ms`, each at its span's begin. Spans with fewer than `least_per_sec` lines a
/// second from the first to the last of their samples are left out; 0 keeps all.
pub fn bucketed(samples: &[(i64, i64)], granularity_ms: i64, least_per_sec: f64) -> Vec<(i64, i64)> {
    let step = granularity_ms.max(1);
    let mut spans: BTreeMap<i64, (i64, i64, i64)> = BTreeMap::new();
    for &(ts, count) in samples {
        let (first, last, sum) = spans.entry(ts - ts % step).or_insert((ts, ts, 0));
        (*first, *last, *sum) = ((*first).min(ts), (*last).max(ts), *sum + count);
    }
    let fast = |first: i64, last: i64, sum: i64| {
        let secs = (last - first) as f64 / 1000.0;
        least_per_sec <= 0.0 || (secs > 0.0 && sum as f64 / secs >= least_per_sec)
    };
    let kept = spans.into_iter().filter(|(_, (first, last, sum))| *sum > 0 && fast(*first, *last, *sum));
    kept.map(|(ts, (_, _, sum))| (ts, sum)).collect()
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

    /// Forgets what is older than `before` and calls `gone` with it; says whether nothing is left.
    pub fn prune(&mut self, before: Millis, mut gone: impl FnMut(Forgotten)) -> bool {
        for (level, drain) in LEVELS.iter().zip(&mut self.levels) {
            let gone = |pattern, volume, samples| {
                gone(Forgotten { observed: Observed { pattern, level, samples }, volume });
            };
            if drain.as_mut().is_some_and(|drain| drain.prune(before.0, gone) == 0) {
                *drain = None;
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
        let mut gone = Vec::new();
        assert!(!stream.prune(Millis(30_000), |one| gone.push(one)) && gone.is_empty() && stream.held() == (2, 12));
        assert!(stream.prune(Millis(1_000_000), |one| gone.push(one)) && stream.held() == (0, 0));
        gone.sort_by_key(|one| one.observed.level);
        let told: Vec<_> =
            gone.iter().map(|one| (one.observed.level, one.observed.samples.len(), one.volume)).collect();
        assert_eq!(told, [("info", 6, 30 * 15 - 5), ("unknown", 6, 30 * 15 - 5)]);
    }

    #[test]
    fn the_biggest_are_kept_and_the_slow_are_not() {
        let gone = |volume| Forgotten { observed: Observed::default(), volume };
        let volumes =
            |share| biggest([5, 90, 5].map(gone).to_vec(), share).iter().map(|one| one.volume).collect::<Vec<_>>();
        assert_eq!((volumes(0.9), volumes(0.95), volumes(1.0)), (vec![90], vec![90, 5], vec![5, 90, 5]));
        let samples = [(1_000, 5), (2_000, 1), (61_000, 1), (75_000, 9), (130_000, 50)];
        assert_eq!(bucketed(&samples, 60_000, 0.0), [(0, 6), (60_000, 10), (120_000, 50)]);
        assert_eq!(bucketed(&samples, 60_000, 1.0), [(0, 6)], "one sample has no rate");
    }
}
