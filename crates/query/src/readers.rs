//! Whose data a query reads: one tenant's, or several tenants' put together.
//!
//! Of several, each stream says whose it is by the label `__tenant_id__`, added behind the pipeline. A stream that has
//! such a label itself keeps it as `original___tenant_id__`. Matchers on `__tenant_id__` choose among the tenants and go
//! no further; those on `original___tenant_id__` mean the streams' own label.

use std::sync::Arc;

use loptr_eval::Mark;
use loptr_model::{Labels, Matcher, TenantId};
use loptr_regex::LabelMatcher;

use crate::error::QueryError;

/// The label that says whose a stream is.
pub const TENANT_LABEL: &str = "__tenant_id__";
/// Labels of streams that hold what is known of others: counts, patterns.
pub const INTERNAL: [&str; 2] = ["__aggregated_metric__", "__pattern__"];
/// What a stream's own label of that name is called.
const ORIGINAL: &str = "original___tenant_id__";

/// The tenants a query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readers {
    ids: Vec<TenantId>,
    /// Whether streams are marked.
    several: bool,
    /// Whether lines of streams of our own, such as stored patterns, are read.
    sees_internal: bool,
}

/// One tenant, and what its streams are marked with.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) tenant: TenantId,
    pub(crate) mark: Option<Arc<Mark>>,
}

impl Readers {
    /// One tenant.
    pub fn one(id: TenantId) -> Self {
        Self { ids: vec![id], several: false, sees_internal: false }
    }

    /// Those tenants, sorted, each once; several of them are marked.
    pub fn of(mut ids: Vec<TenantId>) -> Self {
        ids.sort();
        ids.dedup();
        let several = ids.len() > 1;
        Self { ids, several, sees_internal: false }
    }

    /// The same, for a client that knows what lines of internal streams mean. To others a selector that names them
    /// selects nothing.
    pub fn seeing_internal(self, sees_internal: bool) -> Self {
        Self { sees_internal, ..self }
    }

    /// Whether lines of what `matchers` select are hidden.
    pub(crate) fn are_hidden(&self, matchers: &[Matcher]) -> bool {
        !self.sees_internal && matchers.iter().any(|matcher| INTERNAL.contains(&matcher.name.as_str()))
    }

    /// The tenants.
    pub fn ids(&self) -> &[TenantId] {
        &self.ids
    }

    /// Whether there are several.
    pub fn several(&self) -> bool {
        self.several
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = Reader> + '_ {
        self.ids.iter().map(|id| Reader {
            tenant: id.clone(),
            mark: self.several.then(|| Arc::new(Mark::new(TENANT_LABEL, id.as_str(), ORIGINAL))),
        })
    }

    /// The tenants that `matchers` choose, and the matchers that are left for their streams.
    pub fn choose(&self, matchers: &[Matcher]) -> Result<(Self, Vec<Matcher>), QueryError> {
        if !self.several {
            return Ok((self.clone(), matchers.to_vec()));
        }
        let (mut ids, mut left) = (self.ids.clone(), Vec::with_capacity(matchers.len()));
        for matcher in matchers {
            match matcher.name.as_str() {
                TENANT_LABEL => {
                    let compiled = LabelMatcher::compile(matcher);
                    let compiled =
                        compiled.map_err(|error| QueryError::BadRequest(format!("parse error : {error}")))?;
                    ids.retain(|id| compiled.matches(id.as_str()));
                }
                ORIGINAL => left.push(matcher.renamed(TENANT_LABEL)),
                _ => left.push(matcher.clone()),
            }
        }
        Ok((Self { ids, several: true, sees_internal: self.sees_internal }, left))
    }
}

impl Reader {
    /// Labels of a stream as the reader's caller sees them.
    pub(crate) fn marked(&self, labels: Labels) -> Labels {
        self.mark.as_ref().map_or_else(|| labels.clone(), |mark| mark.labels(&labels))
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::MatchOp;

    use super::*;

    fn readers(ids: &[&str]) -> Readers {
        Readers::of(ids.iter().map(|id| TenantId::parse(id).expect("a tenant")).collect())
    }

    #[test]
    fn matchers_choose_tenants() {
        let matcher = |name: &str, op, value: &str| Matcher::new(name, op, value);
        let matchers = [
            matcher("app", MatchOp::Eq, "x"),
            matcher(TENANT_LABEL, MatchOp::Re, "a|b"),
            matcher(ORIGINAL, MatchOp::Eq, "own"),
        ];
        let (chosen, left) = readers(&["c", "a", "b", "a"]).choose(&matchers).expect("chosen");
        assert_eq!(chosen.ids().iter().map(TenantId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(left, [matcher("app", MatchOp::Eq, "x"), matcher(TENANT_LABEL, MatchOp::Eq, "own")]);
        let (one, left) = readers(&["a", "a"]).choose(&matchers).expect("chosen");
        assert!(!one.several() && left.len() == 3, "a tenant alone is not marked");
    }

    #[test]
    fn streams_say_whose_they_are() {
        let own = Labels::from_pairs([("app", "x"), (TENANT_LABEL, "own")]);
        let marked: Vec<String> =
            readers(&["a", "b"]).each().map(|reader| reader.marked(own.clone()).to_string()).collect();
        assert_eq!(marked[1], r#"{__tenant_id__="b", app="x", original___tenant_id__="own"}"#);
        assert_eq!(readers(&["a"]).each().next().expect("one").marked(own.clone()), own);
    }
}
