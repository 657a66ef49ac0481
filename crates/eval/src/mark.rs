//! A label that says where a stream comes from, added behind the pipeline: stages never see it.

use loptr_model::Labels;

use crate::pipeline::ResultLabels;

/// A label to add to all that comes out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    name: Box<str>,
    value: Box<str>,
    /// What a label of that name is called from then on.
    original: Box<str>,
}

impl Mark {
    /// `name="value"`; a label `name` that is there already is kept as `original`.
    pub fn new(name: &str, value: &str, original: &str) -> Self {
        Self { name: name.into(), value: value.into(), original: original.into() }
    }

    fn renamed(&self, labels: &Labels) -> Labels {
        match labels.get(&self.name) {
            Some(own) => labels.without(&self.name).with(&self.original, own),
            None => labels.clone(),
        }
    }

    /// `labels`, marked.
    pub fn labels(&self, labels: &Labels) -> Labels {
        self.renamed(labels).with(&self.name, &self.value)
    }

    /// `labels`, marked as labels of the stream.
    pub(crate) fn result(&self, labels: &ResultLabels) -> ResultLabels {
        ResultLabels {
            all: self.labels(&labels.all),
            stream: self.labels(&labels.stream),
            metadata: self.renamed(&labels.metadata),
            parsed: self.renamed(&labels.parsed),
        }
    }
}
