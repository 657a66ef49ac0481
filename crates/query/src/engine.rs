//! Runs a query: plan, fetch, scan in parallel, merge.
//!
//! ```text
//! memory ─┐
//! pending ├─> streams ─> pieces ─> fetch (bounded) ─> CPU pool: merge sources, pipeline, fold ─> merge folds ─> value
//! index  ─┘
//! ```
//!
//! The three are asked in this order: whatever moves to the bucket meanwhile is seen at least once, and the merger of
//! each piece drops what it sees twice. Fetching runs ahead of the CPU by a bounded number of pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use loptr_eval::source::{Direction, Merger, Scratch, Source, SourceError};
use loptr_eval::{
    EvalError, Finder, LogCollector, LogStream, LogVisitor, Pipeline, QueryValue, RangeFold, RangePlan, SampleVisitor,
    SeriesSteps, Steps, VariantsFold, VariantsPlan, VariantsVisitor, evaluate, leaves, variants_of,
};
use loptr_logql::ast::{LogExpr, MetricExpr, RangeOp, VariantsExpr};
use loptr_model::{ChunkRef, Labels, Matcher, Millis, Nanos, TenantId, TimeRange};
use loptr_ports::{Budget, Ports, Priority, ProcessBudget, Reservation};
use loptr_regex::LabelMatcher;
use loptr_storage::{Bucket, IndexOperation, IndexStore, IndexedStream};
use parking_lot::Mutex;
use tracing::Instrument;

use crate::deletes::{Deletes, NoDeletes};
use crate::error::QueryError;
use crate::limits::{QueryLimits, nanos};
use crate::plan::{Piece, PlannedStream, Windows, plan};
use crate::reach::Reaches;
use crate::readers::Readers;
use crate::recent::Recent;
use crate::running::RunningQueries;
use crate::size::{Read, is_shardable, reads_of};
use crate::source::{ChunkCounters, ChunkSource, ScanCounters};

/// Settings of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuerySettings {
    /// Bytes one query may hold.
    pub query_bytes: u64,
    /// Bytes all queries may hold.
    pub process_bytes: u64,
    /// Chunk objects one query fetches at once.
    pub parallel_fetches: usize,
    /// Whether a range query's start and end move to multiples of the step (upstream does when it splits queries).
    pub align_to_step: bool,
    /// How upstream's frontend would talk to its queriers.
    pub frontend: FrontendEncoding,
}

/// How upstream's frontend talks to its queriers: not every answer can be told either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontendEncoding {
    /// Queries travel as text.
    #[default]
    Json,
    /// Queries travel as plans.
    Protobuf,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            query_bytes: 1 << 30,
            process_bytes: 4 << 30,
            parallel_fetches: 32,
            align_to_step: true,
            frontend: FrontendEncoding::Json,
        }
    }
}

/// A log query.
#[derive(Clone, Debug)]
pub struct LogRequest {
    /// The query.
    pub query: LogExpr,
    /// Entries wanted lie inside.
    pub range: TimeRange,
    /// Newest or oldest first.
    pub direction: Direction,
    /// Entries at most.
    pub limit: usize,
    /// Least distance between entries, nanoseconds; 0: any.
    pub interval_ns: i64,
    /// Whether entries are grouped by the labels of their stream alone, the rest told beside each line.
    pub categorize: bool,
}

/// What a query answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Entries.
    Streams(Vec<LogStream>),
    /// Numbers.
    Value(QueryValue),
}

/// What a query read of chunks, of the bucket or in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChunkFigures {
    /// Bytes of blocks read, after decompression.
    pub bytes: u64,
    /// Entries in those blocks.
    pub lines: u64,
    /// Bytes of structured metadata of the entries looked at.
    pub metadata_bytes: u64,
    /// Entries that passed the query's stages.
    pub kept: u64,
    /// Those that were met before.
    pub repeated: u64,
}

/// Figures of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryFigures {
    /// Time it took.
    pub took: Duration,
    /// Time its jobs waited for a CPU, added up.
    pub queued: Duration,
    /// Time its jobs ran, added up.
    pub ran: Duration,
    /// Jobs run.
    pub jobs: u64,
    /// Spans of time read one after the other.
    pub windows: u64,
    /// Chunks the index named, or those not named yet that were on their way to it.
    pub chunks: u64,
    /// Chunks in memory.
    pub chunks_in_memory: u64,
    /// Streams they belong to.
    pub streams: u64,
    /// Time it took to find them.
    pub lookup: Duration,
    /// Chunk objects fetched.
    pub chunks_fetched: u64,
    /// Their bytes.
    pub fetched_bytes: u64,
    /// Time spent fetching them, added up.
    pub fetch: Duration,
    /// What was read of them.
    pub stored: ChunkFigures,
    /// Bytes of their blocks before decompression.
    pub compressed_bytes: u64,
    /// What was read in memory.
    pub memory: ChunkFigures,
    /// Whether a stage looked at structured metadata.
    pub metadata_read: bool,
    /// What whoever reads the answer must know: that it is partial.
    pub warnings: Vec<String>,
}

/// The read path of this process.
pub struct QueryEngine {
    pub(crate) ports: Ports,
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) index: Arc<IndexStore>,
    pub(crate) recent: Arc<dyn Recent>,
    deletes: Arc<dyn Deletes>,
    settings: QuerySettings,
    process: Arc<ProcessBudget>,
    pub(crate) running: Arc<RunningQueries>,
    pub(crate) reaches: Reaches,
}

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A range vector of a metric query.
#[derive(Clone)]
struct PlannedLeaf {
    plan: RangePlan,
    /// Whether series are marked with their tenant.
    marks: bool,
}

/// A query under way.
pub(crate) struct Running {
    pub(crate) budget: Budget,
    pub(crate) counters: Arc<ScanCounters>,
    partial: Mutex<Option<String>>,
    started: Nanos,
}

/// Cancels the budget when the caller goes away, so that jobs already queued or running stop at their next line.
pub(crate) struct CancelOnDrop(pub(crate) Budget);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl QueryEngine {
    /// The read path over `bucket`, its `index`, and what `recent` knows.
    pub fn new(
        ports: Ports,
        bucket: Arc<Bucket>,
        index: Arc<IndexStore>,
        recent: Arc<dyn Recent>,
        settings: QuerySettings,
    ) -> Self {
        let process = ProcessBudget::new(settings.process_bytes);
        Self {
            ports,
            bucket,
            index,
            recent,
            deletes: Arc::new(NoDeletes),
            settings,
            process,
            running: Arc::default(),
            reaches: Reaches::default(),
        }
    }

    /// Leaves out what `deletes` tells.
    pub fn without_deleted(self, deletes: Arc<dyn Deletes>) -> Self {
        Self { deletes, ..self }
    }

    /// Bytes all queries hold now.
    pub fn used_bytes(&self) -> u64 {
        self.process.used_bytes()
    }

    /// Counts `bytes` of an answer among what queries hold, until it has been taken.
    pub fn hold(&self, bytes: u64) -> Result<Reservation, QueryError> {
        Ok(Budget::new(u64::MAX, None, self.process.clone()).reserve(bytes)?)
    }

    pub(crate) fn begin(&self, limits: &QueryLimits) -> Running {
        let started = self.ports.clock.monotonic();
        let timeout = i64::try_from(limits.timeout.as_nanos()).unwrap_or(i64::MAX);
        let deadline = (timeout > 0).then(|| (started.saturating_add(timeout), self.ports.clock.clone()));
        Running {
            budget: Budget::new(self.settings.query_bytes, deadline, self.process.clone()),
            counters: Arc::default(),
            partial: Mutex::default(),
            started,
        }
    }

    fn figures(&self, running: &Running, streams: &[Arc<PlannedStream>]) -> QueryFigures {
        let counters = &running.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let time = |counter: &AtomicU64| Duration::from_nanos(get(counter));
        let read = |of: &ChunkCounters| ChunkFigures {
            bytes: get(&of.bytes),
            lines: get(&of.lines),
            metadata_bytes: get(&of.metadata_bytes),
            kept: get(&of.kept),
            repeated: get(&of.repeated),
        };
        QueryFigures {
            took: Duration::from_nanos(self.ns_since(running.started)),
            queued: time(&counters.queue_ns),
            ran: time(&counters.run_ns),
            jobs: get(&counters.jobs),
            windows: get(&counters.windows),
            chunks: streams.iter().map(|stream| stream.chunks.len() as u64).sum(),
            chunks_in_memory: streams.iter().map(|stream| stream.heads.len() as u64).sum(),
            streams: streams.len() as u64,
            lookup: time(&counters.lookup_ns),
            chunks_fetched: get(&counters.chunks_fetched),
            fetched_bytes: get(&counters.fetched_bytes),
            fetch: time(&counters.fetch_ns),
            stored: read(&counters.stored),
            compressed_bytes: get(&counters.compressed_bytes),
            memory: read(&counters.memory),
            metadata_read: counters.metadata_read.load(Ordering::Relaxed),
            warnings: running.partial.lock().iter().cloned().collect(),
        }
    }

    fn ns_since(&self, start: Nanos) -> u64 {
        self.ports.clock.monotonic().0.saturating_sub(start.0).unsigned_abs()
    }

    /// Answers a log query.
    pub async fn logs(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        request: LogRequest,
    ) -> Result<(Answer, QueryFigures), QueryError> {
        limits.check_log(&request)?;
        let running = self.begin(limits);
        let _listed = self.list(readers, request.query.to_string(), &running);
        let _cancel = CancelOnDrop(running.budget.clone());
        let pipeline = Pipeline::compile(&request.query, self.ports.clock.now())?;
        let Some(range) = limits.look_back(request.range, self.ports.clock.now()) else {
            return Ok((Answer::Streams(Vec::new()), QueryFigures::default()));
        };
        limits.check_range(range)?;
        let read = Read { matchers: &request.query.matchers, range, range_ns: 0, offset_ns: 0 };
        if request.query.has_filter() {
            self.check_query_bytes(readers, limits, std::slice::from_ref(&read)).await?;
        }
        let streams = self.streams(readers, &running, &request.query.matchers, range).instrument(plan_span()).await?;
        self.check_part_bytes(readers, limits, &read, &streams, true).await?;
        let collector = LogCollector::new(request.limit, request.direction, request.interval_ns);
        let collector = collector.split_by(nanos(limits.split));
        let mut collected = self.collect(&running, &pipeline, &streams, range, collector).await?;
        if let Some((range, collector)) = collected.beyond_cut(range) {
            let beyond = self.collect(&running, &pipeline, &streams, range, collector).await?;
            collected = collected.with_beyond(beyond);
        }
        let figures = self.figures(&running, &streams);
        let streams = if request.categorize { collected.finish_categorized() } else { collected.finish() };
        Ok((Answer::Streams(streams), figures))
    }

    /// Reads `range` into an empty collector, window by window, until it is full.
    async fn collect(
        &self,
        running: &Running,
        pipeline: &Pipeline,
        streams: &[Arc<PlannedStream>],
        range: TimeRange,
        empty: LogCollector,
    ) -> Result<LogCollector, QueryError> {
        let direction = empty.direction();
        let mut collected = empty.clone();
        let backward = direction == Direction::Backward;
        let mut windows = Windows::new(streams, range, backward, empty.limit(), pipeline.keeps_all());
        while let Some(window) = windows.next(collected.len()) {
            running.counters.windows.fetch_add(1, Ordering::Relaxed);
            let mut pieces: Vec<Piece> = streams.iter().filter_map(|stream| stream.piece(window)).collect();
            // Where entries lie nearest to the end that is read first: the sooner others know how good one must be.
            pieces.sort_by_cached_key(|piece| piece.first_in(backward));
            let narrow = |mut piece: Piece| {
                piece.range = empty.needed(piece.range);
                piece.holds_any().then_some(piece)
            };
            let job = |piece: Piece| {
                let (pipeline, budget, mut part) = (pipeline.clone(), running.budget.clone(), empty.clone());
                let counters = running.counters.clone();
                move |sources: &[Arc<ChunkSource>]| {
                    let mut stream = pipeline.for_stream(&piece.stream.labels);
                    let required = sources_that_may_hold(sources, || pipeline.required_metadata(&piece.stream.labels));
                    let mark = piece.stream.reader.mark.as_deref();
                    let mut visitor = LogVisitor::new(&mut stream, &mut part).marked(mark);
                    scan(&required?, &piece, direction, pipeline.block_finder(), &budget, &mut visitor)?;
                    counters.metadata_read.fetch_or(stream.has_read_metadata(), Ordering::Relaxed);
                    budget.charge(part.held_bytes() as u64)?;
                    Ok(part)
                }
            };
            collected = self
                .run_pieces(running, pieces, narrow, job)
                .try_fold(collected, |all, part| std::future::ready(Ok(all.merge(part))))
                .await?;
            if collected.worst_kept_ts().is_some() {
                break;
            }
        }
        Ok(collected)
    }

    /// Answers a metric query at `steps`.
    pub async fn metrics(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        query: MetricExpr,
        steps: Steps,
    ) -> Result<(Answer, QueryFigures), QueryError> {
        limits.check_metric(&query, steps)?;
        limits.check_approx_topk(&query, steps, self.settings.frontend)?;
        QueryLimits::check_parts(&query)?;
        let running = self.begin(limits);
        let _listed = self.list(readers, query.to_string(), &running);
        let _cancel = CancelOnDrop(running.budget.clone());
        let mut results = Vec::new();
        let mut planned = Vec::new();
        let reads = reads_of(&query, steps);
        self.check_query_bytes(readers, limits, &reads).await?;
        let shardable = is_shardable(&query);
        let leaves = leaves(&query).into_iter().map(|leaf| {
            let plan = leaf.plan(steps, self.ports.clock.now())?;
            // Absence is one series' whoever is absent.
            Ok(PlannedLeaf { plan, marks: leaf.aggregation.op != RangeOp::Absent })
        });
        let leaves: Vec<PlannedLeaf> = leaves.collect::<Result<_, EvalError>>()?;
        let mut folds: Vec<Option<RangeFold>> = leaves.iter().map(|_| None).collect();
        for (at, read) in reads.iter().enumerate() {
            if folds[at].is_none() {
                // Leaves that read the same, as both sides of a ratio often do, are read together.
                let same = |other: &usize| reads[*other] == *read;
                let together: Vec<usize> = (at..reads.len()).filter(same).collect();
                let group: Arc<[PlannedLeaf]> = together.iter().map(|&one| leaves[one].clone()).collect();
                let planned_leaf = self.plan_leaf(readers, &running, limits, read, shardable, &leaves[at].plan).await?;
                let (folded, streams) = self.fold_leaves(&running, group, planned_leaf).await?;
                planned.extend(streams);
                for (one, fold) in together.into_iter().zip(folded) {
                    folds[one] = Some(fold);
                }
            }
            let Some(fold) = folds[at].take() else { continue };
            results.push(self.ports.cpu.run(Priority::Query, move || fold.finish()).await??);
        }
        drop(reads);
        let max_series = limits.series();
        let mut warnings = Vec::new();
        for variants in variants_of(&query) {
            let (plan, folded, streams) = self.fold_variants(readers, &running, limits, variants, steps).await?;
            let finish = move || plan.finish_series(folded, max_series);
            let (series, told) = self.ports.cpu.run(Priority::Query, finish).await??;
            results.push(series);
            planned.extend(streams);
            warnings.extend(told);
        }
        let value = self.ports.cpu.run(Priority::Query, move || evaluate(&query, steps, results, max_series)).await??;
        let mut figures = self.figures(&running, &planned);
        figures.warnings.extend(warnings);
        Ok((Answer::Value(value), figures))
    }

    /// Answers `variants` at `steps`.
    pub async fn variants(
        &self,
        readers: &Readers,
        limits: &QueryLimits,
        query: VariantsExpr,
        steps: Steps,
    ) -> Result<(Answer, QueryFigures), QueryError> {
        let running = self.begin(limits);
        let _listed = self.list(readers, query.to_string(), &running);
        let _cancel = CancelOnDrop(running.budget.clone());
        let max_series = limits.series();
        let (mut planned, mut told) = (Vec::new(), BTreeSet::new());
        // Upstream answers each part by itself: where a part ends its variants fall silent together.
        let mut all: BTreeMap<Labels, Vec<(u32, f64)>> = BTreeMap::new();
        for (first, part) in limits.parts_of(&query, steps) {
            let (plan, folded, streams) = self.fold_variants(readers, &running, limits, &query, part).await?;
            let finish = move || plan.finish_series(folded, max_series);
            let (series, warnings) = self.ports.cpu.run(Priority::Query, finish).await??;
            for one in series {
                all.entry(one.labels)
                    .or_default()
                    .extend(one.points.iter().map(|&(step, value)| (first + step, value)));
            }
            planned.extend(streams);
            told.extend(warnings);
        }
        let series = all.into_iter().map(|(labels, points)| SeriesSteps { labels, points }).collect();
        let value = VariantsPlan::new(&query, steps, self.ports.clock.now())?.value(series)?;
        let mut figures = self.figures(&running, &planned);
        figures.warnings.extend(told);
        Ok((Answer::Value(value), figures))
    }

    async fn fold_variants(
        &self,
        readers: &Readers,
        running: &Running,
        limits: &QueryLimits,
        query: &VariantsExpr,
        steps: Steps,
    ) -> Result<(Arc<VariantsPlan>, VariantsFold, Vec<Arc<PlannedStream>>), QueryError> {
        limits.check_variants(query, steps)?;
        let read = Read {
            matchers: &query.of.log.matchers,
            range: TimeRange { start: steps.start, end: steps.end },
            range_ns: query.of.range_ns,
            offset_ns: query.of.offset_ns,
        };
        self.check_query_bytes(readers, limits, std::slice::from_ref(&read)).await?;
        let plan = Arc::new(VariantsPlan::new(query, steps, self.ports.clock.now())?);
        let (mut folded, mut streams) = (plan.fold(), Vec::new());
        if let Some(range) = limits.look_back(plan.time_range(), self.ports.clock.now()) {
            streams = self.streams(readers, running, &query.of.log.matchers, range).instrument(plan_span()).await?;
            self.check_part_bytes(readers, limits, &read, &streams, false).await?;
            let pieces: Vec<Piece> = streams.iter().flat_map(|stream| stream.pieces(range)).collect();
            let job = |piece: Piece| {
                let (plan, budget, counters) = (plan.clone(), running.budget.clone(), running.counters.clone());
                move |sources: &[Arc<ChunkSource>]| {
                    let (labels, pipeline) = (&piece.stream.labels, plan.pipeline());
                    let required = sources_that_may_hold(sources, || pipeline.required_metadata(labels));
                    let mut fold = plan.fold();
                    let mut stream = plan.for_stream(labels, piece.stream.reader.mark.as_deref());
                    let mut visitor = VariantsVisitor::new(&mut stream, &mut fold);
                    let finder = pipeline.block_finder();
                    scan(&required?, &piece, Direction::Forward, finder, &budget, &mut visitor)?;
                    counters.metadata_read.fetch_or(stream.has_read_metadata(), Ordering::Relaxed);
                    budget.charge(fold.held_bytes() as u64)?;
                    Ok(fold)
                }
            };
            folded = self
                .run_pieces(running, pieces, Some, job)
                .try_fold(folded, |all: VariantsFold, part| std::future::ready(Ok(all.merge(part))))
                .await?;
        }
        Ok((plan, folded, streams))
    }

    /// What a range vector reads; nothing when all of it lies too far back.
    async fn plan_leaf(
        &self,
        readers: &Readers,
        running: &Running,
        limits: &QueryLimits,
        read: &Read<'_>,
        shardable: bool,
        range_plan: &RangePlan,
    ) -> Result<Option<(TimeRange, Vec<Arc<PlannedStream>>)>, QueryError> {
        let Some(range) = limits.look_back(range_plan.time_range(), self.ports.clock.now()) else { return Ok(None) };
        let streams = self.streams(readers, running, read.matchers, range).instrument(plan_span()).await?;
        self.check_part_bytes(readers, limits, read, &streams, shardable).await?;
        Ok(Some((range, streams)))
    }

    /// Reads once for all of `leaves`, which read the same.
    async fn fold_leaves(
        &self,
        running: &Running,
        leaves: Arc<[PlannedLeaf]>,
        planned: Option<(TimeRange, Vec<Arc<PlannedStream>>)>,
    ) -> Result<(Vec<RangeFold>, Vec<Arc<PlannedStream>>), QueryError> {
        let empty: Vec<RangeFold> = leaves.iter().map(|leaf| leaf.plan.fold()).collect();
        let Some((range, streams)) = planned else { return Ok((empty, Vec::new())) };
        let mut pieces: Vec<Piece> = streams.iter().flat_map(|stream| stream.pieces(range)).collect();
        pieces.iter_mut().for_each(|piece| piece.read_again = leaves.len() > 1);
        let job = |piece: Piece| {
            let (leaves, budget, counters) = (leaves.clone(), running.budget.clone(), running.counters.clone());
            move |sources: &[Arc<ChunkSource>]| {
                let folds = leaves.iter().map(|PlannedLeaf { plan, marks }| {
                    let mut fold = plan.fold();
                    let extractor = plan.extractor();
                    let required = sources_that_may_hold(sources, || extractor.required_metadata(&piece.stream.labels));
                    let mut stream = extractor.for_stream(&piece.stream.labels);
                    let mark = piece.stream.reader.mark.as_deref().filter(|_| *marks);
                    let mut visitor = SampleVisitor::new(&mut stream, &mut fold).marked(mark);
                    let finder = extractor.block_finder();
                    scan(&required?, &piece, Direction::Forward, finder, &budget, &mut visitor)?;
                    counters.metadata_read.fetch_or(stream.has_read_metadata(), Ordering::Relaxed);
                    budget.charge(fold.held_bytes() as u64)?;
                    Ok(fold)
                });
                folds.collect::<Result<Vec<RangeFold>, SourceError>>()
            }
        };
        let merge = |all: Vec<RangeFold>, part: Vec<RangeFold>| {
            let merged = all.into_iter().zip(part).map(|(all, part)| all.merge(part)).collect();
            std::future::ready(Ok(merged))
        };
        let folded = self.run_pieces(running, pieces, Some, job).try_fold(empty, merge).await?;
        Ok((folded, streams))
    }

    /// Fetches each piece's chunks and runs its job on the CPU pool, several pieces at once, results in any order. When a
    /// piece's turn comes, `narrow` says what of it is still wanted.
    fn run_pieces<'a, T, N, J, F>(
        &'a self,
        running: &'a Running,
        pieces: Vec<Piece>,
        narrow: N,
        job: J,
    ) -> impl futures::Stream<Item = Result<T, QueryError>> + 'a
    where
        T: Send + 'static,
        N: Fn(Piece) -> Option<Piece> + 'a,
        J: Fn(Piece) -> F + 'a,
        F: FnOnce(&[Arc<ChunkSource>]) -> Result<T, SourceError> + Send + 'static,
    {
        let ahead = self.ports.cpu.parallelism() * 2 + 2;
        let steps = Arc::new((narrow, job));
        stream::iter(pieces)
            .map(move |piece| {
                let steps = steps.clone();
                async move {
                    let (narrow, job) = &*steps;
                    let Some(piece) = narrow(piece) else { return Ok(None) };
                    let fetched = self.fetch(running, &piece).await?;
                    let work = job(piece.clone());
                    let (clock, counters) = (self.ports.clock.clone(), running.counters.clone());
                    let asked = clock.monotonic();
                    let scan = move || {
                        let begun = clock.monotonic();
                        let sources = fetched.open(&piece)?;
                        let done = work(&sources)?;
                        let ns = |from: Nanos, to: Nanos| to.0.saturating_sub(from.0).unsigned_abs();
                        counters.queue_ns.fetch_add(ns(asked, begun), Ordering::Relaxed);
                        counters.run_ns.fetch_add(ns(begun, clock.monotonic()), Ordering::Relaxed);
                        counters.jobs.fetch_add(1, Ordering::Relaxed);
                        Ok::<T, QueryError>(done)
                    };
                    let scan = self.ports.cpu.run(Priority::Query, scan);
                    scan.instrument(tracing::info_span!("scan")).await?.map(Some)
                }
            })
            .buffer_unordered(ahead)
            .try_filter_map(|done| std::future::ready(Ok(done)))
    }

    /// The objects of the piece's chunks, as they lie in the bucket.
    async fn fetch(&self, running: &Running, piece: &Piece) -> Result<Fetched, QueryError> {
        running.budget.check()?;
        let references: Vec<ChunkRef> = piece.stream.chunks_in(piece.range).map(|chunk| chunk.reference).collect();
        let parallel = self.settings.parallel_fetches;
        let asked = self.ports.clock.monotonic();
        let get = self.bucket.get_chunks(&piece.stream.reader.tenant, &references, parallel);
        let objects = get.instrument(tracing::info_span!("fetch", chunks = references.len())).await?;
        running.counters.fetch_ns.fetch_add(self.ns_since(asked), Ordering::Relaxed);
        let bytes: u64 = objects.iter().map(|object| object.len() as u64).sum();
        running.counters.chunks_fetched.fetch_add(objects.len() as u64, Ordering::Relaxed);
        running.counters.fetched_bytes.fetch_add(bytes, Ordering::Relaxed);
        let held = running.budget.reserve(bytes)?;
        Ok(Fetched {
            chunks: references.into_iter().zip(objects).collect(),
            bucket: self.bucket.clone(),
            tenant: piece.stream.reader.tenant.clone(),
            counters: running.counters.clone(),
            _held: held,
        })
    }

    /// The streams a query reads, from memory and bucket.
    pub(crate) async fn streams(
        &self,
        readers: &Readers,
        running: &Running,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<Arc<PlannedStream>>, QueryError> {
        let begun = self.ports.clock.monotonic();
        if readers.are_hidden(matchers) {
            return Ok(Vec::new());
        }
        let (readers, matchers) = readers.choose(matchers)?;
        let matchers = compile(&matchers)?;
        let (from, through) = millis(range);
        let mut all = Vec::new();
        for reader in readers.each() {
            let deletions = self.deletes.of(&reader.tenant).await.map_err(QueryError::Deletes)?;
            if let Some(partial) = self.recent.partial(&reader.tenant, range).await {
                *running.partial.lock() = Some(partial);
            }
            let (recent, tenant, asked) = (self.recent.clone(), reader.tenant.clone(), matchers.clone());
            // In this order, see the module's page.
            let in_memory = move || {
                let streams = recent.streams(&tenant, &asked, range);
                (streams, recent.pending(&tenant, &asked, from, through))
            };
            let (in_memory, pending) = self.ports.cpu.run(Priority::Query, in_memory).await?;
            let indexed = self.indexed(IndexOperation::ChunkRefs, &reader.tenant, &matchers, from, through).await?;
            let counters = running.counters.clone();
            let put_together =
                move || plan(&reader, in_memory, pending.into_iter().chain(indexed), &deletions, &counters);
            all.extend(self.ports.cpu.run(Priority::Query, put_together).await?);
        }
        running.counters.lookup_ns.fetch_add(self.ns_since(begun), Ordering::Relaxed);
        Ok(all)
    }

    pub(crate) async fn indexed(
        &self,
        operation: IndexOperation,
        tenant: &TenantId,
        matchers: &Arc<[LabelMatcher]>,
        from: Millis,
        through: Millis,
    ) -> Result<Vec<IndexedStream>, QueryError> {
        let began = self.ports.clock.monotonic();
        let found = self.find_indexed(tenant, matchers, from, through).await;
        self.index.asked(operation, through, began, found.is_err());
        found
    }

    async fn find_indexed(
        &self,
        tenant: &TenantId,
        matchers: &Arc<[LabelMatcher]>,
        from: Millis,
        through: Millis,
    ) -> Result<Vec<IndexedStream>, QueryError> {
        let snapshot = self.index.snapshot(tenant, from, through).await?;
        let matchers = matchers.clone();
        let select = move || snapshot.streams(&matchers, from, through);
        Ok(self.ports.cpu.run(Priority::Query, select).await??)
    }
}

/// Finding out what is read.
fn plan_span() -> tracing::Span {
    tracing::info_span!("plan")
}

/// A piece's objects, on their way to a CPU thread.
struct Fetched {
    chunks: Vec<(ChunkRef, Bytes)>,
    bucket: Arc<Bucket>,
    tenant: TenantId,
    counters: Arc<ScanCounters>,
    /// Given back when the objects go.
    _held: Reservation,
}

impl Fetched {
    /// Everything of the piece's stream that overlaps its span. Memory comes last: what was flushed arrived before.
    fn open(&self, piece: &Piece) -> Result<Vec<Arc<ChunkSource>>, QueryError> {
        let labels = &piece.stream.labels;
        let mut sources = Vec::with_capacity(self.chunks.len() + piece.stream.heads.len());
        for (reference, object) in &self.chunks {
            let chunk = self.bucket.open_chunk(&self.tenant, reference, object.clone())?;
            let name = format!("chunk object {}", self.bucket.chunk_name(&self.tenant, reference));
            let source = ChunkSource::new(chunk, name, labels.clone(), false, self.counters.clone());
            sources.push(Arc::new(if piece.read_again { source.keeping_blocks() } else { source }));
        }
        sources.extend(piece.stream.heads_in(piece.range).cloned());
        Ok(sources)
    }
}

/// Compiles a selector.
pub fn compile(matchers: &[Matcher]) -> Result<Arc<[LabelMatcher]>, QueryError> {
    let compiled: Result<Vec<LabelMatcher>, _> = matchers.iter().map(LabelMatcher::compile).collect();
    let compiled = compiled.map_err(|error| QueryError::BadRequest(format!("parse error : {error}")))?;
    Ok(compiled.into())
}

/// The range in the index's milliseconds, rounded outwards.
pub(crate) fn millis(range: TimeRange) -> (Millis, Millis) {
    (range.start.floor_millis(), range.end.ceil_millis())
}

/// The sources whose symbols allow an entry with the required metadata.
fn sources_that_may_hold<'s, 'p, P: Iterator<Item = (&'p str, &'p str)>>(
    sources: &'s [Arc<ChunkSource>],
    required: impl Fn() -> P,
) -> Result<Vec<&'s dyn Source>, SourceError> {
    let mut kept: Vec<&dyn Source> = Vec::with_capacity(sources.len());
    for source in sources {
        if source.may_hold(required())? {
            kept.push(&**source);
        }
    }
    Ok(kept)
}

fn scan<V: loptr_eval::source::Visitor>(
    sources: &[&dyn Source],
    piece: &Piece,
    direction: Direction,
    finder: Option<loptr_eval::BlockFinder>,
    budget: &Budget,
    visitor: &mut V,
) -> Result<(), SourceError> {
    let mut scratch = Scratch::default();
    let mut finder = finder;
    let finder = finder.as_mut().map(|finder| finder as &mut dyn Finder);
    Merger::new(sources, piece.range, direction, &piece.stream.tombstones, budget).run(finder, &mut scratch, visitor)
}

/// Steps of a range query. Upstream moves start down and end up to multiples of the step when it splits queries.
pub fn range_steps(start: Nanos, end: Nanos, step_ns: i64, align: bool) -> Steps {
    if !align || step_ns <= 0 {
        return Steps::range(start, end, step_ns);
    }
    let floor = |ts: i64| ts.saturating_sub(ts.rem_euclid(step_ns));
    let up = floor(end.0.saturating_add(step_ns - 1));
    Steps::range(Nanos(floor(start.0)), Nanos(up), step_ns)
}
