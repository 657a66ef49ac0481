//! Malformed requests on every route: each gets a clear error, nothing panics, memory stays bounded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::http::{gzip, snappy};
use crate::support::http::{Api, form, parse_reply};
use crate::support::process::{Home, Loptr};

/// What this process may hold at most while it is told nonsense: far below any of the bombs.
const PEAK: u64 = 400 << 20;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Every route with its methods, but the one that ends pushes and the one that takes half a minute.
fn routes() -> impl Iterator<Item = (String, &'static str)> {
    let routes =
        loptr_server::route_list().filter(|(path, _)| !matches!(*path, "/ingester/shutdown" | "/debug/pprof/profile"));
    routes.flat_map(|(path, methods)| {
        let path = path.replace("{name}", "app").replace("{id}", "1");
        methods.split(' ').map(move |method| (path.clone(), method))
    })
}

fn is_query(path: &str) -> bool {
    path.starts_with("/loki/api/v1/") && !["push", "delete", "generation_numbers"].iter().any(|end| path.ends_with(end))
        || path.starts_with("/api/prom/") && !path.ends_with("/push")
}

fn all_is_well(loptr: &Loptr) {
    assert_eq!(loptr.api().get("/ready", &[]).status, 200);
    let panics = loptr.log_lines().into_iter().filter(|line| line.contains("panicked")).collect::<Vec<_>>();
    assert_eq!(panics, Vec::<String>::new());
    assert!(loptr.peak_bytes() < PEAK, "{} bytes held", loptr.peak_bytes());
}

fn start(more: &str) -> (Home, Loptr) {
    let patterns = "pattern_ingester: {enabled: true, lifecycler: {ring: {kvstore: {store: inmemory}}}}\n";
    let home = Home::new(&format!("{patterns}{more}"));
    let loptr = home.start();
    (home, loptr)
}

/// Below 500, or told to be unsupported, and an error says why.
#[track_caller]
fn is_clear(api: &Api, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
    let reply =
        api.send(method, target, headers, body).unwrap_or_else(|error| panic!("{method} {target:.80}: {error}"));
    assert!(reply.status < 500 || reply.status == 501, "{method} {target:.80}: {} {}", reply.status, reply.text());
    let told = reply.status < 400 || !reply.body.is_empty() || matches!(reply.status, 404 | 405 | 431);
    assert!(told, "{method} {target:.80}: {} says nothing", reply.status);
}

#[test]
fn parameters_that_cannot_be_read() {
    let (_home, loptr) = start("");
    let deep = "(".repeat(5000);
    let values = [
        ("start", "yesterday"),
        ("start", "-99999999999999999999"),
        ("end", &*"9".repeat(40).leak()),
        ("time", "2026-13-45T99:99:99Z"),
        ("query", "{app=\"\u{fffd}"),
        ("query", &*deep.leak()),
        ("query", "{app=~\"(((((a{9}){9}){9}){9}){9}\"}"),
        ("limit", "-1"),
        ("limit", "99999999999999999999"),
        ("step", "1e400"),
        ("step", "NaN"),
        ("interval", "-1"),
        ("since", "1y1y"),
        ("direction", "sideways"),
        ("line_limit", "x"),
        ("delay_for", "99"),
        ("targetBytesPerShard", "-1EB"),
        ("aggregateBy", "\0"),
        ("match[]", "{{{"),
        ("log_level", "\u{1f600}"),
        ("mode", "%"),
    ];
    for (path, method) in routes() {
        for (name, value) in values {
            let mut params = vec![(name, value)];
            if name != "query" {
                params.push(("query", "{app=\"x\"}"));
            }
            is_clear(loptr.api(), method, &format!("{path}?{}", form(&params)), &[], b"");
        }
        // Escapes and bytes that are none.
        for raw in ["query=%zz", "%", "query=%ff%fe", "a=b;c=d", "&&&&", "query=%00"] {
            is_clear(loptr.api(), method, &format!("{path}?{raw}"), &[], b"");
        }
    }
    all_is_well(&loptr);
}

#[test]
fn bodies_that_cannot_be_read() {
    let (_home, loptr) = start("");
    let many: Vec<u8> = b"a=&".repeat(200_000);
    for (path, method) in routes().filter(|(_, method)| *method != "GET") {
        for kind in
            ["application/x-www-form-urlencoded", "application/json", "application/x-protobuf", "text/\u{e9}", ""]
        {
            for body in
                [&b"query=%zz"[..], b"%", b"query=\xff\xfe", b"a=b;c=d", b"{\"streams\":[{", &[0xff; 300], &many]
            {
                let headers = if kind.is_empty() { vec![] } else { vec![("content-type", kind)] };
                is_clear(loptr.api(), method, &path, &headers, body);
            }
        }
        for encoding in ["gzip", "deflate", "zstd", "lz4", "snappy", "br", "\u{e9}"] {
            let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
            is_clear(loptr.api(), method, &path, &headers, b"\x1f\x8b\x08not gzip");
        }
    }
    all_is_well(&loptr);
}

#[test]
fn bodies_that_are_too_large() {
    let limits = "distributor: {max_recv_msg_size: 1048576, max_decompressed_size: 4194304}\n";
    let (_home, loptr) = start(limits);
    let zeros = vec![b'0'; 64 << 20];
    let gzip = gzip(&zeros);
    let bombs: [(&str, &str, Vec<u8>); 6] = [
        ("application/json", "gzip", gzip.clone()),
        ("application/x-protobuf", "gzip", gzip),
        ("application/x-protobuf", "zstd", zstd::encode_all(&*zeros, 3).expect("memory takes everything")),
        ("application/json", "zstd", zstd::encode_all(&*zeros, 3).expect("memory takes everything")),
        // A snappy block that claims four gigabytes.
        ("application/x-protobuf", "", [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 64]].concat()),
        ("application/x-protobuf", "", snappy(&zeros[..16 << 20])),
    ];
    for path in ["/loki/api/v1/push", "/api/prom/push", "/otlp/v1/logs"] {
        for (kind, encoding, body) in &bombs {
            let mut headers = vec![("content-type", *kind)];
            if !encoding.is_empty() {
                headers.push(("content-encoding", *encoding));
            }
            let reply = loptr.api().send("POST", path, &headers, body).expect("it answers");
            let told = (reply.status, reply.text());
            assert!(matches!(told.0, 400 | 413) && !told.1.is_empty(), "{path} {kind} {encoding}: {told:?}");
        }
    }
    // Announced, or without end: forms of the read path as well as pushes.
    for (path, method) in
        routes().filter(|(path, method)| *method == "POST" && (is_query(path) || path.contains("push")))
    {
        let large = form(&[("query", "x".repeat(11 << 20).as_str())]);
        if let Ok(reply) = loptr.api().send(method, &path, &[FORM], large.as_bytes()) {
            assert!((400..500).contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        }
        let chunked = [FORM, ("transfer-encoding", "chunked")];
        let endless = [format!("{:x}\r\n", 12 << 20).as_bytes(), &zeros[..12 << 20], b"\r\n"].concat();
        if let Ok(reply) = loptr.api().send(method, &path, &chunked, &endless) {
            assert!((400..500).contains(&reply.status), "{path}: {} {}", reply.status, reply.text());
        }
    }
    all_is_well(&loptr);
}

/// What comes back on a connection on which `sent` was written and nothing more.
fn after(loptr: &Loptr, sent: &[u8], patience: Duration) -> (Vec<u8>, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
    stream.set_read_timeout(Some(patience)).expect("a socket");
    stream.write_all(sent).expect("it reads");
    let (mut told, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read) = stream.read(&mut part) {
        if read == 0 {
            break;
        }
        told.extend_from_slice(&part[..read]);
        if parse_reply(&told).is_ok() {
            break;
        }
    }
    (told, begun.elapsed())
}

#[test]
fn senders_that_never_finish() {
    let timeouts = (
        "  http_listen_port: 0\n",
        "  http_listen_port: 0\n  http_server_read_timeout: 1s\n  http_server_read_header_timeout: 1s\n",
    );
    let home = Home::edited("", &[timeouts]);
    let loptr = home.start();
    let bodies = routes().filter(|(path, method)| {
        *method == "POST" && (is_query(path) || path.contains("push") || path.contains("otlp"))
    });
    let slow: Vec<(String, &str)> = bodies.filter(|(path, _)| path != "/loki/api/v1/patterns").collect();
    assert!(slow.len() > 20, "{slow:?}");
    // All at once: each holds its connection for as long as it is allowed to.
    std::thread::scope(|scope| {
        for (path, _) in &slow {
            let loptr = &loptr;
            scope.spawn(move || {
                let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\nquery=");
                let (told, took) = after(loptr, head.as_bytes(), Duration::from_secs(20));
                let reply = parse_reply(&told).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(reply.status == 408 && reply.text().contains("was not sent within 1s"), "{path}: {reply:?}");
                assert!(took < Duration::from_secs(15), "{path} took {took:?}");
            });
        }
        let loptr = &loptr;
        scope.spawn(move || {
            let (told, took) = after(loptr, b"GET /ready HTTP/1.1\r\nhost: x\r\nx-slow", Duration::from_secs(20));
            assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 408"), "{:?}", String::from_utf8_lossy(&told));
            assert!(took < Duration::from_secs(15), "a head took {took:?}");
        });
    });
    all_is_well(&loptr);
}

#[test]
fn heads_without_measure() {
    let (_home, loptr) = start("");
    let many: String = (0..5000).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(8 << 20));
    let target = "a".repeat(2 << 20);
    for (path, method) in routes() {
        for head in [&many, &long] {
            let sent = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n");
            // It may close while it is still being told: then there is no answer to read.
            let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
            let _ = stream.write_all(sent.as_bytes());
            let mut told = [0; 12];
            if stream.read_exact(&mut told).is_ok() {
                assert_eq!(&told, b"HTTP/1.1 431", "{method} {path}");
            }
        }
    }
    for nonsense in [
        format!("GET /{target} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
    ] {
        let told = after_lossy(&loptr, &nonsense);
        assert!(
            told.is_empty() || told.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&told[..told.len().min(200)])
        );
    }
    all_is_well(&loptr);
}

/// As [`after`], when it may hang up while it is told.
fn after_lossy(loptr: &Loptr, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(loptr.api().address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let _ = stream.write_all(sent);
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    told
}
