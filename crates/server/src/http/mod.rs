//! Routes and what they need.

pub(crate) mod admin;
mod asked;
mod detected;
mod drilldown;
mod encoding;
pub(crate) mod error;
mod held;
mod index;
mod labels;
mod legacy;
mod page;
pub(crate) mod push;
pub(crate) mod query;
mod refusals;
pub(crate) mod shutdown;
mod tail;
pub(crate) mod tenant;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::StatusCode;
use loptr_config::Config;
use loptr_ingest::Ingester;
use loptr_ports::Ports;
use loptr_query::{QueryEngine, Tails};
use loptr_storage::IndexStore;
use tokio_util::sync::CancellationToken;

use self::refusals::{Refusal, Refusals, Why};
use crate::limits::TenantLimits;
use crate::metrics::Metrics;
use crate::patterns::Patterns;
use crate::runtime::RuntimeConfig;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

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
    /// Pattern detection, where it is on.
    pub(crate) patterns: Option<Arc<Patterns>>,
    /// Cancelled when the process stops.
    pub(crate) stop: CancellationToken,
    pub(crate) stopping: AtomicBool,
    pub(crate) shutdown: Shutdown,
    pub(crate) refusals: Refusals,
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

/// All routes of target `all`.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = Router::new()
        .route("/ready", get(admin::ready))
        .route("/services", get(admin::services))
        .route("/config", get(admin::config))
        .route("/runtime_config", get(admin::runtime_config))
        .route("/config/tenant/v1/limits", get(admin::tenant_limits))
        .route("/loptr/", get(page::page))
        .route("/loptr/queries", get(page::queries))
        .route("/loptr/queries/{id}/cancel", post(page::cancel))
        .route("/flush", get(admin::flush).post(admin::flush))
        .route("/ingester/prepare_shutdown", get(shutdown::prepare).post(shutdown::prepare).delete(shutdown::prepare))
        .route("/ingester/shutdown", get(shutdown::shutdown).post(shutdown::shutdown))
        .route(
            "/ingester/prepare_partition_downscale",
            get(shutdown::prepare_partition_downscale)
                .post(shutdown::prepare_partition_downscale)
                .delete(shutdown::prepare_partition_downscale),
        )
        .route("/loki/api/v1/status/buildinfo", get(admin::build_info))
        .route("/loki/api/v1/push", post(push::push))
        .route("/api/prom/push", post(push::push))
        .route("/otlp/v1/logs", post(push::otlp));
    let routes = routes.merge(query_routes(&app));
    let routes = if app.settings.instrumentation { routes.route("/metrics", any(admin::metrics)) } else { routes };
    let routes = routes
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .fallback(admin::not_found);
    let routes = match app.settings.path_prefix.as_str() {
        "" => routes,
        prefix => Router::new().nest(prefix, routes).fallback(admin::not_found),
    };
    routes.with_state(app)
}

/// The read path. Each route takes its parameters from the URL, from a form, or from both.
fn query_routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/loki/api/v1/query_range", get(query::query_range).post(query::query_range))
        .route("/loki/api/v1/query", get(query::instant).post(query::instant))
        .route("/loki/api/v1/label", get(labels::names).post(labels::names))
        .route("/loki/api/v1/labels", get(labels::names).post(labels::names))
        .route("/loki/api/v1/label/{name}/values", get(labels::values).post(labels::values))
        .route("/loki/api/v1/series", get(labels::series).post(labels::series))
        .route("/loki/api/v1/index/stats", get(index::stats).post(index::stats))
        .route("/loki/api/v1/index/shards", get(index::shards).post(index::shards))
        .route("/loki/api/v1/index/volume", get(index::volume).post(index::volume))
        .route("/loki/api/v1/index/volume_range", get(index::volume_range).post(index::volume_range))
        .route("/loki/api/v1/patterns", get(detected::patterns).post(detected::patterns))
        .route("/loki/api/v1/detected_labels", get(detected::labels).post(detected::labels))
        .route("/loki/api/v1/detected_fields", get(detected::fields).post(detected::fields))
        .route("/loki/api/v1/detected_field/{name}/values", get(detected::field_values).post(detected::field_values))
        .route("/loki/api/v1/tail", get(tail::tail).post(tail::tail))
        .route("/api/prom/tail", get(tail::tail).post(tail::tail))
        .route("/loki/api/v1/format_query", get(query::format_query).post(query::format_query))
        .route("/loki/api/v1/drilldown-limits", get(drilldown::limits))
        .route("/api/prom/query", get(legacy::query).post(legacy::query))
        .route("/api/prom/label", get(labels::legacy_names).post(labels::legacy_names))
        .route("/api/prom/label/{name}/values", get(labels::legacy_values).post(labels::legacy_values))
        .route("/api/prom/series", get(labels::series).post(labels::series))
        .route_layer(middleware::from_fn_with_state(app.clone(), encoding::encode))
        .route_layer(middleware::from_fn_with_state(app.clone(), held::hold))
}

/// Times each request and survives a panic of its handler.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let tenants = tenant::all_of(request.headers(), app.settings.auth_enabled).unwrap_or_default();
    let started = app.ports.clock.monotonic();
    app.metrics.inflight.inc();
    let response = std::panic::AssertUnwindSafe(next.run(request));
    let response = match futures::FutureExt::catch_unwind(response).await {
        Ok(response) => response,
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "error while processing request").into_response(),
    };
    app.metrics.inflight.dec();
    let secs = (app.ports.clock.monotonic().0 - started.0) as f64 / 1e9;
    if let Some(Why(why)) = response.extensions().get::<Why>().filter(|_| route != "other") {
        let (route, why) = (format!("{method} {route}"), why.clone());
        let status = response.status().as_u16();
        app.refusals.add(Refusal { at: app.ports.clock.now(), tenants, route, status, why });
    }
    app.metrics.observe_request(&method, &route, response.status().as_u16(), secs);
    response
}
