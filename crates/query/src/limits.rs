//! What a tenant's queries may ask. Texts are upstream's.

use std::sync::Arc;
use std::time::Duration;

use loptr_eval::{ApproxTopk, EvalError, Steps, approx_topk, leaves, part_texts};
use loptr_logql::ast::{LogExpr, MetricExpr, RangeOp, VariantsExpr};
use loptr_model::{Nanos, TimeRange};

use crate::engine::{FrontendEncoding, LogRequest};
use crate::error::QueryError;
use crate::refuse::BlockedQuery;

/// Query limits of one tenant. Zero means none.
#[derive(Clone, Debug)]
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
    /// The same for the range of an instant query. Here it tells which lengths are too long.
    pub split_instant: Duration,
    /// Labels a selector must name.
    pub required_labels: Vec<String>,
    /// Matchers a selector must have at least.
    pub min_matchers: usize,
    /// Queries that must not run: one list a tenant, of which the first rule that names a query decides.
    pub blocked: Vec<Arc<[BlockedQuery]>>,
    /// Whether no query may run at all.
    pub is_disabled: bool,
    /// Bytes a query may read, by the index's figures.
    pub max_query_bytes: u64,
    /// Bytes a part of a query may read: one stretch of `split`, cut further into shards of `shard_bytes` if the query
    /// can be sharded.
    pub max_part_bytes: u64,
    /// Bytes a shard should read at most.
    pub shard_bytes: u64,
    /// Whether `approx_topk` is answered.
    pub approx_topk: bool,
    /// Whether `variants` is answered.
    pub variants: bool,
    /// Whether volumes are answered.
    pub volume_enabled: bool,
    /// Label sets (or names) a volume may have.
    pub volume_max_series: usize,
    /// Tails at once.
    pub max_tails: usize,
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
            split_instant: Duration::from_secs(3600),
            required_labels: Vec::new(),
            min_matchers: 0,
            blocked: Vec::new(),
            is_disabled: false,
            max_query_bytes: 0,
            max_part_bytes: 150 << 30,
            shard_bytes: 600 << 20,
            approx_topk: false,
            variants: false,
            volume_enabled: true,
            volume_max_series: 1000,
            max_tails: 10,
        }
    }
}

/// The smaller one that is not zero.
fn stricter<T: PartialOrd + Default>(a: T, b: T) -> T {
    let none = T::default();
    if a == none || (b != none && b < a) { b } else { a }
}

impl QueryLimits {
    /// No bound at all: what others narrow.
    pub fn unbounded() -> Self {
        let zero = Duration::ZERO;
        Self {
            max_length: zero,
            max_entries: 0,
            max_series: 0,
            max_matchers: 0,
            timeout: zero,
            split: zero,
            split_instant: zero,
            max_part_bytes: 0,
            shard_bytes: 0,
            approx_topk: true,
            volume_max_series: 0,
            max_tails: 0,
            ..Self::default()
        }
    }

    /// What both allow: of each figure the smallest that is set.
    pub fn and(self, other: Self) -> Self {
        Self {
            max_length: stricter(self.max_length, other.max_length),
            max_look_back: stricter(self.max_look_back, other.max_look_back),
            max_range: stricter(self.max_range, other.max_range),
            max_entries: stricter(self.max_entries, other.max_entries),
            max_series: stricter(self.max_series, other.max_series),
            max_matchers: stricter(self.max_matchers, other.max_matchers),
            timeout: stricter(self.timeout, other.timeout),
            split: stricter(self.split, other.split),
            volume_enabled: self.volume_enabled && other.volume_enabled,
            volume_max_series: stricter(self.volume_max_series, other.volume_max_series),
            max_tails: stricter(self.max_tails, other.max_tails),
            approx_topk: self.approx_topk && other.approx_topk,
            // Upstream asks whether any tenant may.
            variants: self.variants || other.variants,
            split_instant: stricter(self.split_instant, other.split_instant),
            required_labels: [self.required_labels, other.required_labels].concat(),
            min_matchers: self.min_matchers.max(other.min_matchers),
            blocked: [self.blocked, other.blocked].concat(),
            is_disabled: self.is_disabled || other.is_disabled,
            max_query_bytes: stricter(self.max_query_bytes, other.max_query_bytes),
            max_part_bytes: stricter(self.max_part_bytes, other.max_part_bytes),
            shard_bytes: stricter(self.shard_bytes, other.shard_bytes),
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
        self.check_required(&request.query.matchers)?;
        self.check_enabled()?;
        self.check_matchers(request.query.matchers.len())?;
        // Upstream's queriers get the query as text.
        loptr_logql::parse_log(&format!("{:#}", request.query))?;
        Ok(())
    }

    /// The length of a log query, or of the lines a call looks at.
    pub(crate) fn check_range(&self, range: TimeRange) -> Result<(), QueryError> {
        self.check_length(range.start, range.end)
    }

    pub(crate) fn check_metric(&self, query: &MetricExpr, steps: Steps) -> Result<(), QueryError> {
        self.check_enabled()?;
        for leaf in leaves(query) {
            let range_ns = leaf.aggregation.range.range_ns;
            self.check_length_of_part(leaf.aggregation.op, range_ns, steps)?;
            self.check_matchers(leaf.aggregation.range.log.matchers.len())?;
            self.check_window(range_ns)?;
        }
        Ok(())
    }

    /// Upstream cuts a range query at multiples of `split`, and the range of an instant query where that changes nothing,
    /// and then looks at the length of what a part reads.
    fn check_length_of_part(&self, op: RangeOp, range_ns: i64, steps: Steps) -> Result<(), QueryError> {
        let length = if steps.step_ns == 0 {
            let adds_up =
                matches!(op, RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum);
            match nanos(self.split_instant) {
                split @ 1.. if adds_up => range_ns.min(split),
                _ => range_ns,
            }
        } else {
            longest_part(steps.start.0, steps.end.0, nanos(self.split)).saturating_add(range_ns)
        };
        self.check_length(steps.end.saturating_sub(length), steps.end)
    }

    /// Where a range query begins when what lies too far back is left out; `None` if all of it does.
    pub fn clamp_start(&self, start: Nanos, end: Nanos, now: Nanos) -> Option<Nanos> {
        self.look_back(TimeRange { start, end: end.saturating_add(1) }, now).map(|range| range.start)
    }

    /// Refuses a range query that asks for a longer time than the tenant may, what lies too far back left aside.
    pub fn check_asked(&self, start: Nanos, end: Nanos, now: Nanos) -> Result<(), QueryError> {
        match self.look_back(TimeRange { start, end: end.saturating_add(1) }, now) {
            Some(range) => self.check_length(range.start, end),
            None => Ok(()),
        }
    }

    pub(crate) fn check_variants(&self, query: &VariantsExpr, steps: Steps) -> Result<(), QueryError> {
        self.check_enabled()?;
        self.check_matchers(query.of.log.matchers.len())?;
        for leaf in query.variants.iter().flat_map(leaves) {
            self.check_matchers(leaf.aggregation.range.log.matchers.len())?;
        }
        if !self.variants {
            let message = "multi variant queries are disabled for this instance";
            return Err(QueryError::BadRequest(message.into()));
        }
        for leaf in query.variants.iter().flat_map(leaves) {
            self.check_window(leaf.aggregation.range.range_ns)?;
        }
        self.check_length_of_part(RangeOp::Absent, query.of.range_ns, steps)
    }

    fn check_window(&self, range_ns: i64) -> Result<(), QueryError> {
        if self.max_range.is_zero() || range_ns <= nanos(self.max_range) {
            return Ok(());
        }
        Err(QueryError::Limit(format!(
            "[interval] value exceeds limit: [{}] > [{}]",
            prometheus_duration(range_ns),
            prometheus_duration(nanos(self.max_range))
        )))
    }

    /// Refuses `approx_topk` as upstream does: with its sketches on the way between its parts, which not every encoding of
    /// its frontend carries.
    pub(crate) fn check_approx_topk(
        &self,
        query: &MetricExpr,
        steps: Steps,
        frontend: FrontendEncoding,
    ) -> Result<(), QueryError> {
        let Some(met) = approx_topk(query) else { return Ok(()) };
        if met == ApproxTopk::Cut && !self.approx_topk {
            let message = "approx_topk is not enabled. See -limits.shard_aggregations";
            return Err(EvalError::Internal(message.into()).into());
        }
        if leaves(query).is_empty() {
            return Err(EvalError::no_selector().into());
        }
        if frontend == FrontendEncoding::Json {
            let message = "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER";
            return Err(QueryError::BadRequest(message.into()));
        }
        if !steps.is_instant() {
            return Err(EvalError::Internal("count min sketches are only supported on instant queries".into()).into());
        }
        Ok(())
    }

    /// Refuses a query whose parts upstream's queriers could not read: they get them as text.
    /// Before that they are asked for the selectors' figures.
    pub(crate) fn check_parts(query: &MetricExpr) -> Result<(), QueryError> {
        for leaf in leaves(query) {
            let selector = LogExpr { stages: Vec::new(), ..leaf.aggregation.range.log.clone() };
            loptr_logql::parse_matchers(&format!("{selector:#}"))?;
        }
        part_texts(query).iter().try_for_each(|part| loptr_logql::parse(part).map(|_| ()))?;
        Ok(())
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

/// The longest stretch of `[start, end]` between multiples of `split`; 0 cuts nothing.
fn longest_part(start: i64, end: i64, split: i64) -> i64 {
    let whole = end.saturating_sub(start);
    if split <= 0 {
        return whole;
    }
    let first_cut = start.div_euclid(split).saturating_add(1).saturating_mul(split);
    if first_cut >= end {
        return whole;
    }
    let last_cut = end.div_euclid(split).saturating_mul(split);
    let between = if last_cut > first_cut { split } else { 0 };
    (first_cut - start).max(end - last_cut).max(between)
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
    fn parts_lie_between_multiples() {
        assert_eq!(longest_part(10, 20, 100), 10);
        assert_eq!(longest_part(90, 120, 100), 20);
        assert_eq!(longest_part(90, 320, 100), 100);
        assert_eq!(longest_part(0, 100, 100), 100);
        assert_eq!(longest_part(-50, 20, 100), 50);
        assert_eq!(longest_part(0, 250, 0), 250);
    }

    #[test]
    fn approx_topk_is_refused_in_upstreams_words() {
        let check = |query: &str, enabled: bool, frontend, steps| {
            let Ok(loptr_logql::ast::Expr::Metric(query)) = loptr_logql::parse(query) else { panic!("{query}") };
            let limits = QueryLimits { approx_topk: enabled, ..QueryLimits::default() };
            limits.check_approx_topk(&query, steps, frontend).map_err(|error| error.to_string()).err()
        };
        let (instant, range) = (Steps::instant(Nanos(0)), Steps::range(Nanos(0), Nanos(9), 3));
        let query = r#"1 + approx_topk(3, rate({a="b"}[1m]))"#;
        let unknown = "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER";
        for (query, enabled, frontend, steps, error) in [
            (
                query,
                false,
                FrontendEncoding::Json,
                instant,
                Some("approx_topk is not enabled. See -limits.shard_aggregations"),
            ),
            (query, true, FrontendEncoding::Json, instant, Some(unknown)),
            (query, true, FrontendEncoding::Protobuf, instant, None),
            (
                query,
                true,
                FrontendEncoding::Protobuf,
                range,
                Some("count min sketches are only supported on instant queries"),
            ),
            (r#"approx_topk(3, topk(9, rate({a="b"}[1m])))"#, false, FrontendEncoding::Json, instant, Some(unknown)),
            (r#"sum(approx_topk(3, rate({a="b"}[1m])))"#, false, FrontendEncoding::Json, range, None),
        ] {
            assert_eq!(check(query, enabled, frontend, steps).as_deref(), error, "{query}");
        }
    }

    #[test]
    fn what_upstream_cannot_send_on_is_refused() {
        let check = |query: &str| {
            let Ok(loptr_logql::ast::Expr::Metric(query)) = loptr_logql::parse(query) else { panic!("{query}") };
            QueryLimits::check_parts(&query).map_err(|error| error.to_string()).err().unwrap_or_default()
        };
        assert_eq!(check(r#"sum(rate({a="b"} | json | x > 1 [1m])) / 0"#), "");
        let error = check(r#"2 * rate({é="b"}[1m])"#);
        assert!(error.starts_with("parse error at line 1, col 2: syntax error: unexpected STRING"), "{error}");
        let error = check(r#"2 * rate({a="b"} | é="b" [1m])"#);
        assert!(error.starts_with("parse error at line 1, col 16: syntax error: unexpected STRING"), "{error}");
        let error = check(r#"avg(rate({a="b"} | x > 1e999 [1m]))"#);
        assert!(error.starts_with("parse error at line 1, col 23: syntax error: unexpected IDENTIFIER"), "{error}");
    }

    #[test]
    fn lengths_are_told_in_upstreams_words() {
        let limits = QueryLimits::default();
        let error = limits.check_length(Nanos(0), Nanos(745 * 3600 * Nanos::PER_SEC)).expect_err("too long");
        assert_eq!(error.to_string(), "the query time range exceeds the limit (query length: 745h0m0s, limit: 30d1h)");
    }
}
