//! A query as text: upstream's canonical form, which error texts quote and in which queries travel between processes.
//!
//! It reads back as the same tree. Where upstream's form would not, ours differs: byte sizes and `vector()` are exact,
//! label names are never quoted, infinite and undefined numbers are written as an operation, and `ignoring ()` and
//! `group_left ()` are written where leaving them out would change the meaning.

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
        for stage in &self.stages {
            write!(f, " {stage}")?;
        }
        Ok(())
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

/// The name and the operator after it. The name `!` must keep its distance, or it would be read as part of one.
fn write_name(f: &mut Formatter<'_>, name: &str, op: &str) -> fmt::Result {
    write!(f, "{name}{}{op}", if name == "!" { " " } else { "" })
}

fn write_matcher(f: &mut Formatter<'_>, matcher: &Matcher) -> fmt::Result {
    write_name(f, &matcher.name, matcher.op.as_str())?;
    f.write_str(&go_quote(&matcher.value))
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
            Self::Pattern(pattern) => write!(f, "| pattern {}", go_quote(pattern)),
            Self::Unpack => f.write_str("| unpack"),
            Self::LabelFilter(filter) => write!(f, "| {filter}"),
            Self::LineFormat(template) => write!(f, "| line_format {}", go_quote(template)),
            Self::LabelFormat(formats) => {
                f.write_str("| label_format ")?;
                write_list(f, ",", formats, |f, format| match format {
                    LabelFormat::Rename { to, from } => {
                        write_name(f, to, "=")?;
                        write!(f, "{}{from}", if from == "~" { " " } else { "" })
                    }
                    LabelFormat::Template { to, template } => {
                        write_name(f, to, "=")?;
                        f.write_str(&go_quote(template))
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
        f.write_str(&go_quote(&field.expression))
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
        write_list(f, &separator, &self.operands, |f, operand| match operand {
            LineOperand::Text(text) => f.write_str(&go_quote_bytes(text)),
            LineOperand::Ip(pattern) => write!(f, "ip({})", go_quote(pattern)),
        })
    }
}

impl Display for LabelFilter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matcher(matcher) => {
                if matcher.op == MatchOp::Re
                    && !matcher.value.contains(['`', '\0'])
                    && regex::stays_regex(&matcher.value)
                {
                    write_name(f, &matcher.name, "=~")?;
                    return write!(f, "`{}`", matcher.value);
                }
                write_matcher(f, matcher)
            }
            Self::Number { name, op, value } => {
                write_name(f, name, op.as_str())?;
                match *value {
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
                f.write_str(&bytesize::text(*value_bytes))
            }
            Self::Ip { name, negated, pattern } => {
                write_name(f, name, if *negated { "!=" } else { "=" })?;
                write!(f, "ip({})", go_quote(pattern))
            }
            Self::And(left, right) => write!(f, "( {left} , {right} )"),
            Self::Or(left, right) => write!(f, "( {left} or {right} )"),
        }
    }
}

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range(e) => e.fmt(f),
            Self::Vector(e) => e.fmt(f),
            Self::Binary(e) => e.fmt(f),
            Self::Literal { value, .. } => f.write_str(&literal_text(*value)),
            Self::VectorLiteral { value, .. } => {
                let fixed = number::fixed_text(*value);
                if number::parse(&fixed) == Ok(*value) {
                    write!(f, "vector({fixed})")
                } else {
                    write!(f, "vector({value})")
                }
            }
            Self::LabelReplace(e) => e.fmt(f),
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
        write!(f, "{})", self.range)?;
        self.grouping.as_ref().map_or(Ok(()), |grouping| write!(f, " {grouping}"))
    }
}

impl Display for LogRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
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
        self.filters.iter().try_for_each(|filter| write!(f, " | {filter}"))
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
        write!(f, "{})", self.inner)
    }
}

impl BinaryExpr {
    /// The operator with its modifiers, labels separated by `separator`. Upstream leaves a blank at the end if labels
    /// are matched one to one. `opens` tells whether a parenthesis follows.
    fn operator(&self, separator: &str, opens: bool) -> String {
        let mut out = self.op.as_str().to_owned();
        if self.return_bool {
            out.push_str(" bool");
        }
        let Some(VectorMatching { on, labels, group }) = &self.matching else { return out };
        if !on && labels.is_empty() && group.is_none() {
            return out;
        }
        let word = if *on { "on" } else { "ignoring" };
        out.push_str(&format!(" {word} ({}) ", labels.join(separator)));
        if let Some(GroupModifier { left, include }) = group {
            out.push_str(if *left { "group_left" } else { "group_right" });
            // A parenthesis that follows would be read as the list.
            if !include.is_empty() || opens {
                out.push_str(&format!(" ({})", include.join(separator)));
            }
        }
        out
    }
}

impl Display for BinaryExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let opens = match &self.right {
            MetricExpr::Binary(_) => true,
            MetricExpr::Literal { value, .. } => !value.is_finite(),
            _ => false,
        };
        write!(f, "({} {} {})", self.left, self.operator(",", opens), self.right)
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "label_replace({}", self.inner)?;
        for argument in [&self.dst, &self.replacement, &self.src, &self.regex] {
            write!(f, ",{}", go_quote(argument))?;
        }
        f.write_str(")")
    }
}

impl Display for VariantsExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("variants(")?;
        write_list(f, ", ", &self.variants, |f, variant| variant.fmt(f))?;
        write!(f, ") of ({})", self.of)
    }
}
