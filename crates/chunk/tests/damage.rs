//! Damaged bytes: an error or harmless, never a panic, never much memory.

mod common;

use bytes::Bytes;
use common::{Entry, objects, read, unhex, upstream};
use loptr_chunk::{
    Chunk, ChunkError, ChunkOptions, Encoding, Format, MemChunk, Object, parse_external_key, parse_filesystem_name,
};
use loptr_model::Nanos;

/// A chunk of a few small blocks.
fn chunk(format: Format, encoding: Encoding) -> (Bytes, Vec<Entry>) {
    let options = ChunkOptions::new(format, encoding).expect("writable").block_bytes(60);
    let mut chunk = MemChunk::new(options);
    for ts in 0..9 {
        let line = format!("line {ts} of a small chunk");
        chunk.append(Nanos(1_700_000_000_000_000_000 + ts), line.as_bytes(), &[("level", "info")]).expect("appends");
    }
    let bytes = chunk.close().expect("closes").bytes;
    let entries = read(&Chunk::parse(bytes.clone()).expect("parses")).expect("reads");
    (bytes, entries)
}

fn read_bytes(bytes: &[u8]) -> Result<Vec<Entry>, ChunkError> {
    read(&Chunk::parse(Bytes::copy_from_slice(bytes))?.with_limit(1 << 20))
}

fn everywhere(mut check: impl FnMut(&[u8], &[Entry], &str)) {
    for format in [Format::V3, Format::V4] {
        for encoding in Encoding::ALL {
            let (bytes, entries) = chunk(format, encoding);
            check(&bytes, &entries, &format!("{format:?} {encoding}"));
        }
    }
}

#[test]
fn a_chunk_cut_anywhere_is_an_error() {
    everywhere(|bytes, _, which| {
        for cut in 0..bytes.len() {
            assert!(read_bytes(&bytes[..cut]).is_err(), "{which} cut at {cut}");
        }
    });
}

#[test]
fn a_flipped_bit_is_an_error_or_harmless() {
    everywhere(|bytes, entries, which| {
        let mut harmless = 0;
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read_bytes(&bad) {
                assert_eq!(found, entries, "{which} bit {bit}");
                harmless += 1;
            }
        }
        // Only another lz4 id for the codec byte reads alike.
        assert!(harmless <= 3, "{which}: {harmless} bits");
    });
}

#[test]
fn an_object_cut_or_flipped_anywhere_is_an_error() {
    for bucket in ["enc-snappy", "enc-gzip", "v12"] {
        let (name, object) = objects(&upstream().join(bucket)).into_iter().min_by_key(|it| it.1.len()).expect("some");
        let (tenant, expected) = parse_external_key(&parse_filesystem_name(&name).expect("a name")).expect("a key");
        let decode = |bytes: &[u8]| Object::decode_expected(Bytes::copy_from_slice(bytes), &tenant, &expected);
        decode(&object).expect("decodes");
        for cut in 0..object.len() {
            assert!(decode(&object[..cut]).is_err());
            let _ = Object::decode(Bytes::copy_from_slice(&object[..cut]));
        }
        for bit in 0..object.len() * 8 {
            let mut bad = object.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(decode(&bad), Err(ChunkError::Checksum { what: "object", .. })));
            // Without the checksum to hold it off: no panic.
            if let Ok(object) = Object::decode(bad.into()) {
                let _ = read_bytes(&object.memchunk);
            }
        }
    }
}

#[test]
fn a_bad_block_is_named_and_the_others_are_read() {
    let (bytes, _) = chunk(Format::V4, Encoding::Snappy);
    let metas = Chunk::parse(bytes.clone()).expect("parses").blocks().to_vec();
    assert!(metas.len() > 2);
    let mut bad = bytes.to_vec();
    bad[metas[1].offset as usize + 20] ^= 1;
    let chunk = Chunk::parse(bad.into()).expect("the blocks' places are right");
    let mut buf = Vec::new();
    let found = chunk.decode_block(1, &mut buf).expect_err("damaged");
    let ChunkError::Checksum { what: "block", at, found, expected } = found else { panic!("{found}") };
    assert_eq!((at, expected), (metas[1].offset, crc32c::crc32c(&bytes[at as usize..][..metas[1].len as usize])));
    assert_ne!(found, expected);
    for index in [0, 2] {
        assert_eq!(
            chunk.decode_block(index, &mut buf).expect("whole").entries().count(),
            metas[index].entries as usize
        );
    }
    let none = chunk.decode_block(99, &mut buf).expect_err("no such block").to_string();
    assert_eq!(none, format!("no block 99: the chunk has {}", metas.len()));
}

#[test]
fn headers_are_refused_in_upstreams_words() {
    let text = |hex: &str| Chunk::parse(unhex(hex).into()).expect_err("invalid").to_string();
    assert_eq!(text("012ee56b0400"), "invalid magic number 12ee56b");
    assert_eq!(text("012ee56a0500"), "invalid version 5");
    assert_eq!(text("012ee56a0402"), "unknown encoding: id 2");
    assert_eq!(text("012ee5"), "chunk ends inside header at byte 0: the object may be truncated");
    assert_eq!(text("012ee56a0404"), "chunk ends inside trailer at byte 6: the object may be truncated");
}

/// Lengths and counts that lie, with right checksums.
#[test]
fn lies_with_right_checksums_take_no_memory() {
    let wrap = |metas: &[u8], symbols: &[u8]| {
        let mut out = unhex("012ee56a0400");
        let mut section = |bytes: &[u8]| {
            let at = out.len() as u64;
            out.extend_from_slice(bytes);
            out.extend_from_slice(&crc32c::crc32c(bytes).to_be_bytes());
            [bytes.len() as u64, at]
        };
        let words = [section(symbols), section(metas)].concat();
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        Chunk::parse(out.into())
    };
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(
        wrap(&most, &[0]).expect_err("no metas").to_string(),
        "chunk ends inside metas at byte 21: the object may be truncated"
    );
    let far = [&[1, 1, 0, 0][..], &most, &[5], &most].concat();
    assert!(matches!(wrap(&far, &[0]), Err(ChunkError::Truncated { what: "block", at: u64::MAX })));
    let chunk = wrap(&[0], &most).expect("symbols are not looked at yet");
    assert!(chunk.symbols().is_err());
    // A block of no bytes, whose checksum is the trailer's first zeros.
    let counter = [&[1][..], &most, &[0, 0, 40], &most, &[0]].concat();
    let chunk = wrap(&counter, &[0]).expect("counters are hints");
    assert_eq!(chunk.decode_block(0, &mut Vec::new()).expect("empty").entries().count(), 0);
    assert_eq!(chunk.entries(), u64::MAX);
}

#[test]
fn a_block_that_decompresses_to_too_much_is_refused() {
    let line = vec![b'x'; 4 << 20];
    for encoding in Encoding::ALL {
        let mut chunk = MemChunk::new(ChunkOptions::new(Format::V3, encoding).expect("writable"));
        chunk.append(Nanos(1), &line, &[]).expect("appends");
        let chunk = Chunk::parse(chunk.close().expect("closes").bytes).expect("parses").with_limit(1 << 20);
        let mut buf = Vec::new();
        let found = chunk.decode_block(0, &mut buf).expect_err("too large");
        assert_eq!(found, ChunkError::TooLarge { what: "block", at: 6, limit: 1 << 20 }, "{encoding}");
        assert!(buf.capacity() <= 2 << 20, "{encoding}: {}", buf.capacity());
    }
}
