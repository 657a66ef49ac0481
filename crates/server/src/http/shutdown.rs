//! `/ingester/shutdown` and its neighbours: stopping the write path by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use loptr_wire::params::Params;

use super::App;
use crate::serve::Unhurried;

/// `GET|POST|DELETE /ingester/prepare_shutdown`: whether a stop flushes everything; kept over a restart.
pub(crate) async fn prepare(State(app): State<Arc<App>>, method: Method) -> Response {
    if !app.shutdown.has_marker() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if method == Method::GET {
        let text = if app.shutdown.is_prepared() { "set" } else { "unset" };
        return ([(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))], text).into_response();
    }
    let wanted = method == Method::POST;
    match app.shutdown.prepare(&app.ports, wanted).await {
        Ok(()) => {
            tracing::info!(wanted, "a stop flushes everything if this is true");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => {
            tracing::error!(%error, wanted, "shutdown marker could not be changed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// As upstream reads a flag of the URL.
fn flag(params: &Params, name: &str, default: bool) -> bool {
    match params.get(name).to_ascii_lowercase().as_str() {
        "t" | "true" | "1" => true,
        "f" | "false" | "0" => false,
        _ => default,
    }
}

/// `GET|POST /ingester/shutdown`: stops the write path; answers when that is done. `delete_ring_tokens` has nothing to
/// delete in one process.
pub(crate) async fn shutdown(State(app): State<Arc<App>>, _: Unhurried, RawQuery(query): RawQuery) -> Response {
    if app.shutdown.is_stopping.swap(true, Ordering::SeqCst) || app.stopping.load(Ordering::Relaxed) {
        let text = "Ingester is stopping or already stopped.";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let params = Params::from_form(query.as_deref().unwrap_or_default(), None).unwrap_or_default();
    let (flush, terminate) = (flag(&params, "flush", true), flag(&params, "terminate", true));
    tracing::info!(flush, terminate, "the write path is shut down by request");
    app.shutdown.set_flush(flush);
    app.ingester.stop(Some(flush)).await;
    if terminate {
        app.forget_marker().await;
        app.shutdown.terminate.cancel();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// `GET|POST|DELETE /ingester/prepare_partition_downscale`: there are no partitions without Kafka.
pub(crate) async fn prepare_partition_downscale(State(app): State<Arc<App>>) -> StatusCode {
    let is_stopping = app.stopping.load(Ordering::Relaxed) || app.shutdown.is_stopping.load(Ordering::SeqCst);
    if is_stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::METHOD_NOT_ALLOWED }
}
