//! Random queries, in the form the parser gives them.

use loptr_logql::ast::*;
use loptr_model::{MatchOp, Matcher};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

const SPAN: Span = Span { start: 0, end: 0 };

/// Identifiers: plain ones, words that are functions elsewhere, and what else the lexer takes for one.
fn name() -> impl Strategy<Value = String> {
    let odd =
        ["sum", "rate", "ip", "bytes", "duration", "é", "!", "~", "@", "'b'", ";", "a٣", "__error__", "?", "strict"];
    prop_oneof![
        4 => "[a-z][a-z0-9]{0,2}_",
        1 => select(odd.to_vec()).prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z `\"\\\\]{0,12}", 1 => any::<String>(), 1 => "[a-z]{40}"]
}

/// A string's bytes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => text().prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..10)]
}

fn regex() -> impl Strategy<Value = String> {
    let some = [".+", "a.*b", "foo|bar", "(a|b)c", "x`y", "[a-z]+", "(?i)a", "a{2,3}", "\\d+\n", "\0.x", "é+", "^a$"];
    select(some.to_vec()).prop_map(str::to_owned)
}

fn matcher() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        (name(), select(&[MatchOp::Eq, MatchOp::Ne][..]), bytes())
            .prop_map(|(n, op, v)| Matcher::from_bytes(n, op, &v)),
        (name(), select(&[MatchOp::Re, MatchOp::Nre][..])).prop_map(|(n, op)| Matcher::from_bytes(n, op, b"a\xff|b")),
        (name(), select(&[MatchOp::Re, MatchOp::Nre][..]), regex()).prop_map(|(n, op, v)| Matcher::new(n, op, v)),
    ]
}

fn line_filter() -> impl Strategy<Value = StageKind> {
    use LineFilterOp::*;
    let op = select(&[Contains, NotContains, Regex, NotRegex, Pattern, NotPattern][..]);
    let operand = prop_oneof![
        4 => vec(any::<u8>(), 0..10).prop_map(LineOperand::Text),
        4 => text().prop_map(|text| LineOperand::Text(text.into_bytes())),
        1 => bytes().prop_map(LineOperand::Ip),
    ];
    (op, vec(operand, 1..4)).prop_map(|(op, mut operands)| {
        // The parser takes a negative chain apart.
        operands.truncate(if op.is_negative() { 1 } else { 3 });
        let operands = operands.into_iter().map(Spanned::from).collect();
        StageKind::LineFilter(LineFilter { op, operands })
    })
}

fn compare_op() -> impl Strategy<Value = CompareOp> {
    use CompareOp::*;
    select(&[Eq, Ne, Gt, Ge, Lt, Le][..])
}

fn float() -> impl Strategy<Value = f64> {
    let some = [0.0, -0.0, 1.0, -5.0, 1e6, 1e21, 1e-7, 0.1, 5e-324, f64::MAX, f64::INFINITY, f64::NEG_INFINITY];
    prop_oneof![select(some.to_vec()), any::<f64>().prop_filter("a number", |v| !v.is_nan())]
}

fn size() -> impl Strategy<Value = u64> {
    // Sizes are read as floats; those that survive it are what the parser gives.
    prop_oneof![0u64..20, 0u64..10_000_000, any::<u64>()]
        .prop_map(|size| size as f64 as u64)
        .prop_filter("fits", |&size| size < u64::MAX)
}

fn label_filter() -> impl Strategy<Value = LabelFilter> {
    let leaf = prop_oneof![
        3 => matcher().prop_map(LabelFilter::Matcher),
        1 => (name(), compare_op(), float()).prop_map(|(name, op, value)| LabelFilter::Number { name, op, value }),
        1 => (name(), compare_op(), nanos()).prop_map(|(name, op, value_ns)| LabelFilter::Duration { name, op, value_ns }),
        1 => (name(), compare_op(), size())
            .prop_map(|(name, op, value_bytes)| LabelFilter::Bytes { name, op, value_bytes }),
        1 => (name(), any::<bool>(), bytes())
            .prop_map(|(name, negated, pattern)| LabelFilter::Ip { name, negated, pattern }),
    ];
    leaf.prop_recursive(4, 8, 2, |inner| {
        (inner.clone(), inner, any::<bool>()).prop_map(|(left, right, and)| {
            let (left, right) = (Deep::new(left.into()), Deep::new(right.into()));
            if and { LabelFilter::And(left, right) } else { LabelFilter::Or(left, right) }
        })
    })
}

fn nanos() -> impl Strategy<Value = i64> {
    prop_oneof![
        -100i64..100,
        (-3000i64..3000).prop_map(|s| s * 1_000_000_000),
        (-3000i64..3000).prop_map(|h| h * 3_600_000_000_000),
        any::<i64>(),
    ]
}

fn extraction() -> impl Strategy<Value = Extraction> {
    (name(), bytes()).prop_map(|(name, expression)| Extraction { name, expression, span: SPAN })
}

fn named() -> impl Strategy<Value = Spanned<NamedOrMatcher>> {
    prop_oneof![name().prop_map(NamedOrMatcher::Name), matcher().prop_map(NamedOrMatcher::Matcher)].prop_map(Into::into)
}

fn label_format() -> impl Strategy<Value = Spanned<LabelFormat>> {
    prop_oneof![
        (name(), name()).prop_map(|(to, from)| LabelFormat::Rename { to, from }),
        (name(), bytes()).prop_map(|(to, template)| LabelFormat::Template { to, template }),
    ]
    .prop_map(Into::into)
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        4 => line_filter(),
        1 => vec(extraction(), 0..3).prop_map(StageKind::Json),
        1 => (any::<bool>(), any::<bool>(), vec(extraction(), 0..3))
            .prop_map(|(strict, keep_empty, fields)| StageKind::Logfmt { strict, keep_empty, fields }),
        1 => Just(StageKind::Regexp("(?P<a>.`\")(b)".into())),
        1 => Just(StageKind::Pattern(b"<a> \"<_>\xff".into())),
        1 => Just(StageKind::Unpack),
        1 => Just(StageKind::Decolorize),
        4 => label_filter().prop_map(StageKind::LabelFilter),
        1 => bytes().prop_map(StageKind::LineFormat),
        1 => vec(label_format(), 1..3).prop_map(StageKind::LabelFormat),
        1 => vec(named(), 1..3).prop_map(StageKind::Drop),
        1 => vec(named(), 1..3).prop_map(StageKind::Keep),
    ]
    .prop_map(|kind| Stage { kind, span: SPAN })
}

fn log() -> impl Strategy<Value = LogExpr> {
    (vec(matcher(), 0..3), vec(stage(), 0..5)).prop_map(|(mut matchers, mut stages)| {
        matchers.insert(0, Matcher::new("a", MatchOp::Eq, "b"));
        // No text gives a name that `drop` ends with and then a `!=` filter: it is a matcher.
        let mut after_name = false;
        stages.retain(|stage| {
            let is_kept = !(after_name && matches!(&stage.kind, StageKind::LineFilter(f) if f.op.is_negative()));
            if is_kept {
                after_name = matches!(&stage.kind, StageKind::Drop(items) | StageKind::Keep(items)
                    if matches!(items.last().map(|item| &item.node), Some(NamedOrMatcher::Name(_))));
            }
            is_kept
        });
        LogExpr { matcher_spans: vec![SPAN; matchers.len()], matchers, stages, span: SPAN }
    })
}

fn unwrap() -> impl Strategy<Value = Unwrap> {
    use UnwrapConversion::*;
    let conversion = select(&[Number, Bytes, Duration, DurationSeconds][..]);
    (name(), conversion, vec(label_filter().prop_map(Into::into), 0..2))
        .prop_map(|(label, conversion, filters)| Unwrap { label, conversion, filters, span: SPAN })
}

fn range(unwrap: impl Strategy<Value = Option<Unwrap>>) -> impl Strategy<Value = LogRange> {
    let offset = prop_oneof![3 => Just(0), 1 => nanos()];
    (log(), 0i64..9_000_000_000, offset, unwrap).prop_map(|(log, range_ms, offset_ns, unwrap)| LogRange {
        log,
        range_ns: range_ms * 1_000_000,
        offset_ns,
        has_offset: offset_ns != 0,
        unwrap,
        span: SPAN,
    })
}

fn grouping() -> impl Strategy<Value = Grouping> {
    (any::<bool>(), vec(name(), 0..3)).prop_map(|(without, labels)| Grouping { without, labels, span: SPAN })
}

fn range_aggregation() -> impl Strategy<Value = MetricExpr> {
    use RangeOp::*;
    let lines = select(&[Count, Rate, Bytes, BytesRate, Absent][..]);
    let values = select(&[Avg, Min, Max, Stdvar, Stddev, First, Last][..]);
    let parameter = prop_oneof![select(&[0.0, 0.5, 1e-9, 1e9][..]), any::<f64>()]
        .prop_map(f64::abs)
        .prop_filter("finite", |v| v.is_finite());
    let node = |op, parameter, range, grouping| RangeAggregation { op, parameter, range, grouping, span: SPAN };
    prop_oneof![
        (lines, range(Just(None))).prop_map(move |(op, range)| node(op, None, range, None)),
        (values, range(unwrap().prop_map(Some)), option::of(grouping()))
            .prop_map(move |(op, range, grouping)| node(op, None, range, grouping)),
        (parameter, range(unwrap().prop_map(Some)), option::of(grouping()))
            .prop_map(move |(parameter, range, grouping)| node(Quantile, Some(parameter), range, grouping)),
    ]
    .prop_map(MetricExpr::Range)
}

fn literal() -> impl Strategy<Value = MetricExpr> {
    prop_oneof![4 => float(), 1 => Just(f64::NAN)].prop_map(|value| MetricExpr::Literal { value, span: SPAN })
}

fn vector_aggregation(inner: impl Strategy<Value = MetricExpr>) -> impl Strategy<Value = MetricExpr> {
    use VectorOp::*;
    let op = select(&[Sum, Avg, Count, Max, Min, Stddev, Stdvar, Bottomk, Topk, Sort, SortDesc, ApproxTopk][..]);
    (op, 1i64..100, inner, option::of(grouping())).prop_map(|(op, k, inner, grouping)| {
        let grouping = grouping.filter(|g| g.without || !g.labels.is_empty()).filter(|g| match op {
            Sort | SortDesc => g.labels.is_empty(),
            ApproxTopk => false,
            _ => true,
        });
        let parameter = matches!(op, Topk | Bottomk | ApproxTopk).then_some(k);
        MetricExpr::Vector(VectorAggregation { op, parameter, inner: Deep::new(inner), grouping, span: SPAN })
    })
}

fn binary(side: impl Strategy<Value = MetricExpr> + Clone) -> impl Strategy<Value = MetricExpr> {
    use BinaryOp::*;
    let op = select(&[Or, And, Unless, Add, Sub, Mul, Div, Mod, Pow, Eq, Ne, Gt, Ge, Lt, Le][..]);
    let group =
        (any::<bool>(), vec(name(), 0..3)).prop_map(|(left, include)| GroupModifier { left, include, span: SPAN });
    let matching = (any::<bool>(), vec(name(), 0..3), option::of(group))
        .prop_map(|(on, labels, group)| VectorMatching { on, labels, group, span: SPAN })
        .prop_filter("says something", |m| m.on || !m.labels.is_empty() || m.group.is_some());
    let sides = (side.clone(), side, literal(), 0..4);
    (op, any::<bool>(), option::of(matching), sides).prop_map(|(op, return_bool, matching, sides)| {
        let (mut left, mut right, literal, which) = sides;
        match which {
            0 if !op.is_set() => left = literal,
            1 if !op.is_set() => right = literal,
            _ => {}
        }
        MetricExpr::Binary(Deep::new(BinaryExpr { op, return_bool, matching, left, right, span: SPAN }))
    })
}

/// A metric expression that is no literal.
fn metric() -> impl Strategy<Value = MetricExpr> {
    let vector = float().prop_map(f64::abs).prop_filter("finite", |v| v.is_finite());
    let leaf = prop_oneof![
        4 => range_aggregation(),
        1 => vector.prop_map(|value| MetricExpr::VectorLiteral { value, span: SPAN }),
    ];
    leaf.prop_recursive(5, 10, 2, |inner| {
        let replace =
            (inner.clone(), bytes(), bytes(), bytes(), regex()).prop_map(|(inner, dst, replacement, src, regex)| {
                MetricExpr::LabelReplace(LabelReplace {
                    inner: Deep::new(inner),
                    dst,
                    replacement,
                    src,
                    regex,
                    span: SPAN,
                })
            });
        prop_oneof![2 => vector_aggregation(inner.clone()), 3 => binary(inner), 1 => replace]
    })
}

/// A query without places.
pub(crate) fn query() -> impl Strategy<Value = Expr> {
    let any_range = range(option::of(unwrap()));
    let variants = (vec(metric(), 1..3), any_range)
        .prop_map(|(variants, of)| Expr::Variants(VariantsExpr { variants, of, span: SPAN }));
    prop_oneof![
        8 => log().prop_map(Expr::Log),
        10 => metric().prop_map(Expr::Metric),
        1 => literal().prop_map(Expr::Metric),
        1 => variants,
    ]
}

/// A word of the language, or something like one.
pub(crate) fn word() -> impl Strategy<Value = String> {
    let words = [
        "{",
        "}",
        "(",
        ")",
        ",",
        "|",
        "=",
        "!=",
        "=~",
        "!~",
        "|=",
        "|~",
        "|>",
        "!>",
        "==",
        ">",
        "<=",
        "+",
        "-",
        "^",
        "!",
        "a",
        "b",
        r#""x""#,
        "`y`",
        r#"a="b""#,
        r#"{a="b"}"#,
        r#"|= "x""#,
        "| x=1",
        "| json",
        "[5m]",
        "5",
        "0.5",
        "5m",
        "5KB",
        "-0",
        "0x1p-2",
        "offset 5m",
        "| unwrap x",
        "bytes(x)",
        "--strict",
        "by",
        "by (a)",
        "without",
        "on (a)",
        "group_left",
        "bool",
        "or",
        "and",
        "unless",
        "rate(",
        "sum(",
        "sum",
        "topk(5,",
        "sum_over_time(",
        "vector(1)",
        "label_replace(",
        r#","a","b","c","d")"#,
        "ip(",
        "logfmt",
        "drop",
        "keep",
        "label_format",
        "line_format",
        "variants(",
        "of (",
        "#",
        "\n",
        "'",
        "\"",
        "rate({a=\"b\"}[1m])",
    ];
    prop_oneof![20 => select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"]
}
