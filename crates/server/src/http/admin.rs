//! What operators and their tools ask of the process itself.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use loptr_wire::params::Params;

use super::error::HttpError;
use super::{App, tenant};
use crate::build;

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /ready`
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, HttpError> {
    if app.stopping.load(Ordering::Relaxed) {
        return Err(HttpError::plain(StatusCode::SERVICE_UNAVAILABLE, "Application is stopping"));
    }
    // Whoever balances pushes sends them elsewhere; queries are answered all the same.
    if let Some(refusal) = app.ingester.refusal() {
        return Err(HttpError::plain(StatusCode::SERVICE_UNAVAILABLE, format!("pushes are refused: {refusal}")));
    }
    Ok("ready\n")
}

/// `GET /services`
pub(crate) async fn services(State(app): State<Arc<App>>) -> impl IntoResponse {
    let state = if app.stopping.load(Ordering::Relaxed) { "Stopping" } else { "Running" };
    // Queries go on after the write path was shut down by request.
    let ingester = if state == "Running" { app.ingester.state() } else { state };
    let mut text = String::new();
    for module in ["distributor", "ingester", "querier", "query-frontend", "server", "store"] {
        let state = if module == "ingester" { ingester } else { state };
        writeln!(text, "{module} => {state}").expect("writing to a String cannot fail");
    }
    ([(header::CONTENT_TYPE, TEXT)], text)
}

/// `GET /config`
pub(crate) async fn config(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let params = Params::from_form(query.as_deref().unwrap_or_default(), None).unwrap_or_default();
    ([(header::CONTENT_TYPE, TEXT)], app.config_text(params.get("mode")))
}

/// `GET /runtime_config`: the overrides in use, as a runtime file would say them. Upstream has no such page.
pub(crate) async fn runtime_config(State(app): State<Arc<App>>) -> Result<impl IntoResponse, HttpError> {
    let (Some(config), true) = (&app.config, app.runtime.is_on()) else {
        return Err(HttpError::plain(StatusCode::NOT_FOUND, "runtime config file is not configured"));
    };
    Ok(([(header::CONTENT_TYPE, TEXT)], app.runtime.current().to_yaml(config)))
}

/// `GET /config/tenant/v1/limits`: what the tenant of the header may know of its limits, with authentication off too.
pub(crate) async fn tenant_limits(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, HttpError> {
    let unauthorized = |error: HttpError| HttpError { status: StatusCode::UNAUTHORIZED, ..error };
    let tenant = tenant::of(&headers, true).map_err(unauthorized)?;
    let Some(config) = &app.config else {
        return Err(HttpError::plain(StatusCode::NOT_FOUND, "No default limits configured"));
    };
    let runtime = app.runtime.current();
    let text = config.published_limits_yaml(runtime.values.get(tenant.as_str()));
    Ok(([(header::CONTENT_TYPE, TEXT)], text))
}

/// `GET /loki/api/v1/status/buildinfo`
pub(crate) async fn build_info() -> impl IntoResponse {
    let mut body = Vec::new();
    loptr_wire::answer::write_build_info(&mut body, &build::info());
    ([(header::CONTENT_TYPE, "application/json")], body)
}

/// `GET|POST /flush`: everything in memory goes to the bucket; answers at once.
pub(crate) async fn flush(State(app): State<Arc<App>>) -> StatusCode {
    app.ingester.flush();
    StatusCode::NO_CONTENT
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let body = app.metrics.text(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body).into_response()
}

/// Whatever has no route.
pub(crate) async fn not_found() -> HttpError {
    HttpError::plain(StatusCode::NOT_FOUND, "404 page not found")
}
