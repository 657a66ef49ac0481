//! What must hold of stages and queries for any lines. Run by the fuzz targets and, over the packed corpora, by
//! `tests/corpus.rs`.
//!
//! An input is text of a query, then lines, with zero bytes between. The lines belong to one stream, a second apart.

use std::time::Duration;

use loptr_corpus::Bounds;
use loptr_eval::source::{Direction, Merger, Scratch, Source, Tombstones, VecSource};
use loptr_eval::{
    Finder, LogCollector, LogStream, LogVisitor, Pipeline, QueryValue, ResultLabels, SampleVisitor, Steps, evaluate,
    leaves, variants_of,
};
use loptr_logql::ast::{Expr, LogExpr, MetricExpr};
use loptr_model::{Entry, Labels, Nanos, OwnedEntry, TimeRange};
use loptr_ports::Budget;

/// A query of a few lines. Templates may take a million steps and 16 MiB for each of them, regular expressions some more.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 512 << 20, bytes_per_byte: 4096 };

/// Lines taken of an input.
const MAX_LINES: usize = 8;

/// `| json` with whatever the input appends.
pub(crate) fn json(input: &[u8]) {
    stages("{app=\"a\", level=\"stream\"} | json ", input);
}

/// `| logfmt` with whatever the input appends.
pub(crate) fn logfmt(input: &[u8]) {
    stages("{app=\"a\", level=\"stream\"} | logfmt ", input);
}

/// `| pattern` with an expression and whatever the input appends.
pub(crate) fn pattern(input: &[u8]) {
    stages("{app=\"a\", level=\"stream\"} | pattern ", input);
}

/// A whole query, with and without a search for needed text first.
pub(crate) fn query(input: &[u8]) {
    let (text, lines) = split(input);
    let Ok(text) = std::str::from_utf8(text) else { return };
    match loptr_logql::parse(text) {
        Ok(Expr::Log(log)) => assert_eq!(logs(&log, &lines, true), logs(&log, &lines, false)),
        // Values as text: a NaN is itself there.
        Ok(Expr::Metric(expr)) => {
            let value = |finder| format!("{:?}", metric(&expr, &lines, finder));
            assert_eq!(value(true), value(false));
        }
        Ok(Expr::Variants(_)) | Err(_) => {}
    }
}

fn split(input: &[u8]) -> (&[u8], Vec<&[u8]>) {
    let mut parts = input.split(|&byte| byte == 0);
    (parts.next().unwrap_or_default(), parts.take(MAX_LINES).collect())
}

/// A line's answer is the same in a pipeline that has seen other lines and in a new one: what stages remember changes
/// nothing.
fn stages(start: &str, input: &[u8]) {
    let (rest, lines) = split(input);
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    let Ok(log) = loptr_logql::parse_log(&format!("{start}{rest}")) else { return };
    let Ok(pipeline) = Pipeline::compile(&log, NOW) else { return };
    let labels = stream();
    let metadata = [("traceID", "0af7651916cd43dd"), ("user", "u 1")];
    let mut one_for_all = pipeline.for_stream(&labels);
    for (at, &line) in lines.iter().enumerate() {
        let entry = Entry { ts: time(at), line, metadata: if at % 2 == 0 { &[] } else { &metadata } };
        let first = run(&mut pipeline.for_stream(&labels), &entry);
        assert_eq!(run(&mut one_for_all, &entry), first);
        assert_eq!(run(&mut one_for_all, &entry), first, "the second time");
    }
}

fn run(pipeline: &mut loptr_eval::StreamPipeline, entry: &Entry<'_>) -> Option<(Vec<u8>, ResultLabels)> {
    let (line, id) = {
        let mut processed = pipeline.process(entry)?;
        (processed.line.to_vec(), processed.labels_id())
    };
    Some((line, pipeline.labels(id).clone()))
}

const NOW: Nanos = Nanos(1_700_000_060_000_000_000);

fn stream() -> Labels {
    Labels::from_pairs([("app", "a"), ("level", "stream")])
}

fn time(at: usize) -> Nanos {
    Nanos((1_700_000_000 + at as i64) * Nanos::PER_SEC)
}

fn source(lines: &[&[u8]]) -> VecSource {
    let entry = |(at, line): (usize, &&[u8])| OwnedEntry { ts: time(at), line: line.to_vec(), metadata: Vec::new() };
    VecSource::new(stream(), [lines.iter().enumerate().map(entry).collect()])
}

fn logs(log: &LogExpr, lines: &[&[u8]], search: bool) -> Option<Vec<LogStream>> {
    let pipeline = Pipeline::compile(log, NOW).ok()?;
    let (source, labels) = (source(lines), stream());
    let (mut pipe, mut collector) = (pipeline.for_stream(&labels), LogCollector::new(100, Direction::Backward, 0));
    let mut finder = pipeline.block_finder().filter(|_| search);
    let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
    Merger::new(&[&source as &dyn Source], TimeRange::ALL, Direction::Backward, &tombstones, &budget)
        .run(
            finder.as_mut().map(|finder| finder as &mut dyn Finder),
            &mut Scratch::default(),
            &mut LogVisitor::new(&mut pipe, &mut collector),
        )
        .expect("entries in memory can be read");
    Some(collector.finish())
}

fn metric(expr: &MetricExpr, lines: &[&[u8]], search: bool) -> Option<QueryValue> {
    let steps = Steps::range(time(0), time(MAX_LINES), 2 * Nanos::PER_SEC);
    let (source, labels) = (source(lines), stream());
    let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
    if !variants_of(expr).is_empty() {
        return None;
    }
    let mut results = Vec::new();
    for leaf in leaves(expr) {
        let plan = leaf.plan(steps, NOW).ok()?;
        let (mut extractor, mut fold) = (plan.extractor().for_stream(&labels), plan.fold());
        let mut finder = plan.extractor().block_finder().filter(|_| search);
        Merger::new(&[&source as &dyn Source], plan.time_range(), Direction::Forward, &tombstones, &budget)
            .run(
                finder.as_mut().map(|finder| finder as &mut dyn Finder),
                &mut Scratch::default(),
                &mut SampleVisitor::new(&mut extractor, &mut fold),
            )
            .expect("entries in memory can be read");
        results.push(fold.finish().ok()?);
    }
    evaluate(expr, steps, results, 500).ok()
}
