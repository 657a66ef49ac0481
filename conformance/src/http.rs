//! A small blocking HTTP/1.1 client: one connection a client, kept alive, bodies by length or in chunks.
//!
//! It sends bytes as given and hands back status, content type and body, so that a test sees exactly what
//! a server wrote. It knows no TLS, no redirects and no compression. Bodies are bounded by [`BODY_MAX`],
//! heads by [`HEAD_MAX`].

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Bytes of an answer's body beyond which the client gives up.
pub const BODY_MAX: usize = 1 << 30;
/// Bytes of an answer's status line and headers beyond which the client gives up.
pub const HEAD_MAX: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is not `http://host:port[/prefix]`.
    #[error("address {url:?} is not of the form http://host:port")]
    Address {
        /// What was given.
        url: String,
    },
    /// The connection failed.
    #[error("{doing} {host}: {source}")]
    Io {
        /// What the client was doing.
        doing: &'static str,
        /// Host and port.
        host: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes that came back are not an HTTP/1.1 answer.
    #[error("{host} answered with {what}")]
    Malformed {
        /// Host and port.
        host: String,
        /// What is wrong with the answer.
        what: String,
    },
}

impl HttpError {
    /// Whether the server closed the connection where an answer was due.
    pub fn is_hang_up(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::UnexpectedEof)
    }
}

/// One request. `params` are percent-encoded by the client and appended to `path`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// Decoded by nobody: sent as it stands.
    pub path: String,
    /// Query parameters in order; a name may come twice.
    pub params: Vec<(String, String)>,
    /// Headers beside `Host`, `Content-Length` and the tenant.
    pub headers: Vec<(String, String)>,
    /// Sent with its length whenever the method is not `GET`.
    pub body: Vec<u8>,
}

impl Request {
    /// A `GET` of `path` with `params`.
    pub fn get(path: &str, params: &[(&str, &str)]) -> Self {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { method: "GET".to_owned(), path: path.to_owned(), params, ..Self::default() }
    }

    /// A `POST` of `body` to `path`.
    pub fn post(path: &str, content_type: &str, body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self { method: "POST".to_owned(), path: path.to_owned(), params: Vec::new(), headers, body }
    }

    /// The value of the first parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header of this name, empty when absent.
    pub content_type: String,
    /// The body, transfer encoding removed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to one server, opened on first use and again when the server closed it between requests.
#[derive(Debug)]
pub struct Client {
    host: String,
    prefix: String,
    tenant: Option<String>,
    timeout: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A client of `http://host:port[/prefix]`. `tenant` becomes the `X-Scope-OrgID` header.
    pub fn new(url: &str, tenant: Option<&str>) -> Result<Self, HttpError> {
        let address = || HttpError::Address { url: url.to_owned() };
        let rest = url.strip_prefix("http://").ok_or_else(address)?;
        let (host, prefix) = rest.split_once('/').map_or((rest, ""), |(host, prefix)| (host, prefix));
        if host.is_empty() {
            return Err(address());
        }
        let host = if host.rsplit(']').next().is_some_and(|tail| tail.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let prefix = prefix.trim_end_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        let tenant = tenant.map(str::to_owned);
        Ok(Self { host, prefix, tenant, timeout: Duration::from_secs(600), connection: None })
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Sends one request and reads its whole answer. A kept connection that the server closed meanwhile is
    /// opened again once.
    pub fn send(&mut self, request: &Request) -> Result<Answer, HttpError> {
        let head = self.head(request);
        if let Some(kept) = self.connection.take() {
            match self.exchange(kept, &head, request) {
                Err(HttpError::Io { .. }) => {}
                done => return done,
            }
        }
        let fresh = self.connect()?;
        self.exchange(fresh, &head, request)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>, HttpError> {
        let failed = |source| HttpError::Io { doing: "connect to", host: self.host.clone(), source };
        let mut last = std::io::Error::other("no address for this name");
        for address in self.host.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, Duration::from_secs(10)) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(failed)?;
                    stream.set_read_timeout(Some(self.timeout)).map_err(failed)?;
                    return Ok(BufReader::with_capacity(64 << 10, stream));
                }
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn head(&self, request: &Request) -> Vec<u8> {
        let mut target = format!("{}{}", self.prefix, request.path);
        for (at, (name, value)) in request.params.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            encode_into(&mut target, name);
            target.push('=');
            encode_into(&mut target, value);
        }
        let mut head = format!("{} {target} HTTP/1.1\r\nHost: {}\r\n", request.method, self.host);
        if let Some(tenant) = &self.tenant {
            head.push_str(&format!("X-Scope-OrgID: {tenant}\r\n"));
        }
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if request.method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn exchange(
        &mut self,
        mut connection: BufReader<TcpStream>,
        head: &[u8],
        request: &Request,
    ) -> Result<Answer, HttpError> {
        let host = self.host.clone();
        let writing = |source| HttpError::Io { doing: "write to", host: host.clone(), source };
        let stream = connection.get_mut();
        stream.write_all(head).map_err(writing)?;
        if request.method != "GET" {
            stream.write_all(&request.body).map_err(writing)?;
        }
        let (answer, keep) = read_answer(&mut connection, &self.host)?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(answer)
    }
}

/// Percent-encodes all but unreserved characters.
pub fn encode_into(out: &mut String, text: &str) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Undoes the encoding of forms: `+` is a blank, `%41` is `A`. A broken escape stays as it is.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        rest = tail;
        match (first, escaped()) {
            (b'+', _) => out.push(b' '),
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads one answer; the flag says whether the connection may be used again.
fn read_answer(from: &mut impl BufRead, host: &str) -> Result<(Answer, bool), HttpError> {
    loop {
        let status_line = line(from, host)?;
        let mut words = status_line.split(' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|word| word.parse::<u16>().ok());
        let (Some(status), true) = (status, version.starts_with("HTTP/1.")) else {
            return Err(malformed(host, format!("status line {status_line:?}")));
        };
        let (mut content_type, mut length, mut chunked, mut keep) = (String::new(), None, false, version == "HTTP/1.1");
        let mut head_bytes = status_line.len();
        loop {
            let header = line(from, host)?;
            head_bytes += header.len();
            if header.is_empty() {
                break;
            }
            if head_bytes > HEAD_MAX {
                return Err(malformed(host, format!("more than {HEAD_MAX} bytes of headers")));
            }
            let Some((name, value)) = header.split_once(':') else {
                return Err(malformed(host, format!("header {header:?}")));
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-type" => content_type = value.to_owned(),
                "content-length" => {
                    length = Some(value.parse().map_err(|_| malformed(host, format!("content length {value:?}")))?);
                }
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "connection" if value.eq_ignore_ascii_case("close") => keep = false,
                _ => {}
            }
        }
        if (100..200).contains(&status) {
            continue;
        }
        let mut body = Vec::new();
        if chunked {
            read_chunks(from, host, &mut body)?;
        } else if let Some(length) = length {
            take(from, host, length, &mut body)?;
        } else if status != 204 && status != 304 {
            keep = false;
            let limit = BODY_MAX as u64 + 1;
            from.take(limit).read_to_end(&mut body).map_err(|source| reading(host, source))?;
            within_limit(host, body.len())?;
        }
        return Ok((Answer { status, content_type, body }, keep));
    }
}

fn read_chunks(from: &mut impl BufRead, host: &str, body: &mut Vec<u8>) -> Result<(), HttpError> {
    loop {
        let size = line(from, host)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let bytes =
            usize::from_str_radix(digits, 16).map_err(|_| malformed(host, format!("chunk size {size:?} in a body")))?;
        if bytes == 0 {
            while !line(from, host)?.is_empty() {}
            return Ok(());
        }
        take(from, host, bytes, body)?;
        if !line(from, host)?.is_empty() {
            return Err(malformed(host, "a chunk longer than its size".to_owned()));
        }
    }
}

fn take(from: &mut impl BufRead, host: &str, bytes: usize, body: &mut Vec<u8>) -> Result<(), HttpError> {
    within_limit(host, body.len().saturating_add(bytes))?;
    let got = from.take(bytes as u64).read_to_end(body).map_err(|source| reading(host, source))?;
    if got < bytes {
        return Err(malformed(host, format!("a body that ends after {got} of {bytes} bytes")));
    }
    Ok(())
}

fn within_limit(host: &str, bytes: usize) -> Result<(), HttpError> {
    if bytes > BODY_MAX {
        return Err(malformed(host, format!("a body of more than {BODY_MAX} bytes")));
    }
    Ok(())
}

fn line(from: &mut impl BufRead, host: &str) -> Result<String, HttpError> {
    let mut bytes = Vec::new();
    from.take(HEAD_MAX as u64).read_until(b'\n', &mut bytes).map_err(|source| reading(host, source))?;
    if bytes.is_empty() {
        return Err(reading(host, std::io::ErrorKind::UnexpectedEof.into()));
    }
    if bytes.pop() != Some(b'\n') {
        return Err(malformed(host, "a header line without end".to_owned()));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| malformed(host, "a header that is not UTF-8".to_owned()))
}

fn malformed(host: &str, what: String) -> HttpError {
    HttpError::Malformed { host: host.to_owned(), what }
}

fn reading(host: &str, source: std::io::Error) -> HttpError {
    HttpError::Io { doing: "read from", host: host.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(Answer, bool), HttpError> {
        read_answer(&mut BufReader::new(bytes), "test")
    }

    #[test]
    fn bodies_by_length_and_in_chunks() {
        let (answer, keep) =
            read(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        assert_eq!(
            (answer.status, answer.content_type.as_str(), answer.body.as_slice()),
            (200, "text/plain", &b"hello"[..])
        );
        assert!(keep);
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n";
        assert_eq!(read(chunked).unwrap().0.body, b"abcde");
    }

    #[test]
    fn without_length_the_body_ends_with_the_connection() {
        let (answer, keep) = read(b"HTTP/1.1 500 Oops\r\n\r\nrest").unwrap();
        assert_eq!((answer.status, answer.body.as_slice(), keep), (500, &b"rest"[..], false));
        let (answer, keep) = read(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        assert_eq!((answer.status, answer.body.len(), keep), (204, 0, true));
    }

    #[test]
    fn interim_answers_are_skipped() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
        assert_eq!(read(bytes).unwrap().0.body, b"x");
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_err());
        assert!(read(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn parameters_are_encoded_and_decoded() {
        let mut text = String::new();
        encode_into(&mut text, "{a=\"é b\"}");
        assert_eq!(text, "%7Ba%3D%22%C3%A9%20b%22%7D");
        assert_eq!(decode(&text), "{a=\"é b\"}");
        assert_eq!(decode("a+b%2"), "a b%2");
    }

    #[test]
    fn addresses() {
        assert_eq!(Client::new("http://h:1/p/", None).unwrap().prefix, "/p");
        assert_eq!(Client::new("http://h", None).unwrap().host(), "h:80");
        assert_eq!(Client::new("http://[::1]:9", None).unwrap().host(), "[::1]:9");
        assert!(Client::new("https://h", None).is_err());
        assert!(Client::new("http://", None).is_err());
    }
}
