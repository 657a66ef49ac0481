//! Go's `time` package, as far as templates reach it.
//!
//! A [`Time`] is an instant with a zone to show it in. The process's own zone is UTC here, see the crate's front page.

mod civil;
mod duration;
mod layout;
mod parse;
mod zone;

pub(crate) use civil::{MONTHS, Moment, WEEKDAYS};
pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use parse::parse_in;
pub(crate) use zone::Zone;

use civil::days_from_civil;
use loptr_model::Nanos;

/// Seconds from 0001-01-01 to 1970-01-01.
const UNIX_TO_ZERO: i64 = 62_135_596_800;

/// Nanoseconds in a second.
const NANOS: i64 = 1_000_000_000;

/// An instant, and the zone it is shown in.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    /// Unix time in seconds. Go counts from year 1 and wraps around; so does what is computed from this.
    pub(crate) secs: i64,
    /// Below a second: 0 to 999,999,999.
    pub(crate) nanos: u32,
    pub(crate) zone: Zone,
}

impl Time {
    /// Go's zero time: 0001-01-01 00:00:00 UTC.
    pub(crate) fn zero() -> Time {
        Time { secs: -UNIX_TO_ZERO, nanos: 0, zone: Zone::Utc }
    }

    /// `time.Unix(secs, nanos)`, in the process's zone.
    pub(crate) fn unix(secs: i64, nanos: i64) -> Time {
        let secs = secs.wrapping_add(nanos.div_euclid(NANOS));
        Time { secs, nanos: nanos.rem_euclid(NANOS) as u32, zone: Zone::Local }
    }

    /// An entry's time.
    pub(crate) fn from_nanos(nanos: Nanos) -> Time {
        Time::unix(0, nanos.0)
    }

    /// The same instant elsewhere.
    pub(crate) fn in_zone(&self, zone: Zone) -> Time {
        Time { secs: self.secs, nanos: self.nanos, zone }
    }

    /// `time.Date`: the wall clock `secs` of a day, in `zone`. A wall clock that the zone skips or has twice is taken as Go
    /// takes it.
    pub(crate) fn date(year: i64, month: i64, day: i64, secs: i64, nanos: i64, zone: Zone) -> Time {
        let secs = secs.wrapping_add(nanos.div_euclid(NANOS));
        let nanos = nanos.rem_euclid(NANOS) as u32;
        let mut unix = days_from_civil(year, month, day).wrapping_mul(86_400).wrapping_add(secs);
        if !matches!(zone, Zone::Utc | Zone::Local) {
            let found = zone.lookup(unix);
            if found.offset != 0 {
                let utc = unix.wrapping_sub(found.offset);
                let offset = if utc < found.start || utc >= found.end { zone.lookup(utc).offset } else { found.offset };
                unix = unix.wrapping_sub(offset);
            }
        }
        Time { secs: unix, nanos, zone }
    }

    /// Date and clock as the zone shows them.
    pub(crate) fn moment(&self) -> Moment {
        Moment::new(self.secs.wrapping_add(self.zone.lookup(self.secs).offset))
    }

    /// Unix time in nanoseconds, wrapped around where it does not fit.
    pub(crate) fn unix_nanos(&self) -> i64 {
        self.secs.wrapping_mul(NANOS).wrapping_add(i64::from(self.nanos))
    }

    /// `t.Add(d)`.
    pub(crate) fn add(&self, nanos: i64) -> Time {
        let total = i64::from(self.nanos) + nanos % NANOS;
        let secs = self.secs.wrapping_add(nanos / NANOS).wrapping_add(total.div_euclid(NANOS));
        Time { secs, nanos: total.rem_euclid(NANOS) as u32, zone: self.zone.clone() }
    }

    /// `t.Sub(u)`: saturates.
    pub(crate) fn sub(&self, other: &Time) -> i64 {
        let nanos = (i128::from(self.secs) - i128::from(other.secs)) * i128::from(NANOS) + i128::from(self.nanos)
            - i128::from(other.nanos);
        nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// Earlier, same or later, whatever the zones.
    pub(crate) fn compare(&self, other: &Time) -> std::cmp::Ordering {
        (self.secs, self.nanos).cmp(&(other.secs, other.nanos))
    }

    /// Go's `==`: the same instant in the same zone value.
    pub(crate) fn identical(&self, other: &Time) -> bool {
        self.compare(other).is_eq() && self.zone.identical(&other.zone)
    }

    /// Seconds since 0001-01-01, the number Go keeps.
    pub(crate) fn internal(&self) -> i64 {
        self.secs.wrapping_add(UNIX_TO_ZERO)
    }

    /// `t.AddDate`.
    pub(crate) fn add_date(&self, years: i64, months: i64, days: i64) -> Time {
        let now = self.moment();
        Time::date(
            now.year.wrapping_add(years),
            now.month.wrapping_add(months),
            now.day.wrapping_add(days),
            now.hour * 3600 + now.minute * 60 + now.second,
            i64::from(self.nanos),
            self.zone.clone(),
        )
    }

    /// What is left of the time since year 1 when divided by `d`, which is positive.
    fn remainder(&self, d: i64) -> i64 {
        let since = i128::from(self.internal()) * i128::from(NANOS) + i128::from(self.nanos);
        since.rem_euclid(i128::from(d)) as i64
    }

    /// `t.Truncate(d)`.
    pub(crate) fn truncate(&self, d: i64) -> Time {
        if d <= 0 { self.clone() } else { self.add(-self.remainder(d)) }
    }

    /// `t.Round(d)`: half goes up.
    pub(crate) fn round(&self, d: i64) -> Time {
        if d <= 0 {
            return self.clone();
        }
        let r = self.remainder(d);
        if r < d - r { self.add(-r) } else { self.add(d - r) }
    }

    /// Appends the time as Go prints it without a layout.
    pub(crate) fn print(&self, out: &mut Vec<u8>) {
        self.format(b"2006-01-02 15:04:05.999999999 -0700 MST", out);
    }

    /// Appends the time as Go source.
    pub(crate) fn print_go(&self, out: &mut Vec<u8>) {
        let m = self.moment();
        let month = MONTHS[(m.month - 1) as usize];
        let zone = match &self.zone {
            Zone::Utc => "time.UTC".to_owned(),
            Zone::Local => "time.Local".to_owned(),
            zone => format!("time.Location({})", duration::plain_quote(zone.name().as_bytes())),
        };
        let text = format!(
            "time.Date({}, time.{month}, {}, {}, {}, {}, {}, {zone})",
            m.year, m.day, m.hour, m.minute, m.second, self.nanos
        );
        out.extend_from_slice(text.as_bytes());
    }
}
