//! How the process will stop: what it was asked to do with what is in memory, and the marker that keeps the wish over a
//! restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use loptr_ports::{Disk, Ports};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Upstream's name of the marker.
const MARKER: &str = "shutdown-requested.txt";

/// What was asked so far.
#[derive(Debug)]
pub(crate) struct Shutdown {
    marker: Option<PathBuf>,
    /// Whether to flush at the stop, if someone has said so.
    flush: Mutex<Option<bool>>,
    prepared: AtomicBool,
    /// Whether the write path has been stopped, or is being.
    pub(crate) is_stopping: AtomicBool,
    /// Cancelled when the process is asked to end.
    pub(crate) terminate: CancellationToken,
}

impl Shutdown {
    /// With markers in `folder`; a marker that is there counts. Blocks on the disk.
    pub(crate) fn new(disk: &dyn Disk, folder: Option<&Path>) -> Self {
        let marker = folder.map(|folder| folder.join(MARKER));
        let prepared = marker.as_ref().is_some_and(|marker| disk.stat(marker).is_ok());
        if let (true, Some(marker)) = (prepared, &marker) {
            tracing::info!(path = %marker.display(), "shutdown marker found, everything will be flushed at the stop");
        }
        Self {
            marker,
            flush: Mutex::new(None),
            prepared: AtomicBool::new(prepared),
            is_stopping: AtomicBool::new(false),
            terminate: CancellationToken::new(),
        }
    }

    /// Whether a marker can be set at all.
    pub(crate) fn has_marker(&self) -> bool {
        self.marker.is_some()
    }

    pub(crate) fn is_prepared(&self) -> bool {
        self.prepared.load(Ordering::SeqCst)
    }

    /// Sets or removes the marker, durably.
    pub(crate) async fn prepare(&self, ports: &Ports, wanted: bool) -> io::Result<()> {
        let Some(marker) = self.marker.clone() else { return Err(io::ErrorKind::NotFound.into()) };
        let (disk, now) = (ports.disk.clone(), ports.clock.now());
        let change = move || {
            if wanted {
                let mut text = String::new();
                loptr_wire::go::format_rfc3339_nanos(now.0 / 1_000_000_000 * 1_000_000_000, &mut text);
                return disk.write_atomic(&marker, text.as_bytes());
            }
            match disk.remove(&marker) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(()) => disk.sync_dir(marker.parent().unwrap_or(Path::new("."))),
            }
        };
        ports.spawner.run_blocking("shutdown marker", change).await.map_err(io::Error::other)??;
        self.prepared.store(wanted, Ordering::SeqCst);
        Ok(())
    }

    /// Says what the stop does with what is in memory.
    pub(crate) fn set_flush(&self, flush: bool) {
        *self.flush.lock() = Some(flush);
    }

    /// Whether to flush at the stop; `None`: as the settings say.
    pub(crate) fn flush(&self) -> Option<bool> {
        self.flush.lock().or(self.is_prepared().then_some(true))
    }
}
