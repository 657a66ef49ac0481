//! In which order upstream leaves entries of equal time.
//!
//! Upstream's frontend cuts a query's time into splits. What a querier answers for a split, at most `limit` entries, it
//! sorts twice, stream by stream, with Go's unstable sort and a comparison that says "less" of equal times. Up to 12
//! entries that changes nothing; of more, equal times come out shuffled, in the same way each time. The splits' answers
//! are joined, and where they hold more than `limit` entries together, a heap takes the best: of streams whose next
//! entries have equal times, whichever lies on top.

use crate::go_heap;
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

/// Leaves the best `limit` entries of streams sorted by their text. Which of equal times stay depends on how a heap of
/// streams by their next entry moves.
pub(crate) fn cut(streams: &mut Vec<LogStream>, direction: Direction, limit: usize) {
    if streams.iter().map(|stream| stream.entries.len()).sum::<usize>() <= limit {
        return;
    }
    let now: &[LogStream] = streams;
    let mut taken = vec![0; streams.len()];
    // Streams with entries left.
    let mut heap: Vec<usize> = (0..streams.len()).filter(|&at| !streams[at].entries.is_empty()).collect();
    let comes_first = |taken: &[usize], a: usize, b: usize| {
        let next = |stream: usize| now[stream].entries[taken[stream]].ts;
        match direction {
            Direction::Forward => next(a) < next(b),
            Direction::Backward => next(a) > next(b),
        }
    };
    go_heap::init(&mut heap, |&a, &b| comes_first(&taken, a, b));
    for _ in 0..limit {
        // The stream on top goes to the end and rises from there.
        let Some(last) = heap.len().checked_sub(1) else { break };
        let stream = heap[0];
        heap.swap(0, last);
        go_heap::down(&mut heap[..last], 0, |&a, &b| comes_first(&taken, a, b));
        taken[stream] += 1;
        if taken[stream] == now[stream].entries.len() {
            heap.pop();
        } else {
            go_heap::up(&mut heap, last, |&a, &b| comes_first(&taken, a, b));
        }
    }
    for (stream, taken) in streams.iter_mut().zip(taken) {
        stream.entries.truncate(taken);
    }
    streams.retain(|stream| !stream.entries.is_empty());
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::log_result::LogCollector;
    use crate::pipeline::{LabelsId, ResultLabels};
    use loptr_model::{Fingerprint, Labels, Nanos, TimeRange};
    use proptest::prelude::*;

    /// Entries as they arrived: (time, stream). Their number is their line.
    type Arrived = Vec<(i64, u64)>;

    fn labels(stream: u64) -> ResultLabels {
        let all = Labels::from_pairs([("app", stream.to_string())]);
        ResultLabels { stream: all.clone(), all, ..ResultLabels::default() }
    }

    /// Numbers of a stream's entries inside a range, in the direction.
    fn of_stream(arrived: &Arrived, stream: u64, range: Range<i64>, direction: Direction) -> Vec<usize> {
        let inside = |&at: &usize| arrived[at].1 == stream && range.contains(&arrived[at].0);
        let mut numbers: Vec<usize> = (0..arrived.len()).filter(inside).collect();
        numbers.sort_by_key(|&at| arrived[at].0);
        if direction == Direction::Backward {
            numbers.reverse();
        }
        numbers
    }

    /// What upstream does, word by word.
    fn upstream(arrived: &Arrived, direction: Direction, limit: usize, split_ns: i64) -> Vec<LogStream> {
        let entry = |at: usize| LogEntry {
            ts: Nanos(arrived[at].0),
            line: at.to_string().into_bytes().into(),
            labels: Arc::new(labels(arrived[at].1)),
        };
        let mut splits: Vec<i64> = arrived.iter().map(|place| split_of(place.0, split_ns)).collect();
        splits.sort_unstable();
        splits.dedup();
        if direction == Direction::Backward {
            splits.reverse();
        }
        let mut streams: Vec<LogStream> =
            (0..4).map(|stream| LogStream { labels: Arc::new(labels(stream)), entries: Vec::new() }).collect();
        let mut total = 0;
        for split in splits {
            let range = if split_ns > 0 { split * split_ns..(split + 1) * split_ns } else { i64::MIN..i64::MAX };
            let mut best: Vec<usize> =
                (0..4).flat_map(|stream| of_stream(arrived, stream, range.clone(), direction)).collect();
            match direction {
                Direction::Forward => best.sort_by_key(|&at| arrived[at].0),
                Direction::Backward => best.sort_by_key(|&at| -arrived[at].0),
            }
            best.truncate(limit);
            for (stream, answer) in streams.iter_mut().enumerate() {
                let ours = best.iter().filter(|&&at| arrived[at].1 == stream as u64);
                let mut answered: Vec<LogEntry> = ours.map(|&at| entry(at)).collect();
                for _ in 0..2 {
                    match direction {
                        Direction::Forward => go_sort(&mut answered, |a, b| a.ts <= b.ts),
                        Direction::Backward => go_sort(&mut answered, |a, b| a.ts >= b.ts),
                    }
                }
                answer.entries.extend(answered);
            }
            total += best.len();
            if total >= limit {
                break;
            }
        }
        streams.retain(|stream| !stream.entries.is_empty());
        cut(&mut streams, direction, limit);
        streams
    }

    /// What a query engine does: a collector per stream and window, merged; no window is read after the limit is met.
    fn collect(arrived: &Arrived, empty: LogCollector, range: Range<i64>, window: i64) -> LogCollector {
        let direction = empty.direction();
        let mut windows: Vec<Range<i64>> = Vec::new();
        let mut start = range.start;
        while start < range.end {
            windows.push(start..range.end.min(start + window));
            start += window;
        }
        if direction == Direction::Backward {
            windows.reverse();
        }
        let mut all = empty.clone();
        for window in windows {
            for stream in [2, 0, 3, 1] {
                let mut part = empty.clone();
                part.begin_stream(Fingerprint(stream));
                for at in of_stream(arrived, stream, window.clone(), direction) {
                    part.add(Nanos(arrived[at].0), at.to_string().into_bytes().into(), LabelsId(0), || labels(stream));
                }
                all = all.merge(part);
            }
            if all.worst_kept_ts().is_some() {
                break;
            }
        }
        all
    }

    fn answer(streams: &[LogStream]) -> Vec<String> {
        let lines = |stream: &LogStream| {
            let lines: Vec<_> =
                stream.entries.iter().map(|entry| String::from_utf8_lossy(&entry.line).into_owned()).collect();
            format!("{} {}", stream.labels.all, lines.join(" "))
        };
        streams.iter().map(lines).collect()
    }

    fn compare(arrived: &Arrived, direction: Direction, limit: usize, split_ns: i64, window: i64) {
        let empty = LogCollector::new(limit, direction, 0).split_by(split_ns);
        let mut collected = collect(arrived, empty, 0..100, window);
        if let Some((range, collector)) = collected.beyond_cut(TimeRange::new(Nanos(0), Nanos(100))) {
            assert!(collector.limit() <= limit && range.start.0 >= 0 && range.end.0 <= 100);
            collected = collected.with_beyond(collect(arrived, collector, range.start.0..range.end.0, window));
        }
        assert_eq!(answer(&collected.finish()), answer(&upstream(arrived, direction, limit, split_ns)));
    }

    proptest! {
        #[test]
        fn answers_are_upstreams(
            arrived in prop::collection::vec((0i64..100, 0u64..4), 0..200),
            coarse in 1i64..12,
            limit in 1usize..120,
            split_ns in prop::sample::select(vec![0i64, 7, 25, 50]),
            window in 1i64..60,
            backward: bool,
        ) {
            let arrived = arrived.into_iter().map(|(ts, stream)| (ts / coarse * coarse, stream)).collect();
            let direction = if backward { Direction::Backward } else { Direction::Forward };
            compare(&arrived, direction, limit, split_ns, window);
        }
    }

    #[test]
    fn without_equal_times_nothing_more_is_read() {
        let arrived: Arrived = (0..100).map(|ts| (ts, ts as u64 % 4)).collect();
        for direction in [Direction::Forward, Direction::Backward] {
            let mut collected = collect(&arrived, LogCollector::new(30, direction, 0).split_by(25), 0..100, 100);
            assert!(collected.beyond_cut(TimeRange::ALL).is_none());
            compare(&arrived, direction, 30, 25, 100);
        }
    }

    #[test]
    fn what_lies_beyond_the_cut_is_asked_for_inside_its_split() {
        // 25 entries in the first split, five and more at each time after it.
        let arrived: Arrived = (0..26).chain((25..50).map(|at| at / 5 * 5)).map(|ts| (ts, 0)).collect();
        let mut collected = collect(&arrived, LogCollector::new(33, Direction::Forward, 0).split_by(25), 0..100, 100);
        let (range, collector) = collected.beyond_cut(TimeRange::new(Nanos(0), Nanos(40))).expect("cut among equals");
        assert_eq!((range, collector.limit()), (TimeRange::new(Nanos(30), Nanos(40)), 27));
        // The limit met inside the first split: the querier's answer is the frontend's.
        let mut collected = collect(&arrived, LogCollector::new(10, Direction::Backward, 0).split_by(25), 0..100, 100);
        assert!(collected.beyond_cut(TimeRange::ALL).is_none());
    }
}
