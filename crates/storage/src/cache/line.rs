//! Connections to cache servers: taken from a small store of idle ones, given back when an answer was whole.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loptr_ports::{Clock, Connection, Network};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::CacheError;

/// Longest line of an answer.
const LINE_BYTES_MAX: u64 = 4096;
/// Largest value that is read.
pub(super) const VALUE_BYTES_MAX: usize = 128 << 20;

/// A connection, and what was read ahead.
pub(super) struct Line(BufReader<Box<dyn Connection>>);

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Line {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes).await
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush().await
    }

    /// A line without its end.
    pub(super) async fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        (&mut self.0).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| invalid("a line of the answer has no end"))?;
        String::from_utf8(line.to_vec()).map_err(|_| invalid("a line of the answer is not UTF-8"))
    }

    /// `len` bytes and a line's end.
    pub(super) async fn read_value(&mut self, len: usize) -> io::Result<Bytes> {
        if len > VALUE_BYTES_MAX {
            return Err(invalid(format!("a value has {len} bytes, more than {VALUE_BYTES_MAX}")));
        }
        // What is read decides what is held, not what is announced.
        let mut value = Vec::with_capacity(len.min(1 << 20) + 2);
        (&mut self.0).take(len as u64 + 2).read_to_end(&mut value).await?;
        if value.len() != len + 2 || !value.ends_with(b"\r\n") {
            return Err(invalid("a value of the answer is cut short"));
        }
        value.truncate(len);
        Ok(Bytes::from(value))
    }
}

/// What stopped a question: the connection, or the server by its words.
pub(super) type Asked<T> = io::Result<Result<T, String>>;

/// What is asked on a connection.
pub(super) trait Question: Sync {
    /// What comes back.
    type Answer: Send;
    /// Asks and reads the answer to its end.
    fn ask(&self, line: &mut Line) -> impl Future<Output = Asked<Self::Answer>> + Send;
}

/// One server: how it is reached, and idle connections to it.
pub(super) struct Lines {
    /// `host:port`.
    pub(super) server: String,
    /// For one question; zero: none.
    limit: Duration,
    idle_max: usize,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
    idle: Mutex<Vec<Line>>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Lines {
    pub(super) fn new(
        server: String,
        limit: Duration,
        idle_max: usize,
        clock: Arc<dyn Clock>,
        network: Arc<dyn Network>,
    ) -> Self {
        Self { server, limit, idle_max, clock, network, idle: Mutex::default() }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Line, CacheError> {
        let connected = self.network.connect(&self.server).await;
        connected.map(|stream| Line(BufReader::new(stream))).map_err(|source| self.failed(source))
    }

    pub(super) fn failed(&self, source: io::Error) -> CacheError {
        CacheError::Io { server: self.server.clone(), source }
    }

    pub(super) fn said(&self, answer: String) -> CacheError {
        CacheError::Answer { server: self.server.clone(), answer }
    }

    /// One question within the time for it, on an idle connection or, where there is none or it turns out to be closed,
    /// on the one that `connect` makes.
    pub(super) async fn ask<Q: Question>(
        &self,
        question: &Q,
        connect: impl Future<Output = Result<Line, CacheError>>,
    ) -> Result<Q::Answer, CacheError> {
        let asked = async {
            let idle = self.idle.lock().pop();
            if let Some(mut line) = idle
                && let Ok(answer) = question.ask(&mut line).await
            {
                return self.whole(line, answer);
            }
            let mut line = connect.await?;
            let answer = question.ask(&mut line).await.map_err(|source| self.failed(source))?;
            self.whole(line, answer)
        };
        if self.limit.is_zero() {
            return asked.await;
        }
        tokio::select! {
            answer = asked => answer,
            () = self.clock.sleep(self.limit) => Err(CacheError::Slow { server: self.server.clone(), limit: self.limit }),
        }
    }

    /// An answer was read to its end: the connection is kept, unless the server said what nobody asked for.
    fn whole<T>(&self, line: Line, answer: Result<T, String>) -> Result<T, CacheError> {
        let answer = answer.map_err(|answer| self.said(answer))?;
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max && line.0.buffer().is_empty() {
            idle.push(line);
        }
        Ok(answer)
    }
}
