//! Answers that wait for their client count among what queries hold.
//!
//! A large answer is handed to the connection in slices, the next when there is room for it, and its place is given back
//! with the last. So many slow readers meet the bound of all queries, as many queries do.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use loptr_ports::Reservation;

use super::App;
use super::error::HttpError;

/// Shorter answers are not counted: a connection buffers as much.
const COUNTED_FROM: u64 = 256 << 10;
/// Bytes handed over at once.
const SLICE: usize = 64 << 10;

struct Held {
    inner: Body,
    /// What of `inner` has been read and not been handed over.
    rest: Bytes,
    _place: Reservation,
}

/// Counts a large answer until it has been taken, or refuses it for want of memory.
pub(super) async fn hold(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let bytes = response.body().size_hint().lower();
    if bytes < COUNTED_FROM {
        return response;
    }
    match app.engine.hold(bytes) {
        Ok(place) => response.map(|inner| Body::new(Held { inner, rest: Bytes::new(), _place: place })),
        Err(error) => HttpError::from(error).into_response(),
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            match Pin::new(&mut self.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        let slice = self.rest.len().min(SLICE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(slice)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use loptr_ports::{Budget, ProcessBudget};

    use super::*;

    #[tokio::test]
    async fn an_answer_keeps_its_place_until_its_last_slice() {
        let process = ProcessBudget::new(1 << 20);
        let place = Budget::new(u64::MAX, None, process.clone()).reserve(150_000).unwrap();
        let mut held = Held { inner: Body::from(vec![7; 150_000]), rest: Bytes::new(), _place: place };
        assert_eq!(held.size_hint().exact(), Some(150_000));
        let mut sizes = Vec::new();
        while !held.is_end_stream() {
            assert_eq!(process.used_bytes(), 150_000);
            sizes.push(held.frame().await.unwrap().unwrap().into_data().unwrap().len());
        }
        assert_eq!((sizes, held.size_hint().exact()), (vec![SLICE, SLICE, 150_000 - 2 * SLICE], Some(0)));
        drop(held);
        assert_eq!(process.used_bytes(), 0);
    }
}
