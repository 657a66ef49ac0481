//! What a query needs of the labels parsers make (specification 4.4): visible, since what is not needed is not parsed.

/// What parsers may skip, and which label filters run as soon as a label is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints {
    /// No label is wanted: parsers do nothing.
    pub(crate) no_labels: bool,
    /// If not empty, the only labels worth parsing.
    pub(crate) required: Vec<Box<str>>,
    /// `__error__` is among them.
    pub(crate) preserve_error: bool,
    /// Label name of each filter that runs early, and the filter's number.
    pub(crate) early: Vec<(Box<str>, usize)>,
}

impl Hints {
    /// Everything is parsed, nothing dropped early.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// For a pipeline whose stages and unwrap read `labels`, grouped by `groups`.
    pub(crate) fn new(
        labels: Vec<String>,
        groups: &[String],
        without: bool,
        no_labels: bool,
        early: Vec<(Box<str>, usize)>,
    ) -> Self {
        let mut required: Vec<Box<str>> = Vec::new();
        for name in labels.iter().chain(groups).filter(|name| !name.is_empty()) {
            let plain = name.strip_suffix(super::labels::DUPLICATE_SUFFIX);
            for name in [Some(name.as_str()), plain].into_iter().flatten() {
                if !required.iter().any(|known| **known == *name) {
                    required.push(name.into());
                }
            }
        }
        let preserve_error = required.iter().any(|name| **name == *super::labels::ERROR);
        if no_labels {
            return if required.is_empty() {
                Self { no_labels: true, ..Self::default() }
            } else {
                Self { required, preserve_error, early, no_labels: false }
            };
        }
        if without || groups.is_empty() {
            return Self { early, ..Self::default() };
        }
        Self { required, preserve_error, ..Self::default() }
    }

    /// Whether a parser should write `name`.
    pub(crate) fn requires(&self, name: &str) -> bool {
        self.required.iter().any(|known| **known == *name)
    }

    /// Whether a parser should write `name`, given that an empty list means all.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.required.is_empty() || self.requires(name)
    }

    /// Whether any wanted name starts with `prefix`.
    pub(crate) fn wants_prefix(&self, prefix: &str) -> bool {
        self.required.is_empty() || self.required.iter().any(|name| name.starts_with(prefix))
    }

    /// The filter to run once `name` is written.
    pub(crate) fn early_filter(&self, name: &str) -> Option<usize> {
        self.early.iter().find(|(known, _)| **known == *name).map(|&(_, at)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn grouping_decides_what_is_needed() {
        let by = Hints::new(names(&["a_extracted"]), &names(&["b"]), false, false, vec![("a".into(), 0)]);
        assert!(by.wants("a") && by.wants("a_extracted") && by.wants("b") && !by.wants("c"));
        assert!(by.early.is_empty());
        let none = Hints::new(names(&["a"]), &[], false, false, vec![("a".into(), 0)]);
        assert!(none.wants("zz") && none.early_filter("a") == Some(0));
        assert!(Hints::new(vec![], &[], false, true, vec![]).no_labels);
        let filtered = Hints::new(names(&["__error__"]), &[], false, true, vec![]);
        assert!(!filtered.no_labels && filtered.preserve_error && filtered.wants_prefix("__err"));
    }
}
