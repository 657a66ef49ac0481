//! Many at once: do tails see every line once and in order, and do pushes starve?
//!
//! First one tail follows numbered lines across flushes. Then lines are pushed at a fixed rate, alone and beside a crowd:
//! tails that read all of it, clients that take a large answer at 20 kB/s, and queries that all start at the same moment.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use loptr_conformance::http::{Client, Request};
use loptr_conformance::ws::{Said, Socket, WsError};
use serde_json::json;

use crate::process::{Process, ProcessError};

/// Lines of a push of the first part.
const BATCH: u64 = 500;
/// Digits of a line's number, behind `n=`.
const DIGITS: usize = 8;
/// Bytes a slow reader takes a second.
const SLOW_BYTES: usize = 20_000;
/// How long a tail waits for another line before it counts as done.
const IDLE: Duration = Duration::from_secs(15);

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrowdError {
    #[error(transparent)]
    Http(#[from] loptr_conformance::http::HttpError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    #[error("a push was answered {status}: {text}")]
    Push { status: u16, text: String },
    #[error(transparent)]
    Tail(#[from] WsError),
}

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) lines: u64,
    pub(crate) tails: usize,
    pub(crate) slow: usize,
    pub(crate) queries: usize,
    /// Seconds of pushing, alone and in the crowd.
    pub(crate) secs: u64,
    /// Lines a second, in pushes of ten.
    pub(crate) rate: u64,
    /// Entries a slow reader asks for.
    pub(crate) limit: u64,
}

/// What one tail has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    lines: u64,
    first: Option<u64>,
    last: Option<u64>,
    /// Lines that did not follow the one before.
    out_of_order: u64,
    /// Entries named as dropped.
    dropped: u64,
}

impl Seen {
    /// Takes the numbers out of a frame.
    fn read(&mut self, frame: &str) {
        let dropped = frame.find("\"dropped_entries\"").unwrap_or(frame.len());
        for part in frame[..dropped].split("n=").skip(1) {
            let Some(number) = part.get(..DIGITS).and_then(|digits| digits.parse().ok()) else { continue };
            if self.last.is_some_and(|last| number != last + 1) {
                self.out_of_order += 1;
            }
            self.lines += 1;
            self.first = self.first.or(Some(number));
            self.last = Some(number);
        }
        self.dropped += frame[dropped..].matches("\"timestamp\"").count() as u64;
    }

    /// Whether it saw each line up to `last` once and in order.
    fn whole(self, last: u64) -> bool {
        self.out_of_order == 0 && self.dropped == 0 && self.last == Some(last)
    }
}

/// Runs all of it against the server at `url`; the report.
pub(crate) fn run(url: &str, pid: u32, crowd: Crowd) -> Result<String, CrowdError> {
    let (process, mut client) = (Process(pid), Client::new(url, None)?);
    let mut report = numbered(&mut client, crowd.lines)?;
    for part in 0..20 {
        push(&mut client, "old", part * 1000..(part + 1) * 1000, 1000)?;
    }
    let mut alone = Pace::default();
    alone.push(&mut client, "alone", 0, crowd)?;
    let before = process.cpu_secs()?;
    let began = Instant::now();

    let stop = Arc::new(AtomicBool::new(false));
    push(&mut client, "crowd", 0..1, 0)?;
    let tails: Vec<_> = (0..crowd.tails)
        .map(|_| {
            spawn({
                let (host, stop) = (client.host().to_owned(), stop.clone());
                move || follow(&host, "crowd", &stop)
            })
        })
        .collect::<Result<_, _>>()?;
    let slow: Vec<_> = (0..crowd.slow)
        .map(|_| {
            spawn({
                let (host, stop) = (client.host().to_owned(), stop.clone());
                move || read_slowly(&host, crowd.limit, &stop)
            })
        })
        .collect::<Result<_, _>>()?;
    // Every tail is there before what it has to see comes.
    let metric = "loki_querier_tail_active";
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until && gauge(&mut client, metric)? < crowd.tails as f64 {
        sleep(Duration::from_millis(200));
    }
    let queries = spawn({
        let (url, secs) = (url.to_owned(), crowd.secs);
        move || {
            sleep(Duration::from_secs(secs / 3));
            ask_at_once(&url, crowd.queries)
        }
    })?;
    let mut beside = Pace::default();
    let last = beside.push(&mut client, "crowd", 1, crowd)?;
    let peak = process.peak_bytes()?;
    let mut answered = queries.join().unwrap_or_default();
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> = tails.into_iter().filter_map(|tail| tail.join().ok()?.ok()).collect();
    let whole = seen.iter().filter(|seen| seen.whole(last)).count();
    let dropped: u64 = seen.iter().map(|seen| seen.dropped).sum();
    let delivered: u64 = seen.iter().map(|seen| seen.lines).sum();
    let slow_bytes: u64 = slow.into_iter().filter_map(|reader| reader.join().ok()?.ok()).sum();
    let cpu = process.cpu_secs()? - before;

    answered.sort_by_key(|(_, took)| *took);
    let ok = answered.iter().filter(|(status, _)| *status == 200).count();
    let slowest = answered.last().map_or(Duration::ZERO, |(_, took)| *took);
    let mut line = |label: &str, figure: String| {
        let _ = writeln!(report, "{label:<44}{figure}");
    };
    line("pushes alone, ms (median, p99, slowest)", alone.told());
    line("pushes in the crowd, ms", beside.told());
    line("tails that saw every line once and in order", format!("{whole} of {}", crowd.tails));
    line("  lines handed out", delivered.to_string());
    line("  entries told as dropped", dropped.to_string());
    line("queries at once answered 200", format!("{ok} of {}", crowd.queries));
    line("  slowest, s", format!("{:.2}", slowest.as_secs_f64()));
    line("slow readers, MB taken by all", format!("{:.1} ({} readers)", slow_bytes as f64 / 1e6, crowd.slow));
    line("peak resident, MB", format!("{:.0}", peak as f64 / 1e6));
    line("CPU s, and seconds it took", format!("{cpu:.1}, {:.0}", began.elapsed().as_secs_f64()));
    Ok(report)
}

/// One tail, numbered lines, four flushes.
fn numbered(client: &mut Client, lines: u64) -> Result<String, CrowdError> {
    let stop = Arc::new(AtomicBool::new(false));
    push(client, "numbered", 0..1, 0)?;
    let tail = spawn({
        let (host, stop) = (client.host().to_owned(), stop.clone());
        move || follow(&host, "numbered", &stop)
    })?;
    sleep(Duration::from_secs(1));
    let began = Instant::now();
    for (batch, at) in (1..lines).step_by(BATCH as usize).enumerate() {
        push(client, "numbered", at..(at + BATCH).min(lines), 0)?;
        if batch as u64 % (lines / BATCH / 4).max(1) == 1 {
            client.send(&Request { method: "POST".to_owned(), path: "/flush".to_owned(), ..Request::default() })?;
        }
    }
    let took = began.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let seen = tail.join().ok().and_then(Result::ok).unwrap_or_default();
    Ok(format!(
        "{:<44}{} of {lines} seen, {} out of order, {} told as dropped; pushed in {took:.1} s\n",
        "one tail across four flushes", seen.lines, seen.out_of_order, seen.dropped
    ))
}

/// How long pushes took.
#[derive(Debug, Default)]
struct Pace(Vec<Duration>);

impl Pace {
    /// Pushes at the crowd's rate, starting with number `from`; the last number.
    fn push(&mut self, client: &mut Client, app: &str, from: u64, crowd: Crowd) -> Result<u64, CrowdError> {
        let pause = Duration::from_millis(10_000 / crowd.rate.max(1));
        let (began, mut next) = (Instant::now(), from);
        while began.elapsed() < Duration::from_secs(crowd.secs) {
            let started = Instant::now();
            push(client, app, next..next + 10, 0)?;
            next += 10;
            self.0.push(started.elapsed());
            sleep(pause.saturating_sub(started.elapsed()));
        }
        Ok(next - 1)
    }

    fn told(&self) -> String {
        let mut all = self.0.clone();
        all.sort();
        let at = |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1)));
        let ms = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1000.0);
        format!("{:.1}, {:.1}, {:.1} ({} pushes)", ms(at(50)), ms(at(99)), ms(all.last()), all.len())
    }
}

fn push(client: &mut Client, app: &str, numbers: std::ops::Range<u64>, filler: usize) -> Result<(), CrowdError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let filler = "x".repeat(filler);
    let values: Vec<_> = numbers
        .enumerate()
        .map(|(at, number)| json!([(now + at as u128).to_string(), format!("level=info n={number:08} done{filler}")]))
        .collect();
    let body = json!({"streams": [{"stream": {"app": app}, "values": values}]}).to_string();
    let answer = client.send(&Request::post("/loki/api/v1/push", "application/json", body.into_bytes()))?;
    if answer.status != 204 {
        return Err(CrowdError::Push { status: answer.status, text: answer.text() });
    }
    Ok(())
}

/// Follows `app` until `stop` is set and nothing has come for a while.
fn follow(host: &str, app: &str, stop: &AtomicBool) -> Result<Seen, CrowdError> {
    let params = [("query".to_owned(), format!("{{app=\"{app}\"}}")), ("limit".to_owned(), "1".to_owned())];
    let mut socket = Socket::open(host, "/loki/api/v1/tail", &params, &[])?;
    let (mut seen, mut heard) = (Seen::default(), Instant::now());
    loop {
        match socket.next(Duration::from_secs(1)) {
            Said::Text(frame) => {
                seen.read(&frame);
                heard = Instant::now();
            }
            Said::Close(..) | Said::Gone => return Ok(seen),
            Said::Nothing if stop.load(Ordering::Relaxed) && heard.elapsed() > IDLE => return Ok(seen),
            Said::Nothing => {}
        }
    }
}

/// Asks for large answers and takes them slowly; how many bytes.
fn read_slowly(host: &str, limit: u64, stop: &AtomicBool) -> Result<u64, CrowdError> {
    let failed = |source| CrowdError::Io { doing: "read slowly", source };
    let mut taken = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut stream = TcpStream::connect(host).map_err(failed)?;
        let target = format!("/loki/api/v1/query_range?query=%7Bapp%3D%22old%22%7D&limit={limit}");
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).map_err(failed)?;
        let mut part = [0; SLOW_BYTES / 10];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut part).map_err(failed)? {
                0 => break,
                read => taken += read as u64,
            }
            sleep(Duration::from_millis(100));
        }
    }
    Ok(taken)
}

/// Sends all queries at the same moment; status and time of each.
fn ask_at_once(url: &str, queries: usize) -> Vec<(u16, Duration)> {
    let ask = |at: usize| {
        let url = url.to_owned();
        spawn(move || {
            let query = match at % 3 {
                0 => "sum(count_over_time({app=~\".+\"} |= \"done\" [1m]))",
                1 => "{app=\"old\"} |= \"n=00000\"",
                _ => "sum by (level) (rate({app=\"numbered\"} | logfmt [1m]))",
            };
            let mut client = Client::new(&url, None)?;
            let began = Instant::now();
            let answer = client.send(&Request::get("/loki/api/v1/query_range", &[("query", query), ("step", "15")]))?;
            Ok((answer.status, began.elapsed()))
        })
    };
    let asked: Vec<_> = (0..queries).filter_map(|at| ask(at).ok()).collect();
    asked.into_iter().filter_map(|query: JoinHandle<Result<_, CrowdError>>| query.join().ok()?.ok()).collect()
}

fn gauge(client: &mut Client, name: &str) -> Result<f64, CrowdError> {
    let text = client.send(&Request::get("/metrics", &[]))?.text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Ok(value.unwrap_or(0.0))
}

fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, CrowdError> {
    let thread = Builder::new().stack_size(256 << 10).spawn(work);
    thread.map_err(|source| CrowdError::Io { doing: "start a thread", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_and_gaps_seen() {
        let mut seen = Seen::default();
        seen.read(r#"{"streams":[{"values":[["1","level=info n=00000007 done"]]},{"values":[["2","n=00000008 x"]]}]}"#);
        assert!(seen.whole(8) && seen.lines == 2 && seen.first == Some(7));
        let frame =
            r#"{"streams":[{"values":[["3","n=00000010 x"]]}],"dropped_entries":[{"timestamp":"2","n=00000009":""}]}"#;
        seen.read(frame);
        assert_eq!((seen.lines, seen.out_of_order, seen.dropped, seen.whole(10)), (3, 1, 1, false));
    }
}
