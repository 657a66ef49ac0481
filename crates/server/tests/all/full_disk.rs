//! Disks that are really full: small tmpfs mounts below the real binary. Where mounting is not permitted these tests say
//! that they were skipped. `LOPTR_FULL_DISK_SECS` makes the store stay full for longer.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::killed::{LIMITS, check};
use crate::support::http::{JSON, push_body};
use crate::support::ledger::Ledger;
use crate::support::process::{Home, Loptr};
use crate::support::random::Draws;
use crate::support::{env_or, now};

/// A tmpfs, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Mounts `size` at `dir`; none where that is not permitted.
    fn new(test: &str, dir: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(dir).expect("a folder can be made");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "loptr-test"]).arg(dir).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir.to_owned()));
        }
        eprintln!("{test}: SKIPPED, mounting a tmpfs is not permitted here");
        None
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.expect("mount runs").success(), "remount with {options}");
    }

    /// Fills it to the last byte with a file `ballast`.
    fn fill(&self) {
        let block = vec![0x5a; 64 << 10];
        let mut file = fs::File::create(self.0.join("ballast")).expect("a name fits");
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.0.join("ballast")).expect("it is there");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: the process may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Pushes lines that do not compress, and counts answers.
struct Pusher {
    draws: Draws,
    ledger: Ledger,
    next: u64,
    accepted: u64,
    refused: u64,
    last_refusal: String,
}

impl Pusher {
    fn new() -> Self {
        let (ledger, last_refusal) = (Ledger::default(), String::new());
        Self { draws: Draws::new(7), ledger, next: 0, accepted: 0, refused: 0, last_refusal }
    }

    /// One push of about 100 KB; whether it was accepted.
    fn push(&mut self, loptr: &Loptr) -> bool {
        let lines: Vec<String> = (0..25)
            .map(|_| {
                self.next += 1;
                let noise: String = (0..256).map(|_| format!("{:016x}", self.draws.next())).collect();
                format!("line={} {noise}", self.next)
            })
            .collect();
        let values = lines.iter().map(|line| json!([now().to_string(), line])).collect();
        self.ledger.sent.extend(lines.iter().cloned());
        let body = push_body(&[(json!({"job": "killed", "stream": (self.next % 7).to_string()}), values)]);
        let reply = loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it lives");
        match reply.status {
            204 => {
                self.accepted += 1;
                self.ledger.acknowledged.extend(lines);
                true
            }
            503 => {
                assert_eq!(reply.header("retry-after"), Some("5"), "{reply:?}");
                self.refused += 1;
                self.last_refusal = reply.text();
                false
            }
            _ => panic!("{reply:?}"),
        }
    }

    fn push_for(&mut self, loptr: &Loptr, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if !self.push(loptr) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Pushes until one is refused.
    fn push_until_refused(&mut self, loptr: &Loptr) {
        for _ in 0..5_000 {
            if !self.push(loptr) {
                return;
            }
        }
        panic!("{} pushes were accepted", self.accepted);
    }

    /// Pushes until one is accepted.
    fn push_until_accepted(&mut self, loptr: &Loptr) -> Duration {
        let begun = Instant::now();
        while !self.push(loptr) {
            assert!(begun.elapsed() < Duration::from_secs(40), "still refused: {}", self.last_refusal);
            std::thread::sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    }

    fn tell(&self, when: &str) {
        eprintln!(
            "{when}: {} pushes accepted, {} refused, last: {}",
            self.accepted,
            self.refused,
            self.last_refusal.trim()
        );
    }
}

/// `O_NONBLOCK`: a reader does not wait for a writer.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
const FAST: &str = "ingester: {flush_check_period: 1s, flush_op_backoff: {min_period: 1s, max_period: 2s}, wal: {disk_full_threshold: 0}}\n";

fn home() -> Home {
    Home::new(&format!("{LIMITS}{FAST}"))
}

/// Starts the binary and waits until it has everything.
fn start(home: &Home) -> Loptr {
    let loptr = home.start();
    let begun = Instant::now();
    while loptr.api().metric("loki_ingester_wal_replay_active") > 0.0 {
        assert!(begun.elapsed() < Duration::from_secs(40), "the log is still being replayed");
        std::thread::sleep(Duration::from_millis(20));
    }
    loptr
}

#[test]
fn a_log_on_a_full_disk_refuses_starts_and_heals() {
    let home = home();
    let name = "a_log_on_a_full_disk_refuses_starts_and_heals";
    let Some(disk) = Mount::new(name, &home.dir().join("wal"), "16m") else { return };
    let loptr = start(&home);
    let mut pusher = Pusher::new();
    std::thread::sleep(Duration::from_secs(1));
    // Full again and again: what is flushed to the bucket makes room by itself.
    pusher.push_for(&loptr, Duration::from_secs(5));
    pusher.tell("a disk of 16 MB");
    check(&loptr, &pusher.ledger, "while the disk fills");
    // Full to the last byte, by somebody else.
    disk.fill();
    pusher.push_until_refused(&loptr);
    disk.fill();
    std::thread::sleep(Duration::from_secs(2));
    disk.fill();
    pusher.tell("a full disk");
    assert!(loptr.api().get("/ready", &[]).expect(503).text().contains("has no room"));
    check(&loptr, &pusher.ledger, "on the full disk");
    loptr.kill();
    let loptr = start(&home);
    eprintln!("started on the full disk in {:?}", loptr.started_in);
    check(&loptr, &pusher.ledger, "started on the full disk");
    loptr.kill();
    let loptr = start(&home);
    disk.empty();
    let took = pusher.push_until_accepted(&loptr);
    eprintln!("pushes are accepted {took:?} after there is room");
    loptr.api().get("/ready", &[]).expect(200);
    check(&loptr, &pusher.ledger, "after it healed");
    loptr.kill();
    check(&start(&home), &pusher.ledger, "at the end");
}

#[test]
fn a_store_on_a_full_disk_is_waited_for() {
    let home = home();
    let name = "a_store_on_a_full_disk_is_waited_for";
    let Some(disk) = Mount::new(name, &home.dir().join("chunks"), "8m") else { return };
    let loptr = start(&home);
    let mut pusher = Pusher::new();
    let full_for = Duration::from_secs(env_or("LOPTR_FULL_DISK_SECS", 6));
    let until = Instant::now() + full_for;
    while Instant::now() < until {
        pusher.push_for(&loptr, Duration::from_millis(300));
        loptr.api().flush();
        std::thread::sleep(Duration::from_millis(if full_for > Duration::from_secs(30) { 2000 } else { 100 }));
    }
    let waiting = loptr.api().metric("loptr_spool_chunks");
    pusher.tell(&format!("{waiting} chunks wait after {full_for:?}"));
    assert!(waiting > 0.0 && loptr.api().metric("loptr_object_store_up") == 0.0);
    assert_eq!(pusher.refused, 0, "{}", pusher.last_refusal);
    check(&loptr, &pusher.ledger, "while the store is full");
    loptr.kill();
    let loptr = start(&home);
    check(&loptr, &pusher.ledger, "after a kill while chunks wait");
    disk.remount("size=1g");
    let begun = Instant::now();
    while loptr.api().metric("loptr_spool_chunks") > 0.0 {
        assert!(begun.elapsed() < Duration::from_secs(40), "{} chunks wait", loptr.api().metric("loptr_spool_chunks"));
        std::thread::sleep(Duration::from_millis(100));
    }
    eprintln!("{waiting} chunks uploaded {:?} after there is room", begun.elapsed());
    check(&loptr, &pusher.ledger, "after the store came back");
    assert!(loptr.stop().0.success());
    check(&start(&home), &pusher.ledger, "at the end");
}

/// Read-only, as after an error of the file system.
#[test]
fn a_store_that_cannot_be_written_is_waited_for() {
    let home = home();
    let name = "a_store_that_cannot_be_written_is_waited_for";
    let Some(disk) = Mount::new(name, &home.dir().join("chunks"), "64m") else { return };
    let loptr = start(&home);
    let mut pusher = Pusher::new();
    pusher.push_for(&loptr, Duration::from_millis(300));
    disk.remount("ro");
    let read_only_for = Duration::from_secs(env_or("LOPTR_FULL_DISK_SECS", 3));
    let until = Instant::now() + read_only_for;
    while Instant::now() < until {
        pusher.push_for(&loptr, Duration::from_millis(300));
        loptr.api().flush();
        std::thread::sleep(Duration::from_secs(1));
    }
    pusher.tell(&format!("{} chunks wait after {read_only_for:?}", loptr.api().metric("loptr_spool_chunks")));
    assert_eq!(pusher.refused, 0, "{}", pusher.last_refusal);
    loptr.kill();
    let loptr = start(&home);
    check(&loptr, &pusher.ledger, "started on a store that cannot be written");
    disk.remount("rw");
    let begun = Instant::now();
    while loptr.api().metric("loptr_spool_chunks") > 0.0 {
        assert!(begun.elapsed() < Duration::from_secs(40), "chunks still wait");
        std::thread::sleep(Duration::from_millis(100));
    }
    check(&loptr, &pusher.ledger, "after the store came back");
}

/// A store whose calls never return, as on a network file system without its server: names under which objects are
/// written are pipes nobody reads, and opening one waits for ever.
#[test]
fn a_store_that_hangs_is_waited_for() {
    let home = Home::new(&format!("{LIMITS}{}", FAST.replace("ingester: {", "ingester: {flush_op_timeout: 1s, ")));
    let loptr = start(&home);
    let mut pusher = Pusher::new();
    pusher.push_for(&loptr, Duration::from_millis(200));
    let pipes: Vec<PathBuf> =
        (0..300).map(|number| home.dir().join(format!("chunks/loptr~/tmp/{number:016x}"))).collect();
    assert!(Command::new("mkfifo").args(&pipes).status().expect("mkfifo runs").success());
    loptr.api().flush();
    let hangs_for = Duration::from_secs(env_or("LOPTR_FULL_DISK_SECS", 6));
    let until = Instant::now() + hangs_for;
    while Instant::now() < until {
        pusher.push_for(&loptr, Duration::from_millis(300));
        loptr.api().flush();
        std::thread::sleep(Duration::from_millis(if hangs_for > Duration::from_secs(30) { 2000 } else { 100 }));
    }
    let [waiting, calls, up] = ["loptr_spool_chunks", "loptr_object_store_calls", "loptr_object_store_up"]
        .map(|name| loptr.api().metric(name));
    pusher.tell(&format!("{waiting} chunks wait after {hangs_for:?}, {calls} calls hang"));
    assert!(waiting > 0.0 && calls > 0.0 && up == 0.0, "{waiting} chunks, {calls} calls, up: {up}");
    assert_eq!(pusher.refused, 0, "{}", pusher.last_refusal);
    loptr.api().get("/ready", &[]).expect(200);
    check(&loptr, &pusher.ledger, "while the store hangs");
    // Whoever waits for a reader gets one and then none: what it writes fails.
    for pipe in &pipes {
        let reader = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(pipe);
        fs::remove_file(pipe).expect("it is there");
        drop(reader);
    }
    let begun = Instant::now();
    while loptr.api().metric("loptr_spool_chunks") > 0.0 {
        assert!(begun.elapsed() < Duration::from_secs(40), "{} chunks wait", loptr.api().metric("loptr_spool_chunks"));
        std::thread::sleep(Duration::from_millis(100));
    }
    eprintln!("{waiting} chunks uploaded {:?} after the store answers", begun.elapsed());
    check(&loptr, &pusher.ledger, "after the store came back");
    assert!(loptr.stop().0.success());
    check(&start(&home), &pusher.ledger, "at the end");
}
