//! Gathers series and writes an index file, byte for byte as upstream does.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use foldhash::fast::RandomState;
use loptr_model::{Fingerprint, METRIC_NAME, TenantId};

use crate::chunks::{ChunkMeta, sort_and_dedup};
use crate::error::IndexError;
use crate::file::IndexFile;
use crate::predicate::Predicate;
use crate::series::Series;
use crate::toc::Version;
use crate::view::{IndexView, TENANT_LABEL};
use crate::write;

/// Series for one index file, in any order and in pieces.
///
/// A series is its fingerprint and its labels. The same series added again adds its chunks; chunks with equal (min,
/// max, checksum) are one, and the one added first stays. The same labels under two fingerprints (two ingesters that
/// resolved a hash collision differently) are two series: each keeps the fingerprint its chunk keys are made of.
/// Label `__name__` is dropped.
#[derive(Debug)]
pub struct IndexBuilder {
    version: Version,
    strings: Interner,
    series: Vec<PendingSeries>,
    /// First series with a fingerprint; [`PendingSeries::next`] leads to the others.
    by_fingerprint: HashMap<u64, u32, RandomState>,
    /// Reused when a series is looked up.
    pairs: Vec<(u32, u32)>,
}

/// A series being gathered. Ids of names and values are in order of first use, pairs sorted by name text.
#[derive(Debug)]
pub(crate) struct PendingSeries {
    pub(crate) fingerprint: u64,
    pub(crate) pairs: Box<[(u32, u32)]>,
    pub(crate) chunks: Vec<ChunkMeta>,
    next: Option<u32>,
}

impl IndexBuilder {
    /// For a file of this version.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            strings: Interner::default(),
            series: Vec::new(),
            by_fingerprint: HashMap::default(),
            pairs: Vec::new(),
        }
    }

    /// Adds chunks to the series with these labels. Labels may come in any order; of a repeated name the last stays.
    pub fn add_series<'l>(
        &mut self,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        fingerprint: Fingerprint,
        chunks: impl IntoIterator<Item = ChunkMeta>,
    ) {
        self.pairs.clear();
        for (name, value) in labels {
            if name != METRIC_NAME {
                let pair = (self.strings.intern(name), self.strings.intern(value));
                match self.pairs.iter_mut().find(|found| found.0 == pair.0) {
                    Some(found) => *found = pair,
                    None => self.pairs.push(pair),
                }
            }
        }
        let strings = &self.strings;
        self.pairs.sort_by(|a, b| strings.get(a.0).cmp(strings.get(b.0)));
        self.add_pairs(fingerprint, chunks);
    }

    /// Adds chunks to a tenant's series in a multi-tenant file: the tenant becomes a label, `fingerprint` stays that
    /// of the stream without it.
    pub fn add_tenant_series<'l>(
        &mut self,
        tenant: &'l TenantId,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        fingerprint: Fingerprint,
        chunks: impl IntoIterator<Item = ChunkMeta>,
    ) {
        let labels = labels.into_iter().chain([(TENANT_LABEL, tenant.as_str())]);
        self.add_series(labels, fingerprint, chunks);
    }

    /// Adds all series that `view` shows and `predicates` accept.
    pub fn add_view(&mut self, view: &IndexView<'_>, predicates: &[Predicate<'_>]) -> Result<(), IndexError> {
        // Ids here of the file's symbols, so that each string is looked up once.
        let mut ids = SymbolMap::new(view.file());
        view.select(predicates, None, |series| {
            self.add_from_file(&mut ids, &series)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    fn add_from_file(&mut self, ids: &mut SymbolMap<'_>, series: &Series<'_>) -> Result<(), IndexError> {
        let chunks = series.all_chunks()?.collect::<Result<Vec<_>, _>>()?;
        if ids.file.symbols().is_lossy() {
            self.add_series(series.labels(), series.fingerprint(), chunks);
            return Ok(());
        }
        self.pairs.clear();
        for (name, value) in series.pairs() {
            if ids.file.symbols().known(name) != METRIC_NAME {
                let pair = (ids.id(name, &mut self.strings), ids.id(value, &mut self.strings));
                self.pairs.push(pair);
            }
        }
        self.add_pairs(series.fingerprint(), chunks);
        Ok(())
    }

    /// Adds chunks to the series with the labels in `self.pairs`, sorted by name.
    fn add_pairs(&mut self, fingerprint: Fingerprint, chunks: impl IntoIterator<Item = ChunkMeta>) {
        let first = self.by_fingerprint.get(&fingerprint.0).copied();
        let mut at = first;
        while let Some(series) = at.and_then(|at| self.series.get_mut(at as usize)) {
            if *series.pairs == *self.pairs {
                series.chunks.extend(chunks);
                return;
            }
            at = series.next;
        }
        let chunks = chunks.into_iter().collect();
        let pairs = self.pairs.as_slice().into();
        self.by_fingerprint.insert(fingerprint.0, self.series.len() as u32);
        self.series.push(PendingSeries { fingerprint: fingerprint.0, pairs, chunks, next: first });
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Keeps only the chunks for which `keep` says so, then only the series that have chunks. For retention and
    /// deletes; labels come sorted by name, chunks by (min, max, checksum) and without doubles.
    pub fn retain(&mut self, mut keep: impl FnMut(&SeriesLabels<'_>, Fingerprint, &ChunkMeta) -> bool) {
        for series in &mut self.series {
            sort_and_dedup(&mut series.chunks);
            let labels = SeriesLabels { strings: &self.strings, pairs: &series.pairs };
            series.chunks.retain(|chunk| keep(&labels, Fingerprint(series.fingerprint), chunk));
        }
        let all = std::mem::take(&mut self.series);
        self.by_fingerprint.clear();
        for mut series in all.into_iter().filter(|series| !series.chunks.is_empty()) {
            series.next = self.by_fingerprint.insert(series.fingerprint, self.series.len() as u32);
            self.series.push(series);
        }
    }

    /// Calls `visit` with each series and its chunks, which are sorted and without doubles.
    pub fn each(&mut self, mut visit: impl FnMut(&SeriesLabels<'_>, Fingerprint, &[ChunkMeta])) {
        for series in &mut self.series {
            sort_and_dedup(&mut series.chunks);
            let labels = SeriesLabels { strings: &self.strings, pairs: &series.pairs };
            visit(&labels, Fingerprint(series.fingerprint), &series.chunks);
        }
    }

    /// The bytes of the file. A series without chunks is written, too.
    pub fn build(mut self) -> Result<Vec<u8>, IndexError> {
        for series in &mut self.series {
            sort_and_dedup(&mut series.chunks);
        }
        write::file(self.version, &self.strings.list, self.series)
    }
}

/// Labels of a series inside a builder.
#[derive(Clone, Copy, Debug)]
pub struct SeriesLabels<'a> {
    strings: &'a Interner,
    pairs: &'a [(u32, u32)],
}

impl<'a> SeriesLabels<'a> {
    /// Names and values, names ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        let strings = self.strings;
        self.pairs.iter().map(move |(name, value)| (strings.get(*name), strings.get(*value)))
    }

    /// The value of label `name`.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// Strings by number, each once.
#[derive(Debug, Default)]
struct Interner {
    ids: HashMap<Arc<str>, u32, RandomState>,
    list: Vec<Arc<str>>,
}

impl Interner {
    fn intern(&mut self, text: &str) -> u32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let (id, text) = (self.list.len() as u32, Arc::<str>::from(text));
        self.list.push(Arc::clone(&text));
        self.ids.insert(text, id);
        id
    }

    fn get(&self, id: u32) -> &str {
        self.list.get(id as usize).map_or("", |text| text)
    }
}

/// Ids of a builder for the symbols of a file, found when first met.
struct SymbolMap<'f> {
    file: &'f IndexFile,
    ids: Vec<Option<u32>>,
}

impl<'f> SymbolMap<'f> {
    fn new(file: &'f IndexFile) -> Self {
        Self { file, ids: vec![None; file.symbols().len()] }
    }

    fn id(&mut self, symbol: u32, strings: &mut Interner) -> u32 {
        let known = self.file.symbols().known(symbol);
        match self.ids.get_mut(symbol as usize) {
            Some(id) => *id.get_or_insert_with(|| strings.intern(known)),
            None => strings.intern(known),
        }
    }
}
