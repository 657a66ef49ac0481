//! Go's layouts: a date and time spelled with the reference time, `Mon Jan 2 15:04:05 MST 2006`.

use super::Time;
use super::civil::{MONTHS, WEEKDAYS};

/// A part of a layout that stands for a part of the time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Element {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    /// `PM`
    UpperPm,
    /// `pm`
    LowerPm,
    /// `MST`
    ZoneName,
    Offset(Offset),
    /// `.000` or `.999`: digits, whether zeros at the end go, and the separator.
    Fraction {
        digits: usize,
        trim: bool,
        comma: bool,
    },
}

/// How an offset is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Offset {
    /// `Z07:00`: UTC is `Z`.
    pub(crate) zulu: bool,
    pub(crate) colon: bool,
    pub(crate) parts: Parts,
}

/// What an offset shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Parts {
    Hours,
    Minutes,
    Seconds,
}

/// Spellings after the sign or `Z`, in the order they are tried.
const OFFSETS: [(&[u8], bool, Parts); 5] = [
    (b"070000", false, Parts::Seconds),
    (b"07:00:00", true, Parts::Seconds),
    (b"0700", false, Parts::Minutes),
    (b"07:00", true, Parts::Minutes),
    (b"07", false, Parts::Hours),
];

/// Splits a layout at its first element: the text before, the element, what follows. No element: all of it is text.
pub(crate) fn next_element(layout: &[u8]) -> (&[u8], Option<Element>, &[u8]) {
    for at in 0..layout.len() {
        if let Some((skip, element, len)) = element_at(&layout[at..]) {
            return (&layout[..at + skip], Some(element), &layout[at + skip + len..]);
        }
    }
    (layout, None, b"")
}

/// The element `text` starts with: bytes of text before it, the element, its length.
fn element_at(text: &[u8]) -> Option<(usize, Element, usize)> {
    let has = |word: &[u8]| text.starts_with(word);
    // `Jan` is no month in `Janet`, as `Mon` is no weekday in `Month`.
    let ends = |len: usize| !text.get(len).is_some_and(u8::is_ascii_lowercase);
    let (element, len) = match *text.first()? {
        b'J' if has(b"January") => (Element::LongMonth, 7),
        b'J' if has(b"Jan") && ends(3) => (Element::Month, 3),
        b'M' if has(b"Monday") => (Element::LongWeekday, 6),
        b'M' if has(b"Mon") && ends(3) => (Element::Weekday, 3),
        b'M' if has(b"MST") => (Element::ZoneName, 3),
        b'0' => match text.get(1)? {
            b'1' => (Element::ZeroMonth, 2),
            b'2' => (Element::ZeroDay, 2),
            b'3' => (Element::ZeroHour12, 2),
            b'4' => (Element::ZeroMinute, 2),
            b'5' => (Element::ZeroSecond, 2),
            b'6' => (Element::Year, 2),
            b'0' if text.get(2) == Some(&b'2') => (Element::ZeroYearDay, 3),
            _ => return None,
        },
        b'1' if has(b"15") => (Element::Hour, 2),
        b'1' => (Element::NumMonth, 1),
        b'2' if has(b"2006") => (Element::LongYear, 4),
        b'2' => (Element::Day, 1),
        // An underscore before a year is just an underscore.
        b'_' if has(b"_2006") => return Some((1, Element::LongYear, 4)),
        b'_' if has(b"_2") => (Element::UnderDay, 2),
        b'_' if has(b"__2") => (Element::UnderYearDay, 3),
        b'3' => (Element::Hour12, 1),
        b'4' => (Element::Minute, 1),
        b'5' => (Element::Second, 1),
        b'P' if has(b"PM") => (Element::UpperPm, 2),
        b'p' if has(b"pm") => (Element::LowerPm, 2),
        sign @ (b'-' | b'Z') => {
            let (spelled, colon, parts) = OFFSETS.into_iter().find(|(spelled, ..)| text[1..].starts_with(spelled))?;
            (Element::Offset(Offset { zulu: sign == b'Z', colon, parts }), 1 + spelled.len())
        }
        separator @ (b'.' | b',') => {
            let digit = *text.get(1).filter(|b| matches!(b, b'0' | b'9'))?;
            let digits = text[1..].iter().take_while(|&&b| b == digit).count();
            if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            // Go keeps the number in twelve bits.
            let element = Element::Fraction { digits: digits & 0xfff, trim: digit == b'9', comma: separator == b',' };
            (element, 1 + digits)
        }
        _ => return None,
    };
    Some((0, element, len))
}

/// Appends `value` with zeros to at least `width` digits.
fn number(out: &mut Vec<u8>, value: i64, width: usize) {
    if value < 0 {
        out.push(b'-');
    }
    let digits = value.unsigned_abs().to_string();
    out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    out.extend_from_slice(digits.as_bytes());
}

impl Time {
    /// Appends the time as `layout` spells it.
    pub(crate) fn format(&self, layout: &[u8], out: &mut Vec<u8>) {
        let zone = self.zone.lookup(self.secs);
        let m = self.moment();
        let hour12 = if m.hour % 12 == 0 { 12 } else { m.hour % 12 };
        let name = |name: &str, long: bool, out: &mut Vec<u8>| {
            out.extend_from_slice(if long { name.as_bytes() } else { &name.as_bytes()[..3] });
        };
        let mut rest = layout;
        loop {
            let (text, element, tail) = next_element(rest);
            out.extend_from_slice(text);
            let Some(element) = element else { return };
            rest = tail;
            match element {
                Element::LongMonth | Element::Month => {
                    name(MONTHS[(m.month - 1) as usize], element == Element::LongMonth, out);
                }
                Element::LongWeekday | Element::Weekday => {
                    name(WEEKDAYS[m.weekday as usize], element == Element::LongWeekday, out);
                }
                Element::NumMonth => number(out, m.month, 0),
                Element::ZeroMonth => number(out, m.month, 2),
                Element::Day => number(out, m.day, 0),
                Element::UnderDay => {
                    out.extend(std::iter::repeat_n(b' ', usize::from(m.day < 10)));
                    number(out, m.day, 0);
                }
                Element::ZeroDay => number(out, m.day, 2),
                Element::UnderYearDay => {
                    out.extend(std::iter::repeat_n(b' ', usize::from(m.year_day < 100) + usize::from(m.year_day < 10)));
                    number(out, m.year_day, 0);
                }
                Element::ZeroYearDay => number(out, m.year_day, 3),
                Element::Hour => number(out, m.hour, 2),
                Element::Hour12 => number(out, hour12, 0),
                Element::ZeroHour12 => number(out, hour12, 2),
                Element::Minute => number(out, m.minute, 0),
                Element::ZeroMinute => number(out, m.minute, 2),
                Element::Second => number(out, m.second, 0),
                Element::ZeroSecond => number(out, m.second, 2),
                Element::LongYear => number(out, m.year, 4),
                Element::Year => number(out, m.year.abs() % 100, 2),
                Element::UpperPm => out.extend_from_slice(if m.hour >= 12 { b"PM" } else { b"AM" }),
                Element::LowerPm => out.extend_from_slice(if m.hour >= 12 { b"pm" } else { b"am" }),
                Element::ZoneName if zone.name.is_empty() => {
                    offset(out, zone.offset, Offset { zulu: false, colon: false, parts: Parts::Minutes });
                }
                Element::ZoneName => out.extend_from_slice(zone.name.as_bytes()),
                Element::Offset(how) => offset(out, zone.offset, how),
                Element::Fraction { digits, trim, comma } => self.fraction(out, digits, trim, comma),
            }
        }
    }

    fn fraction(&self, out: &mut Vec<u8>, digits: usize, trim: bool, comma: bool) {
        if trim && (digits == 0 || self.nanos == 0) {
            return;
        }
        let all = format!("{:09}", self.nanos);
        let mut shown = &all[..digits.min(9)];
        if trim {
            shown = shown.trim_end_matches('0');
        }
        if !trim || !shown.is_empty() {
            out.push(if comma { b',' } else { b'.' });
            out.extend_from_slice(shown.as_bytes());
        }
    }
}

fn offset(out: &mut Vec<u8>, secs: i64, how: Offset) {
    if how.zulu && secs == 0 {
        return out.push(b'Z');
    }
    // Below a minute the sign is lost, as in Go.
    let minutes = secs / 60;
    out.push(if minutes < 0 { b'-' } else { b'+' });
    number(out, minutes.abs() / 60, 2);
    for (value, part) in [(minutes.abs() % 60, Parts::Minutes), (secs.abs() % 60, Parts::Seconds)] {
        if how.parts >= part {
            if how.colon {
                out.push(b':');
            }
            number(out, value, 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Zone;
    use super::*;

    fn format(time: &Time, layout: &str) -> String {
        let mut out = Vec::new();
        time.format(layout.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn layouts() {
        let time = Time::unix(1_700_000_000, 120_000_000);
        assert_eq!(format(&time, "Mon Jan _2 15:04:05 MST 2006"), "Tue Nov 14 22:13:20 UTC 2023");
        assert_eq!(format(&time, "2006-01-02T15:04:05.999999999Z07:00"), "2023-11-14T22:13:20.12Z");
        assert_eq!(format(&time, ".000 ,9 .0001 __2 002 pm PM3"), ".120 ,1 .0011 318 318 pm PM10");
        assert_eq!(format(&time, "Janet Month _2006 06"), "Janet Month _2023 23");
        let paris = time.in_zone(Zone::load(b"Europe/Paris").unwrap());
        assert_eq!(format(&paris, "-07:00:00 -0700 -07 Z0700 MST"), "+01:00:00 +0100 +01 +0100 CET");
    }
}
