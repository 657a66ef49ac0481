//! Any bytes as a segment, fed in pieces: an end or a fault, the same whatever the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_takeover::{End, Frames, UpstreamError};

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

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, bytes)) = bytes.split_first() else { return };
    assert_eq!(read(bytes, usize::from(step) + 1), read(bytes, bytes.len().max(1)));
});
