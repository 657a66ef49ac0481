//! Which keys have an effect. The rule: a key that decides where data goes, who may read it or how long it lives is
//! honoured, or start is refused; any other key without effect is named in a warning.

mod lists;

use lists::{CLUSTER, EXPLAINED, QUIET, REFUSED, RETENTION, STORES};

use crate::refusal::Refusal;
use crate::schema::store_type;
use crate::value::{Object, Source, Value};

/// What becomes of a key that was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does what upstream's does.
    Honoured,
    /// Any value but the default stops the start, for this reason.
    RefusedUnlessDefault(&'static str),
    /// Accepted and named in a warning with this reason: there is nothing here that it could change.
    NoEffect(&'static str),
}

/// What this crate itself sees to: each path with everything below it. The process adds its own in
/// [`Config::report`](crate::Config::report).
pub const HONOURED: &[&str] = &[
    "verifyconfig",
    "printconfig",
    "listtargets",
    "logconfig",
    "configfile",
    "configexpandenv",
    "schema_config",
    "tenant_limits_allow_publish",
    "common.instance_addr",
    "common.instance_interface_names",
    "common.ring",
    "limits_config.allow_deletes",
    crate::table::OWN,
];

/// The reason of a key that no list explains. A test of the process sees to it that there is none.
pub const UNEXPLAINED: &str = "nothing here reads it";

/// The end of paths that name the store of a ring.
const RING_STORE: &str = ".kvstore.store";

/// Whether `path` is `above` or lies below it.
fn covers(above: &str, path: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

fn honours(honoured: &[&str], path: &str) -> bool {
    HONOURED.iter().chain(honoured).any(|above| covers(above, path))
}

/// The status of a key.
pub fn of(path: &str, honoured: &[&str]) -> Status {
    if path.ends_with(RING_STORE) && !honoured.iter().any(|above| covers(above, path)) {
        return Status::RefusedUnlessDefault(CLUSTER);
    }
    if honours(honoured, path) {
        return Status::Honoured;
    }
    let refused = REFUSED.iter().filter(|(above, _)| covers(above, path)).max_by_key(|(above, _)| above.len());
    let explained = EXPLAINED.iter().filter(|(above, _)| covers(above, path)).max_by_key(|(above, _)| above.len());
    match (refused, explained) {
        (Some((_, reason)), _) => Status::RefusedUnlessDefault(reason),
        (None, Some((_, reason))) => Status::NoEffect(reason),
        (None, None) => Status::NoEffect(UNEXPLAINED),
    }
}

/// The entry of the list that refuses `path`: keys below it are refused together.
pub(crate) fn refused_by(path: &str) -> &'static str {
    let entries = REFUSED.iter().map(|(above, _)| *above).filter(|above| covers(above, path));
    entries.max_by_key(|above| above.len()).unwrap_or("")
}

/// Whether a key without effect needs no warning.
pub(crate) fn is_quiet(path: &str) -> bool {
    QUIET.iter().any(|above| covers(above, path))
}

/// Values of refused keys that ask for nothing that is missing.
pub(crate) fn harmless(path: &str, value: &Value, values: &Object, honoured: &[&str]) -> bool {
    let words: Vec<&str> = match value {
        Value::Text(text) => vec![text.as_str()],
        Value::Texts(texts) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let fine = |word: &&str| honoured.iter().any(|entry| entry.split_once('=') == Some((path, *word)));
    if !words.is_empty() && words.iter().all(fine) {
        return true;
    }
    match path {
        "target" => words == ["all"],
        "common.replication_factor" | "ingester.lifecycler.ring.replication_factor" => *value == Value::Int(1),
        "limits_config.deletion_mode" => words == ["disabled"],
        _ if acts_with_retention(path) => !values.bool("compactor.retention_enabled"),
        _ if path.ends_with(RING_STORE) => words == ["inmemory"],
        _ => false,
    }
}

/// Keys that act only while `compactor.retention_enabled` is on, in upstream too.
pub(crate) fn acts_with_retention(path: &str) -> bool {
    RETENTION.iter().any(|above| covers(above, path))
}

/// What is said of them while it is off.
pub(crate) const WITHOUT_RETENTION: &str = "it acts only with compactor.retention_enabled";

/// The entries of the lists for the reference page: paths and why, those that stop the start first.
pub(crate) fn reasons(honoured: &[&str]) -> [Vec<(&'static str, &'static str)>; 2] {
    let open = |list: &[(&'static str, &'static str)]| -> Vec<_> {
        list.iter().filter(|(path, _)| !honours(honoured, path)).copied().collect()
    };
    [open(REFUSED), open(EXPLAINED)]
}

/// Periods of the schema that name an index, a version or a store that is not there. A kind `k` is there when
/// `schema_config.configs[].store=k` is honoured, a version `v12` with `schema_config.configs[].schema=v12`, a store
/// of type `s3`, named or not, with `schema_config.configs[].object_store=s3`; `tsdb`, `v13` and `filesystem` always are.
pub(crate) fn of_periods(periods: &[Object], values: &Object, honoured: &[&str]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for period in periods {
        let version = format!("v{}", period.str("schema").trim_matches('v'));
        for (key, word, known, what) in [
            ("store", period.str("store"), "tsdb", "this kind of index is not supported yet"),
            ("schema", version.as_str(), "v13", "this version of the schema is not supported yet"),
            ("object_store", &*store_type(values, period.str("object_store")), "filesystem", STORES),
        ] {
            let entry = format!("schema_config.configs[].{key}={word}");
            if word != known && !honoured.contains(&entry.as_str()) {
                let line = match period.source(key) {
                    Source::File { line, .. } => Some(line),
                    _ => None,
                };
                let path = format!("schema_config.configs[].{key}");
                refusals.push(Refusal { path, line, reason: format!("{word}: {what}") });
            }
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_lists_is_a_key() {
        let refused = REFUSED.iter().map(|(path, _)| *path);
        let explained = EXPLAINED.iter().map(|(path, _)| *path);
        for path in HONOURED.iter().chain(QUIET).copied().chain(refused).chain(explained) {
            assert!(crate::known_path(path).is_some(), "{path}");
        }
    }

    #[test]
    fn honoured_paths_win_over_refusals() {
        assert_eq!(of("storage_config.aws.region", &[]), Status::RefusedUnlessDefault(STORES));
        assert_eq!(of("storage_config.aws.region", &["storage_config.aws"]), Status::Honoured);
        assert_eq!(of("storage_config.aws_other", &["storage_config.aws"]), Status::NoEffect(UNEXPLAINED));
        assert_eq!(of("ruler.ring.kvstore.store", &[]), Status::RefusedUnlessDefault(CLUSTER));
        assert_eq!(of("common.ring.kvstore.store", &[]), Status::RefusedUnlessDefault(CLUSTER));
        assert_eq!(of("ruler.rule_path", &[]), Status::NoEffect("rules are not evaluated yet"));
        assert_eq!(of("schema_config.configs[].from", &[]), Status::Honoured);
        let defaults = Object::defaults(crate::table::KeyId::ROOT);
        let write = Value::Texts(vec!["write".to_owned()]);
        assert!(harmless("target", &write, &defaults, &["target=write"]));
        assert!(!harmless("target", &write, &defaults, &[]));
    }
}
