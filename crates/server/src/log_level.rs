//! The level of the process's log: set at the start, changed while running (`/log_level`).

use std::sync::OnceLock;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::reload::{Handle, Layer};

/// There is one log a process, so there is one level.
static LEVEL: OnceLock<Handle<LevelFilter, Registry>> = OnceLock::new();

/// Levels by upstream's names.
const NAMES: [(&str, LevelFilter); 4] = [
    ("debug", LevelFilter::DEBUG),
    ("info", LevelFilter::INFO),
    ("warn", LevelFilter::WARN),
    ("error", LevelFilter::ERROR),
];

/// The level's filter, to be put under the log once.
pub fn filter(name: &str) -> Layer<LevelFilter, Registry> {
    let (layer, handle) = Layer::new(named(name).unwrap_or(LevelFilter::INFO));
    // A second log would be a second process.
    let _ = LEVEL.set(handle);
    layer
}

fn named(name: &str) -> Option<LevelFilter> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

/// The level in force; `info` where nothing logs.
pub(crate) fn current() -> &'static str {
    let level = LEVEL.get().and_then(Handle::clone_current).unwrap_or(LevelFilter::INFO);
    NAMES.iter().find(|(_, known)| *known == level).map_or("info", |(name, _)| name)
}

/// Sets the level; `false` if there is none of that name.
pub(crate) fn set(name: &str) -> bool {
    let Some(level) = named(name) else { return false };
    if let Some(handle) = LEVEL.get()
        && let Err(error) = handle.reload(level)
    {
        tracing::error!(%error, "log level could not be set");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upstreams_and_nothing_else() {
        assert!(named("warn").is_some() && named("WARN").is_none() && named("trace").is_none() && named("").is_none());
        assert!(!set("bogus"));
    }
}
