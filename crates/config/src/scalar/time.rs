//! Dates and times: `YYYY-MM-DD`, `YYYY-MM-DDTHH:MM`, RFC 3339, and what YAML 1.1 takes for a timestamp.

const DAY_SECONDS: i64 = 86_400;
const NANOS: i128 = 1_000_000_000;

/// Days since 1970-01-01 of a proleptic Gregorian date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Year, month and day of a day number.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_shifted = (5 * day_of_year + 2) / 153;
    let month = if month_shifted < 10 { month_shifted + 3 } else { month_shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * month_shifted + 2) / 5 + 1)
}

/// Takes `min..=max` digits off the front.
fn digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// Reads `YYYY-MM-DD` into days since 1970-01-01; the error is Go's text.
pub(crate) fn parse_date(text: &str) -> Result<i64, String> {
    let quoted = loptr_model::go_quote;
    let stuck = |rest: &str, want: &str| {
        format!("parsing time {} as \"2006-01-02\": cannot parse {} as {}", quoted(text), quoted(rest), quoted(want))
    };
    let (year, rest) = digits(text, 4, 4).ok_or_else(|| stuck(text, "2006"))?;
    let rest = rest.strip_prefix('-').ok_or_else(|| stuck(rest, "-"))?;
    let (month, tail) = digits(rest, 2, 2).ok_or_else(|| stuck(rest, "01"))?;
    if !(1..=12).contains(&month) {
        return Err(format!("parsing time {}: month out of range", quoted(text)));
    }
    let rest = tail.strip_prefix('-').ok_or_else(|| stuck(tail, "-"))?;
    let (day, rest) = digits(rest, 2, 2).ok_or_else(|| stuck(rest, "02"))?;
    if !rest.is_empty() {
        return Err(format!("parsing time {}: extra text: {}", quoted(text), quoted(rest)));
    }
    days(year, month, day).ok_or_else(|| format!("parsing time {}: day out of range", quoted(text)))
}

/// `YYYY-MM-DD` of a day number.
pub(crate) fn format_date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Seconds since 1970 and nanoseconds of `HH:MM[:SS[.fraction]]` after a date; with `loose`, one digit may do.
fn clock(text: &str, loose: bool, need_seconds: bool) -> Option<(i64, i64, &str)> {
    let min = if loose { 1 } else { 2 };
    let (hour, rest) = digits(text, min, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, min, 2)?;
    if hour > 23 || minute > 59 {
        return None;
    }
    let Some(seconds) = rest.strip_prefix(':').filter(|_| need_seconds) else {
        return if need_seconds { None } else { Some((hour * 3600 + minute * 60, 0, rest)) };
    };
    let (second, rest) = digits(seconds, min, 2)?;
    if second > 59 {
        return None;
    }
    let mut nanos = 0;
    let mut rest = rest;
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let count = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        for place in 0..9 {
            nanos = nanos * 10 + fraction.as_bytes()[..count].get(place).map_or(0, |b| i64::from(b - b'0'));
        }
        rest = &fraction[count..];
    }
    Some((hour * 3600 + minute * 60 + second, nanos, rest))
}

/// Offset in seconds of `Z` or `+HH:MM`.
fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hour, rest) = digits(&text[1..], 2, 2)?;
    let (minute, rest) = digits(rest.strip_prefix(':')?, 2, 2)?;
    (rest.is_empty() && hour <= 24 && minute < 60).then_some(sign * (hour * 3600 + minute * 60))
}

fn unix_nanos(day: i64, seconds: i64, nanos: i64) -> i64 {
    let whole = (i128::from(day) * i128::from(DAY_SECONDS) + i128::from(seconds)) * NANOS + i128::from(nanos);
    i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
}

/// Reads `0` (no time), a date, a date with minutes, or RFC 3339, into Unix nanoseconds. Without a zone it is UTC.
/// What lies outside 1677 to 2262 becomes the nearest time that fits: `9999-12-31` means as long as can be.
pub(crate) fn parse_time(text: &str) -> Result<Option<i64>, String> {
    if text == "0" {
        return Ok(None);
    }
    let parsed = || {
        let (date, rest) = text.split_at_checked(10)?;
        let day = parse_date(date).ok()?;
        if rest.is_empty() {
            return Some(unix_nanos(day, 0, 0));
        }
        let after = rest.strip_prefix('T')?;
        if let Some((seconds, _, "")) = clock(after, false, false) {
            return Some(unix_nanos(day, seconds, 0));
        }
        let (seconds, nanos, rest) = clock(after, false, true)?;
        Some(unix_nanos(day, seconds - zone(rest)?, nanos))
    };
    parsed().map(Some).ok_or_else(|| format!("failed to parse time: {}", loptr_model::go_quote(text)))
}

/// Prints Unix nanoseconds as RFC 3339 in UTC; no time is `0`.
pub(crate) fn format_time(nanos: Option<i64>) -> String {
    let Some(nanos) = nanos else { return "0".to_owned() };
    let (seconds, fraction) = (nanos.div_euclid(NANOS as i64), nanos.rem_euclid(NANOS as i64));
    let (day, second) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let mut text = format!("{}T{:02}:{:02}:{:02}", format_date(day), second / 3600, second / 60 % 60, second % 60);
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        text.push_str(&format!(".{}", digits.trim_end_matches('0')));
    }
    text + "Z"
}

/// Whether YAML 1.1 takes a plain scalar for a timestamp: only the name of its type in error texts depends on it.
pub(crate) fn is_yaml_timestamp(text: &str) -> bool {
    let parsed = || {
        let (year, rest) = digits(text, 4, 4)?;
        let (month, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        let (day, rest) = digits(rest.strip_prefix('-')?, 1, 2)?;
        days(year, month, day)?;
        if rest.is_empty() {
            return Some(());
        }
        let zoned = !rest.starts_with(' ');
        let (.., rest) = clock(rest.strip_prefix(['T', 't', ' '])?, true, true)?;
        if zoned { zone(rest).map(|_| ()) } else { rest.is_empty().then_some(()) }
    };
    parsed().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("2024-02-29", 19_782),
            ("1969-12-31", -1),
            ("2020-10-24", 18_559),
            ("0001-01-01", -719_162),
        ] {
            assert_eq!(parse_date(text), Ok(day), "{text}");
            assert_eq!(format_date(day), text);
        }
        for (bad, error) in [
            ("x", r#"parsing time "x" as "2006-01-02": cannot parse "x" as "2006""#),
            ("2024-1-2", r#"parsing time "2024-1-2" as "2006-01-02": cannot parse "1-2" as "01""#),
            ("2024-13-01", r#"parsing time "2024-13-01": month out of range"#),
            ("2023-02-29", r#"parsing time "2023-02-29": day out of range"#),
            ("2024-01-02T", r#"parsing time "2024-01-02T": extra text: "T""#),
        ] {
            assert_eq!(parse_date(bad).unwrap_err(), error);
        }
    }

    #[test]
    fn times_go_both_ways() {
        for (text, printed) in [
            ("0", "0"),
            ("2024-01-01", "2024-01-01T00:00:00Z"),
            ("2024-01-01T10:30", "2024-01-01T10:30:00Z"),
            ("2024-01-01T10:30:15.5+02:00", "2024-01-01T08:30:15.5Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(parse_time(text).map(format_time), Ok(printed.to_owned()), "{text}");
        }
        for bad in ["", "abc", "2024-13-01", "2024-01-01T25:00", "2024-01-01T10:30:15", "2024-01-01 10:00"] {
            assert_eq!(parse_time(bad).unwrap_err(), format!("failed to parse time: \"{bad}\""));
        }
        assert_eq!(parse_time("9999-12-31"), Ok(Some(i64::MAX)), "for ever");
    }

    #[test]
    fn yaml_timestamps() {
        for yes in ["2024-01-01", "2024-1-2", "2024-01-01T1:2:3Z", "2024-01-01t01:02:03.5-05:00", "2024-01-01 10:00:00"]
        {
            assert!(is_yaml_timestamp(yes), "{yes}");
        }
        for no in ["2024", "2024-01", "2024-13-01", "20240-1-1", "2024-01-01T10:00", "2024-01-01 10:00:00Z"] {
            assert!(!is_yaml_timestamp(no), "{no}");
        }
    }
}
