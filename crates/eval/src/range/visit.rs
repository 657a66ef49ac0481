//! Feeds a fold with the samples of one stream.

use std::ops::ControlFlow;

use loptr_model::{Entry, Nanos};

use super::RangeFold;
use crate::mark::Mark;
use crate::pipeline::{LabelsId, StreamExtractor};
use crate::source::Visitor;

/// What a merge needs to fill a [`RangeFold`] with one stream.
#[derive(Debug)]
pub struct SampleVisitor<'a> {
    extractor: &'a mut StreamExtractor,
    fold: &'a mut RangeFold,
    mark: Option<&'a Mark>,
}

impl<'a> SampleVisitor<'a> {
    /// For one stream.
    pub fn new(extractor: &'a mut StreamExtractor, fold: &'a mut RangeFold) -> Self {
        fold.begin_stream(extractor.fingerprint());
        Self { extractor, fold, mark: None }
    }

    /// Marks the series that come out.
    pub fn marked(self, mark: Option<&'a Mark>) -> Self {
        Self { mark, ..self }
    }
}

impl Visitor for SampleVisitor<'_> {
    type Kept = (LabelsId, f64);

    #[inline]
    fn take(&mut self, entry: Entry<'_>) -> Option<Self::Kept> {
        let sample = self.extractor.sample(&entry)?;
        Some((sample.labels, sample.value))
    }

    #[inline]
    fn emit(&mut self, ts: Nanos, (labels, value): Self::Kept) -> ControlFlow<()> {
        let series = self.fold.series(labels, || {
            let all = &self.extractor.labels(labels).all;
            self.mark.map_or_else(|| all.clone(), |mark| mark.labels(all))
        });
        self.fold.add(series, ts, value);
        ControlFlow::Continue(())
    }

    fn wants_order(&self) -> bool {
        false
    }

    fn held_bytes(&self) -> usize {
        self.extractor.held_bytes() + self.fold.held_bytes()
    }
}
