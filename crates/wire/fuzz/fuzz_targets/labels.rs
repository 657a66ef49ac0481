//! Label text parses or is refused; what parses prints as text that parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_wire::labels::parse_labels;

fuzz_target!(|text: &str| {
    let Ok(labels) = parse_labels(text) else { return };
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // Quoted names do not survive printing, nor does U+FFFD; both as upstream.
    if labels.iter().all(|(name, value)| plain(name) && !value.contains('\u{fffd}')) {
        assert_eq!(parse_labels(&labels.to_string()), Ok(labels));
    }
});
