//! From a query's tree to names. Each match names every variant, so that none is forgotten.

use loptr_logql::ast::{
    BinaryExpr, BinaryOp, CompareOp, Expr, Grouping, LabelFilter, LabelFormat, LineFilterOp, LineOperand, LogExpr,
    LogRange, MetricExpr, NamedOrMatcher, RangeAggregation, RangeOp, Span, Spanned, StageKind, Unwrap,
    UnwrapConversion, VectorAggregation, VectorOp,
};
use loptr_model::MatchOp;
use loptr_template::Template;

use crate::language::{Token, tokens_with_comments};

/// A query's tree, walked once.
pub(super) struct Walk<'a> {
    text: &'a str,
    hits: Vec<String>,
}

impl<'a> Walk<'a> {
    /// The names of all that `text` is made of, as often as it is.
    pub(super) fn over(text: &'a str) -> Vec<String> {
        let mut walk = Walk { text, hits: Vec::new() };
        walk.query();
        walk.hits
    }

    fn hit(&mut self, name: &str) {
        self.hits.push(name.to_owned());
    }

    fn query(&mut self) {
        match loptr_logql::parse(self.text) {
            Ok(Expr::Log(log)) => {
                let parentheses = self.text.trim_start().starts_with('(');
                self.hit(if parentheses { "query: log in parentheses" } else { "query: log" });
                self.log(&log);
            }
            Ok(Expr::Metric(metric)) => {
                self.hit("query: metric");
                self.metric(&metric);
            }
            Ok(Expr::Variants(variants)) => {
                self.hit("query: variants");
                variants.variants.iter().for_each(|variant| self.metric(variant));
                self.range(&variants.of);
            }
            Err(_) => self.hit("query: refused"),
        }
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn log(&mut self, log: &LogExpr) {
        for matcher in &log.matchers {
            self.hit(&format!("matcher: {}", sign(matcher.op)));
        }
        log.stages.iter().for_each(|stage| self.stage(&stage.kind));
    }

    fn stage(&mut self, stage: &StageKind) {
        match stage {
            StageKind::LineFilter(filter) => {
                let name = match filter.op {
                    LineFilterOp::Contains => "|=",
                    LineFilterOp::NotContains => "!=",
                    LineFilterOp::Regex => "|~",
                    LineFilterOp::NotRegex => "!~",
                    LineFilterOp::Pattern => "|>",
                    LineFilterOp::NotPattern => "!>",
                };
                self.hit(&format!("filter: {name}"));
                if filter.operands.len() > 1 {
                    self.hit("filter: or");
                }
                for operand in &filter.operands {
                    match &operand.node {
                        LineOperand::Text(_) => {}
                        LineOperand::Ip(_) => self.hit("filter: ip()"),
                    }
                }
            }
            StageKind::Json(fields) if fields.is_empty() => self.hit("stage: json"),
            StageKind::Json(fields) => {
                for field in fields {
                    let expression = String::from_utf8_lossy(&field.expression);
                    let bare = field.name == expression;
                    self.hit(if bare { "stage: json name" } else { "stage: json name=path" });
                    for (name, part) in [("path: a.b", "."), ("path: [\"a\"]", "[\"")] {
                        if expression.contains(part) {
                            self.hit(name);
                        }
                    }
                    if expression.contains("[0]") || expression.contains("[1]") {
                        self.hit("path: a[0]");
                    }
                }
            }
            StageKind::Logfmt { strict, keep_empty, fields } => {
                for (name, holds) in [
                    ("stage: logfmt --strict", *strict),
                    ("stage: logfmt --keep-empty", *keep_empty),
                    ("stage: logfmt", fields.is_empty()),
                ] {
                    if holds {
                        self.hit(name);
                    }
                }
                for field in fields {
                    let expression = String::from_utf8_lossy(&field.expression);
                    let bare = field.name == expression;
                    self.hit(if bare { "stage: logfmt name" } else { "stage: logfmt name=key" });
                }
            }
            StageKind::Regexp(_) => self.hit("stage: regexp"),
            StageKind::Pattern(_) => self.hit("stage: pattern"),
            StageKind::Unpack => self.hit("stage: unpack"),
            StageKind::LabelFilter(filter) => self.label_filter(filter),
            StageKind::LineFormat(template) => {
                self.hit("stage: line_format");
                self.template(template);
            }
            StageKind::LabelFormat(formats) => {
                for format in formats {
                    match &format.node {
                        LabelFormat::Rename { .. } => self.hit("stage: label_format rename"),
                        LabelFormat::Template { template, .. } => {
                            self.hit("stage: label_format template");
                            self.template(template);
                        }
                    }
                }
            }
            StageKind::Decolorize => self.hit("stage: decolorize"),
            StageKind::Drop(items) => self.named("drop", items),
            StageKind::Keep(items) => self.named("keep", items),
        }
    }

    fn named(&mut self, stage: &str, items: &[Spanned<NamedOrMatcher>]) {
        for item in items {
            match &item.node {
                NamedOrMatcher::Name(_) => self.hit(&format!("stage: {stage} name")),
                NamedOrMatcher::Matcher(matcher) => self.hit(&format!("stage: {stage} {}", sign(matcher.op))),
            }
        }
    }

    fn template(&mut self, text: &[u8]) {
        // A template that does not parse is one of the errors asked for.
        let Ok(template) = Template::parse_bytes("line", text) else { return };
        template.each_part(&mut |name, function| {
            let kind = if function { "template function" } else { "template" };
            self.hits.push(format!("{kind}: {name}"));
        });
    }

    fn label_filter(&mut self, filter: &LabelFilter) {
        match filter {
            LabelFilter::Matcher(matcher) => self.hit(&format!("label filter: text {}", sign(matcher.op))),
            LabelFilter::Number { op, .. } => self.hit(&format!("label filter: number {}", comparison(*op))),
            LabelFilter::Duration { op, .. } => self.hit(&format!("label filter: duration {}", comparison(*op))),
            LabelFilter::Bytes { op, .. } => self.hit(&format!("label filter: size {}", comparison(*op))),
            LabelFilter::Ip { negated: false, .. } => self.hit("label filter: ip ="),
            LabelFilter::Ip { negated: true, .. } => self.hit("label filter: ip !="),
            LabelFilter::And(left, right) => {
                self.hit("label filter: and");
                self.label_filter(left);
                self.label_filter(right);
            }
            LabelFilter::Or(left, right) => {
                self.hit("label filter: or");
                self.label_filter(left);
                self.label_filter(right);
            }
        }
    }

    fn metric(&mut self, metric: &MetricExpr) {
        match metric {
            MetricExpr::Range(aggregation) => self.range_aggregation(aggregation),
            MetricExpr::Vector(aggregation) => self.vector_aggregation(aggregation),
            MetricExpr::Binary(binary) => self.binary(binary),
            MetricExpr::Literal { .. } => self.hit("literal"),
            MetricExpr::VectorLiteral { .. } => self.hit("vector()"),
            MetricExpr::LabelReplace(replace) => {
                self.hit("label_replace");
                self.metric(&replace.inner);
            }
            MetricExpr::Variants(variants) => {
                self.hit("query: variants");
                variants.variants.iter().for_each(|variant| self.metric(variant));
                self.range(&variants.of);
            }
        }
    }

    fn range_aggregation(&mut self, aggregation: &RangeAggregation) {
        let name = match aggregation.op {
            RangeOp::Count => "count_over_time",
            RangeOp::Rate => "rate",
            RangeOp::RateCounter => "rate_counter",
            RangeOp::Bytes => "bytes_over_time",
            RangeOp::BytesRate => "bytes_rate",
            RangeOp::Avg => "avg_over_time",
            RangeOp::Sum => "sum_over_time",
            RangeOp::Min => "min_over_time",
            RangeOp::Max => "max_over_time",
            RangeOp::Stdvar => "stdvar_over_time",
            RangeOp::Stddev => "stddev_over_time",
            RangeOp::Quantile => "quantile_over_time",
            RangeOp::First => "first_over_time",
            RangeOp::Last => "last_over_time",
            RangeOp::Absent => "absent_over_time",
        };
        self.hit(&format!("range: {name}"));
        if let Some(grouping) = &aggregation.grouping {
            let name = grouping_name(grouping);
            self.hit(&format!("range: {name}"));
        }
        self.range(&aggregation.range);
    }

    fn range(&mut self, range: &LogRange) {
        self.log(&range.log);
        let form = self.range_form(range);
        self.hit(form);
        if range.has_offset {
            self.hit(if range.offset_ns < 0 { "range: offset -" } else { "range: offset" });
        }
        if let Some(Unwrap { conversion, filters, .. }) = &range.unwrap {
            self.hit(match conversion {
                UnwrapConversion::Number => "unwrap: label",
                UnwrapConversion::Bytes => "unwrap: bytes()",
                UnwrapConversion::Duration => "unwrap: duration()",
                UnwrapConversion::DurationSeconds => "unwrap: duration_seconds()",
            });
            for filter in filters {
                self.hit("unwrap: filter");
                self.label_filter(filter);
            }
        }
    }

    /// Where the range stands: the tree keeps only what it applies to.
    fn range_form(&self, range: &LogRange) -> &'static str {
        let before = self.text.get(..range.span.start as usize).unwrap_or_default().trim_end();
        let wrapped = before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with(['(', ',']));
        let mut depth = 0;
        for (token, _) in tokens_with_comments(self.slice(range.span)) {
            match token {
                Token::Sign("(") => depth += 1,
                Token::Sign(")") => depth -= 1,
                // What follows the selector directly, though stages come.
                Token::Sign("|" | "|=" | "!=" | "|~" | "!~" | "|>" | "!>") if depth == 0 => break,
                Token::Range if depth > 0 || wrapped => return "range: (… [r])",
                Token::Range if self.slice(range.span).starts_with('(') => return "range: (selector stages) [r]",
                Token::Range if range.log.stages.is_empty() => break,
                Token::Range => return "range: selector [r] stages",
                _ => {}
            }
        }
        if wrapped { "range: (… [r])" } else { "range: selector stages [r]" }
    }

    fn vector_aggregation(&mut self, aggregation: &VectorAggregation) {
        let name = match aggregation.op {
            VectorOp::Sum => "sum",
            VectorOp::Avg => "avg",
            VectorOp::Count => "count",
            VectorOp::Max => "max",
            VectorOp::Min => "min",
            VectorOp::Stddev => "stddev",
            VectorOp::Stdvar => "stdvar",
            VectorOp::Bottomk => "bottomk",
            VectorOp::Topk => "topk",
            VectorOp::Sort => "sort",
            VectorOp::SortDesc => "sort_desc",
            VectorOp::ApproxTopk => "approx_topk",
        };
        self.hit(&format!("vector: {name}"));
        if let Some(grouping) = &aggregation.grouping {
            let head = self.slice(aggregation.span).split('(').next().unwrap_or_default();
            let before = head.split_whitespace().nth(1).is_some();
            let name = match grouping_name(grouping) {
                "by" if before => "by before",
                "by" => "by after",
                name => name,
            };
            self.hit(&format!("vector: {name}"));
        } else if self.slice(aggregation.span).split('{').next().is_some_and(|head| head.contains("by ()")) {
            // The tree knows it as no grouping at all.
            self.hit("vector: by ()");
        }
        self.metric(&aggregation.inner);
    }

    fn binary(&mut self, binary: &BinaryExpr) {
        let name = match binary.op {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Unless => "unless",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Mod => "%",
            BinaryOp::Pow => "^",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
        };
        self.hit(&format!("operator: {name}"));
        if binary.return_bool {
            self.hit("operator: bool");
        }
        if let Some(matching) = &binary.matching {
            self.hit(if matching.on { "matching: on" } else { "matching: ignoring" });
            if let Some(group) = &matching.group {
                let side = if group.left { "group_left" } else { "group_right" };
                let labels = if group.include.is_empty() { "" } else { " (labels)" };
                self.hit(&format!("matching: {side}{labels}"));
            }
        }
        self.metric(&binary.left);
        self.metric(&binary.right);
    }
}

fn sign(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Eq => "=",
        MatchOp::Ne => "!=",
        MatchOp::Re => "=~",
        MatchOp::Nre => "!~",
    }
}

fn comparison(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
    }
}

fn grouping_name(grouping: &Grouping) -> &'static str {
    match (grouping.without, grouping.labels.is_empty()) {
        (false, false) => "by",
        (false, true) => "by ()",
        (true, false) => "without",
        (true, true) => "without ()",
    }
}
