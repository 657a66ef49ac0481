//! From command line, file and environment to a [`Config`], in upstream's order:
//!
//! ```text
//! defaults -> file (strict) -> flags -> derived -> file again -> flags again -> checks
//! ```
//!
//! The second round puts what the file and the flags say over what the rules derived. List flags append, so one
//! appears twice, as upstream's do.

use std::io;
use std::path::Path;

use crate::config::Config;
use crate::decode::{Decoder, Fault, Problem};
use crate::defaults::{EMBEDDED, EMBEDDED_NAME};
use crate::derive::{self, Host};
use crate::expand::expand_env;
use crate::flags::Invocation;
use crate::limits;
use crate::notice::Notice;
use crate::old_keys::{self, Remarks};
use crate::schema;
use crate::table::{FlagTarget, KeyId, Kind, table};
use crate::validate;
use crate::value::{Object, Source, Value, default_value, parse_text};
use crate::yaml::tree::{self, Tree};

const EXPAND_HINT: &str =
    ". Use `-config.expand-env=true` flag if you want to expand environment variables in your config file";

/// What loading needs from outside.
pub struct Outside<'a> {
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Reads an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Facts about the machine.
    pub host: Host,
    /// Unix seconds: decides which period of the schema is active.
    pub now_secs: i64,
}

/// Why there is no configuration. Print it on standard error, exit 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read or does not fit the table.
    #[error("failed parsing config: {0}")]
    Parse(String),
    /// The values contradict each other or upstream's checks.
    #[error("validating config: {}", validate::join(.0))]
    Invalid(Vec<String>),
}

/// A file's text and what to call it.
struct FileText {
    name: String,
    text: String,
    built_in: bool,
}

/// Loads the configuration a command line asks for.
pub fn load(invocation: &Invocation, outside: &Outside<'_>) -> Result<Config, LoadError> {
    let file = find_file(invocation, outside).map_err(LoadError::Parse)?;
    let mut defaults = Object::defaults(KeyId::ROOT);
    derive::fill_host(&mut defaults, &outside.host);
    let mut values = defaults.clone();
    let mut notices = invocation.notices.clone();
    let mut remarks = Remarks::default();
    let lone: Vec<Value> = table().lone_flags().iter().map(|flag| lone_default(flag.kind, flag.default)).collect();
    let mut config = Config::new(values.clone(), defaults.clone(), lone);
    let parse = |error: String| LoadError::Parse(error);

    let tree = match &file {
        Some(file) => Some(parse_file(file, invocation).map_err(parse)?),
        None => None,
    };
    for strict in [true, false] {
        remarks = remarks.next_round();
        if let (Some(file), Some(tree)) = (&file, &tree) {
            let empty = decode(file, tree, strict, &mut values, &mut remarks)
                .map_err(|error| parse(with_hint(error, invocation)))?;
            if strict {
                notices.extend(empty);
            }
        }
        apply_flags(invocation, &mut values, &mut config);
        old_keys::apply_flags(&invocation.old, &mut values, &mut remarks).map_err(LoadError::Parse)?;
        if strict {
            derive::apply(&mut values, &defaults, &outside.host, outside.now_secs).map_err(LoadError::Parse)?;
        }
    }
    derive::finish(&mut values, &defaults);
    notices.extend(remarks.notices);
    let (schema, errors) = validate::all(&mut values, outside.now_secs, &mut notices);
    if !errors.is_empty() {
        return Err(LoadError::Invalid(errors));
    }
    config.complete(values, schema, notices, remarks.refusals);
    if let Some(file) = file {
        config.set_file(file.name, file.built_in);
    }
    Ok(config)
}

/// The first file of the list that exists, or the built-in text when no list was given and none exists.
fn find_file(invocation: &Invocation, outside: &Outside<'_>) -> Result<Option<FileText>, String> {
    let list = invocation.config_files();
    if list.is_empty() {
        return Ok(None);
    }
    for name in list.split(',').map(str::trim) {
        let bytes = match (outside.read)(Path::new(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("read {name}: {error}")),
        };
        let labelled = |error: tree::SyntaxError| format!("{name}: yaml: {error}");
        let text = tree::decode_text(&bytes).map_err(labelled)?;
        let text = match invocation.expand_env() {
            true => expand_env(text, outside.env).map_err(|error| error.to_string())?,
            false => text.to_owned(),
        };
        return Ok(Some(FileText { name: name.to_owned(), text, built_in: false }));
    }
    if invocation.names_config_file() {
        return Err(format!("{list} does not exist, set config.file for custom config path"));
    }
    Ok(Some(FileText { name: EMBEDDED_NAME.to_owned(), text: EMBEDDED.to_owned(), built_in: true }))
}

fn with_hint(error: String, invocation: &Invocation) -> String {
    if invocation.expand_env() { error } else { error + EXPAND_HINT }
}

fn parse_file(file: &FileText, invocation: &Invocation) -> Result<Tree, String> {
    tree::parse(&file.text).map_err(|error| with_hint(format!("{}: yaml: {error}", file.name), invocation))
}

/// Upstream's text for a list of problems.
pub(crate) fn unmarshal_errors(problems: &[Problem], more: usize) -> String {
    let mut text = String::from("yaml: unmarshal errors:");
    for problem in problems {
        text.push_str(&format!("\n  {problem}"));
    }
    if more > 0 {
        text.push_str(&format!("\n  and {more} more"));
    }
    text
}

/// One round over the file; gives notices about empty blocks.
fn decode(
    file: &FileText,
    tree: &Tree,
    strict: bool,
    values: &mut Object,
    remarks: &mut Remarks,
) -> Result<Vec<Notice>, String> {
    let labelled = |text: String| format!("{}: {text}", file.name);
    let mut decoder = Decoder::new(tree, strict);
    decoder.document(values).map_err(|fault: Fault| labelled(fault.to_string()))?;
    old_keys::apply(&mut decoder, values, remarks).map_err(|fault| labelled(fault.to_string()))?;
    if !decoder.problems.is_empty() {
        return Err(labelled(unmarshal_errors(&decoder.problems, decoder.more_problems)));
    }
    for period in values.objects("schema_config.configs") {
        schema::version(period).map_err(labelled)?;
    }
    limits::attribute_rules(&values.block(limits::limits_key())).map_err(labelled)?;
    let note = |(line, path): &(u32, &str)| Notice::new(format!("line {line}: {path} is empty and changes nothing"));
    Ok(decoder.empty_blocks.iter().map(note).collect())
}

/// One round over the flags.
fn apply_flags(invocation: &Invocation, values: &mut Object, config: &mut Config) {
    for setting in &invocation.settings {
        let id = match setting.target {
            FlagTarget::Key(id) => id,
            FlagTarget::Lone(at) => {
                config.set_lone(usize::from(at), setting.value.clone());
                continue;
            }
        };
        let appends = matches!(table().key(id).kind, Kind::Texts | Kind::Secrets | Kind::CsvOrList);
        let value = match (&setting.value, &values.slot(id).value) {
            (Value::Texts(more), Value::Texts(known)) if appends => Value::Texts([known.as_slice(), more].concat()),
            (value, _) => value.clone(),
        };
        values.set(id, value, Source::Flag);
    }
}

fn lone_default(kind: Kind, default: &str) -> Value {
    parse_text(kind, "", default).unwrap_or(Value::Bool(false))
}

/// The default of a key, as the table has it: without the machine's facts.
pub fn default_of(path: &str) -> Option<Value> {
    table().find(path).map(|id| default_value(table().key(id)))
}
