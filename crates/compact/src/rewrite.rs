//! A chunk without the lines that were deleted.
//!
//! Every block is decoded and its survivors written anew, symbols and all, in the chunk's own codec: upstream copies
//! untouched blocks beside a new table of symbols, which can make their metadata say something else. The same chunk and
//! the same deletions give the same bytes, so that a rewrite begun twice gives one object.

use bytes::Bytes;
use loptr_chunk::{Chunk, ChunkError, ChunkOptions, Format, MemChunk};
use loptr_eval::source::Tombstones;
use loptr_index::ChunkMeta;
use loptr_model::{ChunkRef, Entry, Labels, TenantId};

/// What is left of a chunk.
#[derive(Debug)]
pub(crate) struct Survivors {
    /// How many lines went.
    pub(crate) deleted: u64,
    /// The new object and what the index says of it; `None`: no line is left.
    pub(crate) object: Option<(ChunkMeta, Bytes)>,
}

/// Leaves the lines out that `deleted` covers; `None` if it covers none. CPU work.
pub(crate) fn rewrite(
    chunk: &Chunk,
    tenant: &TenantId,
    labels: &Labels,
    reference: &ChunkRef,
    tombstones: &Tombstones,
) -> Result<Option<Survivors>, ChunkError> {
    // Formats before 3 are read only; the next holds all that they hold.
    let options = ChunkOptions::new(chunk.format().max(Format::V3), chunk.encoding())?;
    let mut kept = MemChunk::new(options);
    let mut covered = tombstones.for_stream(labels);
    let (mut buffer, mut deleted) = (Vec::new(), 0);
    for at in 0..chunk.blocks().len() {
        let block = chunk.decode_block(at, &mut buffer)?;
        for raw in block.entries() {
            let raw = raw?;
            let mut metadata = Vec::new();
            if !raw.metadata.is_empty() {
                for pair in raw.metadata.resolve(chunk.symbols()?) {
                    metadata.push(pair?);
                }
            }
            if covered.covers(&Entry { ts: raw.ts, line: raw.line, metadata: &metadata }) {
                deleted += 1;
            } else {
                kept.append(raw.ts, raw.line, &metadata)?;
            }
        }
    }
    if deleted == 0 {
        return Ok(None);
    }
    let sealed = kept.close()?;
    let object = sealed.to_object(tenant, labels, reference.fingerprint)?.map(|(chunk, object)| {
        let entries = u32::try_from(sealed.entries).unwrap_or(u32::MAX);
        let ChunkRef { from: min, through: max, checksum, .. } = chunk;
        (ChunkMeta { min, max, checksum, kb: ChunkMeta::kb_of(sealed.uncompressed_size), entries }, object)
    });
    Ok(Some(Survivors { deleted, object }))
}
