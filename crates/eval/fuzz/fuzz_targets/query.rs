//! See `checks::query`. `cargo +nightly fuzz run query` in `crates/eval`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_corpus::{PeakAlloc, within};

#[path = "../checks/mod.rs"]
#[allow(dead_code, reason = "the checks of the other targets")]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fuzz_target!(|input: &[u8]| within(checks::BOUNDS, input, checks::query));
