//! The reference page of all keys, written from the table: `docs/configuration.md`.
//!
//! Blocks that upstream uses in many places (rings, caches, clients) are listed once, under the name of their type;
//! where they stand, one row says which, with the prefix of their flags and the defaults that differ.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use crate::derive::OWN_DEFAULTS;
use crate::status::{self, Status};
use crate::table::{Key, KeyId, Kind, OWN, table};

/// A block must stand in this many places, with this many keys, to be listed once.
const SHARED_PLACES: usize = 2;
const SHARED_KEYS: usize = 4;

/// The keys of a block by relative path, with kind: blocks with the same shape are the same block.
type Shape = Vec<(String, Kind)>;

/// Blocks listed once: the place that stands for all, by shape, and its name.
struct Shared {
    names: HashMap<Shape, (String, KeyId)>,
}

/// Path of `id` relative to the block `root`.
fn relative(root: KeyId, id: KeyId) -> &'static str {
    let (root, path) = (table().key(root).path, table().key(id).path);
    path.strip_prefix(root).unwrap_or(path).trim_start_matches('.')
}

fn below(id: KeyId) -> impl Iterator<Item = KeyId> {
    (id.0 + 1..table().end(id).0).map(KeyId)
}

fn shape(id: KeyId) -> Shape {
    below(id).map(|child| (relative(id, child).to_owned(), table().key(child).kind)).collect()
}

impl Shared {
    fn find() -> Shared {
        let mut places: HashMap<Shape, Vec<KeyId>> = HashMap::new();
        for (id, key) in table().keys().filter(|(_, key)| key.kind == Kind::Object && !key.is_own()) {
            let shape = shape(id);
            if shape.len() >= SHARED_KEYS && key.path.contains('.') {
                places.entry(shape).or_default().push(id);
            }
        }
        let mut taken: HashMap<String, usize> = HashMap::new();
        let mut shared: Vec<_> = places.into_iter().filter(|(_, ids)| ids.len() >= SHARED_PLACES).collect();
        shared.sort_by_key(|(_, ids)| ids[0]);
        let named = shared.into_iter().map(|(shape, ids)| {
            let error_type = table().key(ids[0]).error_type;
            let error_type = if error_type.starts_with("struct") { table().key(ids[0]).name() } else { error_type };
            let count = taken.entry(error_type.to_owned()).or_default();
            *count += 1;
            let name = if *count == 1 { error_type.to_owned() } else { format!("{error_type} {count}") };
            (shape, (name, ids[0]))
        });
        Shared { names: named.collect() }
    }

    /// The listed block that `id` is, if its flags are that block's under another prefix, or none at all.
    fn of(&self, id: KeyId) -> Option<(String, KeyId)> {
        let (name, stands) = self.names.get(&shape(id))?;
        let (mine, theirs) = (flag_ends(id), flag_ends(*stands));
        let fits = mine.iter().zip(&theirs).all(|(mine, theirs)| mine.is_none() || mine == theirs);
        let whole = mine.iter().all(Option::is_none)
            || mine.iter().zip(&theirs).all(|(mine, theirs)| mine.is_some() == theirs.is_some());
        (fits && whole).then(|| (name.clone(), *stands))
    }
}

fn kind_name(key: &Key) -> &'static str {
    match key.kind {
        Kind::Object => "block",
        Kind::Bool | Kind::Ignored => "bool",
        Kind::Int => "int",
        Kind::Uint => "uint",
        Kind::Float => "float",
        Kind::Duration => "duration",
        Kind::PromDuration => "prom duration",
        Kind::Bytes => "size",
        Kind::Base2Bytes => "base-2 size",
        Kind::Text => "text",
        Kind::Secret => "secret",
        Kind::Csv => "csv",
        Kind::CsvOrList => "csv or list",
        Kind::Texts => "list",
        Kind::Secrets => "list of secrets",
        Kind::Objects => "list of blocks",
        Kind::Map => "map",
        Kind::TextMap => "map of text",
        Kind::TimeMap => "map of times",
        Kind::AnyMap => "map of anything",
        Kind::Url => "URL",
        Kind::Time => "time",
        Kind::Date => "date",
        Kind::Regex => "regex",
        Kind::Word(_) => "word",
    }
}

fn status_name(path: &str, honoured: &[&str]) -> &'static str {
    match status::of(path, honoured) {
        Status::Honoured => "honoured",
        Status::RefusedUnlessDefault(_) => "refused",
        Status::NoEffect(_) => "no effect",
    }
}

/// The longest prefix of a block's flags that leaves the same ends as in the block that stands for it.
fn flag_prefix(id: KeyId) -> String {
    let flags: Vec<&str> = below(id).filter_map(|child| table().key(child).flags().next()).collect();
    let Some(first) = flags.first() else { return String::new() };
    let common = flags.iter().fold(first.len(), |length, flag| {
        first.bytes().zip(flag.bytes()).take(length).take_while(|(a, b)| a == b).count()
    });
    let cut = first[..common].rfind(['.', '-']).map_or(0, |at| at + 1);
    first[..cut].to_owned()
}

/// The flags of the keys below `id` without their common prefix.
fn flag_ends(id: KeyId) -> Vec<Option<&'static str>> {
    let prefix = flag_prefix(id);
    below(id)
        .map(|child| table().key(child).flags().next().and_then(|flag| flag.strip_prefix(prefix.as_str())))
        .collect()
}

struct Page<'a> {
    out: String,
    shared: Shared,
    honoured: &'a [&'a str],
}

const HEAD: &str = "| key | flag | type | default | status |\n|---|---|---|---|---|\n";

impl Page<'_> {
    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn row(&mut self, name: &str, key: &Key, flag: &str, status: Option<&str>) {
        let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) };
        let marks = [
            (key.deprecated(), "deprecated"),
            (key.experimental(), "experimental"),
            (key.hidden(), "hidden"),
            (key.ignored(), "ignored"),
        ];
        let shown = status.is_some();
        let mut status = status.unwrap_or("").to_owned();
        for (_, mark) in marks.iter().filter(|(set, _)| shown && *set) {
            let comma = if status.is_empty() { "" } else { ", " };
            write!(status, "{comma}{mark}").expect("writing to a String cannot fail");
        }
        let kind = match key.words {
            "" => kind_name(key).to_owned(),
            words => words.replace(',', " \\| "),
        };
        let name = code(name);
        let (flag, default) = (code(flag), code(key.default));
        self.line(format!("|{name}|{flag}|{kind}|{default}|{status}|"));
    }

    /// The rows of the keys below `id`, named relative to `root`.
    fn rows(&mut self, root: KeyId, id: KeyId) {
        for child in table().children(id) {
            let key = table().key(child);
            if key.kind == Kind::Object && child != root {
                if let Some(block) = self.shared.of(child) {
                    self.shared_row(root, child, block, None);
                    continue;
                }
                self.rows(root, child);
                continue;
            }
            let status = status_name(key.path, self.honoured);
            let flags: Vec<&str> = key.flags().collect();
            self.row(relative(root, child), key, &flags.join(" "), Some(status));
            self.rows(root, child);
        }
    }

    /// One row for a block that is listed elsewhere, with the defaults that differ there.
    fn shared_row(&mut self, root: KeyId, id: KeyId, (name, stands): (String, KeyId), outer: Option<&str>) {
        let with_status = outer.is_none();
        let mut differing = Vec::new();
        let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
        for (offset, child) in below(id).enumerate() {
            let twin = KeyId(stands.0 + 1 + offset as u16);
            let (key, twin) = (table().key(child), table().key(twin));
            if key.default != twin.default {
                differing.push(format!(
                    "`{}` `{}`",
                    relative(id, child),
                    if key.default.is_empty() { "\"\"" } else { key.default }
                ));
            }
            if key.kind != Kind::Object {
                *statuses.entry(status_name(key.path, self.honoured)).or_default() += 1;
            }
        }
        let prefix = flag_prefix(id);
        let prefix = prefix.strip_prefix(outer.unwrap_or("")).unwrap_or(&prefix);
        let has_flags = below(id).any(|child| table().key(child).flags().next().is_some());
        let flag = if has_flags { format!("`{prefix}*`") } else { String::new() };
        let status = match (with_status, statuses.len()) {
            (true, 1) => statuses.keys().next().copied().unwrap_or("").to_owned(),
            (true, _) => statuses
                .keys()
                .filter(|word| !word.is_empty())
                .map(|word| format!("partly {word}"))
                .collect::<Vec<_>>()
                .join(", "),
            (false, _) => String::new(),
        };
        let anchor = anchor(&name);
        let relative = relative(root, id);
        self.line(format!("|`{relative}`|{flag}|[{name}](#{anchor})|{}|{status}|", differing.join(" ")));
    }

    /// Our own keys, with what they do.
    fn own(&mut self) {
        self.line(format!("\n## {OWN}\n"));
        self.line("Keys of Loptr's own; upstream refuses a file with this block.\n");
        self.line("| key | flag | type | default | effect |\n|---|---|---|---|---|");
        for (_, key) in table().keys().filter(|(_, key)| key.is_own() && key.kind != Kind::Object) {
            let flag = key.flags().next().unwrap_or("");
            self.row(key.path, key, flag, Some(key.help));
        }
    }

    fn shared_blocks(&mut self) {
        let mut blocks: Vec<_> = self.shared.names.values().cloned().collect();
        blocks.sort();
        for (name, id) in blocks {
            self.line(format!("\n### {name}\n"));
            let prefix = flag_prefix(id);
            self.line("| key | flag behind the prefix | type | default | status |\n|---|---|---|---|---|");
            self.shared_rows(id, id, &prefix);
        }
    }

    fn shared_rows(&mut self, root: KeyId, id: KeyId, prefix: &str) {
        for child in table().children(id) {
            let key = table().key(child);
            if key.kind == Kind::Object {
                if let Some(block) = self.shared.of(child) {
                    self.shared_row(root, child, block, Some(prefix));
                    continue;
                }
            } else {
                let flag = key.flags().next().unwrap_or("");
                self.row(relative(root, child), key, flag.strip_prefix(prefix).unwrap_or(flag), None);
            }
            self.shared_rows(root, child, prefix);
        }
    }
}

impl Page<'_> {
    /// Why keys stop the start, and why keys have no effect.
    fn reasons(&mut self) {
        let [refused, without_effect] = status::reasons(self.honoured);
        for (heading, rows) in [("Why keys are refused", refused), ("Why keys have no effect", without_effect)] {
            self.line(format!("\n## {heading}\n"));
            self.line("Each with everything below it; of two that fit, the longer one counts.\n");
            self.line("| key | reason |\n|---|---|");
            for (path, reason) in rows {
                self.line(format!("|`{path}`|{reason}|"));
            }
        }
    }
}

/// The anchor Markdown gives a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The page, with the status of each key as the process would report it.
pub fn reference_page(honoured: &[&str]) -> String {
    let mut page = Page { out: String::new(), shared: Shared::find(), honoured };
    page.line(include_str!("page/head.md").trim_end());
    page.line("\nDefaults that are not upstream's:\n");
    page.line("| key | upstream | here | reason |\n|---|---|---|---|");
    for (path, own, reason) in OWN_DEFAULTS {
        let default = table().find(path).map_or("", |id| table().key(id).default);
        page.line(format!("|`{path}`|`{default}`|`{own}`|{reason}|"));
    }
    page.line("\n## Top level\n");
    page.out.push_str(HEAD);
    let top: Vec<_> = table().children(KeyId::ROOT).collect();
    for id in top.iter().filter(|id| table().key(**id).kind != Kind::Object) {
        let key = table().key(*id);
        let flags: Vec<&str> = key.flags().collect();
        page.row(key.path, key, &flags.join(" "), Some(status_name(key.path, honoured)));
        page.rows(*id, *id);
    }
    page.own();
    for id in top.iter().filter(|id| table().key(**id).kind == Kind::Object && !table().key(**id).is_own()) {
        page.line(format!("\n## {}\n", table().key(*id).path));
        page.out.push_str(HEAD);
        page.rows(*id, *id);
    }
    page.reasons();
    page.line("\n## Flags without a key\n");
    page.line("| flag | type | default |\n|---|---|---|");
    for flag in table().lone_flags() {
        let kind = if flag.kind == Kind::Ignored { "accepted and ignored" } else { "" };
        page.line(format!("|`{}`|{kind}|`{}`|", flag.flag, flag.default));
    }
    page.line("\n## Blocks used in several places");
    page.shared_blocks();
    page.out
}
