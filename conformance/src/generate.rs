//! Queries drawn from LogQL's grammar over the names and texts of the recorded set.
//!
//! One seed always gives the same queries. The weights favour what has an answer: most productions name labels,
//! fields and texts that the set really holds, and aggregations with errors in their pipelines mostly filter
//! those away. What upstream itself answers differently from run to run (ties of `topk`) is rare.

mod sources;

use sources::{Fields, SOURCES, Source};

/// Draws queries.
#[derive(Debug, Clone)]
pub struct Generator {
    state: u64,
}

/// A pipeline and what it leaves behind.
struct Pipe {
    text: String,
    fields: Fields,
    /// An unwrap or a numeric filter may meet values it cannot read.
    may_fail: bool,
}

const NUMBERS: [&str; 9] = ["0", "1", "5", "20.5", "200", "500", "-3", "1e2", ".5"];
const DURATIONS: [&str; 7] = ["1ms", "10ms", "100ms", "1s", "1m30s", "1.5h", "-1s"];
const BYTES: [&str; 6] = ["1B", "512B", "1KB", "2KiB", "3MB", "1GB"];
const RANGES: [&str; 8] = ["30s", "1m", "2m", "5m", "5m", "10m", "30m", "1h"];
const OFFSETS: [&str; 4] = ["5m", "10m", "-5m", "1m30s"];
const COMPARISONS: [&str; 7] = ["=", "==", "!=", ">", ">=", "<", "<="];
const TEMPLATES: [&str; 14] = [
    "{{.level}}",
    "{{.app}}: {{__line__}}",
    "{{ .level | ToUpper }} {{ .env }}",
    "{{ __line__ | trunc 20 }}",
    "{{ if eq .level \\\"error\\\" }}E{{ else }}-{{ end }}",
    "{{ Replace .msg \\\"e\\\" \\\"3\\\" -1 }}",
    "{{ regexReplaceAll \\\"([0-9]+)\\\" __line__ \\\"<$1>\\\" }}",
    "{{ alignLeft 6 .level }}|{{ alignRight 4 .env }}",
    "{{ __timestamp__ | unixEpoch }}",
    "{{ add 1 2 }} {{ mulf 1.5 2 }}",
    "{{ .msg | lower | title | trimPrefix \\\"R\\\" }}",
    "{{ range $k, $v := . }}{{ $k }}={{ $v }} {{ end }}",
    "{{ default \\\"none\\\" .nosuch }}",
    "{{ div 1 .n }}",
];

impl Generator {
    /// A generator whose queries depend on `seed` alone. The first draw makes its state: the draws of neighbouring seeds
    /// would otherwise be the same but for one.
    pub fn new(seed: u64) -> Self {
        let state = Self { state: seed }.next();
        Self { state }
    }

    /// The next query.
    pub fn query(&mut self) -> String {
        match self.below(100) {
            0..45 => self.log(),
            45..96 => self.metric(3),
            96..97 => format!("({})", self.log()),
            97..98 => format!("{} # a comment", self.log()),
            98..99 => {
                let source = self.source();
                format!(
                    "variants(count_over_time({{app=\"{0}\"}}[5m]), bytes_rate({{app=\"{0}\"}}[5m])) of ({{app=\"{0}\"}}[5m])",
                    source.app
                )
            }
            _ => self.broken(),
        }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.below(from.len() as u64);
        from[usize::try_from(at).unwrap_or_default()]
    }

    fn source(&mut self) -> &'static Source {
        let at = self.below(SOURCES.len() as u64);
        &SOURCES[usize::try_from(at).unwrap_or_default()]
    }

    /// A query that does not parse, for the error texts.
    fn broken(&mut self) -> String {
        let mut query = if self.chance(50) { self.log() } else { self.metric(2) };
        let at = usize::try_from(self.below(query.len() as u64 + 1)).unwrap_or_default();
        let cut = (0..=at).rev().find(|&at| query.is_char_boundary(at)).unwrap_or_default();
        query.truncate(cut);
        query
    }

    // Log expressions.

    fn log(&mut self) -> String {
        let source = self.source();
        let selector = self.selector(source);
        let pipe = self.pipe(source, false);
        format!("{selector}{}", pipe.text)
    }

    fn selector(&mut self, source: &Source) -> String {
        let app = source.app;
        let mut matchers = vec![match self.below(10) {
            0 => format!("app=~\"{app}|nosuch\""),
            1 => format!("app=~\"{}.*\"", app.get(..2).unwrap_or(app)),
            2 => format!("service_name=\"{app}\""),
            _ => format!("app=\"{app}\""),
        }];
        for _ in 0..self.pick(&[0, 0, 0, 1, 1, 2]) {
            let (label, values) = self.pick(source.labels);
            let value = self.pick(values);
            matchers.push(match self.below(8) {
                0 if values.len() > 1 => format!("{label}!=\"{value}\""),
                0 | 1 => format!("{label}=~\".+\""),
                2 => format!("{label}=~\"{value}|x.*\""),
                3 => format!("{label}!~\"x.*\""),
                4 => format!("nosuch=\"\", {label}!=\"\""),
                _ => format!("{label}=\"{value}\""),
            });
        }
        let separator = self.pick(&[", ", ",", " , "]);
        format!("{{{}}}", matchers.join(separator))
    }

    /// Stages after a selector. For metric queries errors are mostly filtered away.
    fn pipe(&mut self, source: &'static Source, metric: bool) -> Pipe {
        let mut pipe = Pipe { text: String::new(), fields: Fields::default(), may_fail: false };
        for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
            pipe.text += &self.line_filter(source);
        }
        if !source.metadata.is_empty() && self.chance(20) {
            pipe.text += &self.metadata_filter(source);
        }
        if self.chance(5) {
            pipe.text += " | decolorize";
        }
        if !source.parsers.is_empty() && self.chance(60) {
            let (stage, fields) = self.pick(source.parsers);
            pipe.text += &format!(" | {stage}");
            pipe.fields = fields;
            pipe.may_fail = true;
            for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
                pipe.text += &self.stage(fields);
            }
            if metric && self.chance(85) {
                pipe.text += " | __error__=\"\"";
                pipe.may_fail = false;
            }
        }
        pipe
    }

    fn line_filter(&mut self, source: &Source) -> String {
        let (needle, regex, pattern) =
            (self.pick(source.needles), self.pick(source.regexes), self.pick(source.patterns));
        let absent = self.pick(&["zebra", "no such text", "\\u0007"]);
        match self.below(16) {
            0..5 => format!(" |= \"{needle}\""),
            5 => format!(" |= \"{needle}\" or \"{}\"", self.pick(source.needles)),
            6 => format!(" != \"{absent}\""),
            7 => format!(" != \"{absent}\" or \"{}\"", self.pick(source.needles)),
            8..10 => format!(" |~ \"{regex}\""),
            10 => format!(" |~ \"{regex}\" or \"{}\"", self.pick(source.regexes)),
            11 => format!(" !~ \"{absent}|{}\"", self.pick(source.regexes)),
            12 => format!(" |> \"{pattern}\""),
            13 => format!(" !> \"{absent} <_>\" or \"{pattern}\""),
            _ if source.addresses.is_empty() => " |~ \".+\"".to_owned(),
            14 => format!(" |= ip(\"{}\")", self.pick(source.addresses)),
            _ => format!(" != ip(\"{}\")", self.pick(source.addresses)),
        }
    }

    fn metadata_filter(&mut self, source: &Source) -> String {
        let (name, values) = self.pick(source.metadata);
        let value = self.pick(values);
        match self.below(5) {
            0 => format!(" | {name}!=\"{value}\""),
            1 => format!(" | {name}=~\"{value}|x\""),
            2 => format!(" | {name}!~\"{value}.+\""),
            3 => format!(" | {name}!=\"\""),
            _ => format!(" | {name}=\"{value}\""),
        }
    }

    fn stage(&mut self, fields: Fields) -> String {
        let text = |generator: &mut Self| if fields.texts.is_empty() { "app" } else { generator.pick(fields.texts).0 };
        let name = text(self);
        match self.below(20) {
            0..10 => format!(" | {}", self.label_filter(fields, 2)),
            10..12 => format!(" | line_format \"{}\"", self.pick(&TEMPLATES)),
            12 => format!(" | label_format fresh={name}"),
            13 => format!(" | label_format fresh=\"{}\", again={name}", self.pick(&TEMPLATES)),
            14 => format!(" | drop {name}"),
            15 => format!(" | drop {name}=~\".*e.*\", {}", text(self)),
            16 => format!(" | keep {name}, {}", text(self)),
            17 => format!(" | keep {name}!=\"x\", app"),
            18 => " | drop __error__, __error_details__".to_owned(),
            _ => format!(" | {name}!=\"\""),
        }
    }

    fn label_filter(&mut self, fields: Fields, depth: u32) -> String {
        if depth > 0 && self.chance(30) {
            let (left, right) = (self.label_filter(fields, depth - 1), self.label_filter(fields, depth - 1));
            let joined = self.pick(&[" and ", " or ", " or ", ", "]);
            return if self.chance(40) { format!("({left}{joined}{right})") } else { format!("{left}{joined}{right}") };
        }
        let compare = self.pick(&COMPARISONS);
        match self.below(10) {
            0..3 if !fields.numbers.is_empty() => {
                format!("{} {compare} {}", self.pick(fields.numbers), self.pick(&NUMBERS))
            }
            3 if !fields.durations.is_empty() => {
                format!("{} {compare} {}", self.pick(fields.durations), self.pick(&DURATIONS))
            }
            4 if !fields.bytes.is_empty() => format!("{} {compare} {}", self.pick(fields.bytes), self.pick(&BYTES)),
            5 if !fields.addresses.is_empty() => {
                let address = self.pick(&["10.0.0.0/8", "192.168.0.0/17", "8.8.8.8", "2001:db8::/32"]);
                format!("{}{}ip(\"{address}\")", self.pick(fields.addresses), self.pick(&["=", "!="]))
            }
            _ if fields.texts.is_empty() => "app!=\"\"".to_owned(),
            6 => {
                let (name, values) = self.pick(fields.texts);
                format!("{name}=~\"{}|{}\"", self.pick(values), self.pick(values))
            }
            7 => format!("{}!~\"zebra.+\"", self.pick(fields.texts).0),
            8 => {
                let (name, values) = self.pick(fields.texts);
                format!("{name}!=\"{}\"", self.pick(values))
            }
            _ => {
                let (name, values) = self.pick(fields.texts);
                format!("{name}=\"{}\"", self.pick(values))
            }
        }
    }

    // Metric expressions.

    fn metric(&mut self, depth: u32) -> String {
        if depth == 0 {
            let source = self.source();
            return self.range_aggregation(source);
        }
        match self.below(100) {
            0..30 => {
                let source = self.source();
                self.range_aggregation(source)
            }
            30..70 => self.vector_aggregation(depth),
            70..84 => self.binary(depth),
            84..88 => {
                let inner = self.metric(depth - 1);
                let source = self.pick(&["app", "env", "pod", "nosuch"]);
                let pattern = self.pick(&["(.*)", "([a-z]+).*", "x(.)"]);
                format!("label_replace({inner}, \"fresh\", \"new-$1\", \"{source}\", \"{pattern}\")")
            }
            88..91 => format!("{} or vector({})", self.vector_aggregation(depth), self.pick(&["0", "1", "1.5"])),
            91..94 => format!("({})", self.metric(depth - 1)),
            94..96 => format!("vector({})", self.pick(&["1", "0.5", "3e3"])),
            96..98 => format!(
                "{} {} {}",
                self.metric(depth - 1),
                self.pick(&["+", "*", "/", "-", "%", "^"]),
                self.pick(&["2", "100", "0.5"])
            ),
            _ => {
                let sort = self.pick(&["sort", "sort_desc"]);
                format!("{sort}({})", self.vector_aggregation(1))
            }
        }
    }

    fn grouping(&mut self, source: &Source, fields: Fields) -> String {
        let mut names = vec!["app"];
        names.extend(source.labels.iter().map(|(name, _)| *name));
        names.extend(fields.texts.iter().map(|(name, _)| *name));
        let word = self.pick(&["by", "by", "by", "without"]);
        let count = self.pick(&[0, 1, 1, 1, 2]);
        let chosen: Vec<&str> = (0..count).map(|_| self.pick(&names)).collect();
        format!("{word} ({})", chosen.join(", "))
    }

    fn range_aggregation(&mut self, source: &'static Source) -> String {
        let selector = self.selector(source);
        let mut pipe = self.pipe(source, true);
        let unwraps = pipe.fields.numbers.len() + pipe.fields.durations.len() + pipe.fields.bytes.len() > 0;
        let (mut unwrap, mut operation, mut grouping) = (String::new(), String::new(), String::new());
        if unwraps && self.chance(60) {
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
                operation.push_str(self.pick(&plain));
            } else {
                operation.push_str(self.pick(&grouped));
                if self.chance(50) {
                    grouping = format!(" {}", self.grouping(source, pipe.fields));
                }
            }
        } else {
            let plain =
                ["count_over_time", "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time"];
            operation.push_str(self.pick(&plain));
            if pipe.may_fail && self.chance(70) {
                pipe.text += " | __error__=\"\"";
            }
        }
        let parameter =
            if operation == "quantile_over_time" { self.pick(&["0.5, ", "0.99, ", "0, ", "1, "]) } else { "" };
        let range = format!("[{}]", self.pick(&RANGES));
        let offset = if self.chance(8) { format!(" offset {}", self.pick(&OFFSETS)) } else { String::new() };
        let stages = &pipe.text;
        let inner = match self.below(10) {
            0 => format!("({selector}{stages}{unwrap}){range}{offset}"),
            1 => format!("{selector}{range}{offset}{stages}{unwrap}"),
            2 => format!("({selector}{stages}{unwrap} {range}{offset})"),
            3 if stages.is_empty() => format!("({selector}){range}{offset}{unwrap}"),
            _ => format!("{selector}{stages}{unwrap} {range}{offset}"),
        };
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
        } else if fields.numbers.is_empty() {
            let all = [fields.durations, fields.bytes].concat();
            self.pick(&all).to_owned()
        } else {
            self.pick(fields.numbers).to_owned()
        };
        let post = if self.chance(92) { " | __error__=\"\"" } else { "" };
        format!(" | unwrap {field}{post}")
    }

    fn vector_aggregation(&mut self, depth: u32) -> String {
        let operation = self.pick(&["sum", "sum", "sum", "avg", "count", "max", "min", "stddev", "stdvar", "topk"]);
        if operation == "topk" {
            return self.largest();
        }
        if depth > 1 && self.chance(25) {
            let inner = self.vector_aggregation(depth - 1);
            let grouping = self.pick(&["", "", " by (app)", " by (env)", " without (pod)"]);
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
        let operation = self.pick(&["topk", "bottomk"]);
        let count = self.pick(&["1", "2", "3", "10"]);
        let grouping = self.pick(&["", "", " by (env)", " without (pod)"]);
        let inner = self.pick(&["sum by (app, env)", "sum by (app, env, host)", "sum by (app)"]);
        let range = self.pick(&["10m", "30m", "1h"]);
        let apps = self.pick(&[".+", "json|logfmt|nginx", "fleet|nginx|packed|sm"]);
        format!("{operation}{grouping} ({count}, {inner} (bytes_over_time({{app=~\"{apps}\"}}[{range}])))")
    }

    fn binary(&mut self, depth: u32) -> String {
        let arithmetic = ["+", "-", "*", "/", "%", "^"];
        let comparison = ["==", "!=", ">", ">=", "<", "<="];
        match self.below(10) {
            0..3 => {
                let left = self.metric(depth - 1);
                let operator = if self.chance(50) { self.pick(&arithmetic) } else { self.pick(&comparison) };
                let bool = if comparison.contains(&operator) && self.chance(50) { " bool" } else { "" };
                format!("{left} {operator}{bool} {}", self.pick(&["0", "1", "0.5", "100"]))
            }
            3..5 => {
                let (left, right) = self.alike();
                format!("{left} {} {right}", self.pick(&arithmetic))
            }
            5..7 => {
                let (left, right) = self.alike();
                format!("{left} {} {right}", self.pick(&["and", "or", "unless"]))
            }
            7 => {
                let (left, right) = self.alike();
                format!(
                    "{left} {} {} {right}",
                    self.pick(&comparison),
                    self.pick(&["", "bool", "bool on (app)", "ignoring (env)"])
                )
            }
            8 => {
                let source = self.source();
                let app = source.app;
                let label = self.pick(source.labels).0;
                let (many, one) = (
                    format!("sum by (app, {label}) (count_over_time({{app=\"{app}\"}}[5m]))"),
                    format!("sum by (app) (count_over_time({{app=\"{app}\"}}[5m]))"),
                );
                let operator = self.pick(&arithmetic);
                match self.below(4) {
                    0 => format!("{many} {operator} on (app) group_left {one}"),
                    1 => format!("{many} {operator} ignoring ({label}) group_left() {one}"),
                    2 => format!("{one} {operator} on (app) group_right({label}) {many}"),
                    _ => format!("{one} {operator} on (app) group_right {many}"),
                }
            }
            _ => {
                let (left, right) = (self.metric(depth - 1), self.metric(depth - 1));
                format!("({left}) {} ({right})", self.pick(&["+", "/", "or", "and"]))
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
        let filter = format!(" |= \"{}\"", source.needles[0]);
        let right = side(filter);
        if self.chance(50) { (left, right) } else { (right, left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_the_same_queries() {
        let draw = |seed| {
            let mut generator = Generator::new(seed);
            (0..50).map(|_| generator.query()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        let (seven, eight) = (draw(7), draw(8));
        assert!(eight.iter().filter(|query| seven.contains(query)).count() < 5);
    }

    #[test]
    fn every_production_is_drawn() {
        let mut generator = Generator::new(1);
        let all: Vec<String> = (0..4000).map(|_| generator.query()).collect();
        for part in [
            " |= ",
            " != ",
            " |~ ",
            " !~ ",
            " |> ",
            " !> ",
            "ip(",
            " or ",
            "| json",
            "| json method=",
            "| logfmt --strict",
            "| logfmt lvl=",
            "| unpack",
            "| regexp",
            "| pattern",
            "| line_format",
            "| label_format",
            "| drop",
            "| keep",
            "| decolorize",
            "| unwrap",
            "duration(",
            "duration_seconds(",
            "bytes(",
            "count_over_time(",
            "rate(",
            "rate_counter(",
            "bytes_over_time(",
            "bytes_rate(",
            "avg_over_time(",
            "sum_over_time(",
            "min_over_time(",
            "max_over_time(",
            "stdvar_over_time(",
            "stddev_over_time(",
            "quantile_over_time(",
            "first_over_time(",
            "last_over_time(",
            "absent_over_time(",
            "sum",
            "avg",
            "count",
            "max",
            "min",
            "stddev",
            "stdvar",
            "bottomk",
            "topk",
            "sort(",
            "sort_desc(",
            "label_replace(",
            "vector(",
            "variants(",
            " offset ",
            " by (",
            " without (",
            "group_left",
            "group_right",
            " bool ",
            " on (",
            " ignoring (",
            " unless ",
            " and ",
            "=~",
            "!~",
            "# a comment",
        ] {
            assert!(all.iter().any(|query| query.contains(part)), "{part:?} was never drawn");
        }
    }
}
