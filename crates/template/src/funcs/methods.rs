//! Methods of times and what comes of them: `__timestamp__.Format "15:04"`, `(now.Sub .t).Hours`.
//!
//! Go lets a template call any exported method of a value. Labels, strings, numbers and JSON have none; a time has many.
//! Left out are those that serialise (`AppendFormat`, `MarshalBinary`, `GobEncode` and the like).

use super::{Env, Fault, Func, int, make, write};
use crate::fmt::stringer;
use crate::time::{Time, Zone};
use crate::value::{Text, Type, Value};

/// The receiver is the first argument, unless a method is found not to be callable, for the reason given.
pub(crate) enum Method {
    Func(&'static Func),
    Refused(&'static str),
}

/// The method `name` of `value`'s type.
pub(crate) fn method(value: &Value<'_>, name: &str) -> Option<Method> {
    let table = match value {
        Value::Time(_) => TIME,
        Value::Duration(_) => DURATION,
        Value::Month(_) | Value::Weekday(_) | Value::Location(_) => STRINGER,
        _ => return None,
    };
    if let Some(func) = table.iter().find(|func| func.name == name) {
        return Some(Method::Func(func));
    }
    let refused = match (value, name) {
        (Value::Time(_), "Date") => "function Date has 3 return values; should be 1 or 2",
        (Value::Time(_), "Clock") => "function Clock has 3 return values; should be 1 or 2",
        (Value::Time(_), "Zone") => "invalid function signature for Zone: second return value should be error; is int",
        (Value::Time(_), "ISOWeek") => {
            "invalid function signature for ISOWeek: second return value should be error; is int"
        }
        (Value::Time(_), "ZoneBounds") => {
            "invalid function signature for ZoneBounds: second return value should be error; is time.Time"
        }
        _ => return None,
    };
    Some(Method::Refused(refused))
}

static STRINGER: &[Func] = &[write("String", &[], string)];

static DURATION: &[Func] = &[
    write("String", &[], string),
    make("Abs", &[], |_, args| Ok(Value::Duration(int(args, 0).saturating_abs()))),
    make("Hours", &[], |_, args| Ok(float(int(args, 0), 3_600_000_000_000))),
    make("Minutes", &[], |_, args| Ok(float(int(args, 0), 60_000_000_000))),
    make("Seconds", &[], |_, args| Ok(float(int(args, 0), 1_000_000_000))),
    make("Milliseconds", &[], |_, args| Ok(Value::Int64(int(args, 0) / 1_000_000))),
    make("Microseconds", &[], |_, args| Ok(Value::Int64(int(args, 0) / 1_000))),
    make("Nanoseconds", &[], |_, args| Ok(Value::Int64(int(args, 0)))),
    make("Truncate", &[Type::Duration], |_, args| {
        let (d, unit) = (int(args, 0), int(args, 1));
        Ok(Value::Duration(if unit <= 0 { d } else { d - d % unit }))
    }),
    make("Round", &[Type::Duration], |_, args| Ok(Value::Duration(round(int(args, 0), int(args, 1))))),
];

static TIME: &[Func] = &[
    write("String", &[], string),
    write("Format", &[Type::String], |env, args, out| {
        let layout = super::text(args, 1);
        env.fits(layout.len().saturating_mul(24))?;
        time(args, 0)?.format(layout, out);
        Ok(())
    }),
    write("GoString", &[], |_, args, out| {
        time(args, 0)?.print_go(out);
        Ok(())
    }),
    make("MarshalText", &[], |_, args| marshal(&time(args, 0)?, b"")),
    make("MarshalJSON", &[], |_, args| marshal(&time(args, 0)?, b"\"")),
    make("Unix", &[], |_, args| Ok(Value::Int64(time(args, 0)?.secs))),
    make("UnixMilli", &[], |_, args| since(args, 1_000)),
    make("UnixMicro", &[], |_, args| since(args, 1_000_000)),
    make("UnixNano", &[], |_, args| since(args, 1_000_000_000)),
    make("Year", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().year))),
    make("Month", &[], |_, args| Ok(Value::Month(time(args, 0)?.moment().month))),
    make("Day", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().day))),
    make("YearDay", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().year_day))),
    make("Weekday", &[], |_, args| Ok(Value::Weekday(time(args, 0)?.moment().weekday))),
    make("Hour", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().hour))),
    make("Minute", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().minute))),
    make("Second", &[], |_, args| Ok(Value::Int(time(args, 0)?.moment().second))),
    make("Nanosecond", &[], |_, args| Ok(Value::Int(i64::from(time(args, 0)?.nanos)))),
    make("IsZero", &[], |_, args| {
        let time = time(args, 0)?;
        Ok(Value::Bool(time.internal() == 0 && time.nanos == 0))
    }),
    make("IsDST", &[], |_, args| {
        let time = time(args, 0)?;
        Ok(Value::Bool(time.zone.lookup(time.secs).is_dst))
    }),
    make("UTC", &[], |_, args| Ok(Value::Time(time(args, 0)?.in_zone(Zone::Utc)))),
    make("Local", &[], |_, args| Ok(Value::Time(time(args, 0)?.in_zone(Zone::Local)))),
    make("Location", &[], |_, args| Ok(Value::Location(time(args, 0)?.zone))),
    make("In", &[Type::Location], |_, args| match args.get(1) {
        Some(Value::Location(zone)) => Ok(Value::Time(time(args, 0)?.in_zone(zone.clone()))),
        _ => Err("time: missing Location in call to Time.In".to_owned()),
    }),
    make("Add", &[Type::Duration], |_, args| Ok(Value::Time(time(args, 0)?.add(int(args, 1))))),
    make("AddDate", &[Type::Int, Type::Int, Type::Int], |_, args| {
        Ok(Value::Time(time(args, 0)?.add_date(int(args, 1), int(args, 2), int(args, 3))))
    }),
    make("Sub", &[Type::Time], |_, args| Ok(Value::Duration(time(args, 0)?.sub(&time(args, 1)?)))),
    make("Truncate", &[Type::Duration], |_, args| Ok(Value::Time(time(args, 0)?.truncate(int(args, 1))))),
    make("Round", &[Type::Duration], |_, args| Ok(Value::Time(time(args, 0)?.round(int(args, 1))))),
    make("After", &[Type::Time], |_, args| Ok(Value::Bool(time(args, 0)?.compare(&time(args, 1)?).is_gt()))),
    make("Before", &[Type::Time], |_, args| Ok(Value::Bool(time(args, 0)?.compare(&time(args, 1)?).is_lt()))),
    make("Equal", &[Type::Time], |_, args| Ok(Value::Bool(time(args, 0)?.compare(&time(args, 1)?).is_eq()))),
    make("Compare", &[Type::Time], |_, args| Ok(Value::Int(time(args, 0)?.compare(&time(args, 1)?) as i64))),
];

fn string(_: &mut Env<'_>, args: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend(args.first().and_then(stringer).unwrap_or_default());
    Ok(())
}

/// The time that argument `at` is; its type has been checked.
fn time(args: &[Value<'_>], at: usize) -> Result<Time, Fault> {
    match args.get(at) {
        Some(Value::Time(time)) => Ok(time.clone()),
        _ => Err("not a time".to_owned()),
    }
}

/// Time since 1970 in parts of a second.
fn since<'a>(args: &[Value<'a>], parts: i64) -> Result<Value<'a>, Fault> {
    let time = time(args, 0)?;
    let below = i64::from(time.nanos) / (1_000_000_000 / parts);
    Ok(Value::Int64(time.secs.wrapping_mul(parts).wrapping_add(below)))
}

/// A duration in a unit, as a fraction.
fn float<'a>(nanos: i64, unit: i64) -> Value<'a> {
    Value::Float((nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64)
}

/// To a multiple of `unit`, half away from zero; what does not fit saturates.
fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let rest = nanos % unit;
    if rest.unsigned_abs() < (unit - rest.abs()).unsigned_abs() {
        return nanos - rest;
    }
    (nanos - rest).checked_add(if nanos < 0 { -unit } else { unit }).unwrap_or(if nanos < 0 {
        i64::MIN
    } else {
        i64::MAX
    })
}

/// RFC 3339 as bytes, in quotes for JSON.
fn marshal<'a>(time: &Time, quote: &[u8]) -> Result<Value<'a>, Fault> {
    let name = if quote.is_empty() { "Time.MarshalText: " } else { "Time.MarshalJSON: " };
    if !(0..10_000).contains(&time.moment().year) {
        return Err(format!("{name}year outside of range [0,9999]"));
    }
    if time.zone.lookup(time.secs).offset.abs() >= 24 * 3600 {
        return Err(format!("{name}timezone hour outside of range [0,23]"));
    }
    let mut out = quote.to_vec();
    time.format(b"2006-01-02T15:04:05.999999999Z07:00", &mut out);
    out.extend_from_slice(quote);
    Ok(Value::Bytes(Text::owned(&out)))
}
