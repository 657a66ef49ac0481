//! Kinds of failure → status and body, in one place. Query errors are plain text without a newline, all others end in
//! one (upstream's habit, which clients match on).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use loptr_ingest::{PushFailure, PushFailureKind};
use loptr_query::{ErrorKind, QueryError};

use super::refusals::Why;

/// A failed request.
#[derive(Debug)]
pub(crate) struct HttpError {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    /// Seconds after which to try again.
    pub(crate) retry_after_secs: Option<u64>,
}

const CANCELLED: u16 = 499;

impl HttpError {
    /// An error of a route outside the query path.
    pub(crate) fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        let mut body = message.into();
        body.push('\n');
        Self { status, body, retry_after_secs: None }
    }

    /// An error of the query path.
    pub(crate) fn query(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: message.into(), retry_after_secs: None }
    }

    /// 400 of the query path.
    pub(crate) fn bad_query(message: impl std::fmt::Display) -> Self {
        Self::query(StatusCode::BAD_REQUEST, message.to_string())
    }
}

impl From<QueryError> for HttpError {
    fn from(error: QueryError) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid | ErrorKind::Limited => StatusCode::BAD_REQUEST,
            ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Cancelled => StatusCode::from_u16(CANCELLED).expect("499 is a status"),
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = match error.kind() {
            ErrorKind::Cancelled => "the request was cancelled by the client".to_owned(),
            ErrorKind::Timeout => "request timed out, decrease the duration of the request or add more label matchers (prefer exact match over regex match) to reduce the amount of data processed".to_owned(),
            _ => error.to_string(),
        };
        if status.is_server_error() {
            tracing::error!(%error, %status, "query failed");
        }
        Self { status, body, retry_after_secs: None }
    }
}

impl From<PushFailure> for HttpError {
    fn from(failure: PushFailure) -> Self {
        let status = match failure.kind {
            PushFailureKind::Invalid => StatusCode::BAD_REQUEST,
            PushFailureKind::NoStreams => StatusCode::UNPROCESSABLE_ENTITY,
            PushFailureKind::Limited => StatusCode::TOO_MANY_REQUESTS,
            PushFailureKind::Blocked(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            PushFailureKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            PushFailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut error = Self::plain(status, failure.message);
        error.retry_after_secs = (failure.kind == PushFailureKind::Unavailable).then_some(5);
        error
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let why = Why::of(&self.body);
        let mut response = (self.status, self.body).into_response();
        response.extensions_mut().insert(why);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}
