//! What operators and their tools ask of the process itself.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::App;
use super::error::HttpError;
use crate::build;

const TEXT: &str = "text/plain; charset=utf-8";

/// `GET /ready`
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, HttpError> {
    if app.stopping.load(Ordering::Relaxed) {
        return Err(HttpError::plain(StatusCode::SERVICE_UNAVAILABLE, "Application is stopping"));
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

/// Parameters of `/config`.
#[derive(Debug, Default)]
pub(crate) struct ConfigMode(String);

impl<'de> serde::Deserialize<'de> for ConfigMode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = std::collections::HashMap::<String, String>::deserialize(deserializer)?;
        Ok(Self(all.remove("mode").unwrap_or_default()))
    }
}

/// `GET /config`
pub(crate) async fn config(State(app): State<Arc<App>>, Query(ConfigMode(mode)): Query<ConfigMode>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], app.config_text(&mode))
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
