//! What must hold of upstream's files for any bytes. Run by the fuzz targets and, over the packed corpora, by
//! `tests/corpus.rs`.

use std::time::Duration;

use loptr_chunk::{Checkpointed, ChunkOptions, Encoding, Format};
use loptr_corpus::Bounds;
use loptr_takeover::{End, Frames, HeadBlock, LogRecord, UpstreamError, checkpoint_record, index_record, log_record};

/// Blocks of a checkpoint are decompressed, by no more than their codec can.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(2), bytes: 64 << 20, bytes_per_byte: 4096 };

fn read(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, Result<End, UpstreamError>) {
    let mut frames = Frames::new();
    let mut records = Vec::new();
    for piece in bytes.chunks(step) {
        frames.feed(piece);
        loop {
            match frames.next() {
                Ok(Some(frame)) => records.push(frame.bytes.to_vec()),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    (records, Ok(frames.end()))
}

/// Any bytes as a segment, fed in pieces: an end or a fault, the same whatever the pieces.
pub(crate) fn frames(bytes: &[u8]) {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    assert_eq!(read(bytes, usize::from(step) + 1), read(bytes, bytes.len().max(1)));
}

/// Any bytes as each kind of record, and what a checkpoint's chunks hold: values or an error.
pub(crate) fn records(bytes: &[u8]) {
    if let Ok(LogRecord::Entries { streams, .. }) = log_record(bytes) {
        for stream in streams {
            let mut entries = 0;
            let visited = stream.entries(|_| {
                entries += 1;
                Ok::<_, UpstreamError>(())
            });
            assert!(visited.is_ok() && entries == stream.count);
        }
    }
    let _ = index_record(bytes);
    if let Ok(stream) = checkpoint_record(bytes) {
        for chunk in stream.chunks {
            if let Ok(head) = HeadBlock::parse(chunk.head) {
                assert_eq!(head.entries().count() as u64, head.len());
            }
            let options = ChunkOptions::new(Format::V4, Encoding::Snappy).expect("writable");
            if let Ok(filled) = Checkpointed::parse(chunk.data).and_then(|data| data.fill(options)) {
                let _ = filled.close();
            }
        }
    }
}
