//! Protobuf answers (`queryrange.QueryResponse`) as JSON, so that two can be compared: `{"6":[{"1":["success"], …}]}`.
//!
//! Statistics, headers and sketches are left out. What has no order of its own is sorted.

use serde_json::{Map, Value, json};

/// Where messages lie, by field numbers; whatever else has a length is bytes.
const MESSAGES: &[&[u8]] = &[
    &[1],
    &[2],
    &[2, 2],
    &[2, 2, 1],
    &[3],
    &[4],
    &[4, 1],
    &[5],
    &[5, 1],
    &[5, 1, 2],
    &[5, 1, 2, 2],
    &[5, 1, 2, 2, 1],
    &[5, 1, 2, 2, 2],
    &[6],
    &[6, 2],
    &[6, 2, 2],
    &[6, 2, 2, 2],
    &[6, 2, 2, 2, 1],
    &[6, 2, 2, 2, 3],
    &[6, 2, 2, 2, 4],
    &[11],
    &[11, 1],
    &[11, 1, 1],
    &[12],
    &[12, 1],
    &[12, 1, 1],
    &[12, 1, 1, 2],
    &[13],
    &[13, 1],
    &[13, 1, 1],
];
/// Statistics, headers, sketches.
const LEFT_OUT: &[&[u8]] = &[
    &[2, 4],
    &[2, 5],
    &[3, 4],
    &[3, 5],
    &[4, 2],
    &[5, 1, 5],
    &[5, 2],
    &[6, 8],
    &[6, 9],
    &[11, 1, 1, 5],
    &[11, 2],
    &[12, 2],
    &[13, 1, 1, 3],
    &[13, 2],
];
/// Lists whose order counts: lines of a stream, points of a series, counts of a pattern, a path.
const ORDERED: &[&[u8]] = &[&[6, 2, 2, 2], &[5, 1, 2, 2, 2], &[12, 1, 1, 2], &[11, 1, 1, 6]];

/// The message as JSON; `None` if the bytes are none.
pub(crate) fn as_json(bytes: &[u8]) -> Option<Value> {
    message(bytes, &mut Vec::new())
}

fn message(mut bytes: &[u8], path: &mut Vec<u8>) -> Option<Value> {
    let mut fields: Map<String, Value> = Map::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        path.push(u8::try_from(tag >> 3).ok()?);
        let value = match tag & 7 {
            0 => Some(json!(varint(&mut bytes)?.cast_signed())),
            1 => Some(json!(f64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?).to_string())),
            2 => {
                let len = usize::try_from(varint(&mut bytes)?).ok()?;
                let inner = take(&mut bytes, len)?;
                match path.as_slice() {
                    at if LEFT_OUT.contains(&at) => None,
                    at if MESSAGES.contains(&at) => Some(message(inner, path)?),
                    _ => Some(json!(String::from_utf8_lossy(inner))),
                }
            }
            _ => return None,
        };
        let number = path.pop()?;
        if let Some(value) = value
            && let Value::Array(all) = fields.entry(number.to_string()).or_insert_with(|| json!([]))
        {
            all.push(value);
        }
    }
    for (number, all) in &mut fields {
        path.push(number.parse().ok()?);
        if let Value::Array(all) = all
            && !ORDERED.contains(&path.as_slice())
        {
            all.sort_by_cached_key(Value::to_string);
        }
        path.pop();
    }
    Some(Value::Object(fields))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(first)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_tree_without_statistics() {
        // labels (3): status, two names out of order, statistics (5)
        let bytes = b"\x0a\x00\x1a\x0e\x0a\x02ok\x12\x01b\x12\x01a\x2a\x02\x08\x01";
        assert_eq!(as_json(bytes), Some(json!({"1": [{}], "3": [{"1": ["ok"], "2": ["a", "b"]}]})));
        assert_eq!(as_json(b"\x0a\x05x"), None);
        assert_eq!(as_json(&[0xff; 12]), None);
    }
}
