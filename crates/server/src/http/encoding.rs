//! How answers of the query path are encoded: what a client accepts, gzip.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::App;
use super::asked::on_cpu;
use super::error::HttpError;

/// Shorter bodies are sent as they are.
const GZIP_FROM: usize = 1400;

/// Refuses encodings that are not there, and compresses where that is on and the client takes it.
pub(super) async fn encode(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let accepted = text(request.headers(), header::ACCEPT).to_owned();
    let gzip = app.settings.compress_responses && takes_gzip(text(request.headers(), header::ACCEPT_ENCODING));
    if let Some(why) = refused(&accepted) {
        return HttpError::bad_query(why).into_response();
    }
    let response = next.run(request).await;
    if !gzip || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    match compressed(&app, response).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Why answers cannot be had in that form; any other form means JSON.
fn refused(accept: &str) -> Option<&'static str> {
    match accept {
        "application/vnd.apache.parquet" => Some(
            "support for Parquet encoded responses is disabled. Enable with -frontend.support-parquet-encoding=true",
        ),
        "application/vnd.google.protobuf" => Some("protobuf encoded responses are not supported yet"),
        _ => None,
    }
}

/// Whether a list of encodings holds gzip, and not with a weight of zero.
fn takes_gzip(accept: &str) -> bool {
    accept.split(',').any(|part| {
        let mut words = part.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        let none = words.any(|word| word.strip_prefix("q=").is_some_and(|q| q.parse::<f64>().is_ok_and(|q| q <= 0.0)));
        name.eq_ignore_ascii_case("gzip") && !none
    })
}

async fn compressed(app: &App, response: Response) -> Result<Response, HttpError> {
    let (mut parts, body) = response.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // Answers are made in memory, within the query's budget: there is no end to wait for.
    let whole = axum::body::to_bytes(body, usize::MAX).await;
    let whole = whole.map_err(|error| HttpError::query(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if whole.len() < GZIP_FROM || parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(Response::from_parts(parts, Body::from(whole)));
    }
    let zip = move || {
        let mut out = GzEncoder::new(Vec::with_capacity(whole.len() / 4), Compression::default());
        out.write_all(&whole).and_then(|()| out.finish())
    };
    let zipped = on_cpu(app, zip).await?;
    let zipped = zipped.map_err(|error| HttpError::query(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(zipped)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_as_the_client_says() {
        for (accept, taken) in
            [("gzip", true), ("br, GZIP;q=0.5", true), ("gzip;q=0", false), ("gzip; q=0.0, br", false), ("", false)]
        {
            assert_eq!(takes_gzip(accept), taken, "{accept}");
        }
        assert!(refused("application/json").is_none() && refused("application/vnd.apache.parquet").is_some());
    }
}
