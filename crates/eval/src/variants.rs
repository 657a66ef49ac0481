//! `variants(m₁, …) of (range)`: several metrics over one reading of a log range (specification 6.11).
//!
//! A line runs through the common stages once. What comes out is then the line of a stream with those labels for each
//! variant, the structured metadata beside it once more: a label that both have comes out twice, `x` and `x_extracted`.
//! A variant that is a range operation brings no stages of its own; below a vector aggregation it does. As upstream.

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use loptr_logql::ast::{Grouping, MetricExpr, RangeAggregation, VariantsExpr, VectorAggregation, VectorOp};
use loptr_logql::check_selector;
use loptr_logql::with_stack;
use loptr_model::{Entry, Fingerprint, Labels, Nanos, TimeRange};

use crate::EvalError;
use crate::mark::Mark;
use crate::pipeline::{LabelsId, Pipeline, StreamExtractor, StreamPipeline};
use crate::range::{RangeFold, RangePlan, SeriesId, SeriesSteps, Steps, check_steps};
use crate::source::Visitor;
use crate::vector::{QueryValue, aggregate, pushdown, shape};

/// The label that numbers the variants.
pub const VARIANT: &str = "__variant__";

/// Label sets of the common stages a stream's task remembers before it starts over.
const MAX_REMEMBERED: usize = 1024;

/// What upstream says where no variant has a first step.
const EMPTY: &str = "unexpected empty result";

/// A `variants` query, ready to run.
#[derive(Clone, Debug)]
pub struct VariantsPlan {
    common: Pipeline,
    variants: Vec<Variant>,
    steps: Steps,
    range: TimeRange,
    /// Whether the order of evaluation stays.
    sorts: bool,
}

#[derive(Clone, Debug)]
struct Variant {
    plan: RangePlan,
    around: Option<VectorAggregation>,
    number: String,
}

impl VariantsPlan {
    /// `now` is what templates call so.
    pub fn new(expr: &VariantsExpr, steps: Steps, now: Nanos) -> Result<Self, EvalError> {
        check_steps(steps)?;
        let of = &expr.of;
        let back = of.offset_ns.saturating_add(of.range_ns);
        let mut range =
            TimeRange::new(steps.start.saturating_sub(back), steps.end.saturating_sub(of.offset_ns).saturating_add(1));
        let mut variants = Vec::with_capacity(expr.variants.len());
        for variant in &expr.variants {
            // Upstream reads nothing where a variant reads no logs or could read those of every stream, and keeps the fault
            // to itself.
            if is_constant(variant) {
                range = TimeRange::new(range.start, range.start);
                continue;
            }
            if selects_everything(variant) {
                range = TimeRange::new(range.start, range.start);
            }
            let number = variants.len().to_string();
            variants.push(Variant::new(variant, number, steps, now)?);
        }
        if variants.is_empty() || steps.count() == 0 {
            return Err(EvalError::Internal(EMPTY.into()));
        }
        let sorts = expr.variants.iter().any(|variant| {
            matches!(variant, MetricExpr::Vector(vector) if matches!(vector.op, VectorOp::Sort | VectorOp::SortDesc))
        });
        Ok(Self { common: Pipeline::compile(&of.log, now)?, variants, steps, range, sorts })
    }

    /// The common stages.
    pub fn pipeline(&self) -> &Pipeline {
        &self.common
    }

    /// The entries needed lie inside, whatever the variants' own ranges are.
    pub fn time_range(&self) -> TimeRange {
        self.range
    }

    /// An empty partial state.
    pub fn fold(&self) -> VariantsFold {
        VariantsFold { folds: self.variants.iter().map(|variant| variant.plan.fold()).collect() }
    }

    /// What one task needs for one stream. The mark goes on all series of the stream.
    pub fn for_stream<'a>(&'a self, stream: &Labels, mark: Option<&'a Mark>) -> StreamVariants<'a> {
        let fingerprint = stream.fingerprint();
        StreamVariants {
            plan: self,
            common: self.common.for_stream(stream),
            mark,
            known: HashMap::default(),
            fingerprint,
        }
    }

    /// The answer, and what must be told beside it. A variant of more than `max_series` is left out.
    pub fn finish(&self, fold: VariantsFold, max_series: usize) -> Result<(QueryValue, Vec<String>), EvalError> {
        let (series, warnings) = self.finish_series(fold, max_series)?;
        Ok((self.value(series)?, warnings))
    }

    /// The answer that these series make.
    pub fn value(&self, series: Vec<SeriesSteps>) -> Result<QueryValue, EvalError> {
        shape(series, self.steps, self.sorts)
    }

    /// As [`VariantsPlan::finish`], for an expression around it.
    pub fn finish_series(
        &self,
        fold: VariantsFold,
        max_series: usize,
    ) -> Result<(Vec<SeriesSteps>, Vec<String>), EvalError> {
        let count = self.steps.count() as usize;
        let (mut all, mut alive) = (Vec::with_capacity(self.variants.len()), vec![false; count]);
        for (variant, fold) in self.variants.iter().zip(fold.folds) {
            let (series, failed) = fold.finish_steps();
            alive.iter_mut().zip(&failed).for_each(|(alive, failed)| *alive |= !failed);
            all.push(variant.aggregated(series, self.steps));
        }
        // Upstream stops at the first step that no variant has, without a word.
        let until = alive.iter().position(|alive| !alive).unwrap_or(count);
        if until == 0 {
            return Err(EvalError::Internal(EMPTY.into()));
        }
        let mut warnings = Vec::new();
        let mut kept = Vec::new();
        for (number, mut series) in all.into_iter().enumerate() {
            for one in &mut series {
                one.points.retain(|point| (point.0 as usize) < until);
            }
            series.retain(|one| !one.points.is_empty());
            if !self.steps.is_instant() {
                // A series that no variant can be told of is not in a matrix.
                series.retain(|one| one.labels.get(VARIANT).is_some());
            }
            let exceeds = exceeds(&series, max_series);
            if exceeds {
                warnings.push(format!("maximum of series ({max_series}) reached for variant ({number})"));
                series.retain(|one| one.labels.get(VARIANT).is_none());
            }
            kept.extend(series);
        }
        Ok((kept, warnings))
    }
}

/// Whether a variant is dropped for its series. Upstream looks before each point whether as many as allowed are there,
/// so that a variant with exactly that many lasts for one step.
fn exceeds(series: &[SeriesSteps], max_series: usize) -> bool {
    let numbered = series.iter().filter(|one| one.labels.get(VARIANT).is_some());
    let mut points: Vec<(u32, usize)> =
        numbered.enumerate().flat_map(|(at, one)| one.points.iter().map(move |point| (point.0, at))).collect();
    points.sort_unstable();
    let (mut seen, mut count) = (vec![false; series.len()], 0);
    points.into_iter().any(|(_, at)| {
        let full = count >= max_series;
        count += usize::from(!std::mem::replace(&mut seen[at], true));
        full
    })
}

/// Whether a variant reads no logs.
fn is_constant(variant: &MetricExpr) -> bool {
    with_stack(|| match variant {
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => true,
        MetricExpr::Vector(vector) => is_constant(&vector.inner),
        MetricExpr::LabelReplace(replace) => is_constant(&replace.inner),
        MetricExpr::Range(_) | MetricExpr::Binary(_) | MetricExpr::Variants(_) => false,
    })
}

/// Whether a variant has a selector that a query of its own would be refused for.
fn selects_everything(variant: &MetricExpr) -> bool {
    let range = match variant {
        MetricExpr::Vector(vector) => &*vector.inner,
        other => other,
    };
    matches!(range, MetricExpr::Range(range) if check_selector(&range.range.log).is_err())
}

/// What upstream calls an expression.
fn kind_of(expr: &MetricExpr) -> &'static str {
    match expr {
        MetricExpr::Range(_) => "RangeAggregationExpr",
        MetricExpr::Vector(_) => "VectorAggregationExpr",
        MetricExpr::Binary(_) => "BinOpExpr",
        MetricExpr::LabelReplace(_) => "LabelReplaceExpr",
        MetricExpr::Literal { .. } => "LiteralExpr",
        MetricExpr::VectorLiteral { .. } => "VectorExpr",
        MetricExpr::Variants(_) => "MultiVariantExpr",
    }
}

impl Variant {
    fn new(expr: &MetricExpr, number: String, steps: Steps, now: Nanos) -> Result<Self, EvalError> {
        let misfit = |expr: &MetricExpr| {
            let kind = kind_of(expr);
            EvalError::Internal(format!("expected range aggregation expression but got *syntax.{kind}"))
        };
        match expr {
            MetricExpr::Range(range) => {
                let mut bare: RangeAggregation = range.clone();
                bare.range.log.stages.clear();
                let plan = RangePlan::new(&bare, None, false, steps, now)?;
                Ok(Self { plan, around: None, number })
            }
            MetricExpr::Vector(vector) => {
                let MetricExpr::Range(range) = &*vector.inner else { return Err(misfit(&vector.inner)) };
                if vector.op == VectorOp::ApproxTopk {
                    let message =
                        "error while processing request: expected aggregation operator but got \"approx_topk\"";
                    return Err(EvalError::Internal(message.into()));
                }
                let plan = RangePlan::new(range, pushdown(vector).as_ref(), false, steps, now)?;
                let mut around = vector.clone();
                // With `without` the number itself goes.
                let none = Grouping::none();
                around.grouping.get_or_insert(none).labels.push(VARIANT.to_owned());
                Ok(Self { plan, around: Some(around), number })
            }
            other => Err(misfit(other)),
        }
    }

    fn aggregated(&self, series: Vec<SeriesSteps>, steps: Steps) -> Vec<SeriesSteps> {
        match &self.around {
            Some(vector) => aggregate(vector, series, steps),
            None => series,
        }
    }
}

/// What one task has seen.
#[derive(Clone, Debug)]
pub struct VariantsFold {
    folds: Vec<RangeFold>,
}

impl VariantsFold {
    /// Puts two folds of the same plan together.
    pub fn merge(self, other: Self) -> Self {
        Self { folds: self.folds.into_iter().zip(other.folds).map(|(a, b)| a.merge(b)).collect() }
    }

    /// Bytes held, roughly.
    pub fn held_bytes(&self) -> usize {
        self.folds.iter().map(RangeFold::held_bytes).sum()
    }
}

/// The common stages and the variants' extractors for one stream.
#[derive(Debug)]
pub struct StreamVariants<'a> {
    plan: &'a VariantsPlan,
    common: StreamPipeline,
    mark: Option<&'a Mark>,
    /// By label set of the common stages.
    known: HashMap<LabelsId, Behind, FixedState>,
    fingerprint: Fingerprint,
}

/// What lies behind one label set of the common stages.
#[derive(Debug)]
struct Behind {
    metadata: Labels,
    variants: Vec<Extracting>,
}

#[derive(Debug)]
struct Extracting {
    extractor: StreamExtractor,
    /// Series by the extractor's label sets.
    series: HashMap<LabelsId, SeriesId, FixedState>,
}

impl StreamVariants<'_> {
    /// As [`StreamPipeline::has_read_metadata`].
    pub fn has_read_metadata(&self) -> bool {
        self.common.has_read_metadata()
    }
}

/// What a merge needs to fill a [`VariantsFold`] with one stream.
#[derive(Debug)]
pub struct VariantsVisitor<'v, 'a> {
    stream: &'v mut StreamVariants<'a>,
    fold: &'v mut VariantsFold,
}

impl<'v, 'a> VariantsVisitor<'v, 'a> {
    /// For one stream.
    pub fn new(stream: &'v mut StreamVariants<'a>, fold: &'v mut VariantsFold) -> Self {
        fold.folds.iter_mut().for_each(|fold| fold.begin_stream(stream.fingerprint));
        Self { stream, fold }
    }
}

impl Visitor for VariantsVisitor<'_, '_> {
    /// Of each variant the series and the value.
    type Kept = Box<[Option<(SeriesId, f64)>]>;

    fn take(&mut self, entry: Entry<'_>) -> Option<Self::Kept> {
        let StreamVariants { plan, common, mark, known, .. } = &mut *self.stream;
        let mut processed = common.process(&entry)?;
        let id = processed.labels_id();
        if known.len() >= MAX_REMEMBERED && !known.contains_key(&id) {
            known.clear();
        }
        let behind = known.entry(id).or_insert_with(|| {
            let labels = processed.labels();
            let extracting = |variant: &Variant| Extracting {
                extractor: variant.plan.extractor().for_stream(&labels.all),
                series: HashMap::default(),
            };
            Behind { metadata: labels.metadata.clone(), variants: plan.variants.iter().map(extracting).collect() }
        });
        let metadata: Vec<(&str, &str)> = behind.metadata.iter().collect();
        let entry = Entry { ts: entry.ts, line: processed.line, metadata: &metadata };
        let variants = plan.variants.iter().zip(&mut behind.variants).zip(&mut self.fold.folds);
        let samples = variants.map(|((variant, at), fold)| {
            let sample = at.extractor.sample(&entry)?;
            let extractor = &at.extractor;
            let series = at.series.entry(sample.labels).or_insert_with(|| {
                let all = &extractor.labels(sample.labels).all;
                let marked = mark.map_or_else(|| all.clone(), |mark| mark.labels(all));
                fold.series_with(marked.with(VARIANT, &variant.number))
            });
            Some((*series, sample.value))
        });
        let samples: Self::Kept = samples.collect();
        samples.iter().any(Option::is_some).then_some(samples)
    }

    fn emit(&mut self, ts: Nanos, samples: Self::Kept) -> ControlFlow<()> {
        for (fold, sample) in self.fold.folds.iter_mut().zip(samples) {
            if let Some((series, value)) = sample {
                fold.add(series, ts, value);
            }
        }
        ControlFlow::Continue(())
    }

    fn wants_order(&self) -> bool {
        false
    }

    fn held_bytes(&self) -> usize {
        let StreamVariants { common, known, .. } = &*self.stream;
        let extractors = known.values().flat_map(|behind| &behind.variants).map(|at| at.extractor.held_bytes());
        common.held_bytes() + extractors.sum::<usize>() + self.fold.held_bytes()
    }

    fn heap_bytes(kept: &Self::Kept) -> usize {
        std::mem::size_of_val(&**kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_lasts_until_as_many_series_as_allowed_are_there() {
        let series = |pods: usize, steps: u32| -> Vec<SeriesSteps> {
            let points: Vec<(u32, f64)> = (0..steps).map(|step| (step, 1.0)).collect();
            let labels = |pod: usize| Labels::from_pairs([(VARIANT, "0"), ("pod", pod.to_string().as_str())]);
            (0..pods).map(|pod| SeriesSteps { labels: labels(pod), points: points.clone() }).collect()
        };
        assert!(!exceeds(&series(3, 1), 3));
        assert!(exceeds(&series(4, 1), 3));
        assert!(!exceeds(&series(2, 9), 3));
        assert!(exceeds(&series(3, 2), 3));
        let unnumbered = SeriesSteps { labels: Labels::empty(), points: vec![(0, 1.0)] };
        assert!(!exceeds(&[unnumbered.clone(), unnumbered], 1));
    }
}
