//! The two size grammars. Plain sizes (`256KB`, `1 megabyte`, `262144`) ignore letter case and take one whole number;
//! base-2 sizes (`4GiB`, `1GiB512MiB`, `1.5MB`) need units, mind the case and may be fractions and sums. All units are
//! powers of 1024 in both.

const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
const LONG_UNITS: [&str; 7] = ["BYTE", "KILO", "MEGA", "GIGA", "TERA", "PETA", "EXA"];

fn power(exponent: usize) -> u64 {
    1 << (10 * exponent)
}

/// Power of 1024 of an upper-case unit of the plain grammar.
fn plain_unit(unit: &str) -> Option<usize> {
    if unit.is_empty() {
        return Some(0);
    }
    (0..UNITS.len()).find(|&n| {
        let long = LONG_UNITS[n];
        unit == UNITS[n]
            || (n > 0 && unit == &UNITS[n][..1] && unit != "E")
            || ((1..6).contains(&n)
                && (unit == long || unit.strip_prefix(long).is_some_and(|s| s == "BYTE" || s == "BYTES")))
            || (n == 0 && unit == long)
    })
}

/// Reads a plain size; the error is upstream's text.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let upper = text.to_uppercase();
    let error = |why: &str| Err(format!("strconv.UnmarshalText: parsing {}: {why}", loptr_model::go_quote(&upper)));
    if upper.is_empty() {
        return Ok(0);
    }
    let digits = upper.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = upper.split_at(digits);
    if number.is_empty() {
        return error("invalid syntax");
    }
    let Ok(number) = number.parse::<u64>() else { return error("value out of range") };
    let Some(exponent) = plain_unit(unit.trim()) else { return error("invalid syntax") };
    match number.checked_mul(power(exponent)) {
        Some(bytes) => Ok(bytes),
        None => error("value out of range"),
    }
}

/// Prints a plain size with the largest unit that leaves no rest.
pub(crate) fn format_bytes(bytes: u64) -> String {
    let exponent = (0..UNITS.len()).rev().find(|&n| bytes != 0 && bytes.is_multiple_of(power(n))).unwrap_or(0);
    format!("{}{}", bytes / power(exponent), UNITS[exponent])
}

/// Power of 1024 of a unit of the base-2 grammar.
fn base2_unit(unit: &str) -> Option<usize> {
    const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    (0..UNITS.len()).find(|&n| unit == UNITS[n] || unit == BINARY[n])
}

/// Reads a base-2 size; the error is upstream's text.
pub(crate) fn parse_base2(text: &str) -> Result<u64, String> {
    let invalid = || format!("units: invalid {text}");
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0f64;
    while !rest.is_empty() {
        let number_len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, tail) = rest.split_at(number_len);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_len = tail.bytes().take_while(|b| !b.is_ascii_digit() && *b != b'.').count();
        let (unit, tail) = tail.split_at(unit_len);
        let exponent = base2_unit(unit).ok_or_else(|| format!("units: unknown unit {unit} in {text}"))?;
        total += number * power(exponent) as f64;
        rest = tail;
    }
    if total >= i64::MAX as f64 { Err("units: overflow parsing unit".to_owned()) } else { Ok(total as u64) }
}

/// Prints a base-2 size as a sum of units, largest first: `1GiB512MiB`.
pub(crate) fn format_base2(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let mut out = String::new();
    let mut rest = bytes;
    for exponent in (0..UNITS.len()).rev() {
        let count = rest / power(exponent);
        if count > 0 {
            let infix = if exponent == 0 { "" } else { "i" };
            out.push_str(&format!("{count}{}{infix}B", &UNITS[exponent][..usize::from(exponent > 0)]));
            rest %= power(exponent);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_sizes() {
        for (text, bytes) in [
            ("", 0),
            ("0", 0),
            ("262144", 262_144),
            ("256kb", 262_144),
            ("256 KB ", 262_144),
            ("256K", 262_144),
            ("1 megabyte", 1 << 20),
            ("2gigabytes", 2 << 30),
            ("15EB", 15 << 60),
            ("7b", 7),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["abc", "1.5MB", "256KiB", "-1", "1e3", "0x10", "1_000", "12 XB", "100.5", "1 exabyte"] {
            assert!(parse_bytes(bad).unwrap_err().ends_with(": invalid syntax"), "{bad}");
        }
        for huge in ["16EB", "99999999999999999999"] {
            assert!(parse_bytes(huge).unwrap_err().ends_with(": value out of range"), "{huge}");
        }
        for (bytes, text) in
            [(0, "0B"), (100, "100B"), (262_144, "256KB"), (1536 << 10, "1536KB"), (150 << 30, "150GB")]
        {
            assert_eq!(format_bytes(bytes), text);
        }
    }

    #[test]
    fn base2_sizes() {
        for (text, bytes, printed) in [
            ("0", 0, "0B"),
            ("4GiB", 4 << 30, "4GiB"),
            ("1GB512MiB", (1 << 30) + (512 << 20), "1GiB512MiB"),
            ("1.5MB", 3 << 19, "1MiB512KiB"),
            ("10B", 10, "10B"),
        ] {
            assert_eq!(parse_base2(text), Ok(bytes), "{text}");
            assert_eq!(format_base2(bytes), printed);
        }
        for bad in ["", "1", "1kb", "1 MB", "x", "1..5MB", "99EB"] {
            assert!(parse_base2(bad).is_err(), "{bad}");
        }
    }
}
