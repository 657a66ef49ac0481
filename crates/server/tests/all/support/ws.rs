//! A WebSocket client, as much of it as tests of tails need.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::http::{Api, form};

/// What a server says.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Text(String),
    Close(u16, String),
    /// Nothing within the time.
    Nothing,
}

pub(crate) struct Socket {
    stream: TcpStream,
    buffered: Vec<u8>,
}

impl Socket {
    /// Opens `path`; the error is the status and body of the refusal.
    pub(crate) fn open(
        api: &Api,
        path: &str,
        params: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, String)> {
        let mut stream = TcpStream::connect(api.address).expect("it listens");
        let tenant = api.tenant.as_ref().map_or(String::new(), |tenant| format!("X-Scope-OrgID: {tenant}\r\n"));
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "GET {path}?{} HTTP/1.1\r\nHost: x\r\n{tenant}{more}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            form(params)
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut socket = Self { stream, buffered: Vec::new() };
        let end = loop {
            if let Some(at) = socket.buffered.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(socket.fill(Duration::from_secs(10)), "no answer: {:?}", socket.buffered);
        };
        let head = String::from_utf8(socket.buffered.drain(..end).collect()).expect("headers are text");
        let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status == 101 {
            return Ok(socket);
        }
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        while socket.buffered.len() < length.unwrap_or(0) && socket.fill(Duration::from_secs(10)) {}
        Err((status, String::from_utf8_lossy(&socket.buffered).into_owned()))
    }

    fn fill(&mut self, patience: Duration) -> bool {
        let mut part = [0; 65_536];
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).expect("a socket");
        match self.stream.read(&mut part) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.buffered.extend_from_slice(&part[..read]);
                true
            }
        }
    }

    /// The next text or close frame; pings are answered.
    pub(crate) fn next(&mut self, patience: Duration) -> Said {
        let until = Instant::now() + patience;
        loop {
            while let Some((opcode, payload)) = self.frame() {
                match opcode {
                    1 => return Said::Text(String::from_utf8(payload).expect("text frames are text")),
                    8 => {
                        let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                        let reason = payload.get(2..).unwrap_or_default();
                        return Said::Close(code, String::from_utf8_lossy(reason).into_owned());
                    }
                    9 => self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).expect("it reads"),
                    _ => {}
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.fill(left) && Instant::now() < until {
                return Said::Nothing;
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, second] = *self.buffered.first_chunk()?;
        let (len, start) = match second & 127 {
            126 => (u64::from(u16::from_be_bytes(*self.buffered.get(2..)?.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*self.buffered.get(2..)?.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let end = start + usize::try_from(len).ok()?;
        let payload = self.buffered.get(start..end)?.to_vec();
        self.buffered.drain(..end);
        Some((first & 15, payload))
    }
}
