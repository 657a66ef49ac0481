//! Disks that fail in one way at a time, on the simulated world: pushes are refused with the reason while it lasts, what
//! was acknowledged stays readable, and when the fault is gone the process goes on by itself. Each life ends with a power
//! cut, and the last ones find every acknowledged line once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use loptr_ports::Disk;
use loptr_ports::sim::{DiskOp, Fault};

use crate::doomed::{Accidents, Doomed, Lie};
use crate::simulated::{Failure, Run, send, turns};
use crate::support::http::{JSON, Reply};

/// Runs `life` with a process on a disk without accidents but those it makes, cuts the power, and looks at what is left.
fn survives(edit: impl FnOnce(&mut Run), life: impl AsyncFnOnce(&mut Run, &Doomed) -> Result<(), Failure>) {
    let mut run = Run::new(1, Lie::None);
    let log = run.settings.ingest.log.as_mut().expect("the log is on");
    (log.reserve_bytes, log.disk_full_threshold) = (0, 0.0);
    edit(&mut run);
    let lived = run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
        life(run, disk).await?;
        run.check("at the end of the life", disk).await?;
        disk.cut(("idle", PathBuf::new()));
        Ok(())
    });
    run.world.disk.heal();
    run.world.disk.set_free_bytes(None);
    if let Err(failure) = lived.and_then(|()| run.last_life()) {
        panic!("{failure}");
    }
}

/// A query of the last hours' lines.
const EVERYTHING: &str = "/loki/api/v1/query_range?query=%7Bjob%3D%22sim%22%7D&since=3h&limit=1000";

async fn ask(run: &Run, method: &str, target: &str, body: &[u8]) -> Reply {
    send(&run.world, method, target, &[JSON], body).await.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

async fn push(run: &mut Run) -> Reply {
    let push = run.new_push();
    let reply = ask(run, "POST", "/loki/api/v1/push", &push.body).await;
    if reply.status == 204 {
        run.ledger.lock().acknowledged.extend(push.lines);
    }
    reply
}

/// Pushes that must be accepted.
async fn push_well(run: &mut Run, count: usize) {
    for _ in 0..count {
        push(run).await.expect(204);
    }
}

/// A push that must be refused, with the reason and a time to come back.
async fn push_in_vain(run: &mut Run, reason: &str) {
    let reply = push(run).await.expect(503);
    assert!(reply.text().contains(reason), "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}

async fn ready(run: &Run) -> Reply {
    ask(run, "GET", "/ready", b"").await
}

/// Lets time pass, second by second.
async fn pass(run: &Run, secs: u64) {
    for _ in 0..secs {
        run.world.clock.advance(Duration::from_secs(1));
        turns(30).await;
    }
}

fn segments(run: &Run) -> Vec<PathBuf> {
    let listed = run.world.disk.list(Path::new("/loptr/wal/loptr")).expect("the log has a folder");
    listed.into_iter().map(|(path, _)| path).filter(|path| path.extension().is_some_and(|end| end == "wal")).collect()
}

#[test]
fn a_failed_write_begins_a_new_segment_by_itself() {
    survives(
        |_| {},
        async |run, _| {
            push_well(run, 3).await;
            run.world.disk.fail(Fault { is_short: true, ..Fault::some(DiskOp::Append, ".wal", 0, 1) });
            push_in_vain(run, "the write-ahead log cannot be written: write of segment").await;
            // Refused before it touches memory.
            let sent = run.ledger.lock().sent.clone();
            push_in_vain(run, "Append of /loptr/wal/loptr/").await;
            let refused: Vec<String> = run.ledger.lock().sent.difference(&sent).cloned().collect();
            let all = ask(run, "GET", EVERYTHING, b"").await.expect(200).text();
            assert!(refused.iter().all(|line| !all.contains(line.as_str())), "{refused:?} in {all}");
            assert!(
                ready(run).await.expect(503).text().starts_with("pushes are refused: the write-ahead log cannot be")
            );
            pass(run, 3).await;
            ready(run).await.expect(200);
            push_well(run, 3).await;
            Ok(())
        },
    );
}

#[test]
fn new_segments_are_tried_with_growing_pauses_not_in_a_hot_loop() {
    survives(
        |_| {},
        async |run, _| {
            push_well(run, 2).await;
            // An hour of pauses of half a minute takes fewer than these.
            run.world.disk.fail(Fault::some(DiskOp::Append, ".wal", 0, 140));
            push_in_vain(run, "cannot be written").await;
            pass(run, 3600).await;
            ready(run).await.expect(503);
            run.world.disk.heal();
            pass(run, 31).await;
            ready(run).await.expect(200);
            push_well(run, 2).await;
            Ok(())
        },
    );
}

#[test]
fn after_a_failed_sync_pushes_wait_until_everything_acknowledged_is_in_the_bucket() {
    survives(
        |_| {},
        async |run, disk| {
            push_well(run, 5).await;
            run.world.disk.fail(Fault::some(DiskOp::Sync, ".wal", 0, 1));
            run.world.disk.fail(Fault::lasting(DiskOp::Create, "chunks"));
            let before = segments(run);
            push_in_vain(run, "sync of segment").await;
            pass(run, 120).await;
            push_in_vain(run, "sync of segment").await;
            run.check("while it waits", disk).await?;
            assert!(before.iter().all(|path| segments(run).contains(path)), "nothing is dropped meanwhile");
            run.world.disk.heal();
            pass(run, 60).await;
            ready(run).await.expect(200);
            assert!(before.iter().all(|path| !segments(run).contains(path)), "{before:?}, {:?}", segments(run));
            push_well(run, 5).await;
            Ok(())
        },
    );
}

#[test]
fn a_full_disk_is_told_and_waited_for() {
    survives(
        |run| run.settings.ingest.log.as_mut().expect("it is on").reserve_bytes = 5000,
        async |run, disk| {
            pass(run, 1).await;
            push_well(run, 2).await;
            run.world.disk.set_free_bytes(Some(3000));
            let mut accepted = 0;
            while push(run).await.status == 204 {
                accepted += 1;
                assert!(accepted < 100, "3000 bytes hold fewer pushes");
            }
            push_in_vain(run, "has no room").await;
            assert!(ready(run).await.expect(503).text().contains("has no room"));
            run.check("while it is full", disk).await?;
            run.world.disk.set_free_bytes(Some(10 << 20));
            pass(run, 60).await;
            ready(run).await.expect(200);
            push_well(run, 5).await;
            Ok(())
        },
    );
}

#[test]
fn it_starts_on_a_full_disk_and_answers_queries() {
    for reserve in [0, 5000] {
        let edit = |run: &mut Run| run.settings.ingest.log.as_mut().expect("it is on").reserve_bytes = reserve;
        let mut run = Run::new(2, Lie::None);
        edit(&mut run);
        let lived = run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
            pass(run, 1).await;
            push_well(run, 10).await;
            disk.cut(("idle", PathBuf::new()));
            Ok(())
        });
        lived.unwrap_or_else(|failure| panic!("{failure}"));
        let full = Accidents { free_bytes: Some(0), ..Accidents::default() };
        let lived = run.on_a_runtime(full, async |run, _process, disk| {
            run.check("on the full disk", disk).await?;
            if reserve == 0 {
                push_in_vain(run, "has no room").await;
            }
            run.world.disk.set_free_bytes(Some(10 << 20));
            pass(run, 60).await;
            push_well(run, 5).await;
            disk.cut(("idle", PathBuf::new()));
            Ok(())
        });
        lived.unwrap_or_else(|failure| panic!("reserve {reserve}: {failure}"));
        run.last_life().unwrap_or_else(|failure| panic!("reserve {reserve}: {failure}"));
    }
}

#[test]
fn a_volume_fuller_than_the_threshold_takes_no_pushes() {
    survives(
        |run| run.settings.ingest.log.as_mut().expect("it is on").disk_full_threshold = 0.9,
        async |run, _| {
            push_well(run, 3).await;
            run.world.disk.set_free_bytes(Some(20));
            pass(run, 11).await;
            push_in_vain(run, "limit ingester.wal.disk_full_threshold 90.0%").await;
            run.world.disk.set_free_bytes(Some(1 << 20));
            pass(run, 11).await;
            push_well(run, 3).await;
            Ok(())
        },
    );
}

fn spooled(run: &Run) -> usize {
    run.world.disk.list(Path::new("/loptr/wal/loptr/spool")).map_or(0, |files| files.len())
}

#[test]
fn chunks_wait_on_the_local_disk_while_the_store_is_down() {
    survives(
        |run| {
            let log = run.settings.ingest.log.as_mut().expect("it is on");
            (log.segment_bytes, log.max_bytes) = (1000, 0);
            run.settings.ingest.flush_on_shutdown = false;
        },
        async |run, disk| {
            push_well(run, 5).await;
            run.world.disk.fail(Fault::lasting(DiskOp::Create, "/loptr/chunks"));
            let before = segments(run);
            for round in 0..5 {
                push_well(run, 5).await;
                ask(run, "POST", "/flush", b"").await.expect(204);
                pass(run, 40).await;
                run.check("while the store is down", disk).await?;
                assert!(spooled(run) > round, "{} chunks wait", spooled(run));
            }
            ready(run).await.expect(200);
            assert!(
                before.iter().all(|path| !segments(run).contains(path)),
                "segments go although no index is shipped"
            );
            let metrics = ask(run, "GET", "/metrics", b"").await.text();
            assert!(metrics.contains("\nloptr_object_store_up 0\n"), "{metrics}");
            run.world.disk.heal();
            pass(run, 90).await;
            assert_eq!(spooled(run), 0, "all of them are uploaded");
            let metrics = ask(run, "GET", "/metrics", b"").await.text();
            assert!(metrics.contains("\nloptr_object_store_up 1\n"), "{metrics}");
            push_well(run, 5).await;
            Ok(())
        },
    );
}

/// Power cuts while chunks wait, then the store comes back in another life.
#[test]
fn what_waits_for_the_store_outlives_the_process() {
    let mut run = Run::new(4, Lie::None);
    run.settings.ingest.log.as_mut().expect("it is on").max_bytes = 0;
    for life in 0..3 {
        let down = Accidents { store_is_down: true, ..Accidents::default() };
        let lived = run.on_a_runtime(down, async |run, _process, disk| {
            run.check("after the start", disk).await?;
            push_well(run, 5).await;
            ask(run, "POST", "/flush", b"").await.expect(204);
            pass(run, 40).await;
            run.check("while the store is down", disk).await?;
            assert!(spooled(run) > life, "{} chunks wait", spooled(run));
            disk.cut(("idle", PathBuf::new()));
            Ok(())
        });
        lived.unwrap_or_else(|failure| panic!("life {life}: {failure}"));
    }
    let lived = run.on_a_runtime(Accidents::default(), async |run, process, disk| {
        run.check("when the store is back", disk).await?;
        pass(run, 90).await;
        assert_eq!(spooled(run), 0, "all of them are uploaded");
        process.stop().await;
        Ok(())
    });
    lived.and_then(|()| run.last_life()).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn pushes_are_refused_beyond_the_budget_with_the_stores_error() {
    survives(
        |run| {
            let log = run.settings.ingest.log.as_mut().expect("it is on");
            (log.segment_bytes, log.max_bytes) = (1000, 20_000);
        },
        async |run, disk| {
            run.world.disk.fail(Fault::lasting(DiskOp::Create, "/loptr/chunks"));
            let mut accepted = 0;
            while push(run).await.status == 204 {
                accepted += 1;
                pass(run, 6).await;
                assert!(accepted < 1000, "20000 bytes hold fewer pushes");
            }
            assert!(accepted > 10);
            push_in_vain(run, "of the budget loptr.wal.max_bytes of 20000 bytes; the object store fails: ").await;
            run.check("beyond the budget", disk).await?;
            run.world.disk.heal();
            pass(run, 120).await;
            push_well(run, 5).await;
            Ok(())
        },
    );
}

#[test]
fn two_processes_on_one_folder_are_refused() {
    let mut run = Run::new(3, Lie::None);
    let lived = run.on_a_runtime(Accidents::default(), async |run, process, _| {
        let again = loptr_server::Process::start(run.world.ports(), run.settings.clone(), None, "second").await;
        let error = again.expect_err("the first holds the folder").to_string();
        assert!(error.starts_with("folder /loptr/wal/loptr cannot be used: "), "{error}");
        push_well(run, 1).await;
        process.stop().await;
        let again = loptr_server::Process::start(run.world.ports(), run.settings.clone(), None, "second").await;
        again.expect("the first has given it back").stop().await;
        Ok(())
    });
    lived.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A disk that fails reads: while the log is replayed, while a query reads the bucket, while a chunk that waits is
/// uploaded. Answers say so or fail; nothing is passed over, and it goes on by itself.
#[test]
fn reads_that_fail_at_replay_are_tried_again_and_told() {
    let mut run = Run::new(5, Lie::None);
    let log = run.settings.ingest.log.as_mut().expect("it is on");
    (log.reserve_bytes, log.max_bytes, log.disk_full_threshold) = (0, 0, 0.0);
    let lived = run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
        push_well(run, 20).await;
        disk.cut(("idle", PathBuf::new()));
        Ok(())
    });
    lived.unwrap_or_else(|failure| panic!("{failure}"));
    // The headers are read, the records are not.
    let headers = segments(&run).len() as u64;
    run.world.disk.fail(Fault::some(DiskOp::Read, ".wal", headers, u64::MAX - 1));
    let lived = run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
        push_well(run, 3).await;
        pass(run, 30).await;
        let answer = ask(run, "GET", EVERYTHING, b"").await.expect(200).json();
        let warning = answer["warnings"][0].as_str().unwrap_or_default().to_owned();
        assert!(warning.starts_with("partial:") && warning.contains("cannot be read"), "{answer}");
        run.check("while the log cannot be read", disk).await?;
        for target in ["labels", "label/job/values", "series", "index/volume?query=%7Bjob%3D%22sim%22%7D"] {
            let answer = ask(run, "GET", &format!("/loki/api/v1/{target}"), b"").await.expect(200).json();
            assert!(
                answer["warnings"][0].as_str().is_some_and(|text| text.starts_with("partial:")),
                "{target}: {answer}"
            );
        }
        let before = segments(run);
        ask(run, "POST", "/flush", b"").await.expect(204);
        pass(run, 30).await;
        assert!(before.iter().all(|path| segments(run).contains(path)), "nothing of the log goes meanwhile");
        run.world.disk.heal();
        pass(run, 30).await;
        run.check("once it can be read", disk).await?;
        disk.cut(("idle", PathBuf::new()));
        Ok(())
    });
    lived.and_then(|()| run.last_life()).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn reads_that_fail_in_a_query_fail_the_query_and_name_the_object() {
    survives(
        |run| run.settings.ingest.keep_shipped = Duration::ZERO,
        async |run, disk| {
            push_well(run, 10).await;
            ask(run, "POST", "/flush", b"").await.expect(204);
            pass(run, 60).await;
            run.world.disk.fail(Fault::lasting(DiskOp::Read, "/loptr/chunks/fake/"));
            let failed = ask(run, "GET", EVERYTHING, b"").await;
            assert!(failed.status >= 500, "{failed:?}");
            assert!(failed.text().contains("fake/") && failed.text().contains("fails"), "{failed:?}");
            push_well(run, 3).await;
            run.world.disk.heal();
            run.check("once it can be read", disk).await
        },
    );
}

#[test]
fn chunks_that_wait_and_cannot_be_read_go_on_waiting() {
    survives(
        |run| run.settings.ingest.log.as_mut().expect("it is on").max_bytes = 0,
        async |run, disk| {
            run.world.disk.fail(Fault::lasting(DiskOp::Create, "/loptr/chunks"));
            push_well(run, 10).await;
            ask(run, "POST", "/flush", b"").await.expect(204);
            pass(run, 40).await;
            let waiting = spooled(run);
            assert!(waiting > 0);
            run.world.disk.heal();
            run.world.disk.fail(Fault::lasting(DiskOp::Read, "/spool/"));
            pass(run, 120).await;
            assert!(spooled(run) >= waiting, "{} of {waiting} chunks wait", spooled(run));
            ready(run).await.expect(200);
            push_well(run, 3).await;
            run.world.disk.heal();
            pass(run, 200).await;
            assert_eq!(spooled(run), 0, "all of them are uploaded");
            run.check("once they can be read", disk).await
        },
    );
}

/// After a failed write a new segment must be synced once before pushes are taken again.
#[test]
fn a_log_is_not_called_healed_before_the_disk_has_synced() {
    survives(
        |_| {},
        async |run, _| {
            push_well(run, 3).await;
            run.world.disk.fail(Fault::some(DiskOp::Append, ".wal", 0, 1));
            run.world.disk.fail(Fault::lasting(DiskOp::Sync, ".wal"));
            push_in_vain(run, "cannot be written: write of segment").await;
            pass(run, 120).await;
            push_in_vain(run, "cannot be written: new segment").await;
            run.world.disk.heal();
            pass(run, 31).await;
            push_well(run, 3).await;
            Ok(())
        },
    );
}

/// `loptr.wal.sync: interval`: a power cut takes at most what was acknowledged within the interval.
#[test]
fn syncs_at_intervals_lose_no_more_than_the_interval() {
    let (mut runs_that_lost, interval) = (0, Duration::from_secs(2));
    for seed in 1..=40 {
        let mut run = Run::new(seed, Lie::None);
        let log = run.settings.ingest.log.as_mut().expect("it is on");
        log.sync = loptr_ingest::SyncPolicy::Interval(interval);
        (log.reserve_bytes, log.max_bytes, log.disk_full_threshold) = (0, 0, 0.0);
        // A segment that is left is synced first: keep to one.
        log.segment_bytes = 1 << 20;
        let lived = run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
            let syncs = run.world.disk.syncs();
            push_well(run, 10).await;
            assert_eq!(run.world.disk.syncs(), syncs, "answers wait for no sync");
            run.check("before the interval is over", disk).await?;
            pass(run, interval.as_secs() + 1).await;
            assert!(run.world.disk.syncs() > syncs);
            let durable = run.ledger.lock().clone();
            push_well(run, 10).await;
            disk.cut(("idle", PathBuf::new()));
            // What was acknowledged since is allowed to be lost, and to be there.
            run.ledger.lock().acknowledged = durable.acknowledged;
            Ok(())
        });
        lived.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        run.last_life().unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        // The same, had all of it been promised.
        let sent = run.ledger.lock().sent.clone();
        run.ledger.lock().acknowledged = sent;
        runs_that_lost += u32::from(run.last_life().is_err());
    }
    assert!(runs_that_lost > 0, "then each answer would have waited for its sync");
}
