use loptr_model::{Labels, Millis, Nanos, OwnedEntry};
use proptest::prelude::*;

use super::*;
use crate::encode::Segment;

type Records = Vec<Vec<u8>>;

/// Records of a segment read in pieces of `step` bytes, and how it ends.
fn read(bytes: &[u8], step: usize) -> Result<(Records, End), (Records, UpstreamError)> {
    let mut frames = Frames::new();
    let mut records = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        frames.feed(piece);
        loop {
            match frames.next() {
                Ok(Some(frame)) => records.push(frame.bytes.to_vec()),
                Ok(None) => break,
                Err(error) => return Err((records, error)),
            }
        }
    }
    Ok((records, frames.end()))
}

fn segment(records: &[Vec<u8>]) -> Vec<u8> {
    let mut segment = Segment::default();
    records.iter().for_each(|record| segment.record(record));
    segment.bytes
}

fn entry(ts: i64, line: &str, metadata: &[(&str, &str)]) -> OwnedEntry {
    let metadata = metadata.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    OwnedEntry { ts: Nanos(ts), line: line.into(), metadata }
}

fn owned(stream: &StreamEntries<'_>) -> Vec<OwnedEntry> {
    let mut found = Vec::new();
    let visited: Result<(), UpstreamError> = stream.entries(|entry| {
        found.push(entry.into());
        Ok(())
    });
    visited.expect("visitor does not fail");
    found
}

/// Records of every length around the places where fragments and pages end.
fn long_records() -> Vec<Vec<u8>> {
    let lengths = [0, 1, 7, 32_700, 32_747, 32_754, 32_761, 32_762, 100_000, 5, 65_000, 3];
    lengths.iter().enumerate().map(|(at, &len)| vec![at as u8 + 1; len]).collect()
}

#[test]
fn a_cut_at_every_byte_leaves_the_whole_records_before_it() {
    let records = long_records();
    let whole = segment(&records);
    let mut ends = Vec::new();
    let mut partial = Segment::default();
    for record in &records {
        partial.record(record);
        ends.push(partial.bytes.len());
    }
    assert_eq!(read(&whole, whole.len()), Ok((records.clone(), End::Clean)));
    for cut in (0..whole.len()).filter(|cut| cut % 97 == 0 || ends.iter().any(|end| cut.abs_diff(*end) < 20)) {
        let before = ends.iter().filter(|end| **end <= cut).count();
        let (found, end) = read(&whole[..cut], 4096).expect("bytes that stop are no fault");
        assert_eq!(found, records[..before], "cut at {cut}");
        let start = if before == 0 { 0 } else { ends[before - 1] };
        let padding = whole[start..cut].iter().all(|&byte| byte == 0);
        assert_eq!(end == End::Clean, padding, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let records: Vec<Vec<u8>> = vec![b"first".to_vec(), vec![7; 300], b"last".to_vec()];
    let whole = segment(&records);
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read(&flipped, whole.len()) {
            Err((found, _)) => assert!(records.starts_with(&found)),
            // A length that grew past the end, or a type that became the start of zeros: the record is not whole.
            Ok((found, end)) => {
                assert!(records.starts_with(&found) && found.len() < records.len(), "bit {bit}");
                assert!(matches!(end, End::Torn { .. }), "bit {bit}");
            }
        }
    }
}

#[test]
fn faults_of_the_framing_name_their_place() {
    let fault = |bytes: &[u8]| read(bytes, bytes.len()).expect_err("damaged").1.to_string();
    let one = segment(&[b"abc".to_vec()]);
    let with = |at: usize, byte: u8| {
        let mut bytes = one.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(fault(&with(0, 9)), "byte 0: fragment is compressed with snappy, which is not supported");
    assert_eq!(fault(&with(0, 17)), "byte 0: fragment is compressed with zstd, which is not supported");
    assert_eq!(fault(&with(0, 5)), "byte 0: fragment of unknown type");
    assert_eq!(fault(&with(0, 4)), "byte 0: record goes on that has not begun");
    assert_eq!(fault(&with(1, 0xff)), "byte 0: fragment is longer than its page");
    assert_eq!(fault(&with(8, b'x')), "byte 0: fragment has checksum b3df3d60, expected 364b3fb7");
    let mut twice = with(0, 2);
    twice.extend(&one);
    assert_eq!(fault(&twice), "byte 10: record begins inside another");
    let mut padded = one.clone();
    padded.resize(PAGE_BYTES, 0);
    assert_eq!(read(&padded, 100), Ok((vec![b"abc".to_vec()], End::Clean)));
    padded[20_000] = 1;
    assert_eq!(fault(&padded), "byte 20000: byte in a page's padding is not zero");
    let mut hole = vec![0; PAGE_BYTES];
    assert_eq!(read(&hole, 100), Ok((vec![], End::Clean)));
    hole.extend(&one);
    assert_eq!(fault(&hole), "byte 0: page of zeros with more behind it");
    let mut gap = with(0, 2);
    gap.resize(PAGE_BYTES, 0);
    assert_eq!(fault(&gap), "byte 10: zeros inside a record");
    assert!(begins_whole(&one) && !begins_whole(&one[..9]) && !begins_whole(&[0; 7]) && !begins_whole(&with(8, 0)));
}

#[test]
fn records_of_the_log_are_read() {
    let (a, b) = (Labels::from_pairs([("app", "a")]), Labels::from_pairs([("app", "b"), ("env", "prod")]));
    let record = encode::series_record("t", &[(7, a.clone()), (8, b.clone())]);
    let LogRecord::Series { tenant, series } = log_record(&record).expect("reads") else { panic!("series") };
    assert_eq!((tenant.as_str(), series), ("t", vec![(7, a), (8, b)]));

    let entries = vec![entry(5, "one\nmore", &[("z", "1"), ("a", "2")]), entry(-3, "", &[])];
    for kind in [2, 4, 5] {
        let record =
            encode::entries_record(kind, "t", &[(8, 40, entries.clone()), (7, 2, vec![]), (9, 1, entries.clone())]);
        let LogRecord::Entries { streams, .. } = log_record(&record).expect("reads") else { panic!("entries") };
        assert_eq!(streams.iter().map(|stream| stream.reference).collect::<Vec<_>>(), [8, 9]);
        assert_eq!(streams[0].counter, (kind != 2).then_some(40));
        let mut want = entries.clone();
        if kind != 5 {
            want.iter_mut().for_each(|entry| entry.metadata.clear());
        }
        assert_eq!(owned(&streams[1]), want);
    }
    let none = encode::entries_record(5, "t", &[]);
    assert!(matches!(log_record(&none), Ok(LogRecord::Entries { streams, .. }) if streams.is_empty()));
    assert_eq!(
        log_record(&[6]).expect_err("new").to_string(),
        "byte 0 of the record: record type 6 is not known to this version"
    );
    assert!(log_record(&[3]).is_err() && log_record(&[]).is_err());
    let nobody = encode::series_record("a/b", &[]);
    assert!(log_record(&nobody).expect_err("no tenant").to_string().starts_with("the record is of tenant \"a/b\": "));
}

#[test]
fn records_of_a_checkpoint_are_read() {
    let labels = Labels::from_pairs([("app", "a"), ("empty", "")]);
    let chunks = vec![(b"data".to_vec(), b"head".to_vec(), true), (vec![], vec![], false)];
    let record = encode::checkpoint_record("t", u64::MAX, &labels, 12, &chunks);
    let stream = checkpoint_record(&record).expect("reads");
    assert_eq!((stream.tenant.as_str(), stream.reference.0, stream.counter), ("t", u64::MAX, 12));
    assert_eq!(stream.labels, labels);
    let found: Vec<_> = stream.chunks.iter().map(|it| (it.data.to_vec(), it.head.to_vec(), it.closed)).collect();
    assert_eq!(found, chunks);

    let mut newer = record.clone();
    let at = newer.len();
    newer.extend([9 << 3, 1]);
    let refusal = format!("byte {at} of the record: field of a stream 9 is not known to this version");
    assert_eq!(checkpoint_record(&newer).expect_err("new").to_string(), refusal);
    assert!(checkpoint_record(&encode::series_record("t", &[])).is_err());
    for cut in 1..record.len() {
        // Fields may end at any of their ends; within one, the cut is seen.
        if let Ok(stream) = checkpoint_record(&record[..cut]) {
            assert!(stream.chunks.len() <= 2);
        }
    }
}

#[test]
fn heads_are_read() {
    let entries = vec![(5, b"x".to_vec(), vec![(0, 1), (2, 300)]), (-6, vec![], vec![])];
    for format in [3, 4, 5] {
        let bytes = encode::head_block(format, &entries);
        let head = HeadBlock::parse(&bytes).expect("reads");
        let found: Vec<_> = head.entries().map(|it| (it.ts.0, it.line.to_vec(), it.pairs)).collect();
        let mut want = entries.clone();
        if format != 5 {
            want.iter_mut().for_each(|entry| entry.2.clear());
        }
        assert_eq!((head.len(), found), (2, want));
        for cut in 1..bytes.len() {
            assert!(HeadBlock::parse(&bytes[..cut]).is_err(), "format {format} cut at {cut}");
        }
        assert!(HeadBlock::parse(&[&bytes[..], &[0]].concat()).is_err());
    }
    assert!(HeadBlock::parse(&[]).expect("none").is_empty());
    assert_eq!(
        HeadBlock::parse(&[6, 0]).expect_err("new").to_string(),
        "byte 0 of the record: format of a head 6 is not known to this version"
    );
}

#[test]
fn records_of_an_index_head_are_read() {
    let labels = Labels::from_pairs([("app", "a")]);
    for fingerprint in [Some(5), None] {
        let record = encode::index_series_record("t", 3, fingerprint, &labels);
        let IndexRecord::Series { reference, fingerprint: found, labels: read, .. } =
            index_record(&record).expect("reads")
        else {
            panic!("series")
        };
        assert_eq!((reference, found.0, &read), (3, fingerprint.unwrap_or(labels.fingerprint().0), &labels));
        for cut in 0..record.len() {
            assert!(index_record(&record[..cut]).is_err(), "cut at {cut}");
        }
    }
    let chunk = IndexedChunk { min: Millis(-1), max: Millis(9), checksum: 0xfedc_ba98, kb: 4, entries: 5 };
    let record = encode::index_chunks_record("t", 3, &[chunk, chunk]);
    let IndexRecord::Chunks { chunks, reference, .. } = index_record(&record).expect("reads") else { panic!("chunks") };
    assert_eq!((reference, chunks), (3, vec![chunk, chunk]));
    for cut in 0..record.len() {
        assert!(index_record(&record[..cut]).is_err(), "cut at {cut}");
    }
    assert!(index_record(&[3]).is_err());
}

#[test]
fn a_folder_says_what_is_read_in_which_order() {
    let of = |names: &[(&str, bool)]| LogFolder::of(names.iter().copied());
    let folder = of(&[
        ("00000009", false),
        ("00000008", false),
        ("00000007", false),
        ("checkpoint.000007", true),
        ("checkpoint.000003", true),
        ("checkpoint.000009.tmp", true),
        ("loptr", true),
        ("lost+found", true),
        ("12", true),
    ])
    .expect("a log");
    let names = |list: &[(u64, String)]| list.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
    assert_eq!(folder.checkpoint, Some((7, "checkpoint.000007".to_owned())));
    assert_eq!(
        (names(&folder.covered), names(&folder.segments)),
        (vec!["00000007".into()], vec!["00000008".into(), "00000009".into()])
    );
    assert_eq!(folder.stale, ["checkpoint.000009.tmp", "checkpoint.000003"]);
    assert_eq!(folder.others, ["loptr", "lost+found", "12"]);
    assert!(!folder.is_empty() && of(&[("loptr", true)]).expect("none").is_empty());

    let refused = |names: &[(&str, bool)]| of(names).expect_err("a gap").to_string();
    assert_eq!(
        refused(&[("00000001", false), ("00000003", false)]),
        "segments are missing between 00000001 and 00000003"
    );
    assert_eq!(
        refused(&[("checkpoint.000001", true), ("00000003", false)]),
        "segments are missing between checkpoint.000001 and 00000003"
    );
    assert_eq!(refused(&[("checkpoint.000001", false)]), "checkpoint.000001 is a checkpoint but no folder");
    assert!(of(&[("checkpoint.000001", true)]).is_ok() && of(&[("00000005", false)]).is_ok());
}

fn arbitrary_entry() -> impl Strategy<Value = OwnedEntry> {
    let metadata = prop::collection::vec(("[a-zé]{0,4}", "[^\"]{0,9}"), 0..4);
    (any::<i64>(), prop::collection::vec(any::<u8>(), 0..60), metadata).prop_map(|(ts, line, metadata)| OwnedEntry {
        ts: Nanos(ts),
        line,
        metadata,
    })
}

proptest! {
    #[test]
    fn records_come_back_as_written(
        records in prop::collection::vec((0usize..70_000, any::<u8>()), 0..9),
        step in 1usize..70_000,
        pad in any::<bool>(),
    ) {
        let records: Vec<Vec<u8>> = records.into_iter().map(|(len, byte)| vec![byte; len]).collect();
        let mut segment = Segment::default();
        records.iter().for_each(|record| segment.record(record));
        if pad {
            segment.pad();
        }
        prop_assert_eq!(read(&segment.bytes, step), Ok((records, End::Clean)));
    }

    #[test]
    fn entries_come_back_as_written(
        streams in prop::collection::vec((any::<u64>(), 1i64..1000, prop::collection::vec(arbitrary_entry(), 1..6)), 1..5),
    ) {
        let record = encode::entries_record(5, "tenant-1", &streams);
        let LogRecord::Entries { streams: found, .. } = log_record(&record).expect("reads") else { panic!("entries") };
        let found: Vec<_> = found.iter().map(|it| (it.reference, it.counter.unwrap_or(0), owned(it))).collect();
        prop_assert_eq!(found, streams);
        for cut in 1..record.len() {
            // A cut between two streams leaves a whole record: only the frame's checksum can tell.
            if let Ok(LogRecord::Entries { streams: found, .. }) = log_record(&record[..cut]) {
                prop_assert!(found.len() < streams_of(&record));
            }
        }
    }

    #[test]
    fn any_bytes_are_values_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0u8..8) {
        let mut record = bytes.clone();
        record.insert(0, kind);
        for bytes in [&bytes, &record] {
            let _ = read(bytes, 50);
            if let Ok(LogRecord::Entries { streams, .. }) = log_record(bytes) {
                streams.iter().for_each(|stream| prop_assert_eq_len(stream));
            }
            let _ = checkpoint_record(bytes);
            let _ = index_record(bytes);
            if let Ok(head) = HeadBlock::parse(bytes) {
                assert_eq!(head.entries().count() as u64, head.len());
            }
        }
    }
}

fn streams_of(record: &[u8]) -> usize {
    match log_record(record) {
        Ok(LogRecord::Entries { streams, .. }) => streams.len(),
        _ => 0,
    }
}

fn prop_assert_eq_len(stream: &StreamEntries<'_>) {
    assert_eq!(owned(stream).len() as u64, stream.count);
}
