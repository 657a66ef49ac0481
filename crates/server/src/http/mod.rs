//! What answers requests: routes, handlers and what they need.

pub(crate) mod admin;
mod asked;
mod body;
mod deletes;
mod detected;
mod drilldown;
mod encoding;
pub(crate) mod error;
mod held;
mod index;
mod labels;
mod legacy;
mod narrowed;
mod page;
mod profile;
pub(crate) mod push;
pub(crate) mod query;
mod query_log;
mod refusals;
mod results;
pub(crate) mod ring;
mod routes;
pub(crate) mod shutdown;
mod tail;
pub(crate) mod tenant;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use loptr_config::Config;
use loptr_ingest::Ingester;
use loptr_ports::Ports;
use loptr_query::{QueryEngine, Tails};
use loptr_storage::IndexStore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use self::refusals::{Refusal, Refusals, Why};
pub use self::routes::route_list;
pub(crate) use self::routes::router;
use crate::deletes::Deleting;
use crate::limits::TenantLimits;
use crate::metrics::Metrics;
use crate::patterns::Patterns;
use crate::runtime::RuntimeConfig;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::tls::Tls;
use crate::trace;

/// What every handler can reach.
pub(crate) struct App {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) config: Option<Config>,
    pub(crate) limits: Arc<TenantLimits>,
    pub(crate) runtime: Arc<RuntimeConfig>,
    pub(crate) ingester: Arc<Ingester>,
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) index: Arc<IndexStore>,
    pub(crate) metrics: Metrics,
    pub(crate) tails: Arc<Tails>,
    /// Delete requests, where retention is on.
    pub(crate) deleting: Option<Deleting>,
    /// Pattern detection, where it is on.
    pub(crate) patterns: Option<Arc<Patterns>>,
    /// Cancelled when the process stops.
    pub(crate) stop: CancellationToken,
    pub(crate) stopping: AtomicBool,
    pub(crate) shutdown: Shutdown,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) refusals: Refusals,
    pub(crate) instance: ring::Instance,
}

impl App {
    /// Removes the shutdown marker: what it asked for is done.
    pub(crate) async fn forget_marker(&self) {
        if self.shutdown.is_prepared()
            && let Err(error) = self.shutdown.prepare(&self.ports, false).await
        {
            tracing::error!(%error, "shutdown marker could not be removed");
        }
    }

    pub(crate) fn index_bytes(&self) -> usize {
        self.index.cached_bytes()
    }

    pub(crate) fn config_text(&self, mode: &str) -> String {
        self.config.as_ref().map_or_else(String::new, |config| config.to_yaml(loptr_config::Mode::of(mode)))
    }
}

/// The method's name; one name for all that no route takes, since each name makes series of metrics.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::HEAD | Method::OPTIONS | Method::PATCH => {
            method.as_str()
        }
        _ => "other",
    }
}

/// Times each request and survives a panic of its handler.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = known(request.method()).to_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let tenants = tenant::all_of(request.headers(), app.settings.auth_enabled).unwrap_or_default();
    let started = app.ports.clock.monotonic();
    let inflight = app.metrics.requests.begin(&method, &route);
    let span = tracing::info_span!("HTTP", otel.name = %format_args!("HTTP {method} - {route}"), otel.kind = "server", http.method = %method, http.route = %route, http.status_code = tracing::field::Empty);
    if !span.is_disabled()
        && let Some(parent) = trace::parent(request.headers())
        && let Err(error) = span.set_parent(parent)
    {
        tracing::debug!(%error, "a span has no parent");
    }
    let response = std::panic::AssertUnwindSafe(next.run(request).instrument(span.clone()));
    let response = match futures::FutureExt::catch_unwind(response).await {
        Ok(response) => response,
        Err(_) => {
            app.metrics.requests.panics.inc();
            (StatusCode::INTERNAL_SERVER_ERROR, "error while processing request").into_response()
        }
    };
    drop(inflight);
    let secs = (app.ports.clock.monotonic().0 - started.0) as f64 / 1e9;
    if let Some(Why(why)) = response.extensions().get::<Why>().filter(|_| route != "other") {
        let (route, why) = (format!("{method} {route}"), why.clone());
        let status = response.status().as_u16();
        app.refusals.add(Refusal { at: app.ports.clock.now(), tenants, route, status, why });
    }
    span.record("http.status_code", response.status().as_u16());
    let is_socket = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    app.metrics.requests.observe(&method, &route, response.status().as_u16(), is_socket, secs);
    response
}
