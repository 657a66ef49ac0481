//! The one task that writes, and how it gets over failures.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loptr_model::Nanos;
use loptr_ports::{Clock, DiskFile, TaskError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::reserve;
use super::state::LogState;
use super::{Item, LogError, Order, SUFFIX, Shared, SyncPolicy};

/// Bytes written with one sync, at most.
const GROUP_BYTES: usize = 32 << 20;
/// How often the volume's room is looked at.
const DISK_CHECK: Duration = Duration::from_secs(10);
/// Pause before a new segment is tried after a failure; it doubles up to the other.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// A failure this soon after the last one goes on with its pause.
const RECENT: Duration = Duration::from_secs(60);

struct Open {
    file: Box<dyn DiskFile>,
    bytes: u64,
}

/// The open segment and what went wrong with it. Lives in the task, visits blocking threads for its work.
pub(super) struct Writer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    next_seq: Arc<AtomicU64>,
    open: Option<Open>,
    /// The highest number ever tried: a segment that failed is not written again.
    last_tried: u64,
    /// Since when there are acknowledged bytes that are not synced.
    unsynced_since: Option<Nanos>,
    /// The disk had no room; what it said.
    exhausted: Option<String>,
    /// The volume is fuller than the settings allow.
    over_threshold: Option<String>,
    /// A write or sync failed.
    failed: Option<(LogState, String)>,
    retry_after: Duration,
    failed_at: Nanos,
    next_retry: Nanos,
    next_check: Nanos,
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Writer {
    /// Begins `segment`. A full disk is no error: the log is there and refuses.
    pub(super) fn begin(
        shared: Arc<Shared>,
        clock: Arc<dyn Clock>,
        segment: u64,
        next_seq: Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let now = clock.monotonic();
        let mut writer = Self {
            shared,
            clock,
            next_seq,
            open: None,
            last_tried: segment.saturating_sub(1),
            unsynced_since: None,
            exhausted: None,
            over_threshold: None,
            failed: None,
            retry_after: RETRY_FIRST,
            failed_at: Nanos(i64::MIN / 2),
            next_retry: now,
            next_check: now,
        };
        writer.note_reserve();
        match writer.try_segment(segment) {
            Ok(()) => {}
            Err(error) if is_full(&error) => writer.meet_full_disk(&error),
            Err(error) => return Err(error),
        }
        writer.settle();
        Ok(writer)
    }

    fn note_reserve(&self) {
        let held = reserve::held(&*self.shared.disk, &self.shared.settings.dir);
        self.shared.health.reserve_bytes.store(held, Ordering::Relaxed);
    }

    /// Begins segment `number`, its name synced. Its header is not: the first record's sync takes it along, and before that
    /// nothing hangs on the segment. After a failure it is: the log counts as healed when the disk has synced something.
    fn try_segment(&mut self, number: u64) -> io::Result<()> {
        let heals = self.failed.is_some();
        self.last_tried = number;
        let shared = &self.shared;
        let path = shared.settings.dir.join(format!("{number:08}{SUFFIX}"));
        let begin = || {
            let mut file = shared.disk.create(&path)?;
            file.append(&loptr_wal::segment_header(number, self.next_seq.load(Ordering::SeqCst)))?;
            if heals {
                file.sync()?;
            }
            shared.disk.sync_dir(&shared.settings.dir)?;
            Ok(file)
        };
        match begin() {
            Ok(file) => {
                let bytes = loptr_wal::HEADER_BYTES as u64;
                shared.lengths.lock().insert(number, bytes);
                shared.segment.store(number, Ordering::SeqCst);
                self.open = Some(Open { file, bytes });
                Ok(())
            }
            Err(error) => {
                // Nothing was acknowledged in it. What stays is read as a segment without records.
                let _ = shared.disk.remove(&path);
                Err(error)
            }
        }
    }

    /// Gives up the reserve and goes on in its room.
    fn meet_full_disk(&mut self, error: &io::Error) {
        let shared = self.shared.clone();
        shared.health.count_failure(LogState::Full);
        let gave_up = reserve::give_up(&*shared.disk, &shared.settings.dir);
        self.note_reserve();
        self.exhausted = Some(format!("{}: {error}", shared.settings.dir.display()));
        self.pause();
        if gave_up || self.open.is_none() {
            // If that fails, too, it is tried again later.
            let _ = self.try_segment(self.last_tried + 1);
        }
    }

    fn meet_failure(&mut self, state: LogState, error: &io::Error) {
        self.shared.health.count_failure(state);
        let number = self.shared.segment.load(Ordering::SeqCst);
        let what = if state == LogState::SyncFailed { "sync" } else { "write" };
        self.failed = Some((state, format!("{what} of segment {number}: {error}")));
        self.pause();
    }

    /// Sets the time of the next attempt.
    fn pause(&mut self) {
        let now = self.clock.monotonic();
        let is_recent = now.0.saturating_sub(self.failed_at.0) < nanos(RECENT);
        self.retry_after = if is_recent { (self.retry_after * 2).min(RETRY_LAST) } else { RETRY_FIRST };
        self.failed_at = now;
        self.next_retry = now.saturating_add(nanos(self.retry_after));
        self.shared.health.retry_at.store(self.next_retry.0, Ordering::Relaxed);
    }

    /// Tells everyone what state the log is in now.
    fn settle(&self) {
        let (state, reason) = match (&self.failed, &self.exhausted, &self.over_threshold) {
            (Some((state, reason)), _, _) => (*state, reason.as_str()),
            (None, Some(reason), _) | (None, None, Some(reason)) => (LogState::Full, reason.as_str()),
            (None, None, None) => (LogState::Writing, ""),
        };
        self.shared.health.set(state, reason, self.open.is_some());
    }

    /// Writes one group; `sync` before it returns. After an error the segment is not touched again.
    fn write(&mut self, bytes: &[u8], records: u64, sync: bool) -> Result<(), LogError> {
        let written = self.write_group(bytes, records, sync);
        self.settle();
        written.map_err(|error| {
            let refusal = self.shared.health.refusal();
            refusal.unwrap_or_else(|| LogError::Failed { reason: error.to_string().into() })
        })
    }

    fn write_group(&mut self, bytes: &[u8], records: u64, sync: bool) -> io::Result<()> {
        let is_long = |open: &Open| open.bytes >= self.shared.settings.segment_bytes;
        if self.open.as_ref().is_some_and(is_long) {
            // What the old segment holds must be safe before it is left.
            if self.unsynced_since.is_some() {
                self.sync_open()?;
            }
            if let Err(error) = self.try_segment(self.last_tried + 1) {
                self.meet_write_error(&error);
                return Err(error);
            }
        }
        let Some(open) = &mut self.open else { return Err(io::Error::other("no segment is open")) };
        if let Err(error) = open.file.append(bytes) {
            self.meet_write_error(&error);
            return Err(error);
        }
        open.bytes += bytes.len() as u64;
        let number = self.shared.segment.load(Ordering::SeqCst);
        self.shared.lengths.lock().insert(number, open.bytes);
        self.shared.written_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.shared.records.fetch_add(records, Ordering::Relaxed);
        if sync {
            return self.sync_open();
        }
        let now = self.clock.monotonic();
        self.unsynced_since.get_or_insert(now);
        Ok(())
    }

    fn meet_write_error(&mut self, error: &io::Error) {
        // Bytes that were acknowledged before their sync are in doubt if they cannot be synced now.
        if self.unsynced_since.is_some() && self.sync_open().is_err() {
            return;
        }
        self.open = None;
        if is_full(error) { self.meet_full_disk(error) } else { self.meet_failure(LogState::WriteFailed, error) }
    }

    fn sync_open(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        match open.file.sync() {
            Ok(()) => {
                self.unsynced_since = None;
                Ok(())
            }
            Err(error) => {
                (self.open, self.unsynced_since) = (None, None);
                self.meet_failure(LogState::SyncFailed, &error);
                Err(error)
            }
        }
    }

    /// Time until the writer has something to do by itself.
    fn next_wake(&self) -> Duration {
        let mut at = self.next_check;
        if self.is_retrying() {
            at = at.min(self.next_retry);
        }
        if let (Some(since), SyncPolicy::Interval(interval)) = (self.unsynced_since, self.shared.settings.sync) {
            at = at.min(since.saturating_add(nanos(interval)));
        }
        Duration::from_nanos(u64::try_from(at.0.saturating_sub(self.clock.monotonic().0)).unwrap_or(0))
    }

    fn is_retrying(&self) -> bool {
        self.exhausted.is_some() || matches!(self.failed, Some((LogState::WriteFailed, _)))
    }

    /// Syncs what is due, looks at the room, tries a new segment. Returns the size of a reserve to be built.
    fn tick(&mut self) -> Option<u64> {
        let now = self.clock.monotonic();
        if let (Some(since), SyncPolicy::Interval(interval)) = (self.unsynced_since, self.shared.settings.sync)
            && now >= since.saturating_add(nanos(interval))
        {
            // The failure is noted.
            let _ = self.sync_open();
        }
        let mut build = None;
        let retries = self.is_retrying() && now >= self.next_retry;
        if retries || now >= self.next_check {
            self.next_check = now.saturating_add(nanos(DISK_CHECK));
            build = self.look_at_room();
        }
        if retries && self.is_retrying() {
            self.retry();
        }
        self.settle();
        build
    }

    fn look_at_room(&mut self) -> Option<u64> {
        let shared = self.shared.clone();
        let settings = &shared.settings;
        let usage = match shared.disk.usage(&settings.dir) {
            Ok(usage) if usage.total_bytes > 0 => usage,
            // The next look may be luckier.
            _ => return None,
        };
        // As upstream measures it: space that only others may use is not used.
        let used = 1.0 - usage.free_bytes as f64 / usage.total_bytes as f64;
        shared.health.disk_used.store(used.to_bits(), Ordering::Relaxed);
        let limit = settings.disk_full_threshold;
        let was_over = self.over_threshold.is_some();
        self.over_threshold = (limit > 0.0 && used >= limit).then(|| {
            let dir = settings.dir.display();
            let (used, limit) = (used * 100.0, limit * 100.0);
            format!("the disk of {dir} is {used:.1}% full, limit ingester.wal.disk_full_threshold {limit:.1}%")
        });
        if self.over_threshold.is_some() && !was_over {
            shared.health.count_failure(LogState::Full);
        }
        let target = reserve::target(settings.reserve_bytes, &usage);
        let held = reserve::held(&*shared.disk, &settings.dir);
        let has_room = usage.available_bytes >= reserve::room_to_go_on(settings.reserve_bytes, &usage);
        if self.exhausted.is_some() && self.open.is_some() && has_room {
            self.exhausted = None;
        }
        (target > 0 && held < target && has_room && self.exhausted.is_none()).then_some(target)
    }

    /// Tries a new segment where there is none.
    fn retry(&mut self) {
        self.pause();
        if self.open.is_some() {
            return;
        }
        match self.try_segment(self.last_tried + 1) {
            Ok(()) => self.failed = None,
            Err(error) if is_full(&error) => {
                reserve::give_up(&*self.shared.disk, &self.shared.settings.dir);
                self.note_reserve();
                self.exhausted = Some(format!("{}: {error}", self.shared.settings.dir.display()));
            }
            Err(error) => self.failed = Some((LogState::WriteFailed, format!("new segment: {error}"))),
        }
    }

    /// Removes the old segments, on which nothing hangs, and begins a new one.
    fn begin_anew(&mut self) -> io::Result<()> {
        if self.open.is_some() {
            return Ok(());
        }
        self.pause();
        self.shared.remove_before(self.last_tried + 1)?;
        self.try_segment(self.last_tried + 1)?;
        self.failed = None;
        self.settle();
        Ok(())
    }
}

/// What a visit to a blocking thread is for.
enum Work {
    Group { bytes: Vec<u8>, records: u64, sync: bool },
    Tick,
    BeginAnew,
}

enum Outcome {
    Written(Result<(), LogError>),
    Ticked(Option<u64>),
    Begun(io::Result<()>),
}

async fn visit(writer: Writer, work: Work) -> Result<(Writer, Outcome), TaskError> {
    let spawner = writer.shared.spawner.clone();
    let work = move || {
        let mut writer = writer;
        let outcome = match work {
            Work::Group { bytes, records, sync } => Outcome::Written(writer.write(&bytes, records, sync)),
            Work::Tick => Outcome::Ticked(writer.tick()),
            Work::BeginAnew => Outcome::Begun(writer.begin_anew()),
        };
        (writer, outcome)
    };
    spawner.run_blocking("log write", work).await
}

type Pending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Writes groups until `stop`, and then what was handed in before.
pub(super) async fn write_loop(writer: Writer, orders: mpsc::UnboundedReceiver<Order>, stop: CancellationToken) {
    let shared = writer.shared.clone();
    if let Err(error) = run(writer, orders, stop).await {
        tracing::error!(%error, "the task of the write-ahead log ended");
        shared.health.set(LogState::WriteFailed, &error.to_string(), false);
    }
}

async fn run(
    mut writer: Writer,
    mut orders: mpsc::UnboundedReceiver<Order>,
    stop: CancellationToken,
) -> Result<(), TaskError> {
    let clock = writer.clock.clone();
    let shared = writer.shared.clone();
    let mut wake: Pending = clock.sleep(writer.next_wake());
    let mut building: Option<Pending> = None;
    let mut outcome;
    // An order that did not fit the last group.
    let mut held: Option<Order> = None;
    loop {
        let next = match held.take() {
            Some(order) => Some(order),
            None => tokio::select! {
                biased;
                () = async { building.as_mut().expect("checked").await }, if building.is_some() => {
                    building = None;
                    writer.note_reserve();
                    continue;
                }
                () = stop.cancelled(), if !orders.is_closed() => {
                    orders.close();
                    continue;
                }
                () = &mut wake => {
                    (writer, outcome) = visit(writer, Work::Tick).await?;
                    if let Outcome::Ticked(Some(bytes)) = outcome && building.is_none() {
                        building = Some(build_reserve(shared.clone(), bytes));
                    }
                    wake = clock.sleep(writer.next_wake());
                    continue;
                }
                next = orders.recv() => next,
            },
        };
        let first = match next {
            None => break,
            Some(Order::BeginAnew(done)) => {
                (writer, outcome) = visit(writer, Work::BeginAnew).await?;
                if let Outcome::Begun(begun) = outcome {
                    // Who went away needs no answer.
                    let _ = done.send(begun);
                }
                continue;
            }
            Some(Order::Write(item)) => item,
        };
        let mut group: Vec<Item> = vec![first];
        let mut len = group[0].bytes.len();
        while len < GROUP_BYTES {
            match orders.try_recv() {
                Ok(Order::Write(item)) => {
                    len += item.bytes.len();
                    group.push(item);
                }
                Ok(other) => {
                    held = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        if let Some(refusal) = shared.health.refusal() {
            // The room left is not for pushes, and a failed log takes none.
            let can_write = shared.health.can_write();
            let refused = |item: &mut Item| item.is_push || !can_write;
            for item in group.extract_if(.., refused) {
                let _ = item.done.send(Err(refusal.clone()));
            }
            if group.is_empty() {
                continue;
            }
        }
        let sync = shared.settings.sync == SyncPolicy::Always || group.iter().any(|item| !item.is_push);
        let records = group.len() as u64;
        let bytes = match &mut group[..] {
            [one] => std::mem::take(&mut one.bytes),
            many => {
                let mut all = Vec::with_capacity(len);
                many.iter().for_each(|item| all.extend_from_slice(&item.bytes));
                all
            }
        };
        let was_unsynced = writer.unsynced_since.is_some();
        (writer, outcome) = visit(writer, Work::Group { bytes, records, sync }).await?;
        if writer.unsynced_since.is_some() != was_unsynced || writer.is_retrying() {
            wake = clock.sleep(writer.next_wake());
        }
        if let Outcome::Written(written) = outcome {
            for item in group {
                let _ = item.done.send(written.clone());
            }
        }
    }
    if writer.unsynced_since.is_some() {
        let sync = Work::Group { bytes: Vec::new(), records: 0, sync: true };
        let (_, outcome) = visit(writer, sync).await?;
        if let Outcome::Written(Err(error)) = outcome {
            tracing::error!(%error, "write-ahead log could not be synced at the stop");
        }
    }
    if let Some(building) = building {
        building.await;
    }
    Ok(())
}

/// Builds the reserve beside the writing.
fn build_reserve(shared: Arc<Shared>, bytes: u64) -> Pending {
    Box::pin(async move {
        let builder = shared.clone();
        let work = move || reserve::build(&*builder.disk, &builder.settings.dir, bytes);
        match shared.spawner.run_blocking("log reserve", work).await {
            Ok(Ok(())) => tracing::info!(bytes, "space is reserved for a full disk"),
            Ok(Err(error)) => tracing::warn!(%error, bytes, "no space could be reserved for a full disk"),
            Err(error) => tracing::error!(%error, "the reserve was not built"),
        }
    })
}
