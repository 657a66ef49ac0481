//! Runs a parsed query over entries handed to it.
#![warn(missing_docs)]

mod error;
mod log_result;
mod pipeline;
mod range;
mod regex;
pub mod source;
mod template;
mod vector;

pub use error::{ErrorKind, EvalError};
pub use log_result::{LogCollector, LogEntry, LogStream, LogVisitor};
pub use pipeline::{
    BlockFinder, ERROR, ERROR_DETAILS, Finder, LabelsId, PRESERVE_ERROR, Pipeline, Processed, ResultLabels, Sample,
    SampleExtractor, StreamExtractor, StreamPipeline,
};
pub use range::{RangeFold, RangePlan, SampleVisitor, SeriesId, SeriesSteps, Steps};
pub use template::{Fields, Template};
pub use vector::{LeafPlan, MatrixSeries, QueryValue, VectorSample, evaluate, leaves, pushdown};
