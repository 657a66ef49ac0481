//! How much memory the process's control group allows.
//!
//! Version 2: `/proc/self/cgroup` has a line `0::/path`, and each folder of that path below the mount has `memory.max`;
//! the smallest of them binds. Version 1: a line names the `memory` controller, and `memory.limit_in_bytes` lies likewise
//! below `memory/`. Inside a container the path may name folders that cannot be seen: then the mount itself is the
//! process's own. No limit is `max`, or a number near 2^63.
//!
//! Source: the kernel's `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`.

use std::path::{Path, PathBuf};

/// From here on a number means that there is no limit.
const UNLIMITED: u64 = 1 << 62;

/// The smallest limit that binds, bytes. `mount` is where control groups are mounted, `own` the text of
/// `/proc/self/cgroup`; `read` gives a file's text.
fn limit(mount: &Path, own: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let limits = own.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            "" => smallest(mount, path, "memory.max", &read),
            _ if controllers.split(',').any(|name| name == "memory") => {
                smallest(&mount.join("memory"), path, "memory.limit_in_bytes", &read)
            }
            _ => None,
        }
    });
    limits.min()
}

/// The smallest number in the files `name` of `path` and the folders above it, down to `mount`.
fn smallest(mount: &Path, path: &str, name: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let mut dir = PathBuf::from(mount);
    let parts = Path::new(path).components().filter_map(|part| match part {
        std::path::Component::Normal(part) => Some(part.to_owned()),
        _ => None,
    });
    let mut dirs = vec![dir.clone()];
    for part in parts {
        dir.push(part);
        dirs.push(dir.clone());
    }
    let limits = dirs.iter().filter_map(|dir| read(&dir.join(name))?.trim().parse::<u64>().ok());
    limits.filter(|&limit| limit > 0 && limit < UNLIMITED).min()
}

/// The limit on this machine; none if there is none.
#[allow(clippy::disallowed_methods, reason = "asked before there are ports")]
pub fn memory_limit() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    limit(Path::new("/sys/fs/cgroup"), &read(Path::new("/proc/self/cgroup"))?, read)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Lines of `path: contents`, as copied from machines.
    fn tree(text: &str) -> BTreeMap<PathBuf, String> {
        let files = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        files
            .map(|line| {
                let (path, contents) = line.split_once(": ").expect("path: contents");
                (PathBuf::from(path), contents.replace("\\n", "\n"))
            })
            .collect()
    }

    fn of(text: &str) -> Option<u64> {
        let files = tree(text);
        let read = |path: &Path| files.get(path).cloned();
        limit(Path::new("/sys/fs/cgroup"), &read(Path::new("/proc/self/cgroup"))?, read)
    }

    #[test]
    fn version_2_is_read_up_the_tree() {
        let files = include_str!("../testdata/cgroup-v2.txt");
        assert_eq!(of(files), Some(2 << 30));
        let inner = files.replace(
            "/kubepods-burstable-pod7.slice/memory.max: 2147483648",
            "/kubepods-burstable-pod7.slice/memory.max: max",
        );
        assert_eq!(of(&inner), Some(4 << 30), "a folder above binds as well");
    }

    #[test]
    fn version_1_is_read_up_the_tree() {
        assert_eq!(of(include_str!("../testdata/cgroup-v1.txt")), Some(512 << 20));
    }

    #[test]
    fn in_a_container_the_mount_is_the_own_group() {
        let files = "/proc/self/cgroup: 0::/\\n\n/sys/fs/cgroup/memory.max: 1073741824\\n";
        assert_eq!(of(files), Some(1 << 30));
        let files =
            "/proc/self/cgroup: 5:memory:/docker/0a1b\\n\n/sys/fs/cgroup/memory/memory.limit_in_bytes: 268435456\\n";
        assert_eq!(of(files), Some(256 << 20));
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(of("/proc/self/cgroup: 0::/a\\n\n/sys/fs/cgroup/a/memory.max: max\\n"), None);
        let unlimited =
            "/proc/self/cgroup: 4:cpu,memory:/\\n\n/sys/fs/cgroup/memory/memory.limit_in_bytes: 9223372036854771712\\n";
        assert_eq!(of(unlimited), None);
        assert_eq!(of(""), None);
        assert_eq!(of("/proc/self/cgroup: nonsense\\n0:\\n"), None);
    }
}
