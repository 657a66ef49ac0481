//! What a data set holds: its applications, and of each the labels, words and fields a query can name.

/// Labels, metadata or fields: names with values that occur.
pub(super) type Named = &'static [(&'static str, &'static [&'static str])];

/// One application of a set. Texts are as they are, not quoted for a query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    /// Value of the label `app`.
    pub app: &'static str,
    /// Further labels with their values.
    pub labels: Named,
    /// Texts found in some of its lines.
    pub needles: &'static [&'static str],
    /// Regular expressions that some of its lines match.
    pub regexes: &'static [&'static str],
    /// Patterns (without named captures) that some of its lines match.
    pub patterns: &'static [&'static str],
    /// Stages that turn its lines into fields, each with the fields it leaves.
    pub parsers: &'static [(&'static str, Fields)],
    /// Structured metadata.
    pub metadata: Named,
    /// What the metadata can be read as, with no parser.
    pub context: Fields,
    /// Addresses in its lines.
    pub addresses: &'static [&'static str],
}

/// Fields by what their values can be read as.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fields {
    pub texts: Named,
    pub numbers: &'static [&'static str],
    pub durations: &'static [&'static str],
    pub bytes: &'static [&'static str],
    pub addresses: &'static [&'static str],
}

impl Fields {
    /// Whether one of them can be unwrapped.
    pub(super) fn unwraps(&self) -> bool {
        self.numbers.len() + self.durations.len() + self.bytes.len() > 0
    }
}

pub(super) const NONE: Fields = Fields { texts: &[], numbers: &[], durations: &[], bytes: &[], addresses: &[] };
pub(super) const LEVELS: &[&str] = &["error", "warn", "info", "debug"];
