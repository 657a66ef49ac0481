//! Any bytes as each kind of record, and what a checkpoint's chunks hold: values or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::{Checkpointed, ChunkOptions, Encoding, Format};
use loptr_takeover::{HeadBlock, LogRecord, UpstreamError, checkpoint_record, index_record, log_record};

fuzz_target!(|bytes: &[u8]| {
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
});
