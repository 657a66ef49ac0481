//! What a tenant's queries may ask. Texts are upstream's.

use std::time::Duration;

use loptr_eval::{Steps, leaves};
use loptr_logql::ast::MetricExpr;
use loptr_model::{Nanos, TimeRange};

use crate::engine::LogRequest;
use crate::error::QueryError;

/// Query limits of one tenant. Zero means none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Longest span between the earliest and the latest entry a query may read.
    pub max_length: Duration,
    /// How far back a query may look; what lies before is left out.
    pub max_look_back: Duration,
    /// Longest range of a range vector.
    pub max_range: Duration,
    /// Entries a log query may ask for.
    pub max_entries: usize,
    /// Series a metric query may give.
    pub max_series: usize,
    /// Matchers a selector may have.
    pub max_matchers: usize,
    /// Time a query may take.
    pub timeout: Duration,
    /// Spans of time in which upstream answers a log query one by one. Here they only tell in which order equal times
    /// come.
    pub split: Duration,
    /// Whether volumes are answered.
    pub volume_enabled: bool,
    /// Label sets (or names) a volume may have.
    pub volume_max_series: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            max_length: Duration::from_secs(721 * 3600),
            max_look_back: Duration::ZERO,
            max_range: Duration::ZERO,
            max_entries: 5000,
            max_series: 500,
            max_matchers: 1000,
            timeout: Duration::from_secs(60),
            split: Duration::from_secs(3600),
            volume_enabled: true,
            volume_max_series: 1000,
        }
    }
}

pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl QueryLimits {
    pub(crate) fn check_log(&self, request: &LogRequest) -> Result<(), QueryError> {
        if self.max_entries > 0 && request.limit > self.max_entries {
            return Err(QueryError::Limit(format!(
                "max entries limit per query exceeded, limit > max_entries_limit_per_query ({} > {})",
                request.limit, self.max_entries
            )));
        }
        self.check_matchers(request.query.matchers.len())?;
        self.check_length(request.range.start, request.range.end)
    }

    pub(crate) fn check_metric(&self, query: &MetricExpr, steps: Steps) -> Result<(), QueryError> {
        let mut longest = 0;
        for leaf in leaves(query) {
            let range_ns = leaf.aggregation.range.range_ns;
            self.check_matchers(leaf.aggregation.range.log.matchers.len())?;
            if !self.max_range.is_zero() && range_ns > nanos(self.max_range) {
                return Err(QueryError::Limit(format!(
                    "[interval] value exceeds limit: [{}] > [{}]",
                    prometheus_duration(range_ns),
                    prometheus_duration(nanos(self.max_range))
                )));
            }
            longest = longest.max(range_ns);
        }
        self.check_length(steps.start.saturating_sub(longest), steps.end)
    }

    /// Refuses spans over the limit.
    pub fn check_length(&self, start: Nanos, end: Nanos) -> Result<(), QueryError> {
        let length = end.0.saturating_sub(start.0);
        if self.max_length.is_zero() || length <= nanos(self.max_length) {
            return Ok(());
        }
        Err(QueryError::Limit(format!(
            "the query time range exceeds the limit (query length: {}, limit: {})",
            go_duration(length),
            prometheus_duration(nanos(self.max_length))
        )))
    }

    fn check_matchers(&self, count: usize) -> Result<(), QueryError> {
        if self.max_matchers == 0 || count <= self.max_matchers {
            return Ok(());
        }
        Err(QueryError::Limit(format!(
            "max streams matchers per query exceeded, matchers-count > limit ({count} > {})",
            self.max_matchers
        )))
    }

    /// The part of `range` that may be looked at; `None` if there is none.
    pub(crate) fn look_back(&self, range: TimeRange, now: Nanos) -> Option<TimeRange> {
        let range = if self.max_look_back.is_zero() {
            range
        } else {
            TimeRange { start: range.start.max(now.saturating_sub(nanos(self.max_look_back))), ..range }
        };
        (!range.is_empty()).then_some(range)
    }
}

/// Go's `Duration.String` for whole seconds and above: `745h0m0s`.
fn go_duration(ns: i64) -> String {
    let secs = ns / Nanos::PER_SEC;
    let fraction = ns % Nanos::PER_SEC;
    let mut text = String::new();
    if secs >= 3600 {
        text.push_str(&format!("{}h", secs / 3600));
    }
    if secs >= 60 {
        text.push_str(&format!("{}m", secs / 60 % 60));
    }
    text.push_str(&(secs % 60).to_string());
    if fraction > 0 {
        text.push_str(format!(".{fraction:09}").trim_end_matches('0'));
    }
    text.push('s');
    text
}

/// Prometheus' form: `30d1h`.
fn prometheus_duration(ns: i64) -> String {
    let mut millis = ns / Nanos::PER_MILLI;
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let units: [(&str, i64, bool); 7] = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    for (unit, length, exact) in units {
        if exact && millis % length != 0 {
            continue;
        }
        if millis >= length {
            text.push_str(&format!("{}{unit}", millis / length));
            millis %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_upstreams_words() {
        let limits = QueryLimits::default();
        let error = limits.check_length(Nanos(0), Nanos(745 * 3600 * Nanos::PER_SEC)).expect_err("too long");
        assert_eq!(error.to_string(), "the query time range exceeds the limit (query length: 745h0m0s, limit: 30d1h)");
    }
}
