//! Decoding as Go does it: a byte that does not begin a valid sequence is U+FFFD of width one.

/// The replacement character, which is what a stray byte decodes to.
pub(crate) const REPLACEMENT: u32 = 0xFFFD;

/// The rune at the start of `bytes` and its width. Nothing left is `(U+FFFD, 0)`, a stray byte `(U+FFFD, 1)`.
pub(crate) fn decode(bytes: &[u8]) -> (u32, usize) {
    let Some(&first) = bytes.first() else { return (REPLACEMENT, 0) };
    if first < 0x80 {
        return (u32::from(first), 1);
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (REPLACEMENT, 1),
    };
    match bytes.get(..width).and_then(|seq| std::str::from_utf8(seq).ok()).and_then(|s| s.chars().next()) {
        Some(c) => (u32::from(c), width),
        None => (REPLACEMENT, 1),
    }
}

/// Text with one U+FFFD for each stray byte.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\u{FFFD}', chunk.invalid().len()));
    }
    text
}

/// A haystack whose stray bytes have been replaced, and the way back to the original's offsets.
///
/// Go matches runes, not bytes, and a stray byte is the rune U+FFFD. So matching the repaired text and translating the
/// offsets is matching the original.
pub(crate) struct Repaired {
    text: Vec<u8>,
    /// Offsets in the original of the bytes that were replaced, ascending.
    strays: Vec<usize>,
}

/// Bytes that a replacement adds: U+FFFD takes three, a stray byte one.
const GROWTH: usize = 2;

impl Repaired {
    /// Repairs `hay`, or `None` if it is UTF-8 already.
    pub(crate) fn new(hay: &[u8]) -> Option<Self> {
        let first = std::str::from_utf8(hay).err()?.valid_up_to();
        let mut text = Vec::with_capacity(hay.len() + 16);
        let mut strays = Vec::new();
        text.extend_from_slice(&hay[..first]);
        let mut at = first;
        for chunk in hay[first..].utf8_chunks() {
            text.extend_from_slice(chunk.valid().as_bytes());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                text.extend_from_slice("\u{FFFD}".as_bytes());
                strays.push(at);
                at += 1;
            }
        }
        Some(Self { text, strays })
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the original's offset `at` lies in the repaired text.
    pub(crate) fn forth(&self, at: usize) -> usize {
        at + GROWTH * self.strays.partition_point(|&stray| stray < at)
    }

    /// Where the repaired text's offset `at`, a rune boundary, lies in the original.
    pub(crate) fn back(&self, at: usize) -> usize {
        // The i-th stray byte begins at strays[i] + GROWTH * i in the repaired text.
        let (mut lo, mut hi) = (0, self.strays.len());
        while lo < hi {
            let mid = usize::midpoint(lo, hi);
            if self.strays[mid] + GROWTH * mid < at { lo = mid + 1 } else { hi = mid }
        }
        at - GROWTH * lo
    }
}

/// Whether `at` is not inside a valid multi-byte sequence of `hay`.
pub(crate) fn is_boundary(hay: &[u8], at: usize) -> bool {
    match hay.get(at) {
        Some(&byte) if byte & 0xC0 == 0x80 => (1..=3.min(at)).all(|back| decode(&hay[at - back..]).1 <= back),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_bytes_are_one_wide() {
        assert_eq!(decode(b""), (REPLACEMENT, 0));
        assert_eq!(decode(b"a"), (0x61, 1));
        assert_eq!(decode("€x".as_bytes()), (0x20AC, 3));
        assert_eq!(decode(b"\xE2\x82"), (REPLACEMENT, 1));
        assert_eq!(decode(b"\xED\xA0\x80"), (REPLACEMENT, 1)); // a surrogate
        assert_eq!(decode("\u{FFFD}".as_bytes()), (REPLACEMENT, 3));
    }

    #[test]
    fn repair_maps_offsets_both_ways() {
        assert!(Repaired::new("a€".as_bytes()).is_none());
        let hay = b"a\xE2\x82b\xFFc\xE2\x82\xAC\x80";
        let repaired = Repaired::new(hay).expect("hay is not UTF-8");
        assert_eq!(repaired.text(), "a\u{FFFD}\u{FFFD}b\u{FFFD}c€\u{FFFD}".as_bytes());
        for at in [0, 1, 2, 3, 4, 5, 6, 9, 10] {
            assert_eq!(repaired.back(repaired.forth(at)), at);
        }
    }

    #[test]
    fn boundaries() {
        let hay = "a€".as_bytes();
        assert_eq!((0..=4).map(|at| is_boundary(hay, at)).collect::<Vec<_>>(), [true, true, false, false, true]);
        assert!(is_boundary(b"\x80\x80", 1));
    }
}
