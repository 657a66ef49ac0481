//! From predicates to series references, by merging postings lists.
//!
//! A predicate that refuses `""` keeps only series in the lists of the values it accepts; one that accepts `""` drops
//! the series in the lists of the values it refuses. Listed values are looked up first. A predicate that has to be
//! asked value by value is put off until the candidates are known: when they are fewer than the label's values, it is
//! cheaper to ask about each candidate's own value while the series is read.

use crate::error::IndexError;
use crate::file::IndexFile;
use crate::postings::{NameEntry, Postings};
use crate::predicate::{Predicate, Shard, Test};

/// Series to read, and what is still to be asked of each.
pub(crate) struct Plan<'p> {
    /// References, ascending.
    pub(crate) candidates: Vec<u32>,
    /// Symbol of a label name and the predicate on it.
    pub(crate) residual: Vec<(u32, Predicate<'p>)>,
}

/// What one predicate asks of the lists.
struct Step<'p, 'f> {
    name: &'f NameEntry,
    predicate: Predicate<'p>,
    /// Whether series without the label are accepted.
    accepts_absent: bool,
}

impl Step<'_, '_> {
    /// Whether the lists can be found without asking about every value. Values that were not UTF-8 need not ascend any
    /// more, so they cannot be looked up.
    fn is_listed(&self, file: &IndexFile) -> bool {
        let listed =
            matches!((self.predicate.test, self.accepts_absent), (Test::OneOf(_), false) | (Test::NoneOf(_), true));
        listed && !file.symbols().is_lossy()
    }

    /// Where the lists lie that this step keeps or drops.
    fn offsets(&self, file: &IndexFile) -> Vec<u64> {
        match self.predicate.test {
            // The lists of the values named are what is kept, or what is dropped.
            Test::OneOf(values) | Test::NoneOf(values) if self.is_listed(file) => {
                let lists = values.iter().filter_map(|value| file.value_offset(self.name, value));
                let mut offsets: Vec<u64> = lists.collect();
                offsets.sort_unstable();
                offsets.dedup();
                offsets
            }
            // All others: keep what is accepted, drop what is refused.
            _ => {
                let postings = file.postings();
                std::iter::zip(postings.values(self.name), postings.offsets(self.name))
                    .filter(|(value, _)| self.predicate.accepts(file.symbols().known(**value)) != self.accepts_absent)
                    .map(|(_, offset)| *offset)
                    .collect()
            }
        }
    }
}

/// Which series may satisfy all `predicates` and lie in `shard`.
pub(crate) fn plan<'p>(
    file: &IndexFile,
    predicates: &[Predicate<'p>],
    shard: Option<&Shard>,
) -> Result<Plan<'p>, IndexError> {
    let nothing = Plan { candidates: Vec::new(), residual: Vec::new() };
    let (mut listed, mut asked) = (Vec::new(), Vec::new());
    for &predicate in predicates {
        let accepts_absent = predicate.accepts("");
        match file.name(predicate.name) {
            Some(name) => {
                let step = Step { name, predicate, accepts_absent };
                if step.is_listed(file) { listed.push(step) } else { asked.push(step) }
            }
            // No series has the label.
            None if accepts_absent => {}
            None => return Ok(nothing),
        }
    }
    let (first, last) = shard.map_or((0, u32::MAX), |shard| file.shard_refs(shard));
    let union = |step: &Step<'_, '_>| -> Result<Postings<'_>, IndexError> {
        Ok(Postings::union(file.bytes(), step.offsets(file), file.series_limit())?.within(first, last))
    };

    // Shortest list first: the candidates never grow.
    let (keep, drop): (Vec<_>, Vec<_>) = listed.into_iter().partition(|step| !step.accepts_absent);
    let mut kept = keep.iter().map(union).collect::<Result<Vec<_>, _>>()?;
    kept.sort_by_key(Postings::len);
    let mut kept = kept.into_iter();
    let mut candidates = kept.next().map(Postings::into_vec);
    for list in kept {
        if let Some(candidates) = &mut candidates {
            list.filter(candidates, true);
        }
    }

    // Without a list to start from, ask the label with the fewest values that must be there, or take all series.
    asked.sort_by_key(|step| file.postings().values(step.name).len());
    let mut candidates = match candidates {
        Some(candidates) => candidates,
        None => match asked.iter().position(|step| !step.accepts_absent) {
            Some(at) => union(&asked.remove(at))?.into_vec(),
            None => Postings::read(file.bytes(), file.postings().all())?.within(first, last).into_vec(),
        },
    };
    for step in &drop {
        if candidates.is_empty() {
            return Ok(nothing);
        }
        union(step)?.filter(&mut candidates, false);
    }

    let mut residual = Vec::new();
    for step in asked {
        if candidates.len() <= file.postings().values(step.name).len() {
            residual.push((step.name.name, step.predicate));
        } else {
            union(&step)?.filter(&mut candidates, !step.accepts_absent);
        }
    }
    Ok(Plan { candidates, residual })
}
