//! A small blocking WebSocket client: as much of RFC 6455 as it takes to follow a tail.
//!
//! It reads text and close frames, answers pings and can say goodbye. Frames longer than [`FRAME_MAX`] end it; it sends
//! no text.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes of a frame beyond which the client gives up.
pub const FRAME_MAX: u64 = 64 << 20;
/// How long an answer to the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A text frame.
    Text(String),
    /// A close frame: code and reason.
    Close(u16, String),
    /// Nothing within the time, or never again.
    Nothing,
}

/// An answer to the handshake other than 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    buffered: Vec<u8>,
    /// Bytes at the front of `buffered` that have been read.
    read: usize,
    ended: bool,
}

impl Socket {
    /// Asks `host` (with port) for `target`, path and parameters as they stand.
    pub fn open(host: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Result<Self, Refused>> {
        let mut stream = TcpStream::connect(host)?;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut socket = Self { stream, buffered: Vec::new(), read: 0, ended: false };
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the handshake's answer is not HTTP");
        let end = loop {
            if let Some(at) = socket.buffered.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            if !socket.fill(HANDSHAKE)? {
                return Err(malformed());
            }
        };
        let head = String::from_utf8_lossy(&socket.buffered[..end]).to_lowercase();
        socket.read = end;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
        if status == 101 {
            return Ok(Ok(socket));
        }
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        while socket.buffered.len() - socket.read < length.unwrap_or(0) && socket.fill(HANDSHAKE)? {}
        let body = String::from_utf8_lossy(&socket.buffered[socket.read..]).into_owned();
        Ok(Err(Refused { status, body }))
    }

    /// Reads what is there, waiting at most `patience` for it; false if nothing came.
    fn fill(&mut self, patience: Duration) -> io::Result<bool> {
        if self.read > 0 {
            self.buffered.drain(..std::mem::take(&mut self.read));
        }
        let mut part = [0; 16_384];
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        match self.stream.read(&mut part) {
            Ok(0) => {
                self.ended = true;
                Ok(false)
            }
            Ok(read) => {
                self.buffered.extend_from_slice(&part[..read]);
                Ok(true)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next text or close frame; pings are answered.
    pub fn next(&mut self, patience: Duration) -> io::Result<Said> {
        let until = Instant::now() + patience;
        loop {
            while let Some((opcode, payload)) = self.frame()? {
                match opcode {
                    1 => return Ok(Said::Text(String::from_utf8_lossy(&payload).into_owned())),
                    8 => {
                        let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                        let reason = payload.get(2..).unwrap_or_default();
                        return Ok(Said::Close(code, String::from_utf8_lossy(reason).into_owned()));
                    }
                    9 => self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0])?,
                    _ => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.ended {
                return Ok(Said::Nothing);
            }
            self.fill(left)?;
        }
    }

    /// Says goodbye with `code`; the answer is the next close frame.
    pub fn close(&mut self, code: u16) -> io::Result<()> {
        let [high, low] = code.to_be_bytes();
        self.stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, high, low])
    }

    /// A whole frame, if one is there.
    fn frame(&mut self) -> io::Result<Option<(u8, Vec<u8>)>> {
        let bytes = &self.buffered[self.read..];
        let Some([first, second]) = bytes.first_chunk() else { return Ok(None) };
        let (len, start) = match (second & 127, bytes.get(2..4), bytes.get(2..10)) {
            (126, Some(len), _) => (len.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 4),
            (127, _, Some(len)) => (len.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 10),
            (126 | 127, ..) => return Ok(None),
            (short, ..) => (u64::from(short), 2),
        };
        if len > FRAME_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {len} bytes")));
        }
        let end = start + len as usize;
        let Some(payload) = bytes.get(start..end) else { return Ok(None) };
        let frame = (first & 15, payload.to_vec());
        self.read += end;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers the handshake with `bytes` and hangs up.
    fn served(bytes: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            // The body apart from the head, and a whole farewell: a reset would lose what was sent.
            let (head, rest) = bytes.split_at(bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4);
            stream.write_all(head).unwrap();
            stream.write_all(rest).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        host
    }

    #[test]
    fn frames_are_read_one_by_one() {
        let host =
            served(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi\x89\x00\x81\x7e\x00\x03abc\x88\x05\x03\xf3bye");
        let mut socket = Socket::open(&host, "/", &[]).unwrap().unwrap();
        let mut next = || socket.next(Duration::from_secs(5)).unwrap();
        assert_eq!((next(), next()), (Said::Text("hi".into()), Said::Text("abc".into())));
        assert_eq!((next(), next()), (Said::Close(1011, "bye".into()), Said::Nothing));
    }

    #[test]
    fn a_refusal_is_told_and_a_frame_beyond_bounds_is_an_error() {
        let host = served(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nnope");
        let refused = Refused { status: 400, body: "nope".to_owned() };
        assert_eq!(Socket::open(&host, "/", &[]).unwrap().unwrap_err(), refused);
        let host = served(b"HTTP/1.1 101 x\r\n\r\n\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff");
        let mut socket = Socket::open(&host, "/", &[]).unwrap().unwrap();
        assert!(socket.next(Duration::from_secs(5)).is_err());
    }
}
