//! Queries a tenant may not ask at all: those its operator blocked, and selectors that say too little.

use std::collections::BTreeMap;

use loptr_model::Matcher;
use loptr_regex::GoRegex;

use crate::error::QueryError;
use crate::limits::QueryLimits;

/// What a query is, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// It gives numbers.
    Metric,
    /// It gives lines and looks at each.
    Filter,
    /// It gives lines of streams as they come.
    Limited,
}

impl QueryKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Filter => "filter",
            Self::Limited => "limited",
        }
    }
}

/// Which query a rule is about.
#[derive(Clone, Debug)]
enum Wanted {
    Hash(u32),
    Every,
    /// The text, spaces around it aside; or what fits the expression.
    Text(String, Option<GoRegex>),
}

/// A rule that blocks queries.
#[derive(Clone, Debug)]
pub struct BlockedQuery {
    wanted: Wanted,
    types: Vec<String>,
    tags: BTreeMap<String, String>,
}

impl BlockedQuery {
    /// Blocks the query whose hash this is, or, with 0, those that `pattern` names; none names all. An expression that
    /// cannot be compiled names nothing but its own text.
    pub fn new(pattern: &str, regex: bool, hash: u64) -> Self {
        let wanted = match (hash, pattern) {
            (1.., _) => Wanted::Hash(u32::try_from(hash).unwrap_or(0)),
            (0, "") => Wanted::Every,
            (0, pattern) => {
                let regex = regex.then(|| GoRegex::new(pattern).ok()).flatten();
                Wanted::Text(pattern.trim().to_owned(), regex)
            }
        };
        Self { wanted, types: Vec::new(), tags: BTreeMap::new() }
    }

    /// Only queries of these types; none means all.
    pub fn of_types(self, types: Vec<String>) -> Self {
        Self { types, ..self }
    }

    /// Only queries with all of these tags, in any case of their letters.
    pub fn with_tags(self, tags: BTreeMap<String, String>) -> Self {
        Self { tags, ..self }
    }

    fn names(&self, query: &str) -> bool {
        match &self.wanted {
            Wanted::Hash(hash) => *hash == fnv32(query.as_bytes()),
            Wanted::Every => true,
            Wanted::Text(text, regex) => {
                text == query.trim() || regex.as_ref().is_some_and(|regex| regex.is_match(query.as_bytes()))
            }
        }
    }

    fn blocks(&self, kind: QueryKind, tags: &[(String, String)]) -> bool {
        let of_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind.as_str());
        let tagged = |(name, value): (&String, &String)| {
            let same =
                |(key, text): &(String, String)| key.eq_ignore_ascii_case(name) && text.eq_ignore_ascii_case(value);
            tags.iter().any(same)
        };
        of_type && self.tags.iter().all(tagged)
    }
}

/// FNV-1, 32 bits: the hash upstream's log tells of a query.
fn fnv32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte))
}

/// `a=b,c=d` → pairs; what is no pair is passed over.
fn tags_of(header: &str) -> Vec<(String, String)> {
    let pair = |token: &str| {
        let mut parts = token.split('=').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(value), None) => Some((name.to_owned(), value.to_owned())),
            _ => None,
        }
    };
    header.split(',').filter_map(pair).collect()
}

impl QueryLimits {
    /// Refuses a query that is blocked. `tags` is the header `X-Query-Tags`. The first rule that names it decides.
    pub fn check_blocked(&self, query: &str, kind: QueryKind, tags: &str) -> Result<(), QueryError> {
        for rules in &self.blocked {
            let Some(rule) = rules.iter().find(|rule| rule.names(query)) else { continue };
            let blocked = rule.blocks(kind, &tags_of(tags));
            tracing::warn!(query, kind = kind.as_str(), blocked, "a rule about blocked queries matched");
            if blocked {
                return Err(QueryError::BadRequest("query blocked by policy".to_owned()));
            }
        }
        Ok(())
    }

    /// Refuses a selector without the labels it must name, or with too few matchers.
    pub fn check_required(&self, matchers: &[Matcher]) -> Result<(), QueryError> {
        let present = || matchers.iter().map(|matcher| matcher.name.as_str()).collect::<Vec<_>>().join(", ");
        let missing = self.required_labels.iter().filter(|label| !matchers.iter().any(|known| known.name == **label));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(QueryError::Limit(format!(
                "stream selector is missing required matchers [{}], labels present in the query were [{}]",
                missing.join(", "),
                present()
            )));
        }
        if matchers.len() < self.min_matchers {
            return Err(QueryError::Limit(format!(
                "stream selector has less label matchers than required: (present: [{}], number_present: {}, required_number_label_matchers: {})",
                present(),
                matchers.len(),
                self.min_matchers
            )));
        }
        Ok(())
    }

    /// Refuses everything when the tenant's queries may not run in any part at once.
    pub fn check_enabled(&self) -> Result<(), QueryError> {
        if self.is_disabled { Err(QueryError::Disabled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(rules: Vec<BlockedQuery>, query: &str, kind: QueryKind, tags: &str) -> bool {
        QueryLimits { blocked: vec![rules.into()], ..QueryLimits::default() }.check_blocked(query, kind, tags).is_err()
    }

    #[test]
    fn the_first_rule_that_names_a_query_decides() {
        let rules = || {
            vec![
                BlockedQuery::new(" {app=\"a\"} ", false, 0),
                BlockedQuery::new("sum.*", true, 0).of_types(vec!["filter".to_owned()]),
                BlockedQuery::new("rate", true, 0),
            ]
        };
        assert!(blocked(rules(), "{app=\"a\"}", QueryKind::Limited, ""));
        assert!(!blocked(rules(), "sum(rate({a=\"b\"}[1m]))", QueryKind::Metric, ""), "the second rule names it");
        assert!(blocked(rules(), "rate({a=\"b\"}[1m])", QueryKind::Metric, ""));
        assert!(!blocked(rules(), "{app=\"b\"}", QueryKind::Limited, ""));
    }

    #[test]
    fn hashes_empty_patterns_and_tags() {
        assert_eq!((fnv32(b""), fnv32(b"a")), (0x811c_9dc5, 0x050c_5d7e));
        let query = "{app=\"a\"}";
        assert!(blocked(
            vec![BlockedQuery::new("", false, u64::from(fnv32(query.as_bytes())))],
            query,
            QueryKind::Limited,
            ""
        ));
        assert!(blocked(vec![BlockedQuery::new("", false, 0)], query, QueryKind::Limited, ""));
        assert!(!blocked(vec![BlockedQuery::new("(", true, 0)], query, QueryKind::Limited, ""));
        let tags = [("Source".to_owned(), "grafana".to_owned()), ("x".to_owned(), "Y".to_owned())];
        let rules = || vec![BlockedQuery::new(".*", true, 0).with_tags(tags.clone().into())];
        for (header, wanted) in
            [("source=GRAFANA,X=y", true), ("Source=grafana", false), ("Source=grafana,x=Y,z", true), ("", false)]
        {
            assert_eq!(blocked(rules(), query, QueryKind::Limited, header), wanted, "{header}");
        }
    }
}
