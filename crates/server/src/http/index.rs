//! What the index alone answers: statistics, shards, volumes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use loptr_query::VolumeRequest;
use loptr_wire::answer::{IndexStats, QueryStats, Series, Shard, proto, volume_kind, write_index_stats, write_shards};
use loptr_wire::params::{AggregateBy, IndexShardsParams, RangeParams, VolumeParams, VolumeSpan};

use super::App;
use super::asked::{bytes, log_range, on_cpu, read, written};
use super::encoding::Format;
use super::error::HttpError;
use super::query_log::QueryLog;
use super::results::samples;

/// `/loki/api/v1/index/stats`
pub(crate) async fn stats(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = RangeParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let matchers = loptr_logql::parse_matchers(&wanted.query).map_err(HttpError::bad_query)?;
    let range = log_range(wanted.start, wanted.end);
    let log = QueryLog::begin(&app, &asked, &wanted.query, "stats", "").spanning(wanted.start, wanted.end, 0, 0);
    let figures = app.engine.index_stats(&asked.readers, &asked.limits, &matchers, range).await;
    let figures = figures.map_err(HttpError::from);
    log.told(&app, &figures, |_| 1);
    let figures = figures?;
    let stats =
        IndexStats { streams: figures.streams, chunks: figures.chunks, bytes: figures.bytes, entries: figures.entries };
    let write = move |format, out: &mut Vec<u8>| match format {
        Format::Protobuf => proto::index_stats(out, &stats),
        _ => write_index_stats(out, &stats),
    };
    written(&app, asked.format, write).await
}

/// `/loki/api/v1/index/shards`
pub(crate) async fn shards(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = IndexShardsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let query = loptr_logql::parse_log(&wanted.range.query).map_err(HttpError::bad_query)?;
    let range = log_range(wanted.range.start, wanted.range.end);
    let target = wanted.target_bytes;
    let log = QueryLog::begin(&app, &asked, &wanted.range.query, "shards", "");
    let log = log.spanning(wanted.range.start, wanted.range.end, 0, 0);
    let shards = app.engine.index_shards(&asked.readers, &asked.limits, &query.matchers, range, target).await;
    let shards = shards.map_err(HttpError::from);
    log.told(&app, &shards, Vec::len);
    let shards = shards?;
    let write = move |format, out: &mut Vec<u8>| {
        let mut stats = QueryStats::default();
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        stats.index.total_streams = int(shards.iter().map(|shard| shard.streams).sum());
        stats.index.total_chunks = int(shards.iter().map(|shard| shard.chunks).sum());
        let shards: Vec<Shard> = shards
            .iter()
            .map(|shard| Shard {
                min: shard.min,
                max: shard.max,
                stats: IndexStats {
                    streams: shard.streams,
                    chunks: shard.chunks,
                    bytes: shard.bytes,
                    entries: shard.entries,
                },
            })
            .collect();
        match format {
            Format::Protobuf => proto::shards(out, &shards, &stats),
            _ => write_shards(out, &shards, &stats),
        }
    };
    written(&app, asked.format, write).await
}

/// `/loki/api/v1/index/volume`
pub(crate) async fn volume(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    answer_volume(&app, request, VolumeSpan::Instant).await
}

/// `/loki/api/v1/index/volume_range`
pub(crate) async fn volume_range(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    answer_volume(&app, request, VolumeSpan::Range).await
}

async fn answer_volume(app: &App, request: Request, span: VolumeSpan) -> Result<Response, HttpError> {
    let asked = read(app, request).await?;
    let wanted = VolumeParams::parse(&asked.params, span, asked.now).map_err(HttpError::bad_query)?;
    if !asked.limits.volume_enabled {
        return Err(HttpError::query(StatusCode::NOT_FOUND, "not found"));
    }
    let matchers = match wanted.query.as_str() {
        "{}" => Vec::new(),
        query => loptr_logql::parse_matchers(query).map_err(HttpError::bad_query)?,
    };
    let started = app.ports.clock.monotonic();
    let word = if span == VolumeSpan::Range { "range" } else { "instant" };
    let log = QueryLog::begin(app, &asked, &wanted.query, "volume", word);
    let log = log.spanning(wanted.start, wanted.end, wanted.step_ns, wanted.limit);
    let partial = app.engine.partial(&asked.readers, log_range(wanted.start, wanted.end)).await;
    let request = VolumeRequest {
        matchers,
        start: wanted.start,
        end: wanted.end,
        step_ns: wanted.step_ns,
        target_labels: wanted.target_labels,
        by_name: wanted.aggregate_by == AggregateBy::Labels,
        limit: wanted.limit as usize,
    };
    let volumes = app.engine.volume(&asked.readers, &asked.limits, request).await.map_err(HttpError::from);
    log.told(app, &volumes, Vec::len);
    let volumes = volumes?;
    let mut stats = QueryStats::default();
    stats.summary.exec_secs = (app.ports.clock.monotonic().0 - started.0) as f64 / 1e9;
    let format = asked.format;
    let write = move || {
        let series: Vec<Series> = volumes
            .into_iter()
            .map(|volume| Series {
                labels: volume.labels,
                points: volume.points.into_iter().map(|(at, bytes)| (at, bytes as f64)).collect(),
            })
            .collect();
        samples(volume_kind(&series), &series, &stats, partial.as_slice(), format)
    };
    let body = on_cpu(app, write).await?;
    let body = body.map_err(|error| HttpError::query(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(bytes(format, body))
}
