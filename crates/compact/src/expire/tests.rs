use std::sync::Arc;
use std::time::Duration;

use loptr_model::{ChunkRef, MatchOp, Matcher, Nanos, TenantId};
use loptr_regex::LabelMatcher;
use object_store::memory::InMemory;

use crate::policy::{Policies, TenantPolicy};
use crate::requests::{DeleteStore, DeleteStoreSettings};
use crate::retention::{Retention, StreamRetention};
use crate::settings::{CompactSettings, RetentionSettings};
use crate::sweep::Swept;
use crate::testing::{DAY, Faulty, World, tenant};

const A_DAY: Duration = Duration::from_secs(86_400);

/// Thirty days, five for streams of `short`; `forever` keeps everything.
struct Test;

impl Policies for Test {
    fn of(&self, tenant: &TenantId) -> Arc<TenantPolicy> {
        let matcher = Matcher::new("app", MatchOp::Eq, "short");
        let rule = StreamRetention {
            matchers: vec![LabelMatcher::compile(&matcher).expect("a matcher")],
            period: A_DAY * 5,
            priority: 1,
        };
        let retention = match tenant.as_str() {
            "forever" => Retention::default(),
            _ => Retention { period: A_DAY * 30, streams: vec![rule] },
        };
        Arc::new(TenantPolicy { retention, ..TenantPolicy::default() })
    }
}

fn settings() -> CompactSettings {
    CompactSettings { retention: Some(RetentionSettings::default()), ..CompactSettings::default() }
}

/// Noon of a day, and a little later.
fn at(day: i64, millis: i64) -> Nanos {
    Nanos((day * DAY + DAY / 2 + millis) * Nanos::PER_MILLI)
}

async fn retain(world: &World) {
    world.compactor(settings()).retain(Arc::new(Test)).await.expect("nothing fails");
}

async fn sweep(world: &World) -> Swept {
    world.compactor(settings()).sweep().await.expect("nothing fails")
}

async fn has(world: &World, owner: &str, chunk: &ChunkRef) -> bool {
    world.bucket().get_chunk(&tenant(owner), chunk).await.is_ok()
}

/// It is day 100. What is past: `old` of t, and `short` of the day 90.
async fn fill(world: &World) -> [ChunkRef; 5] {
    [
        world.put_lines("t", "a", &[(at(60, 0), "old")]).await,
        world.put_lines("t", "a", &[(at(80, 0), "kept"), (at(80, 5), "kept too")]).await,
        world.put_lines("t", "short", &[(at(90, 0), "short")]).await,
        world.put_lines("t", "short", &[(at(98, 0), "not yet")]).await,
        world.put_lines("forever", "short", &[(at(60, 0), "stays")]).await,
    ]
}

async fn check(world: &World) {
    assert_eq!(world.lines("forever", 50..=100).await, ["stays"]);
    let lines = world.lines("t", 50..=100).await;
    let live: Vec<_> = lines.iter().filter(|line| !["old", "short"].contains(&line.as_str())).collect();
    assert_eq!(live, ["kept", "kept too", "not yet"]);
}

#[tokio::test]
async fn what_is_past_its_time_leaves_the_index_and_later_the_bucket() {
    for world in World::of_each_index() {
        let [old, kept, short, later, stays] = fill(&world).await;
        retain(&world).await;
        assert_eq!(world.lines("t", 50..=100).await, ["kept", "kept too", "not yet"]);
        check(&world).await;
        assert!(has(&world, "t", &old).await, "readers with an older index may want it");
        assert_eq!(sweep(&world).await, Swept::default(), "its time has not come");
        world.clock.advance(Duration::from_secs(7200));
        assert_eq!(sweep(&world).await, Swept { removed: 2, ..Swept::default() });
        for (owner, chunk, there) in
            [("t", old, false), ("t", short, false), ("t", kept, true), ("t", later, true), ("forever", stays, true)]
        {
            assert_eq!(has(&world, owner, &chunk).await, there, "{chunk:?}");
        }
        assert!(!world.keys().await.iter().any(|key| key.starts_with("loptr~")), "nothing of ours is left");
        assert!(!world.keys().await.iter().any(|key| key.starts_with("index/index_90")), "an empty table is gone");
        check(&world).await;
    }
}

#[tokio::test]
async fn a_preview_tells_what_would_go_and_touches_nothing() {
    let world = World::new();
    fill(&world).await;
    let before = world.keys().await;
    let mut told = Vec::new();
    let compactor = world.compactor(settings());
    compactor.preview(Arc::new(Test), |expired| told.push(expired)).await.expect("nothing fails");
    let told: Vec<_> = told.iter().map(|one| (one.table.as_str(), one.streams, one.chunks, one.lines)).collect();
    assert_eq!(told, [("index_90", 1, 1, 1), ("index_60", 1, 1, 1)]);
    assert_eq!(world.keys().await, before);
    let mut all = 0;
    compactor.census(|part| all += part.chunks).await.expect("nothing fails");
    assert_eq!(all, 5);
    // The same after compaction.
    compactor.compact().await.expect("nothing fails");
    let mut again = 0;
    compactor.preview(Arc::new(Test), |expired| again += expired.chunks).await.expect("nothing fails");
    assert_eq!(again, 2);
}

#[tokio::test]
async fn a_chunk_of_two_days_goes_when_its_last_line_is_past() {
    for world in World::of_each_index() {
        let midnight = |day: i64, secs: i64| Nanos((day * DAY + secs * 1000) * Nanos::PER_MILLI);
        let chunk = world.put_lines("t", "a", &[(midnight(70, -10), "before"), (midnight(70, 5), "after")]).await;
        // The first of the two days is past its time, the chunk is not.
        world.clock.advance(Duration::from_secs(2));
        retain(&world).await;
        assert_eq!(world.lines("t", 70..=70).await, ["before", "after"]);
        assert!(!world.keys().await.iter().any(|key| key.starts_with("index/index_69")), "the next table names it");
        world.clock.advance(Duration::from_secs(7200));
        sweep(&world).await;
        assert!(has(&world, "t", &chunk).await, "nobody marked it");
        retain(&world).await;
        assert!(world.lines("t", 50..=100).await.is_empty());
        world.clock.advance(Duration::from_secs(7200));
        assert_eq!(sweep(&world).await.removed, 1);
        assert!(!has(&world, "t", &chunk).await);
    }
}

#[tokio::test]
async fn a_marked_chunk_that_an_index_names_stays() {
    for world in World::of_each_index() {
        let [old, ..] = fill(&world).await;
        retain(&world).await;
        // An upstream compactor, or an ingester's log, brings it back.
        world.put_lines("t", "a", &[(at(60, 0), "old")]).await;
        world.clock.advance(Duration::from_secs(7200));
        assert_eq!(sweep(&world).await, Swept { removed: 1, named: 1, waiting: 0 });
        assert!(has(&world, "t", &old).await);
        retain(&world).await;
        world.clock.advance(Duration::from_secs(7200));
        assert_eq!(sweep(&world).await.removed, 1, "it goes in the next round");
        assert!(!has(&world, "t", &old).await);
    }
}

/// All of them.
struct HoldsAll;

impl crate::sweep::Held for HoldsAll {
    fn leave_held(&self, _: &TenantId, chunks: &mut std::collections::HashSet<ChunkRef>) {
        chunks.clear();
    }
}

#[tokio::test]
async fn a_chunk_that_a_reader_still_knows_waits() {
    let world = World::new();
    let [old, ..] = fill(&world).await;
    retain(&world).await;
    world.clock.advance(Duration::from_secs(7200));
    let swept = world.compactor(settings()).sparing(Arc::new(HoldsAll)).sweep().await.expect("nothing fails");
    assert_eq!(swept, Swept { removed: 0, named: 0, waiting: 2 });
    assert!(has(&world, "t", &old).await);
    assert_eq!(sweep(&world).await.removed, 2);
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_removes_nothing() {
    let world = World::new();
    fill(&world).await;
    let name = "loptr~/compact/marks/00000000000000000001-index_80-0000000000000001";
    world.put(name, "t/abc/nonsense\n").await;
    assert_eq!(sweep(&world).await, Swept::default());
    assert!(world.keys().await.iter().any(|key| key == name));
    check(&world).await;
}

/// The process dies at every call of the store in turn, in a round of retention or in a sweep: whatever an index names is
/// there, nothing live is missing, and the next rounds end what was begun.
#[tokio::test]
async fn nothing_live_is_lost_by_a_death_at_any_call() {
    for (obeys, recovers) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut call = 0;
        loop {
            let memory = Arc::new(InMemory::new());
            let faulty = Faulty::new(memory.clone(), call, obeys);
            let faulty = if recovers { faulty.once() } else { faulty };
            let world = World::over(memory.clone(), Arc::new(faulty.clone()));
            let [old, _, short, ..] = fill(&world).await;
            let compactor = world.compactor(settings());
            let _ = compactor.retain(Arc::new(Test)).await;
            world.clock.advance(Duration::from_secs(7200));
            let _ = compactor.sweep().await;
            let after = World::over(memory.clone(), memory);
            check(&after).await;
            // Past the lease that the dead one may hold.
            after.clock.advance(Duration::from_secs(9000));
            retain(&after).await;
            after.clock.advance(Duration::from_secs(7200));
            sweep(&after).await;
            check(&after).await;
            assert!(!has(&after, "t", &old).await && !has(&after, "t", &short).await, "call {call}");
            assert!(!after.keys().await.iter().any(|key| key.starts_with("loptr~")), "call {call}");
            if !faulty.died() {
                break;
            }
            call += 1;
        }
        assert!(call > 40, "{call} calls");
    }
}

fn deletes(world: &World) -> Arc<DeleteStore> {
    let settings = DeleteStoreSettings { store: 0, prefix: "index/".to_owned(), working_dir: None };
    Arc::new(DeleteStore::new(world.ports.clone(), world.bucket(), settings))
}

async fn carry_out(world: &World) -> Result<(), crate::error::CompactError> {
    let compactor = world.compactor(settings()).deleting(deletes(world));
    compactor.retain(Arc::new(Test)).await
}

/// Asks for the lines with `gone` in two streams, and all of a third.
async fn ask(world: &World) {
    let deletes = deletes(world);
    for query in [r#"{app=~"a|b"} |= "gone""#, r#"{app="whole"}"#] {
        let (start, end) = (at(97, 0).floor_millis(), at(99, 0).floor_millis());
        deletes.add(&tenant("t"), query, start, end, DAY).await.expect("taken down");
    }
}

async fn fill_for_deletes(world: &World) {
    let midnight = |day: i64, secs: i64| Nanos((day * DAY + secs * 1000) * Nanos::PER_MILLI);
    world.put_lines("t", "a", &[(at(98, 0), "stays 1"), (at(98, 1), "gone 1"), (at(98, 2), "stays 2")]).await;
    // Of two days.
    world
        .put_lines(
            "t",
            "b",
            &[(midnight(98, -10), "gone 2"), (midnight(98, -9), "stays 3"), (midnight(98, 9), "gone 3")],
        )
        .await;
    // Begins before the span.
    world.put_lines("t", "b", &[(at(96, 0), "gone, not asked for"), (at(97, 5), "gone 4")]).await;
    world.put_lines("t", "whole", &[(at(98, 0), "gone whole")]).await;
    world.put_lines("u", "a", &[(at(98, 0), "gone, of another tenant")]).await;
}

const LEFT: [&str; 4] = ["gone, not asked for", "stays 3", "stays 1", "stays 2"];

#[tokio::test]
async fn deleted_lines_go_and_all_others_stay() {
    for world in World::of_each_index() {
        fill_for_deletes(&world).await;
        ask(&world).await;
        carry_out(&world).await.expect("nothing fails");
        assert_eq!(world.lines("t", 90..=100).await.len(), 9, "the requests can still be taken back");
        let shown = deletes(&world).deletions(&tenant("t")).await.expect("they can be read");
        assert_eq!(shown.len(), 6, "queries leave the lines out, part by part");
        world.clock.advance(A_DAY + Duration::from_secs(60));
        carry_out(&world).await.expect("nothing fails");
        assert_eq!(world.lines("t", 90..=100).await, LEFT);
        assert_eq!(world.lines("u", 90..=100).await, ["gone, of another tenant"]);
        let listed = deletes(&world).of(&tenant("t")).await.expect("listed");
        assert!(listed.iter().all(|request| request.status == "processed"), "{listed:?}");
        world.clock.advance(Duration::from_secs(7200));
        // Four chunks, two of them marked in two tables.
        assert_eq!(sweep(&world).await.removed, 6);
        let chunks = world.keys().await.iter().filter(|key| key.starts_with("t/")).count();
        assert_eq!(chunks, 3, "what is left of three of them");
        assert_eq!(world.lines("t", 90..=100).await, LEFT);
        let before = world.keys().await;
        carry_out(&world).await.expect("nothing fails");
        assert_eq!(world.keys().await, before, "nothing is left to do");
    }
}

#[tokio::test]
async fn a_request_taken_back_deletes_nothing() {
    let world = World::new();
    fill_for_deletes(&world).await;
    ask(&world).await;
    let store = deletes(&world);
    for request in store.of(&tenant("t")).await.expect("listed") {
        store.remove(&tenant("t"), &request.id).await.expect("taken back");
    }
    assert!(store.remove(&tenant("t"), "00000000").await.is_err());
    world.clock.advance(A_DAY * 2);
    carry_out(&world).await.expect("nothing fails");
    assert_eq!(world.lines("t", 90..=100).await.len(), 9);
    assert!(store.deletions(&tenant("t")).await.expect("read").is_empty());
}

#[tokio::test]
async fn while_the_list_cannot_be_read_nothing_is_known() {
    let world = World::new();
    for (key, object, why) in [
        ("index/delete_requests/delete_requests.gz", "no gzip", "holds no delete requests that can be read"),
        ("index/delete_requests/delete_requests.sqlite.gz", "x", "holds delete requests in SQLite"),
    ] {
        world.put(key, object).await;
        let error = deletes(&world).deletions(&tenant("t")).await.expect_err("it cannot be read");
        assert!(error.contains(key) && error.contains(why), "{error}");
    }
    let dead = World::over(world.memory.clone(), Arc::new(Faulty::new(world.memory.clone(), 0, false)));
    assert!(deletes(&dead).deletions(&tenant("t")).await.is_err());
}

/// As above, with delete requests: no deleted line is seen once its request is done, and none else is missing.
#[tokio::test]
async fn deletes_survive_a_death_at_any_call() {
    for (obeys, recovers) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut call = 0;
        loop {
            let memory = Arc::new(InMemory::new());
            let calm = World::over(memory.clone(), memory.clone());
            fill_for_deletes(&calm).await;
            ask(&calm).await;
            let faulty = Faulty::new(memory.clone(), call, obeys);
            let faulty = if recovers { faulty.once() } else { faulty };
            let world = World::over(memory.clone(), Arc::new(faulty.clone()));
            world.clock.advance(A_DAY + Duration::from_secs(60));
            let _ = carry_out(&world).await;
            world.clock.advance(Duration::from_secs(7200));
            let _ = world.compactor(settings()).sweep().await;
            let after = World::over(memory.clone(), memory);
            let lines = after.lines("t", 90..=100).await;
            let done = deletes(&after).of(&tenant("t")).await.expect("the list is whole");
            assert_eq!(done.len(), 2, "call {call}");
            if done.iter().all(|request| request.status == "processed") {
                assert_eq!(lines, LEFT, "call {call}");
            }
            assert!(LEFT.iter().all(|line| lines.iter().any(|found| found == line)), "call {call}: {lines:?}");
            after.clock.advance(A_DAY + Duration::from_secs(9000));
            carry_out(&after).await.expect("nothing fails now");
            after.clock.advance(Duration::from_secs(7200));
            sweep(&after).await;
            assert_eq!(after.lines("t", 90..=100).await, LEFT, "call {call}");
            assert_eq!(after.lines("u", 90..=100).await, ["gone, of another tenant"]);
            if !faulty.died() {
                break;
            }
            call += 1;
        }
        assert!(call > 60, "{call} calls");
    }
}
