//! Disks that fail in one way at a time, on the simulated world: pushes are refused with the reason while it lasts, what
//! was acknowledged stays readable, and when the fault is gone the process goes on by itself. Each life ends with a power
//! cut, and the last ones find every acknowledged line once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use loptr_ports::Disk;
use loptr_ports::sim::{DiskOp, Fault};

use crate::simulated::{Accidents, Doomed, Failure, Lie, Run, send, turns};
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
            let all = ask(run, "GET", "/loki/api/v1/query?query=%7Bjob%3D%22sim%22%7D&limit=1000", b"").await.text();
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
