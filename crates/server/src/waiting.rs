//! What is answered while a start takes long: files that upstream left are being taken over, and nothing can be asked or
//! pushed yet. Whoever looks is told how far it is, instead of a closed port.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use loptr_ingest::TakeoverMetrics;
use loptr_ports::{Clock, Listener};
use prometheus_client::registry::Registry;

use crate::serve::ACCEPT_AGAIN;

/// Connections at once; more wait.
const CONNECTIONS: usize = 64;
const RETRY_AFTER: &str = "5";

/// Answers on `listener` for as long as it is polled.
pub(crate) async fn answer(listener: &dyn Listener, takeover: &TakeoverMetrics, clock: &dyn Clock) -> Infallible {
    let mut registry = Registry::default();
    takeover.register(&mut registry);
    let registry = &registry;
    let mut connections = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => connections.push(async move {
                    let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
                        let reply = reply(request.uri().path(), takeover, registry);
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

fn reply(path: &str, takeover: &TakeoverMetrics, registry: &Registry) -> Response<Full<Bytes>> {
    let (status, text) = match path {
        "/metrics" => {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, registry).expect("a String takes everything");
            (StatusCode::OK, text)
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
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain; charset=utf-8"));
    // The next request meets the process itself, perhaps.
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    if status != StatusCode::OK {
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
    }
    reply
}
