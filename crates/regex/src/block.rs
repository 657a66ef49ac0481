//! Searching many lines at once.
//!
//! A decoded block holds lines with binary headers between them. Running over the whole block and then looking which line
//! was hit is several times faster than running line by line. It is sound if every line that matches alone shows up:
//!
//! - The scan looks for a *factor*: a part of the pattern that every match contains, without assertions (`^ $ \b`), which
//!   would see the neighbours, and without characters such as `.` that a stray byte could be, for headers are not UTF-8.
//! - If the factor is all of the pattern, a hit inside a line is a match. If it is not, the line has to be tested alone.
//! - A hit that begins in one line and ends outside it says nothing: test the line it begins in. In both cases go on where
//!   that line ends. A hit that begins in a header says nothing either: go on where the header ends.

use memchr::memmem::Finder;
use regex_automata::{Input, meta};

use crate::engine;
use crate::probe::{plain_text, takes_replacement};
use crate::syntax::{Flags, Kind, Regexp};

/// A search over a block of lines, see [`GoRegex::block_scan`](crate::GoRegex::block_scan).
#[derive(Debug)]
pub struct BlockScan {
    plan: Plan,
    exact: bool,
}

#[derive(Debug)]
enum Plan {
    Text(Box<Finder<'static>>),
    Automaton(meta::Regex),
}

/// A factor shorter than this is in too many lines to be worth looking for, unless it is the whole pattern.
const MIN_FACTOR_BYTES: u64 = 3;

impl BlockScan {
    pub(crate) fn new(trimmed: &Regexp, pattern: &str) -> Option<Self> {
        let exact = is_plain(trimmed) && min_len(trimmed) > 0;
        let factor = if exact { trimmed.clone() } else { weaken(trimmed)? };
        if !engine::is_small(&factor) || (!exact && min_len(&factor) < MIN_FACTOR_BYTES) {
            return None;
        }
        let plan = match plain_text(&factor) {
            Some(text) => Plan::Text(Box::new(Finder::new(&text).into_owned())),
            None => Plan::Automaton(engine::build(&factor, false, None, pattern).ok()?),
        };
        Some(Self { plan, exact })
    }

    /// The leftmost hit that begins at `from` or later, as `(start, end)`. No line that ends before `start` matches.
    pub fn find(&self, block: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.plan {
            Plan::Text(finder) => {
                let start = from + finder.find(block.get(from..)?)?;
                Some((start, start + finder.needle().len()))
            }
            Plan::Automaton(regex) => {
                if from > block.len() {
                    return None;
                }
                regex.search(&Input::new(block).range(from..)).map(|found| (found.start(), found.end()))
            }
        }
    }

    /// Whether a hit that lies inside a line is a match of that line. Otherwise every line that is hit must be tested.
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// Whether `node` looks at nothing but the bytes it matches, and takes none that are not UTF-8.
fn is_plain(node: &Regexp) -> bool {
    !is_assertion(node) && !takes_replacement(node) && node.subs().iter().all(is_plain)
}

fn is_assertion(node: &Regexp) -> bool {
    matches!(
        node.kind,
        Kind::BeginLine | Kind::EndLine | Kind::BeginText | Kind::EndText | Kind::WordBoundary | Kind::NoWordBoundary
    )
}

/// The longest plain part that every match of `node` contains.
fn weaken(node: &Regexp) -> Option<Regexp> {
    if is_plain(node) {
        return Some(node.clone());
    }
    match &node.kind {
        Kind::Capture { sub, .. } | Kind::Plus(sub) | Kind::Repeat { min: 1.., sub, .. } => weaken(sub),
        Kind::Alternate(subs) => {
            let subs: Option<Vec<_>> = subs.iter().map(weaken).collect();
            Some(Regexp::new(Kind::Alternate(subs?), Flags::NONE))
        }
        Kind::Concat(subs) => {
            let mut best: Option<Regexp> = None;
            let mut keep = |factor: Regexp| {
                if best.as_ref().is_none_or(|best| rank(&factor) > rank(best)) {
                    best = Some(factor);
                }
            };
            let mut run: Vec<Regexp> = Vec::new();
            for sub in subs {
                if is_plain(sub) {
                    run.push(sub.clone());
                } else if !is_assertion(sub) {
                    keep(Regexp::new(Kind::Concat(std::mem::take(&mut run)), Flags::NONE));
                    weaken(sub).into_iter().for_each(&mut keep);
                }
            }
            keep(Regexp::new(Kind::Concat(run), Flags::NONE));
            best.map(crate::trim::shorten)
        }
        _ => None,
    }
}

/// Longer is better, and a plain text is better than what needs an automaton.
fn rank(factor: &Regexp) -> u64 {
    let text = match &factor.kind {
        Kind::Concat(subs) => subs.len() == 1 && plain_text(&subs[0]).is_some(),
        _ => plain_text(factor).is_some(),
    };
    min_len(factor) * if text { 2 } else { 1 }
}

/// The fewest bytes a match of `node` has.
fn min_len(node: &Regexp) -> u64 {
    let width = |rune: u32| char::from_u32(rune).map_or(1, char::len_utf8) as u64;
    match &node.kind {
        // Case variants may be shorter.
        Kind::Literal(runes) if node.fold_case() => runes.len() as u64,
        Kind::Literal(runes) => runes.iter().map(|&rune| width(rune)).sum(),
        Kind::Class(set) => set.ranges().first().map_or(1, |&(lo, _)| width(lo)),
        Kind::AnyChar | Kind::AnyCharNotNl => 1,
        Kind::Capture { sub, .. } | Kind::Plus(sub) => min_len(sub),
        Kind::Repeat { min, sub, .. } => u64::from(*min).saturating_mul(min_len(sub)),
        Kind::Concat(subs) => subs.iter().fold(0, |sum: u64, sub| sum.saturating_add(min_len(sub))),
        Kind::Alternate(subs) => subs.iter().map(min_len).min().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::GoRegex;

    /// The first hit as text, with `=` before it if the scan is exact.
    fn hit(pattern: &str, block: &[u8]) -> Option<String> {
        let regex = GoRegex::new(pattern).expect(pattern);
        let scan = regex.block_scan()?;
        let (start, end) = scan.find(block, 0)?;
        let exact = if scan.is_exact() { "=" } else { "" };
        Some(format!("{exact}{}", block[start..end].escape_ascii()))
    }

    #[test]
    fn factors() {
        let block = b"\x82\x10level=error msg=\"GET /a timeout\"\x90\x11a status=503 retry 12ms";
        for (pattern, found) in [
            ("timeout", Some("=timeout")),
            (".*timeout.*", Some("=timeout")),
            ("(?i)TIMEOUT|refused", Some("=timeout")),
            (r"status=(5[0-9]{2}) .*retry", Some("status=503 ")),
            (r"\bretry\b", Some("retry")),
            (r"^level=\w+ .*$", Some("level=error ")),
            ("[0-9]+ms", Some("=2ms")),
            ("GET.*timeout|status.*ms", Some("timeout")),
            ("GET .*timeout|status=.*ms", Some("timeout")),
            ("absent", None),
        ] {
            assert_eq!(hit(pattern, block).as_deref(), found, "{pattern}");
        }
    }

    #[test]
    fn some_patterns_have_none() {
        for pattern in ["", ".*", ".", "[^a]+", "^$", r"\b", "a.b", "^a", "^x.*|foo", r"\x{FFFD}"] {
            assert!(GoRegex::new(pattern).expect(pattern).block_scan().is_none(), "{pattern}");
        }
    }
}
