//! Floating point numbers as text, as Go's `strconv.FormatFloat` writes them.

/// Appends `value`. `verb` is one of `e E f g G x X b`; without `precision` as many digits as tell it from its neighbours.
pub(crate) fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let value = value.abs();
    let body = match verb {
        b'b' => binary(value),
        b'x' | b'X' => hexadecimal(value, precision, verb == b'X'),
        b'f' => match precision {
            Some(precision) => format!("{value:.precision$}"),
            None => format!("{value}"),
        },
        b'e' | b'E' => exponent(&Digits::new(value, precision.map(|p| p + 1)), precision, verb),
        b'G' => general(value, precision, b'E'),
        _ => general(value, precision, b'e'),
    };
    format!("{sign}{body}")
}

/// Significant digits without zeros at the end, and where the point is: 0.digits times ten to the `point`.
struct Digits {
    digits: String,
    point: i32,
}

impl Digits {
    /// At most `count` digits, or as many as are needed.
    fn new(value: f64, count: Option<usize>) -> Digits {
        if value == 0.0 {
            return Digits { digits: String::new(), point: 0 };
        }
        let text = match count {
            Some(count) => format!("{value:.*e}", count.max(1) - 1),
            None => format!("{value:e}"),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut digits: String = mantissa.chars().filter(|&c| c != '.').collect();
        digits.truncate(digits.trim_end_matches('0').len());
        Digits { digits, point: exponent.parse().unwrap_or(0) + 1 }
    }
}

/// `d.ddde±dd`, with `precision` digits behind the point or as many as there are.
fn exponent(digits: &Digits, precision: Option<usize>, verb: u8) -> String {
    let all = &digits.digits;
    let mut out = all.get(..1).unwrap_or("0").to_owned();
    let rest = all.get(1..).unwrap_or("");
    let wanted = precision.unwrap_or(rest.len());
    if wanted > 0 {
        out.push('.');
        out.push_str(rest);
        out.extend(std::iter::repeat_n('0', wanted - rest.len().min(wanted)));
    }
    let exponent = if all.is_empty() { 0 } else { digits.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{out}{}{sign}{:02}", char::from(verb), exponent.abs())
}

/// `%g`: with an exponent where it is large.
fn general(value: f64, precision: Option<usize>, verb: u8) -> String {
    let shown = precision.map(|p| p.max(1));
    let digits = Digits::new(value, shown);
    let count = digits.digits.len();
    let mut threshold = shown.unwrap_or(6) as i64;
    if shown.is_some() && threshold > count as i64 && count as i64 >= i64::from(digits.point) {
        threshold = count as i64;
    }
    let exp = i64::from(digits.point) - 1;
    if exp < -4 || exp >= threshold {
        return exponent(&digits, None, verb);
    }
    // Without exponent: the digits with a point among, before or behind them.
    let point = digits.point;
    let text = &digits.digits;
    if text.is_empty() {
        return "0".to_owned();
    }
    if point <= 0 {
        return format!("0.{}{text}", "0".repeat(point.unsigned_abs() as usize));
    }
    match text.split_at_checked(point as usize) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, part)) => format!("{whole}.{part}"),
        None => format!("{text}{}", "0".repeat(point as usize - count)),
    }
}

/// Mantissa and exponent of two, as the number is stored.
fn parts(value: f64) -> (u64, i64) {
    let bits = value.to_bits();
    let (mantissa, exponent) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7ff) as i64);
    if exponent == 0 { (mantissa, -1074) } else { (mantissa | 1 << 52, exponent - 1075) }
}

fn binary(value: f64) -> String {
    let (mantissa, exponent) = parts(value);
    format!("{mantissa}p{exponent:+}")
}

/// `0x1.8p+01`
fn hexadecimal(value: f64, precision: Option<usize>, upper: bool) -> String {
    let (mut mantissa, mut exponent) = parts(value);
    exponent += 52;
    if mantissa == 0 {
        exponent = 0;
    } else {
        // To 1.xxx with sixty bits behind the point.
        let shift = mantissa.leading_zeros() as i64 - 3;
        mantissa <<= shift;
        exponent -= shift - 8;
    }
    if let Some(precision) = precision.filter(|&p| p < 15) {
        let drop = 60 - 4 * precision as u32;
        let lost = mantissa & ((1 << drop) - 1);
        let half = 1 << (drop - 1);
        mantissa >>= drop;
        if lost > half || lost == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 61 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut digits = format!("{:015x}", mantissa & ((1 << 60) - 1));
    match precision {
        None => digits.truncate(digits.trim_end_matches('0').len()),
        Some(precision) => {
            digits.truncate(precision);
            digits.extend(std::iter::repeat_n('0', precision - digits.len()));
        }
    }
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("0x{}{point}{digits}p{sign}{:02}", mantissa >> 60, exponent.abs());
    if upper { text.to_uppercase() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortest() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.3, "0.3"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (2.5e6, "2.5e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (12.5, "12.5"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(value, b'g', None), text);
        }
    }

    #[test]
    fn verbs() {
        assert_eq!(format_float(1234.5678, b'e', Some(6)), "1.234568e+03");
        assert_eq!(format_float(0.0, b'e', Some(2)), "0.00e+00");
        assert_eq!(format_float(1.0, b'E', None), "1E+00");
        assert_eq!(format_float(2.5, b'f', Some(0)), "2");
        assert_eq!(format_float(100.0, b'g', Some(3)), "100");
        assert_eq!(format_float(1000.0, b'g', Some(3)), "1e+03");
        assert_eq!(format_float(1234.5678, b'G', Some(2)), "1.2E+03");
        assert_eq!(format_float(1.5, b'x', None), "0x1.8p+00");
        assert_eq!(format_float(1.9999, b'X', Some(1)), "0X1.0P+01");
        assert_eq!(format_float(0.0, b'x', Some(2)), "0x0.00p+00");
        assert_eq!(format_float(5e-324, b'x', None), "0x1p-1074");
        assert_eq!(format_float(1.0, b'b', None), "4503599627370496p-52");
    }
}
