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
    DetectedField, DetectedLabel, Pattern, proto, write_detected_fields, write_detected_labels, write_detected_values,
    write_patterns,
};
use loptr_wire::params::{DetectedFieldsParams, DetectedLabelsParams, PatternsParams};

use super::App;
use super::asked::{Asked, closed, log_range, on_cpu, read, written};
use super::encoding::Format;
use super::error::HttpError;
use super::query::{check_blocked, kind_of, selectors};

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
    let write = move |format, out: &mut Vec<u8>| match format {
        Format::Protobuf => proto::detected_labels(out, &labels),
        _ => write_detected_labels(out, &labels),
    };
    written(&app, asked.format, write).await
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
    let find = move || detect_fields(&streams, wanted.limit as usize);
    let found = on_cpu(&app, find).await?.map_err(loptr_query::QueryError::from)?;
    let write = move |format, out: &mut Vec<u8>| {
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
        match format {
            Format::Protobuf => proto::detected_fields(out, &fields, wanted.limit),
            _ => write_detected_fields(out, &fields, wanted.limit),
        }
    };
    written(&app, asked.format, write).await
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
    let find = move || detect_values(&streams, &name, wanted.limit as usize);
    let values = on_cpu(&app, find).await?.map_err(loptr_query::QueryError::from)?;
    let write = move |format, out: &mut Vec<u8>| match format {
        Format::Protobuf => proto::detected_values(out, &values, wanted.limit),
        _ => write_detected_values(out, &values, wanted.limit),
    };
    written(&app, asked.format, write).await
}

/// `/loki/api/v1/patterns`. Without pattern detection there is no such thing.
pub(crate) async fn patterns(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let asked = read(&app, request).await?;
    let wanted = PatternsParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    let query = loptr_logql::parse(&wanted.query).map_err(HttpError::bad_query)?;
    for (matchers, _) in selectors(&query, wanted.start, wanted.end) {
        asked.limits.check_required(matchers)?;
    }
    let Some(patterns) = app.patterns.clone() else {
        return Err(HttpError::query(StatusCode::NOT_FOUND, ""));
    };
    let matchers = loptr_logql::parse_matchers(&wanted.query).map_err(HttpError::bad_query)?;
    let (readers, matchers) = asked.readers.choose(&matchers)?;
    let matchers = loptr_query::compile(&matchers)?;
    let write = move |format, out: &mut Vec<u8>| {
        let found = patterns.find(readers.ids(), &matchers, (wanted.start, wanted.end), wanted.step_ns);
        let found: Vec<Pattern> = found
            .into_iter()
            .map(|observed| Pattern {
                pattern: observed.pattern,
                level: observed.level.to_owned(),
                samples: observed.samples.into_iter().map(|(ms, count)| (ms / 1000, count)).collect(),
            })
            .collect();
        match format {
            Format::Protobuf => proto::patterns(out, &found),
            _ => write_patterns(out, &found),
        }
    };
    written(&app, asked.format, write).await
}
