//! What this binary is.

use loptr_wire::answer::BuildInfo;

/// The upstream version whose language it speaks: clients read it from build information.
const SPEAKS: &str = "3.7.6";

/// What `-version` prints.
pub fn version_text() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "loptr, version {}\n  speaks Loki:      {SPEAKS}\n  platform:         {os}/{arch}\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// What `/loki/api/v1/status/buildinfo` answers: clients decide by `version` which features they use.
pub(crate) fn info() -> BuildInfo<'static> {
    BuildInfo {
        version: SPEAKS,
        revision: concat!("loptr-", env!("CARGO_PKG_VERSION")),
        branch: "HEAD",
        build_user: "loptr",
        build_date: "",
        go_version: "none",
    }
}

/// The labels of `loki_build_info`: what dashboards tell versions apart by.
pub(crate) fn metric_labels() -> String {
    let BuildInfo { version, revision, branch, go_version, .. } = info();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    let os = std::env::consts::OS;
    format!(
        "{{branch=\"{branch}\",goarch=\"{arch}\",goos=\"{os}\",goversion=\"{go_version}\",revision=\"{revision}\",tags=\"\",version=\"{version}\"}}"
    )
}
