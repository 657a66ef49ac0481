//! Typed reads by path, relative to the object's own key.
//!
//! A path that does not exist, or read as the wrong type, is a mistake of the program: these panic with the path.
//! Check the paths you use in a test with [`crate::known_path`].

use std::time::Duration;

use crate::table::{KeyId, Kind, table};
use crate::value::{Object, Source, Value};

/// What values `path` takes, if it is a key: for tests that walk a program's list of paths.
pub fn known_path(path: &str) -> Option<Kind> {
    table().find(path).map(|id| table().key(id).kind)
}

impl Object {
    /// The key `path` names below this object.
    ///
    /// # Panics
    /// When there is none.
    pub(crate) fn id(&self, path: &str) -> KeyId {
        let root = table().key(self.root()).path;
        let found = match (root, path) {
            ("", path) => table().find(path),
            (root, "") => table().find(root),
            (root, path) => table().find(&format!("{root}.{path}")),
        };
        found.unwrap_or_else(|| panic!("no configuration key {path} below {root:?}"))
    }

    /// The value at `path`.
    pub fn value(&self, path: &str) -> &Value {
        &self.slot(self.id(path)).value
    }

    /// Where the value at `path` came from.
    pub fn source(&self, path: &str) -> Source {
        self.slot(self.id(path)).source
    }

    fn wrong(&self, path: &str, wanted: &str) -> ! {
        panic!("configuration key {} is no {wanted}: {:?}", table().key(self.id(path)).path, self.value(path))
    }

    /// A boolean.
    pub fn bool(&self, path: &str) -> bool {
        match self.value(path) {
            Value::Bool(value) => *value,
            _ => self.wrong(path, "boolean"),
        }
    }

    /// A signed integer.
    pub fn int(&self, path: &str) -> i64 {
        match self.value(path) {
            Value::Int(value) => *value,
            _ => self.wrong(path, "integer"),
        }
    }

    /// An unsigned integer.
    pub fn uint(&self, path: &str) -> u64 {
        match self.value(path) {
            Value::Uint(value) => *value,
            _ => self.wrong(path, "unsigned integer"),
        }
    }

    /// An integer that counts things: negative ones are 0.
    pub fn count(&self, path: &str) -> usize {
        match self.value(path) {
            Value::Int(value) => usize::try_from((*value).max(0)).unwrap_or(usize::MAX),
            Value::Uint(value) => usize::try_from(*value).unwrap_or(usize::MAX),
            _ => self.wrong(path, "integer"),
        }
    }

    /// A floating point number.
    pub fn float(&self, path: &str) -> f64 {
        match self.value(path) {
            Value::Float(value) => *value,
            _ => self.wrong(path, "number"),
        }
    }

    /// Text, secrets and URLs included.
    pub fn str(&self, path: &str) -> &str {
        match self.value(path) {
            Value::Text(text) => text,
            _ => self.wrong(path, "text"),
        }
    }

    /// A size in bytes.
    pub fn bytes(&self, path: &str) -> u64 {
        match self.value(path) {
            Value::Bytes(bytes) => *bytes,
            _ => self.wrong(path, "size"),
        }
    }

    /// A duration; negative ones are zero.
    pub fn duration(&self, path: &str) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos(path)).unwrap_or(0))
    }

    /// A duration in nanoseconds, with its sign.
    pub fn nanos(&self, path: &str) -> i64 {
        match self.value(path) {
            Value::Duration(nanos) => *nanos,
            _ => self.wrong(path, "duration"),
        }
    }

    /// A point in time in Unix nanoseconds, if set.
    pub fn time(&self, path: &str) -> Option<i64> {
        match self.value(path) {
            Value::Time(nanos) => *nanos,
            _ => self.wrong(path, "time"),
        }
    }

    /// A list of texts, or text split on commas.
    pub fn strs(&self, path: &str) -> &[String] {
        match self.value(path) {
            Value::Texts(texts) => texts,
            _ => self.wrong(path, "list of texts"),
        }
    }

    /// A list of objects, such as `schema_config.configs`.
    pub fn objects(&self, path: &str) -> &[Object] {
        match self.value(path) {
            Value::Objects(objects) => objects,
            _ => self.wrong(path, "list of objects"),
        }
    }

    /// The entries of a mapping with free keys.
    pub fn map(&self, path: &str) -> &[(String, Value)] {
        match self.value(path) {
            Value::Map(entries) => entries,
            _ => self.wrong(path, "mapping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_by_type() {
        let values = Object::defaults(KeyId::ROOT);
        assert_eq!(values.int("server.http_listen_port"), 3100);
        assert_eq!(values.duration("ingester.chunk_idle_period"), Duration::from_secs(1800));
        assert_eq!(values.bytes("limits_config.max_line_size"), 256 << 10);
        assert_eq!(values.strs("target"), ["all"]);
        assert_eq!(values.float("limits_config.ingestion_rate_mb"), 4.0);
        assert_eq!(values.count("limits_config.max_query_series"), 500);
        assert_eq!(values.time("limits_config.block_ingestion_until"), None);
        assert!(values.objects("schema_config.configs").is_empty());
        assert_eq!(values.source("target"), Source::Default);
        assert_eq!(known_path("auth_enabled"), Some(Kind::Bool));
        assert_eq!(known_path("auth_enable"), None);
    }

    #[test]
    #[should_panic(expected = "no configuration key nope.nope below \"\"")]
    fn unknown_path_is_a_bug() {
        Object::defaults(KeyId::ROOT).bool("nope.nope");
    }

    #[test]
    #[should_panic(expected = "configuration key server.http_listen_port is no boolean: Int(3100)")]
    fn wrong_type_is_a_bug() {
        Object::defaults(KeyId::ROOT).bool("server.http_listen_port");
    }
}
