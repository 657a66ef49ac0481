//! A query for people to read: what the `format_query` endpoint answers, as upstream answers it.
//!
//! A node whose canonical text has at most 100 bytes stays on one line. A longer one is spread over several, its parts
//! indented by two blanks a level. Upstream loses meaning there, and so does this: parentheses around operations, the
//! operands of a long line filter behind its first, `on ()`, the list of an empty `without ()`, offsets below a
//! millisecond.

use std::fmt::{self, Display, Formatter, Write};

use loptr_model::go_quote;

use crate::ast::*;
use crate::duration;

/// Longest text of a node that stays on one line, in bytes.
const LINE_BYTES_MAX: usize = 100;

/// The query over as many lines as its length asks for.
///
/// ```
/// let query = r#"sum by (app) (rate({env="prod"} |= "a line filter that is long enough" | json | status >= 500 [5m]))"#;
/// let query = loptr_logql::parse(query).unwrap();
/// assert_eq!(loptr_logql::pretty(&query), r#"sum by (app)(rate({env="prod"} |= "a line filter that is long enough" | json | status>=500[5m]))"#);
/// ```
pub fn pretty(query: &Expr) -> String {
    match query {
        Expr::Log(log) => pretty_log(log, 0),
        Expr::Metric(metric) => pretty_metric(metric, 0),
        Expr::Variants(variants) => pretty_variants(variants),
    }
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

/// The node on one line, if it fits. Writing stops where it does not, so that no level costs more than a line.
fn one_line(node: &impl Display, level: usize) -> Option<String> {
    let mut line = Line(String::new());
    write!(line, "{node:#}").ok()?;
    Some(indent(level) + &line.0)
}

struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LINE_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

fn pretty_log(log: &LogExpr, level: usize) -> String {
    if let Some(line) = one_line(log, level) {
        return line;
    }
    let selector = LogExpr { matchers: log.matchers.clone(), stages: Vec::new(), span: log.span };
    let mut lines = vec![format!("{}{selector:#}", indent(level))];
    let mut stages = log.stages.as_slice();
    while let Some((stage, rest)) = stages.split_first() {
        let filters = stages.iter().take_while(|stage| matches!(stage.kind, StageKind::LineFilter(_))).count();
        let (taken, rest) = if filters > 0 { stages.split_at(filters) } else { (std::slice::from_ref(stage), rest) };
        stages = rest;
        match stage.kind {
            StageKind::LineFilter(_) => lines.extend(line_filters(taken, level + 1)),
            // Upstream does not indent it.
            StageKind::Decolorize => lines.push(stage.to_string()),
            _ => lines.push(format!("{}{stage:#}", indent(level + 1))),
        }
    }
    lines.join("\n")
}

/// Neighbouring line filters: as many on the first line as fit, then one a line, without all operands but the first.
fn line_filters(stages: &[Stage], level: usize) -> Vec<String> {
    let texts: Vec<String> = stages.iter().map(|stage| format!("{stage:#}")).collect();
    let fits =
        |count: &usize| texts.iter().take(*count).map(|text| text.len() + 1).sum::<usize>() <= LINE_BYTES_MAX + 1;
    let together = (1..=texts.len()).rev().find(fits).unwrap_or(0);
    let (head, _) = texts.split_at(together);
    let mut lines = Vec::new();
    if !head.is_empty() {
        lines.push(format!("{}{}", indent(level), head.join(" ")));
    }
    for stage in stages.iter().skip(together) {
        let StageKind::LineFilter(filter) = &stage.kind else { continue };
        let first = LineFilter { op: filter.op, operands: filter.operands.iter().take(1).cloned().collect() };
        lines.push(format!("{}{first:#}", indent(level)));
    }
    lines
}

fn pretty_metric(metric: &MetricExpr, level: usize) -> String {
    if let Some(line) = one_line(metric, level) {
        return line;
    }
    match metric {
        MetricExpr::Range(e) => pretty_range_aggregation(e, level),
        MetricExpr::Vector(e) => pretty_vector_aggregation(e, level),
        MetricExpr::Binary(e) => pretty_binary(e, level),
        MetricExpr::LabelReplace(e) => {
            let mut arguments = vec![pretty_metric(&e.inner, level + 1)];
            let texts = [&e.dst, &e.replacement, &e.src, &e.regex];
            arguments.extend(texts.iter().map(|text| indent(level + 1) + &go_quote(text)));
            format!("{}label_replace(\n{}\n{})", indent(level), arguments.join(",\n"), indent(level))
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => format!("{}{metric:#}", indent(level)),
    }
}

fn pretty_range_aggregation(e: &RangeAggregation, level: usize) -> String {
    let mut out = format!("{}{}(\n", indent(level), e.op.as_str());
    if let Some(parameter) = e.parameter {
        out += &format!("{}{},\n", indent(level + 1), crate::number::go_text(parameter));
    }
    out += &format!("{}\n{})", pretty_range(&e.range, level + 1), indent(level));
    out + &e.grouping.as_ref().map_or_else(String::new, grouping)
}

/// ` by (a, b)`; of an empty list only `without` is said.
fn grouping(grouping: &Grouping) -> String {
    match (grouping.labels.as_slice(), grouping.without) {
        ([], false) => String::new(),
        ([], true) => " without".to_owned(),
        (labels, without) => format!(" {} ({})", if without { "without" } else { "by" }, labels.join(", ")),
    }
}

fn pretty_range(range: &LogRange, level: usize) -> String {
    let mut out = pretty_log(&range.log, level);
    if let Some(unwrap) = &range.unwrap {
        let start = format!("\n{}", indent(level + 1));
        out += &start;
        out += &Head(unwrap).to_string();
        for filter in &unwrap.filters {
            out += &format!("{start}| {filter:#}");
        }
    }
    out += &format!(" [{}]", duration::prometheus_text(range.range_ns));
    if range.offset_ns != 0 {
        out += &format!(" offset {}", duration::prometheus_text(range.offset_ns));
    }
    out
}

struct Head<'a>(&'a Unwrap);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.write_head(f)
    }
}

fn pretty_vector_aggregation(e: &VectorAggregation, level: usize) -> String {
    let mut out = indent(level) + e.op.as_str();
    out += &e.grouping.as_ref().map_or_else(String::new, grouping);
    out += "(\n";
    if let Some(k) = e.parameter {
        out += &format!("{}{k},\n", indent(level + 1));
    }
    out + &format!("{}\n{})", pretty_metric(&e.inner, level + 1), indent(level))
}

/// The sides indented, the operator between them on a line of its own.
fn pretty_binary(e: &BinaryExpr, level: usize) -> String {
    let (left, right) = (pretty_metric(&e.left, level + 1), pretty_metric(&e.right, level + 1));
    format!("{left}\n{}{}\n{right}", indent(level), e.upstream_operator(", ", true))
}

fn pretty_variants(e: &VariantsExpr) -> String {
    let variants: Vec<String> = e.variants.iter().map(|variant| pretty_metric(variant, 1)).collect();
    format!("variants(\n{}\n) of (\n{}\n)", variants.join(",\n"), pretty_range(&e.of, 1))
}
