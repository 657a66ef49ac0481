//! The one door to regular expressions: everything else in this crate uses this type.

use regex_automata::meta;
use regex_automata::util::syntax;

/// A compiled regular expression in Go's syntax, run over bytes.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    inner: meta::Regex,
    text: String,
}

impl Regex {
    /// Compiles `text`, unanchored.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let inner = meta::Builder::new()
            .syntax(syntax::Config::new().utf8(false))
            .configure(meta::Config::new().utf8_empty(false))
            .build(text)
            .map_err(|error| format!("error parsing regexp: {error}"))?;
        Ok(Self { inner, text: text.to_owned() })
    }

    /// Compiles `^(?:text)$`.
    pub(crate) fn anchored(text: &str) -> Result<Self, String> {
        Self::new(text)?;
        let mut whole = Self::new(&format!("^(?:{text})$"))?;
        whole.text = text.to_owned();
        Ok(whole)
    }

    /// Whether it matches anywhere in `hay`.
    pub(crate) fn is_match(&self, hay: &[u8]) -> bool {
        self.inner.is_match(hay)
    }

    /// The leftmost match that starts at or after `from`.
    pub(crate) fn find_at(&self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        if from > hay.len() {
            return None;
        }
        self.inner.find(regex_automata::Input::new(hay).span(from..hay.len())).map(|found| (found.start(), found.end()))
    }

    /// Fills `slots` with start and end of each group of the leftmost match, group 0 first; `false` without a match.
    pub(crate) fn captures(&self, hay: &[u8], slots: &mut Vec<Option<(usize, usize)>>) -> bool {
        let mut found = self.inner.create_captures();
        self.inner.captures(hay, &mut found);
        slots.clear();
        if !found.is_match() {
            return false;
        }
        slots.extend((0..found.group_len()).map(|at| found.get_group(at).map(|span| (span.start, span.end))));
        true
    }

    /// Names of the groups, group 0 first.
    pub(crate) fn group_names(&self) -> Vec<Option<String>> {
        self.inner
            .group_info()
            .pattern_names(regex_automata::PatternID::ZERO)
            .map(|name| name.map(str::to_owned))
            .collect()
    }

    /// The text that every match equals, if the expression is a plain literal.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        let plain = !self.text.is_empty()
            && self.text.bytes().all(|b| b.is_ascii_alphanumeric() || b" _-=:/,\"'".contains(&b) || b >= 0x80);
        plain.then_some(self.text.as_bytes())
    }

    /// The longest text known to be part of every match.
    pub(crate) fn required_literal(&self) -> Option<&[u8]> {
        self.literal()
    }

    /// The expression as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a match inside a line stays a match when the line lies inside a larger buffer.
    pub(crate) fn block_safe(&self) -> bool {
        !self.text.bytes().any(|b| b"^$\\".contains(&b)) && !self.is_match(b"")
    }
}
