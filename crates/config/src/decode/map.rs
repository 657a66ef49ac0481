//! Mappings with free keys, and `<<`, which writes one mapping's entries into another.

use std::collections::{HashMap, HashSet};

use super::{Decoder, Fault};
use crate::old_keys;
use crate::table::{KeyId, Kind, table};
use crate::value::{Value, zero};
use crate::yaml::scalar::{Meaning, resolve};
use crate::yaml::tree::{Body, Node, NodeId};

impl Decoder<'_> {
    pub(super) fn is_merge(&self, id: NodeId) -> bool {
        let node = self.tree.node(id);
        matches!(&node.body, Body::Scalar { text, plain: true } if &**text == "<<") && node.tag.is_none()
    }

    /// Runs `write` on the mapping, or each mapping of the list, that `<<` names; earlier ones of a list win.
    pub(super) fn merge(
        &mut self,
        id: NodeId,
        write: &mut dyn FnMut(&mut Self, NodeId) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let tree = self.tree;
        let is_map = |id: NodeId| matches!(tree.node(tree.target(id)).body, Body::Map(_));
        let wants_map = || Fault::Yaml("map merge requires map or sequence of maps as the value".to_owned());
        match &tree.node(id).body {
            Body::Map(_) | Body::Alias(_) if is_map(id) => write(self, id),
            Body::List(items) => {
                for item in items.iter().rev() {
                    if !is_map(*item) {
                        return Err(wants_map());
                    }
                    write(self, *item)?;
                }
                Ok(())
            }
            _ => Err(wants_map()),
        }
    }

    /// Writes a mapping with free keys over `entries`.
    pub(super) fn free_map(&mut self, id: NodeId, key: KeyId, entries: &mut FreeEntries) -> Result<(), Fault> {
        self.step()?;
        let tree = self.tree;
        let pairs = match &tree.node(id).body {
            Body::Alias(target) => {
                return self.through_alias(*target, |this, target| this.free_map(target, key, entries));
            }
            Body::Map(pairs) => pairs,
            _ => return Ok(()),
        };
        let mut seen = HashSet::new();
        for (name, value) in pairs {
            if self.is_merge(*name) {
                self.merge(*value, &mut |this, id| this.free_map(id, key, entries))?;
                continue;
            }
            let Some(text) = self.name(*name)? else { continue };
            let Some(read) = self.map_value(*value, key, tree.node(*name))? else { continue };
            if !seen.insert(text) && self.strict {
                let text = loptr_model::go_quote(text);
                self.problem(tree.node(*value), format!("key {text} already set in map"));
                continue;
            }
            entries.set(text, read);
        }
        Ok(())
    }

    /// The value of one free key.
    fn map_value(&mut self, id: NodeId, key: KeyId, name: &Node) -> Result<Option<Value>, Fault> {
        let kind = table().key(key).kind;
        if kind == Kind::AnyMap {
            return self.any(id, 0).map(|any| Some(Value::Any(any)));
        }
        if kind == Kind::Map {
            let element = key.next();
            let mut object = self.new_object(element)?;
            let known = self.old_keys.len();
            self.value(id, element, &mut object, name)?;
            // What they say is this element's alone; the warning comes with all others'.
            for old in self.old_keys.get(known..).unwrap_or_default() {
                old_keys::within(self, old, &mut object)?;
            }
            return Ok(Some(match table().key(element).kind {
                Kind::Object => Value::Object(Box::new(object)),
                _ => object.slot(element).value.clone(),
            }));
        }
        self.step()?;
        let (element, go_type) = if kind == Kind::TimeMap { (Kind::Time, "string") } else { (Kind::Text, "string") };
        let node = self.tree.node(self.tree.target(id));
        let Body::Scalar { text, plain } = &node.body else {
            return self.wrong_type(node, go_type).map(|()| None);
        };
        if resolve(node, text, *plain).map_err(Fault::Yaml)? == Meaning::Null {
            return Ok(Some(zero(element)));
        }
        self.grammar(element, go_type, text, node, key).map(Some)
    }
}

/// Entries of a mapping with free keys, in order of appearance.
#[derive(Default)]
pub(super) struct FreeEntries {
    pub(super) list: Vec<(String, Value)>,
    places: HashMap<String, usize>,
}

impl FreeEntries {
    pub(super) fn new(before: Value) -> FreeEntries {
        let mut entries = FreeEntries::default();
        if let Value::Map(list) = before {
            list.into_iter().for_each(|(key, value)| entries.set(&key, value));
        }
        entries
    }

    fn set(&mut self, key: &str, value: Value) {
        match self.places.get(key) {
            Some(place) => self.list[*place].1 = value,
            None => {
                self.places.insert(key.to_owned(), self.list.len());
                self.list.push((key.to_owned(), value));
            }
        }
    }
}
