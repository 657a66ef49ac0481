//! Framing: the segment's header, records one after another, and where reading stops.

use crate::WalError;
use crate::record::{KIND_PUSH, KIND_SNAPSHOT, Record, decode};

const MAGIC: &[u8; 7] = b"LPTRWAL";
/// The version this build writes.
pub const VERSION: u8 = 2;
/// Length of a segment's header.
pub const HEADER_BYTES: usize = 28;
/// Longest payload of a record; a longer length field is damage.
pub const MAX_RECORD_BYTES: usize = 1 << 30;
/// Bytes before a record's payload.
pub const FRAME_BYTES: usize = 9;

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How its records are written.
    pub version: u8,
    /// Number of the segment.
    pub segment: u64,
    /// What the next entry's number was when the segment was begun: every higher one that is in the log is in this
    /// segment or a later one.
    pub next_seq: u64,
}

impl Header {
    /// Reads and checks it; `bytes` may go on behind it.
    pub fn read(bytes: &[u8]) -> Result<Self, WalError> {
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
        Ok(Self { version: header[7], segment: number(8), next_seq: number(16) })
    }
}

/// The header of segment number `segment`, begun when the next entry was to get number `next_seq`.
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

pub(crate) fn put_frame(out: &mut Vec<u8>, kind: u8, payload: &[&[u8]]) {
    let sum = payload.iter().fold(crc32c::crc32c(&[kind]), |sum, part| crc32c::crc32c_append(sum, part));
    let len: usize = payload.iter().map(|part| part.len()).sum();
    let framed = u32::try_from(len).expect("a push body is limited far below 4 GiB");
    out.reserve(FRAME_BYTES + len);
    out.extend_from_slice(&framed.to_le_bytes());
    out.extend_from_slice(&sum.to_le_bytes());
    out.push(kind);
    payload.iter().for_each(|part| out.extend_from_slice(part));
}

/// A record whose checksum held.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    kind: u8,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Bytes it takes in the segment.
    pub fn len_bytes(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }

    /// What it says, in a segment of `version`. None if it is malformed in spite of its checksum.
    pub fn record(&self, version: u8) -> Option<Record<'a>> {
        decode(version, self.kind, self.payload)
    }
}

/// What lies at a place of a segment.
#[derive(Clone, Copy, Debug)]
pub enum Framed<'a> {
    /// A record.
    Whole(Frame<'a>),
    /// The beginning of something that may be a record of so many bytes.
    Needs(usize),
    /// Nothing that is a record.
    Bad,
}

/// Looks for a record at the beginning of `bytes`; the segment has `left` bytes from there on, of which `bytes` may be
/// only the first.
pub fn frame(bytes: &[u8], left: u64) -> Framed<'_> {
    let Some(head) = bytes.first_chunk::<FRAME_BYTES>() else {
        return if left >= FRAME_BYTES as u64 { Framed::Needs(FRAME_BYTES) } else { Framed::Bad };
    };
    let kind = head[8];
    let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
    let whole = FRAME_BYTES + len.min(MAX_RECORD_BYTES);
    if !(KIND_PUSH..=KIND_SNAPSHOT).contains(&kind) || len > MAX_RECORD_BYTES || whole as u64 > left {
        return Framed::Bad;
    }
    let Some(payload) = bytes.get(FRAME_BYTES..whole) else { return Framed::Needs(whole) };
    let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    if sum.to_le_bytes() != head[4..8] {
        return Framed::Bad;
    }
    Framed::Whole(Frame { kind, payload })
}

/// The first place from `from` on at which a whole, valid record of `version` starts. `bytes` go on to the segment's end.
pub fn next_whole(bytes: &[u8], from: usize, version: u8) -> Option<usize> {
    (from..bytes.len()).find(|&place| {
        let rest = &bytes[place..];
        matches!(frame(rest, rest.len() as u64), Framed::Whole(frame) if frame.record(version).is_some())
    })
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

/// Reads the records of one segment that is in memory whole.
#[derive(Debug)]
pub struct SegmentReader<'a> {
    bytes: &'a [u8],
    at: usize,
    header: Header,
    end: Option<End>,
}

impl<'a> SegmentReader<'a> {
    /// Checks the header.
    pub fn open(bytes: &'a [u8]) -> Result<Self, WalError> {
        Ok(Self { bytes, at: HEADER_BYTES, header: Header::read(bytes)?, end: None })
    }

    /// What the segment's first bytes say.
    pub fn header(&self) -> Header {
        self.header
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

    fn record(&self) -> Option<(Record<'a>, usize)> {
        let rest = self.bytes.get(self.at..)?;
        let Framed::Whole(frame) = frame(rest, rest.len() as u64) else { return None };
        Some((frame.record(self.header.version)?, self.at + frame.len_bytes()))
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
        if let Some((record, next)) = self.record() {
            self.at = next;
            return Some(record);
        }
        let at = self.at as u64;
        self.end = Some(match next_whole(self.bytes, self.at + 1, self.header.version) {
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
    use crate::{Flushed, PushWriter, SeqRanges, Snapshot, flushed_record, shipped_record, snapshot_record};

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
        let mut covers = SeqRanges::of(100, 101);
        covers.add(7, 9);
        let snapshot = Snapshot {
            tenant: &tenant,
            labels: &labels,
            fingerprint: labels.fingerprint(),
            covers: &covers,
            is_closed: true,
            bounds: (Nanos(-3), Nanos(i64::MAX)),
            chunk: b"any bytes",
        };
        snapshot_record(&snapshot, &mut out);
        let flushed =
            Flushed { tenant: tenant.clone(), labels: labels.clone(), chunk, kb: 3, entries: 2, covers, ordinal: 1 };
        flushed_record(&flushed, &mut out);
        shipped_record(1, &mut out);
        out
    }

    #[test]
    fn records_come_back_as_written() {
        let bytes = sample();
        let mut reader = SegmentReader::open(&bytes).expect("whole header");
        assert_eq!(reader.header(), Header { version: VERSION, segment: 7, next_seq: 100 });
        let Some(Record::Push(push)) = reader.next() else { panic!("push first") };
        assert_eq!((push.tenant, push.bounds), ("fake", Some((Nanos(i64::MIN), Nanos(i64::MAX)))));
        let stream = push.streams().next().expect("one stream");
        assert_eq!(
            (stream.labels.decode().expect("labels").to_string(), stream.first_seq, stream.last_seq(), stream.len()),
            (r#"{app="a", env="é"}"#.into(), 100, 101, 2)
        );
        let mut entries = Vec::new();
        let walked = stream.entries(|seq, entry| entries.push((seq, OwnedEntry::from(entry))));
        assert_eq!((walked, entries[0].0, entries[1].0), (Ok(()), 100, 101));
        let entries: Vec<OwnedEntry> = entries.into_iter().map(|(_, entry)| entry).collect();
        assert_eq!((entries[0].ts, &*entries[0].line, entries[0].metadata.len()), (Nanos(i64::MAX), &b"first"[..], 1));
        assert_eq!((entries[1].ts, &*entries[1].line), (Nanos(i64::MIN), &b"\xff\x00"[..]));
        let Some(Record::Snapshot(snapshot)) = reader.next() else { panic!("a snapshot second") };
        assert_eq!(
            (snapshot.tenant, snapshot.labels.decode(), snapshot.is_closed),
            ("fake", stream.labels.decode(), true)
        );
        assert_eq!((snapshot.bounds, snapshot.chunk), ((Nanos(-3), Nanos(i64::MAX)), &b"any bytes"[..]));
        let Some(Record::Flushed(flushed)) = reader.next() else { panic!("flushed third") };
        assert_eq!((flushed.chunk.checksum, flushed.ordinal), (0xdead_beef, 1));
        assert_eq!((flushed.covers.normalized(), snapshot.covers), (vec![(7, 9), (100, 101)], flushed.covers));
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
            assert_eq!(seen, 3, "bit {bit} damages one record of four");
        }
    }

    /// Written by the build before version 2: six streams of two tenants, flushed and shipped, and six once more.
    const V1: &[u8] = include_bytes!("../testdata/v1.wal");

    #[test]
    fn version_1_is_read() {
        let mut reader = SegmentReader::open(V1).expect("a header of version 1");
        assert_eq!((reader.header().version, reader.header().segment), (1, 0));
        let (mut lines, mut flushed, mut shipped) = (Vec::new(), Vec::new(), 0);
        for record in reader.by_ref() {
            match record {
                Record::Push(push) => {
                    assert!(["a", "b"].contains(&push.tenant) && push.bounds.is_none());
                    for stream in push.streams() {
                        let labels = stream.labels.decode().expect("labels");
                        let keep =
                            |seq, entry: Entry<'_>| lines.push((seq, labels.to_string(), OwnedEntry::from(entry)));
                        stream.entries(keep).expect("whole entries");
                    }
                }
                Record::Flushed(chunk) => flushed.push(chunk),
                Record::Shipped { ordinal_through } => shipped = ordinal_through,
                Record::Snapshot(_) => panic!("version 1 has none"),
            }
        }
        assert_eq!((reader.end(), lines.len(), flushed.len(), shipped), (End::Clean, 48, 6, 6));
        let numbers: Vec<u64> = lines.iter().map(|(seq, ..)| *seq).collect();
        assert_eq!(numbers, (1..=48).collect::<Vec<u64>>());
        let (_, labels, entry) = &lines[1];
        assert_eq!(labels, r#"{app="app0", env="prod", service_name="app0"}"#);
        assert!(entry.line.starts_with(b"line 0-1 of app0 "), "{entry:?}");
        assert!(entry.metadata.contains(&("trace".to_owned(), "t0".to_owned())), "{entry:?}");
        assert!(flushed.iter().all(|chunk| chunk.entries == 4 && chunk.covers.iter().all(|(first, _)| first == 0)));
    }

    /// A build reads versions up to its own and refuses a higher one before it looks at a record: so the build before
    /// refuses what this one writes.
    #[test]
    fn newer_versions_are_refused_by_name() {
        let header = segment_header(3, 9);
        assert_eq!((header[7], V1[7]), (2, 1));
        let mut newer = header;
        newer[7] = VERSION + 1;
        let sum = crc32c::crc32c(&newer[..24]);
        newer[24..].copy_from_slice(&sum.to_le_bytes());
        let error = Header::read(&newer).expect_err("from the future");
        assert_eq!(error, WalError::Version { found: VERSION + 1, known: VERSION });
        assert_eq!(error.to_string(), "log segment has version 3; this build reads versions 1 to 2");
    }

    #[test]
    fn a_piece_tells_how_much_more_it_needs() {
        let bytes = &sample()[HEADER_BYTES..];
        let Framed::Whole(first) = frame(bytes, bytes.len() as u64) else { panic!("a push first") };
        for cut in 0..first.len_bytes() {
            match frame(&bytes[..cut], bytes.len() as u64) {
                Framed::Needs(needs) => {
                    assert_eq!(needs, if cut < FRAME_BYTES { FRAME_BYTES } else { first.len_bytes() })
                }
                other => panic!("{cut}: {other:?}"),
            }
            assert!(matches!(frame(&bytes[..cut], cut as u64), Framed::Bad), "nothing comes behind {cut}");
        }
    }

    #[test]
    fn entries_that_do_not_hold_what_their_head_promises_are_told() {
        let labels = Labels::from_pairs([("a", "b")]);
        let mut push = PushWriter::new(&TenantId::single());
        let entries = [
            Entry { ts: Nanos(1), line: b"first", metadata: &[] },
            Entry { ts: Nanos(2), line: b"second", metadata: &[] },
        ];
        push.stream(&labels, Fingerprint(1), 1, &entries);
        let mut bytes = Vec::new();
        push.finish(&mut bytes);
        // The second line's length, made too long.
        let at = bytes.len() - b"second".len() - 2;
        assert_eq!(bytes[at], 6);
        bytes[at] = 60;
        let Some(Record::Push(record)) = decode(VERSION, KIND_PUSH, &bytes[FRAME_BYTES..]) else {
            panic!("a whole section")
        };
        let mut seen = 0;
        let stream = record.streams().next().expect("one stream");
        assert_eq!(stream.entries(|_, _| seen += 1), Err(crate::BadEntries { whole: 1 }));
        assert_eq!(seen, 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = segment_header(0, 0).to_vec();
            bytes.extend_from_slice(&tail);
            let mut reader = SegmentReader::open(&bytes).expect("whole header");
            while reader.next().is_some() {}
            for version in 1..=VERSION {
                for kind in KIND_PUSH..=KIND_SNAPSHOT {
                    if let Some(Record::Push(push)) = decode(version, kind, &tail) {
                        push.streams().for_each(|stream| { let _ = stream.entries(|_, _| ()); });
                    }
                }
            }
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
                let mut keep = |_, entry: Entry<'_>| {
                    entries.push((entry.ts.0, entry.line.to_vec(), entry.metadata[0].1.to_owned()));
                };
                stream.entries(&mut keep).expect("as written");
                entries
            }).collect();
            prop_assert_eq!(back, streams);
        }
    }
}
