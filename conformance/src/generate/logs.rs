//! Log queries: selectors, filters, parsers, label filters and formats.

use super::Generator;
use super::sources::{Fields, Named, Source};

/// A pipeline and what it leaves behind.
pub(super) struct Pipe {
    pub(super) text: String,
    pub(super) fields: Fields,
    /// A stage may have met values it cannot read.
    pub(super) may_fail: bool,
    /// Whether a stage may have removed what `fields` names.
    pub(super) pruned: bool,
}

const COMPARISONS: [&str; 7] = ["=", "==", "!=", ">", ">=", "<", "<="];
/// What no line holds.
const ABSENT: [&str; 3] = ["zebra", "no such text", "\u{7}"];

impl Generator {
    pub(super) fn log(&mut self) -> String {
        let source = self.source();
        let selector = self.selector(source);
        let pipe = self.pipe(source, false);
        format!("{selector}{}", pipe.text)
    }

    pub(super) fn selector(&mut self, source: &Source) -> String {
        let app = source.app;
        let mut matchers = vec![match self.below(10) {
            0 => format!("app=~{}", self.quote(&format!("{app}|nosuch"))),
            1 => format!("app=~{}", self.quote(&format!("{}.*", app.get(..3).unwrap_or(app)))),
            2 => format!("service_name={}", self.quote(app)),
            _ => format!("app={}", self.quote(app)),
        }];
        for _ in 0..self.pick(&[0, 0, 0, 1, 1, 2]) {
            if source.labels.is_empty() {
                break;
            }
            let (label, values) = self.pick(source.labels);
            let value = self.pick(values);
            let quoted = self.quote(value);
            matchers.push(match self.below(8) {
                0 if values.len() > 1 => format!("{label}!={quoted}"),
                0 | 1 => format!("{label}=~\".+\""),
                2 => format!("{label}=~\"{value}|x.*\""),
                3 => format!("{label}!~\"x.*\""),
                4 => format!("nosuch=\"\", {label}!=\"\""),
                _ => format!("{label}={quoted}"),
            });
        }
        let separator = self.pick(&[", ", ",", " , "]);
        format!("{{{}}}", matchers.join(separator))
    }

    /// Stages after a selector. For metric queries errors are mostly filtered away.
    pub(super) fn pipe(&mut self, source: &'static Source, metric: bool) -> Pipe {
        let mut pipe = Pipe { text: String::new(), fields: source.context, may_fail: false, pruned: false };
        for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
            pipe.text += &self.line_filter(source);
        }
        if !source.metadata.is_empty() && self.chance(20) {
            pipe.text += &self.metadata_filter(source.metadata);
        }
        if self.chance(5) {
            pipe.text += " | decolorize";
        }
        let parses = !source.parsers.is_empty() && self.chance(65);
        if parses {
            let (stage, fields) = self.pick(source.parsers);
            pipe.text += &format!(" | {stage}");
            pipe.fields = fields;
            pipe.may_fail = true;
        }
        let stages = if parses { self.pick(&[0, 1, 1, 1, 2]) } else { self.pick(&[0, 0, 0, 1]) };
        for _ in 0..stages {
            let stage = self.stage(&mut pipe);
            pipe.text += &stage;
        }
        if metric && pipe.may_fail && self.chance(90) {
            pipe.text += " | __error__=\"\"";
            pipe.may_fail = false;
        }
        pipe
    }

    fn line_filter(&mut self, source: &Source) -> String {
        let (needle, regex, pattern) =
            (self.pick(source.needles), self.pick(source.regexes), self.pick(source.patterns));
        let other = self.pick(source.needles);
        let other_regex = self.pick(source.regexes);
        let absent = self.pick(&ABSENT);
        let (needle, other) = (self.quote(needle), self.quote(other));
        let (quoted_regex, quoted_pattern, quoted_absent) =
            (self.quote(regex), self.quote(pattern), self.quote(absent));
        let address = if source.addresses.is_empty() { None } else { Some(self.pick(source.addresses)) };
        match (self.below(17), address) {
            (0..5, _) => format!(" |= {needle}"),
            (5, _) => format!(" |= {needle} or {other}"),
            (6, _) => format!(" != {quoted_absent}"),
            (7, _) => format!(" != {quoted_absent} or \"{}\"", self.pick(&ABSENT[..2])),
            (8 | 9, _) => format!(" |~ {quoted_regex}"),
            (10, _) => format!(" |~ {quoted_regex} or {}", self.quote(other_regex)),
            (11, _) => format!(" !~ {}", self.quote(&format!("{absent}|no such {regex}"))),
            (12, _) => format!(" |> {quoted_pattern}"),
            (13, _) => format!(" !> \"{} <_>\" or \"<_>nowhere<_>\"", self.pick(&ABSENT[..2])),
            (14, Some(address)) => format!(" |= ip(\"{address}\")"),
            (15, Some(_)) => format!(" != ip(\"{}\")", self.pick(&["203.0.113.0/24", "2001:db8:ffff::/48"])),
            _ => " |~ \".+\"".to_owned(),
        }
    }

    fn metadata_filter(&mut self, metadata: Named) -> String {
        let (name, values) = self.pick(metadata);
        let value = self.pick(values);
        let quoted = self.quote(value);
        match self.below(5) {
            0 => format!(" | {name}!={quoted}"),
            1 => format!(" | {name}=~\"({value}|x)\""),
            2 => format!(" | {name}!~\"{value}.+\""),
            3 => format!(" | {name}!=\"\""),
            _ => format!(" | {name}={quoted}"),
        }
    }

    fn text_field(&mut self, fields: Fields) -> &'static str {
        if fields.texts.is_empty() { "app" } else { self.pick(fields.texts).0 }
    }

    fn stage(&mut self, pipe: &mut Pipe) -> String {
        let fields = pipe.fields;
        let (name, second) = (self.text_field(fields), self.text_field(fields));
        match self.below(33) {
            0..13 => {
                pipe.may_fail = true;
                format!(" | {}", self.label_filter(fields, 2))
            }
            13..20 => {
                pipe.may_fail = true;
                let template = self.template(fields);
                format!(" | line_format {}", self.quote(&template))
            }
            20 => format!(" | label_format fresh={name}"),
            21..25 => {
                pipe.may_fail = true;
                let (template, other) = (self.template(fields), self.template(fields));
                let (template, other) = (self.quote(&template), self.quote(&other));
                match self.below(3) {
                    0 => format!(" | label_format fresh={template}"),
                    1 => format!(" | label_format fresh={template}, again={name}"),
                    _ => format!(" | label_format fresh={template}, {name}={other}"),
                }
            }
            25 | 26 => {
                pipe.pruned = true;
                match self.below(4) {
                    0 => format!(" | drop {name}"),
                    1 => format!(" | drop {name}=~\".*e.*\", {second}"),
                    2 => format!(" | drop {name}!=\"x\", __error__"),
                    _ => format!(" | drop {name}=\"x\", {second}!~\"y.*\""),
                }
            }
            27 | 28 => {
                pipe.pruned = true;
                match self.below(4) {
                    0 => format!(" | keep {name}, {second}"),
                    1 => format!(" | keep {name}!=\"x\", app"),
                    2 => format!(" | keep {name}=~\".+\", {second}=\"x\""),
                    _ => format!(" | keep {name}!~\"x.*\", app"),
                }
            }
            29 => " | drop __error__, __error_details__".to_owned(),
            30 => " | decolorize".to_owned(),
            _ => format!(" | {name}!=\"\""),
        }
    }

    /// A tree of comparisons. Most hold for some of the lines.
    pub(super) fn label_filter(&mut self, fields: Fields, depth: u32) -> String {
        if depth > 0 && self.chance(40) {
            let (left, right) = (self.label_filter(fields, depth - 1), self.label_filter(fields, depth - 1));
            let joined = self.pick(&[" and ", " or ", " or ", " or ", ", ", " "]);
            return if self.chance(40) { format!("({left}{joined}{right})") } else { format!("{left}{joined}{right}") };
        }
        let compare = self.pick(&COMPARISONS);
        match self.below(19) {
            0..4 if !fields.numbers.is_empty() => {
                let number = self.number();
                format!("{} {compare} {number}", self.pick(fields.numbers))
            }
            4..8 if !fields.durations.is_empty() => {
                let duration = self.duration();
                format!("{} {compare} {duration}", self.pick(fields.durations))
            }
            8..12 if !fields.bytes.is_empty() => {
                let bytes = self.bytes();
                format!("{} {compare} {bytes}", self.pick(fields.bytes))
            }
            12..14 if !fields.addresses.is_empty() => {
                let address = self.pick(&["10.0.0.0/8", "192.168.0.0/17", "8.8.8.8", "2001:db8::/32"]);
                format!("{}{}ip(\"{address}\")", self.pick(fields.addresses), self.pick(&["=", "!="]))
            }
            _ if fields.texts.is_empty() => "app!=\"\"".to_owned(),
            14 => {
                let (name, values) = self.pick(fields.texts);
                let (one, other) = (self.pick(values), self.pick(values));
                // Branches that begin alike, or are empty, are among what upstream's simplifier gets wrong.
                let apart = !one.is_empty() && !other.is_empty() && one.get(..1) != other.get(..1);
                let regex =
                    if apart { format!("({}|{})", plain(one), plain(other)) } else { format!("{}[a-z]*", plain(one)) };
                format!("{name}=~{}", self.quote(&regex))
            }
            15 => format!("{}!~\"(zebra)+\"", self.pick(fields.texts).0),
            16 => {
                let (name, values) = self.pick(fields.texts);
                let value = self.pick(values);
                format!("{name}!={}", self.quote(value))
            }
            _ => {
                let (name, values) = self.pick(fields.texts);
                let value = self.pick(values);
                format!("{name}={}", self.quote(value))
            }
        }
    }
}

/// A value as a regular expression: whatever may mean something stands for any character.
fn plain(value: &str) -> String {
    value.chars().map(|c| if c.is_alphanumeric() || " _-/=".contains(c) { c } else { '.' }).collect()
}
