//! `POST /loki/api/v1/push` and `/api/prom/push`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_ports::Priority;
use loptr_wire::push::{PushErrorKind, decode_push, path_is_v1};

use super::error::HttpError;
use super::{App, tenant};

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
    let body = read_body(&parts.headers, body, app.settings.push.max_body_bytes).await?;
    let content_type = text(&parts.headers, &header::CONTENT_TYPE).to_owned();
    let content_encoding = text(&parts.headers, &header::CONTENT_ENCODING).to_owned();
    let is_v1 = path_is_v1(&parts.uri.to_string());
    let sizes = app.settings.push;
    let decode = move || decode_push(&content_type, &content_encoding, is_v1, body, &sizes);
    let decoded = app.ports.cpu.run(Priority::Push, decode).await;
    let decoded = decoded.map_err(|error| HttpError::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let decoded = decoded.map_err(|error| {
        let status = match error.kind() {
            PushErrorKind::BadRequest => StatusCode::BAD_REQUEST,
            PushErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        };
        HttpError::plain(status, error.to_string())
    })?;
    let policy = parts.headers.get(POLICY).and_then(|value| value.to_str().ok());
    app.ingester.push_under(tenant, limits, decoded, policy).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The body, if it is not longer than `max` bytes.
async fn read_body(headers: &HeaderMap, body: Body, max: usize) -> Result<bytes::Bytes, HttpError> {
    let too_large = |size: u64| {
        let message = format!("request body too large: message size too large than max ({size} vs {max})");
        HttpError::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let announced = text(headers, &header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if announced > max as u64 {
        return Err(too_large(announced));
    }
    axum::body::to_bytes(body, max).await.map_err(|error| {
        let limited =
            std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if limited {
            return too_large(max as u64 + 1);
        }
        HttpError::plain(StatusCode::BAD_REQUEST, format!("request body cannot be read: {error}"))
    })
}
