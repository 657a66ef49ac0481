//! Spans of requests, at a receiver of OTLP that is this test; and a CPU profile.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::support::http::{JSON, form, push_body};
use crate::support::now;
use crate::support::process::{Home, Loptr};

/// A body of one request, if it is a whole one.
fn body_of(request: &[u8]) -> Option<&[u8]> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    request[end + 4..].get(..length)
}

/// Takes batches of spans; ends with the listener's process.
fn receiver() -> (String, Receiver<Vec<Span>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (found, spans) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut request, mut buffer) = (Vec::new(), [0; 8192]);
            let body = loop {
                if let Some(body) = body_of(&request) {
                    break body.to_vec();
                }
                match stream.read(&mut buffer).expect("a request") {
                    0 => break Vec::new(),
                    read => request.extend_from_slice(&buffer[..read]),
                }
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it reads the answer");
            assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&request));
            let batch = ExportTraceServiceRequest::decode(body.as_slice()).expect("a batch of spans");
            let resources = batch.resource_spans.into_iter();
            let batch = resources.flat_map(|of| of.scope_spans).flat_map(|of| of.spans).collect();
            if found.send(batch).is_err() {
                return;
            }
        }
    });
    (format!("http://{address}"), spans)
}

/// As [`receiver`], over gRPC.
fn grpc_receiver() -> (String, Receiver<Vec<Span>>) {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("as tokio wants it");
    let address = listener.local_addr().expect("it is bound");
    let (found, spans) = channel();
    let take = move |request: hyper::Request<hyper::body::Incoming>| {
        let found = found.clone();
        async move {
            let call = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
            assert_eq!((request.uri().path(), request.method().as_str()), (call, "POST"));
            assert_eq!(request.headers()["content-type"], "application/grpc");
            let body = request.into_body().collect().await.expect("a whole body").to_bytes();
            let (prefix, message) = body.split_at(5);
            assert_eq!(prefix, [&[0], &u32::try_from(message.len()).expect("small").to_be_bytes()[..]].concat());
            let batch = ExportTraceServiceRequest::decode(message).expect("a batch of spans");
            let scopes = batch.resource_spans.into_iter().flat_map(|of| of.scope_spans);
            // The test may be over.
            let _ = found.send(scopes.flat_map(|of| of.spans).collect());
            let answer = hyper::Response::builder().header("content-type", "application/grpc");
            answer.header("grpc-status", "0").body(Empty::<bytes::Bytes>::new())
        }
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let service = hyper::service::service_fn(take.clone());
                // It ends with its client.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    });
    (format!("http://{address}"), spans)
}

#[test]
fn spans_go_over_grpc_where_the_environment_says() {
    let (endpoint, spans) = grpc_receiver();
    let home = Home::new("");
    let mut command = home.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let loptr = Loptr::start(command);
    loptr.api().get("/loki/api/v1/labels", &[]).expect(200);
    collect(&spans, &["HTTP GET - /loki/api/v1/labels"]);
}

/// Spans by name, until there is one of each of `wanted`.
fn collect(spans: &Receiver<Vec<Span>>, wanted: &[&str]) -> BTreeMap<String, Span> {
    let until = Instant::now() + Duration::from_secs(20);
    let mut all = BTreeMap::new();
    while wanted.iter().any(|name| !all.contains_key(*name)) {
        let left = until.saturating_duration_since(Instant::now());
        let batch = spans.recv_timeout(left).unwrap_or_else(|_| panic!("{wanted:?} in {:?}", all.keys()));
        all.extend(batch.into_iter().map(|span| (span.name.clone(), span)));
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn requests_leave_spans_in_the_trace_they_name() {
    let (endpoint, spans) = receiver();
    let home = Home::new("");
    let mut command = home.command();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let loptr = Loptr::start(command);
    let (pushed, queried) = ("0af7651916cd43dd8448eb211c80319c", "1bf7651916cd43dd8448eb211c80319d");
    let of = |trace: &str| format!("00-{trace}-b7ad6b7169203331-01");

    let body = push_body(&[(json!({"app": "a"}), vec![json!([now().to_string(), "x"])])]);
    let headers = [JSON, ("traceparent", &of(pushed))];
    loptr.api().send("POST", "/loki/api/v1/push", &headers, &body).expect("it answers").expect(204);
    let target = format!("/loki/api/v1/query_range?{}", form(&[("query", r#"{app="a"}"#)]));
    let header = ("traceparent", of(queried));
    loptr.api().send("GET", &target, &[(header.0, &header.1)], &[]).expect("it answers").expect(200);

    let push = "HTTP POST - /loki/api/v1/push";
    let query = "HTTP GET - /loki/api/v1/query_range";
    let found = collect(&spans, &[push, "decode", "append", "log", query, "plan", "fetch", "scan"]);
    for (trace, request, parts) in
        [(pushed, push, ["decode", "append", "log"]), (queried, query, ["plan", "fetch", "scan"])]
    {
        let request = &found[request];
        assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (trace.into(), "b7ad6b7169203331".into()));
        for part in parts {
            let part = &found[part];
            assert_eq!((hex(&part.trace_id), hex(&part.parent_span_id)), (trace.into(), hex(&request.span_id)));
            assert!(part.start_time_unix_nano >= request.start_time_unix_nano, "{part:?}");
        }
    }
    let log = loptr.log_lines();
    let told = format!(" traceID={queried} sampled=true");
    assert!(log.iter().any(|line| line.contains("caller=metrics.go") && line.ends_with(&told)), "{log:#?}");
}

#[test]
fn what_is_not_supported_is_named_and_the_process_runs() {
    let home = Home::new("");
    let mut command = home.command();
    command.env("JAEGER_AGENT_HOST", "jaeger");
    let loptr = Loptr::start(command);
    let log = loptr.log_lines().join("\n");
    assert!(log.contains("msg=\"tracing is not enabled\" error=\"JAEGER_AGENT_HOST is set"), "{log}");
}

#[test]
fn a_cpu_profile_is_taken_on_request() {
    let home = Home::new("");
    let loptr = home.start();
    let reply = loptr.api().get("/debug/pprof/profile", &[("seconds", "1")]).expect(200);
    assert_eq!(&reply.body[..2], b"\x1f\x8b", "gzip, as pprof's files are");
    loptr.api().get("/debug/pprof/profile", &[("seconds", "0")]).expect(400);
    let told = loptr.api().get("/debug/pprof/heap", &[]).expect(501).text();
    assert!(told.starts_with("heap profiles are "), "{told}");
    loptr.api().get("/debug/pprof/allocs", &[]).expect(501);

    let home =
        Home::edited("", &[("  http_listen_port: 0", "  http_listen_port: 0\n  register_instrumentation: false")]);
    let loptr = home.start();
    loptr.api().get("/debug/pprof/profile", &[("seconds", "1")]).expect(404);
    loptr.api().get("/metrics", &[]).expect(404);
}

#[cfg(feature = "heap-profiles")]
#[test]
fn a_heap_profile_names_who_holds_memory() {
    let home = Home::new("limits_config: {ingestion_rate_mb: 100, ingestion_burst_size_mb: 100}\n");
    let mut command = home.command();
    // Every 4 KiB: a test is small.
    command.env("_RJEM_MALLOC_CONF", "prof:true,lg_prof_sample:12");
    let loptr = Loptr::start(command);
    let line = |at: i64| json!([(now() + at).to_string(), format!("{at} {}", "x".repeat(1000))]);
    let pushed = loptr.api().push(&[(json!({"app": "a"}), (0..2000).map(line).collect())]).expect("it answers");
    pushed.expect(204);
    let reply = loptr.api().get("/debug/pprof/heap", &[]).expect(200);
    let mut profile = Vec::new();
    flate2::read::GzDecoder::new(reply.body.as_slice()).read_to_end(&mut profile).expect("gzip, as pprof's files are");
    for text in ["inuse_space", "loptr_chunk"] {
        assert!(profile.windows(text.len()).any(|part| part == text.as_bytes()), "{text} is named");
    }
}
