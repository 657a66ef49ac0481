//! Any bytes as each kind of upstream's records. `cargo +nightly fuzz run records` in `crates/takeover`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_corpus::{PeakAlloc, within};

#[path = "../checks/mod.rs"]
#[allow(dead_code, reason = "each target runs one of the checks")]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fuzz_target!(|input: &[u8]| within(checks::BOUNDS, input, checks::records));
