//! Any pattern on any text: no panic, and the searches agree with each other. Input: pattern, byte 0, text.
//! Run: `cargo fuzz run pattern` in `crates/regex`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_regex::GoRegex;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let pattern = parts.next().unwrap_or_default();
    let text = parts.next().unwrap_or_default();
    for regex in [GoRegex::from_bytes(pattern), GoRegex::line_filter(pattern)].into_iter().flatten() {
        let all: Vec<_> = regex.find_iter(text).collect();
        assert_eq!(regex.is_match(text), !all.is_empty());
        assert_eq!(regex.find(text, 0), all.first().copied());
        assert_eq!(regex.captures(text).and_then(|captures| captures.get(0)), all.first().copied());
        assert_eq!(regex.replace_all(text, b"${0}"), text);
        regex.needles();
        if let Some(scan) = regex.block_scan() {
            // The text taken as a block of one line.
            assert!(all.is_empty() || scan.find(text, 0).is_some());
            assert!(!scan.is_exact() || !all.is_empty() || scan.find(text, 0).is_none());
        }
    }
    if let Ok(pattern) = std::str::from_utf8(pattern) {
        let _ = (GoRegex::anchored(pattern), GoRegex::selector(pattern));
    }
});
