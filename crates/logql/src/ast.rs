//! What a query is, after parsing: a tree with the place of every node in the text.
//!
//! Nodes keep what was written, not what it means: durations are nanoseconds, byte sizes are bytes, numbers are
//! `f64`, strings that need not be UTF-8 bytes; regular expressions and templates stay text (checked by the parser, compiled by `loptr-eval`).

use std::fmt;
use std::ops::Deref;

use loptr_model::Matcher;

pub use crate::deep::Deep;

/// Byte offsets into the query text, `start` in, `end` out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte past the end.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }
}

/// A node that has no room for its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What it is.
    pub node: T,
    /// Place.
    pub span: Span,
}

/// Made by hand, it has no place.
impl<T> From<T> for Spanned<T> {
    fn from(node: T) -> Self {
        Self { node, span: Span::default() }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.node
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A log query: entries.
    Log(LogExpr),
    /// A metric query: numbers.
    Metric(MetricExpr),
    /// `variants(…) of (…)`.
    Variants(VariantsExpr),
}

impl Expr {
    /// Place.
    pub fn span(&self) -> Span {
        match self {
            Self::Log(e) => e.span,
            Self::Metric(e) => e.span(),
            Self::Variants(e) => e.span,
        }
    }
}

/// A selector and the stages its entries run through, in written order.
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    /// Matchers, in written order.
    pub matchers: Vec<Matcher>,
    /// Places of the matchers, one each.
    pub matcher_spans: Vec<Span>,
    /// Stages, in written order.
    pub stages: Vec<Stage>,
    /// Place.
    pub span: Span,
}

/// One stage of a pipeline with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What it does.
    pub kind: StageKind,
    /// Place, from its `|` or operator to its end.
    pub span: Span,
}

/// What a stage does.
#[derive(Clone, Debug, PartialEq)]
pub enum StageKind {
    /// `|=` and its kin.
    LineFilter(LineFilter),
    /// `| json`, all fields or the named ones.
    Json(Vec<Extraction>),
    /// `| logfmt [flags]`, all fields or the named ones.
    Logfmt {
        /// `--strict`: stop at the first malformed pair.
        strict: bool,
        /// `--keep-empty`: keep keys without value.
        keep_empty: bool,
        /// Fields wanted; empty means all.
        fields: Vec<Extraction>,
    },
    /// `| regexp "…"`.
    Regexp(String),
    /// `| pattern "…"`.
    Pattern(Vec<u8>),
    /// `| unpack`.
    Unpack,
    /// A label filter.
    LabelFilter(LabelFilter),
    /// `| line_format "…"`.
    LineFormat(Vec<u8>),
    /// `| label_format a=b, c="…"`.
    LabelFormat(Vec<Spanned<LabelFormat>>),
    /// `| decolorize`.
    Decolorize,
    /// `| drop …`.
    Drop(Vec<Spanned<NamedOrMatcher>>),
    /// `| keep …`.
    Keep(Vec<Spanned<NamedOrMatcher>>),
}

impl LogExpr {
    /// Whether any stage leaves entries out by their line or labels.
    pub fn has_filter(&self) -> bool {
        self.stages.iter().any(|stage| matches!(stage.kind, StageKind::LineFilter(_) | StageKind::LabelFilter(_)))
    }
}

/// How a line filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LineFilterOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Regex,
    /// `!~`
    NotRegex,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

impl LineFilterOp {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Regex => "|~",
            Self::NotRegex => "!~",
            Self::Pattern => "|>",
            Self::NotPattern => "!>",
        }
    }

    /// Whether a match drops the line.
    pub fn is_negative(self) -> bool {
        matches!(self, Self::NotContains | Self::NotRegex | Self::NotPattern)
    }
}

/// `op operand or operand …`: positive operators keep a line if any operand matches, negative ones drop it.
#[derive(Clone, Debug, PartialEq)]
pub struct LineFilter {
    /// The operator before the first operand.
    pub op: LineFilterOp,
    /// At least one.
    pub operands: Vec<Spanned<LineOperand>>,
}

/// One operand of a line filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineOperand {
    /// Text, regular expression or pattern, by the operator.
    Text(Vec<u8>),
    /// `ip("…")`.
    Ip(Vec<u8>),
}

/// `name = "expression"` of `json` and `logfmt`; a bare `name` has the expression `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extraction {
    /// Label to set.
    pub name: String,
    /// Where its value lies.
    pub expression: Vec<u8>,
    /// Place.
    pub span: Span,
}

/// One item of `label_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelFormat {
    /// `to=from`
    Rename {
        /// New name.
        to: String,
        /// Old name.
        from: String,
    },
    /// `to="template"`
    Template {
        /// Label to set.
        to: String,
        /// Go template text.
        template: Vec<u8>,
    },
}

/// One item of `drop` and `keep`.
#[derive(Clone, Debug, PartialEq)]
pub enum NamedOrMatcher {
    /// A label by name.
    Name(String),
    /// A label by name if its value matches.
    Matcher(Matcher),
}

/// A label filter's tree. The place of the outermost is that of the stage, or with the unwrap's list.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    /// `name op "text"`.
    Matcher(Matcher),
    /// `name op number`.
    Number {
        /// Label name.
        name: String,
        /// Comparison.
        op: CompareOp,
        /// Constant.
        value: f64,
    },
    /// `name op 5m`; nanoseconds.
    Duration {
        /// Label name.
        name: String,
        /// Comparison.
        op: CompareOp,
        /// Constant, nanoseconds.
        value_ns: i64,
    },
    /// `name op 5MB`; bytes.
    Bytes {
        /// Label name.
        name: String,
        /// Comparison.
        op: CompareOp,
        /// Constant, bytes.
        value_bytes: u64,
    },
    /// `name = ip("…")`.
    Ip {
        /// Label name.
        name: String,
        /// `!=` rather than `=`.
        negated: bool,
        /// Address, prefix or range.
        pattern: Vec<u8>,
    },
    /// Both hold.
    And(Deep<Spanned<LabelFilter>>, Deep<Spanned<LabelFilter>>),
    /// Either holds.
    Or(Deep<Spanned<LabelFilter>>, Deep<Spanned<LabelFilter>>),
}

/// A comparison. `=` and `==` are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `<`
    Lt,
    /// `<=`
    Le,
}

impl CompareOp {
    /// The operator as upstream prints it: equality is `==`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        }
    }
}

/// A metric expression.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    /// `rate({…}[5m])` and its kin.
    Range(RangeAggregation),
    /// `sum by (a) (…)` and its kin.
    Vector(VectorAggregation),
    /// `a op b`.
    Binary(Deep<BinaryExpr>),
    /// A number.
    Literal {
        /// Value.
        value: f64,
        /// Place.
        span: Span,
    },
    /// `vector(1)`.
    VectorLiteral {
        /// Value.
        value: f64,
        /// Place.
        span: Span,
    },
    /// `label_replace(…)`.
    LabelReplace(LabelReplace),
    /// `variants(…) of (…)`, only as a side of an operator.
    Variants(Deep<VariantsExpr>),
}

impl MetricExpr {
    /// Place.
    pub fn span(&self) -> Span {
        match self {
            Self::Range(e) => e.span,
            Self::Vector(e) => e.span,
            Self::Binary(e) => e.span,
            Self::Literal { span, .. } | Self::VectorLiteral { span, .. } => *span,
            Self::LabelReplace(e) => e.span,
            Self::Variants(e) => e.span,
        }
    }
}

/// An operation over a window of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in a query")]
pub enum RangeOp {
    Count,
    Rate,
    RateCounter,
    Bytes,
    BytesRate,
    Avg,
    Sum,
    Min,
    Max,
    Stdvar,
    Stddev,
    Quantile,
    First,
    Last,
    Absent,
}

impl RangeOp {
    /// The name in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count_over_time",
            Self::Rate => "rate",
            Self::RateCounter => "rate_counter",
            Self::Bytes => "bytes_over_time",
            Self::BytesRate => "bytes_rate",
            Self::Avg => "avg_over_time",
            Self::Sum => "sum_over_time",
            Self::Min => "min_over_time",
            Self::Max => "max_over_time",
            Self::Stdvar => "stdvar_over_time",
            Self::Stddev => "stddev_over_time",
            Self::Quantile => "quantile_over_time",
            Self::First => "first_over_time",
            Self::Last => "last_over_time",
            Self::Absent => "absent_over_time",
        }
    }
}

/// `op([parameter,] log [range])[ grouping]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    /// Operation.
    pub op: RangeOp,
    /// The quantile.
    pub parameter: Option<f64>,
    /// What it runs over.
    pub range: LogRange,
    /// `by` or `without` after the parenthesis.
    pub grouping: Option<Grouping>,
    /// Place.
    pub span: Span,
}

/// A log query over a window.
#[derive(Clone, Debug, PartialEq)]
pub struct LogRange {
    /// Selector and stages, without the unwrap.
    pub log: LogExpr,
    /// Window length, nanoseconds.
    pub range_ns: i64,
    /// How far back the window is moved, nanoseconds; negative moves it forward.
    pub offset_ns: i64,
    /// Whether `offset` was written; one of zero is not printed.
    pub has_offset: bool,
    /// `| unwrap …`.
    pub unwrap: Option<Unwrap>,
    /// Place.
    pub span: Span,
}

/// How an unwrapped label becomes a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnwrapConversion {
    /// As a float.
    Number,
    /// `bytes(…)`
    Bytes,
    /// `duration(…)`, seconds.
    Duration,
    /// `duration_seconds(…)`, seconds.
    DurationSeconds,
}

/// `| unwrap [conversion] label` and the label filters after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    /// Label whose value is the sample.
    pub label: String,
    /// Conversion.
    pub conversion: UnwrapConversion,
    /// Label filters run after the conversion.
    pub filters: Vec<Spanned<LabelFilter>>,
    /// Place.
    pub span: Span,
}

/// `by (…)` or `without (…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// `without` rather than `by`.
    pub without: bool,
    /// Labels named, in written order.
    pub labels: Vec<String>,
    /// Place, the word included.
    pub span: Span,
}

impl Grouping {
    /// `by ()`, written nowhere: all into one.
    pub fn none() -> Self {
        Self { without: false, labels: Vec::new(), span: Span::default() }
    }
}

/// An operation over the series of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in a query")]
pub enum VectorOp {
    Sum,
    Avg,
    Count,
    Max,
    Min,
    Stddev,
    Stdvar,
    Bottomk,
    Topk,
    Sort,
    SortDesc,
    ApproxTopk,
}

impl VectorOp {
    /// The name in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Count => "count",
            Self::Max => "max",
            Self::Min => "min",
            Self::Stddev => "stddev",
            Self::Stdvar => "stdvar",
            Self::Bottomk => "bottomk",
            Self::Topk => "topk",
            Self::Sort => "sort",
            Self::SortDesc => "sort_desc",
            Self::ApproxTopk => "approx_topk",
        }
    }
}

/// `op [grouping] ([parameter,] expr)`.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    /// Operation.
    pub op: VectorOp,
    /// `k` of `topk` and its kin.
    pub parameter: Option<i64>,
    /// What it runs over.
    pub inner: Deep<MetricExpr>,
    /// `by` or `without`; absent means all into one.
    pub grouping: Option<Grouping>,
    /// Place.
    pub span: Span,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as in a query")]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl BinaryOp {
    /// The operator as written in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Unless => "unless",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Lt => "<",
            Self::Le => "<=",
        }
    }

    /// Whether it is `and`, `or` or `unless`.
    pub fn is_set(self) -> bool {
        matches!(self, Self::Or | Self::And | Self::Unless)
    }

    /// How tightly it binds; more is tighter. Operators of one level group from the left, `^` from the right.
    pub fn precedence(self) -> u8 {
        match self {
            Self::Or => 0,
            Self::And | Self::Unless => 1,
            Self::Eq | Self::Ne | Self::Gt | Self::Ge | Self::Lt | Self::Le => 2,
            Self::Add | Self::Sub => 3,
            Self::Mul | Self::Div | Self::Mod => 4,
            Self::Pow => 5,
        }
    }
}

/// Which labels pair the two sides of a binary operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorMatching {
    /// `on` rather than `ignoring`.
    pub on: bool,
    /// Labels named.
    pub labels: Vec<String>,
    /// Whether one sample may pair with many.
    pub group: Option<GroupModifier>,
    /// Place, the group modifier included.
    pub span: Span,
}

/// `group_left` or `group_right` with the labels to copy from the one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupModifier {
    /// `group_left`: many on the left.
    pub left: bool,
    /// Labels copied from the one side.
    pub include: Vec<String>,
    /// Place.
    pub span: Span,
}

/// `left op right`. Two literals never stay: the parser folds them.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryExpr {
    /// Operator.
    pub op: BinaryOp,
    /// Whether `bool` was written.
    pub return_bool: bool,
    /// `on`/`ignoring` and group modifiers, if written.
    pub matching: Option<VectorMatching>,
    /// Left side.
    pub left: MetricExpr,
    /// Right side.
    pub right: MetricExpr,
    /// Place.
    pub span: Span,
}

/// `label_replace(inner, dst, replacement, src, regex)`.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    /// What it runs over.
    pub inner: Deep<MetricExpr>,
    /// Label to set.
    pub dst: Vec<u8>,
    /// Replacement with `$1` references.
    pub replacement: Vec<u8>,
    /// Label to read.
    pub src: Vec<u8>,
    /// Go regular expression, fully anchored.
    pub regex: String,
    /// Place.
    pub span: Span,
}

/// `variants(metric, …) of (range)`.
#[derive(Clone, Debug, PartialEq)]
pub struct VariantsExpr {
    /// The variants.
    pub variants: Vec<MetricExpr>,
    /// The common range.
    pub of: LogRange,
    /// Place.
    pub span: Span,
}
