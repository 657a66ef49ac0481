//! The machine's own clock, threads, files and sockets: what the binary plugs into the ports.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is where the real outside is plugged in"
)]

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loptr_model::Nanos;
use loptr_ports::{
    Accepted, Clock, Connection, CpuPool, Disk, DiskFile, DiskLock, DiskUsage, Listener, Network, Ports, Random,
    Spawner, TaskError, TaskHandle,
};

/// Jobs of one priority that wait for a CPU thread, at most.
const CPU_QUEUE: usize = 1024;

/// The ports of this machine. Must be called on a tokio runtime.
pub fn ports() -> io::Result<Ports> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(Ports {
        clock: Arc::new(MachineClock { started: Instant::now() }),
        random: Arc::new(MachineRandom::new()),
        spawner: Arc::new(TokioSpawner(tokio::runtime::Handle::current())),
        disk: Arc::new(MachineDisk::default()),
        network: Arc::new(TcpNetwork),
        cpu: CpuPool::new(threads, CPU_QUEUE)?,
    })
}

/// Unix time now; for code that runs before there are ports.
pub fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Reads a file before there are ports.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

struct MachineClock {
    started: Instant,
}

impl Clock for MachineClock {
    fn now(&self) -> Nanos {
        now()
    }

    fn monotonic(&self) -> Nanos {
        Nanos(i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// SplitMix64 over a state seeded by the standard library's per-process keys: for jitter and names, not for secrets.
struct MachineRandom(AtomicU64);

impl MachineRandom {
    fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Self(AtomicU64::new(std::collections::hash_map::RandomState::new().build_hasher().finish()))
    }
}

impl Random for MachineRandom {
    fn next_u64(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct TokioSpawner(tokio::runtime::Handle);

impl Spawner for TokioSpawner {
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> TaskHandle {
        let joined = self.0.spawn(task);
        TaskHandle::new(async move { joined.await.map_err(|error| TaskError { name, panicked: error.is_panic() }) })
    }

    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> TaskHandle {
        let joined = self.0.spawn_blocking(work);
        TaskHandle::new(async move { joined.await.map_err(|error| TaskError { name, panicked: error.is_panic() }) })
    }
}

/// Folders whose names are known to be synced in their parents, at most.
const SYNCED_DIRS: usize = 100_000;

/// The machine's files.
#[derive(Default)]
struct MachineDisk {
    /// Held while a folder is made: whoever finds it there finds it durable.
    synced_dirs: parking_lot::Mutex<HashSet<PathBuf>>,
}

struct MachineFile(File);

/// The open file is the lock.
struct MachineLock(#[allow(dead_code, reason = "held, not read")] File);

impl DiskLock for MachineLock {}

impl DiskFile for MachineFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

impl Disk for MachineDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(MachineFile(OpenOptions::new().write(true).create(true).truncate(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_range(&self, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let len = len.min(size.saturating_sub(offset));
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
        file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        let meta = fs::metadata(path)?;
        if meta.is_dir() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((meta.len(), i64::try_from(modified.as_nanos()).unwrap_or(i64::MAX)))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut synced = self.synced_dirs.lock();
        if synced.contains(path) && path.is_dir() {
            return Ok(());
        }
        if synced.len() >= SYNCED_DIRS {
            synced.clear();
        }
        let dirs: Vec<&Path> = path.ancestors().filter(|dir| !dir.as_os_str().is_empty()).collect();
        let missing = dirs.iter().take_while(|dir| !dir.exists()).count();
        fs::create_dir_all(path)?;
        for (at, dir) in dirs.iter().enumerate() {
            // A folder's name lies in its parent.
            let Some(parent) = dir.parent() else { continue };
            if at >= missing && synced.contains(*dir) {
                break;
            }
            match sync_dir(parent) {
                // One that was there before, below a folder that is not ours to open.
                Err(error) if at >= missing && error.kind() == io::ErrorKind::PermissionDenied => {}
                done => done?,
            }
            synced.insert(dir.to_path_buf());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            found.push((entry.path(), entry.path().is_dir()));
        }
        found.sort();
        Ok(found)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Who holds it is told if it can be read.
                let _ = file.take(64).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process".to_owned() } else { format!("process {holder}") };
                return Err(io::Error::new(io::ErrorKind::WouldBlock, format!("{holder} holds it")));
            }
            Err(error) => return Err(error.into()),
        }
        // Only told to people, and there may be no room for it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Box::new(MachineLock(file)))
    }

    fn usage(&self, path: &Path) -> io::Result<DiskUsage> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(DiskUsage {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bfree.saturating_mul(stat.f_frsize),
            available_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

struct TcpNetwork;

struct TcpListener(tokio::net::TcpListener);

#[async_trait::async_trait]
impl Network for TcpNetwork {
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        // An empty host means all interfaces, v6 and v4 at once where the machine has v6.
        if let Some(port) = address.strip_prefix(':') {
            return match tokio::net::TcpListener::bind(format!("[::]:{port}")).await {
                Ok(listener) => Ok(Box::new(TcpListener(listener))),
                Err(_) => Ok(Box::new(TcpListener(tokio::net::TcpListener::bind(format!("0.0.0.0:{port}")).await?))),
            };
        }
        Ok(Box::new(TcpListener(tokio::net::TcpListener::bind(address).await?)))
    }

    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn lookup(&self, address: &str) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host(address).await?.collect())
    }
}

#[async_trait::async_trait]
impl Listener for TcpListener {
    async fn accept(&self) -> io::Result<Accepted> {
        let (stream, peer) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Box::new(stream), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
