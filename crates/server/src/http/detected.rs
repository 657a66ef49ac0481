//! What Grafana Logs Drilldown asks about data it does not know: labels, fields, values of a field, patterns, and what
//! the tenant may do.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::StatusCode;
use loptr_eval::source::Direction;
use loptr_eval::{LogStream, detect_fields, detect_values};
use loptr_query::{Answer, LogRequest};
use loptr_wire::answer::{
    DetectedField, DetectedLabel, Pattern, write_detected_fields, write_detected_labels, write_detected_values,
    write_patterns,
};
use loptr_wire::params::{DetectedFieldsParams, DetectedLabelsParams, PatternsParams};

use super::App;
use super::asked::{Asked, closed, json, log_range, on_cpu, read};
use super::error::HttpError;
use super::query::{check_blocked, kind_of};

/// `/loki/api/v1/detected_labels`
pub(crate) async fn labels(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = DetectedLabelsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    // Unlike labels this wants a selector that selects, if any.
    let matchers = match wanted.query.as_str() {
        "" => Vec::new(),
        query => loptr_logql::parse_selector(query).map_err(HttpError::bad_query)?,
    };
    asked.limits.check_enabled()?;
    let range = closed(wanted.start, wanted.end);
    let found = app.engine.detected_labels(&asked.readers, &asked.limits, &matchers, range).await?;
    let labels: Vec<DetectedLabel> =
        found.into_iter().map(|(label, values)| DetectedLabel { label, cardinality: values.len() as u64 }).collect();
    let mut out = Vec::new();
    write_detected_labels(&mut out, &labels);
    Ok(json(out))
}

/// The newest lines of a query, with labels by category.
async fn newest(app: &App, asked: &Asked, wanted: &DetectedFieldsParams) -> Result<Vec<LogStream>, HttpError> {
    let query = loptr_logql::parse_log(&wanted.query).map_err(HttpError::bad_query)?;
    check_blocked(app, asked, &wanted.query, kind_of(&query))?;
    let request = LogRequest {
        query,
        range: log_range(wanted.start, wanted.end),
        direction: Direction::Backward,
        limit: wanted.line_limit as usize,
        interval_ns: 0,
        categorize: true,
    };
    match app.engine.logs(&asked.readers, &asked.limits, request).await? {
        (Answer::Streams(streams), _) => Ok(streams),
        (Answer::Value(_), _) => Ok(Vec::new()),
    }
}

/// `/loki/api/v1/detected_fields`
pub(crate) async fn fields(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = DetectedFieldsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let streams = newest(&app, &asked, &wanted).await?;
    let write = move || {
        let found = detect_fields(&streams, wanted.limit as usize)?;
        let fields: Vec<DetectedField> = found
            .into_iter()
            .map(|field| DetectedField {
                label: field.name,
                kind: field.kind.as_str().to_owned(),
                cardinality: field.values,
                parsers: (!field.parsers.is_empty()).then(|| field.parsers.into_iter().map(str::to_owned).collect()),
                json_path: field.json_path,
            })
            .collect();
        let mut out = Vec::new();
        write_detected_fields(&mut out, &fields, wanted.limit);
        Ok(out)
    };
    finished(on_cpu(&app, write).await?)
}

/// `/loki/api/v1/detected_field/{name}/values`
pub(crate) async fn field_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = DetectedFieldsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let streams = newest(&app, &asked, &wanted).await?;
    let write = move || {
        let values = detect_values(&streams, &name, wanted.limit as usize)?;
        let mut out = Vec::new();
        write_detected_values(&mut out, &values, wanted.limit);
        Ok(out)
    };
    finished(on_cpu(&app, write).await?)
}

fn finished(written: Result<Vec<u8>, loptr_eval::EvalError>) -> Result<Response, HttpError> {
    written.map(json).map_err(|error| loptr_query::QueryError::from(error).into())
}

/// `/loki/api/v1/patterns`. Without pattern detection there is no such thing.
pub(crate) async fn patterns(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = PatternsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let Some(patterns) = app.patterns.clone() else {
        return Err(HttpError::query(StatusCode::NOT_FOUND, ""));
    };
    let matchers = loptr_logql::parse_matchers(&wanted.query).map_err(HttpError::bad_query)?;
    let (readers, matchers) = asked.readers.choose(&matchers)?;
    let matchers = loptr_query::compile(&matchers)?;
    let find = move || {
        let found = patterns.find(readers.ids(), &matchers, (wanted.start, wanted.end), wanted.step_ns);
        let found: Vec<Pattern> = found
            .into_iter()
            .map(|observed| Pattern {
                pattern: observed.pattern,
                level: observed.level.to_owned(),
                samples: observed.samples.into_iter().map(|(ms, count)| (ms / 1000, count)).collect(),
            })
            .collect();
        let mut out = Vec::new();
        write_patterns(&mut out, &found);
        out
    };
    on_cpu(&app, find).await.map(json)
}
