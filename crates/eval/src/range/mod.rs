//! Range operations: from samples to series (specification 6.1 to 6.4).
//!
//! A [`RangePlan`] is made once per operation of a query. Each task asks it for a [`RangeFold`], feeds the samples of
//! its streams, and the folds are merged and finished into [`SeriesSteps`].

mod buckets;
mod fold;
mod held;
mod ranks;
mod sums;
#[cfg(test)]
mod tests;
mod visit;
mod windows;

use loptr_logql::ast::{Grouping, RangeAggregation, RangeOp};
use loptr_model::{Labels, MatchOp, Nanos, TimeRange};

pub use fold::{RangeFold, SeriesId, SeriesSteps};
pub use visit::SampleVisitor;
pub use windows::Steps;
use windows::Windows;

use crate::EvalError;
use crate::pipeline::SampleExtractor;

/// What is computed over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Count,
    Bytes,
    Sum,
    Mean,
    Variance,
    Deviation,
    Min,
    Max,
    First,
    Last,
    Quantile(f64),
    Counter,
}

/// How held values become results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finish {
    pub(crate) kind: Kind,
    /// Divide by the range in seconds.
    pub(crate) per_second: bool,
    pub(crate) range_ns: i64,
    /// `absent_over_time`: the labels of its one series.
    pub(crate) absent: Option<Labels>,
    /// Series lose their empty labels once they are put together.
    pub(crate) drops_empty: bool,
}

impl Finish {
    fn scaled(&self, value: f64) -> f64 {
        if self.per_second { value / (self.range_ns as f64 / 1e9) } else { value }
    }
}

/// One range operation of a query, ready to run.
#[derive(Clone, Debug)]
pub struct RangePlan {
    extractor: SampleExtractor,
    windows: Windows,
    finish: Finish,
}

impl RangePlan {
    /// `pushdown` is the grouping of a `sum` around the operation, as [`crate::leaves`] finds it; `drops_empty` says that
    /// series lose their empty labels; `now` is what templates call so.
    pub fn new(
        aggregation: &RangeAggregation,
        pushdown: Option<&Grouping>,
        drops_empty: bool,
        steps: Steps,
        now: Nanos,
    ) -> Result<Self, EvalError> {
        check_steps(steps)?;
        let range = &aggregation.range;
        let kind = match aggregation.op {
            RangeOp::Count | RangeOp::Absent => Kind::Count,
            RangeOp::Rate if range.unwrap.is_none() => Kind::Count,
            RangeOp::Rate | RangeOp::Sum => Kind::Sum,
            RangeOp::Bytes | RangeOp::BytesRate => Kind::Bytes,
            RangeOp::RateCounter => Kind::Counter,
            RangeOp::Avg => Kind::Mean,
            RangeOp::Min => Kind::Min,
            RangeOp::Max => Kind::Max,
            RangeOp::Stdvar => Kind::Variance,
            RangeOp::Stddev => Kind::Deviation,
            RangeOp::First => Kind::First,
            RangeOp::Last => Kind::Last,
            RangeOp::Quantile => Kind::Quantile(
                aggregation
                    .parameter
                    .ok_or_else(|| EvalError::Invalid("parameter required for operation quantile_over_time".into()))?,
            ),
        };
        let needs_unwrap = !matches!(kind, Kind::Count | Kind::Bytes);
        if needs_unwrap && range.unwrap.is_none() {
            return Err(EvalError::Invalid(format!("invalid aggregation {} without unwrap", aggregation.op.as_str())));
        }
        let grouping = pushdown.or(aggregation.grouping.as_ref());
        Ok(Self {
            extractor: SampleExtractor::compile(aggregation.op, range, grouping, now)?,
            windows: Windows::new(steps, range.range_ns, range.offset_ns),
            finish: Finish {
                kind,
                per_second: matches!(aggregation.op, RangeOp::Rate | RangeOp::BytesRate),
                range_ns: range.range_ns,
                absent: (aggregation.op == RangeOp::Absent).then(|| absent_labels(aggregation)),
                drops_empty,
            },
        })
    }

    /// Turns entries into samples.
    pub fn extractor(&self) -> &SampleExtractor {
        &self.extractor
    }

    /// The entries needed lie inside.
    pub fn time_range(&self) -> TimeRange {
        self.windows.time_range()
    }

    /// An empty partial state.
    pub fn fold(&self) -> RangeFold {
        RangeFold::new(self.windows, self.finish.clone())
    }

    /// Whether a sample's value is its line's length (rather than 1), for [`RangeFold::add_counts`].
    pub fn counts_bytes(&self) -> bool {
        self.finish.kind == Kind::Bytes
    }
}

/// More steps than any answer may have: memory is set aside for each.
const MAX_STEPS: u32 = 1 << 16;

/// Refuses a number of steps that nobody may ask for; the limit of 11,000 points is the caller's to check.
pub(crate) fn check_steps(steps: Steps) -> Result<(), EvalError> {
    if steps.count() > MAX_STEPS {
        return Err(EvalError::Invalid(format!(
            "exceeded maximum resolution of {MAX_STEPS} points per time series. Try increasing the value of the step \
             parameter"
        )));
    }
    Ok(())
}

/// Equality matchers of the selector whose names occur once and whose values are not empty.
fn absent_labels(aggregation: &RangeAggregation) -> Labels {
    let matchers = &aggregation.range.log.matchers;
    let once = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count() == 1;
    let equal = matchers.iter().filter(|matcher| matcher.op == MatchOp::Eq && !matcher.value.is_empty());
    let equal = equal.filter(|matcher| once(&matcher.name));
    Labels::from_pairs(equal.map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}
