//! Bytes as appends: closing loses nothing and puts all in time order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::{Chunk, ChunkOptions, Encoding, Format, MemChunk};
use loptr_model::{Nanos, TimeRange};

fn lines(chunk: &Chunk) -> Vec<(i64, Vec<u8>)> {
    let mut buf = Vec::new();
    let mut found = Vec::new();
    for index in 0..chunk.blocks().len() {
        for entry in chunk.decode_block(index, &mut buf).expect("decodes").entries() {
            let entry = entry.expect("well formed");
            found.push((entry.ts.0, entry.line.to_vec()));
        }
    }
    found
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[codec, block], appends)) = bytes.split_first_chunk::<2>() else { return };
    let encoding = Encoding::ALL[usize::from(codec) % Encoding::ALL.len()];
    let options = ChunkOptions::new(Format::V4, encoding).expect("writable").block_bytes(usize::from(block) + 1);
    let mut chunk = MemChunk::new(options);
    let mut kept = Vec::new();
    for append in appends.chunks_exact(3) {
        let (ts, line) = (i64::from(append[0] as i8), &[append[1] & 3][..usize::from(append[1] >> 7)]);
        let level = ["a", "b", "c", "d"][usize::from(append[2] & 3)];
        let metadata = [("level", level)];
        let metadata = &metadata[..usize::from(append[2] >> 7)];
        if !chunk.append(Nanos(ts), line, metadata).expect("appends") {
            kept.push((ts, line.to_vec()));
        }
    }
    let mut filling = lines(&chunk.snapshot(TimeRange::ALL));
    filling.sort();
    kept.sort();
    assert_eq!(filling, kept);
    let closed = lines(&Chunk::parse(chunk.close().expect("closes").bytes).expect("parses"));
    assert!(closed.is_sorted_by_key(|line| line.0));
    let mut set = closed.clone();
    set.sort();
    assert!(set.len() <= kept.len());
    set.dedup();
    kept.dedup();
    assert_eq!(set, kept);
});
