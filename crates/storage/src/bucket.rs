//! Chunk and index objects under upstream's names.

use std::sync::Arc;

use bytes::Bytes;
use loptr_chunk::{Object, external_key, filesystem_name};
use loptr_index::tables::{FileName, IndexPath};
use loptr_model::{ChunkRef, TenantId};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::StorageError;
use crate::index_store::path;
use crate::schema::{Schema, TableId};

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
}

impl Bucket {
    /// The bucket in `store`.
    pub fn new(store: Arc<dyn ObjectStore>, schema: Arc<Schema>, names: ChunkNames) -> Self {
        Self { store, schema, names }
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
        let put = self.store.put(&path(&name)?, object.into()).await;
        put.map(drop).map_err(|source| StorageError::store(name, source))
    }

    /// Fetches a chunk object as it lies.
    pub async fn get_chunk(&self, tenant: &TenantId, chunk: &ChunkRef) -> Result<Bytes, StorageError> {
        let name = self.chunk_name(tenant, chunk);
        let got = self.store.get(&path(&name)?).await.map_err(|source| StorageError::store(&*name, source))?;
        got.bytes().await.map_err(|source| StorageError::store(name, source))
    }

    /// Takes a fetched chunk object apart, checksum and all. CPU work.
    pub fn open_chunk(&self, tenant: &TenantId, chunk: &ChunkRef, object: Bytes) -> Result<Object, StorageError> {
        Object::decode_expected(object, tenant, chunk)
            .map_err(|source| StorageError::Chunk { key: self.chunk_name(tenant, chunk), source })
    }

    /// Stores an index file of all tenants under a name; `false` if that name is taken.
    pub async fn put_index(&self, table: &TableId, name: &FileName, object: Bytes) -> Result<bool, StorageError> {
        let key = IndexPath { table: table.name.clone(), tenant: None, name: name.clone() }.key(&table.path_prefix);
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&path(&key)?, object.into(), create).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(StorageError::store(key, source)),
        }
    }
}
