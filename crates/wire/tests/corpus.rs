//! Tries again what fuzzing found worth keeping (`fuzz/fuzz_targets`).

use loptr_corpus::{PeakAlloc, replay};

#[path = "../fuzz/checks/mod.rs"]
mod checks;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A target's name, what is kept of it, and its check.
type Target = (&'static str, &'static [u8], fn(&[u8]));

#[test]
fn kept_inputs() {
    let targets: [Target; 5] = [
        ("push_json", include_bytes!("../testdata/fuzz/push_json.zst"), checks::json_push),
        ("push_proto", include_bytes!("../testdata/fuzz/push_proto.zst"), checks::proto_push),
        ("otlp_json", include_bytes!("../testdata/fuzz/otlp_json.zst"), checks::otlp_json),
        ("otlp_proto", include_bytes!("../testdata/fuzz/otlp_proto.zst"), checks::otlp_proto),
        ("forms", include_bytes!("../testdata/fuzz/forms.zst"), checks::forms),
    ];
    for (name, packed, check) in targets {
        let tried = replay(packed, checks::BOUNDS, check).expect("a packed corpus");
        assert!(tried > 90, "only {tried} inputs are kept of {name}");
    }
}
