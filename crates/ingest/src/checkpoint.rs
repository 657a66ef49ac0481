//! Checkpoints: chunks whose entries lie in old log segments are logged anew, each in one piece, so that the segments go
//! although a slow stream still fills.
//!
//! A snapshot is a chunk as it is in memory, its cut blocks as bytes. It goes through the log as any record does, one
//! stream at a time; then the chunk needs no segment before the one the snapshot went to. On replay it stands for the
//! pushes whose numbers it covers.
//!
//! It must pay: a segment that can go saves its whole length of disk and of replay, a snapshot costs its own. A round
//! takes as many of the oldest segments as cost at most half of what they free. So streams that are all alike, where
//! every segment is needed by most of them, wait for their chunks to be flushed, and no more is ever written for
//! checkpoints than half of what was pushed. What was logged anew and has not changed since is logged again only as any
//! other chunk: when the segment it lies in has become one of those.

use std::collections::BTreeMap;
use std::sync::Arc;

use loptr_chunk::MemChunk;
use loptr_ports::Priority;
use loptr_wal::{SeqRanges, Snapshot, snapshot_record};
use tokio_util::sync::CancellationToken;

use crate::log::{LogState, segments};
use crate::stream::{FirstSegment, Stream};
use crate::tenant::Tenant;
use crate::{IngestError, Ingester};

/// Makes checkpoints until `stop`.
pub(crate) async fn checkpoint_loop(ingester: Arc<Ingester>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = ingester.ports.clock.sleep(ingester.settings.checkpoint_every) => {}
        }
        if let Err(error) = ingester.checkpoint(&stop).await {
            tracing::warn!(%error, "checkpoint was not finished, the log keeps its old segments");
        }
    }
}

/// The segment before which all chunks are worth logging anew. `costs` has the bytes to be logged for each segment that
/// chunks begin in, `sizes` the lengths of the segments before the one being written.
fn cut(costs: &BTreeMap<u64, u64>, sizes: &BTreeMap<u64, u64>) -> Option<u64> {
    let (mut cost, mut freed, mut best) = (0u64, 0u64, None);
    for (segment, bytes) in sizes {
        cost = cost.saturating_add(costs.get(segment).copied().unwrap_or(0));
        freed = freed.saturating_add(*bytes);
        if cost.saturating_mul(2) <= freed {
            best = Some(segment + 1);
        }
    }
    best
}

/// A chunk to be logged anew.
struct Taken {
    chunk: MemChunk,
    covers: SeqRanges,
    is_closed: bool,
    first_segment: FirstSegment,
}

impl Stream {
    /// The chunks that begin before segment `before`; they share their blocks with the stream.
    fn begun_before(&self, before: u64) -> Vec<Taken> {
        let state = self.state.lock();
        let closed = state.closed.iter().map(|it| (&it.chunk, &it.covers, true, &it.first_segment));
        let open = state.open.iter().map(|it| (&it.chunk, &it.covers, false, &it.first_segment));
        let all = closed.chain(open).filter(|it| it.3.get() < before);
        all.map(|(chunk, covers, is_closed, first_segment)| Taken {
            chunk: chunk.clone(),
            covers: covers.clone(),
            is_closed,
            first_segment: first_segment.clone(),
        })
        .collect()
    }

    /// Adds what each chunk would cost, by the segment it begins in.
    fn add_costs(&self, costs: &mut BTreeMap<u64, u64>) {
        let state = self.state.lock();
        let closed = state.closed.iter().map(|it| (&it.chunk, &it.first_segment));
        for (chunk, first_segment) in closed.chain(state.open.iter().map(|it| (&it.chunk, &it.first_segment))) {
            *costs.entry(first_segment.get()).or_default() += chunk.compressed_size();
        }
    }
}

impl Ingester {
    /// One round.
    pub(crate) async fn checkpoint(&self, stop: &CancellationToken) -> Result<(), IngestError> {
        let Some(log) = &self.log else { return Ok(()) };
        // Until its end, replay needs the old segments anyhow; and a log in trouble wants no more to write.
        if self.replay.needs_old_segments() || log.state() != LogState::Writing {
            return Ok(());
        }
        let streams: Vec<(Arc<Tenant>, Arc<Stream>)> = self
            .tenants()
            .into_iter()
            .flat_map(|tenant| tenant.all().into_iter().map(move |stream| (tenant.clone(), stream)))
            .collect();
        let mut costs = BTreeMap::new();
        streams.iter().for_each(|(_, stream)| stream.add_costs(&mut costs));
        let current = log.segment();
        let Some(cut) = cut(&costs, &self.segment_sizes(current).await?) else { return Ok(()) };
        if costs.range(..cut).next().is_none() {
            return Ok(());
        }
        let (mut chunks, mut bytes) = (0usize, 0usize);
        for (tenant, stream) in streams {
            if stop.is_cancelled() {
                return Ok(());
            }
            // Before the chunks are looked at: what is appended to them afterwards is logged there or later.
            let segment = log.segment();
            let image = move || {
                let taken = stream.begun_before(cut);
                let mut records = Vec::new();
                let mut image = Vec::new();
                for Taken { chunk, covers, is_closed, .. } in &taken {
                    let Some(bounds) = chunk.bounds() else { continue };
                    image.clear();
                    chunk.write_image(&mut image);
                    let snapshot = Snapshot {
                        tenant: &tenant.id,
                        labels: &stream.labels,
                        fingerprint: stream.fingerprint,
                        covers,
                        is_closed: *is_closed,
                        bounds,
                        chunk: &image,
                    };
                    snapshot_record(&snapshot, &mut records);
                }
                (records, taken)
            };
            let (records, taken) = self.ports.cpu.run(Priority::Query, image).await?;
            if records.is_empty() {
                continue;
            }
            bytes += records.len();
            chunks += taken.len();
            log.append(records).await?;
            taken.iter().for_each(|taken| taken.first_segment.move_up(segment));
        }
        self.metrics.checkpoints.inc();
        self.metrics.checkpoint_bytes.inc_by(bytes as u64);
        tracing::info!(chunks, bytes, before_segment = cut, "checkpoint: chunks of old log segments are logged anew");
        Ok(())
    }

    /// Lengths of the segments before `current`.
    async fn segment_sizes(&self, current: u64) -> Result<BTreeMap<u64, u64>, IngestError> {
        let Some(settings) = self.settings.log.clone() else { return Ok(BTreeMap::new()) };
        let disk = self.ports.disk.clone();
        let list = move || {
            let mut sizes = BTreeMap::new();
            for (number, path) in segments(&*disk, &settings.dir)? {
                if number < current {
                    sizes.insert(number, disk.stat(&path)?.0);
                }
            }
            Ok::<_, std::io::Error>(sizes)
        };
        let sizes = self.ports.spawner.run_blocking("log sizes", list).await?;
        sizes.map_err(IngestError::LogFolder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_freed_while_they_cost_half_of_what_they_free() {
        let sizes: BTreeMap<u64, u64> = (3..8).map(|segment| (segment, 100)).collect();
        let with = |costs: &[(u64, u64)]| cut(&costs.iter().copied().collect(), &sizes);
        assert_eq!(with(&[]), Some(8));
        assert_eq!(with(&[(3, 10)]), Some(8));
        assert_eq!(with(&[(3, 60)]), Some(8), "dear at first, but it holds all behind it");
        assert_eq!(with(&[(3, 10), (6, 1000)]), Some(6));
        assert_eq!(with(&[(3, 1000)]), None);
        assert_eq!(cut(&BTreeMap::new(), &BTreeMap::new()), None);
    }
}
