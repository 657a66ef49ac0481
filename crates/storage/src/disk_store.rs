//! The `filesystem` object store: upstream's layout on a [`Disk`], every put atomic and synced.
//!
//! An object is written to a temporary file under `loptr~/tmp` (no legal tenant name), synced, renamed into place, and
//! its folder synced, so that a power cut leaves the whole object or none. Upstream truncates and writes in place.
//! Leftovers in the temporary folder are removed at start. Deletes prune folders they empty, as upstream does.
//!
//! A file system can hang, as one on the network does when its server is gone: a call then never returns and keeps its
//! thread. `CALLS` bounds how many do, so that threads remain for the log; further calls wait until one returns or their
//! caller has waited long enough.

use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt};
use loptr_ports::{Disk, Spawner};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Folder of our own objects and files in a bucket: `~` is in no tenant name.
pub const OWN_PREFIX: &str = "loptr~";
const STORE: &str = "filesystem";
/// Calls on blocking threads at once, at most.
const CALLS: usize = 128;

/// Objects as files below one folder.
#[derive(Clone)]
pub struct DiskStore {
    shared: Arc<Shared>,
    spawner: Arc<dyn Spawner>,
    places: Arc<Semaphore>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    next_temporary: AtomicU64,
    /// Serialises create-if-absent within the process.
    creating: parking_lot::Mutex<()>,
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore").field("root", &self.shared.root).finish_non_exhaustive()
    }
}

impl std::fmt::Display for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "filesystem({})", self.shared.root.display())
    }
}

fn failed(source: io::Error, location: &Path) -> Error {
    if source.kind() == io::ErrorKind::NotFound {
        return Error::NotFound { path: location.to_string(), source: Box::new(source) };
    }
    Error::Generic { store: STORE, source: Box::new(source) }
}

impl Shared {
    fn file(&self, location: &Path) -> PathBuf {
        location.parts().fold(self.root.clone(), |path, part| path.join(part.as_ref()))
    }

    fn location(&self, file: &FilePath) -> Option<Path> {
        let below = file.strip_prefix(&self.root).ok()?;
        Path::parse(below.to_str()?).ok()
    }

    fn temporary_dir(&self) -> PathBuf {
        self.root.join(OWN_PREFIX).join("tmp")
    }

    fn clear_temporary(&self) -> io::Result<()> {
        let temporary = self.temporary_dir();
        self.disk.create_dir_all(&temporary)?;
        for (path, is_dir) in self.disk.list(&temporary)? {
            if !is_dir {
                self.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    fn put(&self, location: &Path, parts: &[Bytes], create_only: bool) -> Result<()> {
        let target = self.file(location);
        let _creating = create_only.then(|| self.creating.lock());
        if create_only && self.disk.stat(&target).is_ok() {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::AlreadyExists { path: location.to_string(), source: Box::new(source) });
        }
        let number = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.temporary_dir().join(format!("{number:016x}"));
        let written = self.write_and_rename(&temporary, &target, parts);
        if written.is_err() {
            // Best effort: what stays is removed at the next start.
            let _ = self.disk.remove(&temporary);
        }
        written.map_err(|source| failed(source, location))
    }

    fn write_and_rename(&self, temporary: &FilePath, target: &FilePath, parts: &[Bytes]) -> io::Result<()> {
        let dir = target.parent().unwrap_or(&self.root);
        let mut file = match self.disk.create(temporary) {
            // It could not be made at the start.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.create_dir_all(&self.temporary_dir())?;
                self.disk.create(temporary)?
            }
            file => file?,
        };
        for part in parts {
            file.append(part)?;
        }
        file.sync()?;
        drop(file);
        // A delete may prune the folder between its creation and the rename: then it is made again.
        let mut tries = 3;
        loop {
            self.disk.create_dir_all(dir)?;
            match self.disk.rename(temporary, target) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => tries -= 1,
                renamed => break renamed?,
            }
        }
        self.disk.sync_dir(dir)
    }

    fn meta(&self, location: &Path) -> Result<ObjectMeta> {
        let (size, modified_ns) = self.disk.stat(&self.file(location)).map_err(|error| failed(error, location))?;
        Ok(ObjectMeta {
            location: location.clone(),
            last_modified: DateTime::<Utc>::from_timestamp_nanos(modified_ns),
            size,
            e_tag: None,
            version: None,
        })
    }

    fn get(&self, location: &Path, options: &GetOptions) -> Result<GetResult> {
        let meta = self.meta(location)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            None => 0..meta.size,
            Some(range) => {
                range.as_range(meta.size).map_err(|source| Error::Generic { store: STORE, source: Box::new(source) })?
            }
        };
        let bytes = if options.head {
            Bytes::new()
        } else {
            let len = range.end - range.start;
            let bytes = self.disk.read_range(&self.file(location), range.start, len);
            let bytes = bytes.map_err(|error| failed(error, location))?;
            if bytes.len() as u64 != len {
                let source = io::Error::other(format!("read {} bytes where {len} were expected", bytes.len()));
                return Err(failed(source, location));
            }
            Bytes::from(bytes)
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::once(async move { Ok(bytes) }).boxed()),
            meta,
            range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete(&self, location: &Path) -> Result<()> {
        let file = self.file(location);
        self.disk.remove(&file).map_err(|error| failed(error, location))?;
        for dir in file.ancestors().skip(1).take_while(|dir| *dir != self.root) {
            if self.disk.remove_dir(dir).is_err() {
                return self.disk.sync_dir(dir).map_err(|error| failed(error, location));
            }
        }
        self.disk.sync_dir(&self.root).map_err(|error| failed(error, location))
    }

    /// Objects below `prefix`, and the folders directly in it when `deep` is false.
    fn list(&self, prefix: Option<&Path>, deep: bool) -> Result<ListResult> {
        let root = prefix.map_or_else(|| self.root.clone(), |prefix| self.file(prefix));
        let mut found = ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() };
        let mut dirs = vec![root];
        while let Some(dir) = dirs.pop() {
            let entries = match self.disk.list(&dir) {
                // A prefix that names nothing has no objects; a folder may be pruned meanwhile.
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    continue;
                }
                entries => entries.map_err(|source| Error::Generic { store: STORE, source: Box::new(source) })?,
            };
            for (path, is_dir) in entries {
                if path == self.root.join(OWN_PREFIX) {
                    continue;
                }
                let Some(location) = self.location(&path) else { continue };
                match (is_dir, deep) {
                    (true, true) => dirs.push(path),
                    (true, false) => found.common_prefixes.push(location),
                    (false, _) => match self.meta(&location) {
                        Err(Error::NotFound { .. }) => {}
                        meta => found.objects.push(meta?),
                    },
                }
            }
        }
        found.objects.sort_by(|a, b| a.location.cmp(&b.location));
        Ok(found)
    }
}

impl DiskStore {
    /// Objects below `root`, created if absent. Removes what an interrupted put left. A folder that is there and cannot be
    /// written is no error: what it holds can be read, and puts fail until that changes.
    pub fn open(disk: Arc<dyn Disk>, spawner: Arc<dyn Spawner>, root: PathBuf) -> io::Result<Self> {
        let store = Self::beside(disk, spawner, root);
        let shared = &store.shared;
        if let Err(error) = shared.clear_temporary() {
            shared.disk.list(&shared.root).map_err(|_| io::Error::new(error.kind(), error.to_string()))?;
            tracing::warn!(%error, dir = %shared.root.display(), "folder of the object store cannot be written");
        }
        Ok(store)
    }

    /// Objects below `root`, for a reader beside the process that owns the folder: nothing is created or removed.
    pub fn beside(disk: Arc<dyn Disk>, spawner: Arc<dyn Spawner>, root: PathBuf) -> Self {
        let shared = Shared { disk, root, next_temporary: AtomicU64::new(0), creating: parking_lot::Mutex::new(()) };
        Self { shared: Arc::new(shared), spawner, places: Arc::new(Semaphore::new(CALLS)) }
    }

    /// Reads whole objects with one hop to a blocking thread. An error names the position of the object.
    pub(crate) async fn read_all(&self, locations: Vec<Path>) -> std::result::Result<Vec<Bytes>, (usize, Error)> {
        let shared = self.shared.clone();
        let place = self.place().await.map_err(|error| (0, error))?;
        let read = move || {
            let _place = place;
            let files = locations.iter().enumerate().map(|(at, location)| {
                let bytes = shared.disk.read(&shared.file(location));
                bytes.map(Bytes::from).map_err(|error| (at, failed(error, location)))
            });
            files.collect()
        };
        match self.spawner.run_blocking("filesystem object store", read).await {
            Ok(result) => result,
            Err(source) => Err((0, Error::Generic { store: STORE, source: Box::new(source) })),
        }
    }

    /// Calls that have not returned.
    pub fn calls(&self) -> usize {
        CALLS - self.places.available_permits()
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let place = self.places.clone().acquire_owned().await;
        place.map_err(|source| Error::Generic { store: STORE, source: Box::new(source) })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Shared) -> Result<T> + Send + 'static) -> Result<T> {
        let shared = self.shared.clone();
        let place = self.place().await?;
        let work = move || {
            let _place = place;
            work(&shared)
        };
        match self.spawner.run_blocking("filesystem object store", work).await {
            Ok(result) => result,
            Err(source) => Err(Error::Generic { store: STORE, source: Box::new(source) }),
        }
    }
}

#[async_trait::async_trait]
impl ObjectStore for DiskStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let create_only = match opts.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return Err(not_implemented("put with update")),
        };
        let location = location.clone();
        self.run(move |shared| {
            let parts: Vec<Bytes> = payload.into_iter().collect();
            shared.put(&location, &parts, create_only)
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(not_implemented("multipart upload"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let location = location.clone();
        self.run(move |shared| shared.get(&location, &options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .then(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    let target = location.clone();
                    store.run(move |shared| shared.delete(&target)).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listing = async move { store.run(move |shared| shared.list(prefix.as_ref(), true)).await };
        stream::once(listing)
            .flat_map(|listing| match listing {
                Ok(found) => stream::iter(found.objects.into_iter().map(Ok)).boxed(),
                Err(error) => stream::once(async move { Err(error) }).boxed(),
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.cloned();
        self.run(move |shared| shared.list(prefix.as_ref(), false)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |shared| {
            let bytes = shared.disk.read(&shared.file(&from)).map_err(|error| failed(error, &from))?;
            shared.put(&to, &[Bytes::from(bytes)], matches!(options.mode, CopyMode::Create))
        })
        .await
    }
}

fn not_implemented(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: STORE.to_owned() }
}

#[cfg(test)]
mod tests {
    use loptr_model::Nanos;
    use loptr_ports::sim::World;
    use object_store::ObjectStoreExt;

    use super::*;

    fn store(world: &World) -> DiskStore {
        let ports = world.ports();
        DiskStore::open(ports.disk, ports.spawner, "/bucket".into()).expect("a simulated disk opens")
    }

    #[tokio::test]
    async fn puts_gets_ranges_lists_and_deletes() {
        let world = World::new(1, Nanos(0));
        let store = store(&world);
        let key = Path::parse("fake/1f/MWEx:=").expect("a legal key");
        store.put(&key, "hello".into()).await.expect("put");
        assert_eq!(&store.get(&key).await.expect("get").bytes().await.expect("bytes")[..], b"hello");
        assert_eq!(&store.get_range(&key, 1..3).await.expect("range")[..], b"el");
        let create = PutOptions { mode: PutMode::Create, ..Default::default() };
        let again = store.put_opts(&key, "x".into(), create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        let root = store.list_with_delimiter(None).await.expect("list");
        assert_eq!(root.common_prefixes, [Path::from("fake")]);
        let all: Vec<_> = store.list(None).map(|meta| meta.expect("meta").location).collect().await;
        assert_eq!(all, std::slice::from_ref(&key));
        store.delete(&key).await.expect("delete");
        assert!(matches!(store.get(&key).await, Err(Error::NotFound { .. })));
        assert!(store.list_with_delimiter(None).await.expect("list").common_prefixes.is_empty(), "folders are pruned");
    }

    #[tokio::test]
    async fn a_put_that_fails_leaves_nothing_and_the_next_one_works() {
        use loptr_ports::sim::{DiskOp, Fault};
        for op in [DiskOp::Create, DiskOp::Append, DiskOp::Sync, DiskOp::Rename] {
            let world = World::new(1, Nanos(0));
            let store = store(&world);
            let key = Path::parse("fake/1f/x").expect("a legal key");
            world.disk.fail(Fault { is_short: true, ..Fault::some(op, "/bucket", 0, 1) });
            assert!(store.put(&key, "hello".into()).await.is_err(), "{op:?}");
            assert!(world.disk.list(FilePath::new("/bucket/loptr~/tmp")).expect("it is there").is_empty(), "{op:?}");
            assert!(store.get(&key).await.is_err(), "{op:?}");
            store.put(&key, "hello".into()).await.expect("only one fails");
        }
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_opened_and_read() {
        use loptr_ports::sim::{DiskOp, Fault};
        let world = World::new(1, Nanos(0));
        let key = Path::parse("fake/1f/x").expect("a legal key");
        store(&world).put(&key, "hello".into()).await.expect("put");
        drop(world.disk.create(FilePath::new("/bucket/loptr~/tmp/left")).expect("new file"));
        world.disk.fail(Fault::lasting(DiskOp::Remove, "/bucket"));
        store(&world).get(&key).await.expect("it can be read");
    }

    #[tokio::test]
    async fn a_put_that_returned_survives_every_crash() {
        for seed in 0..300 {
            let world = World::new(seed, Nanos(0));
            let store_before = store(&world);
            let key = Path::from("index/index_1/5-x.tsdb.gz");
            store_before.put(&key, "acknowledged".into()).await.expect("put");
            world.disk.crash(&world.random);
            let bytes = store(&world).get(&key).await.expect("kept").bytes().await.expect("bytes");
            assert_eq!(&bytes[..], b"acknowledged", "seed {seed}");
        }
    }
}
