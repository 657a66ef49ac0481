//! What the kernel says of a running process: CPU seconds and peak resident memory.

use std::fs;
use std::path::Path;

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    #[error("process {pid}: {source}")]
    Io { pid: u32, source: std::io::Error },
    #[error("process {pid}: /proc/{pid}/{file} has no {what}")]
    Missing { pid: u32, file: &'static str, what: &'static str },
}

/// Clock ticks a second that `/proc/PID/stat` counts in: the kernel's `USER_HZ`, 100 on every Linux architecture
/// but Alpha.
const TICKS_PER_SEC: f64 = 100.0;

/// A process by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    fn read(self, file: &'static str) -> Result<String, ProcessError> {
        fs::read_to_string(format!("/proc/{}/{file}", self.0))
            .map_err(|source| ProcessError::Io { pid: self.0, source })
    }

    /// User and system time used so far, all threads, in seconds of a hundredth's grain.
    pub(crate) fn cpu_secs(self) -> Result<f64, ProcessError> {
        let missing = ProcessError::Missing { pid: self.0, file: "stat", what: "CPU times" };
        cpu_ticks(&self.read("stat")?).map(|ticks| ticks / TICKS_PER_SEC).ok_or(missing)
    }

    /// The most memory ever resident, in bytes.
    pub(crate) fn peak_bytes(self) -> Result<u64, ProcessError> {
        let missing = ProcessError::Missing { pid: self.0, file: "status", what: "VmHWM" };
        peak_kib(&self.read("status")?).map(|kib| kib * 1024).ok_or(missing)
    }
}

/// Fields 14 and 15; the second field, a name in parentheses, may hold blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let mut rest = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = rest.next()?.parse().ok()?;
    let system: f64 = rest.next()?.parse().ok()?;
    Some(user + system)
}

fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Bytes of the files below a folder: all but write-ahead logs, and those apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) wal_bytes: u64,
}

/// Adds up file lengths; what vanishes meanwhile is left out, links are not followed.
pub(crate) fn stored(folder: &Path) -> std::io::Result<Stored> {
    let mut sum = Stored::default();
    let mut open = vec![(folder.to_owned(), false)];
    while let Some((folder, in_wal)) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let Ok(entry) = entry else { continue };
            let Ok(data) = entry.metadata() else { continue };
            let in_wal = in_wal || entry.file_name() == "wal";
            if data.is_dir() {
                open.push((entry.path(), in_wal));
            } else if data.is_file() && in_wal {
                sum.wal_bytes += data.len();
            } else if data.is_file() {
                sum.bytes += data.len();
            }
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";
        assert_eq!(cpu_ticks(stat), Some(200.0));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn peak_memory() {
        assert_eq!(peak_kib("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t 1 kB\n"), Some(1234));
        assert_eq!(peak_kib("Name:\tkernel thread\n"), None);
    }

    #[test]
    fn this_process_can_be_watched_and_none_is_named() {
        let own = Process(std::process::id());
        assert!(own.peak_bytes().unwrap() > 0);
        assert!(own.cpu_secs().unwrap() >= 0.0);
        assert!(Process(u32::MAX).cpu_secs().unwrap_err().to_string().starts_with("process 4294967295: "));
    }

    #[test]
    fn files_are_added_up_and_logs_apart() {
        let folder = std::env::temp_dir().join(format!("loptr-bench-{}", std::process::id()));
        fs::create_dir_all(folder.join("wal/deep")).unwrap();
        fs::write(folder.join("a"), [0; 5]).unwrap();
        fs::write(folder.join("wal/deep/b"), [0; 7]).unwrap();
        assert_eq!(stored(&folder).unwrap(), Stored { bytes: 5, wal_bytes: 7 });
        fs::remove_dir_all(&folder).unwrap();
    }
}
