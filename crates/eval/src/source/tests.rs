//! The merger against the plain rule: sort everything, drop what is there already.

use std::collections::HashSet;
use std::ops::ControlFlow;

use loptr_model::{Entry, Labels, Nanos, OwnedEntry, TimeRange};
use loptr_ports::Budget;
use proptest::prelude::*;

use super::*;

/// A source that promises distinct entries per block, so that blocks are read straight through.
struct Distinct(VecSource);

impl Source for Distinct {
    fn generation(&self) -> u64 {
        0
    }

    fn blocks(&self) -> &[BlockSpan] {
        self.0.blocks()
    }

    fn scan(
        &self,
        at: usize,
        range: TimeRange,
        direction: Direction,
        finder: Option<&mut dyn Finder>,
        tombstones: &Tombstones,
        scratch: &mut Scratch,
        budget: &Budget,
        visit: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        self.0.scan(at, range, direction, finder, tombstones, scratch, budget, visit)
    }
}

fn entry(ts: i64, line: u8, metadata: bool) -> OwnedEntry {
    let metadata = if metadata { vec![("m".to_owned(), "v".to_owned())] } else { vec![] };
    OwnedEntry { ts: Nanos(ts), line: vec![b'l', line], metadata }
}

fn run(sources: &[&dyn Source], range: TimeRange, direction: Direction) -> Vec<OwnedEntry> {
    let (mut out, tombstones, budget) = (Vec::new(), Tombstones::default(), Budget::unlimited());
    let merger = Merger::new(sources, range, direction, &tombstones, &budget);
    let visit = |entry| {
        out.push(entry);
        ControlFlow::Continue(())
    };
    merger.each(None, &mut Scratch::default(), |_| true, visit).expect("memory sources do not fail");
    assert_eq!(budget.used_bytes(), 0);
    out
}

type Blocks = Vec<Vec<(i64, u8, bool)>>;

fn blocks() -> impl Strategy<Value = Vec<Blocks>> {
    let block = (0i64..60, prop::collection::vec((0i64..12, 0u8..3, any::<bool>()), 1..12))
        .prop_map(|(base, entries)| entries.into_iter().map(|(ts, line, meta)| (base + ts, line, meta)).collect());
    prop::collection::vec(prop::collection::vec(block, 0..5), 1..4)
}

proptest! {
    #[test]
    fn each_distinct_entry_once_in_order(sources in blocks(), start in 0i64..40, len in 0i64..80, backward: bool) {
        let direction = if backward { Direction::Backward } else { Direction::Forward };
        let range = TimeRange::new(Nanos(start), Nanos(start + len));
        let made: Vec<Box<dyn Source>> = sources.iter().enumerate().map(|(at, blocks)| {
            let blocks = blocks.iter().map(|block| {
                let mut seen = HashSet::new();
                let entries = block.iter().map(|&(ts, line, meta)| entry(ts, line, meta));
                entries.filter(|entry| at % 2 == 1 || seen.insert(entry.clone())).collect::<Vec<_>>()
            });
            let source = VecSource::new(Labels::empty(), blocks);
            if at % 2 == 0 { Box::new(Distinct(source)) as Box<dyn Source> } else { Box::new(source) }
        }).collect();
        let refs: Vec<&dyn Source> = made.iter().map(|source| &**source).collect();

        let out = run(&refs, range, direction);
        let times: Vec<i64> = out.iter().map(|entry| entry.ts.0).collect();
        let mut sorted = times.clone();
        sorted.sort_unstable();
        if backward { sorted.reverse(); }
        prop_assert_eq!(&times, &sorted);
        let want: HashSet<OwnedEntry> = sources.iter().flatten().flatten()
            .map(|&(ts, line, meta)| entry(ts, line, meta)).filter(|entry| range.contains(entry.ts)).collect();
        prop_assert_eq!(out.len(), want.len());
        prop_assert_eq!(out.into_iter().collect::<HashSet<_>>(), want);
    }
}

#[test]
fn equal_times_keep_the_order_of_arrival() {
    let source = VecSource::new(Labels::empty(), [vec![entry(5, 1, false), entry(5, 0, false), entry(5, 2, false)]]);
    let whole = TimeRange::ALL;
    let lines = |entries: Vec<OwnedEntry>| entries.into_iter().map(|entry| entry.line[1]).collect::<Vec<_>>();
    assert_eq!(lines(run(&[&source], whole, Direction::Forward)), [1, 0, 2]);
    assert_eq!(lines(run(&[&source], whole, Direction::Backward)), [2, 0, 1]);
    assert_eq!(lines(run(&[&Distinct(source.clone())], whole, Direction::Backward)), [2, 0, 1]);
}

#[test]
fn a_cluster_that_is_too_big_for_the_budget_stops() {
    let block: Vec<OwnedEntry> = (0..100).map(|at| entry(at, 0, false)).collect();
    let source = VecSource::new(Labels::empty(), [block.clone(), block]);
    let budget = Budget::new(1000, None, loptr_ports::ProcessBudget::new(u64::MAX));
    let (refs, tombstones): (&[&dyn Source], _) = (&[&source], Tombstones::default());
    let merger = Merger::new(refs, TimeRange::ALL, Direction::Forward, &tombstones, &budget);
    let result = merger.each(None, &mut Scratch::default(), |_| true, |_| ControlFlow::Continue(()));
    assert!(matches!(result, Err(SourceError::Budget(_))));
}

/// Makes a label set of every line.
struct Hoarder(usize);

impl Visitor for Hoarder {
    type Kept = ();

    fn take(&mut self, entry: Entry<'_>) -> Option<()> {
        self.0 += entry.line.len();
        Some(())
    }

    fn emit(&mut self, _: Nanos, (): ()) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn held_bytes(&self) -> usize {
        self.0
    }
}

#[test]
fn what_a_visitor_holds_is_charged_between_blocks() {
    let block = |from: i64| (from..from + 100).map(|at| entry(at, 0, false)).collect::<Vec<_>>();
    let source = Distinct(VecSource::new(Labels::empty(), [block(0), block(1000), block(2000), block(3000)]));
    let (refs, tombstones): (&[&dyn Source], _) = (&[&source], Tombstones::default());
    let held = |limit_bytes| {
        let budget = Budget::new(limit_bytes, None, loptr_ports::ProcessBudget::new(u64::MAX));
        let merger = Merger::new(refs, TimeRange::ALL, Direction::Forward, &tombstones, &budget);
        let mut hoarder = Hoarder(0);
        let result = merger.run(None, &mut Scratch::default(), &mut hoarder);
        assert_eq!(budget.used_bytes(), 0, "given back at the end");
        (hoarder.0, matches!(result, Err(SourceError::Budget(_))))
    };
    assert_eq!(held(800), (800, false));
    assert_eq!(held(500), (600, true));
}

#[test]
fn tombstones_hide_entries() {
    let source = VecSource::of_lines(Labels::empty(), &[(1, "a"), (2, "b"), (3, "a")]);
    let tombstones = Tombstones {
        generation: 1,
        list: vec![Tombstone { range: TimeRange::new(Nanos(0), Nanos(2_500_000_000)), predicate: None }],
    };
    assert!(!tombstones.spares(TimeRange::ALL));
    let (mut seen, budget) = (0, Budget::unlimited());
    let refs: &[&dyn Source] = &[&source];
    let merger = Merger::new(refs, TimeRange::ALL, Direction::Forward, &tombstones, &budget);
    let count = |_| {
        seen += 1;
        ControlFlow::Continue(())
    };
    merger.each(None, &mut Scratch::default(), |_| true, count).expect("memory");
    assert_eq!(seen, 1);
}
