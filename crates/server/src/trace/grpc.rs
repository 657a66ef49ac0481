//! A batch of spans as one gRPC call: HTTP/2 without TLS, the body behind five bytes (not compressed, its length).

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{ANSWER_BYTES, SEND_TIMEOUT, connect};

const CALL: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// Where receivers listen unless told otherwise.
const PORT: u16 = 4317;

/// Sends the batch that `request` would post, with its headers.
#[allow(clippy::disallowed_methods, reason = "the exporter's own thread, which outlives the process's clock")]
pub(super) fn send(request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
    let stream = connect(request.uri(), PORT)?;
    stream.set_nonblocking(true)?;
    let call = call(request)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(async {
        tokio::time::timeout(SEND_TIMEOUT, export(tokio::net::TcpStream::from_std(stream)?, call)).await?
    });
    runtime.shutdown_background();
    sent
}

fn call(request: &Request<Bytes>) -> io::Result<Request<Full<Bytes>>> {
    let body = request.body();
    let len = u32::try_from(body.len()).map_err(|_| io::Error::other("a batch of 4 GiB or more"))?;
    let mut framed = BytesMut::with_capacity(body.len() + 5);
    framed.put_u8(0);
    framed.put_u32(len);
    framed.put_slice(body);
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static(CALL));
    let uri = Uri::from_parts(parts).map_err(io::Error::other)?;
    let mut call = Request::new(Full::new(framed.freeze()));
    (*call.method_mut(), *call.uri_mut(), *call.version_mut()) = (http::Method::POST, uri, Version::HTTP_2);
    *call.headers_mut() = request.headers().clone();
    let headers = call.headers_mut();
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    Ok(call)
}

async fn export(stream: tokio::net::TcpStream, call: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    let answered = async {
        let answer = sender.send_request(call).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        let limited = http_body_util::Limited::new(body, usize::try_from(ANSWER_BYTES).unwrap_or(usize::MAX));
        let body = limited.collect().await.map_err(io::Error::other)?;
        let told = |name: &str| head.headers.get(name).or_else(|| body.trailers()?.get(name)).cloned();
        let status = told("grpc-status").and_then(|code| code.to_str().ok()?.parse::<u16>().ok());
        let message = told("grpc-message").and_then(|text| text.to_str().ok().map(str::to_owned)).unwrap_or_default();
        // The exporter reads the status of HTTP: what may be tried again is told as 503.
        let status = match status {
            _ if head.status != StatusCode::OK => head.status,
            Some(0) => StatusCode::OK,
            Some(code @ (1 | 4 | 8 | 10 | 11 | 14 | 15)) => {
                tracing::debug!(code, message, "spans were refused for now");
                StatusCode::SERVICE_UNAVAILABLE
            }
            code => return Err(io::Error::other(format!("the receiver refused spans with code {code:?}: {message}"))),
        };
        Response::builder().status(status).body(Bytes::new()).map_err(io::Error::other)
    };
    let mut connection = std::pin::pin!(connection);
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        answer = answered.as_mut() => answer,
        ended = connection.as_mut() => {
            ended.map_err(io::Error::other)?;
            answered.await
        }
    }
}
