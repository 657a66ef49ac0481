//! Text to numbers as Go's `strconv.ParseFloat`, `time.ParseDuration` and humanize's `ParseBytes` read it, with their
//! error texts (they reach `__error_details__`).

use std::fmt::Write;

use loptr_model::go_quote_bytes;

/// `strconv.ParseFloat(text, 64)`.
pub(crate) fn parse_float(text: &[u8]) -> Result<f64, String> {
    match float(text) {
        Some(value) if value.is_infinite() && text.iter().any(u8::is_ascii_digit) => {
            Err(format!("strconv.ParseFloat: parsing {}: value out of range", go_quote_bytes(text)))
        }
        Some(value) => Ok(value),
        None => Err(format!("strconv.ParseFloat: parsing {}: invalid syntax", go_quote_bytes(text))),
    }
}

fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let first = *body.as_bytes().first()?;
    if !first.is_ascii_digit() && first != b'.' {
        return match () {
            () if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") => {
                Some(sign * f64::INFINITY)
            }
            () if text.eq_ignore_ascii_case("nan") => Some(f64::NAN),
            () => None,
        };
    }
    if body.len() > 2 && (body.starts_with("0x") || body.starts_with("0X")) {
        return hex_float(&body[2..]).map(|value| sign * value);
    }
    if body.contains('_') {
        return underscores_fit(body).then(|| body.replace('_', "").parse::<f64>().ok().map(|value| sign * value))?;
    }
    body.parse::<f64>().ok().map(|value| sign * value)
}

/// Whether every underscore stands between two digits.
fn underscores_fit(body: &str) -> bool {
    let bytes = body.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    (0..bytes.len()).filter(|&at| bytes[at] == b'_').all(|at| digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

/// The part after `0x`: digits, optional fraction, mandatory binary exponent.
fn hex_float(body: &str) -> Option<f64> {
    let (digits, exponent) = body.split_once(['p', 'P'])?;
    let exponent: i64 = exponent.parse().ok()?;
    let (mut mantissa, mut scale, mut seen, mut fraction) = (0u128, 0i64, false, false);
    for b in digits.bytes() {
        match b {
            b'_' => {}
            b'.' if !fraction => fraction = true,
            _ => {
                let digit = u128::from(char::from(b).to_digit(16)?);
                seen = true;
                if mantissa >> 100 == 0 {
                    mantissa = mantissa << 4 | digit;
                    scale -= if fraction { 4 } else { 0 };
                } else {
                    mantissa |= u128::from(digit != 0);
                    scale += if fraction { 0 } else { 4 };
                }
            }
        }
    }
    if !seen {
        return None;
    }
    let power = exponent.saturating_add(scale).clamp(-4000, 4000) as i32;
    let half = power / 2;
    Some(mantissa as f64 * 2f64.powi(half) * 2f64.powi(power - half))
}

/// `time.ParseDuration`, nanoseconds.
pub(crate) fn parse_duration(text: &[u8]) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote_for_time(text));
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        if !rest[0].is_ascii_digit() && rest[0] != b'.' {
            return Err(invalid());
        }
        let (whole, after) = leading_int(rest).ok_or_else(invalid)?;
        let had_whole = after.len() < rest.len();
        rest = after;
        let (mut fraction, mut scale, mut had_fraction) = (0u64, 1f64, false);
        if let [b'.', after @ ..] = rest {
            let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
            let mut full = false;
            for b in &after[..digits] {
                let next = fraction.checked_mul(10).and_then(|f| f.checked_add(u64::from(b - b'0')));
                match next {
                    Some(next) if !full && next < 1 << 63 => {
                        fraction = next;
                        scale *= 10.0;
                    }
                    _ => full = true,
                }
            }
            had_fraction = digits > 0;
            rest = &after[digits..];
        }
        if !had_whole && !had_fraction {
            return Err(invalid());
        }
        let unit_len = rest.iter().position(|&b| b == b'.' || b.is_ascii_digit()).unwrap_or(rest.len());
        if unit_len == 0 {
            return Err(format!("time: missing unit in duration {}", quote_for_time(text)));
        }
        let unit = &rest[..unit_len];
        rest = &rest[unit_len..];
        let unit_ns: u64 = match unit {
            b"ns" => 1,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
            b"ms" => 1_000_000,
            b"s" => 1_000_000_000,
            b"m" => 60_000_000_000,
            b"h" => 3_600_000_000_000,
            _ => {
                let (unit, text) = (quote_for_time(unit), quote_for_time(text));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        };
        let mut part = whole.checked_mul(unit_ns).filter(|&v| v <= 1 << 63).ok_or_else(invalid)?;
        if fraction > 0 {
            part += (fraction as f64 * (unit_ns as f64 / scale)) as u64;
        }
        total = total.checked_add(part).filter(|&v| v <= 1 << 63).ok_or_else(invalid)?;
    }
    match (negative, total) {
        (true, total) => Ok((total as i64).wrapping_neg()),
        (false, total) => i64::try_from(total).map_err(|_| invalid()),
    }
}

/// As Go's `time` package quotes: what is not printable ASCII is written byte by byte.
fn quote_for_time(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &b in text {
        match b {
            b'"' | b'\\' => out.extend(['\\', char::from(b)]),
            b' '..0x80 => out.push(char::from(b)),
            _ => write!(out, "\\x{b:02x}").expect("writing to a String cannot fail"),
        }
    }
    out.push('"');
    out
}

fn leading_int(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut value = 0u64;
    for b in &text[..digits] {
        value = value.checked_mul(10)?.checked_add(u64::from(b - b'0')).filter(|&v| v <= 1 << 63)?;
    }
    Some((value, &text[digits..]))
}

/// humanize's `ParseBytes`: a number, an optional blank and a unit in any case, `kB` = 1000, `KiB` = 1024.
pub(crate) fn parse_bytes(text: &[u8]) -> Result<u64, String> {
    let number_len = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'.' || **b == b',').count();
    let number: Vec<u8> = text[..number_len].iter().copied().filter(|&b| b != b',').collect();
    let value = parse_float(&number)?;
    let unit = String::from_utf8_lossy(&text[number_len..]).trim().to_lowercase();
    let scale: f64 = match unit.as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "p" | "pb" => 1e15,
        "e" | "eb" => 1e18,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        "ti" | "tib" => 1_099_511_627_776.0,
        "pi" | "pib" => 1_125_899_906_842_624.0,
        "ei" | "eib" => 1_152_921_504_606_846_976.0,
        _ => return Err(format!("unhandled size name: {unit}")),
    };
    let bytes = value * scale;
    if bytes >= u64::MAX as f64 {
        let mut message = String::from("too large: ");
        write!(message, "{}", String::from_utf8_lossy(text)).expect("writing to a String cannot fail");
        return Err(message);
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go() {
        let ok = |text: &str| parse_float(text.as_bytes()).expect(text);
        assert_eq!(
            (ok("1.50"), ok("-.5"), ok("5."), ok("+1e3"), ok("0x1p4"), ok("0x1.8p1")),
            (1.5, -0.5, 5.0, 1000.0, 16.0, 3.0)
        );
        assert_eq!(ok("1_0.5"), 10.5);
        assert!(ok("NaN").is_nan() && ok("-Inf") == f64::NEG_INFINITY && ok("infinity") == f64::INFINITY);
        for bad in ["", "x", "1x", " 1", "0x10", "1_", "1__0", "e5", "+nan", "."] {
            let want = format!("strconv.ParseFloat: parsing \"{bad}\": invalid syntax");
            assert_eq!(parse_float(bad.as_bytes()), Err(want));
        }
        assert_eq!(parse_float(b"1e999"), Err("strconv.ParseFloat: parsing \"1e999\": value out of range".into()));
    }

    #[test]
    fn durations_as_go() {
        let ok = |text: &str| parse_duration(text.as_bytes()).expect(text);
        assert_eq!((ok("1.5h"), ok("-1m30s"), ok("0"), ok("100us")), (5_400_000_000_000, -90_000_000_000, 0, 100_000));
        assert_eq!((ok("2\u{b5}s"), ok(".5s"), ok("1s1ms")), (2_000, 500_000_000, 1_001_000_000));
        let bad = |text: &str| parse_duration(text.as_bytes()).expect_err(text);
        assert_eq!(bad("1d"), "time: unknown unit \"d\" in duration \"1d\"");
        assert_eq!(bad("5"), "time: missing unit in duration \"5\"");
        assert_eq!(bad("abc"), "time: invalid duration \"abc\"");
        assert_eq!(bad(""), "time: invalid duration \"\"");
        assert_eq!(bad("\né\""), "time: invalid duration \"\\x0a\\xc3\\xa9\\\"\"");
        assert_eq!(bad("9999999h"), "time: invalid duration \"9999999h\"");
    }

    #[test]
    fn bytes_as_humanize() {
        let ok = |text: &str| parse_bytes(text.as_bytes()).expect(text);
        assert_eq!(
            (ok("5"), ok("5MB"), ok("1.5 KiB"), ok("1,000b"), ok("2e")),
            (5, 5_000_000, 1536, 1000, 2_000_000_000_000_000_000)
        );
        assert_eq!(parse_bytes(b"5zb"), Err("unhandled size name: zb".into()));
        assert_eq!(parse_bytes(b"-5"), Err("strconv.ParseFloat: parsing \"\": invalid syntax".into()));
    }
}
