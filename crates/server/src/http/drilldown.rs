//! `/loki/api/v1/drilldown-limits`: what Grafana Logs Drilldown may rely on, as JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use loptr_config::{AttributeAction, AttributeRule, Config, Kind, Limits, Value, known_path};
use serde_json::{Map, json};

use super::App;
use super::error::HttpError;
use super::tenant;
use crate::build;

/// `GET /loki/api/v1/drilldown-limits`. Like upstream it wants the tenant's header even where tenants are off.
pub(crate) async fn limits(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, HttpError> {
    if headers.get(tenant::ORG_ID).is_none_or(http::HeaderValue::is_empty) {
        return Err(HttpError::plain(StatusCode::UNAUTHORIZED, "no org id"));
    }
    let limits = app.config.as_ref().map_or_else(Map::new, published);
    let patterns = app.config.as_ref().is_some_and(|config| config.bool("pattern_ingester.enabled"));
    let answer = json!({ "limits": limits, "pattern_ingester_enabled": patterns, "version": build::info().version });
    let mut body = answer.to_string().into_bytes();
    body.push(b'\n');
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// The limits that may be told, by key.
fn published(config: &Config) -> Map<String, serde_json::Value> {
    let allowed = config.strs("tenant_limits_allow_publish");
    let keys: Vec<String> = if allowed.is_empty() { every_limit() } else { allowed.to_vec() };
    let limits = config.limits();
    keys.into_iter().filter_map(|key| Some((key.clone(), value_of(config, &limits, &key)?))).collect()
}

/// All limits directly below `limits_config`.
fn every_limit() -> Vec<String> {
    let names = loptr_config::table().keys().filter_map(|(_, key)| key.path.strip_prefix("limits_config."));
    names.filter(|name| !name.contains(['.', '[', '<'])).map(str::to_owned).collect()
}

/// One limit as upstream's YAML has it; `None` if there is no such key or it is unset.
fn value_of(config: &Config, limits: &Limits, key: &str) -> Option<serde_json::Value> {
    if key == "otlp_config" {
        return Some(otlp(limits));
    }
    let path = format!("limits_config.{key}");
    let kind = known_path(&path)?;
    if kind == Kind::Object {
        return None;
    }
    Some(match config.value(&path) {
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Texts(texts) if !texts.is_empty() => json!(texts),
        Value::Texts(_) | Value::Objects(_) | Value::Map(_) | Value::Block | Value::Object(_) | Value::Any(_) => {
            return None;
        }
        value => json!(loptr_config::format_text(kind, value)),
    })
}

fn otlp(limits: &Limits) -> serde_json::Value {
    let rules = |rules: &[AttributeRule]| -> Vec<serde_json::Value> {
        let rule = |rule: &AttributeRule| {
            let action = match rule.action {
                AttributeAction::IndexLabel => "index_label",
                AttributeAction::StructuredMetadata => "structured_metadata",
                AttributeAction::Drop => "drop",
            };
            let mut told = Map::new();
            told.insert("action".to_owned(), json!(action));
            if !rule.attributes.is_empty() {
                told.insert("attributes".to_owned(), json!(rule.attributes));
            }
            if !rule.regex.is_empty() {
                told.insert("regex".to_owned(), json!(rule.regex));
            }
            serde_json::Value::Object(told)
        };
        rules.iter().map(rule).collect()
    };
    let otlp = &limits.otlp_config;
    let mut told = Map::new();
    if !otlp.resource_attributes.is_empty() {
        let resource = json!({ "attributes_config": rules(&otlp.resource_attributes) });
        told.insert("resource_attributes".to_owned(), resource);
    }
    for (name, list) in [("scope_attributes", &otlp.scope_attributes), ("log_attributes", &otlp.log_attributes)] {
        if !list.is_empty() {
            told.insert(name.to_owned(), json!(rules(list)));
        }
    }
    if otlp.severity_text_as_label {
        told.insert("severity_text_as_label".to_owned(), json!(true));
    }
    serde_json::Value::Object(told)
}
