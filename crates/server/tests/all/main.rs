//! The whole process, seen from outside: the binary over HTTP, killed and started again, and the same process on a
//! simulated world whose disk forgets.
//!
//! | module | question |
//! |---|---|
//! | `buckets` | does it read what upstream wrote, to the last entry? |
//! | `command_line` | does it start, refuse and stop as operators know it? |
//! | `faults` | a disk or store that fails in one way: is the push refused, does it heal, is anything lost? |
//! | `http` | statuses and texts of pushes; tenants; shutdown |
//! | `journey` | from push to query without a gap or a double while everything is being flushed |
//! | `killed` | SIGKILL at any moment: is what was acknowledged there once? |
//! | `takeover` | does it take over folders of a killed upstream, also when it is killed meanwhile? |
//! | `reads` | volumes, shards, detected labels and fields, the old routes |
//! | `limits` | limits of single tenants, changed while running |
//! | `scripts` | do the scripts of the evaluator hold over HTTP? |
//! | `simulated` | power cut at any write of a seeded run: the same |
//! | `tails` | every entry once and in order over a WebSocket; refusals; the end |
//! | `tenants` | nobody sees a byte of somebody else; several read at once |
//! | `upgrade` | folders of earlier versions: is everything there? |
//!
//! One binary, so that it is linked once. Longer runs: `LOPTR_KILL_ROUNDS`, `LOPTR_SIM_SEEDS` (from `LOPTR_SIM_FROM` on),
//! `LOPTR_JOURNEY_SECS`, with `LOPTR_WATCHDOG_SECS` above it. A failure tells the seed that repeats it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "these tests are the outside: they start processes, write files, and measure real time"
)]

mod buckets;
mod command_line;
mod faults;
mod http;
mod journey;
mod killed;
mod limits;
mod reads;
mod scripts;
mod simulated;
mod support;
mod tails;
mod takeover;
mod tenants;
mod upgrade;
