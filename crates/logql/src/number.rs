//! Numbers as Go reads and prints them.

/// Why a text is no number: the word `strconv` uses, and the value that stands in for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NumberError {
    /// `invalid syntax`; the value would be 0.
    Syntax,
    /// `value out of range`; the value is infinite.
    Range,
}

impl NumberError {
    /// The text of Go's `strconv.ParseFloat` error.
    pub(crate) fn text(self, number: &str) -> String {
        let why = match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        };
        format!("strconv.ParseFloat: parsing {}: {why}", loptr_model::go_quote(number))
    }

    /// What upstream goes on with where it ignores the error.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Syntax => 0.0,
            Self::Range => f64::INFINITY,
        }
    }
}

/// The value of a number token: decimal, or hexadecimal with a binary exponent; `_` between digits is skipped.
pub(crate) fn parse(text: &str) -> Result<f64, NumberError> {
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => parse_hex(hex).ok_or(NumberError::Syntax)?,
        None => digits.parse::<f64>().map_err(|_| NumberError::Syntax)?,
    };
    if value.is_finite() { Ok(value) } else { Err(NumberError::Range) }
}

/// `1.8p-3`: hexadecimal mantissa, decimal exponent of two.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let mut exponent: i64 = match exponent.strip_prefix(['+', '-']).unwrap_or(exponent) {
        digits if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => return None,
        // Beyond this every value is 0 or infinite, for the mantissa is at most as long as a query.
        digits => digits.parse().unwrap_or(10_000_000).min(10_000_000),
    };
    if text.contains("p-") || text.contains("P-") {
        exponent = -exponent;
    }
    // 60 bits of mantissa and whether anything was cut: enough to round once, correctly, to 53.
    let (mut bits, mut cut, mut seen_dot) = (0u64, false, false);
    for c in mantissa.chars() {
        if c == '.' && !seen_dot {
            seen_dot = true;
            continue;
        }
        let digit = c.to_digit(16)?;
        if bits >> 56 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent -= if seen_dot { 4 } else { 0 };
        } else {
            cut |= digit != 0;
            exponent += if seen_dot { 0 } else { 4 };
        }
    }
    Some(scale(bits << 1 | u64::from(cut), exponent - 1))
}

/// `bits * 2^exponent`, rounded to nearest, ties to even; `bits` has its lowest bit set if anything was cut off.
fn scale(bits: u64, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(bits.leading_zeros()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // Exponent of the last bit that the result can hold.
    let lowest = (top - 52).max(-1074);
    let drop = lowest - exponent;
    let mantissa = match u32::try_from(drop) {
        Err(_) => bits << drop.unsigned_abs().min(63),
        Ok(drop) if drop > 63 => return 0.0,
        Ok(drop) => {
            let (kept, rest) = (bits >> drop, bits & ((1u64 << drop) - 1));
            let half = if drop == 0 { u64::MAX } else { 1u64 << (drop - 1) };
            kept + u64::from(rest > half || (rest == half && kept & 1 == 1))
        }
    };
    // Two steps, both exact: the mantissa has at most 53 bits and the sum of the exponents is representable.
    let step = lowest.clamp(-1022, 971);
    mantissa as f64 * 2f64.powi(step as i32) * 2f64.powi((lowest - step) as i32)
}

/// As `%v` prints a float: shortest digits, with an exponent below 1e-4 and from 1e6 upwards.
pub(crate) fn go_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust prints an exponent for {:e}");
    let exponent: i32 = exponent.parse().expect("Rust prints a whole exponent");
    if value == 0.0 || (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// As `%f` prints a float: six decimals.
pub(crate) fn fixed_text(value: f64) -> String {
    if value.is_finite() { format!("{value:.6}") } else { go_text(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_go_literals() {
        let ok = [
            ("5", 5.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("1_000.5", 1000.5),
            ("017", 17.0),
            ("0x1p-2", 0.25),
            ("0x1.8p1", 3.0),
            ("0xFFFFFFFFFFFFFFFFFp0", 295147905179352825855.0),
            ("0x1p-1074", f64::from_bits(1)),
            ("0x1p-1080", 0.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("0x_1p0", 1.0),
            ("1e-400", 0.0),
        ];
        for (text, value) in ok {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
        for (text, error) in [
            ("0x10", NumberError::Syntax),
            ("0b1", NumberError::Syntax),
            ("0o7", NumberError::Syntax),
            ("5E", NumberError::Syntax),
            ("1e999", NumberError::Range),
            ("0x1p1024", NumberError::Range),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn prints_as_go() {
        let cases = [
            (1.0, "1"),
            (0.5, "0.5"),
            (-0.0, "-0"),
            (100000.0, "100000"),
            (1e6, "1e+06"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (123456789.0, "1.23456789e+08"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(go_text(value), text);
        }
    }
}
