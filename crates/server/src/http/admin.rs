//! What operators and their tools ask of the process itself.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use loptr_model::go_quote;
use loptr_ports::Priority;
use loptr_wire::params::Params;
use serde_json::json;

use super::asked::form;
use super::error::HttpError;
use super::{App, tenant};
use crate::metrics::{Busy, Format};
use crate::{build, log_level};

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
    for module in ["compactor", "distributor", "ingester", "querier", "query-frontend", "server", "store"] {
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

fn told(status: StatusCode, answer: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], answer.to_string()).into_response()
}

/// `GET /log_level`
pub(crate) async fn log_level() -> Response {
    told(StatusCode::OK, &json!({ "message": format!("Current log level is {}", log_level::current()) }))
}

/// `POST /log_level`: sets it, until the next start.
pub(crate) async fn set_log_level(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    let form = form(&app, &parts.method, &parts.headers, body).await?;
    let params = Params::from_form(parts.uri.query().unwrap_or_default(), form.as_deref());
    let params = params.map_err(|error| HttpError::plain(StatusCode::BAD_REQUEST, error.to_string()))?;
    let level = params.get("log_level");
    if log_level::set(level) {
        tracing::info!(level, "log level set");
        return Ok(told(
            StatusCode::OK,
            &json!({ "message": format!("Log level set to {level}"), "status": "success" }),
        ));
    }
    let message = format!("unrecognized log level {}", go_quote(level));
    Ok(told(StatusCode::BAD_REQUEST, &json!({ "message": message, "status": "failed" })))
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
pub(crate) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, HttpError> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    let asked = app.clone();
    // Streams are looked at one by one, and there may be very many. Scrapes come before queries: they are few.
    // What is busy is looked at before the page itself is one of the pool's jobs.
    let busy =
        Busy { tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(), cpu: app.ports.cpu.stats() };
    let text = app.ports.cpu.run(Priority::Push, move || asked.metrics.text(&asked, format, busy)).await;
    let text = text.map_err(|error| HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}

/// Whatever has no route.
pub(crate) async fn not_found() -> HttpError {
    HttpError::plain(StatusCode::NOT_FOUND, "404 page not found")
}
