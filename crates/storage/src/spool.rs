//! Chunk objects that wait on the local disk for an object store that is down.
//!
//! One file an object, with the object's bytes as they will lie in the bucket. Its name says all:
//!
//! ```text
//! <number>~<tenant>~<fingerprint>~<from>~<through>~<checksum>.chunk     number in decimal, the rest in hexadecimal
//! ```
//!
//! `~` is in no tenant name; numbers grow, so names sort from oldest to newest. A file is whole or absent: it is written
//! under another name, synced, renamed, and the folder synced. Readers look here first, then into the store: an object is
//! removed here only when it is durable there.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use loptr_model::{ChunkRef, Fingerprint, Millis, TenantId};
use loptr_ports::{Disk, Spawner, TaskError};
use parking_lot::Mutex;

const SUFFIX: &str = ".chunk";

/// The folder and what lies in it.
pub struct Spool {
    disk: Arc<dyn Disk>,
    spawner: Arc<dyn Spawner>,
    dir: PathBuf,
    state: Mutex<State>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// By number: tenant, chunk, length.
    by_number: BTreeMap<u64, (TenantId, ChunkRef, u64)>,
    numbers: HashMap<(TenantId, ChunkRef), u64>,
    next: u64,
    bytes: u64,
}

impl State {
    /// Enters an object; returns the number it had before, if it was there.
    fn insert(&mut self, number: u64, tenant: &TenantId, chunk: &ChunkRef, len: u64) -> Option<u64> {
        self.next = self.next.max(number + 1);
        let before = self.numbers.insert((tenant.clone(), *chunk), number);
        if let Some((_, _, len)) = before.and_then(|before| self.by_number.remove(&before)) {
            self.bytes -= len;
        }
        self.by_number.insert(number, (tenant.clone(), *chunk, len));
        self.bytes += len;
        before
    }

    fn remove(&mut self, tenant: &TenantId, chunk: &ChunkRef) -> Option<u64> {
        let number = self.numbers.remove(&(tenant.clone(), *chunk))?;
        if let Some((_, _, len)) = self.by_number.remove(&number) {
            self.bytes -= len;
        }
        Some(number)
    }
}

fn name(number: u64, tenant: &TenantId, chunk: &ChunkRef) -> String {
    let ChunkRef { fingerprint, from, through, checksum } = chunk;
    format!("{number:012}~{tenant}~{:x}~{:x}~{:x}~{checksum:x}{SUFFIX}", fingerprint.0, from.0, through.0)
}

fn parse(name: &str) -> Option<(u64, TenantId, ChunkRef)> {
    let mut parts = name.strip_suffix(SUFFIX)?.split('~');
    let number = parts.next()?.parse().ok()?;
    let tenant = TenantId::parse(parts.next()?).ok()?;
    let mut hex = || u64::from_str_radix(parts.next()?, 16).ok();
    let chunk = ChunkRef {
        fingerprint: Fingerprint(hex()?),
        from: Millis(hex()? as i64),
        through: Millis(hex()? as i64),
        checksum: u32::try_from(hex()?).ok()?,
    };
    parts.next().is_none().then_some((number, tenant, chunk))
}

fn joined<T>(done: Result<io::Result<T>, TaskError>) -> io::Result<T> {
    done.map_err(io::Error::other)?
}

impl Spool {
    /// The objects in `dir`, created if absent. What an interrupted write left is removed. Blocks on the disk.
    pub fn open(disk: Arc<dyn Disk>, spawner: Arc<dyn Spawner>, dir: PathBuf) -> io::Result<Self> {
        disk.create_dir_all(&dir)?;
        let mut state = State::default();
        for (path, is_dir) in disk.list(&dir)? {
            let parsed = path.file_name().and_then(|name| name.to_str()).and_then(parse);
            match parsed {
                Some((number, tenant, chunk)) => {
                    // Once is enough: the content is in the name.
                    if let Some(before) = state.insert(number, &tenant, &chunk, disk.stat(&path)?.0) {
                        disk.remove(&dir.join(name(before, &tenant, &chunk)))?;
                    }
                }
                None if !is_dir && path.extension().is_some_and(|end| end == "tmp") => disk.remove(&path)?,
                None => {
                    tracing::warn!(path = %path.display(), "not a chunk that waits for the object store, passed over")
                }
            }
        }
        Ok(Self { disk, spawner, dir, state: Mutex::new(state) })
    }

    /// Keeps an object; durable when it returns.
    pub async fn put(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> io::Result<()> {
        if self.holds(tenant, chunk) {
            return Ok(());
        }
        let number = {
            let mut state = self.state.lock();
            state.next += 1;
            state.next
        };
        let (disk, path) = (self.disk.clone(), self.dir.join(name(number, tenant, chunk)));
        let len = object.len() as u64;
        let write = move || {
            let written = disk.write_atomic(&path, &object);
            if written.is_err() {
                // A leftover is removed at the next start.
                let _ = disk.remove(&path.with_extension("chunk.tmp"));
            }
            written
        };
        joined(self.spawner.run_blocking("spool write", write).await)?;
        let before = self.state.lock().insert(number, tenant, chunk, len);
        if let Some(before) = before {
            // Put twice at once.
            let (disk, path) = (self.disk.clone(), self.dir.join(name(before, tenant, chunk)));
            joined(self.spawner.run_blocking("spool removal", move || disk.remove(&path)).await)?;
        }
        Ok(())
    }

    /// Whether an object waits here.
    pub fn holds(&self, tenant: &TenantId, chunk: &ChunkRef) -> bool {
        let state = self.state.lock();
        !state.numbers.is_empty() && state.numbers.contains_key(&(tenant.clone(), *chunk))
    }

    /// The object, if it waits here.
    pub async fn get(&self, tenant: &TenantId, chunk: &ChunkRef) -> io::Result<Option<Bytes>> {
        let number = {
            let state = self.state.lock();
            if state.numbers.is_empty() {
                return Ok(None);
            }
            match state.numbers.get(&(tenant.clone(), *chunk)) {
                Some(number) => *number,
                None => return Ok(None),
            }
        };
        let (disk, path) = (self.disk.clone(), self.dir.join(name(number, tenant, chunk)));
        match joined(self.spawner.run_blocking("spool read", move || disk.read(&path)).await) {
            Ok(bytes) => Ok(Some(bytes.into())),
            // Removed meanwhile: the store has it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> Vec<(TenantId, ChunkRef)> {
        self.state.lock().by_number.values().map(|(tenant, chunk, _)| (tenant.clone(), *chunk)).collect()
    }

    /// Removes an object, which the store has now.
    pub async fn remove(&self, tenant: &TenantId, chunk: &ChunkRef) -> io::Result<()> {
        let Some(number) = self.state.lock().remove(tenant, chunk) else { return Ok(()) };
        let (disk, path) = (self.disk.clone(), self.dir.join(name(number, tenant, chunk)));
        // Not synced: an object that comes back with a power cut is stored once more under the same name.
        let remove = move || disk.remove(&path);
        joined(self.spawner.run_blocking("spool removal", remove).await)
    }

    /// Objects that wait, and their bytes.
    pub fn held(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.by_number.len(), state.bytes)
    }

    /// The folder, for errors.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::Nanos;
    use loptr_ports::sim::{DiskOp, Fault, World};

    use super::*;

    fn chunk(n: i64) -> ChunkRef {
        let (from, through) = (Millis(-n), Millis(n + 5));
        ChunkRef { fingerprint: Fingerprint(u64::MAX - n as u64), from, through, checksum: n as u32 }
    }

    fn open(world: &World) -> Spool {
        let ports = world.ports();
        Spool::open(ports.disk, ports.spawner, "/spool".into()).expect("a simulated disk opens")
    }

    #[test]
    fn names_read_back() {
        let tenant = TenantId::parse("a-!_.*'()b").expect("a tenant");
        for n in [0, 1, 1_795_127_400_000] {
            assert_eq!(parse(&name(7, &tenant, &chunk(n))), Some((7, tenant.clone(), chunk(n))));
        }
        for odd in ["", "1~a.chunk", "1~a~1~2~3~fffffffff.chunk", "1~a~1~2~3~4~5.chunk", "x~a~1~2~3~4.chunk"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
    }

    #[tokio::test]
    async fn what_was_put_survives_every_crash_in_order() {
        for seed in 0..100 {
            let world = World::new(seed, Nanos(0));
            let tenant = TenantId::parse("t").expect("a tenant");
            let spool = open(&world);
            for n in [3, 1, 2] {
                spool.put(&tenant, &chunk(n), vec![n as u8; 10].into()).await.expect("there is room");
            }
            spool.remove(&tenant, &chunk(1)).await.expect("it is there");
            world.disk.crash(&world.random);
            let spool = open(&world);
            let mut waiting = spool.waiting();
            // What was removed may be back: the removal is not synced.
            let back = waiting.len() == 3;
            waiting.retain(|(_, waits)| *waits != chunk(1));
            assert_eq!(waiting, [(tenant.clone(), chunk(3)), (tenant.clone(), chunk(2))], "seed {seed}");
            assert_eq!(spool.held(), if back { (3, 30) } else { (2, 20) });
            let got = spool.get(&tenant, &chunk(2)).await.expect("reads");
            assert_eq!(got.as_deref(), Some(&[2u8; 10][..]));
            let got = spool.get(&tenant, &chunk(1)).await.expect("reads");
            assert_eq!(got.as_deref(), back.then_some(&[1u8; 10][..]));
        }
    }

    #[tokio::test]
    async fn an_object_put_twice_lies_there_once() {
        let world = World::new(1, Nanos(0));
        let tenant = TenantId::parse("t").expect("a tenant");
        let files = || world.disk.list(Path::new("/spool")).expect("it is there").len();
        let spool = open(&world);
        for _ in 0..2 {
            spool.put(&tenant, &chunk(1), vec![0; 10].into()).await.expect("there is room");
            assert_eq!((files(), spool.held()), (1, (1, 10)));
        }
        // As a build left it that did not look.
        let second = Path::new("/spool").join(name(9, &tenant, &chunk(1)));
        world.disk.create(&second).expect("new file").append(&[0; 10]).expect("there is room");
        let spool = open(&world);
        assert_eq!((files(), spool.held()), (1, (1, 10)));
        assert_eq!(spool.get(&tenant, &chunk(1)).await.expect("reads").as_deref(), Some(&[0; 10][..]));
    }

    #[tokio::test]
    async fn a_failed_put_leaves_nothing() {
        let world = World::new(1, Nanos(0));
        let tenant = TenantId::parse("t").expect("a tenant");
        let spool = open(&world);
        world.disk.fail(Fault::some(DiskOp::Append, "/spool", 0, 1));
        assert!(spool.put(&tenant, &chunk(1), vec![0; 10].into()).await.is_err());
        assert!(!spool.holds(&tenant, &chunk(1)));
        assert!(world.disk.list(Path::new("/spool")).expect("it is there").is_empty());
    }
}
