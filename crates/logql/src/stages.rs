//! Faults of stages that only show when a pipeline is built: what upstream says with `stage '…' : …`.
//!
//! Upstream finds them after everything else, and some requests never get that far (formatting a query, or asking a
//! log query for an instant), so they are a step of their own.

use crate::ast::{
    Expr, Extraction, LabelFilter, LabelFormat, LineFilter, LineFilterOp, LineOperand, MetricExpr, Spanned, Stage,
    StageKind, VariantsExpr,
};
use crate::deep::with_stack;
use crate::error::{ParseError, stage_error};
use crate::{expression, ip, pattern, regex};

/// Checks every stage of the query and reports the first fault, in upstream's order: pipelines from left to right, and
/// in each the stages in the order they run, line filters moved forward.
///
/// `template` is asked about `line_format` and `label_format` stages, whose language is not this crate's; its error is
/// the text after the colon.
///
/// ```
/// let query = loptr_logql::parse(r#"{a="b"} |~ "(""#).unwrap();
/// let error = loptr_logql::check_stages(&query, &|_| Ok(())).unwrap_err();
/// assert_eq!(error.to_string(), r#"parse error : stage '|~ "("' : error parsing regexp: missing closing ): `(`"#);
/// ```
pub fn check_stages(query: &Expr, template: &TemplateCheck<'_>) -> Result<(), ParseError> {
    match query {
        Expr::Log(log) => check_pipeline(&log.stages, template),
        Expr::Metric(metric) => check_metric(metric, template),
        Expr::Variants(variants) => check_variants(variants, template),
    }
}

/// Says what is wrong with the templates of a stage.
pub type TemplateCheck<'a> = dyn Fn(&StageKind) -> Result<(), String> + 'a;

fn check_metric(metric: &MetricExpr, template: &TemplateCheck<'_>) -> Result<(), ParseError> {
    with_stack(|| match metric {
        MetricExpr::Range(range) => check_pipeline(&range.range.log.stages, template),
        MetricExpr::Vector(vector) => check_metric(&vector.inner, template),
        MetricExpr::LabelReplace(replace) => check_metric(&replace.inner, template),
        MetricExpr::Variants(variants) => check_variants(variants, template),
        MetricExpr::Binary(binary) => {
            check_metric(&binary.left, template)?;
            check_metric(&binary.right, template)
        }
        MetricExpr::Literal { .. } | MetricExpr::VectorLiteral { .. } => Ok(()),
    })
}

fn check_variants(variants: &VariantsExpr, template: &TemplateCheck<'_>) -> Result<(), ParseError> {
    check_pipeline(&variants.of.log.stages, template)?;
    variants.variants.iter().try_for_each(|metric| check_metric(metric, template))
}

/// As [`check_stages`], of one pipeline.
pub fn check_pipeline<'a>(
    stages: impl IntoIterator<Item = &'a Stage>,
    template: &TemplateCheck<'_>,
) -> Result<(), ParseError> {
    let (mut filters, mut others) = (Vec::new(), Vec::new());
    for stage in stages {
        match &stage.kind {
            StageKind::LineFilter(_) => filters.push(stage),
            StageKind::LabelFilter(_) => {
                flush(&mut filters, &mut others, template)?;
                check_stage(stage, template)?;
            }
            StageKind::LineFormat(_) | StageKind::Unpack => {
                others.push(stage);
                flush(&mut filters, &mut others, template)?;
            }
            _ => others.push(stage),
        }
    }
    flush(&mut filters, &mut others, template)
}

/// The line filters gathered so far, as one stage, then the others.
fn flush<'a>(
    filters: &mut Vec<&'a Stage>,
    others: &mut Vec<&'a Stage>,
    template: &TemplateCheck<'_>,
) -> Result<(), ParseError> {
    check_line_filters(filters)?;
    for stage in others.iter() {
        check_stage(stage, template)?;
    }
    filters.clear();
    others.clear();
    Ok(())
}

/// Of several line filters the last faulty one is reported, under the text of all.
fn check_line_filters(stages: &[&Stage]) -> Result<(), ParseError> {
    for stage in stages.iter().rev() {
        let StageKind::LineFilter(filter) = &stage.kind else { continue };
        if let Err(message) = filter.operands.iter().try_for_each(|operand| check_operand(filter, operand)) {
            let texts: Vec<String> = stages.iter().map(|stage| format!("{stage:#}")).collect();
            return Err(ParseError { span: stage.span, ..stage_error(&texts.join(" "), &message) });
        }
    }
    Ok(())
}

fn check_operand(filter: &LineFilter, operand: &Spanned<LineOperand>) -> Result<(), String> {
    let is_plain = matches!(filter.op, LineFilterOp::Contains | LineFilterOp::NotContains);
    match (&operand.node, filter.op) {
        (LineOperand::Ip(_), _) if !is_plain => Err("ip: invalid operation".to_owned()),
        (LineOperand::Ip(pattern), _) => check_ip(pattern),
        (LineOperand::Text(text), LineFilterOp::Regex | LineFilterOp::NotRegex) => regex::check_line_filter(text),
        (LineOperand::Text(text), LineFilterOp::Pattern | LineFilterOp::NotPattern) => {
            pattern::parse_line_filter(text).map(|_| ())
        }
        (LineOperand::Text(_), _) => Ok(()),
    }
}

fn check_ip(pattern: &[u8]) -> Result<(), String> {
    if std::str::from_utf8(pattern).is_ok_and(ip::is_pattern) {
        return Ok(());
    }
    Err(format!("ip: invalid pattern: {}", loptr_model::go_quote_bytes(pattern)))
}

fn check_stage(stage: &Stage, template: &TemplateCheck<'_>) -> Result<(), ParseError> {
    let result = match &stage.kind {
        StageKind::LabelFilter(LabelFilter::Ip { pattern, .. }) => check_ip(pattern),
        StageKind::Json(fields) => check_fields(fields, |text| expression::json_path(text).map(|_| ())),
        StageKind::Logfmt { fields, .. } => check_fields(fields, |text| expression::logfmt_key(text).map(|_| ())),
        StageKind::LabelFormat(formats) => check_formats(formats).and_then(|()| template(&stage.kind)),
        StageKind::LineFormat(_) => template(&stage.kind),
        _ => Ok(()),
    };
    result.map_err(|message| ParseError { span: stage.span, ..stage_error(&format!("{stage:#}"), &message) })
}

fn check_fields(fields: &[Extraction], check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    for Extraction { expression, .. } in fields {
        let expression = String::from_utf8_lossy(expression);
        check(&expression).map_err(|error| format!("cannot parse expression [{expression}]: {error}"))?;
    }
    Ok(())
}

fn check_formats(formats: &[Spanned<LabelFormat>]) -> Result<(), String> {
    let name = |format: &LabelFormat| match format {
        LabelFormat::Rename { to, .. } | LabelFormat::Template { to, .. } => to.clone(),
    };
    for (at, format) in formats.iter().enumerate() {
        let to = name(format);
        if to == "__error__" {
            return Err("__error__ cannot be formatted".to_owned());
        }
        if formats.iter().take(at).any(|earlier| name(earlier) == to) {
            return Err(format!("multiple label name '{to}' not allowed in a single format operation"));
        }
    }
    Ok(())
}
