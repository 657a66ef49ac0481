//! A chunk in memory, being filled and read at the same time.
//!
//! ```text
//! append -> head (raw block bytes) -> cut: compressed blocks -> close: memchunk bytes
//! ```
//!
//! An entry goes into the head. When the head's counter (line bytes, plus 8 for each metadata pair) reaches the block
//! size, the head is compressed into a block. [`MemChunk::close`] puts blocks in time order without overlap, rebuilding
//! them only when entries came so late that blocks overlap. Readers take a [`snapshot`](MemChunk::snapshot): compressed
//! blocks are shared, the head is copied, and no lock need be held while scanning it.
//!
//! Rules are upstream's (head kinds "unordered") but for what loses data there; see `docs/formats/chunk.md`.

mod head;
mod image;
mod intern;
mod layout;
mod restore;
mod sort;

use bytes::Bytes;
use loptr_model::{Nanos, TimeRange};

use crate::block::{Block, MAX_LINE_BYTES};
use crate::codec::{DEFAULT_ZSTD_LEVEL, compress};
use crate::encoding::{Encoding, Format};
use crate::error::ChunkError;
use crate::reader::{BlockMeta, Chunk};

use head::{Head, RawBlock};
use intern::Interner;
pub use restore::Checkpointed;

/// Upstream's default `chunk_block_size`, in bytes.
pub const DEFAULT_BLOCK_BYTES: usize = 262_144;
/// Upstream's default `chunk_target_size`, in bytes.
pub const DEFAULT_TARGET_BYTES: usize = 1_572_864;
/// Without a target size, the number of blocks that fills a chunk.
const BLOCKS_PER_CHUNK: usize = 10;
/// A head this many times the block size in raw bytes is cut whatever its counter says: empty lines do not count.
const RAW_BLOCK_FACTOR: usize = 16;
/// Raw bytes at which a head is cut whatever the block size, so that with the longest entry it stays below 4 GiB.
const MAX_RAW_BLOCK_BYTES: usize = 1 << 30;

/// How chunks are written. One for all streams of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkOptions {
    format: Format,
    encoding: Encoding,
    zstd_level: i32,
    defer: bool,
    block_bytes: usize,
    target_bytes: usize,
}

impl ChunkOptions {
    /// Upstream's default sizes. Formats 1 and 2 are read only.
    pub fn new(format: Format, encoding: Encoding) -> Result<Self, ChunkError> {
        if format < Format::V3 {
            return Err(ChunkError::ReadOnlyFormat(format.byte()));
        }
        Ok(Self {
            format,
            encoding,
            zstd_level: DEFAULT_ZSTD_LEVEL,
            defer: false,
            block_bytes: DEFAULT_BLOCK_BYTES,
            target_bytes: DEFAULT_TARGET_BYTES,
        })
    }

    /// Counter at which a head is cut into a block.
    pub fn block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes, ..self }
    }

    /// Size at which a chunk has no more space; 0 means after ten blocks.
    pub fn target_bytes(self, target_bytes: usize) -> Self {
        Self { target_bytes, ..self }
    }

    /// Level of [`Encoding::Zstd`]; other codecs have none.
    pub fn zstd_level(self, zstd_level: i32) -> Self {
        Self { zstd_level, ..self }
    }

    /// Cut blocks stay uncompressed until the owner has them compressed elsewhere: see [`MemChunk::pending`].
    pub fn defer_compression(self, defer: bool) -> Self {
        Self { defer, ..self }
    }

    /// Whether the head is to be cut.
    fn is_full(&self, head: &Head) -> bool {
        let raw_limit = self.block_bytes.saturating_mul(RAW_BLOCK_FACTOR).min(MAX_RAW_BLOCK_BYTES);
        head.counter() >= self.block_bytes as u64 || head.raw_bytes() >= raw_limit
    }

    /// The layout written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The codec written.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }
}

/// A chunk being filled.
#[derive(Clone, Debug)]
pub struct MemChunk {
    options: ChunkOptions,
    blocks: Vec<CutBlock>,
    /// Sum of the blocks' bodies, in bytes.
    cut_bytes: u64,
    head: Head,
    symbols: Interner,
    /// Pairs of the last entry: the next one's are often the same.
    pairs: Vec<(u32, u32)>,
}

/// A block cut from the head. Not yet compressed when `encoding` is not the chunk's.
#[derive(Clone, Debug)]
struct CutBlock {
    body: Bytes,
    encoding: Encoding,
    /// Of `body`, once compressed.
    crc: u32,
    entries: u64,
    counter: u64,
    min: Nanos,
    max: Nanos,
}

/// A closed chunk: the bytes that go into an envelope, and what the index wants to know of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The memchunk.
    pub bytes: Bytes,
    /// Earliest and latest entry; none in a chunk without entries.
    pub bounds: Option<(Nanos, Nanos)>,
    /// Entries in all blocks.
    pub entries: u64,
    /// Line bytes, 8 for each metadata pair, and symbol bytes: the index's `kb` comes from this.
    pub uncompressed_size: u64,
}

/// A cut block that waits for its compression; cheap to take out from under a lock.
#[derive(Debug)]
pub struct PendingBlock {
    index: usize,
    raw: Bytes,
    encoding: Encoding,
    zstd_level: i32,
}

/// What became of a [`PendingBlock`].
#[derive(Debug)]
pub struct CompressedBlock {
    index: usize,
    raw: Bytes,
    body: Bytes,
}

impl PendingBlock {
    /// Compresses. CPU work: about half a millisecond for a block of the default size.
    pub fn compress(self) -> Result<CompressedBlock, ChunkError> {
        let body = compressed(self.encoding, self.zstd_level, &self.raw)?;
        Ok(CompressedBlock { index: self.index, raw: self.raw, body })
    }
}

fn compressed(encoding: Encoding, zstd_level: i32, raw: &[u8]) -> Result<Bytes, ChunkError> {
    let mut body = Vec::new();
    compress(encoding, zstd_level, raw, &mut body)?;
    body.shrink_to_fit();
    Ok(body.into())
}

impl CutBlock {
    /// A codec that fails leaves the block uncompressed: closing tries again, and no entry is lost.
    fn new(options: &ChunkOptions, raw: RawBlock) -> Self {
        let RawBlock { mut bytes, entries, counter, min, max } = raw;
        let packed = if options.defer { None } else { compressed(options.encoding, options.zstd_level, &bytes).ok() };
        let (body, encoding) = match packed {
            Some(body) => (body, options.encoding),
            None => {
                bytes.shrink_to_fit();
                (bytes.into(), Encoding::None)
            }
        };
        Self { crc: crc32c::crc32c(&body), body, encoding, entries, counter, min, max }
    }

    fn finish(&mut self, options: &ChunkOptions) -> Result<(), ChunkError> {
        if self.encoding != options.encoding {
            self.set_body(compressed(options.encoding, options.zstd_level, &self.body)?, options.encoding);
        }
        Ok(())
    }

    fn set_body(&mut self, body: Bytes, encoding: Encoding) {
        self.crc = crc32c::crc32c(&body);
        (self.body, self.encoding) = (body, encoding);
    }

    fn meta(&self, offset: u64) -> BlockMeta {
        BlockMeta {
            entries: self.entries,
            min_ts: self.min,
            max_ts: self.max,
            offset,
            len: self.body.len() as u64,
            uncompressed: self.counter,
        }
    }
}

impl MemChunk {
    /// An empty chunk. Allocates nothing.
    pub fn new(options: ChunkOptions) -> Self {
        Self {
            options,
            blocks: Vec::new(),
            cut_bytes: 0,
            head: Head::new(options.format.has_metadata()),
            symbols: Interner::default(),
            pairs: Vec::new(),
        }
    }

    /// The options it was made with.
    pub fn options(&self) -> &ChunkOptions {
        &self.options
    }

    /// Whether the chunk has room for an entry; if not, the entry opens a new chunk.
    pub fn space_for(&self, line: &[u8], metadata: &[(&str, &str)]) -> bool {
        if self.options.target_bytes == 0 {
            return self.blocks.len() < BLOCKS_PER_CHUNK;
        }
        let pairs: usize = if self.options.format.has_metadata() { text_bytes(metadata) } else { 0 };
        let entry_bytes = (line.len() + pairs) as u64;
        self.compressed_size() + entry_bytes < self.options.target_bytes as u64
    }

    /// Adds an entry; gives whether it was a duplicate: the head already holds one with the same time, line and
    /// metadata. `metadata` is to be sorted by name. Format 3 has no place for it and leaves it out.
    ///
    /// The append that fills the head also cuts it into a block.
    pub fn append(&mut self, ts: Nanos, line: &[u8], metadata: &[(&str, &str)]) -> Result<bool, ChunkError> {
        let metadata = if self.options.format.has_metadata() { metadata } else { &[] };
        // Twice ten bytes of symbol numbers a pair at most, and a few for the section.
        let entry_bytes = line.len().saturating_add(metadata.len().saturating_mul(20));
        if entry_bytes > MAX_LINE_BYTES {
            return Err(ChunkError::LineTooLong { len: entry_bytes, limit: MAX_LINE_BYTES });
        }
        if metadata.is_sorted_by_key(|pair| pair.0) {
            self.intern(metadata)?;
        } else {
            let mut sorted = metadata.to_vec();
            sorted.sort_by_key(|pair| pair.0);
            self.intern(&sorted)?;
        }
        let duplicate = self.head.append(ts, line, &self.pairs);
        if self.options.is_full(&self.head) {
            self.cut();
        }
        Ok(duplicate)
    }

    /// Sets `pairs` to the symbols of `metadata`: of each pair first the name, then the value.
    fn intern(&mut self, metadata: &[(&str, &str)]) -> Result<(), ChunkError> {
        if text_bytes(metadata) > intern::MAX_TEXT_BYTES - self.symbols.text_bytes() {
            return Err(ChunkError::SymbolsFull { limit: intern::MAX_TEXT_BYTES });
        }
        self.pairs.truncate(metadata.len());
        for (at, &(name, value)) in metadata.iter().enumerate() {
            let guess = self.pairs.get(at).copied();
            let name = self.symbols.intern(name, guess.map(|pair| pair.0));
            let value = self.symbols.intern(value, guess.map(|pair| pair.1));
            match self.pairs.get_mut(at) {
                Some(pair) => *pair = (name, value),
                None => self.pairs.push((name, value)),
            }
        }
        Ok(())
    }

    /// Makes a block of the head, however small. Nothing if it is empty.
    pub fn cut(&mut self) {
        if !self.head.is_empty() {
            let block = CutBlock::new(&self.options, self.head.take_raw());
            self.cut_bytes += block.body.len() as u64;
            self.blocks.push(block);
        }
    }

    /// Blocks that wait for compression, with [`ChunkOptions::defer_compression`]. Hand each to another thread and its
    /// result to [`install`](Self::install).
    pub fn pending(&self) -> impl Iterator<Item = PendingBlock> {
        let ChunkOptions { encoding, zstd_level, .. } = self.options;
        let waiting = self.blocks.iter().enumerate().filter(move |(_, block)| block.encoding != encoding);
        waiting.map(move |(index, block)| PendingBlock { index, raw: block.body.clone(), encoding, zstd_level })
    }

    /// Puts a compressed block in the place of the raw one. Gives false, and changes nothing, when that block is not
    /// waiting any more or is another chunk's.
    pub fn install(&mut self, done: CompressedBlock) -> bool {
        let encoding = self.options.encoding;
        match self.blocks.get_mut(done.index) {
            Some(block) if block.encoding != encoding && block.body.as_ptr() == done.raw.as_ptr() => {
                self.cut_bytes = self.cut_bytes - block.body.len() as u64 + done.body.len() as u64;
                block.set_body(done.body, encoding);
                true
            }
            _ => false,
        }
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.head.is_empty()
    }

    /// Entries in blocks and head.
    pub fn entries(&self) -> u64 {
        self.blocks.iter().map(|block| block.entries).sum::<u64>() + self.head.entries()
    }

    /// Number of cut blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Earliest and latest entry.
    pub fn bounds(&self) -> Option<(Nanos, Nanos)> {
        let blocks = self.blocks.iter().map(|block| (block.min, block.max));
        blocks.chain(self.head.bounds()).reduce(|(min, max), (a, b)| (min.min(a), max.max(b)))
    }

    /// Bytes of compressed blocks, the head's counter, and symbol bytes.
    pub fn compressed_size(&self) -> u64 {
        self.cut_bytes + self.head.counter() + self.symbol_bytes()
    }

    /// Line bytes, 8 for each metadata pair, and symbol bytes.
    pub fn uncompressed_size(&self) -> u64 {
        let blocks: u64 = self.blocks.iter().map(|block| block.counter).sum();
        blocks + self.head.counter() + self.symbol_bytes()
    }

    fn symbol_bytes(&self) -> u64 {
        self.symbols.text_bytes() as u64
    }

    /// How full the chunk is: 1 is full. Can exceed it.
    pub fn utilization(&self) -> f64 {
        let full = BLOCKS_PER_CHUNK as f64 * self.options.block_bytes as f64;
        match self.options.target_bytes {
            0 if full == 0.0 => 1.0,
            0 => self.uncompressed_size() as f64 / full,
            target => self.compressed_size() as f64 / target as f64,
        }
    }

    /// Bytes of memory it holds, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.cut_bytes as usize
            + self.blocks.capacity() * size_of::<CutBlock>()
            + self.pairs.capacity() * size_of::<(u32, u32)>()
            + self.head.heap_bytes()
            + self.symbols.heap_bytes()
    }

    /// The blocks and the head that may hold entries in `range`, to be read while the chunk goes on being filled.
    /// Compressed blocks are shared; the head comes last, as a block of its own, sorted by time.
    pub fn snapshot(&self, range: TimeRange) -> Chunk {
        let mut metas = Vec::with_capacity(self.blocks.len() + 1);
        let mut bodies = Vec::with_capacity(self.blocks.len() + 1);
        let mut offset = 0;
        for block in self.blocks.iter().filter(|block| range.overlaps_closed(block.min, block.max)) {
            metas.push(block.meta(offset));
            bodies.push((block.body.clone(), block.encoding));
            offset += block.body.len() as u64;
        }
        if self.head.bounds().is_some_and(|(min, max)| range.overlaps_closed(min, max)) {
            let RawBlock { bytes, entries, counter: uncompressed, min, max } = self.head.to_raw();
            let len = bytes.len() as u64;
            metas.push(BlockMeta { entries, min_ts: min, max_ts: max, offset, len, uncompressed });
            bodies.push((bytes.into(), Encoding::None));
        }
        let symbols = if metas.is_empty() { Default::default() } else { self.symbols.to_symbols() };
        Chunk::in_memory(self.options.format, self.options.encoding, metas, bodies, symbols)
    }

    /// The finished memchunk: blocks compressed, in time order and without overlap.
    pub fn close(mut self) -> Result<Sealed, ChunkError> {
        self.cut();
        let overlap = self.blocks.windows(2).any(|pair| pair[1].min < pair[0].max);
        if overlap {
            self.blocks = self.rebuilt()?;
        }
        self.blocks.iter_mut().try_for_each(|block| block.finish(&self.options))?;
        Ok(Sealed {
            bytes: layout::write(&self.options, &self.blocks, &self.symbols)?.into(),
            bounds: self.bounds(),
            entries: self.entries(),
            uncompressed_size: self.uncompressed_size(),
        })
    }

    /// As [`close`](Self::close), and the chunk goes on being filled.
    pub fn encode(&self) -> Result<Sealed, ChunkError> {
        self.clone().close()
    }

    /// All blocks' entries in time order, in new blocks. As upstream, entries go through a head again: equal ones that
    /// were in different blocks and meet in one now are duplicates.
    fn rebuilt(&self) -> Result<Vec<CutBlock>, ChunkError> {
        let snapshot = self.snapshot_all();
        let mut buf = Vec::new();
        let mut raw = Vec::new();
        for index in 0..self.blocks.len() {
            raw.extend_from_slice(snapshot.decode_block(index, &mut buf)?.bytes());
        }
        let has_metadata = self.options.format.has_metadata();
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let mut head = Head::new(has_metadata);
        for entry in sort::sorted(Block::new(&raw, has_metadata))? {
            head.append_bytes(Nanos(entry.ts), &raw[entry.start..entry.end], entry.counter);
            if self.options.is_full(&head) {
                blocks.push(CutBlock::new(&self.options, head.take_raw()));
            }
        }
        if !head.is_empty() {
            blocks.push(CutBlock::new(&self.options, head.take_raw()));
        }
        Ok(blocks)
    }

    /// Every block as it is, and the symbols, without regard to time.
    fn snapshot_all(&self) -> Chunk {
        let metas = self.blocks.iter().map(|block| block.meta(0)).collect();
        let bodies = self.blocks.iter().map(|block| (block.body.clone(), block.encoding)).collect();
        // A head is cut below half of this; blocks that were restored may hold anything.
        Chunk::in_memory(self.options.format, self.options.encoding, metas, bodies, Default::default())
            .with_limit(2 * MAX_RAW_BLOCK_BYTES)
    }
}

fn text_bytes(metadata: &[(&str, &str)]) -> usize {
    metadata.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests;
