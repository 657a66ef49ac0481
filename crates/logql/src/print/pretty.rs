//! A query for people to read: what the `format_query` endpoint answers, as upstream answers it.
//!
//! A node whose canonical text has at most 100 bytes stays on one line. A longer one is spread over several, its parts
//! indented by two blanks a level. Upstream loses meaning there, and so does this: parentheses around operations, the
//! operands of a long line filter behind its first, `on ()`, the list of an empty `without ()`, offsets below a
//! millisecond.

use std::fmt::{self, Display, Formatter, Write};

use loptr_model::go_quote_bytes;

use crate::ast::*;
use crate::deep::with_stack;
use crate::duration;
use crate::error::ParseError;

/// Longest text of a node that stays on one line, in bytes.
const LINE_BYTES_MAX: usize = 100;
/// Longest formatted query. A deep one is mostly indentation: it grows with the square of the depth.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// The query over as many lines as its length asks for. One that takes more than 16 MiB is refused.
///
/// ```
/// let query = r#"sum by (app) (rate({env="prod"} |= "a line filter that is long enough" | json | status >= 500 [5m]))"#;
/// let query = loptr_logql::parse(query).unwrap();
/// assert_eq!(
///     loptr_logql::pretty(&query).unwrap(),
///     r#"sum by (app)(rate({env="prod"} |= "a line filter that is long enough" | json | status>=500[5m]))"#
/// );
/// ```
pub fn pretty(query: &Expr) -> Result<String, ParseError> {
    let mut out = Bounded::new(TEXT_BYTES_MAX);
    match query {
        Expr::Log(log) => pretty_log(&mut out, log, 0),
        Expr::Metric(metric) => pretty_metric(&mut out, metric, 0),
        Expr::Variants(variants) => pretty_variants(&mut out, variants, 0),
    }
    .map_err(|_| ParseError::unsupported("the formatted query is longer than 16 MiB"))?;
    Ok(out.text)
}

/// Text that refuses to grow beyond a limit.
struct Bounded {
    text: String,
    limit: usize,
}

impl Bounded {
    fn new(limit: usize) -> Self {
        Self { text: String::new(), limit }
    }

    fn indent(&mut self, level: usize) -> fmt::Result {
        (0..level).try_for_each(|_| self.write_str("  "))
    }

    /// Indentation and a text.
    fn line(&mut self, level: usize, text: impl Display) -> fmt::Result {
        self.indent(level)?;
        write!(self, "{text}")
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// The node on one line, if it fits. Writing stops where it does not, so that no level costs more than a line.
fn one_line(node: &impl Display) -> Option<String> {
    let mut line = Bounded::new(LINE_BYTES_MAX);
    write!(line, "{node:#}").ok()?;
    Some(line.text)
}

fn pretty_log(out: &mut Bounded, log: &LogExpr, level: usize) -> fmt::Result {
    if let Some(line) = one_line(log) {
        return out.line(level, line);
    }
    let selector = LogExpr { stages: Vec::new(), ..log.clone() };
    out.line(level, format_args!("{selector:#}"))?;
    let mut stages = log.stages.as_slice();
    while let Some((stage, rest)) = stages.split_first() {
        let filters = stages.iter().take_while(|stage| matches!(stage.kind, StageKind::LineFilter(_))).count();
        let (taken, rest) = if filters > 0 { stages.split_at(filters) } else { (std::slice::from_ref(stage), rest) };
        stages = rest;
        match stage.kind {
            StageKind::LineFilter(_) => line_filters(out, taken, level + 1)?,
            // Upstream does not indent it.
            StageKind::Decolorize => write!(out, "\n{stage}")?,
            _ => {
                out.write_str("\n")?;
                out.line(level + 1, format_args!("{stage:#}"))?;
            }
        }
    }
    Ok(())
}

/// Neighbouring line filters: as many on the first line as fit, then one a line, without all operands but the first.
fn line_filters(out: &mut Bounded, stages: &[Stage], level: usize) -> fmt::Result {
    let texts: Vec<String> = stages.iter().map(|stage| format!("{stage:#}")).collect();
    let fits =
        |count: &usize| texts.iter().take(*count).map(|text| text.len() + 1).sum::<usize>() <= LINE_BYTES_MAX + 1;
    let together = (1..=texts.len()).rev().find(fits).unwrap_or(0);
    let (head, _) = texts.split_at(together);
    if !head.is_empty() {
        out.write_str("\n")?;
        out.line(level, head.join(" "))?;
    }
    for stage in stages.iter().skip(together) {
        let StageKind::LineFilter(filter) = &stage.kind else { continue };
        let first = LineFilter { op: filter.op, operands: filter.operands.iter().take(1).cloned().collect() };
        out.write_str("\n")?;
        out.line(level, format_args!("{first:#}"))?;
    }
    Ok(())
}

fn pretty_metric(out: &mut Bounded, metric: &MetricExpr, level: usize) -> fmt::Result {
    // Upstream never leaves variants on one line.
    let line = if matches!(metric, MetricExpr::Variants(_)) { None } else { one_line(metric) };
    if let Some(line) = line {
        return out.line(level, line);
    }
    with_stack(|| match metric {
        MetricExpr::Range(e) => pretty_range_aggregation(out, e, level),
        MetricExpr::Vector(e) => pretty_vector_aggregation(out, e, level),
        MetricExpr::Binary(e) => pretty_binary(out, e, level),
        MetricExpr::LabelReplace(e) => {
            out.line(level, "label_replace(\n")?;
            pretty_metric(out, &e.inner, level + 1)?;
            for text in e.texts() {
                out.write_str(",\n")?;
                out.line(level + 1, go_quote_bytes(text))?;
            }
            out.write_str("\n")?;
            out.line(level, ")")
        }
        MetricExpr::Variants(e) => pretty_variants(out, e, level),
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => out.line(level, format_args!("{metric:#}")),
    })
}

fn pretty_range_aggregation(out: &mut Bounded, e: &RangeAggregation, level: usize) -> fmt::Result {
    out.line(level, format_args!("{}(\n", e.op.as_str()))?;
    if let Some(parameter) = e.parameter {
        out.line(level + 1, format_args!("{},\n", crate::number::go_text(parameter)))?;
    }
    pretty_range(out, &e.range, level + 1)?;
    out.write_str("\n")?;
    out.line(level, ")")?;
    out.write_str(&e.grouping.as_ref().map_or_else(String::new, grouping))
}

/// ` by (a, b)`; of an empty list only `without` is said.
fn grouping(grouping: &Grouping) -> String {
    match (grouping.labels.as_slice(), grouping.without) {
        ([], false) => String::new(),
        ([], true) => " without".to_owned(),
        (labels, without) => format!(" {} ({})", if without { "without" } else { "by" }, labels.join(", ")),
    }
}

fn pretty_range(out: &mut Bounded, range: &LogRange, level: usize) -> fmt::Result {
    pretty_log(out, &range.log, level)?;
    if let Some(unwrap) = &range.unwrap {
        out.write_str("\n")?;
        out.line(level + 1, Head(unwrap))?;
        for filter in &unwrap.filters {
            out.write_str("\n")?;
            out.line(level + 1, format_args!("| {filter:#}"))?;
        }
    }
    write!(out, " [{}]", duration::prometheus_text(range.range_ns))?;
    if range.offset_ns != 0 {
        write!(out, " offset {}", duration::prometheus_text(range.offset_ns))?;
    }
    Ok(())
}

struct Head<'a>(&'a Unwrap);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.write_head(f)
    }
}

fn pretty_vector_aggregation(out: &mut Bounded, e: &VectorAggregation, level: usize) -> fmt::Result {
    out.line(level, e.op.as_str())?;
    out.write_str(&e.grouping.as_ref().map_or_else(String::new, grouping))?;
    out.write_str("(\n")?;
    if let Some(k) = e.parameter {
        out.line(level + 1, format_args!("{k},\n"))?;
    }
    pretty_metric(out, &e.inner, level + 1)?;
    out.write_str("\n")?;
    out.line(level, ")")
}

/// The sides indented, the operator between them on a line of its own.
fn pretty_binary(out: &mut Bounded, e: &BinaryExpr, level: usize) -> fmt::Result {
    pretty_metric(out, &e.left, level + 1)?;
    out.write_str("\n")?;
    out.line(level, e.upstream_operator(", ", true))?;
    out.write_str("\n")?;
    pretty_metric(out, &e.right, level + 1)
}

/// Upstream indents the end of the last line, not its beginning.
fn pretty_variants(out: &mut Bounded, e: &VariantsExpr, level: usize) -> fmt::Result {
    out.line(level, "variants(\n")?;
    for (at, variant) in e.variants.iter().enumerate() {
        out.write_str(if at > 0 { ",\n" } else { "" })?;
        pretty_metric(out, variant, level + 1)?;
    }
    out.write_str("\n")?;
    out.line(level, ") of (\n")?;
    pretty_range(out, &e.of, level + 1)?;
    out.line(level, "\n)")
}
