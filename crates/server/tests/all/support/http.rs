//! A client of a few lines: one request a connection, so that an answer is whole or it is none.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// An answer.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.status, self.text())
    }
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// `self`, if the status is `status`.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// The bytes of a request that asks for the connection to be closed after it.
pub(crate) fn request_bytes(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("a String takes everything");
    }
    if !headers.iter().any(|(name, _)| *name == "transfer-encoding") {
        write!(head, "content-length: {}\r\n", body.len()).expect("a String takes everything");
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Reads a whole answer; an error if it was cut short.
pub(crate) fn parse_reply(bytes: &[u8]) -> io::Result<Reply> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut reply = Reply { status, headers, body: Vec::new() };
    let rest = &bytes[end + 4..];
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunk(rest).ok_or_else(cut)?;
    } else {
        let len = reply.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        reply.body = rest.get(..len).ok_or_else(cut)?.to_vec();
    }
    Ok(reply)
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        bytes = &bytes[line + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

/// `name=value&…`, escaped.
pub(crate) fn form(params: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() {
                out.push(char::from(byte));
            } else {
                write!(out, "%{byte:02X}").expect("a String takes everything");
            }
        }
        out
    };
    let pairs = params.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A body of the push API.
pub(crate) fn push_body(streams: &[(Value, Vec<Value>)]) -> Vec<u8> {
    let streams: Vec<Value> =
        streams.iter().map(|(labels, values)| serde_json::json!({"stream": labels, "values": values})).collect();
    serde_json::json!({ "streams": streams }).to_string().into_bytes()
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A server's API, asked as one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) tenant: Option<String>,
}

impl Api {
    pub(crate) fn of(&self, tenant: &str) -> Self {
        Self { address: self.address, tenant: Some(tenant.to_owned()) }
    }

    /// Sends a request and reads the answer.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
        let mut headers = headers.to_vec();
        if let Some(tenant) = &self.tenant {
            headers.push(("x-scope-orgid", tenant));
        }
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(50)))?;
        stream.set_nodelay(true)?;
        // A server that refuses a body early closes before it has read it: the answer counts.
        let sent = stream.write_all(&request_bytes(method, target, &headers, body));
        let mut bytes = Vec::new();
        match (sent, stream.read_to_end(&mut bytes)) {
            (Err(error), _) if bytes.is_empty() => return Err(error),
            (_, Err(error)) if bytes.is_empty() => return Err(error),
            _ => {}
        }
        parse_reply(&bytes)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, params: &[(&str, &str)]) -> Reply {
        let target = if params.is_empty() { path.to_owned() } else { format!("{path}?{}", form(params)) };
        self.send("GET", &target, &[], &[]).unwrap_or_else(|error| panic!("GET {target}: {error}"))
    }

    /// Asks for everything to be flushed until no chunk is in memory.
    pub(crate) fn flush_all(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        self.flush();
        while self.metric("loki_ingester_memory_chunks") > 0.0 {
            assert!(Instant::now() < until, "not flushed after half a minute");
            std::thread::sleep(Duration::from_millis(20));
            self.flush();
        }
    }

    /// A JSON push.
    pub(crate) fn push(&self, streams: &[(Value, Vec<Value>)]) -> io::Result<Reply> {
        self.send("POST", "/loki/api/v1/push", &[JSON], &push_body(streams))
    }

    #[track_caller]
    pub(crate) fn flush(&self) {
        self.send("POST", "/flush", &[], &[]).expect("a running server answers").expect(204);
    }

    /// One metric's value, labels as `/metrics` prints them.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics", &[]).expect(200).text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no metric {name} in {text}"))
    }

    /// The sum of a metric's series.
    pub(crate) fn metric_sum(&self, name: &str) -> f64 {
        let text = self.get("/metrics", &[]).expect(200).text();
        let of_name = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once(' '));
        of_name.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
    }
}

#[test]
fn a_chunked_answer_is_put_together_and_a_cut_one_is_an_error() {
    let whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(parse_reply(whole).expect("whole").body, b"abcde");
    assert!(parse_reply(&whole[..whole.len() - 7]).is_err());
    assert!(parse_reply(b"HTTP/1.1 204 No Content\r\nconte").is_err());
    assert_eq!(parse_reply(b"HTTP/1.1 204 No Content\r\n\r\n").expect("whole").status, 204);
}
