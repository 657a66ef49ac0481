//! Search a whole block at once, before it is split into entries.
//!
//! A substring or regex engine is fastest on long hay and most lines have no hit. So the finder runs over the block's
//! bytes as they are, and only hits are mapped to entries, walking varints from the last entry to the hit. The bytes
//! between lines (timestamps, lengths, symbol numbers) may take part in a hit by accident, so a hit that does not lie
//! inside one line is asked for again in that line alone.

use std::ops::ControlFlow;

use crate::block::{Block, RawEntry};
use crate::error::ChunkError;

impl<'a> Block<'a> {
    /// Calls `visit` with exactly those entries, in the order they lie, in whose own line `finder` finds a hit, until
    /// the end or `Break`.
    ///
    /// `finder(hay, from)` gives the start and end of the leftmost hit in `hay` that starts at `from` or later. It must
    /// not look around: no anchors, no word boundaries. Where a hit starts must not depend on what precedes it.
    pub fn search(
        &self,
        mut finder: impl FnMut(&[u8], usize) -> Option<(usize, usize)>,
        mut visit: impl FnMut(RawEntry<'a>) -> ControlFlow<()>,
    ) -> Result<(), ChunkError> {
        let bytes = self.bytes();
        // Bytes that hits covered past the end of their entry and that are searched again. A finder like `a.*b` can
        // make every search run to the block's end; past this budget the rest is searched line by line.
        let mut overrun = 0;
        let mut next = 0;
        while next < bytes.len() {
            if overrun > bytes.len() {
                return self.search_lines(next, finder, visit);
            }
            let Some((start, end)) = finder(bytes, next) else { break };
            if start >= bytes.len() {
                break;
            }
            let mut span = self.span(next)?;
            while span.end <= start {
                span = self.span(span.end)?;
            }
            next = span.end;
            overrun += end.saturating_sub(span.end);
            let inside = span.line <= start && end <= span.line_end;
            if (inside || finder(&bytes[span.line..span.line_end], 0).is_some()) && visit(self.entry(span)?).is_break()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    fn search_lines(
        &self,
        mut next: usize,
        mut finder: impl FnMut(&[u8], usize) -> Option<(usize, usize)>,
        mut visit: impl FnMut(RawEntry<'a>) -> ControlFlow<()>,
    ) -> Result<(), ChunkError> {
        let bytes = self.bytes();
        while next < bytes.len() {
            let span = self.span(next)?;
            next = span.end;
            if finder(&bytes[span.line..span.line_end], 0).is_some() && visit(self.entry(span)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::Nanos;
    use memchr::memmem;
    use proptest::prelude::*;

    use super::*;
    use crate::block::write_entry;

    type Made = (i64, Vec<u8>, Vec<(u32, u32)>);

    fn block_of(entries: &[Made], has_metadata: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for (ts, line, pairs) in entries {
            write_entry(&mut out, Nanos(*ts), line, has_metadata.then_some(pairs));
        }
        out
    }

    fn hits(bytes: &[u8], has_metadata: bool, needle: &[u8]) -> Vec<(i64, Vec<u8>)> {
        let mut found = Vec::new();
        let finder = memmem::Finder::new(needle);
        Block::new(bytes, has_metadata)
            .search(
                |hay, from| finder.find(&hay[from..]).map(|at| (from + at, from + at + needle.len())),
                |entry| {
                    found.push((entry.ts.0, entry.line.to_vec()));
                    ControlFlow::Continue(())
                },
            )
            .expect("well formed");
        found
    }

    #[test]
    fn bytes_between_lines_are_no_hits() {
        // Line length 0x61 = 'a', metadata 'a': only the second line really holds an a.
        let entries = vec![
            (0x31, vec![b'x'; 0x61], vec![(0x61, 0x61)]),
            (0x61, b"xax".to_vec(), vec![]),
            (0x61, b"".to_vec(), vec![(0x61, 1)]),
        ];
        assert_eq!(hits(&block_of(&entries, true), true, b"a"), [(0x61, b"xax".to_vec())]);
    }

    #[test]
    fn a_hit_in_the_head_does_not_hide_one_in_the_line() {
        let entries = vec![(0, [&[b'x'; 0x60][..], b"a"].concat(), vec![])];
        assert_eq!(hits(&block_of(&entries, false), false, b"a").len(), 1);
    }

    #[test]
    fn a_hit_across_the_end_of_a_line_is_asked_again() {
        // `ab` + next entry's timestamp byte: zig-zag of 0x31 is 0x62, 'b'.
        let entries = vec![(0, b"cba".to_vec(), vec![]), (0x31, b"ab".to_vec(), vec![])];
        assert_eq!(hits(&block_of(&entries, false), false, b"ab"), [(0x31, b"ab".to_vec())]);
    }

    #[test]
    fn break_stops_and_an_empty_needle_finds_every_line() {
        let entries: Vec<_> = (0..9).map(|ts| (ts, vec![], vec![])).collect();
        let bytes = block_of(&entries, true);
        assert_eq!(hits(&bytes, true, b"").len(), 9);
        let mut seen = 0;
        let visit = |_: RawEntry<'_>| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Block::new(&bytes, true).search(|_, from| Some((from, from)), visit).expect("well formed");
        assert_eq!(seen, 3);
    }

    #[test]
    fn greedy_hits_over_many_lines_do_not_cost_the_square() {
        let entries: Vec<_> = (0..5000).map(|ts| (ts, b"a------------------b".to_vec(), vec![])).collect();
        let bytes = block_of(&entries, false);
        let mut searched = 0usize;
        let mut seen = 0;
        // As `a.*b` over bytes: from the first a to the last b.
        let finder = |hay: &[u8], from: usize| {
            searched += hay.len() - from;
            let start = from + memchr::memchr(b'a', &hay[from..])?;
            let end = start + memchr::memrchr(b'b', &hay[start..])? + 1;
            Some((start, end))
        };
        let visit = |_: RawEntry<'_>| {
            seen += 1;
            ControlFlow::Continue(())
        };
        Block::new(&bytes, false).search(finder, visit).expect("well formed");
        assert_eq!(seen, 5000);
        assert!(searched < 6 * bytes.len(), "{searched}");
    }

    #[test]
    fn a_malformed_entry_before_the_hit_is_an_error() {
        let mut bytes = block_of(&[(0, b"x".to_vec(), vec![])], false);
        bytes.extend_from_slice(b"\x00\x7fneedle");
        let finder = memmem::Finder::new("needle");
        let found = Block::new(&bytes, false).search(
            |hay, from| finder.find(&hay[from..]).map(|at| (from + at, from + at + 6)),
            |_| ControlFlow::Continue(()),
        );
        assert_eq!(found.expect_err("malformed").to_string(), "block entry at byte 5: line ends after the block");
    }

    proptest! {
        #[test]
        fn equals_line_by_line(
            entries in proptest::collection::vec(
                (0i64..200, proptest::collection::vec(0u8..6, 0..12), proptest::collection::vec((0u32..6, 0u32..6), 0..3)),
                0..30,
            ),
            needle in proptest::collection::vec(0u8..6, 0..4),
            has_metadata: bool,
        ) {
            let bytes = block_of(&entries, has_metadata);
            let want: Vec<_> = entries
                .iter()
                .filter(|(_, line, _)| memmem::find(line, &needle).is_some())
                .map(|(ts, line, _)| (*ts, line.clone()))
                .collect();
            prop_assert_eq!(hits(&bytes, has_metadata, &needle), want);
        }
    }
}
