//! Owns the log's files: appends records, syncs them in groups, starts new segments, drops old ones.
//!
//! One task writes. Whatever was handed in while it synced goes into the next group: one `fdatasync` serves them all. A
//! record is acknowledged after its sync, never before. After a failed write or sync the log refuses: it cannot know
//! what the disk holds.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loptr_ports::{Disk, DiskFile, Spawner, TaskHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Bytes handed in and not yet synced, at most: more makes pushes wait.
const QUEUE_BYTES: usize = 256 << 20;
/// Bytes written with one sync, at most.
const GROUP_BYTES: usize = 32 << 20;
const SUFFIX: &str = ".wal";

/// Where the log lies and how it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Folder of the segments.
    pub dir: PathBuf,
    /// Length at which a new segment is begun.
    pub segment_bytes: u64,
}

/// Why a record was not made durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed now or before: the log refuses until the process starts anew.
    #[error("the write-ahead log cannot be written: {reason}")]
    Failed {
        /// The disk's words.
        reason: String,
    },
    /// The log is closed.
    #[error("the write-ahead log is closed")]
    Closed,
}

struct Group {
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), LogError>>,
    _place: OwnedSemaphorePermit,
}

/// Appends records to the log; clones share it.
#[derive(Clone)]
pub struct Log {
    queue: mpsc::UnboundedSender<Group>,
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
    syncs: AtomicU64,
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

struct Open {
    file: Box<dyn DiskFile>,
    bytes: u64,
}

impl Shared {
    fn begin(&self, segment: u64, next_seq: u64) -> io::Result<Open> {
        let path = self.settings.dir.join(format!("{segment:08}{SUFFIX}"));
        let mut file = self.disk.create(&path)?;
        file.append(&loptr_wal::segment_header(segment, next_seq))?;
        file.sync()?;
        self.disk.sync_dir(&self.settings.dir)?;
        self.segment.store(segment, Ordering::SeqCst);
        Ok(Open { file, bytes: loptr_wal::HEADER_BYTES as u64 })
    }

    fn write(&self, open: &mut Open, bytes: &[u8], next_seq: &AtomicU64) -> io::Result<()> {
        if open.bytes >= self.settings.segment_bytes {
            let next = self.segment.load(Ordering::SeqCst) + 1;
            *open = self.begin(next, next_seq.load(Ordering::SeqCst))?;
        }
        open.file.append(bytes)?;
        open.file.sync()?;
        open.bytes += bytes.len() as u64;
        self.written_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Log {
    /// Begins segment `segment` and the task that writes until `stop`; `next_seq` tells the next entry's number. Blocks on
    /// the disk.
    pub fn open(
        settings: LogSettings,
        disk: Arc<dyn Disk>,
        spawner: Arc<dyn Spawner>,
        segment: u64,
        next_seq: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> io::Result<(Self, TaskHandle)> {
        disk.create_dir_all(&settings.dir)?;
        let shared = Arc::new(Shared {
            settings,
            disk,
            spawner: spawner.clone(),
            segment: AtomicU64::new(segment),
            written_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        });
        let open = shared.begin(segment, next_seq.load(Ordering::SeqCst))?;
        // Bounded by `places`, which counts bytes rather than records.
        let (queue, records) = mpsc::unbounded_channel();
        let task =
            spawner.spawn("write-ahead log", Box::pin(write_loop(shared.clone(), open, records, next_seq, stop)));
        Ok((Self { queue, places: Arc::new(Semaphore::new(QUEUE_BYTES)), shared }, task))
    }

    /// Makes framed records durable; returns once they are synced.
    pub async fn append(&self, bytes: Vec<u8>) -> Result<(), LogError> {
        let weight = u32::try_from(bytes.len().min(QUEUE_BYTES)).expect("the queue's bound fits");
        let place = self.places.clone().acquire_many_owned(weight).await.map_err(|_| LogError::Closed)?;
        let (done, synced) = oneshot::channel();
        self.queue.send(Group { bytes, done, _place: place }).map_err(|_| LogError::Closed)?;
        synced.await.map_err(|_| LogError::Closed)?
    }

    /// Number of the segment being written.
    pub fn segment(&self) -> u64 {
        self.shared.segment.load(Ordering::SeqCst)
    }

    /// Bytes written and syncs done since start.
    pub fn written(&self) -> (u64, u64) {
        (self.shared.written_bytes.load(Ordering::Relaxed), self.shared.syncs.load(Ordering::Relaxed))
    }

    /// Bytes waiting to be written.
    pub fn queued_bytes(&self) -> usize {
        QUEUE_BYTES - self.places.available_permits()
    }

    /// Removes the segments before `keep_from`; nothing in them is needed any more.
    pub async fn drop_before(&self, keep_from: u64) -> io::Result<usize> {
        let shared = self.shared.clone();
        let work = move || {
            let keep_from = keep_from.min(shared.segment.load(Ordering::SeqCst));
            let mut dropped = 0;
            for (_, path) in segments(&*shared.disk, &shared.settings.dir)?.iter().filter(|(n, _)| *n < keep_from) {
                shared.disk.remove(path)?;
                dropped += 1;
            }
            if dropped > 0 {
                shared.disk.sync_dir(&shared.settings.dir)?;
            }
            Ok(dropped)
        };
        self.shared.spawner.run_blocking("log truncation", work).await.map_err(io::Error::other)?
    }
}

/// Writes groups until `stop`, and then what was handed in before.
async fn write_loop(
    shared: Arc<Shared>,
    open: Open,
    mut records: mpsc::UnboundedReceiver<Group>,
    next_seq: Arc<AtomicU64>,
    stop: CancellationToken,
) {
    let mut open = Some(open);
    let mut failure: Option<LogError> = None;
    loop {
        let next = tokio::select! {
            next = records.recv() => next,
            () = stop.cancelled(), if !records.is_closed() => {
                records.close();
                continue;
            }
        };
        let Some(first) = next else { return };
        let mut bytes = first.bytes;
        let mut waiting = vec![(first.done, first._place)];
        while bytes.len() < GROUP_BYTES {
            let Ok(next) = records.try_recv() else { break };
            bytes.extend_from_slice(&next.bytes);
            waiting.push((next.done, next._place));
        }
        if failure.is_none()
            && let Some(mut file) = open.take()
        {
            let (writer, next_seq) = (shared.clone(), next_seq.clone());
            let work = move || {
                let written = writer.write(&mut file, &bytes, &next_seq);
                (file, written)
            };
            let failed = match shared.spawner.run_blocking("log write", work).await {
                Ok((file, Ok(()))) => {
                    open = Some(file);
                    None
                }
                Ok((_, Err(error))) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(reason) = failed {
                tracing::error!(%reason, "write-ahead log failed, pushes are refused from now on");
                failure = Some(LogError::Failed { reason });
            }
        }
        for (done, _place) in waiting {
            // Who went away needs no answer.
            let _ = done.send(failure.clone().map_or(Ok(()), Err));
        }
    }
}
