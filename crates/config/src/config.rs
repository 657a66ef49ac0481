//! The loaded configuration: effective values with where each came from.

use std::collections::HashSet;
use std::ops::Deref;
use std::time::Duration;

use crate::limits::{self, Limits, ProcessLimits, Runtime, RuntimeFile, limits_key};
use crate::notice::Notice;
use crate::refusal::Refusal;
use crate::schema::Schema;
use crate::status::{self, Status};
use crate::table::{Key, KeyId, Kind, table};
use crate::value::{Object, Source, Value, format_text};

/// Effective values of every key. Reads by path come from [`Object`], such as
/// [`bool`](Object::bool), [`duration`](Object::duration) and [`objects`](Object::objects).
#[derive(Debug, Clone)]
pub struct Config {
    values: Object,
    defaults: Object,
    lone: Vec<Value>,
    schema: Schema,
    notices: Vec<Notice>,
    refusals: Vec<Refusal>,
    file: Option<String>,
    built_in: bool,
}

/// What the command line asks for besides running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Log `config is valid` and exit 0.
    pub verify: bool,
    /// Write the configuration to standard error and go on.
    pub print_to_stderr: bool,
    /// Log the configuration, last line first, at level info, and go on.
    pub log_reversed: bool,
    /// Print the targets and exit 0.
    pub list_targets: bool,
}

/// What to tell the operator, and what must stop the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// To be logged at level warn, one line each.
    pub warnings: Vec<String>,
    /// When there is any, the process must not start.
    pub refusals: Vec<Refusal>,
}

impl Deref for Config {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.values
    }
}

impl Config {
    pub(crate) fn new(values: Object, defaults: Object, lone: Vec<Value>) -> Config {
        Config {
            values,
            defaults,
            lone,
            schema: Schema::default(),
            notices: Vec::new(),
            refusals: Vec::new(),
            file: None,
            built_in: false,
        }
    }

    pub(crate) fn complete(&mut self, values: Object, schema: Schema, notices: Vec<Notice>, refusals: Vec<Refusal>) {
        (self.values, self.schema, self.notices, self.refusals) = (values, schema, notices, refusals);
    }

    pub(crate) fn set_file(&mut self, name: String, built_in: bool) {
        (self.file, self.built_in) = (Some(name), built_in);
    }

    pub(crate) fn set_lone(&mut self, at: usize, value: Value) {
        self.lone[at] = value;
    }

    /// The file the configuration came from, or what stands in for it.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Whether there was no file and the built-in configuration is in use.
    pub fn is_built_in(&self) -> bool {
        self.built_in
    }

    /// The checked periods.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The object store that periods call `name`: its type (`s3`, `azure`, `gcs`, `filesystem`, …) and its values, whose
    /// keys are those below `storage_config.<type>`, or below `storage_config.object_store.<type>` where
    /// `use_thanos_objstore` is set.
    pub fn object_store(&self, name: &str) -> Option<(String, Object)> {
        let values = crate::schema::store_values(&self.values, name)?;
        Some((crate::schema::store_type(&self.values, name).into_owned(), values))
    }

    /// The defaults, with the machine's facts filled in.
    pub fn defaults(&self) -> &Object {
        &self.defaults
    }

    /// The value of a flag that has no key.
    pub fn lone_flag(&self, flag: &str) -> Option<&Value> {
        let at = table().lone_flags().iter().position(|known| known.flag == flag)?;
        self.lone.get(at)
    }

    /// What the command line asks for besides running.
    pub fn options(&self) -> Options {
        Options {
            verify: self.bool("verifyconfig"),
            print_to_stderr: self.bool("printconfig"),
            log_reversed: self.bool("logconfig"),
            list_targets: self.bool("listtargets"),
        }
    }

    /// What `-list-targets` prints: upstream's modules, each with those it brings along.
    pub fn list_targets(&self) -> String {
        crate::targets::list(&self.values)
    }

    /// The limits of tenants without overrides.
    pub fn limits(&self) -> Limits {
        Limits::read(&self.values.block(limits_key()), &ProcessLimits::of(&self.values))
    }

    /// Reads the runtime configuration: files in the order of `runtime_config.file`, later ones over earlier ones.
    /// The error names file and line; keep the old values then.
    pub fn runtime(&self, files: &[RuntimeFile<'_>]) -> Result<Runtime, String> {
        limits::read_runtime(files, &self.values)
    }

    /// The files of the runtime configuration, and how often to read them.
    pub fn runtime_files(&self) -> (Vec<String>, Duration) {
        let files = self.strs("runtime_config.file");
        if !files.is_empty() {
            return (files.to_vec(), self.duration("runtime_config.period"));
        }
        let old = self.str("limits_config.per_tenant_override_config");
        let files = if old.is_empty() { Vec::new() } else { old.split(',').map(str::to_owned).collect() };
        (files, self.duration("limits_config.per_tenant_override_period"))
    }

    /// Whether a key has its default value.
    pub fn is_default(&self, path: &str) -> bool {
        self.value(path) == self.defaults.value(path)
    }

    /// Where a value came from, for people: `default`, `derived`, `loptr.yaml:12:3`, `-log.level`.
    pub fn provenance(&self, path: &str) -> String {
        let id = self.values.id(path);
        match self.slot(id).source {
            Source::Default => "default".to_owned(),
            Source::Derived => "derived".to_owned(),
            Source::File { line, column } => format!("{}:{line}:{column}", self.file.as_deref().unwrap_or("file")),
            Source::Flag => table().key(id).flags().next().map_or_else(String::new, |flag| format!("-{flag}")),
        }
    }

    /// Keys that the file or a flag sets to something else than the default.
    fn changed(&self) -> impl Iterator<Item = (KeyId, &'static Key)> + '_ {
        table().keys().filter(|(id, key)| {
            let slot = self.slot(*id);
            let by_user = matches!(slot.source, Source::File { .. } | Source::Flag);
            key.kind != Kind::Object && !key.repeats() && by_user && slot.value != self.defaults.slot(*id).value
        })
    }

    /// What is said of a key that was set for nothing.
    fn no_effect(&self, key: &Key, value: &Value, reason: &str) -> String {
        let secret = crate::write::is_secret(key.kind);
        let text = format_text(key.kind, value);
        let value = if secret { "***".into() } else { crate::scalar::url::masked(&text) };
        let equals = if value.is_empty() { String::new() } else { format!(" = {value}") };
        format!("{}{equals} ({}): accepted, no effect: {reason}", key.path, self.provenance(key.path))
    }

    /// Sorts what the user has set into what the process honours, what it must refuse, and what has no effect yet.
    ///
    /// `honoured` extends [`HONOURED`](crate::HONOURED): paths, each with everything below it, or `path=word` for one
    /// value of a key that decides where data goes.
    pub fn report(&self, honoured: &[&str]) -> Report {
        let mut report = Report {
            warnings: self.notices.iter().map(ToString::to_string).collect(),
            refusals: self.refusals.clone(),
        };
        let mut seen = HashSet::new();
        for (id, key) in self.changed() {
            let slot = self.slot(id);
            match status::of(key.path, honoured) {
                Status::Honoured => {}
                Status::RefusedUnlessDefault(reason)
                    if !status::harmless(key.path, &slot.value, &self.values, honoured) =>
                {
                    // Of a refused block, its first key says enough.
                    let entry = status::refused_by(key.path);
                    if entry.is_empty() || seen.insert(entry) {
                        let line = match slot.source {
                            Source::File { line, .. } if !self.built_in => Some(line),
                            _ => None,
                        };
                        report.refusals.push(Refusal { path: key.path.to_owned(), line, reason: reason.to_owned() });
                    }
                }
                Status::RefusedUnlessDefault(_) if status::acts_with_retention(key.path) => {
                    report.warnings.push(self.no_effect(key, &slot.value, status::WITHOUT_RETENTION));
                }
                Status::RefusedUnlessDefault(_) => {}
                Status::NoEffect(_) if status::is_quiet(key.path) => {}
                Status::NoEffect(reason) => report.warnings.push(self.no_effect(key, &slot.value, reason)),
            }
        }
        report.refusals.extend(status::of_periods(self.objects("schema_config.configs"), self, honoured));
        report
    }
}
