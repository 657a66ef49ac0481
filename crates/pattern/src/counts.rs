//! How often, by time.

use crate::Settings;

/// Blocks of samples, each within a bounded span of time; times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    chunks: Vec<Vec<(i64, i64)>>,
}

fn truncated(ts: i64, step: i64) -> i64 {
    ts - ts % step
}

impl Counts {
    /// Counts a line at `ts`. One that is older than the newest sample, yet within its block, is passed over.
    pub(crate) fn add(&mut self, ts: i64, settings: &Settings) {
        let at = truncated(ts, settings.sample_interval_ms.max(1));
        let Some(chunk) = self.chunks.last_mut() else {
            return self.chunks.push(vec![(at, 1)]);
        };
        let first = chunk.first().map_or(at, |(ts, _)| *ts);
        let Some(last) = chunk.last_mut() else { return };
        if last.0 == at {
            last.1 += 1;
        } else if at.saturating_sub(first) >= settings.max_chunk_age_ms {
            self.chunks.push(vec![(at, 1)]);
        } else if ts >= last.0 {
            chunk.push((at, 1));
        }
    }

    /// Calls `visit` with the counts in `[from, through)`, summed by step; steps without a line between others count 0.
    pub(crate) fn each(
        &self,
        from: i64,
        through: i64,
        step: i64,
        settings: &Settings,
        mut visit: impl FnMut(i64, i64),
    ) {
        for chunk in &self.chunks {
            let low = chunk.partition_point(|(ts, _)| *ts < from);
            let high = chunk.partition_point(|(ts, _)| *ts < through);
            let Some(inside) = chunk.get(low..high).filter(|inside| !inside.is_empty()) else { continue };
            if step == settings.sample_interval_ms {
                inside.iter().for_each(|&(ts, count)| visit(ts, count));
                continue;
            }
            let (mut current, mut sum) = (truncated(inside[0].0, step), 0);
            for &(ts, count) in inside {
                let wanted = truncated(ts, step);
                while current < wanted {
                    visit(current, sum);
                    (current, sum) = (current + step, 0);
                }
                sum += count;
            }
            visit(current, sum);
        }
    }

    /// Takes out the samples of blocks whose newest one is older than `before`.
    pub(crate) fn prune(&mut self, before: i64) -> Vec<(i64, i64)> {
        let is_old = |chunk: &mut Vec<(i64, i64)>| chunk.last().is_none_or(|(ts, _)| *ts < before);
        self.chunks.extract_if(.., is_old).flatten().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn samples(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(counts: &Counts, from: i64, through: i64, step: i64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        counts.each(from, through, step, &Settings::default(), |ts, count| all.push((ts, count)));
        all
    }

    #[test]
    fn lines_are_counted_by_time() {
        let (mut counts, settings) = (Counts::default(), Settings::default());
        for ts in [1_000, 2_000, 12_000, 5_000, 95_000, 4_000_000] {
            counts.add(ts, &settings);
        }
        assert_eq!(told(&counts, 0, 5_000_000, 10_000), [(0, 2), (10_000, 1), (90_000, 1), (4_000_000, 1)]);
        assert_eq!(told(&counts, 0, 100_000, 30_000), [(0, 3), (30_000, 0), (60_000, 0), (90_000, 1)]);
        assert_eq!(told(&counts, 10_000, 90_000, 10_000), [(10_000, 1)]);
        assert_eq!(counts.prune(100_000), [(0, 2), (10_000, 1), (90_000, 1)]);
        assert_eq!((counts.samples(), counts.is_empty()), (1, false));
        assert_eq!((counts.prune(5_000_000), counts.is_empty()), (vec![(4_000_000, 1)], true));
    }
}
