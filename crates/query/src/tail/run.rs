//! One tail at work.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use foldhash::fast::FixedState;
use loptr_eval::{LabelsId, LogEntry, Pipeline, ResultLabels, StreamPipeline};
use loptr_model::{Entry, Labels, Nanos, StreamEntries};
use loptr_ports::{Priority, Reservation};
use tokio::sync::mpsc;

use super::inbox::{Batch, Lost};
use super::{Registered, TailEnd, TailFrame};
use crate::limits::nanos;

/// How long entries gather before the query runs over them: many pushes then cost one job and one frame.
const GATHER: Duration = Duration::from_millis(100);
/// Entries of a frame at most.
const FRAME_ENTRIES: usize = 100;
/// Bytes of lines after which a frame is full.
const FRAME_BYTES: usize = 1 << 20;
/// Lost entries told with one frame at most.
const FRAME_LOST: usize = 1000;
/// Streams whose pipelines are kept.
const PIPELINES: usize = 256;

/// An entry that waits for its time.
struct Waiting {
    entry: LogEntry,
    held: Reservation,
}

/// The query bound to the streams seen lately.
struct Piper {
    pipeline: Pipeline,
    streams: HashMap<Labels, StreamPipeline>,
}

pub(super) struct Running {
    registered: Registered,
    piper: Option<Piper>,
    delay_ns: i64,
    /// By time, then by arrival.
    waiting: BTreeMap<(Nanos, u64), Waiting>,
    arrivals: u64,
    lost: Lost,
    /// What was there already, by its look: a batch that came meanwhile may hold it too.
    known: HashMap<u64, u32>,
}

impl Running {
    pub(super) fn new(registered: Registered, pipeline: Pipeline, delay: Duration, history: Vec<LogEntry>) -> Self {
        let mut running = Self {
            registered,
            piper: Some(Piper { pipeline, streams: HashMap::new() }),
            delay_ns: nanos(delay),
            waiting: BTreeMap::new(),
            arrivals: 0,
            lost: Lost::default(),
            known: HashMap::new(),
        };
        for entry in history {
            *running.known.entry(look(&entry)).or_default() += 1;
            running.keep(entry);
        }
        running
    }

    /// Tells what is found until it ends.
    pub(super) async fn run(mut self, frames: mpsc::Sender<TailFrame>) -> TailEnd {
        let clock = self.registered.tails.ports.clock.clone();
        let stop = self.registered.tails.stop.clone();
        let mut over = clock.sleep(self.registered.tails.settings.max_duration);
        // What came while the history was read may be in it.
        let (batches, lost) = self.registered.inbox.take();
        self.lost.append(lost);
        if let Err(why) = self.read(batches, true).await {
            return why;
        }
        self.known = HashMap::new();
        let (mut gather, mut look) = (None, true);
        loop {
            if std::mem::take(&mut look) {
                gather = None;
                let (batches, lost) = self.registered.inbox.take();
                self.lost.append(lost);
                if let Err(why) = self.read(batches, false).await {
                    return why;
                }
            }
            if let Some(lost) = self.lost.too_many() {
                return TailEnd::TooSlow(lost);
            }
            let wait = self.waiting.keys().next().map(|(ts, _)| self.until(*ts, clock.now()));
            let ready = wait == Some(Duration::ZERO) || !self.lost.is_empty();
            tokio::select! {
                biased;
                () = stop.cancelled() => return TailEnd::Stopped,
                () = &mut over => return TailEnd::MaxDuration,
                () = frames.closed() => return TailEnd::Stopped,
                permit = frames.reserve(), if ready => match permit {
                    Ok(permit) => permit.send(self.frame(clock.now())),
                    Err(_) => return TailEnd::Stopped,
                },
                () = self.registered.inbox.filled.notified() => {
                    look = self.registered.inbox.is_pressing();
                    gather.get_or_insert_with(|| clock.sleep(GATHER));
                }
                () = passed(&mut gather) => look = true,
                () = clock.sleep(wait.unwrap_or_default()), if !ready && wait.is_some() => {}
            }
        }
    }

    /// How long an entry at `ts` has to wait yet.
    fn until(&self, ts: Nanos, now: Nanos) -> Duration {
        let due = ts.saturating_add(self.delay_ns);
        Duration::from_nanos(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0))
    }

    /// Runs batches through the pipeline; what comes out waits for its time.
    async fn read(&mut self, batches: VecDeque<Batch>, overlap: bool) -> Result<(), TailEnd> {
        if batches.is_empty() {
            return Ok(());
        }
        let Some(mut piper) = self.piper.take() else { return Ok(()) };
        let work = move || {
            let mut out = Vec::new();
            for (batch, held) in batches {
                piper.run(&batch, &mut out);
                drop(held);
            }
            (piper, out)
        };
        let done = self.registered.tails.ports.cpu.run(Priority::Query, work).await;
        let (piper, entries) = done.map_err(|error| TailEnd::Failed(error.to_string()))?;
        self.piper = Some(piper);
        for entry in entries {
            if overlap
                && let Some(times) = self.known.get_mut(&look(&entry))
                && *times > 0
            {
                *times -= 1;
                continue;
            }
            self.keep(entry);
        }
        Ok(())
    }

    fn keep(&mut self, entry: LogEntry) {
        let bytes = entry.line.len() + 128;
        match self.registered.inbox.budget.reserve(bytes as u64) {
            Ok(held) => {
                self.arrivals += 1;
                self.waiting.insert((entry.ts, self.arrivals), Waiting { entry, held });
            }
            Err(_) => {
                self.lost.add(entry.ts, &entry.labels.all);
                self.registered.tails.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// What is due, and what was lost.
    fn frame(&mut self, now: Nanos) -> TailFrame {
        let mut frame = TailFrame { entries: Vec::new(), dropped: self.lost.take(FRAME_LOST), _held: Vec::new() };
        let mut bytes = 0;
        while frame.entries.len() < FRAME_ENTRIES
            && bytes < FRAME_BYTES
            && let Some(first) = self.waiting.first_entry()
        {
            if first.key().0.saturating_add(self.delay_ns) > now {
                break;
            }
            let Waiting { entry, held } = first.remove();
            bytes += entry.line.len();
            frame.entries.push(entry);
            frame._held.push(held);
        }
        self.registered.tails.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        frame
    }
}

/// Waits for a sleep, for ever if there is none.
async fn passed(sleep: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match sleep {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

impl Piper {
    fn run(&mut self, batch: &StreamEntries, out: &mut Vec<LogEntry>) {
        if self.streams.len() >= PIPELINES && !self.streams.contains_key(&batch.labels) {
            self.streams.clear();
        }
        let bound = self.streams.entry(batch.labels.clone()).or_insert_with(|| self.pipeline.for_stream(&batch.labels));
        let mut sets: HashMap<LabelsId, Arc<ResultLabels>> = HashMap::new();
        for entry in &batch.entries {
            let metadata: Vec<(&str, &str)> =
                entry.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let Some(mut kept) = bound.process(&Entry { ts: entry.ts, line: &entry.line, metadata: &metadata }) else {
                continue;
            };
            let (id, line) = (kept.labels_id(), Box::<[u8]>::from(kept.line));
            let labels = sets.entry(id).or_insert_with(|| Arc::new(bound.labels(id).clone())).clone();
            out.push(LogEntry { ts: entry.ts, line, labels });
        }
        // What a pipeline remembers of label sets only grows.
        if bound.held_bytes() > 1 << 20 {
            self.streams.remove(&batch.labels);
        }
    }
}

/// What makes two entries the same to a client.
fn look(entry: &LogEntry) -> u64 {
    FixedState::default().hash_one((entry.ts, &entry.line, &entry.labels.all))
}
