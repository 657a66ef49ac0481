//! Label names, label values and series, in the shapes of `/loki/api/v1` and of `/api/prom`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::Response;
use loptr_query::TENANT_LABEL;
use loptr_wire::answer::{add_warnings, write_labels, write_legacy_labels, write_series};
use loptr_wire::params::{LabelParams, SeriesParams};

use super::App;
use super::asked::{check_order, closed, json, on_cpu, optional_selector, read};
use super::error::HttpError;

/// What was found, and why it may be short.
type Found = (Vec<String>, Option<String>);

async fn found_names(app: &App, request: Request) -> Result<Found, HttpError> {
    let asked = read(app, request).await?;
    let wanted = LabelParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    check_order(wanted.start, wanted.end)?;
    let matchers = optional_selector(&wanted.query)?;
    let range = closed(wanted.start, wanted.end);
    let partial = app.engine.partial(&asked.readers, range).await;
    Ok((app.engine.label_names(&asked.readers, &asked.limits, &matchers, range).await?, partial))
}

async fn found_values(app: &App, name: &str, request: Request) -> Result<Found, HttpError> {
    let asked = read(app, request).await?;
    let wanted = LabelParams::parse(&asked.params, asked.now).map_err(HttpError::bad_query)?;
    check_order(wanted.start, wanted.end)?;
    let matchers = optional_selector(&wanted.query)?;
    if name == TENANT_LABEL && app.settings.multi_tenant_queries {
        return Ok((asked.readers.ids().iter().map(|id| id.as_str().to_owned()).collect(), None));
    }
    let range = closed(wanted.start, wanted.end);
    let partial = app.engine.partial(&asked.readers, range).await;
    Ok((app.engine.label_values(&asked.readers, &asked.limits, name, &matchers, range).await?, partial))
}

async fn written(app: &App, found: Found, write: fn(&mut Vec<u8>, &[String])) -> Result<Response, HttpError> {
    let write = move || {
        let (mut out, (labels, partial)) = (Vec::new(), found);
        write(&mut out, &labels);
        add_warnings(&mut out, partial.as_slice());
        out
    };
    on_cpu(app, write).await.map(json)
}

/// `/loki/api/v1/labels`
pub(crate) async fn names(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let names = found_names(&app, request).await?;
    written(&app, names, write_labels).await
}

/// `/loki/api/v1/label/{name}/values`
pub(crate) async fn values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    let values = found_values(&app, &name, request).await?;
    written(&app, values, write_labels).await
}

/// `/api/prom/label`
pub(crate) async fn legacy_names(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
    let names = found_names(&app, request).await?;
    written(&app, names, write_legacy_labels).await
}

/// `/api/prom/label/{name}/values`
pub(crate) async fn legacy_values(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, HttpError> {
    let values = found_values(&app, &name, request).await?;
    written(&app, values, write_legacy_labels).await
}

/// `/loki/api/v1/series` and `/api/prom/series`
pub(crate) async fn series(State(app): State<Arc<App>>, request: Request) -> Result<Response, HttpError> {
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
    let range = closed(wanted.start, wanted.end);
    asked.limits.check_enabled()?;
    let partial = app.engine.partial(&asked.readers, range).await;
    let sets = app.engine.series(&asked.readers, &asked.limits, &groups, range).await?;
    let write = move || {
        let mut out = Vec::new();
        write_series(&mut out, &sets);
        add_warnings(&mut out, partial.as_slice());
        out
    };
    on_cpu(&app, write).await.map(json)
}
