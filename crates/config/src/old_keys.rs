//! What becomes of keys and flags of older versions: written to the key that took their place, unless that is set too.

use std::collections::HashSet;

use crate::decode::{Decoder, Fault, OldKey};
use crate::flags::OldFlag;
use crate::notice::{Notice, reason};
use crate::refusal::Refusal;
use crate::removed::{self, How, Row};
use crate::scalar::size;
use crate::table::{FlagTarget, KeyId, Kind, table};
use crate::value::{Object, Source, Value, parse_text};
use crate::yaml::tree::{Body, NodeId};

/// What applying old keys had to say.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    pub(crate) notices: Vec<Notice>,
    pub(crate) refusals: Vec<Refusal>,
    /// Keys that moved in the first round: in the second, what stands at their target is their own.
    moved: HashSet<&'static str>,
}

impl Remarks {
    /// What is kept for the next round.
    pub(crate) fn next_round(self) -> Self {
        Self { moved: self.moved, ..Self::default() }
    }
}

/// Applies the old keys a walk over the file has found.
pub(crate) fn apply(decoder: &mut Decoder<'_>, values: &mut Object, remarks: &mut Remarks) -> Result<(), Fault> {
    let mut pending = std::mem::take(&mut decoder.old_keys);
    // Retention decides whether the compactor's old keys move, so other keys go first.
    pending.sort_by_key(|old| old.row.how == How::Retention);
    while !pending.is_empty() {
        for old in std::mem::take(&mut pending) {
            if matches!(old.row.how, How::Members) {
                pending.extend(members(decoder, &old));
            } else {
                one(decoder, &old, values, remarks)?;
            }
        }
    }
    Ok(())
}

/// Applies an old key of one element of a map to that element.
pub(crate) fn within(decoder: &Decoder<'_>, old: &OldKey, element: &mut Object) -> Result<(), Fault> {
    let row = old.row;
    let Some(target) = table().find(row.to).filter(|_| row.path.contains("<name>")) else { return Ok(()) };
    let Some(text) = text_of(decoder, old.node).and_then(|text| changed(row.how, &text)) else { return Ok(()) };
    if !target_taken(element, target) {
        let key = table().key(target);
        let refused = |why| Fault::Value { text: why, line: old.line, path: row.path.to_owned() };
        let value = parse_text(key.kind, key.go_type, &text).map_err(refused)?;
        element.set(target, value, Source::File { line: old.line, column: 1 });
    }
    Ok(())
}

/// The old keys inside an old block.
fn members(decoder: &Decoder<'_>, old: &OldKey) -> Vec<OldKey> {
    let tree = decoder.tree;
    let Body::Map(entries) = &tree.node(tree.target(old.node)).body else { return Vec::new() };
    let known = entries.iter().filter_map(|(name, value)| {
        let name = tree.node(*name);
        let Body::Scalar { text, .. } = &name.body else { return None };
        Some(OldKey { row: removed::key(old.row.path, text)?, node: *value, line: name.line })
    });
    known.collect()
}

fn one(decoder: &mut Decoder<'_>, old: &OldKey, values: &mut Object, remarks: &mut Remarks) -> Result<(), Fault> {
    let row = old.row;
    let own = remarks.moved.contains(row.path);
    let at = format!("line {}: key {}", old.line, row.path);
    match row.how {
        How::Ignore | How::Members => {
            remarks
                .notices
                .push(Notice::new(format!("{at} belongs to an older version and is ignored{}", reason(row.note))));
            return Ok(());
        }
        How::Check => {
            let Some(store) = text_of(decoder, old.node) else { return Ok(()) };
            check_store(row, &store, values, Some(old.line), remarks);
            return Ok(());
        }
        How::Periods => {
            let Some(prefix) = text_of(decoder, old.node) else { return Ok(()) };
            let source = Source::File { line: old.line, column: 1 };
            move_to_periods(row.path, &prefix, values, source);
            remarks.notices.push(moved(&at, row));
            return Ok(());
        }
        How::Retention if !own && !retention_wants(values, row) => {
            let why = " (it moves only with retention on and no delete request store)";
            remarks.notices.push(Notice::new(format!("{at} belongs to an older version and is ignored{why}")));
            return Ok(());
        }
        _ => {}
    }
    let Some(target) = table().find(row.to) else { return Ok(()) };
    if row.path.contains("<name>") {
        // Moved already, while its element was read.
        remarks.notices.push(moved(&at, row));
        return Ok(());
    }
    if !own && target_taken(values, target) && row.how != How::Larger {
        let text = format!("{at} belongs to an older version and is ignored: {} is set too", row.to);
        remarks.notices.push(Notice::new(text));
        return Ok(());
    }
    let before = values.slot(target).clone();
    let source = Source::File { line: old.line, column: 1 };
    match text_of(decoder, old.node).map(|text| changed(row.how, &text)) {
        Some(Some(text)) if !matches!(row.how, How::Same | How::Larger) => {
            let key = table().key(target);
            let refused = |why| Fault::Value { text: why, line: old.line, path: row.path.to_owned() };
            values.set(target, parse_text(key.kind, key.go_type, &text).map_err(refused)?, source);
        }
        Some(None) => {}
        _ if row.how == How::Join => {
            if let Some(texts) = texts_of(decoder, old.node) {
                values.set(target, Value::Text(texts.join(",")), source);
            }
        }
        _ => {
            let name = decoder.tree.node(old.node);
            decoder.value(old.node, target, values, name)?;
        }
    }
    if row.how == How::Larger {
        keep_larger(values, target, before);
    }
    remarks.moved.insert(row.path);
    remarks.notices.push(moved(&at, row));
    Ok(())
}

fn moved(at: &str, row: &Row) -> Notice {
    Notice::new(format!("{at} belongs to an older version; its value goes to {}{}", row.to, reason(row.note)))
}

/// Whether the file or a flag sets a key, or anything below it.
fn target_taken(values: &Object, target: KeyId) -> bool {
    let key = |id| matches!(values.slot(KeyId(id)).source, Source::File { .. } | Source::Flag);
    (target.0..table().end(target).0).any(|id| table().key(KeyId(id)).kind != Kind::Object && key(id))
}

/// Of two old timeouts the longer stays; one set under its new name always does.
fn keep_larger(values: &mut Object, target: KeyId, before: crate::value::Slot) {
    let taken = matches!(before.source, Source::File { .. } | Source::Flag);
    if let (Value::Duration(old), Value::Duration(new)) = (&before.value, &values.slot(target).value)
        && taken
        && old > new
    {
        *values.slot_mut(target) = before;
    }
}

fn text_of(decoder: &Decoder<'_>, node: NodeId) -> Option<String> {
    let tree = decoder.tree;
    match &tree.node(tree.target(node)).body {
        Body::Scalar { text, .. } => Some(text.to_string()),
        _ => None,
    }
}

fn texts_of(decoder: &Decoder<'_>, node: NodeId) -> Option<Vec<String>> {
    let tree = decoder.tree;
    match &tree.node(tree.target(node)).body {
        Body::List(items) => Some(items.iter().filter_map(|item| text_of(decoder, *item)).collect()),
        _ => None,
    }
}

/// The new text of an old value; `None` when it says nothing.
fn changed(how: How, text: &str) -> Option<String> {
    let on = matches!(text.to_lowercase().as_str(), "true" | "yes" | "on" | "y" | "1" | "t");
    Some(match how {
        How::Sse if on => "SSE-S3".to_owned(),
        How::Gzip if on => "gzip".to_owned(),
        How::Day if on => "24h".to_owned(),
        How::Sse | How::Gzip | How::Day => return None,
        How::Tls if text.starts_with("TLS") => format!("Version{text}"),
        How::Megabytes => {
            let bytes = size::parse_bytes(text).or_else(|_| size::parse_base2(text)).ok().filter(|bytes| *bytes > 0)?;
            bytes.div_ceil(1 << 20).to_string()
        }
        How::Deletion if text == "whole-stream-deletion" => "filter-and-delete".to_owned(),
        _ => text.to_owned(),
    })
}

fn retention_wants(values: &Object, row: &Row) -> bool {
    let store = values.source("compactor.delete_request_store");
    let free = values.str("compactor.delete_request_store").is_empty()
        || row.path.contains("prefix")
        || matches!(store, Source::Default);
    values.bool("compactor.retention_enabled") && free
}

/// The kind of index an old shipper key speaks of.
fn shipper_kind(path: &str) -> &'static str {
    if path.contains("tsdb") { "tsdb" } else { "boltdb-shipper" }
}

/// An index once kept in another store than its period's is out of reach now: start must not go on without it.
fn check_store(row: &Row, store: &str, values: &Object, line: Option<u32>, remarks: &mut Remarks) {
    let kind = shipper_kind(row.path);
    let name = row.path.trim_start_matches('-');
    let mine = |period: &&Object| period.str("store") == kind;
    let same = |name: &str| if name == "aws" { "s3" } else { name }.to_owned();
    let other = values
        .objects("schema_config.configs")
        .iter()
        .filter(mine)
        .find(|period| same(period.str("object_store")) != same(store));
    match other {
        None => remarks.notices.push(Notice::new(format!("{name} belongs to an older version and is ignored: the periods name the same store"))),
        Some(period) => remarks.refusals.push(Refusal {
            path: name.to_owned(),
            line,
            reason: format!(
                "the index of its periods lies in store {store}, while a {kind} period names object_store {}: copy the index there and drop the key",
                period.str("object_store")
            ),
        }),
    }
}

/// Writes an old index prefix to the periods of its kind that name none.
fn move_to_periods(path: &str, prefix: &str, values: &mut Object, source: Source) {
    let kind = shipper_kind(path);
    let configs = values.id("schema_config.configs");
    let Value::Objects(periods) = &mut values.slot_mut(configs).value else { return };
    for period in periods.iter_mut().filter(|period| period.str("store") == kind) {
        if matches!(period.source("index.path_prefix"), Source::Default) {
            let key = period.id("index.path_prefix");
            period.set(key, Value::Text(prefix.to_owned()), source);
        }
    }
}

/// Applies the old flags of a command line whose values do not move unchanged.
pub(crate) fn apply_flags(old: &[OldFlag], values: &mut Object, remarks: &mut Remarks) -> Result<(), String> {
    for OldFlag { row, text } in old {
        let to = if row.to.is_empty() { String::new() } else { format!("; its value goes to {}", row.to) };
        let text_of_row = format!("flag {} belongs to an older version{to}{}", row.path, reason(row.note));
        remarks.notices.push(Notice::new(text_of_row));
        match row.how {
            How::Check => check_store(row, text, values, None, remarks),
            How::Periods => move_to_periods(row.path, text, values, Source::Flag),
            How::Retention if !retention_wants(values, row) => {}
            how => {
                let Some(FlagTarget::Key(target)) = table().flag(row.to) else { continue };
                let (Some(text), key) = (changed(how, text), table().key(target)) else { continue };
                if matches!(values.slot(target).source, Source::Flag) && how != How::Larger {
                    continue;
                }
                let before = values.slot(target).clone();
                let name = row.path.trim_start_matches('-');
                let value = parse_text(key.kind, key.go_type, &text)
                    .map_err(|why| format!("invalid value {} for flag -{name}: {why}", loptr_model::go_quote(&text)))?;
                values.set(target, value, Source::Flag);
                if how == How::Larger && matches!(before.source, Source::Flag) {
                    keep_larger(values, target, before);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
