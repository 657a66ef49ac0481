//! Spans of our own requests, sent over OTLP, set up as upstream's are: `tracing.enabled` and the environment of
//! OpenTelemetry's SDKs.
//!
//! ```text
//! OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_TRACES_EXPORTER    one of them: spans are sent
//! OTEL_TRACES_SAMPLER(_ARG), OTEL_BSP_*, OTEL_EXPORTER_OTLP_(TRACES_)HEADERS, _TIMEOUT, OTEL_RESOURCE_ATTRIBUTES
//! ```
//!
//! A request's `traceparent` says which trace it belongs to (W3C), else `uber-trace-id` (Jaeger). Without a receiver no
//! span is made: the callsites are off.

mod grpc;

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Longest a receiver may take over a batch; the exporter's own timeout is shorter.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a receiver's answer that are read.
const ANSWER_BYTES: u64 = 1 << 20;

/// Why no spans are sent although the environment asks for it. The process runs without.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// A receiver of another kind is asked for.
    #[error("OTEL_TRACES_EXPORTER={0} is not supported: otlp is")]
    Exporter(String),
    /// Another protocol is asked for.
    #[error("{name}={value} is not supported: http/protobuf and grpc are")]
    Protocol {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// Jaeger's own protocol is asked for.
    #[error(
        "{0} is set, but spans are not sent in Jaeger's own format: set OTEL_EXPORTER_OTLP_ENDPOINT, Jaeger takes OTLP on port 4318"
    )]
    Jaeger(&'static str),
    /// The exporter refuses what it is told.
    #[error("spans cannot be sent: {0}")]
    Build(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// What sends spans. Dropping it without [`Tracing::stop`] loses those that wait.
#[derive(Debug)]
pub struct Tracing(SdkTracerProvider);

impl Tracing {
    /// Set up as the environment says; none where it says nothing.
    pub fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TraceError> {
        let set = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let exporter = set("OTEL_TRACES_EXPORTER");
        match exporter.as_deref() {
            Some("none") => return Ok(None),
            Some("otlp") | None => {}
            Some(other) => return Err(TraceError::Exporter(other.to_owned())),
        }
        let endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        if exporter.is_none() && endpoints.iter().all(|name| set(name).is_none()) {
            let jaeger = ["JAEGER_AGENT_HOST", "JAEGER_ENDPOINT", "JAEGER_SAMPLER_MANAGER_HOST_PORT"];
            return match jaeger.into_iter().find(|name| set(name).is_some()) {
                Some(name) => Err(TraceError::Jaeger(name)),
                None => Ok(None),
            };
        }
        let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        let protocol = protocols.into_iter().find_map(|name| Some((name, set(name)?)));
        let sender = match protocol {
            Some((_, value)) if value == "grpc" => Sender::Grpc,
            Some((name, value)) if value != "http/protobuf" => return Err(TraceError::Protocol { name, value }),
            _ => Sender::Http,
        };
        // The variable names protocols that this exporter was not built with; what it encodes goes over either.
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.with_http_client(sender).build()?;
        let resource = Resource::builder()
            .with_service_name("loki-all")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Some(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    /// Takes spans of this workspace to the receiver.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync>(&self) -> impl Layer<S> + Send + Sync + 'static {
        let ours = |meta: &tracing::Metadata<'_>| {
            meta.is_span() && *meta.level() <= Level::INFO && meta.target().starts_with("loptr_")
        };
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("loptr"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(ours))
    }

    /// Sends what waits.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "spans that waited were not all sent");
        }
    }
}

/// The trace a request belongs to, by its headers.
pub(crate) fn parent(headers: &HeaderMap) -> Option<Context> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let told = text("traceparent").and_then(traceparent).or_else(|| text("uber-trace-id").and_then(uber_trace_id))?;
    told.is_valid().then(|| Context::new().with_remote_span_context(told))
}

/// `00-<trace>-<span>-<flags>`, all hexadecimal.
fn traceparent(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default()))
}

/// `<trace>:<span>:<parent>:<flags>`, leading zeros left out.
fn uber_trace_id(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split(':');
    let (trace, span, _, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & 1);
    Some(SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, true, TraceState::default()))
}

/// The trace of the request being served here, and whether it is sent.
pub(crate) fn current() -> Option<(String, bool)> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| (span.trace_id().to_string(), span.is_sampled()))
}

/// Posts batches without TLS, one connection each. It blocks, on the thread that the exporter keeps for it.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Http,
    Grpc,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        Ok(match self {
            Self::Http => send(&request)?,
            Self::Grpc => grpc::send(&request)?,
        })
    }
}

/// A connection to the receiver.
fn connect(uri: &http::Uri, port: u16) -> io::Result<TcpStream> {
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::other(format!("spans are sent over plain http only, not to {uri}")));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = (host, uri.port_u16().unwrap_or(port)).to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other(format!("{host} has no address")))?;
    let stream = TcpStream::connect_timeout(&address, SEND_TIMEOUT)?;
    stream.set_read_timeout(Some(SEND_TIMEOUT))?;
    stream.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok(stream)
}

fn send(request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
    let uri = request.uri();
    let mut stream = connect(uri, 80)?;
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in request.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(format!("content-length: {}\r\n\r\n", request.body().len()).as_bytes());
    stream.write_all(&head)?;
    stream.write_all(request.body())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    let status = std::str::from_utf8(answer.get(9..12).unwrap_or_default()).ok().and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| io::Error::other(format!("{authority} did not answer as HTTP does")))?;
    // What it says beside its status is of no use here.
    Response::builder().status(status).body(Bytes::new()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_told_by_headers() {
        let trace = |name: &'static str, value: &'static str| {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static(name), http::HeaderValue::from_static(value))]);
            let context = parent(&headers)?;
            let span = context.span();
            let span = span.span_context();
            Some((span.trace_id().to_string(), span.span_id().to_string(), span.is_sampled()))
        };
        let told = Some(("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned(), true));
        assert_eq!(trace("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), told);
        assert_eq!(trace("uber-trace-id", "af7651916cd43dd8448eb211c80319c:b7ad6b7169203331:0:1"), told);
        for bad in ["", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "ff-x"] {
            assert_eq!(trace("traceparent", bad), None, "{bad}");
        }
    }

    #[test]
    fn the_environment_decides() {
        let tracing = |vars: &[(&str, &str)]| {
            let vars: Vec<(String, String)> = vars.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
            let env = move |name: &str| vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            Tracing::from_env(env).map(|tracing| tracing.is_some()).map_err(|error| error.to_string())
        };
        assert_eq!(tracing(&[]), Ok(false));
        assert_eq!(
            tracing(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a")]),
            Ok(false)
        );
        assert_eq!(tracing(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")]), Ok(true));
        let error = tracing(&[("JAEGER_AGENT_HOST", "jaeger")]).expect_err("not Jaeger's own format");
        assert!(error.starts_with("JAEGER_AGENT_HOST is set"), "{error}");
        let grpc = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        assert_eq!(tracing(&grpc), Ok(true));
        let json = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")];
        let error = tracing(&json).expect_err("no JSON");
        assert_eq!(error, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json is not supported: http/protobuf and grpc are");
    }
}
