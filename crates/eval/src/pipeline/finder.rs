//! What a scan looks for in a whole block before it looks at lines.

use loptr_regex::Needles;
use memchr::memmem;

use super::line_filter::{LineFilter, Operand};
use crate::regex::Regex;

/// Finds candidates in a buffer that holds many lines.
///
/// A scan calls `find_at` with the position it got to. A hit `(start, end)` makes the line that holds `start` a
/// candidate; the pipeline then decides, and the scan goes on at that line's end. A hit that starts between lines says
/// nothing: the scan goes on where the next line starts. No hit means that no line after the position can pass.
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
    Literal(Box<memmem::Finder<'static>>),
    /// One that has a block scan.
    Regex(Regex),
}

/// A literal this long is preferred to any expression.
const GOOD_LITERAL_BYTES: usize = 3;

impl BlockFinder {
    /// A finder of one literal.
    pub fn literal(needle: &[u8]) -> Self {
        Self { kind: Kind::Literal(Box::new(memmem::Finder::new(needle).into_owned())) }
    }

    /// The literal, if that is what it looks for.
    pub fn needle(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Literal(finder) => Some(finder.needle()),
            Kind::Regex(_) => None,
        }
    }

    /// The best one that the filters allow: the longest literal, or an expression if that is short.
    pub(crate) fn best<'a>(filters: impl Iterator<Item = &'a LineFilter>) -> Option<Self> {
        let required: Vec<&[Operand]> = filters.filter_map(LineFilter::required).collect();
        let literals = required.iter().filter_map(|operands| match operands {
            [Operand::Literal(finder)] => Some(finder.needle()),
            [Operand::Pattern(pattern)] => pattern.longest_literal(),
            _ => None,
        });
        let literal = literals.max_by_key(|needle| needle.len());
        let expression = || {
            let regex = required.iter().find_map(|operands| expression(operands))?;
            Some(Self { kind: Kind::Regex(regex) })
        };
        match literal {
            Some(needle) if needle.len() >= GOOD_LITERAL_BYTES => Some(Self::literal(needle)),
            Some(needle) => expression().or_else(|| Some(Self::literal(needle))),
            None => expression(),
        }
    }
}

/// One expression for all operands of a chain, if a block can be searched for it.
fn expression(operands: &[Operand]) -> Option<Regex> {
    let regex = match operands {
        [Operand::Regex(regex)] => regex.clone(),
        _ => {
            let part = |operand: &Operand| match operand {
                Operand::Literal(finder) => escape(finder.needle()),
                Operand::Pattern(pattern) => escape(pattern.longest_literal()?),
                Operand::Regex(regex) => Some(format!("(?:{})", regex.as_str())),
                Operand::Always | Operand::Ip(_) => None,
            };
            let parts = operands.iter().map(part).collect::<Option<Vec<_>>>()?;
            Regex::line_filter(parts.join("|").as_bytes()).ok()?
        }
    };
    regex.block_scan().is_some().then_some(regex)
}

/// `regexp.QuoteMeta`.
fn escape(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Some(out)
}

impl Finder for BlockFinder {
    fn find_at(&mut self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.kind {
            Kind::Literal(finder) => {
                let start = from + finder.find(hay.get(from..)?)?;
                Some((start, start + finder.needle().len()))
            }
            Kind::Regex(regex) => regex.block_scan()?.find(hay, from),
        }
    }
}

impl<F: FnMut(&[u8], usize) -> Option<(usize, usize)>> Finder for F {
    fn find_at(&mut self, hay: &[u8], from: usize) -> Option<(usize, usize)> {
        self(hay, from)
    }
}

/// What every line that passes the filters contains.
pub(crate) fn needles<'a>(filters: impl Iterator<Item = &'a LineFilter>) -> Needles {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Needles::Text { text: text.to_owned(), fold: false },
        _ => Needles::Unknown,
    };
    let of = |operand: &Operand| match operand {
        Operand::Literal(finder) => text(finder.needle()),
        Operand::Regex(regex) => regex.needles().clone(),
        Operand::Pattern(pattern) => Needles::All(pattern.literals().map(text).collect()),
        Operand::Always | Operand::Ip(_) => Needles::Unknown,
    };
    let mut all = Vec::new();
    for operands in filters.filter_map(LineFilter::required) {
        match operands {
            [one] => all.push(of(one)),
            many => {
                let any: Vec<Needles> = many.iter().map(of).collect();
                if !any.contains(&Needles::Unknown) {
                    all.push(Needles::Any(any));
                }
            }
        }
    }
    all.retain(|needles| *needles != Needles::Unknown);
    match all.len() {
        0 => Needles::Unknown,
        1 => all.remove(0),
        _ => Needles::All(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loptr_logql::ast::Expr;

    fn finder(query: &str) -> Option<BlockFinder> {
        let Expr::Log(log) = loptr_logql::parse(query).expect("valid query") else { panic!("a log query") };
        crate::Pipeline::compile(&log, loptr_model::Nanos(0)).expect("valid stages").block_finder()
    }

    fn hit(query: &str, hay: &str) -> bool {
        finder(query).expect("something to look for").find_at(hay.as_bytes(), 0).is_some()
    }

    #[test]
    fn the_longest_literal_is_looked_for() {
        let needle = |query: &str| finder(query).and_then(|finder| finder.needle().map(<[u8]>::to_vec));
        assert_eq!(needle(r#"{a="b"} |= "abc" |= "longer" |~ "regex""#).as_deref(), Some(b"longer".as_slice()));
        assert_eq!(needle(r#"{a="b"} |> "<_> literal <_>""#).as_deref(), Some(b" literal ".as_slice()));
        assert_eq!(needle(r#"{a="b"} | json | x="1" |= "after""#).as_deref(), Some(b"after".as_slice()));
        assert!(needle(r#"{a="b"} | line_format "x" |= "after""#).is_none());
        assert!(finder(r#"{a="b"} != "x""#).is_none() && finder(r#"{a="b"} |= """#).is_none());
        assert!(finder(r#"{a="b"} |= ip("1.1.1.1") or "x""#).is_none());
    }

    #[test]
    fn chains_and_expressions_are_searched_for_too() {
        assert!(hit(r#"{a="b"} |= "a.b" or "c+d""#, "xc+d") && !hit(r#"{a="b"} |= "a.b" or "c+d""#, "xaxbcd"));
        assert!(hit(r#"{a="b"} |~ "(?i)connection refused""#, "CONNECTION Refused"));
    }

    #[test]
    fn needles_say_what_is_contained() {
        let Expr::Log(log) = loptr_logql::parse(r#"{a="b"} |= "one" |= "x" or "y" != "n" |~ "two.*""#).expect("valid")
        else {
            panic!("a log query")
        };
        let text = |text: &str| Needles::Text { text: text.into(), fold: false };
        let want = Needles::All(vec![text("one"), Needles::Any(vec![text("x"), text("y")]), text("two")]);
        assert_eq!(crate::Pipeline::compile(&log, loptr_model::Nanos(0)).expect("valid").needles(), &want);
    }
}
