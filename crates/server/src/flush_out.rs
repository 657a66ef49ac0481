//! `loptr flush-out`: everything into the bucket, and a folder on which upstream starts with nothing missing.
//!
//! As at a start, files of upstream are taken over and our log is replayed; then all of memory is flushed and its index
//! uploaded. Only when nothing is left is our log removed. Upstream's uploader name stays: the next index files are its
//! own again.

use std::time::Duration;

use loptr_ingest::{Ingester, LeftBehind, TakeoverMetrics, remove_log, take_over};
use loptr_ports::Ports;
use loptr_storage::OWN_PREFIX;

use crate::app::{Folders, StartError, open_folders};
use crate::settings::Settings;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Why the folder was not handed back. Nothing of the log was removed.
#[derive(Debug, thiserror::Error)]
pub enum FlushOutError {
    /// It could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something did not get into the bucket.
    #[error("not flushed out: {0}")]
    LeftBehind(#[from] LeftBehind),
    /// Everything lies in the bucket, and the log could not be removed.
    #[error("everything lies in the bucket, but the log in {dir} cannot be removed: {source}")]
    Remove {
        /// The log's folder.
        dir: String,
        /// The disk's words.
        source: std::io::Error,
    },
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub what: &'static str,
    /// How much of `of` is done.
    pub done: u64,
    /// The whole; 0 if not known.
    pub of: u64,
}

/// Does it; `tell` is called now and then.
pub async fn flush_out(
    ports: Ports,
    mut settings: Settings,
    host: &str,
    tell: impl Fn(Progress),
) -> Result<(), FlushOutError> {
    let (opening, host) = ((ports.clone(), settings.clone()), host.to_owned());
    let open = move || open_folders(&opening.0, &opening.1, &host);
    let folders = ports.spawner.run_blocking("open folders", open).await.map_err(StartError::from)?;
    // The lock is kept to the end.
    let Folders { lock: _lock, bucket, index, uploader, .. } = folders?;
    settings.ingest.uploader = uploader;
    let metrics = TakeoverMetrics::default();
    let taking = take_over(&ports, &settings.takeover, &settings.ingest, &bucket, &metrics);
    let taken =
        || Progress { what: "taking over files of Loki", done: metrics.read_bytes.get(), of: metrics.bytes.get() };
    while_telling(&ports, &tell, taken, taking).await.map_err(StartError::from)?;
    let starting = Ingester::start(ports.clone(), settings.ingest.clone(), bucket, index);
    let started = || Progress { what: "opening the log", done: 0, of: 0 };
    let ingester = while_telling(&ports, &tell, started, starting).await.map_err(StartError::from)?;
    let replayed = || {
        let figures = ingester.figures().replay;
        Progress { what: "replaying the log", done: figures.done_bytes, of: figures.total_bytes }
    };
    // Told again by the flush, should it fail.
    let _ = while_telling(&ports, &tell, replayed, ingester.replayed()).await;
    let all = ingester.figures().chunks as u64;
    let flushed = || {
        let left = ingester.figures().chunks as u64;
        Progress { what: "flushing chunks", done: all.saturating_sub(left), of: all }
    };
    let done = while_telling(&ports, &tell, flushed, ingester.flush_out()).await;
    ingester.stop(None).await;
    done?;
    let (disk, log) = (ports.disk.clone(), settings.ingest.log.clone());
    let own = settings.chunks_dir.join(OWN_PREFIX);
    let remove = move || {
        if let Some(log) = &log {
            remove_log(&*disk, &log.dir)
                .map_err(|source| FlushOutError::Remove { dir: log.dir.display().to_string(), source })?;
        }
        // Empty by now; were it not, it would be no harm: upstream does not look there.
        let _ = disk.remove_dir(&own.join("tmp")).and_then(|()| disk.remove_dir(&own));
        Ok::<_, FlushOutError>(())
    };
    ports.spawner.run_blocking("removal of the log", remove).await.map_err(StartError::from)??;
    tracing::info!("flushed out: everything lies in the object store, Loki can be started on this folder");
    Ok(())
}

/// Does `work`, and tells how far it is meanwhile.
async fn while_telling<T>(
    ports: &Ports,
    tell: &impl Fn(Progress),
    progress: impl Fn() -> Progress,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                tell(progress());
                return done;
            }
            () = ports.clock.sleep(TELL_EVERY) => tell(progress()),
        }
    }
}
