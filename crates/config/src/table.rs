//! The table of every key and flag, read on first use: upstream's from `data/keys.tsv`, our own, the block `loptr`, from
//! `data/own.tsv`.
//!
//! Keys stand depth first, so the keys below key `k` are exactly `k + 1 .. end(k)`; a [`KeyId`] is the place in that
//! order. Lists of objects and maps have one more key for their element (`x[]`, `x.<name>`), which the file leaves out
//! where it says nothing and which is filled in here. Key 0 is the whole document.

use std::collections::HashMap;
use std::sync::OnceLock;

static TEXT: &str = include_str!("../data/keys.tsv");
static OWN_TEXT: &str = include_str!("../data/own.tsv");
/// The block of keys that upstream does not have.
pub(crate) const OWN: &str = "loptr";

/// A key of the table: its place in depth-first order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) u16);

impl KeyId {
    /// The document itself.
    pub(crate) const ROOT: KeyId = KeyId(0);

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn next(self) -> KeyId {
        KeyId(self.0 + 1)
    }
}

/// What values a key takes: which grammar reads and prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Mapping with fixed keys.
    Object,
    /// Boolean.
    Bool,
    /// Signed integer.
    Int,
    /// Unsigned integer.
    Uint,
    /// Floating point number.
    Float,
    /// Go duration.
    Duration,
    /// Prometheus duration.
    PromDuration,
    /// Size, any letter case, whole number.
    Bytes,
    /// Size with case-sensitive units, fractions and sums.
    Base2Bytes,
    /// Text.
    Text,
    /// Text that is printed masked.
    Secret,
    /// One text, split on commas.
    Csv,
    /// Text split on commas, or a list.
    CsvOrList,
    /// List of texts.
    Texts,
    /// List of texts that are printed masked.
    Secrets,
    /// List of objects; the next key is the element.
    Objects,
    /// Mapping with free keys; the next key is the value.
    Map,
    /// Mapping with free keys to text.
    TextMap,
    /// Mapping with free keys to times.
    TimeMap,
    /// Mapping with free keys to anything.
    AnyMap,
    /// URL text.
    Url,
    /// Point in time.
    Time,
    /// Day.
    Date,
    /// Regular expression, kept as text.
    Regex,
    /// One of a few words.
    Word(Words),
    /// A flag that is accepted and does nothing.
    Ignored,
}

/// The closed sets of words, each with its own error text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Words {
    /// `debug`, `info`, `warn`, `error`.
    LogLevel,
    /// `TLS10` to `TLS13`, or empty.
    TlsVersion,
    /// `auto`, `path`, `virtual-hosted`.
    BucketLookup,
    /// Prometheus' relabel actions.
    RelabelAction,
    /// `index_label`, `structured_metadata`, `drop`.
    AttributeAction,
    /// Those of the table's column, separated by commas: our own keys.
    Listed(&'static str),
}

/// One row of the table.
#[derive(Debug)]
pub struct Key {
    /// Full path, such as `server.http_listen_port` or `schema_config.configs[].from`.
    pub path: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Comma-separated flag and aliases; empty when only YAML sets it.
    flags: &'static str,
    /// Default as text.
    pub default: &'static str,
    marks: &'static str,
    /// Type name in "field not found" errors.
    pub(crate) error_type: &'static str,
    /// Type name in "cannot unmarshal" errors.
    pub(crate) go_type: &'static str,
    /// Comma-separated words it takes, if they are few.
    pub words: &'static str,
    /// What it does; only our own keys say it here.
    pub help: &'static str,
    pub(crate) parent: KeyId,
    end: KeyId,
}

impl Key {
    /// The last part of the path: `http_listen_port`, `[]` or `<name>`.
    pub fn name(&self) -> &'static str {
        match self.path.strip_suffix("[]") {
            Some(_) => "[]",
            None => self.path.rsplit_once('.').map_or(self.path, |(_, name)| name),
        }
    }

    /// Its flag and the flag's aliases.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        self.flags.split(',').filter(|flag| !flag.is_empty())
    }

    /// Accepted but left out of upstream's reference on purpose.
    pub fn hidden(&self) -> bool {
        self.marks.contains('h')
    }

    /// Accepted without effect by upstream too.
    pub fn ignored(&self) -> bool {
        self.marks.contains('i')
    }

    /// Marked deprecated upstream.
    pub fn deprecated(&self) -> bool {
        self.marks.contains('d')
    }

    /// Marked experimental upstream.
    pub fn experimental(&self) -> bool {
        self.marks.contains('x')
    }

    /// One of ours, which upstream does not have.
    pub fn is_own(&self) -> bool {
        self.path.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Stands inside a list or a free map, so it has no single value.
    pub fn repeats(&self) -> bool {
        self.path.contains("[]") || self.path.contains('<')
    }
}

/// A flag that no YAML key matches.
#[derive(Debug)]
pub struct LoneFlag {
    /// The flag's name.
    pub flag: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Default as text.
    pub default: &'static str,
}

/// What a flag writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlagTarget {
    Key(KeyId),
    Lone(u8),
}

/// All keys and flags.
#[derive(Debug)]
pub struct Table {
    keys: Vec<Key>,
    lone: Vec<LoneFlag>,
    by_path: HashMap<&'static str, KeyId>,
    by_flag: HashMap<&'static str, FlagTarget>,
}

/// The table.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::parse(TEXT))
}

impl Table {
    fn parse(text: &'static str) -> Table {
        let root = Key {
            path: "",
            kind: Kind::Object,
            flags: "",
            default: "",
            marks: "",
            error_type: "loki.ConfigWrapper",
            go_type: "loki.ConfigWrapper",
            words: "",
            help: "",
            parent: KeyId::ROOT,
            end: KeyId::ROOT,
        };
        let mut table = Table {
            keys: vec![root],
            lone: Vec::new(),
            by_path: HashMap::with_capacity(5_000),
            by_flag: HashMap::with_capacity(3_000),
        };
        table.by_path.insert("", KeyId::ROOT);
        for line in text.lines().chain(OWN_TEXT.lines()).filter(|line| !line.starts_with('#')) {
            table.row(line);
        }
        table.close();
        table
    }

    fn row(&mut self, line: &'static str) {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or("");
        let (path, kind_name, flags, default, marks) = (column(), column(), column(), column(), column());
        let (error_type, go_type, words, help) = (column(), column(), column(), column());
        let kind = kind_of(kind_name, go_type, words).expect("the tables name only known types");
        if path == "-" {
            let target = FlagTarget::Lone(u8::try_from(self.lone.len()).expect("a dozen flags have no key"));
            self.by_flag.insert(flags, target);
            self.lone.push(LoneFlag { flag: flags, kind, default });
            return;
        }
        let parent = self.parent_of(path);
        let go_type = match go_type {
            "" => go_type_of(kind, kind_name, error_type),
            named => named,
        };
        let end = KeyId::ROOT;
        self.push(Key { path, kind, flags, default, marks, error_type, go_type, words, help, parent, end });
    }

    /// The key above `path`, made up when it is an element the file does not list.
    fn parent_of(&mut self, path: &'static str) -> KeyId {
        let above = parent_path(path);
        if let Some(id) = self.by_path.get(above) {
            return *id;
        }
        let owner = self.parent_of(above);
        let owner_key = &self.keys[owner.index()];
        let (error_type, marks) = (owner_key.error_type, owner_key.marks);
        let kind = Kind::Object;
        self.push(Key {
            path: above,
            kind,
            flags: "",
            default: "",
            marks,
            error_type,
            go_type: error_type,
            words: "",
            help: "",
            parent: owner,
            end: KeyId::ROOT,
        })
    }

    fn push(&mut self, key: Key) -> KeyId {
        let id = KeyId(u16::try_from(self.keys.len()).expect("data/keys.tsv has fewer than 65536 rows"));
        for flag in key.flags() {
            self.by_flag.insert(flag, FlagTarget::Key(id));
        }
        self.by_path.insert(key.path, id);
        self.keys.push(key);
        id
    }

    /// Sets every `end`: one past the last key below it.
    fn close(&mut self) {
        for at in (0..self.keys.len()).rev() {
            let end = self.keys[at].end.max(KeyId(at as u16 + 1));
            self.keys[at].end = end;
            let parent = self.keys[at].parent.index();
            if at != 0 {
                self.keys[parent].end = self.keys[parent].end.max(end);
            }
        }
    }

    /// The key at `path`.
    pub fn find(&self, path: &str) -> Option<KeyId> {
        self.by_path.get(path).copied()
    }

    /// The row of a key.
    pub fn key(&self, id: KeyId) -> &Key {
        &self.keys[id.index()]
    }

    /// All keys, depth first, without the document itself.
    pub fn keys(&self) -> impl Iterator<Item = (KeyId, &Key)> {
        self.keys.iter().enumerate().skip(1).map(|(at, key)| (KeyId(at as u16), key))
    }

    /// Flags without a key.
    pub fn lone_flags(&self) -> &[LoneFlag] {
        &self.lone
    }

    pub(crate) fn flag(&self, name: &str) -> Option<FlagTarget> {
        self.by_flag.get(name).copied()
    }

    /// One past the last key below `id`.
    pub(crate) fn end(&self, id: KeyId) -> KeyId {
        self.keys[id.index()].end
    }

    /// Keys directly below `id`.
    pub fn children(&self, id: KeyId) -> impl Iterator<Item = KeyId> + '_ {
        let end = self.end(id);
        let first = Some(id.next()).filter(|child| *child < end);
        std::iter::successors(first, move |child| Some(self.end(*child)).filter(|next| *next < end))
    }

    /// The key named `name` directly below `id`.
    pub(crate) fn child(&self, id: KeyId, name: &str) -> Option<KeyId> {
        self.children(id).find(|child| self.key(*child).name() == name)
    }
}

/// `a.b` of `a.b.c`, `x` of `x[]`, `x[]` of `x[].y`.
fn parent_path(path: &str) -> &str {
    match path.strip_suffix("[]") {
        Some(list) => list,
        None => path.rsplit_once('.').map_or("", |(above, _)| above),
    }
}

fn kind_of(name: &str, go_type: &str, words: &'static str) -> Option<Kind> {
    Some(match name {
        "object" => Kind::Object,
        "bool" => Kind::Bool,
        "int" => Kind::Int,
        "uint" => Kind::Uint,
        "float" => Kind::Float,
        "duration" => Kind::Duration,
        "prom_duration" => Kind::PromDuration,
        "bytes" => Kind::Bytes,
        "base2_bytes" => Kind::Base2Bytes,
        "string" if go_type == "push.Action" => Kind::Word(Words::AttributeAction),
        "string" => Kind::Text,
        "secret" => Kind::Secret,
        "csv" => Kind::Csv,
        "csv_or_list" => Kind::CsvOrList,
        "list<string>" => Kind::Texts,
        "list<secret>" => Kind::Secrets,
        "list<object>" | "list<relabel>" => Kind::Objects,
        "map<string,object>" | "map<string,list<object>>" | "map<string,list<string>>" | "map<string,list<secret>>" => {
            Kind::Map
        }
        "map<string,string>" => Kind::TextMap,
        "map<string,time>" => Kind::TimeMap,
        "map<string,any>" => Kind::AnyMap,
        "url" => Kind::Url,
        "time" => Kind::Time,
        "date" => Kind::Date,
        "regex" => Kind::Regex,
        "log_level" => Kind::Word(Words::LogLevel),
        "tls_version" => Kind::Word(Words::TlsVersion),
        "bucket_lookup" => Kind::Word(Words::BucketLookup),
        "relabel_action" => Kind::Word(Words::RelabelAction),
        "word" if !words.is_empty() => Kind::Word(Words::Listed(words)),
        "ignored" => Kind::Ignored,
        _ => return None,
    })
}

/// The type name errors use when the table names no other.
fn go_type_of(kind: Kind, name: &str, error_type: &'static str) -> &'static str {
    match kind {
        Kind::Object => error_type,
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Uint => "uint",
        Kind::Float => "float64",
        Kind::Duration => "time.Duration",
        Kind::Texts | Kind::CsvOrList => "[]string",
        Kind::Secrets => "[]config.Secret",
        Kind::TextMap => "map[string]string",
        Kind::AnyMap => "map[string]interface {}",
        Kind::Map if name == "map<string,list<string>>" => "map[string][]string",
        Kind::Map if name == "map<string,list<secret>>" => "config.ProxyHeader",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_upstreams() {
        let listed = table()
            .keys()
            .filter(|(_, key)| !key.is_own())
            .filter(|(_, key)| !(key.kind == Kind::Object && key.repeats() && key.flags.is_empty() && is_made_up(key)));
        assert_eq!(listed.count(), 4513);
        let flags = |own| -> usize {
            table().keys().filter(|(_, key)| key.is_own() == own).map(|(_, key)| key.flags().count()).sum()
        };
        assert_eq!(flags(false) + table().lone_flags().len(), 2936);
        assert_eq!(table().by_flag.len(), 2936 + flags(true));
    }

    fn is_made_up(key: &Key) -> bool {
        !TEXT.lines().any(|line| line.split('\t').next() == Some(key.path))
    }

    /// Each of our own keys has a flag made from its path, a default (a list may be empty) and words that say what it does.
    #[test]
    fn own_keys_follow_one_rule() {
        let own: Vec<&Key> = table().keys().map(|(_, key)| key).filter(|key| key.is_own()).collect();
        assert!(own.len() > 2);
        for key in own.iter().filter(|key| key.kind != Kind::Object) {
            assert_eq!(key.flags, key.path.replace('_', "-"));
            assert!(!key.help.is_empty(), "{}", key.path);
            assert!(
                !key.default.is_empty() || key.kind == Kind::Csv,
                "{}: an empty list alone is no default",
                key.path
            );
        }
    }

    #[test]
    fn tree_is_consistent() {
        for (id, key) in table().keys() {
            assert!(key.parent < id && table().end(key.parent) >= table().end(id), "{}", key.path);
            assert_eq!(table().find(key.path), Some(id));
            if matches!(key.kind, Kind::Objects | Kind::Map) {
                let element = table().key(id.next());
                assert_eq!(element.parent, id, "{}", key.path);
                assert!(["[]", "<name>"].contains(&element.name()), "{}", key.path);
            }
            if matches!(key.kind, Kind::Object) {
                assert!(!key.error_type.is_empty(), "{}", key.path);
            }
        }
        let server = table().find("server").unwrap();
        let names: Vec<_> = table().children(server).map(|id| table().key(id).name()).take(3).collect();
        assert_eq!(names, ["http_listen_network", "http_listen_address", "http_listen_port"]);
        assert!(table().children(KeyId::ROOT).any(|id| table().key(id).path == "configexpandenv"));
    }
}
