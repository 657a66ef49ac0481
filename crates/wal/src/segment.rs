//! Framing: the segment's header, records one after another, and where reading stops.

use crate::WalError;
use crate::record::{KIND_PUSH, KIND_SHIPPED, Record, decode};

const MAGIC: &[u8; 7] = b"LPTRWAL";
/// The version this build writes.
pub const VERSION: u8 = 1;
/// Length of a segment's header.
pub const HEADER_BYTES: usize = 28;
/// Longest payload of a record; a longer length field is damage.
pub const MAX_RECORD_BYTES: usize = 1 << 30;
const FRAME_BYTES: usize = 9;

/// The header of segment number `segment`; entries in it are numbered from `next_seq` or higher.
pub fn segment_header(segment: u64, next_seq: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..7].copy_from_slice(MAGIC);
    header[7] = VERSION;
    header[8..16].copy_from_slice(&segment.to_le_bytes());
    header[16..24].copy_from_slice(&next_seq.to_le_bytes());
    let sum = crc32c::crc32c(&header[..24]);
    header[24..].copy_from_slice(&sum.to_le_bytes());
    header
}

pub(crate) fn put_frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    let len = u32::try_from(payload.len()).expect("a push body is limited far below 4 GiB");
    out.reserve(FRAME_BYTES + payload.len());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&sum.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(payload);
}

/// Where and why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After the last record.
    Clean,
    /// Inside a record after which nothing whole comes: a write cut short. Cut the file at `at`.
    Torn {
        /// First byte that is not part of a whole record.
        at: u64,
    },
    /// At damage with whole records behind it.
    Corrupt {
        /// First damaged byte.
        at: u64,
        /// First byte of the next whole record.
        resumes_at: u64,
    },
}

/// Reads the records of one segment.
#[derive(Debug)]
pub struct SegmentReader<'a> {
    bytes: &'a [u8],
    at: usize,
    segment: u64,
    next_seq: u64,
    end: Option<End>,
}

impl<'a> SegmentReader<'a> {
    /// Checks the header.
    pub fn open(bytes: &'a [u8]) -> Result<Self, WalError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(WalError::Header { reason: "it ends inside the header" });
        };
        if &header[..7] != MAGIC {
            return Err(WalError::Header { reason: "its first bytes are not the log's magic" });
        }
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        if header[24..] != crc32c::crc32c(&header[..24]).to_le_bytes() {
            return Err(WalError::Header { reason: "the header's checksum is wrong" });
        }
        if header[7] == 0 || header[7] > VERSION {
            return Err(WalError::Version { found: header[7], known: VERSION });
        }
        Ok(Self { bytes, at: HEADER_BYTES, segment: number(8), next_seq: number(16), end: None })
    }

    /// Number of the segment.
    pub fn segment(&self) -> u64 {
        self.segment
    }

    /// Entries in this segment have this number or a higher one.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Byte at which the next record starts.
    pub fn position(&self) -> u64 {
        self.at as u64
    }

    /// Where reading stopped; [`End::Clean`] until it has.
    pub fn end(&self) -> End {
        self.end.unwrap_or(End::Clean)
    }

    /// Goes on behind the damage at which reading stopped.
    pub fn resume(&mut self) {
        if let Some(End::Corrupt { resumes_at, .. }) = self.end.take() {
            self.at = usize::try_from(resumes_at).unwrap_or(usize::MAX).min(self.bytes.len());
        }
    }

    fn frame(&self, at: usize) -> Option<(Record<'a>, usize)> {
        let head = self.bytes.get(at..)?.first_chunk::<FRAME_BYTES>()?;
        let kind = head[8];
        if !(KIND_PUSH..=KIND_SHIPPED).contains(&kind) {
            return None;
        }
        let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        if len > MAX_RECORD_BYTES {
            return None;
        }
        let start = at + FRAME_BYTES;
        let payload = self.bytes.get(start..start.checked_add(len)?)?;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
        if sum.to_le_bytes() != head[4..8] {
            return None;
        }
        Some((decode(kind, payload)?, start + len))
    }
}

impl<'a> Iterator for SegmentReader<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.end.is_some() {
            return None;
        }
        if self.at == self.bytes.len() {
            self.end = Some(End::Clean);
            return None;
        }
        if let Some((record, next)) = self.frame(self.at) {
            self.at = next;
            return Some(record);
        }
        let at = self.at as u64;
        let resumes_at = (self.at + 1..self.bytes.len()).find(|&place| self.frame(place).is_some());
        self.end = Some(match resumes_at {
            Some(place) => End::Corrupt { at, resumes_at: place as u64 },
            None => End::Torn { at },
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use loptr_model::{ChunkRef, Entry, Fingerprint, Labels, Millis, Nanos, OwnedEntry, TenantId};
    use proptest::prelude::*;

    use super::*;
    use crate::{Flushed, PushWriter, flushed_record, shipped_record};

    fn sample() -> Vec<u8> {
        let tenant = TenantId::single();
        let labels = Labels::from_pairs([("app", "a"), ("env", "é")]);
        let mut out = segment_header(7, 100).to_vec();
        let mut push = PushWriter::new(&tenant);
        let entries = [
            Entry { ts: Nanos(i64::MAX), line: b"first", metadata: &[("k", "v")] },
            Entry { ts: Nanos(i64::MIN), line: b"\xff\x00", metadata: &[] },
        ];
        push.stream(&labels, labels.fingerprint(), 100, &entries);
        push.finish(&mut out);
        let chunk =
            ChunkRef { fingerprint: labels.fingerprint(), from: Millis(-5), through: Millis(9), checksum: 0xdead_beef };
        flushed_record(&Flushed { tenant, labels, chunk, kb: 3, entries: 2, seq_through: 101, ordinal: 1 }, &mut out);
        shipped_record(1, &mut out);
        out
    }

    #[test]
    fn records_come_back_as_written() {
        let bytes = sample();
        let mut reader = SegmentReader::open(&bytes).expect("whole header");
        assert_eq!((reader.segment(), reader.next_seq()), (7, 100));
        let Some(Record::Push(push)) = reader.next() else { panic!("push first") };
        let stream = push.streams().next().expect("one stream");
        assert_eq!(
            (stream.labels.to_string(), stream.first_seq, stream.len()),
            (r#"{app="a", env="é"}"#.into(), 100, 2)
        );
        let mut entries = Vec::new();
        stream.entries(|entry| entries.push(OwnedEntry::from(entry)));
        assert_eq!((entries[0].ts, &*entries[0].line, entries[0].metadata.len()), (Nanos(i64::MAX), &b"first"[..], 1));
        assert_eq!((entries[1].ts, &*entries[1].line), (Nanos(i64::MIN), &b"\xff\x00"[..]));
        let Some(Record::Flushed(flushed)) = reader.next() else { panic!("flushed second") };
        assert_eq!((flushed.chunk.checksum, flushed.seq_through, flushed.ordinal), (0xdead_beef, 101, 1));
        assert!(matches!(reader.next(), Some(Record::Shipped { ordinal_through: 1 })));
        assert!(reader.next().is_none() && reader.end() == End::Clean);
    }

    #[test]
    fn a_cut_anywhere_leaves_whole_records_and_a_torn_tail() {
        let bytes = sample();
        let mut boundaries = vec![HEADER_BYTES as u64];
        let mut reader = SegmentReader::open(&bytes).expect("whole header");
        while reader.next().is_some() {
            boundaries.push(reader.position());
        }
        for cut in 0..bytes.len() {
            let Ok(mut reader) = SegmentReader::open(&bytes[..cut]) else {
                assert!(cut < HEADER_BYTES);
                continue;
            };
            let whole = reader.by_ref().count();
            assert_eq!(whole, boundaries.iter().filter(|&&at| at <= cut as u64).count() - 1, "cut at {cut}");
            let expected = boundaries[whole];
            let clean = expected == cut as u64;
            assert_eq!(reader.end(), if clean { End::Clean } else { End::Torn { at: expected } }, "cut at {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_is_seen_and_what_follows_is_found() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(mut reader) = SegmentReader::open(&damaged) else {
                assert!(bit / 8 < HEADER_BYTES);
                continue;
            };
            let mut seen = reader.by_ref().count();
            assert_ne!(reader.end(), End::Clean, "bit {bit} went unseen");
            if let End::Corrupt { .. } = reader.end() {
                reader.resume();
                seen += reader.by_ref().count();
            }
            assert_eq!(seen, 2, "bit {bit} damages one record of three");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = segment_header(0, 0).to_vec();
            bytes.extend_from_slice(&tail);
            let mut reader = SegmentReader::open(&bytes).expect("whole header");
            while reader.next().is_some() {}
        }

        #[test]
        fn pushes_round_trip(
            streams in proptest::collection::vec(
                proptest::collection::vec((any::<i64>(), proptest::collection::vec(any::<u8>(), 0..20), "[a-z]{0,3}"), 0..5), 0..4)
        ) {
            let mut out = segment_header(0, 0).to_vec();
            let mut push = PushWriter::new(&TenantId::single());
            let labels = Labels::from_pairs([("a", "b")]);
            for (at, stream) in streams.iter().enumerate() {
                let pairs: Vec<Vec<(&str, &str)>> = stream.iter().map(|(_, _, value)| vec![("k", value.as_str())]).collect();
                let entries: Vec<Entry<'_>> = stream.iter().zip(&pairs)
                    .map(|((ts, line, _), metadata)| Entry { ts: Nanos(*ts), line, metadata }).collect();
                push.stream(&labels, Fingerprint(at as u64), 1, &entries);
            }
            push.finish(&mut out);
            let mut reader = SegmentReader::open(&out).expect("whole header");
            let Some(Record::Push(record)) = reader.next() else { panic!("one push") };
            let back: Vec<Vec<(i64, Vec<u8>, String)>> = record.streams().map(|stream| {
                let mut entries = Vec::new();
                stream.entries(|entry| entries.push((entry.ts.0, entry.line.to_vec(), entry.metadata[0].1.to_owned())));
                entries
            }).collect();
            prop_assert_eq!(back, streams);
        }
    }
}
