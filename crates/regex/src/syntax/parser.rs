//! The stack machine: reads the pattern from left to right, as Go's parser does, so that what it accepts, what it
//! refuses and with which words are the same.

use super::class;
use super::escape;
use super::factor;
use super::limits::{Limits, repeats_fit};
use super::perl;
use super::set::ClassSet;
use super::tree::{Flags, Kind, Regexp};
use crate::error::{ErrorCode, RegexError};
use crate::unicode;
use crate::utf8;

/// Bytes in the longest pattern. LogQL queries end at 128 KiB.
pub(crate) const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The highest count in `x{n}`, and of nested counts multiplied.
const MAX_REPEAT: u32 = 1000;

/// Parses `pattern` as Go's `regexp.Compile` does, starting with `flags` ([`Flags::PERL`] is what Go starts with).
pub fn parse(pattern: &str, flags: Flags) -> Result<Regexp, RegexError> {
    parse_bytes(pattern.as_bytes(), flags).map(|parsed| parsed.root)
}

/// A tree and its groups.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) root: Regexp,
    /// The name of each group; the first is the whole match and has none.
    pub(crate) names: Vec<Option<Box<str>>>,
}

/// What lies on the parser's stack.
#[derive(Debug)]
pub(super) enum Item {
    Node(Regexp),
    /// `(`: the flags to go back to, and the group's number if it is remembered.
    Paren {
        flags: Flags,
        capture: Option<u32>,
    },
    /// `|`: everything between it and the last `(` is alternatives.
    Bar,
}

/// A failure: what, and the offending part of the pattern.
pub(super) type Fault<'p> = (ErrorCode, &'p [u8]);

#[derive(Debug)]
pub(super) struct Parser {
    pub(super) flags: Flags,
    stack: Vec<Item>,
    names: Vec<Option<Box<str>>>,
    limits: Limits,
}

/// Parses a pattern that need not be UTF-8; Go refuses such a one, but only where it gets to read it.
pub(crate) fn parse_bytes(pattern: &[u8], flags: Flags) -> Result<Parsed, RegexError> {
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(RegexError::TooLong { len: pattern.len(), limit: MAX_PATTERN_BYTES });
    }
    let mut parser = Parser { flags, stack: Vec::new(), names: vec![None], limits: Limits::new() };
    match parser.run(pattern) {
        Ok(root) => Ok(Parsed { root, names: parser.names }),
        Err((code, expr)) => Err(RegexError::syntax(code, expr)),
    }
}

/// The part of `whole` that `rest`, its tail, leaves.
pub(super) fn consumed<'p>(whole: &'p [u8], rest: &[u8]) -> &'p [u8] {
    &whole[..whole.len() - rest.len()]
}

/// The next rune and what follows; the end is U+FFFD.
pub(super) fn next_rune(text: &[u8]) -> Result<(u32, &[u8]), Fault<'_>> {
    match utf8::decode(text) {
        (utf8::REPLACEMENT, 1) => Err((ErrorCode::InvalidUtf8, text)),
        (rune, width) => Ok((rune, &text[width..])),
    }
}

impl Parser {
    fn run<'p>(&mut self, whole: &'p [u8]) -> Result<Regexp, Fault<'p>> {
        let mut text = whole;
        // The text from the last repetition operator on, if nothing but that operator has been read since.
        let mut last_repeat: Option<&'p [u8]> = None;
        while let Some(&first) = text.first() {
            let mut repeat = None;
            let limit = |code| (code, whole);
            text = match first {
                b'(' if text.get(1) == Some(&b'?') => perl::group(self, text, whole)?,
                b'(' => {
                    self.open_group(None).map_err(limit)?;
                    &text[1..]
                }
                b'|' => {
                    self.bar().map_err(limit)?;
                    &text[1..]
                }
                b')' => {
                    self.close_group().map_err(limit)?;
                    &text[1..]
                }
                b'^' | b'$' | b'.' => {
                    self.push_new(self.simple(first)).map_err(limit)?;
                    &text[1..]
                }
                b'[' => {
                    let (set, rest) = class::bracket(text, self.flags)?;
                    self.push_new(Regexp::new(Kind::Class(set), self.flags)).map_err(limit)?;
                    rest
                }
                b'*' | b'+' | b'?' => {
                    repeat = Some(text);
                    let bounds = Bounds::Operator(first);
                    self.repeat(bounds, text, &text[1..], last_repeat, whole)?
                }
                b'{' => match escape::repeat_counts(text) {
                    None => {
                        self.literal(u32::from(b'{')).map_err(limit)?;
                        &text[1..]
                    }
                    Some((counts, rest)) => {
                        let (min, max) = counts
                            .filter(|&(min, max)| {
                                min <= MAX_REPEAT && max.is_none_or(|max| min <= max && max <= MAX_REPEAT)
                            })
                            .ok_or((ErrorCode::InvalidRepeatSize, consumed(text, rest)))?;
                        repeat = Some(text);
                        self.repeat(Bounds::Counted(min, max), text, rest, last_repeat, whole)?
                    }
                },
                b'\\' => self.backslash(text, whole)?,
                _ => {
                    let (rune, rest) = next_rune(text)?;
                    self.literal(rune).map_err(limit)?;
                    rest
                }
            };
            last_repeat = repeat;
        }
        self.finish(whole)
    }

    /// `^`, `$` or `.` under the current flags.
    fn simple(&self, op: u8) -> Regexp {
        let one_line = self.flags.contains(Flags::ONE_LINE);
        let (kind, flags) = match op {
            b'^' if one_line => (Kind::BeginText, self.flags),
            b'^' => (Kind::BeginLine, self.flags),
            b'$' if one_line => (Kind::EndText, self.flags | Flags::WAS_DOLLAR),
            b'$' => (Kind::EndLine, self.flags),
            _ if self.flags.contains(Flags::DOT_NL) => (Kind::AnyChar, self.flags),
            _ => (Kind::AnyCharNotNl, self.flags),
        };
        Regexp::new(kind, flags)
    }

    /// Everything that begins with a backslash.
    fn backslash<'p>(&mut self, text: &'p [u8], whole: &'p [u8]) -> Result<&'p [u8], Fault<'p>> {
        let limit = |code| (code, whole);
        let look = match text.get(1) {
            Some(b'A') => Some(Kind::BeginText),
            Some(b'b') => Some(Kind::WordBoundary),
            Some(b'B') => Some(Kind::NoWordBoundary),
            Some(b'z') => Some(Kind::EndText),
            Some(b'C') => return Err((ErrorCode::InvalidEscape, &text[..2])),
            Some(b'Q') => return self.quoted(&text[2..], whole),
            _ => None,
        };
        if let Some(kind) = look {
            self.push_new(Regexp::new(kind, self.flags)).map_err(limit)?;
            return Ok(&text[2..]);
        }
        self.limits.take();
        let mut set = ClassSet::default();
        if let Some(rest) = class::escape(text, self.flags, &mut set)? {
            set.canonicalize();
            self.push(Regexp::new(Kind::Class(set), self.flags)).map_err(limit)?;
            return Ok(rest);
        }
        self.limits.give();
        let (rune, rest) = escape::escape(text)?;
        self.literal(rune).map_err(limit)?;
        Ok(rest)
    }

    /// `\Q...\E`: what is between is literal; `text` begins after `\Q`.
    fn quoted<'p>(&mut self, text: &'p [u8], whole: &'p [u8]) -> Result<&'p [u8], Fault<'p>> {
        let end = memchr::memmem::find(text, b"\\E");
        let mut literal = &text[..end.unwrap_or(text.len())];
        while !literal.is_empty() {
            // Go cuts the literal out before it reads it, so an error shows no more than that.
            let (rune, rest) = next_rune(literal)?;
            self.literal(rune).map_err(|code| (code, whole))?;
            literal = rest;
        }
        Ok(end.map_or(&[], |end| &text[end + 2..]))
    }

    fn finish<'p>(&mut self, whole: &'p [u8]) -> Result<Regexp, Fault<'p>> {
        let limit = |code| (code, whole);
        self.concat().map_err(limit)?;
        if self.swap_bar() {
            self.stack.pop();
        }
        self.alternate().map_err(limit)?;
        match (self.stack.pop(), self.stack.is_empty()) {
            (Some(Item::Node(root)), true) => Ok(root),
            _ => Err((ErrorCode::MissingParen, whole)),
        }
    }

    /// Pushes a node that was just made.
    fn push_new(&mut self, node: Regexp) -> Result<(), ErrorCode> {
        self.limits.take();
        self.push(node)
    }

    /// Pushes a node. A class that means one character, or one and its case variant, becomes a literal.
    fn push(&mut self, mut node: Regexp) -> Result<(), ErrorCode> {
        self.limits.count_runes(match &node.kind {
            Kind::Literal(runes) => runes.len(),
            Kind::Class(set) => 2 * set.ranges().len(),
            _ => 0,
        });
        let single = match &node.kind {
            Kind::Class(set) => single_rune(set.ranges()),
            _ => None,
        };
        match single {
            Some((rune, fold)) => {
                let flags = if fold { self.flags | Flags::FOLD_CASE } else { self.flags.without(Flags::FOLD_CASE) };
                if self.join_literals(Some((rune, flags))) {
                    return Ok(());
                }
                node = Regexp::literal(rune, flags);
            }
            None => {
                self.join_literals(None);
            }
        }
        self.limits.check(&node, &self.stack)?;
        self.stack.push(Item::Node(node));
        Ok(())
    }

    fn literal(&mut self, rune: u32) -> Result<(), ErrorCode> {
        let rune = if self.flags.contains(Flags::FOLD_CASE) { unicode::min_fold(rune) } else { rune };
        self.push_new(Regexp::literal(rune, self.flags))
    }

    /// Joins the two literals on top of the stack, now that no operator can take the upper one any more. If `next` is
    /// given and they were joined, it is pushed in their stead and the answer is true.
    fn join_literals(&mut self, next: Option<(u32, Flags)>) -> bool {
        let [.., Item::Node(below), Item::Node(top)] = self.stack.as_mut_slice() else { return false };
        let fold = top.fold_case() == below.fold_case();
        let (Kind::Literal(text), Kind::Literal(more), true) = (&mut below.kind, &top.kind, fold) else {
            return false;
        };
        text.extend_from_slice(more);
        below.measure();
        match next {
            Some((rune, flags)) => {
                *top = Regexp::literal(rune, flags);
                true
            }
            None => {
                self.stack.pop();
                self.limits.give();
                false
            }
        }
    }

    /// Puts a repetition around the top of the stack. `before` begins at the operator, `after` follows it.
    fn repeat<'p>(
        &mut self,
        bounds: Bounds,
        before: &'p [u8],
        mut after: &'p [u8],
        last_repeat: Option<&'p [u8]>,
        whole: &'p [u8],
    ) -> Result<&'p [u8], Fault<'p>> {
        let mut flags = self.flags;
        if let Some(rest) = after.strip_prefix(b"?") {
            after = rest;
            flags = flags.toggled(Flags::NON_GREEDY);
        }
        if let Some(last) = last_repeat {
            return Err((ErrorCode::InvalidRepeatOp, consumed(last, after)));
        }
        let sub = match self.stack.pop() {
            Some(Item::Node(sub)) => Box::new(sub),
            _ => return Err((ErrorCode::MissingRepeatArgument, consumed(before, after))),
        };
        let kind = match bounds {
            Bounds::Operator(b'*') => Kind::Star(sub),
            Bounds::Operator(b'+') => Kind::Plus(sub),
            Bounds::Operator(_) => Kind::Quest(sub),
            Bounds::Counted(min, max) => Kind::Repeat { min, max, sub },
        };
        let node = Regexp::new(kind, flags);
        self.limits.take();
        self.limits.check(&node, &self.stack).map_err(|code| (code, whole))?;
        let counted = matches!(bounds, Bounds::Counted(min, max) if min >= 2 || max.is_some_and(|max| max >= 2));
        if counted && !repeats_fit(&node, MAX_REPEAT) {
            return Err((ErrorCode::InvalidRepeatSize, consumed(before, after)));
        }
        self.stack.push(Item::Node(node));
        Ok(after)
    }

    /// `(`, remembered under the next number if `name` is not needed or given.
    pub(super) fn open_group(&mut self, name: Option<&str>) -> Result<(), ErrorCode> {
        self.names.push(name.map(Into::into));
        self.open(Some(self.names.len() as u32 - 1))
    }

    /// `(` or `(?:`.
    pub(super) fn open(&mut self, capture: Option<u32>) -> Result<(), ErrorCode> {
        self.join_literals(None);
        self.limits.take();
        self.stack.push(Item::Paren { flags: self.flags, capture });
        Ok(())
    }

    /// `|`
    fn bar(&mut self) -> Result<(), ErrorCode> {
        self.concat()?;
        if !self.swap_bar() {
            self.limits.take();
            self.stack.push(Item::Bar);
        }
        Ok(())
    }

    /// `)`
    fn close_group(&mut self) -> Result<(), ErrorCode> {
        self.concat()?;
        if self.swap_bar() {
            self.stack.pop();
        }
        self.alternate()?;
        let Some(Item::Node(sub)) = self.stack.pop() else { return Err(ErrorCode::UnexpectedParen) };
        let Some(Item::Paren { flags, capture }) = self.stack.pop() else { return Err(ErrorCode::UnexpectedParen) };
        self.flags = flags;
        match capture {
            None => self.push(sub),
            Some(index) => {
                let name = self.names.get(index as usize).cloned().flatten();
                self.push(Regexp::new(Kind::Capture { index, name, sub: Box::new(sub) }, flags))
            }
        }
    }

    /// Takes the nodes above the last `(` or `|` off the stack.
    fn take_nodes(&mut self) -> Vec<Regexp> {
        let nodes = self.stack.iter().rev().take_while(|item| matches!(item, Item::Node(_))).count();
        let tail = self.stack.drain(self.stack.len() - nodes..);
        tail.filter_map(|item| if let Item::Node(node) = item { Some(node) } else { None }).collect()
    }

    /// Replaces the nodes above the last `(` or `|` by their concatenation.
    fn concat(&mut self) -> Result<(), ErrorCode> {
        self.join_literals(None);
        let subs = self.take_nodes();
        if subs.is_empty() {
            return self.push_new(Regexp::new(Kind::Empty, Flags::NONE));
        }
        let mut maker = factor::Maker { limits: &mut self.limits, stack: &self.stack };
        let node = maker.collapse(subs, factor::Join::Concat, 0)?;
        self.push(node)
    }

    /// Replaces the nodes above the last `(` by their alternation.
    fn alternate(&mut self) -> Result<(), ErrorCode> {
        let mut subs = self.take_nodes();
        match subs.last_mut() {
            None => self.push_new(Regexp::new(Kind::NoMatch, Flags::NONE)),
            Some(last) => {
                factor::tidy(last);
                let mut maker = factor::Maker { limits: &mut self.limits, stack: &self.stack };
                let node = maker.collapse(subs, factor::Join::Alternate, 0)?;
                self.push(node)
            }
        }
    }

    /// If the top of the stack is a node above a `|`, moves the node below it, or merges it into the class there.
    fn swap_bar(&mut self) -> bool {
        match self.stack.as_mut_slice() {
            [.., Item::Node(below), Item::Bar, Item::Node(top)] if both_chars(below, top) => {
                // The more complex of the two takes the other in.
                if top.char_class() <= below.char_class() {
                    factor::merge_chars(below, top);
                } else {
                    factor::merge_chars(top, below);
                    std::mem::swap(top, below);
                }
                self.stack.pop();
                self.limits.give();
                true
            }
            [rest @ .., bar @ Item::Bar, top @ Item::Node(_)] => {
                if let Some(Item::Node(below)) = rest.last_mut() {
                    factor::tidy(below);
                }
                std::mem::swap(bar, top);
                true
            }
            _ => false,
        }
    }
}

/// How a repetition was written.
#[derive(Clone, Copy, Debug)]
enum Bounds {
    Operator(u8),
    Counted(u32, Option<u32>),
}

fn both_chars(a: &Regexp, b: &Regexp) -> bool {
    a.char_class().is_some() && b.char_class().is_some()
}

/// The rune a class stands for, and whether it is one with its only case variant.
fn single_rune(ranges: &[(u32, u32)]) -> Option<(u32, bool)> {
    let pair = |a, b| unicode::simple_fold(a) == b && unicode::simple_fold(b) == a;
    match *ranges {
        [(lo, hi)] if lo == hi => Some((lo, false)),
        [(lo, hi)] if lo + 1 == hi && pair(lo, hi) => Some((lo, true)),
        [(a, a2), (b, b2)] if a == a2 && b == b2 && pair(a, b) => Some((a, true)),
        _ => None,
    }
}
