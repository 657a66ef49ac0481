//! Booleans, integers and floats as Go's `strconv` and YAML 1.1 read them, and floats as Go prints them.

/// Why a number on the command line was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    Syntax,
    Range,
}

impl NumberError {
    /// The words Go's flag package prints.
    pub(crate) fn text(self) -> &'static str {
        match self {
            NumberError::Syntax => "parse error",
            NumberError::Range => "value out of range",
        }
    }
}

/// Splits a base prefix off: `0x`, `0b`, `0o`, and a bare leading `0` for octal.
fn base(digits: &str) -> (u32, &str) {
    let lower = |at: usize| digits.as_bytes().get(at).map(u8::to_ascii_lowercase);
    match (lower(0), lower(1)) {
        (Some(b'0'), Some(b'x')) => (16, &digits[2..]),
        (Some(b'0'), Some(b'b')) => (2, &digits[2..]),
        (Some(b'0'), Some(b'o')) => (8, &digits[2..]),
        (Some(b'0'), Some(_)) => (8, &digits[1..]),
        _ => (10, digits),
    }
}

/// Whether every `_` stands between digits (or between base prefix and digit), as Go demands.
fn underscores_fit(digits: &str) -> bool {
    let mut last = b'_';
    let start = usize::from(digits.starts_with('0'));
    if start == 1 {
        last = b'0';
    }
    for byte in digits.bytes().skip(start) {
        if byte == b'_' && last == b'_' {
            return false;
        }
        last = byte;
    }
    last != b'_'
}

/// Reads an unsigned integer with an optional base prefix and `_` between digits.
pub(crate) fn parse_uint(text: &str) -> Result<u64, NumberError> {
    let (radix, digits) = base(text);
    let plain = digits.replace('_', "");
    if plain.is_empty() || !plain.chars().all(|c| c.is_digit(radix)) || (digits.contains('_') && !underscores_fit(text))
    {
        return Err(NumberError::Syntax);
    }
    u64::from_str_radix(&plain, radix).map_err(|_| NumberError::Range)
}

/// As [`parse_uint`], with a sign.
pub(crate) fn parse_int(text: &str) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits)?;
    let value = if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.ok_or(NumberError::Range)
}

/// Reads a float as Go's `ParseFloat` (decimal forms, `inf`, `infinity`, `nan`).
pub(crate) fn parse_float(text: &str) -> Result<f64, NumberError> {
    let value: f64 = text.parse().map_err(|_| NumberError::Syntax)?;
    let named = text.trim_start_matches(['+', '-']).starts_with(['i', 'I', 'n', 'N']);
    if value.is_infinite() && !named { Err(NumberError::Range) } else { Ok(value) }
}

/// Reads a boolean as Go's `ParseBool`.
pub(crate) fn parse_flag_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Prints a float in the shortest form that reads back, with an exponent from a million on as Go's `%g` does.
pub(crate) fn format_float(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_prefixes_and_underscores() {
        for (text, value) in
            [("0x10", 16), ("0b11", 3), ("010", 8), ("0o17", 15), ("1_000", 1000), ("-5", -5), ("+7", 7), ("0", 0)]
        {
            assert_eq!(parse_int(text), Ok(value), "{text}");
        }
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        for bad in ["", "-", "08", "1__0", "_1", "1_", "0x", "1.5", "1e3", "abc"] {
            assert_eq!(parse_int(bad), Err(NumberError::Syntax), "{bad}");
        }
        assert_eq!(parse_int("9223372036854775808"), Err(NumberError::Range));
        assert_eq!(parse_uint("99999999999999999999"), Err(NumberError::Range));
        assert_eq!(parse_uint("-1"), Err(NumberError::Syntax));
    }

    #[test]
    fn floats_print_like_go() {
        for (value, text) in [
            (4.0, "4"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1.5e10, "1.5e+10"),
            (999999.0, "999999"),
            (1.5e-7, "1.5e-07"),
            (-0.25, "-0.25"),
        ] {
            assert_eq!(format_float(value), text);
        }
        assert_eq!(parse_float("1e400"), Err(NumberError::Range));
        assert_eq!(parse_float("inf"), Ok(f64::INFINITY));
    }
}
