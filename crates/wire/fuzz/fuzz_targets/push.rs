//! Any body in any encoding decodes or is refused; what decodes can be read to the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_wire::enrich::DETECTED_LEVEL;
use loptr_wire::push::{DecodedPush, PushError, PushLimits, decode_push, decode_push_proto};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let limits = PushLimits { max_body_bytes: 1 << 16, max_decompressed_bytes: 1 << 20 };
    let content_type = if choice & 1 == 0 { "application/json" } else { "application/x-protobuf" };
    let encoding = ["", "gzip", "deflate", "snappy"][usize::from(choice >> 1 & 3)];
    let body = bytes::Bytes::copy_from_slice(body);
    read(decode_push(content_type, encoding, choice & 8 == 0, body.clone(), &limits));
    read(decode_push_proto(body));
});

fn read(push: Result<DecodedPush, PushError>) {
    let push = match push {
        Ok(push) => push,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let mut entries = 0;
    for stream in push.streams() {
        let _ = loptr_wire::labels::parse_labels(stream.labels());
        for entry in stream.entries() {
            entries += 1;
            let charged = entry.metadata.iter().filter(|(name, _)| *name != DETECTED_LEVEL);
            let bytes: usize = charged.map(|(name, value)| name.len() + value.len()).sum();
            assert_eq!(bytes, entry.metadata.byte_len());
            assert!(entry.line.len() <= push.decompressed_len());
        }
    }
    assert_eq!(entries, push.entry_count());
}
