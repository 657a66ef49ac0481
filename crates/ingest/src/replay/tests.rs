//! Replay on a simulated disk: logs written by hand, an ingester started on them, and what it then has.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loptr_chunk::SchemaVersion;
use loptr_model::{ChunkRef, Entry, Fingerprint, Labels, Millis, Nanos, TenantId, TimeRange};
use loptr_ports::Disk;
use loptr_ports::sim::World;
use loptr_storage::{Bucket, DiskStore, IndexCacheSettings, IndexStore, Period, Schema};
use loptr_wal::{Flushed, HEADER_BYTES, PushWriter, Record, SegmentReader, SeqRanges, flushed_record, segment_header};
use tokio_util::sync::CancellationToken;

use super::files::OldLog;
use crate::{IngestError, IngestSettings, Ingester, LogSettings};

const DIR: &str = "/wal";
const V1: &[u8] = include_bytes!("../../../wal/testdata/v1.wal");

fn world() -> World {
    let world = World::new(1, Nanos(1_795_200_000_000_000_000));
    world.disk.create_dir_all(Path::new(DIR)).expect("a folder");
    world
}

fn write(world: &World, number: u64, bytes: &[u8]) {
    let mut file = world.disk.create(&Path::new(DIR).join(format!("{number:08}.wal"))).expect("a file");
    file.append(bytes).expect("fits");
}

fn labels(stream: &str) -> Labels {
    Labels::from_pairs([("app", stream)])
}

/// A record of one stream: `count` entries from `first` on, a line each that names its number.
fn push(out: &mut Vec<u8>, stream: &str, first: u64, count: u64) {
    let lines: Vec<String> = (first..first + count).map(|seq| format!("{stream}-{seq} {}", "x".repeat(30))).collect();
    let entries = lines.iter().zip(first..);
    let entries: Vec<Entry<'_>> = entries
        .map(|(line, seq)| Entry {
            ts: Nanos(1_795_200_000_000_000_000 + seq as i64),
            line: line.as_bytes(),
            metadata: &[("k", "v")],
        })
        .collect();
    let mut writer = PushWriter::new(&TenantId::single());
    writer.stream(&labels(stream), labels(stream).fingerprint(), first, &entries);
    writer.finish(out);
}

fn segment(number: u64, next_seq: u64) -> Vec<u8> {
    segment_header(number, next_seq).to_vec()
}

fn settings() -> IngestSettings {
    IngestSettings {
        log: Some(LogSettings::new(DIR)),
        block_bytes: 200,
        target_bytes: 400,
        sync_period: Duration::ZERO,
        replay_piece_bytes: 150,
        ..IngestSettings::default()
    }
}

async fn start(world: &World, settings: IngestSettings) -> Result<Arc<Ingester>, IngestError> {
    let ports = world.ports();
    let period = Period {
        from: Millis(0),
        schema: SchemaVersion::V13,
        index: loptr_storage::IndexKind::Tsdb,
        index_prefix: "index_".to_owned(),
        path_prefix: "index/".to_owned(),
        store: 0,
    };
    let schema = Arc::new(Schema::new(vec![period]).expect("one period"));
    let store = DiskStore::open(ports.disk.clone(), ports.spawner.clone(), "/chunks".into()).expect("a folder");
    let bucket = Arc::new(Bucket::on_disk(store, schema, None));
    let cache = IndexCacheSettings::default();
    let index = Arc::new(IndexStore::new(&bucket, ports.clock.clone(), ports.cpu.clone(), cache));
    Ingester::start(ports, settings, bucket, index).await
}

async fn replayed(world: &World, settings: IngestSettings) -> Arc<Ingester> {
    let ingester = start(world, settings).await.expect("starts");
    for _ in 0..10_000 {
        if !ingester.figures().replay.is_active {
            return ingester;
        }
        tokio::task::yield_now().await;
    }
    panic!("replay does not end");
}

/// Lines in memory, and how often each is there.
fn lines(ingester: &Ingester) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for tenant in ingester.tenants() {
        for stream in tenant.all() {
            for chunk in stream.snapshot(TimeRange::ALL) {
                let mut buf = Vec::new();
                for index in 0..chunk.blocks().len() {
                    for entry in chunk.decode_block(index, &mut buf).expect("decodes").entries() {
                        let line = String::from_utf8_lossy(entry.expect("whole").line).into_owned();
                        let name = line.split(' ').next().expect("one at least").to_owned();
                        *found.entry(name).or_default() += 1;
                    }
                }
            }
        }
    }
    found
}

fn named(stream: &str, numbers: impl IntoIterator<Item = u64>) -> BTreeMap<String, usize> {
    numbers.into_iter().map(|seq| (format!("{stream}-{seq}"), 1)).collect()
}

/// What the log says of chunks in the bucket.
fn flushed(world: &World) -> Vec<Flushed> {
    let mut found = Vec::new();
    for (path, _) in world.disk.list(Path::new(DIR)).expect("a folder") {
        let bytes = world.disk.read(&path).expect("a file");
        let Ok(reader) = SegmentReader::open(&bytes) else { continue };
        found.extend(reader.filter_map(|record| match record {
            Record::Flushed(flushed) => Some(flushed),
            _ => None,
        }));
    }
    found
}

fn chunk(stream: &str, covers: SeqRanges, ordinal: u64) -> Flushed {
    let fingerprint = labels(stream).fingerprint();
    Flushed {
        tenant: TenantId::single(),
        labels: labels(stream),
        chunk: ChunkRef { fingerprint, from: Millis(1), through: Millis(2), checksum: 3 },
        kb: 1,
        entries: 1,
        covers,
        ordinal,
    }
}

#[tokio::test]
async fn entries_come_back_but_those_in_the_bucket() {
    let world = world();
    let mut first = segment(0, 1);
    push(&mut first, "a", 1, 20);
    push(&mut first, "b", 21, 5);
    let mut second = segment(1, 26);
    push(&mut second, "a", 26, 5);
    // Chunks may be flushed in any order of their numbers.
    flushed_record(&chunk("a", SeqRanges::of(7, 26), 1), &mut second);
    write(&world, 0, &first);
    write(&world, 1, &second);
    let ingester = replayed(&world, settings()).await;
    let mut wanted = named("a", (1..=6).chain(27..=30));
    wanted.extend(named("b", 21..=25));
    assert_eq!(lines(&ingester), wanted);
    let figures = ingester.figures();
    assert_eq!((figures.replay.done_bytes, figures.pending_chunks), (figures.replay.total_bytes, 1));
    assert_eq!(ingester.metrics.wal_replayed_entries.get(), 15);
    assert_eq!(ingester.metrics.wal_duplicate_entries.get(), 15);
    ingester.stop(None).await;
}

#[tokio::test]
async fn numbers_go_on_in_a_new_block() {
    let world = world();
    let log = OldLog::find(&*world.disk, Path::new(DIR)).expect("an empty folder");
    assert_eq!((log.next_segment, log.next_seq, log.last_ordinal), (0, 1, 0));
    write(&world, 4, &segment(4, (1 << 40) + 7));
    write(&world, 5, &segment(5, 3 << 40)[..20]);
    let log = OldLog::find(&*world.disk, Path::new(DIR)).expect("one whole segment");
    // The life of segment 5 may have taken the block behind that of segment 4.
    assert_eq!((log.next_segment, log.next_seq, log.last_ordinal), (6, 4 << 40, 6 << 32));
    assert_eq!((log.segments.len(), log.corruptions), (1, 0));
}

#[tokio::test]
async fn a_log_of_version_1_is_replayed() {
    let world = world();
    write(&world, 0, V1);
    let ingester = replayed(&world, settings()).await;
    let count: usize = lines(&ingester).values().sum();
    assert_eq!((count, ingester.metrics.wal_corruptions.get()), (24, 0));
    ingester.flush_now().await;
    assert!(
        flushed(&world).iter().all(|flushed| flushed.covers.iter().all(|(first, _)| first > 0 || flushed.ordinal <= 6))
    );
    ingester.stop(None).await;
}

#[tokio::test]
async fn a_newer_version_is_refused_before_anything_is_written() {
    let world = world();
    let mut newer = segment(0, 1);
    newer[7] = 3;
    let sum = crc32c(&newer[..24]);
    newer[24..].copy_from_slice(&sum);
    push(&mut newer, "a", 1, 3);
    write(&world, 0, &newer);
    let before = world.disk.list(Path::new(DIR)).expect("a folder");
    let error = start(&world, settings()).await.expect_err("refused").to_string();
    assert_eq!(error, "log segment /wal/00000000.wal: log segment has version 3; this build reads versions 1 to 2");
    assert_eq!(world.disk.list(Path::new(DIR)).expect("a folder"), before);
}

/// The checksum of a header, bit by bit, as the format has it: CRC-32C.
fn crc32c(bytes: &[u8]) -> [u8; 4] {
    let sum = bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    });
    (!sum).to_le_bytes()
}

#[tokio::test]
async fn a_damaged_header_costs_nothing_but_itself() {
    let world = world();
    let mut bytes = segment(0, 1);
    push(&mut bytes, "a", 1, 10);
    for bit in 0..HEADER_BYTES * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        write(&world, 0, &damaged);
        let log = OldLog::find(&*world.disk, Path::new(DIR)).expect("its record is whole");
        let only = &log.segments[0];
        assert_eq!((log.corruptions, only.version, only.start), (1, 2, HEADER_BYTES as u64), "bit {bit}");
    }
    let ingester = replayed(&world, settings()).await;
    assert_eq!(lines(&ingester), named("a", 1..=10));
    ingester.stop(None).await;
    write(&world, 7, &[0xff; 100]);
    let error = start(&world, settings()).await.expect_err("nothing whole in it").to_string();
    assert_eq!(error, "log segment /wal/00000007.wal: not a log segment: its first bytes are not the log's magic");
}

#[tokio::test]
async fn a_cut_or_a_flipped_bit_costs_what_it_hits() {
    let mut bytes = segment(0, 1);
    let mut ends = vec![bytes.len()];
    for at in 0..4 {
        push(&mut bytes, "a", 1 + at * 3, 3);
        ends.push(bytes.len());
    }
    for cut in HEADER_BYTES..bytes.len() {
        let world = world();
        write(&world, 0, &bytes[..cut]);
        let ingester = replayed(&world, settings()).await;
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        assert_eq!(lines(&ingester), named("a", 1..=whole * 3), "cut at {cut}");
        assert_eq!(ingester.metrics.wal_corruptions.get(), 0, "a torn tail is no damage");
    }
    for byte in HEADER_BYTES..bytes.len() {
        let world = world();
        let mut damaged = bytes.clone();
        damaged[byte] ^= 0x10;
        write(&world, 0, &damaged);
        let ingester = replayed(&world, settings()).await;
        let hit = ends.iter().filter(|end| **end <= byte).count() as u64 - 1;
        let wanted = (0..4).filter(|at| *at != hit).flat_map(|at| 1 + at * 3..=3 + at * 3);
        assert_eq!(lines(&ingester), named("a", wanted), "byte {byte}");
        assert_eq!(ingester.metrics.wal_corruptions.get(), u64::from(hit < 3), "byte {byte}");
    }
}

/// Pushes of one stream logged in another order than numbered, chunks flushed in the middle for lack of memory, and a
/// crash there: whatever is flushed must not be taken for more than it holds.
#[tokio::test]
async fn flushes_in_the_middle_of_replay_say_exactly_what_they_hold() {
    let (mut chunks, mut pierced) = (0, 0);
    for seed in 0..60u64 {
        let world = world();
        let mut order: Vec<u64> = (0..24).collect();
        // Neighbours change places, some over a long way.
        for at in 0..20 {
            if (seed >> (at % 6)) & 1 == 1 {
                order.swap(at, at + 1 + (seed as usize + at) % 4);
            }
        }
        let mut bytes = segment(0, 1);
        for at in &order {
            push(&mut bytes, "a", 1 + at * 3, 3);
        }
        write(&world, 0, &bytes);
        let all = named("a", 1..=72);
        let tight = IngestSettings { replay_memory_bytes: 1500 + seed * 40, ..settings() };
        let ingester = start(&world, tight).await.expect("starts");
        for _ in 0..(20 + seed * 5) {
            tokio::task::yield_now().await;
        }
        // Power is cut: what was synced is there, and each number is in a chunk or comes back, and no chunk says more
        // than it has.
        let claimed = flushed(&world);
        let mut counted = 0;
        for flushed in &claimed {
            let numbers: u64 = flushed.covers.normalized().iter().map(|(first, last)| last - first + 1).sum();
            assert_eq!(numbers, u64::from(flushed.entries), "seed {seed}: {flushed:?}");
            counted += numbers;
            chunks += 1;
            pierced += usize::from(flushed.covers.normalized().len() > 1);
        }
        ingester.stop.cancel();
        world.disk.crash(&world.random);
        write(&world, 0, &bytes);
        let again = replayed(&world, settings()).await;
        let mut left = lines(&again);
        assert_eq!(left.values().sum::<usize>() as u64 + counted, 72, "seed {seed}");
        for flushed in &claimed {
            for (first, last) in flushed.covers.iter() {
                left.extend(named("a", first..=last));
            }
        }
        assert_eq!(left, all, "seed {seed}");
    }
    assert!(chunks > 50 && pierced > 10, "{chunks} chunks were flushed, {pierced} of them between late pushes");
}

#[tokio::test]
async fn checkpoints_let_old_segments_go_and_bring_everything_back() {
    let world = world();
    let mut bytes = segment(0, 1);
    push(&mut bytes, "slow", 1, 3);
    for at in 0..40 {
        push(&mut bytes, "fast", 4 + at * 10, 10);
    }
    flushed_record(&chunk("fast", SeqRanges::of(4, 403), 1), &mut bytes);
    loptr_wal::shipped_record(1, &mut bytes);
    write(&world, 0, &bytes);
    let ingester = replayed(&world, settings()).await;
    let wanted = named("slow", 1..=3);
    assert_eq!(lines(&ingester), wanted);
    let stop = CancellationToken::new();
    ingester.checkpoint(&stop).await.expect("logs");
    assert_eq!(ingester.metrics.checkpoints.get(), 1);
    ingester.checkpoint(&stop).await.expect("nothing to do");
    assert_eq!(ingester.metrics.checkpoints.get(), 1);
    ingester.sweep(crate::flush::Sweep::Due, false).await;
    let segments = crate::log::segments(&*world.disk, Path::new(DIR)).expect("a folder");
    assert_eq!(segments.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1], "the first segment is gone");
    ingester.stop(None).await;
    drop(ingester);

    // A later life adds to the stream, and the one after it has both.
    let again = replayed(&world, settings()).await;
    assert_eq!(lines(&again), wanted);
    assert_eq!(again.metrics.wal_recovered_chunks.get(), 1);
    again.stop(None).await;
    let mut more = segment(3, 5 << 40);
    push(&mut more, "slow", 5 << 40, 2);
    write(&world, 3, &more);
    let third = replayed(&world, settings()).await;
    assert_eq!(lines(&third).len(), 5);
    third.stop(None).await;

    // A damaged snapshot is told; nothing else has its entries any more.
    let path = &segments[0].1;
    let mut damaged = world.disk.read(path).expect("a file");
    let at = HEADER_BYTES + 60;
    damaged[at] ^= 1;
    write(&world, 1, &damaged);
    let fourth = replayed(&world, settings()).await;
    assert_eq!(lines(&fourth).len(), 2);
    fourth.stop(None).await;
    // But if the pushes are still there, they are used.
    write(&world, 0, &bytes);
    let fifth = replayed(&world, settings()).await;
    assert_eq!(lines(&fifth).len(), 5);
    fifth.stop(None).await;
}

#[tokio::test]
async fn queries_are_told_what_may_be_missing() {
    let world = world();
    let mut bytes = segment(0, 1);
    for at in 0..40 {
        push(&mut bytes, "a", 1 + at * 10, 10);
    }
    write(&world, 0, &bytes);
    let ingester = start(&world, IngestSettings { replay_soon_bytes: 0, ..settings() }).await.expect("starts");
    let (tenant, other) = (TenantId::single(), TenantId::parse("other").expect("a name"));
    let partial = ingester.partial(&tenant, TimeRange::ALL).await.expect("nothing is replayed yet");
    assert!(partial.starts_with("partial: the write-ahead log is still being replayed (0% of "), "{partial}");
    assert!(ingester.partial(&other, TimeRange::ALL).await.is_some(), "nobody knows yet");
    let mut seen = [false; 2];
    while ingester.figures().replay.is_active {
        let (mine, others) =
            (ingester.replay.lacks(&tenant, TimeRange::ALL), ingester.replay.lacks(&other, TimeRange::ALL));
        let long_ago = ingester.replay.lacks(&tenant, TimeRange::new(Nanos(0), Nanos(1000)));
        seen[usize::from(mine.is_some() && others.is_none() && long_ago.is_none())] = true;
        tokio::task::yield_now().await;
    }
    assert_eq!(seen, [true; 2], "after the survey it is known whose entries and which times are meant");
    assert_eq!(ingester.partial(&tenant, TimeRange::ALL).await, None);
    ingester.stop(None).await;
    drop(ingester);
    // Little is left: the query waits.
    let ingester = start(&world, settings()).await.expect("starts");
    assert_eq!(ingester.partial(&tenant, TimeRange::ALL).await, None);
    assert_eq!(lines(&ingester).len(), 400);
    ingester.stop(None).await;
}

#[tokio::test]
async fn a_stop_in_the_middle_loses_nothing() {
    for turns in [0, 3, 10, 25, 40, 60] {
        let world = world();
        let mut bytes = segment(0, 1);
        for at in 0..20 {
            push(&mut bytes, ["a", "b"][at as usize % 2], 1 + at * 3, 3);
        }
        write(&world, 0, &bytes);
        let ingester = start(&world, IngestSettings { flush_on_shutdown: turns % 2 == 1, ..settings() }).await;
        let ingester = ingester.expect("starts");
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        ingester.stop(None).await;
        drop(ingester);
        let again = replayed(&world, settings()).await;
        let in_bucket: u64 = flushed(&world).iter().map(|flushed| u64::from(flushed.entries)).sum();
        let in_memory: usize = lines(&again).values().sum();
        // Chunks without an index are logged anew by each life.
        let logged_anew = again.figures().pending_chunks as u64;
        assert!(in_memory as u64 + in_bucket >= 60, "{turns} turns: {in_memory} and {in_bucket}, {logged_anew}");
        assert!(lines(&again).values().all(|count| *count == 1));
        again.stop(None).await;
    }
}

/// Two streams whose labels differ and whose fingerprint is one: each keeps its entries.
#[tokio::test]
async fn streams_with_one_fingerprint_stay_apart() {
    let world = world();
    let mut bytes = segment(0, 1);
    for (at, stream) in ["a", "b", "a", "b"].into_iter().enumerate() {
        let line = format!("{stream}-{at} x");
        let entries = [Entry { ts: Nanos(at as i64), line: line.as_bytes(), metadata: &[] }];
        let mut writer = PushWriter::new(&TenantId::single());
        writer.stream(&labels(stream), Fingerprint(1 << 40), 1 + at as u64, &entries);
        writer.finish(&mut bytes);
    }
    write(&world, 0, &bytes);
    let ingester = replayed(&world, settings()).await;
    let tenant = ingester.tenant(&TenantId::single());
    let mut found: Vec<(String, u64)> = Vec::new();
    for stream in tenant.all() {
        let entries = stream.snapshot(TimeRange::ALL).iter().map(loptr_chunk::Chunk::entries).sum();
        found.push((stream.labels.to_string(), entries));
    }
    found.sort();
    assert_eq!(found, [(r#"{app="a"}"#.to_owned(), 2), (r#"{app="b"}"#.to_owned(), 2)]);
    let fingerprints: std::collections::BTreeSet<u64> =
        tenant.all().iter().map(|stream| stream.fingerprint.0).collect();
    assert_eq!(fingerprints.len(), 2);
    ingester.stop(None).await;
}

#[tokio::test]
async fn beyond_the_budget_the_heaviest_chunks_are_flushed() {
    let world = world();
    let mut bytes = segment(0, 1);
    push(&mut bytes, "small", 1, 2);
    push(&mut bytes, "large", 3, 100);
    push(&mut bytes, "middle", 103, 10);
    write(&world, 0, &bytes);
    let roomy = IngestSettings { block_bytes: 1 << 18, target_bytes: 1 << 20, ..settings() };
    let ingester = replayed(&world, roomy.clone()).await;
    let held = ingester.figures().chunk_bytes;
    assert_eq!(ingester.memory.held_bytes(), held, "what is added up as chunks grow is what they hold");
    ingester.stop(None).await;
    drop(ingester);
    let tight = IngestSettings { chunk_memory_bytes: held as u64 - 1, ..roomy };
    let ingester = replayed(&world, tight).await;
    ingester.sweep(crate::flush::Sweep::Due, false).await;
    let mut wanted = named("small", 1..=2);
    wanted.extend(named("middle", 103..=112));
    assert_eq!(lines(&ingester), wanted);
    assert_eq!(ingester.metrics.closed_for_memory.get(), 1);
    assert_eq!(ingester.memory.held_bytes(), ingester.figures().chunk_bytes);
    assert_eq!(flushed(&world).len(), 1);
    ingester.stop(None).await;
}
