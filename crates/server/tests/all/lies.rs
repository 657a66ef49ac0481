//! A build with one sync removed must lose something: each place of the code that syncs is left out in turn, on a disk that
//! says nevertheless that it is done, and the simulated runs must find out. Places come from backtraces, so a sync added
//! anywhere is met here, and one that nothing hangs on must say why it is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loptr_ports::{Disk, Ports};
use parking_lot::Mutex;

use crate::doomed::{Accidents, Doomed, Lie};
use crate::simulated::{Failure, Run, send, share_out};
use crate::support::http::JSON;

/// What is lost without a sync.
enum Hangs {
    /// Acknowledged lines: they are missing, or a query fails.
    Lines,
    /// The wish to be flushed at the stop.
    Marker,
    /// That a folder handed back to Loki has nothing of ours.
    Folder,
    /// Nothing that was promised; why it is done nevertheless.
    Nothing(&'static str),
}
use Hangs::{Folder, Lines, Marker, Nothing};

/// Every sync the process does; `docs/durability.md` has the same list in words.
const SYNCS: &[(&str, Hangs)] = &[
    (
        "create folder, ingest/src/log.rs: ports.disk.create_dir_all(&settings.dir)?;",
        Nothing("it is done twice: whoever locks the folder makes it durable before"),
    ),
    (
        "create folder, storage/src/disk_store.rs: self.disk.create_dir_all(&temporary)?;",
        Nothing("the first object makes its folders durable"),
    ),
    ("create folder, storage/src/disk_store.rs: self.disk.create_dir_all(dir)?;", Lines),
    ("create folder, storage/src/spool.rs: disk.create_dir_all(&dir)?;", Lines),
    (
        "create folder, server/src/app.rs: disk.create_dir_all(own_dir)?;",
        Nothing("it is done twice: the log makes its folder durable when it begins"),
    ),
    (
        "create folder, server/src/app.rs: let kept = disk.create_dir_all(&folder).and_then(|()| disk.write_atomic(&file, name.as_bytes()));",
        Nothing("a lost name is replaced by another"),
    ),
    ("sync folder, storage/src/disk_store.rs: self.disk.sync_dir(dir)", Lines),
    (
        "sync folder, storage/src/disk_store.rs: return self.disk.sync_dir(dir).map_err(|error| failed(error, location));",
        Nothing("a removed object that is back is removed again: an old index file, a lease, a marked chunk"),
    ),
    (
        r#"sync folder, server/src/shutdown.rs: Ok(()) => disk.sync_dir(marker.parent().unwrap_or(Path::new("."))),"#,
        Marker,
    ),
    ("sync folder, ingest/src/log/writer.rs: shared.disk.sync_dir(&shared.settings.dir)?;", Lines),
    ("sync folder, ingest/src/flush_out.rs: dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))", Folder),
    (
        "sync folder of write_atomic, server/src/shutdown.rs: return disk.write_atomic(&marker, text.as_bytes());",
        Marker,
    ),
    ("sync folder of write_atomic, storage/src/spool.rs: let written = disk.write_atomic(&path, &object);", Lines),
    (
        "sync folder of write_atomic, server/src/app.rs: let kept = disk.create_dir_all(&folder).and_then(|()| disk.write_atomic(&file, name.as_bytes()));",
        Nothing("a lost name is replaced by another"),
    ),
    ("sync, storage/src/disk_store.rs: file.sync()?;", Lines),
    ("sync, ingest/src/log/writer.rs: match open.file.sync() {", Lines),
    (
        "sync, ingest/src/log/writer.rs: file.sync()?;",
        Nothing("after a failure only: the log is healed when the disk has synced something"),
    ),
    ("sync, ingest/src/log/reserve.rs: reserve.sync()", Nothing("file systems that write late take the room only now")),
    (
        "sync of write_atomic, server/src/shutdown.rs: return disk.write_atomic(&marker, text.as_bytes());",
        Nothing("that the marker is there counts, its text is for people"),
    ),
    ("sync of write_atomic, storage/src/spool.rs: let written = disk.write_atomic(&path, &object);", Lines),
    (
        "sync of write_atomic, server/src/app.rs: let kept = disk.create_dir_all(&folder).and_then(|()| disk.write_atomic(&file, name.as_bytes()));",
        Nothing("a name cut short is a name; an empty one is replaced"),
    ),
];

/// Seeds that may be needed until a sync is missed.
const SEEDS: u64 = 60;

/// The places that ask for syncs in some honest runs.
fn places_met() -> BTreeSet<String> {
    let met = Arc::new(Mutex::new(BTreeSet::new()));
    share_out(8, |seed| {
        let run = Run::new(1 + seed, Lie::Watching(met.clone())).run();
        run.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    });
    marker_survives(1, Lie::Watching(met.clone())).expect("an honest disk keeps it");
    folder_is_handed_back(1, Lie::Watching(met.clone())).expect("an honest disk keeps nothing of it");
    met.lock().clone()
}

#[test]
fn every_sync_is_known() {
    let met = places_met();
    let known = SYNCS.iter().map(|(place, _)| (*place).to_owned()).collect::<BTreeSet<_>>();
    let (new, gone): (Vec<_>, Vec<_>) = (met.difference(&known).collect(), known.difference(&met).collect());
    assert!(new.is_empty() && gone.is_empty(), "not in the list: {new:#?}; not met any more: {gone:#?}");
}

#[test]
fn each_sync_left_out_is_found_out() {
    share_out(SYNCS.len() as u64, |at| {
        let (place, hangs) = &SYNCS[at as usize];
        let run = |seed| match hangs {
            Lines => Run::new(seed, Lie::About(place)).run().err(),
            Marker => marker_survives(seed, Lie::About(place)).err(),
            Folder => folder_is_handed_back(seed, Lie::About(place)).err(),
            Nothing(_) => None,
        };
        match (hangs, (1..=SEEDS).find_map(|seed| Some((seed, run(seed)?)))) {
            (Nothing(why), _) => eprintln!("{place}: not needed for what was acknowledged; {why}"),
            (_, Some((seed, failure))) => eprintln!("{place}: found out by seed {seed}: {failure}"),
            (_, None) => panic!("{place}: left out, and none of {SEEDS} seeds lost anything"),
        }
    });
}

/// The wish to be flushed, set and taken back, each with a power cut right after the answer.
fn marker_survives(seed: u64, lie: Lie) -> Result<(), Failure> {
    let mut run = Run::new(seed, lie);
    run.settings.shutdown_marker_dir = Some("/loptr/markers".into());
    run.world.disk.create_dir_all(Path::new("/loptr/markers")).expect("a new folder");
    for (method, wanted) in [("POST", "set"), ("DELETE", "unset")] {
        run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
            let reply = send(&run.world, method, "/ingester/prepare_shutdown", &[], b"").await;
            reply.map_err(|error| Failure::Broken(format!("no answer: {error}")))?.expect(204);
            disk.cut(("idle", PathBuf::new()));
            Ok(())
        })?;
        run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
            let reply = send(&run.world, "GET", "/ingester/prepare_shutdown", &[], b"").await;
            let told = reply.map_err(|error| Failure::Broken(format!("no answer: {error}")))?.expect(200).text();
            disk.cut(("idle", PathBuf::new()));
            if told == wanted { Ok(()) } else { Err(Failure::Broken(format!("the marker is {told} after {method}"))) }
        })?;
    }
    Ok(())
}

/// `flush-out`, and a power cut right after it.
fn folder_is_handed_back(seed: u64, lie: Lie) -> Result<(), Failure> {
    let mut run = Run::new(seed, lie.clone());
    run.on_a_runtime(Accidents::default(), async |run, _process, disk| {
        for _ in 0..5 {
            let push = run.new_push();
            let reply = send(&run.world, "POST", "/loki/api/v1/push", &[JSON], &push.body).await;
            reply.map_err(|error| Failure::Broken(format!("no answer: {error}")))?.expect(204);
        }
        disk.cut(("idle", PathBuf::new()));
        Ok(())
    })?;
    let disk = Doomed::new(&run.world, lie, Accidents::default());
    let ports = Ports { disk: Arc::new(disk.clone()), ..run.world.ports() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let done = runtime.block_on(loptr_server::flush_out(ports, run.settings.clone(), "sim", |_| ()));
    done.map_err(|error| Failure::Broken(error.to_string()))?;
    drop(runtime);
    disk.cut(("done", PathBuf::new()));
    match run.world.disk.list(Path::new("/loptr/wal/loptr")) {
        Ok(inside) => Err(Failure::Broken(format!("the log is there again: {inside:?}"))),
        Err(_) => Ok(()),
    }
}
