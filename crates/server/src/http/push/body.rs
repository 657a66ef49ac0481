//! Bodies read within their bound.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use loptr_ingest::{Ingester, OTLP};
use loptr_model::TenantId;

use super::text;
use crate::http::App;
use crate::http::body::{self, Unread};
use crate::http::error::HttpError;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Longer than allowed; `announced` is 0 when the length was not.
    TooLarge { announced: u64, max: usize },
    /// It came too slowly, or ended early.
    Unread(StatusCode, String),
}

impl Refusal {
    /// The answer; what was too large is counted.
    pub(super) fn told(self, ingester: &Ingester, tenant: &TenantId, format: &str) -> HttpError {
        match self {
            Refusal::TooLarge { announced, max } => {
                ingester.body_too_large(tenant, format, announced);
                // Upstream stops reading one byte past the bound; only for its own format it looks ahead.
                let size = if announced == 0 || format == OTLP { max as u64 + 1 } else { announced };
                let message = format!("request body too large: message size too large than max ({size} vs {max})");
                HttpError::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Refusal::Unread(status, why) => HttpError::plain(status, why),
        }
    }
}

/// The body, if it is not longer than `distributor.max_recv_msg_size`.
pub(super) async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let max = app.settings.push.max_body_bytes;
    let announced = text(headers, &header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if announced > max as u64 {
        return Err(Refusal::TooLarge { announced, max });
    }
    body::read(app, body, max).await.map_err(|error| match error {
        Unread::TooLong => Refusal::TooLarge { announced, max },
        Unread::Slow(limit) => Refusal::Unread(StatusCode::REQUEST_TIMEOUT, body::slow(limit)),
        Unread::Broken(why) => Refusal::Unread(StatusCode::BAD_REQUEST, format!("request body cannot be read: {why}")),
    })
}
