//! What is answered while a start takes long: files that upstream left are being taken over, and nothing can be asked or
//! pushed yet. Whoever looks is told how far it is, instead of a closed port.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use loptr_ingest::TakeoverMetrics;
use loptr_ports::{Clock, Listener};
use prometheus_client::registry::Registry;

use crate::metrics::text::{Format, whole};
use crate::serve::{ACCEPT_AGAIN, secure};
use crate::tls::Tls;

/// Connections at once; more wait.
const CONNECTIONS: usize = 64;
const RETRY_AFTER: &str = "5";
/// Pause between looks whether there is anything to take over.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Answers on `listener` for as long as it is polled, from when there is something to take over.
pub(crate) async fn answer(
    listener: &dyn Listener,
    takeover: &TakeoverMetrics,
    tls: Option<&Tls>,
    handshake: Duration,
    clock: &dyn Clock,
) -> Infallible {
    // Most starts find nothing of Loki's: whoever connects by then waits a moment for the process itself.
    while takeover.bytes.get() == 0 {
        clock.sleep(LOOK_AGAIN).await;
    }
    let mut registry = Registry::default();
    takeover.register(&mut registry);
    let registry = &registry;
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => connections.push(async move {
                    let Some(stream) = secure(stream, tls, handshake, clock).await else { return };
                    let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
                        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
                        let format = Format::accepted(accept.unwrap_or_default());
                        let reply = reply(request.uri().path(), format, takeover, registry);
                        async move { Ok::<_, Infallible>(reply) }
                    });
                    // A client that goes away is none of our business.
                    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                }),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    clock.sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(()) = connections.next() => {}
        }
    }
}

fn reply(path: &str, format: Format, takeover: &TakeoverMetrics, registry: &Registry) -> Response<Full<Bytes>> {
    let mut content_type = "text/plain; charset=utf-8";
    let (status, text) = match path {
        "/metrics" => {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).expect("a String takes everything");
            content_type = format.content_type();
            (StatusCode::OK, whole(&text, "", format))
        }
        _ => {
            let (done, of) = (takeover.read_bytes.get(), takeover.bytes.get());
            let percent = done.saturating_mul(100).checked_div(of).unwrap_or(0);
            let text =
                format!("starting: files of Loki are being taken over, {percent}% of {of} bytes; try again later\n");
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    };
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    // The next request meets the process itself, perhaps.
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    if status != StatusCode::OK {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
    }
    reply
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn metrics_are_told_as_the_process_tells_them() {
        let takeover = TakeoverMetrics::default();
        let mut registry = Registry::default();
        takeover.register(&mut registry);
        for (accept, ends, version) in
            [("", "loptr_takeover_bytes 0\n", "0.0.4"), ("application/openmetrics-text", "# EOF\n", "1.0.0")]
        {
            let reply = reply("/metrics", Format::accepted(accept), &takeover, &registry);
            assert!(reply.headers()[header::CONTENT_TYPE].to_str().unwrap().contains(version));
            let text = reply.into_body().collect().await.unwrap().to_bytes();
            let text = std::str::from_utf8(&text).unwrap();
            assert!(text.contains(ends) && text.contains("# EOF") == (version == "1.0.0"), "{text}");
        }
        assert_eq!(reply("/ready", Format::Classic, &takeover, &registry).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
