//! `/loptr/`: the operator's page, written here in full: health, rings, tenants, running queries, what was refused
//! lately and why.
//!
//! Without tenants everybody sees everything and may stop a query. With them (`auth_enabled`) a request sees the queries
//! and refusals of the tenants it names, of others ids and figures only; tenants in `loptr.admin_tenants` see all and
//! may stop queries.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_model::{Nanos, TenantId};
use loptr_query::RunningQuery;
use serde_json::json;

use super::App;
use super::error::HttpError;
use super::tenant;
use crate::build;

/// Who looks at the page.
enum Viewer {
    /// An operator.
    All,
    /// A tenant, or nobody.
    Own(Vec<TenantId>),
}

impl Viewer {
    fn of(app: &App, headers: &HeaderMap) -> Self {
        if !app.settings.auth_enabled {
            return Self::All;
        }
        let ids = tenant::all_of(headers, true).unwrap_or_default();
        if ids.iter().any(|id| app.settings.admin_tenants.iter().any(|admin| admin == id.as_str())) {
            return Self::All;
        }
        Self::Own(ids)
    }

    /// Whether what belongs to all of `tenants` may be shown.
    fn sees(&self, tenants: &[TenantId]) -> bool {
        match self {
            Self::All => true,
            Self::Own(ids) => tenants.iter().all(|tenant| ids.contains(tenant)),
        }
    }
}

/// `GET /loptr/`
pub(crate) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let viewer = Viewer::of(&app, &headers);
    let mut out = String::new();
    // Writing to a String cannot fail.
    write(&app, &viewer, &mut out).expect("writing to a String cannot fail");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)], out)
        .into_response()
}

/// `GET /loptr/queries`: the queries one may see, as JSON.
pub(crate) async fn queries(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let viewer = Viewer::of(&app, &headers);
    let now = app.ports.clock.now();
    let told: Vec<serde_json::Value> = app
        .engine
        .running()
        .into_iter()
        .filter(|query| viewer.sees(&query.tenants))
        .map(|query| {
            json!({
                "id": query.id,
                "tenants": ids(&query),
                "query": query.text,
                "seconds": seconds(query.started, now),
                "fetched_bytes": query.fetched_bytes,
                "read_bytes": query.read_bytes,
                "held_bytes": query.held_bytes,
            })
        })
        .collect();
    ([(header::CONTENT_TYPE, "application/json")], json!({ "queries": told }).to_string()).into_response()
}

/// `POST /loptr/queries/{id}/cancel`
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    if !matches!(Viewer::of(&app, &headers), Viewer::All) {
        let text = "queries are stopped by tenants in loptr.admin_tenants only";
        return Err(HttpError::plain(StatusCode::FORBIDDEN, text));
    }
    if !app.engine.cancel(id) {
        return Err(HttpError::plain(StatusCode::NOT_FOUND, format!("there is no running query {id}")));
    }
    tracing::info!(id, "query stopped by an operator");
    let back = format!("{}/loptr/", app.settings.path_prefix);
    Ok(Redirect::to(&back).into_response())
}

fn ids(query: &RunningQuery) -> Vec<&str> {
    query.tenants.iter().map(TenantId::as_str).collect()
}

fn seconds(since: Nanos, now: Nanos) -> f64 {
    now.0.saturating_sub(since.0).max(0) as f64 / 1e9
}

fn write(app: &App, viewer: &Viewer, out: &mut String) -> std::fmt::Result {
    let stopping = app.stopping.load(Ordering::Relaxed);
    let (ingest, tails) = (app.ingester.figures(), app.tails.figures());
    let now = app.ports.clock.now();
    out.push_str(HEAD);
    let state = if stopping { "stopping" } else { "running" };
    writeln!(out, "<h1>Loptr</h1><p>Speaks Loki {}; {state}, target all.</p>", escaped(build::info().version))?;
    out.push_str("<h2>Figures</h2><table>");
    for (name, value) in [
        ("streams in memory", ingest.streams as u64),
        ("chunks in memory", ingest.chunks as u64),
        ("bytes of chunks in memory", ingest.chunk_bytes as u64),
        ("chunks not in the index yet", ingest.pending_chunks as u64),
        ("bytes held by queries", app.engine.used_bytes()),
        ("tails", tails.active as u64),
        ("bytes buffered for tails", tails.buffered_bytes),
    ] {
        writeln!(out, "<tr><th>{name}</th><td>{value}</td></tr>")?;
    }
    out.push_str("</table><h2>Rings</h2><table><tr><th>ring</th><th>member</th><th>state</th><th>address</th><th>share</th></tr>");
    let rings = ["ingesters", "distributors", "query schedulers"].into_iter();
    for ring in rings.chain(app.patterns.is_some().then_some("pattern ingesters")) {
        let (name, address) = (escaped(&app.instance.name), escaped(&app.instance.address));
        writeln!(
            out,
            "<tr><td>{ring}</td><td>{name} (this process, the only member)</td><td>{}</td><td>{address}</td><td>100%</td></tr>",
            super::ring::state(app)
        )?;
    }
    out.push_str("</table><h2>Tenants</h2><table><tr><th>tenant</th><th>streams in memory</th></tr>");
    for (tenant, streams) in app.ingester.streams_by_tenant() {
        writeln!(out, "<tr><td>{}</td><td>{streams}</td></tr>", escaped(tenant.as_str()))?;
    }
    out.push_str("</table><h2>Running queries</h2><table><tr><th>id</th><th>tenants</th><th>query</th><th>seconds</th><th>bytes fetched</th><th>bytes read</th><th>bytes held</th><th></th></tr>");
    for query in app.engine.running() {
        let text = if viewer.sees(&query.tenants) { escaped(&query.text) } else { "–".to_owned() };
        let stop = match viewer {
            Viewer::All => format!(
                "<form method=post action=\"{}/loptr/queries/{}/cancel\"><button>stop</button></form>",
                escaped(&app.settings.path_prefix),
                query.id
            ),
            Viewer::Own(_) => String::new(),
        };
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td><code>{text}</code></td><td>{:.1}</td><td>{}</td><td>{}</td><td>{}</td><td>{stop}</td></tr>",
            query.id,
            escaped(&ids(&query).join(" ")),
            seconds(query.started, now),
            query.fetched_bytes,
            query.read_bytes,
            query.held_bytes,
        )?;
    }
    out.push_str("</table><h2>Refused lately</h2><table><tr><th>seconds ago</th><th>tenant</th><th>request</th><th>status</th><th>why</th></tr>");
    for refusal in app.refusals.lately() {
        let tenants: Vec<TenantId> = refusal.tenants.clone();
        let why = if viewer.sees(&tenants) && (!tenants.is_empty() || matches!(viewer, Viewer::All)) {
            escaped(&refusal.why)
        } else {
            "–".to_owned()
        };
        let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        writeln!(
            out,
            "<tr><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td><td>{why}</td></tr>",
            seconds(refusal.at, now),
            escaped(&names.join(" ")),
            escaped(&refusal.route),
            refusal.status,
        )?;
    }
    out.push_str("</table>\n");
    Ok(())
}

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Loptr</title><style>body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left;vertical-align:top}form{margin:0}code{white-space:pre-wrap}</style>\n";

/// Text that a page may hold.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes_into_the_page() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
