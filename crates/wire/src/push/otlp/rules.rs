//! Which attributes become labels, metadata or nothing.

use std::fmt;
use std::sync::Arc;

/// What becomes of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpAction {
    /// A label of the stream.
    Label,
    /// Structured metadata.
    Metadata,
    /// Nothing.
    Drop,
}

type Matches = dyn Fn(&[u8]) -> bool + Send + Sync;

/// A test of names, as a regular expression of the configuration gives it.
#[derive(Clone)]
pub struct NamePattern {
    text: Arc<str>,
    matches: Arc<Matches>,
}

impl NamePattern {
    /// `matches` says yes to a name; two patterns of equal `text` are equal.
    pub fn new(text: &str, matches: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Self { text: text.into(), matches: Arc::new(matches) }
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamePattern").field(&self.text).finish()
    }
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// The attributes a rule holds for, by their names as sent.
#[derive(Clone, Debug, PartialEq)]
pub enum OtlpNames {
    /// These.
    Listed(Vec<String>),
    /// Those that match.
    Matching(NamePattern),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpRule {
    /// What to do.
    pub action: OtlpAction,
    /// With which.
    pub names: OtlpNames,
}

impl OtlpRule {
    fn holds_for(&self, name: &[u8]) -> bool {
        match &self.names {
            OtlpNames::Listed(names) => names.iter().any(|listed| listed.as_bytes() == name),
            OtlpNames::Matching(pattern) => (pattern.matches)(name),
        }
    }
}

/// Rules of a tenant (`limits_config.otlp_config`), those of the process in front. The first that matches decides.
#[derive(Clone, Debug, PartialEq)]
pub struct OtlpRules {
    /// For attributes of resources.
    pub resource: Vec<OtlpRule>,
    /// For attributes of scopes, which never become labels.
    pub scope: Vec<OtlpRule>,
    /// For attributes of records.
    pub record: Vec<OtlpRule>,
    /// Whether the severity's text is a label as well.
    pub severity_text_as_label: bool,
}

/// Attributes of resources that become labels unless told otherwise.
const DEFAULT_LABELS: [&str; 18] = [
    "service.name",
    "service.namespace",
    "service.instance.id",
    "deployment.environment",
    "deployment.environment.name",
    "cloud.region",
    "cloud.availability_zone",
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.pod.name",
    "k8s.container.name",
    "container.name",
    "k8s.replicaset.name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
];

impl Default for OtlpRules {
    fn default() -> Self {
        let names = OtlpNames::Listed(DEFAULT_LABELS.iter().map(|name| (*name).to_owned()).collect());
        Self {
            resource: vec![OtlpRule { action: OtlpAction::Label, names }],
            scope: Vec::new(),
            record: Vec::new(),
            severity_text_as_label: false,
        }
    }
}

/// What the first matching rule says.
pub(super) fn action(rules: &[OtlpRule], name: &[u8]) -> OtlpAction {
    rules.iter().find(|rule| rule.holds_for(name)).map_or(OtlpAction::Metadata, |rule| rule.action)
}
