//! Bodies of requests, read whole within a bound of bytes and of time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;

use super::App;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Unread {
    /// Longer than allowed.
    TooLong,
    /// Its sender took longer than `server.http_server_read_timeout`.
    Slow(Duration),
    /// It ended early.
    Broken(String),
}

/// The body, if it is not longer than `max` bytes.
pub(super) async fn read(app: &App, body: Body, max: usize) -> Result<Bytes, Unread> {
    let limit = app.settings.serve.read_timeout;
    match loptr_ports::timeout(&*app.ports.clock, limit, axum::body::to_bytes(body, max)).await {
        Err(_) => Err(Unread::Slow(limit)),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            let limited = source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
            Err(if limited { Unread::TooLong } else { Unread::Broken(error.to_string()) })
        }
    }
}

/// What a slow sender is told.
pub(super) fn slow(limit: Duration) -> String {
    format!("request body was not sent within {limit:?} (server.http_server_read_timeout)")
}
