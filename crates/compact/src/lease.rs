//! Leases on tables, kept in the bucket as objects that are created once and never changed.
//!
//! ```text
//! loptr~/compact/leases/index/index_20776/0000000000000007     holder ⏎ life ⏎ end (Unix ms) ⏎
//! ```
//!
//! The name's number is the lease's epoch: the highest one counts. Whoever finds it free (absent, or past its end by the
//! wall clock, or held by an earlier life of the same process) creates the next number; of two only one can. To go on longer, the holder creates the next number itself.
//! A holder trusts a lease only until its end by its own monotonic clock, and asks the bucket again before each step that
//! removes something, so that one who slept too long finds a higher epoch and stops. Stores have no way to refuse a
//! removal by epoch; what a late step could still do is told in `docs/compactor.md`: nothing live is lost by it.

use std::time::Duration;

use loptr_model::Nanos;
use loptr_ports::Clock;
use loptr_storage::{Bucket, StorageError, TableId};

/// Folder of leases among our own objects.
const DIR: &str = "compact/leases";
/// Part of its time after which a lease is made longer.
const RENEW_AFTER: u32 = 2;

/// Who takes leases. Two processes never have one name, and only one life of it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process, the same after a restart.
    pub name: String,
    /// Its start.
    pub life: i64,
}

/// A table that is ours for now.
#[derive(Debug)]
pub struct Lease {
    store: usize,
    dir: String,
    epoch: u64,
    holder: Holder,
    time: Duration,
    /// By the monotonic clock.
    began: Nanos,
}

fn dir_of(table: &TableId) -> String {
    format!("{DIR}/{}{}", table.path_prefix, table.name)
}

fn name(dir: &str, epoch: u64) -> String {
    format!("{dir}/{epoch:016x}")
}

/// Epochs in a lease's folder, ascending.
async fn epochs(bucket: &Bucket, store: usize, dir: &str) -> Result<Vec<u64>, StorageError> {
    let names = bucket.list_own(store, dir).await?;
    let epoch = |name: &String| u64::from_str_radix(name.rsplit_once('/')?.1, 16).ok();
    let mut epochs: Vec<u64> = names.iter().filter_map(epoch).collect();
    epochs.sort_unstable();
    Ok(epochs)
}

fn body(holder: &Holder, clock: &dyn Clock, time: Duration) -> String {
    let end = clock.now().floor_millis().0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    format!("{}\n{}\n{end}\n", holder.name.replace('\n', " "), holder.life)
}

/// Whether the lease with this body keeps `asker` out. One that cannot be read does not.
fn keeps_out(body: &[u8], asker: &Holder, clock: &dyn Clock) -> bool {
    let mut lines = std::str::from_utf8(body).unwrap_or_default().lines();
    let name = lines.next().unwrap_or_default();
    let mut number = || lines.next().and_then(|line| line.parse::<i64>().ok());
    let (Some(life), Some(end)) = (number(), number()) else { return false };
    let is_dead = name == asker.name && life != asker.life;
    !is_dead && clock.now().floor_millis().0 < end
}

impl Lease {
    /// Takes the lease of `table` for `time`; `None` if another has it.
    pub async fn take(
        bucket: &Bucket,
        clock: &dyn Clock,
        table: &TableId,
        holder: &Holder,
        time: Duration,
    ) -> Result<Option<Self>, StorageError> {
        let (store, dir) = (table.store, dir_of(table));
        let began = clock.monotonic();
        let known = epochs(bucket, store, &dir).await?;
        let last = known.last().copied();
        if let Some(last) = last
            && let Some(body) = bucket.get_own(store, &name(&dir, last)).await?
            && keeps_out(&body, holder, clock)
        {
            return Ok(None);
        }
        let epoch = last.map_or(0, |last| last.saturating_add(1));
        if !bucket.create_own(store, &name(&dir, epoch), body(holder, clock, time).into()).await? {
            return Ok(None);
        }
        for old in known {
            if let Err(error) = bucket.delete_own(store, &name(&dir, old)).await {
                tracing::debug!(%error, %dir, old, "an old lease stays, the higher epoch counts");
            }
        }
        Ok(Some(Self { store, dir, epoch, holder: holder.clone(), time, began }))
    }

    fn is_over(&self, now: Nanos, part: u32) -> bool {
        let limit = i64::try_from((self.time / part).as_nanos()).unwrap_or(i64::MAX);
        now.0.saturating_sub(self.began.0) >= limit
    }

    /// Whether the table is still ours; makes the lease longer when half of it is over.
    pub async fn holds(&mut self, bucket: &Bucket, clock: &dyn Clock) -> Result<bool, StorageError> {
        if self.is_over(clock.monotonic(), 1) {
            return Ok(false);
        }
        if epochs(bucket, self.store, &self.dir).await?.last() != Some(&self.epoch) {
            return Ok(false);
        }
        if self.is_over(clock.monotonic(), RENEW_AFTER) {
            let (began, next) = (clock.monotonic(), self.epoch.saturating_add(1));
            let body = body(&self.holder, clock, self.time);
            if !bucket.create_own(self.store, &name(&self.dir, next), body.into()).await? {
                return Ok(false);
            }
            bucket.delete_own(self.store, &name(&self.dir, self.epoch)).await?;
            (self.epoch, self.began) = (next, began);
        }
        Ok(!self.is_over(clock.monotonic(), 1))
    }

    /// Removes what is left of leases that ended: their holders died, and nobody took the tables since.
    pub(crate) async fn clear(bucket: &Bucket, clock: &dyn Clock, holder: &Holder) -> Result<(), StorageError> {
        for store in 0..bucket.store_count() {
            for name in bucket.list_own(store, DIR).await? {
                let body = bucket.get_own(store, &name).await?;
                if body.is_some_and(|body| !keeps_out(&body, holder, clock)) {
                    bucket.delete_own(store, &name).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives the table back. When that fails, it is free at the lease's end.
    pub async fn give_back(self, bucket: &Bucket) {
        if let Err(error) = bucket.delete_own(self.store, &name(&self.dir, self.epoch)).await {
            tracing::warn!(%error, lease = %self.dir, "lease could not be given back, it ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, table};

    const TIME: Duration = Duration::from_secs(100);

    fn holder(name: &str, life: i64) -> Holder {
        Holder { name: name.to_owned(), life }
    }

    #[tokio::test]
    async fn one_holds_it_until_it_is_given_back_or_over() {
        let world = World::new();
        let (bucket, clock, table) = (world.bucket(), world.clock.clone(), table(0));
        let take = async |who: &str| {
            let holder = holder(who, 1);
            Lease::take(&bucket, &*clock, &table, &holder, TIME).await.expect("the store answers")
        };
        let mut first = take("a").await.expect("it is free");
        assert!(take("b").await.is_none());
        clock.advance(Duration::from_secs(60));
        assert!(first.holds(&bucket, &*clock).await.expect("answers"), "and is made longer");
        clock.advance(Duration::from_secs(60));
        assert!(take("b").await.is_none(), "it was made longer");
        first.give_back(&bucket).await;
        let mut second = take("b").await.expect("given back");
        clock.advance(TIME);
        let mut third = take("c").await.expect("it is over");
        assert!(!second.holds(&bucket, &*clock).await.expect("answers"));
        assert!(third.holds(&bucket, &*clock).await.expect("answers"));
        third.give_back(&bucket).await;
        assert_eq!(world.keys().await, [""; 0], "nothing is left behind");
    }

    #[tokio::test]
    async fn of_many_at_once_one_has_it() {
        let world = World::new();
        let (bucket, clock, table) = (world.bucket(), world.clock.clone(), table(0));
        let x = holder("x", 1);
        let all = (0..8).map(|_| Lease::take(&bucket, &*clock, &table, &x, TIME));
        let taken = futures::future::join_all(all).await;
        assert_eq!(taken.into_iter().filter(|lease| lease.as_ref().expect("answers").is_some()).count(), 1);
    }

    #[tokio::test]
    async fn a_process_that_starts_again_takes_what_its_last_life_held() {
        let world = World::new();
        let (bucket, clock, table) = (world.bucket(), world.clock.clone(), table(0));
        let take = async |life| {
            Lease::take(&bucket, &*clock, &table, &holder("a", life), TIME).await.expect("the store answers")
        };
        let mut dead = take(1).await.expect("free");
        assert!(take(1).await.is_none(), "one life takes it once");
        let _alive = take(2).await.expect("its holder is dead");
        assert!(!dead.holds(&bucket, &*clock).await.expect("answers"));
    }

    #[tokio::test]
    async fn a_higher_epoch_ends_a_lease_whose_holder_trusts_its_clock() {
        let world = World::new();
        let (bucket, clock, table) = (world.bucket(), world.clock.clone(), table(0));
        let mut lease =
            Lease::take(&bucket, &*clock, &table, &holder("a", 1), TIME).await.expect("answers").expect("free");
        let next = name(&dir_of(&table), lease.epoch + 1);
        assert!(bucket.create_own(0, &next, "b\n1\n0\n".into()).await.expect("memory"));
        assert!(!lease.holds(&bucket, &*clock).await.expect("answers"));
    }
}
