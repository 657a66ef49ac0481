//! A compiled regular expression and the searches it offers.

use std::fmt;
use std::sync::{Arc, OnceLock};

use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, meta};

use crate::block::BlockScan;
use crate::engine::{self, MAX_AUTOMATON_BYTES};
use crate::error::RegexError;
use crate::needles::{Needles, needles};
use crate::probe::{self, Probe};
use crate::syntax::{Dialect, Flags, Kind, Regexp, parse_bytes};
use crate::trim::trim;
use crate::utf8::{self, Repaired};

/// A regular expression as Go's `regexp` package compiles it. Cheap to clone, safe to share between threads.
///
/// Haystacks are bytes and offsets count bytes. A byte that is not part of a UTF-8 sequence is a character of its own,
/// U+FFFD, as in Go.
#[derive(Clone)]
pub struct GoRegex {
    inner: Arc<Inner>,
}

struct Inner {
    pattern: String,
    tree: Regexp,
    /// What to look for when only a yes or no is asked.
    trimmed: Regexp,
    probe: Probe,
    /// The name of each group; the first is the whole match.
    names: Vec<Option<Box<str>>>,
    /// Whether `full` and `groups` see a haystack as Go does only if it is UTF-8.
    needs_utf8: bool,
    /// The automaton for offsets, and the one for groups: built when asked for, unless they are large.
    full: OnceLock<meta::Regex>,
    groups: OnceLock<meta::Regex>,
    needles: OnceLock<Needles>,
    scan: OnceLock<Option<BlockScan>>,
}

impl GoRegex {
    /// Compiles `pattern` as Go's `regexp.Compile` does: the `regexp` stage and templates.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        Self::from_bytes(pattern.as_bytes())
    }

    /// Compiles a pattern that may not be UTF-8. If it is not, the error says so in Go's words.
    pub fn from_bytes(pattern: &[u8]) -> Result<Self, RegexError> {
        Self::unanchored(pattern, Dialect::Go)
    }

    /// Compiles `pattern` as LogQL's line filters do, with the [older parser](Dialect::Older).
    pub fn line_filter(pattern: &[u8]) -> Result<Self, RegexError> {
        Self::unanchored(pattern, Dialect::Older)
    }

    fn unanchored(pattern: &[u8], dialect: Dialect) -> Result<Self, RegexError> {
        let parsed = parse_bytes(pattern, Flags::PERL, dialect)?;
        Self::compile(utf8::lossy(pattern), parsed.root, parsed.names)
    }

    /// Compiles `^(?:pattern)$`, as LogQL's label filters do, with the [older parser](Dialect::Older). Errors are about
    /// `pattern` alone.
    pub fn anchored(pattern: &str) -> Result<Self, RegexError> {
        Self::whole(pattern, Flags::PERL)
    }

    /// Compiles `^(?s:pattern)$`, as selectors do, with the [older parser](Dialect::Older): the whole value must match, and
    /// `.` matches a newline. Errors are about `pattern` alone.
    pub fn selector(pattern: &str) -> Result<Self, RegexError> {
        Self::whole(pattern, Flags::PERL | Flags::DOT_NL)
    }

    fn whole(pattern: &str, flags: Flags) -> Result<Self, RegexError> {
        let parsed = parse_bytes(pattern.as_bytes(), flags, Dialect::Older)?;
        let end = |kind| Regexp::new(kind, Flags::NONE);
        let parts = vec![end(Kind::BeginText), parsed.root, end(Kind::EndText)];
        Self::compile(pattern.to_owned(), Regexp::new(Kind::Concat(parts), Flags::NONE), parsed.names)
    }

    fn compile(pattern: String, tree: Regexp, names: Vec<Option<Box<str>>>) -> Result<Self, RegexError> {
        let trimmed = trim(&tree);
        let probe = Probe::new(&trimmed, &pattern)?;
        if names.len() > 1 && !engine::groups_fit(&tree, names.len()) {
            return Err(RegexError::too_many_groups(names.len() - 1, engine::MAX_GROUP_BYTES, &pattern));
        }
        let (full, groups) = (OnceLock::new(), OnceLock::new());
        if !engine::is_small(&tree) {
            let limit = Some(MAX_AUTOMATON_BYTES);
            let _ = full.set(engine::build(&tree, false, limit, &pattern)?);
            if names.len() > 1 {
                let _ = groups.set(engine::build(&tree, true, limit, &pattern)?);
            }
        }
        let needs_utf8 = probe::needs_utf8(&tree);
        let (needles, scan) = (OnceLock::new(), OnceLock::new());
        let inner = Inner { pattern, tree, trimmed, probe, names, needs_utf8, full, groups, needles, scan };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The pattern as given.
    pub fn as_str(&self) -> &str {
        &self.inner.pattern
    }

    /// The pattern's tree.
    pub fn tree(&self) -> &Regexp {
        &self.inner.tree
    }

    /// Whether `hay` holds a match.
    pub fn is_match(&self, hay: &[u8]) -> bool {
        self.inner.probe.is_match(hay)
    }

    /// Whether every text matches.
    pub fn matches_all(&self) -> bool {
        matches!(self.inner.probe, Probe::Always)
    }

    /// The bytes to look for, if [`is_match`](Self::is_match) is the same as "holds these bytes".
    pub fn literal(&self) -> Option<&[u8]> {
        match &self.inner.probe {
            Probe::Contains(finder) => Some(finder.needle()),
            _ => None,
        }
    }

    /// What every text with a match contains.
    pub fn needles(&self) -> &Needles {
        self.inner.needles.get_or_init(|| needles(&self.inner.trimmed))
    }

    /// A search that runs over a whole block of lines with bytes of any kind between them, if there is one that is worth
    /// while. A line can only match if the scan hits it. `None`: go line by line.
    ///
    /// ```
    /// # use loptr_regex::GoRegex;
    /// let regex = GoRegex::new("GET .*refused").unwrap();
    /// let block = b"\x90\x0fGET /a refused\x91\x0fit was refused";
    /// let scan = regex.block_scan().unwrap();
    /// assert_eq!(scan.find(block, 0), Some((9, 16))); // find the line of byte 9, test it, go on after it
    /// assert!(!scan.is_exact() && regex.is_match(&block[2..16]));
    /// assert_eq!(scan.find(block, 16), Some((25, 32)));
    /// assert!(!regex.is_match(&block[18..]));
    /// ```
    pub fn block_scan(&self) -> Option<&BlockScan> {
        let scan = || BlockScan::new(&self.inner.trimmed, &self.inner.pattern);
        self.inner.scan.get_or_init(scan).as_ref()
    }

    /// Whether [`block_scan`](Self::block_scan) gives matches, not only candidates, as long as a hit lies inside a line.
    pub fn block_safe(&self) -> bool {
        self.block_scan().is_some_and(BlockScan::is_exact)
    }

    /// The leftmost match that begins at byte `from` or later, as `(start, end)`. Assertions such as `^` and `\b` see what
    /// lies before `from`. A `from` inside a character counts as the end of that character.
    ///
    /// To go through all matches use [`find_iter`](Self::find_iter).
    pub fn find(&self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        let subject = self.subject(hay);
        let (start, end) = self.find_in(&subject, subject.enter(from)?)?;
        Some((subject.leave(start), subject.leave(end)))
    }

    /// All matches from left to right, without overlap, as Go's `FindAllIndex` gives them: an empty match directly after
    /// another match is left out.
    pub fn find_iter<'r, 'h>(&'r self, hay: &'h [u8]) -> Matches<'r, 'h> {
        Matches { regex: self, subject: self.subject(hay), at: Some(0), last_end: None }
    }

    /// How many matches [`find_iter`](Self::find_iter) gives.
    pub fn count(&self, hay: &[u8]) -> usize {
        self.find_iter(hay).count()
    }

    /// The name of each group, from group 0, which has none.
    pub fn capture_names(&self) -> impl ExactSizeIterator<Item = Option<&str>> + '_ {
        self.inner.names.iter().map(Option::as_deref)
    }

    /// Room for the groups of this regex.
    pub fn create_captures(&self) -> Captures {
        Captures { slots: vec![None; 2 * self.inner.names.len()] }
    }

    /// The leftmost match with its groups.
    pub fn captures(&self, hay: &[u8]) -> Option<Captures> {
        let mut captures = self.create_captures();
        self.captures_into(hay, 0, &mut captures).then_some(captures)
    }

    /// As [`find`](Self::find), with the groups written to `captures`, which
    /// [`create_captures`](Self::create_captures) of this regex made. Nothing is allocated if `hay` is UTF-8.
    pub fn captures_into(&self, hay: &[u8], from: usize, captures: &mut Captures) -> bool {
        let subject = self.subject(hay);
        let Some(from) = subject.enter(from) else {
            captures.clear(self.inner.names.len());
            return false;
        };
        let found = self.captures_in(&subject, from, captures);
        captures.translate(&subject);
        found
    }

    pub(crate) fn subject<'h>(&self, hay: &'h [u8]) -> Subject<'h> {
        Subject { hay, repaired: if self.inner.needs_utf8 { Repaired::new(hay) } else { None } }
    }

    /// The leftmost match in a subject's text.
    pub(crate) fn find_in(&self, subject: &Subject<'_>, from: usize) -> Option<(usize, usize)> {
        let regex = self.inner.full.get_or_init(|| self.inner.automaton(false));
        let input = Input::new(subject.text()).range(from..);
        regex.search(&input).map(|found| (found.start(), found.end()))
    }

    /// As [`find_in`](Self::find_in) with groups, in offsets of the subject's text.
    pub(crate) fn captures_in(&self, subject: &Subject<'_>, from: usize, captures: &mut Captures) -> bool {
        captures.clear(self.inner.names.len());
        if self.inner.names.len() == 1 {
            let found = self.find_in(subject, from);
            if let Some((start, end)) = found {
                captures.slots.copy_from_slice(&[NonMaxUsize::new(start), NonMaxUsize::new(end)]);
            }
            return found.is_some();
        }
        let regex = self.inner.groups.get_or_init(|| self.inner.automaton(true));
        let input = Input::new(subject.text()).range(from..);
        regex.search_slots(&input, &mut captures.slots).is_some()
    }
}

impl Inner {
    /// Builds an automaton of a tree known to be small.
    fn automaton(&self, groups: bool) -> meta::Regex {
        engine::build(&self.tree, groups, None, &self.pattern).expect("a small tree without a size limit always builds")
    }
}

impl fmt::Debug for GoRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GoRegex").field(&self.inner.pattern).finish()
    }
}

impl fmt::Display for GoRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.pattern)
    }
}

/// A haystack in the form the automata can read.
pub(crate) struct Subject<'h> {
    pub(crate) hay: &'h [u8],
    repaired: Option<Repaired>,
}

impl Subject<'_> {
    pub(crate) fn text(&self) -> &[u8] {
        self.repaired.as_ref().map_or(self.hay, Repaired::text)
    }

    /// Where the haystack's offset `at` is in the text; moved to the end of the rune it lies in.
    fn enter(&self, mut at: usize) -> Option<usize> {
        if at > self.hay.len() {
            return None;
        }
        while !utf8::is_boundary(self.hay, at) {
            at += 1;
        }
        Some(self.repaired.as_ref().map_or(at, |repaired| repaired.forth(at)))
    }

    /// Where the text's offset `at` is in the haystack.
    pub(crate) fn leave(&self, at: usize) -> usize {
        self.repaired.as_ref().map_or(at, |repaired| repaired.back(at))
    }

    /// The haystack's bytes between two offsets of the text.
    pub(crate) fn original(&self, start: usize, end: usize) -> &[u8] {
        &self.hay[self.leave(start)..self.leave(end)]
    }

    /// Bytes of the rune at the text's offset `at`; none at the end.
    pub(crate) fn width(&self, at: usize) -> usize {
        utf8::decode(self.text().get(at..).unwrap_or_default()).1
    }
}

/// Iterator over matches, see [`GoRegex::find_iter`].
pub struct Matches<'r, 'h> {
    regex: &'r GoRegex,
    subject: Subject<'h>,
    at: Option<usize>,
    last_end: Option<usize>,
}

impl Iterator for Matches<'_, '_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            let at = self.at.take()?;
            let (start, end) = self.regex.find_in(&self.subject, at)?;
            let mut accept = true;
            if end == at {
                // An empty match: refused where the last one ended, and the search moves on by one rune.
                accept = self.last_end != Some(start);
                let width = self.subject.width(at);
                self.at = (width > 0).then_some(at + width);
            } else {
                self.at = Some(end);
            }
            self.last_end = Some(end);
            if accept {
                return Some((self.subject.leave(start), self.subject.leave(end)));
            }
        }
    }
}

/// A match and what its groups matched. Filled by [`GoRegex::captures_into`], to be used again and again.
#[derive(Clone, Debug)]
pub struct Captures {
    slots: Vec<Option<NonMaxUsize>>,
}

impl Captures {
    /// Where group `index` matched, as `(start, end)`; group 0 is the whole match.
    pub fn get(&self, index: usize) -> Option<(usize, usize)> {
        let at = index.checked_mul(2)?;
        let (start, end) = (self.slots.get(at)?, self.slots.get(at + 1)?);
        (*start).zip(*end).map(|(start, end)| (start.get(), end.get()))
    }

    /// Where each group matched, from group 0 on.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<(usize, usize)>> + '_ {
        (0..self.slots.len() / 2).map(|index| self.get(index))
    }

    fn clear(&mut self, groups: usize) {
        self.slots.clear();
        self.slots.resize(2 * groups, None);
    }

    fn translate(&mut self, subject: &Subject<'_>) {
        if subject.repaired.is_some() {
            for slot in self.slots.iter_mut().flatten() {
                *slot = NonMaxUsize::new(subject.leave(slot.get())).unwrap_or(*slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> GoRegex {
        GoRegex::new(pattern).expect(pattern)
    }

    #[test]
    fn yes_or_no_is_cheap_where_it_can_be() {
        let probe =
            |pattern: &str, wanted: fn(&Probe) -> bool| assert!(wanted(&regex(pattern).inner.probe), "{pattern}");
        probe(".*", |probe| matches!(probe, Probe::Always));
        probe(".*(error).*", |probe| matches!(probe, Probe::Contains(_)));
        probe("^error", |probe| matches!(probe, Probe::Prefix(_)));
        probe("error$", |probe| matches!(probe, Probe::Suffix(_)));
        probe("^error$", |probe| matches!(probe, Probe::Equals(_)));
        probe("^$", |probe| matches!(probe, Probe::Equals(_)));
        probe("e.r", |probe| matches!(probe, Probe::Automaton { .. }));
        probe(r"\x{FFFD}", |probe| matches!(probe, Probe::Automaton { .. }));
        assert_eq!(regex(".*foo.*").literal(), Some(&b"foo"[..]));
        assert_eq!(regex("(?i)foo").literal(), None);
        assert!(regex("a*").matches_all() && !regex("a+").matches_all());
    }

    #[test]
    fn stray_bytes_are_characters() {
        assert_eq!(regex("^.$").find(b"\xFF", 0), Some((0, 1)));
        assert_eq!(regex(".").find_iter(b"\xE2\x82").collect::<Vec<_>>(), [(0, 1), (1, 2)]);
        assert_eq!(regex(".").find_iter("€".as_bytes()).collect::<Vec<_>>(), [(0, 3)]);
        assert_eq!(regex(r"\x{FFFD}").find(b"a\x80", 0), Some((1, 2)));
        assert_eq!(regex("[^a]b").find(b"a\xC3b", 0), Some((1, 3)));
        assert!(!regex(r"\xFF").is_match(b"\xFF") && regex(r"\xFF").is_match("ÿ".as_bytes()));
        assert_eq!(regex("x*").count(b"\x80\x80"), 3);
    }

    #[test]
    fn searches_start_anywhere() {
        let text = "aé b".as_bytes();
        assert_eq!(regex(r"\b").find(text, 1), Some((1, 1)));
        assert_eq!(regex("^").find(text, 1), None);
        assert_eq!(regex(".").find(text, 2), Some((3, 4))); // inside é
        assert_eq!(regex("$").find(text, text.len()), Some((5, 5)));
        assert_eq!(regex("$").find(text, text.len() + 1), None);
        let mut captures = regex("(b)").create_captures();
        assert!(!regex("(b)").captures_into(text, 9, &mut captures));
        assert_eq!(captures.iter().collect::<Vec<_>>(), [None, None]);
    }

    #[test]
    fn groups_have_names_and_may_be_missing() {
        let regex = regex("(?P<a>x)|(?<a>y)(z)?(w){0}");
        assert_eq!(regex.capture_names().collect::<Vec<_>>(), [None, Some("a"), Some("a"), None, None]);
        let captures = regex.captures(b"-y").expect("a match");
        assert_eq!(captures.iter().collect::<Vec<_>>(), [Some((1, 2)), None, Some((1, 2)), None, None]);
        assert_eq!(captures.get(5), None);
    }

    #[test]
    fn editions_differ() {
        assert!(GoRegex::new(r"\p{letter}").is_ok() && GoRegex::line_filter(br"\p{letter}").is_err());
        assert!(!GoRegex::new("A.x|(?i:a)c").expect("valid").is_match(b"Ax"));
        assert!(GoRegex::new("A.x|(?i:a)c").expect("valid").is_match(b"ac"));
        assert!(!GoRegex::line_filter(b"A.x|(?i:a)c").expect("valid").is_match(b"ac"));
        assert!(GoRegex::anchored("a|b").expect("valid").is_match(b"b"));
        assert!(!GoRegex::anchored("a.b").expect("valid").is_match(b"a\nb"));
        assert!(GoRegex::selector("a.b").expect("valid").is_match(b"a\nb"));
        // The pattern is parsed alone, so it cannot close our group.
        assert!(GoRegex::anchored("a)(b").is_err());
    }

    #[test]
    fn shared_between_threads() {
        fn check<T: Send + Sync + Clone>() {}
        check::<GoRegex>();
        check::<crate::LabelMatcher>();
    }
}
