//! A store that dies at a chosen call, before or after it has done what was asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// `inner`, whose calls from number `dies_at` on fail. The first of them is done all the same if `obeys`: its answer is
/// lost.
#[derive(Clone, Debug)]
pub(crate) struct Faulty {
    inner: Arc<InMemory>,
    calls: Arc<AtomicU64>,
    dies_at: u64,
    obeys: bool,
    /// Whether only the one call fails, as when a connection breaks, not the process.
    recovers: bool,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<InMemory>, dies_at: u64, obeys: bool) -> Self {
        Self { inner, calls: Arc::default(), dies_at, obeys, recovers: false }
    }

    pub(crate) fn once(self) -> Self {
        Self { recovers: true, ..self }
    }

    /// Whether the call that fails was reached.
    pub(crate) fn died(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.dies_at
    }

    /// `None`: goes well; otherwise whether it is done before it fails.
    fn next(&self) -> Option<bool> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match call.cmp(&self.dies_at) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(self.obeys),
            std::cmp::Ordering::Greater => (!self.recovers).then_some(false),
        }
    }
}

fn dead() -> Error {
    Error::Generic { store: "faulty", source: "died".into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.next() {
            Some(false) => Err(dead()),
            Some(true) => self.inner.put_opts(location, payload, options).await.and(Err(dead())),
            None => self.inner.put_opts(location, payload, options).await,
        }
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(dead())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.next() {
            Some(_) => Err(dead()),
            None => self.inner.get_opts(location, options).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |location: Result<Path>| {
            let store = store.clone();
            async move {
                let location = location?;
                match store.next() {
                    Some(false) => return Err(dead()),
                    Some(true) => return store.inner.delete(&location).await.and(Err(dead())),
                    None => store.inner.delete(&location).await?,
                }
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            Some(_) => stream::once(async { Err(dead()) }).boxed(),
            None => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        match self.next() {
            Some(_) => Err(dead()),
            None => self.inner.list_with_delimiter(prefix).await,
        }
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(dead())
    }
}
