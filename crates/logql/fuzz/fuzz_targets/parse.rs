//! Any bytes: no panic, and what parses prints as text that parses to the same.
//! Run: `cargo fuzz run parse` in `crates/logql`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_logql::{MAX_QUERY_BYTES, check_stages, parse, parse_bytes, pretty};

fuzz_target!(|text: &[u8]| {
    let Ok(query) = parse_bytes(text) else { return };
    let _ = check_stages(&query, &|_| Ok(()));
    let printed = query.to_string();
    // Escapes and parentheses may make a text longer than a query may be.
    for text in [pretty(&query), printed.clone()] {
        if text.len() <= MAX_QUERY_BYTES {
            let again = parse(&text).expect("printed text parses");
            assert_eq!(again.to_string(), printed);
        }
    }
});
