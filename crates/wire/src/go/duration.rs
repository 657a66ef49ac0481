//! The two grammars of durations: Go's (`1h30m`, `1.5s`, `-2ms`) and Prometheus' (`1d12h`, no fractions, no sign).

/// Why text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Go: no number and unit.
    #[error("time: invalid duration {}", loptr_model::go_quote(.0))]
    Go(String),
    /// Go: a number without a unit.
    #[error("time: missing unit in duration {}", loptr_model::go_quote(.0))]
    GoMissingUnit(String),
    /// Go: a unit unknown to it.
    #[error("time: unknown unit {} in duration {}", loptr_model::go_quote(.unit), loptr_model::go_quote(.text))]
    GoUnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Prometheus: the text is empty.
    #[error("empty duration string")]
    Empty,
    /// Prometheus: a unit unknown to it.
    #[error("unknown unit {} in duration {}", loptr_model::go_quote(.unit), loptr_model::go_quote(.text))]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Prometheus: no number and unit, or units out of order.
    #[error("not a valid duration string: {}", loptr_model::go_quote(.0))]
    Prometheus(String),
    /// Prometheus: more than 292 years.
    #[error("duration out of range")]
    Overflow,
}

/// `time.ParseDuration`, in nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let invalid = || DurationError::Go(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let fraction_text = after.strip_prefix('.');
        let (fraction, after) = fraction_text.map_or(("", after), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after.bytes().position(|byte| byte == b'.' || byte.is_ascii_digit()).unwrap_or(after.len());
        let (unit_text, next) = after.split_at(end);
        if unit_text.is_empty() {
            return Err(DurationError::GoMissingUnit(text.to_owned()));
        }
        let unit: u64 = match unit_text {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(DurationError::GoUnknownUnit { unit: unit_text.to_owned(), text: text.to_owned() }),
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part = whole.checked_mul(unit).filter(|part| *part <= 1 << 63).ok_or_else(invalid)?;
        total = total.checked_add(part + fraction_of(fraction, unit)).ok_or_else(invalid)?;
        if total > 1 << 63 {
            return Err(invalid());
        }
        rest = next;
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Ok(total),
        (true, Ok(total)) => Ok(-total),
        (true, Err(_)) => Ok(i64::MIN),
        (false, Err(_)) => Err(invalid()),
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.fraction` of `unit`, digits past what 63 bits hold ignored.
fn fraction_of(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in fraction.bytes() {
        match value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit - b'0'))) {
            Some(next) if next <= i64::MAX as u64 => (value, scale) = (next, scale * 10.0),
            _ => break,
        }
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// Prometheus' `model.ParseDuration`, in nanoseconds: `0`, or whole numbers of `y w d h m s ms`, each at most once and
/// in this order. A day is 24 hours, a year 365 days.
pub fn parse_prometheus_duration(text: &str) -> Result<i64, DurationError> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
        ("w", 604_800_000_000_000),
        ("y", 31_536_000_000_000_000),
    ];
    match text {
        "0" => return Ok(0),
        "" => return Err(DurationError::Empty),
        _ => {}
    }
    let invalid = || DurationError::Prometheus(text.to_owned());
    let mut total = 0u64;
    let mut smaller_than = UNITS.len();
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = digits(rest);
        if number.is_empty() {
            return Err(invalid());
        }
        let end = after.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(after.len());
        let (unit_text, next) = after.split_at(end);
        let unit = UNITS.iter().position(|(name, _)| *name == unit_text);
        let Some(unit) = unit.filter(|unit| *unit < smaller_than) else {
            return Err(if unit.is_none() && !unit_text.is_empty() {
                DurationError::UnknownUnit { unit: unit_text.to_owned(), text: text.to_owned() }
            } else {
                invalid()
            });
        };
        smaller_than = unit;
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let part = number.checked_mul(UNITS[unit].1).ok_or(DurationError::Overflow)?;
        total = total.checked_add(part).filter(|total| *total <= i64::MAX as u64).ok_or(DurationError::Overflow)?;
        rest = next;
    }
    Ok(total as i64)
}

/// Prometheus' form of a duration, cut to milliseconds: `30d1h`, `0s`. Years and weeks only when nothing is left over.
pub fn format_prometheus_duration(nanos: i64) -> String {
    const UNITS: [(&str, u64, bool); 7] = [
        ("y", 31_536_000_000, true),
        ("w", 604_800_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1_000, false),
        ("ms", 1, false),
    ];
    let mut left = nanos.unsigned_abs() / 1_000_000;
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::from(if nanos < 0 { "-" } else { "" });
    for (unit, millis, exact) in UNITS {
        let count = left / millis;
        if count > 0 && (!exact || left.is_multiple_of(millis)) {
            text.push_str(&format!("{count}{unit}"));
            left -= count * millis;
        }
    }
    text
}

/// Go's `Duration.String`: `1h0m0s`, `1.5s`, `100ms`, `0s`.
pub fn format_duration(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let scaled = |value: u64, scale: u64| {
        let (whole, fraction) = (value / scale, value % scale);
        let width = scale.ilog10() as usize;
        let digits = format!("{fraction:0width$}");
        match digits.trim_end_matches('0') {
            "" => whole.to_string(),
            digits => format!("{whole}.{digits}"),
        }
    };
    let text = match magnitude {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{magnitude}ns"),
        1_000..1_000_000 => format!("{}\u{b5}s", scaled(magnitude, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", scaled(magnitude, 1_000_000)),
        _ => {
            let (hours, minutes) = (magnitude / 3_600_000_000_000, magnitude / 60_000_000_000 % 60);
            let seconds = scaled(magnitude % 60_000_000_000, 1_000_000_000);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            ("-2ms", -2_000_000),
            ("+.5us", 500),
            ("1µs1ns", 1_001),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("0.9223372036854775807h", 3_320_413_933_267),
        ] {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("3", "time: missing unit in duration \"3\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            (".s", "time: invalid duration \".s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
        ] {
            assert_eq!(parse_duration(text).expect_err(text).to_string(), error);
        }
    }

    #[test]
    fn prometheus_durations() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("1d12h", 129_600_000_000_000),
            ("1y2w3d4h5m6s7ms", 33_019_506_007_000_000),
            ("5ms", 5_000_000),
        ] {
            assert_eq!(parse_prometheus_duration(text), Ok(nanos), "{text}");
        }
        for (text, error) in [
            ("", "empty duration string"),
            ("1", "not a valid duration string: \"1\""),
            ("-1h", "not a valid duration string: \"-1h\""),
            ("1.5h", "unknown unit \".\" in duration \"1.5h\""),
            ("1h1h", "not a valid duration string: \"1h1h\""),
            ("1m1h", "not a valid duration string: \"1m1h\""),
            ("1ns", "unknown unit \"ns\" in duration \"1ns\""),
            ("h", "not a valid duration string: \"h\""),
            ("300y", "duration out of range"),
            ("99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""),
        ] {
            assert_eq!(parse_prometheus_duration(text).expect_err(text).to_string(), error);
        }
        for (millis, text) in [
            (0, "0s"),
            (721 * 3_600_000, "30d1h"),
            (7 * 86_400_000, "1w"),
            (365 * 86_400_000, "1y"),
            (8 * 86_400_000 + 1, "8d1ms"),
            (-60_000, "-1m"),
        ] {
            assert_eq!(format_prometheus_duration(millis * 1_000_000), text);
        }
    }

    #[test]
    fn durations_print_as_gos() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (100_000_000, "100ms"),
            (1_500_000_000, "1.5s"),
            (3_600_000_000_000, "1h0m0s"),
            (-2_682_000_000_000_000, "-745h0m0s"),
            (61_000_000_001, "1m1.000000001s"),
        ] {
            assert_eq!(format_duration(nanos), text);
        }
    }
}
