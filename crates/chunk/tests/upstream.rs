//! Objects an upstream 3.7.6 wrote to its filesystem store: schemas v11 to v13, every codec.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use common::{Entry, objects, read, upstream};
use loptr_chunk::{
    Chunk, ChunkOptions, Encoding, MemChunk, Object, SchemaVersion, Sealed, external_key, filesystem_name,
    parse_external_key, parse_filesystem_name,
};
use loptr_model::{Nanos, TenantId, TimeRange};

struct Loaded {
    name: String,
    object: Object,
    chunk: Chunk,
    entries: Vec<Entry>,
}

fn load(folder: &Path) -> Vec<Loaded> {
    let load = |(name, bytes): (String, Vec<u8>)| {
        let key = parse_filesystem_name(&name).expect("a chunk's name");
        let (tenant, expected) = parse_external_key(&key).expect("a key");
        let object = Object::decode_expected(bytes.into(), &tenant, &expected).expect("decodes");
        assert_eq!(object.labels.fingerprint(), expected.fingerprint);
        let schema = if name.contains('/') { SchemaVersion::V12 } else { SchemaVersion::V11 };
        assert_eq!(filesystem_name(schema, &external_key(schema, &tenant, &expected)), name);
        let chunk = Chunk::parse(object.memchunk.clone()).expect("parses");
        let entries = read(&chunk).expect("reads");
        assert_eq!(chunk.entries(), entries.len() as u64);
        let (min, max) = chunk.bounds().expect("has entries");
        assert_eq!((min.floor_millis(), max.ceil_millis()), (expected.from, expected.through));
        Loaded { name, object, chunk, entries }
    };
    objects(folder).into_iter().map(load).collect()
}

/// CRC-32 over (time be64 ‖ length be32 ‖ line) of each entry.
fn digest(entries: &[Entry]) -> u32 {
    let mut crc = flate2::Crc::new();
    for (ts, line, _) in entries {
        crc.update(&ts.to_be_bytes());
        crc.update(&(line.len() as u32).to_be_bytes());
        crc.update(line);
    }
    crc.sum()
}

const CODECS: [&str; 9] = ["snappy", "gzip", "none", "lz4-64k", "lz4-256k", "lz4-1M", "lz4", "flate", "zstd"];

#[test]
fn every_object_holds_what_was_pushed() {
    // Labels, entries, digest: worked out from the pushes and the duplicate rule alone.
    let want = BTreeMap::from([
        (r#"{app="packed", env="dev", service_name="packed"}"#, (58, 0xa5a7_c959)),
        (r#"{app="sm", env="prod", service_name="sm", user="label"}"#, (150, 0xa94a_8979)),
        (r#"{app="dup", copy="1", env="dev", service_name="dup"}"#, (40, 0xb480_5023)),
        (r#"{app="dup", copy="2", env="dev", service_name="dup"}"#, (40, 0xa118_0ce9)),
        (r#"{app="sparse", env="dev", service_name="sparse"}"#, (5, 0x010a_8be2)),
        (r#"{app="big", env="prod", service_name="big"}"#, (15_000, 0x2393_f53e)),
    ]);
    let mut objects = 0;
    for (bucket, codec, format) in CODECS
        .map(|codec| (format!("enc-{codec}"), codec, 4))
        .into_iter()
        .chain([("v12".to_owned(), "snappy", 3), ("v11-boltdb".to_owned(), "gzip", 3)])
    {
        let mut streams = BTreeSet::new();
        for Loaded { object, chunk, entries, .. } in load(&upstream().join(&bucket)) {
            let labels = object.labels.to_string();
            assert_eq!(want.get(&labels[..]), Some(&(entries.len(), digest(&entries))), "{bucket} {labels}");
            assert_eq!((chunk.encoding().as_str(), chunk.format().byte()), (codec, format));
            assert!(entries.iter().all(|entry| (format == 4) == entry.2.iter().any(|pair| pair.0 == "detected_level")));
            streams.insert(labels);
            objects += 1;
        }
        let big = usize::from(codec == "zstd");
        assert_eq!(streams.len(), 5 + big, "{bucket}");
    }
    assert_eq!(objects, 56);
}

#[test]
fn every_codec_holds_the_same() {
    let entries = |codec: &str| {
        let loaded = load(&upstream().join(format!("enc-{codec}")));
        let small = loaded.into_iter().filter(|loaded| loaded.entries.len() < 1000);
        small.map(|loaded| (loaded.object.labels.to_string(), loaded.entries)).collect::<BTreeMap<_, _>>()
    };
    let want = entries("none");
    CODECS.into_iter().for_each(|codec| assert_eq!(entries(codec), want));
}

/// The entries through our writer, with upstream's default sizes; and what a reader sees while it is filled.
fn rewritten(chunk: &Chunk, entries: &[Entry]) -> (Chunk, Sealed) {
    let mut ours = MemChunk::new(ChunkOptions::new(chunk.format(), chunk.encoding()).expect("writable"));
    for (ts, line, metadata) in entries {
        let metadata: Vec<_> = metadata.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(ours.append(Nanos(*ts), line, &metadata), Ok(false));
    }
    (ours.snapshot(TimeRange::ALL), ours.close().expect("closes"))
}

/// Upstream's entries through our writer, as upstream's writer took them: same blocks, same counters; where compressors
/// agree, the same object to the byte.
#[test]
fn our_writer_makes_the_same_blocks() {
    for bucket in CODECS.map(|codec| format!("enc-{codec}")).into_iter().chain(["v12".into(), "v11-boltdb".into()]) {
        for Loaded { name, object, chunk, entries } in load(&upstream().join(&bucket)) {
            let (ours, sealed) = rewritten(&chunk, &entries);
            assert_eq!(read(&ours).as_ref(), Ok(&entries));
            if [Encoding::None, Encoding::Snappy].contains(&chunk.encoding()) {
                let tenant = TenantId::parse(&object.tenant).expect("a tenant");
                let again = sealed.to_object(&tenant, &object.labels, object.chunk.fingerprint).expect("encodes");
                let (reference, bytes) = again.expect("has entries");
                assert_eq!((reference, Object::decode(bytes).as_ref()), (object.chunk, Ok(&object)), "{bucket} {name}");
            }
            let ours = Chunk::parse(sealed.bytes).expect("parses");
            assert_eq!(read(&ours).as_ref(), Ok(&entries), "{bucket} {name}");
            let shape = |chunk: &Chunk| {
                let block =
                    |block: &loptr_chunk::BlockMeta| (block.entries, block.min_ts, block.max_ts, block.uncompressed);
                chunk.blocks().iter().map(block).collect::<Vec<_>>()
            };
            assert_eq!(shape(&ours), shape(&chunk), "{bucket} {name}");
        }
    }
}

#[test]
fn a_search_finds_what_reading_line_by_line_finds() {
    let mut buf = Vec::new();
    for Loaded { chunk, entries, .. } in load(&upstream().join("enc-zstd")) {
        for needle in ["timeout", "id=efb6fbfe8de4ab47558298e214b044d7", "e", "line 1", "absent needle", "\u{1}"] {
            let finder = memchr::memmem::Finder::new(needle);
            let mut found = Vec::new();
            for index in 0..chunk.blocks().len() {
                let find =
                    |hay: &[u8], from: usize| finder.find(&hay[from..]).map(|at| (from + at, from + at + needle.len()));
                let block = chunk.decode_block(index, &mut buf).expect("decodes");
                block
                    .search(find, |entry| {
                        found.push((entry.ts.0, entry.line.to_vec()));
                        ControlFlow::Continue(())
                    })
                    .expect("well formed");
            }
            let want = entries.iter().filter(|entry| finder.find(&entry.1).is_some());
            assert_eq!(found, want.map(|entry| (entry.0, entry.1.clone())).collect::<Vec<_>>(), "{needle}");
        }
    }
}

/// `LOPTR_CHUNK_BUCKETS=<folder of buckets> cargo test -p loptr-chunk -- --ignored`: every object of every bucket.
#[test]
#[ignore = "needs a folder of buckets"]
#[allow(clippy::disallowed_methods, reason = "test data comes from files")]
fn a_folder_of_buckets_reads() {
    let folder = std::env::var("LOPTR_CHUNK_BUCKETS").expect("LOPTR_CHUNK_BUCKETS names a folder of buckets");
    let (mut count, mut entries, mut same) = (0, 0, 0);
    for bucket in std::fs::read_dir(folder).expect("a folder") {
        let bucket = bucket.expect("an entry").path();
        if !bucket.is_dir() || bucket.join("wal").exists() {
            continue;
        }
        for loaded in load(&bucket) {
            count += 1;
            entries += loaded.entries.len();
            let (_, sealed) = rewritten(&loaded.chunk, &loaded.entries);
            let ours = read(&Chunk::parse(sealed.bytes.clone()).expect("parses"));
            assert_eq!(ours.as_ref(), Ok(&loaded.entries), "{}", loaded.name);
            same += usize::from(sealed.bytes == loaded.object.memchunk);
        }
    }
    eprintln!("{count} objects, {entries} entries; {same} rewritten to the same bytes");
    assert!(count > 0);
}
