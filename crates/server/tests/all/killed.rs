//! SIGKILL at any moment: what was acknowledged is there once, what was not at most once.
//!
//! A kill loses what the process held in memory and nothing the kernel has; power cuts are `simulated`'s.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::http::{Api, JSON, push_body};
use crate::support::ledger::Ledger;
use crate::support::lines::{Direction, LogQuery, ask};
use crate::support::process::{Home, Loptr};
use crate::support::random::Draws;
use crate::support::{env_or, now};

/// A hot stream is not split: what is sent again may come to another part of it, which is another stream.
pub(crate) const LIMITS: &str = "limits_config:
  shard_streams: {enabled: false}
  max_entries_limit_per_query: 10000000
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
";
const WRITERS: u64 = 4;

/// Rounds of each test; 200 take three minutes.
fn rounds() -> u64 {
    env_or("LOPTR_KILL_ROUNDS", 20)
}

/// The draws of a test, and the seed told so that they can be repeated.
fn draws(test: &str) -> Draws {
    let seed = env_or("LOPTR_KILL_SEED", now().unsigned_abs());
    eprintln!("{test}: LOPTR_KILL_SEED={seed}");
    Draws::new(seed)
}

const A_DAY: i64 = 86_400_000_000_000;

/// The lines of time `from` and later that the process has for `selector`.
fn lines_since(api: &Api, selector: &str, from: i64) -> Vec<String> {
    let end = now() + 3_600_000_000_000;
    let query = LogQuery { query: selector, start: from, end, direction: Direction::Forward, limit: 10_000_000 };
    ask(api, query).into_iter().flat_map(|(_, lines)| lines).map(|line| line.line).collect()
}

/// All lines the process has, asked at once.
fn all_lines(api: &Api) -> Vec<String> {
    lines_since(api, "{job=\"killed\"}", now() - A_DAY)
}

#[track_caller]
fn agree(ledger: &Ledger, lines: &[String], when: &str) {
    if let Err(wrong) = ledger.check(lines.iter().map(String::as_str)) {
        panic!("{when}: {wrong}");
    }
}

#[track_caller]
pub(crate) fn check(loptr: &Loptr, ledger: &Ledger, when: &str) {
    agree(ledger, &all_lines(loptr.api()), when);
}

/// A push that had no answer, and its lines.
type Unanswered = (Vec<u8>, Vec<String>);

/// Pushes until the connection breaks: some lines to a stream of its own, some to one that all writers share. Returns the
/// push that had no answer.
fn write_until_dead(
    api: &Api,
    writer: u64,
    round: u64,
    mut draws: Draws,
    ledger: &Mutex<Ledger>,
) -> Option<Unanswered> {
    for push in 0.. {
        let mut streams = Vec::new();
        let mut sent = Vec::new();
        for stream in [format!("own-{writer}"), "shared".to_owned()] {
            let values = (0..draws.between(1, 20)).map(|at| {
                let padding = "x".repeat(draws.between(0, 500) as usize);
                let line = format!("{stream} writer={writer} round={round} push={push} at={at} {padding}");
                sent.push(line.clone());
                let mut value = vec![Value::from(now().to_string()), Value::from(line)];
                if draws.one_in(3) {
                    value.push(json!({"push": push.to_string()}));
                }
                Value::from(value)
            });
            let values = values.collect();
            streams.push((json!({"job": "killed", "stream": stream}), values));
        }
        ledger.lock().sent.extend(sent.iter().cloned());
        let body = push_body(&streams);
        match api.send("POST", "/loki/api/v1/push", &[JSON], &body) {
            Ok(reply) => {
                reply.expect(204);
                ledger.lock().acknowledged.extend(sent);
            }
            Err(_) => return Some((body, sent)),
        }
    }
    None
}

/// Flushes without a pause until the connection breaks.
fn flush_until_dead(api: &Api) -> u64 {
    let mut flushes = 0;
    while api.send("POST", "/flush", &[], &[]).is_ok() {
        flushes += 1;
    }
    flushes
}

/// What one round wrote, and when it began: none of its lines is older.
pub(crate) struct Round {
    begun: i64,
    pub(crate) ledger: Ledger,
    unanswered: Vec<Unanswered>,
    /// Flushes that were answered.
    flushes: u64,
}

impl Round {
    /// Writers push, in every other round while flushes go on, as long as `during` takes; then the process is killed.
    pub(crate) fn of(
        loptr: Loptr,
        round: u64,
        draws: &mut Draws,
        during: impl FnOnce(&Mutex<Ledger>, &mut Draws),
    ) -> Self {
        let begun = now();
        let (api, ledger) = (loptr.api().clone(), Mutex::<Ledger>::default());
        let (unanswered, flushes) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (api, draws, ledger) = (&api, Draws::new(draws.next()), &ledger);
                    scope.spawn(move || write_until_dead(api, writer, round, draws, ledger))
                })
                .collect();
            let flusher = (round % 2 == 1).then(|| scope.spawn(|| flush_until_dead(&api)));
            while ledger.lock().acknowledged.is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            during(&ledger, draws);
            loptr.kill();
            let unanswered = writers.into_iter().filter_map(|writer| writer.join().expect("no answer but 204 comes"));
            (unanswered.collect(), flusher.map_or(0, |flusher| flusher.join().expect("it does not panic")))
        });
        Self { begun, ledger: ledger.into_inner(), unanswered, flushes }
    }
}

/// All rounds. Each is looked at while it is one of the last two; all of them once more at the end.
#[derive(Default)]
struct Rounds(Vec<Round>);

impl Rounds {
    /// The lines of the last two rounds: the last one's and what was sent again of the one before.
    #[track_caller]
    fn check_last(&self, loptr: &Loptr, when: &str) {
        let last = &self.0[self.0.len().saturating_sub(2)..];
        let Some(first) = last.first() else { return };
        let mut ledger = Ledger::default();
        last.iter().for_each(|round| ledger.merge(round.ledger.clone()));
        agree(&ledger, &lines_since(loptr.api(), "{job=\"killed\"}", first.begun), when);
    }

    /// Every line, stream by stream: together they would make too long an answer.
    #[track_caller]
    fn check_all(&self, loptr: &Loptr, when: &str) {
        let (mut ledger, mut lines) = (Ledger::default(), Vec::new());
        self.0.iter().for_each(|round| ledger.merge(round.ledger.clone()));
        for stream in (0..WRITERS).map(|writer| format!("own-{writer}")).chain(["shared".to_owned()]) {
            lines.extend(lines_since(loptr.api(), &format!("{{stream=\"{stream}\"}}"), now() - A_DAY));
        }
        agree(&ledger, &lines, when);
        let (acknowledged, sent) = (ledger.acknowledged.len(), ledger.sent.len());
        eprintln!(
            "{when}, {} rounds: {acknowledged} lines acknowledged of {sent} sent, {} found, 0 missing, 0 doubled",
            self.0.len(),
            lines.len()
        );
    }
}

#[test]
fn while_pushes_and_flushes_go_on() {
    let mut draws = draws("while_pushes_and_flushes_go_on");
    let home = Home::new(LIMITS);
    let mut all = Rounds::default();
    for round in 0..rounds() {
        let loptr = home.start();
        all.check_last(&loptr, "after the kill");
        if draws.one_in(2) {
            loptr.api().flush_all();
            all.check_last(&loptr, "flushed after the kill");
        }
        // Clients send again what had no answer; what was stored nevertheless stays one entry.
        if let Some(last) = all.0.last_mut() {
            for (body, lines) in last.unanswered.drain(..) {
                let again = loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body);
                again.expect("it runs").expect(204);
                last.ledger.acknowledged.extend(lines);
            }
        }
        all.check_last(&loptr, "sent again after the kill");
        let life = Duration::from_millis(draws.between(50, 800));
        let this = Round::of(loptr, round, &mut draws, |_, _| std::thread::sleep(life));
        let (sent, acknowledged) = (this.ledger.sent.len(), this.ledger.acknowledged.len());
        eprintln!(
            "round {round}: killed after {life:?}, {} flushes, {acknowledged} of {sent} lines acknowledged",
            this.flushes
        );
        all.0.push(this);
    }
    let loptr = home.start();
    all.check_all(&loptr, "after the last kill");
    loptr.api().flush_all();
    all.check_all(&loptr, "flushed after the last kill");
    assert!(loptr.stop().0.success());
    all.check_all(&home.start(), "after a stop in order");
}

/// Pushes `streams` streams of a few lines each, in one request, and notes them.
fn push_streams(api: &Api, ledger: &mut Ledger, round: u64, streams: u64) {
    let lines: Vec<String> =
        (0..streams * 3).map(|at| format!("round={round} stream={} at={at}", at % streams)).collect();
    let bodies = (0..streams).map(|stream| {
        let own = lines.iter().enumerate().filter(|(at, _)| *at as u64 % streams == stream);
        let values = own.map(|(_, line)| json!([now().to_string(), line])).collect();
        (json!({"job": "killed", "stream": stream.to_string()}), values)
    });
    ledger.sent.extend(lines.iter().cloned());
    api.push(&bodies.collect::<Vec<_>>()).expect("it runs").expect(204);
    ledger.acknowledged.extend(lines);
}

/// A flush of many streams cut at a drawn moment, now and then with a whole flush before it, so that the log has
/// records of uploads that are done.
#[test]
fn right_after_a_flush_and_in_the_middle_of_one() {
    let mut draws = draws("right_after_a_flush_and_in_the_middle_of_one");
    let home = Home::new(LIMITS);
    let mut ledger = Ledger::default();
    let mut loptr = home.start();
    for round in 0..rounds() {
        let streams = draws.between(1, 60);
        push_streams(loptr.api(), &mut ledger, 2 * round, streams);
        if draws.one_in(2) {
            loptr.api().flush_all();
            push_streams(loptr.api(), &mut ledger, 2 * round + 1, streams);
        }
        loptr.api().flush();
        let micros = if draws.one_in(4) { 0 } else { draws.between(0, 60_000) };
        std::thread::sleep(Duration::from_micros(micros));
        loptr.kill();
        eprintln!("round {round}: {streams} streams, killed {micros} us after the flush was asked for");
        loptr = home.start();
        check(&loptr, &ledger, &format!("round {round}, after the kill"));
        if draws.one_in(2) {
            loptr.api().flush_all();
            check(&loptr, &ledger, &format!("round {round}, flushed after the kill"));
        }
    }
    loptr.kill();
    check(&home.start(), &ledger, "after the last kill");
}

/// One stream flushed and shipped, another flushed after a restart and killed before its index is uploaded: what the
/// log remembers of the first upload must not be taken for the second.
#[test]
fn a_second_life_numbers_its_flushes_after_the_first() {
    let home = Home::new(LIMITS);
    let mut ledger = Ledger::default();
    for round in 0..4 {
        let loptr = home.start();
        check(&loptr, &ledger, "after the kill");
        push_streams(loptr.api(), &mut ledger, 100 + round, 40);
        loptr.api().flush();
        let until = Instant::now() + Duration::from_secs(30);
        while loptr.api().metric("loptr_ingester_pending_chunks") < 1.0 && Instant::now() < until {}
        loptr.kill();
    }
    let loptr = home.start();
    check(&loptr, &ledger, "after the last kill");
    let texts: BTreeSet<String> = all_lines(loptr.api()).into_iter().collect();
    assert_eq!(texts, ledger.acknowledged);
}
