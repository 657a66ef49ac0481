//! `/loki/api/v1/drilldown-limits`: what Grafana Logs Drilldown may rely on, as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_config::Any;
use serde_json::json;

use super::App;
use super::error::HttpError;
use super::tenant;
use crate::build;

/// `GET /loki/api/v1/drilldown-limits`. Like upstream it wants the tenant's header even where tenants are off.
pub(crate) async fn limits(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, HttpError> {
    let unauthorized = |error: HttpError| HttpError { status: StatusCode::UNAUTHORIZED, ..error };
    let tenant = tenant::of(&headers, true).map_err(unauthorized)?;
    let runtime = app.runtime.current();
    let own = runtime.values.get(tenant.as_str());
    let limits = app.config.as_ref().map_or_else(|| json!({}), |config| json_of(config.published_limits(own)));
    let patterns = app.config.as_ref().is_some_and(|config| config.bool("pattern_ingester.enabled"));
    let answer = json!({ "limits": limits, "pattern_ingester_enabled": patterns, "version": build::info().version });
    let mut body = answer.to_string().into_bytes();
    body.push(b'\n');
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Values of the configuration as JSON.
fn json_of(any: Any) -> serde_json::Value {
    match any {
        Any::Null => serde_json::Value::Null,
        Any::Bool(value) => json!(value),
        Any::Number(text) => text.parse().map_or_else(|_| json!(text), serde_json::Value::Number),
        Any::Text(text) => json!(text),
        Any::List(items) => items.into_iter().map(json_of).collect(),
        Any::Map(entries) => entries.into_iter().map(|(name, value)| (name, json_of(value))).collect(),
    }
}
