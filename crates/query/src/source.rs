//! A chunk as a [`Source`] of entries, from the bucket or from memory alike.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use loptr_chunk::{Block, Chunk, ChunkError, RawEntry, Symbols};
use loptr_eval::Finder;
use loptr_eval::source::{BlockSpan, Direction, Scratch, Source, SourceError, Tombstones};
use loptr_model::{Entry, Labels, Nanos, TimeRange};
use loptr_ports::{Budget, Reservation};

/// Entries handed on between two looks at the clock; whether the query was cancelled is looked at for each.
const ENTRIES_BETWEEN_CHECKS: u32 = 64;

/// What reading chunks cost, of the bucket or in memory.
#[derive(Debug, Default)]
pub struct ChunkCounters {
    /// Blocks' bytes after decompression.
    pub bytes: AtomicU64,
    /// Entries in those blocks.
    pub lines: AtomicU64,
    /// Bytes of structured metadata, names and values, of the entries looked at.
    pub metadata_bytes: AtomicU64,
    /// Entries that passed the query's stages.
    pub kept: AtomicU64,
    /// Those that were met before.
    pub repeated: AtomicU64,
}

/// What reading sources cost a query; shared by its tasks.
#[derive(Debug, Default)]
pub struct ScanCounters {
    /// Chunks of the bucket.
    pub stored: ChunkCounters,
    /// Blocks' bytes before decompression.
    pub compressed_bytes: AtomicU64,
    /// Chunks in memory.
    pub memory: ChunkCounters,
    /// Whether a stage looked at structured metadata.
    pub metadata_read: AtomicBool,
    /// Chunk objects fetched.
    pub chunks_fetched: AtomicU64,
    /// Their bytes.
    pub fetched_bytes: AtomicU64,
    /// Nanoseconds spent fetching them, added up over all fetches.
    pub fetch_ns: AtomicU64,
    /// Nanoseconds it took to find out which chunks to read.
    pub lookup_ns: AtomicU64,
    /// Nanoseconds its jobs waited for a CPU, added up.
    pub queue_ns: AtomicU64,
    /// Nanoseconds they ran, added up.
    pub run_ns: AtomicU64,
    /// Jobs run.
    pub jobs: AtomicU64,
    /// Spans of time read one after the other.
    pub windows: AtomicU64,
}

impl ScanCounters {
    /// Bytes of lines looked through so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        [&self.stored, &self.memory].iter().map(|counters| counters.bytes.load(Ordering::Relaxed)).sum()
    }
}

/// One chunk of a stream.
pub struct ChunkSource {
    chunk: Chunk,
    name: String,
    labels: Labels,
    spans: Vec<BlockSpan>,
    in_memory: bool,
    counters: Arc<ScanCounters>,
    /// Decompressed blocks, where they are read several times.
    kept: Option<Box<[OnceLock<KeptBlock>]>>,
}

/// A decompressed block and what it counts for.
struct KeptBlock {
    bytes: Vec<u8>,
    _held: Reservation,
}

/// Buffer of a decompressed block, kept from block to block.
#[derive(Default)]
struct BlockBuffer(Vec<u8>);

impl ChunkSource {
    /// `name` is told in errors.
    pub fn new(chunk: Chunk, name: String, labels: Labels, in_memory: bool, counters: Arc<ScanCounters>) -> Self {
        let span = |block: &loptr_chunk::BlockMeta| BlockSpan {
            min: block.min_ts,
            max: block.max_ts,
            entries: u32::try_from(block.entries).unwrap_or(u32::MAX),
            bytes: block.uncompressed,
        };
        let spans = chunk.blocks().iter().map(span).collect();
        Self { chunk, name, labels, spans, in_memory, counters, kept: None }
    }

    /// Keeps decompressed blocks as long as it lives: it is read several times.
    pub(crate) fn keeping_blocks(mut self) -> Self {
        self.kept = Some((0..self.spans.len()).map(|_| OnceLock::new()).collect());
        self
    }

    /// Decompresses a block into `buffer`, unless it is kept.
    fn block<'b>(&'b self, at: usize, buffer: &'b mut Vec<u8>, budget: &Budget) -> Result<Block<'b>, SourceError> {
        let kept = self.kept.as_ref().and_then(|kept| kept.get(at));
        if let Some(known) = kept.and_then(OnceLock::get) {
            return Ok(Block::from_decompressed(&known.bytes, self.chunk.format()));
        }
        let block = self.chunk.decode_block(at, buffer).map_err(|error| self.corrupt(&error))?;
        if let Some(kept) = kept {
            let held = budget.reserve(block.bytes().len() as u64)?;
            // Were two to read it at once, the second's goes.
            let _ = kept.set(KeptBlock { bytes: block.bytes().to_vec(), _held: held });
        }
        Ok(block)
    }

    /// Earliest and latest entry.
    pub(crate) fn span(&self) -> Option<(Nanos, Nanos)> {
        self.chunk.bounds()
    }

    /// Whether an entry can have all of `pairs` as structured metadata, by the chunk's symbols.
    pub fn may_hold<'p>(&self, pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Result<bool, SourceError> {
        let mut pairs = pairs.peekable();
        if pairs.peek().is_none() {
            return Ok(true);
        }
        let symbols = self.chunk.symbols().map_err(|error| self.corrupt(&error))?;
        // Values are stored as they are; names may be stored in another spelling, so they are not asked for.
        Ok(pairs.all(|(_, value)| symbols.lookup(value).is_some()))
    }

    fn corrupt(&self, error: &ChunkError) -> SourceError {
        SourceError::Corrupt { what: self.name.clone(), why: error.to_string() }
    }

    fn counters(&self) -> &ChunkCounters {
        if self.in_memory { &self.counters.memory } else { &self.counters.stored }
    }

    fn count(&self, at: usize) {
        let block = &self.chunk.blocks()[at];
        if !self.in_memory {
            self.counters.compressed_bytes.fetch_add(block.len, Ordering::Relaxed);
        }
        self.counters().bytes.fetch_add(block.uncompressed, Ordering::Relaxed);
        self.counters().lines.fetch_add(block.entries, Ordering::Relaxed);
    }
}

/// Hands on the entries inside the range with their metadata spelt out.
struct HandOn<'s, 'v> {
    chunk: &'s Chunk,
    /// Decoded with the first entry handed on: a search without a hit needs none.
    symbols: Option<&'s Symbols>,
    range: TimeRange,
    /// Symbol and text of the names of the last entry that had any: the next one's are often the same.
    names: Vec<(u32, &'s str)>,
    metadata: Vec<(&'s str, &'s str)>,
    metadata_bytes: u64,
    visit: &'v mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
}

impl<'s> HandOn<'s, '_> {
    fn entry(&mut self, raw: &RawEntry<'_>) -> Result<ControlFlow<()>, ChunkError> {
        if !self.range.contains(raw.ts) {
            return Ok(ControlFlow::Continue(()));
        }
        self.metadata.clear();
        if !raw.metadata.is_empty() {
            let symbols = match self.symbols {
                Some(symbols) => symbols,
                None => self.symbols.insert(self.chunk.symbols()?),
            };
            for (at, pair) in raw.metadata.pairs().enumerate() {
                let (name, value) = pair?;
                let name = match self.names.get(at) {
                    Some(&(known, text)) if known == name => text,
                    _ => {
                        let text = symbols.name(name);
                        self.names.truncate(at);
                        self.names.push((name, text));
                        text
                    }
                };
                let value = symbols.value(value);
                self.metadata_bytes += (name.len() + value.len()) as u64;
                self.metadata.push((name, value));
            }
        }
        Ok((self.visit)(Entry { ts: raw.ts, line: raw.line, metadata: &self.metadata }))
    }
}

impl Source for ChunkSource {
    fn generation(&self) -> u64 {
        0
    }

    fn blocks(&self) -> &[BlockSpan] {
        &self.spans
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
        budget.check()?;
        let corrupt = |error: ChunkError| self.corrupt(&error);
        let buffer = scratch.slot::<BlockBuffer>();
        let held = buffer.0.capacity() as u64;
        let block = self.block(at, &mut buffer.0, budget)?;
        self.count(at);
        let _reserved = budget.reserve((block.bytes().len() as u64).saturating_sub(held))?;
        let mut deleted = (!tombstones.spares(range)).then(|| tombstones.for_stream(&self.labels));
        let (mut stopped, mut met) = (None, 0u32);
        let mut spared = |entry: Entry<'_>| {
            // One entry may take long (templates, expressions), a block of them minutes.
            met = met.wrapping_add(1);
            if (budget.is_cancelled() || met.is_multiple_of(ENTRIES_BETWEEN_CHECKS))
                && let Err(error) = budget.check()
            {
                stopped = Some(error);
                return ControlFlow::Break(());
            }
            if deleted.as_mut().is_some_and(|deleted| deleted.covers(&entry)) {
                return ControlFlow::Continue(());
            }
            visit(entry)
        };
        let mut hand_on = HandOn {
            chunk: &self.chunk,
            symbols: None,
            range,
            names: Vec::new(),
            metadata: Vec::new(),
            metadata_bytes: 0,
            visit: &mut spared,
        };
        let mut same: SameTime<'_> = SameTime::default();
        // Backward, entries are handed on once all are met.
        let mut met_forward: Vec<RawEntry<'_>> = Vec::new();
        let mut meet = |raw| {
            if same.repeats(&raw) {
                return Ok(ControlFlow::Continue(()));
            }
            if direction == Direction::Forward {
                return hand_on.entry(&raw);
            }
            if range.contains(raw.ts) {
                met_forward.push(raw);
            }
            Ok(ControlFlow::Continue(()))
        };
        match finder {
            Some(finder) => {
                let mut failure = None;
                let found = block.search(
                    |hay, from| finder.find_at(hay, from),
                    |raw| {
                        meet(raw).unwrap_or_else(|error| {
                            failure = Some(error);
                            ControlFlow::Break(())
                        })
                    },
                );
                found.map_err(corrupt)?;
                if let Some(error) = failure {
                    return Err(corrupt(error));
                }
            }
            None => {
                for raw in block.entries() {
                    if meet(raw.map_err(corrupt)?).map_err(corrupt)?.is_break() {
                        break;
                    }
                }
            }
        }
        let _met = budget.reserve((met_forward.capacity() * size_of::<RawEntry<'_>>()) as u64)?;
        if !met_forward.is_sorted_by_key(|raw| raw.ts) {
            met_forward.sort_by_key(|raw| raw.ts);
        }
        for raw in met_forward.iter().rev() {
            if hand_on.entry(raw).map_err(corrupt)?.is_break() {
                break;
            }
        }
        self.counters().metadata_bytes.fetch_add(hand_on.metadata_bytes, Ordering::Relaxed);
        match stopped {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn note(&self, kept: u64, repeated: u64) {
        self.counters().kept.fetch_add(kept, Ordering::Relaxed);
        self.counters().repeated.fetch_add(repeated, Ordering::Relaxed);
    }
}

/// The entries of one time met so far in a block. Writers drop equal entries within a head, but heads merged at close
/// may bring them back.
#[derive(Default)]
struct SameTime<'a> {
    ts: Option<Nanos>,
    seen: Vec<RawEntry<'a>>,
}

impl<'a> SameTime<'a> {
    /// Whether an equal entry was met.
    fn repeats(&mut self, raw: &RawEntry<'a>) -> bool {
        if self.ts != Some(raw.ts) {
            self.ts = Some(raw.ts);
            self.seen.clear();
            self.seen.push(*raw);
            return false;
        }
        if self.seen.iter().any(|seen| seen.line == raw.line && same_pairs(seen, raw)) {
            return true;
        }
        self.seen.push(*raw);
        false
    }
}

/// Pairs by symbol: within one chunk a text has one symbol.
fn same_pairs(a: &RawEntry<'_>, b: &RawEntry<'_>) -> bool {
    let (mut a, mut b) = (a.metadata.pairs(), b.metadata.pairs());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(Ok(a)), Some(Ok(b))) if a == b => {}
            _ => return false,
        }
    }
}
