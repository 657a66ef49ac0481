//! A WebSocket client, as much of it as tails need: text and close frames in, pings answered.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http::encode_into;

/// Bytes of a head or a frame beyond which the client gives up.
const MAX: usize = 64 << 20;
/// How long the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// A text frame.
    Text(String),
    /// A close frame: code and reason.
    Close(u16, String),
    /// The connection ended without one.
    Gone,
    /// Nothing within the time.
    Nothing,
}

/// Why a socket did not open.
#[derive(Debug, thiserror::Error)]
pub enum WsError {
    /// The connection failed.
    #[error("open a WebSocket: {0}")]
    Io(#[from] io::Error),
    /// Another answer than the upgrade.
    #[error("refused with {0}: {1}")]
    Refused(u16, String),
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    buffered: Vec<u8>,
}

impl Socket {
    /// Opens `path` at `host` (`name:port`).
    pub fn open(
        host: &str,
        path: &str,
        params: &[(String, String)],
        headers: &[(String, String)],
    ) -> Result<Self, WsError> {
        let mut stream = TcpStream::connect(host)?;
        let mut query = String::new();
        for (name, value) in params {
            query.push(if query.is_empty() { '?' } else { '&' });
            encode_into(&mut query, name);
            query.push('=');
            encode_into(&mut query, value);
        }
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "GET {path}{query} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut socket = Self { stream, buffered: Vec::new() };
        let end = loop {
            if let Some(at) = socket.buffered.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.fill(HANDSHAKE)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        };
        let head: Vec<u8> = socket.buffered.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status == 101 {
            return Ok(socket);
        }
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        while socket.buffered.len() < length.unwrap_or(0) && socket.fill(HANDSHAKE)? > 0 {}
        Err(WsError::Refused(status, String::from_utf8_lossy(&socket.buffered).into_owned()))
    }

    /// Reads what there is; 0 at the end. An error when nothing comes within `patience`.
    fn fill(&mut self, patience: Duration) -> io::Result<usize> {
        if self.buffered.len() > MAX {
            return Err(io::Error::other(format!("a frame or head of more than {MAX} bytes")));
        }
        let mut part = [0; 65_536];
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let read = self.stream.read(&mut part)?;
        self.buffered.extend_from_slice(&part[..read]);
        Ok(read)
    }

    /// The next text or close frame; pings are answered.
    pub fn next(&mut self, patience: Duration) -> Said {
        let until = Instant::now() + patience;
        loop {
            while let Some((opcode, payload)) = self.frame() {
                match opcode {
                    1 => return Said::Text(String::from_utf8_lossy(&payload).into_owned()),
                    8 => {
                        let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                        let reason = payload.get(2..).unwrap_or_default();
                        return Said::Close(code, String::from_utf8_lossy(reason).into_owned());
                    }
                    // An answer that is not taken shows at the next read.
                    9 => drop(self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0])),
                    _ => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Said::Nothing;
            }
            match self.fill(left) {
                Ok(0) => return Said::Gone,
                Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Said::Gone;
                }
                _ => {}
            }
        }
    }

    /// Says goodbye with `code`; the answer is the next close frame.
    pub fn close(&mut self, code: u16) -> io::Result<()> {
        let [high, low] = code.to_be_bytes();
        self.stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, high, low])
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second] = *self.buffered.first_chunk()?;
        let (len, start) = match second & 127 {
            126 => (u64::from(u16::from_be_bytes(*self.buffered.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*self.buffered.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = usize::try_from(len).ok()?.checked_add(start)?;
        let payload = self.buffered.get(start..end)?.to_vec();
        self.buffered.drain(..end);
        Some((first & 15, payload))
    }
}
