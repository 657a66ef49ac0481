//! What compaction needs of the bucket: tables listed afresh, files by their keys, removals, and objects of our own.
//!
//! ```text
//! index/<table>/<file>                        of all tenants
//! index/<table>/<tenant>/<file>               of one tenant: what compaction makes
//! loptr~/<name>                               our own, where no tenant's name can lie
//! ```
//!
//! Nothing here is cached. An object that is gone is `None` or `false`, never an error: whoever removes objects may have
//! been there before.

use std::collections::HashMap;

use bytes::Bytes;
use futures::stream::TryStreamExt;
use loptr_index::tables::{DELETE_REQUESTS, FileName, IndexPath, TableListing, list_tables_as};
use loptr_model::{ChunkRef, TenantId};
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::bucket::Bucket;
use crate::disk_store::OWN_PREFIX;
use crate::error::StorageError;
use crate::index_store::path;
use crate::metrics::Operation;
use crate::schema::TableId;

/// Files of a table and their sizes.
#[derive(Clone, Debug, Default)]
pub struct ListedTable {
    /// What lies where.
    pub files: TableListing,
    /// Bytes of each object, by key.
    pub bytes: HashMap<String, u64>,
}

fn found<T>(key: &str, result: object_store::Result<T>) -> Result<Option<T>, StorageError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(StorageError::store(key, source)),
    }
}

fn own(name: &str) -> String {
    format!("{OWN_PREFIX}/{name}")
}

impl Bucket {
    fn objects(&self, store: usize) -> &dyn ObjectStore {
        self.stores()[store].objects()
    }

    /// How many stores there are; own objects lie in one of them.
    pub fn store_count(&self) -> usize {
        self.stores().len()
    }

    /// Every index table that a period of the schema reaches.
    pub async fn list_tables(&self) -> Result<Vec<TableId>, StorageError> {
        let mut tables = Vec::new();
        for (store, path_prefix) in self.schema().index_places() {
            let dir = path(&path_prefix)?;
            let list = self.objects(store).list_with_delimiter(Some(&dir));
            let listed = self.time(Operation::Iter, 1, list).await;
            let listed = listed.map_err(|source| StorageError::store(&path_prefix, source))?;
            for name in listed.common_prefixes.iter().filter_map(|prefix| prefix.filename()) {
                let table = TableId { store, path_prefix: path_prefix.clone(), name: name.to_owned() };
                if name != DELETE_REQUESTS && self.schema().period_of_table(&table).is_some() {
                    tables.push(table);
                }
            }
        }
        Ok(tables)
    }

    /// What lies in `table` now.
    pub async fn list_table(&self, table: &TableId) -> Result<ListedTable, StorageError> {
        let dir = format!("{}{}", table.path_prefix, table.name);
        let bytes: HashMap<String, u64> = self.list(table.store, &dir).await?.into_iter().collect();
        let mut keys: Vec<&str> = bytes.keys().map(String::as_str).collect();
        keys.sort_unstable();
        let kind = self.schema().index_kind(table).files();
        let mut listed = list_tables_as(|_| kind, &table.path_prefix, keys);
        let files = listed.remove(&table.name).unwrap_or_default();
        Ok(ListedTable { files, bytes })
    }

    async fn list(&self, store: usize, dir: &str) -> Result<Vec<(String, u64)>, StorageError> {
        let objects = self.objects(store).list(Some(&path(dir)?));
        let objects = objects.map_ok(|object| (object.location.to_string(), object.size)).try_collect();
        let objects = self.time(Operation::Iter, 1, objects).await;
        objects.map_err(|source| StorageError::store(dir, source))
    }

    async fn get(&self, store: usize, key: &str) -> Result<Option<Bytes>, StorageError> {
        let path = path(key)?;
        let get = async { self.objects(store).get(&path).await?.bytes().await };
        found(key, self.time(Operation::Get, 1, get).await)
    }

    async fn delete(&self, store: usize, key: &str) -> Result<bool, StorageError> {
        let path = path(key)?;
        let delete = self.objects(store).delete(&path);
        Ok(found(key, self.time(Operation::Delete, 1, delete).await)?.is_some())
    }

    async fn create(&self, store: usize, key: &str, object: Bytes) -> Result<bool, StorageError> {
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let path = path(key)?;
        match self.time(Operation::Upload, 1, self.objects(store).put_opts(&path, object.into(), create)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(StorageError::store(key, source)),
        }
    }

    /// An index file of `table` as it lies; `None` if it is gone.
    pub async fn get_index(&self, table: &TableId, key: &str) -> Result<Option<Bytes>, StorageError> {
        self.get(table.store, key).await
    }

    /// Stores an index file of one tenant under a name; its key, or `None` if that name is taken.
    pub async fn put_tenant_index(
        &self,
        table: &TableId,
        tenant: &TenantId,
        name: &FileName,
        object: Bytes,
    ) -> Result<Option<String>, StorageError> {
        let place = IndexPath { table: table.name.clone(), tenant: Some(tenant.clone()), name: name.clone() };
        let key = place.key(&table.path_prefix);
        Ok(self.create(table.store, &key, object).await?.then_some(key))
    }

    /// Removes an index file; whether it was there.
    pub async fn delete_index(&self, table: &TableId, key: &str) -> Result<bool, StorageError> {
        self.delete(table.store, key).await
    }

    /// Removes a chunk object; whether it was there.
    pub async fn delete_chunk(&self, tenant: &TenantId, chunk: &ChunkRef) -> Result<bool, StorageError> {
        let name = self.chunk_name(tenant, chunk);
        self.delete(self.schema().period_at(chunk.from).store, &name).await
    }

    /// Names of our own objects that begin with the folder `dir`, in order.
    pub async fn list_own(&self, store: usize, dir: &str) -> Result<Vec<String>, StorageError> {
        let cut = OWN_PREFIX.len() + 1;
        let listed = self.list(store, &own(dir)).await?;
        let mut names: Vec<String> =
            listed.into_iter().filter_map(|(key, _)| key.get(cut..).map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// One of our own objects.
    pub async fn get_own(&self, store: usize, name: &str) -> Result<Option<Bytes>, StorageError> {
        self.get(store, &own(name)).await
    }

    /// Stores an object of our own; `false` if its name is taken.
    pub async fn create_own(&self, store: usize, name: &str, object: Bytes) -> Result<bool, StorageError> {
        self.create(store, &own(name), object).await
    }

    /// Removes an object of our own; whether it was there.
    pub async fn delete_own(&self, store: usize, name: &str) -> Result<bool, StorageError> {
        self.delete(store, &own(name)).await
    }

    /// The object `key` of a store, as it lies.
    pub async fn get_object(&self, store: usize, key: &str) -> Result<Option<Bytes>, StorageError> {
        self.get(store, key).await
    }

    /// Stores `object` as `key`, over what may lie there.
    pub async fn put_object(&self, store: usize, key: &str, object: Bytes) -> Result<(), StorageError> {
        let path = path(key)?;
        let put = self.time(Operation::Upload, 1, self.objects(store).put(&path, object.into())).await;
        put.map(drop).map_err(|source| StorageError::store(key, source))
    }
}
