//! Several buckets that are one store: a key lies in the one its hash says (upstream's rule for `bucketnames`).

use std::fmt;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// At least two stores.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    stores: Arc<[Arc<dyn ObjectStore>]>,
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} buckets", self.stores.len())
    }
}

/// FNV-1a, 32 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Spread {
    pub(super) fn new(stores: Vec<Arc<dyn ObjectStore>>) -> Self {
        Self { stores: stores.into() }
    }

    fn store(&self, location: &Path) -> &Arc<dyn ObjectStore> {
        &self.stores[fnv1a(location.as_ref().as_bytes()) as usize % self.stores.len()]
    }
}

#[async_trait::async_trait]
impl ObjectStore for Spread {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store(location).put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store(location).put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store(location).get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let spread = self.clone();
        let delete = move |location: Result<Path>| {
            let spread = spread.clone();
            async move {
                let location = location?;
                spread.store(&location).delete(&location).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listings: Vec<_> = self.stores.iter().map(|store| store.list(prefix)).collect();
        stream::iter(listings).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut all = ListResult { common_prefixes: Vec::new(), objects: Vec::new(), extensions: Default::default() };
        for store in self.stores.iter() {
            let found = store.list_with_delimiter(prefix).await?;
            all.common_prefixes.extend(found.common_prefixes);
            all.objects.extend(found.objects);
        }
        all.common_prefixes.sort();
        all.common_prefixes.dedup();
        Ok(all)
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".to_owned(), implementer: self.to_string() })
    }
}
