//! Reading times by layout.

use super::civil::{MONTHS, WEEKDAYS, days_before, days_in, is_leap};
use super::layout::{Element, Offset, Parts, next_element};
use super::{Time, Zone};

/// Cursor over the text being read.
struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn take(&mut self, len: usize) -> Option<&'t [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    /// One or two digits; `fixed` wants two.
    fn number(&mut self, fixed: bool) -> Option<i64> {
        self.digits(if fixed { 2 } else { 1 }, 2)
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<i64> {
        let len = self.0.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        if len < least { None } else { decimal(self.take(len)?) }
    }

    /// The name, in any case, that comes first in `names`; only its first `len` letters if given.
    fn name(&mut self, names: &[&'static str], len: Option<usize>) -> Option<i64> {
        let spelled = |name: &'static str| &name.as_bytes()[..len.unwrap_or(name.len())];
        let found = names.iter().position(|name| {
            let name = spelled(name);
            self.0.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
        })?;
        self.take(spelled(names[found]).len())?;
        Some(found as i64)
    }

    /// Text of the layout; runs of spaces match runs of spaces, or none at the end.
    fn literal(&mut self, mut text: &[u8]) -> Option<()> {
        while let Some(&byte) = text.first() {
            if byte == b' ' {
                if self.0.first().is_some_and(|&b| b != b' ') {
                    return None;
                }
                text = text.trim_prefix_spaces();
                self.0 = self.0.trim_prefix_spaces();
                continue;
            }
            self.0 = self.0.strip_prefix(&[byte])?;
            text = &text[1..];
        }
        Some(())
    }
}

trait Spaces {
    fn trim_prefix_spaces(&self) -> &Self;
}

impl Spaces for [u8] {
    fn trim_prefix_spaces(&self) -> &[u8] {
        let spaces = self.iter().take_while(|&&b| b == b' ').count();
        &self[spaces..]
    }
}

fn decimal(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, b| value.checked_mul(10)?.checked_add(i64::from(b.checked_sub(b'0')?)))
}

/// As package `time` reads a number of a fixed width: a sign is allowed.
fn signed(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    digits.iter().all(u8::is_ascii_digit).then(|| decimal(digits))?.map(|value| sign * value)
}

/// What has been read.
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    am: bool,
    pm: bool,
    utc: bool,
    offset: Option<i64>,
    zone_name: Vec<u8>,
}

/// `time.ParseInLocation`; `None` where it gives an error.
pub(crate) fn parse_in(layout: &[u8], text: &[u8], zone: &Zone) -> Option<Time> {
    if matches!(layout, b"2006-01-02T15:04:05Z07:00" | b"2006-01-02T15:04:05.999999999Z07:00")
        && let Some(time) = parse_rfc3339(text, zone)
    {
        return Some(time);
    }
    let mut fields = Fields {
        year: 0,
        month: None,
        day: None,
        year_day: None,
        hour: 0,
        minute: 0,
        second: 0,
        nanos: 0,
        am: false,
        pm: false,
        utc: false,
        offset: None,
        zone_name: Vec::new(),
    };
    let mut text = Reader(text);
    let mut layout = layout;
    loop {
        let (literal, element, rest) = next_element(layout);
        text.literal(literal)?;
        let Some(element) = element else { break };
        layout = rest;
        fields.read(element, &mut text, layout)?;
    }
    if !text.0.is_empty() {
        return None;
    }
    fields.time(zone)
}

fn within(value: i64, range: std::ops::Range<i64>) -> Option<i64> {
    range.contains(&value).then_some(value)
}

impl Fields {
    /// Reads one element; `layout` is what follows it.
    fn read(&mut self, element: Element, text: &mut Reader<'_>, layout: &[u8]) -> Option<()> {
        match element {
            Element::Year => {
                let year = signed(text.take(2)?)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Element::LongYear => {
                text.0.first().filter(|b| b.is_ascii_digit())?;
                self.year = signed(text.take(4)?)?;
            }
            Element::Month => self.month = Some(text.name(&MONTHS, Some(3))? + 1),
            Element::LongMonth => self.month = Some(text.name(&MONTHS, None)? + 1),
            Element::NumMonth => self.month = Some(within(text.number(false)?, 1..13)?),
            Element::ZeroMonth => self.month = Some(within(text.number(true)?, 1..13)?),
            Element::Weekday => _ = text.name(&WEEKDAYS, Some(3))?,
            Element::LongWeekday => _ = text.name(&WEEKDAYS, None)?,
            Element::Day => self.day = Some(text.number(false)?),
            Element::UnderDay => {
                text.0 = text.0.strip_prefix(b" ").unwrap_or(text.0);
                self.day = Some(text.number(false)?);
            }
            Element::ZeroDay => self.day = Some(text.number(true)?),
            Element::UnderYearDay => {
                text.0 = text.0.strip_prefix(b" ").unwrap_or(text.0);
                text.0 = text.0.strip_prefix(b" ").unwrap_or(text.0);
                self.year_day = Some(text.digits(1, 3)?);
            }
            Element::ZeroYearDay => self.year_day = Some(text.digits(3, 3)?),
            Element::Hour => self.hour = within(text.number(false)?, 0..24)?,
            Element::Hour12 => self.hour = within(text.number(false)?, 0..13)?,
            Element::ZeroHour12 => self.hour = within(text.number(true)?, 0..13)?,
            Element::Minute => self.minute = within(text.number(false)?, 0..60)?,
            Element::ZeroMinute => self.minute = within(text.number(true)?, 0..60)?,
            Element::Second | Element::ZeroSecond => {
                self.second = within(text.number(element == Element::ZeroSecond)?, 0..60)?;
                // A fraction may follow even if the layout has none.
                if !matches!(next_element(layout).1, Some(Element::Fraction { .. })) {
                    self.fraction(text)?;
                }
            }
            Element::UpperPm => self.meridiem(text.take(2)?, b"AM", b"PM")?,
            Element::LowerPm => self.meridiem(text.take(2)?, b"am", b"pm")?,
            Element::Offset(how) => self.offset(how, text)?,
            Element::ZoneName => {
                if let Some(rest) = text.0.strip_prefix(b"UTC") {
                    (text.0, self.utc) = (rest, true);
                } else {
                    self.zone_name = text.take(zone_name(text.0)?)?.to_vec();
                }
            }
            Element::Fraction { digits, trim: false, .. } => self.nanos = nanos(text.take(1 + digits)?)?,
            Element::Fraction { trim: true, .. } => self.fraction(text)?,
        }
        Some(())
    }

    /// A point or comma and digits, if they are there.
    fn fraction(&mut self, text: &mut Reader<'_>) -> Option<()> {
        if let [b'.' | b',', rest @ ..] = text.0 {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits > 0 {
                self.nanos = nanos(text.take(1 + digits)?)?;
            }
        }
        Some(())
    }

    fn meridiem(&mut self, text: &[u8], am: &[u8], pm: &[u8]) -> Option<()> {
        match text {
            t if t == pm => self.pm = true,
            t if t == am => self.am = true,
            _ => return None,
        }
        Some(())
    }

    fn offset(&mut self, how: Offset, text: &mut Reader<'_>) -> Option<()> {
        if how.zulu
            && let Some(rest) = text.0.strip_prefix(b"Z")
        {
            (text.0, self.utc) = (rest, true);
            return Some(());
        }
        let sign = match text.take(1)? {
            b"+" => 1,
            b"-" => -1,
            _ => return None,
        };
        let mut secs = within(text.digits(2, 2)?, 0..25)? * 3600;
        for (part, unit) in [(Parts::Minutes, 60), (Parts::Seconds, 1)] {
            if how.parts >= part {
                if how.colon {
                    text.0 = text.0.strip_prefix(b":")?;
                }
                secs += within(text.digits(2, 2)?, 0..61)? * unit;
            }
        }
        // Minus one second is how Go says that no offset was seen.
        self.offset = Some(sign * secs).filter(|&offset| offset != -1);
        Some(())
    }

    fn time(mut self, zone: &Zone) -> Option<Time> {
        if self.pm && self.hour < 12 {
            self.hour += 12;
        } else if self.am && self.hour == 12 {
            self.hour = 0;
        }
        let (month, day) = match self.year_day {
            Some(year_day) => {
                let (month, day) = date_of(year_day, self.year)?;
                if self.month.is_some_and(|m| m != month) || self.day.is_some_and(|d| d != day) {
                    return None;
                }
                (month, day)
            }
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in(month, self.year) {
            return None;
        }
        let clock = self.hour * 3600 + self.minute * 60 + self.second;
        let date = |zone: Zone| Time::date(self.year, month, day, clock, self.nanos, zone);
        if self.utc {
            return Some(date(Zone::Utc));
        }
        let name = &self.zone_name;
        if let Some(offset) = self.offset {
            let mut time = date(Zone::Utc);
            time.secs -= offset;
            let found = zone.lookup(time.secs);
            let same = found.offset == offset && (name.is_empty() || found.name.as_bytes() == *name);
            let zone = if same { zone.clone() } else { Zone::fixed(name, offset) };
            return Some(time.in_zone(zone));
        }
        if !name.is_empty() {
            let mut time = date(Zone::Utc);
            if let Some(offset) = zone.offset_of(name, time.secs) {
                time.secs -= offset;
                return Some(time.in_zone(zone.clone()));
            }
            let hours = name.strip_prefix(b"GMT").and_then(signed).unwrap_or(0);
            return Some(time.in_zone(Zone::fixed(name, hours * 3600)));
        }
        Some(date(zone.clone()))
    }
}

/// Month and day of the day `year_day`, from 1.
fn date_of(mut year_day: i64, year: i64) -> Option<(i64, i64)> {
    if is_leap(year) {
        if year_day == 31 + 29 {
            return Some((2, 29));
        }
        year_day -= i64::from(year_day > 31 + 29);
    }
    within(year_day, 1..366)?;
    let month = (1..=12).rev().find(|&month| days_before(month) < year_day)?;
    Some((month, year_day - days_before(month)))
}

/// A point and up to nine digits that count.
fn nanos(text: &[u8]) -> Option<i64> {
    let digits = match text {
        [b'.' | b',', digits @ ..] => &digits[..digits.len().min(9)],
        _ => return None,
    };
    // A sign is taken, but nothing below zero.
    let value = within(signed(digits)?, 0..i64::MAX)?;
    Some(value * 10_i64.pow(9 - digits.len() as u32))
}

/// Length of what looks like a zone's abbreviation.
fn zone_name(text: &[u8]) -> Option<usize> {
    if text.len() < 3 {
        return None;
    }
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + hours(rest).unwrap_or(0));
    }
    if matches!(text[0], b'+' | b'-') {
        return hours(text);
    }
    match text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count() {
        5 if text[4] == b'T' => Some(5),
        4 if text[3] == b'T' || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// Length of a sign and a number up to 23.
fn hours(text: &[u8]) -> Option<usize> {
    let (b"+" | b"-", rest) = text.split_at_checked(1)? else { return None };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    (digits > 0 && decimal(&rest[..digits])? <= 23).then_some(1 + digits)
}

/// `2006-01-02T15:04:05` with an optional fraction and `Z` or an offset; what does not fit is left to the layout.
fn parse_rfc3339(text: &[u8], zone: &Zone) -> Option<Time> {
    let (date, rest) = text.split_at_checked(19)?;
    let number = |from: usize, to: usize, range: std::ops::Range<i64>| {
        let digits = &date[from..to];
        digits.iter().all(u8::is_ascii_digit).then(|| decimal(digits))?.filter(|value| range.contains(value))
    };
    let (year, month) = (number(0, 4, 0..10_000)?, number(5, 7, 1..13)?);
    let day = number(8, 10, 1..days_in(month, year) + 1)?;
    let (hour, minute, second) = (number(11, 13, 0..24)?, number(14, 16, 0..60)?, number(17, 19, 0..60)?);
    if [4, 7, 10, 13, 16].map(|at| date[at]) != *b"--T::" {
        return None;
    }
    let mut rest = rest;
    let mut fraction = 0;
    if let [b'.', digits @ ..] = rest {
        let len = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        if len > 0 {
            let (digits, tail) = rest.split_at(1 + len);
            (fraction, rest) = (nanos(digits)?, tail);
        }
    }
    let mut time = Time::date(year, month, day, hour * 3600 + minute * 60 + second, fraction, Zone::Utc);
    if rest == b"Z" {
        return Some(time);
    }
    let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = rest else { return None };
    let offset = within(signed_pair(h1, h2)?, 0..24)? * 3600 + within(signed_pair(m1, m2)?, 0..60)? * 60;
    let offset = if sign == b'-' { -offset } else { offset };
    time.secs -= offset;
    let zone = if zone.lookup(time.secs).offset == offset { zone.clone() } else { Zone::fixed(b"", offset) };
    Some(time.in_zone(zone))
}

fn signed_pair(tens: u8, ones: u8) -> Option<i64> {
    let pair = [tens, ones];
    pair.iter().all(u8::is_ascii_digit).then(|| decimal(&pair))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(layout: &str, text: &str) -> Option<String> {
        let mut out = Vec::new();
        parse_in(layout.as_bytes(), text.as_bytes(), &Zone::Local)?.print(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn reads() {
        let is = |layout: &str, text: &str, want: &str| assert_eq!(read(layout, text).as_deref(), Some(want), "{text}");
        is("2006-01-02", "2023-02-28", "2023-02-28 00:00:00 +0000 UTC");
        is("2006-01-02 15:04:05", "2023-02-28   01:02:03.5", "2023-02-28 01:02:03.5 +0000 UTC");
        is("2006-01-02T15:04:05Z07:00", "2023-02-28T01:02:03+02:00", "2023-02-28 01:02:03 +0200 +0200");
        is("Mon Jan _2 3:04PM 2006 MST", "tue FEB  7 1:02PM 2023 CEST", "2023-02-07 13:02:00 +0000 CEST");
        is("02 GMT+7 MST", "03 GMT+7 GMT-3", "0000-01-02 21:00:00 -0300 GMT-3");
        is("2006 002", "2024 060", "2024-02-29 00:00:00 +0000 UTC");
        for (layout, text) in [
            ("2006-01-02", "2023-02-29"),
            ("2006-01-02", "2023-2-28"),
            ("15", "24"),
            ("3PM", "3pm"),
            ("2006 002", "2023 366"),
            ("2006", "2023x"),
            ("Z07:00", "+0100"),
        ] {
            assert_eq!(read(layout, text), None, "{layout} {text}");
        }
    }
}
