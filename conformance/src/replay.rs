//! Pushes the recorded set and replays its requests against one server.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::compare;
use crate::differences::Differences;
use crate::http::{Answer, Client, HttpError, Request};
use crate::language;
use crate::recorded::{Case, Expected, ExpectedBody};

/// What to replay and how to judge it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Only these groups; all when empty.
    pub groups: Vec<String>,
    /// Set apart what the foundation's language does not hold.
    pub foundation: bool,
    /// Entries of one time may come in any order.
    pub live: bool,
    /// Show where both answers part.
    pub verbose: bool,
}

/// How one case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As upstream.
    Passed,
    /// Not as upstream, for the listed reason.
    Listed(String),
    /// Neither.
    Failed,
    /// The query needs more than the foundation's language.
    Beyond,
}

/// Counts of one group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As upstream.
    pub passed: usize,
    /// Listed differences.
    pub listed: usize,
    /// Neither.
    pub failed: usize,
    /// Outside the foundation's language.
    pub beyond: usize,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.listed += other.listed;
        self.failed += other.failed;
        self.beyond += other.beyond;
    }

    fn total(self) -> usize {
        self.passed + self.listed + self.failed + self.beyond
    }
}

/// Pushes `bodies` in order; every one must be accepted with 204.
pub fn push(client: &mut Client, bodies: &[Vec<u8>]) -> Result<(), String> {
    for (at, body) in bodies.iter().enumerate() {
        let request = Request::post("/loki/api/v1/push", "application/json", body.clone());
        let answer = client.send(&request).map_err(|error| error.to_string())?;
        if answer.status != 204 {
            return Err(format!("push {at} was answered {}: {}", answer.status, compare::short(&answer.text())));
        }
    }
    Ok(())
}

/// Pushes each body as its tenant; every one must be accepted with 204.
pub fn push_as(client: &mut Client, bodies: &[(String, Vec<u8>)]) -> Result<(), String> {
    for (tenant, body) in bodies {
        let mut request = Request::post("/loki/api/v1/push", "application/json", body.clone());
        request.headers.push(("X-Scope-OrgID".to_owned(), tenant.clone()));
        let answer = client.send(&request).map_err(|error| error.to_string())?;
        if answer.status != 204 {
            return Err(format!("push of {tenant} was answered {}: {}", answer.status, compare::short(&answer.text())));
        }
    }
    Ok(())
}

/// Asks for a flush and waits until no chunk is left in memory, at most `patience`. The number of chunks is
/// read from `loki_ingester_memory_chunks`; says how long it took, or that the count never reached zero.
pub fn flush(client: &mut Client, patience: Duration) -> Result<String, HttpError> {
    let started = Instant::now();
    client.send(&Request { method: "POST".to_owned(), path: "/flush".to_owned(), ..Request::default() })?;
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let metrics = client.send(&Request::get("/metrics", &[]))?.text();
        let chunks = metric(&metrics, "loki_ingester_memory_chunks");
        if chunks == Some(0.0) {
            return Ok(format!("flushed after {:.1} s", started.elapsed().as_secs_f64()));
        }
        if started.elapsed() > patience {
            let left = chunks.map_or("an unknown number of".to_owned(), |chunks| chunks.to_string());
            return Ok(format!("{left} chunks still in memory after {} s", patience.as_secs()));
        }
    }
}

/// The sum of a metric's samples in Prometheus text, `None` when it has none.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// Replays `cases`, writes a line for each difference and a table by group with a last line `name`; returns that
/// line's sums.
pub fn run(
    client: &mut Client,
    name: &str,
    cases: &[Case],
    differences: &Differences,
    settings: &Settings,
    out: &mut impl Write,
) -> io::Result<Counts> {
    let mut groups: BTreeMap<&str, Counts> = BTreeMap::new();
    for case in cases {
        if !settings.groups.is_empty() && !settings.groups.iter().any(|group| group == case.group()) {
            continue;
        }
        let counts = groups.entry(case.group()).or_default();
        match judge(client, case, differences, settings, out)? {
            Outcome::Passed => counts.passed += 1,
            Outcome::Listed(_) => counts.listed += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::Beyond => counts.beyond += 1,
        }
    }
    table(&groups, name, settings.foundation, out)
}

fn judge(
    client: &mut Client,
    case: &Case,
    differences: &Differences,
    settings: &Settings,
    out: &mut impl Write,
) -> io::Result<Outcome> {
    if settings.foundation
        && let Some(what) = language::beyond_foundation(&case.query())
    {
        if settings.verbose {
            writeln!(out, "beyond  {}  {what}: {}", case.id, case.query())?;
        }
        return Ok(Outcome::Beyond);
    }
    let answer = match client.send(&case.request) {
        Ok(answer) => answer,
        Err(error) => {
            writeln!(out, "FAILED  {}  {}\n        {error}", case.id, compare::short(&case.query()))?;
            return Ok(Outcome::Failed);
        }
    };
    let rules = language::rules_of(&case.request, settings.live);
    let Err(difference) = compare::compare(&case.expected, &answer, rules) else { return Ok(Outcome::Passed) };
    let defect = differences.of(case);
    let worse = match &case.better {
        Some(better) => compare::compare(better, &answer, rules).err(),
        None => Some(difference.clone()),
    };
    let (word, outcome, reason) = match (defect, &worse) {
        (Some(defect), None) => {
            ("listed", Outcome::Listed(defect.name.clone()), format!("{}: {difference}", defect.name))
        }
        (Some(defect), Some(worse)) => (
            "FAILED",
            Outcome::Failed,
            format!("neither upstream's answer nor the better one ({}): {worse}", defect.name),
        ),
        (None, _) => ("FAILED", Outcome::Failed, difference.to_string()),
    };
    report(out, word, &case.id, &case.request, &reason)?;
    if settings.verbose {
        let expected = defect.and(case.better.as_ref()).unwrap_or(&case.expected);
        crate::live::show_diff(out, expected, &answer)?;
    }
    Ok(outcome)
}

/// One difference: word, name, request and reason.
pub(crate) fn report(out: &mut impl Write, word: &str, id: &str, request: &Request, reason: &str) -> io::Result<()> {
    let endpoint = request.path.trim_start_matches("/loki/api/v1/");
    let query = crate::recorded::query_of(request);
    writeln!(out, "{word}  {id}  {endpoint}  {}\n        {reason}", compare::short(&query))
}

pub(crate) fn table(
    groups: &BTreeMap<&str, Counts>,
    name: &str,
    foundation: bool,
    out: &mut impl Write,
) -> io::Result<Counts> {
    if groups.is_empty() {
        return Ok(Counts::default());
    }
    let beyond = |text: String| if foundation { format!("{text:>27}") } else { String::new() };
    let heading = beyond("not in the foundation's".to_owned());
    writeln!(out, "\n{:<18}{:>8}{:>8}{:>8}{heading}{:>8}", "group", "passed", "listed", "failed", "total")?;
    let mut sum = Counts::default();
    let mut line = |name: &str, counts: Counts| {
        let Counts { passed, listed, failed, .. } = counts;
        let apart = beyond(counts.beyond.to_string());
        writeln!(out, "{name:<18}{passed:>8}{listed:>8}{failed:>8}{apart}{:>8}", counts.total())
    };
    for (group, counts) in groups {
        line(group, *counts)?;
        sum.add(*counts);
    }
    line(name, sum)?;
    Ok(sum)
}

/// What an expectation's body looks like in text, for a reader.
pub(crate) fn readable(expected: &Expected) -> String {
    match &expected.body {
        ExpectedBody::Json(json) | ExpectedBody::Protobuf(json) => compare::pretty(json),
        ExpectedBody::Text(text) => text.clone(),
        ExpectedBody::Free => "(anything)".to_owned(),
    }
}

/// What an answer's body looks like in text, for a reader.
pub(crate) fn readable_answer(answer: &Answer) -> String {
    readable(&compare::expect_same_as(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_by_exact_name() {
        let text = "# HELP a b\na 3\na{x=\"y z\"} 4\nab 9\n";
        assert_eq!(metric(text, "a"), Some(7.0));
        assert_eq!(metric(text, "c"), None);
    }

    #[test]
    fn the_table_sums_its_groups() {
        let counts = Counts { passed: 1, listed: 2, failed: 3, beyond: 4 };
        let groups = BTreeMap::from([("a", counts), ("b", counts)]);
        let mut text = Vec::new();
        let sum = table(&groups, "all", true, &mut text).unwrap();
        assert_eq!((sum.total(), sum.failed), (20, 6));
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.ends_with("all                      2       4       6                          8      20\n"),
            "{text}"
        );
    }
}
