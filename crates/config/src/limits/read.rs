//! Values of the table into the fields of [`super::Limits`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::{AttributeAction, AttributeRule, BlockedQuery, OtlpConfig, PolicyLimits, PriorityStream, StreamRetention};
use crate::value::{Object, Value};

/// Reads a field; a value of another type is a mistake of the program and panics with its path.
pub(super) trait FromValue {
    fn from_value(value: &Value, path: &str) -> Self;
}

macro_rules! from_value {
    ($($type:ty, $value:ident, $path:ident => { $($pattern:pat => $result:expr,)* })*) => {$(
        impl FromValue for $type {
            fn from_value($value: &Value, $path: &str) -> Self {
                match $value {
                    $($pattern => $result,)*
                    other => panic!("limit {} cannot be {other:?}", $path),
                }
            }
        }
    )*};
}

from_value! {
    bool, value, path => { Value::Bool(value) => *value, }
    f64, value, path => { Value::Float(value) => *value, }
    i64, value, path => { Value::Int(value) => *value, }
    u64, value, path => { Value::Bytes(bytes) => *bytes, }
    String, value, path => { Value::Text(text) => text.clone(), }
    Vec<String>, value, path => { Value::Texts(texts) => texts.clone(), }
    Option<i64>, value, path => { Value::Time(nanos) => *nanos, }
    Duration, value, path => { Value::Duration(nanos) => Duration::from_nanos(u64::try_from(*nanos).unwrap_or(0)), }
    usize, value, path => {
        Value::Int(value) => usize::try_from((*value).max(0)).unwrap_or(usize::MAX),
        Value::Uint(value) => usize::try_from(*value).unwrap_or(usize::MAX),
    }
    Vec<StreamRetention>, value, path => {
        Value::Objects(rules) => rules.iter().map(|rule| StreamRetention {
            period: rule.duration("period"),
            priority: rule.int("priority"),
            selector: rule.str("selector").to_owned(),
        }).collect(),
    }
    Vec<BlockedQuery>, value, path => {
        Value::Objects(queries) => queries.iter().map(|query| BlockedQuery {
            pattern: query.str("pattern").to_owned(),
            regex: query.bool("regex"),
            hash: query.uint("hash"),
            types: query.strs("types").to_vec(),
            query_tags: BTreeMap::from_value(query.value("query_tags"), path),
        }).collect(),
    }
    PolicyLimits, value, path => {
        Value::Object(limits) => PolicyLimits {
            max_streams_per_user: limits.count("max_streams_per_user"),
            max_global_streams_per_user: limits.count("max_global_streams_per_user"),
        },
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: &Value, path: &str) -> Self {
        match value {
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), T::from_value(value, path))).collect()
            }
            other => panic!("limit {path} cannot be {other:?}"),
        }
    }
}

fn rules(objects: &[Object]) -> impl Iterator<Item = AttributeRule> + '_ {
    objects.iter().map(|rule| AttributeRule {
        action: match rule.str("action") {
            "index_label" => AttributeAction::IndexLabel,
            "drop" => AttributeAction::Drop,
            _ => AttributeAction::StructuredMetadata,
        },
        attributes: rule.strs("attributes").to_vec(),
        regex: rule.str("regex").to_owned(),
    })
}

/// The OTLP rules; `index_labels` come first unless the tenant turns them off.
pub(super) fn otlp(values: &Object, index_labels: &[String]) -> OtlpConfig {
    let mut resource_attributes = Vec::new();
    if !values.bool("otlp_config.resource_attributes.ignore_defaults") && !index_labels.is_empty() {
        resource_attributes.push(AttributeRule {
            action: AttributeAction::IndexLabel,
            attributes: index_labels.to_vec(),
            regex: String::new(),
        });
    }
    resource_attributes.extend(rules(values.objects("otlp_config.resource_attributes.attributes_config")));
    OtlpConfig {
        resource_attributes,
        scope_attributes: rules(values.objects("otlp_config.scope_attributes")).collect(),
        log_attributes: rules(values.objects("otlp_config.log_attributes")).collect(),
        severity_text_as_label: values.bool("otlp_config.severity_text_as_label"),
    }
}

/// Policies and their streams, highest priority first.
pub(super) fn policy_map(entries: &[(String, Value)]) -> BTreeMap<String, Vec<PriorityStream>> {
    let stream = |object: &Object| PriorityStream {
        priority: object.int("priority"),
        selector: object.str("selector").to_owned(),
    };
    let streams = |value: &Value| match value {
        Value::Objects(objects) => {
            let mut streams: Vec<_> = objects.iter().map(stream).collect();
            streams.sort_by_key(|stream| std::cmp::Reverse(stream.priority));
            streams
        }
        _ => Vec::new(),
    };
    entries.iter().map(|(policy, value)| (policy.clone(), streams(value))).collect()
}

/// The tenant's policies with the process-wide ones added where their selector is new.
pub(super) fn policies(
    values: &Object,
    process: &BTreeMap<String, Vec<PriorityStream>>,
) -> BTreeMap<String, Vec<PriorityStream>> {
    let mut policies = policy_map(values.map("policy_stream_mapping"));
    for (policy, streams) in process {
        let own = policies.entry(policy.clone()).or_default();
        for stream in streams {
            if !own.iter().any(|known| known.selector == stream.selector) {
                own.push(stream.clone());
            }
        }
        own.sort_by_key(|stream| std::cmp::Reverse(stream.priority));
    }
    policies
}
