//! Tries again what fuzzing found worth keeping (`fuzz/fuzz_targets`).

use loptr_corpus::{PeakAlloc, replay};

#[path = "../fuzz/checks/mod.rs"]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

#[test]
fn kept_inputs() {
    let packed = include_bytes!("../testdata/fuzz/parse.zst");
    let tried = replay(packed, checks::BOUNDS, checks::parsing).expect("a packed corpus");
    assert!(tried > 1000, "only {tried} inputs are kept");
}
