//! Restarts in the middle of a long replay, by signal and by kill, and folders copied while the process works.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::killed::{LIMITS, Round, check};
use crate::support::http::{Api, JSON, push_body};
use crate::support::ledger::Ledger;
use crate::support::now;
use crate::support::process::{Home, Loptr};
use crate::support::random::Draws;

/// Lines of a push, and pushes, of a log that takes a while.
const LINES: usize = 4000;
const PUSHES: usize = 60;

/// Fills the log with many short lines of many streams.
fn fill(api: &Api) -> Ledger {
    let mut ledger = Ledger::default();
    for push in 0..PUSHES {
        let lines: Vec<String> = (0..LINES).map(|at| format!("push={push} at={at}")).collect();
        let streams: Vec<_> = lines
            .chunks(10)
            .enumerate()
            .map(|(stream, lines)| {
                let values = lines.iter().map(|line| json!([now().to_string(), line])).collect();
                (json!({"job": "killed", "stream": stream.to_string()}), values)
            })
            .collect();
        let reply = api.send("POST", "/loki/api/v1/push", &[JSON], &push_body(&streams));
        reply.expect("it runs").expect(204);
        ledger.sent.extend(lines.iter().cloned());
        ledger.acknowledged.extend(lines);
    }
    ledger
}

fn is_replaying(api: &Api) -> bool {
    api.metric("loki_ingester_wal_replay_active") > 0.0
}

fn wait_until_replayed(api: &Api) {
    let begun = Instant::now();
    while is_replaying(api) {
        assert!(begun.elapsed() < Duration::from_secs(50), "still replaying");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// With a ceiling so low that chunks are flushed on the way, in every other start.
fn start(home: &Home, low: bool) -> Loptr {
    let mut command = home.command();
    if low {
        command.arg("-ingester.wal-replay-memory-ceiling=3MB");
    }
    Loptr::start(command)
}

#[test]
fn signals_and_kills_during_a_long_replay_lose_nothing() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    let mut ledger = fill(loptr.api());
    loptr.kill();
    let mut draws = Draws::new(now().unsigned_abs());
    let (mut stopped_in_it, mut killed_in_it) = (0, 0);
    for round in 0..10 {
        let loptr = start(&home, round % 4 < 2);
        let line = format!("during replay, round {round}");
        let body = push_body(&[(json!({"job": "killed", "stream": "new"}), vec![json!([now().to_string(), line])])]);
        loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it runs").expect(204);
        ledger.sent.insert(line.clone());
        ledger.acknowledged.insert(line);
        std::thread::sleep(Duration::from_millis(draws.between(0, 150)));
        let replaying = is_replaying(loptr.api());
        if round % 2 == 0 {
            let begun = Instant::now();
            let (status, log) = loptr.stop();
            assert!(status.success(), "{log:#?}");
            assert!(begun.elapsed() < Duration::from_secs(20), "a stop took {:?}", begun.elapsed());
            stopped_in_it += u32::from(replaying);
        } else {
            loptr.kill();
            killed_in_it += u32::from(replaying);
        }
    }
    eprintln!("during replay: {stopped_in_it} of 5 stops, {killed_in_it} of 5 kills");
    assert!(stopped_in_it > 0 && killed_in_it > 0, "the log is too short for this machine");
    let loptr = home.start();
    wait_until_replayed(loptr.api());
    check(&loptr, &ledger, "after ten restarts during replay");
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(status.expect("cp runs").success(), "{} is copied", from.display());
}

/// The folder as it is at an instant, taken while pushes and flushes go on: the process stands still for as long as the
/// copy takes. (What a snapshot of the volume leaves out, what was not synced, is `simulated`'s.)
#[test]
fn a_copy_of_the_folder_at_any_instant_starts_whole() {
    let home = Home::new(LIMITS);
    let (mut all, mut copies) = (Ledger::default(), Vec::new());
    let mut draws = Draws::new(now().unsigned_abs());
    for round in 0..3 {
        let loptr = home.start();
        let pid = loptr.pid();
        let signal = |signal| rustix::process::kill_process(pid, signal).expect("it runs");
        let this = Round::of(loptr, round, &mut draws, |ledger, draws| {
            for _ in 0..4 {
                std::thread::sleep(Duration::from_millis(draws.between(20, 400)));
                signal(rustix::process::Signal::STOP);
                // The last thread stands.
                std::thread::sleep(Duration::from_millis(30));
                let mut acknowledged = all.acknowledged.clone();
                acknowledged.extend(ledger.lock().acknowledged.iter().cloned());
                let copied = Home::new(LIMITS);
                copy(home.dir(), copied.dir());
                signal(rustix::process::Signal::CONT);
                copies.push((copied, acknowledged));
            }
        });
        all.merge(this.ledger);
    }
    let sent = all.sent;
    for (at, (copied, acknowledged)) in copies.into_iter().enumerate() {
        // The configuration came along, and names the folder it was copied from.
        let config = fs::read_to_string(copied.config()).expect("it was copied");
        let (from, to) = (home.dir().display().to_string(), copied.dir().display().to_string());
        copied.configure(&config.replace(&from, &to));
        let ledger = Ledger { sent: sent.clone(), acknowledged };
        let loptr = copied.start();
        wait_until_replayed(loptr.api());
        check(&loptr, &ledger, &format!("copy {at}"));
        loptr.api().flush();
        assert!(loptr.stop().0.success());
        check(&copied.start(), &ledger, &format!("copy {at}, flushed"));
        eprintln!("copy {at}: {} acknowledged lines are there once", ledger.acknowledged.len());
    }
}

/// Every file below `dir` with its bytes.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.insert(path.display().to_string(), fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// One step back: a log of a newer version is refused by name, and the folder is as it was.
#[test]
fn a_log_of_a_newer_version_is_refused_and_nothing_is_written() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    let body = push_body(&[(json!({"job": "killed"}), vec![json!([now().to_string(), "a line"])])]);
    loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it runs").expect(204);
    loptr.kill();
    let log = home.dir().join("wal/loptr");
    let mut segments: Vec<_> =
        fs::read_dir(&log).expect("the log").map(|entry| entry.expect("an entry").path()).collect();
    segments.retain(|path| path.extension().is_some_and(|end| end == "wal"));
    let segment = segments.first().expect("a segment");
    let mut bytes = fs::read(segment).expect("it is there");
    let current = bytes[7];
    bytes[7] = current + 1;
    let sum = crc32c::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&sum.to_le_bytes());
    fs::write(segment, &bytes).expect("it can be written");
    let before = contents(home.dir());
    let ended = home.run(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(&segment.display().to_string()), "{ended:?}");
    assert!(ended.stderr.contains(&format!("version {}", current + 1)), "{ended:?}");
    assert!(contents(home.dir()) == before, "nothing is written");
    // As it was: with the version it has, it is read.
    bytes[7] = current;
    let sum = crc32c::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&sum.to_le_bytes());
    fs::write(segment, &bytes).expect("it can be written");
    let ledger = Ledger { sent: ["a line".to_owned()].into(), acknowledged: ["a line".to_owned()].into() };
    check(&home.start(), &ledger, "with its own version");
}
