//! `Regexp.Simplify`: counted repetitions written out.

use super::tree::{Flags, Kind, Regexp};

/// Of more copies than these only so many are written.
const MAX_COPIES: u32 = 4;

/// When the copies would be more nodes than this, repetitions stay as they are.
const MAX_NODES: usize = 100_000;

impl Regexp {
    /// The tree as Go's `Simplify` leaves it, for code that looks at its shape: `x{0}` is empty, `x{1}` is `x`, `x{0,}` is
    /// `x*`, `x{2,3}` is `xxx?`, and `(?:x*)*` is `x*`.
    ///
    /// What no shape test can tell apart is cut short, so that the result stays small: of many copies four are written,
    /// and of the nested optional ones in `x{2,5}` one. So the result does not match what the tree matches.
    pub fn simplify(&self) -> Regexp {
        let mut budget = MAX_NODES;
        simplify(self, &mut budget)
    }
}

fn simplify(node: &Regexp, budget: &mut usize) -> Regexp {
    let kind = match &node.kind {
        Kind::Capture { index, name, sub } => {
            Kind::Capture { index: *index, name: name.clone(), sub: Box::new(simplify(sub, budget)) }
        }
        Kind::Concat(subs) => Kind::Concat(subs.iter().map(|sub| simplify(sub, budget)).collect()),
        Kind::Alternate(subs) => Kind::Alternate(subs.iter().map(|sub| simplify(sub, budget)).collect()),
        Kind::Star(sub) => return repeated(Kind::Star, node.flags, simplify(sub, budget)),
        Kind::Plus(sub) => return repeated(Kind::Plus, node.flags, simplify(sub, budget)),
        Kind::Quest(sub) => return repeated(Kind::Quest, node.flags, simplify(sub, budget)),
        Kind::Repeat { max: Some(0), .. } => return Regexp::new(Kind::Empty, Flags::NONE),
        Kind::Repeat { min, max, sub } => return counted(*min, *max, node.flags, simplify(sub, budget), budget),
        _ => return node.clone(),
    };
    Regexp::new(kind, node.flags)
}

fn counted(min: u32, max: Option<u32>, flags: Flags, sub: Regexp, budget: &mut usize) -> Regexp {
    match (min, max) {
        (0, None) => return repeated(Kind::Star, flags, sub),
        (1, None) => return repeated(Kind::Plus, flags, sub),
        (1, Some(1)) => return sub,
        _ => {}
    }
    let whole = if max.is_none() { min - 1 } else { min }.min(MAX_COPIES) as usize;
    let cost = sub.nodes().saturating_mul(whole + 1);
    if cost > *budget {
        return Regexp::new(Kind::Repeat { min, max, sub: Box::new(sub) }, flags);
    }
    *budget -= cost;
    let last = match max {
        None => Some(repeated(Kind::Plus, flags, sub.clone())),
        Some(max) if max > min => Some(repeated(Kind::Quest, flags, sub.clone())),
        Some(_) => None,
    };
    match last {
        Some(last) if whole == 0 => last,
        last => {
            let copies = std::iter::repeat_n(sub, whole).chain(last);
            Regexp::new(Kind::Concat(copies.collect()), Flags::NONE)
        }
    }
}

/// `sub` under `*`, `+` or `?`, unless that adds nothing.
fn repeated(kind: fn(Box<Regexp>) -> Kind, flags: Flags, sub: Regexp) -> Regexp {
    if sub.kind == Kind::Empty {
        return sub;
    }
    let node = Regexp::new(kind(Box::new(sub)), flags);
    match node.inner() {
        Some(inner)
            if std::mem::discriminant(&inner.kind) == std::mem::discriminant(&node.kind)
                && inner.greedy() == node.greedy() =>
        {
            inner.clone()
        }
        _ => node,
    }
}
