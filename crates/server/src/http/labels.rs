//! Label names, label values and series, in the shapes of `/loki/api/v1` and of `/api/prom`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use loptr_model::{MatchOp, Matcher};
use loptr_query::{INTERNAL, TENANT_LABEL};
use loptr_wire::answer::{add_warnings, proto, write_labels, write_legacy_labels, write_series};
use loptr_wire::params::{LabelParams, SeriesParams};

use super::App;
use super::asked::{Asked, check_order, closed, optional_selector, read, written};
use super::encoding::Format;
use super::error::HttpError;
use super::query_log::QueryLog;

/// What was found, and why it may be short.
type Found = (Vec<String>, Option<String>);

/// Whether streams of counts and patterns are left out of answers about labels, unless they are asked for by name: where
/// they are stored.
fn hides_internal(app: &App, asked: &Asked) -> bool {
    asked.readers.ids().iter().any(|id| app.limits.patterns(id).store_counts)
}

async fn names_in(app: &App, request: Request, legacy: bool) -> Result<Response, HttpError> {
    let asked = read(app, request).await?;
    let wanted = LabelParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    check_order(wanted.start, wanted.end)?;
    let matchers = optional_selector(&wanted.query)?;
    let range = closed(wanted.start, wanted.end);
    let partial = app.engine.partial(&asked.readers, range).await;
    let log = QueryLog::begin(app, &asked, &wanted.query, "labels", "").spanning(wanted.start, wanted.end, 0, 0);
    let names = app.engine.label_names(&asked.readers, &asked.limits, &matchers, range).await;
    let mut names = names.map_err(HttpError::from);
    if let (Ok(names), true) = (&mut names, hides_internal(app, &asked)) {
        names.retain(|name| !INTERNAL.contains(&name.as_str()));
    }
    log.told(app, &names, Vec::len);
    list(app, asked.format, (names?, partial), legacy).await
}

async fn values_in(app: &App, name: &str, request: Request, legacy: bool) -> Result<Response, HttpError> {
    let asked = read(app, request).await?;
    let wanted = LabelParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    check_order(wanted.start, wanted.end)?;
    let matchers = optional_selector(&wanted.query)?;
    if name == TENANT_LABEL && app.settings.multi_tenant_queries {
        let ids = asked.readers.ids().iter().map(|id| id.as_str().to_owned()).collect();
        return list(app, asked.format, (ids, None), legacy).await;
    }
    let range = closed(wanted.start, wanted.end);
    let partial = app.engine.partial(&asked.readers, range).await;
    let log = QueryLog::begin(app, &asked, &wanted.query, "labels", "").of_label(name);
    let log = log.spanning(wanted.start, wanted.end, 0, 0);
    let values = app.engine.label_values(&asked.readers, &asked.limits, name, &matchers, range).await;
    let values = values.map_err(HttpError::from);
    log.told(app, &values, Vec::len);
    list(app, asked.format, (values?, partial), legacy).await
}

/// Names or values, in the shape of `/api/prom` if `legacy`. Upstream's protobuf has no place for warnings here.
async fn list(app: &App, format: Format, found: Found, legacy: bool) -> Result<Response, HttpError> {
    let (labels, partial) = found;
    let write = move |format, out: &mut Vec<u8>| {
        match format {
            Format::Protobuf => return proto::labels(out, &labels, legacy),
            _ if legacy => write_legacy_labels(out, &labels),
            _ => write_labels(out, &labels),
        }
        add_warnings(out, partial.as_slice());
    };
    written(app, format, write).await
}

/// `/loki/api/v1/labels`
pub(crate) async fn names(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    names_in(&app, request, false).await
}

/// `/loki/api/v1/label/{name}/values`
pub(crate) async fn values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    values_in(&app, &name, request, false).await
}

/// `/api/prom/label`
pub(crate) async fn legacy_names(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    names_in(&app, request, true).await
}

/// `/api/prom/label/{name}/values`
pub(crate) async fn legacy_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    values_in(&app, &name, request, true).await
}

/// `/loki/api/v1/series` and `/api/prom/series`
pub(crate) async fn series(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let legacy = request.uri().path().ends_with("/api/prom/series");
    let asked = read(&app, request).await?;
    let wanted = SeriesParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    check_order(wanted.start, wanted.end)?;
    let mut groups = Vec::with_capacity(wanted.groups.len());
    for group in &wanted.groups {
        let matchers = loptr_logql::parse_matchers(group).map_err(HttpError::bad_query)?;
        if matchers.is_empty() {
            return Err(HttpError::bad_query(format!("0 matchers in group: {group}")));
        }
        groups.push(matchers);
    }
    let hides = hides_internal(&app, &asked);
    let named = |matchers: &[Matcher], name: &str| matchers.iter().any(|matcher| matcher.name == name);
    let wanted_by_name = groups.iter().any(|group| INTERNAL.iter().any(|name| named(group, name)));
    if hides {
        for group in &mut groups {
            let absent = INTERNAL.iter().filter(|name| !named(group, name));
            let absent: Vec<Matcher> = absent.map(|name| Matcher::new(*name, MatchOp::Eq, "")).collect();
            group.extend(absent);
        }
    }
    let range = closed(wanted.start, wanted.end);
    asked.limits.check_enabled()?;
    let partial = app.engine.partial(&asked.readers, range).await;
    let log = QueryLog::begin(&app, &asked, &wanted.groups.join(":"), "series", "");
    let log = log.spanning(wanted.start, wanted.end, 0, 0);
    let sets = app.engine.series(&asked.readers, &asked.limits, &groups, range).await.map_err(HttpError::from);
    log.told(&app, &sets, Vec::len);
    let mut sets = sets?;
    if hides && !wanted_by_name {
        sets.retain(|labels| INTERNAL.iter().all(|name| labels.get(name).is_none()));
    }
    let write = move |format, out: &mut Vec<u8>| match format {
        Format::Protobuf => proto::series(out, &sets, legacy),
        _ => {
            write_series(out, &sets);
            add_warnings(out, partial.as_slice());
        }
    };
    written(&app, asked.format, write).await
}
