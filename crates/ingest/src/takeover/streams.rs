//! Streams put together from the log: chunks of the checkpoint, entries behind it.

use std::collections::HashMap;

use bytes::Bytes;
use loptr_chunk::{Checkpointed, ChunkError, ChunkOptions, MemChunk};
use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Entry, Fingerprint, Labels, Nanos, TenantId};
use loptr_takeover::{CheckpointChunk, CheckpointStream, HeadBlock, LogRecord, checkpoint_record, log_record};

use super::TakeoverError;
use super::reader::{Kind, RawRecord};

/// Options of a chunk whose first entry is at a time, and the place of its period in the schema.
type OptionsAt = Box<dyn Fn(Nanos) -> (ChunkOptions, usize) + Send>;

/// Everything that was read and is not in the bucket yet.
pub(super) struct Streams {
    options: OptionsAt,
    all: Vec<Stream>,
    by_labels: HashMap<(TenantId, Labels), usize>,
    /// What the log calls a stream; the latest record that names it holds.
    by_reference: HashMap<(TenantId, u64), usize>,
    taken: HashMap<(TenantId, Fingerprint), usize>,
    closed: Vec<Closed>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) streams: u64,
    pub(super) entries: u64,
    pub(super) passed_over: u64,
}

struct Stream {
    tenant: TenantId,
    labels: Labels,
    fingerprint: Fingerprint,
    open: Option<OpenChunk>,
    /// Records with a counter up to this one are in the checkpoint's chunks.
    covered: i64,
}

struct OpenChunk {
    chunk: MemChunk,
    /// Place of its period in the schema.
    period: usize,
}

/// A chunk that takes no more entries.
pub(super) struct Closed {
    tenant: TenantId,
    labels: Labels,
    fingerprint: Fingerprint,
    chunk: MemChunk,
}

/// A chunk as it goes into the bucket.
pub(super) struct Sealed {
    pub(super) tenant: TenantId,
    pub(super) labels: Labels,
    pub(super) reference: ChunkRef,
    pub(super) object: Bytes,
    pub(super) meta: ChunkMeta,
}

impl Closed {
    /// Encodes the chunk. `None`: it holds nothing.
    pub(super) fn seal(self) -> Result<Option<Sealed>, TakeoverError> {
        let Self { tenant, labels, fingerprint, chunk } = self;
        let seal = || {
            let sealed = chunk.close()?;
            let Some((reference, object)) = sealed.to_object(&tenant, &labels, fingerprint)? else { return Ok(None) };
            let meta = ChunkMeta {
                min: reference.from,
                max: reference.through,
                checksum: reference.checksum,
                // Round half away from zero, as upstream does.
                kb: u32::try_from((sealed.uncompressed_size + 512) / 1024).unwrap_or(u32::MAX),
                entries: u32::try_from(sealed.entries).unwrap_or(u32::MAX),
            };
            Ok(Some((reference, object, meta)))
        };
        let sealed = seal().map_err(|source| TakeoverError::Seal {
            tenant: tenant.to_string(),
            stream: labels.to_string(),
            source,
        })?;
        Ok(sealed.map(|(reference, object, meta)| Sealed { tenant, labels, reference, object, meta }))
    }
}

impl Streams {
    pub(super) fn new(options: OptionsAt) -> Self {
        Self {
            options,
            all: Vec::new(),
            by_labels: HashMap::new(),
            by_reference: HashMap::new(),
            taken: HashMap::new(),
            closed: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of chunks in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        let open = self.all.iter().filter_map(|stream| stream.open.as_ref()).map(|open| &open.chunk);
        open.chain(self.closed.iter().map(|closed| &closed.chunk)).map(MemChunk::memory_bytes).sum()
    }

    /// Closes every chunk.
    pub(super) fn close_all(&mut self) {
        for at in 0..self.all.len() {
            self.close(at);
        }
    }

    pub(super) fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }

    /// Takes in one record.
    pub(super) fn apply(&mut self, raw: &RawRecord) -> Result<(), TakeoverError> {
        if raw.kind == Kind::Checkpoint {
            let stream = checkpoint_record(&raw.bytes).map_err(|source| raw.refuse(source))?;
            return self.checkpointed(raw, &stream);
        }
        match log_record(&raw.bytes).map_err(|source| raw.refuse(source))? {
            LogRecord::Series { tenant, series } => {
                for (reference, labels) in series {
                    let at = self.stream(&tenant, &labels, Fingerprint(reference));
                    if raw.kind == Kind::Covered {
                        self.by_reference.entry((tenant.clone(), reference)).or_insert(at);
                        continue;
                    }
                    self.by_reference.insert((tenant.clone(), reference), at);
                    // Made anew since the checkpoint: its counter began again.
                    self.all[at].covered = 0;
                }
            }
            LogRecord::Entries { .. } if raw.kind == Kind::Covered => {}
            LogRecord::Entries { tenant, streams } => {
                for stream in streams {
                    let key = (tenant.clone(), stream.reference);
                    let Some(&at) = self.by_reference.get(&key) else {
                        return Err(TakeoverError::UnknownStream {
                            path: raw.path.to_path_buf(),
                            at: raw.at,
                            what: "entries",
                            tenant: tenant.to_string(),
                            reference: stream.reference,
                        });
                    };
                    if stream.counter.is_some_and(|counter| counter <= self.all[at].covered) {
                        self.counts.passed_over += stream.count;
                        continue;
                    }
                    let appended = stream.entries(|entry| self.append(at, entry));
                    appended.map_err(|source| self.damaged(raw, at, source))?;
                    self.counts.entries += stream.count;
                }
            }
        }
        Ok(())
    }

    fn damaged(&self, raw: &RawRecord, at: usize, source: ChunkError) -> TakeoverError {
        let stream = self.all[at].labels.to_string();
        TakeoverError::Chunk { path: raw.path.to_path_buf(), at: raw.at, stream, source }
    }

    /// The stream of `labels`, named `wanted` unless another one of the tenant is: two streams of one fingerprint could
    /// not be told apart in the bucket.
    fn stream(&mut self, tenant: &TenantId, labels: &Labels, wanted: Fingerprint) -> usize {
        let key = (tenant.clone(), labels.clone());
        if let Some(&at) = self.by_labels.get(&key) {
            return at;
        }
        let at = self.all.len();
        let free = |fingerprint: &Fingerprint| !self.taken.contains_key(&(tenant.clone(), *fingerprint));
        let candidates = [wanted, labels.fingerprint()].into_iter().chain((1..=1 << 20).map(Fingerprint));
        let fingerprint = candidates.into_iter().find(free).unwrap_or(wanted);
        self.taken.insert((tenant.clone(), fingerprint), at);
        self.by_labels.insert(key, at);
        self.all.push(Stream { tenant: tenant.clone(), labels: labels.clone(), fingerprint, open: None, covered: 0 });
        self.counts.streams += 1;
        at
    }

    fn checkpointed(&mut self, raw: &RawRecord, stream: &CheckpointStream<'_>) -> Result<(), TakeoverError> {
        let at = self.stream(&stream.tenant, &stream.labels, stream.reference);
        self.by_reference.insert((stream.tenant.clone(), stream.reference.0), at);
        self.all[at].covered = stream.counter;
        for chunk in &stream.chunks {
            self.close(at);
            let head = HeadBlock::parse(chunk.head).map_err(|source| raw.refuse(source))?;
            if chunk.data.is_empty() && head.is_empty() {
                continue;
            }
            let restored = self.restored(chunk, &head).map_err(|source| self.damaged(raw, at, source))?;
            self.counts.entries += restored.chunk.entries();
            self.all[at].open = Some(restored);
            if chunk.closed {
                self.close(at);
            }
        }
        Ok(())
    }

    /// A chunk of the checkpoint: blocks as they are, and the head behind them.
    fn restored(&self, chunk: &CheckpointChunk<'_>, head: &HeadBlock<'_>) -> Result<OpenChunk, ChunkError> {
        let first = head.entries().next().map_or(Nanos(0), |entry| entry.ts);
        let data = Checkpointed::parse(chunk.data)?;
        let (options, period) = (self.options)(data.bounds().map_or(first, |bounds| bounds.0));
        let mut chunk = data.fill(options)?;
        let symbols = data.symbols();
        for entry in head.entries() {
            let pairs: Vec<(&str, &str)> =
                entry.pairs.iter().map(|&(name, value)| (symbols.value(name), symbols.value(value))).collect();
            chunk.append(entry.ts, entry.line, &pairs)?;
        }
        Ok(OpenChunk { chunk, period })
    }

    fn append(&mut self, at: usize, entry: Entry<'_>) -> Result<(), ChunkError> {
        let (options, period) = (self.options)(entry.ts);
        let goes_on = self.all[at].open.as_ref().is_none_or(|open| {
            let room = open.chunk.is_empty() || open.chunk.space_for(entry.line, entry.metadata);
            room && open.period == period && open.chunk.options().format() == options.format()
        });
        if !goes_on {
            self.close(at);
        }
        let stream = &mut self.all[at];
        let open = stream.open.get_or_insert_with(|| OpenChunk { chunk: MemChunk::new(options), period });
        match open.chunk.append(entry.ts, entry.line, entry.metadata) {
            // Too many distinct values for one chunk: the next one begins its own table.
            Err(ChunkError::SymbolsFull { .. }) if !open.chunk.is_empty() => {
                self.close(at);
                self.append(at, entry)
            }
            appended => appended.map(drop),
        }
    }

    fn close(&mut self, at: usize) {
        let stream = &mut self.all[at];
        let Some(OpenChunk { chunk, .. }) = stream.open.take() else { return };
        if !chunk.is_empty() {
            let (tenant, labels) = (stream.tenant.clone(), stream.labels.clone());
            self.closed.push(Closed { tenant, labels, fingerprint: stream.fingerprint, chunk });
        }
    }
}
