//! What clients send to be stored: `POST /loki/api/v1/push`, `/api/prom/push` and `/otlp/v1/logs`.

mod body;
mod otlp;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_ingest::{LOKI, PushLimits};
use loptr_model::TenantId;
use loptr_ports::Priority;
use loptr_wire::push::{DecodedPush, PushError, PushErrorKind, decode_push, path_is_v1};
use tracing::Instrument;

use super::error::HttpError;
use super::{App, tenant};
use crate::metrics::requests::Inner;

pub(crate) use otlp::otlp;

/// The header that puts all streams of a push under one policy.
const POLICY: &str = "x-loki-ingestion-policy";

fn text<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Stores the body's entries; 204 once they are durable.
pub(crate) async fn push(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    let tenant = tenant::of(&parts.headers, app.settings.auth_enabled)?;
    let limits = app.limits.push(&tenant);
    let body = body::read(&app, &parts.headers, body).await;
    let body = body.map_err(|refusal| refusal.told(&app.ingester, &tenant, LOKI))?;
    let content_type = text(&parts.headers, &header::CONTENT_TYPE).to_owned();
    let content_encoding = text(&parts.headers, &header::CONTENT_ENCODING).to_owned();
    let is_v1 = path_is_v1(&parts.uri.to_string());
    let sizes = app.settings.push;
    let announced = body.len();
    let decode = move || decode_push(&content_type, &content_encoding, is_v1, body, &sizes);
    store(&app, tenant, limits, policy(&parts.headers), (LOKI, announced), decode).await
}

/// The policy a request names for itself.
fn policy(headers: &HeaderMap) -> Option<&str> {
    headers.get(POLICY).and_then(|value| value.to_str().ok())
}

/// Decodes on the pool, then stores. `sent` is the format and the body's bytes, for what counts a body too large.
async fn store(
    app: &App,
    tenant: TenantId,
    limits: Arc<PushLimits>,
    policy: Option<&str>,
    sent: (&str, usize),
    decode: impl FnOnce() -> Result<DecodedPush, PushError> + Send + 'static,
) -> Result<Response, HttpError> {
    let decode = app.ports.cpu.run(Priority::Push, decode);
    let decoded = decode.instrument(tracing::info_span!("decode")).await;
    let decoded = decoded.map_err(|error| HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let decoded = decoded.map_err(|error| match error.kind() {
        PushErrorKind::BadRequest => HttpError::plain(StatusCode::BAD_REQUEST, error.to_string()),
        PushErrorKind::TooLarge => {
            app.ingester.body_too_large(&tenant, sent.0, sent.1 as u64);
            HttpError::plain(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
        }
    })?;
    let began = app.ports.clock.monotonic();
    let pushed = app.ingester.push_under(tenant, limits, decoded, policy).await;
    let secs = (app.ports.clock.monotonic().0 - began.0) as f64 / 1e9;
    app.metrics.requests.observe_inner(Inner::Push, pushed.is_ok(), secs);
    pushed?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
