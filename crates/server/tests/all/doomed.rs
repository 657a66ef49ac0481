//! The disk of the simulated runs: power cuts at a drawn change, calls that fail, a store that is down, syncs left out.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loptr_ports::sim::{SimDisk, SimRandom, World};
use loptr_ports::{Disk, DiskFile, DiskLock, DiskUsage};
use parking_lot::Mutex;

/// What a disk does not do although it says so: one of the syncs, told apart by the place in the code that asks for it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lie {
    #[default]
    None,
    /// It does all of them; here is who asked for which.
    Watching(Arc<Mutex<BTreeSet<String>>>),
    /// Those asked for here are left out.
    About(&'static str),
}

impl Lie {
    /// Whether a sync, `what`, is left out.
    fn leaves_out(&self, what: &str) -> bool {
        match self {
            Self::None => false,
            Self::Watching(met) => {
                met.lock().insert(place(what));
                false
            }
            Self::About(left_out) => *left_out == place(what),
        }
    }
}

/// Where the code asks for `what`: file and line of source, as the backtrace has them, and for a helper of the port its
/// caller's.
fn place(what: &str) -> String {
    let trace = std::backtrace::Backtrace::force_capture().to_string();
    let mut helper = "";
    for line in trace.lines() {
        let Some(at) = line.trim_start().strip_prefix("at ") else { continue };
        let mut parts = at.rsplitn(3, ':').skip(1);
        let (Some(number), Some(path)) = (parts.next(), parts.next()) else { continue };
        // Told relative to where the test runs.
        let path = path.strip_prefix("./").map_or(path.to_owned(), |own| format!("/crates/server/{own}"));
        let Some((_, path)) = path.rsplit_once("/crates/") else { continue };
        if path.starts_with("ports/") {
            if path.ends_with("/disk.rs") {
                helper = " of write_atomic";
            }
            continue;
        }
        if !path.contains("/src/") {
            continue;
        }
        let source = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let code = at.and_then(|at| text.lines().nth(at)).unwrap_or_default().trim();
        return format!("{what}{helper}, {path}: {code}");
    }
    panic!("no line of ours asks for {what}: {trace}");
}

/// A disk whose power is cut at a given change.
#[derive(Clone)]
pub(crate) struct Doomed(Arc<Inner>);

struct Inner {
    disk: Arc<SimDisk>,
    random: Arc<SimRandom>,
    lie: Lie,
    state: Mutex<State>,
}

/// What goes wrong in one life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accidents {
    /// Changes until the power is cut; none: it is not.
    pub(crate) cut_after: Option<u64>,
    /// One change in so many fails; none: all are done.
    pub(crate) fails_one_in: Option<u64>,
    /// Whether the object store's folder takes no changes.
    pub(crate) store_is_down: bool,
    /// Bytes the disk still takes.
    pub(crate) free_bytes: Option<u64>,
}

struct State {
    accidents: Accidents,
    /// Whether a change has failed.
    failed: bool,
    dead: bool,
    /// What was being done to which file at the cut.
    cut_at: Option<(&'static str, PathBuf)>,
}

impl Doomed {
    pub(crate) fn new(world: &World, lie: Lie, accidents: Accidents) -> Self {
        world.disk.set_free_bytes(accidents.free_bytes);
        let state = Mutex::new(State { accidents, failed: false, dead: false, cut_at: None });
        Self(Arc::new(Inner { disk: world.disk.clone(), random: world.random.clone(), lie, state }))
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.state.lock().dead
    }

    /// Whether anything but success is to be expected.
    pub(crate) fn is_troubled(&self) -> bool {
        let state = self.0.state.lock();
        state.dead || state.failed || state.accidents.free_bytes.is_some()
    }

    fn dead() -> io::Error {
        io::Error::other("the power is cut")
    }

    /// What was being done to which file at the cut.
    pub(crate) fn cut_at(&self) -> Option<(&'static str, PathBuf)> {
        self.0.state.lock().cut_at.clone()
    }

    /// Cuts the power now.
    pub(crate) fn cut(&self, at: (&'static str, PathBuf)) {
        let mut state = self.0.state.lock();
        if !state.dead {
            state.dead = true;
            state.cut_at = Some(at);
            self.0.disk.crash(&self.0.random);
        }
    }

    fn reading<T>(&self, read: impl FnOnce(&SimDisk) -> io::Result<T>) -> io::Result<T> {
        if self.is_dead() { Err(Self::dead()) } else { read(&self.0.disk) }
    }

    fn changing<T>(&self, what: &'static str, path: &Path, change: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let changed = self.try_changing(what, path, change);
        if let Err(error) = &changed {
            tracing::debug!(what, path = %path.display(), %error, "failed");
        } else {
            tracing::debug!(what, path = %path.display(), "done");
        }
        changed
    }

    fn try_changing<T>(
        &self,
        what: &'static str,
        path: &Path,
        change: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let is_cut = {
            let mut state = self.0.state.lock();
            if state.dead {
                return Err(Self::dead());
            }
            state.accidents.cut_after = state.accidents.cut_after.map(|left| left.saturating_sub(1));
            let is_cut = state.accidents.cut_after == Some(0);
            if !is_cut && state.accidents.store_is_down && path.starts_with("/loptr/chunks") {
                state.failed = true;
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if !is_cut && state.accidents.fails_one_in.is_none_or(|n| self.0.random.below(n) > 0) {
                drop(state);
                return change();
            }
            state.failed = true;
            is_cut
        };
        // The accident comes just before it, or just after.
        if self.0.random.below(2) == 0 {
            let _ = change();
        }
        if !is_cut {
            return Err(io::Error::other("the disk fails now and then"));
        }
        self.cut((what, path.to_owned()));
        Err(Self::dead())
    }
}

struct DoomedFile {
    disk: Doomed,
    file: Box<dyn DiskFile>,
    path: PathBuf,
}

impl DiskFile for DoomedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.changing("append", &self.path, || self.file.append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let is_left_out = self.disk.0.lie.leaves_out("sync");
        self.disk.changing("sync", &self.path, || if is_left_out { Ok(()) } else { self.file.sync() })
    }
}

impl Disk for Doomed {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = self.changing("create", path, || self.0.disk.create(path))?;
        Ok(Box::new(DoomedFile { disk: self.clone(), file, path: path.to_owned() }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.reading(|disk| disk.read(path))
    }

    fn read_range(&self, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        self.reading(|disk| disk.read_range(path, offset, len))
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        self.reading(|disk| disk.stat(path))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.changing("truncate", path, || self.0.disk.truncate(path, len))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changing("rename", to, || self.0.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.changing("remove", path, || self.0.disk.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.changing("remove folder", path, || self.0.disk.remove_dir(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let is_left_out = self.0.lie.leaves_out("create folder");
        self.reading(|disk| {
            if is_left_out {
                disk.create_frail_dirs(path);
                return Ok(());
            }
            disk.create_dir_all(path)
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        self.reading(|disk| disk.list(dir))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let is_left_out = self.0.lie.leaves_out("sync folder");
        self.changing("sync folder", dir, || if is_left_out { Ok(()) } else { self.0.disk.sync_dir(dir) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.reading(|disk| disk.lock(path))
    }

    fn usage(&self, path: &Path) -> io::Result<DiskUsage> {
        self.reading(|disk| disk.usage(path))
    }
}
