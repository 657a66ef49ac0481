//! `POST /otlp/v1/logs`. Errors are protobuf `Status` messages for senders of JSON too, but for a missing tenant.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use loptr_ingest::OTLP;
use loptr_wire::push::encode_status;
use loptr_wire::push::otlp::{OtlpContext, decode_otlp};

use super::{body, policy, store, text};
use crate::http::error::HttpError;
use crate::http::{App, tenant};

/// Stores the request's records; 204 once they are durable.
pub(crate) async fn otlp(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    match stored(&app, request).await {
        Err(error) if error.status == StatusCode::UNAUTHORIZED => Err(error),
        Err(error) => Ok(status(&error)),
        Ok(response) => Ok(response),
    }
}

async fn stored(app: &App, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    let tenant = tenant::of(&parts.headers, app.settings.auth_enabled)?;
    let limits = app.limits.push(&tenant);
    let body = body::read(app, &parts.headers, body).await;
    let body = body.map_err(|refusal| refusal.told(&app.ingester, &tenant, OTLP))?;
    let content_type = text(&parts.headers, &header::CONTENT_TYPE).to_owned();
    let content_encoding = text(&parts.headers, &header::CONTENT_ENCODING).to_owned();
    let (sizes, now, bytes, rules) = (app.settings.push, app.ports.clock.now(), body.len(), limits.clone());
    let decode = move || {
        let context =
            OtlpContext { rules: &rules.limits.otlp, discover_service_name: &rules.limits.discover_service_name, now };
        decode_otlp(&content_type, &content_encoding, body, &sizes, context)
    };
    store(app, tenant, limits, policy(&parts.headers), (OTLP, bytes), decode).await
}

/// The error as OTLP's clients read it: they never send again after a 500, but after a 503.
fn status(error: &HttpError) -> Response {
    let status = match error.status {
        StatusCode::INTERNAL_SERVER_ERROR => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let message = error.body.strip_suffix('\n').unwrap_or(&error.body);
    let mut response = (status, encode_status(message)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(secs) = error.retry_after_secs {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}
