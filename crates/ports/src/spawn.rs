//! Tasks as a port. Whoever spawns holds the handle and joins it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a task gave no result.
#[derive(Debug, thiserror::Error)]
#[error("task {name} {}", if *.panicked { "panicked" } else { "was aborted" })]
pub struct TaskError {
    /// Name given at spawn.
    pub name: &'static str,
    /// Whether it panicked.
    pub panicked: bool,
}

/// A spawned task; awaiting it joins.
#[must_use = "whoever spawns a task joins it"]
#[allow(missing_debug_implementations)]
pub struct TaskHandle {
    inner: Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>,
}

impl TaskHandle {
    /// Wraps what completes when the task has ended.
    pub fn new(joined: impl Future<Output = Result<(), TaskError>> + Send + 'static) -> Self {
        Self { inner: Box::pin(joined) }
    }
}

impl Future for TaskHandle {
    type Output = Result<(), TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx)
    }
}

/// Starts tasks.
pub trait Spawner: Send + Sync {
    /// Runs `task` on the reactor. Dropping the handle does not stop it.
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> TaskHandle;
    /// Runs file I/O off the reactor; CPU work goes to the [`crate::CpuPool`].
    fn blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) -> TaskHandle;
}

impl dyn Spawner {
    /// Runs blocking `work` off the reactor and returns what it returned.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TaskError> {
        let (send, receive) = tokio::sync::oneshot::channel();
        let handle = self.blocking(
            name,
            Box::new(move || {
                // A closed receiver means the caller went away: nobody wants the result.
                let _ = send.send(work());
            }),
        );
        handle.await?;
        receive.await.map_err(|_| TaskError { name, panicked: true })
    }
}
