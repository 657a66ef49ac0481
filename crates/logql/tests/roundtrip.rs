//! Printing and parsing undo each other, and no text makes the parser panic.

mod generate;

use loptr_logql::ast::Expr;
use loptr_logql::{MAX_QUERY_BYTES, check_stages, parse, parse_bytes, pretty};
use proptest::prelude::*;

/// The tree without places, as text: two trees that differ only in NaN are the same.
fn shape(query: &Expr) -> String {
    let text = format!("{query:?}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("Span {") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_undo_each_other(query in generate::query()) {
        let text = query.to_string();
        let parsed = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}\n{error}")))?;
        prop_assert_eq!(shape(&parsed), shape(&query), "{}", text);
        prop_assert_eq!(parsed.to_string(), text);
    }

    #[test]
    fn what_fits_one_line_is_formatted_as_upstreams_canonical_text(query in generate::query()) {
        let line = format!("{query:#}");
        let is_spread = matches!(query, Expr::Variants(_)) || line.len() > 100;
        let pretty = pretty(&query).expect("a short query");
        prop_assert_eq!(pretty == line, !is_spread || !pretty.contains('\n'), "{}", line);
    }

    #[test]
    fn any_bytes_are_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_bytes(&text);
    }

    #[test]
    fn any_words_are_taken_or_refused(words in proptest::collection::vec(generate::word(), 0..40)) {
        let text = words.join(" ");
        for text in [words.concat(), text] {
            if let Ok(query) = parse(&text) {
                let _ = check_stages(&query, &|_| Ok(()));
                let printed = query.to_string();
                let again = parse(&printed).map_err(|error| TestCaseError::fail(format!("{text}\n{printed}\n{error}")))?;
                prop_assert_eq!(shape(&again), shape(&query), "{}", printed);
            }
        }
    }
}

/// Text around `inner`, nested `depth` times.
fn nest(depth: usize, before: &str, inner: &str, after: &str) -> String {
    format!("{}{inner}{}", before.repeat(depth), after.repeat(depth))
}

#[test]
fn depth_of_metrics_is_bounded() {
    for text in [
        nest(25_000, "sum(", r#"rate({a="b"}[1m])"#, ")"),
        nest(10_001, "sum(", r#"rate({a="b"}[1m])"#, ")"),
        format!("1+vector(1){}", "+vector(1)".repeat(11_000)),
        format!("vector(1){}", "^vector(1)".repeat(11_000)),
    ] {
        let error = parse(&text).expect_err("too deep");
        assert_eq!(error.message, "query nests too deep; limit 10000 levels");
    }
}

#[test]
fn what_does_not_deepen_the_tree_is_not_bounded() {
    for text in [
        format!("1{}", "+1".repeat(20_000)),
        format!(r#"{{a="b"}}{}"#, r#" |= "x""#.repeat(10_000)),
        format!(r#"{{a="b"}} |= "x"{}"#, r#" or "x""#.repeat(10_000)),
        format!(r#"{{a="b"}} != "x"{}"#, r#" or "x""#.repeat(10_000)),
        format!(r#"{{a="b"}}{}"#, "|x=1".repeat(10_000)),
        format!(r#"{{a="b"}}|{}"#, nest(20_000, "(", "x=1", ")")),
        format!(r#"{{{}c="d"}}"#, r#"a="b","#.repeat(10_000)),
        format!("# {}\n{{a=\"b\"}}", "x".repeat(100_000)),
    ] {
        let query = parse(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(shape(&parse(&query.to_string()).unwrap()), shape(&query));
    }
}

#[test]
fn deep_queries_survive_every_walk() {
    for text in [
        nest(9_000, "sum(", r#"rate({a="b"}[1m])"#, ")"),
        nest(9_000, "(1+", "vector(1)", ")"),
        nest(3_500, "label_replace(", "vector(1)", r#","a","b","c","d")"#),
        format!("vector(1){}", "+vector(1)".repeat(9_000)),
        format!("vector(1){}", "^vector(1)".repeat(9_000)),
        format!(r#"{{a="b"}}|x=1{}"#, " or x=1".repeat(18_000)),
        format!(r#"{{a="b"}}|x=1{}"#, ",x=1".repeat(25_000)),
        format!(r#"{{a="b"}}|x=1{}"#, " y=2".repeat(25_000)),
        format!(r#"rate({{a="b"}}|{}[1m])"#, nest(20_000, "(", "x=1", " or y=2)").replace(" or y=2", "")),
        nest(60_000, "(", "1", ")"),
        nest(60_000, "(", r#"{a="b"}"#, ")"),
        nest(30_000, "(", r#"rate({a="b"}[1m])"#, ")"),
        format!("rate({})", nest(60_000, "(", r#"{a="b"}[1m]"#, ")")),
    ] {
        let query = parse(&text).unwrap_or_else(|error| panic!("{error}"));
        // The printed text may be longer than the longest query.
        let printed = query.to_string();
        if printed.len() <= MAX_QUERY_BYTES {
            assert_eq!(parse(&printed).unwrap_or_else(|error| panic!("{error}")).to_string(), printed);
        }
        let _ = pretty(&query);
        assert!(check_stages(&query, &|_| Ok(())).is_ok());
        assert_eq!(query.clone(), query);
        assert!(!format!("{query:?}").is_empty());
    }
}

#[test]
fn formatted_text_is_bounded() {
    let query = parse(&nest(9_000, "sum(", r#"rate({a="b"}[1m])"#, ")")).unwrap();
    assert_eq!(pretty(&query).unwrap_err().to_string(), "the formatted query is longer than 16 MiB");
}

#[test]
fn length_is_bounded() {
    let fill = |len: usize| format!(r#"{{a="{}"}}"#, "x".repeat(len - 6));
    assert!(parse(&fill(MAX_QUERY_BYTES)).is_ok());
    let error = parse(&fill(MAX_QUERY_BYTES + 1)).expect_err("too long");
    assert_eq!(error.to_string(), "parse error : input size too long (131072 > 131072)");
}

/// Texts of full length that would take minutes if anything were read over and over.
#[test]
fn long_texts_are_read_in_time() {
    for part in [
        "-",
        "1.",
        "1s.",
        "1_",
        "rate ",
        "rate \0",
        "rate by ",
        "sum without(",
        "(",
        "[",
        "{",
        "#",
        "/*",
        "'",
        "\"",
        "\\",
        "0x",
        "5m",
        "5K",
        "|",
        "| a ",
        "a=",
        "a=\"b\",",
        "=~",
        "!",
        "|= \"",
        "by (",
        "1+",
        "-1-",
        "1^",
        "+ on (a) group_left (",
    ] {
        for start in ["", "{a=\"b\"}", "{a=\"b\"} | ", "rate({a=\"b\"}"] {
            let text = format!("{start}{}", part.repeat((MAX_QUERY_BYTES - start.len()) / part.len()));
            if let Ok(query) = parse(&text) {
                assert!(!query.to_string().is_empty());
                let _ = pretty(&query);
            }
        }
    }
}
