//! Queries on one index file, with or without a tenant to look for.

use std::ops::ControlFlow;

use loptr_model::Millis;

use crate::chunks::ChunkStats;
use crate::error::IndexError;
use crate::file::IndexFile;
use crate::predicate::{Predicate, Shard, Test};
use crate::select;
use crate::series::{Series, SeriesReader, value_of};

/// The label that says, in a multi-tenant file, whose a series is. Not part of the fingerprint.
pub const TENANT_LABEL: &str = "__loki_tenant__";

/// What one asks of an index file. Predicates are ANDed; none of them means all series. Strings borrow from the file.
#[derive(Clone, Copy, Debug)]
pub struct IndexView<'a> {
    file: &'a IndexFile,
    tenant: Option<&'a str>,
    /// Symbol of the label name that is not shown.
    hidden: Option<u32>,
}

/// Sums over the series that a query selects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Series with at least one log line in the range.
    pub streams: u64,
    /// Sums over their chunks.
    pub sums: ChunkStats,
}

impl<'a> IndexView<'a> {
    pub(crate) fn all(file: &'a IndexFile) -> Self {
        Self { file, tenant: None, hidden: None }
    }

    pub(crate) fn hiding(file: &'a IndexFile) -> Self {
        Self { hidden: file.name(TENANT_LABEL).map(|entry| entry.name), ..Self::all(file) }
    }

    pub(crate) fn of_tenant(file: &'a IndexFile, tenant: &'a str) -> Self {
        Self { tenant: Some(tenant), ..Self::hiding(file) }
    }

    /// The file behind the view.
    pub fn file(&self) -> &'a IndexFile {
        self.file
    }

    /// Calls `visit` with each series that `predicates` and `shard` accept, by (fingerprint, labels), until the end,
    /// `Break`, or an error.
    pub fn select(
        &self,
        predicates: &[Predicate<'_>],
        shard: Option<Shard>,
        mut visit: impl FnMut(Series<'_>) -> Result<ControlFlow<()>, IndexError>,
    ) -> Result<(), IndexError> {
        let tenant = self.tenant.as_slice();
        let mut wanted: Vec<Predicate<'_>> = Vec::with_capacity(predicates.len() + 1);
        if self.tenant.is_some() {
            wanted.push(Predicate { name: TENANT_LABEL, test: Test::OneOf(tenant) });
        }
        wanted.extend_from_slice(predicates);
        let plan = select::plan(self.file, &wanted, shard.as_ref())?;
        let mut reader = SeriesReader::new(self.file, self.hidden);
        for at in plan.candidates {
            let series = reader.read(at)?;
            if shard.is_some_and(|shard| !shard.contains(series.fingerprint())) {
                continue;
            }
            let accepted = plan.residual.iter().all(|(name, predicate)| {
                let value = value_of(&series, *name).map_or("", |value| self.file.symbols().known(value));
                predicate.accepts(value)
            });
            if accepted && visit(series)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Sums over the series that `predicates` and `shard` accept and their chunks in `[from, through)`. Series without
    /// a log line there are not counted.
    pub fn stats(
        &self,
        predicates: &[Predicate<'_>],
        shard: Option<Shard>,
        from: Millis,
        through: Millis,
    ) -> Result<IndexStats, IndexError> {
        let mut stats = IndexStats::default();
        self.select(predicates, shard, |series| {
            let sums = series.stats(from, through)?;
            if sums.entries > 0 {
                stats.streams += 1;
                stats.sums.merge(&sums);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(stats)
    }

    /// Names of the labels that the selected series have, ascending.
    pub fn label_names(&self, predicates: &[Predicate<'_>]) -> Result<Vec<&'a str>, IndexError> {
        if self.hidden.is_none() && self.tenant.is_none() && predicates.is_empty() {
            let names = self.file.postings().names();
            return Ok(names.iter().map(|entry| self.file.symbols().known(entry.name)).collect());
        }
        let mut found = SymbolSet::default();
        self.select(predicates, None, |series| {
            series.pairs().for_each(|(name, _)| found.insert(name));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found.strings(self.file))
    }

    /// Values that the selected series have for label `name`, ascending.
    pub fn label_values(&self, name: &str, predicates: &[Predicate<'_>]) -> Result<Vec<&'a str>, IndexError> {
        let Some(entry) = self.file.name(name) else { return Ok(Vec::new()) };
        if self.hidden.is_none() && self.tenant.is_none() && predicates.is_empty() {
            let values = self.file.postings().values(entry);
            return Ok(values.iter().map(|id| self.file.symbols().known(*id)).collect());
        }
        if Some(entry.name) == self.hidden {
            return Ok(Vec::new());
        }
        let mut found = SymbolSet::default();
        let (symbol, has_label) = (entry.name, Predicate { name, test: Test::NoneOf(&[""]) });
        let mut wanted = predicates.to_vec();
        wanted.push(has_label);
        self.select(&wanted, None, |series| {
            value_of(&series, symbol).into_iter().for_each(|value| found.insert(value));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found.strings(self.file))
    }
}

/// Symbols seen, one bit each.
#[derive(Default)]
struct SymbolSet(Vec<u64>);

impl SymbolSet {
    fn insert(&mut self, symbol: u32) {
        let at = symbol as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (symbol % 64);
    }

    /// The strings, ascending as the symbols are.
    fn strings<'a>(&self, file: &'a IndexFile) -> Vec<&'a str> {
        let mut strings = Vec::new();
        for (at, &word) in self.0.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                strings.push(file.symbols().known(at as u32 * 64 + word.trailing_zeros()));
                word &= word - 1;
            }
        }
        strings
    }
}
