//! One series of an open index.
//!
//! ```text
//! body = fingerprint be64 ‖ nLabels uv ‖ nLabels × ( nameSymbol uv ‖ valueSymbol uv ) ‖ chunks
//! ```

use loptr_model::{Fingerprint, Labels, Millis};

use crate::chunks::{self, ChunkStats, Chunks};
use crate::cursor::Cursor;
use crate::error::IndexError;
use crate::file::IndexFile;

/// A stream in the index: labels and chunks. Borrowed; valid during one call of a visitor.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    file: &'a IndexFile,
    fingerprint: Fingerprint,
    /// Symbols of names and values, names ascending.
    pairs: &'a [(u32, u32)],
    /// Symbol of a name that is not shown.
    hidden: Option<u32>,
    chunks: Cursor<'a>,
}

impl<'a> Series<'a> {
    /// The stream's fingerprint: what chunk keys are made of. In a multi-tenant file it is not a hash of the labels
    /// there, as they have the tenant's among them.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Names and values, names ascending.
    pub fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let (file, hidden) = (self.file, self.hidden);
        self.pairs
            .iter()
            .filter(move |(name, _)| Some(*name) != hidden)
            .map(move |(name, value)| (file.symbols().known(*name), file.symbols().known(*value)))
    }

    /// The value of label `name`.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.labels().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The labels, owned.
    pub fn to_labels(&self) -> Labels {
        Labels::from_pairs(self.labels())
    }

    /// Chunks that overlap `[from, through)`, by (min, max, checksum).
    pub fn chunks(&self, from: Millis, through: Millis) -> Result<Chunks<'a>, IndexError> {
        Chunks::new(self.file.version(), self.chunks, Some((from, through)))
    }

    /// All chunks, by (min, max, checksum).
    pub fn all_chunks(&self) -> Result<Chunks<'a>, IndexError> {
        Chunks::new(self.file.version(), self.chunks, None)
    }

    /// Sums over the chunks that overlap `[from, through)`.
    pub fn stats(&self, from: Millis, through: Millis) -> Result<ChunkStats, IndexError> {
        chunks::stats(self.file.version(), self.chunks, from, through)
    }

    /// Symbols of names and values that are shown.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + use<'a> {
        let hidden = self.hidden;
        self.pairs.iter().copied().filter(move |(name, _)| Some(*name) != hidden)
    }
}

/// Reads series one after the other, reusing memory.
#[derive(Debug)]
pub(crate) struct SeriesReader<'f> {
    file: &'f IndexFile,
    hidden: Option<u32>,
    pairs: Vec<(u32, u32)>,
}

impl<'f> SeriesReader<'f> {
    /// `hidden` is the symbol of a label name to leave out.
    pub(crate) fn new(file: &'f IndexFile, hidden: Option<u32>) -> Self {
        Self { file, hidden, pairs: Vec::new() }
    }

    /// The series with reference `at`.
    pub(crate) fn read(&mut self, at: u32) -> Result<Series<'_>, IndexError> {
        let mut cursor = self.file.series_body(at)?;
        let start = cursor;
        let fingerprint = Fingerprint(cursor.be64()?);
        let count = cursor.uv()?;
        self.pairs.clear();
        for _ in 0..count {
            let before = cursor;
            let pair = (cursor.uv32()?, cursor.uv32()?);
            if pair.0.max(pair.1) as usize >= self.file.symbols().len() {
                return Err(before.invalid("a label is not in the symbol table"));
            }
            self.pairs.push(pair);
        }
        if !self.pairs.is_sorted_by(|a, b| a.0 < b.0) {
            self.pairs.sort_unstable();
            if self.pairs.windows(2).any(|two| two[0].0 == two[1].0) {
                return Err(start.invalid("a label name occurs twice"));
            }
        }
        Ok(Series { file: self.file, fingerprint, pairs: &self.pairs, hidden: self.hidden, chunks: cursor })
    }
}

/// The value that a label has among `pairs`, as a symbol.
pub(crate) fn value_of(series: &Series<'_>, name: u32) -> Option<u32> {
    let at = series.pairs.binary_search_by_key(&name, |pair| pair.0).ok()?;
    series.pairs.get(at).map(|pair| pair.1)
}
