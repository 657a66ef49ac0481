//! Varints as Go's `encoding/binary` writes them: 7 bits a byte, least significant first, at most 10 bytes; signed
//! values are zig-zag mapped first.
//!
//! Readers take a slice and a position and give the value and the position after it, or `None` when the slice ends
//! inside the varint or the value does not fit 64 bits.

const STOP: u64 = 0x8080_8080_8080_8080;

/// Reads one unsigned varint at `at`.
#[inline(always)]
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    read_long(bytes, at)
}

/// Reads one signed varint at `at`.
#[inline(always)]
pub(crate) fn read_signed(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (zigzag, next) = read_long(bytes, at)?;
    Some(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64), next))
}

/// Eight bytes at once: timestamps of today take nine.
#[inline(always)]
fn read_long(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let tail = bytes.get(at..)?;
    let Some(word) = tail.first_chunk::<8>() else { return read_bytewise(tail, at) };
    let word = u64::from_le_bytes(*word);
    let stops = !word & STOP;
    if stops != 0 {
        let len = (stops.trailing_zeros() / 8 + 1) as usize;
        let kept = word & (u64::MAX >> (64 - 8 * len));
        return Some((gather(kept), at + len));
    }
    match *tail.get(8)? {
        ninth @ 0..0x80 => Some((gather(word) | u64::from(ninth) << 56, at + 9)),
        ninth => match *tail.get(9)? {
            tenth @ 0..=1 => Some((gather(word) | u64::from(ninth & 0x7f) << 56 | u64::from(tenth) << 63, at + 10)),
            _ => None,
        },
    }
}

/// Joins the low 7 bits of 8 bytes.
#[inline(always)]
fn gather(word: u64) -> u64 {
    let by7 = word & 0x7f7f_7f7f_7f7f_7f7f;
    let by14 = (by7 & 0x007f_007f_007f_007f) | ((by7 & 0x7f00_7f00_7f00_7f00) >> 1);
    let by28 = (by14 & 0x0000_3fff_0000_3fff) | ((by14 & 0x3fff_0000_3fff_0000) >> 2);
    (by28 & 0x0fff_ffff) | ((by28 & 0x0fff_ffff_0000_0000) >> 4)
}

/// The last few bytes of a slice.
#[cold]
fn read_bytewise(tail: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (len, &byte) in tail.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7f) << (7 * len);
        if byte < 0x80 {
            return Some((value, at + len + 1));
        }
    }
    None
}

/// Position after the varint at `at`, its value unread.
#[inline(always)]
pub(crate) fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    let tail = bytes.get(at..)?;
    if let Some(word) = tail.first_chunk::<9>() {
        let low = u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
        let stops = !low & STOP;
        if stops == 0 && word[8] < 0x80 {
            return Some(at + 9);
        }
        if stops != 0 {
            return Some(at + (stops.trailing_zeros() / 8 + 1) as usize);
        }
    }
    read_long(bytes, at).map(|(_, next)| next)
}

/// Appends one unsigned varint.
#[inline]
pub(crate) fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends one signed varint.
#[inline]
pub(crate) fn write_signed(out: &mut Vec<u8>, value: i64) {
    write(out, zigzag(value));
}

/// Bytes [`write`] appends for `value`.
#[inline]
pub(crate) fn len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

fn zigzag(value: i64) -> u64 {
    (value << 1) as u64 ^ (value >> 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_gos() {
        let bytes = |value| {
            let mut out = Vec::new();
            write(&mut out, value);
            out
        };
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(300), [0xac, 0x02]);
        assert_eq!(bytes(u64::MAX), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        let mut out = Vec::new();
        write_signed(&mut out, -1);
        write_signed(&mut out, 9);
        assert_eq!(out, [1, 18]);
    }

    #[test]
    fn too_long_or_cut_short_is_none() {
        assert_eq!(read(&[0xff; 10], 0), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], 0), None);
        assert_eq!(skip(&[0xff; 11], 0), None);
        for cut in 0..9 {
            assert_eq!(read(&[0xff; 9][..cut], 0), None);
            assert_eq!(skip(&[0xff; 9][..cut], 0), None);
        }
        assert_eq!(read(&[1], 2), None);
    }

    proptest! {
        #[test]
        fn round_trip(value: u64, shift in 0u32..64, pad in 0usize..12, before in 0usize..3) {
            let value = value >> shift;
            let mut out = vec![0xff; before];
            write(&mut out, value);
            let end = out.len();
            prop_assert_eq!(end - before, len(value));
            prop_assert!(end - before <= 10);
            out.extend(std::iter::repeat_n(0xaa, pad));
            prop_assert_eq!(read(&out, before), Some((value, end)));
            prop_assert_eq!(skip(&out, before), Some(end));
            let mut signed = Vec::new();
            write_signed(&mut signed, value as i64);
            prop_assert_eq!(read_signed(&signed, 0), Some((value as i64, signed.len())));
        }
    }
}
