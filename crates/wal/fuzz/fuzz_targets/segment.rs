//! Any bytes as a segment: reading ends at a place that is in it, and never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_wal::{End, SegmentReader};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = SegmentReader::open(bytes) else { return };
    loop {
        reader.by_ref().for_each(drop);
        match reader.end() {
            End::Clean => return,
            End::Torn { at } => return assert!(at < bytes.len() as u64),
            End::Corrupt { at, resumes_at } => assert!(at < resumes_at && resumes_at < bytes.len() as u64),
        }
        reader.resume();
    }
});
