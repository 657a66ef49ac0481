//! The runtime configuration: overrides of single tenants, read again while the process runs.
//!
//! ```text
//! overrides:          tenant -> limits       start from limits_config, change what is listed; lists replace, maps merge
//! configs:            tenant -> operational_config
//! multi_kv_config:    primary, mirror_enabled
//! ```

use std::collections::{HashMap, HashSet};

use super::{Limits, ProcessLimits, check, clamp, limits_key};
use crate::decode::{Decoder, Problem};
use crate::load::unmarshal_errors;
use crate::notice::Notice;
use crate::table::{KeyId, table};
use crate::value::Object;
use crate::write::{diff_yaml, quoted};
use crate::yaml::tree::{self, Body, NodeId, Tree};

/// One file of `runtime_config.file`, already uncompressed.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeFile<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Settings of the `multi` key-value store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MultiKv {
    /// Store in use.
    pub primary: Option<String>,
    /// Whether the second store is written too.
    pub mirror_enabled: Option<bool>,
}

/// A runtime configuration.
#[derive(Debug, Clone, Default)]
pub struct Runtime {
    /// Limits of tenants that have their own.
    pub overrides: HashMap<String, Limits>,
    /// The same as values below `limits_config`, to be shown.
    pub values: HashMap<String, Object>,
    /// Operational settings of tenants that have their own: values below `operational_config`.
    pub operational: HashMap<String, Object>,
    /// Settings of the `multi` key-value store, if the file has any.
    pub multi_kv: Option<MultiKv>,
    /// Things to log at level warn.
    pub notices: Vec<Notice>,
}

impl Runtime {
    /// What each tenant has of its own, as a runtime file would say it: limits that differ from `base`'s.
    pub fn to_yaml(&self, base: &Object) -> String {
        let limits = base.block(limits_key());
        let mut names: Vec<&String> = self.values.keys().collect();
        names.sort();
        let mut out = String::from(if names.is_empty() { "overrides: {}\n" } else { "overrides:\n" });
        for name in names {
            let own = diff_yaml(&self.values[name], &limits, 2);
            out.push_str(&format!("  {}:", quoted(name)));
            out.push_str(if own.is_empty() { " {}\n" } else { "\n" });
            out.push_str(&own);
        }
        out
    }
}

/// A document and the blocks of its tenants.
struct Document<'a> {
    name: &'a str,
    tree: Tree,
    overrides: Vec<(String, NodeId)>,
    configs: Vec<(String, NodeId)>,
}

/// Reads files, the later over the earlier ones. `base` holds the whole configuration.
pub(crate) fn read(files: &[RuntimeFile<'_>], base: &Object) -> Result<Runtime, String> {
    let mut runtime = Runtime::default();
    let mut documents = Vec::new();
    for file in files {
        documents.push(document(*file, &mut runtime)?);
    }
    let process = ProcessLimits::of(base);
    let limits = base.block(limits_key());
    for tenant in tenants(documents.iter().map(|document| &document.overrides)) {
        let mut values = limits.clone();
        let mut set = false;
        let mut own_otlp = false;
        for document in &documents {
            for (_, node) in document.overrides.iter().filter(|(name, _)| *name == tenant) {
                if is_empty(&document.tree, *node) {
                    runtime
                        .notices
                        .push(Notice::new(format!("skipping empty tenant limit definition of tenant {tenant}")));
                    continue;
                }
                set = true;
                if !own_otlp && has_key(&document.tree, *node, "otlp_config") {
                    own_otlp = true;
                    let otlp = table().find("limits_config.otlp_config").expect("the table has otlp_config");
                    reset(&mut values, otlp);
                }
                decode(document, *node, &mut values, &mut runtime.notices)?;
            }
        }
        if !set {
            continue;
        }
        clamp(&mut values, &mut runtime.notices);
        check::attribute_rules(&values)
            .and_then(|()| check(&values))
            .map_err(|error| format!("invalid override for tenant {tenant}: {error}"))?;
        runtime.overrides.insert(tenant.to_owned(), Limits::read(&values, &process));
        runtime.values.insert(tenant.to_owned(), values);
    }
    let operational = table().find("operational_config").expect("the table has operational_config");
    for tenant in tenants(documents.iter().map(|document| &document.configs)) {
        let mut values = base.block(operational);
        for document in &documents {
            for (_, node) in
                document.configs.iter().filter(|(name, node)| *name == tenant && !is_empty(&document.tree, *node))
            {
                decode(document, *node, &mut values, &mut runtime.notices)?;
            }
        }
        runtime.operational.insert(tenant.to_owned(), values);
    }
    Ok(runtime)
}

/// Names in order of first appearance.
fn tenants<'a>(lists: impl Iterator<Item = &'a Vec<(String, NodeId)>>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    lists.flatten().map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)).collect()
}

fn is_empty(tree: &Tree, node: NodeId) -> bool {
    let node = tree.node(tree.target(node));
    matches!(&node.body, Body::Scalar { text, plain: true } if matches!(&**text, "" | "~" | "null" | "Null" | "NULL"))
}

fn has_key(tree: &Tree, node: NodeId, wanted: &str) -> bool {
    let Body::Map(entries) = &tree.node(tree.target(node)).body else { return false };
    entries.iter().any(|(name, _)| matches!(&tree.node(*name).body, Body::Scalar { text, .. } if &**text == wanted))
}

fn reset(values: &mut Object, block: KeyId) {
    let defaults = Object::defaults(block);
    for id in block.0..table().end(block).0 {
        let slot = defaults.slot(KeyId(id)).clone();
        values.set(KeyId(id), slot.value, slot.source);
    }
}

/// Writes one tenant's block over its values.
fn decode(document: &Document<'_>, node: NodeId, values: &mut Object, notices: &mut Vec<Notice>) -> Result<(), String> {
    let labelled = |text: String| format!("{}: {text}", document.name);
    let mut decoder = Decoder::new(&document.tree, true);
    decoder.block(node, values.root(), values).map_err(|fault| labelled(fault.to_string()))?;
    for old in &decoder.old_keys {
        let text = format!("line {}: key {} belongs to an older version and is ignored", old.line, old.row.path);
        notices.push(Notice::new(text));
    }
    if decoder.problems.is_empty() {
        return Ok(());
    }
    Err(labelled(unmarshal_errors(&decoder.problems, decoder.more_problems)))
}

/// Reads the top keys of a file.
fn document<'a>(file: RuntimeFile<'a>, runtime: &mut Runtime) -> Result<Document<'a>, String> {
    let labelled = |text: String| format!("{}: {text}", file.name);
    let text = tree::decode_text(file.bytes).map_err(|error| labelled(format!("yaml: {error}")))?;
    let tree = tree::parse(text).map_err(|error| labelled(format!("yaml: {error}")))?;
    let mut document = Document { name: file.name, tree, overrides: Vec::new(), configs: Vec::new() };
    let tree = &document.tree;
    let Some(root) = tree.root.filter(|root| !is_empty(tree, *root)) else { return Ok(document) };
    let mut problems = Vec::new();
    let mut problem = |node: NodeId, text: String| problems.push(Problem { line: tree.node(node).line, text });
    let mut seen = HashSet::new();
    let Some(entries) = entries(tree, root) else {
        problem(root, "cannot unmarshal the document into loki.runtimeConfigValues".to_owned());
        return Err(labelled(unmarshal_errors(&problems, 0)));
    };
    for (name, node, value) in entries {
        if !seen.insert(name) {
            problem(node, format!("field {name} already set in type loki.runtimeConfigValues"));
            continue;
        }
        match name {
            "overrides" | "configs" => {
                let list = if name == "overrides" { &mut document.overrides } else { &mut document.configs };
                let mut tenants = HashSet::new();
                if is_empty(tree, value) {
                    continue;
                }
                let Some(blocks) = self::entries(tree, value) else {
                    problem(value, format!("cannot unmarshal {name} into a mapping of tenants"));
                    continue;
                };
                for (tenant, _, block) in blocks {
                    if tenants.insert(tenant) {
                        list.push((tenant.to_owned(), block));
                    } else {
                        problem(block, format!("key {} already set in map", loptr_model::go_quote(tenant)));
                    }
                }
            }
            "multi_kv_config" => {
                let mut kv = runtime.multi_kv.take().unwrap_or_default();
                for (key, node, value) in self::entries(tree, value).unwrap_or_default() {
                    let Body::Scalar { text, .. } = &tree.node(tree.target(value)).body else { continue };
                    match (key, &**text) {
                        ("primary", text) => kv.primary = Some(text.to_owned()),
                        ("mirror_enabled", "true") => kv.mirror_enabled = Some(true),
                        ("mirror_enabled", "false") => kv.mirror_enabled = Some(false),
                        ("mirror_enabled", text) => {
                            problem(value, format!("cannot unmarshal !!str `{text}` into bool"))
                        }
                        _ => problem(node, format!("field {key} not found in type kv.MultiRuntimeConfig")),
                    }
                }
                runtime.multi_kv = Some(kv);
            }
            // Once the operational settings of all tenants.
            "default" => {
                let line = tree.node(node).line;
                let text = "belongs to an older version and is ignored: operational_config has taken its place";
                runtime.notices.push(Notice::new(format!("line {line}: key default {text}")));
            }
            _ => problem(node, format!("field {name} not found in type loki.runtimeConfigValues")),
        }
    }
    if problems.is_empty() { Ok(document) } else { Err(labelled(unmarshal_errors(&problems, 0))) }
}

/// Keys, their nodes and values of a mapping; `None` when it is none.
fn entries(tree: &Tree, node: NodeId) -> Option<Vec<(&str, NodeId, NodeId)>> {
    let Body::Map(entries) = &tree.node(tree.target(node)).body else { return None };
    let named = entries.iter().filter_map(|(name, value)| match &tree.node(tree.target(*name)).body {
        Body::Scalar { text, .. } => Some((&**text, *name, *value)),
        _ => None,
    });
    Some(named.collect())
}
