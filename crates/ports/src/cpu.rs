//! CPU work off the reactor: one fixed set of threads for the process, with a bounded queue in which pushes go first.
//!
//! A caller that goes away takes its queued job with it. In a simulation there are no threads: jobs run where they are
//! awaited, in order, so that a seed decides everything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

/// Who goes first when threads are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Pushes and flushes.
    Push,
    /// Queries.
    Query,
}

/// Why a job gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The job panicked.
    #[error("a computation panicked")]
    Panicked,
    /// The pool is shutting down.
    #[error("the CPU pool is stopped")]
    Stopped,
}

/// What the pool is doing, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStats {
    /// Jobs waiting.
    pub queued: usize,
    /// Jobs running.
    pub running: usize,
    /// Threads.
    pub threads: usize,
}

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queues {
    push: VecDeque<Job>,
    query: VecDeque<Job>,
    stopped: bool,
}

struct Shared {
    queues: Mutex<Queues>,
    wake: Condvar,
    /// Places in the queue, one set a priority: a full queue makes the caller wait, not grow.
    push_places: Semaphore,
    query_places: Semaphore,
    running: AtomicUsize,
    threads: usize,
}

struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.queues.lock().stopped = true;
        self.shared.wake.notify_all();
        let me = std::thread::current().id();
        for thread in self.threads.lock().drain(..) {
            // The last handle may be dropped by a job: a thread cannot join itself.
            if thread.thread().id() != me {
                let _ = thread.join();
            }
        }
    }
}

/// The pool; clones share it, and the last one joins the threads.
#[derive(Clone)]
pub struct CpuPool(Option<Arc<Owner>>);

impl std::fmt::Debug for CpuPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CpuPool").field(&self.stats()).finish()
    }
}

impl CpuPool {
    /// `threads` threads, at most `queue_len` jobs of each priority waiting.
    pub fn new(threads: usize, queue_len: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            wake: Condvar::new(),
            push_places: Semaphore::new(queue_len),
            query_places: Semaphore::new(queue_len),
            running: AtomicUsize::new(0),
            threads,
        });
        let owner = Arc::new(Owner { shared: shared.clone(), threads: Mutex::default() });
        for at in 0..threads {
            let shared = shared.clone();
            let thread = std::thread::Builder::new().name(format!("cpu-{at}")).spawn(move || work(&shared))?;
            owner.threads.lock().push(thread);
        }
        Ok(Self(Some(owner)))
    }

    /// No threads: a job runs where it is awaited. For simulations.
    pub fn inline() -> Self {
        Self(None)
    }

    /// How many jobs can run at once.
    pub fn parallelism(&self) -> usize {
        self.0.as_ref().map_or(1, |owner| owner.shared.threads)
    }

    /// What the pool is doing.
    pub fn stats(&self) -> CpuStats {
        let Some(owner) = &self.0 else { return CpuStats { threads: 1, ..CpuStats::default() } };
        let queues = owner.shared.queues.lock();
        CpuStats {
            queued: queues.push.len() + queues.query.len(),
            running: owner.shared.running.load(Ordering::Relaxed),
            threads: owner.shared.threads,
        }
    }

    /// Runs `job` and returns what it returned. Waits while the queue is full; a dropped future takes its queued job
    /// with it.
    pub async fn run<T: Send + 'static>(
        &self,
        priority: Priority,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let Some(owner) = &self.0 else { return Ok(job()) };
        let shared = &owner.shared;
        let places = match priority {
            Priority::Push => &shared.push_places,
            Priority::Query => &shared.query_places,
        };
        let _place = places.acquire().await.map_err(|_| PoolError::Stopped)?;
        let (send, receive) = oneshot::channel();
        {
            let mut queues = shared.queues.lock();
            if queues.stopped {
                return Err(PoolError::Stopped);
            }
            let job: Job = Box::new(move || {
                if !send.is_closed() {
                    let _ = send.send(job());
                }
            });
            match priority {
                Priority::Push => queues.push.push_back(job),
                Priority::Query => queues.query.push_back(job),
            }
        }
        shared.wake.notify_one();
        receive.await.map_err(|_| PoolError::Panicked)
    }
}

fn work(shared: &Shared) {
    loop {
        let job = {
            let mut queues = shared.queues.lock();
            loop {
                if let Some(job) = queues.push.pop_front().or_else(|| queues.query.pop_front()) {
                    break job;
                }
                if queues.stopped {
                    return;
                }
                shared.wake.wait(&mut queues);
            }
        };
        shared.running.fetch_add(1, Ordering::Relaxed);
        // A panic drops the sender, which tells the caller; the thread goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        shared.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_return_and_panics_are_told() {
        let pool = CpuPool::new(2, 4).expect("threads");
        assert_eq!(pool.run(Priority::Query, || 40 + 2).await, Ok(42));
        let panicked: Result<(), _> = pool.run(Priority::Push, || panic!("on purpose")).await;
        assert_eq!(panicked, Err(PoolError::Panicked));
        assert_eq!(pool.run(Priority::Query, || 1).await, Ok(1), "the thread survived");
    }

    #[tokio::test]
    async fn pushes_overtake_queries() {
        let pool = CpuPool::new(1, 16).expect("threads");
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = order.clone();
            move || order.lock().push(name)
        };
        let wait_for = async |ready: fn(CpuStats) -> bool| {
            while !ready(pool.stats()) {
                tokio::task::yield_now().await;
            }
        };
        let blocker = pool.run(Priority::Query, move || gate.recv().is_ok());
        let rest = async {
            wait_for(|stats| stats.running == 1).await;
            let open = async {
                wait_for(|stats| stats.queued == 2).await;
                release.send(()).expect("the blocker waits");
            };
            tokio::join!(pool.run(Priority::Query, note("query")), pool.run(Priority::Push, note("push")), open)
        };
        let (blocked, (query, push, ())) = tokio::join!(blocker, rest);
        assert!(blocked.is_ok() && query.is_ok() && push.is_ok());
        assert_eq!(*order.lock(), ["push", "query"]);
    }
}
