//! Any bytes as a memchunk: an error or entries, never a panic, never past the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::Chunk;

fuzz_target!(|bytes: &[u8]| {
    let Ok(chunk) = Chunk::parse(bytes.to_vec().into()) else { return };
    let chunk = chunk.with_limit(1 << 20);
    let mut buf = Vec::new();
    for index in 0..chunk.blocks().len() {
        let Ok(block) = chunk.decode_block(index, &mut buf) else { continue };
        assert!(block.bytes().len() <= 1 << 20);
        for entry in block.entries().map_while(Result::ok) {
            if let Ok(symbols) = chunk.symbols() {
                entry.metadata.resolve(symbols).for_each(drop);
            }
        }
    }
});
