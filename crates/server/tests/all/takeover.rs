//! Data folders that a killed upstream left: everything in them is found, once, and upstream's files are gone when it lies
//! in the bucket. Killed meanwhile, the next start takes over what is left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::buckets::{Streams, check, stored};
use crate::support::http::{Api, JSON};
use crate::support::process::{Home, Loptr};
use crate::support::random::Draws;
use crate::support::{archive, env_or, now};

/// Bodies pushed before each kill.
const FOLDERS: [(&str, &[&str]); 3] = [
    ("killed-wal", &["all.json"]),
    ("killed-after-flush", &["all.json"]),
    ("killed-checkpoint", &["all.json", "conformance/"]),
];

fn expected(bodies: &[&str]) -> Streams {
    let bodies: Vec<_> = bodies.iter().flat_map(|prefix| archive::pushed(prefix)).collect();
    stored(&bodies, true)
}

fn home(folder: &str, more: &str) -> Home {
    let home = Home::new(more);
    archive::unpack(folder, home.dir());
    home
}

fn files_below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry.expect("the folder is ours").path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}

/// Files below the folders of the log and of index heads that are not ours.
fn upstreams_files(home: &Home) -> Vec<PathBuf> {
    let own = home.dir().join("wal/loptr");
    let index = home.dir().join("tsdb-shipper-active");
    let log = files_below(&home.dir().join("wal"));
    let heads = files_below(&index.join("wal")).into_iter().chain(files_below(&index.join("multitenant")));
    log.into_iter().chain(heads).filter(|path| !path.starts_with(&own)).collect()
}

fn uploader(home: &Home) -> String {
    fs::read_to_string(home.dir().join("tsdb-shipper-active/uploader/name")).expect("it is there")
}

fn told(loptr: &Loptr, text: &str) -> bool {
    loptr.log_lines().iter().any(|line| line.contains(text))
}

fn check_folder(folder: &str, bodies: &[&str], more: &str) {
    let stored = expected(bodies);
    let home = home(folder, more);
    let name = uploader(&home);
    let loptr = home.start();
    assert!(told(&loptr, "taken over"), "{folder}");
    check(loptr.api(), &stored);
    assert_eq!(upstreams_files(&home), Vec::<PathBuf>::new(), "{folder}");
    assert_eq!(uploader(&home), name, "{folder}");
    assert!(loptr.api().metric("loptr_takeover_bytes") > 0.0);
    loptr.api().flush();
    check(loptr.api(), &stored);
    assert!(loptr.stop().0.success());
    // From the bucket alone, and nothing is taken over twice.
    let loptr = home.start();
    assert!(!told(&loptr, "taking over"), "{folder}");
    check(loptr.api(), &stored);
    assert!(loptr.stop().0.success());
}

#[test]
fn everything_in_the_folders_of_a_killed_upstream_is_found() {
    for (folder, bodies) in FOLDERS {
        check_folder(folder, bodies, "");
    }
}

/// With a ceiling below what the folder holds, chunks go to the bucket on the way.
#[test]
fn under_a_low_memory_ceiling_and_in_another_codec() {
    let more = "ingester:\n  chunk_encoding: gzip\n  wal:\n    replay_memory_ceiling: 100KB\n";
    for (folder, bodies) in FOLDERS {
        check_folder(folder, bodies, more);
    }
}

#[test]
fn killed_at_any_moment_of_it() {
    let seed = env_or("LOPTR_KILL_SEED", now().unsigned_abs());
    eprintln!("killed_at_any_moment_of_it: LOPTR_KILL_SEED={seed}");
    let mut draws = Draws::new(seed);
    for round in 0..env_or("LOPTR_KILL_ROUNDS", 3) {
        let (folder, bodies) = FOLDERS[draws.between(0, 3) as usize];
        let home = home(folder, "");
        let mut kills = 0;
        for _ in 0..draws.between(1, 5) {
            let life = Duration::from_micros(draws.between(5_000, 120_000));
            let mut child = home.command().stderr(std::process::Stdio::null()).spawn().expect("it starts");
            std::thread::sleep(life);
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
            kills += u64::from(!upstreams_files(&home).is_empty());
        }
        eprintln!("round {round}: {folder}, {kills} kills before it was done");
        let loptr = home.start();
        check(loptr.api(), &expected(bodies));
        assert_eq!(upstreams_files(&home), Vec::<PathBuf>::new(), "{folder}");
        assert!(loptr.stop().0.success());
    }
}

/// While it goes on, whoever asks is told how far it is; afterwards the same port serves. Here the bucket takes nothing
/// until a file that stands in a folder's place is gone.
#[test]
fn the_port_answers_meanwhile() {
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    let home = Home::edited("", &[("http_listen_port: 0", format!("http_listen_port: {port}").as_str())]);
    archive::unpack("killed-wal", home.dir());
    let in_the_way = home.dir().join("chunks/fake");
    fs::create_dir_all(home.dir().join("chunks")).expect("a folder can be made");
    fs::write(&in_the_way, "").expect("a file can be written");
    let mut child = home.command().stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let api = Api { address: ([127, 0, 0, 1], port).into(), tenant: None };
    let ask = |method: &str, path: &str| {
        for _ in 0..500 {
            if let Ok(reply) = api.send(method, path, &[], &[]) {
                return reply;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{method} {path}: no answer");
    };
    for (method, path) in [("GET", "/ready"), ("POST", "/loki/api/v1/push"), ("GET", "/loki/api/v1/labels")] {
        let reply = ask(method, path).expect(503);
        assert!(reply.text().contains("files of Loki are being taken over"), "{reply:?}");
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    let found = ask("GET", "/metrics").expect(200).text();
    let bytes = found.lines().find_map(|line| line.strip_prefix("loptr_takeover_bytes "));
    assert!(bytes.is_some_and(|bytes| bytes != "0"), "{found}");
    fs::remove_file(&in_the_way).expect("it is there");
    let begun = std::time::Instant::now();
    while ask("GET", "/ready").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(50), "still taking over");
        std::thread::sleep(Duration::from_millis(50));
    }
    check(&api, &expected(&["all.json"]));
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

/// What cannot be read stops the start and is named; nothing is written or removed.
#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refusal = |folder: &str, damage: &dyn Fn(&Path)| {
        let home = home(folder, "");
        damage(home.dir());
        let before = upstreams_files(&home);
        let ended = home.run(&[]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_eq!(upstreams_files(&home), before, "nothing is removed");
        let line = ended.stderr.lines().find(|line| line.contains("level=error")).expect("it says why").to_owned();
        line.replace(&home.dir().display().to_string(), "")
    };
    let edit = |file: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(file).expect("it is there");
        change(&mut bytes);
        fs::write(file, bytes).expect("it is ours");
    };
    let damaged = refusal("killed-wal", &|dir| edit(&dir.join("wal/00000000"), &|bytes| bytes[1_000_000] ^= 1));
    assert!(damaged.contains("cannot be taken over: /wal/00000000: byte 983040: fragment has checksum"), "{damaged}");
    let gap = refusal("killed-checkpoint", &|dir| fs::remove_file(dir.join("wal/00000001")).expect("it is there"));
    assert!(gap.contains("/wal: segments are missing between checkpoint.000000 and 00000002"), "{gap}");
    let cut = refusal("killed-checkpoint", &|dir| {
        edit(&dir.join("wal/checkpoint.000000/00000000"), &|bytes| bytes.truncate(500_000));
    });
    assert!(cut.contains("/wal/checkpoint.000000/00000000: byte 6108: a finished checkpoint ends inside"), "{cut}");
    let unknown = refusal("killed-checkpoint", &|dir| {
        fs::remove_dir_all(dir.join("wal/checkpoint.000000")).expect("it is there");
    });
    assert!(
        unknown.contains("/wal/00000002: record at byte 0") || unknown.contains("which no record before it names"),
        "{unknown}"
    );
    let boltdb = refusal("killed-wal", &|dir| {
        let table = dir.join("boltdb-shipper-active/index_20776");
        fs::create_dir_all(&table).expect("it is ours");
        fs::write(table.join("1795253850"), b"bolt").expect("it is ours");
    });
    assert!(
        boltdb.contains("/boltdb-shipper-active/index_20776/1795253850: the schema has no boltdb-shipper index table"),
        "{boltdb}"
    );
    let table = refusal("killed-wal", &|dir| {
        let table = dir.join("tsdb-shipper-active/multitenant/other_20776");
        fs::create_dir_all(&table).expect("it is ours");
        fs::write(table.join("1795253850-x.tsdb"), b"tsdb").expect("it is ours");
    });
    assert!(table.contains("the schema has no index table other_20776"), "{table}");
    let built = refusal("killed-wal", &|dir| {
        let table = dir.join("tsdb-shipper-active/multitenant/index_20776");
        fs::create_dir_all(&table).expect("it is ours");
        fs::write(table.join("1795253850-x.tsdb"), b"tsdb").expect("it is ours");
    });
    assert!(built.contains("index file /tsdb-shipper-active/multitenant/index_20776/1795253850-x.tsdb"), "{built}");
}

/// A record cut short by the kill was never acknowledged: what is before it is taken over.
#[test]
fn a_torn_end_is_cut() {
    let home = home("killed-wal", "");
    let segment = home.dir().join("wal/00000000");
    let whole = fs::read(&segment).expect("it is there");
    // A second copy of the entries' record, cut: its first fragments are whole.
    let mut torn = whole.clone();
    torn.resize(torn.len().next_multiple_of(32 << 10), 0);
    torn.extend(&whole[..200_000]);
    fs::write(&segment, torn).expect("it is ours");
    let loptr = home.start();
    assert!(told(&loptr, "ends inside a record that it never acknowledged"));
    check(loptr.api(), &expected(&["all.json"]));
    assert!(loptr.stop().0.success());
}

/// Lines of the bodies, pushed to a running process one body after the other.
fn push_all(loptr: &Loptr, bodies: &[serde_json::Value]) {
    for body in bodies {
        loptr
            .api()
            .send("POST", "/loki/api/v1/push", &[JSON], body.to_string().as_bytes())
            .expect("it runs")
            .expect(204);
    }
}

const LOOSE: &str = "ingester:
  wal:
    disk_full_threshold: 0
limits_config:
  reject_old_samples: false
  creation_grace_period: 10000h
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
";

#[test]
fn flush_out_leaves_everything_in_the_bucket_and_no_log() {
    // What upstream left, and what came since.
    let home = home("killed-wal", LOOSE);
    let loptr = home.start();
    push_all(&loptr, &archive::pushed("conformance/"));
    let log = files_below(&home.dir().join("wal/loptr"));
    let refused = home.run_first("flush-out", &[]);
    assert_eq!(refused.code, Some(1), "another process runs on the folder: {}", refused.stderr);
    loptr.kill();
    assert!(files_below(&home.dir().join("wal/loptr")).is_superset(&log));
    let name = uploader(&home);
    let done = home.run_first("flush-out", &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("flushed out: everything lies in the object store"), "{}", done.stderr);
    assert_eq!(files_below(&home.dir().join("wal")), BTreeSet::new());
    assert!(!home.dir().join("wal/loptr").exists() && !home.dir().join("chunks/loptr~").exists());
    assert_eq!(uploader(&home), name);
    // Once more finds nothing to do.
    assert_eq!(home.run_first("flush-out", &[]).code, Some(0));
    let loptr = home.start();
    check(loptr.api(), &expected(&["all.json", "conformance/"]));
    assert!(loptr.stop().0.success());
}

#[test]
fn flush_out_says_what_it_could_not_flush_and_keeps_the_log() {
    let home = Home::new(LOOSE);
    let loptr = home.start();
    push_all(&loptr, &archive::pushed("all.json"));
    loptr.kill();
    // A file where the tenant's folder has to be.
    fs::write(home.dir().join("chunks/fake"), b"in the way").expect("it is ours");
    let done = home.run_first("flush-out", &[]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(
        done.stderr.contains("not flushed out: 6 chunks are not in the bucket, 0 are there and not indexed: "),
        "{}",
        done.stderr
    );
    let waiting = files_below(&home.dir().join("wal/loptr/spool"));
    assert_eq!(waiting.len(), 6, "what the store did not take waits beside the log: {waiting:?}");
    fs::remove_file(home.dir().join("chunks/fake")).expect("it is there");
    let done = home.run_first("flush-out", &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let loptr = home.start();
    check(loptr.api(), &expected(&["all.json"]));
}
