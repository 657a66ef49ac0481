//! Any OTLP request in protobuf, in any encoding. `cargo +nightly fuzz run otlp_proto` in `crates/wire`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_corpus::{PeakAlloc, within};

#[path = "../checks/mod.rs"]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fuzz_target!(|input: &[u8]| within(checks::BOUNDS, input, checks::otlp_proto));
