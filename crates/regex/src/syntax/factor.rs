//! Joining nodes: concatenations and alternations, flattened, and alternatives with their common beginnings pulled out.
//!
//! ```text
//! ABC|ABD|AEF|BCX|BCY   common text:       A(BC|BD|EF) | BC(X|Y), and inside again
//!                       single characters: A(B[CD]|EF) | BC[XY]
//! ```

use super::limits::Limits;
use super::parser::Item;
use super::set::ClassSet;
use super::tree::{Dialect, Flags, Kind, Regexp};
use crate::error::ErrorCode;

/// Factoring deeper than this makes a tree higher than the limit on height.
const MAX_DEPTH: u32 = 1000;

/// How nodes are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Concat,
    Alternate,
}

/// Joins nodes while the parser's limits are watched.
pub(super) struct Maker<'a> {
    pub(super) limits: &'a mut Limits,
    pub(super) stack: &'a [Item],
    pub(super) dialect: Dialect,
}

impl Maker<'_> {
    /// The node that joins `subs`, which are not empty. A concatenation never lies directly in another as it is read, nor
    /// an alternation.
    pub(super) fn collapse(&mut self, mut subs: Vec<Regexp>, join: Join, depth: u32) -> Result<Regexp, ErrorCode> {
        if subs.len() == 1
            && let Some(only) = subs.pop()
        {
            return Ok(only);
        }
        self.limits.take();
        let mut flat = Vec::with_capacity(subs.len());
        for sub in subs {
            match (sub.kind, join) {
                (Kind::Concat(inner), Join::Concat) | (Kind::Alternate(inner), Join::Alternate) => {
                    flat.extend(inner);
                    self.limits.give();
                }
                (kind, _) => flat.push(Regexp { kind, ..sub }),
            }
        }
        if join == Join::Concat {
            return Ok(Regexp::new(Kind::Concat(flat), Flags::NONE));
        }
        let mut factored = self.factor(flat, depth)?;
        if factored.len() == 1
            && let Some(only) = factored.pop()
        {
            self.limits.give();
            return Ok(only);
        }
        Ok(Regexp::new(Kind::Alternate(factored), Flags::NONE))
    }

    fn factor(&mut self, subs: Vec<Regexp>, depth: u32) -> Result<Vec<Regexp>, ErrorCode> {
        if depth > MAX_DEPTH {
            return Err(ErrorCode::NestingDepth);
        }
        let subs = self.factor_text(subs, depth)?;
        let subs = self.factor_chars(subs, depth)?;
        let mut subs = self.merge_runs(subs);
        subs.dedup_by(|next, kept| next.kind == Kind::Empty && kept.kind == Kind::Empty);
        Ok(subs)
    }

    /// First round: neighbours that begin with the same text.
    fn factor_text(&mut self, subs: Vec<Regexp>, depth: u32) -> Result<Vec<Regexp>, ErrorCode> {
        let mut out = Vec::with_capacity(subs.len());
        let mut run: Vec<Regexp> = Vec::new();
        let (mut prefix, mut fold) = (Vec::new(), Flags::NONE);
        for sub in subs {
            let (text, text_fold) = leading_text(&sub);
            let same = prefix.iter().zip(text).take_while(|(a, b)| a == b).count();
            if same > 0 && text_fold == fold {
                prefix.truncate(same);
            } else {
                let next = text.to_vec();
                self.pull_text(&mut out, std::mem::take(&mut run), prefix, fold, depth)?;
                (prefix, fold) = (next, text_fold);
            }
            run.push(sub);
        }
        self.pull_text(&mut out, run, prefix, fold, depth)?;
        Ok(out)
    }

    fn pull_text(
        &mut self,
        out: &mut Vec<Regexp>,
        mut run: Vec<Regexp>,
        prefix: Vec<u32>,
        fold: Flags,
        depth: u32,
    ) -> Result<(), ErrorCode> {
        if run.len() < 2 {
            out.append(&mut run);
            return Ok(());
        }
        self.limits.take();
        let mut rests = Vec::with_capacity(run.len());
        for sub in run {
            let rest = self.without_text(sub, prefix.len());
            self.limits.check(&rest, self.stack)?;
            rests.push(rest);
        }
        let suffix = self.collapse(rests, Join::Alternate, depth + 1)?;
        self.limits.take();
        let prefix = Regexp::new(Kind::Literal(prefix), fold);
        out.push(Regexp::new(Kind::Concat(vec![prefix, suffix]), Flags::NONE));
        Ok(())
    }

    /// `node` without its first `len` runes of leading text.
    fn without_text(&mut self, mut node: Regexp, len: usize) -> Regexp {
        match &mut node.kind {
            Kind::Literal(runes) => {
                runes.drain(..len.min(runes.len()));
                if runes.is_empty() {
                    node.kind = Kind::Empty;
                }
            }
            Kind::Concat(subs) if !subs.is_empty() => {
                let rest = self.without_text(subs.remove(0), len);
                if rest.kind != Kind::Empty {
                    subs.insert(0, rest);
                } else {
                    self.limits.give();
                    if subs.len() == 1
                        && let Some(only) = subs.pop()
                    {
                        self.limits.give();
                        return only;
                    }
                }
            }
            _ => {}
        }
        node.measure();
        node
    }

    /// Second round: neighbours that begin with the same single character class, or a fixed number of them. Nothing more
    /// complex: pulling out `a*` would merge paths that the order of preference tells apart.
    fn factor_chars(&mut self, subs: Vec<Regexp>, depth: u32) -> Result<Vec<Regexp>, ErrorCode> {
        let mut out = Vec::with_capacity(subs.len());
        let mut run: Vec<Regexp> = Vec::new();
        let mut first: Option<Regexp> = None;
        for sub in subs {
            let lead = leading_node(&sub);
            let dialect = self.dialect;
            let joins = first.as_ref().zip(lead).is_some_and(|(a, b)| a.same(b, dialect));
            if !joins {
                let next = lead.filter(|lead| is_fixed(lead)).cloned();
                self.pull_char(&mut out, std::mem::take(&mut run), first, depth)?;
                first = next;
            }
            run.push(sub);
        }
        self.pull_char(&mut out, run, first, depth)?;
        Ok(out)
    }

    fn pull_char(
        &mut self,
        out: &mut Vec<Regexp>,
        mut run: Vec<Regexp>,
        first: Option<Regexp>,
        depth: u32,
    ) -> Result<(), ErrorCode> {
        let (true, Some(prefix)) = (run.len() >= 2, first) else {
            out.append(&mut run);
            return Ok(());
        };
        let mut rests = Vec::with_capacity(run.len());
        for (at, sub) in run.into_iter().enumerate() {
            let rest = self.without_first(sub, at != 0);
            self.limits.check(&rest, self.stack)?;
            rests.push(rest);
        }
        let suffix = self.collapse(rests, Join::Alternate, depth + 1)?;
        self.limits.take();
        out.push(Regexp::new(Kind::Concat(vec![prefix, suffix]), Flags::NONE));
        Ok(())
    }

    /// `node` without its first part; `give` if that part's node is no longer needed.
    fn without_first(&mut self, mut node: Regexp, give: bool) -> Regexp {
        if give {
            self.limits.give();
        }
        if let Kind::Concat(subs) = &mut node.kind {
            subs.remove(0);
            if subs.len() == 1
                && let Some(only) = subs.pop()
            {
                self.limits.give();
                return only;
            }
            node.measure();
            return node;
        }
        self.limits.take();
        Regexp::new(Kind::Empty, Flags::NONE)
    }

    /// Third round: neighbours that are one character each become one class.
    fn merge_runs(&mut self, subs: Vec<Regexp>) -> Vec<Regexp> {
        let mut out = Vec::with_capacity(subs.len());
        let mut run: Vec<Regexp> = Vec::new();
        for sub in subs {
            if sub.char_class().is_some() {
                run.push(sub);
            } else {
                self.merge_run(&mut out, &mut run);
                out.push(sub);
            }
        }
        self.merge_run(&mut out, &mut run);
        out
    }

    fn merge_run(&mut self, out: &mut Vec<Regexp>, run: &mut Vec<Regexp>) {
        if run.len() < 2 {
            out.append(run);
            return;
        }
        // The most complex one takes the others in; of equals the first.
        let weight = |node: &Regexp| {
            let slots = if let Kind::Class(set) = &node.kind { set.ranges().len() } else { 0 };
            (node.char_class(), slots)
        };
        let mut most = 0;
        for at in 1..run.len() {
            if weight(&run[at]) > weight(&run[most]) {
                most = at;
            }
        }
        run.swap(0, most);
        let mut rest = run.drain(..);
        let Some(mut merged) = rest.next() else { return };
        for other in rest {
            merge_chars(&mut merged, &other);
            self.limits.give();
        }
        tidy(&mut merged);
        out.push(merged);
    }
}

/// The text a node begins with, and its case flag.
fn leading_text(node: &Regexp) -> (&[u32], Flags) {
    let first = match &node.kind {
        Kind::Concat(subs) => subs.first().unwrap_or(node),
        _ => node,
    };
    match &first.kind {
        Kind::Literal(runes) if first.fold_case() => (runes, Flags::FOLD_CASE),
        Kind::Literal(runes) => (runes, Flags::NONE),
        _ => (&[], Flags::NONE),
    }
}

/// The first part of a node.
fn leading_node(node: &Regexp) -> Option<&Regexp> {
    let first = match &node.kind {
        Kind::Concat(subs) => subs.first().unwrap_or(node),
        _ => node,
    };
    (first.kind != Kind::Empty).then_some(first)
}

/// One character, or a fixed number of the same.
fn is_fixed(node: &Regexp) -> bool {
    match &node.kind {
        Kind::Repeat { min, max, sub } => *max == Some(*min) && sub.char_class().is_some(),
        _ => node.char_class().is_some(),
    }
}

/// Adds what the single character `other` matches to `target`, which is at least as complex.
pub(super) fn merge_chars(target: &mut Regexp, other: &Regexp) {
    match (&mut target.kind, &other.kind) {
        (Kind::AnyCharNotNl, kind) => {
            let newline = match kind {
                Kind::Literal(runes) => runes.first() == Some(&0x0A),
                Kind::Class(set) => set.contains(0x0A),
                kind => *kind == Kind::AnyChar,
            };
            if newline {
                target.kind = Kind::AnyChar;
            }
        }
        (Kind::Class(set), Kind::Literal(runes)) => add_runes(set, runes, other.fold_case()),
        (Kind::Class(set), Kind::Class(more)) => set.union(more),
        (Kind::Literal(runes), Kind::Literal(more)) if runes != more || target.flags != other.flags => {
            let mut set = ClassSet::default();
            add_runes(&mut set, runes, target.flags.contains(Flags::FOLD_CASE));
            add_runes(&mut set, more, other.fold_case());
            target.kind = Kind::Class(set);
        }
        _ => {}
    }
    target.measure();
}

fn add_runes(set: &mut ClassSet, runes: &[u32], fold: bool) {
    for &rune in runes {
        if fold { set.push_folded(rune, rune) } else { set.push(rune, rune) }
    }
    set.canonicalize();
}

/// Turns a class of everything, or of everything but the newline, into the node that says so.
pub(super) fn tidy(node: &mut Regexp) {
    let Kind::Class(set) = &node.kind else { return };
    match set.ranges() {
        [(0, crate::unicode::MAX_RUNE)] => node.kind = Kind::AnyChar,
        [(0, 0x09), (0x0B, crate::unicode::MAX_RUNE)] => node.kind = Kind::AnyCharNotNl,
        _ => {}
    }
}
