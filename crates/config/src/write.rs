//! The configuration as YAML, for `/config`, `-print-config-stderr` and `-log-config-reverse-order`: every effective
//! value in the table's order, which is upstream's. Secrets are masked.

use crate::config::Config;
use crate::scalar::url;
use crate::table::{KeyId, Kind, table};
use crate::value::{Any, Object, Value, format_text};
use crate::yaml::scalar::is_plain_text;

/// Which values to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All effective values.
    All,
    /// Values that differ from the default.
    Diff,
    /// The defaults.
    Defaults,
}

impl Mode {
    /// The mode of `/config?mode=...`; an unknown word means all.
    pub fn of(word: &str) -> Mode {
        match word {
            "diff" => Mode::Diff,
            "defaults" => Mode::Defaults,
            _ => Mode::All,
        }
    }
}

/// What secrets are printed as.
pub(crate) const MASK: &str = "********";

/// Whether values of a kind are masked.
pub(crate) fn is_secret(kind: Kind) -> bool {
    matches!(kind, Kind::Secret | Kind::Secrets)
}

impl Config {
    /// The configuration as YAML.
    pub fn to_yaml(&self, mode: Mode) -> String {
        let mut writer = Writer { out: String::new() };
        match mode {
            Mode::All => writer.block(self, KeyId::ROOT, 0, None),
            Mode::Defaults => writer.block(self.defaults(), KeyId::ROOT, 0, None),
            Mode::Diff => writer.block(self, KeyId::ROOT, 0, Some(self.defaults())),
        }
        if writer.out.is_empty() { "{}\n".to_owned() } else { writer.out }
    }
}

/// The values of a block that differ from `base`, as YAML indented by `depth`.
pub(crate) fn diff_yaml(values: &Object, base: &Object, depth: usize) -> String {
    let mut writer = Writer { out: String::new() };
    writer.block(values, values.root(), depth, Some(base));
    writer.out
}

/// A value without a type of its own, as a YAML document.
pub(crate) fn any_yaml(any: &Any) -> String {
    let mut writer = Writer { out: String::new() };
    match any {
        Any::Map(entries) if !entries.is_empty() => {
            for (name, value) in entries {
                writer.out.push_str(&format!("{}:", quoted(name)));
                writer.any(value, 0);
            }
        }
        any => {
            writer.any(any, 0);
            writer.out = writer.out.trim_start().to_owned();
        }
    }
    writer.out
}

/// Keys that upstream keeps for itself: its wrapper's, which carry the command line.
fn is_wrapper_key(path: &str) -> bool {
    matches!(path, "compactor._")
}

struct Writer {
    out: String,
}

impl Writer {
    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n("  ", depth));
    }

    /// The keys below `key`; with `base`, only those that differ from it.
    fn block(&mut self, values: &Object, key: KeyId, depth: usize, base: Option<&Object>) {
        for child in table().children(key) {
            let row = table().key(child);
            if matches!(row.name(), "[]" | "<name>") || is_wrapper_key(row.path) {
                continue;
            }
            let value = &values.slot(child).value;
            if row.kind == Kind::Object {
                let from = self.out.len();
                self.indent(depth);
                self.out.push_str(&format!("{}:\n", row.name()));
                let body = self.out.len();
                self.block(values, child, depth + 1, base);
                if self.out.len() == body {
                    self.out.truncate(from);
                }
                continue;
            }
            if base.is_some_and(|base| base.slot(child).value == *value) {
                continue;
            }
            self.indent(depth);
            self.out.push_str(&format!("{}:", row.name()));
            self.value(value, child, depth);
        }
    }

    /// A value behind its key: on the same line, or below it.
    fn value(&mut self, value: &Value, key: KeyId, depth: usize) {
        let kind = table().key(key).kind;
        match value {
            Value::Texts(texts) if matches!(kind, Kind::Texts | Kind::Secrets) => {
                if texts.is_empty() {
                    self.out.push_str(" []\n");
                    return;
                }
                self.out.push('\n');
                for text in texts {
                    self.indent(depth);
                    let text = if kind == Kind::Secrets { MASK } else { text };
                    self.out.push_str(&format!("- {}\n", quoted(text)));
                }
            }
            Value::Objects(objects) => self.objects(objects, depth),
            Value::Map(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Value::Map(entries) => {
                self.out.push('\n');
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                for (name, value) in sorted {
                    self.indent(depth + 1);
                    self.out.push_str(&format!("{}:", quoted(name)));
                    self.map_value(value, key, depth + 1);
                }
            }
            Value::Object(object) => self.nested(object, depth),
            Value::Any(any) => self.any(any, depth),
            Value::Text(text) if kind == Kind::Url => {
                self.out.push_str(&format!(" {}\n", quoted(&url::masked(text))));
            }
            Value::Text(text) if is_secret(kind) && !text.is_empty() => {
                self.out.push_str(&format!(" {}\n", quoted(MASK)))
            }
            _ => {
                let text = format_text(kind, value);
                let text = match value {
                    Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Float(_) => text,
                    _ => quoted(&text),
                };
                self.out.push_str(&format!(" {text}\n"));
            }
        }
    }

    fn map_value(&mut self, value: &Value, map: KeyId, depth: usize) {
        match (table().key(map).kind, value) {
            (Kind::Map, value) => self.value(value, map.next(), depth),
            (_, Value::Any(any)) => self.any(any, depth),
            (_, value) => {
                let text = format_text(Kind::Text, value);
                self.out.push_str(&format!(" {}\n", quoted(&text)));
            }
        }
    }

    fn nested(&mut self, object: &Object, depth: usize) {
        self.out.push('\n');
        self.block(object, object.root(), depth + 1, None);
    }

    fn objects(&mut self, objects: &[Object], depth: usize) {
        if objects.is_empty() {
            self.out.push_str(" []\n");
            return;
        }
        self.out.push('\n');
        for object in objects {
            let from = self.out.len();
            self.block(object, object.root(), depth + 1, None);
            // The first key of an element stands behind its dash.
            let dash = from + 2 * depth;
            if self.out.len() > dash + 2 {
                self.out.replace_range(dash..dash + 2, "- ");
            }
        }
    }

    fn any(&mut self, any: &Any, depth: usize) {
        match any {
            Any::Null => self.out.push_str(" null\n"),
            Any::Bool(value) => self.out.push_str(&format!(" {value}\n")),
            Any::Number(text) => self.out.push_str(&format!(" {text}\n")),
            Any::Text(text) => self.out.push_str(&format!(" {}\n", quoted(text))),
            Any::List(items) if items.is_empty() => self.out.push_str(" []\n"),
            Any::List(items) => {
                self.out.push('\n');
                for item in items {
                    self.indent(depth + 1);
                    self.out.push('-');
                    self.any(item, depth + 1);
                }
            }
            Any::Map(entries) if entries.is_empty() => self.out.push_str(" {}\n"),
            Any::Map(entries) => {
                self.out.push('\n');
                for (name, value) in entries {
                    self.indent(depth + 1);
                    self.out.push_str(&format!("{}:", quoted(name)));
                    self.any(value, depth + 1);
                }
            }
        }
    }
}

/// Text as a YAML scalar: plain where that reads back as the same text.
pub(crate) fn quoted(text: &str) -> String {
    if is_plain_text(text) { text.to_owned() } else { loptr_model::go_quote(text) }
}
