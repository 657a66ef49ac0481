//! How answers of the query path are encoded: the format a client asks for, gzip.

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

/// What an answer is written as: `Accept`, taken whole as upstream does. Anything unknown means JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Protobuf,
    /// Log lines and samples only, where `frontend.support_parquet_encoding` is set.
    Parquet,
    /// Log lines and samples only; a format of ours.
    Arrow,
}

impl Format {
    /// The format asked for; Parquet is refused where it is off.
    pub(super) fn of(headers: &HeaderMap, parquet: bool) -> Result<Self, HttpError> {
        match text(headers, header::ACCEPT) {
            "application/vnd.google.protobuf" => Ok(Self::Protobuf),
            "application/vnd.apache.parquet" if parquet => Ok(Self::Parquet),
            "application/vnd.apache.parquet" => Err(HttpError::bad_query(
                "support for Parquet encoded responses is disabled. Enable with -frontend.support-parquet-encoding=true",
            )),
            "application/vnd.apache.arrow.stream" => Ok(Self::Arrow),
            _ => Ok(Self::Json),
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=UTF-8",
            Self::Protobuf => "application/vnd.google.protobuf",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// Refuses what holds lines and samples only.
    pub(super) fn without_tables(self) -> Result<Self, HttpError> {
        match self {
            Self::Json | Self::Protobuf => Ok(self),
            Self::Parquet => Err(HttpError::bad_query("request does not support Parquet responses")),
            Self::Arrow => Err(HttpError::bad_query("request does not support Arrow responses")),
        }
    }
}

/// Compresses where that is on and the client takes it.
pub(super) async fn encode(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let gzip = app.settings.compress_responses && takes_gzip(text(request.headers(), header::ACCEPT_ENCODING));
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
    }

    #[test]
    fn formats_are_named_exactly() {
        let format = |accept: &'static str, parquet| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            Format::of(&headers, parquet).map_err(|error| error.status.as_u16())
        };
        for (accept, found) in [
            ("application/vnd.google.protobuf", Format::Protobuf),
            ("application/vnd.apache.parquet", Format::Parquet),
            ("application/vnd.apache.arrow.stream", Format::Arrow),
            ("application/vnd.google.protobuf, */*", Format::Json),
            ("text/html", Format::Json),
        ] {
            assert_eq!(format(accept, true), Ok(found), "{accept}");
        }
        assert_eq!(format("application/vnd.apache.parquet", false), Err(400));
        assert!(Format::Parquet.without_tables().is_err() && Format::Protobuf.without_tables().is_ok());
    }
}
