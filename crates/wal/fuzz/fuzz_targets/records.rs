//! Any bytes as the payload of a record, framed so that its checksum holds: entries, places and images are read without
//! a panic, and a place finds the section it was taken from.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::{ChunkOptions, Encoding, Format, MemChunk};
use loptr_wal::{Framed, Record, frame};

/// CRC-32C of kind and payload, bit by bit.
fn checksum(kind: u8, payload: &[u8]) -> u32 {
    !std::iter::once(&kind).chain(payload).fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[selector, kind], payload)) = bytes.split_first_chunk::<2>() else { return };
    let mut framed = (payload.len() as u32).to_le_bytes().to_vec();
    framed.extend_from_slice(&checksum(kind, payload).to_le_bytes());
    framed.push(kind);
    framed.extend_from_slice(payload);
    let Framed::Whole(whole) = frame(&framed, framed.len() as u64) else { return };
    match whole.record(1 + selector % 2) {
        Some(Record::Push(push)) => {
            for section in push.streams() {
                let _ = section.labels.decode();
                let mut entries = 0;
                let walked = section.entries(|_, _| entries += 1);
                assert!(walked.is_err() || entries == section.len());
                let place = section.place_in(&framed).expect("it lies there");
                assert_eq!(place.find(&framed).labels, section.labels);
            }
        }
        Some(Record::Snapshot(snapshot)) => {
            let options = ChunkOptions::new(Format::V4, Encoding::Snappy).expect("written");
            if let Ok(chunk) = MemChunk::restore(snapshot.chunk, options) {
                assert!(MemChunk::check_image(snapshot.chunk).is_ok());
                let mut again = Vec::new();
                chunk.write_image(&mut again);
                assert!(MemChunk::restore(&again, options).is_ok());
            }
        }
        Some(Record::Flushed(flushed)) => drop(flushed.covers.normalized()),
        _ => {}
    }
});
