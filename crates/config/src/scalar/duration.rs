//! The two duration grammars: Go's (`1h30m`, `1.5s`, `-2us`) and Prometheus' (`1w2d`, whole numbers, falling units).

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The largest magnitude: the most negative value has one nanosecond more than the most positive.
const LIMIT: u64 = 1 << 63;

fn go_unit(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICRO,
        "ms" => MILLI,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// Reads a Go duration; `None` when it is none or does not fit 64 bits of nanoseconds.
pub(crate) fn parse_go(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let number_len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, tail) = rest.split_at(number_len);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let unit_len = tail.bytes().take_while(|b| !b.is_ascii_digit() && *b != b'.').count();
        let (unit, tail) = tail.split_at(unit_len);
        let unit = go_unit(unit)?;
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut nanos = whole.checked_mul(unit).filter(|n| *n <= LIMIT)?;
        nanos = nanos.checked_add(go_fraction(fraction, unit)).filter(|n| *n <= LIMIT)?;
        total = total.checked_add(nanos).filter(|n| *n <= LIMIT)?;
        rest = tail;
    }
    if negative { 0i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() }
}

/// Nanoseconds of `0.fraction` units, cut like Go does: digits that no longer fit 63 bits are dropped.
fn go_fraction(fraction: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        match value.checked_mul(10).and_then(|v| v.checked_add(digit)).filter(|v| *v < LIMIT) {
            Some(next) => (value, scale) = (next, scale * 10.0),
            None => break,
        }
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// Prints as Go does: `1h30m0s`, `1.5s`, `250ms`, `0s`.
pub(crate) fn format_go(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < SECOND {
        let (unit, name) = match magnitude {
            n if n < MICRO => (1, "ns"),
            n if n < MILLI => (MICRO, "\u{b5}s"),
            _ => (MILLI, "ms"),
        };
        return format!("{sign}{}{name}", decimal(magnitude, unit));
    }
    let (hours, minutes) = (magnitude / HOUR, magnitude / MINUTE % 60);
    let seconds = decimal(magnitude % MINUTE, SECOND);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, m) => format!("{sign}{m}m{seconds}s"),
        (h, m) => format!("{sign}{h}h{m}m{seconds}s"),
    }
}

/// `value / unit` without trailing zeros; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

/// Units of Prometheus durations, longest first; `exact` ones are printed only when nothing is left over.
const PROM_UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * DAY, true),
    ("w", 7 * DAY, true),
    ("d", DAY, false),
    ("h", HOUR, false),
    ("m", MINUTE, false),
    ("s", SECOND, false),
    ("ms", MILLI, false),
];

/// Reads a Prometheus duration; the error is upstream's text.
pub(crate) fn parse_prom(text: &str) -> Result<i64, String> {
    let invalid = || format!("not a valid duration string: {}", loptr_model::go_quote(text));
    let out_of_range = || "duration out of range".to_owned();
    match text {
        "0" => return Ok(0),
        "" => return Err("empty duration string".to_owned()),
        _ => {}
    }
    let (mut rest, mut total, mut next_unit) = (text, 0u64, 0);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(invalid());
        }
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let unit_len = tail.bytes().take_while(|b| !b.is_ascii_digit()).count();
        let (unit, tail) = tail.split_at(unit_len);
        if unit.is_empty() {
            return Err(invalid());
        }
        let Some(place) = PROM_UNITS.iter().position(|(name, ..)| *name == unit) else {
            let (unit, text) = (loptr_model::go_quote(unit), loptr_model::go_quote(text));
            return Err(format!("unknown unit {unit} in duration {text}"));
        };
        if place < next_unit {
            return Err(invalid());
        }
        next_unit = place + 1;
        total = number
            .checked_mul(PROM_UNITS[place].1)
            .and_then(|nanos| total.checked_add(nanos))
            .filter(|nanos| *nanos < LIMIT)
            .ok_or_else(out_of_range)?;
        rest = tail;
    }
    i64::try_from(total).map_err(|_| out_of_range())
}

/// Prints as Prometheus does: `1w`, `1d12h`, `30d1h`, `0s`; parts below a millisecond are dropped.
pub(crate) fn format_prom(nanos: i64) -> String {
    let mut rest = nanos.unsigned_abs() / MILLI * MILLI;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::from(if nanos < 0 { "-" } else { "" });
    for (name, unit, exact) in PROM_UNITS {
        if exact && !rest.is_multiple_of(unit) {
            continue;
        }
        if rest >= unit {
            out.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_read_and_print_like_go() {
        for (text, nanos, printed) in [
            ("0", 0, "0s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            (".5s", 500_000_000, "500ms"),
            ("-1h", -3_600_000_000_000, "-1h0m0s"),
            ("+5m", 300_000_000_000, "5m0s"),
            ("1\u{b5}s", 1_000, "1\u{b5}s"),
            ("1h1h", 7_200_000_000_000, "2h0m0s"),
            ("2562047h47m16.854775807s", i64::MAX, "2562047h47m16.854775807s"),
            ("-2562047h47m16.854775808s", i64::MIN, "-2562047h47m16.854775808s"),
            ("1500us", 1_500_000, "1.5ms"),
            ("90.25s", 90_250_000_000, "1m30.25s"),
        ] {
            assert_eq!(parse_go(text), Some(nanos), "{text}");
            assert_eq!(format_go(nanos), printed, "{text}");
        }
        for bad in ["", "-", "1", "1d", "1 h", "h", ".s", "1.2.3s", "99999999h", "2562047h47m16.854775808s", "1hx"] {
            assert_eq!(parse_go(bad), None, "{bad}");
        }
    }

    #[test]
    fn prom_durations_read_and_print_like_prometheus() {
        for (text, printed) in [
            ("0", "0s"),
            ("1w", "1w"),
            ("168h", "1w"),
            ("24h", "1d"),
            ("721h", "30d1h"),
            ("1d1h", "1d1h"),
            ("8d", "8d"),
            ("365d", "1y"),
            ("1500ms", "1s500ms"),
        ] {
            assert_eq!(format_prom(parse_prom(text).unwrap()), printed, "{text}");
        }
        for (bad, error) in [
            ("", "empty duration string"),
            ("1", "not a valid duration string: \"1\""),
            ("abc", "not a valid duration string: \"abc\""),
            ("-1h", "not a valid duration string: \"-1h\""),
            ("1h1d", "not a valid duration string: \"1h1d\""),
            ("1d1d", "not a valid duration string: \"1d1d\""),
            ("1.5h", "unknown unit \".\" in duration \"1.5h\""),
            ("1H", "unknown unit \"H\" in duration \"1H\""),
            ("293y", "duration out of range"),
            ("99999999999y", "duration out of range"),
        ] {
            assert_eq!(parse_prom(bad).unwrap_err(), error, "{bad}");
        }
    }
}
