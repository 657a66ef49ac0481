//! A tree of YAML nodes written over an [`Object`], key by key, with upstream's rules and error texts.
//!
//! Two kinds of trouble: a *problem* (unknown key, wrong type, key twice) is noted with its line and decoding goes on,
//! so that one run shows all of them; a *fault* (a value its type's own reader refuses, a cycle, an alias bomb) ends it.
//! With `strict` off, unknown and repeated keys pass in silence.
//!
//! One deviation: a block with nothing below it changes nothing and leaves a note, where upstream zeroes the block.

mod any;
mod map;
mod suggest;

use map::FreeEntries;

use crate::removed;
use crate::table::{KeyId, Kind, Words, table};
use crate::value::{Object, Source, Value, parse_text, split_csv, zero};
use crate::yaml::scalar::{Meaning, resolve};
use crate::yaml::tree::{Body, Node, NodeId, Tag, Tree};

/// Most slots that the objects of one document may take together: bounds memory against lists of empty objects.
const MAX_SLOTS: usize = 2_000_000;
/// Most nodes visited through aliases.
const MAX_ALIAS_STEPS: usize = 400_000;
/// Most aliases inside each other.
const MAX_ALIAS_DEPTH: usize = 50;
/// Problems shown; the rest is counted.
const MAX_PROBLEMS: usize = 100;
/// Unknown keys a guess is made for.
const MAX_GUESSES: usize = 20;

/// Something wrong at a line; decoding went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: u32,
    pub(crate) text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

/// What ended decoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The document's shape.
    #[error("yaml: {0}")]
    Yaml(String),
    /// A value refused by its own grammar.
    #[error("{text} (line {line}, {path})")]
    Value { text: String, line: u32, path: String },
}

/// A key upstream has dropped, found in the file.
#[derive(Debug, Clone)]
pub(crate) struct OldKey {
    pub(crate) row: &'static removed::Row,
    pub(crate) node: NodeId,
    pub(crate) line: u32,
}

/// State of one walk over a document.
pub(crate) struct Decoder<'t> {
    pub(crate) tree: &'t Tree,
    strict: bool,
    steps: usize,
    alias_steps: usize,
    slots: usize,
    /// Targets of the aliases being followed.
    following: Vec<NodeId>,
    pub(crate) problems: Vec<Problem>,
    /// Problems beyond the first [`MAX_PROBLEMS`].
    pub(crate) more_problems: usize,
    /// Lines and paths of blocks with nothing below them.
    pub(crate) empty_blocks: Vec<(u32, &'static str)>,
    pub(crate) old_keys: Vec<OldKey>,
}

impl<'t> Decoder<'t> {
    pub(crate) fn new(tree: &'t Tree, strict: bool) -> Self {
        Decoder {
            tree,
            strict,
            steps: 0,
            alias_steps: 0,
            slots: 0,
            following: Vec::new(),
            problems: Vec::new(),
            more_problems: 0,
            empty_blocks: Vec::new(),
            old_keys: Vec::new(),
        }
    }

    /// Counts a visit and refuses documents that grow out of their aliases.
    fn step(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        self.alias_steps += usize::from(!self.following.is_empty());
        let mostly_aliases = self.alias_steps > 100 && self.steps > 1_000 && self.alias_steps > self.steps / 100 * 99;
        if mostly_aliases || self.alias_steps > MAX_ALIAS_STEPS {
            return Err(Fault::Yaml("document contains excessive aliasing".to_owned()));
        }
        Ok(())
    }

    /// Goes through an alias: runs `then` on its target, once per way down.
    fn through_alias<T>(
        &mut self,
        target: NodeId,
        then: impl FnOnce(&mut Self, NodeId) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.following.len() >= MAX_ALIAS_DEPTH {
            return Err(Fault::Yaml(format!("more than {MAX_ALIAS_DEPTH} aliases inside each other")));
        }
        if self.following.contains(&target) {
            let line = self.tree.node(target).line;
            return Err(Fault::Yaml(format!("line {line}: anchored value contains itself")));
        }
        self.following.push(target);
        let result = then(self, target);
        self.following.pop();
        result
    }

    fn new_object(&mut self, root: KeyId) -> Result<Object, Fault> {
        self.slots += table().end(root).index() - root.index();
        if self.slots > MAX_SLOTS {
            return Err(Fault::Yaml(format!("lists and maps need more than {MAX_SLOTS} values")));
        }
        Ok(Object::defaults(root))
    }

    fn problem(&mut self, node: &Node, text: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { line: node.line, text });
        } else {
            self.more_problems += 1;
        }
    }

    /// Notes that a node is of the wrong type.
    fn mismatch(&mut self, node: &Node, found: &str, go_type: &str) {
        let tag = match node.tag.as_deref() {
            None => found.to_owned(),
            Some(Tag::Core(name)) => format!("!!{name}"),
            Some(Tag::Other(tag)) => tag.clone(),
        };
        let text = match &node.body {
            Body::Scalar { text, .. } if text.len() > 10 => {
                let cut = (0..=7).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
                format!(" `{}...`", &text[..cut])
            }
            Body::Scalar { text, .. } => format!(" `{text}`"),
            _ => String::new(),
        };
        self.problem(node, format!("cannot unmarshal {tag}{text} into {go_type}"));
    }

    /// As [`Decoder::mismatch`], working out what was found.
    fn wrong_type(&mut self, node: &Node, go_type: &str) -> Result<(), Fault> {
        let found = match &node.body {
            Body::Scalar { text, plain } => resolve(node, text, *plain).map_err(Fault::Yaml)?.tag(),
            Body::Map(_) => "!!map",
            Body::List(_) | Body::Alias(_) => "!!seq",
        };
        self.mismatch(node, found, go_type);
        Ok(())
    }

    /// Writes the document over `object`, whose root is the document's key.
    pub(crate) fn document(&mut self, object: &mut Object) -> Result<(), Fault> {
        match self.tree.root {
            Some(root) if !self.is_null(root)? => self.block(root, object.root(), object),
            _ => Ok(()),
        }
    }

    fn is_null(&self, id: NodeId) -> Result<bool, Fault> {
        let node = self.tree.node(self.tree.target(id));
        Ok(match &node.body {
            Body::Scalar { text, plain } => resolve(node, text, *plain).map_err(Fault::Yaml)? == Meaning::Null,
            _ => false,
        })
    }

    /// Writes a mapping over the keys below `key`.
    pub(crate) fn block(&mut self, id: NodeId, key: KeyId, object: &mut Object) -> Result<(), Fault> {
        self.step()?;
        let tree = self.tree;
        let node = tree.node(id);
        let entries = match &node.body {
            Body::Alias(target) => return self.through_alias(*target, |this, target| this.block(target, key, object)),
            Body::Map(entries) => entries,
            _ => return self.wrong_type(node, table().key(key).go_type),
        };
        let mut seen = Vec::new();
        for (name, value) in entries {
            if self.is_merge(*name) {
                self.merge(*value, &mut |this, id| this.block(id, key, object))?;
                continue;
            }
            let Some(text) = self.name(*name)? else { continue };
            let name = tree.node(*name);
            match table().child(key, text).filter(|child| !matches!(table().key(*child).name(), "[]" | "<name>")) {
                Some(child) if self.strict && seen.contains(&child) => {
                    let owner = table().key(key).error_type;
                    self.problem(name, format!("field {text} already set in type {owner}"));
                }
                Some(child) => {
                    seen.push(child);
                    self.value(*value, child, object, name)?;
                }
                None => self.unknown(name, text, *value, key),
            }
        }
        Ok(())
    }

    /// A key the table does not have: one of the past, or a problem.
    fn unknown(&mut self, name: &Node, text: &str, value: NodeId, key: KeyId) {
        let owner = table().key(key);
        if let Some(row) = removed::key(owner.path, text) {
            self.old_keys.push(OldKey { row, node: value, line: name.line });
        } else if self.strict {
            let guess = if self.problems.len() < MAX_GUESSES { suggest::nearest(key, text) } else { None };
            let path = if owner.path.is_empty() { String::new() } else { format!("{}.{text}", owner.path) };
            let hint = match (path.as_str(), guess) {
                ("", None) => String::new(),
                (path, None) => format!(" ({path})"),
                ("", Some(guess)) => format!(" ({guess})"),
                (path, Some(guess)) => format!(" ({path}; {guess})"),
            };
            self.problem(name, format!("field {text} not found in type {}{hint}", owner.error_type));
        }
    }

    /// The text of a mapping key; anything but a scalar is a problem.
    fn name(&mut self, id: NodeId) -> Result<Option<&'t str>, Fault> {
        self.step()?;
        let node = self.tree.node(self.tree.target(id));
        match &node.body {
            Body::Scalar { text, .. } => Ok(Some(text)),
            _ => self.wrong_type(node, "string").map(|()| None),
        }
    }

    /// Writes one value. `name` is the node of its key: what the source of the value points at.
    pub(crate) fn value(&mut self, id: NodeId, key: KeyId, object: &mut Object, name: &Node) -> Result<(), Fault> {
        self.step()?;
        let tree = self.tree;
        let node = tree.node(id);
        if let Body::Alias(target) = &node.body {
            return self.through_alias(*target, |this, target| this.value(target, key, object, name));
        }
        let row = table().key(key);
        let source = Source::File { line: name.line, column: name.column };
        if self.is_null(id)? {
            match row.kind {
                Kind::Object | Kind::Word(Words::LogLevel) => self.empty_blocks.push((name.line, row.path)),
                kind => object.set(key, zero(kind), source),
            }
            return Ok(());
        }
        if row.kind == Kind::Object {
            object.slot_mut(key).source = source;
            return self.block(id, key, object);
        }
        let before = match row.kind {
            Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap => object.slot(key).value.clone(),
            _ => Value::Block,
        };
        if let Some(value) = self.leaf(id, key, before, name)? {
            object.set(key, value, source);
        }
        Ok(())
    }

    /// The value of a node that is no fixed block and no null; `None` when it was a problem.
    fn leaf(&mut self, id: NodeId, key: KeyId, before: Value, name: &Node) -> Result<Option<Value>, Fault> {
        let tree = self.tree;
        let node = tree.node(id);
        let row = table().key(key);
        match (row.kind, &node.body) {
            (Kind::Texts | Kind::Secrets | Kind::CsvOrList, Body::List(items)) => {
                self.texts(items, key).map(|texts| Some(Value::Texts(texts)))
            }
            (Kind::Objects, Body::List(items)) => {
                let mut objects = Vec::new();
                for item in items {
                    let mut object = self.new_object(key.next())?;
                    if !self.is_null(*item)? {
                        self.element(*item, key.next(), &mut object)?;
                    }
                    objects.push(object);
                }
                Ok(Some(Value::Objects(objects)))
            }
            (Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap, Body::Map(_)) => {
                let mut entries = FreeEntries::new(before);
                self.free_map(id, key, &mut entries)?;
                Ok(Some(Value::Map(entries.list)))
            }
            (
                Kind::Texts | Kind::Secrets | Kind::Objects | Kind::Map | Kind::TextMap | Kind::TimeMap | Kind::AnyMap,
                _,
            ) => self.wrong_type(node, row.go_type).map(|()| None),
            (_, Body::Scalar { text, plain }) => {
                let meaning = resolve(node, text, *plain).map_err(Fault::Yaml)?;
                self.scalar(node, text, meaning, key, name)
            }
            _ => self.wrong_type(node, row.go_type).map(|()| None),
        }
    }

    /// An element of a list of objects.
    fn element(&mut self, id: NodeId, key: KeyId, object: &mut Object) -> Result<(), Fault> {
        let node = self.tree.node(id);
        object.slot_mut(key).source = Source::File { line: node.line, column: node.column };
        self.block(id, key, object)
    }

    fn texts(&mut self, items: &[NodeId], key: KeyId) -> Result<Vec<String>, Fault> {
        let mut texts = Vec::new();
        for item in items {
            self.step()?;
            let node = self.tree.node(self.tree.target(*item));
            match &node.body {
                Body::Scalar { text, plain } => {
                    let null = resolve(node, text, *plain).map_err(Fault::Yaml)? == Meaning::Null;
                    texts.push(if null { String::new() } else { text.to_string() });
                }
                _ => {
                    let secret = table().key(key).kind == Kind::Secrets;
                    self.wrong_type(node, if secret { "config.plain" } else { "string" })?;
                }
            }
        }
        Ok(texts)
    }

    /// A scalar of a scalar kind.
    fn scalar(
        &mut self,
        node: &Node,
        text: &str,
        meaning: Meaning,
        key: KeyId,
        name: &Node,
    ) -> Result<Option<Value>, Fault> {
        let row = table().key(key);
        let fits_u32 = |value: u64| row.go_type != "uint32" || value <= u64::from(u32::MAX);
        let value = match (row.kind, meaning) {
            (Kind::Bool, Meaning::Bool(value)) => Some(Value::Bool(value)),
            (Kind::Int, Meaning::Int(value)) => Some(Value::Int(value)),
            (Kind::Int, Meaning::Float(value)) if value < 9.3e18 => cut(value).map(Value::Int),
            (Kind::Uint, Meaning::Int(value)) => u64::try_from(value).ok().filter(|v| fits_u32(*v)).map(Value::Uint),
            (Kind::Uint, Meaning::Uint(value)) if fits_u32(value) => Some(Value::Uint(value)),
            (Kind::Uint, Meaning::Float(value)) => {
                cut(value).and_then(|v| u64::try_from(v).ok()).filter(|v| fits_u32(*v)).map(Value::Uint)
            }
            (Kind::Float, Meaning::Int(value)) => Some(Value::Float(value as f64)),
            (Kind::Float, Meaning::Uint(value)) => Some(Value::Float(value as f64)),
            (Kind::Float, Meaning::Float(value)) => Some(Value::Float(value)),
            (Kind::Duration, Meaning::Int(value)) => Some(Value::Duration(value)),
            (Kind::Duration, Meaning::Float(value)) => cut(value).map(Value::Duration),
            (Kind::Duration, Meaning::Text) => parse_text(Kind::Duration, "", text).ok(),
            (Kind::Bool | Kind::Int | Kind::Uint | Kind::Float | Kind::Duration, _) => None,
            (Kind::CsvOrList, _) => Some(Value::Texts(split_csv(text))),
            (kind, _) => return self.grammar(kind, row.go_type, text, name, key).map(Some),
        };
        if value.is_none() {
            self.mismatch(node, meaning.tag(), row.go_type);
        }
        Ok(value)
    }

    /// Reads text with a grammar whose refusal ends decoding.
    fn grammar(&self, kind: Kind, go_type: &str, text: &str, at: &Node, key: KeyId) -> Result<Value, Fault> {
        parse_text(kind, go_type, text).map_err(|text| Fault::Value {
            text,
            line: at.line,
            path: table().key(key).path.to_owned(),
        })
    }
}

/// A float given to an integer loses its fraction; one that does not fit is refused.
fn cut(value: f64) -> Option<i64> {
    (value.is_finite() && value.abs() < 9_223_372_036_854_775_808.0).then_some(value as i64)
}
