//! Rules that look at a stream's labels: which policy it falls under, how long it is kept, which labels it must have,
//! and whether it is let in at all. Statuses and texts are upstream's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loptr_model::{Labels, Nanos, TenantId};
use loptr_regex::LabelMatcher;

/// A rule that holds for the streams its matchers accept. Of several, the highest priority decides.
#[derive(Clone, Debug)]
pub struct StreamRule<T> {
    /// Priority.
    pub priority: i64,
    /// A stream must fit all of them.
    pub matchers: Arc<[LabelMatcher]>,
    /// What holds for it.
    pub value: T,
}

impl<T> StreamRule<T> {
    /// Whether the rule holds for a stream with these labels.
    fn fits(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
    }
}

/// The policy that stands for every policy, and for streams without.
const EVERY_POLICY: &str = "*";

/// Ingestion policies of a tenant and what depends on them.
#[derive(Clone, Debug, Default)]
pub struct IngestRules {
    /// Policies by selector.
    pub policies: Vec<StreamRule<String>>,
    /// Hours of retention by selector, for the labels of metrics.
    pub retention_hours: Vec<StreamRule<u64>>,
    /// Hours of retention of all others.
    pub default_retention_hours: u64,
    /// Labels every stream must have.
    pub enforced_labels: Vec<String>,
    /// Labels streams of a policy must have; those of `*` hold for all.
    pub policy_enforced_labels: BTreeMap<String, Vec<String>>,
    /// Nothing is let in before this time.
    pub block_until: Option<Nanos>,
    /// The same by policy; `*` means streams without one.
    pub block_policy_until: BTreeMap<String, Nanos>,
    /// HTTP status of what is not let in; 200 hides it.
    pub block_status: u16,
    /// Streams of a tenant, while one of this policy is made; 0: no limit.
    pub policy_max_streams: BTreeMap<String, usize>,
    /// Count a policy's own streams against its limit, not all of the tenant's.
    pub count_by_policy: bool,
}

/// Why a stream is not let in now.
pub(crate) struct Blocked {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl IngestRules {
    /// The stream's policy: the one of the highest priority, the first by name of several; empty when there is none.
    pub(crate) fn policy(&self, labels: &Labels) -> &str {
        let fitting: Vec<&StreamRule<String>> = self.policies.iter().filter(|rule| rule.fits(labels)).collect();
        let Some(highest) = fitting.iter().map(|rule| rule.priority).max() else { return "" };
        let names = fitting.into_iter().filter(|rule| rule.priority == highest).map(|rule| rule.value.as_str());
        let names: BTreeSet<&str> = names.collect();
        if names.len() > 1 {
            let all = names.iter().copied().collect::<Vec<_>>().join(",");
            tracing::warn!(stream = %labels, policies = all, "multiple policies matched for the same stream");
        }
        names.first().copied().unwrap_or_default()
    }

    /// How many hours the stream is kept; 0: for ever.
    pub(crate) fn retention_hours(&self, labels: &Labels) -> u64 {
        let fitting = self.retention_hours.iter().filter(|rule| rule.fits(labels));
        // Of equal priorities the shorter retention wins, as upstream's.
        let best = fitting.min_by_key(|rule| (std::cmp::Reverse(rule.priority), rule.value));
        best.map_or(self.default_retention_hours, |rule| rule.value)
    }

    /// The labels the stream lacks.
    pub(crate) fn missing_labels(&self, labels: &Labels, policy: &str) -> Vec<&str> {
        let of = |policy: &str| self.policy_enforced_labels.get(policy).into_iter().flatten();
        let mut missing: Vec<&str> = Vec::new();
        for name in self.enforced_labels.iter().chain(of(EVERY_POLICY)).chain(of(policy)) {
            if labels.get(name).is_none() && !missing.contains(&name.as_str()) {
                missing.push(name);
            }
        }
        missing
    }

    /// Whether streams of `policy` are kept out at `now`.
    pub(crate) fn blocked(&self, tenant: &TenantId, policy: &str, now: Nanos) -> Option<Blocked> {
        let status = self.block_status;
        if let Some(until) = self.block_until.filter(|until| now < *until) {
            let message = format!(
                "ingestion blocked for user '{tenant}' until '{}' with status code '{status}'",
                crate::push::rfc3339(until)
            );
            return Some(Blocked { reason: "blocked_ingestion", message });
        }
        let of_all = || if policy.is_empty() { self.block_policy_until.get(EVERY_POLICY) } else { None };
        let until = self.block_policy_until.get(policy).or_else(of_all)?;
        (now < *until).then(|| {
            let message = format!(
                "ingestion blocked for user '{tenant}' (policy: '{policy}') until '{}' with status code '{status}'",
                crate::push::rfc3339(*until)
            );
            Blocked { reason: "blocked_ingestion_policy", message }
        })
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::{MatchOp, Matcher};

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().fold(Labels::default(), |labels, (name, value)| labels.with(name, value))
    }

    fn rule<T>(priority: i64, name: &str, value: &str, then: T) -> StreamRule<T> {
        let matcher = Matcher::new(name, MatchOp::Eq, value);
        StreamRule { priority, matchers: [LabelMatcher::compile(&matcher).expect("no regex")].into(), value: then }
    }

    #[test]
    fn the_highest_priority_decides_and_then_the_name() {
        let policies = vec![
            rule(1, "app", "a", "low".to_owned()),
            rule(5, "env", "x", "zebra".to_owned()),
            rule(5, "app", "a", "ant".to_owned()),
        ];
        let rules = IngestRules { policies, ..IngestRules::default() };
        assert_eq!(rules.policy(&labels(&[("app", "a"), ("env", "x")])), "ant");
        assert_eq!(rules.policy(&labels(&[("app", "b"), ("env", "x")])), "zebra");
        assert_eq!(rules.policy(&labels(&[("app", "b")])), "");
    }

    #[test]
    fn retention_is_of_the_highest_priority() {
        let retention_hours = vec![rule(1, "app", "a", 24), rule(2, "env", "x", 48), rule(2, "app", "a", 72)];
        let rules = IngestRules { retention_hours, default_retention_hours: 744, ..IngestRules::default() };
        assert_eq!(rules.retention_hours(&labels(&[("app", "a"), ("env", "x")])), 48);
        assert_eq!(rules.retention_hours(&labels(&[("app", "a")])), 72);
        assert_eq!(rules.retention_hours(&labels(&[("app", "b")])), 744);
    }

    #[test]
    fn a_star_blocks_streams_without_a_policy_and_asks_labels_of_all() {
        let mut rules = IngestRules { block_status: 260, ..IngestRules::default() };
        rules.block_policy_until.insert("*".to_owned(), Nanos(10));
        rules.block_policy_until.insert("p".to_owned(), Nanos(5));
        let tenant = TenantId::single();
        let blocked = |policy, now| rules.blocked(&tenant, policy, Nanos(now)).map(|blocked| blocked.message);
        let text = "ingestion blocked for user 'fake' (policy: '') until '1970-01-01T00:00:00Z' with status code '260'";
        assert_eq!(blocked("", 9), Some(text.to_owned()));
        assert_eq!((blocked("", 10), blocked("q", 0)), (None, None));
        assert!(blocked("p", 4).is_some() && blocked("p", 5).is_none());
        let enforced = |name: &str, label: &str| (name.to_owned(), vec![label.to_owned()]);
        rules.policy_enforced_labels = [enforced("*", "owner"), enforced("p", "cost")].into();
        rules.enforced_labels = vec!["app".to_owned(), "owner".to_owned()];
        assert_eq!(rules.missing_labels(&labels(&[("a", "b")]), "p"), ["app", "owner", "cost"]);
        assert_eq!(rules.missing_labels(&labels(&[("app", "b")]), ""), ["owner"]);
    }
}
