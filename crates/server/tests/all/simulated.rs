//! Power cuts on a simulated world: the process lives, pushes and flushes go on, and at a drawn write the disk loses
//! what was not synced. Then it lives again on what is left. One seed decides everything; a failing one is told.
//!
//! The cut falls on any call that changes the disk: it is done or not, whatever was appended since a sync survives as
//! a prefix, and from then on the old life's calls fail. The old life's tasks end with its runtime. In some lives the
//! disk is short of space, in some a call fails now and then, done or not: neither may turn into a loss.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loptr_config::{Command, Host, Outside, load, parse_args};
use loptr_model::Nanos;
use loptr_ports::Ports;
use loptr_ports::sim::World;
use loptr_server::{Process, Settings};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::doomed::{Accidents, Doomed, Lie};
use crate::support::env_or;
use crate::support::http::{JSON, Reply, parse_reply, push_body, request_bytes};
use crate::support::ledger::{Ledger, Wrong};
use crate::support::lines::{CATEGORIZE, Direction, LogQuery, streams_of, vector_of};
use crate::support::random::Draws;

pub(crate) const PORT: u16 = 3100;
/// 2026-11-19 22:30 UTC: runs cross midnight, where another index table begins.
pub(crate) const NOW: Nanos = Nanos(1_795_127_400_000_000_000);
const HOUR: i64 = 3_600_000_000_000;
/// Real time a life may take.
const LIFE: Duration = Duration::from_secs(50);

/// Settings of a small process: segments and chunks so short that all of them turn over.
fn settings(draws: &mut Draws) -> Settings {
    const CONFIG: &str = "
auth_enabled: false
server: {http_listen_address: 127.0.0.1, http_listen_port: 3100}
common:
  path_prefix: /loptr
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage: {filesystem: {chunks_directory: /loptr/chunks, rules_directory: /loptr/rules}}
limits_config: {max_entries_limit_per_query: 1000000, per_stream_rate_limit: 1GB, per_stream_rate_limit_burst: 1GB}
schema_config:
  configs: [{from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}]
";
    let Ok(Command::Run(invocation)) = parse_args(["-config.file=/loptr.yaml".to_owned()]) else {
        panic!("a file is named")
    };
    let outside = Outside {
        read: &|_| Ok(CONFIG.as_bytes().to_vec()),
        env: &|_| None,
        host: Host::default(),
        now_secs: NOW.0 / 1_000_000_000,
    };
    let config = load(&invocation, &outside).expect("the configuration is good");
    let mut settings = Settings::from_config(&config, 1 << 30).expect("and understood");
    let log = settings.ingest.log.as_mut().expect("the log is on by default");
    log.segment_bytes = draws.between(500, 8000);
    log.reserve_bytes = if draws.one_in(2) { 0 } else { draws.between(100, 2000) };
    log.max_bytes = if draws.one_in(2) { 0 } else { draws.between(5_000, 50_000) };
    log.disk_full_threshold = if draws.one_in(2) { 0.0 } else { 0.9 };
    settings.ingest.block_bytes = draws.between(100, 500) as usize;
    settings.ingest.target_bytes = draws.between(200, 2000) as usize;
    settings.ingest.concurrent_flushes = draws.between(1, 8) as usize;
    settings.ingest.ship_every = Duration::from_secs(draws.between(1, 900));
    settings.ingest.flush_on_shutdown = draws.one_in(2);
    settings.ingest.replay_piece_bytes = draws.between(50, 4000);
    settings.ingest.replay_memory_bytes = if draws.one_in(2) { 0 } else { draws.between(2000, 40_000) };
    settings.ingest.replay_soon_bytes = if draws.one_in(2) { 0 } else { 1 << 20 };
    settings.ingest.checkpoint_every = Duration::from_secs(draws.between(1, 600));
    settings.compact.interval = Duration::from_secs(draws.between(1, 900));
    settings.compact.batch_bytes = if draws.one_in(2) { 1 } else { 1 << 20 };
    settings
}

/// Why a seed failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An answer disagreed with what was acknowledged.
    Wrong { when: &'static str, wrong: Wrong },
    /// Something else that must not happen.
    Broken(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong { when, wrong } => write!(f, "{when}: {wrong}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// A push and the lines in it.
#[derive(Clone)]
pub(crate) struct Push {
    pub(crate) body: Vec<u8>,
    pub(crate) lines: Vec<String>,
}

/// One seed's run.
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) settings: Settings,
    lie: Lie,
    pub(crate) draws: Draws,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    /// Pushes without a 204: clients send them again, in this life or a later one.
    unanswered: Arc<Mutex<Vec<Push>>>,
    next_line: u64,
    /// What the power was cut at, and how often.
    cuts: BTreeMap<String, u64>,
}

pub(crate) async fn send(
    world: &World,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut stream = world.network.dial(PORT).await?;
    stream.write_all(&request_bytes(method, target, headers, body)).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    parse_reply(&bytes)
}

/// Lets the process's tasks go on for a while.
pub(crate) async fn turns(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

impl Run {
    pub(crate) fn new(seed: u64, lie: Lie) -> Self {
        let mut draws = Draws::new(!seed);
        let world = World::new(seed, NOW);
        if seed.is_multiple_of(2) {
            world.disk.keep_names_in_any_order();
        }
        Self {
            world,
            settings: settings(&mut draws),
            lie,
            draws,
            ledger: Arc::default(),
            unanswered: Arc::default(),
            next_line: 0,
            cuts: BTreeMap::new(),
        }
    }

    /// Several lives, then a last one without an accident.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        for _ in 0..self.draws.between(4, 12) {
            let accidents = Accidents {
                cut_after: (!self.draws.one_in(5)).then(|| self.draws.between(1, 100)),
                store_is_down: self.draws.one_in(4),
                fails_one_in: self.draws.one_in(4).then(|| self.draws.between(10, 200)),
                free_bytes: self.draws.one_in(6).then(|| self.draws.between(100, 20_000)),
            };
            tracing::info!(?accidents, "a life begins");
            self.life(accidents)?;
        }
        self.life(Accidents::default())?;
        self.last_life()
    }

    pub(crate) fn on_a_runtime(
        &mut self,
        accidents: Accidents,
        life: impl AsyncFnOnce(&mut Self, Process, &Doomed) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        tracing::debug!(?accidents, "a life begins");
        let disk = Doomed::new(&self.world, self.lie.clone(), accidents);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| Failure::Broken(format!("no runtime: {error}")))?;
        let lived = runtime.block_on(async {
            let ports = Ports { disk: Arc::new(disk.clone()), ..self.world.ports() };
            let started = Process::start(ports, self.settings.clone(), None, "sim").await;
            let lived = async {
                match started {
                    Ok(process) => life(self, process, &disk).await,
                    Err(_) if disk.is_troubled() => {
                        disk.cut(("start", PathBuf::new()));
                        Ok(())
                    }
                    Err(error) => Err(Failure::Broken(format!("it did not start: {error}"))),
                }
            };
            let late = Failure::Broken(format!("a life took longer than {LIFE:?}"));
            tokio::time::timeout(LIFE, lived).await.unwrap_or(Err(late))
        });
        drop(runtime);
        if let Some((what, path)) = disk.cut_at() {
            *self.cuts.entry(format!("{what} {}", kind_of(&path))).or_default() += 1;
        }
        lived
    }

    /// A life that ends with a power cut, at a drawn change or when its work is done, or in order.
    fn life(&mut self, accidents: Accidents) -> Result<(), Failure> {
        self.on_a_runtime(accidents, async |run, process, disk| {
            run.check("after the start", disk).await?;
            let mut pushes = JoinSet::new();
            for _ in 0..run.draws.between(10, 80) {
                if disk.is_dead() {
                    break;
                }
                run.step(&mut pushes, disk).await?;
                while pushes.try_join_next().is_some() {}
                turns(run.draws.between(0, 20)).await;
            }
            run.note_state(disk).await;
            if disk.is_dead() {
                // Answers that are on their way arrive.
                turns(200).await;
            } else if run.draws.one_in(3) {
                while pushes.join_next().await.is_some() {}
                process.stop().await;
            } else {
                disk.cut(("idle", PathBuf::new()));
            }
            Ok(())
        })
    }

    /// Counts what was going on when the power was cut, and what went on before.
    async fn note_state(&mut self, disk: &Doomed) {
        let Ok(metrics) = send(&self.world, "GET", "/metrics", &[], b"").await else { return };
        let text = String::from_utf8_lossy(&metrics.body).into_owned();
        let is = |name: &str| text.lines().any(|line| line.strip_prefix(name).is_some_and(|value| value != " 0"));
        let mut note = |what: &str| *self.cuts.entry(what.to_owned()).or_default() += 1;
        if is("loki_ingester_checkpoint_creations_total") {
            note("lives with a checkpoint");
        }
        if disk.is_dead() && is("loki_ingester_wal_replay_active") {
            note("dead during replay");
            if is("loki_ingester_wal_replay_flushing") {
                note("dead while replay flushed");
            }
        }
    }

    /// Nothing happens to this one: all of it is read, flushed, and read again.
    pub(crate) fn last_life(&mut self) -> Result<(), Failure> {
        self.on_a_runtime(Accidents::default(), async |run, process, disk| {
            run.check("while the last life replays", disk).await?;
            run.replayed().await?;
            run.check("in the last life", disk).await?;
            let _ = send(&run.world, "POST", "/flush", &[], b"").await;
            turns(500).await;
            run.check("flushed in the last life", disk).await?;
            process.stop().await;
            Ok(())
        })?;
        self.on_a_runtime(Accidents::default(), async |run, process, disk| {
            run.replayed().await?;
            run.check("at the end", disk).await?;
            process.stop().await;
            Ok(())
        })
    }

    /// Waits until the log is replayed: from then on answers are whole.
    async fn replayed(&mut self) -> Result<(), Failure> {
        for _ in 0..1000 {
            let metrics = send(&self.world, "GET", "/metrics", &[], b"").await;
            let metrics = metrics.map_err(|error| Failure::Broken(format!("no metrics: {error}")))?;
            if String::from_utf8_lossy(&metrics.body).contains("\nloki_ingester_wal_replay_active 0\n") {
                return Ok(());
            }
            self.world.clock.advance(Duration::from_secs(1));
            turns(20).await;
        }
        Err(Failure::Broken("replay does not end".to_owned()))
    }

    async fn step(&mut self, pushes: &mut JoinSet<()>, disk: &Doomed) -> Result<(), Failure> {
        match self.draws.between(0, 20) {
            0..=11 => self.push(pushes),
            12..=14 => {
                // Cut off by the accident, it has no answer.
                let _ = send(&self.world, "POST", "/flush", &[], b"").await;
            }
            15 => self.world.clock.advance(Duration::from_secs(31)),
            16 => self.world.clock.advance(Duration::from_secs(self.draws.between(1, 2400))),
            17 => turns(100).await,
            _ => self.check("while it runs", disk).await?,
        }
        Ok(())
    }

    fn push(&mut self, pushes: &mut JoinSet<()>) {
        let again = if self.draws.one_in(4) { self.unanswered.lock().pop() } else { None };
        let push = again.unwrap_or_else(|| self.new_push());
        let (world, ledger, unanswered) = (self.world.clone(), self.ledger.clone(), self.unanswered.clone());
        pushes.spawn(async move {
            let reply = send(&world, "POST", "/loki/api/v1/push", &[JSON], &push.body).await;
            if reply.is_ok_and(|reply| reply.status == 204) {
                ledger.lock().acknowledged.extend(push.lines);
            } else {
                unanswered.lock().push(push);
            }
        });
    }

    pub(crate) fn new_push(&mut self) -> Push {
        use loptr_ports::Clock;
        let now = self.world.clock.now().0;
        let mut streams = Vec::new();
        let mut lines = Vec::new();
        for _ in 0..self.draws.between(1, 4) {
            let stream = self.draws.between(0, 5).to_string();
            let values = (0..self.draws.between(1, 5)).map(|_| {
                self.next_line += 1;
                let line = format!("line-{} {}", self.next_line, "x".repeat(self.draws.between(0, 80) as usize));
                // Within the hour a stream allows, mostly near now; equal times happen.
                let ago = if self.draws.one_in(3) { self.draws.next() as i64 & 0xff_ffff_ffff } else { 0 };
                lines.push(line.clone());
                json!([(now - ago).to_string(), line, {"n": self.next_line.to_string()}])
            });
            let values: Vec<Value> = values.collect();
            streams.push((json!({"job": "sim", "stream": stream}), values));
        }
        self.ledger.lock().sent.extend(lines.iter().cloned());
        Push { body: push_body(&streams), lines }
    }

    /// Asks for everything; the answer must hold what was acknowledged before it was asked.
    pub(crate) async fn check(&mut self, when: &'static str, disk: &Doomed) -> Result<(), Failure> {
        use loptr_ports::Clock;
        let acknowledged = self.ledger.lock().acknowledged.clone();
        let now = self.world.clock.now().0;
        let direction = if self.draws.one_in(2) { Direction::Forward } else { Direction::Backward };
        let (start, end) = (NOW.0 - 2 * HOUR, now + HOUR);
        let query = LogQuery { query: "{job=\"sim\"}", start, end, direction, limit: 1_000_000 };
        let logs = send(&self.world, "GET", &query.target(), &[CATEGORIZE], b"").await;
        let time = end.to_string();
        let counted =
            crate::support::http::form(&[("query", "sum(count_over_time({job=\"sim\"}[30d]))"), ("time", &time)]);
        let counted = send(&self.world, "GET", &format!("/loki/api/v1/query?{counted}"), &[], b"").await;
        if disk.is_dead() {
            return Ok(());
        }
        let read = |reply: io::Result<Reply>| match reply {
            Ok(reply) if reply.status == 200 => Ok(reply.json()),
            other => Err(Failure::Broken(format!("{when}: {other:?}"))),
        };
        let (logs, counted) = (read(logs)?, read(counted)?);
        let is_partial = |answer: &Value| answer["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
        // What was still to be replayed may be missing then, nothing else may be wrong.
        let least = if is_partial(&counted) { 0 } else { acknowledged.len() };
        let acknowledged = if is_partial(&logs) { Default::default() } else { acknowledged };
        let logs = streams_of(&logs);
        let ledger = Ledger { sent: self.ledger.lock().sent.clone(), acknowledged };
        let lines = logs.iter().flat_map(|(_, lines)| lines).map(|line| line.line.as_str());
        ledger.check(lines).map_err(|wrong| Failure::Wrong { when, wrong })?;
        let count = vector_of(&counted).first().map_or(0.0, |(_, count)| *count);
        let (least, most) = (least as f64, ledger.sent.len() as f64);
        if !(least..=most).contains(&count) {
            return Err(Failure::Broken(format!("{when}: counted {count}, not in {least}..={most}")));
        }
        Ok(())
    }
}

fn kind_of(path: &Path) -> &'static str {
    let path = path.to_string_lossy();
    let kinds = [
        ("spool", "spool"),
        ("tmp", "object"),
        ("/index", "index"),
        ("wal", "log"),
        ("chunks", "object"),
        ("uploader", "name"),
    ];
    kinds.iter().find(|(part, _)| path.contains(part)).map_or("nothing", |(_, kind)| kind)
}

/// Does `work` with each number below `count`, on every core; a panic in it is the caller's.
pub(crate) fn share_out(count: u64, work: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    work(at);
                }
            });
        }
    });
}

/// Runs seeds `from..from + count`; returns what the power was cut at.
fn run_seeds(from: u64, count: u64) -> BTreeMap<String, u64> {
    let cuts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    share_out(count, |at| {
        let seed = from + at;
        let mut run = Run::new(seed, Lie::None);
        if let Err(failure) = run.run() {
            panic!("LOPTR_SIM_FROM={seed} LOPTR_SIM_SEEDS=1: {failure}");
        }
        let mut all = cuts.lock();
        for (at, count) in run.cuts {
            *all.entry(at).or_default() += count;
        }
    });
    cuts.into_inner()
}

#[test]
fn power_cuts_lose_nothing_acknowledged() {
    let (from, count) = (env_or("LOPTR_SIM_FROM", 1), env_or("LOPTR_SIM_SEEDS", 20));
    if env_or("LOPTR_SIM_TRACE", 0) == 1 {
        // One seed's story. Another test of this binary may have begun a log of its own.
        let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().try_init();
    }
    let cuts = run_seeds(from, count);
    eprintln!("power cut at: {cuts:?}");
    if count >= 20 {
        let seldom = if count >= 200 { &["index", "spool"][..] } else { &[] };
        for kind in ["log", "object", "a checkpoint", "during replay"].iter().chain(seldom) {
            assert!(
                cuts.keys().any(|at| at.ends_with(kind)),
                "no seed cut the power at a write to the {kind}: {cuts:?}"
            );
        }
    }
}

/// A record of a flush could not be written whole on a full disk, its chunk was flushed again under another number, and an
/// upload then claimed the number of the first, which replay found nevertheless.
#[test]
fn a_record_in_doubt_is_not_called_shipped() {
    for seed in [1127, 1273] {
        run_seeds(seed, 1);
    }
}

/// Memory has the lines of a push whose record could not be written. Sent again they are no news to it, yet no more
/// durable: the answer is the same.
#[test]
fn a_push_sent_again_is_not_taken_for_durable() {
    let mut run = Run::new(1, Lie::None);
    let accidents = Accidents { free_bytes: Some(2000), ..Accidents::default() };
    let lived = run.on_a_runtime(accidents, async |run, _process, disk| {
        let values = vec![json!([NOW.0.to_string(), "x".repeat(5000)])];
        let body = push_body(&[(json!({"job": "sim"}), values)]);
        for _ in 0..3 {
            let reply = send(&run.world, "POST", "/loki/api/v1/push", &[JSON], &body).await;
            let reply = reply.map_err(|error| Failure::Broken(format!("no answer: {error}")))?;
            assert_eq!(reply.status, 503, "{reply:?}");
        }
        disk.cut(("idle", PathBuf::new()));
        Ok(())
    });
    if let Err(failure) = lived {
        panic!("{failure}");
    }
}

/// Seeds that once lost something, and what it was.
#[test]
fn seeds_that_found_bugs() {
    // A `Flushed` record whose group failed for lack of space was on the disk nevertheless; the log went on in the
    // reserve's room, and a later `Shipped` record spoke of the chunk, which no index named.
    run_seeds(2187, 1);
    // A chunk of a snapshot was restored into a stream that had been retired, its other chunk being flushed already.
    run_seeds(387, 1);
}
