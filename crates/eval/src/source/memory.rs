//! A source in memory: for tests, and for entries that arrived by other means.

use std::ops::ControlFlow;

use loptr_model::{Entry, Labels, Nanos, OwnedEntry, TimeRange};
use loptr_ports::Budget;

use super::{BlockSpan, Direction, Scratch, Source, SourceError, Tombstones};
use crate::pipeline::Finder;

/// Entries in memory, cut into blocks.
#[derive(Clone, Debug, Default)]
pub struct VecSource {
    labels: Labels,
    spans: Vec<BlockSpan>,
    blocks: Vec<Vec<OwnedEntry>>,
}

impl VecSource {
    /// Sorts each block by time, keeping the order of equal times.
    pub fn new(labels: Labels, blocks: impl IntoIterator<Item = Vec<OwnedEntry>>) -> Self {
        let mut source = Self { labels, ..Self::default() };
        for mut block in blocks {
            block.sort_by_key(|entry| entry.ts);
            let (Some(first), Some(last)) = (block.first(), block.last()) else { continue };
            source.spans.push(BlockSpan {
                min: first.ts,
                max: last.ts,
                entries: block.len() as u32,
                bytes: block.iter().map(|entry| entry.line.len() as u64).sum(),
            });
            source.blocks.push(block);
        }
        source
    }

    /// Entries `(seconds, line)` without metadata, in one block.
    pub fn of_lines(labels: Labels, lines: &[(i64, &str)]) -> Self {
        let entry = |&(secs, line): &(i64, &str)| OwnedEntry {
            ts: Nanos(secs.saturating_mul(Nanos::PER_SEC)),
            line: line.as_bytes().to_vec(),
            metadata: Vec::new(),
        };
        Self::new(labels, [lines.iter().map(entry).collect()])
    }
}

impl Source for VecSource {
    fn generation(&self) -> u64 {
        0
    }

    fn blocks(&self) -> &[BlockSpan] {
        &self.spans
    }

    fn may_repeat(&self) -> bool {
        true
    }

    fn scan(
        &self,
        at: usize,
        range: TimeRange,
        direction: Direction,
        mut finder: Option<&mut dyn Finder>,
        tombstones: &Tombstones,
        _scratch: &mut Scratch,
        budget: &Budget,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        budget.check()?;
        let mut deleted = tombstones.for_stream(&self.labels);
        let block = self.blocks.get(at).map_or(&[][..], Vec::as_slice);
        for at in 0..block.len() {
            let owned = match direction {
                Direction::Forward => &block[at],
                Direction::Backward => &block[block.len() - 1 - at],
            };
            if !range.contains(owned.ts) {
                continue;
            }
            if finder.as_mut().is_some_and(|finder| finder.find_at(&owned.line, 0).is_none()) {
                continue;
            }
            let metadata: Vec<(&str, &str)> =
                owned.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let entry = Entry { ts: owned.ts, line: &owned.line, metadata: &metadata };
            if !deleted.covers(&entry) && visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }
}
