//! Sends the same requests to two live servers and compares what they answer.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;

use crate::compare;
use crate::differences::Differences;
use crate::http::{Answer, Client, Request};
use crate::language;
use crate::recorded::{self, Case, Expected, ExpectedBody, RecordedError, SET_END_SECS, SET_START_SECS};
use crate::replay;

/// A named request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What a report calls it.
    pub id: String,
    /// What is sent to both.
    pub request: Request,
    /// Only the status counts: upstream itself varies in the rest.
    pub status_only: bool,
}

/// What a comparison was about, beside its totals: each question's query, and whether the first server answered it 200
/// with a result that is not empty.
pub type Seen<'a> = &'a mut dyn FnMut(&str, bool);

impl From<Case> for Question {
    fn from(case: Case) -> Self {
        let status_only = case.expected.body == ExpectedBody::Free;
        Self { id: case.id, request: case.request, status_only }
    }
}

/// Times and steps used for bare queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Seconds since the epoch, inside.
    pub start_secs: i64,
    /// Seconds since the epoch, outside for entries, inside for samples.
    pub end_secs: i64,
    /// Seconds between samples.
    pub step_secs: i64,
    /// Most entries of an answer.
    pub limit: u32,
}

impl Default for Window {
    fn default() -> Self {
        Self { start_secs: SET_START_SECS, end_secs: SET_END_SECS, step_secs: 60, limit: 200 }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests sent to both.
    pub asked: usize,
    /// Both answered the same.
    pub same: usize,
    /// They differed for a listed reason.
    pub listed: usize,
    /// They differed, but the first server gives the second one's answer too: asked again, or by the list where lines lie
    /// elsewhere.
    pub varied: usize,
    /// The first server hung up without an answer: there is nothing to compare with.
    pub unanswered: usize,
    /// They differed.
    pub different: usize,
    /// The first server answered 200 with a result that is not empty.
    pub fruitful: usize,
}

/// A range query, and for metric queries an instant query at the window's end besides.
pub fn questions(id: &str, query: &str, window: Window) -> Vec<Question> {
    let (start, end) = (window.start_secs.to_string(), window.end_secs.to_string());
    let (step, limit) = (window.step_secs.to_string(), window.limit.to_string());
    let range = [("query", query), ("start", &start), ("end", &end), ("step", &step), ("limit", &limit)];
    let request = Request::get("/loki/api/v1/query_range", &range);
    let range = Question { id: id.to_owned(), request, status_only: false };
    if query.trim_start().starts_with(['{', '(']) {
        return vec![range];
    }
    let instant = Request::get("/loki/api/v1/query", &[("query", query), ("time", &end)]);
    vec![range, Question { id: format!("{id}-instant"), request: instant, status_only: false }]
}

/// Reads a file of bare queries, one a line, or of cases as recorded; `#` starts a comment line.
pub fn parse_questions(text: &str, window: Window) -> Result<Vec<Question>, RecordedError> {
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with("{\"") {
            let cases = recorded::parse_cases(line.as_bytes())?;
            all.extend(cases.into_iter().map(Question::from));
        } else {
            all.extend(questions(&format!("line-{}", at + 1), line, window));
        }
    }
    Ok(all)
}

/// Asks both servers everything, writes each difference and the totals.
pub fn run(
    a: &mut Client,
    b: &mut Client,
    questions: &[Question],
    differences: &Differences,
    settings: &replay::Settings,
    seen: Seen<'_>,
    out: &mut impl Write,
) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for Question { id, request, status_only } in questions {
        let query = recorded::query_of(request);
        if settings.foundation && language::beyond_foundation(&query).is_some() {
            continue;
        }
        totals.asked += 1;
        let (left, right) = match (a.send(request), b.send(request)) {
            (Ok(left), Ok(right)) => (left, right),
            (Err(error), Ok(_)) if error.is_hang_up() => {
                totals.unanswered += 1;
                replay::report(out, "unanswered", id, request, &error.to_string())?;
                continue;
            }
            (left, right) => {
                let error = left.err().or(right.err()).map(|error| error.to_string()).unwrap_or_default();
                totals.different += 1;
                replay::report(out, "FAILED", id, request, &error)?;
                continue;
            }
        };
        *statuses.entry(left.status).or_default() += 1;
        let fruitful = is_fruitful(&left);
        totals.fruitful += usize::from(fruitful);
        seen(&query, fruitful);
        let mut expected = compare::expect_same_as(&left);
        if *status_only {
            expected.body = ExpectedBody::Free;
        }
        let rules = language::rules_of(request, settings.live);
        let Err(difference) = compare::compare(&expected, &right, rules) else {
            totals.same += 1;
            continue;
        };
        if varies(a, request, &right, rules) {
            totals.varied += 1;
            replay::report(out, "varied", id, request, &difference.to_string())?;
            continue;
        }
        let row = differences.of_query(&query, &difference.to_string());
        if let Some(row) = row.filter(|row| row.varies) {
            totals.varied += 1;
            replay::report(out, "varies", id, request, &format!("{}: {difference}", row.name))?;
        } else if let Some(defect) = row {
            totals.listed += 1;
            *reasons.entry(defect.name.as_str()).or_default() += 1;
            replay::report(out, "listed", id, request, &format!("{}: {difference}", defect.name))?;
        } else {
            totals.different += 1;
            replay::report(out, "FAILED", id, request, &difference.to_string())?;
        }
        if settings.verbose {
            show_diff(out, &expected, &right)?;
        }
    }
    let Totals { asked, same, listed, varied, unanswered, different, fruitful } = totals;
    writeln!(
        out,
        "\n{asked} asked, {same} the same, {varied} as the first sometimes answers, {unanswered} unanswered by it, \
         {listed} listed, {different} different"
    )?;
    if !reasons.is_empty() {
        writeln!(out, "listed by reason: {reasons:?}")?;
    }
    writeln!(
        out,
        "{} answered 200 with a result that is not empty ({fruitful} %); by status: {statuses:?}",
        a.host(),
        fruitful = percent(fruitful, asked)
    )?;
    Ok(totals)
}

/// How often a server is asked again for an answer that it did not give at first.
const AGAIN: usize = 12;

/// Whether the server sometimes gives this answer: where equal values compete, upstream leaves the choice to chance.
fn varies(server: &mut Client, request: &Request, answer: &Answer, rules: compare::Rules) -> bool {
    (0..AGAIN).any(|_| {
        let again = server.send(request);
        again.is_ok_and(|again| compare::compare(&compare::expect_same_as(&again), answer, rules).is_ok())
    })
}

fn percent(part: usize, whole: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    let percent = 100.0 * part as f64 / whole.max(1) as f64;
    format!("{percent:.1}")
}

/// 200, and `data` or its `result` holds something.
fn is_fruitful(answer: &Answer) -> bool {
    let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else { return false };
    let result = json.pointer("/data/result").or_else(|| json.get("data")).and_then(Value::as_array);
    answer.status == 200 && result.is_some_and(|result| !result.is_empty())
}

/// Lines that only one of both has, in the order of the text, at most 60.
pub(crate) fn show_diff(out: &mut impl Write, expected: &Expected, got: &Answer) -> io::Result<()> {
    let (left, right) = (replay::readable(expected), replay::readable_answer(got));
    writeln!(out, "        - expected, + got")?;
    for (sign, line) in diff(&left, &right).into_iter().take(60) {
        writeln!(out, "        {sign} {}", compare::short(line))?;
    }
    Ok(())
}

/// The longest common part of both ends is left out; between them, the longest common subsequence.
fn diff<'a>(left: &'a str, right: &'a str) -> Vec<(char, &'a str)> {
    let (left, right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    let head = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let (left, right) = (left.get(head..).unwrap_or_default(), right.get(head..).unwrap_or_default());
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let left = left.get(..left.len() - tail).unwrap_or_default();
    let right = right.get(..right.len() - tail).unwrap_or_default();
    let mut lines = Vec::new();
    if left.len().saturating_mul(right.len()) > 4_000_000 {
        lines.extend(left.iter().map(|line| ('-', *line)).take(30));
        lines.extend(right.iter().map(|line| ('+', *line)).take(30));
        return lines;
    }
    // lengths[i][j]: longest common subsequence of left[i..] and right[j..].
    let mut lengths = vec![vec![0_u32; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i][j] =
                if left[i] == right[j] { lengths[i + 1][j + 1] + 1 } else { lengths[i + 1][j].max(lengths[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < left.len() && (j == right.len() || lengths[i + 1][j] >= lengths[i][j + 1]) {
            lines.push(('-', left[i]));
            i += 1;
        } else {
            lines.push(('+', right[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_names_what_each_side_has_alone() {
        assert_eq!(diff("a\nb\nc\nd", "a\nc\nx\nd"), [('-', "b"), ('+', "x")]);
        assert_eq!(diff("a\nb", "a\nb"), []);
        assert_eq!(diff("", "a"), [('+', "a")]);
        assert_eq!(diff("a\na\nb", "a\nb"), [('-', "a")]);
    }

    #[test]
    fn bare_queries_become_requests() {
        let text = "# comment\n\n{a=\"b\"}\nrate({a=\"b\"}[1m])\n";
        let questions = parse_questions(text, Window::default()).unwrap();
        let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
        assert_eq!(ids, ["line-3", "line-4", "line-4-instant"]);
        assert_eq!(questions[0].request.param("limit"), Some("200"));
        assert_eq!(questions[2].request.param("time"), Some("1795086000"));
    }

    #[test]
    fn a_recorded_case_is_a_question_too() {
        let line = r#"{"id":"x-1","method":"GET","path":"/p","expect":{"status":200,"content_type":"","text":""}}"#;
        let question = parse_questions(line, Window::default()).unwrap().remove(0);
        assert_eq!((question.request.path.as_str(), question.status_only), ("/p", false));
        let free = line.replace(r#""text":"""#, r#""compare":"status""#);
        assert!(parse_questions(&free, Window::default()).unwrap()[0].status_only);
    }

    #[test]
    fn fruitful_means_200_and_not_empty() {
        let answer = |status, body: &str| Answer { status, content_type: String::new(), body: body.into() };
        assert!(is_fruitful(&answer(200, r#"{"data":{"result":[1]}}"#)));
        assert!(is_fruitful(&answer(200, r#"{"data":["x"]}"#)));
        assert!(!is_fruitful(&answer(200, r#"{"data":{"result":[]}}"#)));
        assert!(!is_fruitful(&answer(400, r#"{"data":["x"]}"#)));
        assert!(!is_fruitful(&answer(200, "oops")));
    }
}
