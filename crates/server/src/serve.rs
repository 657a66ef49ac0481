//! Accepts connections and serves HTTP on them, until told to stop; then lets requests under way finish.

mod deadlines;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use loptr_ports::{Clock, Connection, Listener, Spawner, TaskHandle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

pub(crate) use self::deadlines::Unhurried;
use self::deadlines::{Deadlines, Timed, Times, Told};
use crate::tls::Tls;

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
    /// Time from the end of a request's head to that of its answer; no bound without.
    pub(crate) write_timeout: Option<Duration>,
    /// Time a connection may be open without a request.
    pub(crate) idle_timeout: Duration,
    /// How long requests under way may go on after the stop.
    pub(crate) grace: Duration,
}

/// Serves `router` until `stop`, then waits for requests under way.
pub(crate) async fn serve(
    listener: Box<dyn Listener>,
    router: Router,
    settings: ServeSettings,
    tls: Option<Arc<Tls>>,
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
        let (router, tls, clock, stop) = (router.clone(), tls.clone(), clock.clone(), stop.clone());
        let connection = async move {
            let secured = tokio::select! {
                () = stop.cancelled() => None,
                secured = secure(stream, tls.as_deref(), settings.header_timeout, &*clock) => secured,
            };
            if let Some(stream) = secured {
                serve_connection(stream, router, settings, clock, stop, place).await;
            }
        };
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

/// The connection after its handshake, which may take as long as a request's head; as it is without TLS.
pub(crate) async fn secure(
    stream: Box<dyn Connection>,
    tls: Option<&Tls>,
    within: Duration,
    clock: &dyn Clock,
) -> Option<Box<dyn Connection>> {
    let Some(tls) = tls else { return Some(stream) };
    let error = match loptr_ports::timeout(clock, within, tls.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error.to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tls.handshake_failed();
    tracing::debug!(error, "TLS handshake failed");
    None
}

async fn serve_connection(
    stream: Box<dyn Connection>,
    router: Router,
    settings: ServeSettings,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().header_read_timeout(None).max_buf_size(1 << 20);
    let times = Times { header: settings.header_timeout, write: settings.write_timeout, idle: settings.idle_timeout };
    let deadlines = Deadlines::new(clock, times);
    let stream = Told { io: stream, deadlines: deadlines.clone() };
    let service = Timed::new(router, deadlines.clone());
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
            () = deadlines.expired() => {
                tracing::debug!("connection closed: it was late");
                return;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
