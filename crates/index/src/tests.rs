//! Files written by upstream, read and rebuilt.

use bytes::Bytes;
use loptr_model::{Fingerprint, Labels, Millis};

use crate::*;

const GOLDEN: &str = "
    baaad700030000000a00000002016103617070e78092b70000000000000000002f7cd28a6982c6432701010001000000
    120101000000010000000100f6a1abfef96202f6a1abfef962010101f7f48b75ce01510c0000000c0000000100000001
    00000000e74f0cb90000000800000001000000025502add10000000800000001000000025502add10000000a00000001
    010361707054f27e79960000001000000002020000680203617070016178772e603b0000001400000001000000000000
    00027cd28a6982c6432704da004500000000000000050000000000000017000000000000005400000000000000880000
    000000000068000000000000009a00000000000000b20000018bcfe5687b0000018bcfe5687c0ad1065e";

fn golden() -> Vec<u8> {
    let digits: Vec<u8> = GOLDEN.bytes().filter_map(|c| (c as char).to_digit(16)).map(|d| d as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

fn golden_chunk() -> ChunkMeta {
    let (min, max) = (Millis(0x18b_cfe5_687b), Millis(0x18b_cfe5_687c));
    ChunkMeta { min, max, checksum: 0xf7f4_8b75, kb: 1, entries: 1 }
}

#[test]
fn golden_bytes_are_written() {
    let labels = Labels::from_pairs([("app", "a"), ("__name__", "logs")]);
    let mut builder = IndexBuilder::new(Version::V3);
    builder.add_series(labels.iter(), labels.fingerprint(), [golden_chunk(), golden_chunk()]);
    assert_eq!(builder.build(), Ok(golden()));
}

#[test]
fn golden_bytes_are_read() {
    let file = IndexFile::open(golden().into()).expect("golden file");
    let mut seen = Vec::new();
    file.view()
        .select(&[], None, |series| {
            let chunks: Vec<_> = series.all_chunks()?.collect::<Result<_, _>>()?;
            seen.push((series.fingerprint(), series.to_labels().to_string(), chunks));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .expect("golden series");
    let fingerprint = Fingerprint(0x7cd2_8a69_82c6_4327);
    assert_eq!(seen, [(fingerprint, r#"{app="a"}"#.to_owned(), vec![golden_chunk()])]);
    assert_eq!(file.bounds(), (golden_chunk().min, golden_chunk().max));
    assert_eq!((file.version(), file.toc_checksum()), (Version::V3, 0x0ad1_065e));
}

#[test]
fn an_index_without_series_is_legal() {
    let file = IndexFile::open(Bytes::from(IndexBuilder::new(Version::V3).build().expect("empty"))).expect("empty");
    assert_eq!(file.view().label_names(&[]), Ok(Vec::new()));
    assert_eq!(file.view().stats(&[], None, Millis(0), Millis(1)), Ok(IndexStats::default()));
}
