//! The query API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use loptr_eval::Steps;
use loptr_eval::source::Direction;
use loptr_logql::ast::{Expr, LogExpr, LogRange, MetricExpr, VariantsExpr};
use loptr_model::{Matcher, Nanos, TimeRange};
use loptr_query::{Answer, LogRequest, QueryFigures, QueryKind, range_steps};
use loptr_wire::answer::proto::LogQuestion;
use loptr_wire::answer::{EncodingFlags, QueryStats, write_format_error, write_formatted};
use loptr_wire::params::{self, InstantParams, Params, RangeParams};

use super::App;
use super::asked::{Asked, bytes, form, json, log_range, on_cpu, read};
use super::error::HttpError;
use super::query_log::QueryLog;
use super::results::{Shape, body_of};

/// The header in which clients say what a query is for.
pub(super) const TAGS: &str = "x-query-tags";

pub(super) fn stats_of(figures: &QueryFigures, returned: usize) -> QueryStats {
    let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let ns = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let (stored, memory) = (&figures.stored, &figures.memory);
    let secs = figures.took.as_secs_f64();
    let (bytes, lines) = (stored.bytes + memory.bytes, stored.lines + memory.lines);
    let per_sec = |value: u64| if secs > 0.0 { (value as f64 / secs) as i64 } else { 0 };
    let mut stats = QueryStats::default();

    let summary = &mut stats.summary;
    summary.bytes_per_second = per_sec(bytes);
    summary.lines_per_second = per_sec(lines);
    summary.total_bytes = int(bytes);
    summary.total_lines = int(lines);
    summary.exec_secs = secs;
    summary.queue_secs = figures.queued.as_secs_f64();
    summary.total_entries_returned = i64::try_from(returned).unwrap_or(i64::MAX);
    // As upstream counts: what was not cut is no split.
    summary.splits = if figures.windows > 1 { int(figures.windows) } else { 0 };
    summary.shards = int(figures.jobs);
    summary.total_post_filter_lines = int(stored.kept + memory.kept);
    summary.total_metadata_bytes = int(stored.metadata_bytes + memory.metadata_bytes);

    stats.querier.exec_secs = figures.ran.as_secs_f64();
    let store = &mut stats.querier.store;
    store.total_chunks_ref = int(figures.chunks);
    store.total_chunks_downloaded = int(figures.chunks_fetched);
    store.chunks_download_ns = ns(figures.fetch);
    store.chunk_refs_fetch_ns = ns(figures.lookup);
    store.metadata_referenced = figures.metadata_read && stored.lines > 0;
    store.chunk.decompressed_bytes = int(stored.bytes);
    store.chunk.decompressed_lines = int(stored.lines);
    store.chunk.decompressed_metadata_bytes = int(stored.metadata_bytes);
    store.chunk.compressed_bytes = int(figures.compressed_bytes);
    store.chunk.post_filter_lines = int(stored.kept);
    store.chunk.total_duplicates = int(stored.repeated);

    let ingester = &mut stats.ingester;
    ingester.total_reached = i64::from(figures.chunks_in_memory > 0);
    ingester.total_chunks_matched = int(figures.chunks_in_memory);
    ingester.total_lines_sent = int(memory.kept);
    ingester.store.metadata_referenced = figures.metadata_read && memory.lines > 0;
    ingester.store.chunk.head_bytes = int(memory.bytes);
    ingester.store.chunk.head_lines = int(memory.lines);
    ingester.store.chunk.head_metadata_bytes = int(memory.metadata_bytes);
    ingester.store.chunk.post_filter_lines = int(memory.kept);
    ingester.store.chunk.total_duplicates = int(memory.repeated);

    stats.index.total_chunks = int(figures.chunks);
    stats.index.post_filter_chunks = int(figures.chunks);
    stats.index.total_streams = int(figures.streams);
    stats.index.chunk_refs_lookup_secs = figures.lookup.as_secs_f64();
    stats
}

pub(super) fn encoding_flags(headers: &HeaderMap) -> EncodingFlags {
    let flags = headers.get("x-loki-response-encoding-flags").and_then(|value| value.to_str().ok());
    EncodingFlags::parse(flags.unwrap_or_default())
}

/// What `answer` says, in the format asked for, and what was read for it of what lies in the ranges.
pub(super) async fn answer(
    app: &App,
    asked: &Asked,
    answer: Answer,
    (figures, ranges): (QueryFigures, Vec<TimeRange>),
    question: LogQuestion,
) -> Result<Response, HttpError> {
    let shape = Shape { format: asked.format, flags: encoding_flags(&asked.headers), question };
    let told = figures.clone();
    let body = on_cpu(app, move || body_of(&answer, &figures, &shape)).await?;
    let body = body.map_err(|error| HttpError::query(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut response = bytes(asked.format, body);
    // An answer is not lost because of what is told of it.
    let reach = app.engine.reach(&asked.readers, &asked.limits, &ranges).await.ok();
    read_headers(&mut response, &told, reach);
    Ok(response)
}

/// What the answer of a log query repeats of it.
pub(super) fn question_of(range: &RangeParams, legacy: bool) -> LogQuestion {
    LogQuestion { backward: range.direction == params::Direction::Backward, limit: range.limit, legacy }
}

/// What a log query over a range asks of the engine.
pub(super) fn log_request(query: LogExpr, range: &RangeParams, categorize: bool) -> LogRequest {
    LogRequest {
        query,
        range: log_range(range.start, range.end),
        direction: match range.direction {
            params::Direction::Forward => Direction::Forward,
            params::Direction::Backward => Direction::Backward,
        },
        limit: range.limit as usize,
        interval_ns: range.interval_ns,
        categorize,
    }
}

/// Whether the request only asks what it would read.
fn wants_explanation(headers: &HeaderMap) -> bool {
    headers.get("x-loptr-explain").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// What `query` would read between `start` and `end`, as JSON.
async fn explained(
    app: &App,
    asked: &Asked,
    query: &Expr,
    (start, end): (Nanos, Nanos),
) -> Result<Response, HttpError> {
    let told = app.engine.explain(&asked.readers, &asked.limits, &selectors(query, start, end)).await?;
    let body = serde_json::json!({
        "streams": told.streams,
        "chunks": told.chunks,
        "bytes": told.bytes,
        "prunedShare": told.pruned,
        "requests": told.requests,
    });
    Ok(json(body.to_string().into_bytes()))
}

/// The selectors of a query over `[start, end]`, each with the time it reads.
pub(super) fn selectors(query: &Expr, start: Nanos, end: Nanos) -> Vec<(&[Matcher], TimeRange)> {
    fn within(range: &LogRange, (start, end): (Nanos, Nanos)) -> (&[Matcher], TimeRange) {
        let from = start.saturating_sub(range.offset_ns).saturating_sub(range.range_ns);
        (&range.log.matchers, TimeRange::new(from, end.saturating_sub(range.offset_ns).saturating_add(1)))
    }
    let of_range = |range| within(range, (start, end));
    match query {
        Expr::Log(query) => vec![(&query.matchers, log_range(start, end))],
        Expr::Metric(query) => {
            let leaves = loptr_eval::leaves(query);
            let variants = loptr_eval::variants_of(query);
            let ranges = leaves.iter().map(|leaf| &leaf.aggregation.range).chain(variants.iter().map(|v| &v.of));
            ranges.map(of_range).collect()
        }
        Expr::Variants(query) => vec![of_range(&query.of)],
    }
}

/// The time that a query over `[start, end]` reads, selector by selector.
fn ranges_of(query: &Expr, start: Nanos, end: Nanos) -> Vec<TimeRange> {
    selectors(query, start, end).into_iter().map(|(_, range)| range).collect()
}

/// What was read, beside the answer, of the `reach` there is.
fn read_headers(response: &mut Response, figures: &QueryFigures, reach: Option<u64>) {
    let bytes = figures.stored.bytes + figures.memory.bytes;
    let counted = [
        ("x-loptr-read-streams", figures.streams),
        ("x-loptr-read-chunks", figures.chunks + figures.chunks_in_memory),
        ("x-loptr-read-bytes", bytes),
        ("x-loptr-read-requests", figures.chunks_fetched),
    ];
    for (name, value) in counted {
        response.headers_mut().insert(name, HeaderValue::from(value));
    }
    if let Some(reach) = reach {
        let pruned = if reach == 0 { 0.0 } else { 1.0 - bytes.min(reach) as f64 / reach as f64 };
        let text = HeaderValue::try_from(format!("{pruned:.4}")).expect("a number is a header");
        response.headers_mut().insert("x-loptr-read-pruned-share", text);
    }
}

/// `/loki/api/v1/query_range`
pub(crate) async fn query_range(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let range = RangeParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let query = loptr_logql::parse(&range.query).map_err(HttpError::bad_query)?;
    if wants_explanation(&asked.headers) {
        return explained(&app, &asked, &query, (range.start, range.end)).await;
    }
    let log = QueryLog::begin(&app, &asked, &range.query, word_of(&query), "range");
    let log = log.spanning(range.start, range.end, range.step_ns, range.limit);
    let ranges = ranges_of(&query, range.start, range.end);
    let result = over_range(&app, &asked, query, &range).await;
    log.answered(&app, &result);
    let (value, figures) = result?;
    answer(&app, &asked, value, (figures, ranges), question_of(&range, false)).await
}

/// A query over a range, refused where its tenants' limits say so.
async fn over_range(
    app: &App,
    asked: &Asked,
    query: Expr,
    range: &RangeParams,
) -> Result<(Answer, QueryFigures), HttpError> {
    let query = match query {
        Expr::Log(query) => {
            check_blocked(app, asked, &range.query, kind_of(&query))?;
            let request = log_request(query, range, encoding_flags(&asked.headers).categorize_labels());
            return Ok(app.engine.logs(&asked.readers, &asked.limits, request).await?);
        }
        Expr::Metric(query) => Samples::Metric(query),
        Expr::Variants(query) => Samples::Variants(query),
    };
    query.check_required(asked)?;
    check_blocked(app, asked, &range.query, QueryKind::Metric)?;
    asked.limits.check_asked(range.start, range.end, asked.now)?;
    let start = asked.limits.clamp_start(range.start, range.end, asked.now).unwrap_or(range.end);
    let steps = steps_of(app, start, range);
    query.answer(app, asked, steps).await
}

/// The steps of a metric query; whole multiples of the step where the configuration says so.
fn steps_of(app: &App, start: Nanos, range: &RangeParams) -> Steps {
    let floor = |ts: Nanos| match app.settings.align_queries && range.step_ns > 0 {
        true => Nanos(ts.0.saturating_sub(ts.0.rem_euclid(range.step_ns))),
        false => ts,
    };
    range_steps(floor(start), floor(range.end), range.step_ns, app.settings.query.align_to_step)
}

/// `/loki/api/v1/query`
pub(crate) async fn instant(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let instant = InstantParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let query = loptr_logql::parse(&instant.query).map_err(HttpError::bad_query)?;
    if wants_explanation(&asked.headers) {
        return explained(&app, &asked, &query, (instant.time, instant.time)).await;
    }
    let word = word_of(&query);
    let ranges = ranges_of(&query, instant.time, instant.time);
    let query = match query {
        Expr::Log(_) => {
            return Err(HttpError::bad_query(
                "log queries are not supported as an instant query type, please change your query to a range query type",
            ));
        }
        Expr::Metric(query) => Samples::Metric(query),
        Expr::Variants(query) => Samples::Variants(query),
    };
    let log = QueryLog::begin(&app, &asked, &instant.query, word, "instant");
    let log = log.spanning(instant.time, instant.time, 0, instant.limit);
    let result = match check_blocked(&app, &asked, &instant.query, QueryKind::Metric) {
        Ok(()) => query.answer(&app, &asked, Steps::instant(instant.time)).await,
        Err(error) => Err(error),
    };
    log.answered(&app, &result);
    let (value, figures) = result?;
    answer(&app, &asked, value, (figures, ranges), LogQuestion::default()).await
}

/// A query whose answer is numbers.
enum Samples {
    Metric(MetricExpr),
    Variants(VariantsExpr),
}

impl Samples {
    /// Refuses selectors that lack labels the tenant must name.
    fn check_required(&self, asked: &Asked) -> Result<(), HttpError> {
        let (of, metrics) = match self {
            Self::Metric(query) => (None, std::slice::from_ref(query)),
            Self::Variants(query) => (Some(&query.of.log.matchers), query.variants.as_slice()),
        };
        let leaves = metrics.iter().flat_map(loptr_eval::leaves).map(|leaf| &leaf.aggregation.range.log.matchers);
        let sides = metrics.iter().flat_map(loptr_eval::variants_of).map(|variants| &variants.of.log.matchers);
        Ok(of.into_iter().chain(leaves).chain(sides).try_for_each(|matchers| asked.limits.check_required(matchers))?)
    }

    async fn answer(self, app: &App, asked: &Asked, steps: Steps) -> Result<(Answer, QueryFigures), HttpError> {
        Ok(match self {
            Self::Metric(query) => app.engine.metrics(&asked.readers, &asked.limits, query, steps).await?,
            Self::Variants(query) => app.engine.variants(&asked.readers, &asked.limits, query, steps).await?,
        })
    }
}

/// Upstream's word for the kind of a query.
fn word_of(query: &Expr) -> &'static str {
    match query {
        Expr::Log(query) => match kind_of(query) {
            QueryKind::Filter => "filter",
            _ => "limited",
        },
        Expr::Metric(_) | Expr::Variants(_) => "metric",
    }
}

/// Refuses a query the tenant's operator has blocked.
pub(super) fn check_blocked(app: &App, asked: &Asked, query: &str, kind: QueryKind) -> Result<(), HttpError> {
    let tags = asked.headers.get(TAGS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let checked = asked.limits.check_blocked(query, kind, tags);
    if checked.is_err() {
        asked.readers.ids().iter().for_each(|id| app.metrics.queries.blocked(id.as_str()));
    }
    Ok(checked?)
}

pub(super) fn kind_of(query: &LogExpr) -> QueryKind {
    if query.has_filter() { QueryKind::Filter } else { QueryKind::Limited }
}

/// `/loki/api/v1/format_query`
pub(crate) async fn format_query(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    let form = form(&app, &parts.method, &parts.headers, body).await?;
    let url = parts.uri.query().unwrap_or_default();
    let params = Params::from_form(url, form.as_deref()).map_err(HttpError::bad_query)?;
    let mut out = Vec::new();
    let status = match loptr_logql::parse(params.get("query")).and_then(|query| loptr_logql::pretty(&query)) {
        Ok(text) => {
            write_formatted(&mut out, &text);
            StatusCode::OK
        }
        Err(error) => {
            write_format_error(&mut out, &error.to_string());
            StatusCode::BAD_REQUEST
        }
    };
    Ok((status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], out).into_response())
}
