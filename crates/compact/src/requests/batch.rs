//! Which requests a round carries out: a pure function of the list, the policies and one moment.

use std::collections::HashMap;
use std::sync::Arc;

use loptr_eval::source::Deletion;
use loptr_model::{Millis, Nanos, TenantId};

use super::{Part, Requests, deletion};
use crate::policy::{DeletionMode, Policies};

/// Time beside the cancel period, so that a late cancellation and a round do not meet.
const GRACE_MILLIS: i64 = 60_000;

/// Tenant, id and part.
pub(crate) type PartKey = (String, String, u32);

/// What a round carries out.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) deletions: HashMap<TenantId, Vec<Deletion>>,
    /// Those are done when the round is; repeats of a request go with it.
    pub(crate) parts: Vec<PartKey>,
    /// What they would delete is past its retention: they are done now.
    pub(crate) past: Vec<PartKey>,
    pub(crate) waiting: Waiting,
}

/// What waits to be carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Parts that could be carried out.
    pub(crate) ready: usize,
    /// When the oldest of them was made.
    pub(crate) oldest: Option<Millis>,
}

/// Parts of requests that may not be cancelled any more, those of the earliest logs first, `limit` of them.
pub(crate) fn batch(
    requests: &Requests,
    policies: &dyn Policies,
    cancel_millis: i64,
    limit: usize,
    now: Nanos,
) -> Result<Batch, String> {
    let at = now.floor_millis();
    let mut ready: Vec<(&Part, TenantId)> = Vec::new();
    let mut batch = Batch::default();
    for part in requests.parts.values().filter(|part| !part.processed) {
        let Ok(tenant) = TenantId::parse(&part.tenant) else { continue };
        let waits = part.created.0.saturating_add(cancel_millis).saturating_add(GRACE_MILLIS) > at.0;
        if !waits && policies.of(&tenant).deletion == DeletionMode::FilterAndDelete {
            batch.waiting.ready += 1;
            batch.waiting.oldest = Some(batch.waiting.oldest.map_or(part.created, |oldest| oldest.min(part.created)));
            ready.push((part, tenant));
        }
    }
    ready.sort_by_key(|(part, _)| part.start);
    let mut taken: Vec<&Part> = Vec::new();
    for (part, tenant) in ready {
        let key = (part.tenant.clone(), part.id.clone(), part.part);
        let longest = policies.of(&tenant).retention.longest();
        if longest.is_some_and(|longest| part.end.0 < at.0.saturating_sub(longest)) {
            batch.past.push(key);
            continue;
        }
        let repeats = |known: &&Part| {
            (&known.tenant, known.start, known.end, &known.query) == (&part.tenant, part.start, part.end, &part.query)
        };
        if taken.iter().any(repeats) {
            batch.parts.push(key);
            continue;
        }
        if taken.len() >= limit {
            continue;
        }
        let deletion = deletion(part, now).map_err(|error| format!("delete request {}: {error}", part.id))?;
        batch.deletions.entry(tenant).or_default().push(deletion);
        batch.parts.push(key);
        taken.push(part);
    }
    Ok(batch)
}

impl Batch {
    pub(crate) fn shared(&mut self) -> HashMap<TenantId, Arc<[Deletion]>> {
        std::mem::take(&mut self.deletions).into_iter().map(|(tenant, all)| (tenant, all.into())).collect()
    }
}
