use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use loptr_model::{ChunkRef, Fingerprint, Labels, Millis, TenantId};
use proptest::prelude::*;

use super::*;
use crate::{ChunkMeta, IndexError, IndexFile, IndexView, gzip};

const DAY: i64 = 20_776;

fn upstreams() -> Bytes {
    gzip::decompress(include_bytes!("../../testdata/boltdb-v11.gz"), 1 << 20).expect("gzip").into()
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;
type ChunkKeys = BTreeSet<(Millis, Millis, u32)>;

fn pairs(bytes: Bytes) -> Result<Pairs, IndexError> {
    let mut pairs = Pairs::new();
    BoltFile::open(bytes)?.rows(|row| {
        assert_eq!(row.bucket, INDEX_BUCKET);
        pairs.insert(row.key.to_vec(), row.value.to_vec());
        Ok(())
    })?;
    Ok(pairs)
}

fn index(bytes: Bytes, tenant: Option<&TenantId>) -> Result<(IndexFile, LeftOut), IndexError> {
    to_index(&BoltFile::open(bytes)?, tenant)
}

fn series(view: &IndexView<'_>) -> BTreeMap<(String, Fingerprint), Vec<ChunkMeta>> {
    let mut found = BTreeMap::new();
    view.select(&[], None, |series| {
        let chunks = series.all_chunks()?.collect::<Result<Vec<_>, _>>()?;
        let before = found.insert((series.to_labels().to_string(), series.fingerprint()), chunks);
        assert!(before.is_none(), "each series once");
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .expect("our own bytes");
    found
}

fn key(tenant: &TenantId, chunk: &ChunkRef, folder: bool) -> String {
    let (fp, from, through, sum) = (chunk.fingerprint.0, chunk.from.0, chunk.through.0, chunk.checksum);
    format!("{tenant}/{fp:x}{}{from:x}:{through:x}:{sum:x}", if folder { '/' } else { ':' })
}

#[test]
fn upstreams_file_is_read_and_written_row_by_row() {
    let tenant = TenantId::single();
    let (file, left_out) = index(upstreams(), None).expect("upstream's file");
    assert_eq!(left_out, LeftOut::default());
    let view = file.tenant_view(&tenant);
    let found = series(&view);
    assert_eq!(found.len(), 6);
    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 6);
    assert_eq!(view.label_values("app", &[]).expect("read"), ["big", "dup", "packed", "sm", "sparse"]);
    let mut builder = BoltBuilder::new(BoltRows { schema: 11, row_shards: 16 }, DAY);
    view.select(&[], None, |series| {
        let (labels, fingerprint) = (series.to_labels(), series.fingerprint());
        assert_eq!(labels.fingerprint(), fingerprint);
        for chunk in series.all_chunks()? {
            let ChunkMeta { min, max, checksum, .. } = chunk?;
            let chunk = ChunkRef { fingerprint, from: min, through: max, checksum };
            builder.add(&tenant, &labels, &key(&tenant, &chunk, false), max);
        }
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .expect("read");
    let ours = builder.build().expect("small").into();
    let (ours, theirs) = (pairs(ours).expect("ours"), pairs(upstreams()).expect("theirs"));
    assert_eq!(ours.len(), 39);
    assert!(ours == theirs, "the same keys and values");
}

#[test]
fn a_tenants_rows_alone_are_seen() {
    let tenants = ["a", "b"].map(|name| TenantId::parse(name).expect("a tenant"));
    let mut builder = BoltBuilder::new(BoltRows { schema: 12, row_shards: 16 }, DAY);
    for (at, tenant) in tenants.iter().enumerate() {
        let labels = Labels::from_pairs([("of", tenant.as_str())]);
        let chunk = ChunkRef { fingerprint: Fingerprint(at as u64), from: Millis(1), through: Millis(2), checksum: 3 };
        builder.add(tenant, &labels, &key(tenant, &chunk, true), Millis(2));
    }
    let bytes = Bytes::from(builder.build().expect("small"));
    let (common, _) = index(bytes.clone(), None).expect("ours");
    let (own, _) = index(bytes.clone(), Some(&tenants[1])).expect("ours");
    assert_eq!(series(&common.tenant_view(&tenants[0])).len(), 1);
    assert_eq!(series(&own.view()), series(&common.tenant_view(&tenants[1])));
    // A tenant's bucket holds that tenant's rows; another's in it are nobody's.
    let file = BoltFile::open(bytes).expect("ours");
    let mut rows = Vec::new();
    file.rows(|row| {
        rows.push((row.key, row.value));
        Ok(())
    })
    .expect("ours");
    let in_bucket = write::file(b"a", &rows).expect("small");
    let (file, _) = index(in_bucket.into(), None).expect("ours");
    assert_eq!(tenants.each_ref().map(|tenant| series(&file.tenant_view(tenant)).len()), [1, 0]);
}

#[test]
fn merged_files_have_the_rows_of_all() {
    let tenant = TenantId::single();
    let file = |apps: std::ops::Range<u64>| {
        let mut builder = BoltBuilder::new(BoltRows { schema: 11, row_shards: 16 }, DAY);
        for app in apps {
            let labels = Labels::from_pairs([("app", app.to_string())]);
            let chunk = ChunkRef { fingerprint: Fingerprint(app), from: Millis(1), through: Millis(2), checksum: 3 };
            builder.add(&tenant, &labels, &key(&tenant, &chunk, false), Millis(2));
        }
        Bytes::from(builder.build().expect("small"))
    };
    let merged = merge(&[file(0..700), file(500..1500)], |bucket| bucket == INDEX_BUCKET).expect("ours");
    assert_eq!(merged.map(Bytes::from), Some(file(0..1500)));
    assert_eq!(merge(&[file(0..7)], |_| false), Ok(None));
}

#[test]
fn chunks_without_labels_are_counted() {
    let key = b"t:d1:id\x0000000001\0\0t/1/2:3:4\x003\0";
    let bytes = write::file(INDEX_BUCKET, &[(key, b"-")]).expect("small");
    let (file, left_out) = index(bytes.into(), None).expect("ours");
    assert_eq!((series(&file.view()).len(), left_out), (0, LeftOut { chunks: 1 }));
}

/// Pages of a file by kind, to break them.
fn page_of(bytes: &[u8], kind: u16) -> usize {
    let is_kind = |page: &usize| bytes[page * write::PAGE_BYTES + 8..][..2] == kind.to_le_bytes();
    (0..bytes.len() / write::PAGE_BYTES).find(is_kind).expect("there is one") * write::PAGE_BYTES
}

#[test]
fn broken_files_are_refused_with_the_place() {
    let many: Vec<Vec<u8>> = (0..5000u32).map(|n| format!("{n:08}").into_bytes()).collect();
    let many: Vec<(&[u8], &[u8])> = many.iter().map(|key| (&**key, &b"v"[..])).collect();
    let whole = write::file(INDEX_BUCKET, &many).expect("small");
    assert_eq!(pairs(whole.clone().into()).expect("ours").len(), 5000);
    let why = |at: usize, new: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        pairs(bytes.into()).map(|pairs| pairs.len()).map_err(|error| error.to_string())
    };
    let (branch, leaf) = (page_of(&whole, BRANCH), page_of(&whole, LEAF));
    let fails = |at: usize, new: &[u8], reason: &str| {
        let error = why(at, new).expect_err(reason);
        assert!(error.contains(reason), "{reason}: {error}");
    };
    let id = (branch / write::PAGE_BYTES) as u64;
    fails(branch + 24, &id.to_le_bytes(), "pointed to twice");
    fails(branch + 24, &u64::MAX.to_le_bytes(), "outside the file");
    fails(branch + 24, &4u64.to_le_bytes(), "pointed to twice");
    fails(branch + 24, &2u64.to_le_bytes(), "neither a branch nor a leaf");
    fails(branch + 10, &0u16.to_le_bytes(), "without children");
    fails(leaf, &77u64.to_le_bytes(), "number is another's");
    fails(leaf + 12, &u32::MAX.to_le_bytes(), "ends inside bbolt page");
    fails(leaf + 10, &u16::MAX.to_le_bytes(), "fewer bytes than its elements need");
    fails(leaf + 24, &u32::MAX.to_le_bytes(), "reaches out of its page");
    fails(leaf + 20, &u32::MAX.to_le_bytes(), "reaches out of its page");
    fails(leaf + 16, &IS_BUCKET.to_le_bytes(), "where only values are");
    // Elements that all claim the same large value would make a small file endless.
    let mut aliased = whole.clone();
    for element in 0..20 {
        aliased[leaf + 16 + element * 16 + 12..][..4].copy_from_slice(&1000u32.to_le_bytes());
    }
    assert!(pairs(aliased.into()).is_err());
    // One damaged meta page is as good as none.
    assert_eq!(why(30, &[1]), Ok(5000));
    assert_eq!(why(write::PAGE_BYTES + 30, &[1]), Ok(5000));
    let mut both = whole.clone();
    (both[30], both[write::PAGE_BYTES + 30]) = (1, 1);
    assert!(pairs(both.into()).is_err());
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = upstreams();
    // The last pages may be free ones: what is cut there misses nothing.
    let needed = (1..=whole.len()).rev().find(|len| pairs(whole.slice(..*len)).is_err()).expect("it needs bytes");
    assert!(needed > whole.len() / 2);
    for len in 0..needed {
        assert!(pairs(whole.slice(..len)).is_err(), "{len} bytes");
    }
}

#[test]
fn empty_and_large_rows_are_kept() {
    assert_eq!(pairs(write::file(INDEX_BUCKET, &[]).expect("empty").into()), Ok(Pairs::new()));
    let (long_key, long_value) = (vec![b'k'; 32_768], vec![b'v'; 100_000]);
    let rows: [(&[u8], &[u8]); 3] = [(b"a", &long_value), (&long_key, b""), (b"z", b"")];
    let read = pairs(write::file(INDEX_BUCKET, &rows).expect("allowed").into()).expect("ours");
    assert_eq!(read.len(), 3);
    assert_eq!((&read[&b"a"[..]], read.contains_key(&long_key)), (&long_value, true));
    let too_long = vec![b'k'; 32_769];
    assert!(write::file(INDEX_BUCKET, &[(&too_long, b"")]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_built_is_read(
        schema in 9u8..13,
        row_shards in 1u32..40,
        chunks in proptest::collection::vec((0usize..2, 0u8..30, "[a-z\"\\\\é\u{1}]{1,4}", 0..90_000_000i64, 0..90_000_000i64, any::<u32>()), 0..60),
    ) {
        let tenants = ["a", "b.c"].map(|name| TenantId::parse(name).expect("a tenant"));
        let mut builder = BoltBuilder::new(BoltRows { schema, row_shards }, 0);
        let mut expected: BTreeMap<(usize, String, Fingerprint), ChunkKeys> = BTreeMap::new();
        for (tenant, app, value, from, span, checksum) in chunks {
            let labels = Labels::from_pairs([("app", app.to_string()), ("of", value)]);
            let fingerprint = labels.fingerprint();
            let chunk = ChunkRef { fingerprint, from: Millis(from), through: Millis(from + span), checksum };
            builder.add(&tenants[tenant], &labels, &key(&tenants[tenant], &chunk, schema >= 12), chunk.through);
            let found = expected.entry((tenant, labels.to_string(), fingerprint)).or_default();
            found.insert((chunk.from, chunk.through, checksum));
        }
        let bytes = Bytes::from(builder.build().expect("small"));
        let (file, left_out) = index(bytes, None).expect("ours");
        prop_assert_eq!(left_out, LeftOut::default());
        for (at, tenant) in tenants.iter().enumerate() {
            let found = series(&file.tenant_view(tenant));
            let wanted = expected.iter().filter(|((of, ..), _)| *of == at);
            prop_assert_eq!(found.len(), wanted.clone().count());
            for ((_, labels, fingerprint), chunks) in wanted {
                let of_series = &found[&(labels.clone(), *fingerprint)];
                let of_series: Vec<_> = of_series.iter().map(ChunkMeta::key).collect();
                prop_assert_eq!(of_series, chunks.iter().copied().collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn flipped_bits_do_not_panic(flips in proptest::collection::vec((0usize..40_960, 0u8..8), 1..40)) {
        let mut bytes = upstreams().to_vec();
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        // Rows have no checksum: what comes out is either an error or a legal index.
        if let Ok((file, _)) = index(bytes.into(), None) {
            series(&file.view());
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(pairs(bytes.into()).is_err());
    }
}
