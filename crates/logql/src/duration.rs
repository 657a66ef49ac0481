//! Durations, read as Prometheus and as Go write them, and printed as both do. Nanoseconds throughout.

use loptr_model::go_quote;

/// Prometheus's units, largest first.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000_000_000),
    ("w", 7 * 24 * 3_600_000_000_000),
    ("d", 24 * 3_600_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// A Prometheus duration: whole numbers with units in descending order, each at most once, no sign. `0` needs no
/// unit. The error is upstream's text.
pub(crate) fn parse_prometheus(text: &str) -> Result<i64, String> {
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {}", go_quote(text));
    let out_of_range = || "duration out of range".to_owned();
    let mut sum = 0u64;
    let mut units = UNITS.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!("unknown unit {} in duration {}", go_quote(unit), go_quote(text)));
        }
        let &(_, ns) = units.find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let part = number.checked_mul(ns).filter(|&part| part <= 1 << 63).ok_or_else(out_of_range)?;
        sum = sum.checked_add(part).filter(|&sum| i64::try_from(sum).is_ok()).ok_or_else(out_of_range)?;
        rest = tail;
    }
    i64::try_from(sum).map_err(|_| out_of_range())
}

/// A Prometheus duration or else a Go duration.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    parse_prometheus(text).or_else(|error| parse_go(text).ok_or(error))
}

/// A Go duration: an optional sign, then fractions with units from nanoseconds to hours in any order. `0` needs no
/// unit.
fn parse_go(text: &str) -> Option<i64> {
    const LIMIT: u64 = 1 << 63;
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (whole, tail) = rest.split_at(end);
        let (fraction, tail) = match tail.strip_prefix('.') {
            Some(tail) => tail.split_at(tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len())),
            None => ("", tail),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let ns: u64 = match unit {
            "ns" => 1,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut part = whole.checked_mul(ns).filter(|&part| part <= LIMIT)?;
        part = part.checked_add(fraction_of(fraction, ns)).filter(|&part| part <= LIMIT)?;
        sum = sum.checked_add(part).filter(|&sum| sum <= LIMIT)?;
        rest = tail;
    }
    match (negative, i64::try_from(sum)) {
        (false, sum) => sum.ok(),
        (true, Ok(sum)) => Some(-sum),
        (true, Err(_)) => Some(i64::MIN),
    }
}

/// `0.digits` of `unit`, rounded as Go does: digits past what 63 bits hold are dropped, then one multiplication.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1.0f64);
    for digit in digits.bytes() {
        let Some(next) = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))) else { break };
        if next > 1 << 63 {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    if value == 0 { 0 } else { (value as f64 * (unit as f64 / scale)) as u64 }
}

/// As Go prints a duration: `1h0m0s`, `1.5s`, `2µs`, `0s`.
pub(crate) fn go_text(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let abs = ns.unsigned_abs();
    if abs == 0 {
        return "0s".to_owned();
    }
    if abs < 1_000_000_000 {
        let (unit, scale) = match abs {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("\u{b5}s", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", decimal(abs, scale));
    }
    let minutes = abs / 60_000_000_000;
    let seconds = decimal(abs % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, m) => format!("{sign}{m}m{seconds}s"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
    }
}

fn decimal(value: u64, scale: u64) -> String {
    let (whole, rest) = (value / scale, value % scale);
    if rest == 0 {
        return whole.to_string();
    }
    let width = scale.ilog10() as usize;
    format!("{whole}.{rest:0width$}").trim_end_matches('0').to_owned()
}

/// As Prometheus prints a duration: `1h30m`, `2d`, `0s`. Whole milliseconds only; the rest is cut.
pub(crate) fn prometheus_text(ns: i64) -> String {
    let mut ms = ns.unsigned_abs() / 1_000_000;
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::from(if ns < 0 { "-" } else { "" });
    for (index, (unit, ns)) in UNITS.iter().enumerate() {
        let size = ns / 1_000_000;
        // Years and weeks only if nothing remains.
        if index < 2 && !ms.is_multiple_of(size) {
            continue;
        }
        if ms >= size {
            out.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn prometheus_durations() {
        let ok = [("0", 0), ("0s", 0), ("5m", 300 * SECOND), ("1d12h", 36 * 3600 * SECOND), ("1ms", 1_000_000)];
        for (text, ns) in ok {
            assert_eq!(parse_prometheus(text), Ok(ns), "{text}");
        }
        let bad = [
            ("", "empty duration string"),
            ("5", "not a valid duration string: \"5\""),
            ("1h1d", "not a valid duration string: \"1h1d\""),
            ("1s1s", "not a valid duration string: \"1s1s\""),
            ("-1s", "not a valid duration string: \"-1s\""),
            ("1.5h", "unknown unit \".\" in duration \"1.5h\""),
            ("300y", "duration out of range"),
            ("99999999999999999999s", "not a valid duration string: \"99999999999999999999s\""),
        ];
        for (text, error) in bad {
            assert_eq!(parse_prometheus(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn go_durations() {
        let ok = [
            ("1.5h", 5400 * SECOND),
            ("1h0.0m0s", 3600 * SECOND),
            ("5us", 5_000),
            ("1.5\u{b5}s", 1_500),
            ("-5m", -300 * SECOND),
            ("-0", 0),
            (".5s", SECOND / 2),
            ("1s1s", 2 * SECOND),
            ("2562047h47m16.854775807s", i64::MAX),
        ];
        for (text, ns) in ok {
            assert_eq!(parse(text), Ok(ns), "{text}");
        }
        for text in ["1.5d", "1h1d", "5", ".", "-", "1.5", "2562048h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn prints() {
        let cases = [
            (0, "0s", "0s"),
            (3600 * SECOND, "1h0m0s", "1h"),
            (90 * SECOND, "1m30s", "1m30s"),
            (1_500, "1.5\u{b5}s", "0s"),
            (-300 * SECOND, "-5m0s", "-5m"),
            (1_500_000, "1.5ms", "1ms"),
            (8 * 86400 * SECOND, "192h0m0s", "8d"),
            (14 * 86400 * SECOND, "336h0m0s", "2w"),
            (365 * 86400 * SECOND, "8760h0m0s", "1y"),
            (SECOND + SECOND / 4, "1.25s", "1s250ms"),
            (i64::MIN, "-2562047h47m16.854775808s", "-106751d23h47m16s854ms"),
        ];
        for (ns, go, prometheus) in cases {
            assert_eq!(go_text(ns), go);
            assert_eq!(prometheus_text(ns), prometheus);
        }
    }
}
