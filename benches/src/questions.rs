//! The questions, one file each in `benches/questions`, and the windows they are asked over.
//!
//! A question is asked again and again with its window moved by a step each time, so that no two requests are the same
//! and a cache of whole answers helps nobody. The moves alternate between later and earlier and turn back after
//! [`REACH`] steps; each further round shortens the window by a step. So every window covers at least 91 % of the 24
//! hours, and all of them some 95 %.

use std::sync::LazyLock;

use loptr_conformance::http::Request;

/// A text that no line holds.
pub(crate) const ABSENT: &str = "xqzjvkw-nowhere";
/// Stands for [`ABSENT`].
const NOWHERE: &str = "$ABSENT";
/// Stands for a trace id that one entry carries.
const TRACE_ID: &str = "$TRACE_ID";
/// Steps a window moves at most to either side.
const REACH: u32 = 20;
/// The window, and the range of instant queries.
const WINDOW_SECS: i64 = 86_400;

/// How a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `query_range` with entries as its answer.
    Log,
    /// `query_range` with samples as its answer.
    Metric,
    /// `query` at the window's end.
    Instant,
}

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) query: &'static str,
    /// What it asks, in words.
    pub(crate) about: &'static str,
    pub(crate) kind: Kind,
    /// Entries are asked for oldest first.
    pub(crate) forward: bool,
    /// Most entries of an answer.
    pub(crate) limit: u32,
    /// Between samples, and what the window moves by.
    pub(crate) step_secs: i64,
}

/// Asked when none are named.
pub(crate) const DEFAULT: [&str; 2] = ["absent-needle", "count-by-app"];

const NAMES: [&str; 18] = [
    "absent-needle",
    "metadata-needle",
    "newest",
    "two-filters",
    "rare-regex",
    "count-nocase",
    "count-by-app",
    "volume-by-level",
    "json-filter",
    "json-p99",
    "logfmt-rate",
    "topk-bytes",
    "instant-count",
    "pattern-5xx",
    "line-format",
    "error-ratio",
    "syslog-grep",
    "unwrap-bytes",
];
const FILES: [&str; 18] = [
    include_str!("../questions/01-absent-needle.logql"),
    include_str!("../questions/02-metadata-needle.logql"),
    include_str!("../questions/03-newest.logql"),
    include_str!("../questions/04-two-filters.logql"),
    include_str!("../questions/05-rare-regex.logql"),
    include_str!("../questions/06-count-nocase.logql"),
    include_str!("../questions/07-count-by-app.logql"),
    include_str!("../questions/08-volume-by-level.logql"),
    include_str!("../questions/09-json-filter.logql"),
    include_str!("../questions/10-json-p99.logql"),
    include_str!("../questions/11-logfmt-rate.logql"),
    include_str!("../questions/12-topk-bytes.logql"),
    include_str!("../questions/13-instant-count.logql"),
    include_str!("../questions/14-pattern-5xx.logql"),
    include_str!("../questions/15-line-format.logql"),
    include_str!("../questions/16-error-ratio.logql"),
    include_str!("../questions/17-syslog-grep.logql"),
    include_str!("../questions/18-unwrap-bytes.logql"),
];

/// Every question, from `benches/questions`.
pub(crate) static ALL: LazyLock<Vec<Question>> =
    LazyLock::new(|| NAMES.into_iter().zip(FILES).map(|(name, file)| Question::read(name, file)).collect());

impl Question {
    /// Lines of comment, some with a setting, and the query.
    fn read(name: &'static str, file: &'static str) -> Self {
        let mut question =
            Self { name, query: "", about: "", kind: Kind::Log, forward: false, limit: 100, step_secs: 300 };
        for line in file.lines() {
            let Some(comment) = line.strip_prefix("# ") else {
                question.query = line;
                continue;
            };
            match comment.split_once(": ") {
                Some(("kind", "metric")) => question.kind = Kind::Metric,
                Some(("kind", "instant")) => question.kind = Kind::Instant,
                Some(("limit", number)) => question.limit = number.parse().unwrap_or(question.limit),
                Some(("step", number)) => question.step_secs = number.parse().unwrap_or(question.step_secs),
                Some(("direction", direction)) => question.forward = direction == "forward",
                _ if question.about.is_empty() => question.about = comment,
                _ => {}
            }
        }
        question
    }
}

/// The questions of these names, comma-separated; `all` for every one, the two of [`DEFAULT`] without names.
pub(crate) fn chosen(names: Option<&str>) -> Result<Vec<Question>, String> {
    let find = |name: &str| ALL.iter().copied().find(|question| question.name == name);
    match names {
        Some("all") => Ok(ALL.clone()),
        Some(names) => {
            names.split(',').map(|name| find(name).ok_or_else(|| format!("there is no question {name:?}"))).collect()
        }
        None => Ok(DEFAULT.iter().filter_map(|name| find(name)).collect()),
    }
}

/// The request for the `run`th time this question is asked of the 24 hours before `end_secs`.
pub(crate) fn request(question: &Question, end_secs: i64, run: u32, trace_id: &str) -> Request {
    let (moved, shorter) = window(run);
    let query = question.query.replace(TRACE_ID, trace_id).replace(NOWHERE, ABSENT);
    let end_secs = end_secs + (moved - shorter) * question.step_secs;
    let start_secs = end_secs - WINDOW_SECS + shorter * question.step_secs;
    if question.kind == Kind::Instant {
        let time_secs = end_secs + shorter;
        return Request::get("/loki/api/v1/query", &[("query", &query), ("time", &time_secs.to_string())]);
    }
    let (start, end, step) = (start_secs.to_string(), end_secs.to_string(), question.step_secs.to_string());
    let mut params = vec![("query", query.as_str()), ("start", &start), ("end", &end), ("step", &step)];
    let limit = question.limit.to_string();
    if question.kind == Kind::Log {
        params
            .extend([("limit", limit.as_str()), ("direction", if question.forward { "forward" } else { "backward" })]);
    }
    Request::get("/loki/api/v1/query_range", &params)
}

/// Steps the window is moved by, and steps it is shortened by.
fn window(run: u32) -> (i64, i64) {
    let (round, place) = (run / (2 * REACH + 1), run % (2 * REACH + 1));
    let distance = i64::from(place.div_ceil(2));
    (if place % 2 == 1 { -distance } else { distance }, i64::from(round))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_defaults_exist() {
        let names: BTreeSet<&str> = ALL.iter().map(|question| question.name).collect();
        assert_eq!(names.len(), 18);
        assert!(ALL.iter().all(|question| !question.query.is_empty() && !question.about.is_empty()));
        let kinds = |kind| ALL.iter().filter(|question| question.kind == kind).count();
        assert_eq!((kinds(Kind::Log), kinds(Kind::Metric), kinds(Kind::Instant)), (8, 9, 1));
        let grep = chosen(Some("syslog-grep,topk-bytes")).unwrap();
        assert!(grep[0].forward && grep[0].limit == 1000 && grep[1].step_secs == 1800);
        assert_eq!(chosen(None).unwrap().len(), 2);
        assert_eq!(chosen(Some("all")).unwrap().len(), 18);
        assert_eq!(chosen(Some("newest,json-p99")).unwrap()[1].name, "json-p99");
        assert!(chosen(Some("nope")).is_err());
    }

    #[test]
    fn no_request_comes_twice_in_200_runs() {
        for question in ALL.iter() {
            let all: BTreeSet<String> =
                (0..200).map(|run| format!("{:?}", request(question, 1_795_000_200, run, "t").params)).collect();
            assert_eq!(all.len(), 200, "{}", question.name);
        }
    }

    #[test]
    fn windows_stay_near_the_day() {
        assert_eq!(
            [window(0), window(1), window(2), window(40), window(41)],
            [(0, 0), (-1, 0), (1, 0), (20, 0), (0, 1)]
        );
        for run in 0..200 {
            let (moved, shorter) = window(run);
            let outside = moved.abs() * 300 + shorter * 300;
            assert!(outside * 100 <= WINDOW_SECS * 9, "{run}");
        }
    }

    #[test]
    fn requests_say_what_the_question_says() {
        let absent = request(&ALL[0], 86_400, 0, "");
        assert!(absent.param("query").is_some_and(|query| query.contains(ABSENT)));
        let needle = request(&ALL[1], 86_400, 0, "abc");
        assert_eq!(needle.param("query"), Some(r#"{app=~".+"} | trace_id="abc""#));
        assert_eq!((needle.param("start"), needle.param("end")), (Some("0"), Some("86400")));
        let grep = chosen(Some("syslog-grep")).unwrap()[0];
        assert_eq!(request(&grep, 86_400, 0, "").param("direction"), Some("forward"));
        let instant = chosen(Some("instant-count")).unwrap()[0];
        assert_eq!(request(&instant, 86_400, 0, "").param("time"), Some("86400"));
    }
}
