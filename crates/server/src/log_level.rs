//! The level of the process's log: set at the start, changed while running (`/log_level`).

use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::Level;

/// Levels by upstream's names.
const NAMES: [(&str, Level); 4] =
    [("debug", Level::DEBUG), ("info", Level::INFO), ("warn", Level::WARN), ("error", Level::ERROR)];

/// There is one log a process, so there is one level: its place in the list.
static LEVEL: AtomicUsize = AtomicUsize::new(1);

fn in_force() -> (&'static str, Level) {
    NAMES.get(LEVEL.load(Ordering::Relaxed)).copied().unwrap_or(("info", Level::INFO))
}

/// Whether lines of this level are written.
pub fn wants(level: &Level) -> bool {
    *level <= in_force().1
}

/// The level in force.
pub(crate) fn current() -> &'static str {
    in_force().0
}

/// Sets the level; `false` if there is none of that name.
pub fn set(name: &str) -> bool {
    let Some(at) = NAMES.iter().position(|(known, _)| *known == name) else { return false };
    LEVEL.store(at, Ordering::Relaxed);
    // Places in the code that were found to write nothing, or something, are asked again.
    tracing::callsite::rebuild_interest_cache();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_upstreams_and_nothing_else() {
        assert!(!set("bogus") && !set("WARN") && !set(""));
        assert!(set("warn") && current() == "warn");
        assert!(wants(&Level::ERROR) && wants(&Level::WARN) && !wants(&Level::INFO));
        assert!(set("info") && wants(&Level::INFO) && !wants(&Level::DEBUG));
    }
}
