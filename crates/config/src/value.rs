//! One value, its text forms, and the tree of values ([`Object`]) below a key.
//!
//! Units: durations and times are nanoseconds, sizes are bytes. Which grammar reads and prints a value is the key's
//! [`Kind`]; two kinds may share a variant (both duration grammars give [`Value::Duration`]).

use crate::scalar::{duration, number, size, time, url};
use crate::table::{Key, KeyId, Kind, Words, table};

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value of its own: a block.
    Block,
    /// Boolean.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    Uint(u64),
    /// Floating point number.
    Float(f64),
    /// Text, secret, URL, regular expression or word.
    Text(String),
    /// Nanoseconds.
    Duration(i64),
    /// Bytes.
    Bytes(u64),
    /// Unix nanoseconds; `None` when unset.
    Time(Option<i64>),
    /// Days since 1970-01-01; `None` when unset.
    Date(Option<i64>),
    /// List of texts, however it was written.
    Texts(Vec<String>),
    /// List of objects.
    Objects(Vec<Object>),
    /// Free keys, in the order they were written.
    Map(Vec<(String, Value)>),
    /// The value of a free key that is a block.
    Object(Box<Object>),
    /// Anything, below a map that takes anything.
    Any(Any),
}

/// A value without a type of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    /// Null.
    Null,
    /// Boolean.
    Bool(bool),
    /// Number, as written.
    Number(String),
    /// Text.
    Text(String),
    /// List.
    List(Vec<Any>),
    /// Mapping.
    Map(Vec<(String, Any)>),
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The table.
    Default,
    /// A rule that fills one key from others.
    Derived,
    /// The file, at a line and column counted from 1.
    File {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// The command line.
    Flag,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The value.
    pub value: Value,
    /// Where it came from.
    pub source: Source,
}

/// Values of all keys below `root`, one slot per key; keys inside lists and free maps have their slots in the values
/// of those.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    root: KeyId,
    slots: Vec<Slot>,
}

impl Object {
    /// The defaults below `root`.
    pub(crate) fn defaults(root: KeyId) -> Object {
        let end = table().end(root);
        let slots = (root.0..end.0)
            .map(|id| Slot { value: default_value(table().key(KeyId(id))), source: Source::Default })
            .collect();
        Object { root, slots }
    }

    /// The key whose values these are.
    pub fn root(&self) -> KeyId {
        self.root
    }

    /// Value and source of a key below [`Object::root`].
    ///
    /// # Panics
    /// When `id` is not below it: a mistake of the program, not of the user.
    pub fn slot(&self, id: KeyId) -> &Slot {
        let at = id.index().checked_sub(self.root.index()).filter(|at| *at < self.slots.len());
        match at {
            Some(at) => &self.slots[at],
            None => panic!("configuration key {} is not below {}", table().key(id).path, table().key(self.root).path),
        }
    }

    pub(crate) fn slot_mut(&mut self, id: KeyId) -> &mut Slot {
        let at = id.index() - self.root.index();
        &mut self.slots[at]
    }

    pub(crate) fn set(&mut self, id: KeyId, value: Value, source: Source) {
        *self.slot_mut(id) = Slot { value, source };
    }

    /// The values below one of its blocks, as an object of its own.
    pub(crate) fn block(&self, id: KeyId) -> Object {
        let from = id.index() - self.root.index();
        let to = table().end(id).index() - self.root.index();
        Object { root: id, slots: self.slots[from..to].to_vec() }
    }
}

impl Value {
    /// Rebases objects inside a value that is copied from one key to another of the same shape.
    pub(crate) fn moved(mut self, from: KeyId, to: KeyId) -> Value {
        let shift = |root: &mut KeyId| *root = KeyId((i32::from(root.0) - i32::from(from.0) + i32::from(to.0)) as u16);
        match &mut self {
            Value::Objects(objects) => objects.iter_mut().for_each(|object| object.rebase(&shift)),
            Value::Object(object) => object.rebase(&shift),
            Value::Map(entries) => {
                for (_, value) in entries {
                    let inner = std::mem::replace(value, Value::Block);
                    *value = inner.moved(from, to);
                }
            }
            _ => {}
        }
        self
    }
}

impl Object {
    fn rebase(&mut self, shift: &impl Fn(&mut KeyId)) {
        shift(&mut self.root);
        for slot in &mut self.slots {
            match &mut slot.value {
                Value::Objects(objects) => objects.iter_mut().for_each(|object| object.rebase(shift)),
                Value::Object(object) => object.rebase(shift),
                _ => {}
            }
        }
    }
}

/// What a key holds when nothing sets it.
pub(crate) fn default_value(key: &Key) -> Value {
    match key.kind {
        Kind::Object => Value::Block,
        Kind::Texts if key.default.starts_with('[') => Value::Texts(json_texts(key.default)),
        Kind::Texts | Kind::Secrets => match key.default {
            "" => Value::Texts(Vec::new()),
            word => Value::Texts(vec![word.to_owned()]),
        },
        Kind::Objects => Value::Objects(Vec::new()),
        Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap => Value::Map(Vec::new()),
        _ if key.default.is_empty() => zero(key.kind),
        kind => parse_text(kind, key.go_type, key.default).expect("defaults of data/keys.tsv read back"),
    }
}

/// Splits a JSON list of plain words, the only JSON the table has.
fn json_texts(text: &str) -> Vec<String> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|word| word.trim_matches('"').to_owned()).collect()
}

/// The value of an explicit null.
pub(crate) fn zero(kind: Kind) -> Value {
    match kind {
        Kind::Object => Value::Block,
        Kind::Bool | Kind::Ignored => Value::Bool(false),
        Kind::Int => Value::Int(0),
        Kind::Uint => Value::Uint(0),
        Kind::Float => Value::Float(0.0),
        Kind::Duration | Kind::PromDuration => Value::Duration(0),
        Kind::Bytes | Kind::Base2Bytes => Value::Bytes(0),
        Kind::Text | Kind::Secret | Kind::Url | Kind::Regex | Kind::Word(_) => Value::Text(String::new()),
        Kind::Csv | Kind::CsvOrList | Kind::Texts | Kind::Secrets => Value::Texts(Vec::new()),
        Kind::Objects => Value::Objects(Vec::new()),
        Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap => Value::Map(Vec::new()),
        Kind::Time => Value::Time(None),
        Kind::Date => Value::Date(None),
    }
}

/// Reads the text of a scalar or flag. The error is upstream's words without the name of the key or flag.
pub(crate) fn parse_text(kind: Kind, go_type: &str, text: &str) -> Result<Value, String> {
    let number = |error: number::NumberError| error.text().to_owned();
    let plain = || "parse error".to_owned();
    Ok(match kind {
        Kind::Bool | Kind::Ignored => Value::Bool(number::parse_flag_bool(text).ok_or_else(plain)?),
        Kind::Int => Value::Int(number::parse_int(text).map_err(number)?),
        Kind::Uint => match number::parse_uint(text).map_err(number)? {
            value if go_type == "uint32" && value > u64::from(u32::MAX) => return Err("value out of range".to_owned()),
            value => Value::Uint(value),
        },
        Kind::Float => Value::Float(number::parse_float(text).map_err(number)?),
        Kind::Duration => Value::Duration(duration::parse_go(text).ok_or_else(plain)?),
        Kind::PromDuration => Value::Duration(duration::parse_prom(text)?),
        Kind::Bytes => Value::Bytes(size::parse_bytes(text)?),
        Kind::Base2Bytes => Value::Bytes(size::parse_base2(text)?),
        Kind::Text | Kind::Secret | Kind::Regex => Value::Text(text.to_owned()),
        Kind::Url => {
            url::check(text)?;
            Value::Text(text.to_owned())
        }
        Kind::Word(words) => Value::Text(parse_word(words, text)?),
        Kind::Csv | Kind::CsvOrList => Value::Texts(split_csv(text)),
        Kind::Texts | Kind::Secrets => Value::Texts(vec![text.to_owned()]),
        Kind::Time => Value::Time(time::parse_time(text)?),
        Kind::Date => Value::Date(Some(time::parse_date(text)?)),
        Kind::Object | Kind::Objects | Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap => return Err(plain()),
    })
}

/// Splits on commas; empty text is the empty list.
pub(crate) fn split_csv(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
}

fn parse_word(words: Words, text: &str) -> Result<String, String> {
    let quoted = || loptr_model::go_quote(text);
    let known = |list: &[&str]| list.contains(&text);
    let (fits, error) = match words {
        Words::LogLevel => (known(&["debug", "info", "warn", "error"]), format!("unrecognized log level {}", quoted())),
        Words::TlsVersion => (known(&["", "TLS10", "TLS11", "TLS12", "TLS13"]), format!("unknown TLS version: {text}")),
        Words::BucketLookup => {
            (known(&["auto", "path", "virtual-hosted"]), format!("unsupported bucket lookup type: {text}"))
        }
        Words::RelabelAction => {
            let lower = text.to_lowercase();
            let known = RELABEL_ACTIONS.contains(&lower.as_str());
            return if known { Ok(lower) } else { Err(format!("unknown relabel action {}", quoted())) };
        }
        Words::AttributeAction => (
            known(&["index_label", "structured_metadata", "drop"]),
            "unsupported action, it must be one of: drop, index_label, structured_metadata".to_owned(),
        ),
        Words::Listed(words) => (
            words.split(',').any(|word| word == text),
            format!("unknown word {}, it must be one of: {}", quoted(), words.replace(',', ", ")),
        ),
    };
    if fits { Ok(text.to_owned()) } else { Err(error) }
}

const RELABEL_ACTIONS: [&str; 11] = [
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
];

/// Prints a scalar value as its kind is written. Lists are joined with commas; blocks and maps print as nothing.
pub fn format_text(kind: Kind, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Uint(value) => value.to_string(),
        Value::Float(value) => number::format_float(*value),
        Value::Text(text) => text.clone(),
        Value::Duration(nanos) if kind == Kind::PromDuration => duration::format_prom(*nanos),
        Value::Duration(nanos) => duration::format_go(*nanos),
        Value::Bytes(bytes) if kind == Kind::Base2Bytes => size::format_base2(*bytes),
        Value::Bytes(bytes) => size::format_bytes(*bytes),
        Value::Time(nanos) => time::format_time(*nanos),
        Value::Date(day) => day.map(time::format_date).unwrap_or_default(),
        Value::Texts(texts) => texts.join(","),
        Value::Block | Value::Objects(_) | Value::Map(_) | Value::Object(_) | Value::Any(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default of a key as a flag or YAML scalar would be written: what [`format_text`] prints must be the
    /// table's own text wherever the table spells values upstream's way.
    #[test]
    fn every_default_prints_as_the_table_spells_it() {
        let mut printed = 0;
        for (_, key) in table().keys() {
            let value = default_value(key);
            let text = format_text(key.kind, &value);
            let wanted = match key.kind {
                Kind::Texts if key.default.starts_with('[') => json_texts(key.default).join(","),
                Kind::Duration | Kind::Base2Bytes => {
                    assert_eq!(parse_text(key.kind, "", &text), Ok(value), "{}", key.path);
                    continue;
                }
                _ => key.default.to_owned(),
            };
            assert_eq!(text, wanted, "{}", key.path);
            printed += 1;
        }
        assert!(printed > 3_800, "{printed} keys");
    }
}
