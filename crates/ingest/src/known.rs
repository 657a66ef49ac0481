//! What a label text stands for under a tenant's limits: parsed, checked, put under its policy once and remembered.

use std::borrow::Cow;
use std::sync::Arc;

use loptr_model::Labels;
use loptr_wire::enrich::{self, FieldDetector, LevelDetector, SERVICE_NAME};
use loptr_wire::labels::{LabelsError, parse_label_pairs, parse_labels, render};

use crate::label_cache::{LabelCache, LabelCaches};
use crate::settings::Limits;
use crate::shard::{Shards, StreamRate, labels_of};

/// A tenant's limits, prepared.
#[derive(Debug)]
pub struct PushLimits {
    /// The limits.
    pub limits: Limits,
    pub(crate) detector: LevelDetector,
    /// Fields kept as metadata, by the name they get.
    pub(crate) fields: Vec<(String, FieldDetector)>,
    known: Arc<LabelCache>,
}

/// A label text seen before.
#[derive(Debug)]
pub(crate) struct KnownStream {
    pub(crate) labels: Labels,
    pub(crate) level: Option<String>,
    /// Values labels give for fields to be kept, in the order of [`PushLimits::fields`].
    pub(crate) fields: Vec<Option<String>>,
    pub(crate) is_internal: bool,
    /// Policy, unless the request names one; empty when there is none.
    pub(crate) policy: Arc<str>,
    /// How long it is kept, as the labels of metrics have it.
    pub(crate) retention_hours: Arc<str>,
    pub(crate) rate: StreamRate,
    shards: Shards<KnownStream>,
}

impl KnownStream {
    /// The stream that shard number `shard` of this one is.
    pub(crate) fn shard(&self, shard: usize) -> Arc<Self> {
        let mut shards = self.shards.lock();
        if shards.len() <= shard {
            shards.resize(shard + 1, None);
        }
        shards[shard].get_or_insert_with(|| Arc::new(self.part(labels_of(&self.labels, shard)))).clone()
    }

    /// The same stream under other labels.
    pub(crate) fn part(&self, labels: Labels) -> Self {
        Self {
            labels,
            level: self.level.clone(),
            fields: self.fields.clone(),
            is_internal: self.is_internal,
            policy: self.policy.clone(),
            retention_hours: self.retention_hours.clone(),
            rate: StreamRate::default(),
            shards: Shards::default(),
        }
    }
}

impl PushLimits {
    /// Prepares `limits`; what is remembered is bounded together with others'.
    pub fn sharing(limits: Limits, caches: &Arc<LabelCaches>) -> Self {
        let detector = LevelDetector::new(&limits.level_fields, limits.level_json_depth);
        let fields = limits.generic_fields.iter().map(|(name, from)| (name.clone(), FieldDetector::new(from)));
        let fields = fields.collect();
        Self { limits, detector, fields, known: caches.add() }
    }

    pub(crate) fn known(&self, text: &str) -> Result<Arc<KnownStream>, StreamError> {
        if let Some(known) = self.known.get(text) {
            return Ok(known);
        }
        let sent = parse_labels(text).map_err(|error| match error {
            LabelsError::Duplicate { name, .. } => {
                StreamError::Refused("duplicate_label_names", self.duplicate_message(text, &name))
            }
            error => StreamError::Unreadable(format!("couldn't parse labels: {error}")),
        })?;
        let service = enrich::discover_service(&sent, &self.limits.discover_service_name);
        let labels = service.map_or_else(|| sent.clone(), |service| sent.with(SERVICE_NAME, service));
        let is_internal = enrich::is_internal(&labels);
        if !is_internal {
            self.check_labels(&labels)?;
        }
        let level = self.detector.of_stream(&labels).map(str::to_owned);
        let value = |names: &[String]| names.iter().find_map(|name| labels.get(name)).map(str::to_owned);
        let fields = self.fields.iter().map(|(_, field)| value(field.names())).collect();
        let rules = &self.limits.rules;
        let known = KnownStream {
            level,
            fields,
            is_internal,
            policy: rules.policy(&labels).into(),
            retention_hours: rules.retention_hours(&labels).to_string().into(),
            rate: StreamRate::default(),
            shards: Shards::default(),
            labels,
        };
        Ok(self.known.keep(text, known))
    }

    /// A stream whose labels hold `name` twice, shown with the service name it would have got.
    fn duplicate_message(&self, text: &str, name: &str) -> String {
        let mut pairs = parse_label_pairs(text).unwrap_or_default();
        let value_of = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        if !self.limits.discover_service_name.is_empty() && value_of(SERVICE_NAME).is_none() {
            let found = self.limits.discover_service_name.iter().find_map(|name| value_of(name));
            let service = found.unwrap_or(Cow::Borrowed(enrich::UNKNOWN_SERVICE));
            let at = pairs.partition_point(|(name, _)| &**name < SERVICE_NAME);
            pairs.insert(at, (Cow::Borrowed(SERVICE_NAME), service));
        }
        format!("stream '{}' has duplicate label name: '{name}'", render(&pairs))
    }

    fn check_labels(&self, labels: &Labels) -> Result<(), StreamError> {
        let limits = &self.limits;
        let refused = |reason, message| Err(StreamError::Refused(reason, message));
        if labels.is_empty() {
            return refused("missing_labels", "error at least one label pair is required per stream".to_owned());
        }
        let names = labels.len() - usize::from(labels.get(SERVICE_NAME).is_some());
        if names > limits.max_label_names {
            let message =
                format!("entry for stream '{labels}' has {names} label names; limit {}", limits.max_label_names);
            return refused("max_label_names_per_series", message);
        }
        for (name, value) in labels.iter() {
            if name.len() > limits.max_label_name_bytes {
                return refused("label_name_too_long", format!("stream '{labels}' has label name too long: '{name}'"));
            }
            if value.len() > limits.max_label_value_bytes {
                return refused(
                    "label_value_too_long",
                    format!("stream '{labels}' has label value too long: '{value}'"),
                );
            }
        }
        Ok(())
    }
}

pub(crate) enum StreamError {
    /// The whole request is refused.
    Unreadable(String),
    /// This stream is dropped: reason and text.
    Refused(&'static str, String),
}
