//! The labels of one line while it runs through a pipeline, and the label sets that come out (specification 4.3).
//!
//! A line starts with its stream's labels and its structured metadata; parsers add parsed labels. Names are numbers
//! ([`NameId`]) within one stream's pipeline, values lie in one buffer that is reused from line to line, so a line
//! that brings no new label set allocates nothing. The sets that come out are numbered too ([`LabelsId`]).

mod result;

use std::cell::Cell;
use std::collections::HashMap;

use foldhash::fast::FixedState;
use loptr_model::Labels;

use super::hints::Hints;
use super::parse::equal;

/// Error label.
pub const ERROR: &str = "__error__";
/// Its details.
pub const ERROR_DETAILS: &str = "__error_details__";
/// Set to `true` where a parser's error was asked for.
pub const PRESERVE_ERROR: &str = "__preserve_error__";
/// What a name that the stream has already gets.
pub(crate) const DUPLICATE_SUFFIX: &str = "_extracted";

/// Names interned beyond the fixed ones before the table starts over: bounds what odd lines can make it hold.
const MAX_NAMES: usize = 8192;

/// As [`MAX_NAMES`], bytes of names.
const MAX_NAME_BYTES: usize = 1 << 20;

/// A label name within one stream's pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NameId(pub(crate) u32);

/// A label set that came out of one stream's pipeline; 0 is the stream's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelsId(pub u32);

/// A label set that came out of a pipeline, whole and by where its labels come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResultLabels {
    /// All labels.
    pub all: Labels,
    /// Those of the stream.
    pub stream: Labels,
    /// Structured metadata.
    pub metadata: Labels,
    /// Made by stages, errors included.
    pub parsed: Labels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    Metadata,
    Parsed,
}

#[derive(Clone, Copy, Debug)]
struct Added {
    category: Category,
    name: NameId,
    start: usize,
    end: usize,
}

/// Names that are no labels but the error state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    No,
    Error,
    Details,
}

/// What is known of a name before any line is read.
#[derive(Clone, Debug)]
pub(crate) struct NameInfo {
    pub(crate) text: Box<str>,
    /// Position among the stream's labels.
    base: Option<usize>,
    /// Whether a metric query needs it (hints).
    required: bool,
    /// Whether parsers should write it.
    wanted: bool,
    /// The label filter to run as soon as a parser writes it.
    pub(crate) early_filter: Option<usize>,
    /// The name with [`DUPLICATE_SUFFIX`], once asked for.
    suffixed: Option<NameId>,
    special: Special,
    /// Line on which it was written as a parsed label last.
    written_on: u64,
}

/// How the labels that come out are reduced for a metric query.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupBy {
    pub(crate) names: Vec<NameId>,
    pub(crate) without: bool,
    /// No label at all is wanted.
    pub(crate) none: bool,
}

/// The labels of the line at hand.
#[derive(Clone, Debug)]
pub(crate) struct LineLabels {
    stream: Labels,
    hints: Hints,
    names: Vec<NameInfo>,
    by_text: HashMap<Box<str>, NameId, FixedState>,
    fixed: usize,
    name_bytes: usize,
    values: Vec<u8>,
    added: Vec<Added>,
    /// How many of them are metadata: these come first.
    metadata_count: usize,
    deleted: Vec<NameId>,
    generation: u64,
    line: u64,
    required_missing: usize,
    error: Vec<u8>,
    details: Vec<u8>,
    /// Names of the metadata of the last line, by position.
    metadata_names: Vec<NameId>,
    key: Vec<u8>,
    last: Option<LabelsId>,
    last_key: Vec<u8>,
    by_key: HashMap<Box<[u8]>, LabelsId, FixedState>,
    by_labels: HashMap<ResultLabels, LabelsId, FixedState>,
    results: Vec<ResultLabels>,
    held_bytes: usize,
    read_metadata: Cell<bool>,
}

impl LineLabels {
    /// For one stream; `fixed` are the names that compiled stages know by number.
    pub(crate) fn new(stream: &Labels, fixed: &[Box<str>], hints: &Hints) -> Self {
        let own = ResultLabels { all: stream.clone(), stream: stream.clone(), ..ResultLabels::default() };
        let mut labels = Self {
            stream: stream.clone(),
            hints: hints.clone(),
            names: Vec::new(),
            by_text: HashMap::default(),
            fixed: 0,
            name_bytes: 0,
            values: Vec::new(),
            added: Vec::new(),
            metadata_count: 0,
            deleted: Vec::new(),
            generation: 1,
            line: 0,
            required_missing: 0,
            error: Vec::new(),
            details: Vec::new(),
            metadata_names: Vec::new(),
            key: Vec::new(),
            last: None,
            last_key: Vec::new(),
            by_key: HashMap::default(),
            by_labels: HashMap::default(),
            results: vec![own.clone()],
            held_bytes: 0,
            read_metadata: Cell::new(false),
        };
        labels.by_labels.insert(own, LabelsId(0));
        for name in fixed {
            labels.name(name);
        }
        labels.fixed = labels.names.len();
        labels
    }

    /// Forgets the last line.
    pub(crate) fn start(&mut self) {
        if self.names.len() > self.fixed + MAX_NAMES || self.name_bytes > MAX_NAME_BYTES {
            self.forget_names();
        }
        self.values.clear();
        self.added.clear();
        self.metadata_count = 0;
        self.deleted.clear();
        self.error.clear();
        self.details.clear();
        self.line += 1;
        self.required_missing = self.hints.required.len();
    }

    fn forget_names(&mut self) {
        for info in self.names.drain(self.fixed..) {
            self.by_text.remove(&info.text);
        }
        for info in &mut self.names {
            info.suffixed = None;
        }
        self.name_bytes = 0;
        self.metadata_names.clear();
        self.by_key.clear();
        self.last = None;
        self.generation += 1;
    }

    /// Changes when [`NameId`]s beyond the fixed ones go stale: whoever remembers some compares it.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of `text`.
    pub(crate) fn name(&mut self, text: &str) -> NameId {
        if let Some(&id) = self.by_text.get(text) {
            return id;
        }
        let id = NameId(self.names.len() as u32);
        self.name_bytes += 2 * text.len();
        self.names.push(NameInfo {
            text: text.into(),
            base: self.stream.iter().position(|(name, value)| name == text && !value.is_empty()),
            required: self.hints.requires(text),
            wanted: self.hints.wants(text),
            early_filter: self.hints.early_filter(text),
            suffixed: None,
            special: match text {
                ERROR => Special::Error,
                ERROR_DETAILS => Special::Details,
                _ => Special::No,
            },
            written_on: 0,
        });
        self.by_text.insert(text.into(), id);
        id
    }

    pub(crate) fn info(&self, id: NameId) -> &NameInfo {
        &self.names[id.0 as usize]
    }

    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }

    /// `name_extracted`.
    pub(crate) fn suffixed(&mut self, id: NameId) -> NameId {
        if let Some(found) = self.names[id.0 as usize].suffixed {
            return found;
        }
        let text = format!("{}{DUPLICATE_SUFFIX}", self.names[id.0 as usize].text);
        let found = self.name(&text);
        self.names[id.0 as usize].suffixed = Some(found);
        found
    }

    /// The name a parser writes `id` under: with the suffix if stream or metadata have it.
    pub(crate) fn name_for_parsed(&mut self, id: NameId) -> NameId {
        let taken = self.names[id.0 as usize].base.is_some()
            || self.added[..self.metadata_count].iter().any(|label| label.name == id);
        if taken { self.suffixed(id) } else { id }
    }

    /// Whether the stream itself has the label.
    pub(crate) fn in_stream(&self, id: NameId) -> bool {
        self.names[id.0 as usize].base.is_some()
    }

    /// Adds structured metadata, sorted by name as stored.
    pub(crate) fn add_metadata(&mut self, metadata: &[(&str, &str)]) {
        for (at, &(name, value)) in metadata.iter().enumerate() {
            let id = match self.metadata_names.get(at) {
                Some(&id) if equal(self.names[id.0 as usize].text.as_bytes(), name.as_bytes()) => id,
                _ => {
                    let id = self.name(name);
                    self.metadata_names.truncate(at);
                    if self.metadata_names.len() == at {
                        self.metadata_names.push(id);
                    }
                    id
                }
            };
            let id = if self.in_stream(id) { self.suffixed(id) } else { id };
            match self.names[id.0 as usize].special {
                Special::Error => replace(&mut self.error, value.as_bytes()),
                Special::Details => replace(&mut self.details, value.as_bytes()),
                Special::No => self.set_metadata(id, value.as_bytes()),
            }
        }
    }

    fn set_metadata(&mut self, name: NameId, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        let label = Added { category: Category::Metadata, name, start, end: self.values.len() };
        match self.added[..self.metadata_count].iter_mut().find(|old| old.name == name) {
            Some(old) => *old = label,
            None => {
                self.added.push(label);
                self.metadata_count += 1;
            }
        }
    }

    /// Sets a parsed label: it hides the stream's and removes the metadata of that name.
    pub(crate) fn set_parsed(&mut self, name: NameId, value: &[u8]) {
        if let Some(at) = self.added[..self.metadata_count].iter().position(|label| label.name == name) {
            self.added.remove(at);
            self.metadata_count -= 1;
        }
        let start = self.values.len();
        self.values.extend_from_slice(value);
        let label = Added { category: Category::Parsed, name, start, end: self.values.len() };
        let line = self.line;
        let info = &mut self.names[name.0 as usize];
        if info.written_on != line {
            info.written_on = line;
            self.required_missing -= usize::from(info.required);
            self.added.push(label);
            return;
        }
        match self.added[self.metadata_count..].iter_mut().find(|old| old.name == name) {
            Some(old) => *old = label,
            None => self.added.push(label),
        }
    }

    /// Whether a parsed label of that name was written on this line, even if deleted since.
    pub(crate) fn was_written(&self, name: NameId) -> bool {
        self.names[name.0 as usize].written_on == self.line
    }

    /// Whether parsers should write labels of that name.
    pub(crate) fn wants(&self, name: NameId) -> bool {
        self.names[name.0 as usize].wanted
    }

    /// Whether every label that is required was written.
    pub(crate) fn found_all_required(&self) -> bool {
        self.required_missing == 0 && !self.hints.required.is_empty()
    }

    /// Whether parsers have nothing left to do: no label is wanted, or every wanted one was written.
    pub(crate) fn nothing_wanted(&self) -> bool {
        self.hints.no_labels || self.found_all_required()
    }

    /// Removes a label, wherever it comes from.
    pub(crate) fn delete(&mut self, name: NameId) {
        self.added.retain(|label| label.name != name);
        self.metadata_count = self.added.iter().take_while(|label| label.category == Category::Metadata).count();
        if !self.deleted.contains(&name) {
            self.deleted.push(name);
        }
    }

    /// The value of a label, metadata before parsed before stream.
    pub(crate) fn get(&self, name: NameId) -> Option<&[u8]> {
        if let Some(label) = self.find(name) {
            if label.category == Category::Metadata {
                self.read_metadata.set(true);
            }
            return Some(&self.values[label.start..label.end]);
        }
        let base = self.names[name.0 as usize].base?;
        if self.deleted.contains(&name) {
            return None;
        }
        self.stream.iter().nth(base).map(|(_, value)| value.as_bytes())
    }

    /// Whether a label was asked for that came with structured metadata.
    pub(crate) fn has_read_metadata(&self) -> bool {
        self.read_metadata.get()
    }

    /// As [`LineLabels::get`], by text.
    pub(crate) fn get_by_text(&self, name: &str) -> Option<&[u8]> {
        match self.by_text.get(name) {
            Some(&id) => self.get(id),
            None => self.stream.get(name).filter(|value| !value.is_empty()).map(str::as_bytes),
        }
    }

    fn find(&self, name: NameId) -> Option<&Added> {
        let mut found: Option<&Added> = None;
        for label in self.added.iter().filter(|label| label.name == name) {
            if found.is_none() || label.category == Category::Metadata {
                found = Some(label);
            }
        }
        found
    }

    /// Whether the label is a parsed one.
    fn is_parsed(&self, name: NameId) -> bool {
        self.added.iter().any(|label| label.category == Category::Parsed && label.name == name)
    }

    /// Calls `visit` with every label, in no order, as templates see them: the error state hides labels of its names.
    pub(crate) fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
        let has_error = !self.error.is_empty();
        let has_details = !self.details.is_empty() && self.has_changes();
        if has_error {
            visit(ERROR, &self.error);
        }
        if has_details {
            visit(ERROR_DETAILS, &self.details);
        }
        for (name, value) in self.stream.iter() {
            let hidden = |id: &NameId| self.deleted.contains(id) || self.added.iter().any(|label| label.name == *id);
            if !self.by_text.get(name).is_some_and(hidden) {
                visit(name, value.as_bytes());
            }
        }
        for label in &self.added {
            if label.category == Category::Metadata && self.is_parsed(label.name) {
                continue;
            }
            match self.names[label.name.0 as usize].special {
                Special::Error if has_error => continue,
                Special::Details if has_details => continue,
                _ => {}
            }
            visit(&self.names[label.name.0 as usize].text, &self.values[label.start..label.end]);
        }
    }

    /// Names of the labels there are now, error labels left out.
    pub(crate) fn present_names(&mut self, out: &mut Vec<NameId>) {
        out.clear();
        for at in 0..self.stream.len() {
            let Some(text) = self.stream.iter().nth(at).map(|(name, _)| name.to_owned()) else { continue };
            let id = self.name(&text);
            if !self.deleted.contains(&id) {
                out.push(id);
            }
        }
        out.extend(self.added.iter().map(|label| label.name));
    }

    /// Whether the line's labels differ from the stream's.
    pub(crate) fn has_changes(&self) -> bool {
        !self.added.is_empty() || !self.deleted.is_empty() || !self.error.is_empty()
    }

    /// `__error__`, empty without one.
    pub(crate) fn error(&self) -> &[u8] {
        &self.error
    }

    pub(crate) fn has_error(&self) -> bool {
        !self.error.is_empty()
    }

    /// Sets the error and its details.
    pub(crate) fn set_error(&mut self, error: &str, details: &str) {
        replace(&mut self.error, error.as_bytes());
        replace(&mut self.details, details.as_bytes());
    }

    /// Sets the error and leaves the details of an earlier one.
    pub(crate) fn set_error_only(&mut self, error: &str) {
        replace(&mut self.error, error.as_bytes());
    }

    pub(crate) fn clear_error(&mut self) {
        self.error.clear();
    }

    pub(crate) fn clear_details(&mut self) {
        self.details.clear();
    }

    pub(crate) fn details(&self) -> &[u8] {
        &self.details
    }

    /// The label set of that number.
    pub(crate) fn labels(&self, id: LabelsId) -> &ResultLabels {
        &self.results[id.0 as usize]
    }

    pub(crate) fn stream(&self) -> &Labels {
        &self.stream
    }

    /// Bytes held for label sets, roughly.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

fn replace(target: &mut Vec<u8>, value: &[u8]) {
    target.clear();
    target.extend_from_slice(value);
}

#[cfg(test)]
mod tests;
