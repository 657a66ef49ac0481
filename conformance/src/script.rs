//! A small language for tests of queries, as Prometheus' own suite has.
//!
//! ```text
//! # A comment. `load` adds a stream (or to it): time, metadata in brackets, the rest of the line; in double quotes
//! # with escapes.
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
//! The scripts are those of `loptr-eval`, which runs them in memory; [`over_http`] asks a server. Times are nanoseconds
//! since the script's beginning, whenever that is.

pub mod over_http;

/// Label names and values, by name.
pub type Labels = Vec<(String, String)>;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub ts_ns: i64,
    /// What.
    pub line: String,
    /// Structured metadata.
    pub metadata: Labels,
}

/// What to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Entries.
    Logs {
        /// First instant.
        start_ns: i64,
        /// First instant that is out.
        end_ns: i64,
        /// Oldest first.
        forward: bool,
        /// At most so many.
        limit: usize,
        /// Least distance; 0: any.
        interval_ns: i64,
    },
    /// Numbers at one instant.
    Instant {
        /// When.
        ts_ns: i64,
    },
    /// Numbers at steps.
    Range {
        /// First step.
        start_ns: i64,
        /// No step is later.
        end_ns: i64,
        /// Distance.
        step_ns: i64,
    },
}

impl Ask {
    /// The instants numbers are asked for.
    pub fn steps_ns(&self) -> Vec<i64> {
        match *self {
            Self::Logs { .. } => Vec::new(),
            Self::Instant { ts_ns } => vec![ts_ns],
            Self::Range { start_ns, end_ns, step_ns } => {
                let next = |ts: &i64| ts.checked_add(step_ns).filter(|_| step_ns > 0);
                std::iter::successors(Some(start_ns), next).take_while(|&ts| ts <= end_ns).collect()
            }
        }
    }
}

/// One `eval`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eval {
    /// Its line.
    pub line: usize,
    /// What is asked.
    pub ask: Ask,
    /// The query.
    pub query: String,
    /// Part of an error's text is expected.
    pub fails: bool,
    /// The lines below it.
    pub expect: Vec<String>,
}

/// A script: what to load and what to ask, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Script {
    /// Each stream once.
    pub streams: Vec<(Labels, Vec<Entry>)>,
    /// What to ask when all is loaded.
    pub evals: Vec<Eval>,
}

impl Script {
    /// Reads a script; the error tells the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut script = Script::default();
        let mut stream = None;
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let number = at + 1;
            let place = |error: String| format!("line {number}: {error}");
            if let Some(labels) = line.strip_prefix("load ") {
                let (labels, _) = parse_labels(labels).map_err(place)?;
                let known = script.streams.iter().position(|(known, _)| *known == labels);
                stream = Some(known.unwrap_or_else(|| {
                    script.streams.push((labels, Vec::new()));
                    script.streams.len() - 1
                }));
            } else if let Some(rest) = line.strip_prefix("eval ") {
                stream = None;
                script.evals.push(parse_eval(number, rest).map_err(place)?);
            } else if let Some((_, entries)) = stream.and_then(|at| script.streams.get_mut(at)) {
                entries.push(parse_entry(line.trim_start()).map_err(place)?);
            } else if let (Some(eval), true) = (script.evals.last_mut(), line.starts_with(' ')) {
                eval.expect.push(line.trim().to_owned());
            } else {
                return Err(place(format!("neither load nor eval: {line}")));
            }
        }
        if script.evals.is_empty() { Err("it asks nothing".to_owned()) } else { Ok(script) }
    }
}

fn parse_eval(line: usize, text: &str) -> Result<Eval, String> {
    let (head, query) = text.split_once(": ").ok_or("eval has no colon")?;
    let mut words = head.split(' ').peekable();
    let fails = words.next_if_eq(&"fail").is_some();
    let kind = words.next().unwrap_or_default();
    let mut time = || parse_time(words.next().unwrap_or_default());
    let ask = match kind {
        "instant" => Ask::Instant { ts_ns: time()? },
        "range" => Ask::Range { start_ns: time()?, end_ns: time()?, step_ns: time()? },
        "logs" => {
            let (start_ns, end_ns) = (time()?, time()?);
            let (mut forward, mut limit, mut interval_ns) = (false, 100, 0);
            while let Some(word) = words.next() {
                let mut value = || words.next().unwrap_or_default();
                match word {
                    "forward" => forward = true,
                    "backward" => forward = false,
                    "limit" => limit = value().parse().map_err(|_| "limit wants a number")?,
                    "interval" => interval_ns = parse_time(value())?,
                    other => return Err(format!("{other}?")),
                }
            }
            Ask::Logs { start_ns, end_ns, forward, limit, interval_ns }
        }
        other => return Err(format!("eval {other}?")),
    };
    Ok(Eval { line, ask, query: query.to_owned(), fails, expect: Vec::new() })
}

fn parse_entry(text: &str) -> Result<Entry, String> {
    let (time, mut rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut metadata = Vec::new();
    if let Some(inner) = rest.strip_prefix('[')
        && let Some((pairs, after)) = inner.split_once("] ").or_else(|| Some((inner.strip_suffix(']')?, "")))
    {
        metadata = parse_labels(&format!("{{{pairs}}}"))?.0;
        rest = after;
    }
    Ok(Entry { ts_ns: parse_time(time)?, line: parse_text(rest)?, metadata })
}

/// A text, as it stands or in quotes.
pub fn parse_text(text: &str) -> Result<String, String> {
    if text.starts_with('"') { Ok(unquote(text)?.0) } else { Ok(text.to_owned()) }
}

/// `{a="b"}`, by name, and what follows.
pub fn parse_labels(text: &str) -> Result<(Labels, &str), String> {
    let mut rest = text.strip_prefix('{').ok_or_else(|| format!("labels start with a brace: {text}"))?;
    let mut pairs = Labels::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            pairs.sort();
            return Ok((pairs, after.trim_start()));
        }
        let (name, after) = rest.split_once('=').ok_or_else(|| format!("a label has a value: {text}"))?;
        let (value, after) = unquote(after)?;
        pairs.push((name.to_owned(), value));
        rest = after;
    }
}

/// The string at the start of `text`, and what follows.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let body = text.strip_prefix('"').ok_or_else(|| format!("a quote is missing: {text}"))?;
    let (mut out, mut chars) = (String::new(), body.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, body.get(at + 1..).unwrap_or_default())),
            '\\' => out.push(match chars.next().ok_or("an escape is cut off")?.1 {
                'n' => '\n',
                't' => '\t',
                'x' => {
                    let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    char::from(u8::from_str_radix(&digits, 16).map_err(|_| "\\x wants two hexadecimal digits")?)
                }
                other => other,
            }),
            c => out.push(c),
        }
    }
    Err(format!("unterminated string: {text}"))
}

/// `1m30s`, `250ms`, `5ns`.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is no time");
    let (mut total, mut rest) = (0i64, text);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let scale: i64 = match unit {
            "ns" => 1,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(bad()),
        };
        let part = number.parse::<i64>().ok().and_then(|number| number.checked_mul(scale)).ok_or_else(bad)?;
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = after;
    }
    Ok(total)
}

/// A line expected of a metric query: labels (none for a scalar) and a value for each step.
pub fn parse_values(line: &str) -> Result<(Option<Labels>, Vec<Option<f64>>), String> {
    let (labels, values) = match line.strip_prefix("scalar ") {
        Some(value) => (None, value),
        None => {
            let (labels, values) = parse_labels(line)?;
            (Some(labels), values)
        }
    };
    let value = |word: &str| match word {
        "_" => Ok(None),
        word => word.parse().map(Some).map_err(|_| format!("no number: {word}")),
    };
    Ok((labels, values.split_whitespace().map(value).collect::<Result<_, _>>()?))
}

/// Whether two values are equal, for a script.
pub fn is_same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read() {
        let script = Script::parse(concat!(
            "# c\nload {b=\"2\", a=\"1\"}\n  1m30s [t=\"7\"] x=1\n  5ns \"a\\n\\x41\"\n\n",
            "eval logs 0s 60s forward limit 5 interval 1s: {a=\"1\"}\n  {a=\"1\"}\n    1m30s x=1\n",
            "eval fail range 0s 20s 10s: rate(x: y)\n  why\n",
        ))
        .expect("a script");
        assert_eq!(script.streams[0].0, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        let entries = &script.streams[0].1;
        assert_eq!((entries[0].ts_ns, entries[0].line.as_str()), (90_000_000_000, "x=1"));
        assert_eq!((entries[0].metadata.len(), entries[1].line.as_str()), (1, "a\nA"));
        let logs =
            Ask::Logs { start_ns: 0, end_ns: 60_000_000_000, forward: true, limit: 5, interval_ns: 1_000_000_000 };
        assert_eq!((script.evals[0].ask, script.evals[0].expect.len()), (logs, 2));
        let range = &script.evals[1];
        assert!(range.fails && range.query == "rate(x: y)" && range.ask.steps_ns().len() == 3);
        assert_eq!(parse_values("{} 1 _ NaN").map(|(_, values)| values.len()), Ok(3));
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, error) in [
            ("load {a=\"b\"}\n  5 x\neval instant 1s: 1", "line 2: \"5\" is no time"),
            ("eval when 1s: 1", "line 1: eval when?"),
            ("load {a=b}", "line 1: a quote is missing: b}"),
            ("x", "line 1: neither load nor eval: x"),
            ("load {}", "it asks nothing"),
        ] {
            assert_eq!(Script::parse(text), Err(error.to_owned()));
        }
    }
}
