//! Text to numbers, as Go's `strconv` reads them.

use std::num::IntErrorKind;

/// Why a text is not a number; the texts are Go's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Not of the form.
    Syntax,
    /// Too large for the type.
    Range,
}

impl NumberError {
    /// Go's words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            NumberError::Syntax => "invalid syntax",
            NumberError::Range => "value out of range",
        }
    }
}

/// An unsigned number: `base` 0 reads it from a prefix (`0x`, `0o`, `0b`, `0`) and allows underscores, else base 10.
pub(crate) fn parse_uint(text: &[u8], base: u32) -> Result<u64, NumberError> {
    let (mut digits, mut radix) = (text, 10);
    if base == 0 && text.first() == Some(&b'0') {
        (digits, radix) = match text.get(1).map(u8::to_ascii_lowercase) {
            Some(b'b') if text.len() >= 3 => (&text[2..], 2),
            Some(b'o') if text.len() >= 3 => (&text[2..], 8),
            Some(b'x') if text.len() >= 3 => (&text[2..], 16),
            _ => (&text[1..], 8),
        };
    }
    if text.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut value: u64 = 0;
    let mut underscores = false;
    for &byte in digits {
        if byte == b'_' && base == 0 {
            underscores = true;
            continue;
        }
        let digit = char::from(byte).to_digit(radix).ok_or(NumberError::Syntax)?;
        let next = value.checked_mul(u64::from(radix)).and_then(|v| v.checked_add(u64::from(digit)));
        value = next.ok_or(NumberError::Range)?;
    }
    if underscores && !underscores_ok(text) { Err(NumberError::Syntax) } else { Ok(value) }
}

/// A signed number, see [`parse_uint`].
pub(crate) fn parse_int(text: &[u8], base: u32) -> Result<i64, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = i128::from(parse_uint(digits, base)?);
    i64::try_from(if negative { -value } else { value }).map_err(|_| NumberError::Range)
}

/// Whether underscores stand only between digits, or between a base prefix and a digit.
fn underscores_ok(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (mut after_digit, mut after_underscore, mut at, mut hex) = (false, false, 0, false);
    if let [b'0', prefix, ..] = text
        && matches!(prefix.to_ascii_lowercase(), b'b' | b'o' | b'x')
    {
        (after_digit, at, hex) = (true, 2, prefix.eq_ignore_ascii_case(&b'x'));
    }
    for byte in &text[at..] {
        let digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        match byte {
            _ if digit => (after_digit, after_underscore) = (true, false),
            b'_' if after_digit => (after_digit, after_underscore) = (false, true),
            b'_' => return false,
            _ if after_underscore => return false,
            _ => (after_digit, after_underscore) = (false, false),
        }
    }
    !after_underscore
}

/// A floating point number: decimal, hexadecimal with `p` exponent, `inf`, `infinity`, `nan`, in any case.
pub(crate) fn parse_float(text: &[u8]) -> Result<f64, NumberError> {
    let (negative, signed, rest) = match text {
        [b'-', rest @ ..] => (true, true, rest),
        [b'+', rest @ ..] => (false, true, rest),
        _ => (false, false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
        return Ok(sign * f64::INFINITY);
    }
    if rest.eq_ignore_ascii_case(b"nan") {
        return if signed { Err(NumberError::Syntax) } else { Ok(f64::NAN) };
    }
    if let [b'0', b'x' | b'X', hex @ ..] = rest {
        let value = hex_float(hex)?;
        if hex.contains(&b'_') && !underscores_ok(text) {
            return Err(NumberError::Syntax);
        }
        return if value.is_infinite() { Err(NumberError::Range) } else { Ok(sign * value) };
    }
    // Decimal, without sign here. Rust's parser knows no underscores.
    let plain;
    let mut digits = rest;
    if rest.contains(&b'_') {
        if !underscores_ok(rest) {
            return Err(NumberError::Syntax);
        }
        plain = rest.iter().copied().filter(|&b| b != b'_').collect::<Vec<u8>>();
        digits = &plain;
    }
    if !digits.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        || matches!(digits.first(), Some(b'+' | b'-'))
    {
        return Err(NumberError::Syntax);
    }
    let text = std::str::from_utf8(digits).map_err(|_| NumberError::Syntax)?;
    let value: f64 = text.parse().map_err(|_| NumberError::Syntax)?;
    if value.is_infinite() { Err(NumberError::Range) } else { Ok(sign * value) }
}

/// What follows `0x`: digits with a point, and an exponent of two that must be there.
fn hex_float(text: &[u8]) -> Result<f64, NumberError> {
    let (mut mantissa, mut sticky, mut exponent) = (0_u64, false, 0_i64);
    let (mut dot, mut any, mut at) = (false, false, 0);
    while let Some(&byte) = text.get(at) {
        match (byte, char::from(byte).to_digit(16)) {
            (b'_', _) => {}
            (b'.', _) if dot => return Err(NumberError::Syntax),
            (b'.', _) => dot = true,
            (_, Some(digit)) => {
                any = true;
                if mantissa >> 59 == 0 {
                    mantissa = mantissa << 4 | u64::from(digit);
                    exponent -= if dot { 4 } else { 0 };
                } else {
                    sticky |= digit != 0;
                    exponent += if dot { 0 } else { 4 };
                }
            }
            _ => break,
        }
        at += 1;
    }
    let rest = match text.get(at) {
        Some(b'p' | b'P') if any => &text[at + 1..],
        _ => return Err(NumberError::Syntax),
    };
    let first = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest);
    if !first.first().is_some_and(u8::is_ascii_digit) {
        return Err(NumberError::Syntax);
    }
    let digits: String = rest.iter().filter(|&&b| b != b'_').map(|&b| char::from(b)).collect();
    let power: i64 = match digits.parse() {
        Ok(power) => power,
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => i64::MAX / 4,
            IntErrorKind::NegOverflow => i64::MIN / 4,
            _ => return Err(NumberError::Syntax),
        },
    };
    Ok(scale(mantissa, sticky, exponent.saturating_add(power)))
}

/// `mantissa` times two to the `exponent`, rounded to nearest even; `sticky` says that bits below were lost.
fn scale(mantissa: u64, sticky: bool, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let shift = mantissa.leading_zeros();
    let (mantissa, exponent) = (mantissa << shift, exponent.saturating_sub(i64::from(shift)));
    // The value is mantissa / 2^63 * 2^top.
    let top = exponent.saturating_add(63);
    if top > 1023 {
        return f64::INFINITY;
    }
    // Bits that fit: 53, fewer below the smallest normal number.
    let keep = if top >= -1022 { 53 } else { 53 - (-1022 - top).min(54) };
    if keep < 0 {
        return 0.0;
    }
    let drop = (64 - keep) as u32; // 11..=64
    let (mut kept, lost) = if drop == 64 { (0, mantissa) } else { (mantissa >> drop, mantissa << (64 - drop)) };
    let half = 1_u64 << 63;
    if lost > half || lost == half && (sticky || kept & 1 == 1) {
        kept += 1;
    }
    // `kept` has at most 54 bits and the exponent is in range, so both steps are exact.
    let power = top - keep + 1;
    let low = power.max(-1000);
    kept as f64 * 2_f64.powi(low as i32) * 2_f64.powi((power - low) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(parse_int(b"0x10", 0), Ok(16));
        assert_eq!(parse_int(b"-0b1_1", 0), Ok(-3));
        assert_eq!(parse_int(b"010", 0), Ok(8));
        assert_eq!(parse_int(b"08", 0), Err(NumberError::Syntax));
        assert_eq!(parse_int(b"1__0", 0), Err(NumberError::Syntax));
        assert_eq!(parse_int(b"0x", 0), Err(NumberError::Syntax));
        assert_eq!(parse_int(b"1_0", 10), Err(NumberError::Syntax));
        assert_eq!(parse_int(b"-9223372036854775808", 10), Ok(i64::MIN));
        assert_eq!(parse_int(b"9223372036854775808", 10), Err(NumberError::Range));
        assert_eq!(parse_int(b"0", 0), Ok(0));
        assert_eq!(parse_int(b"", 0), Err(NumberError::Syntax));
    }

    #[test]
    fn floats() {
        assert_eq!(parse_float(b"1e3"), Ok(1000.0));
        assert_eq!(parse_float(b".5"), Ok(0.5));
        assert_eq!(parse_float(b"5."), Ok(5.0));
        assert_eq!(parse_float(b"-1_0.5e0_1"), Ok(-105.0));
        assert_eq!(parse_float(b"-Infinity"), Ok(f64::NEG_INFINITY));
        assert!(parse_float(b"nAn").is_ok_and(f64::is_nan));
        for bad in ["", ".", "e5", "1e", "+nan", "--1", "1_", "_1", "1_.0", "1 ", "infin", "0x1", "0xp1", "1.2.3"] {
            assert_eq!(parse_float(bad.as_bytes()), Err(NumberError::Syntax), "{bad}");
        }
        assert_eq!(parse_float(b"1e400"), Err(NumberError::Range));
        assert_eq!(parse_float(b"1e-400"), Ok(0.0));
        assert_eq!(parse_float(b"0x1.8p1"), Ok(3.0));
        assert_eq!(parse_float(b"-0x_1p-1074"), Ok(-5e-324));
        assert_eq!(parse_float(b"0x1p-1075"), Ok(0.0));
        assert_eq!(parse_float(b"0x1.8p-1075"), Ok(5e-324));
        assert_eq!(parse_float(b"0x1.fffffffffffffp1023"), Ok(f64::MAX));
        assert_eq!(parse_float(b"0x1p1024"), Err(NumberError::Range));
        assert_eq!(parse_float(b"0x20000000000001p0"), Ok(9007199254740992.0));
        assert_eq!(parse_float(b"0x20000000000001.8p0"), Ok(9007199254740994.0));
    }
}
