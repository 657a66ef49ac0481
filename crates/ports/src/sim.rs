//! The outside, simulated: a clock turned by hand, a disk that forgets what was not synced, seeded randomness, a network
//! inside the process. One seed decides everything.
//!
//! Run it on a current-thread tokio runtime: tasks then take turns in one order, and [`crate::CpuPool::inline`] runs
//! jobs where they are awaited.
#![allow(clippy::disallowed_methods, reason = "this module is what the simulated runs plug in")]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loptr_model::Nanos;
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::{
    Accepted, Clock, Connection, CpuPool, Disk, DiskFile, DiskLock, DiskUsage, Listener, Network, Ports, Random,
    Spawner, TaskError, TaskHandle,
};

/// A simulated world: the parts, and handles to turn them.
#[derive(Clone)]
#[allow(missing_debug_implementations)]
pub struct World {
    /// Turn it to let time pass.
    pub clock: Arc<SimClock>,
    /// Crash it to lose what was not synced.
    pub disk: Arc<SimDisk>,
    /// Dial it as a client would.
    pub network: Arc<SimNetwork>,
    /// Draws of the seed.
    pub random: Arc<SimRandom>,
}

impl World {
    /// A world whose every accident follows from `seed`, starting at `now`.
    pub fn new(seed: u64, now: Nanos) -> Self {
        Self {
            clock: SimClock::at(now),
            disk: Arc::new(SimDisk::default()),
            network: Arc::new(SimNetwork::default()),
            random: Arc::new(SimRandom::new(seed)),
        }
    }

    /// The ports of a process in this world.
    pub fn ports(&self) -> Ports {
        Ports {
            clock: self.clock.clone(),
            random: self.random.clone(),
            spawner: Arc::new(TurnTakingSpawner),
            disk: self.disk.clone(),
            network: self.network.clone(),
            cpu: CpuPool::inline(),
        }
    }
}

/// SplitMix64 from a seed.
#[derive(Debug)]
pub struct SimRandom(Mutex<u64>);

impl SimRandom {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// A draw below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }
}

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        let mut state = self.0.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A clock that moves when told to.
#[derive(Debug)]
pub struct SimClock(Arc<Shared>);

#[derive(Debug)]
struct ClockState {
    now: Nanos,
    started: Nanos,
    sleepers: Vec<(Nanos, Waker)>,
}

impl SimClock {
    /// Stands at `now`.
    pub fn at(now: Nanos) -> Arc<Self> {
        Arc::new(Self(Arc::new(Shared(Mutex::new(ClockState { now, started: now, sleepers: Vec::new() })))))
    }

    /// Lets `duration` pass and wakes who slept until then.
    pub fn advance(&self, duration: Duration) {
        let due = {
            let mut state = self.0.0.lock();
            state.now = state.now.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
            let now = state.now;
            let (due, waiting) = std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
            state.sleepers = waiting;
            let due: Vec<(Nanos, Waker)> = due;
            due
        };
        for (_, waker) in due {
            waker.wake();
        }
    }
}

/// Shared so that a sleeper can outlive the borrow of the clock.
#[derive(Debug)]
struct Shared(Mutex<ClockState>);

impl Clock for SimClock {
    fn now(&self) -> Nanos {
        self.0.0.lock().now
    }

    fn monotonic(&self) -> Nanos {
        let state = self.0.0.lock();
        Nanos(state.now.0 - state.started.0)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let shared = self.0.clone();
        let until = shared.0.lock().now.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
        Box::pin(std::future::poll_fn(move |cx| {
            let mut state = shared.0.lock();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.sleepers.push((until, cx.waker().clone()));
            Poll::Pending
        }))
    }
}

/// Tasks take turns on the current-thread runtime; blocking work runs where it is spawned.
struct TurnTakingSpawner;

impl Spawner for TurnTakingSpawner {
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> TaskHandle {
        let joined = tokio::spawn(task);
        TaskHandle::new(async move { joined.await.map_err(|error| TaskError { name, panicked: error.is_panic() }) })
    }

    fn blocking(&self, _name: &'static str, work: Box<dyn FnOnce() + Send>) -> TaskHandle {
        work();
        TaskHandle::new(std::future::ready(Ok(())))
    }
}

/// Connections inside the process: [`SimNetwork::dial`] reaches whoever listens on the address.
#[derive(Default)]
#[allow(missing_debug_implementations)]
pub struct SimNetwork(Mutex<BTreeMap<u16, mpsc::Sender<DuplexStream>>>);

impl SimNetwork {
    /// Connects to the listener on `port`.
    pub async fn dial(&self, port: u16) -> io::Result<DuplexStream> {
        let listener = self.0.lock().get(&port).cloned();
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens on port {port}"));
        let listener = listener.ok_or_else(refused)?;
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        listener.send(theirs).await.map_err(|_| refused())?;
        Ok(ours)
    }
}

struct SimListener {
    port: u16,
    incoming: tokio::sync::Mutex<mpsc::Receiver<DuplexStream>>,
}

#[async_trait::async_trait]
impl Network for SimNetwork {
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let (send, incoming) = mpsc::channel(16);
        self.0.lock().insert(port, send);
        Ok(Box::new(SimListener { port, incoming: tokio::sync::Mutex::new(incoming) }))
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>> {
        let port = self.lookup(address).await?.first().map_or(0, SocketAddr::port);
        Ok(Box::new(self.dial(port).await?))
    }

    /// Every host is this process.
    async fn lookup(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok());
        let port: u16 = port.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

#[async_trait::async_trait]
impl Listener for SimListener {
    async fn accept(&self) -> io::Result<Accepted> {
        match self.incoming.lock().await.recv().await {
            Some(stream) => Ok((Box::new(stream), SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], self.port)))
    }
}

/// A disk that keeps through [`SimDisk::crash`] only what was synced, plus whatever of the rest the draws decide: any
/// prefix of the bytes appended to a file since its last sync (the last of them possibly torn), any prefix of the names
/// changed in a folder since that folder's last sync, or any of them ([`SimDisk::keep_names_in_any_order`]). A folder
/// that was removed may come back until its parent is synced.
#[derive(Default, Debug)]
pub struct SimDisk(Arc<Mutex<DiskState>>);

#[derive(Default, Debug)]
struct DiskState {
    files: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    dirs: BTreeMap<PathBuf, Vec<NameChange>>,
    /// Folders whose own names are not durable.
    frail_dirs: BTreeSet<PathBuf>,
    /// Folders removed and not yet gone for good, with the changes in them.
    removed_dirs: BTreeMap<PathBuf, Vec<NameChange>>,
    any_order: bool,
    next_file: u64,
    /// Raised at each crash: files opened before it are dead.
    life: u64,
    free_bytes: Option<u64>,
    syncs: u64,
    faults: Vec<Fault>,
    /// Locked files.
    locks: BTreeSet<PathBuf>,
}

/// What a disk is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOp {
    /// Making a file.
    Create,
    /// Writing to its end.
    Append,
    /// Syncing it.
    Sync,
    /// Reading, whole or in part.
    Read,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Syncing a folder.
    SyncDir,
}

/// Calls that fail.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which call.
    pub op: DiskOp,
    /// Of which files: those whose path has this in it.
    pub path: &'static str,
    /// Calls that go well before the first that fails.
    pub after: u64,
    /// How many fail then.
    pub times: u64,
    /// As what.
    pub kind: io::ErrorKind,
    /// Whether a failed append leaves half of its bytes.
    pub is_short: bool,
}

impl Fault {
    /// Every `op` on files with `path` in their path fails from now on, as a broken device does.
    pub fn lasting(op: DiskOp, path: &'static str) -> Self {
        Self { op, path, after: 0, times: u64::MAX, kind: io::ErrorKind::Other, is_short: false }
    }

    /// So many of them fail, after `after` that go well.
    pub fn some(op: DiskOp, path: &'static str, after: u64, times: u64) -> Self {
        Self { after, times, ..Self::lasting(op, path) }
    }
}

#[derive(Default, Debug, Clone)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(PathBuf, u64),
    Unset(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            NameChange::Set(path, file) => {
                names.insert(path.clone(), *file);
            }
            NameChange::Unset(path) => {
                names.remove(path);
            }
            NameChange::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{}: no such file or folder", path.display()))
}

impl SimDisk {
    /// Cuts the power. Files opened before fail from now on.
    pub fn crash(&self, random: &SimRandom) {
        let mut state = self.0.lock();
        state.life += 1;
        state.locks.clear();
        let state = &mut *state;
        let mut names = std::mem::take(&mut state.durable);
        for (dir, changes) in std::mem::take(&mut state.removed_dirs) {
            if random.below(2) == 0 {
                state.dirs.insert(dir, changes);
            } else {
                names.retain(|path, _| path.parent() != Some(&dir));
            }
        }
        for changes in state.dirs.values_mut() {
            if state.any_order && random.below(2) == 0 {
                changes.drain(..).filter(|_| random.below(2) == 0).for_each(|change| change.apply(&mut names));
                continue;
            }
            let kept = random.below(changes.len() as u64 + 1) as usize;
            for change in changes.drain(..).take(kept) {
                change.apply(&mut names);
            }
        }
        for dir in std::mem::take(&mut state.frail_dirs) {
            if random.below(2) == 0 {
                names.retain(|path, _| !path.starts_with(&dir));
                state.dirs.retain(|path, _| !path.starts_with(&dir));
            }
        }
        state.files.retain(|file, _| names.values().any(|kept| kept == file));
        for content in state.files.values_mut() {
            let unsynced = content.bytes.get(content.synced.len()..).unwrap_or_default();
            let kept = random.below(unsynced.len() as u64 + 1) as usize;
            let mut survived = content.synced.clone();
            survived.extend_from_slice(&unsynced[..kept]);
            if kept > 0 && random.below(4) == 0 {
                let last = survived.len() - 1;
                survived[last] ^= 0x5a;
            }
            content.bytes = survived.clone();
            content.synced = survived;
        }
        state.durable = names.clone();
        state.names = names;
    }

    /// From now on a crash keeps any of the names changed in a folder, as POSIX allows, not only the first ones, as a
    /// journal does.
    pub fn keep_names_in_any_order(&self) {
        self.0.lock().any_order = true;
    }

    /// Creates a folder and its parents as [`Disk::create_dir_all`] does, but whatever of it is new may be gone after a
    /// crash, with everything in it.
    pub fn create_frail_dirs(&self, path: &Path) {
        let mut state = self.0.lock();
        for dir in path.ancestors() {
            if !state.dirs.contains_key(dir) {
                state.dirs.insert(dir.to_owned(), Vec::new());
                state.frail_dirs.insert(dir.to_owned());
            }
        }
    }

    /// How many syncs the disk has done.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// From now on only `free` bytes fit (`None`: no limit), and what is removed makes room.
    pub fn set_free_bytes(&self, free: Option<u64>) {
        self.0.lock().free_bytes = free;
    }

    /// Bytes that still fit, if there is a limit.
    pub fn free_bytes(&self) -> Option<u64> {
        self.0.lock().free_bytes
    }

    /// Calls that are to fail, besides those told before.
    pub fn fail(&self, fault: Fault) {
        self.0.lock().faults.push(fault);
    }

    /// No call fails any more.
    pub fn heal(&self) {
        self.0.lock().faults.clear();
    }
}

impl DiskState {
    /// Whether a call fails; for an append also whether half of it is done.
    fn fault(&mut self, op: DiskOp, path: &Path) -> Option<(io::Error, bool)> {
        let path = path.to_string_lossy();
        let mut found = None;
        for fault in self.faults.iter_mut().filter(|fault| fault.op == op && path.contains(fault.path)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 && found.is_none() {
                fault.times = fault.times.saturating_sub(u64::from(fault.times != u64::MAX));
                let error = io::Error::new(fault.kind, format!("{op:?} of {path} fails"));
                found = Some((error, fault.is_short));
            }
        }
        found
    }

    fn check(&mut self, op: DiskOp, path: &Path) -> io::Result<()> {
        self.fault(op, path).map_or(Ok(()), |(error, _)| Err(error))
    }

    /// Gives back the room of the file at `path`, which is about to lose its name.
    fn make_room(&mut self, path: &Path) {
        let len = self.names.get(path).and_then(|file| self.files.get(file)).map_or(0, |content| content.bytes.len());
        if let Some(free) = &mut self.free_bytes {
            *free += len as u64;
        }
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| not_found(path))
    }

    fn note(&mut self, dir: Option<&Path>, change: NameChange) -> io::Result<()> {
        let dir = dir.unwrap_or(Path::new(""));
        let changes = self.dirs.get_mut(dir).ok_or_else(|| not_found(dir))?;
        change.apply(&mut self.names);
        changes.push(change);
        Ok(())
    }
}

struct SimFile {
    disk: Arc<Mutex<DiskState>>,
    path: PathBuf,
    file: u64,
    life: u64,
}

impl SimFile {
    fn with<T>(&self, use_it: impl FnOnce(&mut DiskState) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock();
        if state.life != self.life {
            return Err(io::Error::other("the process that opened this file has crashed"));
        }
        use_it(&mut state)
    }
}

impl DiskFile for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file;
        self.with(|state| {
            let fault = state.fault(DiskOp::Append, &self.path);
            let wanted = match &fault {
                Some((_, true)) => bytes.len() / 2,
                Some((_, false)) => 0,
                None => bytes.len(),
            };
            let mut fits = wanted;
            if let Some(free) = &mut state.free_bytes {
                fits = usize::try_from(*free).unwrap_or(usize::MAX).min(wanted);
                *free -= fits as u64;
            }
            state.files.entry(file).or_default().bytes.extend_from_slice(&bytes[..fits]);
            match fault {
                Some((error, _)) => Err(error),
                None if fits < wanted => Err(io::ErrorKind::StorageFull.into()),
                None => Ok(()),
            }
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = self.file;
        self.with(|state| {
            state.check(DiskOp::Sync, &self.path)?;
            state.syncs += 1;
            let content = state.files.entry(file).or_default();
            content.synced.clone_from(&content.bytes);
            Ok(())
        })
    }
}

/// Held until dropped or until the crash.
struct SimLock {
    disk: Arc<Mutex<DiskState>>,
    path: PathBuf,
    life: u64,
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.check(DiskOp::Create, path)?;
        let file = state.next_file;
        state.next_file += 1;
        state.make_room(path);
        state.note(path.parent(), NameChange::Set(path.to_owned(), file))?;
        state.files.insert(file, Content::default());
        Ok(Box::new(SimFile { disk: self.0.clone(), path: path.to_owned(), file, life: state.life }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.0.lock();
        state.check(DiskOp::Read, path)?;
        let file = state.file(path)?;
        Ok(state.files.get(&file).map(|content| content.bytes.clone()).unwrap_or_default())
    }

    fn read_range(&self, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let all = self.read(path)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(all.len());
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(all.len());
        Ok(all[start..end].to_vec())
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        let state = self.0.lock();
        let file = state.file(path)?;
        Ok((state.files.get(&file).map_or(0, |content| content.bytes.len() as u64), 0))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.file(path)?;
        let content = state.files.entry(file).or_default();
        content.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        content.synced.clone_from(&content.bytes);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(DiskOp::Rename, to)?;
        let file = state.file(from)?;
        state.make_room(to);
        if from.parent() == to.parent() {
            return state.note(to.parent(), NameChange::Rename(from.to_owned(), to.to_owned(), file));
        }
        state.note(to.parent(), NameChange::Set(to.to_owned(), file))?;
        state.note(from.parent(), NameChange::Unset(from.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(DiskOp::Remove, path)?;
        state.file(path)?;
        state.make_room(path);
        state.note(path.parent(), NameChange::Unset(path.to_owned()))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.names.keys().any(|name| name.parent() == Some(path))
            || state.dirs.keys().any(|dir| dir.parent() == Some(path))
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let changes = state.dirs.remove(path).ok_or_else(|| not_found(path))?;
        if !state.frail_dirs.remove(path) {
            state.removed_dirs.insert(path.to_owned(), changes);
        }
        Ok(())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        for dir in path.ancestors() {
            // One that was removed is what it was.
            let changes = state.removed_dirs.remove(dir).unwrap_or_default();
            state.dirs.entry(dir.to_owned()).or_insert(changes);
            state.frail_dirs.remove(dir);
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let state = self.0.lock();
        if !state.dirs.contains_key(dir) {
            return Err(not_found(dir));
        }
        let files = state.names.keys().filter(|path| path.parent() == Some(dir)).map(|path| (path.clone(), false));
        let dirs = state.dirs.keys().filter(|path| path.parent() == Some(dir)).map(|path| (path.clone(), true));
        let mut all: Vec<_> = files.chain(dirs).collect();
        all.sort();
        Ok(all)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check(DiskOp::SyncDir, dir)?;
        state.syncs += 1;
        let changes = std::mem::take(state.dirs.get_mut(dir).ok_or_else(|| not_found(dir))?);
        for change in changes {
            change.apply(&mut state.durable);
        }
        let gone: Vec<PathBuf> = state.removed_dirs.keys().filter(|path| path.parent() == Some(dir)).cloned().collect();
        for path in gone {
            state.removed_dirs.remove(&path);
            state.durable.retain(|name, _| name.parent() != Some(&path));
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.0.lock();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds it"));
        }
        Ok(Box::new(SimLock { disk: self.0.clone(), path: path.to_owned(), life: state.life }))
    }

    fn usage(&self, _path: &Path) -> io::Result<DiskUsage> {
        let state = self.0.lock();
        let held: u64 =
            state.names.values().filter_map(|file| state.files.get(file)).map(|file| file.bytes.len() as u64).sum();
        let total = state.free_bytes.map_or(1 << 40, |free| free + held);
        let free_bytes = state.free_bytes.unwrap_or(total - held);
        Ok(DiskUsage { total_bytes: total, free_bytes, available_bytes: free_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_what_was_synced_and_at_most_a_prefix_of_the_rest() {
        for seed in 0..200 {
            let (disk, random) = (SimDisk::default(), SimRandom::new(seed));
            let dir = Path::new("/data");
            disk.create_dir_all(dir).expect("new folder");
            let mut file = disk.create(&dir.join("a")).expect("new file");
            file.append(b"synced").expect("fits");
            file.sync().expect("syncs");
            disk.sync_dir(dir).expect("syncs");
            file.append(b"-unsynced").expect("fits");
            disk.create(&dir.join("b")).expect("new file");
            disk.crash(&random);
            let after = disk.read(&dir.join("a")).expect("its name was synced");
            assert!(after.starts_with(b"synced") && after.len() <= b"synced-unsynced".len());
            assert!(file.append(b"x").is_err(), "opened before the crash");
        }
    }

    #[test]
    fn a_synced_file_without_a_synced_name_may_be_gone() {
        let gone = (0..100).filter(|&seed| {
            let (disk, random) = (SimDisk::default(), SimRandom::new(seed));
            disk.create_dir_all(Path::new("/d")).expect("new folder");
            let mut file = disk.create(Path::new("/d/f")).expect("new file");
            file.append(b"x").expect("fits");
            file.sync().expect("syncs");
            disk.crash(&random);
            disk.read(Path::new("/d/f")).is_err()
        });
        let gone = gone.count();
        assert!((1..100).contains(&gone), "lost in {gone} of 100 seeds");
    }

    /// Of `draws` crashes after `prepare`, how often `is_so`.
    fn how_often(draws: u64, prepare: impl Fn(&SimDisk), is_so: impl Fn(&SimDisk) -> bool) -> usize {
        let crashed = (0..draws).map(|seed| {
            let (disk, random) = (SimDisk::default(), SimRandom::new(seed));
            disk.create_dir_all(Path::new("/d")).expect("new folder");
            prepare(&disk);
            disk.crash(&random);
            is_so(&disk)
        });
        crashed.filter(|so| *so).count()
    }

    #[test]
    fn names_are_kept_in_order_or_in_any() {
        let two = |disk: &SimDisk| {
            for name in ["/d/a", "/d/b"] {
                disk.create(Path::new(name)).expect("new file");
            }
        };
        let only_b = |disk: &SimDisk| disk.stat(Path::new("/d/a")).is_err() && disk.stat(Path::new("/d/b")).is_ok();
        assert_eq!(how_often(100, two, only_b), 0, "a journal keeps the first ones");
        let any = |disk: &SimDisk| {
            disk.keep_names_in_any_order();
            two(disk);
        };
        assert!((1..100).contains(&how_often(100, any, only_b)));
    }

    #[test]
    fn a_removed_folder_comes_back_and_a_frail_one_goes_with_what_is_in_it() {
        let file = Path::new("/d/e/f");
        let synced = |disk: &SimDisk| {
            disk.create(file).expect("new file");
            disk.sync_dir(Path::new("/d/e")).expect("syncs");
        };
        let removed = |disk: &SimDisk| {
            disk.create_dir_all(Path::new("/d/e")).expect("new folder");
            synced(disk);
            disk.remove(file).expect("it is there");
            disk.remove_dir(Path::new("/d/e")).expect("it is empty");
        };
        let is_there = |disk: &SimDisk| disk.stat(file).is_ok();
        assert!((1..100).contains(&how_often(100, removed, is_there)));
        let gone_for_good = |disk: &SimDisk| {
            removed(disk);
            disk.sync_dir(Path::new("/d")).expect("syncs");
        };
        assert_eq!(how_often(100, gone_for_good, is_there), 0);
        let frail = |disk: &SimDisk| {
            disk.create_frail_dirs(Path::new("/d/e"));
            synced(disk);
        };
        assert!((1..100).contains(&how_often(100, frail, is_there)));
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_a_removal_makes_room() {
        let disk = SimDisk::default();
        disk.create_dir_all(Path::new("/d")).expect("new folder");
        disk.set_free_bytes(Some(5));
        let mut file = disk.create(Path::new("/d/a")).expect("new file");
        let full = file.append(b"12345678").expect_err("five fit");
        assert_eq!(
            (full.kind(), disk.stat(Path::new("/d/a")).expect("it is there").0),
            (io::ErrorKind::StorageFull, 5)
        );
        disk.remove(Path::new("/d/a")).expect("it is there");
        assert_eq!(disk.free_bytes(), Some(5));
    }

    #[test]
    fn faults_fail_the_calls_they_name() {
        let disk = SimDisk::default();
        disk.create_dir_all(Path::new("/d")).expect("new folder");
        disk.fail(Fault { is_short: true, ..Fault::some(DiskOp::Append, "a", 1, 1) });
        disk.fail(Fault::lasting(DiskOp::Sync, "b"));
        let mut a = disk.create(Path::new("/d/a")).expect("new file");
        let mut b = disk.create(Path::new("/d/b")).expect("new file");
        a.append(b"12").expect("the first goes well");
        assert!(a.append(b"3456").is_err());
        a.append(b"78").expect("only one fails");
        assert_eq!(disk.read(Path::new("/d/a")).expect("reads"), b"123478");
        a.sync().expect("not named");
        assert!(b.sync().is_err() && b.sync().is_err());
        disk.heal();
        b.sync().expect("healed");
    }

    #[test]
    fn a_lock_is_held_once_and_lost_at_a_crash() {
        let disk = SimDisk::default();
        let path = Path::new("/d/lock");
        let first = disk.lock(path).expect("free");
        assert_eq!(disk.lock(path).err().map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
        drop(first);
        let second = disk.lock(path).expect("given back");
        disk.crash(&SimRandom::new(1));
        let _third = disk.lock(path).expect("its holder is dead");
        drop(second);
        assert!(disk.lock(path).is_err(), "a dead holder gives nothing back");
    }

    #[tokio::test]
    async fn sleepers_wake_when_time_has_passed() {
        let clock = SimClock::at(Nanos(0));
        let sleep = clock.sleep(Duration::from_secs(5));
        let turn = async {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(5));
        };
        tokio::join!(sleep, turn);
        assert_eq!(clock.monotonic(), Nanos(5_000_000_000));
    }
}
