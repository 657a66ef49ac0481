//! Any line has a level, and the quick test for fields never changes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_wire::enrich::{DEFAULT_LEVEL_FIELDS, LevelDetector, normalize_metadata};

fuzz_target!(|line: &[u8]| {
    let quick = LevelDetector::default();
    // No letter is shared by all of these, so there is no quick test.
    let names: Vec<&str> = DEFAULT_LEVEL_FIELDS.iter().copied().chain(["\u{1}"]).collect();
    assert_eq!(quick.of_line(line), LevelDetector::new(&names, 2).of_line(line));
    LevelDetector::new(&names, 0).of_line(line);
    if let Ok(text) = std::str::from_utf8(line) {
        let mut out = Vec::new();
        let _ = normalize_metadata(text.split(',').filter_map(|pair| pair.split_once('=')), &mut out);
    }
});
