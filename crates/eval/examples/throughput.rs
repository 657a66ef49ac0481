//! How fast entries pass, in one thread: `cargo run --release -p loptr-eval --example throughput [filter [rounds]]`.
//!
//! A million entries lie decoded in memory; what is measured is this crate alone. Figures per entry.

#![allow(clippy::disallowed_methods, reason = "a stopwatch is the point")]

use std::ops::ControlFlow;
use std::time::Instant;

use loptr_eval::source::{BlockSpan, Direction, Merger, Scratch, Source, SourceError, Tombstones};
use loptr_eval::{Finder, LogCollector, LogVisitor, Pipeline, SampleVisitor, Steps, leaves};
use loptr_logql::ast::Expr;
use loptr_model::{Entry, Labels, Nanos, TimeRange};
use loptr_ports::Budget;

const ENTRIES: usize = 1_000_000;
const PER_BLOCK: usize = 1200;

/// Blocks of lines with a byte between them, as a decoder would leave them.
struct Decoded {
    spans: Vec<BlockSpan>,
    blocks: Vec<Block>,
}

struct Block {
    text: Vec<u8>,
    /// Time, start and end of each line.
    lines: Vec<(i64, usize, usize)>,
    levels: Vec<&'static str>,
}

impl Decoded {
    fn new(line: impl Fn(usize) -> String) -> Self {
        let (mut spans, mut blocks) = (Vec::new(), Vec::new());
        for first in (0..ENTRIES).step_by(PER_BLOCK) {
            let mut block = Block { text: Vec::new(), lines: Vec::new(), levels: Vec::new() };
            for at in first..(first + PER_BLOCK).min(ENTRIES) {
                block.text.push(0x80);
                let start = block.text.len();
                block.text.extend_from_slice(line(at).as_bytes());
                block.lines.push((at as i64 * 86_400_000, start, block.text.len()));
                block.levels.push(["info", "info", "warn", "error"][at % 4]);
            }
            let (min, max) = (Nanos(block.lines[0].0), Nanos(block.lines[block.lines.len() - 1].0));
            spans.push(BlockSpan { min, max, entries: block.lines.len() as u32, bytes: block.text.len() as u64 });
            blocks.push(block);
        }
        Self { spans, blocks }
    }

    fn bytes(&self) -> usize {
        self.blocks.iter().map(|block| block.text.len()).sum()
    }
}

impl Source for Decoded {
    fn generation(&self) -> u64 {
        0
    }

    fn blocks(&self) -> &[BlockSpan] {
        &self.spans
    }

    fn scan(
        &self,
        at: usize,
        range: TimeRange,
        _direction: Direction,
        finder: Option<&mut dyn Finder>,
        _tombstones: &Tombstones,
        _scratch: &mut Scratch,
        _budget: &Budget,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let block = &self.blocks[at];
        let mut give = |at: usize| {
            let (ts, start, end) = block.lines[at];
            let metadata = [("detected_level", block.levels[at])];
            let entry = Entry { ts: Nanos(ts), line: &block.text[start..end], metadata: &metadata };
            if range.contains(entry.ts) { visit(entry) } else { ControlFlow::Continue(()) }
        };
        let Some(finder) = finder else {
            for at in 0..block.lines.len() {
                if give(at).is_break() {
                    break;
                }
            }
            return Ok(());
        };
        let mut from = 0;
        while let Some((start, _)) = finder.find_at(&block.text, from) {
            let at = block.lines.partition_point(|line| line.2 <= start);
            let Some(line) = block.lines.get(at) else { break };
            if give(at).is_break() {
                break;
            }
            from = line.2;
        }
        Ok(())
    }
}

/// Seconds this thread has been on a processor, or by the clock where the system does not say.
fn spent() -> f64 {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()) {
        Some(ns) => ns / 1e9,
        None => BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64(),
    }
}

fn run(name: &str, sources: &[&dyn Source], bytes: usize, query: &str) {
    let filter = std::env::args().nth(1).unwrap_or_default();
    if !name.contains(&filter) {
        return;
    }
    let labels = Labels::from_pairs([("app", "a"), ("env", "prod")]);
    let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
    let mut best = f64::MAX;
    let mut answer = String::new();
    let rounds = std::env::args().nth(2).and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    for _ in 0..rounds {
        let began = spent();
        answer = match loptr_logql::parse(query).expect("valid query") {
            Expr::Log(log) => {
                let pipeline = Pipeline::compile(&log, Nanos(0)).expect("valid stages");
                let mut collector = LogCollector::new(1000, Direction::Forward, 0);
                let (mut stream, mut finder) = (pipeline.for_stream(&labels), pipeline.block_finder());
                Merger::new(sources, TimeRange::ALL, Direction::Forward, &tombstones, &budget)
                    .run(
                        finder.as_mut().map(|finder| finder as &mut dyn Finder),
                        &mut Scratch::default(),
                        &mut LogVisitor::new(&mut stream, &mut collector),
                    )
                    .expect("in memory");
                format!("{} streams", collector.finish().len())
            }
            Expr::Metric(metric) => {
                let steps = Steps::range(Nanos(0), Nanos(86_400_000_000_000), 300_000_000_000);
                let mut series = Vec::new();
                for leaf in leaves(&metric) {
                    let plan = leaf.plan(steps, Nanos(0)).expect("valid operation");
                    let (mut stream, mut fold) = (plan.extractor().for_stream(&labels), plan.fold());
                    let mut finder = plan.extractor().block_finder();
                    Merger::new(sources, plan.time_range(), Direction::Forward, &tombstones, &budget)
                        .run(
                            finder.as_mut().map(|finder| finder as &mut dyn Finder),
                            &mut Scratch::default(),
                            &mut SampleVisitor::new(&mut stream, &mut fold),
                        )
                        .expect("in memory");
                    series.extend(fold.finish().expect("no errors"));
                }
                let points: f64 = series.iter().flat_map(|one| &one.points).map(|point| point.1).sum();
                format!("{} series, sum {points:.0}", series.len())
            }
            Expr::Variants(_) => String::new(),
        };
        best = best.min(spent() - began);
    }
    println!(
        "{name:28} {:7.1} ns/entry {:8.0} MB/s   {answer}",
        best * 1e9 / ENTRIES as f64,
        bytes as f64 / best / 1e6
    );
}

fn main() {
    let json = Decoded::new(|at| {
        format!(
            r#"{{"ts":"2026-11-19T10:00:{:02}.{:06}Z","level":"{}","msg":"request done","status":{},"duration_ms":{}.{:03},"method":"GET","path":"/api/v1/items/{}","trace_id":"{:032x}"}}"#,
            at % 60,
            at % 1_000_000,
            ["info", "info", "warn", "error"][at % 4],
            [200, 200, 404, 500][at % 4],
            at % 300,
            at % 1000,
            at % 5000,
            (at as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        )
    });
    let logfmt = Decoded::new(|at| {
        format!(
            r#"ts=2026-11-19T10:00:{:02}.{:06}Z level={} msg="request done" status={} duration={}ms method=GET path=/api/v1/items/{} trace_id={:016x}"#,
            at % 60,
            at % 1_000_000,
            ["info", "info", "warn", "error"][at % 4],
            [200, 200, 404, 500][at % 4],
            at % 300,
            at % 5000,
            (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    });
    let one: [&dyn Source; 1] = [&json];
    let two: [&dyn Source; 2] = [&json, &json];
    let fmt: [&dyn Source; 1] = [&logfmt];
    let (j, l) = (json.bytes(), logfmt.bytes());
    run("count by app", &one, j, r#"sum by (app) (count_over_time({app="a"}[5m]))"#);
    run("count, 1h window", &one, j, r#"sum by (app) (count_over_time({app="a"}[1h]))"#);
    run("count by level", &one, j, r#"sum by (detected_level) (count_over_time({app="a"}[5m]))"#);
    run("count, all labels", &one, j, r#"count_over_time({app="a"}[5m])"#);
    run("bytes by app", &one, j, r#"sum by (app) (bytes_over_time({app="a"}[5m]))"#);
    run("doubled count", &two, 2 * j, r#"sum by (app) (count_over_time({app="a"}[5m]))"#);
    run("needle absent", &one, j, r#"{app="a"} |= "no such needle""#);
    run("needle rare", &one, j, r#"{app="a"} |= "path\":\"/api/v1/items/777\"""#);
    run("doubled needle rare", &two, 2 * j, r#"{app="a"} |= "path\":\"/api/v1/items/777\"""#);
    run("filter error count", &one, j, r#"sum(count_over_time({app="a"} |= "error" [5m]))"#);
    run("regex (?i) count", &one, j, r#"sum(count_over_time({app="a"} |~ "(?i)error|fatal" [5m]))"#);
    run("metadata filter count", &one, j, r#"sum(count_over_time({app="a"} | detected_level="error" [5m]))"#);
    run(
        "json filter by status",
        &one,
        j,
        r#"sum by (status) (count_over_time({app="a"} | json | status >= 400 [5m]))"#,
    );
    run("json all labels filter", &one, j, r#"{app="a"} | json | status = 999"#);
    run("json quantile", &one, j, r#"quantile_over_time(0.99, {app="a"} | json | unwrap duration_ms [5m]) by (app)"#);
    run("json path", &one, j, r#"sum by (s) (count_over_time({app="a"} | json s="status" [5m]))"#);
    run("logfmt rate by status", &fmt, l, r#"sum by (status) (rate({app="a"} | logfmt [5m]))"#);
    run("logfmt all labels filter", &fmt, l, r#"{app="a"} | logfmt | status = 999"#);
    run(
        "logfmt unwrap sum",
        &fmt,
        l,
        r#"sum by (app) (sum_over_time({app="a"} | logfmt | unwrap duration(duration) [5m]))"#,
    );
    run("pattern rate", &fmt, l, r#"sum by (level) (rate({app="a"} | pattern "ts=<_> level=<level> msg=<_>" [5m]))"#);
    run("regexp rate", &fmt, l, r#"sum by (level) (rate({app="a"} | regexp "level=(?P<level>[a-z]+)" [5m]))"#);
}
