//! Matchers of a selector, compiled.

use std::fmt;

use loptr_model::{MatchOp, Matcher};

use crate::error::RegexError;
use crate::regex::GoRegex;
use crate::values;

/// A [`Matcher`] ready to test values, with what an index can use to find them. Cheap to clone.
///
/// A regular expression must match the whole value, and `.` matches a newline. Values are compared as the expression means
/// them; see `docs/decisions/regex.md` for the odd Unicode values where upstream's shortcuts do not.
#[derive(Clone, Debug)]
pub struct LabelMatcher {
    matcher: Matcher,
    test: Test,
    prefix: String,
    matches_empty: bool,
}

/// How a value is tested, before the operator's negation.
#[derive(Clone, Debug)]
enum Test {
    /// It is one of these, sorted.
    OneOf(std::sync::Arc<[String]>),
    Regex(GoRegex),
}

impl LabelMatcher {
    /// Compiles `matcher`; fails if its regular expression cannot be.
    pub fn compile(matcher: &Matcher) -> Result<Self, RegexError> {
        let (test, prefix) = match matcher.op {
            _ if let Some(values) = matcher.raw_values() => (Test::OneOf(texts(&values)), String::new()),
            MatchOp::Eq | MatchOp::Ne => (Test::OneOf([matcher.value.clone()].into()), matcher.value.clone()),
            MatchOp::Re | MatchOp::Nre => {
                let regex = GoRegex::selector(&matcher.value)?;
                let prefix = values::prefix(regex.tree());
                match values::values(regex.tree()) {
                    Some(values) => (Test::OneOf(values.into()), prefix),
                    None => (Test::Regex(regex), prefix),
                }
            }
        };
        let mut compiled = Self { matcher: matcher.clone(), test, prefix, matches_empty: false };
        compiled.matches_empty = compiled.matches("");
        Ok(compiled)
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.matcher.name
    }

    /// The operator.
    pub fn op(&self) -> MatchOp {
        self.matcher.op
    }

    /// The matcher as it was given.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Whether `value` is accepted. An absent label has the value `""`.
    pub fn matches(&self, value: &str) -> bool {
        let found = match &self.test {
            Test::OneOf(values) => match &**values {
                [only] => only == value,
                values => values.binary_search_by(|known| known.as_str().cmp(value)).is_ok(),
            },
            Test::Regex(regex) => regex.is_match(value.as_bytes()),
        };
        found != self.matcher.op.is_negative()
    }

    /// Whether streams without the label are accepted.
    pub fn matches_empty(&self) -> bool {
        self.matches_empty
    }

    /// Whether every value is accepted, so that the matcher only has to be shown.
    pub fn matches_all(&self) -> bool {
        match &self.test {
            Test::Regex(regex) => !self.matcher.op.is_negative() && regex.matches_all(),
            Test::OneOf(values) => self.matcher.op.is_negative() && values.is_empty(),
        }
    }

    /// The accepted values, sorted, if they can be listed: for `=`, and for `=~` with a finite pattern such as `a|b|c`,
    /// `prod-(a|b)` or `5[0-9]{2}`. At most 1024.
    pub fn exact_values(&self) -> Option<Vec<&str>> {
        if self.matcher.op.is_negative() { None } else { self.listed() }
    }

    /// The refused values, if they can be listed: for `!=` and `!~`.
    pub fn refused_values(&self) -> Option<Vec<&str>> {
        if self.matcher.op.is_negative() { self.listed() } else { None }
    }

    fn listed(&self) -> Option<Vec<&str>> {
        match &self.test {
            Test::OneOf(values) => Some(values.iter().map(String::as_str).collect()),
            Test::Regex(_) => None,
        }
    }

    /// Text with which every accepted value begins; empty if there is none.
    pub fn prefix(&self) -> &str {
        if self.matcher.op.is_negative() { "" } else { &self.prefix }
    }
}

/// Those that are text, sorted: no label has another.
fn texts(values: &[&[u8]]) -> std::sync::Arc<[String]> {
    let mut texts: Vec<String> =
        values.iter().filter_map(|value| std::str::from_utf8(value).ok()).map(str::to_owned).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into()
}

/// As written in a query.
impl fmt::Display for LabelMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.matcher.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(op: MatchOp, value: &str) -> LabelMatcher {
        LabelMatcher::compile(&Matcher::new("app", op, value)).expect(value)
    }

    #[test]
    fn operators() {
        assert!(compile(MatchOp::Eq, "a").matches("a") && !compile(MatchOp::Eq, "a").matches("ab"));
        assert!(compile(MatchOp::Ne, "a").matches("b") && !compile(MatchOp::Ne, "a").matches("a"));
        let regex = compile(MatchOp::Re, "a.*z");
        assert!(regex.matches("a\nz") && !regex.matches("xaz") && !regex.matches("azx"));
        assert!(!compile(MatchOp::Nre, "a.*z").matches("az"));
        assert_eq!(regex.to_string(), r#"app=~"a.*z""#);
        assert_eq!((regex.name(), regex.op()), ("app", MatchOp::Re));
    }

    #[test]
    fn values_that_are_no_text() {
        let compile =
            |op, value: &[u8]| LabelMatcher::compile(&Matcher::from_bytes("app", op, value)).expect("literals");
        assert!(!compile(MatchOp::Eq, b"\xff").matches("\u{fffd}") && compile(MatchOp::Ne, b"\xff").matches("x"));
        let one_of = compile(MatchOp::Re, b"b\xff|b|a");
        assert!(one_of.matches("a") && one_of.matches("b") && !one_of.matches("b\u{fffd}"));
        assert_eq!(one_of.to_string(), r#"app=~"b\xff|b|a""#);
        assert!(compile(MatchOp::Nre, b"\xff|").matches("a") && !compile(MatchOp::Nre, b"\xff|").matches(""));
    }

    #[test]
    fn empty_and_all() {
        for (op, value, empty, all) in [
            (MatchOp::Eq, "", true, false),
            (MatchOp::Ne, "", false, false),
            (MatchOp::Ne, "a", true, false),
            (MatchOp::Re, "", true, false),
            (MatchOp::Re, ".*", true, true),
            (MatchOp::Re, "(.*)", true, true),
            (MatchOp::Re, ".+", false, false),
            (MatchOp::Re, "a|", true, false),
            (MatchOp::Nre, ".*", false, false),
            (MatchOp::Nre, ".+", true, false),
        ] {
            let matcher = compile(op, value);
            assert_eq!((matcher.matches_empty(), matcher.matches_all()), (empty, all), "{matcher}");
        }
    }

    #[test]
    fn values_and_prefixes() {
        assert_eq!(compile(MatchOp::Eq, "b").exact_values(), Some(vec!["b"]));
        assert_eq!(compile(MatchOp::Re, "c|a|b").exact_values(), Some(vec!["a", "b", "c"]));
        assert_eq!(compile(MatchOp::Re, "a+").exact_values(), None);
        assert_eq!(compile(MatchOp::Nre, "a|b").exact_values(), None);
        assert_eq!(compile(MatchOp::Nre, "a|b").refused_values(), Some(vec!["a", "b"]));
        assert_eq!(compile(MatchOp::Re, "prod-.*").prefix(), "prod-");
        assert_eq!(compile(MatchOp::Nre, "prod-.*").prefix(), "");
    }

    #[test]
    fn errors_show_the_pattern_alone() {
        let error = LabelMatcher::compile(&Matcher::new("app", MatchOp::Re, "a(")).expect_err("unclosed");
        assert_eq!(error.to_string(), "error parsing regexp: missing closing ): `a(`");
    }
}
