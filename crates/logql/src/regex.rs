//! The one door to regular expressions. Errors are Go's texts.

use loptr_model::Matcher;
use loptr_regex::syntax::{Dialect, Flags, Kind, Regexp, parse};
use loptr_regex::{GoRegex, LabelMatcher};

/// Whether `pattern` is a regular expression; it need not be UTF-8 to be asked about.
pub(crate) fn check_regex(pattern: &[u8]) -> Result<(), String> {
    GoRegex::from_bytes(pattern).map(|_| ()).map_err(|error| error.to_string())
}

/// As [`check_regex`], for the value of a matcher: alternatives without a meaning of their own are compared as bytes and need
/// not be UTF-8.
pub(crate) fn check_selector(pattern: &[u8]) -> Result<(), String> {
    let is_literal = !pattern.iter().any(|byte| br"\.+*?()[]{}^$".contains(byte));
    if is_literal && std::str::from_utf8(pattern).is_err() { Ok(()) } else { check_regex(pattern) }
}

/// As [`check_regex`], compiled the way a line filter is.
pub(crate) fn check_line_filter(pattern: &[u8]) -> Result<(), String> {
    GoRegex::line_filter(pattern).map(|_| ()).map_err(|error| error.to_string())
}

/// As [`check_regex`], with the names of the groups, group 0 left out.
pub(crate) fn capture_names(pattern: &[u8]) -> Result<Vec<Option<String>>, String> {
    let regex = GoRegex::from_bytes(pattern).map_err(|error| error.to_string())?;
    Ok(regex.capture_names().skip(1).map(|name| name.map(str::to_owned)).collect())
}

/// Whether a selector with this matcher alone takes streams that lack the label.
pub(crate) fn matches_empty(matcher: &Matcher) -> bool {
    LabelMatcher::compile(matcher).is_ok_and(|matcher| matcher.matches_empty())
}

/// Whether upstream runs a label filter's `pattern` as a regular expression rather than as text tests. It then
/// prints it between back-quotes.
pub(crate) fn stays_regex(pattern: &str) -> bool {
    parse(pattern, Flags::PERL, Dialect::Older).is_ok_and(|tree| !is_text_test(&tree))
}

/// Literals, `.*`, `.+`, the empty pattern, and alternations of them.
fn is_text_test(node: &Regexp) -> bool {
    let node = simple(node);
    match &node.kind {
        Kind::Literal(_) | Kind::Empty => true,
        Kind::Capture { sub, .. } => is_text_test(sub),
        Kind::Alternate(subs) => subs.iter().all(is_text_test),
        Kind::Concat(subs) => is_text_concat(subs, false),
        _ => is_empty(node) || is_repeated_dot(node, 0) || is_repeated_dot(node, 1),
    }
}

/// At most three parts: one literal, any `.*`, and alternations that come after a literal.
fn is_text_concat(subs: &[Regexp], literal_before: bool) -> bool {
    let group = |node| match &simple(node).kind {
        Kind::Capture { sub, .. } => simple(sub),
        _ => simple(node),
    };
    let parts: Vec<&Regexp> = subs.iter().map(group).filter(|part| !is_empty(part)).collect();
    let (mut any_literal, mut own_literal, mut folds) = (literal_before, false, false);
    for part in &parts {
        match &part.kind {
            Kind::Literal(_) if own_literal => return false,
            Kind::Literal(_) => {
                (any_literal, own_literal) = (true, true);
                folds = part.flags.contains(Flags::FOLD_CASE);
            }
            Kind::Alternate(subs) if any_literal => {
                if !subs.iter().all(|alternative| is_text_alternative(simple(alternative), folds)) {
                    return false;
                }
            }
            _ if is_repeated_dot(part, 0) => {}
            _ => return false,
        }
    }
    parts.len() <= 3 && any_literal
}

/// An alternative after a literal; `folds` tells whether that literal ignores case.
fn is_text_alternative(node: &Regexp, folds: bool) -> bool {
    if !folds && node.flags.contains(Flags::FOLD_CASE) {
        return false;
    }
    match &node.kind {
        Kind::Literal(_) => true,
        Kind::Concat(subs) => is_text_concat(subs, true),
        _ => is_empty(node) || is_repeated_dot(node, 0),
    }
}

/// Without `{1}`.
fn simple(node: &Regexp) -> &Regexp {
    match &node.kind {
        Kind::Repeat { min: 1, max: Some(1), sub } => simple(sub),
        _ => node,
    }
}

fn is_empty(node: &Regexp) -> bool {
    matches!(&node.kind, Kind::Empty | Kind::Repeat { max: Some(0), .. })
}

/// `.*` for 0, `.+` for 1.
fn is_repeated_dot(node: &Regexp, least: u32) -> bool {
    let (min, sub) = match &node.kind {
        Kind::Star(sub) => (0, sub),
        Kind::Plus(sub) => (1, sub),
        Kind::Repeat { min, max: None, sub } => (*min, sub),
        _ => return false,
    };
    min == least && sub.kind == Kind::AnyCharNotNl
}

#[cfg(test)]
mod tests {
    use loptr_model::MatchOp;

    use super::*;

    #[test]
    fn knows_gos_errors() {
        assert_eq!(check_regex(b"("), Err("error parsing regexp: missing closing ): `(`".to_owned()));
        assert!(check_regex(b"a\xff").is_err());
        assert_eq!(capture_names(b"(?P<a>x)(y)"), Ok(vec![Some("a".to_owned()), None]));
    }

    #[test]
    fn knows_who_takes_the_empty_text() {
        let matcher = |op, value: &str| Matcher::new("a", op, value);
        for m in [
            matcher(MatchOp::Eq, ""),
            matcher(MatchOp::Ne, "b"),
            matcher(MatchOp::Re, "b|"),
            matcher(MatchOp::Re, ".*"),
            matcher(MatchOp::Re, "a*"),
            matcher(MatchOp::Nre, "b"),
        ] {
            assert!(matches_empty(&m), "{m}");
        }
        for m in [
            matcher(MatchOp::Eq, "b"),
            matcher(MatchOp::Ne, ""),
            matcher(MatchOp::Re, ".+"),
            matcher(MatchOp::Nre, ".*"),
            matcher(MatchOp::Nre, ""),
        ] {
            assert!(!matches_empty(&m), "{m}");
        }
    }
}
