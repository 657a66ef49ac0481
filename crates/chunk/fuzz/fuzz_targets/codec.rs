//! First byte a codec, the rest a stream. What decompresses compresses and decompresses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::{Encoding, compress, decompress};

const LIMIT: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((&id, stream)) = bytes.split_first() else { return };
    let encoding = Encoding::ALL[usize::from(id) % Encoding::ALL.len()];
    let mut buf = Vec::new();
    let Ok(plain) = decompress(encoding, stream, &mut buf, LIMIT, usize::from(id) * 64) else { return };
    assert!(plain.len() <= LIMIT);
    let mut again = Vec::new();
    compress(encoding, 1, plain, &mut again).expect("compresses");
    assert_eq!(decompress(encoding, &again, &mut Vec::new(), LIMIT, 0).expect("our own"), plain);
});
