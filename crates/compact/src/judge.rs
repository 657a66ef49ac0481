//! Which chunks of a table go, and why: a pure function of the index, the policies and one moment.

use std::sync::Arc;

use loptr_eval::source::{Deletion, Tombstones};
use loptr_index::tables::{FileName, ListedFile};
use loptr_index::{ChunkMeta, IndexBuilder, SeriesLabels};
use loptr_model::{ChunkRef, Fingerprint, Labels, Millis};

use crate::policy::TenantPolicy;
use crate::retention::is_past;

/// Milliseconds of a table.
const DAY_MILLIS: i64 = 86_400_000;

/// First and last millisecond of a deletion.
fn span(deletion: &Deletion) -> (Millis, Millis) {
    let range = deletion.tombstone.range;
    (range.start.floor_millis(), range.end.saturating_sub(1).floor_millis())
}

fn touches(deletion: &Deletion, from: Millis, through: Millis) -> bool {
    let (start, end) = span(deletion);
    start <= through && from <= end
}

fn takes_all(deletion: &Deletion, chunk: &ChunkMeta) -> bool {
    let (start, end) = span(deletion);
    deletion.tombstone.predicate.is_none() && start <= chunk.min && chunk.max <= end
}

/// What becomes of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    /// It is past its retention.
    Expired,
    /// A delete request covers all of it.
    Deleted,
    /// It lives on in the next table: this one is past its retention.
    Elsewhere,
    /// Delete requests may cover some of its lines.
    Filter,
}

/// One tenant's judge for one table.
pub(crate) struct Judge {
    pub(crate) now: Millis,
    /// The last instant of the table's day.
    pub(crate) table_end: Millis,
    pub(crate) policy: Arc<TenantPolicy>,
    pub(crate) deletions: Arc<[Deletion]>,
}

/// A chunk whose lines are looked at.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) labels: Labels,
    pub(crate) chunk: ChunkRef,
}

/// What the judge found in an index.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    /// Chunks that left the index.
    pub(crate) gone: Vec<ChunkRef>,
    /// Entries of chunks that live on in the next table.
    pub(crate) elsewhere: usize,
    pub(crate) filter: Vec<Candidate>,
}

pub(crate) fn reference(fingerprint: Fingerprint, chunk: &ChunkMeta) -> ChunkRef {
    ChunkRef { fingerprint, from: chunk.min, through: chunk.max, checksum: chunk.checksum }
}

impl Judge {
    /// Whether a tenant's files could name a chunk that goes, by their names alone.
    pub(crate) fn may_judge(&self, files: &[ListedFile]) -> bool {
        let shortest = self.policy.retention.shortest();
        files.iter().any(|file| match file.name {
            FileName::Compacted { from, through, .. } => {
                shortest.is_some_and(|shortest| is_past(from, shortest, self.now))
                    || self.deletions.iter().any(|deletion| touches(deletion, from, through))
            }
            // Whatever a table names touches its day, so nothing in it ended before that.
            FileName::Common { .. } | FileName::Boltdb { .. } => {
                let day_began = Millis(self.table_end.0.saturating_sub(DAY_MILLIS - 1));
                shortest.is_some_and(|shortest| is_past(day_began, shortest, self.now)) || !self.deletions.is_empty()
            }
        })
    }

    pub(crate) fn verdict(&self, labels: &SeriesLabels<'_>, chunk: &ChunkMeta) -> Verdict {
        let value = |name: &str| labels.get(name).unwrap_or_default();
        let retention = &self.policy.retention;
        let over = |end: Millis| retention.shortest().is_some_and(|shortest| is_past(end, shortest, self.now));
        let may_expire = over(chunk.max.min(self.table_end));
        let period = may_expire.then(|| retention.of_stream(value)).flatten();
        if period.is_some_and(|period| is_past(chunk.max, period, self.now)) {
            return Verdict::Expired;
        }
        let touching = self.deletions.iter().filter(|deletion| touches(deletion, chunk.min, chunk.max));
        let mut concerning = touching.filter(|deletion| deletion.concerns(value)).peekable();
        if concerning.peek().is_some() {
            return if concerning.any(|deletion| takes_all(deletion, chunk)) {
                Verdict::Deleted
            } else {
                Verdict::Filter
            };
        }
        if chunk.max > self.table_end && period.is_some_and(|period| is_past(self.table_end, period, self.now)) {
            return Verdict::Elsewhere;
        }
        Verdict::Keep
    }

    /// Takes what goes out of `index`.
    pub(crate) fn judge(&self, index: &mut IndexBuilder) -> Verdicts {
        let mut verdicts = Verdicts::default();
        index.retain(|labels, fingerprint, chunk| match self.verdict(labels, chunk) {
            Verdict::Keep => true,
            Verdict::Expired | Verdict::Deleted => {
                verdicts.gone.push(reference(fingerprint, chunk));
                false
            }
            Verdict::Elsewhere => {
                verdicts.elsewhere += 1;
                false
            }
            Verdict::Filter => {
                let labels = Labels::from_pairs(labels.iter());
                verdicts.filter.push(Candidate { labels, chunk: reference(fingerprint, chunk) });
                true
            }
        });
        verdicts
    }

    /// The deletions that concern a chunk, to test its lines.
    pub(crate) fn tombstones(&self, candidate: &Candidate) -> Tombstones {
        let ChunkRef { from, through, .. } = candidate.chunk;
        let touching = self.deletions.iter().filter(|deletion| touches(deletion, from, through));
        Tombstones::of_stream(&candidate.labels, touching)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::retention::Retention;

    #[test]
    fn files_without_bounds_in_their_names_are_judged_by_their_day() {
        let retention = Retention { period: Duration::from_secs(30 * 86_400), streams: Vec::new() };
        let policy = Arc::new(TenantPolicy { retention, ..TenantPolicy::default() });
        let name = FileName::Boltdb { name: "compactor-1.gz".to_owned() };
        let files = [ListedFile { key: "index/index_7/t/compactor-1.gz".to_owned(), name }];
        let judged = |day: i64, now_day: i64| {
            let (now, table_end) = (Millis(now_day * DAY_MILLIS), Millis((day + 1) * DAY_MILLIS - 1));
            Judge { now, table_end, policy: policy.clone(), deletions: Arc::new([]) }.may_judge(&files)
        };
        assert!(!judged(70, 100), "what ended with the day's first instant is thirty days old, not older");
        assert!(judged(69, 100));
    }
}
