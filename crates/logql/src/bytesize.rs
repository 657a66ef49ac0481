//! Byte sizes: `5KB`, `1.5GiB`. Decimal units are powers of 1000, `i` units powers of 1024.

/// Units in lower case; a trailing `b` is optional.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("k", 1_000),
    ("ki", 1 << 10),
    ("m", 1_000_000),
    ("mi", 1 << 20),
    ("g", 1_000_000_000),
    ("gi", 1 << 30),
    ("t", 1_000_000_000_000),
    ("ti", 1 << 40),
    ("p", 1_000_000_000_000_000),
    ("pi", 1 << 50),
    ("e", 1_000_000_000_000_000_000),
    ("ei", 1 << 60),
];

/// A number and a unit, fractions of a byte cut; none if it is neither or does not fit.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let size = number * *scale as f64;
    (size < u64::MAX as f64).then_some(size as u64)
}

/// Upstream's text, if it says exactly `size`; else all digits.
pub(crate) fn text(size: u64) -> String {
    if size == 0 {
        // `0B` would read as the start of a binary number.
        return "0.0B".to_owned();
    }
    let rounded = rounded(size);
    if parse(&rounded) == Some(size) { rounded } else { format!("{size}B") }
}

/// Upstream's text: the largest decimal unit, one decimal below 10.
pub(crate) fn rounded(size: u64) -> String {
    const NAMES: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if size < 10 {
        return format!("{size}B");
    }
    let exponent = (size.ilog10() / 3) as usize;
    let value = (size as f64 / 1000f64.powi(exponent as i32) * 10.0 + 0.5).floor() / 10.0;
    let name = NAMES.get(exponent).unwrap_or(&"EB");
    if value < 10.0 { format!("{value:.1}{name}") } else { format!("{value:.0}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let ok = [
            ("5B", 5),
            ("5K", 5_000),
            ("5kB", 5_000),
            ("5Ki", 5_120),
            ("1.5KiB", 1_536),
            ("5MB", 5_000_000),
            ("0.5B", 0),
            (".5GB", 500_000_000),
            ("1P", 1_000_000_000_000_000),
        ];
        for (text, size) in ok {
            assert_eq!(parse(text), Some(size), "{text}");
        }
        for text in ["5", "5KK", "5.5.5K", "B", "99999999P", "5_0K"] {
            assert_eq!(parse(text), if text == "5" { Some(5) } else { None }, "{text}");
        }
    }

    #[test]
    fn exact_text() {
        let cases = [
            (0, "0.0B"),
            (5, "5B"),
            (5_000_000, "5.0MB"),
            (1_234_567, "1234567B"),
            (1_500, "1.5kB"),
            (12_000, "12kB"),
            (1_536, "1536B"),
            (999_999, "999999B"),
        ];
        for (size, printed) in cases {
            assert_eq!(text(size), printed);
            assert_eq!(parse(printed), Some(size));
        }
    }
}
