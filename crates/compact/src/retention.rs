//! How long chunks live: a tenant's period, and those of streams that a selector names.
//!
//! Of the rules whose matchers all accept a stream's labels the one with the highest priority counts; of equal ones the
//! shorter. Without one the tenant's own period does. No period means for ever. A chunk goes as a whole, once its last
//! entry is older than the period.

use std::time::Duration;

use loptr_model::Millis;
use loptr_regex::LabelMatcher;

/// A rule for some streams.
#[derive(Clone, Debug)]
pub struct StreamRetention {
    /// Which: all of them must accept.
    pub matchers: Vec<LabelMatcher>,
    /// How long their chunks live; zero: for ever.
    pub period: Duration,
    /// The greater counts.
    pub priority: i64,
}

/// How long a tenant's chunks live.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    /// Without a rule; zero: for ever.
    pub period: Duration,
    /// Rules of single streams.
    pub streams: Vec<StreamRetention>,
}

fn millis(period: Duration) -> Option<i64> {
    (!period.is_zero()).then(|| i64::try_from(period.as_millis()).unwrap_or(i64::MAX))
}

impl Retention {
    /// The period of a stream whose label values `value` tells, in milliseconds; `None`: for ever.
    pub fn of_stream<'l>(&self, value: impl Fn(&str) -> &'l str) -> Option<i64> {
        let mut found: Option<&StreamRetention> = None;
        for rule in &self.streams {
            let accepts = |matcher: &LabelMatcher| matcher.matches(value(matcher.name()));
            let better = found.is_none_or(|known| {
                rule.priority > known.priority || (rule.priority == known.priority && rule.period < known.period)
            });
            if better && rule.matchers.iter().all(accepts) {
                found = Some(rule);
            }
        }
        millis(found.map_or(self.period, |rule| rule.period))
    }

    /// The shortest period of any stream, in milliseconds; `None`: nothing ever expires.
    pub fn shortest(&self) -> Option<i64> {
        let periods = self.streams.iter().map(|rule| rule.period).chain([self.period]);
        periods.filter_map(millis).min()
    }

    /// The longest period of any stream, in milliseconds; `None`: something stays for ever.
    pub fn longest(&self) -> Option<i64> {
        let mut periods = self.streams.iter().map(|rule| rule.period).chain([self.period]);
        periods.try_fold(0, |longest, period| millis(period).map(|period| period.max(longest)))
    }
}

/// Whether what ends at `end` is older than `period` milliseconds.
pub(crate) fn is_past(end: Millis, period: i64, now: Millis) -> bool {
    now.0.saturating_sub(end.0) > period
}

#[cfg(test)]
mod tests {
    use loptr_model::{MatchOp, Matcher};

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn rule(app: &str, days: u32, priority: i64) -> StreamRetention {
        let matcher = Matcher::new("app", MatchOp::Re, app);
        StreamRetention {
            matchers: vec![LabelMatcher::compile(&matcher).expect("a pattern")],
            period: DAY * days,
            priority,
        }
    }

    fn days(retention: &Retention, app: &'static str) -> Option<i64> {
        retention.of_stream(|name| if name == "app" { app } else { "" }).map(|period| period / 86_400_000)
    }

    #[test]
    fn the_highest_priority_counts_then_the_shorter_period() {
        let streams =
            vec![rule("a.*", 30, 1), rule("ab", 5, 1), rule("ab", 9, 1), rule("abc.*", 40, 2), rule("x", 0, 0)];
        let retention = Retention { period: DAY * 7, streams };
        assert_eq!(days(&retention, "a1"), Some(30));
        assert_eq!(days(&retention, "ab"), Some(5));
        assert_eq!(days(&retention, "abcd"), Some(40));
        assert_eq!(days(&retention, "other"), Some(7));
        assert_eq!(days(&retention, "x"), None, "a rule can keep a stream for ever");
        assert_eq!((retention.shortest(), retention.longest()), (Some(5 * 86_400_000), None));
        let forever = Retention { period: Duration::ZERO, streams: vec![rule("a", 1, 0)] };
        assert_eq!((days(&forever, "b"), forever.shortest()), (None, Some(86_400_000)), "zero is not the shortest");
        assert_eq!(Retention::default().shortest(), None);
    }

    #[test]
    fn a_chunk_lives_as_long_as_its_last_entry() {
        assert!(!is_past(Millis(100), 50, Millis(150)));
        assert!(is_past(Millis(100), 50, Millis(151)));
        assert!(!is_past(Millis(i64::MIN), i64::MAX, Millis(0)));
    }
}
