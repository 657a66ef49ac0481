//! Label filters: text, number, duration, bytes and ip comparisons joined by `and` and `or` (specification 4.7).

use loptr_logql::ast::{self, CompareOp, Deep};
use loptr_logql::with_stack;
use loptr_model::{MatchOp, Matcher, go_quote_bytes};

use super::ip::IpPattern;
use super::labels::{ERROR, LineLabels, NameId};
use super::number::{parse_bytes, parse_duration, parse_float};
use super::parse::equal;
use crate::regex::Regex;

const LABEL_FILTER_ERROR: &str = "LabelFilterErr";

/// A compiled label filter.
#[derive(Clone, Debug)]
pub(crate) enum LabelFilter {
    Text {
        name: NameId,
        is_error: bool,
        test: TextTest,
    },
    Number {
        name: NameId,
        op: CompareOp,
        value: f64,
    },
    Duration {
        name: NameId,
        op: CompareOp,
        value: i64,
    },
    Bytes {
        name: NameId,
        op: CompareOp,
        value: u64,
    },
    /// Inside a tree, or behind an unwrap, a pattern may be none; then nothing passes.
    Ip {
        name: NameId,
        negated: bool,
        pattern: Option<IpPattern>,
    },
    And(Deep<LabelFilter>, Deep<LabelFilter>),
    Or(Deep<LabelFilter>, Deep<LabelFilter>),
}

/// A comparison of a label's text.
#[derive(Clone, Debug)]
pub(crate) enum TextTest {
    Eq(Box<[u8]>),
    Ne(Box<[u8]>),
    Re(Regex),
    Nre(Regex),
    /// Alternatives that are no text, so that no expression can hold them.
    OneOf(Box<[Box<[u8]>]>),
    NoneOf(Box<[Box<[u8]>]>),
}

impl TextTest {
    pub(crate) fn compile(matcher: &Matcher) -> Result<Self, String> {
        let one_of = |values: Vec<&[u8]>| values.into_iter().map(Into::into).collect();
        Ok(match (matcher.op, matcher.raw_values()) {
            (MatchOp::Eq, _) => Self::Eq(matcher.value_bytes().into()),
            (MatchOp::Ne, _) => Self::Ne(matcher.value_bytes().into()),
            (MatchOp::Re, Some(values)) => Self::OneOf(one_of(values)),
            (MatchOp::Nre, Some(values)) => Self::NoneOf(one_of(values)),
            (MatchOp::Re, None) => Self::Re(Regex::anchored(&matcher.value)?),
            (MatchOp::Nre, None) => Self::Nre(Regex::anchored(&matcher.value)?),
        })
    }

    /// As selectors compare: `.` matches a line end too.
    pub(crate) fn selector(matcher: &Matcher) -> Result<Self, String> {
        Ok(match matcher.op {
            MatchOp::Re if matcher.raw_values().is_none() => Self::Re(Regex::selector(&matcher.value)?),
            MatchOp::Nre if matcher.raw_values().is_none() => Self::Nre(Regex::selector(&matcher.value)?),
            _ => Self::compile(matcher)?,
        })
    }

    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Self::Eq(text) => equal(value, text),
            Self::Ne(text) => !equal(value, text),
            Self::Re(regex) => regex.is_match(value),
            Self::Nre(regex) => !regex.is_match(value),
            Self::OneOf(values) => values.iter().any(|one| &**one == value),
            Self::NoneOf(values) => values.iter().all(|one| &**one != value),
        }
    }
}

impl LabelFilter {
    /// Compiles the tree; `name` numbers label names.
    pub(crate) fn compile(filter: &ast::LabelFilter, name: &mut dyn FnMut(&str) -> NameId) -> Result<Self, String> {
        with_stack(|| Self::compile_here(filter, name))
    }

    fn compile_here(filter: &ast::LabelFilter, name: &mut dyn FnMut(&str) -> NameId) -> Result<Self, String> {
        Ok(match filter {
            ast::LabelFilter::Matcher(matcher) => Self::Text {
                name: name(&matcher.name),
                is_error: matcher.name == ERROR,
                test: TextTest::compile(matcher)?,
            },
            // Sent on as `-0`, which upstream reads as a duration.
            ast::LabelFilter::Number { name: label, op, value } if *value == 0.0 && value.is_sign_negative() => {
                Self::Duration { name: name(label), op: *op, value: 0 }
            }
            ast::LabelFilter::Number { name: label, op, value } => {
                Self::Number { name: name(label), op: *op, value: *value }
            }
            ast::LabelFilter::Duration { name: label, op, value_ns } => {
                Self::Duration { name: name(label), op: *op, value: *value_ns }
            }
            ast::LabelFilter::Bytes { name: label, op, value_bytes } => {
                Self::Bytes { name: name(label), op: *op, value: *value_bytes }
            }
            ast::LabelFilter::Ip { name: label, negated, pattern } => {
                Self::Ip { name: name(label), negated: *negated, pattern: ip(pattern).ok() }
            }
            ast::LabelFilter::And(a, b) => {
                Self::And(Deep::new(Self::compile(a, name)?), Deep::new(Self::compile(b, name)?))
            }
            ast::LabelFilter::Or(a, b) => {
                Self::Or(Deep::new(Self::compile(a, name)?), Deep::new(Self::compile(b, name)?))
            }
        })
    }

    /// Whether the line stays. A value that does not convert sets an error and keeps the line.
    pub(crate) fn keeps(&self, labels: &mut LineLabels) -> bool {
        match self {
            Self::Text { is_error: true, test, .. } => test.accepts(labels.error()),
            Self::Text { name, test, .. } => test.accepts(labels.get(*name).unwrap_or_default()),
            Self::Number { name, op, value } => compare(labels, *name, *op, parse_float, *value),
            Self::Duration { name, op, value } => compare(labels, *name, *op, parse_duration, *value),
            Self::Bytes { name, op, value } => compare(labels, *name, *op, parse_bytes, *value),
            Self::Ip { name, negated, pattern } => {
                let accepts = |pattern: &IpPattern, value: &[u8]| pattern.is_match(value) != *negated;
                labels.has_error()
                    || labels.get(*name).zip(pattern.as_ref()).is_some_and(|(value, pattern)| accepts(pattern, value))
            }
            Self::And(a, b) => with_stack(|| {
                let left = a.keeps(labels);
                b.keeps(labels) && left
            }),
            Self::Or(a, b) => with_stack(|| a.keeps(labels) || b.keeps(labels)),
        }
    }

    /// Labels it reads, in order.
    pub(crate) fn names(filter: &ast::LabelFilter, out: &mut Vec<String>) {
        match filter {
            ast::LabelFilter::Matcher(matcher) => out.push(matcher.name.clone()),
            ast::LabelFilter::Number { name, .. }
            | ast::LabelFilter::Duration { name, .. }
            | ast::LabelFilter::Bytes { name, .. }
            | ast::LabelFilter::Ip { name, .. } => out.push(name.clone()),
            ast::LabelFilter::And(a, b) | ast::LabelFilter::Or(a, b) => {
                with_stack(|| {
                    Self::names(a, out);
                    Self::names(b, out);
                });
            }
        }
    }
}

/// What is no text is no address either.
pub(super) fn ip(pattern: &[u8]) -> Result<IpPattern, String> {
    std::str::from_utf8(pattern)
        .map_err(|_| format!("ip: invalid pattern: {}", go_quote_bytes(pattern)))
        .and_then(IpPattern::parse)
}

fn compare<T: PartialOrd>(
    labels: &mut LineLabels,
    name: NameId,
    op: CompareOp,
    parse: fn(&[u8]) -> Result<T, String>,
    constant: T,
) -> bool {
    let Some(text) = labels.get(name) else { return false };
    match parse(text) {
        Ok(value) => match op {
            CompareOp::Eq => value == constant,
            CompareOp::Ne => value != constant,
            CompareOp::Gt => value > constant,
            CompareOp::Ge => value >= constant,
            CompareOp::Lt => value < constant,
            CompareOp::Le => value <= constant,
        },
        Err(details) => {
            if !labels.has_error() {
                labels.set_error(LABEL_FILTER_ERROR, &details);
            }
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::hints::Hints;
    use loptr_model::Labels;

    fn run(filter: &ast::LabelFilter, pairs: &[(&str, &str)]) -> (bool, String) {
        let mut labels = LineLabels::new(&Labels::from_pairs(pairs.iter().copied()), &[], &Hints::none());
        labels.start();
        let compiled = LabelFilter::compile(filter, &mut |name| labels.name(name)).expect("valid filter");
        let kept = compiled.keeps(&mut labels);
        (kept, String::from_utf8_lossy(labels.details()).into_owned())
    }

    fn matcher(op: MatchOp, value: &str) -> ast::LabelFilter {
        ast::LabelFilter::Matcher(Matcher::new("v", op, value))
    }

    fn leg(node: ast::LabelFilter) -> Deep<ast::Spanned<ast::LabelFilter>> {
        Deep::new(node.into())
    }

    #[test]
    fn text_is_anchored_and_absent_is_empty() {
        let kept = |op, value: &str, v: &str| run(&matcher(op, value), &[("v", v)]).0;
        assert!(!kept(MatchOp::Re, "bar.*", "xbar") && kept(MatchOp::Re, "bar.*", "bark"));
        assert!(kept(MatchOp::Re, "401|402", "402") && !kept(MatchOp::Re, "foo|foobar", "xfoo"));
        assert!(run(&matcher(MatchOp::Re, "bar|"), &[]).0 && run(&matcher(MatchOp::Eq, ""), &[]).0);
        assert!(run(&matcher(MatchOp::Ne, "1"), &[]).0 && !kept(MatchOp::Nre, ".*", "x"));
    }

    #[test]
    fn conversions_fail_softly_and_absence_drops() {
        let number = ast::LabelFilter::Number { name: "v".into(), op: CompareOp::Ne, value: 1.0 };
        assert_eq!(run(&number, &[]), (false, String::new()));
        assert!(!run(&number, &[("v", "1.0")]).0);
        let (kept, details) = run(&number, &[("v", "x")]);
        assert_eq!((kept, details.as_str()), (true, "strconv.ParseFloat: parsing \"x\": invalid syntax"));
        let day = ast::LabelFilter::Duration { name: "v".into(), op: CompareOp::Ge, value_ns: 1 };
        assert_eq!(run(&day, &[("v", "1d")]), (true, "time: unknown unit \"d\" in duration \"1d\"".into()));
        let bytes = ast::LabelFilter::Bytes { name: "v".into(), op: CompareOp::Gt, value_bytes: 1000 };
        assert!(run(&bytes, &[("v", "1KiB")]).0 && !run(&bytes, &[("v", "1kB")]).0);
    }

    #[test]
    fn both_legs_of_and_are_run() {
        let bad = ast::LabelFilter::Number { name: "v".into(), op: CompareOp::Gt, value: 1.0 };
        let both = ast::LabelFilter::And(leg(matcher(MatchOp::Eq, "no")), leg(bad.clone()));
        let (kept, details) = run(&both, &[("v", "x")]);
        assert!(!kept && !details.is_empty());
        let either = ast::LabelFilter::Or(leg(matcher(MatchOp::Eq, "x")), leg(bad));
        assert_eq!(run(&either, &[("v", "x")]), (true, String::new()));
    }

    #[test]
    fn ip_of_a_label() {
        let ip = |negated| ast::LabelFilter::Ip { name: "v".into(), negated, pattern: "10.0.0.0/8".into() };
        assert!(run(&ip(false), &[("v", "10.1.2.3")]).0 && !run(&ip(true), &[("v", "10.1.2.3")]).0);
        assert!(!run(&ip(false), &[]).0 && !run(&ip(true), &[]).0);
        let broken = |negated| ast::LabelFilter::Ip { name: "v".into(), negated, pattern: "q".into() };
        assert!(!run(&broken(false), &[("v", "10.1.2.3")]).0 && !run(&broken(true), &[("v", "10.1.2.3")]).0);
    }
}
