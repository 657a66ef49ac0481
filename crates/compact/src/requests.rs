//! Delete requests: what was asked, how far it is, and what becomes of it next.
//!
//! A request is a log query and a span of time, both ends in. One with filters is cut into parts of a day at most, each
//! carried out by itself; a request is `received` until its first part is done, then `NN% Complete`, then `processed`.
//! Queries leave the lines out from the moment it is received, and go on doing so when it is processed: an index that an
//! old process brings back shows nothing.

mod batch;
mod codec;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use loptr_eval::Pipeline;
use loptr_eval::source::{Deletion, Tombstone};
use loptr_logql::ast::LogExpr;
use loptr_model::{Millis, Nanos, TenantId, TimeRange};
use loptr_regex::LabelMatcher;

pub(crate) use batch::{Batch, PartKey, Waiting, batch};
pub use codec::CodecError;
pub use store::{DeleteStore, DeleteStoreSettings, RequestError};

/// A part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// As it is stored: rows of tenants that are none are kept.
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) part: u32,
    pub(crate) created: Millis,
    pub(crate) start: Millis,
    /// In.
    pub(crate) end: Millis,
    pub(crate) query: String,
    pub(crate) processed: bool,
}

/// A request as its tenant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Its number.
    pub id: String,
    /// First instant.
    pub start: Millis,
    /// Last instant.
    pub end: Millis,
    /// What is deleted.
    pub query: String,
    /// `received`, `processed`, or how far it is.
    pub status: String,
    /// When it was made.
    pub created: Millis,
}

/// All requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// By tenant, id and part.
    pub(crate) parts: BTreeMap<(String, String, u32), Part>,
    /// By tenant: changes with each of its requests.
    pub(crate) generations: BTreeMap<String, String>,
}

/// Parses the query of a request; anything but a log query is refused in upstream's words. `{}` means every stream.
pub fn parse_query(query: &str) -> Result<LogExpr, &'static str> {
    loptr_logql::parse_any_log(query).map_err(|_| "invalid query expression")
}

fn status(done: usize, all: usize) -> String {
    match done {
        0 => "received".to_owned(),
        _ if done == all => "processed".to_owned(),
        _ => format!("{}% Complete", done * 100 / all.max(1)),
    }
}

impl Requests {
    pub(crate) fn insert(&mut self, part: Part) {
        self.parts.insert((part.tenant.clone(), part.id.clone(), part.part), part);
    }

    fn parts_of<'r>(&'r self, tenant: &'r str) -> impl Iterator<Item = &'r Part> {
        self.parts
            .range((tenant.to_owned(), String::new(), 0)..)
            .map(|(_, part)| part)
            .take_while(move |part| part.tenant == tenant)
    }

    /// A tenant's requests by the time they were made.
    pub(crate) fn of(&self, tenant: &str) -> Vec<DeleteRequest> {
        let mut all: Vec<DeleteRequest> = Vec::new();
        let parts: Vec<&Part> = self.parts_of(tenant).collect();
        for parts in parts.chunk_by(|one, next| one.id == next.id) {
            let Some(first) = parts.first() else { continue };
            let done = parts.iter().filter(|part| part.processed).count();
            all.push(DeleteRequest {
                id: first.id.clone(),
                start: parts.iter().map(|part| part.start).min().unwrap_or(first.start),
                end: parts.iter().map(|part| part.end).max().unwrap_or(first.end),
                query: first.query.clone(),
                status: status(done, parts.len()),
                created: first.created,
            });
        }
        all.sort_by_key(|request| request.created);
        all
    }

    pub(crate) fn remove(&mut self, tenant: &str, id: &str) {
        self.parts.retain(|_, part| part.tenant != tenant || part.id != id);
    }

    pub(crate) fn processed(&mut self, done: &[PartKey]) {
        for key in done {
            if let Some(part) = self.parts.get_mut(key) {
                part.processed = true;
            }
        }
        self.merge_processed();
    }

    /// Makes one part of each request whose parts are all processed, as upstream does.
    pub(crate) fn merge_processed(&mut self) {
        let mut whole: BTreeMap<(String, String), (bool, Part)> = BTreeMap::new();
        for part in self.parts.values() {
            let key = (part.tenant.clone(), part.id.clone());
            let entry = whole.entry(key).or_insert_with(|| (true, part.clone()));
            entry.0 &= part.processed;
            entry.1.start = entry.1.start.min(part.start);
            entry.1.end = entry.1.end.max(part.end);
        }
        for ((tenant, id), (_, mut part)) in whole.into_iter().filter(|(_, (processed, _))| *processed) {
            self.remove(&tenant, &id);
            part.part = 0;
            self.insert(part);
        }
    }

    /// What two copies know together: a request that either has, processed if either says so.
    pub(crate) fn union(mut self, other: Self) -> Self {
        for (key, part) in other.parts {
            match self.parts.get_mut(&key) {
                Some(known) => known.processed |= part.processed,
                None => self.insert(part),
            }
        }
        for (tenant, generation) in other.generations {
            let known = self.generations.entry(tenant).or_default();
            *known = std::mem::take(known).max(generation);
        }
        self
    }

    /// What queries leave out, by tenant; an error for a tenant whose request cannot be read.
    pub(crate) fn deletions(&self, now: Nanos) -> HashMap<String, Result<Arc<[Deletion]>, String>> {
        let mut found: HashMap<String, Result<Vec<Deletion>, String>> = HashMap::new();
        for part in self.parts.values() {
            let known = found.entry(part.tenant.clone()).or_insert_with(|| Ok(Vec::new()));
            match (known.as_mut(), deletion(part, now)) {
                (Ok(known), Ok(deletion)) => known.push(deletion),
                (Ok(_), Err(error)) => *known = Err(format!("delete request {}: {error}", part.id)),
                (Err(_), _) => {}
            }
        }
        found.into_iter().map(|(tenant, known)| (tenant, known.map(Arc::from))).collect()
    }
}

/// What a part deletes. Without a filter that is every line of its streams.
pub(crate) fn deletion(part: &Part, now: Nanos) -> Result<Deletion, String> {
    let log = parse_query(&part.query)?;
    let matchers: Result<Vec<LabelMatcher>, _> = log.matchers.iter().map(LabelMatcher::compile).collect();
    let matchers = matchers.map_err(|error| error.to_string())?;
    let predicate = log.has_filter().then(|| Pipeline::compile(&log, now)).transpose();
    let predicate = predicate.map_err(|error| error.to_string())?;
    // The end is in, to the nanosecond.
    let range = TimeRange::new(part.start.to_nanos(), part.end.to_nanos().saturating_add(1));
    Ok(Deletion { matchers: matchers.into(), tombstone: Tombstone { range, predicate } })
}

/// The id of a new request: FNV-1 of who asks, when, and for what, as upstream makes it.
pub(crate) fn new_id(tenant: &TenantId, now: Nanos, query: &str) -> String {
    let fnv = |hash: u32, byte: &u8| hash.wrapping_mul(0x0100_0193) ^ u32::from(*byte);
    let time = now.0.to_le_bytes();
    let bytes = tenant.as_str().as_bytes().iter().chain(&time).chain(query.as_bytes());
    format!("{:08x}", bytes.fold(0x811c_9dc5, fnv))
}

/// Cuts a span into parts of `length` milliseconds; 0: one part. Each part ends where the next begins, both in, so that
/// no line falls between.
pub(crate) fn cut(start: Millis, end: Millis, length: i64) -> Vec<(Millis, Millis)> {
    if length <= 0 || length >= end.0.saturating_sub(start.0) {
        return vec![(start, end)];
    }
    let mut parts = Vec::new();
    let mut at = start;
    while at < end {
        // Parts begin at multiples of their length, but for the first.
        let next = Millis((at.0 - at.0.rem_euclid(length)).saturating_add(length)).min(end);
        parts.push((at, next));
        at = next;
    }
    parts
}

#[cfg(test)]
mod tests;
