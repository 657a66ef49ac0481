//! Any OTLP body in any encoding decodes or is refused; what decodes can be read to the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_model::Nanos;
use loptr_wire::push::PushLimits;
use loptr_wire::push::otlp::{OtlpAction, OtlpContext, OtlpNames, OtlpRule, OtlpRules, decode_otlp};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, body)) = data.split_first() else { return };
    let limits = PushLimits { max_body_bytes: 1 << 16, max_decompressed_bytes: 1 << 20 };
    let content_type = if choice & 1 == 0 { "application/json" } else { "application/x-protobuf" };
    let encoding = ["", "gzip", "zstd", "lz4"][usize::from(choice >> 1 & 3)];
    let mut rules = OtlpRules { severity_text_as_label: choice & 8 != 0, ..OtlpRules::default() };
    let names = OtlpNames::Listed(vec!["a".to_owned(), "b.c".to_owned()]);
    let action = if choice & 16 == 0 { OtlpAction::Label } else { OtlpAction::Drop };
    rules.record.push(OtlpRule { action, names });
    let names = if choice & 32 == 0 { vec!["a".to_owned()] } else { Vec::new() };
    let context = OtlpContext { rules: &rules, discover_service_name: &names, now: Nanos(1) };
    match decode_otlp(content_type, encoding, bytes::Bytes::copy_from_slice(body), &limits, context) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(push) => {
            let mut entries = 0;
            for stream in push.streams() {
                loptr_wire::labels::parse_label_pairs(stream.labels()).expect("labels of ours can be read");
                for entry in stream.entries() {
                    entries += 1;
                    assert!(entry.metadata.iter().all(|(name, _)| !name.is_empty()));
                }
            }
            assert_eq!(entries, push.entry_count());
        }
    }
});
