//! Sockets as a port: those that listen and those that call.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

/// One byte stream in both directions.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// An accepted connection and its peer.
pub type Accepted = (Box<dyn Connection>, SocketAddr);

/// A bound socket.
#[async_trait::async_trait]
pub trait Listener: Send + Sync {
    /// Waits for the next connection.
    async fn accept(&self) -> io::Result<Accepted>;
    /// The address bound; its port is the real one where 0 was asked for.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// Where sockets come from.
#[async_trait::async_trait]
pub trait Network: Send + Sync {
    /// Binds `address` (`host:port`; an empty host means all interfaces).
    async fn listen(&self, address: &str) -> io::Result<Box<dyn Listener>>;
    /// Connects to `address` (`host:port`).
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Connection>>;
    /// All addresses that `address` (`host:port`) stands for.
    async fn lookup(&self, address: &str) -> io::Result<Vec<SocketAddr>>;
}
