//! Go's `text/template`, as LogQL's `line_format` and `label_format` use it.
//!
//! A [`Template`] is parsed once for a query and rendered for every entry. It knows the whole language (actions, trim
//! markers, pipelines, variables, `if`, `with`, `range`, `define`, `block`, `template`), Go's builtins, upstream's own
//! functions and the part of sprig that upstream lets through. What it prints, and what its errors say, is what Go prints
//! and says, accidents included: `docs/decisions/template.md` lists where it differs.
//!
//! ```text
//! text ── lex ──> tokens ── parse ──> tree ──┬─ referenced_fields: which labels a query must extract
//!                                            ├─ single_field: `{{.name}}`, a copy
//!                            entry (Fields) ─┴─ exec, eval ──> bytes, or the text of __error_details__
//!                                                   └── funcs, fmt, time
//! ```
//!
//! The data of a template is an entry's labels, a map of strings; a label that is not there is `""`. [`Fields`] gives
//! them, with the line and the time. Strings are bytes and need not be UTF-8. `now` comes from [`Fields`] too, and the
//! process's time zone is UTC: rendering reads no clock and no file, and the tz database is compiled in.
//!
//! No template hangs or grows without bound. Each limit has its own error: depth while parsing and rendering, a million
//! steps (nodes, calls, and bytes handed to functions, 64 to a step), and 16 MiB of output.
//!
//! ```
//! use loptr_model::Nanos;
//! use loptr_template::{Fields, Template};
//!
//! struct Entry;
//! impl Fields for Entry {
//!     fn get(&self, name: &str) -> Option<&[u8]> {
//!         match name {
//!             "status" => Some(b"503"),
//!             "path" => Some(b"/a"),
//!             _ => None,
//!         }
//!     }
//!     fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8])) {
//!         visit("status", b"503");
//!         visit("path", b"/a");
//!     }
//!     fn line(&self) -> &[u8] {
//!         b"GET /a"
//!     }
//!     fn timestamp(&self) -> Nanos {
//!         Nanos(1_700_000_000_000_000_000)
//!     }
//!     fn now(&self) -> Nanos {
//!         Nanos(1_700_000_001_000_000_000)
//!     }
//! }
//!
//! let template = Template::parse("line", "{{.status}} {{.path | ToUpper}}{{if eq .status \"503\"}} down{{end}}")?;
//! let mut line = Vec::new();
//! template.render(&Entry, &mut line)?;
//! assert_eq!(line, b"503 /A down");
//! assert_eq!(template.referenced_fields(), ["status", "path"]);
//!
//! let error = Template::parse("line", "{{.a | nope}}").unwrap_err();
//! assert_eq!(error, "template: line:1: function \"nope\" not defined");
//! # Ok::<(), String>(())
//! ```
#![warn(missing_docs)]

mod ast;
mod decimal;
mod eval;
mod exec;
mod fmt;
mod funcs;
mod json;
mod lex;
mod number;
mod parse;
mod parts;
mod quote;
mod refs;
mod time;
mod unicode;
mod value;

use loptr_model::Nanos;

use ast::Node;
use parse::Definition;
pub use parts::{CONSTRUCTS, functions};

/// What a template is rendered with: an entry.
pub trait Fields {
    /// The value of a label.
    fn get(&self, name: &str) -> Option<&[u8]>;

    /// Calls `visit` with every label once, in any order.
    fn each<'f>(&'f self, visit: &mut dyn FnMut(&'f str, &'f [u8]));

    /// The current line.
    fn line(&self) -> &[u8];

    /// The entry's time.
    fn timestamp(&self) -> Nanos;

    /// The time that `now` gives.
    fn now(&self) -> Nanos;
}

/// A parsed template. Rendering changes nothing in it, so it can be shared between threads.
#[derive(Debug)]
pub struct Template {
    name: String,
    text: String,
    definitions: Vec<Definition>,
    /// Which of the definitions is the main one.
    root: usize,
}

impl Template {
    /// Parses `text`. Upstream calls the template of a line `line` and the ones of labels `label`; error texts name it.
    pub fn parse(name: &str, text: &str) -> Result<Template, String> {
        Self::parsed(name, text, &[])
    }

    /// As [`Template::parse`], for text that need not be UTF-8: outside actions and in raw strings its bytes stay as they are,
    /// elsewhere each one that is no text is U+FFFD.
    pub fn parse_bytes(name: &str, text: &[u8]) -> Result<Template, String> {
        let (mut near, mut odd) = (String::with_capacity(text.len()), Vec::new());
        for part in text.utf8_chunks() {
            near.push_str(part.valid());
            for &byte in part.invalid() {
                odd.push((near.len(), byte));
                near.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Self::parsed(name, &near, &odd)
    }

    /// `odd` are the bytes that U+FFFD stands for, and where it stands.
    fn parsed(name: &str, text: &str, odd: &[(usize, u8)]) -> Result<Template, String> {
        let definitions = parse::parse(name, text, odd)?;
        let root = definitions.iter().position(|definition| definition.name == name);
        let root = root.ok_or_else(|| format!("template: {name}: no main template"))?;
        Ok(Template { name: name.to_owned(), text: text.to_owned(), definitions, root })
    }

    /// Appends the template's text for an entry to `out`. An error is what upstream puts into `__error_details__`; `out` is
    /// then left as it was.
    pub fn render(&self, fields: &dyn Fields, out: &mut Vec<u8>) -> Result<(), String> {
        exec::render(self, fields, out)
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn root(&self) -> &[Node] {
        &self.definitions[self.root].list
    }

    fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name == name)
    }
}

#[cfg(test)]
mod tests;
