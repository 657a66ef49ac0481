//! The tree's nodes.

use std::ops::{BitOr, Not};

use super::set::ClassSet;

/// Parser flags, and what a node remembers of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// `(?i)`: on a literal, every case variant of its runes matches.
    pub const FOLD_CASE: Flags = Flags(1);
    /// `(?s)`: `.` matches a newline.
    pub const DOT_NL: Flags = Flags(1 << 3);
    /// Not `(?m)`: `^` and `$` are the ends of the text.
    pub const ONE_LINE: Flags = Flags(1 << 4);
    /// `(?U)`, and on a repetition: takes as little as possible.
    pub const NON_GREEDY: Flags = Flags(1 << 5);
    /// On an [`Kind::EndText`]: written as `$`, not `\z`.
    pub const WAS_DOLLAR: Flags = Flags(1 << 8);
    /// What `regexp.Compile` starts with.
    pub const PERL: Flags = Flags::ONE_LINE;

    /// Whether every flag of `other` is set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the flags of `other`.
    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Without the flags of `other`.
    #[must_use]
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// With the flags of `other` turned over.
    #[must_use]
    pub(crate) fn toggled(self, other: Flags) -> Flags {
        Flags(self.0 ^ other.0)
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.with(other)
    }
}

impl Not for Flags {
    type Output = Flags;
    fn not(self) -> Flags {
        Flags(!self.0)
    }
}

/// What a node matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing at all.
    NoMatch,
    /// The empty string.
    Empty,
    /// These runes in a row; with [`Flags::FOLD_CASE`], any case variant of each.
    Literal(Vec<u32>),
    /// One rune of the set.
    Class(ClassSet),
    /// Any rune except a newline.
    AnyCharNotNl,
    /// Any rune.
    AnyChar,
    /// The start of a line.
    BeginLine,
    /// The end of a line.
    EndLine,
    /// The start of the text.
    BeginText,
    /// The end of the text.
    EndText,
    /// `\b`, of ASCII words.
    WordBoundary,
    /// `\B`, of ASCII words.
    NoWordBoundary,
    /// A group that is remembered.
    Capture {
        /// Number, from 1 in order of the opening parentheses.
        index: u32,
        /// Name; several groups may share one.
        name: Option<Box<str>>,
        /// What is inside.
        sub: Box<Regexp>,
    },
    /// `x*`
    Star(Box<Regexp>),
    /// `x+`
    Plus(Box<Regexp>),
    /// `x?`
    Quest(Box<Regexp>),
    /// `x{min,max}`; no `max` is `x{min,}`.
    Repeat {
        /// At least so often.
        min: u32,
        /// At most so often.
        max: Option<u32>,
        /// What is repeated.
        sub: Box<Regexp>,
    },
    /// One after the other; at least two.
    Concat(Vec<Regexp>),
    /// The first that leads to a match; at least two.
    Alternate(Vec<Regexp>),
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regexp {
    /// What it matches.
    pub kind: Kind,
    /// The flags in force where it was written. [`Flags::FOLD_CASE`] matters on literals, [`Flags::NON_GREEDY`] on
    /// repetitions.
    pub flags: Flags,
    /// Nodes from here to the deepest leaf.
    pub(super) height: u32,
    /// Instructions in Go's program, about.
    pub(super) size: u64,
}

impl Regexp {
    /// A node, measured.
    pub(crate) fn new(kind: Kind, flags: Flags) -> Self {
        let mut node = Self { kind, flags, height: 1, size: 1 };
        node.measure();
        node
    }

    /// Takes height and size from the children again.
    pub(super) fn measure(&mut self) {
        let (height, size) = match &self.kind {
            Kind::Literal(runes) => (0, runes.len() as u64),
            Kind::Capture { sub, .. } | Kind::Star(sub) => (sub.height, sub.size.saturating_add(2)),
            Kind::Plus(sub) | Kind::Quest(sub) => (sub.height, sub.size.saturating_add(1)),
            Kind::Repeat { min, max, sub } => {
                let (min, copies) = (u64::from(*min), max.map(u64::from));
                let size = match copies {
                    None if min == 0 => sub.size.saturating_add(2),
                    None => min.saturating_mul(sub.size).saturating_add(1),
                    Some(max) => max.saturating_mul(sub.size).saturating_add(max.saturating_sub(min)),
                };
                (sub.height, size)
            }
            Kind::Concat(subs) | Kind::Alternate(subs) => {
                let height = subs.iter().map(|sub| sub.height).max().unwrap_or(0);
                let mut size = subs.iter().fold(0u64, |sum, sub| sum.saturating_add(sub.size));
                if matches!(self.kind, Kind::Alternate(_)) {
                    size = size.saturating_add(subs.len() as u64).saturating_sub(1);
                }
                (height, size)
            }
            _ => (0, 1),
        };
        self.height = height.saturating_add(1);
        self.size = size.max(1);
    }

    pub(super) fn literal(rune: u32, flags: Flags) -> Self {
        Self::new(Kind::Literal(vec![rune]), flags)
    }

    pub(crate) fn fold_case(&self) -> bool {
        self.flags.contains(Flags::FOLD_CASE)
    }

    pub(crate) fn greedy(&self) -> bool {
        !self.flags.contains(Flags::NON_GREEDY)
    }

    /// What a group or repetition holds.
    pub(crate) fn inner(&self) -> Option<&Regexp> {
        match &self.kind {
            Kind::Capture { sub, .. }
            | Kind::Star(sub)
            | Kind::Plus(sub)
            | Kind::Quest(sub)
            | Kind::Repeat { sub, .. } => Some(sub),
            _ => None,
        }
    }

    /// The nodes directly below.
    pub(crate) fn subs(&self) -> &[Regexp] {
        match &self.kind {
            Kind::Concat(subs) | Kind::Alternate(subs) => subs,
            _ => self.inner().map_or(&[], std::slice::from_ref),
        }
    }

    /// How many nodes the tree has.
    pub(super) fn nodes(&self) -> usize {
        self.subs().iter().fold(1, |sum, sub| sum.saturating_add(sub.nodes()))
    }

    /// One character: a literal of one rune, a class or `.`; the number orders them from simple to complex.
    pub(super) fn char_class(&self) -> Option<u8> {
        match &self.kind {
            Kind::Literal(runes) if runes.len() == 1 => Some(0),
            Kind::Class(_) => Some(1),
            Kind::AnyCharNotNl => Some(2),
            Kind::AnyChar => Some(3),
            _ => None,
        }
    }

    /// Whether two pieces that [may be pulled out](super::factor) of alternatives are the same.
    pub(super) fn same(&self, other: &Regexp, dialect: Dialect) -> bool {
        let flag = |flag| self.flags.contains(flag) == other.flags.contains(flag);
        match (&self.kind, &other.kind) {
            (Kind::Literal(_), Kind::Literal(_)) | (Kind::Class(_), Kind::Class(_)) => {
                self.kind == other.kind && (dialect == Dialect::Older || flag(Flags::FOLD_CASE))
            }
            (Kind::Repeat { min, max, sub }, Kind::Repeat { min: min2, max: max2, sub: sub2 }) => {
                flag(Flags::NON_GREEDY) && (min, max) == (min2, max2) && sub.same(sub2, dialect)
            }
            (Kind::AnyChar, Kind::AnyChar) | (Kind::AnyCharNotNl, Kind::AnyCharNotNl) => true,
            // Only single characters and repetitions of them are ever pulled out.
            _ => false,
        }
    }
}

/// Which edition of Go's parser to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Go 1.26's `regexp/syntax`, which `regexp.Compile` uses: the `regexp` stage and templates.
    Go,
    /// The copy of Go 1.22's in `github.com/grafana/regexp/syntax`, with which upstream reads line filters, label filters
    /// and selectors. It wants the names in `\p{...}` spelled exactly, and when alternatives begin with the same
    /// character but only one ignores case, the first decides: `A.x|(?i:a)c` means `A(?:.x|c)`.
    Older,
}
