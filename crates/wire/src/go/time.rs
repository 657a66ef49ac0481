//! RFC 3339 as Go's `time.Parse` reads it, errors included, and prints it.

use std::fmt::Write;

/// Why text is not an RFC 3339 time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// An element does not look as it should.
    #[error("parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse {} as \"{element}\"", quote(.text), quote(.rest))]
    Syntax {
        /// The whole text.
        text: String,
        /// What was left where it failed.
        rest: String,
        /// The element of the layout.
        element: &'static str,
    },
    /// An element is out of its range.
    #[error("parsing time {}: {what} out of range", quote(.text))]
    Range {
        /// The whole text.
        text: String,
        /// Which element.
        what: &'static str,
    },
    /// Something follows the time.
    #[error("parsing time {}: extra text: {}", quote(.text), quote(.rest))]
    Extra {
        /// The whole text.
        text: String,
        /// What follows.
        rest: String,
    },
}

fn quote(text: &str) -> String {
    loptr_model::go_quote(text)
}

/// Reads `2006-01-02T15:04:05.999999999Z07:00` into seconds since the epoch and nanoseconds.
///
/// As Go has it, the hour may be one digit and the fraction may follow a comma and be of any length.
pub fn parse_rfc3339(text: &str) -> Result<(i64, i64), TimeError> {
    let mut scan = Scan { text, rest: text };
    let year = scan.digits(4, "2006")?;
    scan.literal("-")?;
    let month = scan.ranged(2, "01", 1..=12, "month")?;
    scan.literal("-")?;
    let day = scan.digits(2, "02")?;
    scan.literal("T")?;
    let hour = scan.hour()?;
    scan.literal(":")?;
    let minute = scan.ranged(2, "04", 0..=59, "minute")?;
    scan.literal(":")?;
    let second = scan.ranged(2, "05", 0..=59, "second")?;
    let nanos = scan.fraction();
    let offset = scan.zone()?;
    if !scan.rest.is_empty() {
        return Err(TimeError::Extra { text: text.to_owned(), rest: scan.rest.to_owned() });
    }
    if day < 1 || day > days_in(year, month) {
        return Err(TimeError::Range { text: text.to_owned(), what: "day" });
    }
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    Ok((seconds, nanos))
}

struct Scan<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Scan<'_> {
    fn syntax(&self, element: &'static str) -> TimeError {
        TimeError::Syntax { text: self.text.to_owned(), rest: self.rest.to_owned(), element }
    }

    fn range(&self, what: &'static str) -> TimeError {
        TimeError::Range { text: self.text.to_owned(), what }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), TimeError> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.syntax(literal))?;
        Ok(())
    }

    fn digits(&mut self, count: usize, element: &'static str) -> Result<i64, TimeError> {
        let digits = self.rest.get(..count).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let value = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.syntax(element))?;
        self.rest = &self.rest[count..];
        Ok(value)
    }

    fn ranged(
        &mut self,
        count: usize,
        element: &'static str,
        range: std::ops::RangeInclusive<i64>,
        what: &'static str,
    ) -> Result<i64, TimeError> {
        let value = self.digits(count, element)?;
        if range.contains(&value) { Ok(value) } else { Err(self.range(what)) }
    }

    fn hour(&mut self) -> Result<i64, TimeError> {
        let digits = self.rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        self.ranged(digits.max(1), "15", 0..=23, "hour")
    }

    fn fraction(&mut self) -> i64 {
        let Some(digits) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let len = digits.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return 0;
        }
        let nanos = digits.bytes().take(len).chain(std::iter::repeat(b'0')).take(9);
        self.rest = &digits[len..];
        nanos.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
    }

    /// Seconds east of UTC.
    fn zone(&mut self) -> Result<i64, TimeError> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let zone = self.rest.get(..6).map(str::as_bytes);
        let Some(&[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]) = zone else { return Err(self.syntax("Z07:00")) };
        if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
            return Err(self.syntax("Z07:00"));
        }
        let pair = |high: u8, low: u8| i64::from(high - b'0') * 10 + i64::from(low - b'0');
        let (hours, minutes) = (pair(h1, h2), pair(m1, m2));
        if hours > 24 {
            return Err(self.range("time zone offset hour"));
        }
        if minutes > 60 {
            return Err(self.range("time zone offset minute"));
        }
        self.rest = &self.rest[6..];
        let offset = hours * 3600 + minutes * 60;
        Ok(if sign == b'-' { -offset } else { offset })
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a number of days since 1970-01-01 (the inverse of [`days_since_epoch`]).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// Appends a time in nanoseconds since the epoch in Go's `time.RFC3339Nano`: UTC, no trailing zeros in the fraction.
pub fn format_rfc3339_nanos(nanos: i64, out: &mut String) {
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}").expect("a String takes all");
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        out.push('.');
        out.push_str(digits.trim_end_matches('0'));
    }
    out.push('Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_go_reads_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", (0, 0)),
            ("2026-11-19T10:58:46.913468766Z", (1_795_085_926, 913_468_766)),
            ("2026-11-19T12:58:46,5+02:00", (1_795_085_926, 500_000_000)),
            ("2026-11-21T1:00:00Z", (1_795_222_800, 0)),
            ("2024-02-29T23:59:59.1234567899-24:60", (1_709_341_199, 123_456_789)),
            ("0001-01-01T00:00:00Z", (-62_135_596_800, 0)),
        ] {
            assert_eq!(parse_rfc3339(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_are_gos() {
        let layout = "2006-01-02T15:04:05Z07:00";
        for (text, expected) in [
            ("", format!("parsing time \"\" as \"{layout}\": cannot parse \"\" as \"2006\"")),
            ("abc", format!("parsing time \"abc\" as \"{layout}\": cannot parse \"abc\" as \"2006\"")),
            (
                "2026-11-21 10:00:00Z",
                format!("parsing time \"2026-11-21 10:00:00Z\" as \"{layout}\": cannot parse \" 10:00:00Z\" as \"T\""),
            ),
            ("2026-11-31T10:00:00Z", "parsing time \"2026-11-31T10:00:00Z\": day out of range".to_owned()),
            ("2026-13-21T10:00:00Z", "parsing time \"2026-13-21T10:00:00Z\": month out of range".to_owned()),
            ("2026-11-21T10:00:60Z", "parsing time \"2026-11-21T10:00:60Z\": second out of range".to_owned()),
            (
                "2026-11-21T10:00:00+25:00",
                "parsing time \"2026-11-21T10:00:00+25:00\": time zone offset hour out of range".to_owned(),
            ),
            ("2026-11-21T10:00:00Zx", "parsing time \"2026-11-21T10:00:00Zx\": extra text: \"x\"".to_owned()),
        ] {
            assert_eq!(parse_rfc3339(text).expect_err(text).to_string(), expected);
        }
    }

    #[test]
    fn times_print_and_read_back() {
        for nanos in [0, 1, -1, 1_795_085_926_913_468_766, 1_700_000_000_123_000_000, i64::MAX, i64::MIN] {
            let mut text = String::new();
            format_rfc3339_nanos(nanos, &mut text);
            let (seconds, fraction) = parse_rfc3339(&text).expect("printed time");
            assert_eq!(i128::from(seconds) * 1_000_000_000 + i128::from(fraction), i128::from(nanos), "{text}");
        }
        let mut text = String::new();
        format_rfc3339_nanos(1_700_000_000_120_000_000, &mut text);
        assert_eq!(text, "2023-11-14T22:13:20.12Z");
    }
}
