//! Runs a parsed query over entries handed to it.
#![warn(missing_docs)]

mod error;
mod pipeline;
mod print;
mod range;
mod regex;

pub use error::{ErrorKind, EvalError};
pub use pipeline::{
    BlockFinder, ERROR, ERROR_DETAILS, Finder, LabelsId, PRESERVE_ERROR, Pipeline, Processed, ResultLabels, Sample,
    SampleExtractor, StreamExtractor, StreamPipeline,
};
pub use range::{RangeFold, RangePlan, SeriesId, SeriesSteps, Steps};
