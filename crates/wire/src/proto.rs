//! Protobuf, written: fields as proto3 has them (zero and empty ones left out), messages of known length without a copy
//! of their own.

/// A field that holds a message, written even when empty.
pub(crate) fn nest(out: &mut Vec<u8>, field: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    let at = out.len();
    out.push(0);
    fill(out);
    let (from, end) = (at + 1, out.len());
    let mut len = Vec::with_capacity(5);
    put_varint(&mut len, (end - from) as u64);
    // One byte was kept for the length; most messages need no more.
    let more = len.len() - 1;
    if more > 0 {
        out.resize(end + more, 0);
        out.copy_within(from..end, from + more);
    }
    out[at..=at + more].copy_from_slice(&len);
}

/// Bytes or text, left out when empty.
pub(crate) fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_element(out, field, bytes);
    }
}

/// An element of repeated bytes or text, written even when empty.
pub(crate) fn put_element(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An integer or boolean, left out when zero. Negative ones are their two's complement.
pub(crate) fn put_varint_field(out: &mut Vec<u8>, field: u8, value: u64) {
    if value != 0 {
        out.push(field << 3);
        put_varint(out, value);
    }
}

/// A double, left out when it is 0 (not when it is −0).
pub(crate) fn put_double(out: &mut Vec<u8>, field: u8, value: f64) {
    if value.to_bits() != 0 {
        out.push(field << 3 | 1);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_every_size_are_written() {
        for len in [0usize, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut out = vec![9];
            nest(&mut out, 2, |out| nest(out, 3, |out| put_bytes(out, 1, &vec![b'x'; len])));
            let (outer, rest) = read(&out[2..]);
            assert_eq!((out[1], outer), (2 << 3 | 2, rest.len() as u64));
            let (inner, rest) = read(&rest[1..]);
            assert_eq!(inner, rest.len() as u64);
            assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), len);
        }
    }

    #[test]
    fn zeros_are_left_out_but_not_minus_zero() {
        let mut out = Vec::new();
        put_varint_field(&mut out, 1, 0);
        put_double(&mut out, 1, 0.0);
        put_bytes(&mut out, 1, b"");
        assert!(out.is_empty());
        put_double(&mut out, 1, -0.0);
        put_varint_field(&mut out, 2, -1i64 as u64);
        put_element(&mut out, 3, b"");
        assert_eq!((out.len(), &out[20..]), (22, &[3 << 3 | 2, 0][..]));
    }

    fn read(mut bytes: &[u8]) -> (u64, &[u8]) {
        let (mut value, mut shift) = (0, 0);
        while let Some((&byte, rest)) = bytes.split_first() {
            value |= u64::from(byte & 0x7f) << shift;
            (shift, bytes) = (shift + 7, rest);
            if byte < 0x80 {
                break;
            }
        }
        (value, bytes)
    }
}
