//! Golden bytes, each checked against upstream when they were taken.

mod common;

use bytes::Bytes;
use common::{read, unhex};
use loptr_chunk::{
    Chunk, ChunkOptions, Encoding, Format, MemChunk, Object, SchemaVersion, compress, external_key, filesystem_name,
};
use loptr_model::{Labels, Nanos, TenantId};

const MEMCHUNK: &str = "
    012ee56a040002016b017658d0ad3caab4aed8c7bfce972f0568656c6c6f030100016af86b700101aab4aed8c7bfce97
    2faab4aed8c7bfce972f0f0d138780994000000000000000050000000000000006000000000000001700000000000000
    26";

fn golden() -> MemChunk {
    let options = ChunkOptions::new(SchemaVersion::V13.chunk_format(), Encoding::None).expect("writable");
    let mut chunk = MemChunk::new(options);
    let duplicate = chunk.append(Nanos(1_700_000_000_123_456_789), b"hello", &[("k", "v")]).expect("appends");
    assert!(!duplicate);
    chunk
}

#[test]
fn one_entry_is_97_known_bytes() {
    let sealed = golden().close().expect("closes");
    assert_eq!(sealed.bytes, unhex(MEMCHUNK));
    assert_eq!((sealed.entries, sealed.uncompressed_size), (1, 15));

    let chunk = Chunk::parse(sealed.bytes).expect("parses");
    let block = chunk.blocks()[0];
    assert_eq!((block.entries, block.offset, block.len, block.uncompressed), (1, 15, 19, 13));
    let want = (1_700_000_000_123_456_789, b"hello".to_vec(), vec![("k".to_owned(), "v".to_owned())]);
    assert_eq!(read(&chunk), Ok(vec![want]));
}

#[test]
fn its_object_is_276_known_bytes_under_a_known_key() {
    let json = concat!(
        r#"{"fingerprint":8994403591582532391,"userID":"fake","from":1700000000.123,"through":1700000000.124,"#,
        r#""metric":{"__name__":"logs","app":"a"},"encoding":129}"#,
        "\n"
    );
    let head = unhex("000000afff060000734e61507059019d0000fc6cf72c");
    let want = [&head[..], json.as_bytes(), &unhex("00000061"), &unhex(MEMCHUNK)].concat();

    let tenant = TenantId::single();
    let labels = Labels::from_pairs([("app", "a")]);
    let sealed = golden().close().expect("closes");
    let (chunk, object) =
        sealed.to_object(&tenant, &labels, labels.fingerprint()).expect("encodes").expect("has entries");
    assert_eq!(object, want);
    let key = external_key(SchemaVersion::V13, &tenant, &chunk);
    assert_eq!(key, "fake/7cd28a6982c64327/18bcfe5687b:18bcfe5687c:f7f48b75");
    let name = filesystem_name(SchemaVersion::V13, &key);
    assert_eq!(name, "fake/7cd28a6982c64327/MThiY2ZlNTY4N2I6MThiY2ZlNTY4N2M6ZjdmNDhiNzU=");

    let object = Object::decode_expected(object, &tenant, &chunk).expect("decodes");
    assert_eq!((object.labels, object.memchunk), (labels, sealed.bytes));
}

/// A memchunk of formats 1 to 3, which nobody writes any more, by hand. `shift` is added to the second block's offset.
fn old_format(format: u8, encoding: Encoding, shift: u64) -> Bytes {
    let put = |out: &mut Vec<u8>, mut value: u64| {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    };
    let mut out = unhex("012ee56a");
    out.push(format);
    if format > 1 {
        out.push(encoding.id());
    }
    let mut metas = vec![2];
    for block in [0u64, 1] {
        let raw = [block as u8 * 2, 3, b'o', b'n', b'e', block as u8 * 2 + 2, 0];
        let mut body = Vec::new();
        compress(encoding, 3, &raw, &mut body).expect("compresses");
        put(&mut metas, 2);
        put(&mut metas, block * 2);
        put(&mut metas, block * 2 + 2);
        put(&mut metas, out.len() as u64 + block * shift);
        if format > 2 {
            put(&mut metas, 3);
        }
        put(&mut metas, body.len() as u64);
        out.extend_from_slice(&body);
        out.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    }
    let metas_at = out.len() as u64;
    out.extend_from_slice(&metas);
    out.extend_from_slice(&crc32c::crc32c(&metas).to_be_bytes());
    out.extend_from_slice(&metas_at.to_be_bytes());
    out.into()
}

#[test]
fn formats_1_to_3_are_read() {
    let line = |ts: i64, line: &str| (ts, line.as_bytes().to_vec(), vec![]);
    let want = vec![line(0, "one"), line(1, ""), line(1, "one"), line(2, "")];
    for format in 1..=3 {
        for encoding in Encoding::ALL {
            let encoding = if format == 1 { Encoding::Gzip } else { encoding };
            let chunk = Chunk::parse(old_format(format, encoding, 0)).expect("parses");
            assert_eq!((chunk.format(), chunk.encoding()), (Format::from_byte(format).expect("known"), encoding));
            assert_eq!(read(&chunk).as_ref(), Ok(&want));
            assert_eq!(chunk.bounds(), Some((Nanos(0), Nanos(2))));
        }
    }
}

/// Upstream has written wrong offsets: a block is also looked for behind the one before it.
#[test]
fn a_wrong_offset_is_forgiven() {
    let right = read(&Chunk::parse(old_format(3, Encoding::Snappy, 0)).expect("parses"));
    for shift in [1, 2, 1000, u64::MAX >> 2] {
        let chunk = Chunk::parse(old_format(3, Encoding::Snappy, shift)).expect("parses");
        assert_eq!(read(&chunk), right);
    }
}
