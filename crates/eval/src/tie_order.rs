//! In which order upstream leaves entries of equal time.
//!
//! Upstream's frontend cuts a query's time into splits. What a querier answers for a split, at most `limit` entries, it
//! sorts twice, stream by stream, with Go's unstable sort and a comparison that says "less" of equal times. Up to 12
//! entries that changes nothing; of more, equal times come out shuffled, in the same way each time. The splits' answers
//! are joined, and where they hold more than `limit` entries together, a heap takes the best: of streams whose next
//! entries have equal times, whichever lies on top.

use crate::go_sort::{MAX_INSERTION, go_sort};
use crate::log_result::{LogEntry, LogStream};
use crate::source::Direction;

/// The number of the split that `ts` lies in; all in one without splits.
pub(crate) fn split_of(ts: i64, split_ns: i64) -> i64 {
    if split_ns > 0 { ts.div_euclid(split_ns) } else { 0 }
}

/// Shuffles equal times of one stream's entries, which are in order otherwise.
pub(crate) fn shuffle(entries: &mut [LogEntry], direction: Direction, split_ns: i64) {
    if entries.len() <= MAX_INSERTION || !entries.windows(2).any(|pair| pair[0].ts == pair[1].ts) {
        return;
    }
    for split in entries.chunk_by_mut(|a, b| split_of(a.ts.0, split_ns) == split_of(b.ts.0, split_ns)) {
        // A short split is reversed among equals, twice.
        if split.len() <= MAX_INSERTION || !split.windows(2).any(|pair| pair[0].ts == pair[1].ts) {
            continue;
        }
        for _ in 0..2 {
            match direction {
                Direction::Forward => go_sort(split, |a, b| a.ts <= b.ts),
                Direction::Backward => go_sort(split, |a, b| a.ts >= b.ts),
            }
        }
    }
}

/// Leaves the best `limit` entries of streams sorted by their text.
pub(crate) fn cut(streams: &mut Vec<LogStream>, direction: Direction, limit: usize) {
    if streams.iter().map(|stream| stream.entries.len()).sum::<usize>() <= limit {
        return;
    }
    let mut queue = Queue { streams, direction, taken: vec![0; streams.len()], heap: Vec::new() };
    queue.init();
    for _ in 0..limit {
        queue.take_one();
    }
    let taken = queue.taken;
    for (stream, taken) in streams.iter_mut().zip(taken) {
        stream.entries.truncate(taken);
    }
    streams.retain(|stream| !stream.entries.is_empty());
}

/// A heap of streams by their next entry, moved as Go's `container/heap` moves it: ties depend on that.
struct Queue<'a> {
    streams: &'a [LogStream],
    direction: Direction,
    /// Entries taken of each stream.
    taken: Vec<usize>,
    /// Streams with entries left.
    heap: Vec<usize>,
}

impl Queue<'_> {
    fn init(&mut self) {
        self.heap = (0..self.streams.len()).filter(|&at| !self.streams[at].entries.is_empty()).collect();
        for place in (0..self.heap.len() / 2).rev() {
            self.down(place, self.heap.len());
        }
    }

    /// Takes the entry on top. Its stream goes to the end and rises from there.
    fn take_one(&mut self) {
        let Some(last) = self.heap.len().checked_sub(1) else { return };
        self.heap.swap(0, last);
        self.down(0, last);
        let stream = self.heap[last];
        self.taken[stream] += 1;
        if self.taken[stream] == self.streams[stream].entries.len() {
            self.heap.pop();
        } else {
            self.up(last);
        }
    }

    fn less(&self, a: usize, b: usize) -> bool {
        let next = |place: usize| {
            let stream = self.heap[place];
            self.streams[stream].entries[self.taken[stream]].ts
        };
        match self.direction {
            Direction::Forward => next(a) < next(b),
            Direction::Backward => next(a) > next(b),
        }
    }

    fn up(&mut self, mut place: usize) {
        while place > 0 && self.less(place, (place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn down(&mut self, mut place: usize, length: usize) {
        loop {
            let mut child = 2 * place + 1;
            if child >= length {
                return;
            }
            if child + 1 < length && self.less(child + 1, child) {
                child += 1;
            }
            if !self.less(child, place) {
                return;
            }
            self.heap.swap(place, child);
            place = child;
        }
    }
}
