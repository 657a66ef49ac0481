//! A query as text, in two forms.
//!
//! `{}` reads back as the same tree: queries travel so. `{:#}` is upstream's canonical form to the letter, which error
//! texts quote and [`pretty`] lays out. They differ where upstream's says something else or cannot be read: it rounds byte
//! sizes and `vector()`, quotes odd label names, and leaves out what is empty.

mod pretty;

use std::fmt::{self, Display, Formatter};

use loptr_model::{MatchOp, Matcher, go_quote, go_quote_bytes};

pub use pretty::pretty;

use crate::ast::*;
use crate::{bytesize, duration, number, regex};

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(e) => e.fmt(f),
            Self::Metric(e) => e.fmt(f),
            Self::Variants(e) => e.fmt(f),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_selector(f, &self.matchers)?;
        self.stages.iter().try_for_each(|stage| after(f, " ", stage))
    }
}

fn write_selector(f: &mut Formatter<'_>, matchers: &[Matcher]) -> fmt::Result {
    f.write_str("{")?;
    write_list(f, ", ", matchers, write_matcher)?;
    f.write_str("}")
}

fn write_list<T>(
    f: &mut Formatter<'_>,
    separator: &str,
    items: &[T],
    write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// `text`, then `item` in the same form.
fn after(f: &mut Formatter<'_>, text: &str, item: &impl Display) -> fmt::Result {
    f.write_str(text)?;
    item.fmt(f)
}

/// The name and the operator after it. The name `!` must keep its distance, or it would be read as part of one.
fn write_name(f: &mut Formatter<'_>, name: &str, op: &str) -> fmt::Result {
    write!(f, "{name}{}{op}", if name == "!" && !f.alternate() { " " } else { "" })
}

fn write_matcher(f: &mut Formatter<'_>, matcher: &Matcher) -> fmt::Result {
    write_matcher_name(f, &matcher.name, matcher.op.as_str())?;
    f.write_str(&go_quote_bytes(matcher.value_bytes()))
}

/// As [`write_name`]. Upstream quotes a name that is none to Prometheus.
fn write_matcher_name(f: &mut Formatter<'_>, name: &str, op: &str) -> fmt::Result {
    let is_plain =
        !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_plain || !f.alternate() {
        return write_name(f, name, op);
    }
    write!(f, "{}{op}", go_quote(name))
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Display for StageKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineFilter(filter) => filter.fmt(f),
            Self::Json(fields) if fields.is_empty() => f.write_str("| json"),
            Self::Json(fields) => {
                f.write_str("| json ")?;
                write_fields(f, fields)
            }
            Self::Logfmt { strict, keep_empty, fields } => {
                f.write_str("| logfmt")?;
                f.write_str(if *strict { " --strict" } else { "" })?;
                f.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                f.write_str(if fields.is_empty() { "" } else { " " })?;
                write_fields(f, fields)
            }
            Self::Regexp(pattern) => write!(f, "| regexp {}", go_quote(pattern)),
            Self::Pattern(pattern) => write!(f, "| pattern {}", go_quote_bytes(pattern)),
            Self::Unpack => f.write_str("| unpack"),
            Self::LabelFilter(filter) => after(f, "| ", filter),
            Self::LineFormat(template) => write!(f, "| line_format {}", go_quote_bytes(template)),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                write_list(f, ",", formats, |f, format| match &format.node {
                    LabelFormat::Rename { to, from } => {
                        write_name(f, to, "=")?;
                        write!(f, "{}{from}", if from == "~" && !f.alternate() { " " } else { "" })
                    }
                    LabelFormat::Template { to, template } => {
                        write_name(f, to, "=")?;
                        f.write_str(&go_quote_bytes(template))
                    }
                })
            }
            Self::Decolorize => f.write_str("| decolorize"),
            Self::Drop(items) => {
                f.write_str("| drop ")?;
                write_list(f, ",", items, |f, item| item.fmt(f))
            }
            Self::Keep(items) => {
                f.write_str("| keep ")?;
                write_list(f, ",", items, |f, item| item.fmt(f))
            }
        }
    }
}

fn write_fields(f: &mut Formatter<'_>, fields: &[Extraction]) -> fmt::Result {
    write_list(f, ",", fields, |f, field| {
        write_name(f, &field.name, "=")?;
        f.write_str(&go_quote_bytes(&field.expression))
    })
}

impl Display for NamedOrMatcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Matcher(matcher) => write_matcher(f, matcher),
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let op = self.op.as_str();
        let separator = if self.op.is_negative() { format!(" {op} ") } else { " or ".to_owned() };
        write!(f, "{op} ")?;
        write_list(f, &separator, &self.operands, |f, operand| match &operand.node {
            LineOperand::Text(text) => f.write_str(&go_quote_bytes(text)),
            LineOperand::Ip(pattern) => write!(f, "ip({})", go_quote_bytes(pattern)),
        })
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matcher(matcher) => {
                if matcher.op == MatchOp::Re
                    && matcher.raw_values().is_none()
                    && !matcher.value.contains(['`', '\0'])
                    && regex::stays_regex(&matcher.value)
                {
                    write_matcher_name(f, &matcher.name, "=~")?;
                    return write!(f, "`{}`", matcher.value);
                }
                write_matcher(f, matcher)
            }
            Self::Number { name, op, value } => {
                write_name(f, name, op.as_str())?;
                match *value {
                    v if f.alternate() && v.is_infinite() => f.write_str(&number::go_text(v)),
                    v if f.alternate() => write!(f, "{v}"),
                    // Too large to be read as a number, which the parser takes for infinite.
                    v if v.is_infinite() => f.write_str(if v > 0.0 { "1e999" } else { "-1e999" }),
                    // `-0` would be read as a duration.
                    v if v == 0.0 && v.is_sign_negative() => f.write_str("-0.0"),
                    v => write!(f, "{v}"),
                }
            }
            Self::Duration { name, op, value_ns } => {
                write_name(f, name, op.as_str())?;
                f.write_str(&duration::go_text(*value_ns))
            }
            Self::Bytes { name, op, value_bytes } => {
                write_name(f, name, op.as_str())?;
                let text = if f.alternate() { bytesize::rounded } else { bytesize::text };
                f.write_str(&text(*value_bytes))
            }
            Self::Ip { name, negated, pattern } => {
                write_name(f, name, if *negated { "!=" } else { "=" })?;
                write!(f, "ip({})", go_quote_bytes(pattern))
            }
            Self::And(left, right) => write_both(f, ["( ", " , ", " )"], left, right),
            Self::Or(left, right) => write_both(f, ["( ", " or ", " )"], left, right),
        }
    }
}

/// Two sides with what stands before, between and behind them.
fn write_both(f: &mut Formatter<'_>, around: [&str; 3], left: &impl Display, right: &impl Display) -> fmt::Result {
    after(f, around[0], left)?;
    after(f, around[1], right)?;
    f.write_str(around[2])
}

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(e) => e.fmt(f),
            Self::Vector(e) => e.fmt(f),
            Self::Binary(e) => e.fmt(f),
            Self::Literal { value, .. } if f.alternate() => f.write_str(&number::go_text(*value)),
            Self::Literal { value, .. } => f.write_str(&literal_text(*value)),
            Self::VectorLiteral { value, .. } => {
                let fixed = number::fixed_text(*value);
                if f.alternate() || number::parse(&fixed) == Ok(*value) {
                    write!(f, "vector({fixed})")
                } else {
                    write!(f, "vector({value})")
                }
            }
            Self::LabelReplace(e) => e.fmt(f),
            Self::Variants(e) => e.fmt(f),
        }
    }
}

/// A number as Go prints it, or an operation that gives it.
fn literal_text(value: f64) -> String {
    match value {
        v if v.is_nan() => "(0 / 0)".to_owned(),
        f64::INFINITY => "(2 ^ 1024)".to_owned(),
        f64::NEG_INFINITY => "(-2 ^ 1025)".to_owned(),
        v if v == 0.0 && v.is_sign_negative() => "-0.0".to_owned(),
        v => number::go_text(v),
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.op.as_str())?;
        if let Some(parameter) = self.parameter {
            write!(f, "{parameter},")?;
        }
        self.range.fmt(f)?;
        f.write_str(")")?;
        self.grouping.as_ref().map_or(Ok(()), |grouping| write!(f, " {grouping}"))
    }
}

impl Display for LogRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            after(f, " ", unwrap)?;
        }
        write!(f, "[{}]", duration::prometheus_text(self.range_ns))?;
        if self.offset_ns != 0 {
            write!(f, " offset {}", duration::go_text(self.offset_ns))?;
        }
        Ok(())
    }
}

impl Unwrap {
    fn write_head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let label = &self.label;
        match self.conversion {
            UnwrapConversion::Number => write!(f, "| unwrap {label}"),
            UnwrapConversion::Bytes => write!(f, "| unwrap bytes({label})"),
            UnwrapConversion::Duration => write!(f, "| unwrap duration({label})"),
            UnwrapConversion::DurationSeconds => write!(f, "| unwrap duration_seconds({label})"),
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.filters.iter().try_for_each(|filter| after(f, " | ", filter))
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", if self.without { "without" } else { "by" }, self.labels.join(","))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.op.as_str())?;
        if let Some(grouping) = self.grouping.as_ref().filter(|g| g.without || !g.labels.is_empty()) {
            write!(f, " {grouping}")?;
        }
        f.write_str("(")?;
        if let Some(k) = self.parameter {
            write!(f, "{k},")?;
        }
        self.inner.fmt(f)?;
        f.write_str(")")
    }
}

impl BinaryExpr {
    /// The operator with its modifiers, so that it reads back. Upstream leaves a blank at the end if labels are matched
    /// one to one. `opens` tells whether a parenthesis follows.
    fn operator(&self, opens: bool) -> String {
        let Some(VectorMatching { on, labels, group, .. }) = &self.matching else { return self.bare_operator() };
        if !on && labels.is_empty() && group.is_none() {
            return self.bare_operator();
        }
        let group = group.as_ref().map_or_else(String::new, |group| {
            // A parenthesis that follows would be read as the list.
            let writes_list = !group.include.is_empty() || opens;
            if writes_list {
                format!("{} ({})", group.word(), group.include.join(","))
            } else {
                group.word().to_owned()
            }
        });
        self.operator_on(*on, labels.join(","), &group)
    }

    /// As upstream writes it, labels separated by `separator`. Without labels nothing is said of groups, and on several
    /// lines (`spread`) not even `on ()`.
    fn upstream_operator(&self, separator: &str, spread: bool) -> String {
        let Some(VectorMatching { on, labels, group, .. }) = &self.matching else { return self.bare_operator() };
        if labels.is_empty() && (spread || !on) {
            return self.bare_operator();
        }
        let group = group.as_ref().map_or_else(String::new, |group| match group.include.as_slice() {
            [] => group.word().to_owned(),
            include => format!("{} ({})", group.word(), include.join(separator)),
        });
        self.operator_on(*on, labels.join(separator), &group)
    }

    fn bare_operator(&self) -> String {
        format!("{}{}", self.op.as_str(), if self.return_bool { " bool" } else { "" })
    }

    fn operator_on(&self, on: bool, labels: String, group: &str) -> String {
        format!("{} {} ({labels}) {group}", self.bare_operator(), if on { "on" } else { "ignoring" })
    }
}

impl GroupModifier {
    fn word(&self) -> &'static str {
        if self.left { "group_left" } else { "group_right" }
    }
}

impl Display for BinaryExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let opens = match &self.right {
            MetricExpr::Binary(_) => true,
            MetricExpr::Literal { value, .. } => !value.is_finite(),
            _ => false,
        };
        let operator = if f.alternate() { self.upstream_operator(",", false) } else { self.operator(opens) };
        write_both(f, ["(", &format!(" {operator} "), ")"], &self.left, &self.right)
    }
}

impl LabelReplace {
    /// The arguments behind the first.
    fn texts(&self) -> [&[u8]; 4] {
        [&self.dst, &self.replacement, &self.src, self.regex.as_bytes()]
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        after(f, "label_replace(", &self.inner)?;
        for argument in self.texts() {
            write!(f, ",{}", go_quote_bytes(argument))?;
        }
        f.write_str(")")
    }
}

impl Display for VariantsExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("variants(")?;
        write_list(f, ", ", &self.variants, |f, variant| variant.fmt(f))?;
        after(f, ") of (", &self.of)?;
        f.write_str(")")
    }
}
