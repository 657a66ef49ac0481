//! Metric queries: range and vector aggregations, binary operators, literals.

use super::Generator;
use super::logs::Pipe;
use super::sources::{Fields, Source};

const RANGES: [&str; 10] = ["30s", "1m", "2m", "5m", "5m", "10m", "30m", "1h", "1m30s", "600s"];
const OFFSETS: [&str; 6] = ["5m", "10m", "-5m", "1m30s", "0s", "1.5m"];
const ARITHMETIC: [&str; 6] = ["+", "-", "*", "/", "%", "^"];
const COMPARISON: [&str; 6] = ["==", "!=", ">", ">=", "<", "<="];

impl Generator {
    pub(super) fn metric(&mut self, depth: u32) -> String {
        if depth == 0 {
            let source = self.source();
            return self.range_aggregation(source);
        }
        match self.below(100) {
            0..30 => {
                let source = self.source();
                self.range_aggregation(source)
            }
            30..66 => self.vector_aggregation(depth),
            66..82 => self.binary(depth),
            82..86 => {
                let inner = self.metric(depth - 1);
                let source = self.pick(&["app", "env", "pod", "nosuch"]);
                let pattern = self.pick(&["(.*)", "([a-z]+).*", "x(.)", "(?P<all>.+)"]);
                let to = self.pick(&["new-$1", "${1}", "fixed", "", "$all"]);
                format!("label_replace({inner}, \"fresh\", \"{to}\", \"{source}\", \"{pattern}\")")
            }
            86..89 => format!("{} or vector({})", self.vector_aggregation(depth), self.pick(&["0", "1", "1.5"])),
            89..92 => format!("({})", self.metric(depth - 1)),
            92..94 => format!("vector({})", self.pick(&["1", "0.5", "3e3", "0"])),
            94..95 => self.literals(),
            95..97 => {
                format!("{} {} {}", self.metric(depth - 1), self.pick(&ARITHMETIC), self.pick(&["2", "100", "0.5"]))
            }
            _ => {
                let sort = self.pick(&["sort", "sort_desc"]);
                let (sort, inner) = (self.word(sort), self.vector_aggregation(1));
                format!("{sort}({inner})")
            }
        }
    }

    /// Numbers alone: folded while parsing.
    fn literals(&mut self) -> String {
        let (one, other) = (self.number(), self.number());
        match self.below(4) {
            0 => one.to_owned(),
            1 => format!("{one} {} {other}", self.pick(&ARITHMETIC)),
            2 => format!("({one} {} {other}) ^ 2", self.pick(&COMPARISON)),
            _ => format!("{one} {} bool {other}", self.pick(&COMPARISON)),
        }
    }

    fn grouping(&mut self, source: &Source, fields: Fields) -> String {
        let mut names = vec!["app"];
        names.extend(source.labels.iter().map(|(name, _)| *name));
        names.extend(fields.texts.iter().map(|(name, _)| *name));
        let word = self.pick(&["by", "by", "by", "without", "without"]);
        let word = self.word(word);
        let count = self.pick(&[0, 0, 1, 1, 1, 2]);
        let chosen: Vec<&str> = (0..count).map(|_| self.pick(&names)).collect();
        format!("{word} ({})", chosen.join(", "))
    }

    pub(super) fn range_aggregation(&mut self, source: &'static Source) -> String {
        let selector = self.selector(source);
        let mut pipe = self.pipe(source, true);
        let (mut unwrap, mut grouping) = (String::new(), String::new());
        let operation = if pipe.fields.unwraps() && !pipe.pruned && self.chance(62) {
            unwrap = self.unwrap(&pipe);
            let plain = ["rate", "sum_over_time", "rate_counter", "absent_over_time"];
            let grouped = [
                "avg_over_time",
                "min_over_time",
                "max_over_time",
                "stdvar_over_time",
                "stddev_over_time",
                "quantile_over_time",
                "first_over_time",
                "last_over_time",
            ];
            if self.chance(35) {
                self.pick(&plain)
            } else {
                if self.chance(50) {
                    grouping = format!(" {}", self.grouping(source, pipe.fields));
                }
                self.pick(&grouped)
            }
        } else {
            if pipe.may_fail && self.chance(70) {
                pipe.text += " | __error__=\"\"";
            }
            self.pick(&[
                "count_over_time",
                "count_over_time",
                "rate",
                "bytes_over_time",
                "bytes_rate",
                "absent_over_time",
            ])
        };
        // What is never absent has no answer.
        let selector = if operation == "absent_over_time" && self.chance(85) {
            format!("{}, {}}}", selector.trim_end_matches('}'), "none=\"x\"")
        } else {
            selector
        };
        let parameter = if operation == "quantile_over_time" {
            self.pick(&["0.5, ", "0.99, ", "0, ", "1, ", "0.25,", "1.5, "])
        } else {
            ""
        };
        let range = format!("[{}]", self.pick(&RANGES));
        let offset = if self.chance(10) {
            let word = self.word("offset");
            format!(" {word} {}", self.pick(&OFFSETS))
        } else {
            String::new()
        };
        let stages = &pipe.text;
        let inner = match self.below(10) {
            0 => format!("({selector}{stages}{unwrap}){range}{offset}"),
            1 => format!("{selector}{range}{offset}{stages}{unwrap}"),
            2 => format!("({selector}{stages}{unwrap} {range}{offset})"),
            3 | 4 if stages.is_empty() => format!("({selector}){range}{offset}{unwrap}"),
            _ => format!("{selector}{stages}{unwrap} {range}{offset}"),
        };
        let operation = self.word(operation);
        format!("{operation}({parameter}{inner}){grouping}")
    }

    fn unwrap(&mut self, pipe: &Pipe) -> String {
        let fields = pipe.fields;
        let kind = self.below(3);
        let field = if kind == 0 && !fields.durations.is_empty() {
            let conversion = self.pick(&["duration", "duration_seconds"]);
            format!("{conversion}({})", self.pick(fields.durations))
        } else if kind == 1 && !fields.bytes.is_empty() {
            format!("bytes({})", self.pick(fields.bytes))
        } else if !fields.numbers.is_empty() {
            self.pick(fields.numbers).to_owned()
        } else if !fields.durations.is_empty() {
            format!("duration({})", self.pick(fields.durations))
        } else {
            format!("bytes({})", self.pick(fields.bytes))
        };
        let filter = match self.below(20) {
            0 => String::new(),
            1..4 => format!(" | __error__=\"\" | {}", self.label_filter(fields, 1)),
            4 => format!(" | {} | __error__=\"\"", self.label_filter(fields, 0)),
            _ => " | __error__=\"\"".to_owned(),
        };
        format!(" | unwrap {field}{filter}")
    }

    fn vector_aggregation(&mut self, depth: u32) -> String {
        let operation = self.pick(&["sum", "sum", "sum", "avg", "count", "max", "min", "stddev", "stdvar", "topk"]);
        if operation == "topk" {
            return self.largest();
        }
        let operation = self.word(operation);
        if depth > 1 && self.chance(25) {
            let inner = self.vector_aggregation(depth - 1);
            let grouping = self.pick(&["", "", " by (app)", " by (env)", " without (pod)", " without ()"]);
            return format!("{operation}{grouping}({inner})");
        }
        let source = self.source();
        let inner = self.range_aggregation(source);
        let grouping = self.grouping(source, Fields::default());
        match self.below(3) {
            0 => format!("{operation}({inner})"),
            1 => format!("{operation} {grouping} ({inner})"),
            _ => format!("{operation}({inner}) {grouping}"),
        }
    }

    /// `topk` or `bottomk` over values that hardly ever tie: which of equal ones is kept is upstream's accident.
    fn largest(&mut self) -> String {
        if self.chance(18) {
            return format!(
                "approx_topk({}, sum by (app) (count_over_time({{app=~\".+\"}}[5m])))",
                self.pick(&["1", "3"])
            );
        }
        let operation = self.pick(&["topk", "bottomk"]);
        let count = self.pick(&["1", "2", "3", "10"]);
        let grouping = self.pick(&["", "", " by (env)", " without (pod)"]);
        let inner = self.pick(&["sum by (app, env)", "sum by (app, env, host)", "sum by (app)"]);
        let range = self.pick(&["10m", "30m", "1h"]);
        let apps =
            if self.chance(50) { ".+".to_owned() } else { format!("{}|{}", self.source().app, self.source().app) };
        format!("{operation}{grouping} ({count}, {inner} (bytes_over_time({{app=~\"{apps}\"}}[{range}])))")
    }

    fn binary(&mut self, depth: u32) -> String {
        match self.below(14) {
            0..4 => {
                let left = self.metric(depth - 1);
                let operator = if self.chance(40) { self.pick(&ARITHMETIC) } else { self.pick(&COMPARISON) };
                let bool = if COMPARISON.contains(&operator) && self.chance(50) { " bool" } else { "" };
                let number = self.pick(&["0", "1", "0.5", "100"]);
                if self.chance(70) {
                    format!("{left} {operator}{bool} {number}")
                } else {
                    format!("{number} {operator}{bool} {left}")
                }
            }
            4..6 => {
                let (left, right) = self.alike();
                format!("{left} {} {right}", self.pick(&ARITHMETIC))
            }
            6..8 => {
                let (left, right) = self.alike();
                let operator = self.pick(&["and", "or", "unless"]);
                let operator = self.word(operator);
                format!("{left} {operator}{} {right}", self.pick(&["", "", " on (app)", " ignoring (env)"]))
            }
            8 | 9 => {
                let (left, right) = self.alike();
                format!(
                    "{left} {} {} {right}",
                    self.pick(&COMPARISON),
                    self.pick(&["", "bool", "bool", "bool on (app)", "ignoring (env)"])
                )
            }
            10..13 => {
                let source = self.source();
                let app = source.app;
                let label = if source.labels.is_empty() { "env" } else { self.pick(source.labels).0 };
                let (many, one) = (
                    format!("sum by (app, {label}) (count_over_time({{app=\"{app}\"}}[5m]))"),
                    format!("sum by (app) (count_over_time({{app=\"{app}\"}}[5m]))"),
                );
                let operator = self.pick(&["+", "-", "*", "/", "%", ">", ">=", "<", "!=", "<=", "== bool"]);
                match self.below(10) {
                    0 | 6 => format!("{many} {operator} on (app) group_left {one}"),
                    1 => format!("{many} {operator} ignoring ({label}) group_left() {one}"),
                    2 => format!("{one} {operator} on (app) group_right(nosuch) {many}"),
                    5 | 8 => format!("{one} {operator} on (app) group_right {many}"),
                    3 | 7 => format!("{many} {operator} on (app) group_left(nosuch) {one}"),
                    4 => format!("{one} {operator} ignoring ({label}) group_right({label}) {many}"),
                    _ => format!("{one} {operator} ignoring ({label}) group_right {many}"),
                }
            }
            _ => {
                let (left, right) = (self.metric(depth - 1), self.metric(depth - 1));
                format!("({left}) {} ({right})", self.pick(&["+", "/", "or", "and", "unless"]))
            }
        }
    }

    /// Two vectors with the same grouping.
    fn alike(&mut self) -> (String, String) {
        let source = self.source();
        let grouping = self.pick(&["by (app)", "by (app, env)", "by (env)"]);
        let mut side = |filter: String| {
            let operation = self.pick(&["count_over_time", "rate", "bytes_rate"]);
            format!("sum {grouping} ({operation}({{app=\"{}\"}}{filter} [5m]))", source.app)
        };
        let left = side(String::new());
        let filter = format!(" |= `{}`", source.needles[0]);
        let right = side(filter);
        if self.chance(50) { (left, right) } else { (right, left) }
    }

    /// Several metrics of one range at once; upstream answers it only where it was switched on.
    pub(super) fn variants(&mut self) -> String {
        let app = self.source().app;
        let (one, other) = (self.pick(&["count_over_time", "rate"]), self.pick(&["bytes_rate", "bytes_over_time"]));
        format!(
            "variants({one}({{app=\"{app}\"}}[5m]), sum({other}({{app=\"{app}\"}}[5m]))) of ({{app=\"{app}\"}}[5m])"
        )
    }
}
