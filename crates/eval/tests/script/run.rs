//! Runs one query over one layout of the entries and compares.

use loptr_eval::source::{Direction, Merger, Scratch, Source, Tombstones, VecSource};
use loptr_eval::{
    Finder, LogCollector, LogStream, LogVisitor, Pipeline, QueryValue, SampleVisitor, Steps, VariantsFold,
    VariantsPlan, VariantsVisitor, evaluate, leaves, variants_of,
};
use loptr_logql::ast::{Expr, LogExpr, MetricExpr, VariantsExpr};
use loptr_model::{Labels, Matcher, Nanos, OwnedEntry, TimeRange};
use loptr_ports::Budget;
use loptr_regex::LabelMatcher;

use loptr_conformance::script::{Ask, Eval, is_same, parse_labels, parse_text, parse_time, parse_values};

use super::Script;

/// How entries lie.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// One block per stream.
    Whole,
    /// Blocks of three entries; time is cut in two, each half and stream a task of its own.
    Pieces,
    /// As pieces, with everything stored again in blocks of five.
    Doubled,
}

impl Layout {
    pub(crate) const ALL: [Layout; 3] = [Layout::Whole, Layout::Pieces, Layout::Doubled];

    fn sources(self, labels: &Labels, entries: &[OwnedEntry]) -> Vec<VecSource> {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|entry| entry.ts);
        let cut = |size: usize| VecSource::new(labels.clone(), entries.chunks(size).map(<[OwnedEntry]>::to_vec));
        match self {
            Layout::Whole => vec![cut(usize::MAX)],
            Layout::Pieces => vec![cut(3)],
            Layout::Doubled => vec![cut(3), cut(5)],
        }
    }

    /// The ranges that tasks work on.
    fn tasks(self, range: TimeRange) -> Vec<TimeRange> {
        let middle = Nanos(range.start.0 + (range.end.0 - range.start.0) / 2);
        match self {
            Layout::Whole => vec![range],
            // Later times first: the order of tasks must not matter.
            _ => vec![TimeRange::new(middle, range.end), TimeRange::new(range.start, middle)],
        }
    }
}

struct Reader<'a> {
    script: &'a Script,
    layout: Layout,
}

impl Reader<'_> {
    /// Calls `read` with each selected stream, its sources and each task's range.
    fn each(&self, matchers: &[Matcher], range: TimeRange, mut read: impl FnMut(&Labels, &[&dyn Source], TimeRange)) {
        let matchers: Vec<LabelMatcher> =
            matchers.iter().map(|matcher| LabelMatcher::compile(matcher).expect("valid matcher")).collect();
        for (labels, entries) in &self.script.streams {
            let selects = |matcher: &LabelMatcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default());
            if matchers.iter().all(selects) {
                let sources = self.layout.sources(labels, entries);
                let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
                for task in self.layout.tasks(range) {
                    read(labels, &sources, task);
                }
            }
        }
    }

    fn logs(&self, log: &LogExpr, ask: Ask) -> Result<Vec<LogStream>, String> {
        let Ask::Logs { start_ns, end_ns, forward, limit, interval_ns } = ask else {
            return Err("a log query".into());
        };
        let range = TimeRange::new(Nanos(start_ns), Nanos(end_ns));
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let pipeline = Pipeline::compile(log, Nanos(0)).map_err(|error| error.to_string())?;
        let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
        let mut all = LogCollector::new(limit, direction, interval_ns);
        self.each(&log.matchers, range, |labels, sources, task| {
            let mut stream = pipeline.for_stream(labels);
            let mut part = LogCollector::new(limit, direction, interval_ns);
            let mut finder = pipeline.block_finder();
            Merger::new(sources, task, direction, &tombstones, &budget)
                .run(
                    finder.as_mut().map(|finder| finder as &mut dyn Finder),
                    &mut Scratch::default(),
                    &mut LogVisitor::new(&mut stream, &mut part),
                )
                .expect("memory sources do not fail");
            let before = std::mem::replace(&mut all, LogCollector::new(limit, direction, interval_ns));
            all = before.merge(part);
        });
        Ok(all.finish())
    }

    fn metric(&self, expr: &MetricExpr, steps: Steps) -> Result<QueryValue, String> {
        let mut results = Vec::new();
        for leaf in leaves(expr) {
            let plan = leaf.plan(steps, Nanos(0)).map_err(|error| error.to_string())?;
            let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
            let mut all = plan.fold();
            self.each(&leaf.aggregation.range.log.matchers, plan.time_range(), |labels, sources, task| {
                let mut extractor = plan.extractor().for_stream(labels);
                let mut part = plan.fold();
                let mut finder = plan.extractor().block_finder();
                Merger::new(sources, task, Direction::Forward, &tombstones, &budget)
                    .run(
                        finder.as_mut().map(|finder| finder as &mut dyn Finder),
                        &mut Scratch::default(),
                        &mut SampleVisitor::new(&mut extractor, &mut part),
                    )
                    .expect("memory sources do not fail");
                let before = std::mem::replace(&mut all, plan.fold());
                all = before.merge(part);
            });
            results.push(all.finish().map_err(|error| error.to_string())?);
        }
        for variants in variants_of(expr) {
            let (plan, fold) = self.fold_variants(variants, steps)?;
            results.push(plan.finish_series(fold, 500).map_err(|error| error.to_string())?.0);
        }
        evaluate(expr, steps, results, 500).map_err(|error| error.to_string())
    }
}

impl Reader<'_> {
    fn variants(&self, expr: &VariantsExpr, steps: Steps) -> Result<QueryValue, String> {
        let (plan, fold) = self.fold_variants(expr, steps)?;
        plan.finish(fold, 500).map(|(value, _)| value).map_err(|error| error.to_string())
    }

    fn fold_variants(&self, expr: &VariantsExpr, steps: Steps) -> Result<(VariantsPlan, VariantsFold), String> {
        let plan = VariantsPlan::new(expr, steps, Nanos(0)).map_err(|error| error.to_string())?;
        let (tombstones, budget) = (Tombstones::default(), Budget::unlimited());
        let mut all = plan.fold();
        self.each(&expr.of.log.matchers, plan.time_range(), |labels, sources, task| {
            let (mut stream, mut part) = (plan.for_stream(labels, None), plan.fold());
            let mut finder = plan.pipeline().block_finder();
            Merger::new(sources, task, Direction::Forward, &tombstones, &budget)
                .run(
                    finder.as_mut().map(|finder| finder as &mut dyn Finder),
                    &mut Scratch::default(),
                    &mut VariantsVisitor::new(&mut stream, &mut part),
                )
                .expect("memory sources do not fail");
            let before = std::mem::replace(&mut all, plan.fold());
            all = before.merge(part);
        });
        Ok((plan, all))
    }
}

fn steps(ask: Ask) -> Result<Steps, String> {
    match ask {
        Ask::Instant { ts_ns } => Ok(Steps::instant(Nanos(ts_ns))),
        Ask::Range { start_ns, end_ns, step_ns } => Ok(Steps::range(Nanos(start_ns), Nanos(end_ns), step_ns)),
        Ask::Logs { .. } => Err("a metric query".into()),
    }
}

/// Compares one answer; the error says what differs.
pub(crate) fn check(script: &Script, eval: &Eval, layout: Layout) -> Result<(), String> {
    let reader = Reader { script, layout };
    let answer =
        loptr_logql::parse(&eval.query).map_err(|error| error.to_string()).and_then(|expr| match (&expr, eval.ask) {
            (Expr::Log(log), ask) => reader.logs(log, ask).map(Answer::Logs),
            (Expr::Variants(variants), ask) => reader.variants(variants, steps(ask)?).map(Answer::Value),
            (Expr::Metric(metric), ask) => reader.metric(metric, steps(ask)?).map(Answer::Value),
        });
    match (answer, eval.fails) {
        (Err(error), true) => {
            let want = eval.expect.join("\n");
            if error.contains(&want) { Ok(()) } else { Err(format!("expected error: {want}\ngot: {error}")) }
        }
        (Err(error), false) => Err(error),
        (Ok(answer), true) => Err(format!("should have failed, but: {answer:?}")),
        (Ok(Answer::Logs(streams)), false) => compare_logs(&eval.expect, &streams),
        (Ok(Answer::Value(value)), false) => compare_value(&eval.expect, &value, eval.ask),
    }
}

#[derive(Debug)]
enum Answer {
    Logs(Vec<LogStream>),
    Value(QueryValue),
}

fn compare_logs(expect: &[String], streams: &[LogStream]) -> Result<(), String> {
    let mut got = Vec::new();
    for stream in streams {
        got.push(stream.labels.all.to_string());
        got.extend(
            stream
                .entries
                .iter()
                .map(|entry| format!("{} {}", entry.ts.0, String::from_utf8_lossy(&entry.line)).trim_end().to_owned()),
        );
    }
    let want = |line: &String| {
        if line.starts_with('{') {
            return Ok(Labels::from_pairs(parse_labels(line)?.0).to_string());
        }
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        Ok::<_, String>(format!("{} {}", parse_time(time)?, parse_text(text)?).trim_end().to_owned())
    };
    let want: Vec<String> = expect.iter().map(want).collect::<Result<_, _>>()?;
    if got == want { Ok(()) } else { Err(format!("expected {want:#?}\ngot {got:#?}")) }
}

fn compare_value(expect: &[String], value: &QueryValue, ask: Ask) -> Result<(), String> {
    let steps = steps(ask)?;
    let at = |ts: loptr_model::Millis| (0..steps.count()).position(|step| steps.at(step).floor_millis() == ts);
    let mut got: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    match value {
        QueryValue::Scalar { value, .. } => got.push(("scalar".into(), vec![Some(*value)])),
        QueryValue::Vector(samples) => {
            got.extend(samples.iter().map(|sample| (sample.labels.to_string(), vec![Some(sample.value)])));
        }
        QueryValue::Matrix(series) => {
            for one in series {
                let mut values = vec![None; steps.count() as usize];
                for &(ts, value) in &one.points {
                    values[at(ts).ok_or("a point between steps")?] = Some(value);
                }
                got.push((one.labels.to_string(), values));
            }
        }
    }
    let want = |line: &String| {
        let (labels, values) = parse_values(line)?;
        let labels = labels.map_or_else(|| "scalar".to_owned(), |labels| Labels::from_pairs(labels).to_string());
        Ok::<_, String>((labels, values))
    };
    let want: Vec<(String, Vec<Option<f64>>)> = expect.iter().map(want).collect::<Result<_, _>>()?;
    let equal = got.len() == want.len()
        && got.iter().zip(&want).all(|(got, want)| {
            got.0 == want.0 && got.1.len() == want.1.len() && got.1.iter().zip(&want.1).all(|(&a, &b)| is_same(a, b))
        });
    if equal { Ok(()) } else { Err(format!("expected {want:#?}\ngot {got:#?}")) }
}
