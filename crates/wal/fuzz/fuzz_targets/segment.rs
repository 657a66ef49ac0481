//! Any bytes as a segment. `cargo +nightly fuzz run segment` in `crates/wal`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_corpus::{PeakAlloc, within};

#[path = "../checks/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the checks")]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fuzz_target!(|input: &[u8]| within(checks::BOUNDS, input, checks::segment));
