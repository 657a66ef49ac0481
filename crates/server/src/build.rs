//! What this binary is.

use loptr_wire::answer::BuildInfo;

/// Name and version, as `-version` prints them.
pub(crate) fn version_text() -> String {
    format!("loptr, version {}\n  speaks:           Loki 3.7.6\n  platform:         {}/{}\n", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}
