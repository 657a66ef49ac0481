//! The outside, as traits: clock, randomness, task spawning, disk, network; and the two things every computation is
//! held to, the CPU pool and the [`Budget`].
//!
//! The binary plugs in the machine's own (`server/src/real.rs`); tests plug in [`sim`]ulated ones whose time is turned
//! by hand and whose disk forgets what was not synced. No other crate reads a clock, opens a file, spawns a task or
//! binds a socket: `clippy.toml` refuses it.
//!
//! ```
//! use loptr_ports::Budget;
//! let budget = Budget::unlimited();
//! budget.charge(1 << 20).expect("no limit");
//! assert_eq!(budget.used_bytes(), 1 << 20);
//! budget.cancel();
//! assert!(budget.check().is_err());
//! ```
#![warn(missing_docs)]

mod budget;
mod clock;
mod cpu;
mod disk;
mod network;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod spawn;

use std::sync::Arc;

pub use budget::{Budget, BudgetError, ProcessBudget, Reservation};
pub use clock::{Clock, Elapsed, timeout};
pub use cpu::{CpuPool, CpuStats, PoolError, Priority};
pub use disk::{Disk, DiskFile, DiskLock, DiskUsage};
pub use network::{Accepted, Connection, Listener, Network};
pub use spawn::{Spawner, TaskError, TaskHandle};

/// A source of random numbers: jitter, tokens, names.
pub trait Random: Send + Sync {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}

/// Everything outside the process, bundled for those who start services.
#[derive(Clone)]
#[allow(missing_debug_implementations)]
pub struct Ports {
    /// Wall and monotonic time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Tasks on the reactor and blocking file work.
    pub spawner: Arc<dyn Spawner>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Listening sockets.
    pub network: Arc<dyn Network>,
    /// CPU work.
    pub cpu: CpuPool,
}
