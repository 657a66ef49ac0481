//! What the log brings back at start: entries not yet in the bucket, and chunks no uploaded index names.
//!
//! ```text
//! headers ──> start returns, pushes and queries are served
//!                │
//! pieces ──> survey: what is in the bucket, snapshots, what comes late      entries are stepped over
//!                │
//!            unshipped chunks become pending, snapshots become chunks
//!                │
//! pieces ──> route ──> workers, by stream: entries into chunks of their own ──> chunks are flushed when memory is short
//!                │
//!            replayed chunks become the open ones; old segments may go
//! ```
//!
//! It runs beside pushes, queries and flushes. Entries get the numbers they have in the log; new ones are higher. What is
//! pushed meanwhile goes into other chunks than what is replayed, so that each chunk can name its numbers. No old segment
//! goes before the end. A torn tail ends a segment quietly; damage with whole records behind it is told with its place,
//! and the records behind it are used.

mod files;
mod fill;
mod pieces;
mod progress;
mod survey;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use loptr_model::TenantId;
use loptr_ports::{PoolError, Priority, TaskError};
use loptr_wal::{Flushed, Framed, Record, WalError, flushed_record, frame};

pub(crate) use files::OldLog;
pub(crate) use progress::Progress;
pub use progress::ReplayFigures;

use files::OldSegment;
use fill::{Restored, Routed, Router, Shared, Worker, worker_of};
use pieces::{Pieces, Stopped, read_again};
use survey::{SnapshotPlace, Survey};

use crate::Ingester;

/// Flushed records logged anew at once.
const RELOGGED_AT_ONCE: usize = 1000;
/// Pause when memory is short and nothing could be flushed.
const FLUSH_AGAIN: Duration = Duration::from_secs(1);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Why the log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The disk failed.
    #[error("the write-ahead log in {path} cannot be read: {source}")]
    Disk {
        /// Segment or folder.
        path: PathBuf,
        /// The disk's words.
        source: io::Error,
    },
    /// A segment is not one this build can read.
    #[error("log segment {path}: {source}")]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: WalError,
    },
}

/// Why replay ended before its end. The old segments stay.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it was told to stop")]
    Stopped,
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Task(#[from] TaskError),
}

impl From<Stopped> for Broken {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Replays `old` beside whatever else goes on.
pub(crate) async fn replay(ingester: Arc<Ingester>, old: OldLog) {
    let started = ingester.ports.clock.monotonic();
    let (bytes, segments) = (old.record_bytes(), old.segments.len());
    tracing::info!(segments, bytes, "write-ahead log is being replayed, pushes and queries are served meanwhile");
    ingester.metrics.wal_corruptions.inc_by(old.corruptions);
    let mut replay = Replay {
        ingester: ingester.clone(),
        segments: Arc::new(old.segments),
        workers: Vec::new(),
        router: Router::default(),
        told_at: started.0,
    };
    let ended = replay.run().await;
    let workers = std::mem::take(&mut replay.workers);
    let sum = |of: fn(&Worker) -> u64| workers.iter().map(of).sum::<u64>();
    let (entries, chunks, failed) = (sum(|w| w.entries), sum(|w| w.chunks), sum(|w| w.failed));
    ingester.replay.failed(failed);
    let streams = workers.iter().map(|worker| worker.fillings.len() as u64).sum::<u64>();
    let metrics = &ingester.metrics;
    metrics.wal_replayed_entries.inc_by(entries);
    metrics.wal_recovered_chunks.inc_by(chunks);
    metrics.wal_recovered_streams.inc_by(streams);
    metrics.wal_recovered_bytes.inc_by(sum(|w| w.bytes));
    metrics.wal_duplicate_entries.inc_by(sum(|w| w.duplicates));
    let corruptions = sum(|w| w.corruptions) + ingester.replay.corruptions();
    metrics.wal_corruptions.inc_by(corruptions);
    let corruptions = corruptions + old.corruptions;
    let took = Duration::from_nanos((ingester.ports.clock.monotonic().0 - started.0).unsigned_abs());
    match ended {
        Ok(()) => {
            ingester.replay.end(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            tracing::info!(entries, streams, chunks, failed, corruptions, bytes, ?took, "write-ahead log replayed");
        }
        Err(Broken::Stopped) => {
            tracing::info!(
                entries,
                streams,
                ?took,
                "write-ahead log was not replayed to its end, the next start does it"
            );
        }
        Err(error) => {
            let why = format!("replay of the write-ahead log ended with an error: {error}");
            tracing::error!(%error, entries, streams, "write-ahead log was not replayed to its end, nothing of it is dropped; start anew");
            ingester.replay.stalled(Some(why));
        }
    }
}

struct Replay {
    ingester: Arc<Ingester>,
    segments: Arc<Vec<OldSegment>>,
    workers: Vec<Worker>,
    router: Router,
    told_at: i64,
}

impl Replay {
    async fn run(&mut self) -> Result<(), Broken> {
        let (survey, unshipped) = self.survey().await?;
        self.remember(&unshipped).await?;
        self.ingester.replay.surveyed(survey.bounds.clone());
        let workers = self.ingester.ports.cpu.parallelism().max(1);
        self.workers = (0..workers).map(|_| Worker::default()).collect();
        let now = self.ingester.ports.clock.monotonic();
        let shared = Arc::new(Shared { ingester: self.ingester.clone(), survey, now });
        let filled = self.fill(&shared).await;
        // Told to stop, too: whatever was replayed is a chunk like any other then.
        self.each_worker(move |worker| worker.finish(now)).await?;
        filled
    }

    fn pieces(&self, tells: bool) -> Pieces {
        let Ingester { ports, replay, settings, stop, .. } = &*self.ingester;
        Pieces::new(ports, replay, &self.segments, settings.replay_piece_bytes, stop, tells)
    }

    async fn survey(&self) -> Result<(Survey, Vec<Flushed>), Broken> {
        let cpu = &self.ingester.ports.cpu;
        let mut survey = Survey::new(&self.segments);
        let mut pieces = self.pieces(true);
        while let Some(piece) = pieces.next().await? {
            let take = move || {
                let end = survey.take(&piece);
                (survey, piece, end)
            };
            let (taken, piece, end) = cpu.run(Priority::Query, take).await?;
            survey = taken;
            pieces.ended(&piece, end).await?;
            tokio::task::yield_now().await;
        }
        let finish = move || {
            let unshipped = survey.finish();
            (survey, unshipped)
        };
        let (survey, unshipped) = cpu.run(Priority::Query, finish).await?;
        self.ingester.metrics.wal_corruptions.inc_by(survey.corruptions);
        Ok((survey, unshipped))
    }

    /// Names the chunks that no uploaded index names, and logs them anew. Their records were read, yet the life before
    /// may have ended between writing and syncing them: what they let us forget must not hang on such a record. If they
    /// cannot be logged, they hold the old segments.
    async fn remember(&self, unshipped: &[Flushed]) -> Result<(), Broken> {
        let oldest = self.segments.first().map_or(0, |segment| segment.number);
        for some in unshipped.chunks(RELOGGED_AT_ONCE) {
            let segment = self.ingester.segment();
            let logged = self.ingester.log_record(|out| some.iter().for_each(|flushed| flushed_record(flushed, out)));
            let segment = match logged.await {
                Ok(()) => segment,
                Err(error) => {
                    tracing::warn!(%error, "chunks without an index could not be logged anew, the old segments stay until it is shipped");
                    oldest
                }
            };
            some.iter().for_each(|flushed| self.ingester.pending.insert(flushed, segment));
        }
        Ok(())
    }

    async fn fill(&mut self, shared: &Arc<Shared>) -> Result<(), Broken> {
        self.restore(shared).await?;
        let mut pieces = self.pieces(false);
        let mut current: Option<Routed> = None;
        loop {
            // The next piece is read while the workers are at this one.
            let mut router = std::mem::take(&mut self.router);
            let tenants: Arc<[TenantId]> = router.tenants().into();
            let workers = std::mem::take(&mut self.workers);
            let count = workers.len();
            let cpu = self.ingester.ports.cpu.clone();
            let next = async {
                let Some(piece) = pieces.next().await? else { return Ok::<_, Broken>((router, None)) };
                let route = move || {
                    let routed = router.route(piece, count);
                    (router, routed)
                };
                let (router, routed) = cpu.run(Priority::Query, route).await?;
                pieces.ended(&routed.piece, routed.end).await?;
                Ok((router, Some(routed)))
            };
            let (next, applied) = futures::join!(next, self.apply(shared, workers, tenants, current.take()));
            self.workers = applied?;
            let (router, next) = next?;
            self.router = router;
            self.tell();
            self.mind_memory().await?;
            if next.is_none() {
                return Ok(());
            }
            current = next;
            tokio::task::yield_now().await;
        }
    }

    /// Has every worker replay its share.
    async fn apply(
        &self,
        shared: &Arc<Shared>,
        workers: Vec<Worker>,
        tenants: Arc<[TenantId]>,
        routed: Option<Routed>,
    ) -> Result<Vec<Worker>, Broken> {
        let Some(Routed { piece, shares, .. }) = routed else { return Ok(workers) };
        let before: u64 = self.segments[..piece.segment].iter().map(|old| old.bytes.saturating_sub(old.start)).sum();
        self.ingester.replay.done(before + piece.at.saturating_sub(self.segments[piece.segment].start));
        let jobs = workers.into_iter().zip(shares).map(|(mut worker, share)| {
            let (shared, tenants, piece) = (shared.clone(), tenants.clone(), piece.clone());
            self.ingester.ports.cpu.run(Priority::Query, move || {
                worker.apply(&shared, &tenants, &piece, &share);
                worker
            })
        });
        Ok(try_join_all(jobs).await?)
    }

    /// Makes chunks of the snapshots that are the newest of their entries. They are read one by one.
    async fn restore(&mut self, shared: &Arc<Shared>) -> Result<(), Broken> {
        let mut all: Vec<(SnapshotPlace, usize)> = Vec::new();
        for past in shared.survey.streams.values() {
            all.extend(past.snapshots.iter().cloned().zip(0..));
        }
        // Of each stream the newest first; and else as they lie.
        all.sort_by_key(|(place, rank)| (*rank, place.segment, place.at));
        for (place, _) in all {
            let segment = self.segments[place.segment].clone();
            let Ingester { ports, replay, stop, .. } = &*self.ingester;
            let bytes = read_again(ports, replay, stop, &segment.path, place.at, place.bytes).await?;
            let (mut workers, mut router) = (std::mem::take(&mut self.workers), std::mem::take(&mut self.router));
            let shared = shared.clone();
            let restore = move || {
                let restored = restore_one(&shared, &mut workers, &mut router, &segment, &bytes);
                (workers, router, restored)
            };
            let restored;
            (self.workers, self.router, restored) = ports.cpu.run(Priority::Query, restore).await?;
            if let Err(why) = restored {
                self.ingester.replay.damaged();
                let path = self.segments[place.segment].path.display();
                tracing::error!(%path, at = place.at, why, "a snapshot in the log cannot be restored, the pushes before it are used as far as they are there");
            }
            self.mind_memory().await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Has each worker do something. CPU work.
    async fn each_worker(&mut self, work: impl Fn(&mut Worker) + Clone + Send + 'static) -> Result<(), Broken> {
        let jobs = std::mem::take(&mut self.workers).into_iter().map(|mut worker| {
            let work = work.clone();
            self.ingester.ports.cpu.run(Priority::Query, move || {
                work(&mut worker);
                worker
            })
        });
        self.workers = try_join_all(jobs).await?;
        Ok(())
    }

    /// Flushes while memory is short, and waits for it.
    async fn mind_memory(&mut self) -> Result<(), Broken> {
        let limit = self.ingester.settings.replay_memory_bytes;
        let grown: i64 = self.workers.iter().map(|worker| worker.grown_bytes).sum();
        let grown = u64::try_from(grown).unwrap_or(0);
        self.ingester.replay.memory(grown, false);
        if limit == 0 || grown <= limit {
            return Ok(());
        }
        // What was flushed since is not known to the workers: look at all streams.
        loop {
            let held = self.held_bytes();
            let workers = i64::try_from(self.workers.len()).unwrap_or(i64::MAX);
            let each = i64::try_from(held).unwrap_or(i64::MAX) / workers.max(1);
            self.workers.iter_mut().for_each(|worker| worker.grown_bytes = each);
            self.ingester.replay.memory(held, held > limit);
            if held <= limit {
                return Ok(());
            }
            let closed = self.flush(held, held - limit / 2).await?;
            if self.ingester.stop.is_cancelled() {
                return Err(Broken::Stopped);
            }
            if self.held_bytes() >= held {
                tracing::warn!(
                    held_bytes = held,
                    limit_bytes = limit,
                    closed,
                    "replay waits: memory is short and chunks cannot be flushed"
                );
                self.ingester.replay.stalled(Some("memory is short and chunks cannot be flushed".to_owned()));
                tokio::select! {
                    () = self.ingester.stop.cancelled() => return Err(Broken::Stopped),
                    () = self.ingester.ports.clock.sleep(FLUSH_AGAIN) => {}
                }
            } else {
                self.ingester.replay.stalled(None);
            }
        }
    }

    /// Bytes that all chunks in memory hold.
    fn held_bytes(&self) -> u64 {
        let streams = self.ingester.tenants().into_iter().flat_map(|tenant| tenant.all());
        streams.map(|stream| stream.memory().1 as u64).sum()
    }

    /// Closes the largest chunks until `bytes` of memory are in closed ones, and flushes all that are closed.
    async fn flush(&mut self, held: u64, bytes: u64) -> Result<usize, Broken> {
        let each = usize::try_from(bytes / self.workers.len().max(1) as u64).unwrap_or(usize::MAX);
        tracing::info!(held_bytes = held, to_flush_bytes = bytes, "replay flushes chunks: memory is short");
        self.each_worker(move |worker| worker.close_largest(each)).await?;
        let mut streams = Vec::new();
        for tenant in self.ingester.tenants() {
            for stream in tenant.all().into_iter().filter(|stream| stream.next_to_flush().is_some()) {
                streams.push((tenant.clone(), stream));
            }
        }
        let closed = streams.len();
        let flushes = streams.into_iter().map(|(tenant, stream)| {
            let ingester = self.ingester.clone();
            async move { ingester.flush_stream(&tenant, &stream).await }
        });
        let at_once = self.ingester.settings.concurrent_flushes.max(1);
        stream::iter(flushes).buffer_unordered(at_once).collect::<Vec<()>>().await;
        Ok(closed)
    }

    fn tell(&mut self) {
        let now = self.ingester.ports.clock.monotonic().0;
        if now - self.told_at < i64::try_from(TELL_EVERY.as_nanos()).unwrap_or(i64::MAX) {
            return;
        }
        self.told_at = now;
        let figures = self.ingester.replay.figures();
        let entries: u64 = self.workers.iter().map(|worker| worker.entries).sum();
        tracing::info!(
            entries,
            done_bytes = figures.done_bytes,
            total_bytes = figures.total_bytes,
            memory_bytes = figures.memory_bytes,
            "write-ahead log is being replayed"
        );
    }
}

fn restore_one(
    shared: &Shared,
    workers: &mut [Worker],
    router: &mut Router,
    segment: &OldSegment,
    bytes: &[u8],
) -> Result<(), String> {
    let whole = match frame(bytes, bytes.len() as u64) {
        Framed::Whole(whole) => whole.record(segment.version),
        _ => None,
    };
    let Some(Record::Snapshot(snapshot)) = whole else { return Err("it is not the record it was".to_owned()) };
    let Some(tenant) = router.number(snapshot.tenant) else { return Err("its tenant is no tenant".to_owned()) };
    let at = worker_of(tenant, snapshot.fingerprint, workers.len());
    let restored = Restored {
        labels: snapshot.labels,
        fingerprint: snapshot.fingerprint,
        earliest: snapshot.bounds.0,
        covers: &snapshot.covers,
        is_closed: snapshot.is_closed,
        image: snapshot.chunk,
        segment: segment.number,
    };
    workers[at].restore(shared, router.tenants(), tenant, &restored).map_err(|error| error.to_string())
}

impl Ingester {
    /// Says that an answer about `range` is partial, if it may be: entries of it may still have to be replayed. Waits
    /// while replay is about to end.
    pub async fn partial(&self, tenant: &TenantId, range: loptr_model::TimeRange) -> Option<String> {
        const WAIT: Duration = Duration::from_secs(2);
        let waiting = async {
            loop {
                let changed = self.replay.changed().notified();
                match self.replay.lacks(tenant, range) {
                    Some((left, None)) if left <= self.settings.replay_soon_bytes => changed.await,
                    _ => return,
                }
            }
        };
        // Whether it ended in time is asked below.
        let _ = loptr_ports::timeout(&*self.ports.clock, WAIT, waiting).await;
        let (_, stalled) = self.replay.lacks(tenant, range)?;
        let figures = self.replay.figures();
        let percent = figures.done_bytes.saturating_mul(100).checked_div(figures.total_bytes).unwrap_or(0);
        let why = stalled.map(|why| format!(": {why}")).unwrap_or_default();
        Some(format!(
            "partial: the write-ahead log is still being replayed ({percent}% of {} bytes), entries not yet in the object store may be missing{why}",
            figures.total_bytes
        ))
    }
}

#[cfg(test)]
mod tests;
