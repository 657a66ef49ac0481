//! How long a connection may take over what: the head of a request, its answer, the time between two requests.
//!
//! ```text
//! head ──whole──> answer ──last byte flushed──> idle ──first byte──> head ─ …
//! read_header_timeout    write_timeout          idle_timeout
//! ```
//!
//! A connection that is late is closed. An answer that has not begun by its deadline becomes a 504, so that the client is
//! told why. Over HTTP/2 answers have deadlines of their own, since the connection carries others, too.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::service::TowerToHyperService;
use loptr_model::Nanos;
use loptr_ports::{Clock, Connection};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::http::error::HttpError;

/// Time for the few bytes that say that an answer is late.
const LAST_WORDS: Duration = Duration::from_secs(5);
const NEVER: Nanos = Nanos(i64::MAX);

/// The bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) header: Duration,
    /// From the end of a request's head to that of its answer.
    pub(super) write: Option<Duration>,
    pub(super) idle: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is awaited or under way.
    Head,
    /// Requests are.
    Answer,
    /// The last answer is whole, and not all of it sent.
    Flush,
    Idle,
}

struct State {
    phase: Phase,
    under_way: usize,
    is_http2: bool,
    deadline: Nanos,
    /// What the watch sleeps for.
    armed: Nanos,
}

/// Where a connection stands, and until when it may.
pub(super) struct Deadlines {
    clock: Arc<dyn Clock>,
    times: Times,
    state: Mutex<State>,
    earlier: Notify,
}

impl Deadlines {
    pub(super) fn new(clock: Arc<dyn Clock>, times: Times) -> Arc<Self> {
        let deadline = after(&*clock, times.header);
        let state = State { phase: Phase::Head, under_way: 0, is_http2: false, deadline, armed: NEVER };
        Arc::new(Self { clock, times, state: Mutex::new(state), earlier: Notify::new() })
    }

    /// Completes when the connection is late.
    pub(super) async fn expired(&self) {
        loop {
            let (wait, earlier) = {
                let mut state = self.state.lock();
                let now = self.clock.monotonic();
                if state.deadline <= now {
                    return;
                }
                state.armed = state.deadline;
                let nanos = state.deadline.0.saturating_sub(now.0);
                let wait = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
                ((state.deadline != NEVER).then_some(wait), self.earlier.notified())
            };
            match wait {
                None => earlier.await,
                Some(wait) => tokio::select! {
                    () = self.clock.sleep(wait) => {}
                    () = earlier => {}
                },
            }
        }
    }

    fn set(&self, state: &mut State, phase: Phase, deadline: Nanos) {
        (state.phase, state.deadline) = (phase, deadline);
        if deadline < state.armed {
            self.earlier.notify_one();
        }
    }

    fn received(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Idle && !state.is_http2 {
            self.set(&mut state, Phase::Head, after(&*self.clock, self.times.header));
        }
    }

    /// A request's head is whole: until when its answer may take.
    fn begun(&self, version: Version) -> Nanos {
        let deadline = self.times.write.map_or(NEVER, |write| after(&*self.clock, write));
        let mut state = self.state.lock();
        state.under_way += 1;
        state.is_http2 = version == Version::HTTP_2;
        let of_connection = if state.is_http2 { NEVER } else { deadline };
        self.set(&mut state, Phase::Answer, of_connection);
        deadline
    }

    /// More time for the answer under way.
    fn extend(&self, deadline: Nanos) {
        let mut state = self.state.lock();
        if !state.is_http2 && state.phase == Phase::Answer {
            self.set(&mut state, Phase::Answer, deadline);
        }
    }

    fn answered(&self) {
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        if state.under_way == 0 {
            state.phase = Phase::Flush;
        }
    }

    fn flushed(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Flush {
            self.set(&mut state, Phase::Idle, after(&*self.clock, self.times.idle));
        }
    }
}

fn after(clock: &dyn Clock, time: Duration) -> Nanos {
    clock.monotonic().saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// With each request: until when its answer may take.
#[derive(Clone)]
struct WriteDeadline(Arc<Allowed>);

struct Allowed {
    connection: Arc<Deadlines>,
    deadline: Mutex<Nanos>,
}

impl WriteDeadline {
    /// There is none for this answer.
    fn lift(&self) {
        *self.0.deadline.lock() = NEVER;
        self.0.connection.extend(NEVER);
    }

    /// Completes when it has passed.
    async fn passed(&self) {
        let clock = &*self.0.connection.clock;
        loop {
            let deadline = *self.0.deadline.lock();
            if deadline == NEVER {
                return std::future::pending().await;
            }
            let left = deadline.0.saturating_sub(clock.monotonic().0);
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
            clock.sleep(Duration::from_nanos(left)).await;
        }
    }
}

/// The routes, with deadlines.
pub(super) struct Timed {
    inner: TowerToHyperService<Router>,
    deadlines: Arc<Deadlines>,
}

impl Timed {
    pub(super) fn new(router: Router, deadlines: Arc<Deadlines>) -> Self {
        Self { inner: TowerToHyperService::new(router), deadlines }
    }
}

impl hyper::service::Service<Request<Incoming>> for Timed {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let connection = self.deadlines.clone();
        let deadline = connection.begun(request.version());
        let under_way = UnderWay(connection.clone());
        let allowed =
            WriteDeadline(Arc::new(Allowed { connection: connection.clone(), deadline: Mutex::new(deadline) }));
        request.extensions_mut().insert(allowed.clone());
        let is_http2 = request.version() == Version::HTTP_2;
        let answer = self.inner.call(request);
        Box::pin(async move {
            let (response, deadline) = tokio::select! {
                biased;
                response = answer => (response?, if is_http2 { *allowed.0.deadline.lock() } else { NEVER }),
                () = allowed.passed() => {
                    connection.extend(after(&*connection.clock, LAST_WORDS));
                    (late(connection.times.write.unwrap_or_default()), NEVER)
                }
            };
            Ok(response.map(|inner| Body::new(Watched { inner, deadline, under_way })))
        })
    }
}

fn late(limit: Duration) -> Response<Body> {
    let message = format!("the answer was not ready within {limit:?} (server.http_server_write_timeout)");
    HttpError::plain(StatusCode::GATEWAY_TIMEOUT, message).into_response()
}

/// Ends with the answer.
struct UnderWay(Arc<Deadlines>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// The body of an answer.
struct Watched {
    inner: Body,
    deadline: Nanos,
    under_way: UnderWay,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.deadline != NEVER && self.deadline <= self.under_way.0.clock.monotonic() {
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A connection that tells where it stands.
pub(super) struct Told {
    pub(super) io: Box<dyn Connection>,
    pub(super) deadlines: Arc<Deadlines>,
}

impl AsyncRead for Told {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buf);
        if buf.filled().len() > before {
            self.deadlines.received();
        }
        read
    }
}

impl AsyncWrite for Told {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.deadlines.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// For handlers that may take long over something that nobody would want broken off.
pub(crate) struct Unhurried;

impl<S: Sync> axum::extract::FromRequestParts<S> for Unhurried {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Infallible> {
        if let Some(deadline) = parts.extensions.get::<WriteDeadline>() {
            deadline.lift();
        }
        Ok(Self)
    }
}
