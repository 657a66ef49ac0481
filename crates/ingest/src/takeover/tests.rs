//! Takeovers on a simulated disk: what comes out, and what a power cut at every change of the disk leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loptr_chunk::SchemaVersion;
use loptr_model::{Fingerprint, Millis, OwnedEntry};
use loptr_ports::sim::{SimDisk, World};
use loptr_ports::{Disk, DiskFile, DiskLock, DiskUsage};
use loptr_storage::{DiskStore, IndexCacheSettings, IndexStore, Period, Schema};
use loptr_takeover::IndexedChunk;
use loptr_takeover::encode::{self, Segment};
use tokio_util::sync::CancellationToken;

use super::*;

const NOW: Nanos = Nanos(1_795_127_400_000_000_000);
const TENANT: &str = "t-1";

/// A disk that stops at the given change, or fails changes of the bucket.
struct Doomed {
    disk: Arc<SimDisk>,
    changes: Arc<AtomicU64>,
    cut_at: u64,
    cut: CancellationToken,
    failing_puts: AtomicU64,
    on_put: Box<dyn Fn(&SimDisk) + Send + Sync>,
    /// Whether syncs of upstream's folders are left out, though it says that they are done.
    lies: bool,
}

impl Doomed {
    fn change(&self, path: &Path) -> io::Result<()> {
        if self.cut.is_cancelled() || self.changes.fetch_add(1, Ordering::SeqCst) >= self.cut_at {
            self.cut.cancel();
            return Err(io::Error::other("power cut"));
        }
        if path.starts_with("/data/chunks") {
            (self.on_put)(&self.disk);
            let left = self.failing_puts.load(Ordering::SeqCst);
            if left > 0 {
                self.failing_puts.store(left - 1, Ordering::SeqCst);
                return Err(io::Error::other("no room"));
            }
        }
        Ok(())
    }
}

impl Disk for Doomed {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.change(path)?;
        self.disk.create(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn read_range(&self, path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        self.disk.read_range(path, offset, len)
    }
    fn stat(&self, path: &Path) -> io::Result<(u64, i64)> {
        self.disk.stat(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.change(path)?;
        self.disk.truncate(path, len)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(to)?;
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change(path)?;
        self.disk.remove(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.change(path)?;
        self.disk.remove_dir(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir_all(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
        self.disk.list(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.change(dir)?;
        if self.lies && !dir.starts_with("/data/chunks") { Ok(()) } else { self.disk.sync_dir(dir) }
    }
    fn usage(&self, path: &Path) -> io::Result<DiskUsage> {
        self.disk.usage(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.disk.lock(path)
    }
}

struct Setup {
    world: World,
    settings: TakeoverSettings,
}

type Entries = BTreeMap<String, BTreeSet<OwnedEntry>>;

fn labels(app: &str) -> Labels {
    Labels::from_pairs([("app", app), ("env", "prod")])
}

fn entry(ts: i64, line: &str) -> OwnedEntry {
    let metadata = vec![("level".to_owned(), "info".to_owned())];
    OwnedEntry { ts: Nanos(NOW.0 + ts), line: line.into(), metadata }
}

/// A memchunk of one uncompressed block, symbols `level` and `info`.
fn chunk_data(entries: &[OwnedEntry]) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        encode::sv(&mut body, entry.ts.0);
        encode::uv(&mut body, entry.line.len() as u64);
        body.extend(&entry.line);
        body.extend([3, 1, 0, 1]);
    }
    let times = || entries.iter().map(|entry| entry.ts.0);
    let (min, max) = (times().min().expect("not empty"), times().max().expect("not empty"));
    let counter = entries.iter().map(|entry| entry.line.len() as u64 + 8).sum();
    encode::chunk_data(0, &["level".into(), "info".into()], &[(body, entries.len() as u64, min, max, counter)])
}

fn head(entries: &[OwnedEntry]) -> Vec<u8> {
    let entries: Vec<_> = entries.iter().map(|it| (it.ts.0, it.line.clone(), vec![(0, 1)])).collect();
    encode::head_block(5, &entries)
}

impl Setup {
    fn new() -> Self {
        let settings = TakeoverSettings {
            wal_dir: Some("/data/wal".into()),
            index_dir: "/data/index".into(),
            boltdb_dir: "/data/boltdb".into(),
            periods: vec![TakeoverSettings::period_name("filesystem", 18_559)],
            ceiling_bytes: 1 << 30,
        };
        Self { world: World::new(7, NOW), settings }
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let (disk, path): (&dyn Disk, _) = (&*self.world.disk, Path::new(path));
        let dir = path.parent().expect("in a folder");
        disk.create_dir_all(dir).expect("created");
        let mut file = disk.create(path).expect("created");
        file.append(bytes).expect("written");
        file.sync().expect("synced");
        disk.sync_dir(dir).expect("synced");
    }

    fn segment(&self, path: &str, records: &[Vec<u8>]) {
        let mut segment = Segment::default();
        records.iter().for_each(|record| segment.record(record));
        self.write(path, &segment.bytes);
    }

    fn schema() -> Arc<Schema> {
        let period = Period {
            from: Millis(18_559 * 86_400_000),
            schema: SchemaVersion::V13,
            index: loptr_storage::IndexKind::Tsdb,
            index_prefix: "index_".into(),
            path_prefix: "index/".into(),
            store: 0,
        };
        Arc::new(Schema::new(vec![period]).expect("one period"))
    }

    fn doomed(&self, cut_at: u64) -> Arc<Doomed> {
        Arc::new(Doomed {
            disk: self.world.disk.clone(),
            changes: Arc::default(),
            cut_at,
            cut: CancellationToken::new(),
            failing_puts: AtomicU64::new(0),
            on_put: Box::new(|_| ()),
            lies: false,
        })
    }

    /// Takes over on `disk` until it is done or the power is cut: then the disk forgets and `None` comes back.
    async fn run_on(&self, disk: Arc<Doomed>) -> Option<Result<Option<TakenOver>, TakeoverError>> {
        let mut ports = self.world.ports();
        ports.disk = disk.clone();
        let store = DiskStore::open(disk.clone(), ports.spawner.clone(), "/data/chunks".into()).expect("opens");
        let bucket = Arc::new(Bucket::on_disk(store, Self::schema(), None));
        let (ingest, metrics) = (IngestSettings::default(), TakeoverMetrics::default());
        let done = tokio::select! {
            biased;
            () = disk.cut.cancelled() => None,
            done = take_over(&ports, &self.settings, &ingest, &bucket, &metrics) => Some(done),
        };
        if done.is_none() || disk.cut.is_cancelled() {
            self.world.disk.crash(&self.world.random);
            return None;
        }
        done
    }

    async fn run(&self) -> Result<Option<TakenOver>, TakeoverError> {
        self.run_on(self.doomed(u64::MAX)).await.expect("nothing is cut")
    }

    /// What the bucket's index names: entries by stream, and the chunks.
    async fn found(&self) -> (Entries, BTreeSet<String>) {
        let ports = self.world.ports();
        let store = DiskStore::open(ports.disk.clone(), ports.spawner.clone(), "/data/chunks".into()).expect("opens");
        let bucket = Bucket::on_disk(store, Self::schema(), None);
        let index = IndexStore::new(&bucket, ports.clock.clone(), ports.cpu.clone(), IndexCacheSettings::default());
        let tenant = TenantId::parse(TENANT).expect("a tenant");
        let (from, through) = (Millis(NOW.0 / 1_000_000 - 86_400_000), Millis(NOW.0 / 1_000_000 + 86_400_000));
        let snapshot = index.snapshot(&tenant, from, through).await.expect("listed");
        let (mut entries, mut names) = (Entries::new(), BTreeSet::new());
        for stream in snapshot.streams(&[], from, through).expect("read") {
            for meta in &stream.chunks {
                let reference = ChunkRef {
                    fingerprint: stream.fingerprint,
                    from: meta.min,
                    through: meta.max,
                    checksum: meta.checksum,
                };
                names.insert(bucket.chunk_name(&tenant, &reference));
                let object = bucket.get_chunk(&tenant, &reference).await.expect("it is there");
                let chunk = bucket.open_chunk(&tenant, &reference, object).expect("it is whole");
                let mut buf = Vec::new();
                for at in 0..chunk.blocks().len() {
                    for entry in chunk.decode_block(at, &mut buf).expect("decodes").entries() {
                        let entry = entry.expect("well formed");
                        let pairs = entry.metadata.resolve(chunk.symbols().expect("decodes"));
                        let pairs = pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
                        let metadata = pairs.collect::<Result<_, _>>().expect("well formed");
                        let entry = OwnedEntry { ts: entry.ts, line: entry.line.to_vec(), metadata };
                        entries.entry(stream.labels.to_string()).or_default().insert(entry);
                    }
                }
            }
        }
        (entries, names)
    }

    fn upstreams_files(&self) -> Vec<PathBuf> {
        let mut dirs = vec![PathBuf::from("/data/wal"), "/data/index".into()];
        let mut found = Vec::new();
        while let Some(dir) = dirs.pop() {
            for (path, is_dir) in self.world.disk.list(&dir).unwrap_or_default() {
                if is_dir { dirs.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

use loptr_model::ChunkRef;

/// Everything upstream can leave at once; gives the entries that must be found, but those of the chunk in the bucket.
fn everything(setup: &Setup) -> Entries {
    let (a, b, c) = (labels("a"), labels("b"), labels("c"));
    let series = |refs: &[(u64, Labels)]| encode::series_record(TENANT, refs);
    let entries = |streams: &[(u64, i64, Vec<OwnedEntry>)]| encode::entries_record(5, TENANT, streams);
    let lines = |name: &str, from: i64, count: i64| -> Vec<OwnedEntry> {
        (from..from + count).map(|at| entry(at * 1_000_000, &format!("{name} {at} {}", "x".repeat(300)))).collect()
    };
    let mut expected = Entries::new();
    let mut expect = |labels: &Labels, entries: &[OwnedEntry]| {
        expected.entry(labels.to_string()).or_default().extend(entries.iter().cloned());
    };
    let (blocks, open, closed) = (lines("a", 0, 40), lines("a", 40, 10), lines("a", -20, 20));
    let checkpoint = encode::checkpoint_record(
        TENANT,
        1,
        &a,
        70,
        &[(chunk_data(&closed), head(&[]), true), (chunk_data(&blocks), head(&open), false)],
    );
    expect(&a, &[blocks, open, closed].concat());
    setup.segment("/data/wal/checkpoint.000003/00000000", &[checkpoint]);
    setup.segment("/data/wal/checkpoint.000001/00000000", &[]);
    setup.write("/data/wal/checkpoint.000005.tmp/00000000", b"half");
    // In the checkpoint: only that there is a stream is read of it.
    setup.segment(
        "/data/wal/00000003",
        &[series(&[(1, a.clone()), (2, b.clone())]), entries(&[(1, 70, lines("a", 40, 10))])],
    );
    let (older, newer, more, late) = (lines("a", 40, 5), lines("a", 100, 30), lines("b", 0, 200), lines("c", 5, 3));
    setup.segment(
        "/data/wal/00000004",
        &[
            entries(&[(1, 68, older)]),
            entries(&[(1, 100, newer.clone()), (2, 400, more[100..].to_vec())]),
            entries(&[(2, 300, more[..100].to_vec())]),
        ],
    );
    let mut last = Segment::default();
    last.record(&series(&[(9, c.clone())]));
    last.record(&entries(&[(9, 3, late.clone())]));
    last.record(&entries(&[(9, 400, lines("torn", 0, 200))]));
    last.bytes.truncate(last.bytes.len() - 100);
    setup.write("/data/wal/00000005", &last.bytes);
    setup.write("/data/wal/loptr.txt", b"of somebody else");
    expect(&a, &newer);
    expect(&b, &more);
    expect(&c, &late);
    setup.segment("/data/index/wal/filesystem_2020-10-24/1795253850/00000000", &[]);
    expected
}

#[tokio::test]
async fn everything_upstream_left_lies_in_the_bucket() {
    for ceiling_bytes in [1 << 30, 1] {
        let mut setup = Setup::new();
        setup.settings.ceiling_bytes = ceiling_bytes;
        let expected = everything(&setup);
        let taken = setup.run().await.expect("taken over").expect("there was something");
        assert_eq!((taken.streams, taken.torn, taken.passed_over), (3, 1, 5));
        assert_eq!(setup.found().await.0, expected);
        assert_eq!(setup.upstreams_files(), [PathBuf::from("/data/wal/loptr.txt")]);
        assert_eq!(setup.run().await.expect("nothing to do"), None);
    }
}

#[tokio::test]
async fn a_power_cut_at_any_change_leaves_a_folder_that_is_taken_over() {
    let whole = Setup::new();
    let expected = everything(&whole);
    let disk = whole.doomed(u64::MAX);
    whole.run_on(disk.clone()).await.expect("not cut").expect("taken over");
    let changes = disk.changes.load(Ordering::SeqCst);
    let chunks = whole.found().await.1;
    assert!(changes > 30, "{changes}");
    for cut_at in 0..changes {
        let setup = Setup::new();
        if cut_at % 2 == 0 {
            setup.world.disk.keep_names_in_any_order();
        }
        everything(&setup);
        let before = setup.upstreams_files();
        assert!(setup.run_on(setup.doomed(cut_at)).await.is_none(), "cut at {cut_at}");
        let untouched = setup.upstreams_files() == before;
        // A second cut, somewhere in what is left to do.
        let again = setup.world.random.below(changes);
        setup.run_on(setup.doomed(again)).await;
        let still_untouched = untouched && setup.upstreams_files() == before;
        setup.run().await.unwrap_or_else(|error| panic!("cut at {cut_at} and {again}: {error}"));
        let (entries, names) = setup.found().await;
        assert_eq!(entries, expected, "cut at {cut_at} and {again}");
        if still_untouched {
            assert_eq!(names, chunks, "the same files make the same chunks");
        }
        assert_eq!(setup.upstreams_files(), [PathBuf::from("/data/wal/loptr.txt")]);
    }
}

/// Removals of upstream's files are synced one by one: without that, a power cut can leave a segment whose checkpoint is
/// gone, which no start can read.
#[tokio::test]
async fn removals_that_are_not_synced_are_found_out() {
    let mut wrong = 0;
    for seed in 0..40 {
        let mut setup = Setup::new();
        setup.world = World::new(seed, NOW);
        setup.world.disk.keep_names_in_any_order();
        let expected = everything(&setup);
        let mut disk = setup.doomed(u64::MAX);
        Arc::get_mut(&mut disk).expect("not shared yet").lies = true;
        setup.run_on(disk).await.expect("not cut").expect("taken over");
        setup.world.disk.crash(&setup.world.random);
        wrong += usize::from(setup.run().await.is_err() || setup.found().await.0 != expected);
    }
    assert!(wrong > 0, "none of 40 power cuts told");
}

#[tokio::test]
async fn a_bucket_that_fails_is_waited_for() {
    let setup = Setup::new();
    let expected = everything(&setup);
    let before = setup.upstreams_files();
    let disk = setup.doomed(u64::MAX);
    disk.failing_puts.store(40, Ordering::SeqCst);
    let turn = async {
        while disk.failing_puts.load(Ordering::SeqCst) > 0 {
            assert_eq!(setup.upstreams_files(), before, "nothing is removed meanwhile");
            setup.world.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        loop {
            setup.world.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        done = setup.run_on(disk.clone()) => assert!(matches!(done, Some(Ok(Some(_))))),
        () = turn => (),
    }
    assert_eq!(setup.found().await.0, expected);
}

#[tokio::test]
async fn files_that_change_meanwhile_are_not_removed() {
    let setup = Setup::new();
    everything(&setup);
    let before = setup.upstreams_files();
    let mut disk = setup.doomed(u64::MAX);
    let log = || Path::new("/data/wal/00000006");
    let grows = move |disk: &SimDisk| drop(disk.create(log()).expect("created").append(b"x"));
    Arc::get_mut(&mut disk).expect("not shared yet").on_put = Box::new(grows);
    let refused = setup.run_on(disk).await.expect("not cut").expect_err("another process writes");
    assert!(matches!(&refused, TakeoverError::Changed { path } if path == log()), "{refused}");
    assert!(setup.upstreams_files().starts_with(&before[..1]) && setup.upstreams_files().len() == before.len() + 1);
}

/// A stream that upstream flushed, forgot and made anew counts from 1 again: its records are not in the checkpoint.
#[tokio::test]
async fn a_stream_made_anew_is_not_passed_over() {
    let setup = Setup::new();
    let a = labels("a");
    let before = [entry(1, "before")];
    let after: Vec<_> = (10..13).map(|at| entry(at, "after")).collect();
    let checkpoint = encode::checkpoint_record(TENANT, 1, &a, 1000, &[(chunk_data(&before), head(&[]), false)]);
    setup.segment("/data/wal/checkpoint.000000/00000000", &[checkpoint]);
    let anew =
        [encode::series_record(TENANT, &[(1, a.clone())]), encode::entries_record(5, TENANT, &[(1, 3, after.clone())])];
    setup.segment("/data/wal/00000001", &anew);
    setup.run().await.expect("taken over");
    let expected = Entries::from([(a.to_string(), before.into_iter().chain(after).collect())]);
    assert_eq!(setup.found().await.0, expected);
}

/// Chunks upstream had stored are named; a built index file is uploaded under its own name, over one cut short.
#[tokio::test]
async fn index_heads_and_built_files_are_shipped() {
    let setup = Setup::new();
    let a = labels("a");
    let entries = [entry(1, "one"), entry(2, "two")];
    setup.segment(
        "/data/wal/00000000",
        &[
            encode::series_record(TENANT, &[(1, a.clone())]),
            encode::entries_record(5, TENANT, &[(1, 2, entries.to_vec())]),
        ],
    );
    setup.run().await.expect("taken over");
    // The chunk of the first takeover, as upstream's head would name it.
    let table = setup.world.disk.list(Path::new("/data/chunks/index")).expect("a table")[0].0.clone();
    let uploaded = setup.world.disk.list(&table).expect("a file")[0].0.clone();
    let file = setup.world.disk.read(&uploaded).expect("read");
    let file = loptr_index::gzip::decompress(&file, 1 << 20).expect("gzip");
    let (expected, names) = setup.found().await;
    let reference = names.first().expect("one chunk").rsplit('/').nth(1).expect("a fingerprint").to_owned();
    let fingerprint = u64::from_str_radix(&reference, 16).expect("hex");
    let chunk = {
        let index = loptr_index::IndexFile::open(file.clone().into()).expect("opens");
        let mut found = None;
        let everything = index.view().select(&[], None, |series| {
            found = series.chunks(Millis(0), Millis(i64::MAX))?.next().transpose()?;
            Ok(std::ops::ControlFlow::Continue(()))
        });
        everything.expect("reads");
        found.expect("one chunk")
    };
    let (min, max) = (chunk.min, chunk.max);
    let named = IndexedChunk { min, max, checksum: chunk.checksum, kb: chunk.kb, entries: chunk.entries };
    setup.world.disk.remove(&uploaded).expect("removed");
    assert!(setup.found().await.0.is_empty());
    for fingerprint in [Some(fingerprint), None] {
        setup.segment(
            "/data/index/wal/filesystem_2020-10-24/1795253850/00000000",
            &[
                encode::index_series_record(TENANT, 1, fingerprint, &a),
                encode::index_chunks_record(TENANT, 1, &[named]),
            ],
        );
        // Only a stream whose fingerprint is its labels' can do without.
        if fingerprint.is_some() || Fingerprint(1) == a.fingerprint() {
            setup.run().await.expect("taken over");
            assert_eq!(setup.found().await.0, expected);
        } else {
            setup
                .world
                .disk
                .remove(Path::new("/data/index/wal/filesystem_2020-10-24/1795253850/00000000"))
                .expect("removed");
        }
    }
    let name = uploaded.file_name().and_then(|name| name.to_str()).expect("text").trim_end_matches(".gz").to_owned();
    let table = table.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
    for (path, _) in setup.world.disk.list(&Path::new("/data/chunks/index").join(&table)).expect("a table") {
        setup.world.disk.remove(&path).expect("removed");
    }
    setup.write(&format!("/data/chunks/index/{table}/{name}.gz"), b"cut short");
    setup.write(&format!("/data/index/multitenant/{table}/{name}"), &file);
    setup.run().await.expect("taken over");
    assert_eq!(setup.found().await.0, expected);
    assert_eq!(setup.upstreams_files(), Vec::<PathBuf>::new());

    setup.segment(
        "/data/index/wal/s3_2020-10-24/1795253850/00000000",
        &[encode::index_series_record(TENANT, 1, None, &a)],
    );
    let refused = setup.run().await.expect_err("not of the schema").to_string();
    assert!(refused.contains("index head of period s3_2020-10-24, which the schema does not have"), "{refused}");
}
