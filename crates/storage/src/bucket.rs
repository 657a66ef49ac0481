//! Chunk and index objects under upstream's names.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use loptr_chunk::{Chunk, Object, external_key};
use loptr_index::tables::{FileName, IndexPath};
use loptr_model::{ChunkRef, TenantId};
use loptr_ports::Clock;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use crate::cache::{CacheKey, ChunkCache};
use crate::disk_store::DiskStore;
use crate::error::StorageError;
use crate::index_store::path;
use crate::metrics::{Meter, Operation, StorageMetrics};
use crate::schema::{Schema, TableId};
use crate::spool::Spool;
use crate::store::Store;

/// The object stores of all periods, with upstream's layout in them.
#[derive(Clone, Debug)]
pub struct Bucket {
    stores: Arc<[Store]>,
    schema: Arc<Schema>,
    /// Where chunk objects wait while a store is down.
    spool: Option<Arc<Spool>>,
    meter: Option<Meter>,
    /// Before stores on the network. What lies in a folder is cached by the operating system.
    cache: Option<Arc<ChunkCache>>,
}

impl Bucket {
    /// The bucket in `stores`, which the periods of `schema` point into; objects wait in `spool` while a store is down.
    ///
    /// # Panics
    ///
    /// When a period names a store that is not there.
    pub fn new(stores: Vec<Store>, schema: Arc<Schema>, spool: Option<Arc<Spool>>) -> Self {
        assert!(schema.periods().iter().all(|period| period.store < stores.len()), "a period without a store");
        Self { stores: stores.into(), schema, spool, meter: None, cache: None }
    }

    /// The bucket in the filesystem store alone.
    pub fn on_disk(store: DiskStore, schema: Arc<Schema>, spool: Option<Arc<Spool>>) -> Self {
        Self::new(vec![Store::on_disk(store)], schema, spool)
    }

    pub(crate) fn stores(&self) -> &Arc<[Store]> {
        &self.stores
    }

    /// The store that holds a chunk.
    fn store_of(&self, chunk: &ChunkRef) -> &Store {
        &self.stores[self.schema.period_at(chunk.from).store]
    }

    /// Chunks in stores on the network are looked for in `cache` first.
    pub fn cached(self, cache: Arc<ChunkCache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// Its calls are timed by `clock` and told to `metrics`.
    pub fn metered(self, clock: Arc<dyn Clock>, metrics: StorageMetrics) -> Self {
        Self { meter: Some(Meter::new(clock, metrics)), ..self }
    }

    pub(crate) async fn time<T>(
        &self,
        operation: Operation,
        calls: usize,
        call: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, object_store::Error> {
        match &self.meter {
            Some(meter) => meter.time(operation, calls, call).await,
            None => call.await,
        }
    }

    /// Calls to a store on disk that have not returned: those of one that hangs stay.
    pub fn calls(&self) -> usize {
        self.stores.iter().filter_map(Store::local).map(DiskStore::calls).sum()
    }

    /// Where chunk objects wait while the store is down.
    pub fn spool(&self) -> Option<&Arc<Spool>> {
        self.spool.as_ref()
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Name of the object that holds a chunk.
    pub fn chunk_name(&self, tenant: &TenantId, chunk: &ChunkRef) -> String {
        let period = self.schema.period_at(chunk.from);
        self.stores[period.store].chunk_name(period.schema, tenant, chunk)
    }

    /// Stores a chunk object; durable when it returns.
    pub async fn put_chunk(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> Result<(), StorageError> {
        let name = self.chunk_name(tenant, chunk);
        let path = path(&name)?;
        let put = self.time(Operation::Upload, 1, self.store_of(chunk).objects().put(&path, object.into())).await;
        put.map(drop).map_err(|source| StorageError::store(name, source))
    }

    /// Fetches a chunk object as it lies.
    pub async fn get_chunk(&self, tenant: &TenantId, chunk: &ChunkRef) -> Result<Bytes, StorageError> {
        let name = self.chunk_name(tenant, chunk);
        if let Some(spool) = &self.spool {
            let waiting = spool.get(tenant, chunk).await;
            let waiting = waiting.map_err(|error| StorageError::unusable(&name, error));
            if let Some(object) = waiting? {
                return Ok(object);
            }
        }
        let path = path(&name)?;
        let get = async { self.store_of(chunk).objects().get(&path).await?.bytes().await };
        self.time(Operation::Get, 1, get).await.map_err(|source| StorageError::store(name, source))
    }

    /// Fetches several chunk objects, `parallel` at once; from a file system all in one go, since the hop to a thread
    /// costs more than the read.
    pub async fn get_chunks(
        &self,
        tenant: &TenantId,
        chunks: &[ChunkRef],
        parallel: usize,
    ) -> Result<Vec<Bytes>, StorageError> {
        let waits = |chunk| self.spool.as_ref().is_some_and(|spool| spool.holds(tenant, chunk));
        let store_at = |chunk: &ChunkRef| self.schema.period_at(chunk.from).store;
        if let Some(first) = chunks.first()
            && let Some(local) = self.store_of(first).local()
            && chunks.iter().all(|chunk| store_at(chunk) == store_at(first) && !waits(chunk))
        {
            let names: Vec<String> = chunks.iter().map(|chunk| self.chunk_name(tenant, chunk)).collect();
            let paths = names.iter().map(|name| path(name)).collect::<Result<Vec<_>, _>>()?;
            let mut failed_at = 0;
            let read = async {
                local.read_all(paths).await.map_err(|(at, source)| {
                    failed_at = at;
                    source
                })
            };
            let read = self.time(Operation::Get, names.len(), read).await;
            return read.map_err(|source| StorageError::store(&*names[failed_at], source));
        }
        let Some(cache) =
            self.cache.as_ref().filter(|_| chunks.iter().any(|chunk| self.store_of(chunk).local().is_none()))
        else {
            return self.fetch(tenant, chunks.iter(), parallel).await;
        };
        let key = |chunk: &ChunkRef| CacheKey {
            key: external_key(self.schema.period_at(chunk.from).schema, tenant, chunk),
            checksum: chunk.checksum,
        };
        let keys: Vec<CacheKey> = chunks.iter().map(key).collect();
        let mut found = cache.get(&keys).await;
        let missing: Vec<usize> = (0..chunks.len()).filter(|at| found[*at].is_none()).collect();
        let fetched = self.fetch(tenant, missing.iter().map(|at| &chunks[*at]), parallel).await?;
        let fetched = missing.into_iter().zip(fetched);
        let mut new = Vec::new();
        for (at, object) in fetched {
            if self.store_of(&chunks[at]).local().is_none() {
                new.push((keys[at].clone(), object.clone()));
            }
            found[at] = Some(object);
        }
        cache.put(new).await;
        Ok(found.into_iter().flatten().collect())
    }

    /// Chunk objects from their stores, in order.
    async fn fetch(
        &self,
        tenant: &TenantId,
        chunks: impl Iterator<Item = &ChunkRef>,
        parallel: usize,
    ) -> Result<Vec<Bytes>, StorageError> {
        let fetches: Vec<_> = chunks.map(|chunk| self.get_chunk(tenant, chunk)).collect();
        stream::iter(fetches).buffered(parallel.max(1)).try_collect().await
    }

    /// Takes a fetched chunk object apart, checksum and all. CPU work.
    pub fn open_chunk(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> Result<Chunk, StorageError> {
        let opened = Object::decode_expected(object, tenant, chunk).and_then(|object| Chunk::parse(object.memchunk));
        let chunk_error = |source| StorageError::Chunk { key: self.chunk_name(tenant, chunk), source };
        opened.map(Chunk::verified).map_err(chunk_error)
    }

    /// Stores an index file of all tenants under a name; `false` if that name is taken.
    pub async fn put_index(&self, table: &TableId, name: &FileName, object: Bytes) -> Result<bool, StorageError> {
        let key = IndexPath { table: table.name.clone(), tenant: None, name: name.clone() }.key(&table.path_prefix);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let path = path(&key)?;
        let put = self.stores[table.store].objects().put_opts(&path, object.into(), create);
        match self.time(Operation::Upload, 1, put).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(StorageError::store(key, source)),
        }
    }

    /// Stores an index file of all tenants under a name whose content it is, over what may lie there: an upload that was
    /// cut short.
    pub async fn replace_index(&self, table: &TableId, name: &FileName, object: Bytes) -> Result<(), StorageError> {
        let key = IndexPath { table: table.name.clone(), tenant: None, name: name.clone() }.key(&table.path_prefix);
        let path = path(&key)?;
        let put = self.stores[table.store].objects().put(&path, object.into());
        let put = self.time(Operation::Upload, 1, put).await;
        put.map(drop).map_err(|source| StorageError::store(key, source))
    }
}
