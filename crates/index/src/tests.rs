//! Files written by upstream, read and rebuilt.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use loptr_model::{Fingerprint, Labels, Millis, Nanos, TenantId};
use proptest::prelude::*;

use crate::cursor::Cursor;
use crate::model_of_index::{Row, accepts, normal, predicates, with_predicates};
use crate::postings::{Postings, PostingsTable};
use crate::symbols::Symbols;
use crate::toc::Toc;
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
            Ok(ControlFlow::Continue(()))
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

/// Every kind of file upstream leaves in a bucket.
const UPSTREAM: [(&str, &[u8]); 14] = [
    ("conformance", include_bytes!("../testdata/conformance.tsdb.gz")),
    ("enc-flate", include_bytes!("../testdata/enc-flate.tsdb.gz")),
    ("enc-gzip", include_bytes!("../testdata/enc-gzip.tsdb.gz")),
    ("enc-lz4", include_bytes!("../testdata/enc-lz4.tsdb.gz")),
    ("enc-lz4-1M", include_bytes!("../testdata/enc-lz4-1M.tsdb.gz")),
    ("enc-lz4-256k", include_bytes!("../testdata/enc-lz4-256k.tsdb.gz")),
    ("enc-lz4-64k", include_bytes!("../testdata/enc-lz4-64k.tsdb.gz")),
    ("enc-none", include_bytes!("../testdata/enc-none.tsdb.gz")),
    ("enc-snappy", include_bytes!("../testdata/enc-snappy.tsdb.gz")),
    ("enc-zstd", include_bytes!("../testdata/enc-zstd.tsdb.gz")),
    ("v12", include_bytes!("../testdata/v12.tsdb.gz")),
    ("two-tenants", include_bytes!("../testdata/two-tenants.tsdb.gz")),
    ("tenant-a-compacted", include_bytes!("../testdata/tenant-a-compacted.tsdb.gz")),
    ("tenant-b-compacted", include_bytes!("../testdata/tenant-b-compacted.tsdb.gz")),
];

fn upstream(name: &str) -> Bytes {
    let (_, object) = UPSTREAM.iter().find(|(found, _)| *found == name).expect("a file of that name");
    gzip::decompress(object, 1 << 20).expect("upstream's gzip").into()
}

/// All series of a view, with all their chunks.
fn rows(view: &IndexView<'_>, predicates: &[Predicate<'_>], shard: Option<Shard>) -> Vec<Row> {
    let mut rows = Vec::new();
    view.select(predicates, shard, |series| {
        let chunks = series.all_chunks()?.collect::<Result<_, _>>()?;
        rows.push((series.fingerprint(), series.to_labels(), chunks));
        Ok(ControlFlow::Continue(()))
    })
    .expect("a whole file");
    rows
}

#[test]
fn upstreams_files_are_rebuilt_byte_for_byte() {
    for (name, _) in UPSTREAM {
        let bytes = upstream(name);
        let file = IndexFile::open(bytes.clone()).expect(name);
        assert_eq!(file.version(), if name == "v12" { Version::V2 } else { Version::V3 }, "{name}");
        let mut one_by_one = IndexBuilder::new(file.version());
        for (fingerprint, labels, chunks) in rows(&file.view(), &[], None).into_iter().rev() {
            assert!(!chunks.is_empty() && chunks.iter().all(|chunk| chunk.entries > 0), "{name}: {labels}");
            one_by_one.add_series(labels.iter(), fingerprint, chunks);
        }
        assert!(!one_by_one.is_empty(), "{name}");
        assert_eq!(one_by_one.build().expect(name), bytes, "{name}");
        let mut at_once = IndexBuilder::new(file.version());
        at_once.add_view(&file.view(), &[]).expect(name);
        at_once.add_view(&file.view(), &[]).expect(name);
        assert_eq!(at_once.build().expect(name), bytes, "{name}, twice");
    }
}

#[test]
fn a_tenants_series_carry_its_label_and_their_own_fingerprint() {
    let file = IndexFile::open(upstream("two-tenants")).expect("two tenants");
    assert_eq!(tenants([&file]).expect("tenants"), BTreeSet::from(["tenant-a", "tenant-b"]));
    let tenant = TenantId::parse("tenant-b").expect("tenant");
    let own = rows(&file.tenant_view(&tenant), &[], None);
    assert!(!own.is_empty());
    for (fingerprint, labels, _) in &own {
        assert_eq!((labels.get(TENANT_LABEL), labels.fingerprint()), (None, *fingerprint));
    }
    let mut all = rows(&file.view(), &[], None);
    assert_eq!(all.len(), 2 * own.len());
    all.retain(|(_, labels, _)| labels.get(TENANT_LABEL) == Some("tenant-b"));
    assert_eq!(all.len(), own.len());

    let view = file.tenant_view(&tenant);
    assert!(!view.label_names(&[]).expect("names").contains(&TENANT_LABEL));
    assert!(file.view().label_names(&[]).expect("names").contains(&TENANT_LABEL));
    assert_eq!(view.label_values(TENANT_LABEL, &[]), Ok(Vec::new()));
    let apps: BTreeSet<_> = own.iter().filter_map(|(_, labels, _)| labels.get("app")).collect();
    assert_eq!(view.label_values("app", &[]), Ok(apps.into_iter().collect()));
    let nobody = TenantId::parse("tenant-c").expect("tenant");
    assert_eq!(rows(&file.tenant_view(&nobody), &[], None), []);
    assert_eq!(file.tenant_view(&nobody).label_names(&[]), Ok(Vec::new()));

    let mut rebuilt = IndexBuilder::new(Version::V3);
    for tenant in ["tenant-b", "tenant-a"].map(|id| TenantId::parse(id).expect("tenant")) {
        for (fingerprint, labels, chunks) in rows(&file.tenant_view(&tenant), &[], None) {
            rebuilt.add_tenant_series(&tenant, labels.iter(), fingerprint, chunks);
        }
    }
    assert_eq!(rebuilt.build().expect("two tenants"), upstream("two-tenants"));
}

#[test]
fn merging_gives_what_upstreams_compactor_gives() {
    let common = IndexFile::open(upstream("two-tenants")).expect("two tenants");
    for id in ["tenant-a", "tenant-b"] {
        let tenant = TenantId::parse(id).expect("tenant");
        let compacted = IndexFile::open(upstream(&format!("{id}-compacted"))).expect("compacted");
        let merged = merge(Version::V3, &tenant, [&common, &common], []).expect("merged");
        let merged = IndexFile::open(merged.build().expect("merged").into()).expect("merged");
        assert_eq!(merged.bytes(), compacted.bytes(), "{id}");
        let name = tables::FileName::compacted(Nanos(1_795_249_751_281_543_085), &merged).to_string();
        assert_eq!(name, "1795249751281543085-compactor-1795082400000-1795086000000-6d4ae885.tsdb.gz");
        // Once more over what was compacted already: nothing is doubled, the tenant's label stays away.
        let again = merge(Version::V3, &tenant, [&common], [&merged, &merged]).expect("again");
        assert_eq!(again.build().expect("again"), *merged.bytes());
        let other_label = IndexFile::open(upstream("two-tenants")).expect("two tenants");
        let foreign = merge(Version::V3, &tenant, [], [&other_label]).expect("own file with a tenant label");
        let foreign = IndexFile::open(foreign.build().expect("foreign").into()).expect("foreign");
        assert!(!foreign.view().label_names(&[]).expect("names").contains(&TENANT_LABEL));
    }
}

#[test]
fn retention_drops_chunks_then_series() {
    let file = IndexFile::open(upstream("conformance")).expect("conformance");
    let tenant = TenantId::single();
    let all = rows(&file.tenant_view(&tenant), &[], None);
    let mut builder = merge(Version::V3, &tenant, [&file], []).expect("all");
    let gone = all[0].1.clone();
    builder.retain(|labels, fingerprint, chunk| {
        assert_eq!(Labels::from_pairs(labels.iter()).fingerprint(), fingerprint);
        chunk.entries > 0 && !labels.iter().eq(gone.iter())
    });
    assert_eq!(builder.len(), all.len() - 1);
    let kept = IndexFile::open(builder.build().expect("kept").into()).expect("kept");
    assert_eq!(rows(&kept.view(), &[], None), all[1..]);
}

/// A file of the rows.
fn build(version: Version, rows: &[Row]) -> IndexFile {
    let mut builder = IndexBuilder::new(version);
    for (fingerprint, labels, chunks) in rows {
        builder.add_series(labels.iter(), *fingerprint, chunks.iter().copied());
    }
    IndexFile::open(builder.build().expect("small").into()).expect("our own file")
}

fn naive_stats(rows: &[Row], from: Millis, through: Millis) -> IndexStats {
    let mut stats = IndexStats::default();
    for (_, _, chunks) in rows {
        let mut sums = ChunkStats::default();
        chunks.iter().filter(|chunk| chunk.overlaps(from, through)).for_each(|c| sums.add_chunk(c, from, through));
        if sums.entries > 0 {
            stats.streams += 1;
            stats.sums.merge(&sums);
        }
    }
    stats
}

/// Compares all queries on `file` with a scan of `rows`.
fn compare(file: &IndexFile, all: &[Row], asked: &[Predicate<'_>], from: i64, through: i64) {
    let view = file.view();
    let selected: Vec<Row> = all.iter().filter(|(_, labels, _)| accepts(asked, labels)).cloned().collect();
    assert_eq!(rows(&view, asked, None), selected, "{asked:?}");
    for shards in [1, 2, 16] {
        for shard in (0..shards).map(|at| Shard::of(at, shards).expect("a power of two")) {
            let inside: Vec<Row> = selected.iter().filter(|(at, _, _)| shard.contains(*at)).cloned().collect();
            assert_eq!(rows(&view, asked, Some(shard)), inside, "{asked:?} {shard:?}");
        }
    }
    let (from, through) = (Millis(from), Millis(through));
    assert_eq!(view.stats(asked, None, from, through), Ok(naive_stats(&selected, from, through)));
    let mut expected = selected.iter();
    view.select(asked, None, |series| {
        let (_, _, chunks) = expected.next().expect("one more");
        let inside: Vec<ChunkMeta> = chunks.iter().filter(|chunk| chunk.overlaps(from, through)).copied().collect();
        assert_eq!(series.chunks(from, through)?.collect::<Result<Vec<_>, _>>()?, inside);
        Ok(ControlFlow::Continue(()))
    })
    .expect("our own file");
    let pairs = || selected.iter().flat_map(|(_, labels, _)| labels.iter());
    let names: BTreeSet<&str> = pairs().map(|(name, _)| name).collect();
    assert_eq!(view.label_names(asked), Ok(names.into_iter().collect()));
    for name in ["a", "b", "e"] {
        // A stored empty value counts as no value where predicates are given.
        let values: BTreeSet<&str> = pairs().filter(|pair| pair.0 == name).map(|pair| pair.1).collect();
        let skip_empty = !asked.is_empty();
        let values: Vec<&str> = values.into_iter().filter(|value| !(skip_empty && value.is_empty())).collect();
        assert_eq!(view.label_values(name, asked), Ok(values));
    }
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V2), Just(Version::V3)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_built_is_read(
        version in version(),
        rows in model_of_index::rows(20, 12),
        asked in predicates(),
        from in -100..2500i64,
        span in 0..1500i64,
    ) {
        let file = build(version, &rows);
        let all = normal(&rows);
        with_predicates(&asked, |asked| compare(&file, &all, asked, from, from + span));
        let mut again = IndexBuilder::new(version);
        again.add_view(&file.view(), &[]).expect("our own file");
        prop_assert_eq!(again.build().expect("small"), file.bytes());
    }

    #[test]
    fn long_chunk_lists_are_read_by_pages(
        version in version(),
        chunks in proptest::collection::vec(model_of_index::chunk(), 40..200),
        from in -100..2500i64,
        span in 0..1500i64,
    ) {
        let rows = [(Fingerprint(1), Labels::from_pairs([("a", "x")]), chunks)];
        compare(&build(version, &rows), &normal(&rows), &[], from, from + span);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut file = vec![0xba, 0xaa, 0xd7, 0x00, 3];
        file.extend_from_slice(&bytes);
        prop_assert!(IndexFile::open(bytes.into()).is_err());
        prop_assert!(IndexFile::open(file.into()).is_err());
    }
}

#[test]
fn thousands_of_series_are_found_by_shard_and_label() {
    let row = |n: u64| {
        let pod = format!("pod-{n:04}");
        let labels = Labels::from_pairs([("app", ["a", "b", "c"][n as usize % 3]), ("pod", &pod)]);
        let chunk = ChunkMeta { min: Millis(n as i64), max: Millis(n as i64 + 9), checksum: 1, kb: 2, entries: 3 };
        // Runs of equal fingerprints, one across the first sampled series.
        (Fingerprint((n / 5).wrapping_mul(0x0080_0000_0000_0000)), labels, vec![chunk])
    };
    let all = normal(&(0..2500).map(row).collect::<Vec<_>>());
    for version in [Version::V2, Version::V3] {
        let file = build(version, &all);
        let long = |value: &str| value.ends_with('7') || value.is_empty();
        let tests: [&[Predicate<'_>]; 6] = [
            &[],
            &[Predicate { name: "app", test: Test::OneOf(&["a", "c"]) }],
            &[Predicate { name: "pod", test: Test::Accepts(&long) }],
            &[
                Predicate { name: "pod", test: Test::Accepts(&long) },
                Predicate { name: "app", test: Test::NoneOf(&["b"]) },
            ],
            &[
                Predicate { name: "app", test: Test::OneOf(&["b"]) },
                Predicate { name: "pod", test: Test::NoneOf(&["", "pod-0001"]) },
            ],
            &[Predicate { name: "none", test: Test::OneOf(&["x"]) }],
        ];
        for asked in tests {
            compare(&file, &all, asked, 1000, 1500);
        }
        for first in (0..600).step_by(7) {
            let at = |n: u64| Fingerprint(n.saturating_mul(0x0080_0000_0000_0000));
            let shard = Shard::between(at(first), at(first + 3));
            let inside: Vec<Row> = all.iter().filter(|row| shard.contains(row.0)).cloned().collect();
            assert_eq!(rows(&file.view(), &[], Some(shard)), inside, "{shard:?}");
        }
        let mut seen = 0;
        let stop = file.view().select(&[], None, |_| {
            seen += 1;
            Ok(if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        assert_eq!((stop, seen), (Ok(()), 3));
    }
}

/// A small file with everything in it: two series of several labels, one of enough chunks for pages.
fn small(version: Version) -> (Vec<Row>, IndexFile) {
    let chunk = |n: i64| ChunkMeta { min: Millis(n), max: Millis(n + 5), checksum: n as u32, kb: 1, entries: 2 };
    let rows = normal(&[
        (Fingerprint(5), Labels::from_pairs([("a", "x"), ("b", "y")]), (1..3).map(chunk).collect()),
        (Fingerprint(9), Labels::from_pairs([("a", "z")]), (1..70).map(chunk).collect()),
    ]);
    let file = build(version, &rows);
    (rows, file)
}

/// Opens and asks everything, as a caller would; an error anywhere is the result.
fn ask_everything(bytes: Vec<u8>) -> Result<Vec<Row>, IndexError> {
    let file = IndexFile::open(bytes.into())?;
    let tenant = TenantId::single();
    let mut rows = Vec::new();
    let accept = |value: &str| value != "z";
    for view in [file.tenant_view(&tenant), file.view()] {
        for test in [Test::OneOf(&["x", ""]), Test::NoneOf(&["x"]), Test::Accepts(&accept)] {
            let asked = [Predicate { name: "a", test }];
            view.stats(&asked, Some(Shard::of(0, 2)?), Millis(20), Millis(40))?;
            view.label_names(&asked)?;
            view.label_values("b", &asked)?;
        }
        view.label_values("a", &[])?;
        rows.clear();
        view.select(&[], None, |series| {
            series.chunks(Millis(20), Millis(40))?.collect::<Result<Vec<_>, _>>()?;
            let chunks = series.all_chunks()?.collect::<Result<_, _>>()?;
            rows.push((series.fingerprint(), series.to_labels(), chunks));
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(rows)
}

#[test]
fn truncation_is_noticed_at_every_byte() {
    for version in [Version::V2, Version::V3] {
        let (rows, file) = small(version);
        let bytes = file.bytes();
        assert_eq!(ask_everything(bytes.to_vec()), Ok(rows));
        for len in 0..bytes.len() {
            assert!(
                ask_everything(bytes[..len].to_vec()).is_err(),
                "{version:?} cut to {len} of {} bytes",
                bytes.len()
            );
        }
    }
}

#[test]
fn flipped_bits_are_noticed_or_harmless() {
    for version in [Version::V2, Version::V3] {
        let (rows, file) = small(version);
        let bytes = file.bytes();
        for at in 0..bytes.len() * 8 {
            let mut broken = bytes.to_vec();
            broken[at / 8] ^= 1 << (at % 8);
            if let Ok(found) = ask_everything(broken) {
                // Padding, and the label indices, which nobody reads.
                assert_eq!(found, rows, "{version:?}: bit {at}");
            }
        }
    }
}

#[test]
fn damage_is_told_apart() {
    let (_, file) = small(Version::V3);
    let bytes = file.bytes();
    let error = |bytes: Vec<u8>| IndexFile::open(bytes.into()).expect_err("damaged");
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        error(bytes)
    };
    assert_eq!(with(0, 0x12), IndexError::Magic { found: 0x12aa_d700 });
    assert_eq!(with(4, 1).to_string(), "unknown index file version 1");
    assert!(matches!(with(16, b'?'), IndexError::Checksum { what: "symbol table", at: 5, .. }));
    let last = bytes.len() - 1;
    assert!(matches!(with(last, !bytes[last]), IndexError::Checksum { what: "table of contents", .. }));
    assert!(matches!(error(bytes[..40].to_vec()), IndexError::TooShort { len: 40, least: 81 }));
    assert!(matches!(error(bytes[..3].to_vec()), IndexError::Truncated { what: "header", at: 0 }));
}

/// Where checksummed bytes lie in a whole file; the checksum follows them.
fn checksummed(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (toc, _) = Toc::read(bytes).expect("our own file");
    let mut sections = vec![toc.symbols, toc.label_index_table, toc.postings_table, toc.fingerprint_offsets];
    let (_, raw) = Symbols::read(bytes, toc.symbols).expect("our own file");
    let table = PostingsTable::read(bytes, toc.postings_table, &raw).expect("our own file");
    sections.push(table.all());
    sections.extend(table.names().iter().flat_map(|name| table.offsets(name)));
    let mut ranges: Vec<_> = sections
        .into_iter()
        .map(|at| {
            let at = at as usize;
            let len = u32::from_be_bytes(*bytes[at..].first_chunk().expect("a length"));
            at + 4..at + 4 + len as usize
        })
        .collect();
    for at in Postings::read(bytes, table.all()).expect("our own file").into_vec() {
        let mut cursor = Cursor::new(&bytes[at as usize * 16..], u64::from(at) * 16, "series");
        let len = cursor.uv().expect("a length") as usize;
        ranges.push(cursor.at() as usize..cursor.at() as usize + len);
    }
    ranges.push(bytes.len() - 76..bytes.len() - 4);
    ranges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn wrong_bytes_under_right_checksums_are_harmless(
        version in version(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (_, file) = small(version);
        let mut bytes = file.bytes().to_vec();
        let ranges = checksummed(&bytes);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for range in ranges {
            let sum = crc32c::crc32c(&bytes[range.clone()]);
            bytes[range.end..range.end + 4].copy_from_slice(&sum.to_be_bytes());
        }
        // Right or wrong: an answer or an error, in bounded memory, and no panic.
        if let Ok(rows) = ask_everything(bytes.clone()) {
            prop_assert!(rows.len() <= bytes.len() / 4);
            prop_assert!(rows.iter().all(|(_, _, chunks)| chunks.len() <= bytes.len() / 8));
        }
    }
}

#[test]
fn text_that_is_not_utf8_is_replaced() {
    let (_, file) = small(Version::V3);
    let mut bytes = file.bytes().to_vec();
    let ranges = checksummed(&bytes);
    let (toc, _) = Toc::read(&bytes).expect("our own file");
    for (start, end) in [(toc.symbols, toc.series), (toc.postings_table, toc.fingerprint_offsets)] {
        bytes[start as usize..end as usize].iter_mut().filter(|byte| **byte == b'z').for_each(|byte| *byte = 0xff);
    }
    for range in ranges {
        let sum = crc32c::crc32c(&bytes[range.clone()]);
        bytes[range.end..range.end + 4].copy_from_slice(&sum.to_be_bytes());
    }
    let file = IndexFile::open(bytes.into()).expect("not UTF-8, but whole");
    assert_eq!(file.view().label_values("a", &[]).expect("values"), ["x", "\u{fffd}"]);
    let found = rows(&file.view(), &[Predicate { name: "a", test: Test::OneOf(&["\u{fffd}"]) }], None);
    assert_eq!(found.iter().map(|row| row.0).collect::<Vec<_>>(), [Fingerprint(9)]);
    let mut builder = IndexBuilder::new(Version::V3);
    builder.add_view(&file.view(), &[]).expect("whole");
    let again = IndexFile::open(builder.build().expect("small").into()).expect("our own file");
    assert_eq!(rows(&again.view(), &[], None), rows(&file.view(), &[], None));
}
