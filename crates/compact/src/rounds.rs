//! The tasks that begin rounds.

use std::sync::Arc;
use std::time::Duration;

use loptr_ports::TaskHandle;
use tokio_util::sync::CancellationToken;

use crate::compactor::Compactor;
use crate::policy::Policies;

/// How often marks are looked for that are old enough.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Compactor {
    /// Compacts, and retains and sweeps where retention is on, each at its interval and for the first time after one, until
    /// `stop`. A round under way is left at its next wait: whatever was begun can be left at any point.
    pub fn start(self: Arc<Self>, policies: Arc<dyn Policies>, stop: CancellationToken) -> Vec<TaskHandle> {
        let mut tasks = Vec::new();
        let spawner = self.ports.spawner.clone();
        let compactor = self.clone();
        let stopped = stop.clone();
        let rounds = async move {
            compactor.metrics.running.set(1);
            until(stopped, compactor.rounds(policies)).await;
            compactor.metrics.running.set(0);
        };
        tasks.push(spawner.spawn("compactor", Box::pin(rounds)));
        if self.settings.retention.is_some() {
            let sweeps = until(stop, async move { self.sweeps().await });
            tasks.push(spawner.spawn("sweeper of chunks", Box::pin(sweeps)));
        }
        tasks
    }

    /// Compaction and retention take turns: a round of either does the other's work on no table at the same time.
    async fn rounds(&self, policies: Arc<dyn Policies>) {
        let clock = &*self.ports.clock;
        let retain_every = self.settings.retention.as_ref().map(|retention| nanos(retention.interval));
        let compact_every = nanos(self.settings.interval);
        let began = clock.monotonic();
        let mut compact_at = began.saturating_add(compact_every);
        let mut retain_at = retain_every.map(|every| began.saturating_add(every));
        loop {
            let next = retain_at.map_or(compact_at, |retain_at| retain_at.min(compact_at));
            let wait = u64::try_from(next.0.saturating_sub(clock.monotonic().0)).unwrap_or(0);
            clock.sleep(Duration::from_nanos(wait)).await;
            let now = clock.monotonic();
            // Each failure was told where it happened.
            if let (Some(at), Some(every)) = (retain_at, retain_every)
                && at <= now
            {
                if let Err(error) = self.retain(policies.clone()).await {
                    tracing::error!(%error, "retention failed");
                }
                retain_at = Some(clock.monotonic().saturating_add(every));
            } else if compact_at <= now {
                if let Err(error) = self.compact().await {
                    tracing::error!(%error, "compaction failed");
                }
                compact_at = clock.monotonic().saturating_add(compact_every);
            }
        }
    }

    async fn sweeps(&self) {
        let working_dir = self.settings.retention.as_ref().and_then(|retention| retention.working_dir.as_deref());
        let mut left_by_upstream = working_dir;
        let delay = self.settings.retention.as_ref().map_or(SWEEP_EVERY, |retention| retention.delete_delay);
        let every = delay.clamp(Duration::from_secs(1), SWEEP_EVERY);
        loop {
            self.ports.clock.sleep(every).await;
            if let Some(dir) = left_by_upstream {
                match self.take_marks_over(dir).await {
                    Ok(_) => left_by_upstream = None,
                    Err(error) => tracing::error!(%error, "marks of upstream could not be taken over, tried again"),
                }
            }
            match self.sweep().await {
                Ok(swept) if swept.removed + swept.named > 0 => {
                    tracing::info!(removed = swept.removed, named = swept.named, "marked chunks swept");
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "marked chunks could not be swept"),
            }
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}
