//! Building the automata, within bounds.

use regex_automata::meta;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;

use crate::error::RegexError;
use crate::hir;
use crate::syntax::{Kind, Regexp};

/// The most bytes one automaton (NFA) may take; a regex has up to four of them.
pub(crate) const MAX_AUTOMATON_BYTES: usize = 32 << 20;

/// Automata estimated below this are built when first asked for, since building them cannot fail.
const LAZY_BYTES: u64 = 16 << 20;

/// Bytes of lazily built DFA kept per thread at work, for each engine.
const CACHE_BYTES: usize = 2 << 20;

/// The most bytes a search for groups may take, for each thread at work.
pub(crate) const MAX_GROUP_BYTES: u64 = 128 << 20;

/// Bytes of one state with its share of transitions, at most.
const STATE: u64 = 64;

/// Builds the engine for `tree`. Without a limit it cannot fail for a tree that [`is_small`].
pub(crate) fn build(
    tree: &Regexp,
    groups: bool,
    limit: Option<usize>,
    pattern: &str,
) -> Result<meta::Regex, RegexError> {
    let config = meta::Config::new().utf8_empty(true).nfa_size_limit(limit).hybrid_cache_capacity(CACHE_BYTES);
    meta::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .build_from_hir(&hir::build(tree, groups))
        .map_err(|_| RegexError::too_big(limit.unwrap_or(MAX_AUTOMATON_BYTES), pattern))
}

/// Whether a search for `groups` groups stays within [`MAX_GROUP_BYTES`]. It remembers where each group is for every state.
pub(crate) fn groups_fit(tree: &Regexp, groups: usize) -> bool {
    /// Bytes for one group: start and end, now and at the next character.
    const GROUP: u64 = 2 * 2 * 8;
    let fits = |states: u64| states.saturating_mul(groups as u64).saturating_mul(GROUP) <= MAX_GROUP_BYTES;
    fits(estimate(tree) / STATE) || {
        let config = thompson::Config::new().nfa_size_limit(Some(MAX_AUTOMATON_BYTES));
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(&hir::build(tree, true));
        nfa.is_ok_and(|nfa| fits(nfa.states().len() as u64))
    }
}

/// Whether every automaton of `tree` certainly stays small.
pub(crate) fn is_small(tree: &Regexp) -> bool {
    estimate(tree) <= LAZY_BYTES
}

/// An upper bound on an automaton's bytes.
fn estimate(node: &Regexp) -> u64 {
    /// States one range of runes may take: up to six UTF-8 sequences of up to four bytes.
    const RANGE: u64 = 24 * STATE;
    match &node.kind {
        Kind::Literal(runes) => (runes.len() as u64).saturating_mul(if node.fold_case() { 4 } else { 1 } * 4 * STATE),
        Kind::Class(set) => (set.ranges().len() as u64 + 1).saturating_mul(RANGE),
        Kind::AnyChar | Kind::AnyCharNotNl => 2 * RANGE,
        Kind::Repeat { min, max, sub } => {
            let copies = u64::from(max.unwrap_or(*min).max(1));
            copies.saturating_mul(estimate(sub).saturating_add(2 * STATE))
        }
        _ => node.subs().iter().fold(4 * STATE, |sum, sub| sum.saturating_add(estimate(sub)).saturating_add(STATE)),
    }
}
