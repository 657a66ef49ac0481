//! Any form is read or refused by every endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_model::Nanos;
use loptr_wire::params::{
    DetectedFieldsParams, DetectedLabelsParams, IndexShardsParams, InstantParams, LabelParams, Params, PatternsParams,
    RangeParams, SeriesParams, TailParams, VolumeParams, VolumeSpan,
};

fuzz_target!(|input: (i64, &str, &[u8])| {
    let (now, query, body) = input;
    let now = Nanos(now);
    let Ok(params) = Params::from_form(query, Some(body)) else { return };
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
});
