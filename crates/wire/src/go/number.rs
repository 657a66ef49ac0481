//! Numbers: `strconv.Atoi`, `ParseInt`, `ParseFloat`, `FormatFloat(v, 'f', -1, 64)`.

use std::borrow::Cow;
use std::io::Write;

/// Why text is not a number, in `strconv`'s words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("strconv.{function}: parsing {}: {problem}", loptr_model::go_quote(.text))]
pub struct NumberError {
    function: &'static str,
    text: String,
    problem: &'static str,
}

/// `strconv.Atoi`.
pub fn atoi(text: &str) -> Result<i64, NumberError> {
    integer("Atoi", text)
}

/// `strconv.ParseInt(text, 10, 64)`.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    integer("ParseInt", text)
}

fn integer(function: &'static str, text: &str) -> Result<i64, NumberError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        match text.parse() {
            Ok(value) => return Ok(value),
            Err(_) => "value out of range",
        }
    };
    Err(NumberError { function, text: text.to_owned(), problem })
}

/// `strconv.ParseFloat(text, 64)`: decimal or hexadecimal, `_` between digits; `inf`, `infinity` and `nan` in any case.
pub fn parse_float(text: &str) -> Result<f64, NumberError> {
    let error = |problem| NumberError { function: "ParseFloat", text: text.to_owned(), problem };
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let sign = if negative { -1.0 } else { 1.0 };
    let lower = body.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Ok(sign * f64::INFINITY),
        "nan" if body.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    let lower = strip_underscores(&lower).ok_or_else(|| error("invalid syntax"))?;
    if let Some(hex) = lower.strip_prefix("0x") {
        let value = hex_float(hex).ok_or_else(|| error("invalid syntax"))?;
        return if value.is_finite() { Ok(sign * value) } else { Err(error("value out of range")) };
    }
    let starts_well = lower.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !starts_well || !lower.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte)) {
        return Err(error("invalid syntax"));
    }
    match lower.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(sign * value),
        Ok(_) => Err(error("value out of range")),
        Err(_) => Err(error("invalid syntax")),
    }
}

/// `1.8p3` after `0x`: hexadecimal digits and a binary exponent, which Go requires.
fn hex_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if exponent_digits.is_empty() || !exponent_digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut exponent: i64 = exponent.parse().unwrap_or(if exponent.starts_with('-') { -100_000 } else { 100_000 });
    let mut value = 0u64;
    for (place, digit) in whole.chars().map(|c| (false, c)).chain(fraction.chars().map(|c| (true, c))) {
        let digit = u64::from(digit.to_digit(16)?);
        if value >> 59 == 0 {
            value = value << 4 | digit;
            exponent -= if place { 4 } else { 0 };
        } else {
            // Beyond 60 bits only "was anything there" matters for rounding.
            value |= u64::from(digit != 0);
            exponent += if place { 0 } else { 4 };
        }
    }
    // Two steps keep subnormal results from flushing to zero too early.
    let exponent = exponent.clamp(-2200, 2200) as i32;
    Some(value as f64 * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2))
}

/// The text without underscores; None if one is not between digits, the base prefix counting as one.
fn strip_underscores(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let is_hex = text.starts_with("0x");
    let is_digit = |at: usize| {
        let byte = bytes.get(at)?;
        Some(byte.is_ascii_digit() || (is_hex && (byte.is_ascii_hexdigit() || at == 1)))
    };
    for at in (0..bytes.len()).filter(|at| bytes[*at] == b'_') {
        if !is_digit(at.checked_sub(1)?)? || !is_digit(at + 1)? {
            return None;
        }
    }
    Some(Cow::Owned(text.replace('_', "")))
}

/// `FormatFloat(value, 'f', -1, 64)`: the fewest digits that read back equal, never an exponent; `NaN`, `+Inf`, `-Inf`.
pub fn format_float(value: f64) -> String {
    let mut out = Vec::new();
    push_float(value, &mut out);
    String::from_utf8(out).expect("digits are ASCII")
}

/// Appends what [`format_float`] answers.
pub fn push_float(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.abs() < 9e15 && value.fract() == 0.0 && (value != 0.0 || value.is_sign_positive()) {
        // Counts and sums mostly: integers print faster.
        write!(out, "{}", value as i64).expect("a Vec takes all");
    } else {
        write!(out, "{value}").expect("a Vec takes all");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_shortest_without_exponent() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1, "0.1"),
            (1e21, "1000000000000000000000"),
            (1e-7, "0.0000001"),
            (123_456_789.125, "123456789.125"),
            (0.30000000000000004, "0.30000000000000004"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(value), text);
        }
    }

    #[test]
    fn integers_and_their_errors() {
        assert_eq!((atoi("+12"), atoi("-3")), (Ok(12), Ok(-3)));
        for (text, expected) in [
            ("abc", "strconv.Atoi: parsing \"abc\": invalid syntax"),
            ("", "strconv.Atoi: parsing \"\": invalid syntax"),
            ("1.5", "strconv.Atoi: parsing \"1.5\": invalid syntax"),
            ("99999999999999999999", "strconv.Atoi: parsing \"99999999999999999999\": value out of range"),
        ] {
            assert_eq!(atoi(text).expect_err(text).to_string(), expected);
        }
        assert_eq!(parse_int("x\"").expect_err("x").to_string(), r#"strconv.ParseInt: parsing "x\"": invalid syntax"#);
    }

    #[test]
    fn floats_read_as_go_reads_them() {
        for (text, value) in [
            ("1", 1.0),
            ("+.5e1", 5.0),
            ("1e3", 1000.0),
            ("5.", 5.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x1.8p1", 3.0),
            ("0x_1_0p0", 16.0),
            ("1_000.5_0", 1000.5),
            ("0X1p-1074", 5e-324),
            ("1e-400", 0.0),
        ] {
            assert_eq!(parse_float(text), Ok(value), "{text}");
        }
        assert!(parse_float("NaN").expect("a number").is_nan());
        for bad in [
            "", ".", "e5", "_1", "1_", "1__0", "1_.5", "1_e5", "0x10", "+nan", "1e", "--1", "1f", "infin", "0x1p", "1 ",
        ] {
            assert!(parse_float(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_float("1e999").expect_err("too large").to_string(),
            "strconv.ParseFloat: parsing \"1e999\": value out of range"
        );
    }
}
