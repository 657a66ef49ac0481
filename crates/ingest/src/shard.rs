//! Hot streams split: a stream that comes faster than the desired rate becomes several, told apart by the label
//! `__stream_shard__`; old entries may go to streams of their own by time, `__time_shard__`.
//!
//! Rates are measured over whole seconds and smoothed as upstream does: a new second counts 0.4, what was before 0.6.
//! The first second of a stream never splits it.

use std::sync::Arc;
use std::time::Duration;

use loptr_model::{Labels, Nanos};
use parking_lot::Mutex;

/// The label of a shard by rate.
pub(crate) const STREAM_SHARD: &str = "__stream_shard__";
/// The label of a shard by time.
pub(crate) const TIME_SHARD: &str = "__time_shard__";

const SMOOTHING: f64 = 0.4;
/// Seconds without a push after which a rate is as good as none.
const FORGET_SECS: i64 = 60;
/// Shards of a stream, at most: a bound of ours.
const MOST_SHARDS: usize = 1024;

/// How streams are split.
#[derive(Clone, Debug, PartialEq)]
pub struct ShardStreams {
    /// Whether hot streams are split.
    pub enabled: bool,
    /// Bytes a second from which a stream is split; 0: never.
    pub desired_rate_bytes: u64,
    /// Whether streams are split by time.
    pub by_time: bool,
    /// Entries younger than this are not split by time.
    pub ignore_recent: Duration,
    /// Whether splits are logged.
    pub log: bool,
}

impl Default for ShardStreams {
    fn default() -> Self {
        Self {
            enabled: true,
            desired_rate_bytes: 1536 << 10,
            by_time: false,
            ignore_recent: Duration::from_secs(40 * 60),
            log: false,
        }
    }
}

/// How fast a stream comes.
#[derive(Debug, Default)]
pub(crate) struct StreamRate(Mutex<Measured>);

#[derive(Clone, Debug, Default)]
struct Measured {
    /// The second being counted, and what came in it.
    second: i64,
    bytes: u64,
    pushes: u64,
    /// Of the seconds before, smoothed; none before the first has passed.
    known: Option<(f64, f64)>,
    /// Where the next split begins.
    next_shard: usize,
    /// Into how many shards the last push was split; 0 before the first.
    shards: usize,
}

impl Measured {
    fn advance(&mut self, second: i64) {
        let passed = second.saturating_sub(self.second);
        if passed <= 0 {
            return;
        }
        if passed > FORGET_SECS || self.second == 0 {
            *self = Self { second, next_shard: self.next_shard, ..Self::default() };
            return;
        }
        let (bytes, pushes) = (self.bytes as f64, self.pushes as f64);
        let smooth = |new: f64, old: f64| SMOOTHING * new + (1.0 - SMOOTHING) * old;
        let mut known = match self.known {
            Some((rate, rhythm)) => (smooth(bytes, rate), smooth(pushes, rhythm)),
            None => (bytes, pushes),
        };
        for _ in 1..passed {
            known = (smooth(0.0, known.0), smooth(0.0, known.1));
        }
        *self = Self { second, bytes: 0, pushes: 0, known: Some(known), ..*self };
    }
}

impl StreamRate {
    /// Counts a push of `bytes` in `entries` at `now` (monotonic) and says into which shards of how many it goes: the
    /// first one and how many follow. `None`: it stays whole.
    pub(crate) fn split(&self, settings: &ShardStreams, bytes: usize, entries: usize, now: Nanos) -> Option<Split> {
        if !settings.enabled || settings.desired_rate_bytes == 0 {
            return None;
        }
        let mut measured = self.0.lock();
        measured.advance(now.0.div_euclid(Nanos::PER_SEC) + 1);
        measured.bytes = measured.bytes.saturating_add(bytes as u64);
        measured.pushes += 1;
        let (rate, rhythm) = measured.known.filter(|(_, rhythm)| *rhythm > 0.0)?;
        let wanted = (rate.trunc() + (bytes as f64 * rhythm.min(1.0)).trunc()) / settings.desired_rate_bytes as f64;
        let of = (wanted.ceil() as usize).min(MOST_SHARDS);
        measured.shards = of;
        if of <= 1 || entries == 0 {
            return None;
        }
        let count = of.min(entries);
        let first = measured.next_shard % of;
        measured.next_shard = (first + count) % of;
        Some(Split { first, count, of })
    }
}

impl StreamRate {
    /// Bytes a second at `now` (monotonic) and the number of shards; `None` while nothing is known, or any more.
    pub(crate) fn told(&self, now: Nanos) -> Option<(f64, usize)> {
        let mut measured = self.0.lock().clone();
        measured.advance(now.0.div_euclid(Nanos::PER_SEC) + 1);
        measured.known.map(|(rate, _)| (rate, measured.shards.max(1)))
    }
}

/// Shards a push goes to: `count` of `of`, from `first` on, round and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) of: usize,
}

impl Split {
    /// Numbers of the shards.
    pub(crate) fn numbers(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |at| (self.first + at) % self.of)
    }
}

/// Go counts its multiples of durations from the year 1.
const YEAR_ONE_SECS: i128 = 62_135_596_800;

/// The span of `length` in which `ts` lies, as the value of the label.
pub(crate) fn time_shard(ts: Nanos, length: Duration) -> String {
    let length = (length.as_nanos() as i128).max(1);
    let offset = YEAR_ONE_SECS * 1_000_000_000;
    let start = (i128::from(ts.0) + offset).div_euclid(length) * length - offset;
    format!("{}_{}", start.div_euclid(1_000_000_000), (start + length).div_euclid(1_000_000_000))
}

/// The labels of a shard.
pub(crate) fn labels_of(labels: &Labels, shard: usize) -> Labels {
    labels.with(STREAM_SHARD, &shard.to_string())
}

/// Shards of a stream met so far, by number.
pub(crate) type Shards<T> = Mutex<Vec<Option<Arc<T>>>>;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_hot_stream_is_split_from_its_second_second_on() {
        let settings = ShardStreams { desired_rate_bytes: 100, ..ShardStreams::default() };
        let rate = StreamRate::default();
        let push = |secs: i64, bytes, entries| rate.split(&settings, bytes, entries, Nanos(secs * SECOND));
        assert_eq!(push(10, 1000, 5), None, "nothing is known yet");
        assert_eq!(push(11, 200, 9), Some(Split { first: 0, count: 9, of: 12 }));
        let next = push(11, 200, 9).expect("split");
        assert_eq!(next.numbers().collect::<Vec<_>>(), [9, 10, 11, 0, 1, 2, 3, 4, 5]);
        // 0.4 of 400 and 0.6 of 1000 are 760, and 60 seconds of silence forget them.
        assert_eq!(push(12, 40, 1), Some(Split { first: 6, count: 1, of: 8 }));
        let told = |secs: i64| rate.told(Nanos(secs * SECOND)).map(|(rate, shards)| (rate.round(), shards));
        assert_eq!((told(12), told(13), told(100)), (Some((760.0, 8)), Some((472.0, 8)), None));
        assert_eq!(push(100, 40, 1), None);
        let off = ShardStreams { enabled: false, ..settings.clone() };
        assert_eq!(rate.split(&off, 10_000, 5, Nanos(101 * SECOND)), None);
    }

    #[test]
    fn time_shards_are_whole_spans() {
        let hour = Duration::from_secs(3600);
        assert_eq!(time_shard(Nanos(1_700_000_000 * SECOND + 5), hour), "1699999200_1700002800");
        assert_eq!(time_shard(Nanos(-1), hour), "-3600_0");
    }
}
