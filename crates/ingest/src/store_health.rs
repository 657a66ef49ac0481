//! Whether the object store takes writes, and the chunks that wait on the local disk until it does.
//!
//! The first failed put calls it down: from then on chunks go to the spool without asking it, and one task tries the
//! oldest of them again with growing pauses. The first that is stored calls it up. A chunk in the spool counts as
//! flushed, so that memory and log segments are freed; only its index waits until the store has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use loptr_chunk::{Chunk, Object};
use loptr_model::{ChunkRef, Nanos, TenantId};
use loptr_ports::{Priority, timeout};
use loptr_storage::{Spool, StorageError};
use loptr_wal::{Flushed, SeqRanges, flushed_record};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{IngestError, Ingester};

/// Objects of the spool that may fail in one round before it ends: one bad object must not hold up the others.
const FAILURES_PER_ROUND: usize = 3;

/// What is known of the store.
#[derive(Debug, Default)]
pub(crate) struct StoreHealth {
    /// Its last error, while it is down.
    down: Mutex<Option<Down>>,
    failures: AtomicU64,
    spooled: AtomicU64,
    waiting: Notify,
}

#[derive(Debug)]
struct Down {
    error: Arc<str>,
    since: Nanos,
    /// When a flush asks it again by itself; monotonic.
    retry_at: Nanos,
}

/// Figures of store and spool for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// Whether the last put failed.
    pub is_down: bool,
    /// Puts that failed since start.
    pub failures: u64,
    /// Chunks spooled since start.
    pub spooled: u64,
    /// Chunks that wait for the store.
    pub waiting: usize,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Calls to the store that have not returned.
    pub calls: usize,
}

impl StoreHealth {
    /// Its error, if it is down.
    pub(crate) fn error(&self) -> Option<Arc<str>> {
        self.down.lock().as_ref().map(|down| down.error.clone())
    }

    /// Whether a flush asks it: it is up, or was not asked for a while. With chunks that wait, the task that uploads them
    /// asks it.
    fn is_to_be_asked(&self, now: Nanos, pause: i64, are_waiting: bool) -> bool {
        match &mut *self.down.lock() {
            Some(down) if are_waiting || now < down.retry_at => false,
            Some(down) => {
                down.retry_at = now.saturating_add(pause);
                true
            }
            None => true,
        }
    }

    fn failed(&self, error: &IngestError, now: Nanos, pause: i64) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let error: Arc<str> = error.to_string().into();
        let mut down = self.down.lock();
        let since = match &*down {
            Some(down) => down.since,
            None => {
                tracing::error!(%error, "object store is down, chunks wait on the local disk");
                now
            }
        };
        *down = Some(Down { error, since, retry_at: now.saturating_add(pause) });
    }

    fn stored(&self, now: Nanos) {
        if let Some(down) = self.down.lock().take() {
            let lasted = std::time::Duration::from_nanos((now.0 - down.since.0).unsigned_abs());
            tracing::info!(?lasted, "object store is up again");
        }
    }
}

impl Ingester {
    pub(crate) fn store_figures(&self) -> StoreFigures {
        let (waiting, waiting_bytes) = self.bucket.spool().map_or((0, 0), |spool| spool.held());
        StoreFigures {
            is_down: self.store.error().is_some(),
            failures: self.store.failures.load(Ordering::Relaxed),
            spooled: self.store.spooled.load(Ordering::Relaxed),
            waiting,
            waiting_bytes,
            calls: self.bucket.calls(),
        }
    }

    fn flush_pause(&self) -> i64 {
        i64::try_from(self.settings.flush_backoff.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Puts a chunk object into the bucket, or into the spool when that fails. Durable when it returns.
    pub(crate) async fn store_chunk(
        &self,
        tenant: &TenantId,
        chunk: &ChunkRef,
        object: Bytes,
    ) -> Result<(), IngestError> {
        let mut failure = None;
        if self.asks_store() {
            match self.put_in_time(tenant, chunk, object.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) => failure = Some(error),
            }
        }
        let failure = |spool: String| match failure {
            Some(error) => IngestError::Spool { spool, store: error.to_string().into() },
            None => IngestError::Spool { spool, store: self.store.error().unwrap_or_else(|| "it is down".into()) },
        };
        let Some(spool) = self.bucket.spool() else { return Err(failure("there is no spool without a log".into())) };
        if let Some((used, max)) = self.disk_budget()
            && used.saturating_add(object.len() as u64) > max
        {
            return Err(failure(format!("{used} bytes of the budget loptr.wal.max_bytes of {max} bytes are taken")));
        }
        let put = spool.put(tenant, chunk, object).await;
        put.map_err(|error| failure(format!("{}: {error}", spool.dir().display())))?;
        self.store.spooled.fetch_add(1, Ordering::Relaxed);
        self.store.waiting.notify_one();
        Ok(())
    }

    /// Puts an object into the bucket within the time of a flush, and notes how that went.
    async fn put_in_time(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> Result<(), IngestError> {
        self.in_time(self.bucket.put_chunk(tenant, chunk, object)).await
    }

    /// Waits for a put as long as a flush may take, and notes how it went: a store that hangs is down like one that fails.
    pub(crate) async fn in_time<T>(
        &self,
        put: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, IngestError> {
        let (clock, limit) = (&*self.ports.clock, self.settings.flush_timeout);
        let put = match timeout(clock, limit, put).await {
            Ok(put) => put.map_err(IngestError::from),
            Err(_) => Err(IngestError::FlushTimeout { after: limit }),
        };
        match &put {
            Ok(_) => self.store.stored(clock.monotonic()),
            Err(error) => self.store.failed(error, clock.monotonic(), self.flush_pause()),
        }
        put
    }

    /// Whether the store is worth asking: it is up, or it is time to ask a store that is down again.
    pub(crate) fn asks_store(&self) -> bool {
        let are_waiting = self.bucket.spool().is_some_and(|spool| spool.held().0 > 0);
        self.store.is_to_be_asked(self.ports.clock.monotonic(), self.flush_pause(), are_waiting)
    }

    /// Bytes taken of the budget on disk, and the budget; none when there is none.
    pub(crate) fn disk_budget(&self) -> Option<(u64, u64)> {
        let log = self.log.as_ref()?;
        let max = log.settings().max_bytes;
        let spooled = self.bucket.spool().map_or(0, |spool| spool.held().1);
        (max > 0).then(|| (log.disk_bytes().saturating_add(spooled), max))
    }

    /// Why the budget refuses pushes, if it does.
    pub(crate) fn budget_refusal(&self) -> Option<String> {
        let (used, max) = self.disk_budget()?;
        if used < max {
            return None;
        }
        let why = match self.store.error() {
            Some(error) => format!("the object store fails: {error}"),
            None => "memory is being flushed".to_owned(),
        };
        Some(format!(
            "the write-ahead log and the chunks that wait for the object store take {used} bytes of the budget loptr.wal.max_bytes of {max} bytes; {why}"
        ))
    }

    /// Whether more than half of the budget is taken: then memory is flushed early, so that segments go.
    pub(crate) fn is_pressed(&self) -> bool {
        self.disk_budget().is_some_and(|(used, max)| used > max / 2)
    }

    /// Uploads what waits, oldest first. An error ends the round; what failed is tried again in the next.
    async fn upload_waiting(&self, spool: &Spool) -> Result<(), IngestError> {
        // What was flushed in the life before is known then.
        if !self.replay.knows_unshipped() {
            return Ok(());
        }
        let mut failures = 0;
        let mut last = Ok(());
        for (tenant, chunk) in spool.waiting() {
            match self.upload_one(spool, &tenant, &chunk).await {
                Ok(()) => {}
                Err(error) => {
                    failures += 1;
                    last = Err(error);
                    if failures >= FAILURES_PER_ROUND {
                        break;
                    }
                }
            }
        }
        last
    }

    /// Uploads what waits for the store, and its index; for those who are about to remove the spool.
    pub(crate) async fn upload_everything(&self) {
        let Some(spool) = self.bucket.spool().filter(|spool| spool.held().0 > 0) else { return };
        let uploaded = self.upload_waiting(spool).await;
        let shipped = self.ship_index().await;
        if let Err(error) = uploaded.and(shipped) {
            self.note_failure(&error);
        }
    }

    async fn upload_one(&self, spool: &Spool, tenant: &TenantId, chunk: &ChunkRef) -> Result<(), IngestError> {
        let spooled = |error: std::io::Error| IngestError::Waiting { dir: spool.dir().to_owned(), source: error };
        let Some(object) = spool.get(tenant, chunk).await.map_err(spooled)? else { return Ok(()) };
        let (checked, owner, expected) = (object.clone(), tenant.clone(), *chunk);
        // The bucket gets nothing that a query would have to refuse.
        let open = move || {
            let object = Object::decode_expected(checked, &owner, &expected)?;
            Ok::<_, loptr_chunk::ChunkError>((object.labels.clone(), Chunk::parse(object.memchunk)?))
        };
        let (labels, parsed) = self.ports.cpu.run(Priority::Push, open).await??;
        self.put_in_time(tenant, chunk, object).await?;
        if !self.pending.names(tenant, chunk) {
            // The life before ended between the object and its record; its lines may have come back from the log, but
            // whatever happened to that, they are not lost.
            let bytes: u64 = parsed.blocks().iter().map(|block| block.uncompressed).sum();
            let flushed = Flushed {
                tenant: tenant.clone(),
                labels,
                chunk: *chunk,
                kb: u32::try_from((bytes + 512) / 1024).unwrap_or(u32::MAX),
                entries: u32::try_from(parsed.entries()).unwrap_or(u32::MAX),
                covers: SeqRanges::default(),
                ordinal: self.pending.take_ordinal(tenant, chunk),
            };
            let segment = self.segment();
            if let Err(error) = self.log_record(|out| flushed_record(&flushed, out)).await {
                self.pending.give_up(flushed.ordinal, tenant, chunk);
                return Err(error.into());
            }
            self.pending.insert(&flushed, segment);
        }
        spool.remove(tenant, chunk).await.map_err(spooled)
    }
}

/// Uploads what waits for the store, until `stop`.
pub(crate) async fn upload_loop(ingester: Arc<Ingester>, stop: CancellationToken) {
    let Some(spool) = ingester.bucket.spool().cloned() else { return };
    let (first, last) = (ingester.settings.flush_backoff, ingester.settings.flush_backoff_max);
    let mut pause = first;
    loop {
        let is_empty = spool.held().0 == 0;
        tokio::select! {
            () = stop.cancelled() => return,
            () = ingester.store.waiting.notified(), if is_empty => continue,
            () = ingester.ports.clock.sleep(pause), if !is_empty => {}
        }
        pause = match ingester.upload_waiting(&spool).await {
            Ok(()) => first,
            Err(error) => {
                tracing::debug!(%error, "chunks still wait for the object store");
                (pause * 2).min(last.max(first))
            }
        };
    }
}
