//! The index of live streams: inverted, in memory, changed in place. One per tenant.
//!
//! Streams have small numbers, given again after a stream was removed, so that sets of them are roaring bitmaps. Each
//! name and value is held once; a stream costs 8 bytes per label. A value that one stream has (a pod, an instance)
//! holds that stream's number instead of a bitmap.

mod texts;

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use loptr_model::{Fingerprint, Labels};
use roaring::RoaringBitmap;

use crate::predicate::{Predicate, Shard, Test};
use texts::Texts;

/// Streams by label.
#[derive(Debug, Default)]
pub struct IndexHead {
    names: Texts<Texts<Ids>>,
    streams: Vec<Option<Stream>>,
    free: Vec<u32>,
    all: RoaringBitmap,
    /// First stream with a fingerprint; [`Stream::next`] leads to the others.
    by_fingerprint: HashMap<u64, u32, RandomState>,
}

#[derive(Debug)]
struct Stream {
    fingerprint: Fingerprint,
    /// Numbers of name and of value among the name's values; sorted by name text.
    pairs: Box<[(u32, u32)]>,
    next: Option<u32>,
}

/// Streams that have a value.
#[derive(Debug, Default)]
enum Ids {
    #[default]
    None,
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Ids {
    fn insert(&mut self, id: u32) {
        match self {
            Ids::None => *self = Ids::One(id),
            Ids::One(one) if *one == id => {}
            Ids::One(one) => *self = Ids::Many(Box::new(RoaringBitmap::from_iter([*one, id]))),
            Ids::Many(many) => {
                many.insert(id);
            }
        }
    }

    fn remove(&mut self, id: u32) {
        match self {
            Ids::One(one) if *one == id => *self = Ids::None,
            Ids::Many(many) => {
                many.remove(id);
                if let (1, Some(last)) = (many.len(), many.min()) {
                    *self = Ids::One(last);
                }
            }
            Ids::None | Ids::One(_) => {}
        }
    }

    fn intersects(&self, ids: &RoaringBitmap) -> bool {
        match self {
            Ids::None => false,
            Ids::One(one) => ids.contains(*one),
            Ids::Many(many) => !many.is_disjoint(ids),
        }
    }
}

/// All ids in any of the sets.
fn union<'a>(sets: impl IntoIterator<Item = &'a Ids>) -> RoaringBitmap {
    let (mut all, mut ones) = (RoaringBitmap::new(), Vec::new());
    for ids in sets {
        match ids {
            Ids::None => {}
            Ids::One(one) => ones.push(*one),
            Ids::Many(many) => all |= &**many,
        }
    }
    ones.sort_unstable();
    ones.dedup();
    all.extend(ones);
    all
}

impl IndexHead {
    /// An index of no streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many streams there are.
    pub fn len(&self) -> usize {
        self.all.len() as usize
    }

    /// Whether there is no stream.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a stream and returns its number. One that is there already keeps the number it has.
    pub fn add(&mut self, labels: &Labels, fingerprint: Fingerprint) -> u32 {
        if let Some(id) = self.find(labels, fingerprint) {
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            u32::try_from(self.streams.len() - 1).expect("2^32 streams do not fit into memory")
        });
        let mut pairs = Vec::with_capacity(labels.len());
        for (name, value) in labels.iter() {
            let name = self.names.number(name);
            if let Some(values) = self.names.get_mut(name) {
                let value = values.number(value);
                if let Some(ids) = values.get_mut(value) {
                    ids.insert(id);
                }
                pairs.push((name, value));
            }
        }
        let next = self.by_fingerprint.insert(fingerprint.0, id);
        self.streams[id as usize] = Some(Stream { fingerprint, pairs: pairs.into(), next });
        self.all.insert(id);
        id
    }

    /// Number of the stream with these labels.
    pub fn find(&self, labels: &Labels, fingerprint: Fingerprint) -> Option<u32> {
        let mut at = self.by_fingerprint.get(&fingerprint.0).copied();
        while let Some(id) = at {
            if self.labels(id).eq(labels.iter()) {
                return Some(id);
            }
            at = self.stream(id)?.next;
        }
        None
    }

    /// Removes a stream; `false` if there is none with this number.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(stream) = self.streams.get_mut(id as usize).and_then(Option::take) else { return false };
        for &(name, value) in &stream.pairs {
            let Some(values) = self.names.get_mut(name) else { continue };
            if let Some(ids) = values.get_mut(value) {
                ids.remove(id);
                if matches!(ids, Ids::None) {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.names.remove(name);
            }
        }
        self.unlink(id, &stream);
        self.all.remove(id);
        self.free.push(id);
        true
    }

    /// Takes a stream out of the chain of those with its fingerprint.
    fn unlink(&mut self, id: u32, stream: &Stream) {
        let fingerprint = stream.fingerprint.0;
        if self.by_fingerprint.get(&fingerprint) == Some(&id) {
            match stream.next {
                Some(next) => self.by_fingerprint.insert(fingerprint, next),
                None => self.by_fingerprint.remove(&fingerprint),
            };
            return;
        }
        let mut at = self.by_fingerprint.get(&fingerprint).copied();
        while let Some(before) = at.and_then(|at| self.streams.get_mut(at as usize)).and_then(Option::as_mut) {
            if before.next == Some(id) {
                before.next = stream.next;
                return;
            }
            at = before.next;
        }
    }

    fn stream(&self, id: u32) -> Option<&Stream> {
        self.streams.get(id as usize)?.as_ref()
    }

    /// The fingerprint a stream was added with.
    pub fn fingerprint(&self, id: u32) -> Option<Fingerprint> {
        self.stream(id).map(|stream| stream.fingerprint)
    }

    /// Names and values of a stream, names ascending; nothing if there is none with this number.
    pub fn labels(&self, id: u32) -> impl Iterator<Item = (&str, &str)> + Clone {
        let pairs = self.stream(id).map_or(&[][..], |stream| &stream.pairs);
        pairs.iter().filter_map(|&(name, value)| {
            Some((self.names.text(name)?, self.names.get(name).and_then(|values| values.text(value))?))
        })
    }

    /// The value that stream `id` has for the name with number `name`.
    fn value(&self, id: u32, name: u32) -> Option<&str> {
        let (_, value) = self.stream(id)?.pairs.iter().find(|pair| pair.0 == name)?;
        self.names.get(name)?.text(*value)
    }

    /// Numbers of the streams that `predicates` and `shard` accept.
    pub fn select(&self, predicates: &[Predicate<'_>], shard: Option<Shard>) -> RoaringBitmap {
        let mut selected = self.select_labels(predicates);
        if let Some(shard) = shard {
            let inside = |id: &u32| self.fingerprint(*id).is_some_and(|fingerprint| shard.contains(fingerprint));
            selected = selected.iter().filter(inside).collect();
        }
        selected
    }

    fn select_labels(&self, predicates: &[Predicate<'_>]) -> RoaringBitmap {
        let mut candidates: Option<RoaringBitmap> = None;
        let (mut drop, mut asked) = (Vec::new(), Vec::new());
        for predicate in predicates {
            let accepts_absent = predicate.accepts("");
            let Some(name) = self.names.find(predicate.name) else {
                // No stream has the label.
                if accepts_absent {
                    continue;
                }
                return RoaringBitmap::new();
            };
            let Some(values) = self.names.get(name) else { continue };
            let listed = |list: &[&str]| union(list.iter().filter_map(|value| values.get(values.find(value)?)));
            match (predicate.test, accepts_absent) {
                (Test::OneOf(list), false) => match &mut candidates {
                    Some(candidates) => *candidates &= listed(list),
                    None => candidates = Some(listed(list)),
                },
                (Test::NoneOf(list), true) => drop.push(listed(list)),
                _ => asked.push((name, values, predicate, accepts_absent)),
            }
        }
        asked.sort_by_key(|(_, values, _, accepts_absent)| (*accepts_absent, values.len()));
        let mut asked = asked.into_iter().peekable();
        let matching = |values: &Texts<Ids>, predicate: &Predicate<'_>, accepted: bool| {
            union(values.iter().filter(|(text, _)| predicate.accepts(text) == accepted).map(|(_, ids)| ids))
        };
        // Without a list to start from, ask the label with the fewest values that must be there, or take all streams.
        let mut candidates = match candidates {
            Some(candidates) => candidates,
            None => match asked.next_if(|(_, _, _, accepts_absent)| !accepts_absent) {
                Some((_, values, predicate, _)) => matching(values, predicate, true),
                None => self.all.clone(),
            },
        };
        for ids in drop {
            candidates -= ids;
        }
        for (name, values, predicate, accepts_absent) in asked {
            if candidates.len() <= values.len() as u64 {
                let accepted = |id: &u32| predicate.accepts(self.value(*id, name).unwrap_or_default());
                candidates = candidates.iter().filter(accepted).collect();
            } else if accepts_absent {
                candidates -= matching(values, predicate, false);
            } else {
                candidates &= matching(values, predicate, true);
            }
        }
        candidates
    }

    /// Names of the labels that the selected streams have, ascending.
    pub fn label_names(&self, predicates: &[Predicate<'_>]) -> Vec<&str> {
        if predicates.is_empty() {
            return self.names.iter().map(|(name, _)| name).collect();
        }
        let selected = self.select(predicates, None);
        let mut names = BTreeSet::new();
        for stream in selected.iter().filter_map(|id| self.stream(id)) {
            names.extend(stream.pairs.iter().map(|pair| pair.0));
        }
        let mut names: Vec<&str> = names.into_iter().filter_map(|name| self.names.text(name)).collect();
        names.sort_unstable();
        names
    }

    /// Values that the selected streams have for label `name`, ascending.
    pub fn label_values(&self, name: &str, predicates: &[Predicate<'_>]) -> Vec<&str> {
        let Some(values) = self.names.find(name).and_then(|name| self.names.get(name)) else { return Vec::new() };
        if predicates.is_empty() {
            return values.iter().map(|(value, _)| value).collect();
        }
        let selected = self.select(predicates, None);
        values.iter().filter(|(_, ids)| ids.intersects(&selected)).map(|(value, _)| value).collect()
    }
}

#[cfg(test)]
mod tests;
