//! Files as a port: write, sync, rename. Nothing is durable before its `sync`, and a name not before its folder's.
//!
//! Calls block: async code runs them through [`crate::Spawner::blocking`].

use std::io;
use std::path::{Path, PathBuf};

/// Space of the volume a path lies on, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUsage {
    /// Whole size.
    pub total_bytes: u64,
    /// Taken by nobody; some of it may be kept for others.
    pub free_bytes: u64,
    /// Free for this process.
    pub available_bytes: u64,
}

/// A file open for appending.
pub trait DiskFile: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended survive a power cut (`fdatasync`).
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock on a file, held until dropped. The system takes it back when the process ends, however it ends.
pub trait DiskLock: Send + Sync {}

/// A file system.
pub trait Disk: Send + Sync {
    /// Creates `path`, or empties it, for appending.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// The whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// `len` bytes from `offset`; fewer at the file's end.
    fn read_range(&self, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>>;
    /// The file's length in bytes, and when it was last written (Unix nanoseconds).
    fn stat(&self, path: &Path) -> io::Result<(u64, i64)>;
    /// Cuts the file to `len` bytes and syncs it.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Replaces `to` by `from` in one step; durable after [`Disk::sync_dir`] of the folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates a folder and its parents, durably.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Entries of a folder, by name: path and whether it is a folder. A folder that does not exist is an error.
    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, bool)>>;
    /// Makes names created, renamed or removed in `dir` survive a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks `path`, created if absent, against every other process, and writes who holds it into it. An error of kind
    /// [`io::ErrorKind::WouldBlock`] says who holds it now.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
    /// Space of the volume `path` lies on.
    fn usage(&self, path: &Path) -> io::Result<DiskUsage>;
}

impl dyn Disk + '_ {
    /// Writes `bytes` to `path` so that a power cut leaves the old file or the new one, never a part: a temporary
    /// neighbour is written, synced and renamed, and the folder synced.
    pub fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let mut file = self.create(&temporary)?;
        file.append(bytes)?;
        file.sync()?;
        drop(file);
        self.rename(&temporary, path)?;
        match path.parent() {
            Some(dir) => self.sync_dir(dir),
            None => Ok(()),
        }
    }
}
