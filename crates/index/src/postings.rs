//! Which series have which label: the postings offset table, and lists of series references.
//!
//! ```text
//! table  len be32 ‖ n be32 ‖ n × ( keys uv (=2) ‖ name str ‖ value str ‖ offset uv ) ‖ crc
//! list   len be32 ‖ n be32 ‖ n × seriesRef be32 ‖ crc
//! ```
//!
//! The table starts with name `""`, value `""`: all series. Then names ascend, values ascend within a name. A series
//! reference is the series' offset divided by 16; lists ascend.

use std::cmp::Ordering;

use crate::cursor::section;
use crate::error::IndexError;
use crate::symbols::RawSymbols;

const TABLE: &str = "postings offset table";
const LIST: &str = "postings list";

/// The offset table in memory: for each name its values, for each value where its list lies.
#[derive(Debug, Default)]
pub(crate) struct PostingsTable {
    names: Vec<NameEntry>,
    /// Symbol of each value; the values of a name are contiguous and ascend.
    values: Vec<u32>,
    /// Where each value's list lies, parallel to `values`.
    offsets: Vec<u64>,
    all: u64,
}

/// One label name and the range of its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameEntry {
    /// Symbol of the name.
    pub(crate) name: u32,
    start: u32,
    end: u32,
}

impl PostingsTable {
    /// Reads and checks the table at byte `at`.
    pub(crate) fn read(file: &[u8], at: u64, symbols: &RawSymbols<'_>) -> Result<Self, IndexError> {
        let mut cursor = section(file, at, TABLE)?;
        let count = cursor.be32()?;
        // Keys, two empty strings and an offset take four bytes.
        if u64::from(count) * 4 > cursor.len() as u64 {
            return Err(cursor.invalid("more entries than its bytes can hold"));
        }
        let mut table = PostingsTable { all: 0, ..Self::default() };
        let mut last_name: Option<&[u8]> = None;
        for entry in 0..count {
            let before = cursor;
            if cursor.uv()? != 2 {
                return Err(before.invalid("unexpected number of keys for postings offset table"));
            }
            let (name, value, offset) = (cursor.str()?, cursor.str()?, cursor.uv()?);
            if entry == 0 {
                if !name.is_empty() || !value.is_empty() {
                    return Err(before.invalid("does not start with the list of all series"));
                }
                table.all = offset;
                continue;
            }
            let unknown = || before.invalid("a label is not in the symbol table");
            match last_name.map_or(Ordering::Greater, |last| name.cmp(last)) {
                Ordering::Less => return Err(before.invalid("label names do not ascend")),
                Ordering::Equal => {}
                Ordering::Greater => {
                    let from = table.names.last().map_or(0, |last| last.name + 1);
                    let symbol = symbols.find_from(from, name).ok_or_else(unknown)?;
                    let start = table.values.len() as u32;
                    table.names.push(NameEntry { name: symbol, start, end: start });
                    last_name = Some(name);
                }
            }
            let Some(names_values) = table.names.last_mut() else { return Err(unknown()) };
            let from =
                if names_values.start == names_values.end { 0 } else { table.values.last().map_or(0, |last| last + 1) };
            // Looking from the previous value on also refuses values that do not ascend.
            table.values.push(symbols.find_from(from, value).ok_or_else(unknown)?);
            table.offsets.push(offset);
            names_values.end += 1;
        }
        if count == 0 {
            return Err(cursor.invalid("does not start with the list of all series"));
        }
        table.values.shrink_to_fit();
        table.offsets.shrink_to_fit();
        Ok(table)
    }

    /// Where the list of all series lies.
    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    /// Names, ascending.
    pub(crate) fn names(&self) -> &[NameEntry] {
        &self.names
    }

    /// Symbols of the values of a name, ascending.
    pub(crate) fn values(&self, name: &NameEntry) -> &[u32] {
        self.values.get(name.start as usize..name.end as usize).unwrap_or_default()
    }

    /// Where the lists of the values of a name lie, parallel to [`PostingsTable::values`].
    pub(crate) fn offsets(&self, name: &NameEntry) -> &[u64] {
        self.offsets.get(name.start as usize..name.end as usize).unwrap_or_default()
    }

    /// Bytes held in memory.
    pub(crate) fn mem_bytes(&self) -> usize {
        self.names.capacity() * size_of::<NameEntry>() + self.values.capacity() * 4 + self.offsets.capacity() * 8
    }
}

/// Ascending series references: as they lie in the file, or gathered.
#[derive(Debug, Clone)]
pub(crate) enum Postings<'a> {
    /// Big-endian, straight from the file.
    Raw(&'a [[u8; 4]]),
    /// From several lists, or what is left after a merge.
    Owned(Vec<u32>),
}

impl<'a> Postings<'a> {
    /// The list at byte `at`. Its checksum is verified.
    pub(crate) fn read(file: &'a [u8], at: u64) -> Result<Self, IndexError> {
        let mut cursor = section(file, at, LIST)?;
        let count = cursor.be32()?;
        let (refs, rest) = cursor.rest().as_chunks::<4>();
        if refs.len() != count as usize || !rest.is_empty() {
            return Err(cursor.invalid("its length does not fit its count"));
        }
        Ok(Postings::Raw(refs))
    }

    /// All references in any of the lists at `offsets`, which belong to values of one name: as a series has one value
    /// of a name, there are `limit` (the most series the file can hold) at most.
    pub(crate) fn union(
        file: &'a [u8],
        offsets: impl IntoIterator<Item = u64>,
        limit: usize,
    ) -> Result<Self, IndexError> {
        let mut offsets = offsets.into_iter();
        let Some(first) = offsets.next() else { return Ok(Postings::Owned(Vec::new())) };
        let first = Postings::read(file, first)?;
        let Some(second) = offsets.next() else { return Ok(first) };
        let mut all = first.into_vec();
        for at in std::iter::once(second).chain(offsets) {
            if let Postings::Raw(refs) = Postings::read(file, at)? {
                if all.len().saturating_add(refs.len()) > limit {
                    let why = "the lists of one name have more references than there are series";
                    return Err(IndexError::Invalid { what: LIST, at, why });
                }
                all.extend(refs.iter().map(|bytes| u32::from_be_bytes(*bytes)));
            }
        }
        // The runs ascend already, which this sort makes use of.
        all.sort();
        all.dedup();
        Ok(Postings::Owned(all))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Postings::Raw(refs) => refs.len(),
            Postings::Owned(refs) => refs.len(),
        }
    }

    /// The least reference.
    pub(crate) fn first(&self) -> Option<u32> {
        self.get(0)
    }

    fn get(&self, at: usize) -> Option<u32> {
        match self {
            Postings::Raw(refs) => refs.get(at).map(|bytes| u32::from_be_bytes(*bytes)),
            Postings::Owned(refs) => refs.get(at).copied(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Postings::Raw(refs) => refs.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect(),
            Postings::Owned(refs) => refs,
        }
    }

    /// Only the references in `first..=last`.
    pub(crate) fn within(self, first: u32, last: u32) -> Self {
        match self {
            Postings::Raw(refs) => {
                let start = refs.partition_point(|bytes| u32::from_be_bytes(*bytes) < first);
                let len = refs[start..].partition_point(|bytes| u32::from_be_bytes(*bytes) <= last);
                Postings::Raw(&refs[start..start + len])
            }
            Postings::Owned(mut refs) => {
                refs.retain(|at| (first..=last).contains(at));
                Postings::Owned(refs)
            }
        }
    }

    /// Position of the first reference not below `target`, from position `from` on, in steps that double.
    fn seek(&self, from: usize, target: u32) -> usize {
        let mut step = 1;
        let mut low = from;
        while self.get(low + step - 1).is_some_and(|at| at < target) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step - 1).min(self.len()).max(low);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.get(mid).is_some_and(|at| at < target) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        low
    }

    /// Keeps in `candidates` what is in this list (`keep`), or what is not.
    pub(crate) fn filter(&self, candidates: &mut Vec<u32>, keep: bool) {
        let mut at = 0;
        candidates.retain(|&candidate| {
            at = self.seek(at, candidate);
            (self.get(at) == Some(candidate)) == keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_keeps_or_drops() {
        let all: Vec<u32> = (0..1000).map(|n| n * 3).collect();
        let some: Vec<u32> = (0..1000).filter(|n| n % 7 == 0).collect();
        let raw: Vec<[u8; 4]> = some.iter().map(|n| n.to_be_bytes()).collect();
        for list in [Postings::Raw(&raw), Postings::Owned(some.clone())] {
            let (mut both, mut rest) = (all.clone(), all.clone());
            list.filter(&mut both, true);
            list.filter(&mut rest, false);
            assert_eq!(both, (0..1000).filter(|n| n % 21 == 0).collect::<Vec<_>>());
            assert_eq!(rest.len(), all.len() - both.len());
            assert!(rest.iter().all(|n| !some.contains(n)));
            assert_eq!(list.within(7, 21).into_vec(), [7, 14, 21]);
        }
        let mut none = all.clone();
        Postings::Owned(Vec::new()).filter(&mut none, true);
        assert_eq!(none, []);
    }

    #[test]
    fn lists_out_of_order_do_not_panic() {
        let list = Postings::Owned(vec![9, 3, 7, 1, 2, 2, 8]);
        let mut candidates = vec![8, 1, 9, 2, 2];
        list.filter(&mut candidates, true);
        assert!(candidates.len() <= 5);
        let raw = [[0, 0, 0, 9], [0, 0, 0, 1]];
        assert!(Postings::Raw(&raw).within(2, 5).len() <= 2);
    }
}
