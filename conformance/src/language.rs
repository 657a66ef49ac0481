//! What can be told of a query from its tokens alone: does it sort, and does it need more than the
//! foundation's language.
//!
//! The foundation's language is: selectors; every line filter, with chains of `or`, `ip()`, patterns;
//! `decolorize`; label filters (on stream labels and structured metadata); `rate`, `count_over_time`,
//! `bytes_rate`, `bytes_over_time`, `absent_over_time`, with `offset`; `sum`, `min`, `max`, `avg`, `count` with
//! `by` and `without`. Parsers, formatters, `drop`, `keep`, `unwrap`, other functions, literals and binary
//! operators are not in it.

use crate::compare::Rules;
use crate::http::Request;
use crate::recorded::query_of;

/// A token of LogQL, as far as this module needs to tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    /// With its unit, and with its sign where it can have one.
    Number,
    String,
    /// `[…]`, whole.
    Range,
    Sign(&'a str),
    Comment,
}

/// Words after a `|` that need more than the foundation.
const STAGES: [&str; 10] =
    ["json", "logfmt", "unpack", "regexp", "pattern", "line_format", "label_format", "drop", "keep", "unwrap"];
/// Functions of the foundation.
const FUNCTIONS: [&str; 11] = [
    "rate",
    "count_over_time",
    "bytes_rate",
    "bytes_over_time",
    "absent_over_time",
    "sum",
    "min",
    "max",
    "avg",
    "count",
    "ip",
];

/// How the answer to this request is to be compared.
pub fn rules_of(request: &Request, equal_times_free: bool) -> Rules {
    Rules { sorted: sorts(&query_of(request)), equal_times_free }
}

/// Is `sort(` or `sort_desc(` called outside strings and comments?
pub fn sorts(query: &str) -> bool {
    let tokens = tokens(query);
    tokens.windows(2).any(|pair| match pair {
        [Token::Word(word), Token::Sign("(")] => {
            word.eq_ignore_ascii_case("sort") || word.eq_ignore_ascii_case("sort_desc")
        }
        _ => false,
    })
}

/// The first thing in the query that the foundation's language lacks, if any.
pub fn beyond_foundation(query: &str) -> Option<String> {
    let tokens = tokens(query);
    // Whether the place is inside a pipeline, where comparisons and `and` belong to label filters; the stack
    // remembers it for each open parenthesis.
    let (mut in_pipe, mut open, mut braces) = (false, Vec::new(), 0_u32);
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let after = tokens.get(at + 1);
        let calls = after == Some(&Token::Sign("("));
        match token {
            Token::Sign("{") => braces += 1,
            Token::Sign("}") => braces = braces.saturating_sub(1),
            _ if braces > 0 => {}
            Token::Sign("(") => open.push(in_pipe),
            Token::Sign(")") => in_pipe = open.pop().unwrap_or(false),
            Token::Sign("|" | "|=" | "|~" | "|>" | "!>" | "!~") => in_pipe = true,
            Token::Sign("-") if is_offset(before) => {}
            Token::Sign("!=") if matches!(after, Some(Token::String) | None) => in_pipe = true,
            Token::Sign("!=") if matches!(after, Some(Token::Word(word)) if word.eq_ignore_ascii_case("ip")) => {
                in_pipe = true
            }
            Token::Sign(sign @ ("!=" | "==" | ">" | ">=" | "<" | "<=" | "+" | "-" | "*" | "/" | "%" | "^"))
                if !in_pipe =>
            {
                return Some(format!("the operator {sign}"));
            }
            Token::Range => in_pipe = false,
            Token::Number if !in_pipe && !is_offset(before) && before != Some(&Token::Sign("-")) => {
                return Some("a literal".to_owned());
            }
            Token::Word(word) => {
                let lower = word.to_ascii_lowercase();
                let operator = matches!(lower.as_str(), "and" | "or" | "unless" | "bool" | "on" | "ignoring");
                let grouping = matches!(lower.as_str(), "by" | "without");
                if STAGES.contains(&lower.as_str()) && (in_pipe || calls) {
                    return Some(format!("the stage {lower}"));
                }
                if lower == "unless" || (operator && !in_pipe) {
                    return Some(format!("the operator {lower}"));
                }
                let starts_call = calls || matches!(after, Some(Token::Word(next)) if is_grouping(next));
                if starts_call && !in_pipe && !operator && !grouping && !FUNCTIONS.contains(&lower.as_str()) {
                    return Some(format!("the function {lower}"));
                }
            }
            _ => {}
        }
    }
    None
}

fn is_offset(token: Option<&Token<'_>>) -> bool {
    matches!(token, Some(Token::Word(word)) if word.eq_ignore_ascii_case("offset"))
}

fn is_grouping(word: &str) -> bool {
    word.eq_ignore_ascii_case("by") || word.eq_ignore_ascii_case("without")
}

fn tokens(query: &str) -> Vec<Token<'_>> {
    let unsigned = |(token, text): (_, &str)| match token {
        Token::Comment => Vec::new(),
        // An operator or a sign, which only its neighbours could tell.
        Token::Number if text.starts_with('-') => vec![Token::Sign("-"), token],
        Token::Number if text.starts_with('+') => vec![Token::Sign("+"), token],
        token => vec![token],
    };
    tokens_with_comments(query).into_iter().flat_map(unsigned).collect()
}

/// All tokens, each with its text. A sign before a digit is taken for part of the number where no value stands before.
pub(crate) fn tokens_with_comments(query: &str) -> Vec<(Token<'_>, &str)> {
    let mut tokens: Vec<(Token<'_>, &str)> = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let digit = |text: Option<&str>| text.is_some_and(|tail| tail.starts_with(|c: char| c.is_ascii_digit()));
        let value_before =
            matches!(tokens.last(), Some((Token::Number | Token::Range | Token::Word(_) | Token::Sign(")"), _)));
        let (token, length) = match first {
            '"' => (Some(Token::String), quoted(rest)),
            '`' => {
                (Some(Token::String), rest.get(1..).and_then(|tail| tail.find('`')).map_or(rest.len(), |end| end + 2))
            }
            '#' => (Some(Token::Comment), rest.find('\n').unwrap_or(rest.len())),
            '[' => (Some(Token::Range), rest.find(']').map_or(rest.len(), |end| end + 1)),
            _ if rest.starts_with("//") => (Some(Token::Comment), rest.find('\n').unwrap_or(rest.len())),
            _ if rest.starts_with("/*") => (Some(Token::Comment), rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '0'..='9' => (Some(Token::Number), literal(rest)),
            '.' if digit(rest.get(1..)) => (Some(Token::Number), literal(rest)),
            '-' | '+' if digit(rest.get(1..)) && (!value_before || after_offset(&tokens)) => {
                (Some(Token::Number), 1 + literal(rest.get(1..).unwrap_or_default()))
            }
            _ if first == '_' || first.is_alphabetic() => {
                let length = run(rest, |c| c == '_' || c.is_alphanumeric());
                (rest.get(..length).map(Token::Word), length)
            }
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ => {
                let two = ["!=", "=~", "!~", "|=", "|~", "|>", "!>", "==", ">=", "<="]
                    .iter()
                    .any(|sign| rest.starts_with(sign));
                let length = if two { 2 } else { first.len_utf8() };
                (rest.get(..length).map(Token::Sign), length)
            }
        };
        let text = rest.get(..length).unwrap_or(rest);
        tokens.extend(token.map(|token| (token, text)));
        rest = rest.get(length..).unwrap_or_default();
    }
    tokens
}

fn after_offset(tokens: &[(Token<'_>, &str)]) -> bool {
    is_offset(tokens.last().map(|(token, _)| token))
}

/// The length of a number with its unit; an exponent may have a sign.
fn literal(text: &str) -> usize {
    let length = run(text, |c| c.is_alphanumeric() || c == '.' || c == '_');
    let (digits, rest) = text.split_at(length);
    let hex = digits.starts_with("0x");
    let exponent = if hex { digits.ends_with(['p', 'P']) } else { digits.ends_with(['e', 'E']) };
    match rest.strip_prefix(['-', '+']) {
        Some(tail) if exponent => length + 1 + run(tail, |c| c.is_ascii_digit()),
        _ => length,
    }
}

fn run(text: &str, inside: impl Fn(char) -> bool) -> usize {
    text.find(|c| !inside(c)).unwrap_or(text.len())
}

/// The length of a double-quoted string with its quotes; to the end of the text when it does not end.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorting_is_seen_outside_strings_and_comments_only() {
        assert!(sorts(r#"sort(rate({a="b"}[1m]))"#));
        assert!(sorts("topk(3, SORT_DESC (x))"));
        assert!(!sorts(r#"{a="b"} |= "sort(x)""#));
        assert!(!sorts("{a=`b`} | sort > 5"));
        assert!(!sorts("rate({a=`sort(`}[1m]) # sort(x)"));
    }

    #[test]
    fn the_foundation_holds_what_it_says() {
        for query in [
            r#"{app="json"}"#,
            r#"{app="a", b!="c", d=~"e", f!~"g"} |= "x" or "y" != "z" |~ "re" !~ `re`"#,
            r#"{app="plain"} |= ip("192.168.0.0/16") != ip("10.0.0.0/8") |> "<_> x" !> "y <_>" | decolorize"#,
            r#"{app="sm"} | trace_id="x" and (user!="y" or size > 5KB), took<=-5ms | ip=ip("1.1.1.1") | a != 5"#,
            r#"sum by (app) (count_over_time({app=~".+"} |= "error" [5m] offset 1h))"#,
            r#"sum(rate({a="b"} | x >= 2 [1m] offset -5m)) by (c)"#,
            r#"max without (pod) (bytes_rate({a="b"}[1m]))"#,
            r#"avg(min(count(bytes_over_time({a="b"}[1m] |= "x"))))"#,
            r#"absent_over_time({json="x"}[5m])"#,
            r#"{a="b"} |= "| json + 1" # | json"#,
            "",
            r#"{app="json""#,
        ] {
            assert_eq!(beyond_foundation(query), None, "{query}");
        }
    }

    #[test]
    fn what_lies_beyond_it_is_named() {
        for (query, what) in [
            (r#"{a="b"} | json"#, "the stage json"),
            (r#"{a="b"} |= "x" | logfmt --strict"#, "the stage logfmt"),
            (r#"{a="b"} | drop c"#, "the stage drop"),
            (r#"sum_over_time({a="b"} | unwrap x [1m])"#, "the function sum_over_time"),
            (r#"topk(3, rate({a="b"}[1m]))"#, "the function topk"),
            (r#"topk by (a) (3, rate({a="b"}[1m]))"#, "the function topk"),
            (r#"rate({a="b"}[1m]) > 5"#, "the operator >"),
            (r#"rate({a="b"} | x > 5 [1m]) != bool 5"#, "the operator !="),
            (r#"rate({a="b"}[1m]) and rate({c="d"}[1m])"#, "the operator and"),
            (r#"sum(rate({a="b"} |= "x" [1m])) / sum(rate({a="b"}[1m]))"#, "the operator /"),
            ("1", "a literal"),
            ("vector(1)", "the function vector"),
            (r#"label_replace(rate({a="b"}[1m]), "a", "b", "c", "d")"#, "the function label_replace"),
            (r#"sort(rate({a="b"}[1m]))"#, "the function sort"),
            (r#"variants(rate({a="b"}[1m])) of ({a="b"}[1m])"#, "the function variants"),
        ] {
            assert_eq!(beyond_foundation(query).as_deref(), Some(what), "{query}");
        }
    }
}
