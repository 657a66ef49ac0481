//! An open index file.

use bytes::Bytes;
use loptr_model::{Millis, TenantId};

use crate::cursor::{Cursor, check, section};
use crate::error::IndexError;
use crate::postings::{NameEntry, Postings, PostingsTable};
use crate::predicate::Shard;
use crate::series::SeriesReader;
use crate::symbols::Symbols;
use crate::toc::{MAGIC, Toc, Version};
use crate::view::IndexView;

/// Series are padded to this many bytes, and series references count in it.
pub(crate) const SERIES_ALIGN: u64 = 16;

/// An index file whose ends, symbols, postings table and fingerprint offsets were checked. Series and postings lists
/// are checked when read. Cheap to share behind an `Arc`; all queries go through an [`IndexView`].
///
/// Beside the bytes it holds a copy of the symbols (with 4 bytes each) and 12 bytes per label value.
#[derive(Debug)]
pub struct IndexFile {
    bytes: Bytes,
    version: Version,
    toc: Toc,
    toc_checksum: u32,
    symbols: Symbols,
    postings: PostingsTable,
    /// Reference and fingerprint of every 1024th series.
    fingerprints: Vec<(u32, u64)>,
}

impl IndexFile {
    /// Checks `bytes` as far as it can without reading all series and postings lists.
    pub fn open(bytes: Bytes) -> Result<Self, IndexError> {
        // A short file with the right beginning is truncated, any other is no index at all.
        let mut header = Cursor::new(&bytes, 0, "header");
        let magic = header.be32()?;
        if magic != MAGIC {
            return Err(IndexError::Magic { found: magic });
        }
        let version = Version::from_byte(header.take(1)?.first().copied().unwrap_or_default())?;
        let (toc, toc_checksum) = Toc::read(&bytes)?;
        let (symbols, raw) = Symbols::read(&bytes, toc.symbols)?;
        let postings = PostingsTable::read(&bytes, toc.postings_table, &raw)?;
        let fingerprints = read_fingerprints(&bytes, toc.fingerprint_offsets)?;
        drop(raw);
        let file = Self { version, toc, toc_checksum, symbols, postings, fingerprints, bytes };
        file.check_version()?;
        Ok(file)
    }

    /// No checksum covers the version byte, but the chunk list of the first series makes sense in one version only.
    fn check_version(&self) -> Result<(), IndexError> {
        let first = Postings::read(&self.bytes, self.postings.all())?.first();
        if let Some(first) = first {
            SeriesReader::new(self, None).read(first)?.all_chunks()?.try_for_each(|chunk| chunk.map(|_| ()))?;
        }
        Ok(())
    }

    /// The layout of the file.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Least chunk min and greatest chunk max, both in. A query outside need not look at the file.
    pub fn bounds(&self) -> (Millis, Millis) {
        (self.toc.bounds.from, self.toc.bounds.through)
    }

    /// Whether a chunk in the file can overlap `[from, through)`.
    pub fn overlaps(&self, from: Millis, through: Millis) -> bool {
        from <= self.toc.bounds.through && through > self.toc.bounds.from
    }

    /// CRC-32C of the table of contents: the last part of a compacted file's name. It covers offsets and bounds only,
    /// so files of different content may share it.
    pub fn toc_checksum(&self) -> u32 {
        self.toc_checksum
    }

    /// Bytes of the file.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a file has at least a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes held in memory: the file's and those of the tables made when opening it.
    pub fn mem_bytes(&self) -> usize {
        self.bytes.len()
            + self.symbols.mem_bytes()
            + self.postings.mem_bytes()
            + self.fingerprints.capacity() * size_of::<(u32, u64)>()
    }

    /// All series as they stand: the view of a single-tenant file.
    pub fn view(&self) -> IndexView<'_> {
        IndexView::all(self)
    }

    /// All series, without the tenant's label should they have one: how compaction reads a tenant's own files.
    pub(crate) fn own_view(&self) -> IndexView<'_> {
        IndexView::hiding(self)
    }

    /// What `tenant` has in a multi-tenant file, without the label that says so.
    pub fn tenant_view<'a>(&'a self, tenant: &'a TenantId) -> IndexView<'a> {
        IndexView::of_tenant(self, tenant.as_str())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    pub(crate) fn postings(&self) -> &PostingsTable {
        &self.postings
    }

    /// The entry of a label name.
    pub(crate) fn name(&self, name: &str) -> Option<&NameEntry> {
        let names = self.postings.names();
        if self.symbols.is_lossy() {
            return names.iter().find(|entry| self.symbols.known(entry.name) == name);
        }
        let at = names.binary_search_by(|entry| self.symbols.known(entry.name).cmp(name)).ok()?;
        names.get(at)
    }

    /// Where the list of `value` lies, if a series has it and all symbols are UTF-8.
    pub(crate) fn value_offset(&self, name: &NameEntry, value: &str) -> Option<u64> {
        let at = self.postings.values(name).binary_search_by(|id| self.symbols.known(*id).cmp(value)).ok()?;
        self.postings.offsets(name).get(at).copied()
    }

    /// The most series the file has room for.
    pub(crate) fn series_limit(&self) -> usize {
        ((self.toc.label_indices - self.toc.series) / SERIES_ALIGN + 1) as usize
    }

    /// References between which all series of `shard` lie; others may lie there too.
    pub(crate) fn shard_refs(&self, shard: &Shard) -> (u32, u32) {
        // A fingerprint may occur in several series, so those before the first sample inside may belong, too.
        let before = self.fingerprints.partition_point(|(_, fp)| *fp < shard.first.0);
        let first = before.checked_sub(1).and_then(|at| self.fingerprints.get(at)).map_or(0, |(at, _)| *at);
        let after = self.fingerprints.partition_point(|(_, fp)| *fp <= shard.last.0);
        let last = self.fingerprints.get(after).map_or(u32::MAX, |(at, _)| *at);
        (first, last)
    }

    /// The body of the series with reference `at`: `len uv ‖ body ‖ crc`, checksum verified.
    pub(crate) fn series_body(&self, at: u32) -> Result<Cursor<'_>, IndexError> {
        const WHAT: &str = "series";
        let offset = u64::from(at) * SERIES_ALIGN;
        if offset < self.toc.series || offset >= self.toc.label_indices {
            return Err(IndexError::Invalid { what: WHAT, at: offset, why: "its reference is outside the series" });
        }
        let region = self.bytes.get(offset as usize..self.toc.label_indices as usize).unwrap_or_default();
        let mut cursor = Cursor::new(region, offset, WHAT);
        let len = usize::try_from(cursor.uv()?).unwrap_or(usize::MAX);
        let body_at = cursor.at();
        let body = cursor.take(len)?;
        check(body, cursor.be32()?, offset, WHAT)?;
        Ok(Cursor::new(body, body_at, WHAT))
    }
}

fn read_fingerprints(file: &[u8], at: u64) -> Result<Vec<(u32, u64)>, IndexError> {
    let mut cursor = section(file, at, "fingerprint offsets")?;
    let count = cursor.be32()? as usize;
    if count > cursor.len() / 16 {
        return Err(cursor.invalid("more entries than its bytes can hold"));
    }
    let mut pairs: Vec<(u32, u64)> = Vec::with_capacity(count);
    for _ in 0..count {
        let before = cursor;
        let at = u32::try_from(cursor.be64()?).map_err(|_| before.invalid("a series reference exceeds 32 bits"))?;
        let pair = (at, cursor.be64()?);
        if pairs.last().is_some_and(|last| last.0 >= pair.0 || last.1 > pair.1) {
            return Err(before.invalid("entries do not ascend"));
        }
        pairs.push(pair);
    }
    Ok(pairs)
}
