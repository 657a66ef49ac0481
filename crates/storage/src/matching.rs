//! Compiled matchers as the index's predicates.

use loptr_index::{Predicate, Test};
use loptr_model::MatchOp;
use loptr_regex::LabelMatcher;

/// Calls `ask` with the predicates that say what `matchers` say. Those that are finite lists are answered by look-up.
pub fn with_predicates<T>(matchers: &[LabelMatcher], ask: impl FnOnce(&[Predicate<'_>]) -> T) -> T {
    let lists: Vec<Option<Vec<&str>>> = matchers.iter().map(LabelMatcher::exact_values).collect();
    let tests: Vec<_> = matchers.iter().map(|matcher| move |value: &str| matcher.matches(value)).collect();
    let predicates: Vec<Predicate<'_>> = matchers
        .iter()
        .zip(&lists)
        .zip(&tests)
        .map(|((matcher, list), accepts)| {
            let test = match (list, matcher.op()) {
                (Some(values), MatchOp::Eq | MatchOp::Re) => Test::OneOf(values),
                (Some(values), MatchOp::Ne | MatchOp::Nre) => Test::NoneOf(values),
                (None, _) => Test::Accepts(accepts),
            };
            Predicate { name: matcher.name(), test }
        })
        .collect();
    ask(&predicates)
}
