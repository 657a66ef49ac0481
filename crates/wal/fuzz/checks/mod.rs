//! What must hold of segments and records for any bytes. Run by the fuzz targets and, over the packed corpora, by
//! `tests/corpus.rs`.

use std::time::Duration;

use loptr_chunk::{ChunkOptions, Encoding, Format, MemChunk};
use loptr_corpus::Bounds;
use loptr_wal::{End, Framed, Record, SegmentReader, frame};

/// An image's blocks are decompressed for the head alone, and by no more than snappy can.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(2), bytes: 16 << 20, bytes_per_byte: 256 };

/// Any bytes as a segment: reading ends at a place that is in it.
pub(crate) fn segment(bytes: &[u8]) {
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
}

/// CRC-32C of kind and payload, bit by bit.
fn checksum(kind: u8, payload: &[u8]) -> u32 {
    !std::iter::once(&kind).chain(payload).fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

/// Any bytes as the payload of a record, framed so that its checksum holds: entries, places and images are read, and a
/// place finds the section it was taken from.
pub(crate) fn records(bytes: &[u8]) {
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
}
