//! Removes what was taken over, in an order that leaves at every step a log that can be read: the newest segments go
//! first, the checkpoint last, so that what is left is what the log was at an earlier time. All of it lies in the bucket by
//! then, so whatever is left when this is cut short is read once more and found to be there.

use std::io::ErrorKind;
use std::path::Path;

use loptr_ports::Disk;

use super::TakeoverError;
use super::survey::{Found, Survey};

/// Removes the files of `before`, which must be what is there `now`.
pub(super) fn remove(disk: &dyn Disk, before: &Survey, now: &Survey) -> Result<(), TakeoverError> {
    if before != now {
        let same = |file: &&Found| now.files().any(|other| other == *file);
        let changed = before.files().find(|file| !same(file));
        let appeared = now.files().find(|file| !before.files().any(|other| other == *file));
        let path = changed.or(appeared).map_or_else(|| before.wal_dir.clone(), |file| file.path.clone());
        return Err(TakeoverError::Changed { path });
    }
    for built in &before.built {
        file(disk, &built.file.path)?;
    }
    for built in &before.built {
        sync(disk, parent(&built.file.path))?;
    }
    for head in &before.heads {
        files(disk, &head.dir, &head.segments)?;
        folder(disk, &head.dir)?;
    }
    files(disk, &before.wal_dir, &before.segments)?;
    files(disk, &before.wal_dir, &before.covered)?;
    for (dir, inside) in &before.stale {
        files(disk, dir, inside)?;
        folder(disk, dir)?;
    }
    match &before.checkpoint_dir {
        Some(dir) => files(disk, dir, &before.checkpoint).and_then(|()| folder(disk, dir)),
        None => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn failed(path: &Path, source: std::io::Error) -> TakeoverError {
    TakeoverError::Disk { path: path.to_owned(), source }
}

/// Newest first, each durable before the one before it goes.
fn files(disk: &dyn Disk, dir: &Path, files: &[Found]) -> Result<(), TakeoverError> {
    for found in files.iter().rev() {
        file(disk, &found.path)?;
        sync(disk, dir)?;
    }
    Ok(())
}

fn file(disk: &dyn Disk, path: &Path) -> Result<(), TakeoverError> {
    disk.remove(path).map_err(|source| failed(path, source))
}

/// A folder with files in it that are none of a log stays: upstream passes over them.
fn folder(disk: &dyn Disk, dir: &Path) -> Result<(), TakeoverError> {
    match disk.remove_dir(dir) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed.map_err(|source| failed(dir, source)).and_then(|()| sync(disk, parent(dir))),
    }
}

fn sync(disk: &dyn Disk, dir: &Path) -> Result<(), TakeoverError> {
    disk.sync_dir(dir).map_err(|source| failed(dir, source))
}
