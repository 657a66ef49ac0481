//! A request of the query path: whose it is, its form, and the shapes of answers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use loptr_model::{Matcher, Nanos, TimeRange};
use loptr_ports::Priority;
use loptr_query::{QueryLimits, Readers};
use loptr_wire::params::Params;

use super::body::{self, Unread};
use super::encoding::Format;
use super::error::HttpError;
use super::narrowed::narrowed;
use super::query::TAGS;
use super::{App, tenant};

/// Bytes of a form; more is refused (upstream's bound).
const FORM_BYTES: usize = 10 << 20;

/// A request of the query path, its form read.
pub(super) struct Asked {
    pub(super) readers: Readers,
    pub(super) limits: Arc<QueryLimits>,
    pub(super) headers: HeaderMap,
    pub(super) params: Params,
    pub(super) now: Nanos,
    /// What the answer is to be written as.
    pub(super) format: Format,
}

/// Reads whose request it is, and its parameters.
pub(super) async fn read(app: &App, request: Request) -> Result<Asked, HttpError> {
    let (parts, body) = request.into_parts();
    let readers = readers(app, &parts.headers)?;
    let format = Format::of(&parts.headers, app.settings.parquet)?;
    let form = form(app, &parts.method, &parts.headers, body).await?;
    let url = parts.uri.query().unwrap_or_default();
    let params = Params::from_form(url, form.as_deref()).map_err(HttpError::bad_query)?;
    let mut limits = limits_of(app, &readers);
    if app.settings.per_request_limits {
        limits = narrowed(&parts.headers, limits);
    }
    Ok(Asked { readers, limits, headers: parts.headers, params, now: app.ports.clock.now(), format })
}

/// Whose data is asked for: several tenants' only where that is allowed.
fn readers(app: &App, headers: &HeaderMap) -> Result<Readers, HttpError> {
    let ids = tenant::all_of(headers, app.settings.auth_enabled).map_err(|error| match error.status {
        // What is wrong with a name is told as all else of the query path, without a newline.
        StatusCode::BAD_REQUEST => HttpError::bad_query(error.body.trim_end()),
        _ => error,
    })?;
    let readers = Readers::of(ids).seeing_internal(is_drilldown(headers));
    if readers.several() && !app.settings.multi_tenant_queries {
        return Err(HttpError::bad_query(tenant::SEVERAL));
    }
    Ok(readers)
}

/// Whether Grafana Logs Drilldown asks: it alone knows what the lines of internal streams mean.
fn is_drilldown(headers: &HeaderMap) -> bool {
    let tags = headers.get(TAGS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut pairs = tags.split(',').filter_map(|tag| tag.split_once('='));
    pairs.any(|(name, value)| {
        name.eq_ignore_ascii_case("source") && value.eq_ignore_ascii_case("grafana-lokiexplore-app")
    })
}

/// Of each limit the smallest of the tenants'.
fn limits_of(app: &App, readers: &Readers) -> Arc<QueryLimits> {
    let mut all = readers.ids().iter().map(|id| app.limits.query(id));
    let first = all.next().unwrap_or_default();
    all.fold(first, |strictest, limits| Arc::new((*strictest).clone().and((*limits).clone())))
}

/// The body of a POST that is a form.
pub(super) async fn form(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<bytes::Bytes>, HttpError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    if method != Method::POST || !is_form {
        return Ok(None);
    }
    let body = body::read(app, body, FORM_BYTES).await;
    body.map(Some).map_err(|error| match error {
        Unread::TooLong => HttpError::bad_query("http: request body too large"),
        Unread::Slow(limit) => HttpError::query(StatusCode::REQUEST_TIMEOUT, body::slow(limit)),
        Unread::Broken(why) => HttpError::bad_query(format!("request body cannot be read: {why}")),
    })
}

/// An answer as clients of the query path expect it.
pub(super) fn json(body: Vec<u8>) -> Response {
    bytes(Format::Json, body)
}

/// An answer written as `format`.
pub(super) fn bytes(format: Format, body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

/// Writes an answer that is no table, off the reactor, as JSON or protobuf.
pub(super) async fn written(
    app: &App,
    format: Format,
    write: impl FnOnce(Format, &mut Vec<u8>) + Send + 'static,
) -> Result<Response, HttpError> {
    let format = format.without_tables()?;
    let work = move || {
        let mut out = Vec::new();
        write(format, &mut out);
        out
    };
    Ok(bytes(format, on_cpu(app, work).await?))
}

/// Runs CPU work of an answer off the reactor.
pub(super) async fn on_cpu<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    let done = app.ports.cpu.run(Priority::Query, work).await;
    done.map_err(|error| HttpError::query(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// `[start, end)` of a log query; equal bounds mean that one instant.
pub(super) fn log_range(start: Nanos, end: Nanos) -> TimeRange {
    TimeRange::new(start, if start == end { end.saturating_add(1) } else { end })
}

/// Both bounds in, as label calls mean them.
pub(super) fn closed(start: Nanos, end: Nanos) -> TimeRange {
    TimeRange::new(start, end.saturating_add(1))
}

/// The matchers of a selector that may be missing or `{}`.
pub(super) fn optional_selector(text: &str) -> Result<Vec<Matcher>, HttpError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    loptr_logql::parse_matchers(text).map_err(HttpError::bad_query)
}

/// What is said of an end before the start.
pub(super) const PAST: &str = "this data is no longer available, it is past now - max_query_lookback (0s)";

/// Refuses what upstream's frontend refuses: an end before the start.
pub(super) fn check_order(start: Nanos, end: Nanos) -> Result<(), HttpError> {
    if end < start {
        return Err(HttpError::bad_query(PAST));
    }
    Ok(())
}
