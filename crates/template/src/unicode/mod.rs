//! Runes as Go sees them: decoding with stray bytes, classes, case mapping (Unicode 15.0).
//!
//! Go maps case rune by rune without the special casing Rust's `to_uppercase` knows, so `ß` stays `ß`.

mod tables;

/// What a stray byte decodes to.
pub(crate) const RUNE_ERROR: char = '\u{FFFD}';

/// The rune at the start of `bytes` and its width. Nothing left is `(U+FFFD, 0)`, a stray byte `(U+FFFD, 1)`.
pub(crate) fn decode(bytes: &[u8]) -> (char, usize) {
    let Some(&first) = bytes.first() else { return (RUNE_ERROR, 0) };
    let width = match first {
        0..0x80 => return (char::from(first), 1),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (RUNE_ERROR, 1),
    };
    match bytes.get(..width).and_then(|seq| std::str::from_utf8(seq).ok()).and_then(|s| s.chars().next()) {
        Some(c) => (c, width),
        None => (RUNE_ERROR, 1),
    }
}

/// The rune at the end of `bytes` and its width.
pub(crate) fn decode_last(bytes: &[u8]) -> (char, usize) {
    for width in 1..=bytes.len().min(4) {
        let (c, found) = decode(&bytes[bytes.len() - width..]);
        if found == width && (width > 1 || c.is_ascii()) {
            return (c, width);
        }
    }
    (RUNE_ERROR, bytes.len().min(1))
}

/// All runes with their offsets and widths.
pub(crate) fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (c, width) = decode(bytes.get(at..)?);
        let found = (width > 0).then_some((at, c, width));
        at += width;
        found
    })
}

/// How many runes `bytes` holds.
pub(crate) fn count(bytes: &[u8]) -> usize {
    if bytes.is_ascii() { bytes.len() } else { runes(bytes).count() }
}

/// Appends `c` as UTF-8.
pub(crate) fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn within(table: &[(u32, u32)], c: char) -> bool {
    let c = u32::from(c);
    let at = table.partition_point(|&(_, last)| last < c);
    table.get(at).is_some_and(|&(first, _)| first <= c)
}

/// Go's `unicode.IsLetter`.
pub(crate) fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii() && within(tables::LETTER, c)
}

/// Go's `unicode.IsDigit`.
pub(crate) fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && within(tables::DIGIT, c)
}

/// Go's `strconv.IsPrint`.
pub(crate) fn is_print(c: char) -> bool {
    (' '..='~').contains(&c) || !c.is_ascii() && within(tables::PRINT, c)
}

/// Go's `unicode.IsSpace`.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

/// The only rune of a mapping, if Unicode 15.0 has it.
fn only(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) if is_print(one) && is_print(c) => one,
        _ => c,
    }
}

/// Go's `unicode.ToUpper`.
pub(crate) fn upper(c: char) -> char {
    match c {
        c if c.is_ascii() => c.to_ascii_uppercase(),
        // Greek with iota subscript: Rust spells the capital with two letters.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shift(c, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shift(c, 9),
        c => only(c.to_uppercase(), c),
    }
}

/// Go's `unicode.ToLower`.
pub(crate) fn lower(c: char) -> char {
    match c {
        c if c.is_ascii() => c.to_ascii_lowercase(),
        '\u{130}' => 'i',
        c => only(c.to_lowercase(), c),
    }
}

/// Go's `unicode.ToTitle`.
pub(crate) fn title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => c,
        c => upper(c),
    }
}

fn shift(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stray_bytes_are_runes_of_width_one() {
        assert_eq!(decode(b"\xe2\x82"), (RUNE_ERROR, 1));
        assert_eq!(decode("€".as_bytes()), ('€', 3));
        assert_eq!(decode_last("a€".as_bytes()), ('€', 3));
        assert_eq!(decode_last(b"a\x82"), (RUNE_ERROR, 1));
        assert_eq!(decode_last(b""), (RUNE_ERROR, 0));
        assert_eq!(count(b"\xe2\x82a"), 3);
    }

    /// FNV over the mappings of every code point, as a Go program computed it with package unicode.
    #[test]
    fn case_mappings_are_gos() {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |c: char| hash = (hash ^ u64::from(u32::from(c))).wrapping_mul(0x100_0000_01b3);
        for c in '\0'..=char::MAX {
            add(upper(c));
            add(lower(c));
            add(title(c));
        }
        assert_eq!(hash, GO_CASE_HASH);
    }
    const GO_CASE_HASH: u64 = 0xc7bf_f667_1e64_6255;
}
