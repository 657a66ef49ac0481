//! The object in the store: a memchunk behind the metadata that names it.
//!
//! ```text
//! metaLen be32 (its own 4 bytes included) ‖ snappy frames( JSON ‖ 0x0A ) ‖ dataLen be32 ‖ memchunk
//! ```
//!
//! JSON members, in this order: `fingerprint` (unsigned number), `userID`, `from` and `through` (seconds, three
//! decimals when not whole), `metric` (labels, with `__name__` = `logs`), `encoding` (129).
//! The object's checksum, CRC-32C over all of it, is not in the object but in its key and in the index.

use std::collections::BTreeMap;

use bytes::Bytes;
use loptr_model::{ChunkRef, Fingerprint, Labels, METRIC_NAME, Millis, TenantId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::codec::{self, snappy};
use crate::encoding::Encoding;
use crate::error::ChunkError;
use crate::mem::Sealed;

/// `encoding` of a chunk of logs.
const LOG_CHUNK: u64 = 129;
/// The same by an older name; read, never written.
const GZIP_LOG_CHUNK: u64 = 128;
/// Value of `__name__` in every chunk's labels.
const METRIC_VALUE: &str = "logs";
/// Most bytes of metadata, decompressed.
const MAX_METADATA_BYTES: usize = 16 << 20;

/// A decoded object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Tenant as written in the object.
    pub tenant: String,
    /// Fingerprint and bounds as written in the object, and its checksum.
    pub chunk: ChunkRef,
    /// The stream's labels, without `__name__`.
    pub labels: Labels,
    /// The memchunk: what [`crate::Chunk::parse`] takes. Shares the object's memory.
    pub memchunk: Bytes,
}

impl Object {
    /// Takes an object apart, whatever chunk it is of.
    pub fn decode(object: Bytes) -> Result<Self, ChunkError> {
        let checksum = crc32c::crc32c(&object);
        let metadata_end = metadata_end(&object)?;
        let mut buf = Vec::new();
        let json = codec::decompress_raw(
            Encoding::Snappy,
            &object[4..metadata_end],
            &mut buf,
            MAX_METADATA_BYTES,
            0,
            codec::Sums::Checked,
        )
        .map_err(|fault| fault.at("chunk metadata", 4, Encoding::Snappy, MAX_METADATA_BYTES))?;
        let metadata = Metadata::parse(json)?;
        let chunk = ChunkRef {
            fingerprint: Fingerprint(metadata.fingerprint),
            from: millis(metadata.from)?,
            through: millis(metadata.through)?,
            checksum,
        };
        let labels = metadata.metric.into_iter().filter(|(name, _)| name != METRIC_NAME);
        let (tenant, labels) = (metadata.tenant, Labels::from_pairs(labels));
        Ok(Self { tenant, chunk, labels, memchunk: object.slice(metadata_end + 4..) })
    }

    /// Takes an object apart and checks that it is the one `expected` names.
    pub fn decode_expected(object: Bytes, tenant: &TenantId, expected: &ChunkRef) -> Result<Self, ChunkError> {
        let found = crc32c::crc32c(&object);
        if found != expected.checksum {
            return Err(ChunkError::Checksum { what: "object", at: 0, found, expected: expected.checksum });
        }
        let decoded = Self::decode(object)?;
        let wrong =
            |member, found: String, expected: String| Err(ChunkError::WrongMetadata { member, found, expected });
        let ChunkRef { fingerprint, from, through, .. } = decoded.chunk;
        if decoded.tenant != tenant.as_str() {
            return wrong("userID", decoded.tenant, tenant.to_string());
        }
        if fingerprint != expected.fingerprint {
            return wrong("fingerprint", format!("{:x}", fingerprint.0), format!("{:x}", expected.fingerprint.0));
        }
        if from != expected.from {
            return wrong("from", from.0.to_string(), expected.from.0.to_string());
        }
        if through != expected.through {
            return wrong("through", through.0.to_string(), expected.through.0.to_string());
        }
        Ok(decoded)
    }
}

impl Sealed {
    /// Wraps the chunk into the object to store, and gives the reference that names it. `fingerprint` is the stream's,
    /// mapped if its hash collided. A chunk without entries has no bounds and gives none.
    pub fn to_object(
        &self,
        tenant: &TenantId,
        labels: &Labels,
        fingerprint: Fingerprint,
    ) -> Result<Option<(ChunkRef, Bytes)>, ChunkError> {
        let Some((min, max)) = self.bounds else { return Ok(None) };
        let mut chunk = ChunkRef { fingerprint, from: min.floor_millis(), through: max.ceil_millis(), checksum: 0 };
        let object = encode_object(tenant, labels, &chunk, &self.bytes)?;
        chunk.checksum = crc32c::crc32c(&object);
        Ok(Some((chunk, object)))
    }
}

/// The object for a memchunk. The checksum in `chunk` does not matter: it is that of the object returned.
pub fn encode_object(
    tenant: &TenantId,
    labels: &Labels,
    chunk: &ChunkRef,
    memchunk: &[u8],
) -> Result<Bytes, ChunkError> {
    let mut json = metadata_json(tenant, labels, chunk);
    // Upstream's reader takes no frame after the one with the closing brace.
    if !json.len().is_multiple_of(snappy::FRAME_BYTES) {
        json.push('\n');
    }
    let mut out = Vec::with_capacity(memchunk.len() + json.len() + 64);
    out.extend_from_slice(&[0; 4]);
    codec::compress(Encoding::Snappy, 0, json.as_bytes(), &mut out)?;
    let too_large = |len: usize| ChunkError::WrongLength { metadata: len as u64, object: memchunk.len() as u64 };
    let metadata_len = u32::try_from(out.len()).map_err(|_| too_large(out.len()))?;
    let data_len = u32::try_from(memchunk.len()).map_err(|_| too_large(out.len()))?;
    out[..4].copy_from_slice(&metadata_len.to_be_bytes());
    out.extend_from_slice(&data_len.to_be_bytes());
    out.extend_from_slice(memchunk);
    Ok(out.into())
}

fn metadata_json(tenant: &TenantId, labels: &Labels, chunk: &ChunkRef) -> String {
    let mut json = format!("{{\"fingerprint\":{},\"userID\":", chunk.fingerprint.0);
    push_text(&mut json, tenant.as_str());
    json.push_str(",\"from\":");
    push_seconds(&mut json, chunk.from);
    json.push_str(",\"through\":");
    push_seconds(&mut json, chunk.through);
    json.push_str(",\"metric\":{");
    let mut separator = "";
    for (name, value) in labels.with(METRIC_NAME, METRIC_VALUE).iter() {
        json.push_str(separator);
        push_text(&mut json, name);
        json.push(':');
        push_text(&mut json, value);
        separator = ",";
    }
    json.push_str(&format!("}},\"encoding\":{LOG_CHUNK}}}"));
    json
}

fn push_seconds(json: &mut String, Millis(millis): Millis) {
    let (seconds, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    json.push_str(if millis < 0 { "-" } else { "" });
    json.push_str(&seconds.to_string());
    if rest != 0 {
        json.push_str(&format!(".{rest:03}"));
    }
}

/// Upstream's escapes and no others.
fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json.push('"');
}

/// Where the frames of the metadata end and `dataLen` starts. Old writers did not count the length's own 4 bytes;
/// the data length tells which, for it must leave nothing over.
fn metadata_end(object: &[u8]) -> Result<usize, ChunkError> {
    let Some(stated) = object.first_chunk::<4>() else {
        return Err(ChunkError::Truncated { what: "metadata length", at: 0 });
    };
    let stated = u32::from_be_bytes(*stated);
    let fits = |&end: &usize| {
        let data = object.get(end..).and_then(|tail| tail.split_first_chunk::<4>());
        end >= 4 && data.is_some_and(|(len, rest)| u32::from_be_bytes(*len) as usize == rest.len())
    };
    let wrong = ChunkError::WrongLength { metadata: stated.into(), object: object.len() as u64 };
    [stated as usize, stated as usize + 4].into_iter().find(fits).ok_or(wrong)
}

/// The JSON. Unknown members are ignored.
#[derive(Deserialize)]
struct Metadata<'a> {
    fingerprint: u64,
    #[serde(rename = "userID")]
    tenant: String,
    #[serde(borrow)]
    from: &'a RawValue,
    #[serde(borrow)]
    through: &'a RawValue,
    metric: BTreeMap<String, String>,
    encoding: u64,
}

impl<'a> Metadata<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, ChunkError> {
        // What follows the closing brace is not read.
        let mut json = serde_json::Deserializer::from_slice(json);
        let metadata = Self::deserialize(&mut json).map_err(|err| ChunkError::Metadata(err.to_string()))?;
        if ![LOG_CHUNK, GZIP_LOG_CHUNK].contains(&metadata.encoding) {
            return Err(ChunkError::Metadata(format!("unknown chunk encoding {}", metadata.encoding)));
        }
        Ok(metadata)
    }
}

/// Seconds as a decimal number, cut to milliseconds. Exact, where upstream goes through a float.
fn millis(number: &RawValue) -> Result<Millis, ChunkError> {
    let text = number.get();
    let invalid = || ChunkError::Metadata(format!("{text} is not a time in seconds"));
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if decimal(whole) && decimal(fraction) {
        let fraction = format!("{fraction:0<3.3}");
        let millis = whole.parse::<i64>().ok().and_then(|whole| whole.checked_mul(1000));
        let millis = millis.and_then(|millis| millis.checked_add(fraction.parse().ok()?)).ok_or_else(invalid)?;
        return Ok(Millis(if negative { -millis } else { millis }));
    }
    // An exponent: nobody writes it, upstream reads it.
    let seconds: f64 = text.parse().map_err(|_| invalid())?;
    Ok(Millis((seconds * 1000.0) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(from: i64, through: i64) -> ChunkRef {
        ChunkRef { fingerprint: Fingerprint(u64::MAX), from: Millis(from), through: Millis(through), checksum: 0 }
    }

    fn object(labels: &Labels, chunk: &mut ChunkRef, memchunk: &[u8]) -> Bytes {
        let object = encode_object(&TenantId::single(), labels, chunk, memchunk).expect("fits");
        chunk.checksum = crc32c::crc32c(&object);
        object
    }

    #[test]
    fn metadata_is_upstreams_text() {
        let labels = Labels::from_pairs([("app", "a\"b\\\n\t\u{1}<é>&"), ("A", "")]);
        let json = metadata_json(&TenantId::single(), &labels, &reference(1_700_000_000_005, 1_700_000_001_000));
        let want = concat!(
            r#"{"fingerprint":18446744073709551615,"userID":"fake","from":1700000000.005,"through":1700000001,"#,
            r#""metric":{"A":"","__name__":"logs","app":"a\"b\\\n\t\u0001<é>&"},"encoding":129}"#
        );
        assert_eq!(json, want);
        let json = metadata_json(&TenantId::single(), &Labels::empty(), &reference(-1, -1500));
        assert!(json.contains(r#""from":-0.001,"through":-1.500,"#), "{json}");
    }

    #[test]
    fn another_chunks_object_is_refused() {
        let labels = Labels::from_pairs([("app", "a")]);
        let mut chunk = reference(1, 2);
        let bytes = object(&labels, &mut chunk, b"data");
        let tenant = TenantId::single();
        let decode = |tenant: &TenantId, chunk: &ChunkRef| Object::decode_expected(bytes.clone(), tenant, chunk);
        let found = decode(&tenant, &chunk).expect("the one");
        assert_eq!((found.labels, found.memchunk), (labels, Bytes::from_static(b"data")));
        let text = |tenant: &TenantId, chunk: ChunkRef| decode(tenant, &chunk).expect_err("another").to_string();
        let other = TenantId::parse("other").expect("valid");
        assert_eq!(text(&other, chunk), "wrong chunk metadata: userID is fake, expected other");
        assert_eq!(text(&tenant, ChunkRef { from: Millis(0), ..chunk }), "wrong chunk metadata: from is 1, expected 0");
        let through = ChunkRef { through: Millis(3), ..chunk };
        assert_eq!(text(&tenant, through), "wrong chunk metadata: through is 2, expected 3");
        let fingerprint = ChunkRef { fingerprint: Fingerprint(1), ..chunk };
        assert_eq!(text(&tenant, fingerprint), "wrong chunk metadata: fingerprint is ffffffffffffffff, expected 1");
        assert!(text(&tenant, ChunkRef { checksum: 1, ..chunk }).starts_with("object at byte 0 has checksum "));
    }

    #[test]
    fn lengths_must_add_up() {
        let mut chunk = reference(1, 2);
        let bytes = object(&Labels::empty(), &mut chunk, b"data");
        // An old writer's length, without its own 4 bytes.
        let mut old = bytes.to_vec();
        let len = u32::from_be_bytes([old[0], old[1], old[2], old[3]]);
        old[..4].copy_from_slice(&(len - 4).to_be_bytes());
        assert_eq!(Object::decode(old.into()).expect("legacy").memchunk, "data");
        let longer = [&bytes[..], b"x"].concat();
        let text = Object::decode(longer.into()).expect_err("too long").to_string();
        assert_eq!(text, format!("chunk metadata wrong length: metadata {len}, object {} bytes", bytes.len() + 1));
        for cut in 0..bytes.len() {
            assert!(Object::decode(bytes.slice(..cut)).is_err());
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_unknown_encodings_refused() {
        let wrap = |json: &str| {
            let mut out = vec![0; 4];
            codec::compress(Encoding::Snappy, 0, json.as_bytes(), &mut out).expect("compresses");
            let len = out.len() as u32;
            out[..4].copy_from_slice(&len.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            Object::decode(out.into())
        };
        let json = |times: &str, encoding: u32| {
            format!(
                r#"{{"x":[1],"encoding":{encoding},"metric":{{"b":"2","a":"1"}},{times},"userID":"t","fingerprint":7}}"#
            )
        };
        let found = wrap(&json(r#""from":1.5,"through":1.7e3"#, 128)).expect("decodes");
        assert_eq!((found.chunk.from, found.chunk.through), (Millis(1500), Millis(1_700_000)));
        assert_eq!(found.labels.to_string(), r#"{a="1", b="2"}"#);
        let text = |json: &str| wrap(json).expect_err("invalid").to_string();
        assert_eq!(text(&json(r#""from":1,"through":2"#, 0)), "chunk metadata is not valid: unknown chunk encoding 0");
        let quoted = text(&json(r#""from":"x","through":2"#, 129));
        assert_eq!(quoted, "chunk metadata is not valid: \"x\" is not a time in seconds");
        let late = text(&json(r#""from":1,"through":99999999999999999999"#, 129));
        assert_eq!(late, "chunk metadata is not valid: 99999999999999999999 is not a time in seconds");
        assert!(text("{").starts_with("chunk metadata is not valid: EOF"));
    }

    proptest! {
        #[test]
        fn round_trip(
            pairs in proptest::collection::btree_map("[a-z_]{1,8}", ".{0,20}", 0..6),
            fingerprint: u64,
            from in -(1i64 << 53)..1 << 53,
            through in -(1i64 << 53)..1 << 53,
            data in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let labels = Labels::from_pairs(pairs);
            let mut chunk = ChunkRef { fingerprint: Fingerprint(fingerprint), ..reference(from, through) };
            let bytes = object(&labels, &mut chunk, &data);
            let found = Object::decode_expected(bytes, &TenantId::single(), &chunk).expect("decodes");
            prop_assert_eq!((found.chunk, found.labels, &found.memchunk[..]), (chunk, labels, &data[..]));
        }

        #[test]
        fn long_metadata_ends_in_the_frame_of_its_brace(extra in 65_300usize..65_500) {
            let labels = Labels::from_pairs([("a", "x".repeat(extra))]);
            let mut chunk = reference(1, 2);
            let bytes = object(&labels, &mut chunk, b"");
            prop_assert_eq!(Object::decode(bytes.clone()).expect("decodes").labels, labels);
            // The last frame holds more than the newline.
            let json = metadata_json(&TenantId::single(), &Labels::from_pairs([("a", "x".repeat(extra))]), &chunk);
            let frames = json.len().div_ceil(65_536);
            let mut at = 14;
            let mut seen = 0;
            while at < bytes.len() - 4 {
                at += 4 + u32::from_le_bytes([bytes[at + 1], bytes[at + 2], bytes[at + 3], 0]) as usize;
                seen += 1;
            }
            prop_assert_eq!(seen, frames);
        }
    }
}
