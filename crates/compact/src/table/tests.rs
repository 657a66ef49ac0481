use std::sync::Arc;

use object_store::memory::InMemory;

use crate::compactor::Outcome;
use crate::error::CompactError;
use crate::settings::CompactSettings;
use crate::testing::{Faulty, World, table};

async fn fill(world: &World) {
    world.put_common(7, "1-a-1", &[("t", "a", &[1, 2]), ("u", "a", &[9])]).await;
    world.put_common(7, "2-b-1", &[("t", "a", &[2, 3]), ("t", "b", &[4])]).await;
}

async fn check(world: &World) {
    assert_eq!(world.indexed(7, "t").await, [1, 2, 3, 4]);
    assert_eq!(world.indexed(7, "u").await, [9]);
}

/// Two tenants with one file each and nothing else.
async fn check_compacted(world: &World) {
    let keys = world.keys().await;
    let of = |tenant: &str| keys.iter().filter(|key| key.starts_with(&format!("index/index_7/{tenant}/"))).count();
    assert_eq!((keys.len(), of("t"), of("u")), (2, 1, 1), "{keys:?}");
    check(world).await;
}

#[tokio::test]
async fn files_of_all_become_one_of_each() {
    for world in World::of_each_index() {
        fill(&world).await;
        let compactor = world.compactor(CompactSettings::default());
        assert_eq!(compactor.table(&table(7)).await.expect("compacts"), Outcome::Done);
        check_compacted(&world).await;
        assert_eq!(compactor.table(&table(7)).await.expect("looks"), Outcome::Idle);
        // What comes later is merged with what is there.
        world.put_common(7, "3-a-1", &[("u", "c", &[10, 11])]).await;
        compactor.compact().await.expect("compacts");
        assert_eq!(world.indexed(7, "u").await, [9, 10, 11]);
        assert_eq!(world.keys().await.len(), 2);
    }
}

#[tokio::test]
async fn batches_give_the_same_as_all_at_once() {
    for world in World::of_each_index() {
        fill(&world).await;
        for file in 3..9 {
            world.put_common(7, &format!("{file}-a-1"), &[("t", "a", &[file]), ("v", "a", &[file])]).await;
        }
        let compactor = world.compactor(CompactSettings { batch_bytes: 1, ..CompactSettings::default() });
        assert_eq!(compactor.table(&table(7)).await.expect("compacts"), Outcome::Done);
        assert_eq!(world.indexed(7, "t").await, [1, 2, 3, 4, 4, 5, 6, 7, 8], "two streams have a chunk 4");
        assert_eq!(world.indexed(7, "v").await, [3, 4, 5, 6, 7, 8]);
        assert_eq!(world.keys().await.len(), 3);
    }
}

#[tokio::test]
async fn a_table_that_is_leased_is_passed_over() {
    let world = World::new();
    fill(&world).await;
    let compactor = world.compactor(CompactSettings::default());
    let other = crate::lease::Holder { name: "other".to_owned(), life: 1 };
    let time = std::time::Duration::from_secs(60);
    let lease = crate::lease::Lease::take(&world.bucket(), &*world.clock, &table(7), &other, time).await;
    let _lease = lease.expect("answers").expect("free");
    assert_eq!(compactor.table(&table(7)).await.expect("looks"), Outcome::Leased);
    world.clock.advance(time);
    assert_eq!(compactor.table(&table(7)).await.expect("compacts"), Outcome::Done);
    check_compacted(&world).await;
}

#[tokio::test]
async fn a_damaged_file_stops_its_table_and_is_named() {
    let world = World::new();
    fill(&world).await;
    world.put("index/index_7/3-a-1.tsdb.gz", "no gzip").await;
    world.put_common(8, "1-a-1", &[("t", "a", &[5])]).await;
    let compactor = world.compactor(CompactSettings::default());
    let error = compactor.compact().await.expect_err("it is damaged").to_string();
    assert!(error.starts_with("index object index/index_7/3-a-1.tsdb.gz is damaged"), "{error}");
    assert_eq!(world.indexed(8, "t").await, [5], "the other table");
    assert!(world.keys().await.iter().any(|key| key.starts_with("index/index_8/t/")), "is compacted");
    assert!(world.keys().await.iter().any(|key| key == "index/index_7/1-a-1.tsdb.gz"), "and nothing was removed");
}

/// The process dies, or one call fails, at every call of the store in turn. Readers find everything at once, and the next
/// round ends what was begun.
#[tokio::test]
async fn no_entry_is_missing_after_a_death_at_any_call() {
    for (obeys, recovers) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut at = 0;
        loop {
            let memory = Arc::new(InMemory::new());
            let faulty = Faulty::new(memory.clone(), at, obeys);
            let faulty = if recovers { faulty.once() } else { faulty };
            let world = World::over(memory.clone(), Arc::new(faulty.clone()));
            fill(&world).await;
            let done = world.compactor(CompactSettings::default()).table(&table(7)).await;
            if !faulty.died() {
                assert_eq!(done.expect("nothing failed"), Outcome::Done);
                break;
            }
            assert!(!matches!(done, Err(CompactError::NoChunks { .. })), "call {at}");
            let after = World::over(memory.clone(), memory);
            check(&after).await;
            let settings = CompactSettings::default();
            after.clock.advance(settings.lease);
            after.compactor(settings).compact().await.expect("nothing fails now");
            check_compacted(&after).await;
            at += 1;
        }
        assert!(at > 15, "{at} calls");
    }
}

/// Two that know nothing of each other, as ours beside upstream's: whatever one does between two calls of the other.
#[tokio::test]
async fn two_at_once_lose_nothing() {
    for at in 0..40 {
        let memory = Arc::new(InMemory::new());
        let first = Faulty::new(memory.clone(), at, false);
        let world = World::over(memory.clone(), Arc::new(first));
        fill(&world).await;
        // One stands still in the middle of its work.
        let _ = world.compactor(CompactSettings::default()).table(&table(7)).await;
        let other = World::over(memory.clone(), memory.clone());
        let settings = CompactSettings::default();
        other.clock.advance(settings.lease);
        other.compactor(settings).compact().await.expect("nothing fails");
        other.put_common(7, "3-c-1", &[("t", "c", &[5])]).await;
        other.clock.advance(std::time::Duration::from_secs(1));
        other.compactor(CompactSettings::default()).compact().await.expect("nothing fails");
        assert_eq!(other.indexed(7, "t").await, [1, 2, 3, 4, 5], "call {at}");
    }
}
