//! Resources, scopes and records → streams and entries.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use loptr_model::{Nanos, go_quote};

use super::rules::{OtlpAction, action};
use super::value::push_text;
use super::{Attribute, MAX_REQUEST_PAIRS, MAX_VALUE_DEPTH, OtlpContext, Record, Scope, Value};
use crate::enrich::{SERVICE_NAME, UNKNOWN_SERVICE, normalize_name};
use crate::push::table::{DecodedPush, Line, Pairs, Span, Table};
use crate::push::{MAX_STREAM_LABELS_BYTES, PushError, PushFormat};

type Labels = BTreeMap<String, String>;

/// What is known of an attribute's name.
#[derive(Clone, Copy)]
struct Named {
    action: OtlpAction,
    name: Span,
}

/// Records' attributes by name. They mostly come in the same order, so the place of the last one is tried first.
#[derive(Default)]
struct Names {
    known: Vec<(Box<[u8]>, Named)>,
    index: HashMap<Box<[u8]>, usize>,
    next: usize,
    /// Names of a record's fields.
    fixed: HashMap<Box<str>, Span>,
}

impl Names {
    fn get(&mut self, name: &[u8]) -> Option<Named> {
        let at = match self.known.get(self.next) {
            Some((known, _)) if **known == *name => self.next,
            _ => *self.index.get(name)?,
        };
        self.next = at + 1;
        Some(self.known[at].1)
    }

    fn add(&mut self, name: &[u8], named: Named) {
        // Names made up per record would only fill memory.
        if self.known.len() < 1024 {
            self.index.insert(name.into(), self.known.len());
            self.known.push((name.into(), named));
        }
    }
}

/// An entry on its way to its stream.
#[derive(Clone, Copy)]
struct Pending {
    stream: u32,
    ts: Nanos,
    line: Line,
    first_pair: u32,
    end_pair: u32,
}

/// Takes resources, scopes and records in order and builds the push.
pub(super) struct Mapper<'c> {
    context: OtlpContext<'c>,
    table: Table,
    /// Label text of each stream, and its number.
    streams: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
    entries: Vec<Pending>,
    pairs: Pairs,
    /// Of the resource at hand: its labels unless they are invalid, their stream, its metadata.
    labels: Option<Labels>,
    stream: u32,
    resource_pairs: Pairs,
    scope_pairs: Pairs,
    names: Names,
    records: u64,
    /// Bytes of metadata as sent: what records share counts once.
    metadata_bytes: u64,
    text: Vec<u8>,
    failed: Option<PushError>,
}

impl<'c> Mapper<'c> {
    pub(super) fn new(body: Bytes, context: OtlpContext<'c>) -> Result<Self, PushError> {
        Ok(Self {
            context,
            table: Table::new(PushFormat::Otlp, body)?,
            streams: Vec::new(),
            numbers: HashMap::new(),
            entries: Vec::new(),
            pairs: Vec::new(),
            labels: None,
            stream: 0,
            resource_pairs: Vec::new(),
            scope_pairs: Vec::new(),
            names: Names::default(),
            records: 0,
            metadata_bytes: 0,
            text: Vec::new(),
            failed: None,
        })
    }

    /// The push. A request without any record is one without streams, whatever else it holds.
    pub(super) fn finish(mut self) -> Result<DecodedPush, PushError> {
        if self.records == 0 {
            return Ok(self.table.finish());
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.table.set_metadata_bytes(self.metadata_bytes);
        self.entries.sort_by_key(|entry| entry.stream);
        let mut entries = self.entries.iter().peekable();
        for (number, labels) in self.streams.iter().enumerate() {
            self.table.open_stream();
            self.table.set_labels(labels.as_bytes())?;
            while let Some(entry) = entries.next_if(|entry| entry.stream as usize == number) {
                let mark = self.table.pair_mark();
                self.table.add_pairs(&self.pairs[entry.first_pair as usize..entry.end_pair as usize]);
                self.table.add_entry(entry.ts, entry.line, mark);
            }
        }
        Ok(self.table.finish())
    }

    /// Begins a resource.
    pub(super) fn resource(&mut self, attributes: &[Attribute<'_>]) {
        self.note(|this| this.begin_resource(attributes));
    }

    /// Begins a scope of the resource.
    pub(super) fn scope(&mut self, scope: &Scope<'_>) {
        self.note(|this| this.begin_scope(scope));
    }

    /// Adds a record of the scope.
    pub(super) fn record(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.note(|this| this.add_record(record));
    }

    /// Keeps the first error for the end: it counts only if there are records.
    fn note(&mut self, step: impl FnOnce(&mut Self) -> Result<(), PushError>) {
        if self.failed.is_none()
            && let Err(error) = step(self)
        {
            self.failed = Some(error);
        }
    }

    fn begin_resource(&mut self, attributes: &[Attribute<'_>]) -> Result<(), PushError> {
        let discover = self.context.discover_service_name;
        let own = attributes.iter().find(|(name, _)| **name == *b"service.name");
        let mut has_service = discover.is_empty() || own.is_some_and(|(_, value)| !self.text_of(value).is_empty());
        let mut labels = Labels::new();
        let mut is_valid = true;
        let mut pairs = std::mem::take(&mut self.resource_pairs);
        pairs.clear();
        for (name, value) in attributes {
            match action(&self.context.rules.resource, name) {
                OtlpAction::Drop => {}
                OtlpAction::Metadata => self.add_attribute(name, value, &mut pairs)?,
                OtlpAction::Label => flatten(name, value, &mut |name, value| {
                    let Some(text) = utf8_of(value) else {
                        is_valid = false;
                        return Ok(());
                    };
                    if !has_service && discover.iter().any(|known| *known == name) {
                        has_service = true;
                        labels.insert(SERVICE_NAME.to_owned(), text.clone());
                    }
                    labels.insert(name.to_owned(), text);
                    Ok(())
                })?,
            }
        }
        self.metadata_bytes += self.table.charged_bytes(&pairs);
        self.resource_pairs = pairs;
        if !has_service {
            labels.insert(SERVICE_NAME.to_owned(), UNKNOWN_SERVICE.to_owned());
        }
        if is_valid {
            self.stream = self.stream_of(&labels)?;
        }
        self.labels = is_valid.then_some(labels);
        Ok(())
    }

    fn begin_scope(&mut self, scope: &Scope<'_>) -> Result<(), PushError> {
        if self.labels.is_none() {
            return Ok(());
        }
        let mut pairs = std::mem::take(&mut self.scope_pairs);
        pairs.clear();
        for (name, value) in &scope.attributes {
            if action(&self.context.rules.scope, name) == OtlpAction::Metadata {
                self.add_attribute(name, value, &mut pairs)?;
            }
        }
        self.add_if_set("scope_name", &scope.name, &mut pairs)?;
        self.add_if_set("scope_version", &scope.version, &mut pairs)?;
        self.add_number("scope_dropped_attributes_count", scope.dropped, &mut pairs)?;
        self.metadata_bytes += self.table.charged_bytes(&pairs);
        self.scope_pairs = pairs;
        Ok(())
    }

    fn add_record(&mut self, record: &Record<'_>) -> Result<(), PushError> {
        if self.labels.is_none() {
            return Ok(());
        }
        let first = self.pairs.len();
        let mut pairs = std::mem::take(&mut self.pairs);
        let mut own_labels = Labels::new();
        let mut is_valid = true;
        self.names.next = 0;
        for (name, value) in &record.attributes {
            let named = match self.names.get(name) {
                Some(named) => named,
                None => self.learn(name)?,
            };
            match (named.action, value) {
                (OtlpAction::Drop, _) => {}
                (OtlpAction::Metadata, Value::Map(_)) => self.add_attribute(name, value, &mut pairs)?,
                (OtlpAction::Metadata, value) => {
                    let value = self.add_value(value)?;
                    pairs.push((named.name, value));
                }
                (OtlpAction::Label, value) => flatten(name, value, &mut |name, value| {
                    match utf8_of(value) {
                        Some(text) => drop(own_labels.insert(name.to_owned(), text)),
                        None => is_valid = false,
                    }
                    Ok(())
                })?,
            }
        }
        if record.time != 0 && record.observed != 0 {
            self.add("observed_timestamp", (record.observed as i64).to_string().as_bytes(), &mut pairs)?;
        }
        if record.severity_number != 0 {
            self.add("severity_number", record.severity_number.to_string().as_bytes(), &mut pairs)?;
        }
        if !record.severity_text.is_empty() {
            if self.context.rules.severity_text_as_label {
                match std::str::from_utf8(&record.severity_text) {
                    Ok(text) => drop(own_labels.insert("severity_text".to_owned(), text.to_owned())),
                    Err(_) => is_valid = false,
                }
            }
            self.add("severity_text", &record.severity_text, &mut pairs)?;
        }
        self.add_number("dropped_attributes_count", record.dropped, &mut pairs)?;
        self.add_number("flags", record.flags, &mut pairs)?;
        if record.trace_id != [0; 16] {
            self.add("trace_id", &hex(&record.trace_id), &mut pairs)?;
        }
        if record.span_id != [0; 8] {
            self.add("span_id", &hex(&record.span_id), &mut pairs)?;
        }
        let own_bytes = self.table.charged_bytes(&pairs[first..]);
        pairs.extend_from_slice(&self.resource_pairs);
        pairs.extend_from_slice(&self.scope_pairs);
        self.pairs = pairs;
        if !is_valid {
            self.pairs.truncate(first);
            return Ok(());
        }
        if self.pairs.len() > MAX_REQUEST_PAIRS {
            return Err(PushError::TooManyPairs { max: MAX_REQUEST_PAIRS });
        }
        let stream = match &self.labels {
            Some(of_resource) if !own_labels.is_empty() => {
                let mut labels = of_resource.clone();
                labels.append(&mut own_labels);
                self.stream_of(&labels)?
            }
            _ => self.stream,
        };
        let ts = match (record.time, record.observed) {
            (0, 0) => self.context.now,
            (0, observed) => Nanos(observed as i64),
            (time, _) => Nanos(time as i64),
        };
        let line = match &record.body {
            Value::Text(line) => self.table.line(line)?,
            other => {
                self.text.clear();
                push_text(other, &mut self.text);
                self.table.line(&self.text)?
            }
        };
        self.metadata_bytes += own_bytes;
        let (first_pair, end_pair) = (first as u32, self.pairs.len() as u32);
        self.entries.push(Pending { stream, ts, line, first_pair, end_pair });
        Ok(())
    }

    /// The stream of these labels, a new one if there is none yet.
    fn stream_of(&mut self, labels: &Labels) -> Result<u32, PushError> {
        let mut text = String::from("{");
        for (at, (name, value)) in labels.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            text.push_str(&format!("{separator}{name}={}", go_quote(value)));
        }
        text.push('}');
        if text.len() > MAX_STREAM_LABELS_BYTES {
            return Err(PushError::LabelsTooLarge { size: text.len() as u64 });
        }
        if let Some(number) = self.numbers.get(&*text) {
            return Ok(*number);
        }
        let number = self.streams.len() as u32;
        self.streams.push(text.as_str().into());
        self.numbers.insert(text.into(), number);
        Ok(number)
    }

    fn learn(&mut self, name: &[u8]) -> Result<Named, PushError> {
        let action = action(&self.context.rules.record, name);
        let tidy = if action == OtlpAction::Drop { String::new() } else { tidy_name(name)? };
        let named = Named { action, name: self.table.add_text(tidy.as_bytes(), " ")? };
        self.names.add(name, named);
        Ok(named)
    }

    fn add_attribute(&mut self, name: &[u8], value: &Value<'_>, pairs: &mut Pairs) -> Result<(), PushError> {
        flatten(name, value, &mut |name, value| {
            let name = self.table.add_text(name.as_bytes(), " ")?;
            pairs.push((name, self.add_value(value)?));
            Ok(())
        })
    }

    fn add_value(&mut self, value: &Value<'_>) -> Result<Span, PushError> {
        if let Value::Text(text) = value {
            return self.table.add_text(text, " ");
        }
        self.text_of(value);
        self.table.add_text(&self.text, " ")
    }

    fn add(&mut self, name: &str, value: &[u8], pairs: &mut Pairs) -> Result<(), PushError> {
        let named = match self.names.fixed.get(name) {
            Some(named) => *named,
            None => {
                let span = self.table.add_text(name.as_bytes(), " ")?;
                self.names.fixed.insert(name.into(), span);
                span
            }
        };
        pairs.push((named, self.table.add_text(value, " ")?));
        Ok(())
    }

    fn add_if_set(&mut self, name: &str, value: &[u8], pairs: &mut Pairs) -> Result<(), PushError> {
        if value.is_empty() { Ok(()) } else { self.add(name, value, pairs) }
    }

    fn add_number(&mut self, name: &str, value: u32, pairs: &mut Pairs) -> Result<(), PushError> {
        if value == 0 { Ok(()) } else { self.add(name, value.to_string().as_bytes(), pairs) }
    }

    fn text_of(&mut self, value: &Value<'_>) -> &[u8] {
        self.text.clear();
        push_text(value, &mut self.text);
        &self.text
    }
}

/// Calls `visit` with each name, normalised, and value below an attribute; maps are walked into.
fn flatten(
    name: &[u8],
    value: &Value<'_>,
    visit: &mut dyn FnMut(&str, &Value<'_>) -> Result<(), PushError>,
) -> Result<(), PushError> {
    flatten_named(&tidy_name(name)?, value, visit, 0)
}

fn flatten_named(
    name: &str,
    value: &Value<'_>,
    visit: &mut dyn FnMut(&str, &Value<'_>) -> Result<(), PushError>,
    depth: usize,
) -> Result<(), PushError> {
    let Value::Map(members) = value else { return visit(name, value) };
    debug_assert!(depth <= MAX_VALUE_DEPTH);
    for (member, value) in members {
        let path = [name.as_bytes(), b"_", member].concat();
        let path = tidy_name(&path).map_err(|error| {
            // Upstream puts these words in front once more at each level.
            PushError::Otlp(format!("{}{error}", "symbolizer lookup: ".repeat(depth + 1)))
        })?;
        flatten_named(&path, value, visit, depth + 1)?;
    }
    Ok(())
}

fn tidy_name(name: &[u8]) -> Result<String, PushError> {
    let name = String::from_utf8_lossy(name);
    match normalize_name(&name) {
        Ok(tidy) => Ok(tidy.into_owned()),
        Err(error) => Err(PushError::Otlp(format!("symbolizer lookup: {error}"))),
    }
}

/// The value's text if it is UTF-8, as labels must be.
fn utf8_of(value: &Value<'_>) -> Option<String> {
    let mut text = Vec::new();
    push_text(value, &mut text);
    String::from_utf8(text).ok()
}

fn hex(id: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    id.iter().flat_map(|byte| [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)])).collect()
}
