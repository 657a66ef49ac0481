//! The proleptic Gregorian calendar.

/// Names of the months, from January.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Names of the weekdays, from Sunday.
pub(crate) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days in 400 years.
const ERA_DAYS: i128 = 146_097;

/// Go counts seconds from a March far in the past, in 64 bits without sign: instants far away wrap around.
const FIRST_YEAR: i128 = -292_277_022_400;

/// Days from March 1 of [`FIRST_YEAR`] to 1970-01-01.
const UNIX_DAYS: i128 = -FIRST_YEAR / 400 * ERA_DAYS + 719_468;

/// A date and a clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// 0 is Sunday.
    pub(crate) weekday: i64,
    /// 1 to 366.
    pub(crate) year_day: i64,
}

impl Moment {
    /// What a clock shows `secs` seconds after 1970-01-01 00:00:00 on it.
    pub(crate) fn new(secs: i64) -> Moment {
        let absolute = (i128::from(secs) + UNIX_DAYS * 86_400).rem_euclid(1 << 64);
        let (days, clock) = (absolute / 86_400, (absolute % 86_400) as i64);
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = FIRST_YEAR + era * 400 + year_of_era + i128::from(month <= 2);
        let leap = i128::from(is_leap(year as i64));
        let year_day = if month > 2 { day_of_year + 60 + leap } else { day_of_year - 305 };
        Moment {
            year: year as i64,
            month: month as i64,
            day: day as i64,
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
            // March 1 of year 0 of an era is a Wednesday.
            weekday: ((days + 3) % 7) as i64,
            year_day: year_day as i64,
        }
    }
}

/// Whether `year` has a February 29.
pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month, 1 to 12.
pub(crate) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days before the first of a month, 1 to 13, in a year that is not leap.
pub(crate) fn days_before(month: i64) -> i64 {
    const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    BEFORE[(month.clamp(1, 13) - 1) as usize]
}

/// Days from 1970-01-01 to a date, which need not be in order: month 13 is January of the year after.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let from_march = i128::from(month) - 3;
    let year = i128::from(year) + from_march.div_euclid(12);
    let from_march = from_march.rem_euclid(12);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * from_march + 2) / 5;
    let days = era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    (days as i64).wrapping_add(day).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for days in (-800_000..800_000).step_by(97) {
            let m = Moment::new(days * 86_400 + 3661);
            assert_eq!(days_from_civil(m.year, m.month, m.day), days);
            assert_eq!((m.hour, m.minute, m.second), (1, 1, 1));
            assert_eq!(days_from_civil(m.year, 1, m.year_day), days);
            assert_eq!(m.weekday, (days + 4).rem_euclid(7));
        }
        let far = Moment::new(i64::MAX);
        assert_eq!((far.year, far.month, far.day), (292_277_026_596, 12, 4));
    }
}
