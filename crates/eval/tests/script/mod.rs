//! A small language for tests of queries.
//!
//! ```text
//! # A comment. `load` adds a stream (or to it): time, metadata in brackets, the rest of the line; in double quotes
//! # with Go's escapes.
//! load {app="a"}
//!   10s [trace="7"] level=error msg=x
//!   20s "two\nlines"
//!
//! eval logs 0s 60s forward limit 5: {app="a"} |= "x"
//!   {app="a", trace="7"}
//!     10s level=error msg=x
//!
//! # One value per step; `_` where there is none.
//! eval range 10s 30s 10s: count_over_time({app="a"}[10s])
//!   {app="a", trace="7"} 1 _ _
//!   {app="a"} _ 1 _
//!
//! eval instant 30s: sum(count_over_time({app="a"}[30s]))
//!   {} 2
//!
//! # Part of the error's text.
//! eval fail instant 30s: sum_over_time({app="a"} | logfmt | unwrap msg [30s])
//!   pipeline error: 'SampleExtractionErr'
//! ```
//!
//! Every query is run over several layouts of the same entries: in one block, in small blocks dealt to several tasks, and
//! with every entry stored twice. All must answer as expected.

mod run;

use loptr_eval::Steps;
use loptr_eval::source::Direction;
use loptr_model::{Labels, Nanos, OwnedEntry, TimeRange};

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    Logs { range: TimeRange, direction: Direction, limit: usize, interval_ns: i64 },
    Metric(Steps),
}

/// One `eval`.
#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) line: usize,
    pub(crate) ask: Ask,
    pub(crate) query: String,
    /// Part of an error's text is expected.
    pub(crate) fails: bool,
    pub(crate) expect: Vec<String>,
}

/// A script: what to load and what to ask, in order.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) streams: Vec<(Labels, Vec<OwnedEntry>)>,
    pub(crate) evals: Vec<Eval>,
}

impl Script {
    /// Reads a script; panics with the line's number where it makes no sense.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Script::default();
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        let mut stream = None;
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
            if let Some(labels) = line.strip_prefix("load ") {
                let labels = parse_labels(labels).0;
                let known = script.streams.iter().position(|(known, _)| *known == labels);
                stream = Some(known.unwrap_or_else(|| {
                    script.streams.push((labels, Vec::new()));
                    script.streams.len() - 1
                }));
            } else if let Some(rest) = line.strip_prefix("eval ") {
                stream = None;
                script.evals.push(parse_eval(number, rest));
            } else if let Some(at) = stream {
                script.streams[at].1.push(parse_entry(line.trim_start()));
            } else if let (Some(eval), true) = (script.evals.last_mut(), line.starts_with(' ')) {
                eval.expect.push(line.trim().to_owned());
            } else {
                panic!("line {number}: neither load nor eval: {line}");
            }
        }
        script
    }

    /// Runs every query over every layout.
    pub(crate) fn run(&self, name: &str) {
        for eval in &self.evals {
            for layout in run::Layout::ALL {
                let place = format!("{name}:{} ({layout:?}): {}", eval.line, eval.query);
                run::check(self, eval, layout).unwrap_or_else(|fault| panic!("{place}\n{fault}"));
            }
        }
    }
}

fn parse_eval(line: usize, text: &str) -> Eval {
    let (head, query) = text.split_once(": ").expect("eval has a colon");
    let mut words = head.split(' ');
    let mut word = words.next().expect("eval says what");
    let fails = word == "fail";
    if fails {
        word = words.next().expect("eval fail says what");
    }
    let mut time = || parse_time(words.next().expect("a time"));
    let ask = match word {
        "instant" => Ask::Metric(Steps::instant(time())),
        "range" => {
            let (start, end, step) = (time(), time(), time());
            Ask::Metric(Steps::range(start, end, step.0))
        }
        "logs" => {
            let range = TimeRange::new(time(), time());
            let (mut direction, mut limit, mut interval_ns) = (Direction::Backward, 100, 0);
            while let Some(word) = words.next() {
                match word {
                    "forward" => direction = Direction::Forward,
                    "backward" => direction = Direction::Backward,
                    "limit" => limit = words.next().expect("a limit").parse().expect("a number"),
                    "interval" => interval_ns = parse_time(words.next().expect("an interval")).0,
                    other => panic!("line {line}: {other}?"),
                }
            }
            Ask::Logs { range, direction, limit, interval_ns }
        }
        other => panic!("line {line}: eval {other}?"),
    };
    Eval { line, ask, query: query.to_owned(), fails, expect: Vec::new() }
}

fn parse_entry(text: &str) -> OwnedEntry {
    let (time, mut rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut metadata = Vec::new();
    if let Some(inner) = rest.strip_prefix('[')
        && let Some((pairs, after)) = inner.split_once("] ").or_else(|| Some((inner.strip_suffix(']')?, "")))
    {
        let labels = parse_labels(&format!("{{{pairs}}}")).0;
        metadata = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        rest = after;
    }
    let line = if rest.starts_with('"') { unquote(rest).0.into_bytes() } else { rest.as_bytes().to_vec() };
    OwnedEntry { ts: parse_time(time), line, metadata }
}

/// `{a="b"}` and what follows.
pub(crate) fn parse_labels(text: &str) -> (Labels, &str) {
    let mut rest = text.strip_prefix('{').unwrap_or_else(|| panic!("labels start with a brace: {text}"));
    let mut pairs = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return (Labels::from_pairs(pairs), after.trim_start());
        }
        let (name, after) = rest.split_once('=').unwrap_or_else(|| panic!("a label has a value: {text}"));
        let (value, after) = unquote(after);
        pairs.push((name.to_owned(), value));
        rest = after;
    }
}

/// The string at the start of `text`, and what follows.
fn unquote(text: &str) -> (String, &str) {
    let body = text.strip_prefix('"').unwrap_or_else(|| panic!("a quote: {text}"));
    let (mut out, mut chars) = (String::new(), body.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &body[at + 1..]),
            '\\' => out.push(match chars.next().expect("an escape").1 {
                'n' => '\n',
                't' => '\t',
                'x' => {
                    let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    char::from(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"))
                }
                other => other,
            }),
            c => out.push(c),
        }
    }
    panic!("unterminated string: {text}")
}

/// `1m30s`, `250ms`, `5ns`.
pub(crate) fn parse_time(text: &str) -> Nanos {
    let (mut total, mut rest) = (0i64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).expect("a unit");
        let number: i64 = rest[..digits].parse().expect("a number");
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |len| digits + len);
        total += number
            * match &rest[digits..unit] {
                "ns" => 1,
                "ms" => Nanos::PER_MILLI,
                "s" => Nanos::PER_SEC,
                "m" => 60 * Nanos::PER_SEC,
                "h" => 3600 * Nanos::PER_SEC,
                other => panic!("unit {other} in {text}"),
            };
        rest = &rest[unit..];
    }
    Nanos(total)
}
