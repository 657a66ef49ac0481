//! Tries again what fuzzing found worth keeping (`fuzz/fuzz_targets`).

use loptr_corpus::{PeakAlloc, replay};

#[path = "../fuzz/checks/mod.rs"]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// In one test: memory is counted for the whole process.
#[test]
fn kept_inputs() {
    type Check = fn(&[u8]);
    let corpora: [(&[u8], Check); 2] = [
        (include_bytes!("../testdata/fuzz/segment.zst"), checks::segment),
        (include_bytes!("../testdata/fuzz/records.zst"), checks::records),
    ];
    for (packed, check) in corpora {
        let tried = replay(packed, checks::BOUNDS, check).expect("a packed corpus");
        assert!(tried > 50, "only {tried} inputs are kept");
    }
}
