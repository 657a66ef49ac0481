//! Where delete requests are kept: upstream's object in the bucket, and upstream's file in the working directory.
//!
//! ```text
//! <prefix>delete_requests/delete_requests.gz                              in the bucket, gzipped
//! <working_directory>/deletion/delete_requests/delete_requests            the file that upstream's compactor trusts first
//! ```
//!
//! Both are read at the start and put together: an upstream that was killed has not uploaded its file yet, and one of ours
//! may have died between the two writes. A change is written to the bucket, then to the file, and answered only then. What
//! is in memory is what was written: a failed write changes nothing.
//!
//! While nothing could be read, because the store is down, [`DeleteStore::deletions`] is an error and queries fail.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use loptr_eval::source::Deletion;
use loptr_index::gzip;
use loptr_model::{Millis, Nanos, TenantId};
use loptr_ports::{Ports, Priority};
use loptr_storage::{Bucket, StorageError};
use parking_lot::RwLock;

use super::codec::{self, CodecError};
use super::{DeleteRequest, Part, PartKey, Requests, cut, new_id};

/// Parts of one request at most: more are hardly meant.
const PARTS_MAX: i64 = 100_000;

/// Where delete requests lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteStoreSettings {
    /// Which of the bucket's stores.
    pub store: usize,
    /// Prefix of the object's key; ends in `/` or is empty.
    pub prefix: String,
    /// Upstream's working directory, if there may be one.
    pub working_dir: Option<PathBuf>,
}

/// Why a request could not be read, made or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError {
    /// The bucket.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file.
    #[error("delete requests in {path}: {reason}")]
    Disk {
        /// The file.
        path: String,
        /// The disk's words.
        reason: String,
    },
    /// What was read is no list of requests.
    #[error("{place} holds no delete requests that can be read: {source}")]
    Unreadable {
        /// The object or file.
        place: String,
        /// What is wrong.
        source: CodecError,
    },
    /// Requests in a kind of database that is not read here.
    #[error(
        "object {key} holds delete requests in SQLite, which Loptr does not read: run upstream once with compactor.delete_request_store_db_type: boltdb and backup_delete_request_store_db_type: boltdb, or remove the object if no request in it matters"
    )]
    Sqlite {
        /// The object.
        key: String,
    },
    /// There is none with that id.
    #[error("could not find delete request with given id")]
    NotFound,
    /// A request would be cut into too many parts.
    #[error("the request has {parts} parts; limit {PARTS_MAX}: choose a longer max_interval")]
    TooManyParts {
        /// How many.
        parts: i64,
    },
    /// The CPU pool or a task gave no result.
    #[error("{0}")]
    Internal(String),
}

type Compiled = HashMap<String, Result<Arc<[Deletion]>, String>>;

/// What was read or written last.
struct Known {
    requests: Requests,
    compiled: Compiled,
}

/// The delete requests of everybody.
pub struct DeleteStore {
    ports: Ports,
    bucket: Arc<Bucket>,
    settings: DeleteStoreSettings,
    known: RwLock<Option<Arc<Known>>>,
    /// One change, or the first reading, at a time: held while the bucket is asked.
    changing: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for DeleteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeleteStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl DeleteStore {
    /// Reads nothing yet.
    pub fn new(ports: Ports, bucket: Arc<Bucket>, settings: DeleteStoreSettings) -> Self {
        Self { ports, bucket, settings, known: RwLock::default(), changing: tokio::sync::Mutex::new(()) }
    }

    fn key(&self, file: &str) -> String {
        format!("{}delete_requests/{file}", self.settings.prefix)
    }

    fn local(&self) -> Option<PathBuf> {
        let dir = self.settings.working_dir.as_ref()?;
        Some(dir.join("deletion").join("delete_requests").join("delete_requests"))
    }

    /// Reads the requests, unless that was done.
    pub async fn load(&self) -> Result<(), RequestError> {
        self.known().await.map(drop)
    }

    async fn known(&self) -> Result<Arc<Known>, RequestError> {
        if let Some(known) = self.known.read().clone() {
            return Ok(known);
        }
        let _one = self.changing.lock().await;
        if let Some(known) = self.known.read().clone() {
            return Ok(known);
        }
        let (in_bucket, in_file) = (self.read_bucket().await?, self.read_file().await?);
        let apart = in_file.as_ref().is_some_and(|in_file| *in_file != in_bucket);
        let requests = in_bucket.union(in_file.unwrap_or_default());
        if apart {
            self.write(&requests).await?;
        }
        self.replace(requests).await
    }

    async fn replace(&self, requests: Requests) -> Result<Arc<Known>, RequestError> {
        let now = self.ports.clock.now();
        let compile = move || Known { compiled: requests.deletions(now), requests };
        let known = self.ports.cpu.run(Priority::Query, compile).await;
        let known = Arc::new(known.map_err(|error| RequestError::Internal(error.to_string()))?);
        *self.known.write() = Some(known.clone());
        Ok(known)
    }

    async fn read_bucket(&self) -> Result<Requests, RequestError> {
        let sqlite = self.key("delete_requests.sqlite.gz");
        if self.bucket.get_object(self.settings.store, &sqlite).await?.is_some() {
            return Err(RequestError::Sqlite { key: sqlite });
        }
        let key = self.key("delete_requests.gz");
        let Some(object) = self.bucket.get_object(self.settings.store, &key).await? else {
            return Ok(Requests::default());
        };
        codec::unpack(&object).map_err(|source| RequestError::Unreadable { place: format!("object {key}"), source })
    }

    async fn read_file(&self) -> Result<Option<Requests>, RequestError> {
        let Some(path) = self.local() else { return Ok(None) };
        let (disk, file) = (self.ports.disk.clone(), path.clone());
        let read = self.ports.spawner.run_blocking("delete requests", move || disk.read(&file)).await;
        let failed = |error: &dyn std::fmt::Display| RequestError::Disk {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        match read.map_err(|error| failed(&error))? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
            Ok(bytes) => codec::decode(bytes.into())
                .map(Some)
                .map_err(|source| RequestError::Unreadable { place: format!("file {}", path.display()), source }),
        }
    }

    async fn write(&self, requests: &Requests) -> Result<(), RequestError> {
        let key = self.key("delete_requests.gz");
        let unwritable = |source| RequestError::Unreadable { place: "a change".to_owned(), source };
        let database = codec::encode(requests).map_err(unwritable)?;
        let object = Bytes::from(gzip::compress(&database));
        self.bucket.put_object(self.settings.store, &key, object).await?;
        let Some(path) = self.local() else { return Ok(()) };
        let (disk, file) = (self.ports.disk.clone(), path.clone());
        let write = move || {
            file.parent().map_or(Ok(()), |dir| disk.create_dir_all(dir))?;
            disk.write_atomic(&file, &database)
        };
        let written = self.ports.spawner.run_blocking("delete requests", write).await;
        let failed = |reason: String| RequestError::Disk { path: path.display().to_string(), reason };
        written.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }

    /// Changes the list: durable when it returns.
    async fn change<T>(
        &self,
        change: impl FnOnce(&mut Requests) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        self.load().await?;
        let _one = self.changing.lock().await;
        let known = self.known.read().clone();
        let mut requests = known.map(|known| known.requests.clone()).unwrap_or_default();
        let changed = change(&mut requests)?;
        self.write(&requests).await?;
        self.replace(requests).await?;
        Ok(changed)
    }

    /// Takes a request down and gives its id. `cut_millis` is the length of its parts; 0: one part.
    pub async fn add(
        &self,
        tenant: &TenantId,
        query: &str,
        start: Millis,
        end: Millis,
        cut_millis: i64,
    ) -> Result<String, RequestError> {
        let parts = if cut_millis > 0 { end.0.saturating_sub(start.0) / cut_millis } else { 0 };
        if parts > PARTS_MAX {
            return Err(RequestError::TooManyParts { parts });
        }
        let now = self.ports.clock.now();
        self.change(|requests| {
            let mut at = now;
            let mut id = new_id(tenant, at, query);
            while requests.of(tenant.as_str()).iter().any(|known| known.id == id) {
                at = at.saturating_add(1);
                id = new_id(tenant, at, query);
            }
            for (part, (start, end)) in (0..).zip(cut(start, end, cut_millis)) {
                let (tenant, id, query) = (tenant.to_string(), id.clone(), query.to_owned());
                let created = now.floor_millis();
                requests.insert(Part { tenant, id, part, created, start, end, query, processed: false });
            }
            requests.generations.insert(tenant.to_string(), now.0.to_string());
            Ok(id)
        })
        .await
    }

    /// A tenant's requests, by the time they were made.
    pub async fn of(&self, tenant: &TenantId) -> Result<Vec<DeleteRequest>, RequestError> {
        Ok(self.known().await?.requests.of(tenant.as_str()))
    }

    /// Takes a request back.
    pub async fn remove(&self, tenant: &TenantId, id: &str) -> Result<(), RequestError> {
        let now = self.ports.clock.now();
        self.change(|requests| {
            if !requests.of(tenant.as_str()).iter().any(|known| known.id == id) {
                return Err(RequestError::NotFound);
            }
            requests.remove(tenant.as_str(), id);
            requests.generations.insert(tenant.to_string(), now.0.to_string());
            Ok(())
        })
        .await
    }

    /// A number that changes with each request of a tenant; empty before the first.
    pub async fn generation(&self, tenant: &TenantId) -> Result<String, RequestError> {
        Ok(self.known().await?.requests.generations.get(tenant.as_str()).cloned().unwrap_or_default())
    }

    /// What a tenant's queries leave out.
    pub async fn deletions(&self, tenant: &TenantId) -> Result<Arc<[Deletion]>, String> {
        let known = self.known().await.map_err(|error| error.to_string())?;
        known.compiled.get(tenant.as_str()).cloned().unwrap_or_else(|| Ok(Arc::default()))
    }

    /// All of them.
    pub(crate) async fn all(&self) -> Result<Requests, RequestError> {
        Ok(self.known().await?.requests.clone())
    }

    pub(crate) async fn processed(&self, done: Vec<PartKey>) -> Result<(), RequestError> {
        self.change(|requests| {
            requests.processed(&done);
            Ok(())
        })
        .await
    }

    /// The time now, of the store's own clock.
    pub fn now(&self) -> Nanos {
        self.ports.clock.now()
    }
}
