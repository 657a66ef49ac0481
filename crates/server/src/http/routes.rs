//! The routes: one list, from which the router is made and which tests walk.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodRouter, any, get, post};
use http::StatusCode;

use super::{
    App, admin, deletes, detected, drilldown, encoding, held, index, labels, legacy, observe, page, profile, push,
    query, ring,
};
use super::{shutdown, tail};

/// Where a route belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The process itself, and the write path.
    Process,
    /// The read path: parameters from the URL, from a form, or from both; answers may be compressed.
    Query,
    /// Where metrics are served.
    Metrics,
    /// Where patterns are detected.
    Patterns,
    /// Where lines can be deleted.
    Deletes,
}

struct Route {
    path: &'static str,
    methods: &'static str,
    part: Part,
    handler: fn() -> MethodRouter<Arc<App>>,
}

fn both<H: Handler<T, Arc<App>>, T: 'static>(handler: H) -> MethodRouter<Arc<App>> {
    get(handler.clone()).post(handler)
}

macro_rules! routes {
    ($($part:ident $methods:literal $path:literal => $handler:expr,)*) => {
        const ROUTES: &[Route] = &[
            $(Route { path: $path, methods: $methods, part: Part::$part, handler: || $handler },)*
        ];
    };
}

routes! {
    Process "GET" "/ready" => get(admin::ready),
    Process "GET" "/services" => get(admin::services),
    Process "GET" "/config" => get(admin::config),
    Process "GET" "/runtime_config" => get(admin::runtime_config),
    Process "GET" "/config/tenant/v1/limits" => get(admin::tenant_limits),
    Process "GET POST" "/log_level" => get(admin::log_level).post(admin::set_log_level),
    Process "GET POST PUT DELETE" "/memberlist" => any(ring::memberlist),
    Process "GET POST" "/ring" => both(ring::ring),
    Process "GET POST" "/distributor/ring" => both(ring::ring),
    Process "GET POST" "/scheduler/ring" => both(ring::ring),
    Process "GET POST" "/compactor/ring" => both(ring::ring),
    Patterns "GET POST" "/pattern/ring" => both(ring::ring),
    Process "GET" "/loptr/" => get(page::page),
    Process "GET" "/loptr/queries" => get(page::queries),
    Process "POST" "/loptr/queries/{id}/cancel" => post(page::cancel),
    Process "GET POST" "/flush" => both(admin::flush),
    Process "GET POST DELETE" "/ingester/prepare_shutdown" => both(shutdown::prepare).delete(shutdown::prepare),
    Process "GET POST" "/ingester/shutdown" => both(shutdown::shutdown),
    Process "GET POST DELETE" "/ingester/prepare_partition_downscale" =>
        both(shutdown::prepare_partition_downscale).delete(shutdown::prepare_partition_downscale),
    Metrics "GET POST PUT DELETE" "/metrics" => any(admin::metrics),
    Metrics "GET" "/debug/pprof/" => get(profile::index),
    Metrics "GET" "/debug/pprof/profile" => get(profile::cpu),
    Metrics "GET" "/debug/pprof/heap" => get(profile::heap),
    Metrics "GET" "/debug/pprof/allocs" => get(profile::allocations),
    Process "GET" "/loki/api/v1/status/buildinfo" => get(admin::build_info),
    Process "POST" "/loki/api/v1/push" => post(push::push),
    Process "POST" "/api/prom/push" => post(push::push),
    Process "POST" "/otlp/v1/logs" => post(push::otlp),
    Deletes "GET POST PUT DELETE" "/loki/api/v1/delete" =>
        get(deletes::list).post(deletes::add).put(deletes::add).delete(deletes::cancel),
    Deletes "GET" "/loki/api/v1/cache/generation_numbers" =>
        get(deletes::generation).fallback(admin::not_found),
    Query "GET POST" "/loki/api/v1/query_range" => both(query::query_range),
    Query "GET POST" "/loki/api/v1/query" => both(query::instant),
    Query "GET POST" "/loki/api/v1/label" => both(labels::names),
    Query "GET POST" "/loki/api/v1/labels" => both(labels::names),
    Query "GET POST" "/loki/api/v1/label/{name}/values" => both(labels::values),
    Query "GET POST" "/loki/api/v1/series" => both(labels::series),
    Query "GET POST" "/loki/api/v1/index/stats" => both(index::stats),
    Query "GET POST" "/loki/api/v1/index/shards" => both(index::shards),
    Query "GET POST" "/loki/api/v1/index/volume" => both(index::volume),
    Query "GET POST" "/loki/api/v1/index/volume_range" => both(index::volume_range),
    Query "GET POST" "/loki/api/v1/patterns" => both(detected::patterns),
    Query "GET POST" "/loki/api/v1/detected_labels" => both(detected::labels),
    Query "GET POST" "/loki/api/v1/detected_fields" => both(detected::fields),
    Query "GET POST" "/loki/api/v1/detected_field/{name}/values" => both(detected::field_values),
    Query "GET POST" "/loki/api/v1/tail" => both(tail::tail),
    Query "GET POST" "/api/prom/tail" => both(tail::tail),
    Query "GET POST" "/loki/api/v1/format_query" => both(query::format_query),
    Query "GET" "/loki/api/v1/drilldown-limits" => get(drilldown::limits),
    Query "GET POST" "/api/prom/query" => both(legacy::query),
    Query "GET POST" "/api/prom/label" => both(labels::legacy_names),
    Query "GET POST" "/api/prom/label/{name}/values" => both(labels::legacy_values),
    Query "GET POST" "/api/prom/series" => both(labels::series),
}

/// Path and methods, blank between them, of every route there can be; `{…}` stands for one segment.
pub fn route_list() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.path, route.methods))
}

/// All routes of target `all`.
pub(crate) fn router(app: Arc<App>) -> Router {
    let is_on = |part| match part {
        Part::Process | Part::Query => true,
        Part::Metrics => app.settings.instrumentation,
        Part::Patterns => app.patterns.is_some(),
        Part::Deletes => app.deleting.is_some(),
    };
    let (mut process, mut queries) = (Router::new(), Router::new());
    for route in ROUTES.iter().filter(|route| is_on(route.part)) {
        match route.part {
            Part::Query => queries = queries.route(route.path, (route.handler)()),
            _ => process = process.route(route.path, (route.handler)()),
        }
    }
    let routes = process
        .merge(
            queries
                .route_layer(middleware::from_fn_with_state(app.clone(), encoding::encode))
                .route_layer(middleware::from_fn_with_state(app.clone(), held::hold)),
        )
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(middleware::from_fn_with_state(app.clone(), observe))
        .fallback(admin::not_found);
    let routes = match app.settings.path_prefix.as_str() {
        "" => routes,
        prefix => Router::new().nest(prefix, routes).fallback(admin::not_found),
    };
    routes.with_state(app)
}
