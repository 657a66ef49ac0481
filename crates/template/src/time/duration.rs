//! Go durations.

use super::NANOS;

/// Reads `1.5h`, `-2m3s`, `0`; in nanoseconds. The error is Go's text.
pub(crate) fn parse_duration(text: &[u8]) -> Result<i64, String> {
    const TOP: u64 = 1 << 63;
    let invalid = || format!("time: invalid duration {}", plain_quote(text));
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut whole: u64 = 0;
        for digit in &rest[..digits] {
            whole = match whole.checked_mul(10).and_then(|w| w.checked_add(u64::from(digit - b'0'))) {
                Some(next) if next <= TOP => next,
                _ => return Err(invalid()),
            };
        }
        rest = &rest[digits..];
        let (mut part, mut scale, mut decimals) = (0_u64, 1.0_f64, 0);
        if let Some(after) = rest.strip_prefix(b".") {
            decimals = after.iter().take_while(|b| b.is_ascii_digit()).count();
            for digit in &after[..decimals] {
                // Digits beyond what fits do not count.
                match part.checked_mul(10).and_then(|p| p.checked_add(u64::from(digit - b'0'))) {
                    Some(next) if part <= (TOP - 1) / 10 && next <= TOP => (part, scale) = (next, scale * 10.0),
                    _ => break,
                }
            }
            rest = &after[decimals..];
        }
        if digits == 0 && decimals == 0 {
            return Err(invalid());
        }
        let end = rest.iter().position(|&b| b == b'.' || b.is_ascii_digit()).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        rest = tail;
        let unit: u64 = match name {
            b"" => return Err(format!("time: missing unit in duration {}", plain_quote(text))),
            b"ns" => 1,
            b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1_000,
            b"ms" => 1_000_000,
            b"s" => 1_000_000_000,
            b"m" => 60_000_000_000,
            b"h" => 3_600_000_000_000,
            _ => {
                let (unit, whole) = (plain_quote(name), plain_quote(text));
                return Err(format!("time: unknown unit {unit} in duration {whole}"));
            }
        };
        if whole > TOP / unit {
            return Err(invalid());
        }
        let mut nanos = whole * unit;
        if part > 0 {
            nanos += (part as f64 * (unit as f64 / scale)) as u64;
        }
        total = match total.checked_add(nanos) {
            Some(sum) if nanos <= TOP && sum <= TOP => sum,
            _ => return Err(invalid()),
        };
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// Quotes as package `time` does: what is not plain ASCII becomes `\xhh`.
pub(crate) fn plain_quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..0x80 => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// As Go prints a duration: `1h2m3.5s`, `1.5µs`.
pub(crate) fn format_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    let decimals = |value: u64, unit: u64| {
        let whole = value / unit;
        let mut part = format!("{:01$}", value % unit, unit.ilog10() as usize);
        part.truncate(part.trim_end_matches('0').len());
        if part.is_empty() { whole.to_string() } else { format!("{whole}.{part}") }
    };
    let second = NANOS as u64;
    match value {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{value}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimals(value, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimals(value, 1_000_000)),
        _ => {
            let seconds = decimals(value % (60 * second), second);
            let minutes = value / (60 * second);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        assert_eq!(parse_duration(b"1.5h"), Ok(5_400_000_000_000));
        assert_eq!(parse_duration("-2m3.25s1µs".as_bytes()), Ok(-123_250_001_000));
        assert_eq!(parse_duration(b"-0"), Ok(0));
        assert_eq!(parse_duration(b"-9223372036854775808ns"), Ok(i64::MIN));
        for (bad, error) in [
            (&b""[..], "time: invalid duration \"\""),
            (b"1d", "time: unknown unit \"d\" in duration \"1d\""),
            (b"5", "time: missing unit in duration \"5\""),
            (b".s", "time: invalid duration \".s\""),
            (b"9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
            (b"1\xffs", "time: unknown unit \"\\xffs\" in duration \"1\\xffs\""),
            (b"9000000h", "time: invalid duration \"9000000h\""),
        ] {
            assert_eq!(parse_duration(bad).unwrap_err(), error);
        }
    }

    #[test]
    fn prints() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (-3_300_000_000, "-3.3s"),
            (60_000_000_000, "1m0s"),
            (3_723_004_000_000, "1h2m3.004s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format_duration(nanos), text);
        }
    }
}
