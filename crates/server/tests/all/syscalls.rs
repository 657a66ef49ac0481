//! What the binary asks of the kernel, as `strace` sees it: the simulated disk shows that each sync is asked for, this that
//! asking for one reaches the disk. Skipped by name where `strace` is absent or may not attach.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::killed::LIMITS;
use crate::support::http::{JSON, push_body};
use crate::support::now;
use crate::support::process::{Home, Loptr};

const CALLS: &str = "trace=write,writev,sendto,sendmsg,fdatasync,fsync,rename,renameat,renameat2,mkdir,mkdirat";

/// Attaches to the process; none where that is not possible.
fn attach(loptr: &Loptr, out: &Path) -> Option<Child> {
    let pid = loptr.pid().as_raw_nonzero().to_string();
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "64", "-e", CALLS, "-o"]).arg(out).args(["-p", &pid]);
    let mut strace = command.stderr(Stdio::null()).spawn().ok()?;
    let begun = Instant::now();
    loop {
        // Whoever is traced says by whom.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|tracer| tracer.trim() != "0")) {
            // Threads are attached to one by one.
            std::thread::sleep(Duration::from_millis(500));
            return Some(strace);
        }
        if begun.elapsed() > Duration::from_secs(10) || strace.try_wait().expect("it is our child").is_some() {
            let _ = strace.kill();
            strace.wait().expect("it is our child");
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The path of `call(fd<path>` or `<... call resumed>`'s line, if the line is of that call.
fn path_of<'a>(line: &'a str, call: &str) -> Option<&'a str> {
    line.split_once(&format!(" {call}("))?.1.split_once('<')?.1.split_once('>').map(|(path, _)| path)
}

/// The quoted arguments of a line.
fn quoted(line: &str) -> Vec<&str> {
    line.split('"').skip(1).step_by(2).collect()
}

#[test]
fn what_is_acknowledged_has_been_synced() {
    let home = Home::new(LIMITS);
    let loptr = home.start();
    let trace = home.dir().join("trace");
    let Some(mut strace) = attach(&loptr, &trace) else {
        return eprintln!("what_is_acknowledged_has_been_synced: SKIPPED, strace is absent or may not attach");
    };
    const PUSHES: usize = 10;
    for push in 0..PUSHES {
        let values = vec![json!([now().to_string(), format!("line {push}")])];
        let body = push_body(&[(json!({"job": "traced"}), values)]);
        loptr.api().send("POST", "/loki/api/v1/push", &[JSON], &body).expect("it runs").expect(204);
    }
    loptr.api().flush();
    let begun = Instant::now();
    while loptr.api().metric("loki_ingester_memory_chunks") > 0.0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "not flushed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(loptr.stop().0.success());
    strace.wait().expect("it ends with what it traces");
    let text = fs::read_to_string(&trace).expect("it was written");
    check_answers(&text, PUSHES);
    check_objects(&text, &home.dir().display().to_string());
}

/// Between a write to the log and the next answer lies a sync of the log that has returned.
fn check_answers(trace: &str, pushes: usize) {
    let (mut unsynced, mut syncing, mut answers, mut writes) = (false, false, 0, 0);
    for line in trace.lines() {
        let is_log = |path: &str| path.ends_with(".wal");
        if path_of(line, "write").is_some_and(is_log) {
            (unsynced, writes) = (true, writes + 1);
        } else if path_of(line, "fdatasync").is_some_and(is_log) {
            syncing = line.contains("<unfinished");
            unsynced &= syncing;
        } else if line.contains("fdatasync resumed>") && syncing {
            (syncing, unsynced) = (false, false);
        } else if line.contains("HTTP/1.1 204") {
            assert!(!unsynced, "answered before its sync: {line}");
            answers += 1;
        }
    }
    assert!(answers >= pushes && writes >= pushes, "{answers} answers, {writes} writes to the log");
    eprintln!("{answers} answers, each after the sync of what was written before it ({writes} writes to the log)");
}

/// An object is synced before it gets its name, its folder after; a new folder's name in its parent.
fn check_objects(trace: &str, home: &str) {
    let (mut synced_files, mut to_sync, mut objects) = (BTreeSet::new(), BTreeSet::new(), 0);
    let parent = |path: &str| Path::new(path).parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    for line in trace.lines() {
        if let Some(path) = path_of(line, "fdatasync") {
            synced_files.insert(path.to_owned());
        } else if let Some(path) = path_of(line, "fsync") {
            to_sync.remove(path);
        } else if line.contains(" rename") {
            let [from, to] = quoted(line)[..] else { continue };
            assert!(synced_files.contains(from), "renamed before it was synced: {line}");
            to_sync.insert(parent(to));
            objects += usize::from(to.starts_with(&format!("{home}/chunks")));
        } else if line.contains(" mkdir") && line.ends_with("= 0") {
            to_sync.extend(quoted(line).first().map(|path| parent(path)));
        }
    }
    assert!(objects >= 2, "a chunk and an index file");
    assert!(to_sync.is_empty(), "folders that were not synced after a change of names: {to_sync:?}");
    eprintln!("{objects} objects, each synced before its name and its folder after it");
}
