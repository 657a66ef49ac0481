//! Which index files a query reads: table listings and opened files, cached within a bound.
//!
//! A listing is used for `resync` and fetched again after; [`IndexStore::forget`] drops one at once, which the ingester
//! of the same process does when it has shipped a file. Files are immutable by name. A listed file that is gone was
//! compacted, perhaps by another process: its table is listed again at once, since an answer without it would lack lines
//! and not say so. The bytes of opened files are
//! bounded; the least recently used go first, and a query that still holds one keeps it alive.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use loptr_index::bolt::{self, BoltFile};
use loptr_index::tables::{FileName, ListedFile, TableListing, list_tables_as};
use loptr_index::{IndexError, IndexFile, gzip};
use loptr_model::{Millis, Nanos, TenantId};
use loptr_ports::{Clock, CpuPool, Priority};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parking_lot::Mutex;

use crate::bucket::Bucket;
use crate::error::StorageError;
use crate::metrics::{IndexOperation, Meter, Operation, StorageMetrics};
use crate::schema::{Schema, TableId};
use crate::snapshot::IndexSnapshot;
use crate::store::Store;

/// Files fetched at once.
const PARALLEL_FETCHES: usize = 16;
/// Times a table is listed for one query while its files vanish.
const LISTINGS: usize = 4;

/// Bounds of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexCacheSettings {
    /// How long a listing is believed.
    pub resync: Duration,
    /// Bytes of opened files kept.
    pub files_bytes: usize,
    /// Largest index file accepted, decompressed.
    pub file_bytes_max: usize,
}

impl Default for IndexCacheSettings {
    /// Five minutes, 512 MiB, 4 GiB.
    fn default() -> Self {
        Self { resync: Duration::from_secs(300), files_bytes: 512 << 20, file_bytes_max: 4 << 30 }
    }
}

/// The bucket's index, seen through the cache.
pub struct IndexStore {
    pub(crate) stores: Arc<[Store]>,
    pub(crate) schema: Arc<Schema>,
    clock: Arc<dyn Clock>,
    cpu: CpuPool,
    settings: IndexCacheSettings,
    metrics: StorageMetrics,
    meter: Meter,
    state: Mutex<State>,
}

impl std::fmt::Debug for IndexStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IndexStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A store and a prefix or key in it.
type Place = (usize, String);

#[derive(Default)]
struct State {
    tables: HashMap<Place, (Nanos, Arc<BTreeSet<String>>)>,
    listings: HashMap<TableId, (Nanos, Arc<TableListing>)>,
    /// By store and key.
    files: HashMap<Place, Opened>,
    files_bytes: usize,
    uses: u64,
}

impl State {
    /// Lets opened files of the folder `dir` go that are listed no more, as after a compaction. Queries that hold one keep
    /// it alive.
    fn drop_unlisted(&mut self, store: usize, dir: &str, listed: &[String]) {
        let listed: HashSet<&str> = listed.iter().map(String::as_str).collect();
        let is_stale = |(of, key): &Place| {
            let below = *of == store && key.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
            below && !listed.contains(key.as_str())
        };
        let mut bytes = 0;
        self.files.retain(|place, opened| {
            let stale = is_stale(place);
            bytes += if stale { opened.bytes } else { 0 };
            !stale
        });
        self.files_bytes -= bytes;
    }
}

struct Opened {
    file: Arc<IndexFile>,
    bytes: usize,
    used: u64,
}

/// An opened file and whose series it holds.
#[derive(Clone, Debug)]
pub(crate) struct TableFile {
    pub(crate) file: Arc<IndexFile>,
    pub(crate) key: String,
    /// Directly in the table: series of all tenants.
    pub(crate) common: bool,
}

impl IndexStore {
    /// The index in `bucket`.
    pub fn new(bucket: &Bucket, clock: Arc<dyn Clock>, cpu: CpuPool, settings: IndexCacheSettings) -> Self {
        let (stores, schema) = (bucket.stores().clone(), bucket.schema().clone());
        let metrics = StorageMetrics::default();
        let meter = Meter::new(clock.clone(), metrics.clone());
        Self { stores, schema, clock, cpu, settings, metrics, meter, state: Mutex::default() }
    }

    /// What it is asked, and its calls of the store, are told to `metrics`.
    pub fn metered(self, metrics: StorageMetrics) -> Self {
        Self { meter: Meter::new(self.clock.clone(), metrics.clone()), metrics, ..self }
    }

    /// The index was asked since `began` about a span that ends at `through`.
    pub fn asked(&self, operation: IndexOperation, through: Millis, began: Nanos, failed: bool) {
        let took = Nanos(self.clock.monotonic().0.saturating_sub(began.0));
        self.metrics.indexed(&self.schema, operation, through, took, failed);
    }

    /// Bytes of opened files kept now.
    pub fn cached_bytes(&self) -> usize {
        self.state.lock().files_bytes
    }

    /// Forgets what was listed of `table`, so that the next query sees what was uploaded since.
    pub fn forget(&self, table: &TableId) {
        let mut state = self.state.lock();
        state.listings.remove(table);
        state.tables.remove(&(table.store, table.path_prefix.clone()));
    }

    /// The index of `tenant` for chunks that overlap `[from, through]`.
    pub async fn snapshot(
        &self,
        tenant: &TenantId,
        from: Millis,
        through: Millis,
    ) -> Result<IndexSnapshot, StorageError> {
        let mut gone = String::new();
        for _ in 0..LISTINGS {
            let mut wanted: Vec<(TableId, ListedFile, Option<TenantId>)> = Vec::new();
            for place in self.schema.index_places() {
                for name in self.tables(&place).await?.iter() {
                    let table = TableId { store: place.0, path_prefix: place.1.clone(), name: name.clone() };
                    if !self.schema.table_covers(&table, from, through) {
                        continue;
                    }
                    let listing = self.listing(&table).await?;
                    wanted.extend(listing.common.iter().map(|file| (table.clone(), file.clone(), None)));
                    let own = listing.own(tenant).iter();
                    wanted.extend(own.map(|file| (table.clone(), file.clone(), Some(tenant.clone()))));
                }
            }
            let fetches = wanted.iter().map(|(table, listed, owner)| self.file(table.store, listed, owner.as_ref()));
            let fetches: Vec<_> = fetches.collect();
            let files: Vec<Option<TableFile>> = stream::iter(fetches).buffered(PARALLEL_FETCHES).try_collect().await?;
            let Some(at) = files.iter().position(Option::is_none) else {
                return Ok(IndexSnapshot::new(tenant.clone(), files.into_iter().flatten().collect()));
            };
            gone.clone_from(&wanted[at].1.key);
            for ((table, ..), _) in wanted.iter().zip(&files).filter(|(_, file)| file.is_none()) {
                self.forget(table);
            }
        }
        Err(StorageError::Missing { key: gone })
    }

    /// Names of the tables that lie at `place`, a store and a prefix.
    async fn tables(&self, place: &Place) -> Result<Arc<BTreeSet<String>>, StorageError> {
        let now = self.clock.monotonic();
        if let Some((at, names)) = self.state.lock().tables.get(place)
            && self.is_fresh(*at, now)
        {
            return Ok(names.clone());
        }
        let (store, path_prefix) = place;
        let dir = path(path_prefix)?;
        let list = self.stores[*store].objects().list_with_delimiter(Some(&dir));
        let listed = self.meter.time(Operation::Iter, 1, list).await;
        let listed = listed.map_err(|source| StorageError::store(path_prefix, source))?;
        let names: BTreeSet<String> =
            listed.common_prefixes.iter().filter_map(|prefix| prefix.filename().map(str::to_owned)).collect();
        let names = Arc::new(names);
        self.state.lock().tables.insert(place.clone(), (now, names.clone()));
        Ok(names)
    }

    async fn listing(&self, table: &TableId) -> Result<Arc<TableListing>, StorageError> {
        let now = self.clock.monotonic();
        if let Some((at, listing)) = self.state.lock().listings.get(table)
            && self.is_fresh(*at, now)
        {
            return Ok(listing.clone());
        }
        let dir = format!("{}{}", table.path_prefix, table.name);
        let objects = self.stores[table.store].objects().list(Some(&path(&dir)?));
        let keys = objects.map_ok(|object| object.location.to_string()).try_collect::<Vec<String>>();
        let keys = self.meter.time(Operation::Iter, 1, keys).await;
        let keys = keys.map_err(|source| StorageError::store(&dir, source))?;
        let kind = self.schema.index_kind(table).files();
        let mut listed = list_tables_as(|_| kind, &table.path_prefix, keys.iter().map(String::as_str));
        let listing = listed.remove(&table.name).unwrap_or_default();
        for stray in &listing.strays {
            tracing::warn!(table = %table.name, key = %stray, "object in an index table is no index file, passed over");
        }
        let listing = Arc::new(listing);
        let mut state = self.state.lock();
        state.drop_unlisted(table.store, &dir, &keys);
        state.listings.insert(table.clone(), (now, listing.clone()));
        Ok(listing)
    }

    fn is_fresh(&self, at: Nanos, now: Nanos) -> bool {
        now.0 - at.0 < i64::try_from(self.settings.resync.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Opens a file, which is `owner`'s or all tenants'; `None` if it is gone, as after a compaction: then another one
    /// holds its series.
    async fn file(
        &self,
        store: usize,
        listed: &ListedFile,
        owner: Option<&TenantId>,
    ) -> Result<Option<TableFile>, StorageError> {
        let (key, common) = (listed.key.clone(), owner.is_none());
        {
            let mut state = self.state.lock();
            state.uses += 1;
            let uses = state.uses;
            if let Some(opened) = state.files.get_mut(&(store, key.clone())) {
                opened.used = uses;
                return Ok(Some(TableFile { file: opened.file.clone(), key, common }));
            }
        }
        let path = path(&key)?;
        let get = async { self.stores[store].objects().get(&path).await?.bytes().await };
        let object = match self.meter.time(Operation::Get, 1, get).await {
            Err(object_store::Error::NotFound { .. }) => {
                tracing::debug!(%key, "listed index file is gone, its table is listed again");
                return Ok(None);
            }
            object => object.map_err(|source| StorageError::store(&key, source))?,
        };
        let (limit, listed, owner) = (self.settings.file_bytes_max, listed.clone(), owner.cloned());
        let open = move || open_index(&listed, object, limit, owner.as_ref());
        let file = self.cpu.run(Priority::Query, open).await?;
        let file = file.map_err(|source| StorageError::Index { key: key.clone(), source })?;
        let file = Arc::new(file);
        self.remember((store, key.clone()), file.clone());
        Ok(Some(TableFile { file, key, common }))
    }

    fn remember(&self, key: Place, file: Arc<IndexFile>) {
        let bytes = file.mem_bytes();
        let mut state = self.state.lock();
        state.uses += 1;
        let used = state.uses;
        if let Some(before) = state.files.insert(key, Opened { file, bytes, used }) {
            state.files_bytes -= before.bytes;
        }
        state.files_bytes += bytes;
        while state.files_bytes > self.settings.files_bytes && state.files.len() > 1 {
            let oldest = state.files.iter().min_by_key(|(_, opened)| opened.used).map(|(key, _)| key.clone());
            let Some(gone) = oldest.and_then(|key| state.files.remove(&key)) else { break };
            state.files_bytes -= gone.bytes;
        }
    }
}

/// The index in an object of `owner`, or of all tenants, in whichever form its name says that it has. CPU work.
pub fn open_index(
    listed: &ListedFile,
    object: Bytes,
    bytes_max: usize,
    owner: Option<&TenantId>,
) -> Result<IndexFile, IndexError> {
    let bytes = gzip::unpack(&listed.key, object, bytes_max)?;
    if !matches!(listed.name, FileName::Boltdb { .. }) {
        return IndexFile::open(bytes);
    }
    let (file, left_out) = bolt::to_index(&BoltFile::open(bytes)?, owner)?;
    if left_out.chunks > 0 {
        let (key, chunks) = (&listed.key, left_out.chunks);
        tracing::warn!(%key, chunks, "no row of the index file has labels of these chunks: no query finds them");
    }
    Ok(file)
}

/// A key as the store's path. Unlike `Path::from`, it changes no character: tenant names may hold any of theirs.
pub(crate) fn path(key: &str) -> Result<Path, StorageError> {
    Path::parse(key.trim_end_matches('/')).map_err(|source| StorageError::unusable(key, source))
}

#[cfg(test)]
mod tests {
    use loptr_index::{ChunkMeta, IndexBuilder, Version};
    use loptr_model::Fingerprint;
    use loptr_ports::sim::SimClock;
    use object_store::memory::InMemory;

    use super::*;
    use crate::schema::Period;
    use crate::store::ChunkNames;

    const DAY: i64 = 86_400_000;

    fn index_file(tenant: Option<&TenantId>) -> Vec<u8> {
        let mut builder = IndexBuilder::new(Version::V3);
        let (labels, fingerprint) = ([("app", "a")], Fingerprint(5));
        let chunk = ChunkMeta { min: Millis(10), max: Millis(20), checksum: 7, kb: 1, entries: 3 };
        match tenant {
            Some(tenant) => builder.add_tenant_series(tenant, labels, fingerprint, [chunk]),
            None => builder.add_series(labels, fingerprint, [chunk]),
        }
        gzip::compress(&builder.build().expect("a small index"))
    }

    fn index_of(store: Arc<InMemory>) -> IndexStore {
        let period = Period {
            from: Millis(0),
            schema: loptr_chunk::SchemaVersion::V13,
            index: crate::schema::IndexKind::Tsdb,
            index_prefix: "index_".into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        let schema = Arc::new(Schema::new(vec![period]).expect("one period"));
        let bucket = Bucket::new(vec![Store::new(store, ChunkNames::Plain)], schema, None);
        IndexStore::new(&bucket, SimClock::at(Nanos(0)), CpuPool::inline(), IndexCacheSettings::default())
    }

    #[tokio::test]
    async fn a_damaged_file_fails_the_query_and_is_named() {
        let store = Arc::new(InMemory::new());
        let tenant = TenantId::parse("t").expect("a tenant");
        let mut bytes = index_file(Some(&tenant));
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x5a;
        let key = "index/index_0/1-x.tsdb.gz";
        store.put(&path(key).expect("a key"), bytes.into()).await.expect("put");
        let index = index_of(store);
        let error = index.snapshot(&tenant, Millis(0), Millis(DAY - 1)).await.expect_err("it is damaged").to_string();
        assert!(error.starts_with(&format!("index object {key} is damaged: ")), "{error}");
    }

    #[tokio::test]
    async fn a_file_compacted_away_is_looked_for_again() {
        let store = Arc::new(InMemory::new());
        let put = async |key: &str, bytes: Vec<u8>| {
            store.put(&path(key).expect("a key"), bytes.into()).await.expect("put");
        };
        let index = index_of(store.clone());
        let tenant = TenantId::parse("t").expect("a tenant");
        let chunks = async || {
            let snapshot = index.snapshot(&tenant, Millis(0), Millis(DAY - 1)).await.expect("listed");
            snapshot
                .streams(&[], Millis(0), Millis(DAY))
                .expect("read")
                .iter()
                .map(|stream| stream.chunks.len())
                .sum::<usize>()
        };
        put("index/index_0/1-x.tsdb.gz", index_file(Some(&tenant))).await;
        assert_eq!(chunks().await, 1);
        // Another process compacts the table.
        put("index/index_0/t/2-compactor-0-9-0.tsdb.gz", index_file(None)).await;
        store.delete(&Path::from("index/index_0/1-x.tsdb.gz")).await.expect("delete");
        // The listing is still believed; what was opened did not fit the cache.
        index.state.lock().files.clear();
        assert_eq!(chunks().await, 1);
    }

    #[tokio::test]
    async fn files_compacted_away_are_let_go_at_the_next_listing() {
        let store = Arc::new(InMemory::new());
        let put = async |key: &str, bytes: Vec<u8>| {
            store.put(&path(key).expect("a key"), bytes.into()).await.expect("put");
        };
        let index = index_of(store.clone());
        let tenant = TenantId::parse("t").expect("a tenant");
        let look = async || drop(index.snapshot(&tenant, Millis(0), Millis(2 * DAY - 1)).await.expect("listed"));
        for table in ["index_0", "index_1"] {
            put(&format!("index/{table}/1-x.tsdb.gz"), index_file(Some(&tenant))).await;
        }
        look().await;
        let before = index.cached_bytes();
        put("index/index_1/t/2-compactor-0-9-0.tsdb.gz", index_file(None)).await;
        store.delete(&Path::from("index/index_1/1-x.tsdb.gz")).await.expect("delete");
        index.forget(&TableId { store: 0, path_prefix: "index/".into(), name: "index_1".into() });
        look().await;
        let mut opened: Vec<String> = index.state.lock().files.keys().map(|(_, key)| key.clone()).collect();
        opened.sort();
        assert_eq!(opened, ["index/index_0/1-x.tsdb.gz", "index/index_1/t/2-compactor-0-9-0.tsdb.gz"]);
        let held: usize = index.state.lock().files.values().map(|opened| opened.bytes).sum();
        assert!(index.cached_bytes() == held && held < 2 * before);
    }
}
