//! The one door to regular expressions: everything else in this crate uses this type.

use loptr_regex::{BlockScan, Captures, GoRegex, Needles, RegexError};

/// A compiled regular expression in Go's syntax, run over bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Regex(GoRegex);

impl Regex {
    /// Unanchored, as the `regexp` stage compiles it.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        wrap(GoRegex::new(text))
    }

    /// Unanchored, as line filters compile it.
    pub(crate) fn line_filter(text: &[u8]) -> Result<Self, String> {
        wrap(GoRegex::line_filter(text))
    }

    /// `^(?:text)$`, as label filters and `label_replace` compile it.
    pub(crate) fn anchored(text: &str) -> Result<Self, String> {
        wrap(GoRegex::anchored(text))
    }

    /// `^(?s:text)$`, as selectors do.
    pub(crate) fn selector(text: &str) -> Result<Self, String> {
        wrap(GoRegex::selector(text))
    }

    /// Whether it matches anywhere in `hay`.
    pub(crate) fn is_match(&self, hay: &[u8]) -> bool {
        self.0.is_match(hay)
    }

    /// Whether it matches every text.
    pub(crate) fn matches_all(&self) -> bool {
        self.0.matches_all()
    }

    /// The leftmost match that starts at or after `from`.
    pub(crate) fn find_at(&self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        self.0.find(hay, from)
    }

    /// Room for the groups of this expression.
    pub(crate) fn create_captures(&self) -> Captures {
        self.0.create_captures()
    }

    /// Fills `captures` with the groups of the leftmost match; `false` without a match.
    pub(crate) fn captures(&self, hay: &[u8], captures: &mut Captures) -> bool {
        self.0.captures_into(hay, 0, captures)
    }

    /// Names of the groups, group 0 first.
    pub(crate) fn group_names(&self) -> Vec<Option<String>> {
        self.0.capture_names().map(|name| name.map(str::to_owned)).collect()
    }

    /// The text that matching means to contain, if it means that.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        self.0.literal()
    }

    /// The expression as written.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A search over blocks of lines that hits every line that matches.
    pub(crate) fn block_scan(&self) -> Option<&BlockScan> {
        self.0.block_scan()
    }

    /// What every matching text contains.
    pub(crate) fn needles(&self) -> &Needles {
        self.0.needles()
    }
}

fn wrap(compiled: Result<GoRegex, RegexError>) -> Result<Regex, String> {
    compiled.map(Regex).map_err(|error| error.to_string())
}
