//! How long a connection may take over what: heads, answers, the time between requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::http::{form, parse_reply};
use crate::support::now;
use crate::support::process::{Home, Loptr};
use crate::support::ws::{Said, Socket};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(server: &str, more: &str) -> (Home, Loptr) {
    let server = format!("  http_listen_port: 0\n{server}");
    let home = Home::edited(more, &[("  http_listen_port: 0\n", &server)]);
    let loptr = home.start();
    (home, loptr)
}

fn connect(loptr: &Loptr) -> TcpStream {
    let stream = TcpStream::connect(loptr.api().address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// A request that leaves the connection open, and its answer.
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost: test\r\n\r\n").expect("it is open");
    let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
    while parse_reply(&answer).is_err() {
        let read = stream.read(&mut buffer).expect("an answer");
        assert!(read > 0, "closed instead of an answer");
        answer.extend_from_slice(&buffer[..read]);
    }
    assert_eq!(parse_reply(&answer).expect("whole").status, 200);
}

/// How long it takes until the connection is closed, and nothing is said before.
fn silence(stream: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    begun.elapsed()
}

#[test]
fn a_connection_may_be_idle_for_as_long_as_it_says_and_a_head_may_not_be_slow() {
    let (_home, loptr) = start("  http_server_read_header_timeout: 400ms\n  http_server_idle_timeout: 2s\n", "");
    let mut stream = connect(&loptr);
    ask(&mut stream);
    std::thread::sleep(Duration::from_millis(1000));
    ask(&mut stream);
    let idle = silence(&mut stream);
    assert!(idle >= Duration::from_millis(1900) && idle < PATIENCE, "{idle:?}");

    let mut stream = connect(&loptr);
    stream.write_all(b"GET /ready HTTP/1.1\r\nhost:").expect("it is open");
    let slow = silence(&mut stream);
    assert!(slow >= Duration::from_millis(300) && slow < Duration::from_millis(1900), "{slow:?}");

    let mut stream = connect(&loptr);
    ask(&mut stream);
    std::thread::sleep(Duration::from_millis(600));
    stream.write_all(b"GET /re").expect("it is open");
    let slow = silence(&mut stream);
    assert!(slow < Duration::from_millis(1300), "a head begun is no idle time: {slow:?}");
}

#[test]
fn an_answer_that_is_late_is_told_or_cut() {
    let limits = "limits_config: {ingestion_rate_mb: 1000, ingestion_burst_size_mb: 1000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB, max_entries_limit_per_query: 50000, max_line_size: 1MB}\n";
    let (_home, loptr) = start("  http_server_write_timeout: 2s\n", limits);
    for part in 0..10 {
        let line = |at: i64| json!([(now() + part * 100 + at).to_string(), "x".repeat(60_000)]);
        let pushed = loptr.api().push(&[(json!({"app": "a"}), (0..60).map(line).collect())]).expect("it answers");
        pushed.expect(204);
    }
    let mut tail = Socket::open(loptr.api(), "/loki/api/v1/tail", &[("query", "{app=\"b\"}")], &[]).expect("it opens");
    let mut stream = connect(&loptr);
    let target = format!("/loki/api/v1/query_range?{}", form(&[("query", "{app=\"a\"}"), ("limit", "5000")]));
    write!(stream, "GET {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").expect("it is open");
    std::thread::sleep(Duration::from_secs(4));
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(parse_reply(&bytes).is_err(), "a reader that slept got all of {} bytes", bytes.len());
    let whole = loptr.api().get("/loki/api/v1/query_range", &[("query", "{app=\"a\"}"), ("limit", "5000")]).expect(200);
    assert!(whole.body.len() > 30_000_000 && bytes.len() < whole.body.len(), "{}", bytes.len());

    // What takes its time on request, and tails, are let be.
    loptr.api().get("/debug/pprof/profile", &[("seconds", "3")]).expect(200);
    loptr
        .api()
        .push(&[(json!({"app": "b"}), vec![json!([now().to_string(), "late"])])])
        .expect("it answers")
        .expect(204);
    assert!(matches!(tail.next(PATIENCE), Said::Text(text) if text.contains("late")));
}

#[test]
fn an_answer_that_has_not_begun_is_504() {
    let (_home, loptr) =
        start("  http_server_write_timeout: 700ms\n", "limits_config: {simulated_push_latency: 30s}\n");
    let begun = Instant::now();
    let reply = loptr.api().push(&[(json!({"app": "a"}), vec![json!([now().to_string(), "x"])])]).expect("it answers");
    let told = "the answer was not ready within 700ms (server.http_server_write_timeout)\n";
    assert_eq!(reply.expect(504).text(), told);
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}
