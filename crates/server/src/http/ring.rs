//! Ring pages. Where one process does everything each ring has one member, which owns all of it: this process. It has no
//! tokens, since nothing is ever looked up by them.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use loptr_model::Nanos;
use loptr_wire::go::format_rfc3339_nanos;
use serde_json::json;

use super::App;
use super::asked::form;
use super::error::HttpError;
use super::page::escaped;

/// What this process calls itself.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Name of the host.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: String,
    /// When it started, wall clock.
    pub(crate) since: Nanos,
}

/// The state of the one member.
pub(super) fn state(app: &App) -> &'static str {
    if app.stopping.load(Ordering::Relaxed) { "LEAVING" } else { "ACTIVE" }
}

fn time(at: Nanos) -> String {
    let mut text = String::new();
    format_rfc3339_nanos(at.0, &mut text);
    text
}

/// `GET|POST /ring`, `/distributor/ring`, `/pattern/ring`, `/scheduler/ring`, `/compactor/ring`
pub(crate) async fn ring(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let (parts, body) = request.into_parts();
    if parts.method == Method::POST {
        // Whoever is forgotten and alive comes back with the next heartbeat. Here that is the only member.
        form(&app, &parts.method, &parts.headers, body).await?;
        return Ok((StatusCode::FOUND, [(header::LOCATION, "#")]).into_response());
    }
    let whole_seconds = |at: Nanos| time(Nanos(at.0 - at.0.rem_euclid(Nanos::PER_SEC)));
    let (instance, now) = (&app.instance, app.ports.clock.now());
    let wants_json = parts
        .headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().windows(16).any(|part| part == b"application/json"));
    if wants_json {
        let told = json!({
            "shards": [{
                "id": instance.name,
                "state": state(&app),
                "address": instance.address,
                "timestamp": whole_seconds(now),
                "registered_timestamp": whole_seconds(instance.since),
                "read_only": false,
                "read_only_updated_timestamp": "0001-01-01T00:00:00Z",
                "zone": "",
                "tokens": [],
            }],
            "now": time(now),
        });
        let kind = HeaderValue::from_static("application/json");
        return Ok(([(header::CONTENT_TYPE, kind)], told.to_string()).into_response());
    }
    let mut page = String::from(HEAD);
    writeln!(
        page,
        "<p>Current time: {}</p><p>One process does everything: the ring has one member, which owns all of it and has no tokens.</p>\n<table border=\"1\"><tr><th>Instance ID</th><th>State</th><th>Address</th><th>Registered At</th><th>Last Heartbeat</th><th>Tokens</th><th>Ownership</th></tr>\n<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>0s ago</td><td>0</td><td>100%</td></tr></table>",
        time(now),
        escaped(&instance.name),
        state(&app),
        escaped(&instance.address),
        whole_seconds(instance.since),
    )
    .expect("writing to a String cannot fail");
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))], page).into_response())
}

const HEAD: &str = "<!DOCTYPE html>\n<html><head><meta charset=\"UTF-8\"><title>Ring Status</title></head>\n<body><h1>Ring Status</h1>\n";

/// `/memberlist`
pub(crate) async fn memberlist() -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], "This instance doesn't use memberlist.").into_response()
}
