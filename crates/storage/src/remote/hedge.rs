//! A slow read is asked a second time, and the first answer counts (upstream's `hedging`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use loptr_model::Nanos;
use loptr_ports::Clock;
use object_store::{Error, Result};
use parking_lot::Mutex;

/// When a read is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeSettings {
    /// After this long without an answer.
    pub at: Duration,
    /// Requests for one read, the first included.
    pub up_to: usize,
    /// Further requests a second, of all reads.
    pub max_per_sec: usize,
}

/// Asks again.
pub(super) struct Hedge {
    settings: HedgeSettings,
    clock: Arc<dyn Clock>,
    /// A second, and the further requests in it.
    spent: Mutex<(i64, usize)>,
}

impl fmt::Debug for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Hedge {
    pub(super) fn new(settings: HedgeSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock, spent: Mutex::new((0, 0)) }
    }

    /// Whether one more request is within the rate.
    fn may_ask(&self, now: Nanos) -> bool {
        let second = now.0.div_euclid(1_000_000_000);
        let mut spent = self.spent.lock();
        if spent.0 != second {
            *spent = (second, 0);
        }
        spent.1 += 1;
        spent.1 <= self.settings.max_per_sec
    }

    /// The first good answer of `ask`, which is asked again while none comes. An object that is not there is an answer.
    pub(super) async fn first<T, F: Future<Output = Result<T>>>(&self, ask: impl Fn() -> F) -> Result<T> {
        let mut under_way = FuturesUnordered::from_iter([ask()]);
        let mut asked = 1;
        loop {
            tokio::select! {
                Some(answer) = under_way.next() => match answer {
                    Err(error) if !matches!(error, Error::NotFound { .. }) && !under_way.is_empty() => {
                        tracing::debug!(%error, "one of several requests for an object failed");
                    }
                    answer => return answer,
                },
                () = self.clock.sleep(self.settings.at), if asked < self.settings.up_to => {
                    asked += 1;
                    if self.may_ask(self.clock.monotonic()) {
                        under_way.push(ask());
                    }
                }
            }
        }
    }
}
