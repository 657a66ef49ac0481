//! Runs a parsed query over entries handed to it: no I/O, no async, no clock, no globals.
//!
//! A log query becomes a [`Pipeline`]; each stream and task gets its own [`StreamPipeline`], and what passes goes to a
//! [`LogCollector`]. Each range operation of a metric query becomes a [`RangePlan`]; each stream and task gets a
//! [`StreamExtractor`] and a [`RangeFold`], the folds are merged and finished into series, and [`evaluate`] does the rest
//! of the expression. Collectors and folds merge in any order, so work may be dealt out to any number of tasks.
//!
//! ```text
//!  sources of a stream ── Merger ──▶ LogVisitor ────▶ LogCollector ──merge──▶ finish ──▶ streams
//!  (head, log, chunks…)          └─▶ SampleVisitor ─▶ RangeFold ─────merge──▶ finish ──▶ evaluate ──▶ QueryValue
//! ```
//!
//! Where entries lie is behind [`source::Source`]; [`source::Merger`] reads all sources of a stream and hands over each
//! distinct entry once. [`Pipeline::block_finder`] and [`Pipeline::required_metadata`] say what a source may look for
//! before it looks at lines.
//!
//! Times are nanoseconds; a log query's range has its end out, a window is open to the left and closed to the right.
//! Lines are bytes and need not be UTF-8; label values that are not become so when a label set is made. Errors are
//! [`EvalError`]s in upstream's words; its kind says who is at fault.
//!
//! ```
//! use loptr_eval::source::{Direction, Merger, Scratch, Source, Tombstones, VecSource};
//! use loptr_eval::{Pipeline, LogCollector, LogVisitor, SampleVisitor, Steps, QueryValue, evaluate, leaves};
//! use loptr_logql::{ast::Expr, parse};
//! use loptr_model::{Labels, Nanos, TimeRange};
//!
//! let labels = Labels::from_pairs([("app", "a")]);
//! let source = VecSource::of_lines(labels.clone(), &[(10, "level=error x"), (20, "level=info y")]);
//! let sources: [&dyn Source; 1] = [&source];
//! let (tombstones, budget) = (Tombstones::default(), loptr_ports::Budget::unlimited());
//!
//! let Expr::Log(log) = parse(r#"{app="a"} | logfmt | level="error""#)? else { unreachable!() };
//! let pipeline = Pipeline::compile(&log, Nanos(0))?;
//! let mut collector = LogCollector::new(100, Direction::Backward, 0);
//! let mut stream = pipeline.for_stream(&labels);
//! Merger::new(&sources, TimeRange::ALL, Direction::Backward, &tombstones, &budget)
//!     .run(None, &mut Scratch::default(), &mut LogVisitor::new(&mut stream, &mut collector))?;
//! let streams = collector.finish();
//! assert_eq!(streams[0].labels.all.to_string(), r#"{app="a", level="error"}"#);
//!
//! let Expr::Metric(metric) = parse(r#"sum(count_over_time({app="a"}[1m])) * 2"#)? else { unreachable!() };
//! let steps = Steps::instant(Nanos(60_000_000_000));
//! let mut results = Vec::new();
//! for leaf in leaves(&metric) {
//!     let plan = leaf.plan(steps, Nanos(0))?;
//!     let (mut extractor, mut fold) = (plan.extractor().for_stream(&labels), plan.fold());
//!     Merger::new(&sources, plan.time_range(), Direction::Forward, &tombstones, &budget)
//!         .run(None, &mut Scratch::default(), &mut SampleVisitor::new(&mut extractor, &mut fold))?;
//!     results.push(fold.finish()?);
//! }
//! let QueryValue::Vector(vector) = evaluate(&metric, steps, results, 500)? else { unreachable!() };
//! assert_eq!(vector[0].value, 4.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

mod error;
mod fields;
mod go_heap;
mod go_sort;
mod log_result;
mod mark;
mod pipeline;
mod range;
mod regex;
pub mod source;
mod tie_order;
mod variants;
mod vector;

pub use error::{ErrorKind, EvalError};
pub use fields::{Field, FieldKind, detect_fields, detect_values, is_number};
pub use log_result::{LogCollector, LogEntry, LogStream, LogVisitor};
pub use mark::Mark;
pub use pipeline::{
    BlockFinder, ERROR, ERROR_DETAILS, Finder, LabelsId, PRESERVE_ERROR, Pipeline, Processed, ResultLabels, Sample,
    SampleExtractor, StreamExtractor, StreamPipeline,
};
pub use range::{RangeFold, RangePlan, SampleVisitor, SeriesId, SeriesSteps, Steps};
pub use variants::{StreamVariants, VARIANT, VariantsFold, VariantsPlan, VariantsVisitor};
pub use vector::{
    ApproxTopk, LeafPlan, MatrixSeries, QueryValue, VectorSample, approx_topk, evaluate, leaves, part_texts, pushdown,
    variants_of,
};
