//! Sizes in bytes as upstream prints and reads them.

/// `1.5 kB`: powers of 1000, one decimal below ten.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut scale = 1u64;
    let mut unit = 0;
    while bytes / scale >= 1000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    let value = (bytes as f64 / scale as f64 * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// Reads a size such as `600MB` or `12`: digits, then a unit of powers of 1024 in any case. `Kb`, `Mb`… mean bits and
/// are refused. None when it is no size or overflows.
pub fn parse_byte_size(text: &str) -> Option<u64> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let value: u64 = if text.is_empty() { 0 } else { digits.parse().ok()? };
    let unit = unit.trim();
    if matches!(unit, "Kb" | "Mb" | "Gb" | "Tb" | "Pb" | "Eb") {
        return None;
    }
    let shift = match unit.to_lowercase().as_str() {
        "" | "b" | "byte" => 0,
        "k" | "kb" | "kilo" | "kilobyte" | "kilobytes" => 10,
        "m" | "mb" | "mega" | "megabyte" | "megabytes" => 20,
        "g" | "gb" | "giga" | "gigabyte" | "gigabytes" => 30,
        "t" | "tb" | "tera" | "terabyte" | "terabytes" => 40,
        "p" | "pb" | "peta" | "petabyte" | "petabytes" => 50,
        "e" | "eb" | "exa" | "exabyte" | "exabytes" => 60,
        _ => return None,
    };
    value.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_as_upstreams() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1500, "1.5 kB"),
            (16 << 20, "17 MB"),
            (82_854_982, "83 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn sizes_read() {
        assert_eq!(parse_byte_size("600MB"), Some(600 << 20));
        assert_eq!(parse_byte_size("12"), Some(12));
        assert_eq!(parse_byte_size("2 kb "), Some(2048));
        for bad in [" 2", "x", "1.5GB", "-1", "99999999999EB", "1zb", "1Mb"] {
            assert_eq!(parse_byte_size(bad), None, "{bad}");
        }
    }
}
