//! What must hold of the parser for any bytes. Run by the fuzz target and, over the packed corpus, by `tests/corpus.rs`.

use std::time::Duration;

use loptr_corpus::Bounds;
use loptr_logql::{MAX_QUERY_BYTES, check_stages, parse, parse_bytes, pretty};

/// The longest text allowed has 128 KiB; the tree of a text is a multiple of it.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(2), bytes: 64 << 20, bytes_per_byte: 4096 };

/// No panic, and what parses prints as text that parses to the same. The forms for people are upstream's, which need not.
pub(crate) fn parsing(text: &[u8]) {
    let Ok(query) = parse_bytes(text) else { return };
    let _ = check_stages(&query, &|_| Ok(()));
    assert!(pretty(&query).is_ok_and(|text| !text.is_empty()) && !format!("{query:#}").is_empty());
    let printed = query.to_string();
    // Escapes and parentheses may make a text longer than a query may be.
    if printed.len() <= MAX_QUERY_BYTES {
        let again = parse(&printed).expect("printed text parses");
        assert_eq!(again.to_string(), printed);
    }
}
