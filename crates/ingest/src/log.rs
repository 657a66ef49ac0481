//! Owns the log's files: appends records, syncs them in groups, starts new segments, drops old ones, and heals.
//!
//! One task writes. Whatever was handed in while it synced goes into the next group: one `fdatasync` serves them all. A
//! record is acknowledged after its sync, never before (but see [`SyncPolicy::Interval`]).
//!
//! ```text
//!            ENOSPC, or the volume fuller than the threshold
//!   Writing ------------------------------------------------> Full         records go on in the reserve's room
//!      ^  \-- a write or a new segment fails ---------------> WriteFailed   the torn segment stays, a new one is tried
//!      |   \- a sync fails ---------------------------------> SyncFailed    waits until nothing hangs on the old files
//!      +---- room, a probe that syncs, or [`Log::begin_anew`]
//! ```
//!
//! Outside `Writing` pushes are refused before they touch memory ([`Log::refusal`]). Nothing is ever read back to find
//! out what a failed call has done: a segment with a failed write is left as it is and never written again.

mod reserve;
mod state;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loptr_model::Nanos;
use loptr_ports::{Disk, Ports, Spawner, TaskHandle};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use reserve::give_up as give_up_reserve;
pub use state::LogState;

use state::Health;
use writer::{Writer, write_loop};

/// Bytes handed in and not yet synced, at most: more makes pushes wait.
const QUEUE_BYTES: usize = 256 << 20;
const SUFFIX: &str = ".wal";

/// When what was appended is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before it is acknowledged.
    Always,
    /// At most this long after: a power cut can take what was acknowledged in that time. Records of chunks and index
    /// files are synced at once nevertheless: log segments are dropped on their word.
    Interval(Duration),
}

/// Where the log lies, how it is cut, and how much of the disk it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    /// Folder of the segments.
    pub dir: PathBuf,
    /// Length at which a new segment is begun.
    pub segment_bytes: u64,
    /// When pushes are synced.
    pub sync: SyncPolicy,
    /// Bytes on disk of the log and of what waits for the object store; 0: no limit.
    pub max_bytes: u64,
    /// Bytes kept back for a full disk; 0: none.
    pub reserve_bytes: u64,
    /// Share of the volume in use from which on pushes are refused; 0: they never are for this.
    pub disk_full_threshold: f64,
}

impl LogSettings {
    /// A log in `dir` that syncs always and has neither limits nor a reserve.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 128 << 20,
            sync: SyncPolicy::Always,
            max_bytes: 0,
            reserve_bytes: 0,
            disk_full_threshold: 0.0,
        }
    }
}

/// Why a record was not made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed; the log goes on when it can.
    #[error("the write-ahead log cannot be written: {reason}")]
    Failed {
        /// The disk's words.
        reason: Arc<str>,
    },
    /// There is no room.
    #[error("the write-ahead log has no room: {reason}")]
    Full {
        /// What is full.
        reason: Arc<str>,
    },
    /// The log is closed.
    #[error("the write-ahead log is closed")]
    Closed,
}

/// Framed bytes that wait to be written.
struct Item {
    bytes: Vec<u8>,
    /// A push is refused where a record of the log's own is still written.
    is_push: bool,
    done: oneshot::Sender<Result<(), LogError>>,
    _place: OwnedSemaphorePermit,
}

enum Order {
    Write(Item),
    /// Nothing hangs on the old segments any more.
    BeginAnew(oneshot::Sender<io::Result<()>>),
}

/// Appends records to the log; clones share it.
#[derive(Clone)]
pub struct Log {
    queue: mpsc::UnboundedSender<Order>,
    places: Arc<Semaphore>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

struct Shared {
    settings: LogSettings,
    disk: Arc<dyn Disk>,
    spawner: Arc<dyn Spawner>,
    segment: AtomicU64,
    written_bytes: AtomicU64,
    records: AtomicU64,
    syncs: AtomicU64,
    /// Lengths of the segments on disk.
    lengths: Mutex<BTreeMap<u64, u64>>,
    health: Health,
}

/// Figures of the log for gauges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogFigures {
    /// Bytes waiting to be written.
    pub queued_bytes: usize,
    /// Bytes written since start.
    pub written_bytes: u64,
    /// Records and pushes written since start.
    pub records: u64,
    /// Syncs since start.
    pub syncs: u64,
    /// Bytes of the segments on disk.
    pub disk_bytes: u64,
    /// Budget on disk; 0: none.
    pub max_bytes: u64,
    /// Bytes the reserve holds now.
    pub reserve_bytes: u64,
    /// Share of the volume that is in use.
    pub disk_used: f64,
    /// State.
    pub state: LogState,
    /// Failed writes, syncs, and times the disk was full, since start.
    pub failures: [u64; 3],
}

/// Segments in `dir`, oldest first; none if there is no such folder.
pub(crate) fn segments(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.parse::<u64>().ok();
    let files = entries.into_iter().filter(|(_, is_dir)| !is_dir);
    let mut found: Vec<(u64, PathBuf)> = files.filter_map(|(path, _)| Some((number(&path)?, path))).collect();
    found.sort();
    Ok(found)
}

impl Log {
    /// Begins segment `segment` and the task that writes until `stop`; `next_seq` tells the next entry's number. Blocks
    /// on the disk. On a full disk the log is there and refuses until there is room.
    pub fn open(
        settings: LogSettings,
        ports: &Ports,
        segment: u64,
        next_seq: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> io::Result<(Self, TaskHandle)> {
        ports.disk.create_dir_all(&settings.dir)?;
        let found = segments(&*ports.disk, &settings.dir)?;
        let lengths = found.iter().map(|(number, path)| Ok((*number, ports.disk.stat(path)?.0)));
        let lengths = lengths.collect::<io::Result<BTreeMap<u64, u64>>>()?;
        let shared = Arc::new(Shared {
            settings,
            disk: ports.disk.clone(),
            spawner: ports.spawner.clone(),
            segment: AtomicU64::new(segment),
            written_bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            lengths: Mutex::new(lengths),
            health: Health::default(),
        });
        let writer = Writer::begin(shared.clone(), ports.clock.clone(), segment, next_seq)?;
        // Bounded by `places`, which counts bytes rather than records.
        let (queue, orders) = mpsc::unbounded_channel();
        let task = ports.spawner.spawn("write-ahead log", Box::pin(write_loop(writer, orders, stop)));
        Ok((Self { queue, places: Arc::new(Semaphore::new(QUEUE_BYTES)), shared }, task))
    }

    /// Makes framed records of the log's own durable; returns once they are synced.
    pub async fn append(&self, bytes: Vec<u8>) -> Result<(), LogError> {
        self.hand_in(bytes, false).await
    }

    /// Makes a push durable as the settings say; refused while the log is in trouble.
    pub async fn append_push(&self, bytes: Vec<u8>) -> Result<(), LogError> {
        self.hand_in(bytes, true).await
    }

    async fn hand_in(&self, bytes: Vec<u8>, is_push: bool) -> Result<(), LogError> {
        let weight = u32::try_from(bytes.len().min(QUEUE_BYTES)).expect("the queue's bound fits");
        let place = self.places.clone().acquire_many_owned(weight).await.map_err(|_| LogError::Closed)?;
        let (done, synced) = oneshot::channel();
        let item = Item { bytes, is_push, done, _place: place };
        self.queue.send(Order::Write(item)).map_err(|_| LogError::Closed)?;
        synced.await.map_err(|_| LogError::Closed)?
    }

    /// Begins a new segment after a failure that only this heals. Whoever calls it has made sure that everything
    /// acknowledged lies in the bucket and is named by its index: the old segments are removed.
    pub async fn begin_anew(&self) -> Result<(), LogError> {
        let (done, begun) = oneshot::channel();
        self.queue.send(Order::BeginAnew(done)).map_err(|_| LogError::Closed)?;
        let begun = begun.await.map_err(|_| LogError::Closed)?;
        begun.map_err(|error| LogError::Failed { reason: error.to_string().into() })
    }

    /// Why pushes are refused now, if they are.
    pub fn refusal(&self) -> Option<LogError> {
        self.shared.health.refusal()
    }

    /// Its state.
    pub fn state(&self) -> LogState {
        self.shared.health.state()
    }

    /// Whether records can be written now.
    pub fn can_write(&self) -> bool {
        self.shared.health.can_write()
    }

    /// Whether the pause after the last failure is over at `now` (monotonic).
    pub fn may_begin_anew(&self, now: Nanos) -> bool {
        now.0 >= self.shared.health.retry_at.load(Ordering::Relaxed)
    }

    /// Told whenever the state changes.
    pub fn changed(&self) -> &Notify {
        self.shared.health.changed()
    }

    /// Number of the segment being written.
    pub fn segment(&self) -> u64 {
        self.shared.segment.load(Ordering::SeqCst)
    }

    /// Bytes of the segments on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.shared.disk_bytes()
    }

    /// Its settings.
    pub fn settings(&self) -> &LogSettings {
        &self.shared.settings
    }

    /// Figures for gauges.
    pub fn figures(&self) -> LogFigures {
        let (shared, health) = (&self.shared, &self.shared.health);
        LogFigures {
            queued_bytes: QUEUE_BYTES - self.places.available_permits(),
            written_bytes: shared.written_bytes.load(Ordering::Relaxed),
            records: shared.records.load(Ordering::Relaxed),
            syncs: shared.syncs.load(Ordering::Relaxed),
            disk_bytes: shared.disk_bytes(),
            max_bytes: shared.settings.max_bytes,
            reserve_bytes: health.reserve_bytes.load(Ordering::Relaxed),
            disk_used: f64::from_bits(health.disk_used.load(Ordering::Relaxed)),
            state: health.state(),
            failures: health.failures(),
        }
    }

    /// Removes the segments before `keep_from`; nothing in them is needed any more.
    pub async fn drop_before(&self, keep_from: u64) -> io::Result<usize> {
        let shared = self.shared.clone();
        let work = move || {
            let keep_from = keep_from.min(shared.segment.load(Ordering::SeqCst));
            shared.remove_before(keep_from)
        };
        self.shared.spawner.run_blocking("log truncation", work).await.map_err(io::Error::other)?
    }
}

impl Shared {
    fn disk_bytes(&self) -> u64 {
        self.lengths.lock().values().sum()
    }

    fn remove_before(&self, keep_from: u64) -> io::Result<usize> {
        let mut dropped = 0;
        for (number, path) in segments(&*self.disk, &self.settings.dir)?.iter().filter(|(n, _)| *n < keep_from) {
            self.disk.remove(path)?;
            self.lengths.lock().remove(number);
            dropped += 1;
        }
        // Not synced: segments that come back with a power cut are replayed, found to be in the bucket, and go again.
        Ok(dropped)
    }
}
