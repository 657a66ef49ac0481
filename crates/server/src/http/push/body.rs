//! Bodies read within their bound.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use loptr_ingest::{Ingester, OTLP};
use loptr_model::TenantId;

use super::text;
use crate::http::error::HttpError;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Longer than allowed; `announced` is 0 when the length was not.
    TooLarge { announced: u64, max: usize },
    /// It ended early.
    Broken(String),
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
            Refusal::Broken(why) => {
                HttpError::plain(StatusCode::BAD_REQUEST, format!("request body cannot be read: {why}"))
            }
        }
    }
}

/// The body, if it is not longer than `max` bytes.
pub(super) async fn read(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Refusal> {
    let announced = text(headers, &header::CONTENT_LENGTH).parse::<u64>().unwrap_or(0);
    if announced > max as u64 {
        return Err(Refusal::TooLarge { announced, max });
    }
    axum::body::to_bytes(body, max).await.map_err(|error| {
        let limited =
            std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if limited { Refusal::TooLarge { announced, max } } else { Refusal::Broken(error.to_string()) }
    })
}
