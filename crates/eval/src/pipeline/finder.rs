//! What a scan looks for in a whole block before it looks at lines.

use memchr::memmem;

use super::line_filter::{LineFilter, Operand};
use crate::regex::Regex;

/// Finds candidates in a buffer that holds many lines.
///
/// A scan calls `find_at` with the position it got to. A hit `(start, end)` makes the line that holds `start` a
/// candidate, or the next line if `start` lies between lines; the pipeline then decides, and the scan goes on at that
/// line's end. No hit means that no line after the position can pass.
pub trait Finder {
    /// The leftmost hit that starts at or after `from`.
    fn find_at(&mut self, hay: &[u8], from: usize) -> Option<(usize, usize)>;
}

/// The test every line that passes a pipeline meets: a prefilter only.
#[derive(Clone, Debug)]
pub struct BlockFinder {
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Literal(memmem::Finder<'static>),
    /// Each with its next hit, found lazily: `None` means not searched from here on.
    Regex(Regex),
}

impl BlockFinder {
    /// A finder of one literal.
    pub fn literal(needle: &[u8]) -> Self {
        Self { kind: Kind::Literal(memmem::Finder::new(needle).into_owned()) }
    }

    /// The literal, if that is what it looks for: filters over substrings answer for it.
    pub fn needle(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Literal(finder) => Some(finder.needle()),
            Kind::Regex(_) => None,
        }
    }

    /// The best one that the filters in `filters` allow: the longest literal, else an expression.
    pub(crate) fn best<'a>(filters: impl Iterator<Item = &'a LineFilter>) -> Option<Self> {
        let required: Vec<&[Operand]> = filters.filter_map(LineFilter::required).collect();
        let literals = required.iter().filter_map(|operands| match operands {
            [Operand::Literal(finder)] => Some(finder.needle()),
            [Operand::Pattern(pattern)] => pattern.longest_literal(),
            [Operand::Regex(regex)] => regex.required_literal(),
            _ => None,
        });
        if let Some(needle) = literals.max_by_key(|needle| needle.len()) {
            return Some(Self::literal(needle));
        }
        required.iter().find_map(|operands| expression(operands))
    }
}

/// One expression for all operands of a chain.
fn expression(operands: &[Operand]) -> Option<BlockFinder> {
    if let [Operand::Regex(regex)] = operands {
        return regex.block_safe().then(|| BlockFinder { kind: Kind::Regex(regex.clone()) });
    }
    let mut parts = Vec::new();
    for operand in operands {
        match operand {
            Operand::Literal(finder) => parts.push(escape(std::str::from_utf8(finder.needle()).ok()?)),
            Operand::Pattern(pattern) => parts.push(escape(std::str::from_utf8(pattern.longest_literal()?).ok()?)),
            Operand::Regex(regex) if regex.block_safe() => parts.push(format!("(?:{})", regex.as_str())),
            _ => return None,
        }
    }
    let regex = Regex::new(&parts.join("|")).ok()?;
    Some(BlockFinder { kind: Kind::Regex(regex) })
}

/// `regexp.QuoteMeta`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Finder for BlockFinder {
    fn find_at(&mut self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.kind {
            Kind::Literal(finder) => {
                let start = from + finder.find(hay.get(from..)?)?;
                Some((start, start + finder.needle().len()))
            }
            Kind::Regex(regex) => regex.find_at(hay, from),
        }
    }
}

impl<F: FnMut(&[u8], usize) -> Option<(usize, usize)>> Finder for F {
    fn find_at(&mut self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        self(hay, from)
    }
}
