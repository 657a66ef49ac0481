//! The limits of a tenant as it may see them: `/config/tenant/v1/limits` and its JSON twin.
//!
//! Upstream's shape: keys in the order of their names, `prom duration`s and sizes as text, Go durations as nanoseconds,
//! lists of rules left out when empty. Two accidents of upstream's are mended: times are told (upstream: `{}`), blocked
//! queries have the keys of the file (upstream: those of its Go struct).

use super::{AttributeAction, AttributeRule, Limits, ProcessLimits, limits_key};
use crate::config::Config;
use crate::table::{KeyId, Kind, table};
use crate::value::{Any, Object, Value, format_text};
use crate::write::{MASK, any_yaml, is_secret};

/// Keys left out when they hold nothing.
const OMITTED_WHEN_EMPTY: &[&str] =
    &["blocked_queries", "minimum_labels_number", "required_labels", "retention_stream", "ruler_remote_write_config"];

impl Config {
    /// The limits a tenant may see (`tenant_limits_allow_publish`; an empty list shows all): its own, or those of
    /// tenants without.
    pub fn published_limits(&self, own: Option<&Object>) -> Any {
        let base;
        let values = match own {
            Some(own) => own,
            None => {
                base = self.block(limits_key());
                &base
            }
        };
        let limits = Limits::read(values, &ProcessLimits::of(self));
        let allowed = self.strs("tenant_limits_allow_publish");
        let mut shown = members(values, limits_key());
        for (name, value) in &mut shown {
            if name == "otlp_config" {
                *value = otlp(&limits);
            }
        }
        shown.retain(|(name, value)| {
            let published = allowed.is_empty() || allowed.contains(name);
            published && !(OMITTED_WHEN_EMPTY.contains(&name.as_str()) && is_empty(value))
        });
        Any::Map(shown)
    }

    /// The same as YAML.
    pub fn published_limits_yaml(&self, own: Option<&Object>) -> String {
        any_yaml(&self.published_limits(own))
    }
}

fn is_empty(value: &Any) -> bool {
    match value {
        Any::Null => true,
        Any::Number(text) => text == "0",
        Any::List(items) => items.is_empty(),
        Any::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

/// Keys below `key`, by name.
fn members(values: &Object, key: KeyId) -> Vec<(String, Any)> {
    let children = table().children(key).filter(|child| !matches!(table().key(*child).name(), "[]" | "<name>"));
    let mut members: Vec<(String, Any)> =
        children.map(|child| (table().key(child).name().to_owned(), shown(values, child))).collect();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    members
}

fn text(text: impl Into<String>) -> Any {
    Any::Text(text.into())
}

fn shown(values: &Object, key: KeyId) -> Any {
    let row = table().key(key);
    if row.kind == Kind::Object {
        // Blocks upstream holds behind a pointer are null until they are set.
        let unset = row.path.contains("ruler_") && values.block(key) == Object::defaults(key);
        return if unset { Any::Null } else { Any::Map(members(values, key)) };
    }
    of_kind(row.kind, key, &values.slot(key).value)
}

fn of_kind(kind: Kind, key: KeyId, value: &Value) -> Any {
    match value {
        Value::Bool(value) => Any::Bool(*value),
        Value::Int(_) | Value::Uint(_) | Value::Float(_) => Any::Number(format_text(kind, value)),
        Value::Duration(nanos) if kind == Kind::Duration => Any::Number(nanos.to_string()),
        Value::Text(value) if is_secret(kind) && !value.is_empty() => text(MASK),
        Value::Time(None) => Any::Null,
        Value::Texts(texts) => Any::List(texts.iter().map(text_of).collect()),
        Value::Objects(objects) => {
            Any::List(objects.iter().map(|object| Any::Map(members(object, object.root()))).collect())
        }
        Value::Object(object) => Any::Map(members(object, object.root())),
        Value::Map(entries) => {
            let (kind, key) =
                if kind == Kind::Map { (table().key(key.next()).kind, key.next()) } else { (Kind::Text, key) };
            let mut shown: Vec<(String, Any)> =
                entries.iter().map(|(name, value)| (name.clone(), of_kind(kind, key, value))).collect();
            shown.sort_by(|a, b| a.0.cmp(&b.0));
            Any::Map(shown)
        }
        Value::Any(any) => any.clone(),
        value => text(format_text(kind, value)),
    }
}

fn text_of(value: &String) -> Any {
    text(value)
}

fn otlp(limits: &Limits) -> Any {
    let rules = |rules: &[AttributeRule]| Any::List(rules.iter().map(rule).collect());
    let otlp = &limits.otlp_config;
    let mut shown = Vec::new();
    if !otlp.log_attributes.is_empty() {
        shown.push(("log_attributes".to_owned(), rules(&otlp.log_attributes)));
    }
    let resource = vec![("attributes_config".to_owned(), rules(&otlp.resource_attributes))];
    shown.push(("resource_attributes".to_owned(), Any::Map(resource)));
    if !otlp.scope_attributes.is_empty() {
        shown.push(("scope_attributes".to_owned(), rules(&otlp.scope_attributes)));
    }
    if otlp.severity_text_as_label {
        shown.push(("severity_text_as_label".to_owned(), Any::Bool(true)));
    }
    Any::Map(shown)
}

fn rule(rule: &AttributeRule) -> Any {
    let action = match rule.action {
        AttributeAction::IndexLabel => "index_label",
        AttributeAction::StructuredMetadata => "structured_metadata",
        AttributeAction::Drop => "drop",
    };
    let mut shown = vec![("action".to_owned(), text(action))];
    if !rule.attributes.is_empty() {
        shown.push(("attributes".to_owned(), Any::List(rule.attributes.iter().map(text_of).collect())));
    }
    if !rule.regex.is_empty() {
        shown.push(("regex".to_owned(), text(&rule.regex)));
    }
    Any::Map(shown)
}
