//! What operators and their tools ask of the process itself.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use loptr_wire::params::Params;

use super::App;
use super::error::HttpError;
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
    let mut text = String::new();
    for module in ["distributor", "ingester", "querier", "query-frontend", "server", "store"] {
        writeln!(text, "{module} => {state}").expect("writing to a String cannot fail");
    }
    ([(header::CONTENT_TYPE, TEXT)], text)
}

/// `GET /config`
pub(crate) async fn config(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let params = Params::from_form(query.as_deref().unwrap_or_default(), None).unwrap_or_default();
    ([(header::CONTENT_TYPE, TEXT)], app.config_text(params.get("mode")))
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
