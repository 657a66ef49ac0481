//! Takes over what upstream left in the data folder: its log, its checkpoints, the logs of its index heads, and index
//! files it had built and not uploaded.
//!
//! ```text
//! survey -> read -> streams -> chunks in the bucket -> index in the bucket -> upstream's files removed
//! ```
//!
//! Done before the process serves: whoever asks afterwards finds everything, in the bucket. Nothing is removed before all
//! of it is durable there, so that a crash at any instant leaves a folder that is taken over again; the same files make the
//! same chunks under the same names, and equal entries of a stream are one. Nothing is written into the folder.
//!
//! Memory stays below the ceiling: chunks that are full go to the bucket at once, and when what is open grows beyond the
//! ceiling all of it goes. A bucket that fails is waited for.

mod error;
mod index;
mod metrics;
mod reader;
mod remove;
mod streams;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use loptr_chunk::ChunkOptions;
use loptr_index::ChunkMeta;
use loptr_model::{Labels, Nanos, TenantId};
use loptr_ports::{Ports, Priority};
use loptr_storage::{Bucket, StorageError};

use crate::IngestSettings;

pub use error::TakeoverError;
pub use metrics::TakeoverMetrics;

use index::IndexToShip;
use reader::LogReader;
use streams::{Sealed, Streams};
use survey::Survey;

/// Bytes of records handled at once.
const BATCH_BYTES: usize = 8 << 20;
/// Chunks sealed and put at once.
const PARALLEL_PUTS: usize = 32;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Pause after the bucket failed, at first; it doubles up to `RETRY_MAX`.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Where upstream's files lie.
#[derive(Clone, Debug)]
pub struct TakeoverSettings {
    /// Folder of the ingester's log; none: the log is off, and upstream would not read it either.
    pub wal_dir: Option<PathBuf>,
    /// `tsdb_shipper.active_index_directory`.
    pub index_dir: PathBuf,
    /// `boltdb_shipper.active_index_directory`.
    pub boltdb_dir: PathBuf,
    /// Names of the schema's periods as upstream's folders of index heads have them: `<store>_<date>`.
    pub periods: Vec<String>,
    /// Bytes of chunks in memory, at most, plus one batch of records.
    pub ceiling_bytes: usize,
}

impl TakeoverSettings {
    /// What upstream calls the folder of a period's index heads; `from_day` counts days since 1970.
    pub fn period_name(object_store: &str, from_day: i64) -> String {
        let epoch = jiff::civil::date(1970, 1, 1);
        let date = jiff::Span::new().try_days(from_day).map(|days| epoch.saturating_add(days));
        format!("{object_store}_{}", date.unwrap_or(epoch))
    }
}

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Bytes of upstream's files.
    pub bytes: u64,
    /// Streams met.
    pub streams: u64,
    /// Entries read from the log; those of a checkpoint's blocks included.
    pub entries: u64,
    /// Entries of the log that the checkpoint had.
    pub passed_over: u64,
    /// Chunks written to the bucket.
    pub chunks: u64,
    /// Chunks that upstream had stored and only its index heads named.
    pub indexed_chunks: u64,
    /// Index files written to the bucket.
    pub index_files: u64,
    /// Records cut short by a kill.
    pub torn: u64,
}

/// Takes over; `None` if upstream left nothing. When it returns, all of it lies in the bucket and the files are gone.
pub async fn take_over(
    ports: &Ports,
    settings: &TakeoverSettings,
    ingest: &IngestSettings,
    bucket: &Arc<Bucket>,
    metrics: &TakeoverMetrics,
) -> Result<Option<TakenOver>, TakeoverError> {
    let (disk, surveyed, schema) = (ports.disk.clone(), settings.clone(), bucket.clone());
    let look = move || Survey::of(&*disk, &surveyed, schema.schema());
    let survey = Arc::new(ports.spawner.run_blocking("survey of upstream's files", look).await??);
    if survey.is_empty() {
        return Ok(None);
    }
    let mut work = Work {
        ports,
        ingest,
        bucket,
        metrics,
        started: ports.clock.monotonic(),
        told: ports.clock.monotonic(),
        taken: TakenOver { bytes: survey.bytes(), ..TakenOver::default() },
        index: IndexToShip::default(),
    };
    tracing::info!(
        bytes = survey.bytes(),
        files = survey.files().count(),
        "files of Loki found in the data folder: taking them over, requests are served afterwards"
    );
    metrics.bytes.set(survey.bytes());
    work.log(&survey, settings.ceiling_bytes).await?;
    work.index_heads(&survey).await?;
    work.ship(&survey).await?;
    let (disk, looked, before, schema) = (ports.disk.clone(), settings.clone(), survey.clone(), bucket.clone());
    let remove = move || {
        let now = Survey::of(&*disk, &looked, schema.schema())?;
        remove::remove(&*disk, &before, &now)
    };
    ports.spawner.run_blocking("removal of upstream's files", remove).await??;
    let took = Duration::from_nanos((ports.clock.monotonic().0 - work.started.0).unsigned_abs());
    let taken = work.taken;
    tracing::info!(
        streams = taken.streams,
        entries = taken.entries,
        chunks = taken.chunks,
        indexed_chunks = taken.indexed_chunks,
        index_files = taken.index_files,
        torn_records = taken.torn,
        ?took,
        "taken over: everything Loki left lies in the object store, its files are removed"
    );
    Ok(Some(taken))
}

struct Work<'a> {
    ports: &'a Ports,
    ingest: &'a IngestSettings,
    bucket: &'a Arc<Bucket>,
    metrics: &'a TakeoverMetrics,
    started: Nanos,
    told: Nanos,
    taken: TakenOver,
    index: IndexToShip,
}

impl Work<'_> {
    /// Reads checkpoint and segments; every entry lies in the bucket when it returns.
    async fn log(&mut self, survey: &Arc<Survey>, ceiling_bytes: usize) -> Result<(), TakeoverError> {
        let options = {
            let (bucket, ingest) = (self.bucket.clone(), self.ingest.clone());
            move |ts: Nanos| options(&bucket, &ingest, ts)
        };
        let mut streams = Streams::new(Box::new(options));
        let mut reader = LogReader::new(survey.clone());
        loop {
            let disk = self.ports.disk.clone();
            let read = move || reader.batch(&*disk, BATCH_BYTES).map(|batch| (reader, batch));
            let batch;
            (reader, batch) = self.ports.spawner.run_blocking("read of upstream's log", read).await??;
            let last = batch.is_empty();
            let apply = move || {
                batch.iter().try_for_each(|record| streams.apply(record))?;
                if last || streams.memory_bytes() > ceiling_bytes {
                    streams.close_all();
                }
                Ok::<_, TakeoverError>(streams)
            };
            streams = self.ports.cpu.run(Priority::Push, apply).await??;
            self.put(&mut streams).await?;
            let counts = streams.counts();
            (self.taken.streams, self.taken.entries, self.taken.passed_over) =
                (counts.streams, counts.entries, counts.passed_over);
            self.taken.torn = reader.torn();
            self.metrics.tell(&self.taken, reader.read_bytes());
            self.tell(reader.read_bytes());
            if last {
                return Ok(());
            }
        }
    }

    /// Puts every closed chunk into the bucket.
    async fn put(&mut self, streams: &mut Streams) -> Result<(), TakeoverError> {
        let (cpu, bucket, ports) = (&self.ports.cpu, self.bucket, self.ports);
        let puts = streams.take_closed().into_iter().map(|closed| async move {
            let Some(sealed) = cpu.run(Priority::Push, move || closed.seal()).await?? else { return Ok(None) };
            let Sealed { tenant, labels, reference, object, meta } = sealed;
            let put = || bucket.put_chunk(&tenant, &reference, object.clone());
            retry(ports, "chunk", put).await;
            Ok::<_, TakeoverError>(Some((tenant, labels, reference.fingerprint, meta)))
        });
        let mut puts = stream::iter(puts).buffered(PARALLEL_PUTS);
        while let Some(put) = puts.next().await {
            if let Some((tenant, labels, fingerprint, meta)) = put? {
                self.index.add(self.bucket.schema(), &tenant, &labels, fingerprint, [meta]);
                self.taken.chunks += 1;
            }
        }
        Ok(())
    }

    /// Reads the logs of index heads.
    async fn index_heads(&mut self, survey: &Arc<Survey>) -> Result<(), TakeoverError> {
        for at in 0..survey.heads.len() {
            let (disk, surveyed) = (self.ports.disk.clone(), survey.clone());
            let read = move || reader::index_head(&*disk, &surveyed.heads[at]);
            let (named, torn) = self.ports.spawner.run_blocking("read of an index head", read).await??;
            self.taken.torn += torn;
            for (tenant, labels, fingerprint, chunks) in named {
                self.taken.indexed_chunks += chunks.len() as u64;
                self.index.add(self.bucket.schema(), &tenant, &labels, fingerprint, chunks);
            }
        }
        Ok(())
    }

    /// Uploads the index of everything, and the files upstream had built.
    async fn ship(&mut self, survey: &Arc<Survey>) -> Result<(), TakeoverError> {
        for (table, builder) in std::mem::take(&mut self.index).tables() {
            let names = builder.names();
            let object = self.ports.cpu.run(Priority::Push, move || builder.build()).await??;
            let mut unix_secs = self.ports.clock.now().0.div_euclid(Nanos::PER_SEC);
            loop {
                let name = names(unix_secs, &self.ingest.uploader);
                let put = || self.bucket.put_index(&table, &name, object.clone());
                if retry(self.ports, "index", put).await {
                    break;
                }
                unix_secs += 1;
            }
            self.taken.index_files += 1;
        }
        for at in 0..survey.built.len() {
            let (disk, surveyed) = (self.ports.disk.clone(), survey.clone());
            let read = move || index::read_built(&*disk, &surveyed.built[at]);
            let object = self.ports.spawner.run_blocking("read of a built index file", read).await??;
            let built = &survey.built[at];
            for table in &built.tables {
                // Under its own name and over what may lie there: upstream's upload may have been cut short.
                let put = || self.bucket.replace_index(table, &built.name, object.clone());
                retry(self.ports, "index", put).await;
                self.taken.index_files += 1;
            }
        }
        self.metrics.tell(&self.taken, self.taken.bytes);
        Ok(())
    }

    /// Tells how far it is, now and then.
    fn tell(&mut self, read_bytes: u64) {
        let now = self.ports.clock.monotonic();
        if u128::from((now.0 - self.told.0).unsigned_abs()) >= TELL_EVERY.as_nanos() {
            self.told = now;
            tracing::info!(
                read_bytes,
                of_bytes = self.taken.bytes,
                entries = self.taken.entries,
                chunks = self.taken.chunks,
                "taking over files of Loki"
            );
        }
    }
}

/// Options of a chunk whose first entry is at `ts`.
fn options(bucket: &Bucket, ingest: &IngestSettings, ts: Nanos) -> (ChunkOptions, usize) {
    let schema = bucket.schema();
    let period = schema.period_at(ts.floor_millis());
    let place = schema.periods().iter().position(|other| other == period).unwrap_or(0);
    let options = ChunkOptions::new(period.schema.chunk_format(), ingest.encoding)
        .expect("schemas name formats that are written")
        .block_bytes(ingest.block_bytes)
        .target_bytes(ingest.target_bytes);
    (options, place)
}

/// Calls `put` until the bucket takes it.
async fn retry<T, F>(ports: &Ports, what: &'static str, mut put: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StorageError>>,
{
    let mut pause = RETRY_FIRST;
    loop {
        match put().await {
            Ok(done) => return done,
            Err(error) => {
                tracing::error!(%error, what, ?pause, "the object store does not take what Loki left: nothing is removed, trying again");
                ports.clock.sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Chunks of one series, named.
type Named = (TenantId, Labels, loptr_model::Fingerprint, Vec<ChunkMeta>);
