//! Which tree a text becomes, and where its nodes are.

use loptr_logql::ast::*;
use loptr_logql::{ErrorKind, parse, parse_log, parse_matchers, parse_selector, pretty};

fn log(text: &str) -> LogExpr {
    parse_log(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn metric(text: &str) -> MetricExpr {
    match parse(text) {
        Ok(Expr::Metric(metric)) => metric,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// The bytes of a query a node says it comes from.
fn at(text: &str, span: Span) -> &str {
    &text[span.start as usize..span.end as usize]
}

#[test]
fn label_filters_nest_as_upstream_nests_them() {
    let cases = [
        ("a=1 and b=2 or c=3", "( ( a==1 , b==2 ) or c==3 )"),
        ("a=1 or b=2 and c=3", "( a==1 or ( b==2 , c==3 ) )"),
        ("a=1 , b=2 or c=3", "( a==1 , ( b==2 or c==3 ) )"),
        ("a=1 or b=2 , c=3", "( a==1 or ( b==2 , c==3 ) )"),
        ("a=1 b=2 or c=3", "( a==1 , ( b==2 or c==3 ) )"),
        ("a=1 and b=2 , c=3 or d=4", "( a==1 , ( b==2 , ( c==3 or d==4 ) ) )"),
        ("(a=1 or b=2) c=3", "( ( a==1 or b==2 ) , c==3 )"),
        ("((a=1 , b=2)) or (c=3)", "( ( a==1 , b==2 ) or c==3 )"),
    ];
    for (text, tree) in cases {
        let log = log(&format!(r#"{{x="y"}} | {text}"#));
        assert_eq!(log.stages[0].to_string(), format!("| {tree}"), "{text}");
    }
}

#[test]
fn operators_bind_as_usual() {
    let cases = [
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a or b and c unless d", "(a or ((b and c) unless d))"),
        ("a > b + c", "(a > (b + c))"),
        ("(a + b) * c", "((a + b) * c)"),
    ];
    let expand = |text: &str| {
        let rate = |name| format!(r#"rate({{{name}="x"}}[1m])"#);
        let mut out = String::new();
        for word in text.split_inclusive(' ') {
            let bare = word.trim().trim_matches(['(', ')']);
            out +=
                &if matches!(bare, "a" | "b" | "c" | "d") { word.replace(bare, &rate(bare)) } else { word.to_owned() };
        }
        out
    };
    for (text, tree) in cases {
        assert_eq!(metric(&expand(text)).to_string(), expand(tree), "{text}");
    }
}

#[test]
fn literals_fold() {
    let cases = [
        ("-1^2", 1.0),
        ("-2^2", 4.0),
        ("2^-1", 0.5),
        ("1 -- 1", 2.0),
        ("2^3^2", 512.0),
        ("1 > 2", 0.0),
        ("1 == bool 1", 1.0),
        ("(1+2)*3", 9.0),
        ("-5 % 3", -2.0),
    ];
    for (text, value) in cases {
        assert!(matches!(metric(text), MetricExpr::Literal { value: v, .. } if v == value), "{text}");
    }
    assert!(matches!(metric("1/0"), MetricExpr::Literal { value, .. } if value.is_nan()));
}

#[test]
fn or_chains_keep_every_operand() {
    let text = |text: &str| LineOperand::Text(text.as_bytes().to_vec());
    let query = log(r#"{a="b"} |= "x" or ip("1.1.1.1") or "y""#);
    let StageKind::LineFilter(filter) = &query.stages[0].kind else { panic!() };
    let operands: Vec<LineOperand> = filter.operands.iter().map(|operand| operand.node.clone()).collect();
    assert_eq!(operands, [text("x"), LineOperand::Ip(b"1.1.1.1".to_vec()), text("y")]);
    assert_eq!(query.to_string(), r#"{a="b"} |= "x" or ip("1.1.1.1") or "y""#);

    let query = log(r#"{a="b"} != "x" or ip("1.1.1.1") or "y""#);
    assert_eq!(query.stages.len(), 3);
    assert_eq!(query.to_string(), r#"{a="b"} != "x" != ip("1.1.1.1") != "y""#);
}

#[test]
fn bytes_that_are_not_utf8_stay() {
    let text = r#"{a!="\xff", b="c"} |= "a\xffb" | json x="[\"\xff\"]" | d=~"e\xff|f" | line_format "\xff{{.d}}" | drop g="\xff""#;
    let query = log(text);
    assert_eq!(query.matchers[0].value_bytes(), b"\xff");
    let StageKind::LineFilter(filter) = &query.stages[0].kind else { panic!() };
    assert_eq!(filter.operands[0].node, LineOperand::Text(b"a\xffb".to_vec()));
    assert_eq!(query.to_string(), text);
    assert_eq!(error(r#"{a=~"b\xff.*"}"#), "parse error : error parsing regexp: invalid UTF-8: `\u{fffd}.*`");
}

#[test]
fn nodes_know_their_places() {
    let text = r#" sum by (x) (rate({a="b"} |= "c" or "d" | json | e=1 [1m] offset 5m)) + 1"#;
    let MetricExpr::Binary(sum) = metric(text) else { panic!() };
    assert_eq!(at(text, sum.span), text.trim());
    let MetricExpr::Vector(vector) = &sum.left else { panic!() };
    assert_eq!(at(text, vector.span), text.trim().trim_end_matches(" + 1"));
    let MetricExpr::Range(rate) = &*vector.inner else { panic!() };
    assert!(at(text, rate.span).starts_with("rate(") && at(text, rate.span).ends_with("5m)"));
    assert!(at(text, rate.range.span).ends_with("[1m] offset 5m"));
    assert_eq!(at(text, rate.range.log.span), r#"{a="b"} |= "c" or "d" | json | e=1"#);
    let stages: Vec<&str> = rate.range.log.stages.iter().map(|stage| at(text, stage.span)).collect();
    assert_eq!(stages, [r#"|= "c" or "d""#, "| json", "| e=1"]);

    let text = r#"{a="é"} != "b" or "c""#;
    let stages: Vec<&str> = log(text).stages.iter().map(|stage| at(text, stage.span)).collect();
    assert_eq!(stages, [r#"!= "b""#, r#""c""#]);

    let text = r#"sum_over_time({a="b"} | unwrap bytes(x) | y="z" [1m])"#;
    let MetricExpr::Range(range) = metric(text) else { panic!() };
    assert_eq!(at(text, range.range.unwrap.expect("an unwrap").span), r#"| unwrap bytes(x) | y="z""#);
}

#[test]
fn small_nodes_know_their_places() {
    let text = r#"{a="b", c!~"d"} |= "e" or ip("1.1.1.1") | json f, g="h" | label_format i=j,k="{{.l}}" | drop m,n="o" | (p=1 or q=2),r=3"#;
    let log = log(text);
    let all = |spans: Vec<Span>| -> Vec<&str> { spans.into_iter().map(|span| at(text, span)).collect() };
    assert_eq!(all(log.matcher_spans), [r#"a="b""#, r#"c!~"d""#]);
    let kinds: Vec<StageKind> = log.stages.into_iter().map(|stage| stage.kind).collect();
    let [
        StageKind::LineFilter(filter),
        StageKind::Json(fields),
        StageKind::LabelFormat(formats),
        StageKind::Drop(items),
        StageKind::LabelFilter(LabelFilter::And(left, right)),
    ] = kinds.as_slice()
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(all(filter.operands.iter().map(|o| o.span).collect()), [r#""e""#, r#"ip("1.1.1.1")"#]);
    assert_eq!(all(fields.iter().map(|f| f.span).collect()), ["f", r#"g="h""#]);
    assert_eq!(all(formats.iter().map(|f| f.span).collect()), ["i=j", r#"k="{{.l}}""#]);
    assert_eq!(all(items.iter().map(|i| i.span).collect()), ["m", r#"n="o""#]);
    let LabelFilter::Or(p, q) = &left.node else { panic!() };
    assert_eq!(all(vec![left.span, right.span, p.span, q.span]), ["(p=1 or q=2)", "r=3", "p=1", "q=2"]);

    let text = r#"(max by (a, b) (rate({a="b"}[1m])) + 1) * on (a) group_left (c) vector(1)"#;
    let MetricExpr::Binary(product) = metric(text) else { panic!() };
    let matching = product.matching.as_ref().expect("matching");
    assert_eq!(at(text, product.span), text);
    assert_eq!(at(text, matching.span), "on (a) group_left (c)");
    assert_eq!(at(text, matching.group.as_ref().expect("a group").span), "group_left (c)");
    let MetricExpr::Binary(sum) = &product.left else { panic!() };
    let MetricExpr::Vector(max) = &sum.left else { panic!() };
    assert_eq!(at(text, max.grouping.as_ref().expect("a grouping").span), "by (a, b)");
}

#[test]
fn errors_know_their_places() {
    let text = "sum(\n  rate({a=\"b\"}))";
    let error = parse(text).unwrap_err();
    assert_eq!((error.line, error.col, at(text, error.span)), (2, 15, ")"));
    let text = r#"{a="b"} | x=~"(""#;
    assert_eq!(at(text, parse(text).unwrap_err().span), r#"x=~"(""#);
    let text = r#"1 + topk(rate({a="b"}[1m]))"#;
    assert_eq!(at(text, parse(text).unwrap_err().span), &text[4..]);
}

#[test]
fn the_error_met_first_is_reported() {
    let cases = [
        // A broken regular expression goes before what follows it, but not before what precedes it.
        (r#"{a=~"("} | json |"#, "parse error : error parsing regexp: missing closing ): `(`"),
        (r#"{a="b" c=~"("}"#, "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER"),
        (r#"08 + rate({a=~"("}[1m])"#, "parse error : error parsing regexp: missing closing ): `(`"),
        ("08 + )", "parse error at line 1, col 1: invalid digit '8' in octal literal"),
        (") + 08", "parse error at line 1, col 1: syntax error: unexpected )"),
        // Faults of nodes come after all syntax errors, outer nodes first.
        (r#"topk(sum_over_time({a="b"}[1m])) )"#, "parse error at line 1, col 34: syntax error: unexpected )"),
        (r#"topk(sum_over_time({a="b"}[1m]))"#, "parse error : parameter required for operation topk"),
    ];
    for (text, message) in cases {
        let found = error(text);
        assert_eq!(found.split(", expecting").next(), Some(message), "{text}");
    }
}

#[test]
fn errors_say_what_would_fit() {
    let cases = [
        (r#"{a="b""#, "unexpected $end, expecting } or ,"),
        (r#"{a}"#, "unexpected }, expecting = or =~ or !~ or !="),
        (r#"{a="b"} |="#, "unexpected $end, expecting STRING or ip"),
        (r#"{a="b"} | drop"#, "unexpected $end, expecting IDENTIFIER"),
        (r#"rate({a="b"}[1m] offset x)"#, "unexpected IDENTIFIER, expecting DURATION"),
        ("vector(x)", "unexpected IDENTIFIER, expecting NUMBER"),
    ];
    for (text, message) in cases {
        assert!(error(text).ends_with(message), "{text}: {}", error(text));
    }
}

#[test]
fn selectors_and_matchers() {
    assert_eq!(parse_selector(r#"({a="b", c!~"d"})"#).unwrap().len(), 2);
    assert_eq!(parse_matchers("{}").unwrap(), []);
    assert!(parse_selector("{}").unwrap_err().to_string().starts_with("parse error : queries require"));
    for text in [r#"{a="b"} |= "x""#, r#"rate({a="b"}[1m])"#] {
        let error = parse_selector(text).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.kind),
            ("only label matchers are supported", ErrorKind::Unsupported)
        );
        assert_eq!(parse_matchers(text).unwrap_err(), error);
    }
    assert_eq!(parse_log("1").unwrap_err().to_string(), "only log selector is supported");
}

#[test]
fn pretty_spreads_what_is_long() {
    let long = "x".repeat(60);
    let text = format!(
        r#"sum by (a,b) (rate({{a="b"}} |= "{long}" | json | decolorize | c="d" or e=5m [5m] offset 90m)) > 1"#
    );
    let expected = format!(
        "  sum by (a, b)(\n    rate(\n      {{a=\"b\"}}\n        |= \"{long}\"\n        | json\n| decolorize\n        \
         | ( c=\"d\" or e==5m0s ) [5m] offset 1h30m\n    )\n  )\n>\n  1"
    );
    assert_eq!(pretty(&parse(&text).unwrap()).unwrap(), expected);
}
