//! Times, durations and sizes.

use super::{Env, Fault, Func, Prepared, int, make, text, write};
use crate::number::{NumberError, parse_float, parse_int};
use crate::quote::quote;
use crate::time::{Time, Zone, parse_duration, parse_in};
use crate::unicode;
use crate::value::{Type, Value};

use Type::{Any, String as Str, Time as Instant};

pub(super) static FUNCTIONS: &[Func] = &[
    make("__timestamp__", &[], |env, _| Ok(Value::Time(Time::from_nanos(env.fields.timestamp())))),
    make("now", &[], |env, _| Ok(Value::Time(Time::from_nanos(env.fields.now())))),
    make("bytes", &[Str], |_, args| Ok(Value::Float(parse_bytes(text(args, 0))?))),
    make("duration", &[Str], seconds),
    make("duration_seconds", &[Str], seconds),
    write("unixEpoch", &[Instant], |_, args, out| number(args, out, |time| time.secs)),
    write("unixEpochMillis", &[Instant], |_, args, out| {
        number(args, out, |time| time.secs.wrapping_mul(1_000).wrapping_add(i64::from(time.nanos / 1_000_000)))
    }),
    write("unixEpochNanos", &[Instant], |_, args, out| number(args, out, Time::unix_nanos)),
    make("unixToTime", &[Str], |_, args| unix_to_time(text(args, 0)).map(Value::Time)),
    make("toDate", &[Str, Str], |_, args| Ok(parsed(text(args, 0), text(args, 1), &Zone::Local))),
    make("toDateInZone", &[Str, Str, Str], |env, args| {
        let zone = match env.prepared {
            Prepared::Zone(zone) => zone.clone(),
            _ => {
                // Reading a zone's data takes a while.
                env.charge(100)?;
                Zone::load(text(args, 1)).unwrap_or(Zone::Utc)
            }
        };
        Ok(parsed(text(args, 0), text(args, 2), &zone))
    }),
    write("date", &[Str, Any], |env, args, out| {
        let time = match &args[1] {
            Value::Time(time) => time.clone(),
            Value::Int(_) | Value::Int64(_) => Time::unix(int(args, 1), 0),
            _ => Time::from_nanos(env.fields.now()),
        };
        env.fits(text(args, 0).len().saturating_mul(24))?;
        time.in_zone(Zone::Local).format(text(args, 0), out);
        Ok(())
    }),
];

fn seconds<'a>(_: &mut Env<'a>, args: &[Value<'a>]) -> Result<Value<'a>, Fault> {
    let nanos = parse_duration(text(args, 0))?;
    Ok(Value::Float((nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9))
}

fn number(args: &[Value<'_>], out: &mut Vec<u8>, of: fn(&Time) -> i64) -> Result<(), Fault> {
    if let Some(Value::Time(time)) = args.first() {
        out.extend_from_slice(of(time).to_string().as_bytes());
    }
    Ok(())
}

/// The time; Go's zero time if it does not read.
fn parsed<'a>(layout: &[u8], text: &[u8], zone: &Zone) -> Value<'a> {
    Value::Time(parse_in(layout, text, zone).unwrap_or_else(Time::zero))
}

/// Days, seconds, milliseconds, microseconds or nanoseconds: the number of characters tells.
fn unix_to_time(text: &[u8]) -> Result<Time, Fault> {
    let failed = |why: &str| {
        let text = String::from_utf8_lossy(text);
        Err(format!("unable to parse time '{text}': {why}"))
    };
    let number = match parse_int(text, 10) {
        Ok(number) => number,
        Err(error) => return failed(&format!("strconv.ParseInt: parsing {}: {}", quote(text), error.text())),
    };
    Ok(match text.len() {
        5 => Time::unix(number.wrapping_mul(86_400), 0),
        10 => Time::unix(number, 0),
        13 => Time::unix(0, number.wrapping_mul(1_000_000)),
        16 => Time::unix(0, number.wrapping_mul(1_000)),
        19 => Time::unix(0, number),
        // Upstream formats an error that is not there.
        _ => return failed("%!w(<nil>)"),
    })
}

/// A size such as `1.5 KiB`, in bytes.
fn parse_bytes(text: &[u8]) -> Result<f64, Fault> {
    // The library counts runes and cuts bytes.
    let digits = unicode::runes(text).take_while(|&(_, c, _)| unicode::is_digit(c) || c == '.' || c == ',').count();
    let number: Vec<u8> = text[..digits].iter().copied().filter(|&b| b != b',').collect();
    let value = parse_float(&number)
        .map_err(|error: NumberError| format!("strconv.ParseFloat: parsing {}: {}", quote(&number), error.text()))?;
    let rest = String::from_utf8_lossy(&text[digits..]);
    let unit: String = rest.trim().chars().map(unicode::lower).collect();
    let (prefix, suffix) = unit.split_at_checked(1).unwrap_or((&unit, ""));
    let power = match prefix {
        "" | "b" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return Err(format!("unhandled size name: {unit}")),
    };
    let base: f64 = match suffix {
        "" | "b" if power > 0 => 1000.0,
        "i" | "ib" if power > 0 => 1024.0,
        "" => 1.0,
        _ => return Err(format!("unhandled size name: {unit}")),
    };
    let bytes = value * base.powi(power);
    if bytes >= 18_446_744_073_709_551_615.0 {
        return Err(format!("too large: {}", String::from_utf8_lossy(text)));
    }
    Ok((bytes as u64) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("1kb", 1000.0), ("1.5 KiB", 1536.0), ("1,000", 1000.0), ("2e", 2e18), ("0.5", 0.0), ("3B", 3.0)]
        {
            assert_eq!(parse_bytes(text.as_bytes()), Ok(bytes), "{text}");
        }
        for (text, error) in [
            ("", "strconv.ParseFloat: parsing \"\": invalid syntax"),
            ("1.2.3kb", "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"),
            ("1zb", "unhandled size name: zb"),
            ("1bb", "unhandled size name: bb"),
            ("20EB", "too large: 20EB"),
        ] {
            assert_eq!(parse_bytes(text.as_bytes()).unwrap_err(), error);
        }
    }

    #[test]
    fn unix_times_by_length() {
        let nanos = |text: &str| unix_to_time(text.as_bytes()).map(|time| time.unix_nanos());
        assert_eq!(nanos("19373"), Ok(1_673_827_200_000_000_000));
        assert_eq!(nanos("1673798889"), Ok(1_673_798_889_000_000_000));
        assert_eq!(nanos("1673798889902000000"), Ok(1_673_798_889_902_000_000));
        assert_eq!(nanos("12").unwrap_err(), "unable to parse time '12': %!w(<nil>)");
        let error = "unable to parse time 'x': strconv.ParseInt: parsing \"x\": invalid syntax";
        assert_eq!(nanos("x").unwrap_err(), error);
    }
}
