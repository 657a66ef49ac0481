//! What every store on the network has around it.

use std::fmt;

use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::hedge::Hedge;
use crate::metrics::{Request, RequestMeter};

/// A store whose puts carry attributes and whose reads may be asked twice.
#[derive(Debug)]
pub(super) struct Client<S> {
    pub(super) inner: S,
    /// Said of each object that is put and says nothing itself.
    pub(super) attributes: Attributes,
    pub(super) hedge: Option<Hedge>,
    /// None for what is not on the network.
    pub(super) meter: Option<RequestMeter>,
}

impl<S> Client<S> {
    async fn timed<T>(&self, request: Request, call: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(meter) = &self.meter else { return call.await };
        let began = meter.now();
        let done = call.await;
        meter.ended(request, began, done.as_ref().err());
        done
    }

    /// Counts each item of a stream of answers as a request of its own.
    fn each<T: Send + 'static>(
        &self,
        request: Request,
        answers: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let Some(meter) = self.meter.clone() else { return answers };
        let mut began = meter.now();
        answers
            .inspect(move |answer| {
                meter.ended(request, began, answer.as_ref().err());
                began = meter.now();
            })
            .boxed()
    }
}

impl<S: fmt::Display> fmt::Display for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait::async_trait]
impl<S: ObjectStore> ObjectStore for Client<S> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if options.attributes.is_empty() {
            options.attributes.clone_from(&self.attributes);
        }
        self.timed(Request::Put, self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        mut options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if options.attributes.is_empty() {
            options.attributes.clone_from(&self.attributes);
        }
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let request = if options.head { Request::Head } else { Request::Get };
        let get = |options| self.timed(request, self.inner.get_opts(location, options));
        match &self.hedge {
            Some(hedge) => hedge.first(|| get(options.clone())).await,
            None => get(options).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.each(Request::Delete, self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.inner.list(prefix);
        let Some(meter) = self.meter.clone() else { return listed };
        // A listing is one request, about: pages are the client's own affair.
        let (began, mut first) = (meter.now(), true);
        listed
            .inspect(move |answer| {
                if std::mem::take(&mut first) || answer.is_err() {
                    meter.ended(Request::List, began, answer.as_ref().err());
                }
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.timed(Request::List, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
