//! The names of everything that is counted.

const MATCHERS: [&str; 4] = ["=", "!=", "=~", "!~"];
const COMPARISONS: [&str; 6] = ["==", "!=", ">", ">=", "<", "<="];
const FILTERS: [&str; 6] = ["|=", "!=", "|~", "!~", "|>", "!>"];
const RANGES: [&str; 15] = [
    "count_over_time",
    "rate",
    "rate_counter",
    "bytes_over_time",
    "bytes_rate",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "quantile_over_time",
    "first_over_time",
    "last_over_time",
    "absent_over_time",
];
const VECTORS: [&str; 12] =
    ["sum", "avg", "count", "max", "min", "stddev", "stdvar", "bottomk", "topk", "sort", "sort_desc", "approx_topk"];
const OPERATORS: [&str; 15] = ["or", "and", "unless", "+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<="];
const OTHERS: [&str; 95] = [
    "query: log",
    "query: log in parentheses",
    "query: metric",
    "query: variants",
    "query: refused",
    "comment: #",
    "comment: //",
    "comment: /* */",
    "string: quoted",
    "string: raw",
    "string: \\x",
    "string: \\ooo",
    "string: \\u",
    "string: \\U",
    "string: \\n \\t \\\" \\\\",
    "number: 1",
    "number: 1.5",
    "number: .5",
    "number: 5.",
    "number: 1e2",
    "number: 1_0",
    "number: 0x1p-2",
    "number: 017",
    "number: -1",
    "number: +1",
    "duration: 1s",
    "duration: 1m30s",
    "duration: 1.5h",
    "duration: 5us",
    "duration: 1d",
    "duration: 1w",
    "duration: -1s",
    "size: B",
    "size: K",
    "size: M",
    "size: G",
    "size: T",
    "size: P",
    "keyword in upper case",
    "filter: or",
    "filter: ip()",
    "stage: json",
    "stage: json name",
    "stage: json name=path",
    "path: a.b",
    "path: a[0]",
    "path: [\"a\"]",
    "stage: logfmt",
    "stage: logfmt --strict",
    "stage: logfmt --keep-empty",
    "stage: logfmt name",
    "stage: logfmt name=key",
    "stage: regexp",
    "stage: pattern",
    "stage: unpack",
    "stage: line_format",
    "stage: label_format rename",
    "stage: label_format template",
    "stage: decolorize",
    "stage: drop name",
    "stage: keep name",
    "label filter: ip =",
    "label filter: ip !=",
    "label filter: and",
    "label filter: or",
    "range: selector stages [r]",
    "range: selector [r] stages",
    "range: (selector stages) [r]",
    "range: (… [r])",
    "range: offset",
    "range: offset -",
    "range: by",
    "range: by ()",
    "range: without",
    "range: without ()",
    "unwrap: label",
    "unwrap: bytes()",
    "unwrap: duration()",
    "unwrap: duration_seconds()",
    "unwrap: filter",
    "vector: by before",
    "vector: by after",
    "vector: by ()",
    "vector: without",
    "vector: without ()",
    "literal",
    "vector()",
    "label_replace",
    "operator: bool",
    "matching: on",
    "matching: ignoring",
    "matching: group_left",
    "matching: group_left (labels)",
    "matching: group_right",
    "matching: group_right (labels)",
];

/// Every name there is.
pub(super) fn names() -> impl Iterator<Item = String> {
    let with =
        |prefix: &'static str, names: &'static [&'static str]| names.iter().map(move |name| format!("{prefix}{name}"));
    OTHERS
        .iter()
        .map(|name| (*name).to_owned())
        .chain(with("matcher: ", &MATCHERS))
        .chain(with("filter: ", &FILTERS))
        .chain(with("label filter: text ", &MATCHERS))
        .chain(with("label filter: number ", &COMPARISONS))
        .chain(with("label filter: duration ", &COMPARISONS))
        .chain(with("label filter: size ", &COMPARISONS))
        .chain(with("stage: drop ", &MATCHERS))
        .chain(with("stage: keep ", &MATCHERS))
        .chain(with("range: ", &RANGES))
        .chain(with("vector: ", &VECTORS))
        .chain(with("operator: ", &OPERATORS))
        .chain(with("template: ", &loptr_template::CONSTRUCTS))
        .chain(loptr_template::functions().map(|name| format!("template function: {name}")))
}
