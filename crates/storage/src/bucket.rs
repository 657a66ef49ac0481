//! Chunk and index objects under upstream's names.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use loptr_chunk::{Chunk, Object, external_key, filesystem_name};
use loptr_index::tables::{FileName, IndexPath};
use loptr_model::{ChunkRef, TenantId};
use loptr_ports::Clock;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::disk_store::DiskStore;
use crate::error::StorageError;
use crate::index_store::path;
use crate::metrics::{Meter, Operation, StorageMetrics};
use crate::schema::{Schema, TableId};
use crate::spool::Spool;

/// How a store names chunk objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkNames {
    /// The filesystem's: the last part, or the whole key before schema v12, in base64.
    Filesystem,
    /// The key as it is.
    Plain,
}

/// One object store with upstream's layout in it.
#[derive(Clone, Debug)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    schema: Arc<Schema>,
    names: ChunkNames,
    /// `store` again, when it is the filesystem's.
    local: Option<DiskStore>,
    /// Where chunk objects wait while the store is down.
    spool: Option<Arc<Spool>>,
    meter: Option<Meter>,
}

impl Bucket {
    /// The bucket in `store`.
    pub fn new(store: Arc<dyn ObjectStore>, schema: Arc<Schema>, names: ChunkNames) -> Self {
        Self { store, schema, names, local: None, spool: None, meter: None }
    }

    /// The bucket in the filesystem store, with objects that wait in `spool`.
    pub fn on_disk(store: DiskStore, schema: Arc<Schema>, spool: Option<Arc<Spool>>) -> Self {
        Self { local: Some(store.clone()), spool, ..Self::new(Arc::new(store), schema, ChunkNames::Filesystem) }
    }

    /// Its calls are timed by `clock` and told to `metrics`.
    pub fn metered(self, clock: Arc<dyn Clock>, metrics: StorageMetrics) -> Self {
        Self { meter: Some(Meter::new(clock, metrics)), ..self }
    }

    async fn time<T>(
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
        self.local.as_ref().map_or(0, DiskStore::calls)
    }

    /// Where chunk objects wait while the store is down.
    pub fn spool(&self) -> Option<&Arc<Spool>> {
        self.spool.as_ref()
    }

    /// Its schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Name of the object that holds a chunk.
    pub fn chunk_name(&self, tenant: &TenantId, chunk: &ChunkRef) -> String {
        let schema = self.schema.period_at(chunk.from).schema;
        let key = external_key(schema, tenant, chunk);
        match self.names {
            ChunkNames::Filesystem => filesystem_name(schema, &key),
            ChunkNames::Plain => key,
        }
    }

    /// Stores a chunk object; durable when it returns.
    pub async fn put_chunk(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> Result<(), StorageError> {
        let name = self.chunk_name(tenant, chunk);
        let put = self.time(Operation::Upload, 1, self.store.put(&path(&name)?, object.into())).await;
        put.map(drop).map_err(|source| StorageError::store(name, source))
    }

    /// Fetches a chunk object as it lies.
    pub async fn get_chunk(&self, tenant: &TenantId, chunk: &ChunkRef) -> Result<Bytes, StorageError> {
        let name = self.chunk_name(tenant, chunk);
        if let Some(spool) = &self.spool {
            let waiting = spool.get(tenant, chunk).await;
            let waiting = waiting.map_err(|error| StorageError::Store { key: name.clone(), reason: error.to_string() });
            if let Some(object) = waiting? {
                return Ok(object);
            }
        }
        let path = path(&name)?;
        let get = async { self.store.get(&path).await?.bytes().await };
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
        if let Some(local) = &self.local
            && !chunks.iter().any(waits)
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
        let fetches: Vec<_> = chunks.iter().map(|chunk| self.get_chunk(tenant, chunk)).collect();
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
        match self.time(Operation::Upload, 1, self.store.put_opts(&path, object.into(), create)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(StorageError::store(key, source)),
        }
    }

    /// Stores an index file of all tenants under a name whose content it is, over what may lie there: an upload that was
    /// cut short.
    pub async fn replace_index(&self, table: &TableId, name: &FileName, object: Bytes) -> Result<(), StorageError> {
        let key = IndexPath { table: table.name.clone(), tenant: None, name: name.clone() }.key(&table.path_prefix);
        let put = self.time(Operation::Upload, 1, self.store.put(&path(&key)?, object.into())).await;
        put.map(drop).map_err(|source| StorageError::store(key, source))
    }
}
