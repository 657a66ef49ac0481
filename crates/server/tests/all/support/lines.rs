//! Log queries, answered as lists of entries.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::{Api, form};

pub(crate) type Labels = BTreeMap<String, String>;

/// An entry. Ordered by time first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Line {
    pub(crate) ts: i64,
    pub(crate) line: String,
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// A log query over `[start, end)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogQuery<'a> {
    pub(crate) query: &'a str,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) direction: Direction,
    pub(crate) limit: usize,
}

impl LogQuery<'_> {
    /// The request's target.
    pub(crate) fn target(&self) -> String {
        let direction = if self.direction == Direction::Forward { "forward" } else { "backward" };
        let params = form(&[
            ("query", self.query),
            ("start", &self.start.to_string()),
            ("end", &self.end.to_string()),
            ("direction", direction),
            ("limit", &self.limit.to_string()),
            // A step is checked even where it means nothing: no range is cut into too many.
            ("step", "86400"),
        ]);
        format!("/loki/api/v1/query_range?{params}")
    }
}

/// Keeps labels of streams, structured metadata and parsed labels apart.
pub(crate) const CATEGORIZE: (&str, &str) = ("x-loki-response-encoding-flags", "categorize-labels");

/// Streams of an answer with their entries, in the order given.
pub(crate) fn streams_of(answer: &Value) -> Vec<(Labels, Vec<Line>)> {
    assert_eq!(answer["data"]["resultType"], "streams", "{answer}");
    let labels = |value: &Value| -> Labels {
        let pairs = value.as_object().into_iter().flatten();
        pairs.map(|(name, value)| (name.clone(), value.as_str().expect("values are text").to_owned())).collect()
    };
    let line = |value: &Value| Line {
        ts: value[0].as_str().and_then(|ts| ts.parse().ok()).expect("nanoseconds in a string"),
        line: value[1].as_str().expect("lines are text").to_owned(),
        metadata: labels(&value[2]["structuredMetadata"]),
    };
    let streams = answer["data"]["result"].as_array().expect("a list").iter();
    streams
        .map(|stream| {
            let lines = stream["values"].as_array().expect("a list").iter().map(line);
            (labels(&stream["stream"]), lines.collect())
        })
        .collect()
}

/// Asks a log query.
pub(crate) fn ask(api: &Api, query: LogQuery<'_>) -> Vec<(Labels, Vec<Line>)> {
    let reply = api.send("GET", &query.target(), &[CATEGORIZE], &[]);
    streams_of(&reply.unwrap_or_else(|error| panic!("{query:?}: {error}")).expect(200).json())
}

/// All entries of the query, asked page by page as clients do: the next page begins with the last time of the one
/// before. `query.limit` is the page's size.
pub(crate) fn ask_in_pages(api: &Api, query: LogQuery<'_>) -> Vec<Line> {
    let (mut all, mut page_query): (Vec<Line>, _) = (Vec::new(), query);
    loop {
        let mut page: Vec<Line> = ask(api, page_query).into_iter().flat_map(|(_, lines)| lines).collect();
        let full = page.len() >= query.limit;
        if let Some(last) = all.last().map(|line| line.ts) {
            // Entries of that one time come again.
            let again: Vec<Line> = all.iter().rev().take_while(|line| line.ts == last).cloned().collect();
            let before = page.len();
            page.retain(|line| !again.contains(line));
            assert_eq!(before - page.len(), again.len(), "entries at {last} come again in {page_query:?}");
        }
        assert!(!full || !page.is_empty(), "more entries at one time than a page holds: {page_query:?}");
        all.append(&mut page);
        if !full {
            return all;
        }
        let last = all.last().expect("a full page was added").ts;
        match query.direction {
            Direction::Forward => page_query.start = last,
            Direction::Backward => page_query.end = last + 1,
        }
    }
}

/// A metric query's value at `time`: labels and number of each sample.
pub(crate) fn ask_vector(api: &Api, query: &str, time: i64) -> Vec<(Labels, f64)> {
    let answer = api.get("/loki/api/v1/query", &[("query", query), ("time", &time.to_string())]).expect(200).json();
    vector_of(&answer)
}

/// Samples of an answer.
pub(crate) fn vector_of(answer: &Value) -> Vec<(Labels, f64)> {
    assert_eq!(answer["data"]["resultType"], "vector", "{answer}");
    let samples = answer["data"]["result"].as_array().expect("a list").iter();
    samples
        .map(|sample| {
            let labels = sample["metric"].as_object().expect("an object").iter();
            let labels = labels.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned()));
            let value = sample["value"][1].as_str().and_then(|value| value.parse().ok()).expect("a number in a string");
            (labels.collect(), value)
        })
        .collect()
}
