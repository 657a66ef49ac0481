//! From push to query: at any moment every acknowledged line is found once, while all of it is on its way from memory
//! to the bucket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::http::Api;
use crate::support::ledger::Ledger;
use crate::support::lines::{Direction, LogQuery, ask, ask_vector};
use crate::support::process::Home;
use crate::support::random::Draws;
use crate::support::{env_or, now};

const CONFIG: &str = "limits_config:
  reject_old_samples: false
  max_entries_limit_per_query: 10000000
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
";
const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Where a stream's times lie.
#[derive(Clone, Copy, Debug)]
enum Times {
    /// The moment of the push.
    Now,
    /// So long ago, and out of order within half an hour.
    Shuffled { ago: i64 },
    /// From so long ago on, half a day further with each push, so that one push's chunk ends where another day begins.
    Leaping { ago: i64 },
    /// One instant for all.
    Standing { ago: i64 },
}

const STREAMS: [Times; 6] = [
    Times::Now,
    Times::Shuffled { ago: HOUR },
    Times::Shuffled { ago: 3 * DAY },
    Times::Leaping { ago: 25 * DAY },
    Times::Standing { ago: 5 * DAY },
    Times::Shuffled { ago: 5 * DAY },
];

impl Times {
    fn next(self, push: i64, draws: &mut Draws) -> i64 {
        let jitter = draws.next() as i64 & 0x0fff_ffff;
        match self {
            Times::Now => now(),
            Times::Shuffled { ago } => now() - ago - (draws.next() % 1800) as i64 * SECOND + jitter,
            Times::Leaping { ago } => (now() - ago + push * DAY / 2 + jitter).min(now()),
            Times::Standing { ago } => (now() - ago) / DAY * DAY,
        }
    }
}

#[derive(Default)]
struct Shared {
    ledgers: [Mutex<Ledger>; STREAMS.len()],
    stop: AtomicBool,
    flushes: AtomicU64,
}

fn write(api: &Api, at: usize, shared: &Shared, mut draws: Draws) {
    let mut push = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let lines: Vec<String> = (0..draws.between(1, 12)).map(|line| format!("stream={at} {push}/{line}")).collect();
        let values = lines.iter().map(|line| json!([STREAMS[at].next(push, &mut draws).to_string(), line]));
        let values: Vec<Value> = values.collect();
        shared.ledgers[at].lock().sent.extend(lines.iter().cloned());
        let labels = json!({"job": "journey", "stream": at.to_string()});
        api.push(&[(labels, values)]).expect("it runs").expect(204);
        shared.ledgers[at].lock().acknowledged.extend(lines);
        push += 1;
        std::thread::sleep(Duration::from_millis(draws.between(0, 12)));
    }
}

fn flush(api: &Api, shared: &Shared, mut draws: Draws) {
    while !shared.stop.load(Ordering::Relaxed) {
        api.flush();
        shared.flushes.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(draws.between(0, 25)));
    }
}

/// Log queries: acknowledged before it was asked → there; sent before it was answered → at most once.
fn read_lines(api: &Api, shared: &Shared, mut draws: Draws) -> u64 {
    let mut asked = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let at = draws.next() as usize % STREAMS.len();
        let acknowledged = shared.ledgers[at].lock().acknowledged.clone();
        check_lines(api, shared, at, acknowledged, draws.one_in(2));
        asked += 1;
    }
    asked
}

fn check_lines(api: &Api, shared: &Shared, at: usize, acknowledged: std::collections::BTreeSet<String>, forward: bool) {
    let query = LogQuery {
        query: &format!("{{job=\"journey\",stream=\"{at}\"}}"),
        start: now() - 29 * DAY,
        end: now() + HOUR,
        direction: if forward { Direction::Forward } else { Direction::Backward },
        limit: 10_000_000,
    };
    let found: Vec<String> = ask(api, query).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect();
    let ledger = Ledger { sent: shared.ledgers[at].lock().sent.clone(), acknowledged };
    if let Err(wrong) = ledger.check(found.iter().map(String::as_str)) {
        panic!("{query:?}: {wrong}");
    }
}

/// Counts of all streams at once: between what was acknowledged before and what was sent until the answer.
fn read_counts(api: &Api, shared: &Shared) -> u64 {
    let mut asked = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        check_counts(api, shared);
        check_series(api, shared);
        asked += 1;
    }
    asked
}

/// Every stream that has an acknowledged line is a series, once.
fn check_series(api: &Api, shared: &Shared) {
    let written = shared.ledgers.each_ref().map(|ledger| !ledger.lock().acknowledged.is_empty());
    let (start, end) = ((now() - 29 * DAY).to_string(), (now() + HOUR).to_string());
    let params = [("match[]", "{job=\"journey\"}"), ("start", &*start), ("end", &*end)];
    let series = api.get("/loki/api/v1/series", &params).expect(200).json();
    let values = api.get("/loki/api/v1/label/stream/values", &params[1..]).expect(200).json();
    let series: Vec<&str> = series["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|labels| labels["stream"].as_str().expect("text"))
        .collect();
    let values: Vec<&str> =
        values["data"].as_array().into_iter().flatten().map(|value| value.as_str().expect("text")).collect();
    for (at, written) in written.into_iter().enumerate() {
        for (what, names) in [("series", &series), ("values", &values)] {
            let times = names.iter().filter(|name| **name == at.to_string()).count();
            assert!(times == 1 || (times == 0 && !written), "stream {at} is {times} times among the {what}");
        }
    }
}

fn check_counts(api: &Api, shared: &Shared) {
    let acknowledged = shared.ledgers.each_ref().map(|ledger| ledger.lock().acknowledged.len());
    let query = "sum by (stream) (count_over_time({job=\"journey\"}[29d]))";
    let counts: BTreeMap<String, f64> = ask_vector(api, query, now() + HOUR)
        .into_iter()
        .map(|(labels, count)| (labels["stream"].clone(), count))
        .collect();
    for (at, ledger) in shared.ledgers.iter().enumerate() {
        let count = counts.get(&at.to_string()).copied().unwrap_or(0.0);
        let sent = ledger.lock().sent.len();
        let (least, most) = (acknowledged[at] as f64, sent as f64);
        assert!((least..=most).contains(&count), "stream {at}: counted {count}, not in {least}..={most}");
    }
}

#[test]
fn no_gap_and_no_double_while_flushing() {
    let seed = env_or("LOPTR_JOURNEY_SEED", now().unsigned_abs());
    let life = Duration::from_secs(env_or("LOPTR_JOURNEY_SECS", 4));
    eprintln!("LOPTR_JOURNEY_SEED={seed}");
    let mut draws = Draws::new(seed);
    let home = Home::new(CONFIG);
    let loptr = home.start();
    let (api, shared) = (loptr.api(), &Shared::default());
    let mut next = || Draws::new(draws.next());
    let (logs, counts) = std::thread::scope(|scope| {
        /// Ends the others when one panics.
        struct StopAll<'a>(&'a AtomicBool);
        impl Drop for StopAll<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        for at in 0..STREAMS.len() {
            let draws = next();
            scope.spawn(move || {
                let _stop = StopAll(&shared.stop);
                write(api, at, shared, draws);
            });
        }
        let (flusher, reader) = (next(), next());
        scope.spawn(move || {
            let _stop = StopAll(&shared.stop);
            flush(api, shared, flusher);
        });
        let logs = scope.spawn(move || {
            let _stop = StopAll(&shared.stop);
            read_lines(api, shared, reader)
        });
        let counts = scope.spawn(move || {
            let _stop = StopAll(&shared.stop);
            read_counts(api, shared)
        });
        let until = Instant::now() + life;
        while Instant::now() < until && !shared.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        shared.stop.store(true, Ordering::Relaxed);
        (logs.join().expect("every log query was right"), counts.join().expect("every count was right"))
    });
    for (at, ledger) in shared.ledgers.iter().enumerate() {
        let acknowledged = ledger.lock().acknowledged.clone();
        assert!(!acknowledged.is_empty(), "stream {at} was written");
        check_lines(api, shared, at, acknowledged, true);
    }
    check_counts(api, shared);
    let lines: usize = shared.ledgers.iter().map(|ledger| ledger.lock().acknowledged.len()).sum();
    let flushes = shared.flushes.load(Ordering::Relaxed);
    eprintln!("{lines} lines, {flushes} flushes, {logs} log queries, {counts} counts");
    assert!(logs > 0 && counts > 0 && flushes > 0);
    assert!(loptr.stop().0.success());
    let loptr = home.start();
    check_counts(loptr.api(), shared);
    for (at, ledger) in shared.ledgers.iter().enumerate() {
        let acknowledged = ledger.lock().acknowledged.clone();
        check_lines(loptr.api(), shared, at, acknowledged, false);
    }
}

/// What a window of time holds does not depend on where the entries lie, nor on how the window cuts chunks, milliseconds
/// and days.
#[test]
fn every_instant_is_found_in_memory_and_in_the_bucket() {
    let home = Home::new(CONFIG);
    let loptr = home.start();
    let api = loptr.api();
    let midnight = now() / DAY * DAY;
    // Around millisecond, hour and day bounds, some of them in one chunk over three days.
    let mut times: Vec<i64> = [-2 * DAY, -DAY, -DAY + HOUR, 0].map(|at| midnight + at).into();
    times
        .extend([-1_000_001, -1_000_000, -999_999, -1, 1, 999_999, 1_000_000, 1_000_001].map(|at| midnight - DAY + at));
    times.sort_unstable();
    for (stream, order) in [("rising", 1), ("single", 2)] {
        let values = times.iter().map(|ts| json!([ts.to_string(), format!("{stream} {ts}")]));
        let labels = |at: usize| json!({"job": "instants", "stream": stream, "part": if order == 1 { 0 } else { at }.to_string()});
        if order == 1 {
            api.push(&[(labels(0), values.collect())]).expect("it runs").expect(204);
        } else {
            // A chunk for each.
            let streams: Vec<_> = values.enumerate().map(|(at, value)| (labels(at), vec![value])).collect();
            api.push(&streams).expect("it runs").expect(204);
        }
    }
    let bounds: Vec<i64> = times.iter().flat_map(|ts| [ts - 1, *ts, ts + 1]).collect();
    let check = |api: &Api, place: &str| {
        for stream in ["rising", "single"] {
            let selector = format!("{{job=\"instants\",stream=\"{stream}\"}}");
            for (at, &start) in bounds.iter().enumerate() {
                for &end in [start, start + 1, start + 1_000_000].iter().chain(bounds[at..].iter().step_by(5)) {
                    let query = LogQuery { query: &selector, start, end, direction: Direction::Forward, limit: 1000 };
                    let mut found: Vec<i64> =
                        ask(api, query).into_iter().flat_map(|(_, lines)| lines).map(|line| line.ts).collect();
                    found.sort_unstable();
                    // Equal bounds mean that instant.
                    let until = end.max(start + 1);
                    let expected: Vec<i64> = times.iter().copied().filter(|ts| (start..until).contains(ts)).collect();
                    assert_eq!(found, expected, "{place}: {query:?}");
                }
                for range in ["1ms", "1h", "1d"] {
                    let len = match range {
                        "1ms" => SECOND / 1000,
                        "1h" => HOUR,
                        _ => DAY,
                    };
                    let query = format!("sum(count_over_time({selector}[{range}]))");
                    let found = ask_vector(api, &query, start).first().map_or(0.0, |(_, count)| *count);
                    let expected = times.iter().filter(|ts| **ts > start - len && **ts <= start).count();
                    assert_eq!(found, expected as f64, "{place}: {query} at {start}");
                }
            }
        }
    };
    check(api, "in memory");
    api.flush();
    let until = Instant::now() + Duration::from_secs(20);
    while api.metric("loki_ingester_memory_chunks") > 0.0 {
        assert!(Instant::now() < until, "not flushed");
        std::thread::sleep(Duration::from_millis(10));
    }
    check(api, "in the bucket");
    assert!(loptr.stop().0.success());
    check(home.start().api(), "after a restart");
}
