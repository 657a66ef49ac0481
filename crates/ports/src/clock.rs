//! Time as a port.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use loptr_model::Nanos;

/// Wall and monotonic time, and waiting.
pub trait Clock: Send + Sync {
    /// Wall-clock Unix time.
    fn now(&self) -> Nanos;
    /// Nanoseconds since some fixed point; never goes back.
    fn monotonic(&self) -> Nanos;
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A deadline passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

/// Runs `work` for at most `limit` of `clock`'s time.
pub async fn timeout<T>(clock: &dyn Clock, limit: Duration, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut sleep = clock.sleep(limit);
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(value) = work.as_mut().poll(cx) {
            return std::task::Poll::Ready(Ok(value));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed))
    })
    .await
}
