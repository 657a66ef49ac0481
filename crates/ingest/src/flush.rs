//! From memory to the bucket: closing chunks that are due, writing them, shipping their index, dropping the log behind.
//!
//! Order is what makes it safe. The object is durable before its `Flushed` record, the record before the chunk leaves
//! memory, the index before its `Shipped` record, and a log segment goes only when nothing in it is needed. A query
//! looks at memory, then at the pending chunks, then at the bucket's index, so whatever moves while it looks is seen at
//! least once; seen twice, it is one chunk by its reference or equal entries to the merger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use loptr_model::{ChunkRef, Nanos, TenantId};
use loptr_ports::Priority;
use loptr_storage::{IndexOperation, TableBuilder, TableId};
use loptr_wal::{Flushed, flushed_record, shipped_record};
use tokio_util::sync::CancellationToken;

use crate::log::{LogError, LogState};
use crate::metrics::{FlushedChunk, TenantLabel};
use crate::stream::{ClosedChunk, Stream};
use crate::tenant::Tenant;
use crate::{IngestError, Ingester};

/// Records written again at once, at most.
const RECORDS_AGAIN: usize = 10_000;
/// Longest time between sweeps while the log is in trouble.
const TROUBLED_PAUSE: Duration = Duration::from_secs(5);
/// Longest time between sweeps while chunks hold more memory than they may.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// Which chunks a sweep closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sweep {
    /// Idle and old ones.
    Due,
    /// Those and the ones that hold back the older half of the log.
    Pressed,
    /// All.
    Everything,
}

/// Sweeps, ships and drops until `stop`.
///
/// While the log is full or its sync failed, everything is flushed and shipped, at once and again and again: pushes are
/// refused then, and what lies in the bucket lets segments go, which makes room and heals a log whose sync failed. A sweep
/// begins early, too, when closed chunks hold much, or all chunks more memory than they may.
pub(crate) async fn flush_loop(ingester: Arc<Ingester>, stop: CancellationToken) {
    let clock = ingester.ports.clock.clone();
    let mut shipped_at = clock.monotonic();
    // Memory holds too much after a sweep: flushing fails, or is slower than the pushes.
    let mut is_short = false;
    loop {
        let is_troubled = ingester.wants_empty_memory();
        let mut pause = ingester.settings.flush_check;
        if is_troubled || ingester.is_pressed() {
            pause = pause.min(TROUBLED_PAUSE);
        }
        if is_short {
            pause = pause.min(SHORT_PAUSE);
        }
        let everything = tokio::select! {
            () = stop.cancelled() => return,
            () = ingester.flush_asked.notified() => true,
            () = ingester.log_changed() => ingester.wants_empty_memory(),
            () = ingester.memory.passed(), if !is_short => false,
            () = clock.sleep(pause) => is_troubled,
        };
        let is_pressed = ingester.is_pressed();
        let sweep = match (everything, is_pressed) {
            (true, _) => Sweep::Everything,
            (false, true) => Sweep::Pressed,
            (false, false) => Sweep::Due,
        };
        let due = Duration::from_nanos(clock.monotonic().0.saturating_sub(shipped_at.0).unsigned_abs());
        let ship = everything || is_pressed || due >= ingester.settings.ship_every;
        if ship {
            shipped_at = clock.monotonic();
        }
        ingester.sweep(sweep, ship).await;
        is_short = ingester.memory.wants_sweep();
    }
}

impl Ingester {
    /// One round. Failures are logged and found again by the next round.
    pub(crate) async fn sweep(self: &Arc<Self>, sweep: Sweep, ship: bool) {
        let now = self.ports.clock.monotonic();
        let mut streams: Vec<(Arc<Tenant>, Arc<Stream>)> = Vec::new();
        let cut = if sweep == Sweep::Pressed { self.middle_of_log() } else { None };
        for tenant in self.tenants() {
            for stream in tenant.all() {
                let holds_back = cut.is_some_and(|cut| stream.first_segment().is_some_and(|first| first <= cut));
                stream.close_due(now, &self.settings, sweep == Sweep::Everything || holds_back);
                streams.push((tenant.clone(), stream));
            }
        }
        if let Some(excess) = self.memory.excess() {
            self.close_heaviest(&streams, excess);
        }
        let waiting = streams.iter().filter(|(_, stream)| stream.next_to_flush().is_some());
        let waiting: Vec<_> = waiting.cloned().collect();
        self.metrics.flush_queue.inc_by(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        let flushes = waiting.into_iter().map(|(tenant, stream)| {
            let this = self.clone();
            async move {
                this.flush_stream(&tenant, &stream).await;
                this.metrics.flush_queue.dec();
            }
        });
        stream::iter(flushes).buffer_unordered(self.settings.concurrent_flushes.max(1)).collect::<Vec<()>>().await;
        for (tenant, stream) in streams {
            if stream.first_segment().is_none() && tenant.retire(&stream) {
                let label = TenantLabel { tenant: tenant.id.to_string() };
                self.metrics.streams_removed.get_or_create(&label).inc();
            }
        }
        if ship && let Err(error) = self.ship_index().await {
            self.note_failure(&error);
            // That it is down was told when it went down.
            if matches!(error, IngestError::StoreDown { .. }) {
                tracing::debug!(%error, "index was not shipped, trying again later");
            } else {
                tracing::error!(%error, "index was not shipped, trying again later");
            }
        }
        let keep = i64::try_from(self.settings.keep_shipped.as_nanos()).unwrap_or(i64::MAX);
        self.pending.forget_shipped(Nanos(now.0 - keep));
        self.drop_log().await;
        self.heal_log().await;
        let tenants = self.tenants.read().clone();
        let lives = |id: &str| {
            let id = TenantId::parse(id).ok();
            id.and_then(|id| tenants.get(&id)).is_some_and(|tenant| !tenant.is_empty())
        };
        self.metrics.retire(now, lives);
    }

    /// The segment in the middle between the oldest that memory needs and the one being written.
    fn middle_of_log(&self) -> Option<u64> {
        let tenants = self.tenants();
        let first = tenants.iter().flat_map(|tenant| tenant.all()).filter_map(|stream| stream.first_segment()).min()?;
        Some(first + (self.segment().saturating_sub(first)) / 2)
    }

    /// Whether flushing everything helps the log. A failed write needs only another segment.
    fn wants_empty_memory(&self) -> bool {
        self.log.as_ref().is_some_and(|log| matches!(log.state(), LogState::Full | LogState::SyncFailed))
    }

    /// Completes when the log's state has changed.
    async fn log_changed(&self) {
        match &self.log {
            Some(log) => log.changed().notified().await,
            None => std::future::pending().await,
        }
    }

    /// Begins the log anew when records cannot be written and nothing hangs on the old segments any more: memory is
    /// empty and the old log replayed, every chunk is named by an uploaded index, no push waits for its sync.
    async fn heal_log(&self) {
        let Some(log) = &self.log else { return };
        if self.replay.needs_old_segments() {
            return;
        }
        let in_memory = || self.tenants().iter().any(|tenant| !tenant.is_empty());
        let is_waiting = || self.pushes_in_flight.oldest().is_some() || self.pending.first_segment().is_some();
        if !self.is_draining() || !log.may_begin_anew(self.ports.clock.monotonic()) || in_memory() || is_waiting() {
            return;
        }
        match log.begin_anew().await {
            Ok(()) => tracing::info!("everything acknowledged lies in the bucket, the write-ahead log began anew"),
            Err(error) => tracing::warn!(%error, "write-ahead log could not begin anew, trying again"),
        }
    }

    /// Flushes a stream's closed chunks, oldest first; stops at the first that fails.
    pub(crate) async fn flush_stream(self: &Arc<Self>, tenant: &Arc<Tenant>, stream: &Arc<Stream>) {
        while let Some(chunk) = stream.next_to_flush() {
            if let Err(error) = self.flush_chunk(tenant, stream, &chunk).await {
                self.metrics.flush_failures.inc();
                self.note_failure(&error);
                // What keeps all of them from being flushed is told once, where it began.
                if self.store.error().is_some() || self.refusal().is_some() {
                    tracing::debug!(tenant = %tenant.id, stream = %stream.labels, %error, "chunk was not flushed, trying again later");
                } else {
                    tracing::error!(tenant = %tenant.id, stream = %stream.labels, %error, "chunk was not flushed, trying again later");
                }
                return;
            }
        }
    }

    async fn flush_chunk(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        stream: &Arc<Stream>,
        chunk: &Arc<ClosedChunk>,
    ) -> Result<(), IngestError> {
        let (id, labels, fingerprint) = (tenant.id.clone(), stream.labels.clone(), stream.fingerprint);
        let contents = chunk.clone();
        let sealed = self.ports.cpu.run(Priority::Push, move || seal(&id, labels, fingerprint, &contents)).await??;
        let Some(SealedObject { reference, object, kb, entries }) = sealed else {
            stream.flushed(chunk);
            return Ok(());
        };
        let object_bytes = object.len();
        self.store_chunk(&tenant.id, &reference, object).await?;
        let ordinal = self.pending.take_ordinal(&tenant.id, &reference);
        let flushed = Flushed {
            tenant: tenant.id.clone(),
            labels: stream.labels.clone(),
            chunk: reference,
            kb,
            entries,
            covers: chunk.covers.clone(),
            ordinal,
        };
        let mut segment = self.segment();
        if let Err(error) = self.log_record(|out| flushed_record(&flushed, out)).await {
            if !self.is_draining() {
                self.pending.give_up(ordinal, &tenant.id, &reference);
                return Err(error.into());
            }
            // Without a record, the pushes themselves are needed until the index names the chunk.
            segment = chunk.first_segment.get();
        }
        // Named by memory before it leaves memory: no query looks in between.
        let began = self.ports.clock.monotonic();
        self.pending.insert(&flushed, segment);
        self.index.asked(IndexOperation::IndexChunk, reference.through, began, false);
        stream.flushed(chunk);
        let (oldest, newest) = chunk.chunk.bounds().unwrap_or_default();
        let told = FlushedChunk {
            reason: chunk.reason,
            bytes: object_bytes,
            entries,
            utilization: chunk.chunk.utilization(),
            oldest,
            newest,
            tables: self.bucket.schema().tables_of(reference.from, reference.through).len(),
            now: self.ports.clock.now(),
        };
        self.metrics.chunk_flushed(&tenant.id, &told);
        Ok(())
    }

    /// Uploads one index file per table that the unshipped chunks touch.
    pub(crate) async fn ship_index(&self) -> Result<(), IngestError> {
        let _one_at_a_time = self.shipping.lock().await;
        // Its record would name chunks of the life before as well, which are not all known yet.
        if !self.replay.knows_unshipped() {
            return Ok(());
        }
        let unshipped = self.pending.unshipped(|tenant, chunk| self.waits(tenant, chunk));
        let Some(ordinal_through) = unshipped.ordinal_through else { return Ok(()) };
        // A store that is down, or hangs, must not keep chunks from the spool.
        if !self.asks_store() {
            return Err(IngestError::StoreDown { error: self.store.error().unwrap_or_else(|| "it is down".into()) });
        }
        let mut tables: BTreeMap<TableId, Vec<usize>> = BTreeMap::new();
        for (at, (_, _, _, meta)) in unshipped.chunks.iter().enumerate() {
            for table in self.bucket.schema().tables_of(meta.min, meta.max) {
                tables.entry(table).or_default().push(at);
            }
        }
        for (table, chunks) in &tables {
            let schema = self.bucket.schema();
            let mut builder = TableBuilder::new(schema, table);
            for &at in chunks {
                let (tenant, labels, fingerprint, meta) = &unshipped.chunks[at];
                builder.add(schema, tenant, labels, *fingerprint, *meta);
            }
            self.upload(table, builder).await?;
        }
        self.pending.shipped(&unshipped, self.ports.clock.monotonic());
        for table in tables.keys() {
            self.index.forget(table);
        }
        self.metrics.index_uploads.inc_by(tables.len() as u64);
        match self.log_record(|out| shipped_record(ordinal_through, out)).await {
            Err(error) if !self.is_draining() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Puts the file under a name never used before: names of index files are immutable.
    async fn upload(&self, table: &TableId, builder: TableBuilder) -> Result<(), IngestError> {
        let names = builder.names();
        let object = self.ports.cpu.run(Priority::Push, move || builder.build()).await??;
        let mut unix_secs = self.ports.clock.now().0.div_euclid(Nanos::PER_SEC);
        loop {
            unix_secs = unix_secs.max(self.last_upload_secs.load(Ordering::Relaxed) + 1);
            self.last_upload_secs.store(unix_secs, Ordering::Relaxed);
            let name = names(unix_secs, &self.settings.uploader);
            if self.in_time(self.bucket.put_index(table, &name, object.clone())).await? {
                return Ok(());
            }
        }
    }

    /// Whether chunks leave memory without a record: the log cannot be written, and only an empty memory heals it. After
    /// a crash the old segments bring the same lines back, whose chunks then are doubles.
    fn is_draining(&self) -> bool {
        self.wants_empty_memory() && self.log.as_ref().is_some_and(|log| !log.can_write())
    }

    /// Removes the log segments that nothing needs. What was flushed without a record needs them until the log begins
    /// anew.
    async fn drop_log(&self) {
        let Some(log) = &self.log else { return };
        // Until its end, replay needs all of them.
        if self.replay.needs_old_segments() || !log.can_write() {
            return;
        }
        let mut keep_from = log.segment();
        for tenant in self.tenants() {
            for stream in tenant.all() {
                keep_from = stream.first_segment().map_or(keep_from, |first| first.min(keep_from));
            }
        }
        keep_from = self.pushes_in_flight.oldest().map_or(keep_from, |first| first.min(keep_from));
        self.log_pending_again(keep_from).await;
        keep_from = self.pending.first_segment().map_or(keep_from, |first| first.min(keep_from));
        if let Err(error) = log.drop_before(keep_from).await {
            tracing::warn!(%error, "log segments that are no longer needed could not be removed");
        }
    }

    pub(crate) fn waits(&self, tenant: &TenantId, chunk: &ChunkRef) -> bool {
        self.bucket.spool().is_some_and(|spool| spool.holds(tenant, chunk))
    }

    /// While the store is down or the budget short, records of chunks that wait for their index must not hold segments
    /// back that nothing else needs: they are written again.
    async fn log_pending_again(&self, before: u64) {
        if self.store.error().is_none() && !self.is_pressed() {
            return;
        }
        let segment = self.segment();
        let records = self.pending.records_before(before.min(segment), RECORDS_AGAIN);
        if records.is_empty() {
            return;
        }
        match self.log_record(|out| records.iter().for_each(|record| flushed_record(record, out))).await {
            Ok(()) => self.pending.logged_again(&records, segment),
            Err(error) => tracing::debug!(%error, "records of chunks that wait could not be written again"),
        }
    }

    pub(crate) async fn log_record(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), LogError> {
        let Some(log) = &self.log else { return Ok(()) };
        let mut bytes = Vec::new();
        write(&mut bytes);
        log.append(bytes).await
    }
}

struct SealedObject {
    reference: ChunkRef,
    object: Bytes,
    kb: u32,
    entries: u32,
}

/// Encodes the chunk and its envelope. `None`: it holds nothing.
fn seal(
    tenant: &loptr_model::TenantId,
    labels: loptr_model::Labels,
    fingerprint: loptr_model::Fingerprint,
    chunk: &ClosedChunk,
) -> Result<Option<SealedObject>, IngestError> {
    let sealed = chunk.chunk.encode()?;
    let Some((reference, object)) = sealed.to_object(tenant, &labels, fingerprint)? else { return Ok(None) };
    // Round half away from zero, as upstream does.
    let kb = u32::try_from((sealed.uncompressed_size + 512) / 1024).unwrap_or(u32::MAX);
    let entries = u32::try_from(sealed.entries).unwrap_or(u32::MAX);
    Ok(Some(SealedObject { reference, object, kb, entries }))
}
