//! From the labels of a line to a numbered label set, whole or grouped.
//!
//! What decides the set is written into a key; a key seen before costs a comparison or a look-up. Different keys may
//! still stand for one set (labels found in another order): sets are numbered by their content.

use loptr_model::Labels;

use super::{Category, ERROR, ERROR_DETAILS, GroupBy, LabelsId, LineLabels, NameId, ResultLabels};

impl LineLabels {
    /// The number of the line's label set.
    pub(crate) fn result(&mut self) -> LabelsId {
        if !self.has_changes() {
            return LabelsId(0);
        }
        self.key.clear();
        self.key.push(b'r');
        for label in &self.added {
            self.key.push(label.category as u8);
            self.key.extend_from_slice(&label.name.0.to_le_bytes());
            self.key.extend_from_slice(&((label.end - label.start) as u64).to_le_bytes());
            self.key.extend_from_slice(&self.values[label.start..label.end]);
        }
        for name in &self.deleted {
            self.key.push(3);
            self.key.extend_from_slice(&name.0.to_le_bytes());
        }
        self.key.push(4);
        self.key.extend_from_slice(&(self.error.len() as u64).to_le_bytes());
        self.key.extend_from_slice(&self.error);
        self.key.extend_from_slice(&self.details);
        self.lookup(Self::whole)
    }

    /// The number of the line's label set after grouping; errors bypass it.
    pub(crate) fn grouped(&mut self, group: &GroupBy) -> LabelsId {
        if self.has_error() {
            return self.result();
        }
        if group.none || (!group.without && !group.names.is_empty()) {
            self.key.clear();
            self.key.push(b'g');
            for &name in if group.none { &[][..] } else { &group.names } {
                match self.group_value(name) {
                    Some((start, end)) => {
                        let value = match start {
                            usize::MAX => self.stream.iter().nth(end).map_or(&b""[..], |(_, value)| value.as_bytes()),
                            start => &self.values[start..end],
                        };
                        self.key.push(1);
                        self.key.extend_from_slice(&(value.len() as u64).to_le_bytes());
                        self.key.extend_from_slice(value);
                    }
                    None => self.key.push(0),
                }
            }
            return self.lookup(|labels| labels.by(group));
        }
        if group.names.is_empty() {
            return self.result();
        }
        self.key.clear();
        self.key.push(b'w');
        for label in self.added.iter().filter(|label| !group.names.contains(&label.name)) {
            self.key.extend_from_slice(&label.name.0.to_le_bytes());
            self.key.extend_from_slice(&((label.end - label.start) as u64).to_le_bytes());
            self.key.extend_from_slice(&self.values[label.start..label.end]);
        }
        for name in &self.deleted {
            self.key.push(3);
            self.key.extend_from_slice(&name.0.to_le_bytes());
        }
        self.lookup(|labels| labels.without(group))
    }

    /// Where a grouping label's value lies: in `values`, or `(usize::MAX, position)` among the stream's. A label
    /// deleted before is gone even if set again: so it is upstream.
    fn group_value(&self, name: NameId) -> Option<(usize, usize)> {
        if self.deleted.contains(&name) {
            return None;
        }
        if let Some(label) = self.find(name) {
            return Some((label.start, label.end));
        }
        self.names[name.0 as usize].base.map(|at| (usize::MAX, at))
    }

    fn by(&self, group: &GroupBy) -> ResultLabels {
        let pairs = group.names.iter().filter(|_| !group.none).filter_map(|&name| {
            let (start, end) = self.group_value(name)?;
            let value = match start {
                usize::MAX => self.stream.iter().nth(end)?.1.to_owned(),
                start => text_of(&self.values[start..end]),
            };
            Some((self.names[name.0 as usize].text.clone(), value))
        });
        uncategorized(Labels::from_pairs(pairs))
    }

    fn without(&self, group: &GroupBy) -> ResultLabels {
        let mut pairs = Vec::new();
        for (name, value) in self.stream.iter() {
            let id = self.by_text.get(name);
            let hidden = id.is_some_and(|id| {
                self.deleted.contains(id)
                    || group.names.contains(id)
                    || self.added.iter().any(|label| label.name == *id)
            });
            if !hidden {
                pairs.push((name.to_owned(), value.to_owned()));
            }
        }
        for label in self.added.iter().filter(|label| !group.names.contains(&label.name)) {
            let name = &self.names[label.name.0 as usize].text;
            pairs.push((name.to_string(), text_of(&self.values[label.start..label.end])));
        }
        uncategorized(Labels::from_pairs(pairs))
    }

    fn whole(&self) -> ResultLabels {
        let (mut stream, mut metadata, mut parsed) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in self.stream.iter() {
            let hidden = |id: &NameId| self.deleted.contains(id) || self.added.iter().any(|label| label.name == *id);
            if !self.by_text.get(name).is_some_and(hidden) {
                stream.push((name.to_owned(), value.to_owned()));
            }
        }
        for label in &self.added {
            let pair =
                (self.names[label.name.0 as usize].text.to_string(), text_of(&self.values[label.start..label.end]));
            match label.category {
                Category::Parsed => parsed.push(pair),
                Category::Metadata if !self.is_parsed(label.name) => metadata.push(pair),
                Category::Metadata => {}
            }
        }
        for (name, value) in [(ERROR, &self.error), (ERROR_DETAILS, &self.details)] {
            if !value.is_empty() {
                parsed.push((name.to_owned(), text_of(value)));
            }
        }
        let all = stream.iter().chain(&metadata).chain(&parsed).cloned();
        ResultLabels {
            all: Labels::from_pairs(all),
            stream: Labels::from_pairs(stream),
            metadata: Labels::from_pairs(metadata),
            parsed: Labels::from_pairs(parsed),
        }
    }

    fn lookup(&mut self, build: impl FnOnce(&Self) -> ResultLabels) -> LabelsId {
        if let Some(last) = self.last
            && self.last_key == self.key
        {
            return last;
        }
        let id = match self.by_key.get(&*self.key) {
            Some(&id) => id,
            None => {
                let labels = build(self);
                let id = match self.by_labels.get(&labels) {
                    Some(&id) => id,
                    None => {
                        let id = LabelsId(self.results.len() as u32);
                        self.held_bytes += 3 * labels.all.byte_len() + 256;
                        self.results.push(labels.clone());
                        self.by_labels.insert(labels, id);
                        id
                    }
                };
                self.held_bytes += self.key.len() + 48;
                self.by_key.insert(self.key.as_slice().into(), id);
                id
            }
        };
        std::mem::swap(&mut self.key, &mut self.last_key);
        self.last = Some(id);
        id
    }
}

fn uncategorized(all: Labels) -> ResultLabels {
    ResultLabels { stream: all.clone(), all, ..ResultLabels::default() }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
