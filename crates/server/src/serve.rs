//! Accepts connections and serves HTTP on them, until told to stop; then lets requests under way finish.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use loptr_ports::{Clock, Listener, Spawner, TaskHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Pause after a connection that could not be accepted.
pub(crate) const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServeSettings {
    /// Connections at once; more wait.
    pub(crate) connections: usize,
    /// Time a client may take to send a request's head.
    pub(crate) header_timeout: Duration,
    /// Time it may take to send the body.
    pub(crate) read_timeout: Duration,
    /// How long requests under way may go on after the stop.
    pub(crate) grace: Duration,
}

/// Serves `router` until `stop`, then waits for requests under way.
pub(crate) async fn serve(
    listener: Box<dyn Listener>,
    router: Router,
    settings: ServeSettings,
    clock: Arc<dyn Clock>,
    spawner: Arc<dyn Spawner>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(settings.connections));
    let mut connections: Vec<TaskHandle> = Vec::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, _peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: what is served now may free some.
                tracing::warn!(%error, "connection not accepted");
                clock.sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let connection = serve_connection(stream, router.clone(), settings, stop.clone(), place);
        connections.push(spawner.spawn("http connection", Box::pin(connection)));
        if connections.len() >= 64 && connections.len() >= 2 * (settings.connections - places.available_permits()) {
            connections = still_running(connections).await;
        }
    }
    drop(listener);
    let all = futures::future::join_all(connections);
    if loptr_ports::timeout(&*clock, settings.grace, all).await.is_err() {
        tracing::warn!(grace = ?settings.grace, "requests still under way at the end of the grace period were cut off");
    }
}

/// The handles whose tasks have not ended.
async fn still_running(handles: Vec<TaskHandle>) -> Vec<TaskHandle> {
    let mut running = Vec::new();
    for mut handle in handles {
        let ended = futures::poll!(&mut handle).is_ready();
        if !ended {
            running.push(handle);
        }
    }
    running
}

async fn serve_connection(
    stream: Box<dyn loptr_ports::Connection>,
    router: Router,
    settings: ServeSettings,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.header_timeout).max_buf_size(1 << 20);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            served = connection.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended early");
                }
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
