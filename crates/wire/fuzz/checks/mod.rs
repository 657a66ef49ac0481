//! What must hold of any body: it decodes or is refused with a text, and what decodes can be read to its end. Shared by
//! the fuzz targets and by `tests/corpus.rs`.
#![allow(dead_code, reason = "each target uses one of them")]

use std::time::Duration;

use loptr_corpus::Bounds;
use loptr_model::Nanos;
use loptr_wire::enrich::DETECTED_LEVEL;
use loptr_wire::params::{
    DetectedFieldsParams, DetectedLabelsParams, IndexShardsParams, InstantParams, LabelParams, Params, PatternsParams,
    RangeParams, SeriesParams, TailParams, VolumeParams, VolumeSpan,
};
use loptr_wire::push::otlp::{OtlpAction, OtlpContext, OtlpNames, OtlpRule, OtlpRules, decode_otlp};
use loptr_wire::push::{DecodedPush, PushError, PushLimits, decode_push, decode_push_proto};

/// What one body may cost: a megabyte unpacked, and tables beside it.
pub(crate) const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 64 << 20, bytes_per_byte: 256 };

const LIMITS: PushLimits = PushLimits { max_body_bytes: 1 << 16, max_decompressed_bytes: 1 << 20 };

/// The first byte chooses the encoding and the shape, the rest is a JSON push.
pub(crate) fn json_push(data: &[u8]) {
    push(data, "application/json");
}

/// As [`json_push`], in protobuf.
pub(crate) fn proto_push(data: &[u8]) {
    push(data, "application/x-protobuf");
    if let Some((_, body)) = data.split_first() {
        read(decode_push_proto(bytes::Bytes::copy_from_slice(body)));
    }
}

fn push(data: &[u8], content_type: &str) {
    let Some((&choice, body)) = data.split_first() else { return };
    let encoding = ["", "gzip", "deflate", "snappy"][usize::from(choice >> 1 & 3)];
    read(decode_push(content_type, encoding, choice & 8 == 0, bytes::Bytes::copy_from_slice(body), &LIMITS));
}

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

/// The first byte chooses encoding and rules, the rest is an OTLP request in JSON.
pub(crate) fn otlp_json(data: &[u8]) {
    otlp(data, "application/json");
}

/// As [`otlp_json`], in protobuf.
pub(crate) fn otlp_proto(data: &[u8]) {
    otlp(data, "application/x-protobuf");
}

fn otlp(data: &[u8], content_type: &str) {
    let Some((&choice, body)) = data.split_first() else { return };
    let encoding = ["", "gzip", "zstd", "lz4"][usize::from(choice >> 1 & 3)];
    let mut rules = OtlpRules { severity_text_as_label: choice & 8 != 0, ..OtlpRules::default() };
    let names = OtlpNames::Listed(vec!["a".to_owned(), "b.c".to_owned()]);
    let action = if choice & 16 == 0 { OtlpAction::Label } else { OtlpAction::Drop };
    rules.record.push(OtlpRule { action, names });
    let names = if choice & 32 == 0 { vec!["a".to_owned()] } else { Vec::new() };
    let context = OtlpContext { rules: &rules, discover_service_name: &names, now: Nanos(1) };
    match decode_otlp(content_type, encoding, bytes::Bytes::copy_from_slice(body), &LIMITS, context) {
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
}

/// What stands before the first zero byte is a URL's query, the rest a form: every endpoint reads or refuses both.
pub(crate) fn forms(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (query, body) = data.split_at(at);
    let now = Nanos(1_795_082_400_000_000_000);
    let Ok(params) = Params::from_form(&String::from_utf8_lossy(query), body.get(1..)) else { return };
    if let Ok(range) = RangeParams::parse(&params, now) {
        assert!(range.start <= range.end && range.step_ns > 0 && range.interval_ns >= 0 && range.limit > 0);
        assert!(range.end.0.saturating_sub(range.start.0) / range.step_ns <= 11_000);
    }
    let _ = InstantParams::parse(&params, now);
    let _ = LabelParams::parse(&params, now);
    let _ = SeriesParams::parse(&params, now);
    let _ = IndexShardsParams::parse(&params, now);
    let _ = VolumeParams::parse(&params, VolumeSpan::Instant, now);
    let _ = VolumeParams::parse(&params, VolumeSpan::Range, now);
    let _ = PatternsParams::parse(&params, now);
    let _ = DetectedLabelsParams::parse(&params, now);
    let _ = DetectedFieldsParams::parse(&params, now);
    let _ = TailParams::parse(&params, now);
}
