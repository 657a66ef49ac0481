//! From entries to samples: a pipeline whose entries end as a number and a label set (specification 6.2).

use std::sync::Arc;

use loptr_logql::ast::{self, Grouping, LogRange, RangeOp, StageKind, UnwrapConversion};
use loptr_model::{Entry, Fingerprint, Labels, Nanos};

use super::label_filter::LabelFilter;
use super::labels::{ERROR, GroupBy, LabelsId, NameId, ResultLabels};
use super::number::{parse_bytes, parse_duration, parse_float};
use super::stage::Stage;
use super::{BlockFinder, Names, Pipeline, Purpose, StreamPipeline};
use crate::EvalError;

const SAMPLE_EXTRACTION_ERROR: &str = "SampleExtractionErr";

/// One number of one entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// 1, the bytes of the line, or the unwrapped value.
    pub value: f64,
    /// Label set of its series, within the stream.
    pub labels: LabelsId,
}

/// A compiled pipeline that ends in samples. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SampleExtractor {
    pipeline: Pipeline,
    last: Arc<Last>,
}

#[derive(Debug)]
struct Last {
    value: Value,
    group: GroupBy,
    /// Labels kept by `by`, if that is the grouping.
    by: Option<Vec<String>>,
}

#[derive(Debug)]
enum Value {
    One,
    LineBytes,
    Unwrap { name: NameId, conversion: UnwrapConversion, post: Vec<LabelFilter> },
}

impl SampleExtractor {
    /// Compiles what a range operation runs over. `grouping` is its own or that of a `sum` around it
    /// ([`crate::pushdown`]).
    pub(crate) fn compile(
        op: RangeOp,
        range: &LogRange,
        grouping: Option<&Grouping>,
        now: Nanos,
    ) -> Result<Self, EvalError> {
        let bytes = matches!(op, RangeOp::Bytes | RangeOp::BytesRate);
        let no_labels = op == RangeOp::Absent || grouping.is_some_and(|g| !g.without && g.labels.is_empty());
        let mut without = grouping.is_some_and(|g| g.without);
        let mut groups = grouping.map(|g| g.labels.clone()).unwrap_or_default();
        groups.sort_unstable();
        groups.dedup();
        let mut reads = Vec::new();
        let mut post_filters: &[ast::Spanned<ast::LabelFilter>] = &[];
        if let Some(unwrap) = &range.unwrap {
            if groups.is_empty() || without {
                without = true;
                groups.push(unwrap.label.clone());
            }
            reads.push(unwrap.label.clone());
            post_filters = &unwrap.filters;
            for filter in post_filters {
                LabelFilter::names(filter, &mut reads);
            }
        }
        let mut names = Names { now, ..Names::default() };
        let group = GroupBy { names: groups.iter().map(|name| names.id(name)).collect(), without, none: no_labels };
        let value = match &range.unwrap {
            Some(unwrap) => {
                let post = unwrap.filters.iter().map(|filter| LabelFilter::compile(filter, &mut |n| names.id(n)));
                let post = post.collect::<Result<_, _>>().map_err(EvalError::Invalid)?;
                Value::Unwrap { name: names.id(&unwrap.label), conversion: unwrap.conversion, post }
            }
            None if bytes => Value::LineBytes,
            None => Value::One,
        };
        let stages = stages_that_matter(&range.log.stages, bytes);
        let purpose = Purpose { groups: &groups, without, no_labels, reads, post_filters };
        let pipeline = Pipeline::build(&stages, names, &purpose)?;
        let by = (no_labels || !without && !groups.is_empty()).then_some(groups);
        Ok(Self { pipeline, last: Arc::new(Last { value, group, by }) })
    }

    /// The extractor with the labels, caches and buffers of one stream.
    pub fn for_stream(&self, stream: &Labels) -> StreamExtractor {
        let pipeline = self.pipeline.for_stream(stream);
        let mut extractor = StreamExtractor { pipeline, last: self.last.clone(), constant: None };
        if self.is_constant(stream) {
            extractor.constant = Some(extractor.series_of_empty());
        }
        extractor
    }

    /// As [`Pipeline::block_finder`].
    pub fn block_finder(&self) -> Option<BlockFinder> {
        self.pipeline.block_finder()
    }

    /// As [`Pipeline::needles`].
    pub fn needles(&self) -> &loptr_regex::Needles {
        self.pipeline.needles()
    }

    /// As [`Pipeline::required_metadata`].
    pub fn required_metadata<'a>(&'a self, stream: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        self.pipeline.required_metadata(stream)
    }

    /// Whether all entries of a stream fall into one series, whatever their metadata.
    fn is_constant(&self, stream: &Labels) -> bool {
        let Some(by) = &self.last.by else { return false };
        let settled = |name: &String| {
            !name.ends_with(super::labels::DUPLICATE_SUFFIX) && stream.get(name).is_some_and(|value| !value.is_empty())
        };
        (self.last.group.none || by.iter().all(settled))
            && !self
                .pipeline
                .0
                .stages
                .iter()
                .any(|stage| stage.changes_labels() || matches!(stage, Stage::LabelFilter(_)))
            && !matches!(self.last.value, Value::Unwrap { .. })
    }

    /// Whether every entry counts, each for the same series of its stream: then partial counts (per minute, say) may
    /// be added with [`crate::RangeFold::add_counts`] without looking at entries. Only for streams without
    /// structured metadata named `__error__`.
    pub fn counts_whole_stream(&self, stream: &Labels) -> bool {
        self.pipeline.is_empty() && self.is_constant(stream)
    }
}

/// Stages but for each `line_format` whose line nobody reads: upstream drops it, and with it its errors.
fn stages_that_matter(stages: &[ast::Stage], bytes: bool) -> Vec<&ast::Stage> {
    let reads_line = |stage: &ast::Stage| {
        matches!(
            stage.kind,
            StageKind::LineFilter(_)
                | StageKind::Json(_)
                | StageKind::Logfmt { .. }
                | StageKind::Regexp(_)
                | StageKind::Pattern(_)
                | StageKind::Unpack
        )
    };
    let dead = |at: usize| {
        !bytes && matches!(stages[at].kind, StageKind::LineFormat(_)) && !stages[at + 1..].iter().any(reads_line)
    };
    (0..stages.len()).filter(|&at| !dead(at)).map(|at| &stages[at]).collect()
}

/// An extractor bound to one stream. One per task and stream.
#[derive(Clone, Debug)]
pub struct StreamExtractor {
    pipeline: StreamPipeline,
    last: Arc<Last>,
    constant: Option<LabelsId>,
}

impl StreamExtractor {
    /// Runs one entry; `None` if it gives no sample.
    pub fn sample(&mut self, entry: &Entry<'_>) -> Option<Sample> {
        if let Some(labels) = self.constant
            && !entry.metadata.iter().any(|(name, _)| *name == ERROR)
        {
            return self.constant_sample(entry, labels);
        }
        let mut processed = self.pipeline.process(entry)?;
        let value = match &self.last.value {
            Value::One => 1.0,
            Value::LineBytes => processed.line.len() as f64,
            Value::Unwrap { name, conversion, post } => unwrap(&mut processed, *name, *conversion, post)?,
        };
        Some(Sample { value, labels: processed.labels.grouped(&self.last.group) })
    }

    fn constant_sample(&mut self, entry: &Entry<'_>, labels: LabelsId) -> Option<Sample> {
        let mut line = entry.line;
        if !self.pipeline.stages.is_empty() {
            line = self.pipeline.run_line_stages(entry)?;
        }
        let value = if matches!(self.last.value, Value::LineBytes) { line.len() as f64 } else { 1.0 };
        Some(Sample { value, labels })
    }

    /// The one series of all entries of the stream, where grouping settles it before any entry is read.
    pub fn constant(&self) -> Option<LabelsId> {
        self.constant
    }

    fn series_of_empty(&mut self) -> LabelsId {
        self.pipeline.labels.start();
        self.pipeline.labels.grouped(&self.last.group)
    }

    /// The label set of that number, as [`Sample::labels`] has it.
    pub fn labels(&self, id: LabelsId) -> &ResultLabels {
        self.pipeline.labels(id)
    }

    /// The stream's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.pipeline.fingerprint()
    }

    /// As [`StreamPipeline::has_read_metadata`].
    pub fn has_read_metadata(&self) -> bool {
        self.pipeline.has_read_metadata()
    }

    /// Bytes held for the label sets seen so far, roughly.
    pub fn held_bytes(&self) -> usize {
        self.pipeline.held_bytes()
    }
}

impl StreamPipeline {
    /// As `run` for stages none of which looks at labels.
    fn run_line_stages<'a>(&'a mut self, entry: &Entry<'a>) -> Option<&'a [u8]> {
        self.replaced = false;
        for stage in &mut self.stages {
            let line = if self.replaced { &self.current } else { entry.line };
            match stage.run(entry.ts, line, &mut self.labels, &[], &mut self.next) {
                super::Flow::Drop => return None,
                super::Flow::Keep => {}
                super::Flow::Replace => {
                    std::mem::swap(&mut self.current, &mut self.next);
                    self.replaced = true;
                }
            }
        }
        Some(if self.replaced { &self.current } else { entry.line })
    }
}

fn unwrap(
    processed: &mut super::Processed<'_>,
    name: NameId,
    conversion: UnwrapConversion,
    post: &[LabelFilter],
) -> Option<f64> {
    let labels = &mut *processed.labels;
    let text = labels.get(name).filter(|text| !text.is_empty())?;
    let converted = match conversion {
        UnwrapConversion::Number => parse_float(text),
        UnwrapConversion::Bytes => parse_bytes(text).map(|bytes| bytes as f64),
        UnwrapConversion::Duration | UnwrapConversion::DurationSeconds => parse_duration(text).map(seconds),
    };
    let value = converted.unwrap_or_else(|details| {
        labels.set_error(SAMPLE_EXTRACTION_ERROR, &details);
        0.0
    });
    // Every filter runs, as the legs of `and` do.
    let mut kept = true;
    for filter in post {
        kept &= filter.keeps(labels);
    }
    kept.then_some(value)
}

/// Go's `Duration.Seconds`: whole seconds and the rest apart, so that both are exact.
fn seconds(nanos: i64) -> f64 {
    (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9
}
