//! Pipelines: the stages of a log query, compiled once and run over the entries of each stream.
//!
//! [`Pipeline::compile`] orders and compiles the stages; [`Pipeline::for_stream`] adds what belongs to one stream (its
//! labels, caches and buffers); [`StreamPipeline::process`] runs one entry. A [`SampleExtractor`] is the same for metric
//! queries, where a number and a reduced label set come out.

mod decolorize;
mod extract;
mod finder;
mod format;
mod hints;
mod ip;
mod label_filter;
mod labels;
mod line_filter;
mod line_pattern;
pub(crate) mod number;
pub(crate) mod parse;
mod stage;

use std::sync::Arc;

use loptr_logql::ast::{self, LogExpr, StageKind};
use loptr_logql::with_stack;
use loptr_model::{Entry, Fingerprint, Labels, MatchOp, Nanos};
use loptr_regex::Needles;

pub use extract::{Sample, SampleExtractor, StreamExtractor};
pub use finder::{BlockFinder, Finder};
use hints::Hints;
use label_filter::LabelFilter;
use labels::{DUPLICATE_SUFFIX, LineLabels, NameId};
pub use labels::{ERROR, ERROR_DETAILS, LabelsId, PRESERVE_ERROR, ResultLabels};
use stage::{Flow, Stage};

use crate::EvalError;

/// The compiled stages of a log query. Cheap to clone; shared by all tasks of a query.
#[derive(Clone, Debug)]
pub struct Pipeline(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    stages: Vec<Stage>,
    names: Vec<Box<str>>,
    hints: Hints,
    early: Arc<Vec<LabelFilter>>,
    finder: Option<BlockFinder>,
    needles: Needles,
    required_metadata: Vec<(String, String)>,
}

/// Numbers the names that stages know before any line is read.
#[derive(Debug, Default)]
struct Names {
    list: Vec<Box<str>>,
    /// What templates call `now`.
    now: Nanos,
}

impl Names {
    fn id(&mut self, name: &str) -> NameId {
        let at = self.list.iter().position(|known| **known == *name).unwrap_or_else(|| {
            self.list.push(name.into());
            self.list.len() - 1
        });
        NameId(at as u32)
    }
}

/// What comes out of a pipeline besides its stages, for metric queries.
#[derive(Debug, Default)]
struct Purpose<'a> {
    groups: &'a [String],
    without: bool,
    no_labels: bool,
    /// Further labels read: the unwrapped one and those of the filters after it.
    reads: Vec<String>,
    post_filters: &'a [ast::Spanned<ast::LabelFilter>],
}

impl Pipeline {
    /// Compiles the stages of `log`. The selector's matchers are not looked at. `now` is what templates call so.
    pub fn compile(log: &LogExpr, now: Nanos) -> Result<Self, EvalError> {
        let stages: Vec<&ast::Stage> = log.stages.iter().collect();
        Self::build(&stages, Names { now, ..Names::default() }, &Purpose::default())
    }

    fn build(stages: &[&ast::Stage], mut names: Names, purpose: &Purpose<'_>) -> Result<Self, EvalError> {
        loptr_logql::check_pipeline(stages.iter().copied(), &format::check_templates)?;
        let ordered = reorder(stages);
        let mut compiled = Vec::with_capacity(ordered.len());
        let mut reads = Vec::new();
        for stage in &ordered {
            let fault = |message| EvalError::Stage { stage: stage.to_string(), message };
            compiled.push(Stage::compile(&stage.kind, &mut names, &mut reads).map_err(fault)?);
        }
        let metric = !purpose.groups.is_empty() || purpose.without || purpose.no_labels || !purpose.reads.is_empty();
        if metric {
            reads.extend(purpose.reads.iter().cloned());
        } else {
            reads.clear();
        }
        let (early_names, early) = early_filters(&ordered, purpose.post_filters, &mut names)?;
        let hints = Hints::new(reads, purpose.groups, purpose.without, purpose.no_labels, early_names);
        let leading = || compiled.iter().take_while(|stage| !stage.changes_line()).filter_map(Stage::line_filter);
        Ok(Self(Arc::new(Compiled {
            finder: BlockFinder::best(leading()),
            needles: finder::needles(leading()),
            required_metadata: required_metadata(&ordered),
            stages: compiled,
            names: names.list,
            hints,
            early: Arc::new(early),
        })))
    }

    /// The pipeline with the labels, caches and buffers of one stream.
    pub fn for_stream(&self, stream: &Labels) -> StreamPipeline {
        StreamPipeline {
            labels: LineLabels::new(stream, &self.0.names, &self.0.hints),
            stages: self.0.stages.clone(),
            early: self.0.early.clone(),
            current: Vec::new(),
            next: Vec::new(),
            replaced: false,
            fingerprint: stream.fingerprint(),
        }
    }

    /// What every line that passes contains, to search whole blocks for; `None` if every line has to be looked at.
    pub fn block_finder(&self) -> Option<BlockFinder> {
        self.0.finder.clone()
    }

    /// The texts that every line that passes contains, for filters that know which chunks hold which texts.
    pub fn needles(&self) -> &Needles {
        &self.0.needles
    }

    /// Name and value pairs each entry that passes must have as structured metadata, in a stream with labels `stream`:
    /// a chunk without such a pair holds nothing of interest.
    pub fn required_metadata<'a>(&'a self, stream: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        let pairs = self.0.required_metadata.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(|(name, _)| stream.get(name).is_none_or(str::is_empty))
    }

    /// Whether every entry passes, changed or not.
    pub fn keeps_all(&self) -> bool {
        !self.0.stages.iter().any(|stage| matches!(stage, Stage::LineFilter(_) | Stage::LabelFilter(_)))
    }

    /// Whether every entry passes unchanged.
    pub fn is_empty(&self) -> bool {
        self.0.stages.is_empty()
    }
}

/// Moves line filters forward, never past a label filter, `line_format` or `unpack` (specification 4.1).
fn reorder<'a>(stages: &[&'a ast::Stage]) -> Vec<&'a ast::Stage> {
    let (mut out, mut filters, mut others) = (Vec::with_capacity(stages.len()), Vec::new(), Vec::new());
    for &stage in stages {
        match stage.kind {
            StageKind::LineFilter(_) => filters.push(stage),
            StageKind::LabelFilter(_) => {
                out.append(&mut filters);
                out.append(&mut others);
                out.push(stage);
            }
            StageKind::LineFormat(_) | StageKind::Unpack => {
                others.push(stage);
                out.append(&mut filters);
                out.append(&mut others);
            }
            _ => others.push(stage),
        }
    }
    out.append(&mut filters);
    out.append(&mut others);
    out
}

/// A label's name, and the number of the filter to run when it is written.
type EarlyName = (Box<str>, usize);

/// The label filters run as soon as a parser writes their label: single comparisons, the first per name wins.
fn early_filters(
    stages: &[&ast::Stage],
    post: &[ast::Spanned<ast::LabelFilter>],
    names: &mut Names,
) -> Result<(Vec<EarlyName>, Vec<LabelFilter>), EvalError> {
    let (mut by_name, mut filters) = (Vec::new(), Vec::new());
    let in_stages = stages.iter().filter_map(|stage| match &stage.kind {
        StageKind::LabelFilter(filter) => Some(filter),
        _ => None,
    });
    for filter in in_stages.chain(post.iter().take(if post.len() == 1 { 1 } else { 0 }).map(|filter| &filter.node)) {
        let mut reads = Vec::new();
        LabelFilter::names(filter, &mut reads);
        if matches!(filter, ast::LabelFilter::And(..) | ast::LabelFilter::Or(..)) {
            continue;
        }
        let compiled = LabelFilter::compile(filter, &mut |name| names.id(name)).map_err(EvalError::Invalid)?;
        for name in reads {
            by_name.push((name.into_boxed_str(), filters.len()));
        }
        filters.push(compiled);
    }
    Ok((by_name, filters))
}

fn required_metadata(stages: &[&ast::Stage]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for stage in stages {
        match &stage.kind {
            StageKind::LabelFilter(filter) => equalities(filter, &mut pairs),
            StageKind::LineFilter(_) | StageKind::Decolorize | StageKind::LineFormat(_) => {}
            StageKind::Drop(_) | StageKind::Keep(_) => {}
            _ => break,
        }
    }
    pairs
}

fn equalities(filter: &ast::LabelFilter, out: &mut Vec<(String, String)>) {
    match filter {
        ast::LabelFilter::And(a, b) => {
            with_stack(|| {
                equalities(a, out);
                equalities(b, out);
            });
        }
        ast::LabelFilter::Matcher(matcher)
            if matcher.op == MatchOp::Eq
                && !matcher.value.is_empty()
                && !matcher.name.starts_with("__error")
                && !matcher.name.ends_with(DUPLICATE_SUFFIX) =>
        {
            out.push((matcher.name.clone(), matcher.value.clone()));
        }
        _ => {}
    }
}

/// A pipeline bound to one stream. One per task and stream: it is its own scratch space.
#[derive(Clone, Debug)]
pub struct StreamPipeline {
    labels: LineLabels,
    stages: Vec<Stage>,
    early: Arc<Vec<LabelFilter>>,
    current: Vec<u8>,
    next: Vec<u8>,
    replaced: bool,
    fingerprint: Fingerprint,
}

impl StreamPipeline {
    /// Runs one entry; `None` drops it. Allocates nothing unless a new label set or a longer line than ever comes out.
    pub fn process<'a>(&'a mut self, entry: &Entry<'a>) -> Option<Processed<'a>> {
        if !self.run(entry) {
            return None;
        }
        let line = if self.replaced { &self.current } else { entry.line };
        Some(Processed { line, labels: &mut self.labels })
    }

    fn run(&mut self, entry: &Entry<'_>) -> bool {
        let mut loaded = false;
        self.replaced = false;
        for stage in &mut self.stages {
            if !loaded && stage.reads_labels() {
                self.labels.start();
                self.labels.add_metadata(entry.metadata);
                loaded = true;
            }
            let line = if self.replaced { &self.current } else { entry.line };
            match stage.run(entry.ts, line, &mut self.labels, &self.early, &mut self.next) {
                Flow::Drop => return false,
                Flow::Keep => {}
                Flow::Replace => {
                    std::mem::swap(&mut self.current, &mut self.next);
                    self.replaced = true;
                }
            }
        }
        if !loaded {
            self.labels.start();
            self.labels.add_metadata(entry.metadata);
        }
        true
    }

    /// The label set of that number, as [`Processed::labels_id`] gave it.
    pub fn labels(&self, id: LabelsId) -> &ResultLabels {
        self.labels.labels(id)
    }

    /// The stream's own labels.
    pub fn stream(&self) -> &Labels {
        self.labels.stream()
    }

    /// The stream's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether a stage has looked at a label that came with an entry's structured metadata.
    pub fn has_read_metadata(&self) -> bool {
        self.labels.has_read_metadata()
    }

    /// Bytes held for the label sets seen so far, roughly: charge it to the query.
    pub fn held_bytes(&self) -> usize {
        self.labels.held_bytes()
    }
}

/// An entry that passed.
#[derive(Debug)]
pub struct Processed<'a> {
    /// The line as the stages left it.
    pub line: &'a [u8],
    labels: &'a mut LineLabels,
}

impl Processed<'_> {
    /// Numbers the entry's final label set; call it for entries that are kept only.
    pub fn labels_id(&mut self) -> LabelsId {
        self.labels.result()
    }

    /// The entry's final labels.
    pub fn labels(&mut self) -> &ResultLabels {
        let id = self.labels.result();
        self.labels.labels(id)
    }
}
