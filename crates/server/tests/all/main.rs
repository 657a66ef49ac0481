//! The whole process, seen from outside: the binary over HTTP, killed and started again, and the same process on a
//! simulated world whose disk forgets.
//!
//! | module | question |
//! |---|---|
//! | `boltdb` | an index before TSDB: upstream's is read, ours is written, taken over, followed by TSDB |
//! | `buckets` | does it read what upstream wrote, to the last entry? |
//! | `caches` | memcached and redis, where they are installed: does what is put come back? |
//! | `command_line` | does it start, refuse and stop as operators know it? |
//! | `compact` | index files merged, lines retained and deleted: is the rest whole, also when it is killed meanwhile? |
//! | `deadlines` | heads, answers and connections without requests: who is late is told or cut |
//! | `faults` | a disk or store that fails in one way: is the push refused, does it heal, is anything lost? |
//! | `full_disk` | disks that are really full or read-only: refused, survived, healed? |
//! | `formats` | protobuf, Parquet, Arrow: on every route that has them, refused where not |
//! | `http` | statuses and texts of pushes; tenants; shutdown |
//! | `journey` | from push to query without a gap or a double while everything is being flushed |
//! | `killed` | SIGKILL at any moment: is what was acknowledged there once? |
//! | `malformed` | every route: bad parameters, encodings, sizes, slow senders: a clear error, memory bounded |
//! | `running` | a running query is listed, stopped, and ends when its client goes away |
//! | `takeover` | does it take over folders of a killed upstream, also when it is killed meanwhile? |
//! | `metrics` | every metric of upstream's that anybody uses, under its name, type and labels; which are absent |
//! | `reads` | volumes, shards, detected labels and fields, the old routes |
//! | `lies` | a build, or a disk, with any one sync left out: does it lose something, as it must? |
//! | `restarts` | stops and kills during a long replay, copies of the folder at work, a log of a newer version |
//! | `limits` | limits of single tenants, changed while running |
//! | `operators` | whole files of operators: verified, refused by name, served; files made to hurt |
//! | `patterns` | stored patterns and counts: their form, who sees them, a stop |
//! | `shutdown` | stops by request and by signal; the marker; two processes on one folder |
//! | `scripts` | do the scripts of the evaluator hold over HTTP? |
//! | `simulated` | power cut at any write of a seeded run: the same |
//! | `syscalls` | does a sync that is asked for reach the kernel before the answer goes out? |
//! | `tails` | every entry once and in order over a WebSocket; refusals; the end |
//! | `tenants` | nobody sees a byte of somebody else; several read at once |
//! | `tls` | who is let in, how it is spoken, certificates swapped while running |
//! | `traces` | spans of a push and a query at a receiver, in the trace the request names; the same trace in the log; a CPU profile |
//! | `upgrade` | folders of earlier versions: is everything there? |
//!
//! One binary, so that it is linked once. Longer runs: `LOPTR_KILL_ROUNDS`, `LOPTR_FULL_DISK_SECS`, `LOPTR_SIM_SEEDS` (from `LOPTR_SIM_FROM` on),
//! `LOPTR_JOURNEY_SECS`, with `LOPTR_WATCHDOG_SECS` above it. `LOPTR_SIM_TRACE=1` shows what a seed's disk and log do. A failure tells the seed that repeats it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "these tests are the outside: they start processes, write files, and measure real time"
)]

mod boltdb;
mod buckets;
mod caches;
mod command_line;
mod compact;
mod deadlines;
mod doomed;
mod faults;
mod formats;
mod full_disk;
mod http;
mod journey;
mod killed;
mod lies;
mod limits;
mod malformed;
mod metrics;
mod operators;
mod patterns;
mod reads;
mod restarts;
mod running;
mod scripts;
mod shutdown;
mod simulated;
mod support;
mod syscalls;
mod tails;
mod takeover;
mod tenants;
mod tls;
mod traces;
mod upgrade;
