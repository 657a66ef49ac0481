//! A bucket in memory and a clock turned by hand.

mod faulty;

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use loptr_chunk::{Chunk, ChunkOptions, Encoding, Format, MemChunk, SchemaVersion};
use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Labels, Millis, Nanos, TenantId};
use loptr_ports::Ports;
use loptr_ports::sim::{SimClock, World as SimWorld};
use loptr_storage::{
    Bucket, ChunkNames, IndexCacheSettings, IndexKind, IndexStore, Period, Schema, Store, TableBuilder, TableId,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::compactor::Compactor;
use crate::settings::CompactSettings;

pub(crate) use faulty::Faulty;

pub(crate) const DAY: i64 = 86_400_000;

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).expect("a tenant")
}

/// The table of a day.
pub(crate) fn table(day: i64) -> TableId {
    TableId { store: 0, path_prefix: "index/".into(), name: format!("index_{day}") }
}

pub(crate) fn labels(app: &str) -> Labels {
    Labels::from_pairs([("app", app)])
}

/// A chunk of a day with this checksum.
pub(crate) fn chunk(day: i64, checksum: u32) -> ChunkMeta {
    let min = Millis(day * DAY + i64::from(checksum));
    ChunkMeta { min, max: Millis(min.0 + 10), checksum, kb: 1, entries: 3 }
}

pub(crate) struct World {
    pub(crate) ports: Ports,
    pub(crate) clock: Arc<SimClock>,
    pub(crate) memory: Arc<InMemory>,
    store: Arc<dyn ObjectStore>,
    index: IndexKind,
}

impl World {
    /// Day 100 has just begun.
    pub(crate) fn new() -> Self {
        let memory = Arc::new(InMemory::new());
        Self::over(memory.clone(), memory)
    }

    /// One with TSDB files, one with boltdb-shipper's databases.
    pub(crate) fn of_each_index() -> [Self; 2] {
        [Self::new(), Self { index: IndexKind::Boltdb { row_shards: 16 }, ..Self::new() }]
    }

    /// With `store` before what lies in `memory`.
    pub(crate) fn over(memory: Arc<InMemory>, store: Arc<dyn ObjectStore>) -> Self {
        let sim = SimWorld::new(1, Nanos(100 * DAY * Nanos::PER_MILLI));
        Self { ports: sim.ports(), clock: sim.clock.clone(), memory, store, index: IndexKind::Tsdb }
    }

    pub(crate) fn bucket(&self) -> Arc<Bucket> {
        let period = Period {
            from: Millis(0),
            schema: SchemaVersion::V13,
            index: self.index,
            index_prefix: "index_".into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        let schema = Arc::new(Schema::new(vec![period]).expect("one period"));
        Arc::new(Bucket::new(vec![Store::new(self.store.clone(), ChunkNames::Plain)], schema, None))
    }

    pub(crate) fn compactor(&self, settings: CompactSettings) -> Compactor {
        let bucket = self.bucket();
        let cache = IndexCacheSettings::default();
        let index = Arc::new(IndexStore::new(&bucket, self.clock.clone(), self.ports.cpu.clone(), cache));
        Compactor::new(self.ports.clone(), bucket, index, settings)
    }

    pub(crate) async fn put(&self, key: &str, object: impl Into<Bytes>) {
        let object: Bytes = object.into();
        self.memory.put(&Path::parse(key).expect("a key"), object.into()).await.expect("memory takes it");
    }

    pub(crate) async fn remove(&self, key: &str) {
        self.memory.delete(&Path::parse(key).expect("a key")).await.expect("memory takes it");
    }

    pub(crate) fn clock_now(&self) -> Nanos {
        self.ports.clock.now()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let all = self.memory.list(None).map_ok(|object| object.location.to_string());
        let mut keys: Vec<String> = all.try_collect().await.expect("memory answers");
        keys.sort();
        keys
    }

    /// Puts a file of all tenants into a table: series of (tenant, app, checksums of chunks).
    pub(crate) async fn put_common(&self, day: i64, name: &str, series: &[(&str, &str, &[u32])]) {
        let bucket = self.bucket();
        let mut builder = TableBuilder::new(bucket.schema(), &table(day));
        for (owner, app, chunks) in series {
            let labels = labels(app);
            for checksum in *chunks {
                let (fingerprint, chunk) = (labels.fingerprint(), chunk(day, *checksum));
                builder.add(bucket.schema(), &tenant(owner), &labels, fingerprint, chunk);
            }
        }
        self.put_built(&table(day), name, builder).await;
    }

    async fn put_built(&self, table: &TableId, name: &str, builder: TableBuilder) {
        let end = if self.index == IndexKind::Tsdb { ".tsdb.gz" } else { ".gz" };
        self.put(&format!("index/{}/{name}{end}", table.name), builder.build().expect("a small index")).await;
    }

    /// Checksums of the chunks that a reader finds for a tenant's day, each as often as it is named, in order.
    pub(crate) async fn indexed(&self, day: i64, owner: &str) -> Vec<u32> {
        let cache = IndexCacheSettings::default();
        let index = IndexStore::new(&self.bucket(), self.clock.clone(), self.ports.cpu.clone(), cache);
        let (from, through) = (Millis(day * DAY), Millis(day * DAY + DAY - 1));
        let snapshot = index.snapshot(&tenant(owner), from, through).await.expect("the index is whole");
        let streams = snapshot.streams(&[], from, through).expect("the index is whole");
        let mut found: Vec<u32> =
            streams.iter().flat_map(|stream| &stream.chunks).map(|chunk| chunk.checksum).collect();
        found.sort_unstable();
        found
    }

    /// Stores a chunk of these lines, each with its own text as metadata, and a file of all tenants in each table that
    /// names it.
    pub(crate) async fn put_lines(&self, owner: &str, app: &str, lines: &[(Nanos, &str)]) -> ChunkRef {
        let options = ChunkOptions::new(Format::V4, Encoding::Snappy).expect("it can be written").block_bytes(64);
        let mut filling = MemChunk::new(options);
        for (ts, line) in lines {
            filling.append(*ts, line.as_bytes(), &[("said", line)]).expect("short");
        }
        let (labels, sealed) = (labels(app), filling.close().expect("small"));
        let object = sealed.to_object(&tenant(owner), &labels, labels.fingerprint()).expect("small");
        let (reference, object) = object.expect("has lines");
        let bucket = self.bucket();
        self.put(&bucket.chunk_name(&tenant(owner), &reference), object).await;
        let ChunkRef { from: min, through: max, checksum, .. } = reference;
        let chunk = ChunkMeta { min, max, checksum, kb: 1, entries: lines.len() as u32 };
        for table in bucket.schema().tables_of(min, max) {
            let mut builder = TableBuilder::new(bucket.schema(), &table);
            builder.add(bucket.schema(), &tenant(owner), &labels, labels.fingerprint(), chunk);
            let name = format!("{}-a-{owner}-{app}", lines[0].0.0 / Nanos::PER_SEC);
            self.put_built(&table, &name, builder).await;
        }
        reference
    }

    /// Every line that a reader of a tenant finds in these days, by time, each once, after checking its metadata. A chunk
    /// that an index names and that is not there fails.
    pub(crate) async fn lines(&self, owner: &str, days: std::ops::RangeInclusive<i64>) -> Vec<String> {
        let cache = IndexCacheSettings::default();
        let bucket = self.bucket();
        let index = IndexStore::new(&bucket, self.clock.clone(), self.ports.cpu.clone(), cache);
        let (from, through) = (Millis(days.start() * DAY), Millis(days.end() * DAY + DAY - 1));
        let snapshot = index.snapshot(&tenant(owner), from, through).await.expect("the index is whole");
        let mut lines = std::collections::BTreeSet::new();
        for stream in snapshot.streams(&[], from, Millis(through.0 + 1)).expect("the index is whole") {
            for meta in stream.chunks {
                let chunk = crate::judge::reference(stream.fingerprint, &meta);
                let object = bucket.get_chunk(&tenant(owner), &chunk).await.expect("what is named is there");
                let chunk: Chunk = bucket.open_chunk(&tenant(owner), &chunk, object).expect("it is whole");
                let mut buffer = Vec::new();
                for at in 0..chunk.blocks().len() {
                    for raw in chunk.decode_block(at, &mut buffer).expect("it is whole").entries() {
                        let raw = raw.expect("it is whole");
                        let line = std::str::from_utf8(raw.line).expect("text").to_owned();
                        let said = raw.metadata.resolve(chunk.symbols().expect("whole")).next().expect("one pair");
                        assert_eq!(said.expect("a symbol"), ("said", &*line), "metadata is the line's own");
                        lines.insert((raw.ts, line));
                    }
                }
            }
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }
}
