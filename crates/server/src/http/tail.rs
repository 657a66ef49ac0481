//! `/loki/api/v1/tail` and `/api/prom/tail`: what comes in, over a WebSocket.
//!
//! Parameters are judged before the upgrade (400, plain text); what goes wrong afterwards is told by the close frame.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use loptr_query::{QueryError, QueryLimits, Tail, TailEnd, TailFrame, TailRequest};
use loptr_wire::answer::{DroppedEntry, EncodingFlags, LogLine, LogStream, write_legacy_tail_frame, write_tail_frame};
use loptr_wire::params::TailParams;

use super::App;
use super::asked::{Asked, PAST, on_cpu, read};
use super::error::HttpError;
use super::query::encoding_flags;

/// What went wrong on our side, and whatever upstream closes with.
const INTERNAL: u16 = 1011;
/// The process goes away.
const AWAY: u16 = 1001;
/// A close reason may have so many bytes.
const REASON_BYTES: usize = 123;
/// How often the client is asked whether it is there.
const PING: Duration = Duration::from_secs(1);
/// How long a client may take to answer a close frame, or to go after its own was answered.
const GOODBYE: Duration = Duration::from_secs(2);
/// How long a client may take to accept one frame.
const SEND: Duration = Duration::from_secs(60);

/// How frames are written.
#[derive(Clone, Debug)]
enum Shape {
    V1(EncodingFlags),
    Legacy,
}

/// `/loki/api/v1/tail` and `/api/prom/tail`
pub(crate) async fn tail(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (mut parts, body) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &app).await;
    let legacy = parts.uri.path().ends_with("/api/prom/tail");
    let asked = read(&app, Request::from_parts(parts, body)).await?;
    if asked.readers.several() {
        return Err(HttpError::bad_query(super::tenant::SEVERAL));
    }
    let (wanted, query) = wanted(&asked)?;
    let flags = encoding_flags(&asked.headers);
    let shape = if legacy { Shape::Legacy } else { Shape::V1(flags) };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            let response = rejection.into_response();
            let status = if response.status().is_client_error() { response.status() } else { StatusCode::BAD_REQUEST };
            return Err(HttpError::plain(status, "Bad Request"));
        }
    };
    let Some(tenant) = asked.readers.ids().first().cloned() else {
        return Err(HttpError::plain(StatusCode::UNAUTHORIZED, "no org id"));
    };
    let (limits, now) = (asked.limits, asked.now);
    let session = move |socket| async move {
        let open = match query {
            // It ends now.
            Some(_) if wanted.start > now => Err(format!("rpc error: code = Code(400) desc = {PAST}")),
            Some(query) => {
                let request = TailRequest {
                    query,
                    start: wanted.start,
                    limit: wanted.limit as usize,
                    delay: Duration::from_secs(u64::from(wanted.delay_secs)),
                    categorize: matches!(&shape, Shape::V1(flags) if flags.categorize_labels()),
                };
                open(&app, &tenant, &limits, request).await
            }
            None => Err(UNSUPPORTED.to_owned()),
        };
        match open {
            Ok(tail) => follow(&app, socket, tail, &shape).await,
            Err(reason) => close(&app, socket, INTERNAL, &reason).await,
        }
    };
    Ok(upgrade.max_message_size(64 << 10).on_upgrade(session))
}

const UNSUPPORTED: &str = "only log selector is supported";

/// The parameters, and the log query; none where the text is a metric query, which is told after the upgrade.
fn wanted(asked: &Asked) -> Result<(TailParams, Option<loptr_logql::ast::LogExpr>), HttpError> {
    let text = asked.params.get("query");
    let parsed = loptr_logql::parse(text).map_err(HttpError::bad_query)?;
    let regexp = asked.params.get("regexp");
    let query = match parsed {
        loptr_logql::ast::Expr::Log(query) if regexp.is_empty() => Some(query),
        loptr_logql::ast::Expr::Log(_) => Some(super::legacy::with_regexp(text, regexp)?),
        _ if regexp.is_empty() => None,
        _ => return Err(HttpError::bad_query("only log selector is supported")),
    };
    let wanted = TailParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    Ok((wanted, query))
}

/// Starts the tail; the error is the reason to close with.
async fn open(
    app: &App,
    tenant: &loptr_model::TenantId,
    limits: &QueryLimits,
    request: TailRequest,
) -> Result<Tail, String> {
    app.tails.open(tenant, limits, request).await.map_err(|error| match error {
        QueryError::Limit(text) => format!("rpc error: code = Code(400) desc = {text}"),
        error => error.to_string(),
    })
}

/// Sends frames until either side has enough.
async fn follow(app: &App, mut socket: WebSocket, mut tail: Tail, shape: &Shape) {
    let clock = &*app.ports.clock;
    let mut ping = clock.sleep(PING);
    loop {
        tokio::select! {
            biased;
            got = socket.recv() => match got {
                Some(Ok(Message::Close(_))) => {
                    // The answer to it goes out with the next read.
                    let _ = loptr_ports::timeout(clock, GOODBYE, drained(&mut socket)).await;
                    break;
                }
                Some(Err(_)) | None => break,
                // What clients say is read and ignored.
                Some(Ok(_)) => {}
            },
            () = &mut ping => {
                ping = clock.sleep(PING);
                if !send(app, &mut socket, Message::Ping(bytes::Bytes::new())).await {
                    break;
                }
            }
            frame = tail.frames.recv() => {
                let Some(frame) = frame else { return ended(app, socket, tail).await };
                let shape = shape.clone();
                let Ok(text) = on_cpu(app, move || (written(&frame, &shape), frame)).await else { break };
                let (text, _held) = text;
                if !send(app, &mut socket, Message::Text(text.into())).await {
                    break;
                }
            }
        }
    }
    drop(tail.frames);
    join(tail.task).await;
}

/// Sends one message; `false` if the client does not take it in time, or the process stops.
async fn send(app: &App, socket: &mut WebSocket, message: Message) -> bool {
    tokio::select! {
        sent = loptr_ports::timeout(&*app.ports.clock, SEND, socket.send(message)) => matches!(sent, Ok(Ok(()))),
        () = app.stop.cancelled() => false,
    }
}

async fn ended(app: &App, socket: WebSocket, tail: Tail) {
    let why = tail.end.await.unwrap_or(TailEnd::Stopped);
    join(tail.task).await;
    let (code, reason) = match why {
        TailEnd::MaxDuration => (INTERNAL, "reached tail max duration limit".to_owned()),
        TailEnd::TooSlow(lost) => (INTERNAL, format!("the client is too slow: {lost} entries were lost")),
        TailEnd::Stopped => (AWAY, "the server is shutting down".to_owned()),
        TailEnd::Failed(reason) => (INTERNAL, reason),
    };
    close(app, socket, code, &reason).await;
}

async fn join(task: loptr_ports::TaskHandle) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a tail failed");
    }
}

/// Says goodbye. A reason too long for a close frame cannot be told: then the connection just ends, as upstream's does.
async fn close(app: &App, mut socket: WebSocket, code: u16, reason: &str) {
    if reason.len() > REASON_BYTES {
        return;
    }
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let goodbye = async {
        if socket.send(frame).await.is_ok() {
            // The client's own close frame, then the end.
            drained(&mut socket).await;
        }
    };
    let _ = loptr_ports::timeout(&*app.ports.clock, GOODBYE, goodbye).await;
}

/// Reads to the end of the connection, which also sends what is still to be sent.
async fn drained(socket: &mut WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

/// A frame as text. CPU work.
fn written(frame: &TailFrame, shape: &Shape) -> String {
    let categorized = matches!(shape, Shape::V1(flags) if flags.categorize_labels());
    let streams: Vec<LogStream> = frame
        .entries
        .iter()
        .map(|entry| {
            let labels = if categorized { &entry.labels.stream } else { &entry.labels.all };
            let line = LogLine {
                ts: entry.ts,
                line: entry.line.to_vec(),
                metadata: entry.labels.metadata.clone(),
                parsed: entry.labels.parsed.clone(),
            };
            LogStream { labels: labels.clone(), lines: vec![line] }
        })
        .collect();
    let dropped: Vec<DroppedEntry> =
        frame.dropped.iter().map(|(ts, labels)| DroppedEntry { ts: *ts, labels: labels.clone() }).collect();
    let mut out = Vec::new();
    match shape {
        Shape::V1(flags) => write_tail_frame(&mut out, &streams, &dropped, flags),
        Shape::Legacy => write_legacy_tail_frame(&mut out, &streams, &dropped),
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
